/**
 * `npm run faults -- --minutes N --seed S`: the suite with other seeds, one after the other, until the time is over;
 * `--fault 'panic beforeCommit'` (as often as wanted), `--members 1` and `--traffic etcd` instead of what a seed draws.
 */
import { parseArgs } from 'node:util';
import { seededRandom } from '../../src/base/random.ts';
import { TRAFFICS } from '../../src/verify/load.ts';
import { FAULTS } from './faults.ts';
import { runFaults } from './run.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    members: { type: 'string' },
    traffic: { type: 'string' },
    fault: { type: 'string', multiple: true, default: [] },
  },
});
const print = (line: string) => void process.stdout.write(`${line}\n`);
const endAt = performance.now() + Number(values.minutes) * 60_000;
const FAULTS_A_RUN = 12;

let isWell = true;
let met = 0;
for (let seed = Number(values.seed); isWell && (met === 0 || performance.now() < endAt); seed++) {
  const random = seededRandom(seed).fork('soak');
  const members = Number(values.members ?? (random.chance(0.2) ? 1 : 3));
  const traffic = TRAFFICS.find((each) => each === values.traffic) ?? random.pick(TRAFFICS);
  print(`SEED=${seed}, ${members} members, traffic of ${traffic}  replay: npm run faults -- --seed ${seed} --minutes 0`);
  const drawn = random.shuffle(FAULTS.filter(({ needsPeers }) => members > 1 || !needsPeers)).slice(0, FAULTS_A_RUN);
  const faults = values.fault.length === 0 ? drawn : FAULTS.filter(({ name }) => values.fault.includes(name));
  if (faults.length === 0) throw new Error(`no such fault; there are:\n${FAULTS.map(({ name }) => name).join('\n')}`);
  const { problems } = await runFaults({ seed, members, traffic, faults, print });
  for (const problem of problems) print(`  ${problem}`);
  isWell = problems.length === 0;
  met += faults.length;
}
print(isWell ? `${met} faults, all as promised` : 'FAILED');
process.exitCode = isWell ? 0 : 1;
