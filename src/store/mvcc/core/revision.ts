/** One write to one key. How it lies in the backend: block.ts. */

/** Counts write transactions. An empty store is at 1. */
export type Revision = number;

export const FIRST_REVISION: Revision = 1;

/** No lease. */
export const NO_LEASE = 0n;

/** A key as the latin1 string of its bytes. */
export type Key = string;

/**
 * A write of `key`. Immutable but for `cachedAt`; shared by the key's history and the log of all writes. There is one for
 * each key at least: its fields are always made in this order, so that all have one shape, and its numbers are small
 * integers where they fit (`integer`), which a double, eight bytes and an object more, would not be.
 */
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
  /** The value cache's own: where it put the value, at least for a while. */
  cachedAt: number;
}

export const NOT_CACHED = -1;

/** Of a number that was computed or read as a double: as a small integer, where it is one. */
export function integer(value: number): number {
  return (value | 0) === value ? value | 0 : value;
}

/** The same write, its key another string that is equal. */
export function withKey({ main, sub, create, version, lease }: Write, key: Key): Write {
  return { key, main, sub, create, version, lease, cachedAt: NOT_CACHED };
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
