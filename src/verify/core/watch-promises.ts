/**
 * What etcd promises who watches, each promise a check by name over what one watcher was sent:
 *
 *   ordered       revisions never fall
 *   unique        no event comes twice
 *   atomic        the events of one revision come together, all that the watcher is owed
 *   reliable      nothing is left out between two events that came, and nothing comes that never happened
 *   resumable     a watcher from revision r begins with the first event at or after r
 *   previous      an event that carries the value before it (prev_kv) carries the right one, and only a first one none
 *   bookmarkable  a progress response of revision r comes after every event up to r, and before all others
 *
 * A watcher that reconnects is two watchers: the second one starts behind what the first has seen, and `resumable` says
 * that nothing fell between them.
 */
import type { StoreEvent } from './store-model.ts';

export type WatchPromise = 'ordered' | 'unique' | 'atomic' | 'reliable' | 'resumable' | 'bookmarkable' | 'previous';

export interface SeenResponse {
  readonly kind: 'created' | 'events' | 'progress';
  /** The header's. */
  readonly revision: number;
  /** Of kind `events` only. */
  readonly events: readonly StoreEvent[];
  /** Where the watch asked for prev_kv: what came with each event, the revision of the value before and the value. */
  readonly previous?: ReadonlyArray<Previous | undefined>;
}

export interface Previous {
  readonly modRevision: number;
  readonly value: string;
}

export interface SeenWatch {
  /** Who watched, for reports. */
  readonly name: string;
  readonly key: string;
  /** As in a request: absent for one key, `\0` for no upper end. */
  readonly rangeEnd?: string;
  /** The first revision that is owed; for a watch from now on, the created response's header plus one. */
  readonly startRevision: number;
  /** Revisions are compacted meanwhile, so that a previous value may be missing. */
  readonly mayLackPrevious?: boolean;
  /** A bookmark may be older than what came before it, as etcd's are now and then: still true, only of less use. */
  readonly mayLagBookmark?: boolean;
  /** In the order of arrival. */
  readonly responses: readonly SeenResponse[];
}

export interface WatchViolation {
  readonly promise: WatchPromise;
  readonly name: string;
  readonly revision: number;
  readonly why: string;
}

/** `history` is every event there was from the watch's start on, in the order of revisions. */
export function checkWatchPromises(watch: SeenWatch, history: readonly StoreEvent[]): WatchViolation[] {
  const owed = history.filter((event) => event.revision >= watch.startRevision && isWatched(watch, event.key));
  const came = watch.responses.flatMap(({ events }) => events);
  return [
    ...checkOrdered(came),
    ...checkUnique(came),
    ...checkAtomic(watch, owed),
    ...checkReliable(came, owed),
    ...checkResumable(came, owed),
    ...checkBookmarkable(watch, owed),
    ...checkPrevious(watch, history),
  ].map((violation) => ({ ...violation, name: watch.name }));
}

type Found = Omit<WatchViolation, 'name'>;

function checkOrdered(came: readonly StoreEvent[]): Found[] {
  return came.flatMap((event, at) => {
    const before = came[at - 1]?.revision ?? 0;
    if (event.revision >= before) return [];
    return [{ promise: 'ordered', revision: event.revision, why: `it came after revision ${before}` }];
  });
}

function checkUnique(came: readonly StoreEvent[]): Found[] {
  const seen = new Set<string>();
  return came.flatMap((event) => {
    const identity = `${event.revision} ${event.key}`; // A revision writes a key once.
    if (!seen.has(identity)) {
      seen.add(identity);
      return [];
    }
    return [{ promise: 'unique', revision: event.revision, why: `${event.kind} of ${event.key} came twice` }];
  });
}

function checkAtomic({ responses }: SeenWatch, owed: readonly StoreEvent[]): Found[] {
  const owedOf = countByRevision(owed);
  return responses.flatMap(({ events }) =>
    [...countByRevision(events)].flatMap(([revision, count]): Found[] => {
      const whole = owedOf.get(revision) ?? 0;
      return count >= whole ? [] : [{ promise: 'atomic', revision, why: `${count} of its ${whole} events came together` }];
    }),
  );
}

