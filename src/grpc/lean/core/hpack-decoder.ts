/**
 * Header blocks to fields (RFC 7541), and what they mean to the session. What a block means is remembered with its bytes:
 * a client says nearly the same with every call, and a block that has been seen is not decoded again. That holds where
 * the block changed nothing, and where it looked into the dynamic table only until that changes.
 */
import { ConnectionError, ErrorCode, TABLE_BYTES_DEFAULT } from './protocol.ts';
import { decodeHuffman } from './huffman.ts';
import { HpackTable, sizeOf, STATIC_FIELDS, type Field } from './hpack-table.ts';

export interface HpackLimits {
  /** SETTINGS_HEADER_TABLE_SIZE of ours. */
  readonly tableBytesMax?: number;
  /** SETTINGS_MAX_HEADER_LIST_SIZE of ours: a longer list is followed, as later blocks build on it, and not kept. */
  readonly listBytesMax: number;
}

/** Undefined in place of fields: the list is longer than allowed. */
export type Interpret<T> = (fields: readonly Field[] | undefined) => T;

interface Remembered<T> {
  readonly meaning: T;
  /** Of the dynamic table; undefined: the block did not look into it. */
  readonly generation: number | undefined;
}

/** Blocks of a connection that are remembered, and how long they may be. */
const REMEMBERED_MAX = 64;
const REMEMBERED_BYTES_MAX = 1024;
/** Each of its own bits is another 7 of the number: past it nothing of ours is that large (§5.1). */
const INTEGER_BYTES_MAX = 5;

export class HpackDecoder<T> {
  readonly #interpret: Interpret<T>;
  readonly #tableBytesMax: number;
  readonly #listBytesMax: number;
  readonly #table: HpackTable;
  readonly #remembered = new Map<string, Remembered<T>>();
  #bytes: Uint8Array = Buffer.alloc(0);
  #at = 0;
  #end = 0;
  #usedTable = false;

  constructor(interpret: Interpret<T>, { tableBytesMax = TABLE_BYTES_DEFAULT, listBytesMax }: HpackLimits) {
    this.#interpret = interpret;
    this.#tableBytesMax = tableBytesMax;
    this.#listBytesMax = listBytesMax;
    this.#table = new HpackTable(tableBytesMax);
  }

  /** Throws `ConnectionError`: the two ends do not have the same table any more (RFC 9113 §4.3). */
  decode(bytes: Buffer, start: number, end: number): T {
    if (end - start > REMEMBERED_BYTES_MAX) return this.#interpret(this.#fields(bytes, start, end));
    const key = bytes.toString('latin1', start, end);
    const known = this.#remembered.get(key);
    const generation = this.#table.generation;
    if (known !== undefined && (known.generation === undefined || known.generation === generation)) return known.meaning;
    const meaning = this.#interpret(this.#fields(bytes, start, end));
    if (this.#table.generation !== generation) return meaning;
    if (this.#remembered.size >= REMEMBERED_MAX && known === undefined) this.#remembered.clear();
    this.#remembered.set(key, { meaning, generation: this.#usedTable ? generation : undefined });
    return meaning;
  }

  /** Every block is decoded anew; the table stays. For tests, which compare. */
  forget(): void {
    this.#remembered.clear();
  }

  #fields(bytes: Uint8Array, start: number, end: number): readonly Field[] | undefined {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    this.#usedTable = false;
    const fields: Field[] = [];
    let listBytes = 0;
    while (this.#at < end) {
      const field = this.#next(listBytes === 0);
      if (field === undefined) continue;
      listBytes += sizeOf(field);
      if (listBytes <= this.#listBytesMax) fields.push(field);
    }
    this.#bytes = Buffer.alloc(0);
    return listBytes > this.#listBytesMax ? undefined : fields;
  }

  /** Undefined: it was no field but a new size of the table, which may only come first (§4.2). */
  #next(isFirst: boolean): Field | undefined {
    const first = this.#bytes[this.#at]!;
    if (first >= 0x80) return this.#lookUp(this.#integer(7));
    if (first >= 0x40) {
      const field = this.#literal(6);
      this.#table.insert(field);
      return field;
    }
    if (first < 0x20) return this.#literal(4);
    const size = this.#integer(5);
    if (!isFirst) throw bad('a new size of the table behind a field');
    if (size > this.#tableBytesMax) throw bad('a larger table than was offered');
    this.#table.resize(size);
    return undefined;
  }

  #lookUp(index: number): Field {
    if (index > STATIC_FIELDS) this.#usedTable = true;
    const field = this.#table.at(index);
    if (field === undefined) throw bad('no such entry of the table');
    return field;
  }

  /** §6.2; whether a proxy may index it is nothing to us, we send nothing on. */
  #literal(prefixBits: number): Field {
    const index = this.#integer(prefixBits);
    const name = index === 0 ? this.#string() : this.#lookUp(index).name;
    return { name, value: this.#string() };
  }

  /** §5.2 */
  #string(): string {
    if (this.#at >= this.#end) throw bad('a block that ends in a field');
    const isHuffman = this.#bytes[this.#at]! >= 0x80;
    const length = this.#integer(7);
    const start = this.#at;
    const end = start + length;
    if (end > this.#end) throw bad('a string that reaches past the block');
    this.#at = end;
    return isHuffman ? decodeHuffman(this.#bytes, start, end) : latin1(this.#bytes, start, end);
  }

  /** §5.1 */
  #integer(prefixBits: number): number {
    const mask = (1 << prefixBits) - 1;
    let value = this.#bytes[this.#at++]! & mask;
    if (value < mask) return value;
    for (let count = 0; ; count++) {
      if (this.#at >= this.#end) throw bad('a block that ends in a number');
      if (count === INTEGER_BYTES_MAX) throw bad('a number that is too large');
      const byte = this.#bytes[this.#at++]!;
      value += (byte & 0x7f) * 2 ** (7 * count);
      if (byte < 0x80) return value;
    }
  }
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
}

function bad(what: string): ConnectionError {
  return new ConnectionError(ErrorCode.COMPRESSION_ERROR, `hpack: ${what}`);
}
