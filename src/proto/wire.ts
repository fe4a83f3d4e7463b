/**
 * The protobuf wire format: what the generated codecs of this folder read and write with. Written out rather than taken
 * from protobufjs/minimal because that one hands 64-bit numbers over as objects, keeps views that pin a whole received
 * frame, and builds a linked list of closures for each message; tests hold it against protobufjs's own encoder.
 *
 * What arrives is foreign: any violation throws `WireError`, lengths are checked before they are believed, and nesting
 * is bounded. Unknown fields are skipped. Decoded bytes are copies.
 */
import { assert } from '../base/assert.ts';

/** Bytes that are not a message of the expected type. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

/** What a caller may write for a message: every field optional, nested ones too. */
export type Init<T> = T extends Uint8Array | string | number | bigint | boolean | undefined
  ? T
  : T extends readonly (infer E)[]
    ? readonly Init<E>[]
    : T extends Map<infer K, infer V>
      ? ReadonlyMap<K, Init<V>>
      : T extends { case: infer C; value: infer V }
        ? { readonly case: C; readonly value: Init<V> }
        : { readonly [K in keyof T]?: Init<T[K]> | undefined };

export interface MessageCodec<T> {
  /** Full name, such as `etcdserverpb.RangeRequest`. */
  readonly typeName: string;
  encode(init: Init<T>): Uint8Array;
  /** Throws {@link WireError}. */
  decode(bytes: Uint8Array): T;
  /** The whole message, with a default in every field that `init` does not name. Bytes and maps are not copied. */
  create(init?: Init<T>): T;
  /** Appends the fields; reads up to `end`. For messages inside messages, and for whoever writes into a place of his own. */
  write(writer: Writer, init: Init<T>): void;
  read(reader: Reader, end: number): T;
}

export interface MethodDescriptor<Q, S> {
  /** As on the wire: `/etcdserverpb.KV/Range`. */
  readonly path: string;
  readonly request: MessageCodec<Q>;
  readonly response: MessageCodec<S>;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

export interface ServiceDescriptor {
  readonly typeName: string;
  readonly methods: Readonly<Record<string, MethodDescriptor<unknown, unknown>>>;
}

/** Messages in messages in messages: as deep as protobufjs and Google's own readers go. */
export const NESTING_MAX = 100;

const EMPTY = new Uint8Array(0);
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const TWO_32 = 2 ** 32;
/** A 64-bit number and its halves: to shift and mask a bigint makes three others. */
const whole = new BigUint64Array(1);
const signedWhole = new BigInt64Array(whole.buffer);
const halves = new Uint32Array(whole.buffer);
const [LOW, HIGH] = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1 ? [0, 1] : [1, 0];

export function codec<T>(
  typeName: string,
  write: (writer: Writer, init: Init<T>) => void,
  read: (reader: Reader, end: number) => T,
  create: (init: Init<T>) => T,
): MessageCodec<T> {
  return {
    typeName,
    write,
    read,
    create: (init?: Init<T>) => create(init ?? ({} as Init<T>)), // every field of an Init may be left out
    encode(init) {
      scratch.reset();
      write(scratch, init);
      return scratch.finish();
    },
    decode(bytes) {
      const reader = new Reader(bytes);
      return read(reader, reader.length);
    },
  };
}

/** A message in bytes that nobody changes any more: a field that is most of them is a view, and keeps them. */
export function decodeShared<T>({ read }: MessageCodec<T>, bytes: Uint8Array): T {
  const reader = new Reader(bytes, true);
  return read(reader, reader.length);
}

/** The same with every field a view: for what is used at once, or kept in the order that it came in. */
export function decodeInPlace<T>({ read }: MessageCodec<T>, bytes: Uint8Array): T {
  const reader = new Reader(bytes, true);
  reader.shareAll();
  return read(reader, reader.length);
}

export class Reader {
  readonly length: number;
  position = 0;
  readonly #bytes: Uint8Array;
  /** What is longer is not copied. Half of all: then whoever keeps it keeps at most as much again. */
  #copiedBytesMax: number;
  #depth = 0;
  // The last varint, as two unsigned halves.
  #low = 0;
  #high = 0;

