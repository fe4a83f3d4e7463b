/**
 * Every key with the history of its writes, ordered by key: a list of blocks of at most BLOCK_KEYS_MAX keys, each a
 * sorted array. For a million keys that is some 4,000 blocks, found by one binary search over blocks and one inside: two
 * levels of a B-tree whose root is simply long, which costs less memory and fewer pointers than a real one.
 *
 *   blocks: [ a … f ][ g … m ][ n … z ]        each block knows how many of its keys live, and its newest revision,
 *              │                                so that a count of the present skips over whole blocks
 *              └ entry: key, writes oldest first; a tombstone ends a life (etcd's "generation")
 */
import { assert } from '../../../base/assert.ts';
import { lowerBound } from '../../../base/lower-bound.ts';
import { isTombstone, type Key, type Revision, type Write } from './revision.ts';

export interface KeyEntry {
  readonly key: Key;
  /** Oldest first, never empty. */
  readonly writes: Write[];
}

/** Keys from `from` on; before `to`, or to the end of the key space. */
export interface KeyRange {
  readonly from: Key;
  readonly to: Key | undefined;
  /** It is `from` alone; then there is nothing to walk over. */
  readonly isOneKey?: boolean;
}

const BLOCK_KEYS_MAX = 512;

interface Block {
  readonly keys: Key[];
  readonly entries: KeyEntry[];
  /** Keys whose last write is not a tombstone. */
  live: number;
  /** No write in this block is newer. */
  newest: Revision;
}

export class KeyIndex {
  #blocks: Block[] = [emptyBlock()];
  #size = 0;
  /** Where the last key was found: a write looks its key up several times in a row. Void after any change of place. */
  #lastKey: Key | undefined;
  #lastBlock = 0;
  #lastAt = 0;

  /** Keys with any history, living or not. */
  get size(): number {
    return this.#size;
  }

