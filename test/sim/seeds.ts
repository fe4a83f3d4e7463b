/** Many seeds as one assertion, for the tests. */
import { expect } from 'vitest';
import { addCounters, MUST_MEET, newCounters } from './counters.ts';
import { OPERATIONS_MIN, runSeed, type SeedResult } from './run.ts';
import { runSeeds, type SeedRange } from './workers.ts';

export const SEEDS_SHORT = 50;
export const SEEDS_LONG = 1000;
export const SEEDS_LONG_FROM = 1001;

/** Beside {@link OPERATIONS_MIN}; they do some 550 on average. */
const SIMULATED_MS_MIN = 30_000;
const FAULTS_MIN = 5;

/** In this process. */
export async function expectSeeds({ from, count }: SeedRange): Promise<void> {
  const sum = announced({ from, count });
  for (let seed = from; seed < from + count; seed++) expectSeed(await runSeed(seed), sum);
  expectMet(sum);
}

/** Over processes of the compiled simulator; all failures are told at the end, not the first one at once. */
export async function expectManySeeds({ from, count }: SeedRange): Promise<void> {
  const sum = announced({ from, count });
  const failures: unknown[] = [];
  let ended = 0;
  const onResult = (result: SeedResult) => {
    ended++;
    try {
      expectSeed(result, sum);
    } catch (error) {
      failures.push(error);
    }
  };
  await runSeeds({ from, count, onResult });
  expect(ended).toBe(count);
  if (failures.length > 0) throw new AggregateError(failures, `${failures.length} seeds failed; the first: ${String(failures[0])}`);
  expectMet(sum);
}

type Sum = ReturnType<typeof newCounters>;

function announced({ from, count }: SeedRange): Sum {
  process.stdout.write(`SEED=${from}..${from + count - 1}  replay: npm run sim -- --seed ${from} --seeds ${count}\n`);
  return newCounters();
}

function expectSeed({ seed, violations, counters }: SeedResult, sum: Sum): void {
  const replay = `replay: npm run sim -- --seed ${seed} --trace`;
  expect(violations, replay).toEqual([]);
  expect(counters.simulatedMs, replay).toBeGreaterThanOrEqual(SIMULATED_MS_MIN);
  expect(counters.clientOperations, replay).toBeGreaterThanOrEqual(OPERATIONS_MIN);
  expect(counters.faults, replay).toBeGreaterThanOrEqual(FAULTS_MIN);
  addCounters(sum, counters);
}

function expectMet(sum: Sum): void {
  process.stdout.write(`${JSON.stringify(sum)}\n`);
  for (const name of MUST_MEET) expect(sum[name], name).toBeGreaterThan(0);
}
