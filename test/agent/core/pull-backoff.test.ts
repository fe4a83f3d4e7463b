import { expect, test } from 'vitest';
import { goDuration, nextBackoff, type PullBackoff } from '../../../src/agent/core/pull-backoff.ts';

test('nextBackoff() doubles to 5 min, and begins anew for who has long not failed', () => {
  let backoff: PullBackoff | undefined;
  const delays = Array.from({ length: 8 }, () => (backoff = nextBackoff(backoff, 'x', backoff?.untilMs ?? 0)).delayMs);
  expect(delays).toEqual([10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000]);
  expect(nextBackoff(backoff, 'x', backoff!.untilMs + 299_000).delayMs).toBe(300_000);
  expect(nextBackoff(backoff, 'y', backoff!.untilMs + 301_000)).toMatchObject({ delayMs: 10_000, failure: 'y' });
});

test.each([[0, '0s'], [0.9, '0s'], [1.9, '1ms'], [345, '345ms'], [1_000, '1s'], [1_234.9, '1.234s'], [60_000, '1m0s'], [61_500, '1m1.5s'], [3_600_000, '1h0m0s'], [3_723_004, '1h2m3.004s']])(
  'goDuration(%d) is %s',
  (ms, text) => {
    expect(goDuration(ms)).toBe(text);
  },
);
