/**
 * How writes lie in the backend: many to a row, in the order of their revisions, for a row of its own costs a write more
 * than all else that is done with it. A block's key is the place of its first write, so that the rows of new writes sort
 * behind all others: LevelDB's tables then do not overlap, and it moves them from level to level without rewriting them.
 * For the same reason the newest block carries what the state machine is at (mvcc/state-row.ts), where there is one.
 *
 *   row w <main: 8 bytes> <sub: 4 bytes>  →  head · places · facts · state · values
 *
 *   head    <main that the places count from: 8> <number of writes: 4> <length of state: 4>
 *   place   <main, less that of the head: 4> <sub: 4> <where its facts end: 4> <where its value ends: 4>
 *   facts   <create: varint> <version: varint> <0, or 1 and the lease: 8> <key>
 *
 * Places come first and are of one size, so that a value is found without a look at the others.
 */
import { assert } from '../../../base/assert.ts';
import { asBuffer, fromLatin1 } from '../../../base/bytes.ts';
import type { BackendKey } from '../backend.ts';
import { varintSize, writeText, writeVarint } from './key-value-bytes.ts';
import { integer, NO_LEASE, NOT_CACHED, type Revision, type Write } from './revision.ts';

export const BLOCK_ROWS = { from: 'w', to: 'x' } as const;

/**
 * A block is ended before it grows past either; a larger write is a block of its own. Larger blocks save nothing any more,
 * and a read of one value costs more; smaller ones are more rows for LevelDB, whose own blocks are of 4 KiB.
 */
export const BLOCK_BYTES_MAX = 4 * 1024;
export const BLOCK_WRITES_MAX = 64;

const HEAD_BYTES = 16;
const PLACE_BYTES = 16;
const LEASE_BYTES = 8;
const UINT32_MAX = 2 ** 32 - 1;

/** Where a write lies: before those of later revisions, and of its own revision before those with a higher sub. */
export interface Position {
  readonly main: Revision;
  readonly sub: number;
}

/** Negative, zero or positive. */
export function comparePositions(a: Position, b: Position): number {
  return a.main - b.main || a.sub - b.sub;
}

export function blockRowKey({ main, sub }: Position): BackendKey {
  assert(main >= 0 && sub >= 0, 'a revision is not negative');
  scratch.writeUInt32BE(Math.floor(main / 2 ** 32), 0);
  scratch.writeUInt32BE(main >>> 0, 4);
  scratch.writeUInt32BE(sub, 8);
  return BLOCK_ROWS.from + scratch.toString('latin1');
}

/** The inverse; throws on what cannot be ours, for the backend's bytes are not ours to trust. */
export function positionOfRow(key: BackendKey): Position {
  if (key.length !== 13) throw damaged(key);
  const at = Buffer.from(key, 'latin1');
  return { main: at.readUInt32BE(1) * 2 ** 32 + at.readUInt32BE(5), sub: at.readUInt32BE(9) };
}

const scratch = Buffer.alloc(12);

/** Writes with their values, in the order of their positions. */
export interface WriteRun {
  readonly writes: readonly Write[];
  readonly values: readonly Uint8Array[];
}

/** A part of a run that is to be a block: the place of its first write, that behind its last, and the block's size. */
export interface BlockCut {
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
}

export function cutBlocks({ writes, values }: WriteRun): BlockCut[] {
  const cuts: BlockCut[] = [];
  let from = 0;
  let bytes = HEAD_BYTES;
  for (let at = 0; at < writes.length; at++) {
    const size = sizeOf(writes[at]!, values[at]!);
    const isFull = bytes + size > BLOCK_BYTES_MAX || at - from === BLOCK_WRITES_MAX;
    if (at > from && (isFull || writes[at]!.main - writes[from]!.main > UINT32_MAX)) {
      cuts.push({ from, to: at, bytes });
      from = at;
      bytes = HEAD_BYTES;
    }
    bytes += size;
  }
  if (from < writes.length) cuts.push({ from, to: writes.length, bytes });
  return cuts;
}

/** The writes from `from` to before `to` of a run as one row's value. */
export function encodeBlock({ writes, values }: WriteRun, from: number, to: number, state?: Uint8Array): Buffer {
  assert(to > from, 'a block holds a write');
  let size = HEAD_BYTES + (state?.length ?? 0);
  for (let at = from; at < to; at++) size += sizeOf(writes[at]!, values[at]!);
  const out = Buffer.allocUnsafe(size);
  const base = writes[from]!.main;
  out.writeDoubleBE(base, 0);
  out.writeUInt32BE(to - from, 8);
  out.writeUInt32BE(state?.length ?? 0, 12);
  const factsAt = HEAD_BYTES + (to - from) * PLACE_BYTES;
  let place = HEAD_BYTES;
  let end = factsAt;
  let valueEnd = 0;
  for (let at = from; at < to; at++, place += PLACE_BYTES) {
    const write = writes[at]!;
    end = writeFacts(out, end, write);
    valueEnd += values[at]!.length;
    out.writeUInt32BE(write.main - base, place);
    out.writeUInt32BE(write.sub, place + 4);
    out.writeUInt32BE(end - factsAt, place + 8);
    out.writeUInt32BE(valueEnd, place + 12);
  }
  if (state !== undefined) {
    out.set(state, end);
    end += state.length;
  }
  for (let at = from; at < to; at++) {
    const value = values[at]!;
    if (value.length > 0) out.set(value, end);
    end += value.length;
  }
  assert(end === size, 'a block is as long as what is in it');
  return out;
}

