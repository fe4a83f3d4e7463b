/**
 * Ends containers of one pod, each beside the worker's passes: until nobody sends it new connections, then its preStop
 * hook, then the signal, then its grace. A later stop only ever hurries an earlier one.
 */
import { sleep, type Clock, type Millis } from '../base/clock.ts';
import { AbortedError, describeError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Tasks } from '../base/tasks.ts';
import { GRACE_MIN_MS } from './core/pod-lifecycle.ts';
import type { PodAction } from './core/pod-plan.ts';
import type { AgentContainer } from './core/pod-spec.ts';
import { runHook } from './lifecycle-hooks.ts';
import type { Say } from './pod-events.ts';
import type { Prober } from './probe.ts';
import type { ContainerId, Runtime } from './runtime/runtime.ts';

export interface ContainerStopsOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly runtime: Runtime;
  readonly prober: Prober;
  /** Do endpoints that the agent knows of still send new connections to this address? */
  readonly isRouted: (address: string) => boolean;
  readonly say: Say;
  readonly tasks: Tasks;
  /** The agent lets go. */
  readonly signal: AbortSignal;
  readonly wake: () => void;
}

export interface StopTarget {
  readonly container: AgentContainer | undefined;
  /** Of the pod. */
  readonly ip: string;
  /** It serves, and its pod is being deleted. */
  readonly drains: boolean;
  /** Monotonic, since when its grace counts; absent: from now on. */
  readonly sinceMs?: Millis | undefined;
}

/** New connections end this long after the last endpoint named the pod: other nodes' proxies hear of it a little later. */
const DRAIN_SETTLE_MS = 500;
/** Nobody takes the pod out of its endpoints (the controllers are away): go on. */
const DRAIN_MAX_MS = 3_000;
const DRAIN_POLL_MS = 50;
/** A deadline that comes out of a sum of fractions is not the sooner for it. */
const SAME_DEADLINE_MS = 1;

interface Stop {
  /** Monotonic. */
  deadlineMs: Millis;
  readonly hurry: AbortController;
  isAsked: boolean;
}

export class ContainerStops {
  readonly #options: ContainerStopsOptions;
  readonly #stops = new Map<ContainerId, Stop>();

  constructor(options: ContainerStopsOptions) {
    this.#options = options;
  }

  isStopping(id: ContainerId): boolean {
    return this.#stops.has(id);
  }

  stop({ id, name, graceMs, why }: Omit<Extract<PodAction, { kind: 'stop-container' }>, 'kind'>, target: StopTarget): void {
    const { runtime, say, tasks, wake } = this.#options;
    const deadlineMs = (target.sinceMs ?? this.#now()) + graceMs;
    const known = this.#stops.get(id);
    if (known !== undefined) {
      if (deadlineMs > known.deadlineMs - SAME_DEADLINE_MS) return;
      known.deadlineMs = deadlineMs;
      known.hurry.abort();
      if (known.isAsked) tasks.run(runtime.stopContainer(id, Math.max(0, deadlineMs - this.#now())));
      return;
    }
    const stop: Stop = { deadlineMs, hurry: new AbortController(), isAsked: false };
    this.#stops.set(id, stop);
    say('Normal', 'Killing', why, name);
    const work = this.#stopGracefully(id, stop, target).finally(() => {
      this.#stops.delete(id);
      wake();
    });
    tasks.run(work);
  }

  hurryAll(): void {
    for (const { hurry } of this.#stops.values()) hurry.abort();
  }

  async #stopGracefully(id: ContainerId, stop: Stop, { container, ip, drains }: StopTarget): Promise<void> {
    const { signal, runtime } = this.#options;
    const left = () => stop.deadlineMs - this.#now();
    const hook = container?.lifecycle?.preStop;
    if (drains && left() > 0) await this.#drain(ip, stop);
    if (hook !== undefined && container !== undefined && left() > 0 && !stop.hurry.signal.aborted) {
      const { clock, prober, log, say } = this.#options;
      const target = { ip, container, containerId: id };
      const failure = await runHook(hook, { clock, prober, target, timeoutMs: left(), signal: AbortSignal.any([stop.hurry.signal, signal]) });
      if (failure !== undefined) {
        // What it said may be a secret, and events are read by many.
        say('Warning', 'FailedPreStopHook', 'PreStopHook failed', container.name);
        log.info({ container: id, error: failure }, 'pod: a preStop hook failed');
      }
      if (!stop.hurry.signal.aborted) stop.deadlineMs = Math.max(stop.deadlineMs, this.#now() + GRACE_MIN_MS);
    }
    if (signal.aborted) return;
    stop.isAsked = true;
    // Who lets go does not wait for its end: the next agent goes on with it.
    const released = new Promise<void>((done) => signal.addEventListener('abort', () => done(), { once: true }));
    await Promise.race([runtime.stopContainer(id, Math.max(0, left())), released]).catch((error: unknown) => {
      this.#options.say('Warning', 'FailedKillPod', `error killing pod: ${describeError(error)}`);
      throw error;
    });
  }

  /** A terminating pod goes on serving until nobody sends it new connections: a rolling update drops no request. */
  async #drain(ip: string, stop: Stop): Promise<void> {
    const { clock, isRouted } = this.#options;
    const signal = AbortSignal.any([stop.hurry.signal, this.#options.signal]);
    const endMs = Math.min(this.#now() + DRAIN_MAX_MS, stop.deadlineMs);
    try {
      while (isRouted(ip) && this.#now() < endMs) await sleep(clock, DRAIN_POLL_MS, signal);
      await sleep(clock, Math.max(0, Math.min(DRAIN_SETTLE_MS, stop.deadlineMs - this.#now())), signal);
    } catch (error) {
      if (!(error instanceof AbortedError)) throw error;
    }
  }

  #now(): Millis {
    return this.#options.clock.monotonic();
  }
}
