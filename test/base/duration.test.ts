import { expect, test } from 'vitest';
import { parseDuration } from '../../src/base/duration.ts';

test.each([
  ['0', 0],
  ['+0', 0],
  ['5s', 5000],
  ['1h30m', 5_400_000],
  ['1h1m1s1ms1us1ns', 3_661_001.001001],
  ['1.5h', 5_400_000],
  ['.5s', 500],
  ['5.s', 5000],
  ['-1m', -60_000],
  ['+250ms', 250],
  ['10\u00b5s', 0.01],
  ['10\u03bcs', 0.01],
  ['1ns', 1e-6],
  ['1s1s', 2000],
])('parseDuration(%j) is Go’s', (text, ms) => {
  expect(parseDuration(text)).toBeCloseTo(ms, 9);
});

test.each(['', '5', '.s', 's', '1d', '1 s', '1s ', '--1s', '1.2.3s', '1e3s', '00', '99999999h', 'NaNs', '１s'])(
  'parseDuration(%j) is none',
  (text) => {
    expect(parseDuration(text)).toBeUndefined();
  },
);
