import { performance } from 'node:perf_hooks';
import type { Clock, Millis, Timer } from './clock.ts';

/** setTimeout takes at most a signed 32-bit delay; longer ones are cut here and would fire early without this. */
const LONGEST_DELAY_MS = 2 ** 31 - 1;

/**
 * Node counts in whole milliseconds from the turn's begin, so that a timer may fire up to two early, finds nothing due and
 * is set again: half of an idle process's wake-ups. Nobody who waits this long minds two milliseconds more.
 */
const ROUNDED_UP_FROM_MS = 20;

/** The machine's own clock and timers: the only place in `src/` that reads them. */
export const systemClock: Clock = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
  setTimer(delayMs: Millis, run: () => void): Timer {
    let handle: NodeJS.Timeout;
    const arm = (leftMs: Millis) => {
      const stepMs = Math.min(Math.max(0, leftMs >= ROUNDED_UP_FROM_MS ? Math.ceil(leftMs) + 1 : leftMs), LONGEST_DELAY_MS);
      handle = setTimeout(() => (leftMs > stepMs ? arm(leftMs - stepMs) : run()), stepMs);
    };
    arm(delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
};
