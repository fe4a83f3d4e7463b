/**
 * Answers of a stream that differ in their first bytes only: what many watchers of a stream are told. Each is one of the heads
 * with the tail behind it, and whoever sends them need not make them one by one.
 */
export class SharedAnswers {
  readonly heads: readonly Uint8Array[];
  readonly tail: Uint8Array;

  /** None of the heads is empty. Neither they nor the tail change any more. */
  constructor(heads: readonly Uint8Array[], tail: Uint8Array) {
    this.heads = heads;
    this.tail = tail;
  }

  answer(at: number): Uint8Array {
    const head = this.heads[at]!;
    const bytes = new Uint8Array(head.length + this.tail.length);
    bytes.set(head);
    bytes.set(this.tail, head.length);
    return bytes;
  }
}
