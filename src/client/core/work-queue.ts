/**
 * The queue between informers and workers: a machine, driven by `controller.ts`. After client-go's workqueue.
 *
 *     add ──► dirty ──► queue ──take──► processing ──done──► (dirty again? back into the queue)
 *               ▲
 *     addAfter ─┘ when due
 *
 * Invariants: a key is in `queue` once at most, and only while it is dirty and not processed; so no two workers have
 * one key, and a change that arrives during the work is not lost. The length is bounded by the number of distinct keys,
 * that is by the caches that feed it, so there is no maximum of its own.
 */
import type { Millis } from '../../base/clock.ts';
import { assert } from '../../base/assert.ts';
import { TimedQueue } from './timed-queue.ts';

export class WorkQueue {
  readonly #dirty = new Set<string>();
  readonly #processing = new Set<string>();
  #queue: string[] = [];
  #head = 0;
  /** When a key is due; an entry of the heap that differs from it is stale. */
  readonly #dueAt = new Map<string, Millis>();
  readonly #delayed = new TimedQueue<string>();

  get length(): number {
    return this.#queue.length - this.#head;
  }

  /** Keys that a worker has now. */
  get processing(): number {
    return this.#processing.size;
  }

  add(key: string): void {
    if (this.#dirty.has(key)) return;
    this.#dirty.add(key);
    if (!this.#processing.has(key)) this.#queue.push(key);
  }

  /** Adds the key at `atMs`; of several times the earliest counts. */
  addAt(key: string, atMs: Millis): void {
    const due = this.#dueAt.get(key);
    if (due !== undefined && due <= atMs) return;
    this.#dueAt.set(key, atMs);
    this.#delayed.push(atMs, key);
  }

  /** Adds what is due by `nowMs`. */
  promote(nowMs: Millis): void {
    for (let top = this.#delayed.peek(); top !== undefined && top.at <= nowMs; top = this.#delayed.peek()) {
      this.#delayed.pop();
      if (this.#dueAt.get(top.item) !== top.at) continue;
      this.#dueAt.delete(top.item);
      this.add(top.item);
    }
  }

  /** When `promote` has something to do next. */
  nextDeadline(): Millis | undefined {
    for (let top = this.#delayed.peek(); top !== undefined; top = this.#delayed.peek()) {
      if (this.#dueAt.get(top.item) === top.at) return top.at;
      this.#delayed.pop();
    }
    return undefined;
  }

  /** The next key, the caller's alone until it calls {@link done}. */
  take(): string | undefined {
    const key = this.#queue[this.#head];
    if (key === undefined) return undefined;
    this.#head++;
    if (this.#head > 64 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    assert(!this.#processing.has(key), 'a key is worked on once at a time');
    this.#dirty.delete(key);
    this.#processing.add(key);
    return key;
  }

  done(key: string): void {
    assert(this.#processing.delete(key), 'a key that is done was taken');
    if (this.#dirty.has(key)) this.#queue.push(key);
  }
}
