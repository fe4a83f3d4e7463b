/**
 * One write to one key, and how it lies in the backend. Two rows a write: an index row with everything but the value,
 * and a value row; a restart reads the index rows alone.
 *
 *   i <main: 8 bytes> <sub: 4 bytes>  →  flags · create revision · version · lease · key
 *   v <main: 8 bytes> <sub: 4 bytes>  →  the value; absent for a tombstone and for an empty value
 */
import { assert } from '../../../base/assert.ts';
import { asBuffer, fromLatin1 } from '../../../base/bytes.ts';
import type { BackendKey } from '../backend.ts';

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

export const INDEX_ROWS = { from: 'i', to: 'j' } as const;
export const LEASE_ROWS = { from: 'l', to: 'm' } as const;
export const META_ROWS = { from: 'm', to: 'n' } as const;
export const ALL_ROWS = { from: '', to: '\xff' } as const;

export function indexRowKey(main: Revision, sub: number): BackendKey {
  return 'i' + revisionText(main, sub);
}

export function valueRowKey(main: Revision, sub: number): BackendKey {
  return 'v' + revisionText(main, sub);
}

const CREATE_AT = 0;
const VERSION_AT = 8;
const LEASE_AT = 16;
const KEY_AT = 24;

export function encodeIndexRow(write: Write): Uint8Array {
  const row = Buffer.allocUnsafe(KEY_AT + write.key.length);
  row.writeDoubleBE(write.create, CREATE_AT);
  row.writeDoubleBE(write.version, VERSION_AT);
  row.writeBigInt64BE(write.lease, LEASE_AT);
  row.write(write.key, KEY_AT, 'latin1');
  return row;
}

/** The inverse; throws on a row that cannot be ours, for the backend's bytes are not ours to trust. */
export function decodeIndexRow(rowKey: BackendKey, value: Uint8Array): Write {
  if (rowKey.length !== 13 || value.length < KEY_AT) throw new Error(`damaged index row ${hexOf(rowKey)}`);
  const row = asBuffer(value);
  const at = Buffer.from(rowKey, 'latin1');
  const lease = row.readBigInt64BE(LEASE_AT);
  const write: Write = {
    key: row.toString('latin1', KEY_AT),
    main: integer(at.readUInt32BE(1) * 2 ** 32 + at.readUInt32BE(5)),
    sub: at.readUInt32BE(9),
    create: integer(row.readDoubleBE(CREATE_AT)),
    version: integer(row.readDoubleBE(VERSION_AT)),
    // One shared zero, not a heap object for each key.
    lease: lease === 0n ? NO_LEASE : lease,
    cachedAt: NOT_CACHED,
  };
  if (
    !Number.isSafeInteger(write.main) ||
    !Number.isSafeInteger(write.create) ||
    !Number.isSafeInteger(write.version)
  ) {
    throw new Error(`damaged index row ${hexOf(rowKey)}`);
  }
  return write;
}

const scratch = Buffer.alloc(12);

function revisionText(main: Revision, sub: number): string {
  assert(main >= 0 && sub >= 0, 'a revision is not negative');
  scratch.writeUInt32BE(Math.floor(main / 2 ** 32), 0);
  scratch.writeUInt32BE(main >>> 0, 4);
  scratch.writeUInt32BE(sub, 8);
  return scratch.toString('latin1');
}

function hexOf(rowKey: BackendKey): string {
  return asBuffer(fromLatin1(rowKey)).toString('hex');
}

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
