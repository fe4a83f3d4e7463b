/**
 * One pod's worker: asks the plan what to do, does it, says how it is, and waits for the next thing to happen (the
 * object changed, a container ended, a probe answered, a time came). One pass at a time. What takes long runs beside
 * the passes: stops with their grace, hooks, probes, and writes to the API server, which may be away for minutes while
 * pods go on.
 */
import { describeError } from '../base/errors.ts';
import type { Millis, Timer } from '../base/clock.ts';
import { Tasks } from '../base/tasks.ts';
import type { EventRecorder } from '../client/event-recorder.ts';
import type { Allocatable, Amounts } from './core/admission.ts';
import { planPod, isEnded } from './core/pod-lifecycle.ts';
import type { PodPlan, Reason } from './core/pod-plan.ts';
import type { AgentPod, AgentPodStatus } from './core/pod-spec.ts';
import { SteadyAges } from './core/steady-ages.ts';
import type { ImagePuller } from './image-puller.ts';
import { PodEvents } from './pod-events.ts';
import { PodExecutor, type ExecutorContext } from './pod-executor.ts';
import { PodImages } from './pod-images.ts';
import { PodProbing } from './pod-probing.ts';
import { RETRY_FIRST_MS } from './pod-retries.ts';
import { PodStatusWriter } from './pod-status-writer.ts';
import type { ContainerRecord, Sandbox } from './runtime/runtime.ts';
import { TerminationMessages } from './termination-logs.ts';

/** What all workers of a node share. */
export interface WorkerContext extends ExecutorContext {
  readonly onContainerFailure: 'restart' | 'replace-pod';
  readonly events: EventRecorder;
  /** Absent: the runtime keeps no images. */
  readonly puller?: ImagePuller | undefined;
  readonly capacityLeft: { readonly allocatable: Allocatable; readonly others: (uid: string) => Amounts };
}

export interface WorkerOptions {
  readonly context: WorkerContext;
  readonly pod: AgentPod;
  readonly refusal?: Reason | undefined;
  /** Everything of the pod is gone from this node. */
  readonly onGone: () => void;
  /** The object that stands for a pod of a file in the API server; absent: the pod is such an object itself. */
  readonly mirror?: (() => AgentPod | undefined) | undefined;
}

/** Actions of one pass that lead to the next one at once; a plan that needs more has lost its way. */
const ROUNDS_MAX = 20;
export class PodWorker {
  readonly #context: WorkerContext;
  readonly #uid: string;
  #refusal: WorkerOptions['refusal'];
  readonly #onGone: () => void;
  readonly #mirror: WorkerOptions['mirror'];
  readonly #tasks: Tasks;
  readonly #abort = new AbortController();
  readonly #ages = new SteadyAges();
  readonly #events: PodEvents;
  readonly #probing: PodProbing;
  readonly #messages: TerminationMessages;
  readonly #images: PodImages;
  readonly #executor: PodExecutor;
  readonly #writer: PodStatusWriter;
  #pod: AgentPod;
  #isRemoved = false;
  /** Monotonic: since when the pod is ended, and since when its deletion is known. */
  #endingSinceMs: Millis | undefined;
  #deletionSeenAtMs: Millis | undefined;
  /** Monotonic: what the plan says of how long something may still take counts from then. */
  #plannedAtMs: Millis = 0;
  /** Another agent has begun to end it. */
  readonly #wasDeletedBefore: boolean;
  #isPassing = false;
  #isDirty = false;
  #timer: Timer | undefined;
  #plan: PodPlan | undefined;
  #isGone = false;

