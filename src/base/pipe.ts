/**
 * A queue between a producer that pushes and a consumer that iterates, with a high-water mark: `push` answers false when
 * the consumer is behind, and `drained` tells when it has caught up. What is pushed past the mark is kept all the same,
 * so that a producer that cannot wait loses nothing; a producer that ignores the answer owns the consequence.
 */
import { deferred, type Deferred } from './deferred.ts';

export class Pipe<T> implements AsyncIterable<T> {
  readonly #highWaterMark: number;
  readonly #onDrain: (() => void) | undefined;
  readonly #onReturn: (() => void) | undefined;
  #items: T[] = [];
  #head = 0;
  /** Of what was pushed since it was last empty, over one for each item. */
  #extraWeight = 0;
  #waiting: Deferred<IteratorResult<T, undefined>>[] = [];
  #taker: { readonly take: (item: T) => void; readonly end: (error: Error | undefined) => void } | undefined;
  #drain: Deferred<void> | undefined;
  #ended = false;
  /** From reaching the mark until the consumer has taken everything. */
  #isFull = false;
  #error: Error | undefined;

  /** `onDrain` runs when the consumer empties a pipe that was full, `onReturn` when it stops before the end. */
  constructor(highWaterMark: number, on: { readonly drain?: () => void; readonly return?: () => void } = {}) {
    this.#highWaterMark = highWaterMark;
    this.#onDrain = on.drain;
    this.#onReturn = on.return;
  }

  get length(): number {
    return this.#items.length - this.#head;
  }

  /** False: the consumer is behind. After the end, items are dropped. A heavy item counts as several. */
  push(item: T, weight = 1): boolean {
    if (this.#ended) return true;
    if (this.#taker !== undefined) {
      this.#taker.take(item);
      return true;
    }
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) waiting.resolve({ done: false, value: item });
    else {
      this.#items.push(item);
      this.#extraWeight += weight - 1;
    }
    this.#isFull ||= this.length + this.#extraWeight >= this.#highWaterMark;
    return !this.#isFull;
  }

  /** The consumer ends after what was pushed so far; with an error, by throwing it. Only the first end counts. */
  end(error?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#release();
    for (const waiting of this.#waiting.splice(0)) this.#finish(waiting);
    this.#endTaker();
  }

  /** Everything that waits, at once; for a consumer that makes one of many. What follows is still iterated. */
  takeAll(): T[] {
    const taken = this.#head === 0 ? this.#items : this.#items.slice(this.#head);
    this.#items = [];
    this.#head = 0;
    this.#extraWeight = 0;
    if (this.#isFull) this.#release();
    return taken;
  }

  /**
   * In place of iterating: each item as it is pushed, in its producer's own turn. Resolves at the end; rejects with the error
   * that it ends with, or with what `take` throws, which ends it.
   */
  each(take: (item: T) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      let isOver = false;
      const takeOne = (item: T) => {
        try {
          take(item);
        } catch (error) {
          isOver = true;
          this.#taker = undefined;
          this.#return();
          reject(error as Error); // whatever it throws
        }
      };
      // What waits first: to take it may let the producer push more, which comes behind it.
      for (let items = this.takeAll(); items.length > 0 && !isOver; items = this.takeAll()) {
        for (const item of items) if (!isOver) takeOne(item);
      }
      if (isOver) return;
      this.#taker = { take: takeOne, end: (error) => (error === undefined ? resolve() : reject(error)) };
      if (this.#ended) this.#endTaker();
    });
  }

  /** Resolves when the consumer has taken everything, or has gone. */
  drained(): Promise<void> {
    if (!this.#isFull || this.#ended) return Promise.resolve();
    this.#drain ??= deferred();
    return this.#drain.promise;
  }

  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return {
      next: () => this.#next(),
      return: () => {
        this.#return();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }

  /** The consumer takes no more. */
  #return(): void {
    if (!this.#ended) this.#onReturn?.();
    this.#items = [];
    this.#head = 0;
    this.end();
    this.#error = undefined;
  }

  #endTaker(): void {
    const taker = this.#taker;
    if (taker === undefined) return;
    this.#taker = undefined;
    const error = this.#error;
    this.#error = undefined;
    taker.end(error);
  }

  #next(): Promise<IteratorResult<T, undefined>> {
    if (this.length > 0) {
      const value = this.#items[this.#head++]!;
      if (this.length === 0) {
        this.#items = [];
        this.#head = 0;
        this.#extraWeight = 0;
        if (this.#isFull) this.#release();
      } else if (this.#head > 64 && this.#head * 2 > this.#items.length) {
        this.#items = this.#items.slice(this.#head);
        this.#head = 0;
      }
      return Promise.resolve({ done: false, value });
    }
    const waiting = deferred<IteratorResult<T, undefined>>();
    if (this.#ended) this.#finish(waiting);
    else this.#waiting.push(waiting);
    return waiting.promise;
  }

  #release(): void {
    this.#isFull = false;
    this.#onDrain?.();
    this.#drain?.resolve();
    this.#drain = undefined;
  }

  #finish(waiting: Deferred<IteratorResult<T, undefined>>): void {
    const error = this.#error;
    // An error is thrown once; who asks again after it is at the end.
    this.#error = undefined;
    if (error !== undefined) waiting.reject(error);
    else waiting.resolve({ done: true, value: undefined });
  }
}

/** {@link Pipe.each} of a pipe, a loop over anything else. */
export async function forEach<T>(items: AsyncIterable<T>, take: (item: T) => void): Promise<void> {
  if (items instanceof Pipe) return (items as Pipe<T>).each(take); // its items are those of the iterable that it is
  for await (const item of items) take(item);
}
