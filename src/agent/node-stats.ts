/**
 * What a node uses, for whoever asks. It is measured when it is asked for, and once more a second later where that is the
 * only way to a rate; who asks meanwhile gets the same answer.
 *
 * Several nodes may share one machine, and none of them owns it: a node's usage is that of its containers and of its
 * agent, not what the kernel counts for the whole machine.
 */
import { sleep, type Clock, type Millis } from '../base/clock.ts';
import type { PodStats, StatsResponse, Usage } from '../proto/node.ts';
import { MEASURE_AGAIN_MS, UsageMeter, type UsageRate, type UsageReading } from './core/usage-meter.ts';
import type { ContainerRecord, Runtime } from './runtime/runtime.ts';

/** What a process has used since it began. */
export interface ProcessUsage {
  readonly cpuMs: Millis;
  readonly memoryBytes: number;
  readonly ageMs: Millis;
}

export interface NodeStatsOptions {
  readonly runtime: Pick<Runtime, 'listContainers' | 'listContainerUsages' | 'listPodSandboxes'>;
  readonly clock: Clock;
  /** Of the agent. */
  readonly ownUsage: () => ProcessUsage;
  /** Fires when the agent stops. */
  readonly signal: AbortSignal;
}

/** No container has this id. */
const AGENT = '';

export class NodeStats {
  readonly #options: NodeStatsOptions;
  readonly #meter = new UsageMeter();
  /** Wall clock. */
  #measuredAtMs: Millis = 0;
  #answering: Promise<StatsResponse> | undefined;

  constructor(options: NodeStatsOptions) {
    this.#options = options;
  }

  answer(): Promise<StatsResponse> {
    this.#answering ??= this.#make().finally(() => (this.#answering = undefined));
    return this.#answering;
  }

  async #make(): Promise<StatsResponse> {
    const { clock, signal, runtime } = this.#options;
    if (this.#meter.isDue(clock.monotonic())) await this.#measure();
    if (this.#meter.isIncomplete) {
      await sleep(clock, MEASURE_AGAIN_MS, signal);
      await this.#measure();
    }
    const atMs = this.#measuredAtMs;
    const rates = new Map<string, UsageRate>();
    const running = new Map<string, ContainerRecord[]>();
    for (const record of await runtime.listContainers()) {
      if (record.state !== 'running') continue;
      const rate = this.#meter.rateOf(record.id);
      if (rate !== undefined) rates.set(record.id, rate);
      running.set(record.sandboxId, [...(running.get(record.sandboxId) ?? []), record]);
    }
    const pods = (await runtime.listPodSandboxes()).flatMap(({ id: uid, namespace, name }): PodStats[] => {
      const containers = (running.get(uid) ?? []).map((record) => ({ name: record.name, rate: rates.get(record.id) }));
      // Half of a pod is not what the pod uses.
      if (containers.length === 0 || containers.some(({ rate }) => rate === undefined)) return [];
      return [{ namespace, name, uid, containers: containers.map((one) => ({ name: one.name, usage: usageOf(one.rate!, atMs) })) }];
    });
    const agent = this.#meter.rateOf(AGENT);
    const node = agent === undefined ? undefined : usageOf(sumOf([agent, ...rates.values()]), atMs);
    return { node, pods };
  }

  async #measure(): Promise<void> {
    const { runtime, clock, ownUsage } = this.#options;
    const [containers, usages] = await Promise.all([runtime.listContainers(), runtime.listContainerUsages()]);
    const startedAt = new Map(containers.map(({ id, startedAtMs }) => [id, startedAtMs]));
    const wallMs = clock.wall();
    const readings = new Map<string, UsageReading>([[AGENT, ownUsage()]]);
    for (const { id, cpuMs, memoryBytes } of usages) {
      const startedAtMs = startedAt.get(id);
      readings.set(id, { cpuMs, memoryBytes, ageMs: startedAtMs === undefined ? undefined : wallMs - startedAtMs });
    }
    this.#meter.note(readings, clock.monotonic());
    this.#measuredAtMs = wallMs;
  }
}

/** The window is that of the first. */
function sumOf(rates: readonly [UsageRate, ...UsageRate[]]): UsageRate {
  const total = (of: (rate: UsageRate) => number) => rates.reduce((sum, rate) => sum + of(rate), 0);
  return { windowMs: rates[0].windowMs, cpuNanoCores: total((rate) => rate.cpuNanoCores), memoryBytes: total((rate) => rate.memoryBytes) };
}

function usageOf({ windowMs, cpuNanoCores, memoryBytes }: UsageRate, atMs: Millis): Usage {
  return { atMs: Math.round(atMs), windowMs: Math.round(windowMs), cpuNanoCores, memoryBytes };
}
