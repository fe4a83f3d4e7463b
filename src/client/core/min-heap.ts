/** A binary heap on (at, order of insertion): equal times come out first in, first out. */

interface Entry<T> {
  readonly at: number;
  readonly sequence: number;
  readonly item: T;
}

export class MinHeap<T> {
  readonly #entries: Entry<T>[] = [];
  #sequence = 0;

  get length(): number {
    return this.#entries.length;
  }

  peek(): { readonly at: number; readonly item: T } | undefined {
    return this.#entries[0];
  }

  push(at: number, item: T): void {
    const entry = { at, sequence: this.#sequence++, item };
    const heap = this.#entries;
    let child = heap.push(entry) - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!isBefore(entry, heap[parent]!)) break;
      heap[child] = heap[parent]!;
      child = parent;
    }
    heap[child] = entry;
  }

  pop(): { readonly at: number; readonly item: T } | undefined {
    const heap = this.#entries;
    const top = heap[0];
    const last = heap.pop();
    if (heap.length === 0 || last === undefined) return top;
    let parent = 0;
    for (let child = 1; child < heap.length; child = 2 * parent + 1) {
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[parent] = heap[child]!;
      parent = child;
    }
    heap[parent] = last;
    return top;
  }
}

function isBefore<T>(a: Entry<T>, b: Entry<T>): boolean {
  return a.at < b.at || (a.at === b.at && a.sequence < b.sequence);
}
