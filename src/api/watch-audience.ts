/**
 * Watchers of a cache that are interested in the same. What a change is to them is found out once, and waits for all of
 * them in one list, in which each has a place: a thousand watchers cost a change no more than one does, and those that
 * come for it together are handed the very same array, of which what they write can be made once too.
 */
import { deferred, type Deferred } from '../base/deferred.ts';
import type { KubeObject } from '../kube/types.ts';
import type { Bookmark, CacheEvent } from './watch-cache.ts';

export interface Interest {
  /** Keys start with it. */
  readonly prefix: string;
  readonly matches: (object: KubeObject) => boolean;
  /** The indexed field must have this value; undefined: any. */
  readonly indexed: string | undefined;
}

/** What came together since the last was taken, in order and never empty. To be iterated once. */
export interface CacheWatch extends AsyncIterable<readonly CacheEvent[]> {
  /** What waits is taken without waiting, where that can be told; it may be nothing. */
  takeWaiting?(): readonly CacheEvent[];
}

/** How often at most the list is looked through for what all have had. */
const TRIM_EVENTS_MIN = 64;

export class Audience {
  readonly interest: Interest;
  readonly watchers = new Set<Watcher>();
  readonly #waitingMax: number;
  /** What somebody has not had yet. */
  #events: CacheEvent[] = [];
  /** Events that were before those. */
  #begin = 0;
  /** By the place they begin at; all of them end where the list does. */
  readonly #slices = new Map<number, readonly CacheEvent[]>();
  #trimAt: number;

  /** A watcher that so many events wait for is too slow. */
  constructor(interest: Interest, waitingMax: number) {
    this.interest = interest;
    this.#waitingMax = waitingMax;
    this.#trimAt = Math.min(TRIM_EVENTS_MIN, waitingMax);
  }

  /** The place behind the newest event. */
  get end(): number {
    return this.#begin + this.#events.length;
  }

  /** Events that it holds. */
  get kept(): number {
    return this.#events.length;
  }

  /** Answers the watchers that are too slow; they have been let go. */
  push(event: CacheEvent): readonly Watcher[] {
    this.#events.push(event);
    this.#slices.clear();
    for (const watcher of this.watchers) watcher.wake();
    return this.#events.length < this.#trimAt ? [] : this.#trim();
  }

  /** From one place to another; the array is shared by who asks for the same. */
  slice(from: number, to: number): readonly CacheEvent[] {
    if (to < this.end) return this.#events.slice(from - this.#begin, to - this.#begin);
    const known = this.#slices.get(from);
    if (known !== undefined) return known;
    const slice = this.#events.slice(from - this.#begin);
    this.#slices.set(from, slice);
    return slice;
  }

  #trim(): readonly Watcher[] {
    const slow = [...this.watchers].filter(({ place }) => this.end - place >= this.#waitingMax);
    for (const watcher of slow) {
      this.watchers.delete(watcher);
      watcher.end();
    }
    const first = [...this.watchers].reduce((least, { place }) => Math.min(least, place), this.end);
    this.#events.splice(0, first - this.#begin);
    this.#begin = first;
    this.#trimAt = Math.min(Math.max(TRIM_EVENTS_MIN, 2 * this.#events.length), this.#waitingMax);
    return slow;
  }
}

export interface WatcherOptions {
  /** What it begins with, however much that is. */
  readonly first: readonly CacheEvent[];
  /** Events up to it are not for this watcher: a server that has seen more has sent them. */
  readonly after: number;
  readonly bookmarks: boolean;
  readonly onSlow: (() => void) | undefined;
  /** It does not want to go on. */
  readonly onReturn: () => void;
}

export class Watcher implements CacheWatch {
  readonly audience: Audience;
  readonly #options: WatcherOptions;
  #first: readonly CacheEvent[];
  /** In the audience's list: what is before it has been taken. */
  #place: number;
  /** It stands between what was there when it was made and what came after. */
  #bookmark: { readonly place: number; readonly bookmark: Bookmark } | undefined;
  #waiting: Deferred<void> | undefined;
  /** Where it ends. */
  #endPlace = Infinity;
  #error: Error | undefined;

  constructor(audience: Audience, options: WatcherOptions) {
    this.audience = audience;
    this.#options = options;
    this.#first = options.first;
    this.#place = audience.end;
  }

  get place(): number {
    return this.#place;
  }

  get onSlow(): (() => void) | undefined {
    return this.#options.onSlow;
  }

  wake(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }

  /** One that is not wanted, or is behind what the watcher has been told already, is dropped. */
  bookmark(bookmark: Bookmark): void {
    if (!this.#options.bookmarks || bookmark.revision < this.#options.after || this.#endPlace !== Infinity) return;
    this.#bookmark = { place: this.audience.end, bookmark };
    this.wake();
  }

  /** After what is there now; with an error, by throwing it. Only the first end counts. */
  end(error?: Error): void {
    if (this.#endPlace !== Infinity) return;
    this.#endPlace = this.audience.end;
    this.#error = error;
    // The audience does not know it any more, and forgets.
    this.#first = this.takeWaiting();
    this.#place = this.#endPlace;
    this.wake();
  }

  [Symbol.asyncIterator](): AsyncIterator<readonly CacheEvent[], undefined> {
    return {
      next: () => this.#next(),
      return: () => {
        if (this.#endPlace === Infinity) this.#options.onReturn();
        this.end();
        this.#first = [];
        this.#error = undefined;
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }

  async #next(): Promise<IteratorResult<readonly CacheEvent[], undefined>> {
    for (;;) {
      const events = this.takeWaiting();
      if (events.length > 0) return { done: false, value: events };
      if (this.#endPlace !== Infinity) break;
      this.#waiting ??= deferred();
      await this.#waiting.promise;
    }
    const error = this.#error;
    // It is thrown once; who asks again after it is at the end.
    this.#error = undefined;
    if (error !== undefined) throw error;
    return { done: true, value: undefined };
  }

  takeWaiting(): readonly CacheEvent[] {
    const [first, bookmark, from] = [this.#first, this.#bookmark, this.#place];
    const to = Math.min(this.audience.end, this.#endPlace);
    this.#first = [];
    this.#bookmark = undefined;
    this.#place = Math.max(from, to);
    if (bookmark !== undefined) {
      return [...first, ...this.#shown(from, bookmark.place), bookmark.bookmark, ...this.#shown(bookmark.place, to)];
    }
    const events = this.#shown(from, to);
    return first.length === 0 ? events : events.length === 0 ? first : [...first, ...events];
  }

  #shown(from: number, to: number): readonly CacheEvent[] {
    if (to <= from) return [];
    const events = this.audience.slice(from, to);
    const { after } = this.#options;
    return events[0]!.revision > after ? events : events.filter(({ revision }) => revision > after);
  }
}
