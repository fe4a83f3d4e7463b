/** Asks the probes of one pod's containers when they are due, and keeps what they answered. */
import type { Clock, Millis } from '../base/clock.ts';
import type { Tasks } from '../base/tasks.ts';
import type { ContainerHealth } from './core/pod-plan.ts';
import { containersOf, type AgentPod } from './core/pod-spec.ts';
import { ContainerProbes, type ProbeDue } from './core/probes.ts';
import { knownStatus } from './core/pod-plan.ts';
import type { Say } from './pod-events.ts';
import type { Prober } from './probe.ts';
import type { ContainerId, ContainerRecord, Sandbox } from './runtime/runtime.ts';

export interface PodProbingOptions {
  readonly clock: Clock;
  readonly prober: Prober;
  readonly runtimeName: string;
  readonly pod: () => AgentPod;
  readonly sandbox: () => Promise<Sandbox | undefined>;
  /** How long a container has been running. */
  readonly ageMs: (record: ContainerRecord) => Millis;
  readonly say: Say;
  readonly tasks: Tasks;
  readonly signal: AbortSignal;
  /** `isChanged`: another plan is due; else only the time of the next probe is another. */
  readonly progressed: (isChanged: boolean) => void;
}

export class PodProbing {
  readonly #options: PodProbingOptions;
  readonly #probes = new Map<ContainerId, { readonly name: string; readonly probes: ContainerProbes }>();

  constructor(options: PodProbingOptions) {
    this.#options = options;
  }

  get health(): ReadonlyMap<ContainerId, ContainerHealth> {
    return new Map([...this.#probes].map(([id, { probes: { isStarted, isReady, unhealthy } }]) => [id, { isStarted, isReady, unhealthy }]));
  }

  isReady(id: ContainerId): boolean {
    return this.#probes.get(id)?.probes.isReady ?? false;
  }

  /** `isEnding`: the pod must not be restarted any more; whether it is ready stays of interest to its end. */
  sync(running: readonly ContainerRecord[], isEnding: boolean): void {
    const { clock, pod, runtimeName, ageMs } = this.#options;
    for (const id of [...this.#probes.keys()]) if (!running.some((record) => record.id === id)) this.#probes.delete(id);
    for (const record of running) {
      const { id, name } = record;
      const container = containersOf(pod()).find((one) => one.name === name);
      if (container === undefined || this.#probes.has(id)) continue;
      const before = knownStatus(pod(), name);
      const isKnown = before?.containerID === `${runtimeName}://${id}`;
      const was = { started: isKnown && before.started === true, ready: isKnown && before.ready };
      this.#probes.set(id, { name, probes: new ContainerProbes(container, clock.monotonic() - ageMs(record), was) });
    }
    if (isEnding) for (const { probes } of this.#probes.values()) probes.endRestarts();
  }

  /** Asks those that are due. */
  run(): void {
    const { clock, tasks } = this.#options;
    for (const [id, { probes }] of this.#probes) {
      for (const due of probes.due(clock.monotonic())) tasks.run(this.#probe(id, probes, due));
    }
  }

  /** Monotonic. */
  nextDeadline(): Millis | undefined {
    const times = [...this.#probes.values()].map(({ probes }) => probes.nextDeadline()).filter((at) => at !== undefined);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  async #probe(id: ContainerId, probes: ContainerProbes, { kind, spec }: ProbeDue): Promise<void> {
    const { clock, prober, pod, say, signal, progressed } = this.#options;
    const name = this.#probes.get(id)?.name;
    const container = containersOf(pod()).find((one) => one.name === name);
    const sandbox = await this.#options.sandbox();
    if (container === undefined || sandbox === undefined) return;
    const target = { ip: sandbox.ip, container, containerId: id };
    const { isSuccess, message, warning } = await prober.probe(spec, target, 1000 * (spec.timeoutSeconds ?? 1));
    if (signal.aborted || this.#probes.get(id)?.probes !== probes) return;
    const { isChanged, isTold } = probes.record(kind, isSuccess, clock.monotonic());
    const title = `${kind[0]!.toUpperCase()}${kind.slice(1)}`;
    if (isTold) say('Warning', 'Unhealthy', `${title} probe failed: ${message}`, container.name);
    if (warning !== undefined) say('Warning', 'ProbeWarning', `${title} probe warning: ${warning}`, container.name);
    progressed(isChanged);
  }
}
