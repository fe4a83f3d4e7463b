/**
 * Inflates the header blocks of one SPDY connection (RFC 1950, RFC 1951): one stream of zlib over all of them, each
 * flushed, so that a block ends at a byte. Node.js' own works asynchronously or on whole streams; a block must be read
 * before the next frame can be. Bounded: a block gives at most `bytesMax`.
 */

const WINDOW_BYTES = 32 * 1024;
const CODE_BITS_MAX = 15;
const LENGTHS = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
const LENGTH_EXTRA = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCES = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577,
];
const CODE_LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** What came is not what was promised; the connection is lost, since all that follows depends on it. */
export class InflateError extends Error {
  override readonly name = 'InflateError';
}

export class Inflater {
  readonly #bytesMax: number;
  readonly #dictionary: Uint8Array;
  /** What references go back to: the last 32 KiB. */
  #window: Uint8Array;
  #hasHead = false;

  constructor({ dictionary, bytesMax }: { readonly dictionary: Uint8Array; readonly bytesMax: number }) {
    this.#dictionary = dictionary;
    this.#window = new Uint8Array(0);
    this.#bytesMax = bytesMax;
  }

  /** One flushed block; throws {@link InflateError}. */
  inflate(bytes: Uint8Array): Uint8Array {
    const bits = new Bits(this.#hasHead ? bytes : bytes.subarray(this.#readHead(bytes)));
    const output = new Output(this.#window, this.#bytesMax);
    while (!bits.isAtEnd) {
      const isLast = bits.take(1) === 1;
      const kind = bits.take(2);
      if (kind === 0) stored(bits, output);
      else if (kind === 1) compressed(bits, output, FIXED);
      else if (kind === 2) compressed(bits, output, readCodes(bits));
      else throw new InflateError('a block of no kind');
      // The end of the stream is the end of the connection's headers, and nobody ends them.
      if (isLast) throw new InflateError('the stream of headers has ended');
      // A flush ends with an empty stored block, so that the next begins at a byte.
      if (bits.isWithinByte && bits.left < 8) throw new InflateError('a block that was not flushed');
    }
    this.#window = output.window();
    return output.written();
  }

  /** Answers its length. */
  #readHead(bytes: Uint8Array): number {
    const [method = 0, flags = 0] = bytes;
    if (bytes.length < 2 || (method & 15) !== 8 || ((method << 8) | flags) % 31 !== 0) throw new InflateError('no stream of zlib');
    this.#hasHead = true;
    if ((flags & 0x20) === 0) return 2;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.length < 6 || view.getUint32(2) !== adler32(this.#dictionary)) throw new InflateError('another dictionary');
    this.#window = this.#dictionary;
    return 6;
  }
}

export function adler32(bytes: Uint8Array): number {
  let low = 1;
  let high = 0;
  for (const byte of bytes) {
    low = (low + byte) % 65_521;
    high = (high + low) % 65_521;
  }
  return high * 65_536 + low;
}

class Bits {
  readonly #bytes: Uint8Array;
  #at = 0;
  #buffer = 0;
  #count = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#count === 0 && this.#at >= this.#bytes.length;
  }

  get isWithinByte(): boolean {
    return this.#count > 0;
  }

  /** Bits. */
  get left(): number {
    return this.#count + 8 * (this.#bytes.length - this.#at);
  }

  take(count: number): number {
    while (this.#count < count) {
      if (this.#at >= this.#bytes.length) throw new InflateError('a block that was cut off');
      this.#buffer |= this.#bytes[this.#at++]! << this.#count;
      this.#count += 8;
    }
    const value = this.#buffer & ((1 << count) - 1);
    this.#buffer >>>= count;
    this.#count -= count;
    return value;
  }

  alignedBytes(length: number): Uint8Array {
    // Never more than 7 bits are left over: whole bytes are taken only when they are needed.
    const from = this.#at;
    if (from + length > this.#bytes.length) throw new InflateError('a block that was cut off');
    this.#at += length;
    return this.#bytes.subarray(from, this.#at);
  }

  align(): void {
    this.#buffer = 0;
    this.#count = 0;
  }
}

class Output {
  #bytes: Uint8Array;
  readonly #from: number;
  readonly #max: number;
  #at: number;

  constructor(window: Uint8Array, bytesMax: number) {
    this.#bytes = new Uint8Array(window.length + 1024);
    this.#bytes.set(window);
    this.#from = this.#at = window.length;
    this.#max = this.#from + bytesMax;
  }

  push(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  put(byte: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = byte;
  }

  copy(distance: number, length: number): void {
    if (distance > this.#at || distance > WINDOW_BYTES) throw new InflateError('a reference to before the beginning');
    this.#reserve(length);
    for (let i = 0; i < length; i++, this.#at++) this.#bytes[this.#at] = this.#bytes[this.#at - distance]!;
  }

  written(): Uint8Array {
    return this.#bytes.slice(this.#from, this.#at);
  }

  window(): Uint8Array {
    return this.#bytes.slice(Math.max(0, this.#at - WINDOW_BYTES), this.#at);
  }

  #reserve(length: number): void {
    const end = this.#at + length;
    if (end > this.#max) throw new InflateError('a block that becomes too large');
    if (end <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(end, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = larger;
  }
}

/** A canonical code: how many symbols have each length, and the symbols in their order. */
interface Code {
  readonly counts: readonly number[];
  readonly symbols: readonly number[];
}

interface Codes {
  readonly literals: Code;
  readonly distances: Code;
}

function codeOf(lengths: readonly number[]): Code {
  const counts = run(CODE_BITS_MAX + 1, 0);
  for (const length of lengths) counts[length]!++;
  counts[0] = 0;
  let room = 1;
  for (let bits = 1; bits <= CODE_BITS_MAX; bits++) {
    room = 2 * room - counts[bits]!;
    if (room < 0) throw new InflateError('a code with too many symbols');
  }
  const symbols = lengths.flatMap((length, symbol) => (length === 0 ? [] : [{ length, symbol }]));
  symbols.sort((a, b) => a.length - b.length || a.symbol - b.symbol);
  return { counts, symbols: symbols.map(({ symbol }) => symbol) };
}

function decode(bits: Bits, { counts, symbols }: Code): number {
  let code = 0;
  let first = 0;
  let index = 0;
  for (let length = 1; length <= CODE_BITS_MAX; length++) {
    code |= bits.take(1);
    const count = counts[length]!;
    if (code - count < first) return symbols[index + code - first]!;
    index += count;
    first = (first + count) << 1;
    code <<= 1;
  }
  throw new InflateError('a code without a symbol');
}

const FIXED: Codes = {
  literals: codeOf([...run(144, 8), ...run(112, 9), ...run(24, 7), ...run(8, 8)]),
  distances: codeOf(run(30, 5)),
};

function run(count: number, value: number): number[] {
  return Array.from({ length: count }, () => value);
}

function readCodes(bits: Bits): Codes {
  const literals = bits.take(5) + 257;
  const distances = bits.take(5) + 1;
  const lengthCodes = bits.take(4) + 4;
  if (literals > 286 || distances > 30) throw new InflateError('a code with too many symbols');
  const own = run(19, 0);
  for (const symbol of CODE_LENGTH_ORDER.slice(0, lengthCodes)) own[symbol] = bits.take(3);
  const code = codeOf(own);
  const lengths: number[] = [];
  while (lengths.length < literals + distances) {
    const symbol = decode(bits, code);
    if (symbol < 16) lengths.push(symbol);
    else if (symbol === 16) {
      const last = lengths.at(-1);
      if (last === undefined) throw new InflateError('a repetition of nothing');
      lengths.push(...run(3 + bits.take(2), last));
    } else lengths.push(...run(symbol === 17 ? 3 + bits.take(3) : 11 + bits.take(7), 0));
  }
  if (lengths.length > literals + distances) throw new InflateError('a code with too many symbols');
  return { literals: codeOf(lengths.slice(0, literals)), distances: codeOf(lengths.slice(literals)) };
}

function stored(bits: Bits, output: Output): void {
  bits.align();
  const length = bits.take(16);
  const complement = bits.take(16);
  if ((length ^ complement) !== 0xffff) throw new InflateError('a stored block of two lengths');
  output.push(bits.alignedBytes(length));
}

function compressed(bits: Bits, output: Output, { literals, distances }: Codes): void {
  for (;;) {
    const symbol = decode(bits, literals);
    if (symbol < 256) {
      output.put(symbol);
      continue;
    }
    if (symbol === 256) return;
    const at = symbol - 257;
    const length = LENGTHS[at];
    if (length === undefined) throw new InflateError('a length that is none');
    const whole = length + bits.take(LENGTH_EXTRA[at]!);
    const far = decode(bits, distances);
    const distance = DISTANCES[far];
    if (distance === undefined) throw new InflateError('a distance that is none');
    output.copy(distance + bits.take(far < 4 ? 0 : (far >> 1) - 1), whole);
  }
}