/** From the first event that came to the newest: everything that is owed, and nothing else. */
function checkReliable(came: readonly StoreEvent[], owed: readonly StoreEvent[]): Found[] {
  const seen = new Set(came.map(identityOf));
  const happened = new Set(owed.map(identityOf));
  const revisions = came.map(({ revision }) => revision);
  const first = Math.min(...revisions);
  const last = Math.max(...revisions);
  const invented = came.filter((event) => !happened.has(identityOf(event)));
  const missed = owed.filter(({ revision }) => revision > first && revision < last).filter((event) => !seen.has(identityOf(event)));
  return [
    ...invented.map((event): Found => ({ promise: 'reliable', revision: event.revision, why: `never happened, or is not watched: ${identityOf(event)}` })),
    ...missed.map((event): Found => ({ promise: 'reliable', revision: event.revision, why: `did not come: ${identityOf(event)}` })),
  ];
}

function checkResumable(came: readonly StoreEvent[], owed: readonly StoreEvent[]): Found[] {
  const [first] = came;
  const [due] = owed;
  if (first === undefined || due === undefined || first.revision <= due.revision) return [];
  return [{ promise: 'resumable', revision: due.revision, why: `the watch begins with revision ${first.revision}` }];
}

function checkBookmarkable({ responses, startRevision, mayLagBookmark = false }: SeenWatch, owed: readonly StoreEvent[]): Found[] {
  const found: Found[] = [];
  let delivered = 0;
  let bookmark = 0;
  let next = 0;
  const arrived = new Set<string>();
  for (const { kind, revision, events } of responses) {
    for (const event of events) {
      if (event.revision <= bookmark) {
        found.push({ promise: 'bookmarkable', revision: event.revision, why: `it came after the bookmark ${bookmark}` });
      }
      arrived.add(identityOf(event));
      delivered = Math.max(delivered, event.revision);
    }
    if (kind !== 'progress') continue;
    if (!mayLagBookmark && (revision < delivered || revision < bookmark)) {
      found.push({ promise: 'bookmarkable', revision, why: `a bookmark behind revision ${Math.max(delivered, bookmark)}` });
    }
    if (revision >= startRevision) bookmark = Math.max(bookmark, revision);
    for (; next < owed.length && owed[next]!.revision <= bookmark; next++) {
      if (arrived.has(identityOf(owed[next]!))) continue;
      found.push({ promise: 'bookmarkable', revision: owed[next]!.revision, why: `it had not come when the bookmark ${revision} did` });
    }
  }
  return found;
}

/** `history` must begin before the watch: with what was there when the watched keys were first written. */
function checkPrevious({ responses, mayLackPrevious = false }: SeenWatch, history: readonly StoreEvent[]): Found[] {
  if (responses.every(({ previous }) => previous === undefined)) return [];
  const newest = new Map<string, StoreEvent>();
  const before = new Map<string, Previous | undefined>();
  for (const event of history) {
    const last = newest.get(event.key);
    const isThere = last !== undefined && last.kind === 'put';
    before.set(`${event.revision} ${event.key}`, isThere ? { modRevision: last.revision, value: last.value } : undefined);
    newest.set(event.key, event);
  }
  return responses.flatMap(({ events, previous }) =>
    (previous === undefined ? [] : events).flatMap(({ revision, key }, at): Found[] => {
      const due = before.get(`${revision} ${key}`);
      const came = previous?.[at];
      if (came === undefined && (due === undefined || mayLackPrevious)) return [];
      if (came?.modRevision === due?.modRevision && came?.value === due?.value) return [];
      return [{ promise: 'previous', revision, why: `${key} was ${JSON.stringify(due)} before, and came with ${JSON.stringify(came)}` }];
    }),
  );
}

export function isWatched({ key, rangeEnd }: SeenWatch, other: string): boolean {
  if (rangeEnd === undefined) return other === key;
  return other >= key && (rangeEnd === '\0' || other < rangeEnd);
}

function countByRevision(events: readonly StoreEvent[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const { revision } of events) counts.set(revision, (counts.get(revision) ?? 0) + 1);
  return counts;
}

/** Told apart by the length of the key: keys and values may hold anything. */
function identityOf({ revision, kind, key, value }: StoreEvent): string {
  return `${revision} ${kind} ${key.length} ${key}${value}`;
}
