/**
 * Rounds of a load, the stores by turns, so that what else the machine does meets both. A round of puts counts only if the
 * revision rose by the number of puts; every round only if its answers have the length that successful ones have.
 */
import { sleep } from '../../src/base/clock.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import type { StoreCluster } from '../processes.ts';
import { etcdBenchmark } from './etcd-benchmark.ts';
import { h2load } from './h2load.ts';
import { key, sampleBytes, WATCHERS, type Load, type UnaryLoad } from './loads.ts';
import { cpuMsOf } from './memory.ts';
import { storeWatchers } from './store-watchers.ts';

/** Of a round: long enough that what V8 still compiles decides nothing. */
const ROUND_SECONDS = Number(process.env['PODIUM_BENCH_SECONDS'] ?? 3);
const WARM_UP_ROUNDS = 2;
/** One call at a time waits for the disk alone, which is another from one second to the next: the stores take turns more often. */
const TURNS_OF_ONE = 5;
const SETTLE_MS = 300;
/** Of a range of 1,000 keys, about. */
const BULK_ANSWER_MB = 0.3;

interface Measured {
  readonly rate: number;
  /** Of one call, where one is outstanding. */
  readonly medianMs?: number | undefined;
}

export interface Round extends Measured {
  /** Of all members together, for each call or event: what another load of the machine bends least. */
  readonly cpuUs: number;
}

/**
 * Per cluster all rounds; the first of each only warm up. Each is as many calls as the store did in its last one in the time of
 * a round, so that the slower of two is measured no longer than the faster. None: a program is missing.
 */
export async function measure(clusters: readonly StoreCluster[], load: Load, rounds: number): Promise<Round[][]> {
  const turns = load.kind === 'unary' && load.isWrite && load.outstanding === 1 ? TURNS_OF_ONE : 1;
  const results = clusters.map((): Round[] => []);
  const least = leastOf(load);
  const sizes = clusters.map(() => least);
  for (let round = -WARM_UP_ROUNDS * turns; round < rounds * turns; round++) {
    for (const [at, cluster] of clusters.entries()) {
      const result = await roundOf(cluster, load, sizes[at]!);
      if (result === undefined) return [];
      if (round >= 0) results[at]!.push(result);
      sizes[at] = Math.max(1, Math.round(callsOf(load, (result.rate * ROUND_SECONDS) / turns) / least)) * least;
      process.stderr.write(`  ${cluster.kind}: ${load.name}: ${result.rate.toFixed(0)}${round < 0 ? ' (warming up)' : ''}\n`);
    }
  }
  return results;
}

/** A round is a multiple of it. */
function leastOf(load: Load): number {
  switch (load.kind) {
    case 'unary':
      return load.outstanding * 2;
    case 'watch':
      return Math.max(load.keys, WATCHERS / 10);
    default:
      return load.operations;
  }
}

/** Calls, or puts, that make so much of what is counted. */
function callsOf(load: Load, count: number): number {
  switch (load.kind) {
    case 'unary':
      return load.isBulk === true ? count / BULK_ANSWER_MB : count;
    case 'watch':
      return (count / WATCHERS) * load.keys;
    default:
      return load.operations;
  }
}

/** Undefined where a program is missing. */
async function roundOf(cluster: StoreCluster, load: Load, size: number): Promise<Round | undefined> {
  const cpuMs = () => cluster.members.reduce((sum, { pid }) => sum + cpuMsOf(pid!), 0);
  const before = cpuMs();
  const measured = await measuredOf(cluster, load, size);
  const cpuUs = ((cpuMs() - before) * 1000) / (load.kind === 'watch' ? (size / load.keys) * WATCHERS : size);
  await sleep(systemClock, SETTLE_MS);
  return measured === undefined ? undefined : { ...measured, cpuUs };
}

async function measuredOf(cluster: StoreCluster, load: Load, size: number): Promise<Measured | undefined> {
  if (load.kind === 'unary') return unaryRound(cluster, load, size);
  const addresses = cluster.members.map((member) => member.clientAddress);
  const leader = addresses[await cluster.leader()]!;
  const leaderFirst = [leader, ...addresses.filter((address) => address !== leader)];
  const rate =
    load.kind === 'watch'
      ? await storeWatchers({ addresses: leaderFirst, keys: load.keys, puts: size })
      : await etcdBenchmark({ addresses, args: load.args });
  return rate === undefined ? undefined : { rate };
}

async function unaryRound(cluster: StoreCluster, load: UnaryLoad, requests: number): Promise<Measured> {
  const leader = await cluster.leader();
  const addresses = cluster.members.map((member) => member.clientAddress);
  const client = cluster.clientOf(leader);
  const before = (await client.range({ key })).header!.revision;
  const { path, message, outstanding, connections } = load;
  const to = load.members === 'all' ? addresses : [addresses[leader]!];
  const result = await h2load({ addresses: to, path, message, requests, outstanding, connections });
  const after = (await client.range({ key })).header!.revision;
  const expected = load.isWrite ? requests : 0;
  if (after - before !== expected) throw new Error(`${cluster.kind}: ${requests} calls raised the revision by ${after - before}`);
  const least = (5 + (await sampleBytes(client, load))) * 0.9 * requests;
  if (result.answerBytes < least) throw new Error(`${cluster.kind}: ${load.name}: some answers were errors`);
  const rate = load.isBulk === true ? (result.perSecond * result.answerBytes) / requests / 1e6 : result.perSecond;
  return { rate, medianMs: result.medianMs };
}