  constructor(bytes: Uint8Array, isShared = false) {
    // A Buffer's `slice` is a view; a plain array's is the copy that is wanted here.
    this.#bytes = bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.length = bytes.byteLength;
    this.#copiedBytesMax = isShared ? this.length >>> 1 : Infinity;
  }

  /** Nothing is copied from here on: for who keeps a part of the message no longer than it keeps the whole. */
  shareAll(): void {
    this.#copiedBytesMax = 0;
  }

  /** Reads the length of a nested message, answers where it ends. To be paired with {@link leave}. */
  enter(): number {
    const end = this.#span();
    this.#depth++;
    if (this.#depth > NESTING_MAX) throw new WireError(`nested deeper than ${NESTING_MAX}`);
    return end;
  }

  leave(end: number): void {
    this.#depth--;
    if (this.position !== end) throw new WireError('a field reaches past the end of its message');
  }

  /** Where a packed list ends. To be paired with {@link endPacked}. */
  packed(): number {
    return this.#span();
  }

  endPacked(end: number): void {
    if (this.position !== end) throw new WireError('a number reaches past the end of its list');
  }

  tag(): number {
    this.#varint();
    if (this.#high !== 0 || this.#low >>> 3 === 0) throw new WireError('no such field number');
    return this.#low;
  }

  bool(): boolean {
    this.#varint();
    return this.#low !== 0 || this.#high !== 0;
  }

  int32(): number {
    this.#varint();
    return this.#low | 0;
  }

  uint32(): number {
    this.#varint();
    return this.#low;
  }

  /** Saturates at the safe integers; nothing of ours counts that far. */
  int64(): number {
    this.#varint();
    if (this.#high === 0) return this.#low;
    const value = (this.#high | 0) * TWO_32 + this.#low;
    return Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, value));
  }

  uint64(): number {
    this.#varint();
    return Math.min(Number.MAX_SAFE_INTEGER, this.#high * TWO_32 + this.#low);
  }

  bigInt64(): bigint {
    this.#varint();
    halves[LOW] = this.#low;
    halves[HIGH] = this.#high;
    return signedWhole[0]!;
  }

  bigUint64(): bigint {
    this.#varint();
    halves[LOW] = this.#low;
    halves[HIGH] = this.#high;
    return whole[0]!;
  }

  fixed64(): bigint {
    const at = this.#advance(8);
    halves[LOW] = this.#fixed32(at);
    halves[HIGH] = this.#fixed32(at + 4);
    return whole[0]!;
  }

  double(): number {
    const { buffer, byteOffset } = this.#bytes;
    return new DataView(buffer, byteOffset).getFloat64(this.#advance(8), true);
  }

  bytes(): Uint8Array {
    const end = this.#span();
    const start = this.position;
    this.position = end;
    if (start === end) return EMPTY;
    return end - start > this.#copiedBytesMax ? this.#bytes.subarray(start, end) : this.#bytes.slice(start, end);
  }

  string(): string {
    const end = this.#span();
    const start = this.position;
    this.position = end;
    if (end - start < 24) {
      let text = '';
      let at = start;
      for (; at < end && this.#bytes[at]! < 0x80; at++) text += String.fromCharCode(this.#bytes[at]!);
      if (at === end) return text;
    }
    try {
      return UTF8.decode(this.#bytes.subarray(start, end));
    } catch (cause) {
      throw new WireError('a string that is not UTF-8', { cause });
    }
  }

  skip(tag: number): void {
    switch (tag & 7) {
      case 0:
        this.#varint();
        return;
      case 1:
        this.#advance(8);
        return;
      case 2:
        this.position = this.#span();
        return;
      case 3:
        this.#skipGroup(tag >>> 3);
        return;
      case 5:
        this.#advance(4);
        return;
      default:
        throw new WireError(`no such wire type: ${tag & 7}`);
    }
  }

  #skipGroup(field: number): void {
    this.#depth++;
    if (this.#depth > NESTING_MAX) throw new WireError(`nested deeper than ${NESTING_MAX}`);
    for (let tag = this.tag(); tag !== ((field << 3) | 4); tag = this.tag()) this.skip(tag);
    this.#depth--;
  }

  #fixed32(at: number): number {
    const bytes = this.#bytes;
    return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
  }

  #span(): number {
    this.#varint();
    const end = this.position + this.#low;
    if (this.#high !== 0 || end > this.length) throw new WireError('a length that reaches past the end');
    return end;
  }

  #advance(count: number): number {
    const start = this.position;
    if (start + count > this.length) throw new WireError('ends in the middle of a number');
    this.position = start + count;
    return start;
  }

  #varint(): void {
    const bytes = this.#bytes;
    let at = this.position;
    // Past the end `bytes[at]` is undefined, which the arithmetic takes for 0: it ends the loop, and is caught below.
    let byte = bytes[at++]!;
    let low = byte & 0x7f;
    let high = 0;
    if (byte >= 0x80) {
      byte = bytes[at++]!;
      low |= (byte & 0x7f) << 7;
      for (let shift = 14; byte >= 0x80; shift += 7) {
        if (shift > 63) throw new WireError('a number of more than ten bytes');
        byte = bytes[at++]!;
        const seven = byte & 0x7f;
        if (shift < 28) low |= seven << shift;
        else if (shift === 28) {
          low |= seven << 28;
          high = seven >>> 4;
        } else high |= seven << (shift - 32);
      }
    }
    if (at > this.length) throw new WireError('ends in the middle of a number');
    this.position = at;
    this.#low = low >>> 0;
    this.#high = high >>> 0;
  }
}

/** What the scratch writer keeps for the next message; a larger buffer is let go after its message. */
const SCRATCH_BYTES_MAX = 256 * 1024;
const WRITER_BYTES = 1024;

/** Grows one buffer. A nested message is written one byte further, and moved if its length needs more than that byte. */
export class Writer {
  #bytes: Buffer = Buffer.allocUnsafeSlow(WRITER_BYTES);
  /** The same memory, for copies that are no Buffers. */
  #plain = plainViewOf(this.#bytes);
  #end = 0;

  reset(): void {
    this.#end = 0;
    if (this.#bytes.length > SCRATCH_BYTES_MAX) this.#use(Buffer.allocUnsafeSlow(WRITER_BYTES));
  }

  /** A copy, exactly as long as the message. */
  finish(): Uint8Array {
    return this.#plain.slice(0, this.#end);
  }

  /** The same beside other such copies: for what is kept about as long as they are. */
  finishIn(slabs: Slabs): Uint8Array {
    return this.#end > SLAB_SHARE_MAX ? this.finish() : slabs.copy(this.#plain, this.#end);
  }

  get length(): number {
    return this.#end;
  }

  /** Where it is written, as long as it may be: until more is. */
  get memory(): Uint8Array {
    return this.#plain;
  }

  /** What was written, where it lies: until the next `reset`. */
  view(): Buffer {
    return this.#bytes.subarray(0, this.#end);
  }

  /** Leaves room for what is known later, and answers where. */
  skip(count: number): number {
    this.#reserve(count);
    const at = this.#end;
    this.#end += count;
    return at;
  }

  /** Into such room. */
  putByte(at: number, value: number): void {
    this.#bytes[at] = value;
  }

  putUint32BE(at: number, value: number): void {
    const bytes = this.#bytes;
    bytes[at] = value >>> 24;
    bytes[at + 1] = value >>> 16;
    bytes[at + 2] = value >>> 8;
    bytes[at + 3] = value;
  }

  /** As they are. */
  raw(bytes: Uint8Array): void {
    const at = this.skip(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** Starts a nested message or a packed list; pass what it answers to {@link close}. */
  open(tag: number): number {
    this.uint32(tag);
    this.#reserve(1);
    return this.#end++;
  }

  close(start: number): void {
    const length = this.#end - start - 1;
    const extra = varintSize(length) - 1;
    if (extra > 0) {
      this.#reserve(extra);
      this.#bytes.copyWithin(start + 1 + extra, start + 1, this.#end);
    }
    const end = this.#end + extra;
    this.#end = start;
    this.uint32(length);
    this.#end = end;
  }

  uint32(value: number): this {
    this.#reserve(5);
    this.#low(value);
    return this;
  }

  bool(value: boolean): void {
    this.#reserve(1);
    this.#bytes[this.#end++] = value ? 1 : 0;
  }

  int32(value: number): void {
    if (value >= 0) this.uint32(value);
    else this.int64(value);
  }

  int64(value: number): void {
    assert(Number.isSafeInteger(value), 'a 64-bit field holds a safe integer');
    this.#reserve(10);
    if (value >= 0) this.#halves(value >>> 0, Math.floor(value / TWO_32));
    else this.#halves(value >>> 0, Math.floor(value / TWO_32) >>> 0);
  }

  uint64(value: number): void {
    assert(value >= 0, 'an unsigned field is not negative');
    this.int64(value);
  }

  bigInt64(value: bigint): void {
    this.#reserve(10);
    whole[0] = value;
    this.#halves(halves[LOW]!, halves[HIGH]!);
  }

  bigUint64(value: bigint): void {
    this.bigInt64(value);
  }

  fixed64(value: bigint): void {
    this.#reserve(8);
    whole[0] = value;
    this.#fixed32(halves[LOW]!);
    this.#fixed32(halves[HIGH]!);
  }

  double(value: number): void {
    this.#reserve(8);
    this.#end = this.#bytes.writeDoubleLE(value, this.#end);
  }

  bytes(value: Uint8Array): void {
    this.uint32(value.length);
    this.raw(value);
  }

  string(value: string): void {
    const length = Buffer.byteLength(value, 'utf8');
    this.uint32(length);
    this.#reserve(length);
    this.#bytes.write(value, this.#end, length, 'utf8');
    this.#end += length;
  }

  #fixed32(value: number): void {
    const bytes = this.#bytes;
    bytes[this.#end++] = value;
    bytes[this.#end++] = value >>> 8;
    bytes[this.#end++] = value >>> 16;
    bytes[this.#end++] = value >>> 24;
  }

  #halves(low: number, high: number): void {
    if (high === 0) return this.#low(low);
    const bytes = this.#bytes;
    for (let i = 0; i < 4; i++, low >>>= 7) bytes[this.#end++] = (low & 0x7f) | 0x80;
    // Four bits of the low half are left; the high half follows them.
    let top = high >>> 3;
    const middle = low | ((high & 7) << 4);
    bytes[this.#end++] = top === 0 ? middle : middle | 0x80;
    if (top !== 0) this.#low(top);
  }

  #low(value: number): void {
    const bytes = this.#bytes;
    while (value > 0x7f) {
      bytes[this.#end++] = (value & 0x7f) | 0x80;
      value >>>= 7;
    }
    bytes[this.#end++] = value;
  }

  #reserve(count: number): void {
    const needed = this.#end + count;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.#end);
    this.#use(grown);
  }

  #use(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#plain = plainViewOf(bytes);
  }
}

function plainViewOf(bytes: Buffer): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

const SLAB_BYTES = 16 * 1024;
/** What is larger has memory of its own. */
const SLAB_SHARE_MAX = 2 * 1024;

/**
 * Many small arrays in one piece of memory: to ask for memory and give it back costs more than to fill it. A piece lives as
 * long as any array in it, so that this is for what comes and goes in the same order.
 */
export class Slabs {
  #slab = new Uint8Array(SLAB_BYTES);
  #end = 0;

  copy(bytes: Uint8Array, length: number): Uint8Array {
    if (this.#end + length > SLAB_BYTES) {
      this.#slab = new Uint8Array(SLAB_BYTES);
      this.#end = 0;
    }
    const at = this.#end;
    this.#end += length;
    this.#slab.set(bytes.subarray(0, length), at);
    return new Uint8Array(this.#slab.buffer, at, length);
  }
}

function varintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x200000) return 3;
  return value < 0x10000000 ? 4 : 5;
}

/** Encoding runs to completion and calls nobody's code, so that one writer serves all messages. */
const scratch = new Writer();
