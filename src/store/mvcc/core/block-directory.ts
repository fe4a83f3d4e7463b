/**
 * Which blocks there are, in order, and what in them is no longer wanted: a write is found in the last block that does not
 * begin behind it. Some 50 bytes of memory a block. In lists of a few hundred, so that blocks that are exchanged move few others.
 *
 *   drop ─► a block is touched ─► nextRun() ─► rewritten with its neighbours ─► replace()
 *
 * Blocks are rewritten from the oldest on, always, and a key's writes are dropped oldest first: so what a crash leaves of a
 * key is never its past without what ended it.
 */
import { assert } from '../../../base/assert.ts';
import { comparePositions, type Position } from './block.ts';
import type { Write } from './revision.ts';

/** A row of writes. */
export interface BlockEntry {
  /** Its key; its first write may lie behind. */
  readonly position: Position;
  readonly count: number;
  readonly sizeBytes: number;
  /** Of its writes those that are to go. */
  readonly dropped: Write[];
}

const LIST_BLOCKS_MAX = 512;
/** How many blocks one look for a touched one passes, well within a millisecond. */
const LOOK_BLOCKS_MAX = 5000;
/** What one rewriting reads and writes: about a millisecond, and two full blocks of small writes at least, so that neighbours meet. */
const RUN_BLOCKS_MAX = 100;
const RUN_BYTES_MAX = 128 * 1024;
const RUN_WRITES_MAX = 600;
/** A block that is so small goes together with a touched one before it. */
const SMALL_BLOCK_BYTES = 1024;

export class BlockDirectory {
  readonly #listBlocksMax: number;
  /** None is empty, but for the only one. */
  #lists: BlockEntry[][] = [[]];
  #touched = 0;
  /** No block before it is touched. */
  #lookFrom: Position | undefined;

  constructor(listBlocksMax = LIST_BLOCKS_MAX) {
    this.#listBlocksMax = listBlocksMax;
  }

  /** Blocks of which something is to go. */
  get touched(): number {
    return this.#touched;
  }

  push(entry: BlockEntry): void {
    const last = this.#lists.at(-1)!;
    const before = last.at(-1);
    assert(before === undefined || comparePositions(before.position, entry.position) < 0, 'blocks come in order');
    if (last.length < this.#listBlocksMax) last.push(entry);
    else this.#lists.push([entry]);
  }

  /** The one that holds a write, if any does. */
  find(position: Position): BlockEntry | undefined {
    const list = this.#lists[this.#listOf(position)]!;
    return list[behind(list, position) - 1];
  }

  /** The one that may hold it, and all behind that. */
  *from(position: Position): Generator<BlockEntry> {
    const start = this.#listOf(position);
    for (let listAt = start; listAt < this.#lists.length; listAt++) {
      const list = this.#lists[listAt]!;
      for (let at = listAt === start ? Math.max(0, behind(list, position) - 1) : 0; at < list.length; at++) yield list[at]!;
    }
  }

  drop(write: Write): void {
    const entry = this.find(write);
    assert(entry !== undefined && entry.dropped.length < entry.count, 'a write that is dropped lies in a block');
    if (entry.dropped.length === 0) this.#touched++;
    entry.dropped.push(write);
    if (this.#lookFrom === undefined || comparePositions(entry.position, this.#lookFrom) < 0) this.#lookFrom = entry.position;
  }

  /** The oldest touched block with what goes together with it; empty: the look for it is to go on; undefined: there is none. */
  nextRun(): readonly BlockEntry[] | undefined {
    if (this.#touched === 0 || this.#lookFrom === undefined) return undefined;
    let listAt = this.#listOf(this.#lookFrom);
    let at = Math.max(0, behind(this.#lists[listAt]!, this.#lookFrom) - 1);
    for (let looked = 0; looked < LOOK_BLOCKS_MAX; looked++) {
      const list = this.#lists[listAt]!;
      const entry = list[at];
      if (entry === undefined) {
        listAt++;
        at = 0;
        assert(listAt < this.#lists.length, 'what is touched lies behind where the look begins');
        continue;
      }
      this.#lookFrom = entry.position;
      if (entry.dropped.length > 0) return runFrom(list, at);
      at++;
    }
    return [];
  }

  /** `by` takes the place of a run. */
  replace(run: readonly BlockEntry[], by: readonly BlockEntry[]): void {
    const [first] = run;
    assert(first !== undefined, 'a run is not empty');
    const listAt = this.#listOf(first.position);
    const list = this.#lists[listAt]!;
    const at = behind(list, first.position) - 1;
    assert(list[at] === first && list[at + run.length - 1] === run.at(-1), 'a run lies in one list');
    list.splice(at, run.length, ...by);
    for (const { dropped } of run) if (dropped.length > 0) this.#touched--;
    if (list.length === 0 && this.#lists.length > 1) this.#lists.splice(listAt, 1);
  }

  /** The last list that begins not behind `position`; else the first. */
  #listOf(position: Position): number {
    let low = 0;
    let high = this.#lists.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (comparePositions(this.#lists[middle]![0]!.position, position) <= 0) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** How many begin not behind `position`. */
function behind(list: readonly BlockEntry[], position: Position): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (comparePositions(list[middle]!.position, position) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function runFrom(list: readonly BlockEntry[], start: number): readonly BlockEntry[] {
  let bytes = 0;
  let writes = 0;
  let end = start;
  while (end < list.length && end - start < RUN_BLOCKS_MAX) {
    const { sizeBytes, count, dropped } = list[end]!;
    if (dropped.length === 0 && sizeBytes > SMALL_BLOCK_BYTES) break;
    // What goes whole is neither read nor written.
    if (dropped.length < count) {
      bytes += sizeBytes;
      writes += count;
    }
    if (end > start && (bytes > RUN_BYTES_MAX || writes > RUN_WRITES_MAX)) break;
    end++;
  }
  return list.slice(start, end);
}
