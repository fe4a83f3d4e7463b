/**
 * A hash over all keys and their history up to a revision, in slices: `step` looks at a number of keys and then lets
 * others run. Which hash it is, the caller knows, who is given the bytes. Replicas of equal state that have compacted to
 * the same revision get equal bytes, whatever each has scrubbed so far.
 *
 * Between two steps writes may happen, which are newer than the revision; a compaction may not: the walk is then begun
 * anew (`isVoid`).
 */
import { droppedBy } from './compaction.ts';
import type { Mvcc } from './mvcc.ts';
import type { Key, Revision, Write } from './revision.ts';

export class KvHashWalk {
  readonly compactRevision: Revision;
  readonly #mvcc: Mvcc;
  readonly #revision: Revision;
  readonly #update: (part: string | Uint8Array) => void;
  #from: Key = '';

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

  /** False when it has reached the last key. */
  step(keysMax: number): boolean {
    const entries = this.#mvcc.entries(this.#from, keysMax);
    for (const { writes } of entries) {
      for (const write of writes.slice(droppedBy(writes, this.compactRevision))) {
        if (write.main <= this.#revision) this.#hash(write);
      }
    }
    const last = entries[entries.length - 1];
    if (last === undefined || entries.length < keysMax) return false;
    this.#from = last.key + '\0';
    return true;
  }

  #hash(write: Write): void {
    const { key, main, sub, create, version, lease } = write;
    const value = this.#mvcc.storedValue(write);
    this.#update(JSON.stringify([key, main, sub, create, version, String(lease), value.length]));
    this.#update(value);
  }
}
