/**
 * Values that were written or read not long ago, so that reads of what is current seldom touch the backend: a get of
 * LevelDB costs more than all the rest of a range. Keyed by the write itself, which never changes; so a value here is
 * never stale, whatever is compacted, deleted or asked for at an old revision, and a state machine that takes the place
 * of another, from a snapshot, has writes and a cache of its own.
 *
 * Two generations in place of a list in the order of use, which would be changed by every read:
 *
 *   put, miss ─► young ── it is full ─► old ── young is full again ─► forgotten
 *                  ▲──────── read ───────┘
 */
import type { Write } from './revision.ts';

/** 64 MiB: all of a small cluster, the working set of a larger one, and a fraction of what a member may take. */
export const VALUE_CACHE_BYTES_MAX = 64 * 1024 * 1024;
/** What a value takes besides its bytes: array, backing store and allocator, and its place in the map; measured. */
export const VALUE_OVERHEAD_BYTES = 512;

export class ValueCache {
  readonly #generationBytesMax: number;
  #young = new Map<Write, Uint8Array>();
  #youngBytes = 0;
  /** What was read since is in both, and then counted in both. */
  #old = new Map<Write, Uint8Array>();
  #oldBytes = 0;

  constructor(bytesMax = VALUE_CACHE_BYTES_MAX) {
    this.#generationBytesMax = bytesMax / 2;
  }

  /** Never more than the limit. */
  get bytes(): number {
    return this.#youngBytes + this.#oldBytes;
  }

  get(write: Write): Uint8Array | undefined {
    const young = this.#young.get(write);
    if (young !== undefined) return young;
    const old = this.#old.get(write);
    if (old !== undefined) this.put(write, ownOf(old));
    return old;
  }

  put(write: Write, value: Uint8Array): void {
    const bytes = costOf(value);
    if (bytes > this.#generationBytesMax || this.#young.has(write)) return;
    if (this.#youngBytes + bytes > this.#generationBytesMax) {
      this.#old = this.#young;
      this.#oldBytes = this.#youngBytes;
      this.#young = new Map();
      this.#youngBytes = 0;
    }
    this.#young.set(write, value);
    this.#youngBytes += bytes;
  }

  /** Nobody can read it any more. */
  forget(write: Write): void {
    const young = this.#young.get(write);
    if (young !== undefined) this.#youngBytes -= costOf(young);
    this.#young.delete(write);
    const old = this.#old.get(write);
    if (old !== undefined) this.#oldBytes -= costOf(old);
    this.#old.delete(write);
  }
}

/** What is kept longer than what came with it must not keep the memory of all of that. */
function ownOf(value: Uint8Array): Uint8Array {
  return value.buffer.byteLength > 2 * value.length ? new Uint8Array(value) : value;
}

function costOf(value: Uint8Array): number {
  return value.length + VALUE_OVERHEAD_BYTES;
}
