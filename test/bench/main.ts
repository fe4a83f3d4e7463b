/**
 * `npm run bench [-- store|api|node|cluster [part of a measurement's name]]`: what Podium costs on this machine, beside its peer.
 * The figures of a machine that does something else meanwhile are worth little; the ratios a little more.
 */
import { cpus, loadavg, release, totalmem } from 'node:os';
import { benchApi } from './api/api.ts';
import { benchCluster } from './cluster.ts';
import { benchNode } from './node/node.ts';
import { HELP, parseBenchOptions } from './options.ts';
import { benchStore } from './store.ts';

const options = parseBenchOptions(process.argv.slice(2));
if (options === undefined) {
  process.stdout.write(HELP);
  process.exit(0);
}
// Members end with this process, which a signal must not end behind its back.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
const { what } = options;
const [cpu] = cpus();
const load = () => loadavg()[0]!.toFixed(1);
console.log(
  `${cpus().length} × ${cpu?.model.trim() ?? '?'}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Linux ${release()}, Node.js ${process.version}, load ${load()}\n`,
);
if (what === 'all' || what === 'store') console.log(`${await benchStore(options)}\n`);
if (what === 'all' || what === 'api') console.log(`${await benchApi(options)}\n`);
if (what === 'all' || what === 'node') console.log(`${await benchNode(options)}\n`);
if (what === 'all' || what === 'cluster') console.log(await benchCluster());
