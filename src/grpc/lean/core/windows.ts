/** Flow control (RFC 9113 §5.2, §6.9), for a connection or for a stream. */
import { WINDOW_MAX } from './protocol.ts';

/** What the other end still takes. It may be negative, after a change of settings (§6.9.2). */
export class SendWindow {
  available: number;

  constructor(initial: number) {
    this.available = initial;
  }

  /** False: it would be larger than a window can be. */
  grow(increment: number): boolean {
    this.available += increment;
    return this.available <= WINDOW_MAX;
  }
}

/** What we take. What was consumed is given back in one go, once it is half of the window. */
export class ReceiveWindow {
  readonly #size: number;
  #available: number;
  #consumed = 0;

  /** `offered` is what the other end knows of so far, where that is less than the size. */
  constructor(size: number, offered = size) {
    this.#size = size;
    this.#available = offered;
    this.#consumed = size - offered;
  }

  /** False: more came than was offered. */
  take(count: number): boolean {
    this.#available -= count;
    return this.#available >= 0;
  }

  /** What is to be told at the start, where less was offered. */
  open(): number {
    const increment = this.#consumed;
    this.#consumed = 0;
    this.#available += increment;
    return increment;
  }

  /** The increment to tell, 0 for none yet. */
  giveBack(count: number): number {
    this.#consumed += count;
    if (this.#consumed === 0 || this.#consumed * 2 < this.#size) return 0;
    return this.open();
  }
}
