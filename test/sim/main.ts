/**
 * `npm run sim -- --seeds N --seed S`: N seeds from S on, over `--workers` processes; `--trace` prints all that happens,
 * from one process.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { addCounters, MUST_MEET, newCounters } from './counters.ts';
import { runSeed, type SeedResult } from './run.ts';
import { runSeeds } from './workers.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    workers: { type: 'string', default: String(availableParallelism()) },
    trace: { type: 'boolean', default: false },
  },
});
const first = Number(values.seed);
const count = Number(values.seeds);
const print = (line: string) => process.stdout.write(line + '\n');

print(`SEED=${first}${count > 1 ? `..${first + count - 1}` : ''}  replay: npm run sim -- --seed ${first} --seeds ${count}`);
const startedAt = performance.now();
const sum = newCounters();
const failed: number[] = [];

function tell({ seed, members, violations, counters, traceHash, trace }: SeedResult, tookMs: number): void {
  addCounters(sum, counters);
  print(
    `seed ${seed}: ${violations.length === 0 ? 'ok' : 'FAILED'}, ${members} members, ${(counters.simulatedMs / 1000).toFixed(1)} s, ` +
      `${counters.clientOperations} operations, ${counters.faults} faults, trace ${traceHash.slice(0, 12)}, took ${tookMs} ms`,
  );
  if (violations.length === 0) return;
  failed.push(seed);
  if (!values.trace) for (const line of trace.slice(-60)) print(`    ${line.slice(0, 400)}`);
  for (const violation of violations) print(`  ${violation.slice(0, 2000)}`);
  print(`  replay: npm run sim -- --seed ${seed} --trace`);
}

if (values.trace || count === 1) {
  for (let seed = first; seed < first + count; seed++) {
    const seedStartedAt = performance.now();
    tell(await runSeed(seed, values.trace ? { print } : {}), Math.round(performance.now() - seedStartedAt));
  }
} else {
  await runSeeds({ from: first, count, workers: Number(values.workers), onResult: tell });
}
for (const [name, value] of Object.entries(sum)) print(`${name}: ${Math.round(value)}`);
const notMet = MUST_MEET.filter((name) => sum[name] === 0);
if (notMet.length > 0) print(`not met: ${notMet.join(', ')}`);
if (failed.length > 0) print(`FAILED: seeds ${failed.sort((a, b) => a - b).join(', ')}`);
print(`${count} seeds in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
process.exitCode = failed.length > 0 ? 1 : 0;
