/**
 * A machine's own view of the driven clock: it drifts, it can be held (a paused process: what falls due waits), and it
 * dies with the process that it was made for: none of that process's timers fires any more.
 */
import type { Clock, Millis, Timer } from '../../src/base/clock.ts';

/** Machine time is in whole nanoseconds, and a timer fires a little late rather than early: rates make fractions. */
const PER_MS = 1e6;
const LATE_MS = 2 / PER_MS;

export interface MachineClockOptions {
  readonly base: Clock;
  /** Of its own time that passes in one of the base's. */
  readonly rate: number;
  readonly wallOffsetMs: Millis;
}

export class MachineClock {
  readonly #options: MachineClockOptions;
  #held: Array<() => void> | undefined;

  constructor(options: MachineClockOptions) {
    this.#options = options;
  }

  get isHeld(): boolean {
    return this.#held !== undefined;
  }

  hold(): void {
    this.#held ??= [];
  }

  /** What fell due meanwhile happens now, in its order; a timer each, so that every promise settles in between. */
  release(): void {
    const due = this.#held ?? [];
    this.#held = undefined;
    for (const run of due) this.#options.base.setTimer(0, () => this.whenAwake(run));
  }

  /** Runs now, or when the machine is released. */
  whenAwake(run: () => void): void {
    if (this.#held === undefined) run();
    else this.#held.push(run);
  }

  /** For a process, or (never ended) for what outlives processes: the disk. */
  view(): ProcessClock {
    return new ProcessClock(this, this.#options);
  }
}

export class ProcessClock implements Clock {
  isDead = false;
  readonly #machine: MachineClock;
  readonly #options: MachineClockOptions;

  constructor(machine: MachineClock, options: MachineClockOptions) {
    this.#machine = machine;
    this.#options = options;
  }

  monotonic(): Millis {
    return Math.round(this.#options.base.monotonic() * this.#options.rate * PER_MS) / PER_MS;
  }

  wall(): Millis {
    return this.#options.base.wall() + this.#options.wallOffsetMs;
  }

  setTimer(delayMs: Millis, run: () => void): Timer {
    let isCancelled = false;
    const fire = () => {
      if (!isCancelled && !this.isDead) run();
    };
    const timer = this.#options.base.setTimer(delayMs / this.#options.rate + LATE_MS, () => this.#machine.whenAwake(fire));
    return {
      cancel: () => {
        isCancelled = true;
        timer.cancel();
      },
    };
  }
}
