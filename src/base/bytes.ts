/**
 * Keys and values are bytes. As a key of a JavaScript map they travel as their latin1 string (one UTF-16 unit a byte),
 * whose code-unit order is byte order; UTF-16 text of UTF-8 bytes is not ordered so.
 */
export const EMPTY_BYTES: Uint8Array = new Uint8Array(0);

/** What is copied here to be read as text: to make a view of it that can do so costs more than to copy a key. */
const text = Buffer.allocUnsafeSlow(256);

export function toLatin1(bytes: Uint8Array): string {
  const { length } = bytes;
  if (length > text.length || Buffer.isBuffer(bytes)) return asBuffer(bytes).toString('latin1');
  text.set(bytes);
  return text.toString('latin1', 0, length);
}

export function fromLatin1(text: string): Uint8Array {
  return Buffer.from(text, 'latin1');
}

export function toUtf8(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('utf8');
}

export function fromUtf8(text: string): Uint8Array {
  return Buffer.from(text, 'utf8');
}

/** A view of the same memory with Buffer's methods. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Negative, zero or positive, in the order of the bytes. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts);
}

/** The first key after every key that starts with `prefix` (etcd's range_end of a prefix); `\0`, meaning "to the end
 *  of the key space", when there is none. */
export function prefixEnd(prefix: Uint8Array): Uint8Array {
  for (let i = prefix.length - 1; i >= 0; i--) {
    if (prefix[i]! === 0xff) continue;
    const end = Uint8Array.from(prefix.subarray(0, i + 1));
    end[i]!++;
    return end;
  }
  return Uint8Array.of(0);
}
