/**
 * A machine's own view of the driven clock: it drifts at a rate that may change, its wall time jumps, it can be held (a
 * paused process: what falls due waits), and it dies with the process that it was made for: none of that process's
 * timers fires any more.
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
  /** Something has run here since somebody last looked: whatever a process does begins with its clock, or with a message. */
  isTouched = true;
  readonly #options: MachineClockOptions;
  #held: Array<() => void> | undefined;
  #rate: number;
  #wallOffsetMs: Millis;
  /** Where its rate changed last: then its time was so, and the base's. */
  #anchorMs: Millis = 0;
  #baseAnchorMs: Millis = 0;

  constructor(options: MachineClockOptions) {
    this.#options = options;
    this.#rate = options.rate;
    this.#wallOffsetMs = options.wallOffsetMs;
  }

  get rate(): number {
    return this.#rate;
  }

  /** From now on it runs so fast; what it has shown so far stands. */
  set rate(rate: number) {
    const { base } = this.#options;
    this.#anchorMs += (base.monotonic() - this.#baseAnchorMs) * this.#rate;
    this.#baseAnchorMs = base.monotonic();
    this.#rate = rate;
  }

  /** Wall time may jump either way; the monotonic one never does. */
  jumpWall(byMs: Millis): void {
    this.#wallOffsetMs += byMs;
  }

  monotonic(): Millis {
    const passed = (this.#options.base.monotonic() - this.#baseAnchorMs) * this.#rate;
    return Math.round((this.#anchorMs + passed) * PER_MS) / PER_MS;
  }

  wall(): Millis {
    return this.#options.base.wall() + this.#wallOffsetMs;
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
    this.isTouched = true;
    if (this.#held === undefined) run();
    else this.#held.push(run);
  }

  /** For a process, or (never ended) for what outlives processes: the disk. */
  view(): ProcessClock {
    return new ProcessClock(this, this.#options.base);
  }
}

export class ProcessClock implements Clock {
  isDead = false;
  readonly #machine: MachineClock;
  readonly #base: Clock;

  constructor(machine: MachineClock, base: Clock) {
    this.#machine = machine;
    this.#base = base;
  }

  monotonic(): Millis {
    return this.#machine.monotonic();
  }

  wall(): Millis {
    return this.#machine.wall();
  }

  setTimer(delayMs: Millis, run: () => void): Timer {
    let isCancelled = false;
    const dueAt = this.monotonic() + delayMs;
    const fire = () => {
      if (isCancelled || this.isDead) return;
      const leftMs = dueAt - this.monotonic();
      if (leftMs <= 0) return run();
      // The clock runs slower than when the timer was set: a timer never fires early.
      timer = this.#base.setTimer(leftMs / this.#machine.rate + LATE_MS, () => this.#machine.whenAwake(fire));
    };
    let timer = this.#base.setTimer(delayMs / this.#machine.rate + LATE_MS, () => this.#machine.whenAwake(fire));
    return {
      cancel: () => {
        isCancelled = true;
        timer.cancel();
      },
    };
  }
}
