/**
 * What a loaded store feels like: the latency of puts that come at half the rate that etcd can take, the same for both, and
 * how long a member's event loop is away under the heaviest load.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { sleep } from '../../src/base/clock.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { connect } from '../../src/grpc/channel.ts';
import { Maintenance } from '../../src/proto/etcd.ts';
import { startStoreCluster, type MemberProcess, type StoreCluster, type StoreClusterOptions } from '../processes.ts';
import { etcdBenchmarkPut } from './etcd-benchmark.ts';
import { h2load } from './h2load.ts';
import { fill, SETTLE_MS, type Peer } from './large.ts';
import { LOADS, prepare, VALUE_BYTES } from './loads.ts';
import { median, withSpread } from './report.ts';

const RATE_SECONDS = 3;
/** As many clients as may wait at once, so that a late answer does not keep the next put from being sent. */
const CLIENTS = 500;
const FULL_LOAD = 'put/s, 1,000 outstanding, leader';
const FULL_LOAD_REQUESTS = 30_000;
const DELAY_TIMEOUT_MS = 30_000;
export const DELAY_ROW = 'event-loop delay under full load';
export const HELD_UP = 'the loop is held up by';
const HELD_UP_KEYS = 300_000;
const WORK_TIMEOUT_MS = 60_000;

/** Milliseconds, of each store, and the rate that they are of: half of the rate of the one that is compared with, of ours where it is alone. */
export async function latencyAtHalf(clusters: readonly StoreCluster[], rounds: number): Promise<{ readonly rate: number; readonly latencies: number[][] } | undefined> {
  const args = ['--clients', String(CLIENTS), '--conns', '100', 'put', '--val-size', String(VALUE_BYTES), '--key-size', '16'];
  const put = async (cluster: StoreCluster, more: readonly string[]) => {
    const { members } = cluster;
    return etcdBenchmarkPut({ addresses: [members[await cluster.leader()]!.clientAddress], args: [...args, ...more] });
  };
  const last = clusters[clusters.length - 1]!;
  const tops: number[] = [];
  for (let round = 0; round < 3; round++) {
    const top = await put(last, ['--total', '20000']);
    if (top === undefined) return undefined;
    tops.push(top.perSecond);
  }
  const rate = Math.round(median(tops) / 2);
  const latencies = clusters.map((): number[] => []);
  for (let round = -1; round < rounds; round++) {
    for (const [at, cluster] of clusters.entries()) {
      const result = await put(cluster, ['--total', String(rate * RATE_SECONDS), '--rate', String(rate)]);
      if (round >= 0) latencies[at]!.push(result!.p99Ms);
      process.stderr.write(`  ${cluster.kind}: ${rate} puts/s, p99 ${result!.p99Ms.toFixed(1)} ms\n`);
    }
  }
  return { rate, latencies };
}

/** Of Podium's leader alone: an etcd has no loop. */
export function loopDelay(peer: Peer, rounds: number): Promise<string[][]> {
  return withDelays(peer.options, async (cluster, delayOf) => {
    await prepare(cluster.client());
    const seen: Held[] = [];
    for (let round = -1; round < rounds; round++) {
      const leader = cluster.members[await cluster.leader()]!;
      const held = await delayOf(leader, () => fullLoad(leader.clientAddress));
      if (round >= 0) seen.push(held);
    }
    return [[`${DELAY_ROW}, p50, ms`, withSpread(seen.map(({ delay }) => delay.p50), 1)], ...heldRows(DELAY_ROW, seen)];
  });
}

