/** Many seeds as one assertion, for the tests. */
import { expect } from 'vitest';
import { addCounters, MUST_MEET, newCounters } from './counters.ts';
import { runSeed } from './run.ts';

export const SEEDS_SHORT = 50;
export const SEEDS_LONG = 500;
export const SEEDS_LONG_FROM = 1001;

/** What a seed is worth: so much time, so many operations and faults at least. */
const SIMULATED_MS_MIN = 30_000;
const OPERATIONS_MIN = 200;
const FAULTS_MIN = 5;

export async function expectSeeds({ from, count }: { readonly from: number; readonly count: number }): Promise<void> {
  process.stdout.write(`SEED=${from}..${from + count - 1}  replay: npm run sim -- --seed ${from} --seeds ${count}\n`);
  const sum = newCounters();
  for (let seed = from; seed < from + count; seed++) {
    const { violations, counters } = await runSeed(seed);
    const replay = `replay: npm run sim -- --seed ${seed} --trace`;
    expect(violations, replay).toEqual([]);
    expect(counters.simulatedMs, replay).toBeGreaterThanOrEqual(SIMULATED_MS_MIN);
    expect(counters.clientOperations, replay).toBeGreaterThanOrEqual(OPERATIONS_MIN);
    expect(counters.faults, replay).toBeGreaterThanOrEqual(FAULTS_MIN);
    addCounters(sum, counters);
  }
  process.stdout.write(`${JSON.stringify(sum)}\n`);
  for (const name of MUST_MEET) expect(sum[name], name).toBeGreaterThan(0);
}
