/**
 * One kind in memory, fed by one store watch, which serves all watchers of the kind and lists that may be a little old.
 *
 *   store ──list, then watch──► objects, history ──► watcher, watcher, …
 *
 * When the way to the store breaks, the watch goes on behind the last revision seen and nobody notices. Only when the
 * store has compacted that revision is the list read again; then the watchers end with Expired, for what happened in
 * between is unknown. It is a cache: all of it can be thrown away at any time.
 */
import { describeError, AbortedError } from '../base/errors.ts';
import { deferred, type Deferred } from '../base/deferred.ts';
import { sleep, type Clock, type Millis, type Timer } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { fromUtf8, toUtf8 } from '../base/bytes.ts';
import { ApiError, expired } from '../kube/errors.ts';
import type { KubeObject } from '../kube/types.ts';
import { EventType, type WatchResponse } from '../proto/etcd.ts';
import type { StoreWatch } from '../etcd/store-client.ts';
import { tooLargeVersion } from './core/query.ts';
import { SharedFields } from './shared-fields.ts';
import { fromStoreError, type Storage, type Stored } from './storage.ts';
import { Audience, Watcher, type CacheWatch, type Interest } from './watch-audience.ts';
import { pastChanges } from './watch-backfill.ts';

/** Events that are kept for watchers who come back; an older resourceVersion is Expired, and they list again. */
export const HISTORY_EVENTS_MAX = 5_000;
/** Of the newest, the text of what has been replaced since is kept as well: whoever is not far behind writes it. */
const TEXTS_KEPT = 500;
/** Events that wait for one watcher. Past it the watch ends without an error, and the watcher resumes where it was. */
export const WATCHER_EVENTS_MAX = 5_000;
/** Rows of one read while the cache fills. */
const LIST_PAGE_ROWS = 1_000;
const RETRY_MS = { first: 50, max: 2_000 } as const;
/** How often an idle kind asks the store how far it has seen; only while somebody watches. */
const PROGRESS_MS = 10_000;
export const BOOKMARK_MS = 30_000;
/** Reading what happened before the cache began. */
const BACKFILL_MS = 5_000;
/** Waiting for a revision that the client has seen and the cache has not. */
const FRESH_MS = 3_000;

/** An object in the cache, with its JSON text made once for all watchers. */
export interface CachedObject extends Stored {
  readonly json: () => Uint8Array;
  /** The text, until somebody asks for it again. */
  readonly forgetJson: () => void;
}

export type CacheEvent =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly revision: number; readonly cached: CachedObject }
  | Bookmark;

export interface Bookmark {
  readonly type: 'BOOKMARK';
  /** All up to it has been sent. */
  readonly revision: number;
  /** The state that the watch began with is complete. */
  readonly endsInitial?: true;
}

/** The metadata of what stands for a bookmark in either face. */
export function bookmarkMeta({ revision, endsInitial }: Bookmark): { readonly resourceVersion: string } {
  const annotations = { annotations: { 'k8s.io/initial-events-end': 'true' } };
  return { resourceVersion: String(revision), ...(endsInitial === true ? annotations : {}) };
}

export interface CacheWatchOptions extends Interest {
  /** What two interests have the same of is the same interest; undefined: it is like no other. */
  readonly name?: string | undefined;
  /** Events after it; undefined: first an ADDED for everything that is there, and a bookmark if they are wanted. */
  readonly after: number | undefined;
  readonly bookmarks: boolean;
  readonly signal: AbortSignal;
  /** The watch ends after it, with a last bookmark where they are asked for; 0: when the signal fires. */
  readonly timeoutMs?: Millis | undefined;
  /** Told when the watch ends because its watcher is too slow. */
  readonly onSlow?: (() => void) | undefined;
}

/** What a cache has done since it began, and what it holds. */
export interface CacheFigures {
  readonly objects: number;
  readonly revision: number;
  readonly watchers: number;
  readonly received: number;
  readonly dispatched: number;
  readonly fills: number;
  readonly slowWatchers: number;
}

interface Change {
  readonly revision: number;
  readonly now: CachedObject | undefined;
  readonly before: CachedObject | undefined;
  /** Made once for all watchers, so that what they write can be the same too. */
  readonly events: Partial<Record<'ADDED' | 'MODIFIED' | 'DELETED', CacheEvent>>;
}