  constructor({ context, pod, refusal, onGone, mirror }: WorkerOptions) {
    this.#context = context;
    this.#pod = pod;
    this.#uid = pod.metadata.uid ?? '';
    this.#refusal = refusal === undefined ? undefined : { ...refusal, message: `Pod was rejected: ${refusal.message}` };
    this.#onGone = onGone;
    this.#mirror = mirror;
    this.#wasDeletedBefore = this.#isDeleted;
    this.#tasks = new Tasks((error) => this.#failed(error));
    this.#events = new PodEvents({ recorder: context.events, pod: () => this.#pod });
    this.#messages = new TerminationMessages(context.terminationLogs, context.runtime);
    const { clock, log, runtime, prober, api } = context;
    const shared = { clock, prober, tasks: this.#tasks, signal: this.#abort.signal, say: this.#events.say };
    this.#images = new PodImages({ ...shared, puller: context.puller, pod: () => this.#pod, wake: () => this.wake() });
    this.#probing = new PodProbing({
      ...shared,
      runtimeName: runtime.name,
      pod: () => this.#pod,
      sandbox: () => this.#sandbox(),
      ageMs: ({ id, startedAtMs = clock.wall() }) => this.#ageMs(`start of ${id}`, startedAtMs),
      progressed: (isChanged) => (isChanged ? this.wake() : this.#armTimer()),
    });
    this.#executor = new PodExecutor({
      context,
      uid: this.#uid,
      pod: () => this.#pod,
      events: this.#events,
      images: this.#images,
      isReady: (id) => this.#probing.isReady(id),
      onRemoved: (id) => this.#ages.forget((what) => what.endsWith(` of ${id}`)),
      wake: () => this.wake(),
      tasks: this.#tasks,
      signal: this.#abort.signal,
    });
    this.#writer = new PodStatusWriter({
      ...shared,
      api,
      log,
      object: () => this.#object,
      wanted: () => this.#wanted(),
      isMirror: mirror !== undefined,
      onPod: (answered) => this.#adopt(answered),
      onRemoved: () => this.remove(),
      wake: () => this.wake(),
    });
    if (refusal !== undefined) this.#events.say('Warning', refusal.reason, refusal.message);
  }

  get pod(): AgentPod {
    return this.#pod;
  }

  /** It runs without anybody's order but that of a file. */
  get isOfFile(): boolean {
    return this.#mirror !== undefined;
  }

  /** Takes part in what the node has given away. */
  get isCounted(): boolean {
    return this.#refusal === undefined && !isEnded(this.#pod.status?.phase);
  }

  update(pod: AgentPod): void {
    // The status of a pod of a file is made here, and nowhere else.
    this.#pod = this.#mirror === undefined ? pod : { ...pod, ...(this.#pod.status === undefined ? {} : { status: this.#pod.status }) };
    this.wake();
  }

  /** Something that a container waited for may be there. */
  retry(): void {
    this.#executor.retries.hurryAll();
    this.wake();
  }

  /** The node cannot keep the pod: it ends, and is Failed. */
  evict(message: string): void {
    if (this.#refusal !== undefined || isEnded(this.#pod.status?.phase)) return;
    this.#refusal = { reason: 'Evicted', message };
    this.#events.say('Warning', 'Evicted', message);
    this.wake();
  }

  /** The object is gone. */
  remove(): void {
    this.#isRemoved = true;
    this.wake();
  }

  /** Lets go without ending anything. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#abort.abort();
    await this.#tasks.idle();
  }

  wake(): void {
    this.#isDirty = true;
    if (this.#isPassing || this.#isGone || this.#abort.signal.aborted) return;
    this.#isPassing = true;
    this.#tasks.run(this.#passes());
  }

  /** What the API server has of it. */
  get #object(): AgentPod | undefined {
    return this.#mirror === undefined ? this.#pod : this.#mirror();
  }

  get #isDeleted(): boolean {
    return this.#pod.metadata.deletionTimestamp !== undefined;
  }

  async #passes(): Promise<void> {
    try {
      while (this.#isDirty && !this.#isGone && !this.#abort.signal.aborted) {
        this.#isDirty = false;
        await this.#pass();
      }
    } catch (error) {
      this.#failed(error);
      this.#wakeAt(this.#now() + RETRY_FIRST_MS);
    } finally {
      this.#isPassing = false;
    }
  }

  async #pass(): Promise<void> {
    this.#timer?.cancel();
    if (this.#isDeleted) this.#endingSinceMs = this.#deletionSeenAtMs ??= this.#now() - this.#deletedForMs();
    if (this.#isDeleted || this.#isRemoved) this.#images.abandon();
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const containers = await this.#context.runtime.listContainers(this.#uid);
      const sandbox = await this.#sandbox();
      if (this.#isRemoved) return this.#cleanUp(containers);
      if (sandbox?.state === 'ready' && containers.length > 0) this.#context.volumes.adopt(this.#pod, sandbox.ip);
      const running = containers.filter(({ state }) => state === 'running');
      this.#executor.sync(running);
      this.#probing.sync(running.filter(({ id }) => !this.#executor.starting.has(id)), this.#isDeleted || this.#plan?.isEnding === true);
      this.#plan = await this.#planFor(sandbox, containers);
      this.#events.tell(this.#plan.status, this.#context.onContainerFailure);
      if (this.#plan.isEnding) this.#endingSinceMs ??= this.#now();
      let isChanged = false;
      for (const action of this.#plan.actions) {
        if (this.#abort.signal.aborted) return;
        if (await this.#executor.execute(action, { sandbox, plannedAtMs: this.#plannedAtMs })) isChanged = true;
      }
      if (!isChanged) break;
    }
    if (this.#mirror !== undefined) this.#pod = { ...this.#pod, status: this.#plan!.status };
    this.#probing.run();
    this.#armTimer();
    this.#writer.publish();
    if (this.#mirror !== undefined && this.#wanted()?.isOver === true) this.remove();
  }

  async #sandbox(): Promise<Sandbox | undefined> {
    return (await this.#context.runtime.listPodSandboxes()).find(({ id }) => id === this.#uid);
  }

  async #planFor(sandbox: Sandbox | undefined, containers: readonly ContainerRecord[]): Promise<PodPlan> {
    const { nodeIp, runtime, clock, onContainerFailure, capacityLeft } = this.#context;
    const messages = await this.#messages.of(this.#pod, containers);
    this.#plannedAtMs = this.#now();
    return planPod({
      pod: this.#pod,
      nodeIp,
      runtimeName: runtime.name,
      sandbox,
      containers,
      health: this.#probing.health,
      starting: this.#executor.starting,
      messages,
      waiting: this.#executor.retries.waiting,
      refusal: this.#refusal,
      onContainerFailure,
      resizing: {
        others: () => capacityLeft.others(this.#uid),
        allocatable: capacityLeft.allocatable,
        canResize: runtime.updateContainerResources !== undefined && runtime.hasLimits !== false,
        ...this.#executor.resizes,
      },
      ending: this.#plan?.ending,
      endingForMs: this.#endingSinceMs === undefined ? 0 : this.#plannedAtMs - this.#endingSinceMs,
      nowMs: clock.wall(),
      ageMs: (what, atMs) => this.#ageMs(what, atMs),
    });
  }

  async #cleanUp(containers: readonly ContainerRecord[]): Promise<void> {
    this.#timer?.cancel();
    await this.#executor.removeAll(containers);
    this.#isGone = true;
    this.#onGone();
  }

  // --- saying

  #wanted(): { status: AgentPodStatus; isOver: boolean } | undefined {
    if (this.#plan === undefined || this.#isRemoved || this.#isGone) return undefined;
    const { status, actions } = this.#plan;
    return { status, isOver: actions.some(({ kind }) => kind === 'delete-pod') };
  }

  /** Takes an answer of the API server for the news that it is, unless newer news came first. */
  #adopt(pod: AgentPod): void {
    if (this.#mirror !== undefined || pod.metadata.uid !== this.#uid) return;
    const isNewer = Number(pod.metadata.resourceVersion ?? 0) > Number(this.#pod.metadata.resourceVersion ?? 0);
    if (isNewer) this.#pod = pod;
  }

  // --- time

  #now(): Millis {
    return this.#context.clock.monotonic();
  }

  /** Of what was deleted before this agent began, the grace is what is left of it. */
  #deletedForMs(): Millis {
    const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = this.#pod.metadata;
    if (!this.#wasDeletedBefore || deletionTimestamp === undefined) return 0;
    // It says when the grace is over.
    return Math.max(0, this.#ageMs('deletion of the pod', Date.parse(deletionTimestamp) - 1000 * deletionGracePeriodSeconds));
  }

  #ageMs(what: string, atMs: Millis): Millis {
    return this.#ages.of(what, atMs, { wallMs: this.#context.clock.wall(), monotonicMs: this.#now() });
  }

  #armTimer(): void {
    const { wakeInMs, actions = [] } = this.#plan ?? {};
    const times = this.#executor.retryTimes(actions);
    if (wakeInMs !== undefined) times.push(this.#now() + wakeInMs);
    const next = this.#probing.nextDeadline();
    if (next !== undefined) times.push(next);
    if (times.length > 0) this.#wakeAt(Math.min(...times));
  }

  #wakeAt(atMs: Millis): void {
    this.#timer?.cancel();
    if (this.#abort.signal.aborted || this.#isGone) return;
    this.#timer = this.#context.clock.setTimer(Math.max(0, atMs - this.#now()), () => this.wake());
  }

  #failed(error: unknown): void {
    const { namespace, name: pod } = this.#pod.metadata;
    this.#context.log.warn({ namespace, pod, uid: this.#uid, error: describeError(error) }, 'pod: a pass failed, trying again');
  }
}
