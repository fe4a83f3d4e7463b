import { MinHeap } from '../../../base/min-heap.ts';

export interface Queued<T> {
  readonly atMs: number;
  readonly lease: T;
}

/**
 * Leases by when something is due for them, then by the id, so that every run has one order. It only grows and is emptied
 * from its top: whoever moves a deadline leaves the old place alone, and corrects it there.
 */
export class DeadlineHeap<T extends { readonly id: bigint }> {
  readonly #heap = new MinHeap<Queued<T>>((a, b) => a.atMs < b.atMs || (a.atMs === b.atMs && a.lease.id < b.lease.id));

  get top(): Queued<T> | undefined {
    return this.#heap.peek();
  }

  clear(): void {
    this.#heap.clear();
  }

  push(lease: T, atMs: number): void {
    this.#heap.push({ atMs, lease });
  }

  /** Takes the earliest, if it is due by `now`. */
  popDue(now: number): Queued<T> | undefined {
    const { top } = this;
    if (top === undefined || top.atMs > now) return undefined;
    return this.#heap.pop();
  }
}
