/**
 * A clock that passes as the system's does, and can be told to skip: what would take a bookmark's half minute takes none,
 * while sockets and processes go on in real time. Between two timers that a skip fires there is one macrotask.
 */
import type { Clock, Millis, Timer } from '../../src/base/clock.ts';
import { settle } from '../../src/base/driven-clock.ts';
import { systemClock } from '../../src/base/system-clock.ts';

interface Pending {
  readonly atMs: Millis;
  readonly fire: () => void;
}

export class SkippingClock implements Clock {
  readonly #pending = new Set<Pending>();
  #skippedMs = 0;

  monotonic(): Millis {
    return systemClock.monotonic() + this.#skippedMs;
  }

  wall(): Millis {
    return systemClock.wall() + this.#skippedMs;
  }

  setTimer(delayMs: Millis, run: () => void): Timer {
    const pending: Pending = {
      atMs: this.monotonic() + Math.max(0, delayMs),
      fire: () => {
        timer.cancel();
        if (this.#pending.delete(pending)) run();
      },
    };
    this.#pending.add(pending);
    const timer = systemClock.setTimer(delayMs, pending.fire);
    return {
      cancel: () => {
        timer.cancel();
        this.#pending.delete(pending);
      },
    };
  }

  /** Fires what falls due on the way, in its order. */
  async skip(byMs: Millis): Promise<void> {
    const untilMs = this.monotonic() + byMs;
    for (;;) {
      const next = [...this.#pending].filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.#skippedMs += Math.max(0, next.atMs - this.monotonic());
      next.fire();
      await settle();
    }
    this.#skippedMs += Math.max(0, untilMs - this.monotonic());
  }
}
