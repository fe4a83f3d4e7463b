/** `npm run sim -- --seeds N --seed S`: N seeds from S on; `--trace` prints all that happens. */
import { parseArgs } from 'node:util';
import { addCounters, MUST_MEET, newCounters } from './counters.ts';
import { runSeed } from './run.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
  },
});
const first = Number(values.seed);
const count = Number(values.seeds);
const print = (line: string) => process.stdout.write(line + '\n');

print(`SEED=${first}${count > 1 ? `..${first + count - 1}` : ''}  replay: npm run sim -- --seed ${first} --seeds ${count}`);
const sum = newCounters();
const failed: number[] = [];
for (let seed = first; seed < first + count; seed++) {
  const startedAt = process.hrtime.bigint();
  const { violations, counters, traceHash, trace, members } = await runSeed(seed, values.trace ? { print } : {});
  addCounters(sum, counters);
  const tookMs = Number((process.hrtime.bigint() - startedAt) / 1_000_000n);
  print(
    `seed ${seed}: ${violations.length === 0 ? 'ok' : 'FAILED'}, ${members} members, ${(counters.simulatedMs / 1000).toFixed(1)} s, ` +
      `${counters.clientOperations} operations, ${counters.faults} faults, trace ${traceHash.slice(0, 12)}, took ${tookMs} ms`,
  );
  if (violations.length === 0) continue;
  failed.push(seed);
  if (!values.trace) for (const line of trace.slice(-60)) print(`    ${line.slice(0, 400)}`);
  for (const violation of violations) print(`  ${violation.slice(0, 2000)}`);
  print(`  replay: npm run sim -- --seed ${seed} --trace`);
}
for (const [name, value] of Object.entries(sum)) print(`${name}: ${Math.round(value)}`);
const notMet = MUST_MEET.filter((name) => sum[name] === 0);
if (notMet.length > 0) print(`not met: ${notMet.join(', ')}`);
if (failed.length > 0) print(`FAILED: seeds ${failed.join(', ')}`);
process.exitCode = failed.length > 0 ? 1 : 0;
