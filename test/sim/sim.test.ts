/** A short run of the simulator; `npm run sim` runs more, and one seed at a time. */
import { expect, test } from 'vitest';
import { runSeed } from './run.ts';
import { SEEDS_LONG_FROM, SEEDS_SHORT, expectSeeds } from './seeds.ts';

test('50 seeds keep every promise, and meet what they are made to meet', { timeout: 170_000 }, async () => {
  await expectSeeds({ from: 1, count: SEEDS_SHORT });
});

test('a seed run twice gives one trace', { timeout: 60_000 }, async () => {
  const first = await runSeed(SEEDS_LONG_FROM);
  const second = await runSeed(SEEDS_LONG_FROM);
  expect(second.traceHash).toBe(first.traceHash);
  expect(second.counters).toEqual(first.counters);
});
