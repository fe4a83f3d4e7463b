/**
 * Fields to a header block (RFC 7541): indices of the static table and literals that are not indexed. It keeps no dynamic
 * table, so that a block is the same on every connection and can be made once; what that costs is some bytes on the wire.
 */
import { STATIC_FIELDS, staticIndexOf, type Field } from './hpack-table.ts';

/** §6.3: the table is empty from here on. */
export const EMPTY_TABLE = encodeInteger(0, 5, 0x20);

export function encodeBlock(fields: readonly Field[]): Buffer {
  return Buffer.concat(fields.map(encodeField));
}

function encodeField(field: Field): Buffer {
  const index = staticIndexOf(field);
  if (index.field !== undefined && index.field <= STATIC_FIELDS) return encodeInteger(index.field, 7, 0x80);
  const value = encodeString(field.value);
  if (index.name !== undefined) return Buffer.concat([encodeInteger(index.name, 4, 0), value]);
  return Buffer.concat([Buffer.of(0), encodeString(field.name), value]);
}

/** As it is: a Huffman code would save bytes on loopback and cost time on both ends. */
function encodeString(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  return Buffer.concat([encodeInteger(bytes.length, 7, 0), bytes]);
}

/** §5.1 */
function encodeInteger(value: number, prefixBits: number, flags: number): Buffer {
  const mask = (1 << prefixBits) - 1;
  if (value < mask) return Buffer.of(flags | value);
  const bytes = [flags | mask];
  let rest = value - mask;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}
