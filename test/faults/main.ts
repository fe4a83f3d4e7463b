/** `npm run faults -- --minutes N --seed S`: the suite with other seeds, one after the other, until the time is over. */
import { parseArgs } from 'node:util';
import { seededRandom } from '../../src/base/random.ts';
import { FAULTS } from './faults.ts';
import { runFaults } from './run.ts';

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' }, seed: { type: 'string', default: '1' } } });
const print = (line: string) => void process.stdout.write(`${line}\n`);
const endAt = performance.now() + Number(values.minutes) * 60_000;
const TRAFFICS = ['etcd', 'kubernetes', 'both'] as const;
const FAULTS_A_RUN = 12;

let isWell = true;
let met = 0;
for (let seed = Number(values.seed); performance.now() < endAt && isWell; seed++) {
  const random = seededRandom(seed).fork('soak');
  const members = random.chance(0.2) ? 1 : 3;
  const traffic = random.pick(TRAFFICS);
  print(`SEED=${seed}, ${members} members, traffic of ${traffic}  replay: npm run faults -- --seed ${seed} --minutes 0.01`);
  const faults = random.shuffle(FAULTS.filter(({ needsPeers }) => members > 1 || !needsPeers)).slice(0, FAULTS_A_RUN);
  const { problems } = await runFaults({ seed, members, traffic, faults, print });
  for (const problem of problems) print(`  ${problem}`);
  isWell = problems.length === 0;
  met += faults.length;
}
print(isWell ? `${met} faults, all as promised` : 'FAILED');
process.exitCode = isWell ? 0 : 1;
