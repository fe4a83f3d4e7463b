/** How a test waits for what real processes, sockets and files bring about: it looks again and again, and in the end says what was missing. */
import { sleep } from '../src/base/clock.ts';
import { systemClock } from '../src/base/system-clock.ts';

/** Less than the patience of a unit test, so that it is this that says what was missing. */
const WITHIN_MS = 15_000;
const POLL_MS = 10;

export type Found<T> = Exclude<NonNullable<T>, false>;
/** `what`: as a function, with what was seen last. Not yet there is what is undefined, null or false. */
type Until = <T>(what: string | (() => string), probe: () => T | Promise<T>, withinMs?: number) => Promise<Found<T>>;

export const until = untilWithin(WITHIN_MS);

/** For whom another patience is usual. */
export function untilWithin(usualMs: number, pollMs = POLL_MS): Until {
  return async (what, probe, withinMs = usualMs) => {
    for (const startMs = systemClock.monotonic(); ; await sleep(systemClock, pollMs)) {
      const found = await probe();
      if (isFound(found)) return found;
      if (systemClock.monotonic() - startMs > withinMs) throw new Error(`not within ${withinMs} ms: ${typeof what === 'string' ? what : what()}`);
    }
  };
}

function isFound<T>(found: T): found is Found<T> {
  return found !== undefined && found !== null && found !== false;
}
