/**
 * metrics.k8s.io: what nodes and pods use now. Nothing of it is stored: the agents of the nodes are asked when somebody
 * asks, and what they said is good for a moment. An agent that does not answer is left out, for the others' sake.
 */
import { describeError } from '../base/errors.ts';
import type { Clock, Millis } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { ApiError, isReason, notFound } from '../kube/errors.ts';
import { textAt } from './kinds/kind.ts';
import type { KubeObject } from '../kube/types.ts';
import { Node as NodeService, type StatsResponse } from '../proto/node.ts';
import type { ComputedKinds } from './computed.ts';
import type { ServedResource } from './core/discovery.ts';
import { selectionOf } from './core/query.ts';
import { nodeMetricsOf, podMetricsOf } from './core/usage.ts';
import type { Kind } from './kinds/kind.ts';
import { nodeMetrics, podMetrics } from './kinds/metrics.ts';
import { agentAddress, type ConnectToNode } from './pod-logs.ts';
import type { Registry } from './registry.ts';
import type { Listed, ListQuery, Ref } from './requests.ts';

export interface UsageOptions {
  readonly registry: Registry;
  readonly connectToNode: ConnectToNode;
  readonly clock: Clock;
  readonly log: Log;
}

/** An agent measures for a second where it has not been asked for a while. */
const ASK_DEADLINE_MS = 4_000;
/** What an agent said is not asked for again so soon. */
const GOOD_FOR_MS = 2_000;
/** Who was silent is not waited for again so soon. */
const SILENT_FOR_MS = 10_000;
/** Agents that are asked at once. */
const ASKED_AT_ONCE_MAX = 32;

interface Answer {
  readonly stats: Promise<StatsResponse | undefined>;
  untilMs: Millis;
}

export class Usages implements ComputedKinds {
  readonly #options: UsageOptions;
  /** By name of the node. */
  readonly #answers = new Map<string, Answer>();
  readonly #silent = new Set<string>();

  constructor(options: UsageOptions) {
    this.#options = options;
  }

  get served(): readonly ServedResource[] {
    return [nodeMetrics, podMetrics].map(({ info }) => ({ info, verbs: ['get', 'list'], subresources: [] }));
  }

  has({ group, version, resource, subresource }: Pick<Ref, 'group' | 'version' | 'resource' | 'subresource'>): boolean {
    const { info } = nodeMetrics;
    return group === info.group && version === info.version && subresource === '' && (resource === nodeMetrics.info.resource || resource === podMetrics.info.resource);
  }

  /** Of a ref that it has. */
  kindOf({ resource }: Pick<Ref, 'resource'>): Kind {
    return resource === podMetrics.info.resource ? podMetrics : nodeMetrics;
  }

  async get(ref: Ref): Promise<KubeObject> {
    const { registry } = this.#options;
    const kind = this.kindOf(ref);
    // Who is not there is told so in the words of the kind that is measured.
    const measured = await registry.get(measuredBy(ref), '0').catch((error: unknown) => {
      // What was created a moment ago may not be in the cache.
      if (isReason(error, 'NotFound')) return registry.get(measuredBy(ref));
      throw error;
    });
    const [metrics] = await this.#metricsOf(kind, [measured]);
    if (metrics !== undefined) return metrics;
    throw notFound({ ...kind.info, resource: kind.info.kind.toLowerCase() }, kind === podMetrics ? `${ref.namespace}/${ref.name}` : ref.name);
  }

  /** Whole: there are no pages of what is different at each question. */
  async list(ref: Ref, query: ListQuery = {}): Promise<Listed> {
    const kind = this.kindOf(ref);
    const selection = selectionOf(kind, query.labelSelector, query.fieldSelector);
    const { items: all } = await this.#options.registry.list(measuredBy(ref), { resourceVersion: '0' });
    const items = await this.#metricsOf(kind, all.filter(selection.matches));
    return { kind, resourceVersion: '', continue: '', items, remainingItemCount: undefined };
  }

  /** Of each that has been measured, in their order. */
  async #metricsOf(kind: Kind, measured: readonly KubeObject[]): Promise<readonly KubeObject[]> {
    const nodeOf = (object: KubeObject) => (kind === podMetrics ? textAt(object, 'spec', 'nodeName') : object.metadata.name);
    const running = kind === podMetrics ? measured.filter((pod) => textAt(pod, 'status', 'phase') === 'Running') : measured;
    const stats = await this.#ask([...new Set(running.map(nodeOf))]);
    const wallMs = this.#options.clock.wall();
    const pods = new Map([...stats.values()].flatMap((each) => each.pods).map((pod) => [pod.uid, pod]));
    return running.flatMap((object): readonly KubeObject[] => {
      const usage = stats.get(object.metadata.name)?.node;
      const metrics =
        kind === podMetrics
          ? podMetricsOf(object, pods.get(object.metadata.uid ?? ''), wallMs)
          : usage === undefined
            ? undefined
            : nodeMetricsOf(object, usage, wallMs);
      return metrics === undefined ? [] : [metrics];
    });
  }

  // --- from the agents

  async #ask(names: readonly string[]): Promise<ReadonlyMap<string, StatsResponse>> {
    const found = new Map<string, StatsResponse>();
    const waiting = names[Symbol.iterator]();
    const askOneByOne = async () => {
      for (const name of waiting) {
        const stats = await this.#statsOf(name);
        if (stats !== undefined) found.set(name, stats);
      }
    };
    await Promise.all(Array.from({ length: Math.min(ASKED_AT_ONCE_MAX, names.length) }, askOneByOne));
    return found;
  }

  #statsOf(node: string): Promise<StatsResponse | undefined> {
    const { clock } = this.#options;
    for (const [name, { untilMs }] of this.#answers) if (untilMs <= clock.monotonic()) this.#answers.delete(name);
    const known = this.#answers.get(node);
    if (known !== undefined) return known.stats;
    const stats = this.#fetch(node).then((response) => {
      answer.untilMs = clock.monotonic() + (response === undefined ? SILENT_FOR_MS : GOOD_FOR_MS);
      return response;
    });
    // Whoever asks while the agent is asked gets the same answer.
    const answer: Answer = { stats, untilMs: Infinity };
    this.#answers.set(node, answer);
    return stats;
  }

  /** undefined: the agent does not say. */
  async #fetch(node: string): Promise<StatsResponse | undefined> {
    const { registry, connectToNode, log } = this.#options;
    try {
      const channel = connectToNode(await agentAddress(registry, node));
      const stats = await channel.unary(NodeService.methods.stats, {}, { timeoutMs: ASK_DEADLINE_MS });
      if (this.#silent.delete(node)) log.info({ node }, 'usage: the agent answers again');
      return stats;
    } catch (error) {
      // A node that is gone has nothing to say, and nobody misses it.
      if (error instanceof ApiError && error.reason === 'NotFound') return undefined;
      if (!this.#silent.has(node)) log.warn({ node, error: describeError(error) }, 'usage: the agent does not answer, its node is left out');
      this.#silent.add(node);
      return undefined;
    }
  }
}

/** Where the objects are that are measured. */
function measuredBy(ref: Ref): Ref {
  return { ...ref, group: '', version: 'v1' };
}