/** Of a write in a block, its place included. */
function sizeOf({ create, version, lease, key }: Write, value: Uint8Array): number {
  const leaseSize = lease === NO_LEASE ? 1 : 1 + LEASE_BYTES;
  return PLACE_BYTES + varintSize(create) + varintSize(version) + leaseSize + key.length + value.length;
}

function writeFacts(out: Buffer, start: number, { create, version, lease, key }: Write): number {
  let at = writeVarint(out, start, create);
  at = writeVarint(out, at, version);
  if (lease === NO_LEASE) out[at++] = 0;
  else {
    out[at++] = 1;
    at = out.writeBigInt64BE(lease, at);
  }
  return writeText(out, at, key);
}

/** A row that was read. */
export class Block {
  readonly count: number;
  readonly #key: BackendKey;
  readonly #bytes: Buffer;
  readonly #base: Revision;
  readonly #factsAt: number;
  readonly #stateAt: number;
  readonly #valuesAt: number;

  /** Throws on bytes that cannot be a block of ours. */
  constructor(key: BackendKey, value: Uint8Array) {
    const bytes = asBuffer(value);
    this.#key = key;
    this.#bytes = bytes;
    this.count = bytes.length < HEAD_BYTES ? 0 : bytes.readUInt32BE(8);
    this.#factsAt = HEAD_BYTES + this.count * PLACE_BYTES;
    if (this.count === 0 || bytes.length < this.#factsAt) throw damaged(key);
    this.#base = bytes.readDoubleBE(0);
    this.#stateAt = this.#factsAt + this.#field(this.count - 1, 8);
    this.#valuesAt = this.#stateAt + bytes.readUInt32BE(12);
    const end = this.#valuesAt + this.#field(this.count - 1, 12);
    if (end !== bytes.length || !Number.isSafeInteger(this.#base)) throw damaged(key);
  }

  get sizeBytes(): number {
    return this.#bytes.length;
  }

  /** What the newest block carries; a view. */
  get state(): Uint8Array | undefined {
    return this.#stateAt === this.#valuesAt ? undefined : this.#bytes.subarray(this.#stateAt, this.#valuesAt);
  }

  write(at: number): Write {
    const from = at === 0 ? 0 : this.#field(at - 1, 8);
    const reader = new FactsReader(this.#bytes, this.#factsAt + from, this.#factsAt + this.#field(at, 8));
    const { main, sub } = this.position(at);
    const create = integer(reader.varint());
    const version = integer(reader.varint());
    const lease = reader.lease();
    const key = reader.rest();
    const isSafe = Number.isSafeInteger(main) && Number.isSafeInteger(create) && Number.isSafeInteger(version);
    if (!isSafe || reader.isPastEnd) throw damaged(this.#key);
    return { key, main: integer(main), sub, create, version, lease, cachedAt: NOT_CACHED };
  }

  position(at: number): Position {
    return { main: integer(this.#base + this.#field(at, 0)), sub: this.#field(at, 4) };
  }

  /** A view of the row. */
  value(at: number): Uint8Array {
    const from = at === 0 ? 0 : this.#field(at - 1, 12);
    return this.#bytes.subarray(this.#valuesAt + from, this.#valuesAt + this.#field(at, 12));
  }

  /** Which of its writes this one is; -1: none. */
  find({ main, sub }: Position): number {
    const offset = main - this.#base;
    const low = this.#lowerBound(offset, sub);
    return low < this.count && this.#field(low, 0) === offset && this.#field(low, 4) === sub ? low : -1;
  }

  /** Its writes from a position on, at most so many; the values are views of the row. */
  runFrom({ main, sub }: Position, writesMax: number): WriteRun {
    const writes: Write[] = [];
    const values: Uint8Array[] = [];
    const from = this.#lowerBound(main - this.#base, sub);
    for (let at = from; at < this.count && at - from < writesMax; at++) {
      writes.push(this.write(at));
      values.push(this.value(at));
    }
    return { writes, values };
  }

  #lowerBound(offset: number, sub: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      const at = this.#field(middle, 0);
      if (at < offset || (at === offset && this.#field(middle, 4) < sub)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #field(at: number, offset: number): number {
    return this.#bytes.readUInt32BE(HEAD_BYTES + at * PLACE_BYTES + offset);
  }
}

class FactsReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Buffer, at: number, end: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  get isPastEnd(): boolean {
    return this.#at > this.#end;
  }

  varint(): number {
    let value = 0;
    let factor = 1;
    for (;;) {
      const byte = this.#bytes[this.#at++] ?? 0;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80 || this.isPastEnd) return value;
      factor *= 0x80;
    }
  }

  lease(): bigint {
    // One shared zero, not a heap object for each key.
    if (this.#bytes[this.#at++] !== 1 || this.#at + LEASE_BYTES > this.#end) return NO_LEASE;
    const lease = this.#bytes.readBigInt64BE(this.#at);
    this.#at += LEASE_BYTES;
    return lease;
  }

  rest(): string {
    return this.#bytes.toString('latin1', Math.min(this.#at, this.#end), this.#end);
  }
}

function damaged(key: BackendKey): Error {
  return new Error(`damaged row ${asBuffer(fromLatin1(key)).toString('hex')} of writes`);
}
