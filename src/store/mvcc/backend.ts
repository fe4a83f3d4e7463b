/**
 * The seam under MVCC: an ordered map of bytes that survives. Keys are latin1 strings (base/bytes.ts), whose order is
 * byte order. Bindings: LevelDB (`level-backend.ts`), memory (`memory-backend.ts`), the simulator's faulty memory.
 *
 * `batch` is atomic and durable when it resolves. Callers keep one batch in flight at a time: two in flight may land in
 * either order. Until a batch resolves, `get` and `scan` may or may not see it; the overlay above knows what is pending.
 */
export type BackendKey = string;

export type BackendOp =
  | { readonly type: 'put'; readonly key: BackendKey; readonly value: Uint8Array }
  | { readonly type: 'delete'; readonly key: BackendKey };

/** May be gone through more than once; what is in it is made on the way. */
export interface BackendBatch extends Iterable<BackendOp> {
  readonly length: number;
}

export interface BackendRow {
  readonly key: BackendKey;
  readonly value: Uint8Array;
}

export interface ScanRange {
  /** Inclusive. */
  readonly from: BackendKey;
  /** Exclusive. */
  readonly to: BackendKey;
  /** From the last row on. */
  readonly isReverse?: boolean;
}

/** A view that later batches do not change. Must be closed. */
export interface BackendSnapshot {
  /** Rows in key order, or against it, in slices of at most a few hundred rows. */
  scan(range: ScanRange): AsyncIterable<readonly BackendRow[]>;
  close(): Promise<void>;
}

export interface Backend {
  /** Synchronous: the state machine reads while it applies. The result is the caller's to keep. */
  get(key: BackendKey): Uint8Array | undefined;
  /** The values are not kept once it resolves. */
  batch(ops: BackendBatch): Promise<void>;
  scan(range: ScanRange): AsyncIterable<readonly BackendRow[]>;
  snapshot(): BackendSnapshot;
  /** Bytes on disk, approximately. */
  sizeBytes(): Promise<number>;
  /** Gives back the space of rows that are gone, beside all other calls. Absent where there is none to give back. */
  compact?(): Promise<void>;
  close(): Promise<void>;
}

/** Opens the backend in a directory of its own, creating it if it is missing; used anew for every installed snapshot. */
export interface BackendFactory {
  open(path: string): Promise<Backend>;
  destroy(path: string): Promise<void>;
}