/** In the place of the maxima above. */
export interface WatchLimits {
  readonly historyMax?: number;
  readonly watcherMax?: number;
}

export interface WatchCacheOptions extends WatchLimits {
  readonly storage: Storage;
  readonly prefix: string;
  /** The field that watchers are found by. */
  readonly indexField?: ((object: KubeObject) => string) | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

export class WatchCache {
  readonly #options: WatchCacheOptions;
  readonly #objects = new Map<string, CachedObject>();
  readonly #fields = new SharedFields();
  readonly #history: Change[] = [];
  readonly #historyMax: number;
  /** By the indexed value that they want (under undefined those that want all), then by the name of their interest. */
  readonly #audiences = new Map<string | undefined, Map<unknown, Audience>>();
  /** Everything up to here has been seen. 0: not filled yet. */
  #revision = 0;
  /** Changes after this one are in the history. */
  #historyStart = 0;
  /** Nothing of it had to be dropped since the cache was filled. */
  #historyIsWhole = true;
  /** What happened behind it and further back cannot be had: whoever asks again is told so at once. */
  #lostUpTo = 0;
  readonly #wishes = new Set<{ readonly after: number }>();
  #remembering: Promise<void> | undefined;
  readonly #waiting = new Set<{ readonly revision: number; readonly done: Deferred<void> }>();
  readonly #controller = new AbortController();
  #storeWatch: StoreWatch | undefined;
  #loop: Promise<void> | undefined;
  #progressTimer: Timer | undefined;
  #bookmarkTimer: Timer | undefined;
  readonly #counts = { received: 0, dispatched: 0, fills: 0, slowWatchers: 0 };

  constructor(options: WatchCacheOptions) {
    this.#options = options;
    this.#historyMax = options.historyMax ?? HISTORY_EVENTS_MAX;
  }

  /**
   * Does nothing the second time. A watcher that comes with a version of its own says it in `from`: the memory of what
   * happened then begins there, if the store still knows, so that nobody has to list anew because a server is fresh.
   */
  start(from = 0): void {
    this.#loop ??= this.#run(from);
  }

