/** One write to one key. How it lies in the backend: block.ts. */

/** Counts write transactions. An empty store is at 1. */
export type Revision = number;

export const FIRST_REVISION: Revision = 1;

/** No lease. */
export const NO_LEASE = 0n;

/** A key as the latin1 string of its bytes. */
export type Key = string;

/** A write of `key`. Immutable; shared by the key's history and the log of all writes. */
export interface Write {
  readonly key: Key;
  /** The transaction's revision. */
  readonly main: Revision;
  /** Orders the writes inside a transaction, from 0. */
  readonly sub: number;
  /** The revision at which this life of the key began; of a tombstone, 0. */
  readonly create: Revision;
  /** Writes since then, this one included; 0 marks a tombstone. */
  readonly version: number;
  readonly lease: bigint;
}

export function isTombstone(write: Write): boolean {
  return write.version === 0;
}

export const LEASE_ROWS = { from: 'l', to: 'm' } as const;
export const META_ROWS = { from: 'm', to: 'n' } as const;
export const ALL_ROWS = { from: '', to: '\xff' } as const;

/** The first position with main >= revision. */
export function lowerBound(writes: readonly Write[], revision: Revision): number {
  let low = 0;
  let high = writes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (writes[middle]!.main < revision) low = middle + 1;
    else high = middle;
  }
  return low;
}
