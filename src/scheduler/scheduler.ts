/**
 * Gives every pod a node: follows pods and nodes, asks the pure `schedule`, takes the room at once and binds in the
 * background. A pod that fits nowhere is told why, in its condition and in an event, and waits for a change. To be run
 * by one leader at a time; two would do no harm, since a binding succeeds once.
 */
import { setMaxListeners } from 'node:events';
import { formatTime, type Clock, type Timer } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { Tasks } from '../base/tasks.ts';
import { inNamespace, resources, type ApiClient } from '../client/api-client.ts';
import { isConflict, isNotFound } from '../client/api-error.ts';
import type { Change } from '../client/core/object-cache.ts';
import { EventRecorder } from '../client/event-recorder.ts';
import { Informer } from '../client/informer.ts';
import { conditionOf, type ApiObject, type Condition, type Node, type Pod } from '../client/objects.ts';
import { schedule, type Decision } from './core/schedule.ts';
import { SchedulingQueue } from './core/scheduling-queue.ts';
import { ClusterState, isFinished, podInfo } from './core/snapshot.ts';

export interface SchedulerOptions {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Pods that name another scheduler are left alone. */
  readonly schedulerName?: string;
  readonly onDecision?: (pod: Pod, decision: Decision) => void;
}

/** Bindings under way; past it the next pod waits for one to finish. */
const BINDINGS_MAX = 100;