  async stop(): Promise<void> {
    this.#controller.abort();
    this.#progressTimer?.cancel();
    this.#bookmarkTimer?.cancel();
    this.#endWatchers();
    for (const { done } of this.#waiting) done.reject(new AbortedError('the cache'));
    this.#waiting.clear();
    await this.#loop;
  }

  get revision(): number {
    return this.#revision;
  }

  get watcherCount(): number {
    return [...this.#watchers()].length;
  }

  /** undefined: it is not filled. */
  get figures(): CacheFigures | undefined {
    if (this.#revision === 0) return undefined;
    return { ...this.#counts, objects: this.#objects.size, revision: this.#revision, watchers: this.watcherCount };
  }

  get(key: string): CachedObject | undefined {
    return this.#revision === 0 ? undefined : this.#objects.get(key);
  }

  /** In key order. */
  list(prefix: string): CachedObject[] {
    const found: CachedObject[] = [];
    for (const cached of this.#objects.values()) if (cached.key.startsWith(prefix)) found.push(cached);
    return found.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** Resolves once everything up to `revision` (at least: the first list) has been seen. */
  async fresh(revision: number): Promise<void> {
    if (this.#revision >= Math.max(revision, 1)) return;
    const entry = { revision: Math.max(revision, 1), done: deferred<void>() };
    this.#waiting.add(entry);
    this.#storeWatch?.requestProgress();
    const timer = this.#options.clock.setTimer(FRESH_MS, () => entry.done.reject(this.#tooLarge(revision)));
    try {
      await entry.done.promise;
    } finally {
      timer.cancel();
      this.#waiting.delete(entry);
    }
  }

  #tooLarge(revision: number): ApiError {
    if (this.#revision === 0) return new ApiError('ServiceUnavailable', 'the watch cache is not filled yet', { details: { retryAfterSeconds: 1 } });
    return tooLargeVersion(revision, this.#revision, 1);
  }

  /**
   * Looks in the store for what happened behind `after` and before the cache began, if it began lately: a history that
   * has lost its beginning to its limit is not read anew. Of many who come back at once the one who has been away for
   * longest is served first, and most of the others with him. The cache must be filled.
   */
  async remember(after: number): Promise<void> {
    const wish = { after };
    this.#wishes.add(wish);
    try {
      while (this.#historyIsWhole && after > this.#lostUpTo && after < this.#historyStart) {
        this.#remembering ??= this.#backfill(Math.min(...[...this.#wishes].map((one) => one.after))).finally(() => (this.#remembering = undefined));
        await this.#remembering;
      }
    } finally {
      this.#wishes.delete(wish);
    }
  }

  async #backfill(after: number): Promise<void> {
    const { storage, prefix, clock, log } = this.#options;
    const until = this.#historyStart;
    const changesMax = this.#historyMax - this.#history.length;
    const controller = new AbortController();
    const timer = clock.setTimer(BACKFILL_MS, () => controller.abort());
    const signal = AbortSignal.any([controller.signal, this.#controller.signal]);
    try {
      const changes = await pastChanges({ storage, prefix, after, until, changesMax, cached: (stored) => this.#cached(stored), clock, signal });
      // Meanwhile the history may have been cut, or begun anew.
      if (this.#historyStart !== until || !this.#historyIsWhole) return;
      if (changes === undefined) this.#lostUpTo = after;
      else {
        this.#history.unshift(...changes.map((change): Change => ({ ...change, events: {} })));
        this.#historyStart = after;
      }
    } catch (error) {
      log.debug({ error: describeError(fromStoreError(error)) }, 'watch cache: the past cannot be had');
      this.#lostUpTo = after;
    } finally {
      timer.cancel();
    }
  }

  /** The cache must be filled: wait for `fresh(0)` first. */
  watch(options: CacheWatchOptions): CacheWatch {
    const { after, signal, timeoutMs = 0 } = options;
    if (after !== undefined && after < this.#historyStart) {
      throw expired(`too old resource version: ${after} (${this.#historyStart})`);
    }
    const audience = this.#audienceOf(options);
    const watcher: Watcher = new Watcher(audience, {
      first: after === undefined ? this.#initial(options) : this.#since(options, after),
      after: after ?? this.#revision,
      bookmarks: options.bookmarks,
      onSlow: options.onSlow,
      onReturn: () => leave(),
    });
    audience.watchers.add(watcher);
    const timer = timeoutMs > 0 ? this.#options.clock.setTimer(timeoutMs, () => this.#timeOut(watcher, leave)) : undefined;
    const leave = () => {
      timer?.cancel();
      signal.removeEventListener('abort', leave);
      this.#remove(watcher);
      watcher.end();
    };
    if (signal.aborted || this.#controller.signal.aborted) leave();
    else signal.addEventListener('abort', leave, { once: true });
    this.#armTimers();
    return watcher;
  }

  /** Everything up to the cache's revision has been pushed before: the client may resume from there. */
  #timeOut(watcher: Watcher, leave: () => void): void {
    this.#bookmark(watcher);
    leave();
  }

  #bookmark(watcher: Watcher): void {
    if (this.#revision > 0) watcher.bookmark({ type: 'BOOKMARK', revision: this.#revision });
  }

  #initial(options: CacheWatchOptions): CacheEvent[] {
    const wanted = this.list(options.prefix).filter((cached) => isOf(options, cached, this.#indexOf(cached)));
    const events: CacheEvent[] = wanted.map((cached) => ({ type: 'ADDED', revision: cached.revision, cached }));
    if (options.bookmarks) events.push({ type: 'BOOKMARK', revision: this.#revision, endsInitial: true });
    return events;
  }

  #since(interest: Interest, after: number): CacheEvent[] {
    const events = this.#history.map((change) => (change.revision > after ? this.#eventFor(interest, change) : undefined));
    return events.filter((event) => event !== undefined);
  }

  #indexOf(cached: CachedObject | undefined): string | undefined {
    return cached === undefined ? undefined : this.#options.indexField?.(cached.object);
  }

  // --- from the store

  #cached(stored: Stored): CachedObject {
    this.#fields.share(stored.object);
    return cachedObject(stored);
  }

  async #run(from: number): Promise<void> {
    const { clock, log } = this.#options;
    let wanted = from;
    const { signal } = this.#controller;
    let retryMs: number = RETRY_MS.first;
    while (!signal.aborted) {
      try {
        if (this.#revision === 0) await this.#fill(wanted);
        await this.#follow(() => (retryMs = RETRY_MS.first));
      } catch (error) {
        if (signal.aborted) return;
        const known = fromStoreError(error);
        log.debug({ error: describeError(known) }, 'watch cache: the way to the store broke');
        // Too old, or of the future: what is newest serves everybody.
        if (this.#revision === 0 && known instanceof ApiError && known.reason !== 'ServiceUnavailable') wanted = 0;
        if (known instanceof ApiError && known.reason === 'Expired') this.#forget();
      }
      if (signal.aborted) return;
      await sleep(clock, retryMs, signal).catch(() => undefined);
      retryMs = Math.min(retryMs * 2, RETRY_MS.max);
    }
  }

  async #fill(from: number): Promise<void> {
    const { storage, prefix } = this.#options;
    const objects: CachedObject[] = [];
    let page = await storage.range({ prefix, limit: LIST_PAGE_ROWS, revision: from });
    const { revision } = page;
    for (;;) {
      for (const stored of page.items) objects.push(this.#cached(stored));
      if (!page.hasMore || page.lastKey === undefined) break;
      page = await storage.range({ prefix, limit: LIST_PAGE_ROWS, from: `${page.lastKey}\0`, revision });
    }
    this.#objects.clear();
    for (const cached of objects) this.#objects.set(cached.key, cached);
    this.#counts.fills++;
    this.#history.length = 0;
    this.#historyStart = revision;
    this.#historyIsWhole = true;
    this.#lostUpTo = 0;
    this.#advance(revision);
  }

  /** The store no longer knows what happened since: watchers must list again, and so must we. */
  #forget(): void {
    this.#endWatchers(expired('The resourceVersion for the provided watch is too old.'));
    this.#revision = 0;
  }

  async #follow(onAnswer: () => void): Promise<void> {
    const { storage, prefix } = this.#options;
    const watch = storage.watch(prefix, this.#revision + 1, this.#controller.signal);
    this.#storeWatch = watch;
    try {
      for await (const response of watch) {
        onAnswer();
        if (response.canceled) {
          if (response.compactRevision > 0) throw expired('compacted');
          return;
        }
        // Somebody may wait for a revision that has no event of this kind.
        if (response.created && this.#waiting.size > 0) watch.requestProgress();
        this.#take(response);
      }
    } finally {
      this.#storeWatch = undefined;
    }
  }

  #take(response: WatchResponse): void {
    for (const event of response.events) {
      const { kv } = event;
      // After a reconnect the store starts behind what we have seen; a repeat would be a bug of its own.
      if (kv === undefined || kv.modRevision <= this.#revision) continue;
      const key = toUtf8(kv.key);
      const before = this.#objects.get(key);
      const stored = event.type === EventType.DELETE ? undefined : this.#options.storage.readable(kv);
      // What cannot be read is not there any more.
      if (stored === undefined) {
        this.#objects.delete(key);
        if (before !== undefined) this.#record({ revision: kv.modRevision, now: undefined, before, events: {} });
      } else {
        const now = this.#cached(stored);
        this.#objects.set(key, now);
        this.#record({ revision: kv.modRevision, now, before, events: {} });
      }
    }
    const last = response.events.at(-1)?.kv?.modRevision;
    // A header may be ahead of events that are still to come; only one without events says how far all has been seen.
    if (last !== undefined) this.#advance(last);
    else if (!response.created) this.#advance(response.header?.revision ?? 0);
  }

  #record(change: Change): void {
    this.#counts.received++;
    this.#history.push(change);
    this.#history.at(-TEXTS_KEPT)?.before?.forgetJson();
    if (this.#history.length > this.#historyMax * 1.25) {
      const dropped = this.#history.splice(0, this.#history.length - this.#historyMax);
      this.#historyStart = dropped.at(-1)!.revision;
      this.#historyIsWhole = false;
    }
    const [now, before] = [this.#indexOf(change.now), this.#indexOf(change.before)];
    for (const wanted of new Set([undefined, now, before])) {
      for (const audience of this.#audiences.get(wanted)?.values() ?? []) {
        const event = this.#eventFor(audience.interest, change);
        if (event !== undefined) this.#send(audience, event);
      }
    }
  }

  #send(audience: Audience, event: CacheEvent): void {
    this.#counts.dispatched += audience.watchers.size;
    for (const watcher of audience.push(event)) {
      this.#counts.slowWatchers++;
      this.#options.log.info({ prefix: audience.interest.prefix }, 'watch cache: a slow watcher is let go');
      this.#remove(watcher);
      watcher.onSlow?.();
    }
  }

  /** What the change is to whoever has the interest, if anything. */
  #eventFor(interest: Interest, { revision, now, before, events }: Change): CacheEvent | undefined {
    const isNow = now !== undefined && isOf(interest, now, this.#indexOf(now));
    const wasBefore = before !== undefined && isOf(interest, before, this.#indexOf(before));
    if (isNow && wasBefore) return (events.MODIFIED ??= { type: 'MODIFIED', revision, cached: now });
    if (isNow) return (events.ADDED ??= { type: 'ADDED', revision, cached: now });
    // What leaves the selection is deleted for its watchers, as it last was, at the revision at which it left.
    return wasBefore ? (events.DELETED ??= { type: 'DELETED', revision, cached: atRevision(before, revision) }) : undefined;
  }

  #advance(revision: number): void {
    if (revision <= this.#revision) return;
    this.#revision = revision;
    for (const entry of this.#waiting) if (entry.revision <= revision) entry.done.resolve();
  }

  // --- watchers

  #audienceOf({ prefix, matches, indexed, name }: CacheWatchOptions): Audience {
    const ofIndex = this.#audiences.get(indexed) ?? new Map<unknown, Audience>();
    const key = name ?? {};
    const audience = ofIndex.get(key) ?? new Audience({ prefix, matches, indexed }, this.#options.watcherMax ?? WATCHER_EVENTS_MAX);
    this.#audiences.set(indexed, ofIndex.set(key, audience));
    return audience;
  }

  #remove(watcher: Watcher): void {
    const { audience } = watcher;
    audience.watchers.delete(watcher);
    if (audience.watchers.size > 0) return;
    const { indexed } = audience.interest;
    const ofIndex = this.#audiences.get(indexed);
    for (const [name, known] of ofIndex ?? []) if (known === audience) ofIndex?.delete(name);
    if (ofIndex?.size === 0) this.#audiences.delete(indexed);
  }

  *#watchers(): Generator<Watcher> {
    for (const ofIndex of this.#audiences.values()) for (const { watchers } of ofIndex.values()) yield* watchers;
  }

  #endWatchers(error?: Error): void {
    const all = [...this.#watchers()];
    this.#audiences.clear();
    for (const watcher of all) watcher.end(error);
  }

  #armTimers(): void {
    const { clock } = this.#options;
    if (this.#controller.signal.aborted) return;
    this.#progressTimer ??= clock.setTimer(PROGRESS_MS, () => {
      this.#progressTimer = undefined;
      if (this.#audiences.size === 0) return;
      this.#storeWatch?.requestProgress();
      this.#armTimers();
    });
    this.#bookmarkTimer ??= clock.setTimer(BOOKMARK_MS, () => {
      this.#bookmarkTimer = undefined;
      if (this.#audiences.size === 0) return;
      for (const watcher of this.#watchers()) this.#bookmark(watcher);
      this.#armTimers();
    });
  }
}

function isOf(watcher: Interest, cached: CachedObject, index: string | undefined): boolean {
  if (watcher.indexed !== undefined && watcher.indexed !== index) return false;
  return cached.key.startsWith(watcher.prefix) && watcher.matches(cached.object);
}

function cachedObject(stored: Stored): CachedObject {
  let bytes: Uint8Array | undefined;
  const json = () => (bytes ??= fromUtf8(JSON.stringify(stored.object)));
  encoders.set(stored.object, json);
  return { ...stored, json, forgetJson: () => (bytes = undefined) };
}

/** How objects of a cache are encoded: for those who were handed the object alone. */
const encoders = new WeakMap<KubeObject, () => Uint8Array>();

/** The object's JSON; of one that a cache holds, made once for whoever lists or watches it. */
export function jsonBytes(object: KubeObject): Uint8Array {
  return encoders.get(object)?.() ?? fromUtf8(JSON.stringify(object));
}

function atRevision({ key, object }: Stored, revision: number): CachedObject {
  const metadata = { ...object.metadata, resourceVersion: String(revision) };
  return cachedObject({ key, revision, object: { ...object, metadata } });
}
