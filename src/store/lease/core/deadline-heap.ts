/**
 * Leases by when something is due for them: a binary heap on the time, then the id, so that every run has one order. It
 * only grows and is emptied from its top: whoever moves a deadline leaves the old place alone, and corrects it there.
 */
export interface Queued<T> {
  readonly atMs: number;
  readonly lease: T;
}

export class DeadlineHeap<T extends { readonly id: bigint }> {
  readonly #heap: Queued<T>[] = [];

  get top(): Queued<T> | undefined {
    return this.#heap[0];
  }

  clear(): void {
    this.#heap.length = 0;
  }

  push(lease: T, atMs: number): void {
    const heap = this.#heap;
    const item = { atMs, lease };
    let child = heap.push(item) - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!isBefore(item, heap[parent]!)) break;
      heap[child] = heap[parent]!;
      child = parent;
    }
    heap[child] = item;
  }

  /** Takes the earliest, if it is due by `now`. */
  popDue(now: number): Queued<T> | undefined {
    const { top } = this;
    if (top === undefined || top.atMs > now) return undefined;
    this.#pop();
    return top;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let parent = 0;
    for (;;) {
      let child = 2 * parent + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[parent] = heap[child]!;
      parent = child;
    }
    heap[parent] = last;
  }
}

function isBefore(a: Queued<{ readonly id: bigint }>, b: Queued<{ readonly id: bigint }>): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.lease.id < b.lease.id);
}
