/** Other seeds than the short run's, and twenty times as many. */
import { test } from 'vitest';
import { SEEDS_LONG, SEEDS_LONG_FROM, expectManySeeds } from './seeds.ts';

test('1,000 seeds keep every promise, and meet what they are made to meet', { timeout: 1_800_000 }, async () => {
  await expectManySeeds({ from: SEEDS_LONG_FROM, count: SEEDS_LONG });
});
