/**
 * When what was said leaves: at the end of this turn of the loop, after all that its promises still do. A microtask alone
 * would run in the middle of those, a tick alone before them; a tick out of a microtask runs once they are done, and
 * before the next event. For all connections together, so that a turn costs one of each.
 */
import process from 'node:process';

export interface Flushable {
  flush(): void;
}

let waiting: Flushable[] = [];

export function flushSoon(flushable: Flushable): void {
  if (waiting.push(flushable) === 1) queueMicrotask(afterMicrotasks);
}

function afterMicrotasks(): void {
  process.nextTick(flushAll);
}

/** All that was said so far, by all connections. */
export function flushAll(): void {
  const now = waiting;
  waiting = [];
  for (const flushable of now) flushable.flush();
}
