/**
 * `npm run bench [-- store|cluster [part of a measurement's name]]`: what Podium costs on this machine, beside its peer.
 * The figures of a machine that does something else meanwhile are worth little; the ratios a little more.
 */
import { cpus, release, totalmem } from 'node:os';
import { benchCluster } from './cluster.ts';
import { benchStore } from './store.ts';

const [what = 'all', filter = ''] = process.argv.slice(2);
const [cpu] = cpus();
console.log(
  `${cpus().length} × ${cpu?.model.trim() ?? '?'}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Linux ${release()}, Node.js ${process.version}\n`,
);
if (what === 'all' || what === 'store') console.log(`${await benchStore(filter)}\n`);
if (what === 'all' || what === 'cluster') console.log(await benchCluster());