/** By what is done with all keys of one member, while nobody else asks it for anything. */
export function heldUp({ options }: Peer, rounds: number): Promise<string[][]> {
  return withDelays({ ...options, members: 1 }, async (cluster, delayOf) => {
    await fill(cluster, { from: 0, keys: HELD_UP_KEYS, valueBytes: VALUE_BYTES });
    await sleep(systemClock, SETTLE_MS);
    const member = cluster.members[0]!;
    const channel = connect({ addresses: [member.clientAddress] });
    const client = cluster.client({ requestTimeoutMs: WORK_TIMEOUT_MS });
    const { snapshot, hashKV } = Maintenance.methods;
    const limit = { timeoutMs: WORK_TIMEOUT_MS };
    const works: readonly (readonly [name: string, prepare: () => Promise<unknown>, run: () => Promise<unknown>])[] = [
      ['a snapshot', nothing, async () => {
        for await (const _ of channel.serverStream(snapshot, {}, limit)); // to its end
      }],
      ['a hash', nothing, () => channel.unary(hashKV, {}, limit)],
      ['a compaction', () => fill(cluster, { from: 0, keys: HELD_UP_KEYS / 10, valueBytes: VALUE_BYTES }), async () => {
        const { header } = await client.range({ key: Buffer.from('none') });
        await client.compact({ revision: header!.revision, physical: true });
      }],
    ];
    try {
      const rows: string[][] = [];
      for (const [name, prepareIt, run] of works) {
        const seen: Held[] = [];
        for (let round = 0; round < rounds; round++) {
          await prepareIt();
          seen.push(await delayOf(member, run));
        }
        rows.push(...heldRows(`${HELD_UP} ${name} of ${HELD_UP_KEYS.toLocaleString('en')} keys`, seen));
      }
      return rows;
    } finally {
      channel.close();
    }
  });
}

/** A member that waits for a processor, as others have them all, is away by the clock alone. */
function heldRows(name: string, seen: readonly Held[]): string[][] {
  const row = (what: string, pick: (held: Held) => number) => [`${name}, ${what}, ms`, withSpread(seen.map(pick), 1)];
  return [
    row('p99', ({ delay }) => delay.p99),
    row('worst', ({ delay }) => delay.max),
    row('p99 without waiting for a processor', ({ turn }) => turn.p99),
    row('worst without waiting for a processor', ({ turn }) => turn.max),
  ];
}

const nothing = () => Promise.resolve();

type DelayOf = (member: MemberProcess, run: () => Promise<unknown>) => Promise<Held>;

async function withDelays<T>(options: StoreClusterOptions, run: (cluster: StoreCluster, delayOf: DelayOf) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'podium-loop-'));
  const hook = pathToFileURL(join(import.meta.dirname, 'loop-delay.js')).href;
  const nodeArgs = [...(options.nodeArgs ?? []), '--import', hook];
  // Members inherit it.
  process.env['PODIUM_LOOP_DELAY_DIR'] = folder;
  try {
    const cluster = await startStoreCluster({ ...options, nodeArgs });
    try {
      return await run(cluster, async ({ pid }, work) => {
        await askedFor(folder, pid!);
        await work();
        return askedFor(folder, pid!);
      });
    } finally {
      await cluster.stop();
    }
  } finally {
    delete process.env['PODIUM_LOOP_DELAY_DIR'];
    rmSync(folder, { recursive: true, force: true });
  }
}

/** As `loop-delay.ts` tells it, ms. */
interface Held {
  readonly delay: LoopDelay;
  readonly turn: LoopDelay;
}

interface LoopDelay {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

async function fullLoad(address: string): Promise<void> {
  const load = LOADS.find(({ name }) => name === FULL_LOAD);
  if (load?.kind !== 'unary') throw new Error(`no load is called ${FULL_LOAD}`);
  const { path, message, outstanding, connections } = load;
  await h2load({ addresses: [address], path, message, requests: FULL_LOAD_REQUESTS, outstanding, connections });
}

async function askedFor(folder: string, pid: number): Promise<Held> {
  const path = join(folder, String(pid));
  rmSync(path, { force: true });
  process.kill(pid, 'SIGUSR2');
  const deadline = systemClock.monotonic() + DELAY_TIMEOUT_MS;
  for (;;) {
    try {
      return JSON.parse(readFileSync(path, 'utf8')) as Held; // as loop-delay.ts writes it
    } catch (error) {
      if (systemClock.monotonic() > deadline) throw new Error('the member does not tell its delays', { cause: error });
    }
    await sleep(systemClock, 20);
  }
}
