import { expect, test } from 'vitest';
import { fc } from '../base/property.ts';
import { formatBytes, formatQuantity, parseQuantity, toMilli, toUnits } from '../../src/kube/quantity.ts';

const NANO = 1_000_000_000n;

test.each([
  ['0', 0n],
  ['100m', NANO / 10n],
  ['1', NANO],
  ['1.5', (NANO * 3n) / 2n],
  ['.5', NANO / 2n],
  ['1Ki', 1024n * NANO],
  ['1.5Gi', 1536n * 1024n * 1024n * NANO],
  ['2e3', 2000n * NANO],
  ['-1k', -1000n * NANO],
  ['0.0000000001', 1n],
])('parseQuantity(%s)', (text, nano) => {
  expect(parseQuantity(text)).toBe(nano);
});

test.each(['', 'x', '1 Gi', '1KiB', '1e', '--1', '1e99999999', '1,5'])('parseQuantity(%j) is none', (text) => {
  expect(parseQuantity(text)).toBeUndefined();
});

test('what is formatted is parsed back', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: -(10n ** 24n), max: 10n ** 24n }),
      (nano) => parseQuantity(formatQuantity(nano)) === nano,
    ),
  );
});

test('counts are rounded up', () => {
  expect([toMilli(1n), toUnits(NANO + 1n), toUnits(0n)]).toEqual([1n, 2n, 0n]);
  expect([formatBytes(64n << 20n), formatBytes(1500n)]).toEqual(['64Mi', '1500']);
});
