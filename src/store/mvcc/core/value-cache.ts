/**
 * Values that were written or read not long ago, so that reads of what is current seldom touch the backend: a get of
 * LevelDB costs more than all the rest of a range. A value is that of a write, which never changes; so what is here is
 * never stale, whatever is compacted, deleted or asked for at an old revision.
 *
 * Values are copied one behind the other into slabs; the oldest slab goes as a whole when there is no room for another. A
 * write knows where its value lies, and the value whose it is: a place that meanwhile is another's answers nothing. So
 * there is no table that grows, no object a value that the collector must walk over, and no value keeps a message alive
 * that it came in. (An array of bytes of its own, for 256 of them, takes 800.)
 *
 *   slabs: [ value value value ··· head head head ][ … ][ a large value, as it came ][ … ──► put, miss
 *              └──────────── read in the older half: once more at the end ──────────────────┘
 *   head: main (as two), sub, where its value begins and how long it is; 4 bytes each
 */
import { EMPTY_BYTES } from '../../../base/bytes.ts';
import type { Write } from './revision.ts';

/** 32 MiB, all counted: 120,000 values of 256 bytes, a small cluster's all. */
export const VALUE_CACHE_BYTES_MAX = 32 * 1024 * 1024;
/** Also what a reader keeps alive who holds on to a small value. */
const SLAB_BYTES = 32 * 1024;
/** Longer ones are not copied: they cost their array anyway. */
export const COPIED_BYTES_MAX = 4096;
/** What the array of such a one takes besides its bytes. */
const ARRAY_BYTES = 512;

const HEAD_WORDS = 4;
const HEAD_BYTES = HEAD_WORDS * 4;
/** Of a head's last word, those of the length; above them where the value begins. */
const LENGTH_BITS = 13;
// A place is a small integer: the slab's number, which wraps, and which of the slab's values it is.
const VALUE_BITS = 11;
const VALUE_MASK = (1 << VALUE_BITS) - 1;
const NUMBER_MASK = (1 << (31 - VALUE_BITS)) - 1;

interface Slab {
  readonly bytes: Uint8Array;
  /** The same memory. */
  readonly words: Uint32Array;
  /** How many values are in it, and where the last one ends. */
  values: number;
  end: number;
  /** Of a large value, which then is all that there is. */
  readonly owner: Write | undefined;
}

export class ValueCache {
  readonly #bytesMax: number;
  readonly #slabBytes: number;
  readonly #slabs: Slab[] = [];
  /** Of the oldest slab; the others follow. */
  #firstNumber = 0;
  #bytes = 0;
  /** The slab that values are copied to, and its place. */
  #open: Slab | undefined;
  #openPlace = 0;

  constructor(bytesMax = VALUE_CACHE_BYTES_MAX, slabBytes = SLAB_BYTES) {
    this.#bytesMax = bytesMax;
    this.#slabBytes = slabBytes;
  }

  /** Never more than the limit. */
  get bytes(): number {
    return this.#bytes;
  }

  /** To be read, and let go: a small value shares its memory with others. */
  get(write: Write): Uint8Array | undefined {
    const place = write.cachedAt;
    if (place < 0) return undefined;
    const at = ((place >>> VALUE_BITS) - this.#firstNumber) & NUMBER_MASK;
    if (at >= this.#slabs.length) return undefined;
    const value = valueOf(this.#slabs[at]!, place & VALUE_MASK, write);
    if (value !== undefined && at < this.#slabs.length >>> 1 && this.#bytes > this.#bytesMax >>> 1) this.put(write, value);
    return value;
  }

  put(write: Write, value: Uint8Array): void {
    if (value.length > COPIED_BYTES_MAX) this.#putLarge(write, value);
    else this.#putSmall(write, value);
  }

  #putSmall(write: Write, value: Uint8Array): void {
    const slab = this.#roomFor(value.length);
    if (slab === undefined) return;
    const { words, bytes, values, end } = slab;
    const head = words.length - HEAD_WORDS * (values + 1);
    words[head] = write.main;
    words[head + 1] = write.main / 2 ** 32;
    words[head + 2] = write.sub;
    words[head + 3] = (end << LENGTH_BITS) | value.length;
    bytes.set(value, end);
    slab.values = values + 1;
    slab.end = end + value.length;
    write.cachedAt = this.#openPlace | values;
  }

  #roomFor(length: number): Slab | undefined {
    const open = this.#open;
    if (open !== undefined && open.end + length + HEAD_BYTES * (open.values + 1) <= open.bytes.length) return open;
    if (length + HEAD_BYTES > this.#slabBytes || this.#slabBytes > this.#bytesMax) return undefined;
    const slab = newSlab(this.#slabBytes);
    this.#openPlace = this.#add(slab, this.#slabBytes);
    this.#open = slab;
    return slab;
  }

  #putLarge(write: Write, value: Uint8Array): void {
    const bytes = value.length + ARRAY_BYTES;
    // One that would drive out half of all is not worth it.
    if (bytes > this.#bytesMax >>> 1) return;
    // What came with it in one message, or one part of the log, may be much more.
    const own = value.buffer.byteLength > 2 * value.length ? new Uint8Array(value) : value;
    write.cachedAt = this.#add({ bytes: own, words: NO_WORDS, values: 1, end: value.length, owner: write }, bytes);
  }

  /** Answers the place of its first value. */
  #add(slab: Slab, bytes: number): number {
    while (this.#bytes + bytes > this.#bytesMax) this.#dropOldest();
    this.#slabs.push(slab);
    this.#bytes += bytes;
    return ((this.#firstNumber + this.#slabs.length - 1) & NUMBER_MASK) << VALUE_BITS;
  }

  #dropOldest(): void {
    const slab = this.#slabs.shift()!;
    this.#firstNumber = (this.#firstNumber + 1) & NUMBER_MASK;
    this.#bytes -= slab.owner === undefined ? slab.bytes.length : slab.bytes.length + ARRAY_BYTES;
    if (slab === this.#open) this.#open = undefined;
  }
}

const NO_WORDS = new Uint32Array(0);

function newSlab(length: number): Slab {
  // Not of zeros: what is read was written.
  const { buffer } = Buffer.allocUnsafeSlow(length);
  return { bytes: new Uint8Array(buffer, 0, length), words: new Uint32Array(buffer, 0, length >>> 2), values: 0, end: 0, owner: undefined };
}

/** Its head says whose value it is: the place may be one that `write` had long ago. */
function valueOf({ bytes, words, values, owner }: Slab, at: number, write: Write): Uint8Array | undefined {
  if (owner !== undefined) return owner === write ? bytes : undefined;
  if (at >= values) return undefined;
  const head = words.length - HEAD_WORDS * (at + 1);
  const main = words[head + 1]! * 2 ** 32 + words[head]!;
  if (main !== write.main || words[head + 2] !== write.sub) return undefined;
  const span = words[head + 3]!;
  const length = span & ((1 << LENGTH_BITS) - 1);
  return length === 0 ? EMPTY_BYTES : new Uint8Array(bytes.buffer, span >>> LENGTH_BITS, length);
}
