/**
 * Podium's store beside the etcd that is installed here: three members each, 256-byte values, the two by turns. First what it
 * is held to (targets.ts), then whatever else was measured.
 */
import { findTool, startStoreCluster, V8_FLAGS_STORE, versionOf, type StoreCluster } from '../processes.ts';
import { failover } from './failover.ts';
import { benchLarge, type Peer } from './large.ts';
import { LOADS, prepare, type Load } from './loads.ts';
import { DELAY_ROW, HELD_UP, heldUp, latencyAtHalf, loopDelay } from './loaded.ts';
import { pssOf } from './memory.ts';
import type { BenchOptions } from './options.ts';
import { whereTheTimeGoes } from './profile.ts';
import { median, ratio, table, withSpread } from './report.ts';
import { residentMemory } from './resident.ts';
import { measure, type Round } from './rounds.ts';
import { FAILOVER, HALF_RATE, ONE_CLIENT, RESIDENT, TARGETS, targetRows } from './targets.ts';

const CPU_ROW = '  processor time of all members for each, µs';
const MEMORY_ROW = 'memory of the largest member, MiB';

/** What was measured: of what it is held to the figures, of all else its rows. */
interface Findings {
  readonly figures: Map<string, readonly (readonly number[])[]>;
  readonly rows: string[][];
}

export async function benchStore(options: BenchOptions): Promise<string> {
  const { filter, profileDir, isQuick, isLong, rounds, members } = options;
  const peers = peersOf(options);
  const found: Findings = { figures: new Map(), rows: [] };
  if (isQuick) await benchLoads(options, peers, found);
  if (isLong && isAsked(RESIDENT, filter)) {
    const { filled, restarted } = await residentMemory(peers, rounds);
    found.figures.set(RESIDENT, filled);
    found.rows.push(rowOf('resident memory after a restart with them, MiB', restarted));
  }
  if (isLong) found.rows.push(...(await benchLarge(filter, peers)));
  if (isLong && HELD_UP.includes(filter)) found.rows.push(...(await heldUp(peers[0]!, rounds)));
  const versions = [...peers.map(({ version }) => version), ...(peers.length > 1 ? ['ratio'] : [])];
  const held = targetRows(found.figures);
  const tables = [
    ...(held.length === 0 ? [] : [table([[`store, members: ${members}`, ...versions, 'goal', 'floor', 'met'], ...held])]),
    ...(found.rows.length === 0 ? [] : [table([['beside it', ...versions], ...found.rows])]),
    ...(profileDir === undefined ? [] : [whereTheTimeGoes(profileDir)]),
  ];
  return tables.join('\n\n');
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

/** By its own name, or by that of a target that it is measured for. */
function isAsked(figure: string, filter: string): boolean {
  return figure.includes(filter) || TARGETS.some((target) => target.figure === figure && target.name.includes(filter));
}

const ONE = LOADS.find((load) => load.name === 'put/s, 1 outstanding')!;

/**
 * A single client first: a latency that waits for nobody is not to be that of what heavy loads leave behind them. Then those
 * that targets are measured by, in the order of the targets.
 */
function loadsOf(filter: string): Load[] {
  const asked = LOADS.filter((load) => isAsked(load.name, filter) || (load === ONE && isAsked(ONE_CLIENT, filter)));
  const place = (load: Load) => {
    if (load === ONE) return -1;
    const at = TARGETS.findIndex(({ figure }) => figure === load.name);
    return at < 0 ? TARGETS.length : at;
  };
  return asked.sort((a, b) => place(a) - place(b));
}

async function benchLoads({ filter, rounds }: BenchOptions, peers: readonly Peer[], found: Findings): Promise<void> {
  const loads = loadsOf(filter);
  const asked = [HALF_RATE, FAILOVER, MEMORY_ROW].filter((name) => isAsked(name, filter));
  if (loads.length > 0 || asked.length > 0) {
    const clusters: StoreCluster[] = [];
    try {
      for (const { options } of peers) clusters.push(await startStoreCluster(options));
      for (const cluster of clusters) await prepare(cluster.client());
      for (const load of loads) record(load, await measure(clusters, load, rounds), found);
      if (loads.length > 1 && loads[0] === ONE) {
        const behind = await measure(clusters, ONE, rounds);
        if (behind.length > 0) found.rows.push(rowOf(`${ONE_CLIENT}, behind all of the others`, behind.map((results) => results.map(({ medianMs }) => medianMs!)), 2));
      }
      if (asked.includes(MEMORY_ROW)) {
        const sizes = clusters.map(({ members }) => Math.max(...members.map(({ pid }) => pssOf(pid!))));
        found.rows.push([MEMORY_ROW, ...sizes.map((size) => size.toFixed(0)), ratio(sizes[0], sizes[1])]);
      }
      const half = asked.includes(HALF_RATE) ? await latencyAtHalf(clusters, rounds) : undefined;
      if (half !== undefined) {
        found.figures.set(HALF_RATE, half.latencies);
        found.rows.push(['half of the top rate of etcd, puts/s', ...clusters.map(() => String(half.rate))]);
      }
      if (asked.includes(FAILOVER)) found.figures.set(FAILOVER, await failover(clusters));
    } finally {
      await Promise.all(clusters.map((cluster) => cluster.stop()));
    }
  }
  if (DELAY_ROW.includes(filter)) found.rows.push(...(await loopDelay(peers[0]!, rounds)));
}

function record({ name }: Load, measured: readonly (readonly Round[])[], { figures, rows }: Findings): void {
  if (measured.length === 0) return;
  const of = (pick: (round: Round) => number) => measured.map((results) => results.map(pick));
  const rates = of(({ rate }) => rate);
  const isTarget = TARGETS.some(({ figure }) => figure === name);
  if (isTarget) figures.set(name, rates);
  if (measured[0]![0]!.medianMs !== undefined && name.startsWith('put')) figures.set(ONE_CLIENT, of(({ medianMs }) => medianMs!));
  rows.push(...(isTarget ? [[name]] : [rowOf(name, rates)]), rowOf(CPU_ROW, of(({ cpuUs }) => cpuUs), name.startsWith('watch') ? 2 : 1));
}

function rowOf(name: string, values: readonly (readonly number[])[], digits = 0): string[] {
  const medians = values.map(median);
  return [name, ...values.map((of) => withSpread(of, digits)), ratio(medians[0], medians[1])];
}
