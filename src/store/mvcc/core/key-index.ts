/**
 * Every key with the history of its writes, ordered by key: a list of blocks of at most BLOCK_KEYS_MAX keys, each a
 * sorted array. For a million keys that is some 4,000 blocks, found by one binary search over blocks and one inside: two
 * levels of a B-tree whose root is simply long, which costs less memory and fewer pointers than a real one.
 *
 *   blocks: [ a … f ][ g … m ][ n … z ]        each block knows how many of its keys live, and its newest revision,
 *              │                                so that a count of the present skips over whole blocks
 *              └ history: writes oldest first; a tombstone ends a life (etcd's "generation")
 *
 * The history of a key that was written once is that write itself, with nothing around it: of a million keys an array and
 * an object more each are 100 MB.
 */
import { assert } from '../../../base/assert.ts';
import { lowerBound } from '../../../base/lower-bound.ts';
import { isTombstone, lowerBound as lowerBoundOfRevision, type Key, type Revision, type Write } from './revision.ts';

/** A key and its history, as it is now. */
export interface KeyEntry {
  readonly key: Key;
  /** Oldest first, never empty. */
  readonly writes: readonly Write[];
}

/** Oldest first; more than one, or that one. */
type History = Write | Write[];

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
  readonly histories: History[];
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

  /** The key's newest write that is not newer than `revision`. */
  writeAt(key: Key, revision: Revision): Write | undefined {
    const history = this.#historyOf(key);
    return history === undefined ? undefined : writeAt(history, revision);
  }

  /** Oldest first; empty for a key that is not there. */
  historyOf(key: Key): readonly Write[] {
    const history = this.#historyOf(key);
    return history === undefined ? [] : writesOf(history);
  }

  /** Appends a write to its key's history. Writes arrive in the order of their revisions. */
  append(write: Write): void {
    this.#find(write.key);
    const block = this.#blocks[this.#lastBlock]!;
    assert(write.main >= block.newest, 'writes arrive in the order of their revisions');
    block.newest = write.main;
    if (block.keys[this.#lastAt] !== write.key) return this.#insert(write, this.#lastBlock, this.#lastAt);
    const history = block.histories[this.#lastAt]!;
    const last = lastOf(history);
    assert(last.main < write.main || last.sub < write.sub, 'a key is written once at a revision');
    block.live += Number(isTombstone(last)) - Number(isTombstone(write));
    if (Array.isArray(history)) history.push(write);
    else block.histories[this.#lastAt] = [history, write];
  }

  /** Visits, in order, every key of the range that lives at `revision`, until `visit` answers false. */
  visit(range: KeyRange, revision: Revision, visit: (write: Write) => boolean): void {
    if (range.isOneKey === true) {
      const write = this.writeAt(range.from, revision);
      if (write !== undefined && !isTombstone(write)) visit(write);
      return;
    }
    for (let blockAt = this.#blockOf(range.from); blockAt < this.#blocks.length; blockAt++) {
      const block = this.#blocks[blockAt]!;
      for (let at = lowerBound(block.keys, range.from); at < block.keys.length; at++) {
        if (range.to !== undefined && block.keys[at]! >= range.to) return;
        const write = writeAt(block.histories[at]!, revision);
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
        const write = writeAt(block.histories[at]!, revision);
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
      for (let at = start; at < block.keys.length && found.length < limit; at++) {
        found.push({ key: block.keys[at]!, writes: writesOf(block.histories[at]!) });
      }
    }
    return found;
  }

  /** Forgets the key's `count` oldest writes; the key itself with the last of them. */
  dropOldest(key: Key, count: number): void {
    if (count === 0) return;
    const blockAt = this.#blockOf(key);
    const block = this.#blocks[blockAt]!;
    const at = lowerBound(block.keys, key);
    assert(block.keys[at] === key, 'a key lies in its block');
    const history = block.histories[at]!;
    if (Array.isArray(history) && count < history.length) {
      if (count === history.length - 1) block.histories[at] = lastOf(history);
      else history.splice(0, count);
      return;
    }
    this.#lastKey = undefined;
    assert(isTombstone(lastOf(history)), 'only a dead key is forgotten');
    block.keys.splice(at, 1);
    block.histories.splice(at, 1);
    this.#size--;
    if (block.keys.length === 0 && this.#blocks.length > 1) this.#blocks.splice(blockAt, 1);
  }

  #historyOf(key: Key): History | undefined {
    this.#find(key);
    const block = this.#blocks[this.#lastBlock]!;
    return block.keys[this.#lastAt] === key ? block.histories[this.#lastAt] : undefined;
  }

  #insert(write: Write, blockAt: number, at: number): void {
    const block = this.#blocks[blockAt]!;
    this.#lastKey = undefined;
    if (at === block.keys.length) {
      block.keys.push(write.key);
      block.histories.push(write);
    } else {
      block.keys.splice(at, 0, write.key);
      block.histories.splice(at, 0, write);
    }
    block.live += isTombstone(write) ? 0 : 1;
    this.#size++;
    if (block.keys.length > BLOCK_KEYS_MAX) this.#split(blockAt, at);
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
      histories: block.histories.splice(keep),
      live: 0,
      newest: block.newest,
    };
    for (const history of right.histories) right.live += isTombstone(lastOf(history)) ? 0 : 1;
    block.live -= right.live;
    this.#blocks.splice(blockAt + 1, 0, right);
  }
}

/** The newest write that is not newer than `revision`. */
function writeAt(history: History, revision: Revision): Write | undefined {
  if (!Array.isArray(history)) return history.main <= revision ? history : undefined;
  const last = history[history.length - 1]!;
  if (last.main <= revision) return last;
  // As a rule the present is asked for; a revision's last write is the one before the first that is newer.
  const newer = lowerBoundOfRevision(history, revision + 1);
  return newer === 0 ? undefined : history[newer - 1];
}

function lastOf(history: History): Write {
  return Array.isArray(history) ? history[history.length - 1]! : history;
}

function writesOf(history: History): readonly Write[] {
  return Array.isArray(history) ? history : [history];
}

function emptyBlock(): Block {
  return { keys: [], histories: [], live: 0, newest: 0 };
}
