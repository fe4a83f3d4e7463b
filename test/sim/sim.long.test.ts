/** Other seeds than the short run's, and ten times as many. */
import { test } from 'vitest';
import { SEEDS_LONG, SEEDS_LONG_FROM, expectSeeds } from './seeds.ts';

test('500 seeds keep every promise, and meet what they are made to meet', { timeout: 1_800_000 }, async () => {
  await expectSeeds({ from: SEEDS_LONG_FROM, count: SEEDS_LONG });
});
