import type { Clock, Millis, Timer } from './clock.ts';

/** setTimeout takes at most a signed 32-bit delay; longer ones are cut here and would fire early without this. */
const LONGEST_DELAY_MS = 2 ** 31 - 1;

/** The machine's own clock and timers: the only place in `src/` that reads them. */
export const systemClock: Clock = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
  setTimer(delayMs: Millis, run: () => void): Timer {
    let handle: NodeJS.Timeout;
    const arm = (leftMs: Millis) => {
      const stepMs = Math.min(Math.max(0, leftMs), LONGEST_DELAY_MS);
      handle = setTimeout(() => (leftMs > stepMs ? arm(leftMs - stepMs) : run()), stepMs);
    };
    arm(delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
};
