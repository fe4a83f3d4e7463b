/**
 * The probes of one running container: when the next is due and what the answers mean. A machine, driven by the pod's
 * worker. A restart of the container makes a new one.
 *
 *   startup (if any) ──successThreshold──► started ──► readiness and liveness, each at its own period
 *      └─failureThreshold──► unhealthy               └─liveness: failureThreshold ──► unhealthy (the container is restarted)
 *
 * Meanings are the kubelet's, with one difference: until a container has been ready for the first time, its readiness
 * is asked for more often than the period says (`eagerMs`). A person waits for it, and a probe of a container that is
 * just starting costs little; a failure counts for nothing there, since the container is not ready to begin with. It is
 * told of as often as the period says, but not while the container may still be about to be ready.
 */
import type { Millis } from '../../base/clock.ts';
import type { AgentContainer, ProbeSpec } from './pod-spec.ts';

export type ProbeKind = 'startup' | 'liveness' | 'readiness';
const KINDS: readonly ProbeKind[] = ['startup', 'liveness', 'readiness'];

/** The first pause between eager readiness probes, and what multiplies it. */
const EAGER_FIRST_MS = 50;
const EAGER_FACTOR = 1.5;
/** Nobody is told within so long of its first probe that a container is not ready yet. */
const QUIET_MS = 2_000;

interface Track {
  readonly spec: ProbeSpec;
  /** What the container's delay says, from its start. */
  readonly firstAtMs: Millis;
  nextAtMs: Millis;
  /** Of failures while it has not been ready. */
  quietUntilMs: Millis;
  eagerMs: Millis;
  isRunning: boolean;
  successes: number;
  failures: number;
}

export interface ProbeDue {
  readonly kind: ProbeKind;
  readonly spec: ProbeSpec;
}

export interface ProbeTransition {
  /** Ready or started changed, or the container shall be restarted. */
  readonly isChanged: boolean;
  /** Somebody should hear of the failure. */
  readonly isTold: boolean;
}

export class ContainerProbes {
  readonly #tracks = new Map<ProbeKind, Track>();
  #isStarted: boolean;
  #isReady: boolean;
  #unhealthy: ProbeKind | undefined;
  #mayRestart = true;

  /** `startedAtMs` by the clock that `due` is asked with; an adopted container may have a `wasReady` from before. */
  constructor(container: AgentContainer, startedAtMs: Millis, was: { started: boolean; ready: boolean } = { started: false, ready: false }) {
    const specs = { startup: container.startupProbe, liveness: container.livenessProbe, readiness: container.readinessProbe };
    for (const kind of KINDS) {
      const spec = specs[kind];
      if (spec === undefined) continue;
      const firstAtMs = startedAtMs + 1000 * (spec.initialDelaySeconds ?? 0);
      const quietUntilMs = firstAtMs + Math.min(QUIET_MS, periodOf(spec));
      this.#tracks.set(kind, { spec, firstAtMs, nextAtMs: firstAtMs, quietUntilMs, eagerMs: EAGER_FIRST_MS, isRunning: false, successes: 0, failures: 0 });
    }
    this.#isStarted = specs.startup === undefined || was.started;
    this.#isReady = specs.readiness === undefined || was.ready;
  }

  get isStarted(): boolean {
    return this.#isStarted;
  }

  get isReady(): boolean {
    return this.#isStarted && this.#isReady;
  }

  /** The probe for whose failure the container must be restarted. */
  get unhealthy(): ProbeKind | undefined {
    return this.#unhealthy;
  }

  /** Its pod is being ended: only whether it is ready is asked any more. */
  endRestarts(): void {
    this.#mayRestart = false;
  }

  /** The probes that are due now; each is under way until its `record`. */
  due(nowMs: Millis): ProbeDue[] {
    const due: ProbeDue[] = [];
    for (const [kind, track] of this.#active()) {
      if (track.isRunning || track.nextAtMs > nowMs) continue;
      track.isRunning = true;
      due.push({ kind, spec: track.spec });
    }
    return due;
  }

  nextDeadline(): Millis | undefined {
    let next: Millis | undefined;
    for (const [, track] of this.#active()) {
      if (!track.isRunning && (next === undefined || track.nextAtMs < next)) next = track.nextAtMs;
    }
    return next;
  }

  record(kind: ProbeKind, isSuccess: boolean, nowMs: Millis): ProbeTransition {
    const track = this.#tracks.get(kind);
    if (track === undefined || this.#unhealthy !== undefined) return { isChanged: false, isTold: false };
    track.isRunning = false;
    track.successes = isSuccess ? track.successes + 1 : 0;
    track.failures = isSuccess ? 0 : track.failures + 1;
    const before = [this.#isStarted, this.#isReady].join();
    const isTold = !isSuccess && (kind !== 'readiness' || this.#isReady || nowMs >= track.quietUntilMs);
    if (isTold) track.quietUntilMs = nowMs + periodOf(track.spec);
    // Liveness and startup have no success threshold but 1.
    if (isSuccess && track.successes >= (kind === 'readiness' ? (track.spec.successThreshold ?? 1) : 1)) this.#succeeded(kind, nowMs);
    if (!isSuccess && track.failures >= (track.spec.failureThreshold ?? 3)) this.#failed(kind);
    track.nextAtMs = nowMs + this.#pause(kind, track);
    return { isChanged: before !== [this.#isStarted, this.#isReady].join() || this.#unhealthy !== undefined, isTold };
  }

  *#active(): Generator<[ProbeKind, Track]> {
    if (this.#unhealthy !== undefined) return;
    for (const entry of this.#tracks) {
      if ((entry[0] === 'startup') === this.#isStarted) continue;
      if (this.#mayRestart || entry[0] === 'readiness') yield entry;
    }
  }

  #succeeded(kind: ProbeKind, nowMs: Millis): void {
    if (kind === 'readiness') this.#isReady = true;
    if (kind !== 'startup' || this.#isStarted) return;
    this.#isStarted = true;
    // The others begin now, not at what is left of a period that began before the container had started.
    for (const [other, track] of this.#tracks) {
      if (other === 'startup') continue;
      track.nextAtMs = Math.max(nowMs, track.firstAtMs);
      track.quietUntilMs = track.nextAtMs + Math.min(QUIET_MS, periodOf(track.spec));
    }
  }

  #failed(kind: ProbeKind): void {
    if (kind === 'readiness') this.#isReady = false;
    else if (this.#mayRestart) this.#unhealthy = kind;
  }

  #pause(kind: ProbeKind, track: Track): Millis {
    const periodMs = periodOf(track.spec);
    if (kind !== 'readiness' || this.#isReady || track.eagerMs >= periodMs) {
      track.eagerMs = periodMs;
      return periodMs;
    }
    const pauseMs = track.eagerMs;
    track.eagerMs *= EAGER_FACTOR;
    return pauseMs;
  }
}

function periodOf({ periodSeconds = 10 }: ProbeSpec): Millis {
  return 1000 * periodSeconds;
}
