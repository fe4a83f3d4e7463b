/**
 * Podium's store beside the etcd that is installed here: three members each, 256-byte values, the two by turns, so that
 * what else the machine does meets both. A round of puts counts only if the revision rose by the number of puts; every
 * round only if its answers have the length that successful ones have.
 */
import { setMaxListeners } from 'node:events';
import { sleep } from '../../src/base/clock.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import type { StoreClient } from '../../src/etcd/store-client.ts';
import { findTool, startStoreCluster, untilServing, versionOf, type StoreCluster, type StoreKind } from '../processes.ts';
import { etcdBenchmark } from './etcd-benchmark.ts';
import { h2load } from './h2load.ts';
import { key, type Load, LOADS, prepare, sampleBytes, type StreamLoad, type UnaryLoad, value } from './loads.ts';
import { pssOf } from './memory.ts';
import { max, median, ratio, table, withSpread } from './report.ts';

const ROUND_SECONDS = Number(process.env['PODIUM_BENCH_SECONDS'] ?? 3);
const ROUNDS = Number(process.env['PODIUM_BENCH_ROUNDS'] ?? 5);
const FAILOVERS = Number(process.env['PODIUM_BENCH_FAILOVERS'] ?? 20);
/** A write is tried so often after the leader was killed; the first that is acknowledged counts. */
const PROBE_EVERY_MS = 5;
const PROBE_TIMEOUT_MS = 10_000;
const SETTLE_MS = 300;
/** Of a range of 1,000 keys, about. */
const BULK_ANSWER_MB = 0.3;

export async function benchStore(filter: string): Promise<string> {
  const kinds: readonly StoreKind[] = findTool('etcd') === undefined ? ['podium'] : ['podium', 'etcd'];
  const clusters: StoreCluster[] = [];
  try {
    for (const kind of kinds) clusters.push(await startStoreCluster({ kind, members: 3 }));
    for (const cluster of clusters) await prepare(cluster.client());
    const rows: string[][] = [];
    for (const load of LOADS) {
      if (!load.name.includes(filter)) continue;
      const rates = await measure(clusters, load);
      if (rates.length === 0) continue;
      const medians = rates.map(median);
      rows.push([load.name, ...rates.map(withSpread), ratio(medians[0], medians[1])]);
    }
    if ('leader killed'.includes(filter)) rows.push(...(await failover(clusters)));
    if ('memory'.includes(filter)) {
      const sizes = clusters.map(({ members }) => Math.max(...members.map(({ pid }) => pssOf(pid!))));
      rows.push(['memory of the largest member, MiB', ...sizes.map((size) => size.toFixed(0)), ratio(sizes[0], sizes[1])]);
    }
    const peer = kinds.length > 1 ? [versionOf('etcd', ['--version']).replace('Version: ', ' ').replace(' Version:', ''), 'ratio'] : [];
    return table([['store, three members', 'podium', ...peer], ...rows]);
  } finally {
    await Promise.all(clusters.map((cluster) => cluster.stop()));
  }
}

/** Per cluster the rates of all rounds; the first rounds of each only warm up, and say how long a round is. */
async function measure(clusters: readonly StoreCluster[], load: Load): Promise<number[][]> {
  const rates = clusters.map((): number[] => []);
  const least = load.kind === 'unary' ? load.outstanding * 2 : 0;
  const sizes = clusters.map(() => least);
  const bytes = load.kind === 'unary' && load.isBulk === true ? BULK_ANSWER_MB : 1;
  for (let round = -2; round < ROUNDS; round++) {
    for (const [at, cluster] of clusters.entries()) {
      const rate = await roundOf(cluster, load, sizes[at]!);
      if (rate === undefined) return [];
      const seconds = round < -1 ? 1 : ROUND_SECONDS;
      if (round < 0) sizes[at] = Math.max(least, Math.round((rate / bytes) * seconds));
      else rates[at]!.push(rate);
      process.stderr.write(`  ${cluster.kind}: ${load.name}: ${rate.toFixed(0)}${round < 0 ? ' (warming up)' : ''}\n`);
    }
  }
  return rates;
}

/** Per second, or undefined where a program is missing. */
async function roundOf(cluster: StoreCluster, load: Load, requests: number): Promise<number | undefined> {
  const rate = load.kind === 'unary' ? await unaryRound(cluster, load, requests) : await streamRound(cluster, load);
  await sleep(systemClock, SETTLE_MS);
  return rate;
}

function streamRound({ members }: StoreCluster, { args }: StreamLoad): Promise<number | undefined> {
  return etcdBenchmark({ addresses: members.map((member) => member.clientAddress), args });
}

async function unaryRound(cluster: StoreCluster, load: UnaryLoad, requests: number): Promise<number> {
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
  return load.isBulk === true ? (result.perSecond * result.answerBytes) / requests / 1e6 : result.perSecond;
}

async function failover(clusters: readonly StoreCluster[]): Promise<string[][]> {
  const times = clusters.map((): number[] => []);
  for (let round = 0; round < FAILOVERS; round++) {
    for (const [at, cluster] of clusters.entries()) {
      const ms = await killLeader(cluster);
      times[at]!.push(ms);
      process.stderr.write(`  ${cluster.kind}: leader killed, next write acknowledged: ${ms.toFixed(0)} ms\n`);
    }
  }
  const line = (name: string, pick: (values: readonly number[]) => number) => {
    const picked = times.map(pick);
    return [name, ...picked.map((ms) => ms.toFixed(0)), ratio(picked[0], picked[1])];
  };
  return [
    line('leader killed → next write, median ms', median),
    line(`leader killed → next write, worst of ${FAILOVERS}, ms`, max),
  ];
}

async function killLeader(cluster: StoreCluster): Promise<number> {
  const at = await cluster.leader();
  const member = cluster.members[at]!;
  const others = cluster.members.map((_, index) => index).filter((index) => index !== at);
  const clients = others.map((index) => cluster.clientOf(index));
  await Promise.all(clients.map((client) => client.put({ key, value })));
  const killedAt = systemClock.monotonic();
  const gone = member.kill();
  await firstWrite(clients);
  const ms = systemClock.monotonic() - killedAt;
  await gone;
  member.start();
  await untilServing(cluster.clientOf(at), member);
  await sleep(systemClock, SETTLE_MS);
  return ms;
}

/** Several tries are under way together: one that a leaderless member keeps waiting must not hide the next. */
function firstWrite(clients: readonly StoreClient[]): Promise<void> {
  const over = new AbortController();
  setMaxListeners(0, over.signal); // one a try
  const deadline = systemClock.monotonic() + PROBE_TIMEOUT_MS;
  const written = new Promise<void>((resolve, reject) => {
    const probe = async () => {
      for (let turn = 0; !over.signal.aborted; turn++) {
        if (systemClock.monotonic() > deadline) reject(new Error('no write was acknowledged after the leader was killed'));
        const client = clients[turn % clients.length]!;
        client.put({ key, value }, { signal: over.signal }).then(
          () => resolve(),
          () => undefined,
        );
        await sleep(systemClock, PROBE_EVERY_MS);
      }
    };
    probe().catch(reject);
  });
  return written.finally(() => over.abort());
}
