/**
 * The node's life in the API server: registers it, keeps its status true, and gives signs of life. Whoever removed the node,
 * or overruled its condition while no heartbeat came, is contradicted.
 */
import { sleep, type Clock, type Millis } from '../base/clock.ts';
import { AbortedError, describeError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Tasks } from '../base/tasks.ts';
import { resources, type ApiClient } from '../client/api-client.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../client/api-error.ts';
import type { Informer } from '../client/informer.ts';
import type { NodeImage } from './core/node-images.ts';
import type { NodeLease } from './node-lease.ts';
import { nodeLabels, nodeStatus, saysHealth, type AgentNode, type NodeFacts } from './node-status.ts';

export interface NodeStatusWriterOptions {
  /** Its runtime's health is read anew each time. */
  readonly facts: NodeFacts;
  readonly images: () => readonly NodeImage[] | undefined;
  readonly api: ApiClient;
  readonly clock: Clock;
  readonly log: Log;
  readonly lease: NodeLease;
  /** What is heard of it; others start and stop it. */
  readonly node: Informer<AgentNode>;
  readonly heartbeatMs: Millis;
  readonly tasks: Tasks;
  /** The agent lets go. */
  readonly signal: AbortSignal;
}

/** A status that did not change is repeated this often; the lease is the sign of life. */
const STATUS_REPEAT_MS = 300_000;
const REGISTER_RETRY_FIRST_MS = 100;
const REGISTER_RETRY_MAX_MS = 2_000;

export class NodeStatusWriter {
  readonly #options: NodeStatusWriterOptions;
  #isRegistered = false;
  /** Monotonic. */
  #writtenAtMs: Millis | undefined;

  constructor(options: NodeStatusWriterOptions) {
    this.#options = options;
  }

  /** Resolves when the node is there, however long there is no API server. */
  async register(): Promise<void> {
    const { clock, log, facts, lease, signal } = this.#options;
    for (let delayMs = REGISTER_RETRY_FIRST_MS; ; delayMs = Math.min(REGISTER_RETRY_MAX_MS, 2 * delayMs)) {
      try {
        await this.#write();
        this.#isRegistered = true;
        await lease.renew().catch(() => undefined); // the heartbeat tries again
        log.info({ node: facts.name }, 'agent: node registered');
        return;
      } catch (error) {
        if (signal.aborted) throw new AbortedError('registration');
        log.debug({ error: describeError(error) }, 'agent: not registered yet');
        await sleep(clock, delayMs, signal);
      }
    }
  }

  async heartbeats(): Promise<void> {
    const { clock, heartbeatMs, lease, log, node, signal } = this.#options;
    for (;;) {
      await sleep(clock, heartbeatMs, signal);
      await lease.renew().catch((error: unknown) => log.debug({ error: describeError(error) }, 'agent: lease not renewed'));
      const writtenAtMs = this.#writtenAtMs;
      const isDue = writtenAtMs === undefined || clock.monotonic() - writtenAtMs >= STATUS_REPEAT_MS;
      if (isDue || (node.isSynced && !this.#isSaid(node.cache.get(this.#options.facts.name)))) await this.#repeat();
    }
  }

  /** Somebody removed the node, or overruled its condition: say again what is. */
  nodeChanged(node: AgentNode | undefined): void {
    const { clock, heartbeatMs, tasks } = this.#options;
    // Who was contradicted just now waits for the next heartbeat: two that insist would do nothing else.
    const isFresh = this.#writtenAtMs !== undefined && clock.monotonic() - this.#writtenAtMs < heartbeatMs;
    if (this.#isRegistered && !isFresh && !this.#isSaid(node)) tasks.run(this.#repeat());
  }

  imagesChanged(): void {
    if (this.#isRegistered) this.#options.tasks.run(this.#repeat());
  }

  #isSaid(node: AgentNode | undefined): boolean {
    return saysHealth(node, this.#options.facts.runtime.health);
  }

  async #repeat(): Promise<void> {
    try {
      await this.#write();
    } catch (error) {
      if (!isConflict(error)) this.#options.log.debug({ error: describeError(error) }, 'agent: node status not written');
      // The next heartbeat sees that it was not.
      this.#writtenAtMs = undefined;
    }
  }

  /** Makes the Node if there is none, its labels if they are not ours, and its status. */
  async #write(): Promise<void> {
    const { api, clock, facts, images } = this.#options;
    const { name, podCidr } = facts;
    const labels = nodeLabels(facts);
    let node = await api.get<AgentNode>(resources.nodes, name).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
    if (node === undefined) {
      const object = { apiVersion: 'v1', kind: 'Node', metadata: { name, labels }, spec: podCidr === '' ? {} : { podCIDR: podCidr, podCIDRs: [podCidr] } };
      node = await api.create<AgentNode>(resources.nodes, object).catch((error: unknown) => {
        if (isAlreadyExists(error)) return api.get<AgentNode>(resources.nodes, name);
        throw error;
      });
    }
    const isLabelled = Object.entries(labels).every(([key, value]) => node?.metadata.labels?.[key] === value);
    if (!isLabelled) {
      const metadata = { ...node.metadata, labels: { ...node.metadata.labels, ...labels } };
      node = await api.update<AgentNode>(resources.nodes, { ...node, metadata });
    }
    await api.updateStatus<AgentNode>(resources.nodes, { ...node, status: nodeStatus({ ...facts, images: images() }, node.status, clock.wall()) });
    this.#writtenAtMs = clock.monotonic();
  }
}
