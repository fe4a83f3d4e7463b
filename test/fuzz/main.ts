/** `npm run fuzz -- --inputs N --seed S [--from INPUT] [--target NAME]`: N damaged inputs for each parser. */
import { parseArgs } from 'node:util';
import { fuzz } from './fuzz.ts';
import { TARGETS } from './targets.ts';

const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    from: { type: 'string', default: '1' },
    target: { type: 'string' },
  },
});
const print = (line: string) => process.stdout.write(line + '\n');
const targets = values.target === undefined ? TARGETS : TARGETS.filter(({ name }) => name === values.target);
if (targets.length === 0) {
  print(`no such target; there are: ${TARGETS.map(({ name }) => name).join(', ')}`);
  process.exitCode = 1;
}
for (const target of targets) {
  const startedAt = performance.now();
  const options = { seed: Number(values.seed), inputs: Number(values.inputs), from: Number(values.from) };
  const { read, refused, failures } = await fuzz(target, options);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  print(`${target.name}: ${read} read, ${refused} refused, ${failures.length} FAILED, ${seconds} s`);
  for (const { input, bytes, error } of failures) {
    print(`  input ${input} (${Buffer.from(bytes).toString('hex').slice(0, 2000)})`);
    print(`  ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    print(`  replay: npm run fuzz -- --seed ${values.seed} --target ${target.name} --from ${input} --inputs 1`);
  }
  if (failures.length > 0) process.exitCode = 1;
}
