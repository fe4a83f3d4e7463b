/**
 * The clock of a cluster in a test. Time stands still but while somebody waits: `drive` moves it, timer by timer, until
 * a promise has settled. All who wait share one loop, so that two of them neither move time twice nor step back.
 */
import { sleep, withDeadline, type Clock, type Millis, type Timer } from '../base/clock.ts';
import { DrivenClock, settle } from '../base/driven-clock.ts';

/** What a test waits for without saying how long, it waits for so long; in the cluster's time, which costs little. */
const PATIENCE_MS = 60_000;
/** How often `advanceUntil` looks. */
const LOOK_MS = 20;

export interface DriveOptions {
  /** Part of the error. */
  readonly what: string;
  readonly deadlineMs?: Millis;
}

export class TestClock implements Clock {
  readonly #driven = new DrivenClock();
  readonly #waiting = new Set<object>();
  #isDriving = false;

  monotonic(): Millis {
    return this.#driven.monotonic();
  }

  wall(): Millis {
    return this.#driven.wall();
  }

  setTimer(delayMs: Millis, run: () => void): Timer {
    return this.#driven.setTimer(delayMs, run);
  }

  /** Settles as `work` does, moving time as far as that takes; fails past the deadline. */
  drive<T>(work: Promise<T>, { what, deadlineMs = PATIENCE_MS }: DriveOptions): Promise<T> {
    const waiter = {};
    const limited = withDeadline(work, { clock: this.#driven, deadlineMs, what });
    const done = () => this.#waiting.delete(waiter);
    this.#waiting.add(waiter);
    limited.then(done, done);
    void this.#move();
    return limited;
  }

  advance(byMs: Millis): Promise<void> {
    return this.drive(sleep(this.#driven, byMs), { what: 'the end of a pause', deadlineMs: byMs + 1 });
  }

  /** Looks again and again whether `isDone`; what that asks of the cluster may itself take time, or fail with a throw. */
  async advanceUntil(isDone: () => boolean | Promise<boolean>, deadlineMs: Millis, what: string): Promise<void> {
    const untilMs = this.monotonic() + deadlineMs;
    for (;;) {
      const leftMs = untilMs - this.monotonic();
      if (leftMs < 0) throw new Error(`${what}: not within ${deadlineMs} ms of the cluster's time`);
      // One look that does not come back is the same as never.
      if (await this.drive(Promise.resolve().then(isDone), { what, deadlineMs: leftMs + 1 })) return;
      await this.advance(LOOK_MS);
    }
  }

  async #move(): Promise<void> {
    if (this.#isDriving) return;
    this.#isDriving = true;
    // Whatever can happen without time passing happens first.
    for (await settle(); this.#waiting.size > 0; await settle()) this.#driven.fireNext(Infinity);
    this.#isDriving = false;
  }
}
