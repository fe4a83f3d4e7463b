/**
 * All writes in the order of their revisions, from the last compaction on: what a watch reads history from. In blocks, so
 * that neither a write more nor a compaction moves what is there: of millions of writes that would hold the loop for long.
 *
 *   blocks: [ w w w w ][ w w w w ][ w w ]       the first block may still hold what was compacted; nobody asks for it
 */
import { lowerBound, type Revision, type Write } from './revision.ts';

const BLOCK_WRITES_MAX = 4096;

export class WriteLog {
  readonly #blockWritesMax: number;
  #blocks: Write[][] = [[]];

  constructor(blockWritesMax = BLOCK_WRITES_MAX) {
    this.#blockWritesMax = blockWritesMax;
  }

  /** Writes arrive in the order of their revisions. */
  push(write: Write): void {
    const last = this.#blocks[this.#blocks.length - 1]!;
    if (last.length < this.#blockWritesMax) last.push(write);
    else this.#blocks.push([write]);
  }

  /** Blocks in which all is older than `revision` are let go. */
  forgetBefore(revision: Revision): void {
    let count = 0;
    while (count < this.#blocks.length - 1 && this.#newestOf(count) < revision) count++;
    this.#blocks.splice(0, count);
  }

  /**
   * From revision `from` on at most `writesMax`, and then to the end of their revision. `next` is the revision of the first
   * write behind them; undefined where there is none.
   */
  read(from: Revision, writesMax: number): { readonly writes: readonly Write[]; readonly next: Revision | undefined } {
    const writes: Write[] = [];
    const start = this.#blockOf(from);
    for (let blockAt = start; blockAt < this.#blocks.length; blockAt++) {
      const block = this.#blocks[blockAt]!;
      for (let at = blockAt === start ? lowerBound(block, from) : 0; at < block.length; at++) {
        const write = block[at]!;
        const isFull = writes.length >= writesMax && write.main !== writes[writes.length - 1]!.main;
        if (isFull) return { writes, next: write.main };
        writes.push(write);
      }
    }
    return { writes, next: undefined };
  }

  /** The first block with a write that is not older than `revision`; the last one, if there is none. */
  #blockOf(revision: Revision): number {
    let low = 0;
    let high = this.#blocks.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#newestOf(middle) < revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Only of a log that is empty there is a block without a write. */
  #newestOf(blockAt: number): Revision {
    const block = this.#blocks[blockAt]!;
    return block[block.length - 1]?.main ?? 0;
  }
}
