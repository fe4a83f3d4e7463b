/** A first-in-first-out queue with a named maximum: `push` past it answers false, and the caller says what then. */
export class BoundedQueue<T> {
  readonly max: number;
  #items: T[] = [];
  #head = 0;

  constructor(max: number) {
    this.max = max;
  }

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): boolean {
    if (this.length >= this.max) return false;
    this.#items.push(item);
    return true;
  }

  shift(): T | undefined {
    if (this.#head === this.#items.length) return undefined;
    const item = this.#items[this.#head]!;
    this.#head++;
    if (this.#head > 64 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Everything that waits, in order; the queue is empty afterwards. */
  drain(): T[] {
    const items = this.#head === 0 ? this.#items : this.#items.slice(this.#head);
    this.#items = [];
    this.#head = 0;
    return items;
  }
}
