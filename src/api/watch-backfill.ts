/**
 * What happened to one kind before its cache began: read from the store, from a version that it has not compacted to the
 * one that the cache began with. So a server that has just started lets watchers go on where they were, whoever asked it
 * first. Called by the watch cache; knows no watcher.
 *
 *   after                      until
 *     │ state of then │ events │ cache, history …
 */
import { toUtf8 } from '../base/bytes.ts';
import type { Clock, Timer } from '../base/clock.ts';
import { EventType, type WatchResponse } from '../proto/etcd.ts';
import type { Storage, Stored } from './storage.ts';

/** As an event of the store has it: what stood under the key afterwards, and before. */
export interface PastChange<T extends Stored> {
  readonly revision: number;
  readonly now: T | undefined;
  readonly before: T | undefined;
}

export interface BackfillOptions<T extends Stored> {
  readonly storage: Storage;
  readonly prefix: string;
  readonly after: number;
  /** Inclusive. */
  readonly until: number;
  /** More than so many are not looked for. */
  readonly changesMax: number;
  readonly cached: (stored: Stored) => T;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const LIST_PAGE_ROWS = 1_000;
/** etcd brings watchers of the past up to date ten times a second, and until then lets the question go unanswered. */
const ASK_MS = 100;

/** undefined: the store has forgotten it, or it is too much; a list is cheaper then. */
export async function pastChanges<T extends Stored>(options: BackfillOptions<T>): Promise<readonly PastChange<T>[] | undefined> {
  const { storage, prefix, after, until, changesMax, signal } = options;
  const objects = await stateAt(options);
  const changes: PastChange<T>[] = [];
  const watch = storage.watch(prefix, after + 1, signal);
  const asking = repeat(options.clock, () => watch.requestProgress());
  try {
    for await (const response of watch) {
      if (response.canceled) return undefined;
      for (const change of changesOf(response, objects, options)) {
        if (change.revision > until) return changes;
        if (changes.push(change) > changesMax) return undefined;
      }
      if (response.events.length === 0 && !response.created && (response.header?.revision ?? 0) >= until) return changes;
      if (response.created || response.events.length > 0) watch.requestProgress();
    }
    return undefined;
  } finally {
    asking.cancel();
  }
}

function repeat(clock: Clock, run: () => void): Timer {
  let timer: Timer;
  const again = () => {
    run();
    timer = clock.setTimer(ASK_MS, again);
  };
  timer = clock.setTimer(ASK_MS, again);
  return { cancel: () => timer.cancel() };
}

async function stateAt<T extends Stored>({ storage, prefix, after, cached }: BackfillOptions<T>): Promise<Map<string, T>> {
  const objects = new Map<string, T>();
  for (let from = prefix; ; ) {
    const page = await storage.range({ prefix, from, limit: LIST_PAGE_ROWS, revision: after });
    for (const stored of page.items) objects.set(stored.key, cached(stored));
    if (!page.hasMore || page.lastKey === undefined) return objects;
    from = `${page.lastKey}\0`;
  }
}

function* changesOf<T extends Stored>(
  response: WatchResponse,
  objects: Map<string, T>,
  { storage, cached }: Pick<BackfillOptions<T>, 'storage' | 'cached'>,
): Generator<PastChange<T>> {
  for (const { type, kv } of response.events) {
    if (kv === undefined) continue;
    const key = toUtf8(kv.key);
    const before = objects.get(key);
    const stored = type === EventType.DELETE ? undefined : storage.readable(kv);
    const now = stored === undefined ? undefined : cached(stored);
    if (now === undefined) objects.delete(key);
    else objects.set(key, now);
    if (now !== undefined || before !== undefined) yield { revision: kv.modRevision, now, before };
  }
}
