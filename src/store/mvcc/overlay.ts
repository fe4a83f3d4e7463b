/**
 * The backend as the state machine sees it: what was written but has not landed yet lies on top. Two layers, for one
 * batch may be in flight while the next is collected.
 */
import { assert } from '../../base/assert.ts';
import type { Backend, BackendKey, BackendOp } from './backend.ts';
import type { Rows } from './core/mvcc.ts';

/** undefined marks a row that was deleted. */
type Layer = Map<BackendKey, Uint8Array | undefined>;

export class Overlay implements Rows {
  readonly #backend: Pick<Backend, 'get'>;
  #collecting: Layer = new Map();
  #inFlight: Layer | undefined;

  constructor(backend: Pick<Backend, 'get'>) {
    this.#backend = backend;
  }

  /** Rows that wait for the next batch. */
  get pending(): number {
    return this.#collecting.size;
  }

  get(key: BackendKey): Uint8Array | undefined {
    if (this.#collecting.has(key)) return this.#collecting.get(key);
    if (this.#inFlight?.has(key) === true) return this.#inFlight.get(key);
    return this.#backend.get(key);
  }

  put(key: BackendKey, value: Uint8Array): void {
    this.#collecting.set(key, value);
  }

  delete(key: BackendKey): void {
    this.#collecting.set(key, undefined);
  }

  /** Everything that was collected, as one batch; it stays visible until {@link landed}. */
  take(): BackendOp[] {
    assert(this.#inFlight === undefined, 'one batch is in flight at a time');
    const layer = this.#collecting;
    this.#inFlight = layer;
    this.#collecting = new Map();
    return Array.from(layer, ([key, value]): BackendOp =>
      value === undefined ? { type: 'delete', key } : { type: 'put', key, value },
    );
  }

  landed(): void {
    assert(this.#inFlight !== undefined, 'a batch was in flight');
    this.#inFlight = undefined;
  }
}
