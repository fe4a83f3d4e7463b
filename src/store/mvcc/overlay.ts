/**
 * The backend as the state machine sees it: what was written but has not landed yet lies on top. Two layers, for one
 * batch may be in flight while the next is collected.
 */
import { assert } from '../../base/assert.ts';
import type { Backend, BackendBatch, BackendKey, BackendOp } from './backend.ts';
import type { Rows } from './core/mvcc.ts';
import { encodeIndexRow, indexRowKey, valueRowKey, type Write } from './core/revision.ts';

/** What is collected for a batch. Its operations are made when it is written: else they would lie about until then. */
class Layer implements BackendBatch {
  /** With their values. */
  readonly writes = new Map<Write, Uint8Array>();
  /** undefined marks a row that was deleted. No write's row but such. */
  readonly rows = new Map<BackendKey, Uint8Array | undefined>();
  #writesRows = 0;

  get length(): number {
    return this.#writesRows + this.rows.size;
  }

  putWrite(write: Write, value: Uint8Array): void {
    this.writes.set(write, value);
    this.#writesRows += rowsOf(value);
  }

  deleteWrite(write: Write): void {
    const value = this.writes.get(write);
    if (value !== undefined) this.#writesRows -= rowsOf(value);
    this.writes.delete(write);
    // What is not here may be in the batch before, or has landed.
    this.rows.set(indexRowKey(write.main, write.sub), undefined);
    this.rows.set(valueRowKey(write.main, write.sub), undefined);
  }

  *[Symbol.iterator](): Generator<BackendOp> {
    for (const [write, value] of this.writes) {
      yield { type: 'put', key: indexRowKey(write.main, write.sub), value: encodeIndexRow(write) };
      if (value.length > 0) yield { type: 'put', key: valueRowKey(write.main, write.sub), value };
    }
    for (const [key, value] of this.rows) yield value === undefined ? { type: 'delete', key } : { type: 'put', key, value };
  }
}

/** An empty value has no row of its own. */
function rowsOf(value: Uint8Array): number {
  return value.length > 0 ? 2 : 1;
}

export class Overlay implements Rows {
  readonly #backend: Pick<Backend, 'get'>;
  #collecting = new Layer();
  #inFlight: Layer | undefined;

  constructor(backend: Pick<Backend, 'get'>) {
    this.#backend = backend;
  }

  /** Rows that wait for the next batch. */
  get pending(): number {
    return this.#collecting.length;
  }

  get(key: BackendKey): Uint8Array | undefined {
    const { rows } = this.#collecting;
    if (rows.has(key)) return rows.get(key);
    if (this.#inFlight?.rows.has(key) === true) return this.#inFlight.rows.get(key);
    return this.#backend.get(key);
  }

  put(key: BackendKey, value: Uint8Array): void {
    this.#collecting.rows.set(key, value);
  }

  delete(key: BackendKey): void {
    this.#collecting.rows.set(key, undefined);
  }

  valueOf(write: Write): Uint8Array | undefined {
    const collected = this.#collecting.writes.get(write);
    if (collected !== undefined) return collected;
    const key = valueRowKey(write.main, write.sub);
    if (this.#collecting.rows.has(key)) return undefined;
    return this.#inFlight?.writes.get(write) ?? this.get(key);
  }

  putWrite(write: Write, value: Uint8Array): void {
    this.#collecting.putWrite(write, value);
  }

  deleteWrite(write: Write): void {
    this.#collecting.deleteWrite(write);
  }

  /** Everything that was collected, as one batch; it stays visible until {@link landed}. */
  take(): BackendBatch {
    assert(this.#inFlight === undefined, 'one batch is in flight at a time');
    const layer = this.#collecting;
    this.#inFlight = layer;
    this.#collecting = new Layer();
    return layer;
  }

  landed(): void {
    assert(this.#inFlight !== undefined, 'a batch was in flight');
    this.#inFlight = undefined;
  }
}
