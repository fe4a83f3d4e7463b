/**
 * Listens for nodes: a node is heard when its lease, or the node's own heartbeat, has changed; how long ago that was is
 * measured by our own clock, not by the times in it. Time in which we could not listen ourselves does not count.
 */
import { unreachable } from '../../base/assert.ts';
import { sleep, type Millis } from '../../base/clock.ts';
import { describeError } from '../../base/errors.ts';
import { inNamespace, resources } from '../../client/api-client.ts';
import { isNotFound } from '../../client/api-error.ts';
import { Controller, DONE, requeueAfter, type Outcome } from '../../client/controller.ts';
import { conditionOf, type Lease, type Node, type Pod } from '../../client/objects.ts';
import type { OwnWrites } from '../../client/own-writes.ts';
import { NODE_LEASE_NAMESPACE, type ControllerContext } from '../context.ts';
import { planNode, type NodeAction } from './plan.ts';

interface Heard {
  readonly sign: string;
  readonly atMs: Millis;
}

/** Nodes that one list brings; a larger cluster is listed in pages. */
const LEASES_PAGE_MAX = 1_000;

export class NodeLifecycle {
  readonly #context: ControllerContext;
  readonly #controller: Controller;
  readonly #heard = new Map<string, Heard>();
  readonly #notReadySince = new Map<string, Millis>();

