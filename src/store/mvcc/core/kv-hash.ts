/**
 * A hash over all keys and their history up to a revision, in slices: `step` reads a number of writes, a long value counted
 * as several, and then lets others run. Which hash it is, the caller knows, who is given the bytes. In the order of the
 * writes, for so they lie in the backend: by keys each would be a read of its own. Replicas of equal state that have
 * compacted to the same revision get equal bytes, whatever each has scrubbed so far.
 *
 * Between two steps writes may happen, which are newer than the revision; a compaction may not: the walk is then begun
 * anew (`isVoid`).
 */
import type { Position } from './block.ts';
import type { Mvcc } from './mvcc.ts';
import type { Revision } from './revision.ts';

/** So many bytes of a value count as one more write: to read and hash them takes as long. */
const BYTES_A_WRITE = 16 * 1024;

export class KvHashWalk {
  readonly compactRevision: Revision;
  readonly #mvcc: Mvcc;
  readonly #revision: Revision;
  readonly #update: (part: string | Uint8Array) => void;
  #from: Position = { main: 0, sub: 0 };

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

  /** False when it has reached the last write. */
  step(writesMax: number): boolean {
    let left = writesMax;
    while (left > 0) {
      const { changes, looked, next } = this.#mvcc.storedFrom(this.#from, Math.ceil(left));
      for (const { write, value } of changes) {
        const { key, main, sub, create, version, lease } = write;
        if (main > this.#revision) return false;
        this.#update(JSON.stringify([key, main, sub, create, version, String(lease), value.length]));
        this.#update(value);
        this.#from = { main, sub: sub + 1 };
        left -= value.length / BYTES_A_WRITE;
        if (left <= 0) return true;
      }
      left -= looked;
      if (next === undefined) return false;
      this.#from = next;
    }
    return true;
  }
}
