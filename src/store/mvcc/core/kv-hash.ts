/**
 * A hash over all keys and their history up to a revision, in slices: `step` reads a number of writes, a long value counted
 * as several, and then lets others run, if it must in the middle of a key: one may have any history. Which hash it is, the caller knows, who is given the bytes. Replicas of equal state that have compacted to
 * the same revision get equal bytes, whatever each has scrubbed so far.
 *
 * Between two steps writes may happen, which are newer than the revision; a compaction may not: the walk is then begun
 * anew (`isVoid`).
 */
import { droppedBy } from './compaction.ts';
import type { Mvcc } from './mvcc.ts';
import { lowerBound, type Key, type Revision, type Write } from './revision.ts';

/** So many bytes of a value count as one more write: to read and hash them takes as long. */
const BYTES_A_WRITE = 16 * 1024;
/** More keys than writes are not looked at: each has one at least, but for those that are all compacted. */
const KEYS_MAX = 1000;

export class KvHashWalk {
  readonly compactRevision: Revision;
  readonly #mvcc: Mvcc;
  readonly #revision: Revision;
  readonly #update: (part: string | Uint8Array) => void;
  #from: Key = '';
  /** The last write of `#from` that was hashed, where the slice ended within that key. */
  #last: Write | undefined;

  constructor(mvcc: Mvcc, revision: Revision, update: (part: string | Uint8Array) => void) {
    this.#mvcc = mvcc;
    this.#revision = revision;
    this.#update = update;
    this.compactRevision = mvcc.compactRevision;
  }

  /** What was hashed so far was compacted meanwhile. */
  get isVoid(): boolean {
    return this.#mvcc.compactRevision !== this.compactRevision;
  }

  /** False when it has reached the last write of the last key. */
  step(writesMax: number): boolean {
    const entries = this.#mvcc.entries(this.#from, Math.min(writesMax, KEYS_MAX));
    let left = writesMax;
    for (const { key, writes } of entries) {
      let at = this.#beginOf(key, writes);
      for (; at < writes.length && writes[at]!.main <= this.#revision; at++) {
        if (left <= 0) {
          this.#from = key;
          return true;
        }
        left -= this.#hash(writes[at]!);
        this.#last = writes[at];
      }
      this.#last = undefined;
      this.#from = key + '\0';
    }
    return entries.length > 0;
  }

  /** History grows behind the revision and is scrubbed below the compaction: in between it stays as it is. */
  #beginOf(key: Key, writes: readonly Write[]): number {
    const last = key === this.#from ? this.#last : undefined;
    if (last === undefined) return droppedBy(writes, this.compactRevision);
    const { main, sub } = last;
    let at = lowerBound(writes, main);
    while (at < writes.length && writes[at]!.main === main && writes[at]!.sub <= sub) at++;
    return at;
  }

  /** What it counts as. */
  #hash(write: Write): number {
    const { key, main, sub, create, version, lease } = write;
    const value = this.#mvcc.storedValue(write);
    this.#update(JSON.stringify([key, main, sub, create, version, String(lease), value.length]));
    this.#update(value);
    return 1 + value.length / BYTES_A_WRITE;
  }
}
