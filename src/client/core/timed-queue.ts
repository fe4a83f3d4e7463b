import { MinHeap } from '../../base/min-heap.ts';

interface Entry<T> {
  readonly at: number;
  readonly sequence: number;
  readonly item: T;
}

/** What is due comes out by its time; equal times come out first in, first out. */
export class TimedQueue<T> {
  readonly #heap = new MinHeap<Entry<T>>((a, b) => a.at < b.at || (a.at === b.at && a.sequence < b.sequence));
  #sequence = 0;

  get length(): number {
    return this.#heap.length;
  }

  peek(): { readonly at: number; readonly item: T } | undefined {
    return this.#heap.peek();
  }

  push(at: number, item: T): void {
    this.#heap.push({ at, sequence: this.#sequence++, item });
  }

  pop(): { readonly at: number; readonly item: T } | undefined {
    return this.#heap.pop();
  }
}