  entry(key: Key): KeyEntry | undefined {
    this.#find(key);
    const block = this.#blocks[this.#lastBlock]!;
    return block.keys[this.#lastAt] === key ? block.entries[this.#lastAt] : undefined;
  }

  /** Appends a write to its key's history. Writes arrive in the order of their revisions. */
  append(write: Write): KeyEntry {
    this.#find(write.key);
    const blockAt = this.#lastBlock;
    const at = this.#lastAt;
    const block = this.#blocks[blockAt]!;
    assert(write.main >= block.newest, 'writes arrive in the order of their revisions');
    block.newest = write.main;
    if (block.keys[at] === write.key) {
      const entry = block.entries[at]!;
      const last = entry.writes[entry.writes.length - 1]!;
      assert(last.main < write.main || last.sub < write.sub, 'a key is written once at a revision');
      block.live += Number(isTombstone(last)) - Number(isTombstone(write));
      entry.writes.push(write);
      return entry;
    }
    const entry: KeyEntry = { key: write.key, writes: [write] };
    this.#lastKey = undefined;
    block.keys.splice(at, 0, write.key);
    block.entries.splice(at, 0, entry);
    block.live += isTombstone(write) ? 0 : 1;
    this.#size++;
    if (block.keys.length > BLOCK_KEYS_MAX) this.#split(blockAt, at);
    return entry;
  }

  /** Visits, in order, every key of the range that lives at `revision`, until `visit` answers false. */
  visit(range: KeyRange, revision: Revision, visit: (write: Write) => boolean): void {
    if (range.isOneKey === true) {
      const entry = this.entry(range.from);
      const write = entry && writeAt(entry, revision);
      if (write !== undefined && !isTombstone(write)) visit(write);
      return;
    }
    for (let blockAt = this.#blockOf(range.from); blockAt < this.#blocks.length; blockAt++) {
      const block = this.#blocks[blockAt]!;
      for (let at = lowerBound(block.keys, range.from); at < block.keys.length; at++) {
        if (range.to !== undefined && block.keys[at]! >= range.to) return;
        const write = writeAt(block.entries[at]!, revision);
        if (write !== undefined && !isTombstone(write) && !visit(write)) return;
      }
    }
  }

  /** How many keys of the range live at `revision`. */
  count(range: KeyRange, revision: Revision): number {
    let count = 0;
    for (let blockAt = this.#blockOf(range.from); blockAt < this.#blocks.length; blockAt++) {
      const block = this.#blocks[blockAt]!;
      const from = lowerBound(block.keys, range.from);
      const to = range.to === undefined ? block.keys.length : lowerBound(block.keys, range.to);
      if (from === 0 && to === block.keys.length && block.newest <= revision) {
        count += block.live;
        continue;
      }
      for (let at = from; at < to; at++) {
        const write = writeAt(block.entries[at]!, revision);
        if (write !== undefined && !isTombstone(write)) count++;
      }
      if (to < block.keys.length) break;
    }
    return count;
  }

  /** Up to `limit` entries with keys from `from` on, with their tombstones: for compaction and hashing. */
  entriesFrom(from: Key, limit: number): KeyEntry[] {
    const found: KeyEntry[] = [];
    for (let blockAt = this.#blockOf(from); blockAt < this.#blocks.length && found.length < limit; blockAt++) {
      const block = this.#blocks[blockAt]!;
      const start = lowerBound(block.keys, from);
      for (let at = start; at < block.entries.length && found.length < limit; at++) found.push(block.entries[at]!);
    }
    return found;
  }

  /** Forgets the entry's `count` oldest writes; the key itself with the last of them. */
  dropOldest(entry: KeyEntry, count: number): void {
    if (count === 0) return;
    if (count < entry.writes.length) {
      entry.writes.splice(0, count);
      return;
    }
    const blockAt = this.#blockOf(entry.key);
    const block = this.#blocks[blockAt]!;
    const at = lowerBound(block.keys, entry.key);
    assert(block.entries[at] === entry, 'an entry lies in its block');
    this.#lastKey = undefined;
    assert(isTombstone(entry.writes[entry.writes.length - 1]!), 'only a dead key is forgotten');
    block.keys.splice(at, 1);
    block.entries.splice(at, 1);
    this.#size--;
    if (block.keys.length === 0 && this.#blocks.length > 1) this.#blocks.splice(blockAt, 1);
  }

  #find(key: Key): void {
    if (this.#lastKey === key) return;
    this.#lastKey = key;
    this.#lastBlock = this.#blockOf(key);
    this.#lastAt = lowerBound(this.#blocks[this.#lastBlock]!.keys, key);
  }

  /** The last block that may hold `key`: the one before the first that begins past it. */
  #blockOf(key: Key): number {
    let low = 0;
    let high = this.#blocks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#blocks[middle]!.keys[0]! <= key) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #split(blockAt: number, insertedAt: number): void {
    const block = this.#blocks[blockAt]!;
    // Keys that arrive in order (as after a restart they often do) fill their blocks instead of leaving them half empty.
    const isAscending = insertedAt === block.keys.length - 1;
    const keep = isAscending ? BLOCK_KEYS_MAX : BLOCK_KEYS_MAX >> 1;
    const right: Block = {
      keys: block.keys.splice(keep),
      entries: block.entries.splice(keep),
      live: 0,
      newest: block.newest,
    };
    for (const entry of right.entries) right.live += isTombstone(entry.writes[entry.writes.length - 1]!) ? 0 : 1;
    block.live -= right.live;
    this.#blocks.splice(blockAt + 1, 0, right);
  }
}

/** The entry's newest write that is not newer than `revision`. */
export function writeAt(entry: KeyEntry, revision: Revision): Write | undefined {
  const writes = entry.writes;
  const last = writes[writes.length - 1]!;
  if (last.main <= revision) return last;
  let low = 0;
  let high = writes.length - 1;
  // Invariant: writes before `low` are not newer, writes from `high` on are.
  while (low < high) {
    const middle = (low + high) >> 1;
    if (writes[middle]!.main <= revision) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? undefined : writes[low - 1];
}

function emptyBlock(): Block {
  return { keys: [], entries: [], live: 0, newest: 0 };
}