  constructor(context: ControllerContext) {
    this.#context = context;
    const { client, clock, log, informers } = context;
    this.#controller = new Controller({
      name: 'node-lifecycle',
      client,
      clock,
      log,
      informers: [informers.nodes, informers.pods],
      reconcile: (key, writes) => this.#reconcile(key, writes),
    });
    informers.nodes.listen({
      changed: ({ key, before, after }) => {
        this.#noteHeartbeat(before, after);
        this.#controller.enqueue(key);
      },
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#controller.run(signal), this.#listen(signal)]);
  }

  async #listen(signal: AbortSignal): Promise<void> {
    const { clock, log, config, informers } = this.#context;
    let wasDeaf = true;
    while (!signal.aborted) {
      try {
        const leases = await this.#leases(signal);
        for (const node of informers.nodes.cache.list()) this.#hear(node, leases.get(node.metadata.name), wasDeaf);
        this.#forgetGone();
        wasDeaf = false;
        for (const node of informers.nodes.cache.list()) this.#controller.enqueue(node.metadata.name);
      } catch (error) {
        if (signal.aborted) return;
        wasDeaf = true;
        log.debug({ error: describeError(error) }, 'node lifecycle: leases could not be listed');
      }
      await sleep(clock, config.nodeMonitorPeriodMs, signal).catch(() => undefined);
    }
  }

  /** Asked for, not watched: an answer proves that we can hear. */
  async #leases(signal: AbortSignal): Promise<Map<string, Lease>> {
    const leases = new Map<string, Lease>();
    let more = '';
    do {
      const page = await this.#context.client.list<Lease>(inNamespace(resources.leases, NODE_LEASE_NAMESPACE), {
        limit: LEASES_PAGE_MAX,
        ...(more === '' ? {} : { continue: more }),
        signal,
      });
      for (const lease of page.items) leases.set(lease.metadata.name, lease);
      more = page.continue;
    } while (more !== '');
    return leases;
  }

  #hear(node: Node, lease: Lease | undefined, wasDeaf: boolean): void {
    const { name, uid } = node.metadata;
    const sign = [uid, lease?.metadata.resourceVersion, lease?.spec?.renewTime, heartbeatOf(node)].join(' ');
    const before = this.#heard.get(name);
    if (before === undefined || before.sign !== sign || wasDeaf) {
      this.#heard.set(name, { sign, atMs: this.#context.clock.monotonic() });
    }
  }

  /**
   * A node that speaks for itself is heard at once, not at the next look at the leases: else it would be called silent
   * again for what it has just said, and the two would contradict each other as fast as the API server lets them.
   */
  #noteHeartbeat(before: Node | undefined, after: Node | undefined): void {
    const said = heartbeatOf(after);
    if (before === undefined || after === undefined || said === undefined || said === heartbeatOf(before)) return;
    const heard = this.#heard.get(after.metadata.name);
    if (heard !== undefined) this.#heard.set(after.metadata.name, { ...heard, atMs: this.#context.clock.monotonic() });
  }

  #forgetGone(): void {
    const { cache } = this.#context.informers.nodes;
    for (const name of this.#heard.keys()) if (cache.get(name) === undefined) this.#heard.delete(name);
    for (const name of this.#notReadySince.keys()) if (cache.get(name) === undefined) this.#notReadySince.delete(name);
  }

  #silentForMs(name: string): Millis {
    const nowMs = this.#context.clock.monotonic();
    return nowMs - (this.#heard.get(name)?.atMs ?? nowMs);
  }

  #notReadyForMs(node: Node): Millis {
    const { name } = node.metadata;
    const nowMs = this.#context.clock.monotonic();
    if (conditionOf(node.status?.conditions, 'Ready')?.status === 'True') {
      this.#notReadySince.delete(name);
      return 0;
    }
    const since = this.#notReadySince.get(name) ?? nowMs;
    this.#notReadySince.set(name, since);
    return nowMs - since;
  }

  async #reconcile(name: string, writes: OwnWrites): Promise<Outcome> {
    const { informers, config, clock } = this.#context;
    const node = informers.nodes.cache.get(name);
    if (node === undefined) return DONE;
    const names = informers.nodes.cache.list().map(({ metadata }) => metadata.name);
    const input = {
      node,
      pods: informers.pods.cache.by('node', name),
      silentForMs: this.#silentForMs(name),
      notReadyForMs: this.#notReadyForMs(node),
      isAnyNodeHeard: names.some((each) => this.#silentForMs(each) <= config.nodeMonitorGraceMs),
      config,
    };
    const { actions, requeueAfterMs } = planNode(input, clock.wall());
    let current = node;
    for (const action of actions) current = await this.#execute(current, action, writes);
    return requeueAfter(requeueAfterMs);
  }

  async #execute(node: Node, action: NodeAction, writes: OwnWrites): Promise<Node> {
    const { events } = this.#context;
    switch (action.kind) {
      case 'set-conditions': {
        const { name } = node.metadata;
        const message = `Node ${name} status is now: NodeNotReady`;
        events.record(node, { type: 'Normal', reason: 'NodeNotReady', message });
        return writes.updateStatus<Node>(resources.nodes, {
          ...node,
          status: { ...node.status, conditions: action.conditions },
        });
      }
      case 'set-taints':
        return writes.update<Node>(resources.nodes, { ...node, spec: { ...node.spec, taints: action.taints } });
      case 'set-pod-status': {
        const ref = inNamespace(resources.pods, action.pod.metadata.namespace);
        await writes.updateStatus<Pod>(ref, { ...action.pod, status: action.status });
        return node;
      }
      case 'evict-pod': {
        const { name, namespace } = action.pod.metadata;
        const message = `Marking for deletion Pod ${namespace}/${name}`;
        events.record(action.pod, { type: 'Normal', reason: 'TaintManagerEviction', message });
        await this.#deletePod(action.pod, writes);
        return node;
      }
      case 'remove-pod':
        await this.#deletePod(action.pod, writes, 0);
        return node;
      default:
        return unreachable(action);
    }
  }

  async #deletePod(pod: Pod, writes: OwnWrites, gracePeriodSeconds?: number): Promise<void> {
    const { name, namespace, uid = '' } = pod.metadata;
    const grace = gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds };
    try {
      await writes.delete<Pod>(inNamespace(resources.pods, namespace), name, { preconditions: { uid }, ...grace });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}

/** When the node itself last spoke, by its own clock: only that it changes means something. */
function heartbeatOf(node: Node | undefined): string | undefined {
  return conditionOf(node?.status?.conditions, 'Ready')?.lastHeartbeatTime;
}