export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #name: string;
  readonly #pods: Informer<Pod>;
  readonly #nodes: Informer<Node>;
  readonly #state = new ClusterState();
  readonly #queue = new SchedulingQueue();
  readonly #events: EventRecorder;
  readonly #random: Random;
  readonly #tasks: Tasks;
  #bindings = 0;
  #isRunning = false;
  #timer: Timer | undefined;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#name = options.schedulerName ?? 'default-scheduler';
    const { client, clock, log, random } = options;
    this.#random = random.fork('ties');
    this.#events = new EventRecorder({ client, clock, log, random: random.fork('events'), component: this.#name });
    this.#tasks = new Tasks((error) => log.error({ error: describeError(error) }, 'scheduler: a task failed'));
    this.#pods = new Informer<Pod>({ client, clock, log, ref: resources.pods });
    this.#nodes = new Informer<Node>({ client, clock, log, ref: resources.nodes });
    this.#nodes.listen({ changed: (change) => this.#nodeChanged(change) });
    this.#pods.listen({ changed: (change) => this.#podChanged(change) });
  }

  /** Runs until `signal` fires; bindings under way are finished. */
  async run(signal: AbortSignal): Promise<void> {
    setMaxListeners(0, signal);
    this.#tasks.run(this.#nodes.run(signal));
    this.#tasks.run(this.#pods.run(signal));
    try {
      await Promise.all([this.#nodes.synced(signal), this.#pods.synced(signal)]);
      this.#isRunning = !signal.aborted;
      this.#pump();
      if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    this.#isRunning = false;
    this.#timer?.cancel();
    await this.#tasks.idle();
  }

  #nodeChanged({ key, before, after }: Change<Node>): void {
    if (after === undefined) return this.#state.removeNode(key);
    this.#state.setNode(after);
    if (before !== undefined && placementOf(before) === placementOf(after)) return;
    this.#roomMade();
  }

  #podChanged({ key, before, after }: Change<Pod>): void {
    if (after === undefined) {
      this.#queue.remove(key);
      this.#state.removePod(key);
      if (before?.spec.nodeName !== undefined) this.#roomMade();
      return;
    }
    // Deleted and made again between two lists: what was assumed was the other one.
    if (before !== undefined && before.metadata.uid !== after.metadata.uid) this.#state.removePod(key);
    if ((after.spec.nodeName ?? '') !== '') {
      this.#queue.remove(key);
      this.#state.setPod(after);
      if (isFinished(after) && before !== undefined && !isFinished(before)) this.#roomMade();
      return;
    }
    if (!this.#isMine(after)) return this.#queue.remove(key);
    if (this.#state.isAssumed(key)) return;
    // Our own condition comes back as a change, too: only what the decision depends on counts.
    if (before !== undefined && wishesOf(before) === wishesOf(after)) return;
    this.#queue.add(key, after.spec.priority ?? 0);
    this.#pump();
  }

  #isMine(pod: Pod): boolean {
    return (
      (pod.spec.schedulerName ?? 'default-scheduler') === this.#name &&
      (pod.spec.schedulingGates ?? []).length === 0 &&
      pod.metadata.deletionTimestamp === undefined &&
      !isFinished(pod)
    );
  }

  #roomMade(): void {
    this.#queue.unpark(this.#options.clock.monotonic());
    this.#pump();
  }

  #pump(): void {
    if (!this.#isRunning) return;
    this.#queue.promote(this.#options.clock.monotonic());
    while (this.#bindings < BINDINGS_MAX) {
      const key = this.#queue.take();
      if (key === undefined) break;
      const pod = this.#pods.cache.get(key);
      if (pod !== undefined && this.#isMine(pod) && (pod.spec.nodeName ?? '') === '') this.#decide(key, pod);
    }
    this.#arm();
  }

  #decide(key: string, pod: Pod): void {
    const info = podInfo(pod);
    this.#state.forget(key);
    const decision = schedule(info, this.#state.snapshot(), this.#random);
    this.#options.onDecision?.(pod, decision);
    if (decision.kind === 'unschedulable') {
      this.#queue.park(key, pod.spec.priority ?? 0, this.#options.clock.monotonic());
      this.#tasks.run(this.#explain(pod, decision.message));
      return;
    }
    this.#state.assume(info, decision.nodeName);
    this.#bindings++;
    this.#tasks.run(this.#bind(key, pod, decision.nodeName));
  }

  async #bind(key: string, pod: Pod, nodeName: string): Promise<void> {
    const { client, log } = this.#options;
    const { name, namespace = '', uid } = pod.metadata;
    const binding = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name, namespace, ...(uid === undefined ? {} : { uid }) },
      target: { apiVersion: 'v1', kind: 'Node', name: nodeName },
    };
    const ref = inNamespace(resources.pods, namespace);
    try {
      await client.create<ApiObject>(ref, binding, { name, subresource: 'binding' });
      const message = `Successfully assigned ${namespace}/${name} to ${nodeName}`;
      this.#events.record(pod, { type: 'Normal', reason: 'Scheduled', message });
    } catch (error) {
      const isNews = isNotFound(error) || isConflict(error);
      // Otherwise the binding may have happened: the room stays taken until the next try, or the news, says where.
      if (isNews) this.#state.forget(key);
      log[isNews ? 'debug' : 'warn']({ namespace, name, node: nodeName, error: describeError(error) }, 'scheduler: not bound');
      // If it did happen, the news of it takes the pod out of the queue.
      if (this.#pods.cache.get(key) !== undefined) {
        this.#queue.retry(key, pod.spec.priority ?? 0, this.#options.clock.monotonic());
      }
    } finally {
      this.#bindings--;
      this.#pump();
    }
  }

  async #explain(pod: Pod, message: string): Promise<void> {
    this.#events.record(pod, { type: 'Warning', reason: 'FailedScheduling', message });
    const { client, clock } = this.#options;
    const conditions = pod.status?.conditions ?? [];
    const known = conditionOf(conditions, 'PodScheduled');
    if (known?.status === 'False' && known.message === message) return;
    const now = formatTime(clock.wall());
    const condition: Condition = {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message,
      lastTransitionTime: known?.status === 'False' ? (known.lastTransitionTime ?? now) : now,
    };
    const others = conditions.filter(({ type }) => type !== 'PodScheduled');
    const status = { ...pod.status, conditions: [...others, condition] };
    try {
      await client.updateStatus<Pod>(inNamespace(resources.pods, pod.metadata.namespace), { ...pod, status });
    } catch (error) {
      // The pod has changed or gone; the next try explains again.
      this.#options.log.debug({ name: pod.metadata.name, error: describeError(error) }, 'scheduler: condition not written');
    }
  }

  #arm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const at = this.#queue.nextDeadline();
    if (at === undefined || !this.#isRunning) return;
    const { clock } = this.#options;
    this.#timer = clock.setTimer(at - clock.monotonic(), () => this.#pump());
  }
}

/** What of a node a decision depends on: not its heartbeats. */
function placementOf(node: Node): string {
  const { labels } = node.metadata;
  return JSON.stringify([labels, node.spec?.unschedulable, node.spec?.taints, node.status?.allocatable]);
}

function wishesOf(pod: Pod): string {
  return JSON.stringify([pod.metadata.uid, pod.metadata.labels, pod.spec]);
}
