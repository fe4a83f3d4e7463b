import { fc } from './property.ts';
import { expect, test } from 'vitest';
import { compareBytes, fromLatin1, fromUtf8, prefixEnd, toLatin1, toUtf8 } from '../../src/base/bytes.ts';

const anyBytes = () => fc.uint8Array({ maxLength: 6 });

test('toLatin1() keeps every byte, and its order is byte order', () => {
  fc.assert(
    fc.property(anyBytes(), anyBytes(), (a, b) => {
      expect(Array.from(fromLatin1(toLatin1(a)))).toEqual(Array.from(a));
      const byText = toLatin1(a) < toLatin1(b) ? -1 : toLatin1(a) > toLatin1(b) ? 1 : 0;
      expect(Math.sign(compareBytes(a, b))).toBe(byText);
    }),
  );
});

test('toUtf8() reads what fromUtf8() wrote', () => {
  expect(toUtf8(fromUtf8('Taktstock 𝄞'))).toBe('Taktstock 𝄞');
});

test('prefixEnd() is above every key with the prefix and not above any other', () => {
  const startsWith = (key: Uint8Array, prefix: Uint8Array) => prefix.every((byte, at) => key[at] === byte);
  fc.assert(
    fc.property(anyBytes(), anyBytes(), (prefix, key) => {
      const end = prefixEnd(prefix);
      const hasEnd = !(end.length === 1 && end[0] === 0);
      const isInside = compareBytes(key, prefix) >= 0 && (!hasEnd || compareBytes(key, end) < 0);
      expect(isInside).toBe(startsWith(key, prefix));
    }),
  );
});
