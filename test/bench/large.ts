/**
 * What takes minutes: a member that restarts with 1 GiB, or gets it from the others; puts beside 2 GiB and beside
 * nothing; a million keys in memory. One store after the other, so that both have the whole machine and its disk.
 */
import { sleep } from '../../src/base/clock.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { seededRandom } from '../../src/base/random.ts';
import type { StoreClient } from '../../src/etcd/store-client.ts';
import { startStoreCluster, untilServing, type StoreCluster, type StoreClusterOptions } from '../processes.ts';
import { checkPerf } from './check-perf.ts';
import { key, value } from './loads.ts';
import { cpuMsOf } from './memory.ts';
import { median, percentile, ratio } from './report.ts';

/** What is measured beside what. */
export interface Peer {
  readonly version: string;
  readonly options: StoreClusterOptions;
}

interface Figure {
  readonly name: string;
  readonly value: number;
  readonly digits: number;
}

interface Measurement {
  readonly name: string;
  run(peer: Peer): Promise<Figure[]>;
}

const GIB = 2 ** 30;
const LARGE_VALUE_BYTES = 4096;
const TXN_PUTS = 100;
const FILL_OUTSTANDING = 8;
const FILL_TIMEOUT_MS = 60_000;
const TRIES_MAX = 20;
/** Past the entries that the log keeps for slow followers, so that a new member needs a snapshot. */
const LOG_ENTRIES = 20_000;
/** The same for all, whatever their defaults are. */
const ARGS = ['--quota-backend-bytes', String(8 * GIB), '--snapshot-count', '10000'];
/** For what was begun by the filling: compactions, background writes. */
export const SETTLE_MS = 10_000;
const RESTARTS = 3;
const LATENCY_ROUNDS = 5;
const LATENCY_PUTS = 200;
const LEARNER_TIMEOUT_MS = 180_000;

const MEASUREMENTS: readonly Measurement[] = [
  { name: 'restart with 1 GiB; snapshot of 1 GiB to a new member', run: restartAndSnapshot },
  { name: 'put latency beside 2 GiB', run: latencyBesideData },
];

const CHECK_PERF = 'etcdctl check perf: the largest load that passes';

export async function benchLarge(filter: string, peers: readonly Peer[]): Promise<string[][]> {
  const rows: string[][] = [];
  for (const { name, run } of MEASUREMENTS) {
    if (!name.includes(filter)) continue;
    const results: Figure[][] = [];
    for (const peer of peers) {
      const figures = await run(peer);
      for (const figure of figures) say(peer, `${figure.name}: ${figure.value.toFixed(figure.digits)}`);
      results.push(figures);
    }
    for (const [at, figure] of results[0]!.entries()) {
      const values = results.map((figures) => figures[at]!.value);
      rows.push([figure.name, ...values.map((one) => one.toFixed(figure.digits)), ratio(values[0], values[1])]);
    }
  }
  if (CHECK_PERF.includes(filter)) {
    const passed: string[] = [];
    for (const peer of peers) passed.push(await checkPerf(peer));
    rows.push([CHECK_PERF, ...passed]);
  }
  return rows;
}

function say({ version }: Peer, text: string): void {
  process.stderr.write(`  ${version}: ${text}\n`);
}

export async function withCluster<T>({ options }: Peer, run: (cluster: StoreCluster) => Promise<T>): Promise<T> {
  const cluster = await startStoreCluster({ ...options, args: ARGS });
  try {
    return await run(cluster);
  } finally {
    await cluster.stop();
  }
}

function restartAndSnapshot(peer: Peer): Promise<Figure[]> {
  return withCluster(peer, async (cluster) => {
    await fill(cluster, { from: 0, keys: GIB / LARGE_VALUE_BYTES, valueBytes: LARGE_VALUE_BYTES });
    say(peer, 'filled with 1 GiB');
    await sleep(systemClock, SETTLE_MS);
    const restarts: Restart[] = [];
    for (let round = 0; round < RESTARTS; round++) restarts.push(await restart(cluster));
    await overwrite(cluster, LOG_ENTRIES);
    await sleep(systemClock, SETTLE_MS);
    return [
      { name: `restart with 1 GiB until it serves, median of ${RESTARTS}, s`, value: median(restarts.map(({ ms }) => ms)) / 1000, digits: 2 },
      { name: '  processor time of the member, s', value: median(restarts.map(({ cpuMs }) => cpuMs)) / 1000, digits: 2 },
      ...(await snapshotToLearner(cluster)),
    ];
  });
}

interface Restart {
  readonly ms: number;
  /** The same on a machine that does other things, too. */
  readonly cpuMs: number;
}

/** From the start of a follower that was killed to its first linearizable answer. */
async function restart(cluster: StoreCluster): Promise<Restart> {
  const at = ((await cluster.leader()) + 1) % cluster.members.length;
  const member = cluster.members[at]!;
  await member.kill();
  const startedAt = systemClock.monotonic();
  member.start();
  await untilServing(cluster.clientOf(at), member);
  return { ms: systemClock.monotonic() - startedAt, cpuMs: cpuMsOf(member.pid!) };
}

