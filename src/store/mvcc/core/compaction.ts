/**
 * What compaction at a revision keeps of a key, as etcd does: everything newer, and the one write that is the key's state
 * at that revision. If that one is a tombstone it goes, unless it was written at the very revision: a watch may start
 * there, and must see the delete (etcd's #18089 and #19179).
 *
 *   writes  1  3  5†  8        compact(4) → 3 5† 8    compact(5) → 5† 8    compact(6) → 8
 */
import { isTombstone, lowerBound, type Key, type Revision, type Write } from './revision.ts';
import type { KeyIndex } from './key-index.ts';

/** Whether a key's state at `revision` goes with what was before it. */
export function isStateDropped(state: Write, revision: Revision): boolean {
  return isTombstone(state) && state.main < revision;
}

/** How many of the oldest of `writes` a compaction at `revision` drops. */
export function droppedBy(writes: readonly Write[], revision: Revision): number {
  const state = lowerBound(writes, revision + 1) - 1;
  if (state < 0) return 0;
  return isStateDropped(writes[state]!, revision) ? state + 1 : state;
}

/** Writes that one step forgets, in a millisecond or so: a key that is written all the time may have as many as it likes. */
export const SCRUB_WRITES_MAX = 500;

/** A walk over the index that ends by count, not by time: the shell asks for a slice between other work. */
export class Scrub {
  readonly revision: Revision;
  #from: Key = '';
  #done = false;

  constructor(revision: Revision) {
    this.revision = revision;
  }

  get done(): boolean {
    return this.#done;
  }

  /** Looks at up to `keysMax` keys, and answers the writes that were forgotten, at most SCRUB_WRITES_MAX. */
  step(index: KeyIndex, keysMax: number): Write[] {
    const entries = index.entriesFrom(this.#from, keysMax);
    const dropped: Write[] = [];
    for (const entry of entries) {
      const due = droppedBy(entry.writes, this.revision);
      const count = Math.min(due, SCRUB_WRITES_MAX - dropped.length);
      for (let at = 0; at < count; at++) dropped.push(entry.writes[at]!);
      index.dropOldest(entry.key, count);
      if (count === due) continue;
      this.#from = entry.key;
      return dropped;
    }
    const last = entries[entries.length - 1];
    if (last === undefined || entries.length < keysMax) this.#done = true;
    // The next key after the last one in byte order.
    else this.#from = last.key + '\0';
    return dropped;
  }
}
