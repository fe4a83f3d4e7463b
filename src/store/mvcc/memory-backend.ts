/**
 * The `Backend` in memory: for tests, and for a store that need not outlive its process. A path keeps its rows from a
 * close to the next open, within one factory; it loses nothing, ever. What can lose is `faulty-backend.ts`.
 */
import { assert } from '../../base/assert.ts';
import { UserError } from '../../base/errors.ts';
import { lowerBound } from '../../base/lower-bound.ts';
import type {
  Backend,
  BackendBatch,
  BackendFactory,
  BackendKey,
  BackendOp,
  BackendRow,
  BackendSnapshot,
  ScanRange,
} from './backend.ts';

const SLICE_ROWS_MAX = 500;

/**
 * Rows by key, and their keys in order. The order is brought up to date when it is asked for, once for all batches
 * since: a merge of the old keys with the few new ones. An array of keys, once made, is not changed any more.
 *
 * Values are copied on their way in and out, as a database on disk would.
 */
export class SortedRows {
  #rows = new Map<BackendKey, Uint8Array>();
  #sorted: readonly BackendKey[] = [];
  /** Keys of `#rows` that are not in `#sorted`. */
  #added = new Set<BackendKey>();
  /** Keys of `#sorted` that are not in `#rows`. */
  #removed = new Set<BackendKey>();
  #bytes = 0;

  /** A copy that later changes do not reach; values are never changed in place, so it shares them. */
  copy(): SortedRows {
    const copy = new SortedRows();
    copy.#rows = new Map(this.#rows);
    copy.#sorted = this.#sorted;
    copy.#added = new Set(this.#added);
    copy.#removed = new Set(this.#removed);
    copy.#bytes = this.#bytes;
    return copy;
  }

  /** Keys and values together. */
  get sizeBytes(): number {
    return this.#bytes;
  }

  get(key: BackendKey): Uint8Array | undefined {
    return this.#rows.get(key)?.slice();
  }

  apply(ops: Iterable<BackendOp>): void {
    for (const op of ops) {
      if (op.type === 'put') this.#put(op.key, new Uint8Array(op.value));
      else this.#delete(op.key);
    }
  }

  /** The rows of a range as they are now, whatever happens until they are read. */
  async *scan({ from, to, isReverse = false }: ScanRange): AsyncGenerator<readonly BackendRow[]> {
    const keys = this.#keys();
    const first = lowerBound(keys, from);
    const end = lowerBound(keys, to);
    const rows: BackendRow[] = [];
    for (let at = first; at < end; at++) rows.push({ key: keys[at]!, value: this.#rows.get(keys[at]!)! });
    if (isReverse) rows.reverse();
    for (let at = 0; at < rows.length; at += SLICE_ROWS_MAX) {
      yield rows.slice(at, at + SLICE_ROWS_MAX).map(({ key, value }) => ({ key, value: value.slice() }));
    }
  }

  #put(key: BackendKey, value: Uint8Array): void {
    const old = this.#rows.get(key);
    this.#bytes += value.length - (old === undefined ? -key.length : old.length);
    this.#rows.set(key, value);
    if (old === undefined && !this.#removed.delete(key)) this.#added.add(key);
  }

  #delete(key: BackendKey): void {
    const old = this.#rows.get(key);
    if (old === undefined) return;
    this.#bytes -= key.length + old.length;
    this.#rows.delete(key);
    if (!this.#added.delete(key)) this.#removed.add(key);
  }

  #keys(): readonly BackendKey[] {
    if (this.#added.size === 0 && this.#removed.size === 0) return this.#sorted;
    // The default order of strings is that of their UTF-16 units, which in latin1 are the bytes.
    const added = [...this.#added].sort();
    const merged: BackendKey[] = [];
    let next = 0;
    for (const key of this.#sorted) {
      while (next < added.length && added[next]! < key) merged.push(added[next++]!);
      if (!this.#removed.has(key)) merged.push(key);
    }
    while (next < added.length) merged.push(added[next++]!);
    assert(merged.length === this.#rows.size, 'every row has one key in the order');
    this.#sorted = merged;
    this.#added.clear();
    this.#removed.clear();
    return merged;
  }
}

export function memoryBackends(): BackendFactory {
  const stores = new Map<string, SortedRows>();
  const openPaths = new Set<string>();
  return {
    async open(path) {
      if (openPaths.has(path)) throw new UserError(`${path} is in use by another process`);
      const rows = stores.get(path) ?? new SortedRows();
      stores.set(path, rows);
      openPaths.add(path);
      return new MemoryBackend(rows, () => openPaths.delete(path));
    },
    async destroy(path) {
      stores.delete(path);
    },
  };
}

class MemoryBackend implements Backend {
  readonly #rows: SortedRows;
  readonly #onClose: () => void;
  #isClosed = false;

  constructor(rows: SortedRows, onClose: () => void) {
    this.#rows = rows;
    this.#onClose = onClose;
  }

  get(key: BackendKey): Uint8Array | undefined {
    this.#assertOpen();
    return this.#rows.get(key);
  }

  async batch(ops: BackendBatch): Promise<void> {
    this.#assertOpen();
    this.#rows.apply(ops);
  }

  scan(range: ScanRange): AsyncIterable<readonly BackendRow[]> {
    this.#assertOpen();
    return this.#rows.scan(range);
  }

  snapshot(): BackendSnapshot {
    this.#assertOpen();
    const frozen = this.#rows.copy();
    return { scan: (range) => frozen.scan(range), close: async () => {} };
  }

  async sizeBytes(): Promise<number> {
    return this.#rows.sizeBytes;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onClose();
  }

  #assertOpen(): void {
    assert(!this.#isClosed, 'a closed backend is not used');
  }
}
