/**
 * Podium's store beside the etcd that is installed here: three members each, 256-byte values, the two by turns, so that
 * what else the machine does meets both. A round of puts counts only if the revision rose by the number of puts; every
 * round only if its answers have the length that successful ones have.
 */
import { sleep } from '../../src/base/clock.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { findTool, startStoreCluster, V8_FLAGS_STORE, versionOf, type StoreCluster } from '../processes.ts';
import { etcdBenchmark } from './etcd-benchmark.ts';
import { failover } from './failover.ts';
import { h2load } from './h2load.ts';
import { benchLarge, type Peer } from './large.ts';
import { key, type Load, LOADS, prepare, sampleBytes, type StreamLoad, type UnaryLoad } from './loads.ts';
import { DELAY_ROW, latencyAtHalf, LATENCY_ROW, loopDelay } from './loaded.ts';
import { cpuMsOf, pssOf } from './memory.ts';
import type { BenchOptions } from './options.ts';
import { whereTheTimeGoes } from './profile.ts';
import { median, ratio, table, withSpread } from './report.ts';

const ROUND_SECONDS = Number(process.env['PODIUM_BENCH_SECONDS'] ?? 3);
const SETTLE_MS = 300;
/** Of a range of 1,000 keys, about. */
const BULK_ANSWER_MB = 0.3;
const CPU_ROW = '  processor time of all members for each, µs';

export async function benchStore(options: BenchOptions): Promise<string> {
  const { filter, profileDir, isQuick, isLong } = options;
  const peers = peersOf(options);
  const rows: string[][] = [];
  if (isQuick) rows.push(...(await benchLoads(options, peers)));
  if (isLong) rows.push(...(await benchLarge(filter, peers)));
  const versions = peers.map(({ version }) => version);
  const report = table([[`store, members: ${options.members}`, ...versions, ...(peers.length > 1 ? ['ratio'] : [])], ...rows]);
  return profileDir === undefined ? report : `${report}\n\n${whereTheTimeGoes(profileDir)}`;
}

function peersOf({ etcd, profileDir, members }: BenchOptions): Peer[] {
  const profiling = profileDir === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', profileDir];
  const podium: Peer = { version: 'podium', options: { kind: 'podium', members, nodeArgs: [...V8_FLAGS_STORE, ...profiling] } };
  const program = etcd ?? findTool('etcd');
  // A profile is of ours, and what a profiled member does is beside nobody.
  if (program === undefined || profileDir !== undefined) return [podium];
  const version = versionOf(program, ['--version']).replace('Version: ', ' ').replace(' Version:', '');
  return [podium, { version, options: { kind: 'etcd', members, program } }];
}

async function benchLoads({ filter, rounds }: BenchOptions, peers: readonly Peer[]): Promise<string[][]> {
  const loads = LOADS.filter(({ name }) => name.includes(filter));
  const withFailover = 'leader killed'.includes(filter);
  const withMemory = 'memory of the largest member'.includes(filter);
  const withLatency = LATENCY_ROW.includes(filter);
  const delays = DELAY_ROW.includes(filter) && peers[0]?.options.kind === 'podium' ? await loopDelay(peers[0], rounds) : [];
  if (loads.length === 0 && !withFailover && !withMemory && !withLatency) return delays;
  const clusters: StoreCluster[] = [];
  const rows: string[][] = [];
  try {
    for (const { options } of peers) clusters.push(await startStoreCluster(options));
    for (const cluster of clusters) await prepare(cluster.client());
    for (const load of loads) {
      const measured = await measure(clusters, load, rounds);
      if (measured.length === 0) continue;
      rows.push(rowOf(load.name, measured.map((results) => results.map(({ rate }) => rate))));
      const row = rowOf(CPU_ROW, measured.map((results) => results.map(({ cpuUs }) => cpuUs)), 1);
      rows.push(row);
    }
    if (withLatency) rows.push(...(await latencyAtHalf(clusters, rounds)));
    if (withMemory) {
      const sizes = clusters.map(({ members }) => Math.max(...members.map(({ pid }) => pssOf(pid!))));
      rows.push(['memory of the largest member, MiB', ...sizes.map((size) => size.toFixed(0)), ratio(sizes[0], sizes[1])]);
    }
    if (withFailover) rows.push(...(await failover(clusters)));
    return [...rows, ...delays];
  } finally {
    await Promise.all(clusters.map((cluster) => cluster.stop()));
  }
}

function rowOf(name: string, values: readonly (readonly number[])[], digits = 0): string[] {
  const medians = values.map(median);
  return [name, ...values.map((of) => withSpread(of, digits)), ratio(medians[0], medians[1])];
}

interface Round {
  readonly rate: number;
  /** Of all members together, for each call or event: what another load of the machine bends least. */
  readonly cpuUs: number;
}

/** Per cluster all rounds; the first of each only warm up, and say how long a round is. */
async function measure(clusters: readonly StoreCluster[], load: Load, rounds: number): Promise<Round[][]> {
  const results = clusters.map((): Round[] => []);
  const least = load.kind === 'unary' ? load.outstanding * 2 : 0;
  const sizes = clusters.map(() => least);
  const bytes = load.kind === 'unary' && load.isBulk === true ? BULK_ANSWER_MB : 1;
  for (let round = -2; round < rounds; round++) {
    for (const [at, cluster] of clusters.entries()) {
      const result = await roundOf(cluster, load, sizes[at]!);
      if (result === undefined) return [];
      const seconds = round < -1 ? 1 : ROUND_SECONDS;
      if (round < 0) sizes[at] = Math.max(least, Math.round((result.rate / bytes) * seconds));
      else results[at]!.push(result);
      process.stderr.write(`  ${cluster.kind}: ${load.name}: ${result.rate.toFixed(0)}${round < 0 ? ' (warming up)' : ''}\n`);
    }
  }
  return results;
}

/** Undefined where a program is missing. */
async function roundOf(cluster: StoreCluster, load: Load, requests: number): Promise<Round | undefined> {
  const cpuMs = () => cluster.members.reduce((sum, { pid }) => sum + cpuMsOf(pid!), 0);
  const before = cpuMs();
  const rate = load.kind === 'unary' ? await unaryRound(cluster, load, requests) : await streamRound(cluster, load);
  const cpuUs = ((cpuMs() - before) * 1000) / (load.kind === 'unary' ? requests : load.operations);
  await sleep(systemClock, SETTLE_MS);
  return rate === undefined ? undefined : { rate, cpuUs };
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