async function snapshotToLearner(cluster: StoreCluster): Promise<Figure[]> {
  const leader = cluster.clientOf(await cluster.leader());
  const before = await putLatencies(leader, LATENCY_PUTS * LATENCY_ROUNDS);
  const { member, client } = await cluster.addLearner('learner');
  const goal = (await leader.status()).raftAppliedIndex;
  const startedAt = systemClock.monotonic();
  member.start();
  try {
    const during: number[] = [];
    let isThere = false;
    const arrival = untilApplied(client, goal).finally(() => (isThere = true));
    while (!isThere) during.push(...(await putLatencies(leader, 20)));
    await arrival;
    const seconds = (systemClock.monotonic() - startedAt) / 1000;
    const cpuMs = cpuMsOf(member.pid!);
    const ms = (name: string, values: readonly number[], share: number): Figure => ({ name, value: percentile(values, share), digits: 2 });
    return [
      { name: 'snapshot of 1 GiB to a new member, s', value: seconds, digits: 1 },
      { name: '  processor time of the new member, s', value: cpuMs / 1000, digits: 1 },
      ms('  put p50 before it, ms', before, 0.5),
      ms('  put p50 meanwhile, ms', during, 0.5),
      ms('  put p99 before it, ms', before, 0.99),
      ms('  put p99 meanwhile, ms', during, 0.99),
    ];
  } finally {
    await member.stop();
  }
}

async function untilApplied(client: StoreClient, index: number): Promise<void> {
  const deadline = systemClock.monotonic() + LEARNER_TIMEOUT_MS;
  let applied = 0;
  while (applied < index) {
    if (systemClock.monotonic() > deadline) throw new Error(`the new member has applied ${applied} of ${index} entries`);
    await sleep(systemClock, 50);
    applied = await client.status({ timeoutMs: 1000 }).then((status) => status.raftAppliedIndex, () => applied);
  }
}

function latencyBesideData(peer: Peer): Promise<Figure[]> {
  return withCluster(peer, (full) =>
    withCluster(peer, async (empty) => {
      await fill(full, { from: 0, keys: (2 * GIB) / LARGE_VALUE_BYTES, valueBytes: LARGE_VALUE_BYTES });
      say(peer, 'filled with 2 GiB');
      await sleep(systemClock, SETTLE_MS);
      const latencies = { full: [] as number[], empty: [] as number[] };
      for (let round = 0; round < LATENCY_ROUNDS; round++) {
        latencies.empty.push(...(await putLatencies(empty.clientOf(await empty.leader()), LATENCY_PUTS)));
        latencies.full.push(...(await putLatencies(full.clientOf(await full.leader()), LATENCY_PUTS)));
      }
      return [0.5, 0.99].flatMap((share) => [
        { name: `put p${100 * share} beside nothing, ms`, value: percentile(latencies.empty, share), digits: 2 },
        { name: `put p${100 * share} beside 2 GiB, ms`, value: percentile(latencies.full, share), digits: 2 },
      ]);
    }),
  );
}

/** One after the other, each a value of 256 bytes. */
async function putLatencies(client: StoreClient, count: number): Promise<number[]> {
  const latencies: number[] = [];
  for (let at = 0; at < count; at++) {
    const startedAt = systemClock.monotonic();
    await client.put({ key, value });
    latencies.push(systemClock.monotonic() - startedAt);
  }
  return latencies;
}

interface Fill {
  readonly from: number;
  readonly keys: number;
  readonly valueBytes: number;
}

/** Values that no compression makes smaller. */
export async function fill(cluster: StoreCluster, { from, keys, valueBytes }: Fill): Promise<void> {
  const client = cluster.client({ first: await cluster.leader(), requestTimeoutMs: FILL_TIMEOUT_MS });
  const random = seededRandom('fill');
  const noise = Buffer.alloc(2 ** 20);
  for (let at = 0; at < noise.length; at++) noise[at] = random.below(256);
  let next = from;
  const work = async () => {
    while (next < from + keys) {
      const start = next;
      next = Math.min(from + keys, start + TXN_PUTS);
      const success = Array.from({ length: next - start }, (_, at) => {
        const offset = random.below(noise.length - valueBytes);
        const put = { key: Buffer.from(`fill/${String(start + at).padStart(8, '0')}`), value: noise.subarray(offset, offset + valueBytes) };
        return { request: { case: 'requestPut' as const, value: put } };
      });
      await insist(() => client.txn({ success }));
    }
  };
  await Promise.all(Array.from({ length: FILL_OUTSTANDING }, work));
}

/** A machine that does other things may cost the leader its place; the same puts once more change nothing. */
async function insist(run: () => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await run();
      return;
    } catch (error) {
      if (tries === TRIES_MAX) throw error;
      await sleep(systemClock, 500);
    }
  }
}

async function overwrite(cluster: StoreCluster, count: number): Promise<void> {
  const client = cluster.clientOf(await cluster.leader());
  let left = count;
  const work = async () => {
    while (left-- > 0) await insist(() => client.put({ key, value }));
  };
  await Promise.all(Array.from({ length: FILL_OUTSTANDING * 4 }, work));
}
