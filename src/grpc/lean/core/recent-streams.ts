/**
 * Streams that ended lately. Frames of one that we ended may still be on their way (RFC 9113 §5.1, "closed"), those of one
 * that the other end ended itself are a mistake; of older ones nobody knows any more.
 */

const RECENT_MAX = 256;

export class RecentStreams {
  /** Negative: the other end knows that it has ended, and has no reason to go on with it. */
  readonly #ids = new Int32Array(RECENT_MAX);
  #at = 0;

  add(streamId: number, isKnown: boolean): void {
    this.#ids[this.#at] = isKnown ? -streamId : streamId;
    this.#at = (this.#at + 1) % RECENT_MAX;
  }

  has(streamId: number): boolean {
    return this.#ids.includes(streamId) || this.#ids.includes(-streamId);
  }

  /** Ended by us: what was on its way meanwhile is nobody's fault. */
  isExcused(streamId: number): boolean {
    return this.#ids.includes(streamId);
  }
}
