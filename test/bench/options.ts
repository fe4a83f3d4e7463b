/** The command line of `npm run bench` and `npm run bench:store`. */
import { parseArgs } from 'node:util';
import { UserError } from '../../src/base/errors.ts';

export const HELP = `Measure Podium on this machine, the store beside an etcd, the API server beside a kube-apiserver.

Usage: npm run bench -- [store|api|node|cluster|all] [options] [part of a measurement's name]
       npm run bench:store -- [options] [part of a measurement's name]
       npm run bench:api -- [options] [part of a measurement's name]
       npm run bench:node -- [--rounds <n>] [part of a measurement's name]

  --long            also what takes minutes: 1 GiB restarted and sent to a new member, 2 GiB beside nothing, a million keys,
                    etcdctl's check perf, what holds the loop up
  --only-long       nothing but those
  --rounds <n>      of each load, after two that warm up (default 7; PODIUM_BENCH_ROUNDS)
  --members <n>     of each store (default 3)
  --etcd <path>     the program to compare with (default: the one installed); .ci/install-test-clients builds
                    .cache/bin/etcd-current
  --profile <dir>   write a CPU profile of each of Podium's members (of its API server) there, and say where the leader's
                    time went; nothing else is measured beside it

Of the API server, which is Podium's own program, with the flags that \`podium up\` gives it, on a store of real processes:
  --stores <names>          podium, etcd: which to measure it on (default: both, parted by a comma)
  --kube-apiserver <path>   a kube-apiserver to compare with, on the same etcd
  --pods <n>                that are there while all else is measured (default 10000)
`;

export interface BenchOptions {
  readonly what: 'store' | 'api' | 'node' | 'cluster' | 'all';
  readonly filter: string;
  readonly isLong: boolean;
  readonly isQuick: boolean;
  readonly rounds: number;
  readonly members: number;
  readonly etcd: string | undefined;
  readonly profileDir: string | undefined;
  readonly stores: readonly string[];
  readonly kubeApiServer: string | undefined;
  readonly pods: number;
}

/** Undefined: help was asked for. */
export function parseBenchOptions(argv: readonly string[]): BenchOptions | undefined {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      long: { type: 'boolean', default: false },
      'only-long': { type: 'boolean', default: false },
      rounds: { type: 'string', default: process.env['PODIUM_BENCH_ROUNDS'] ?? '7' },
      members: { type: 'string', default: '3' },
      etcd: { type: 'string' },
      profile: { type: 'string' },
      stores: { type: 'string', default: 'podium,etcd' },
      'kube-apiserver': { type: 'string' },
      pods: { type: 'string', default: '10000' },
    },
  });
  if (values.help) return undefined;
  const [what = 'all', filter = ''] = positionals;
  if (what !== 'store' && what !== 'api' && what !== 'node' && what !== 'cluster' && what !== 'all') throw new UserError(`bench ${what}: there are store, api, node, cluster and all`);
  return {
    what,
    filter,
    isLong: values.long || values['only-long'],
    isQuick: !values['only-long'],
    rounds: countOf('--rounds', values.rounds),
    members: countOf('--members', values.members),
    etcd: values.etcd,
    profileDir: values.profile,
    stores: values.stores.split(','),
    kubeApiServer: values['kube-apiserver'],
    pods: countOf('--pods', values.pods),
  };
}

function countOf(flag: string, text: string): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1) throw new UserError(`${flag} ${text}: a whole number from 1 on`);
  return count;
}
