/**
 * Podium's API server at 10,000 pods, on Podium's store and on an etcd, and beside it a kube-apiserver on the same etcd:
 * the subjects by turns, so that what else the machine does meets all. Whatever is asked for is checked: every request by
 * its status, creates by the keys in the store, lists by their length, watches by the events of each watcher.
 */
import { sleep } from '../../../src/base/clock.ts';
import { systemClock } from '../../../src/base/system-clock.ts';
import type { BenchOptions } from '../options.ts';
import { whereTheTimeGoes } from '../profile.ts';
import { median, percentile, ratio, table } from '../report.ts';
import { listOnce } from './lists.ts';
import { POD } from './objects.ts';
import { restLoad } from './rest-load.ts';
import { kubectlRound, prepareSmall, restart } from './starts.ts';
import { makeSubjects, type Subject } from './subjects.ts';
import { prepareWatched, watchRound } from './watches.ts';

/** What one round tells, by the name of its row. */
type Figures = Readonly<Record<string, number>>;

interface Measure {
  readonly name: string;
  /** By the names of the rows. */
  readonly targets: Readonly<Record<string, string>>;
  /** Rounds that count for nothing. */
  readonly warmUps: number;
  readonly round: (subject: Subject, number: number) => Promise<Figures | undefined>;
}

const SETTLE_MS = 300;
const CREATES = 'creates';
const GETS_A_ROUND = 3_000;
const CREATES_A_ROUND = 2_000;
/** Pods are made so many at a time, so that a server with a limit of 200 refuses none. */
const CREATE_LOAD = { connections: 10, streams: 10 } as const;
const GET_LOAD = { connections: 10, streams: 1 } as const;
const WATCHES = 1_000;
const WATCH_LOAD = { watches: WATCHES, changesPerSecond: 200, seconds: Number(process.env['PODIUM_BENCH_SECONDS'] ?? 5) } as const;
/** A list's length differs by its resourceVersion alone. */
const LIST_BYTES_SLACK = 100;
const FAILURE_CHARACTERS_MAX = 300;

export async function benchApi(options: BenchOptions): Promise<string> {
  const { all, stop } = await makeSubjects(options);
  try {
    const rows: string[][] = [];
    const failures: string[] = [];
    const rowsOf = async (measure: Measure) => void rows.push(...(await run(measure, { all, rounds: options.rounds, failures })));
    for (const subject of all) await subject.start();
    const named = (measures: readonly Measure[]) => measures.filter(({ name }) => name.includes(options.filter));
    const empty = named(emptyMeasures());
    for (const subject of empty.length > 0 ? all : []) await prepareSmall(subject);
    for (const measure of empty) await rowsOf(measure);
    const names = new Map<Subject, readonly string[]>();
    for (const subject of all) names.set(subject, await fill(subject, options.pods));
    for (const measure of named(fullMeasures(names, options.pods))) await rowsOf(measure);
    const hasRatio = all.at(-1)?.kind === 'kube-apiserver';
    const figures = table([[`API server, ${options.pods} pods, store members: ${options.members}`, ...all.map(({ name }) => name), ...(hasRatio ? ['ratio on etcd'] : []), 'target'], ...rows]);
    const report = [figures, ...failures].join('\n');
    if (options.profileDir === undefined) return report;
    for (const subject of all) await subject.stop();
    return `${report}\n\n${whereTheTimeGoes(options.profileDir)}`;
  } finally {
    await stop();
  }
}

function emptyMeasures(): Measure[] {
  return [
    {
      name: 'ready when nearly empty',
      targets: { 'ready when nearly empty, ms': '500' },
      warmUps: 1,
      round: async (subject) => ({ 'ready when nearly empty, ms': (await restart(subject)).readyMs }),
    },
    {
      name: 'kubectl get pods',
      targets: { 'kubectl get pods, 20 pods, over kubectl version --client, ms': '100' },
      warmUps: 1,
      round: async (subject) => {
        const times = kubectlRound(subject);
        return times === undefined ? undefined : { 'kubectl get pods, 20 pods, over kubectl version --client, ms': times.getMs - times.startMs, '  kubectl version --client, ms': times.startMs };
      },
    },
  ];
}

function fullMeasures(names: ReadonlyMap<Subject, readonly string[]>, pods: number): Measure[] {
  return [
    getMeasure(names),
    listMeasure('list of all pods from the cache', { target: '150', pods }),
    listMeasure('list of all pods from the cache, gzip', { target: '', pods, headers: { 'accept-encoding': 'gzip' } }),
    listMeasure('list of all pods by a quorum', { target: '', pods, version: '' }),
    watchMeasure(WATCHES),
    watchMeasure(10),
    createMeasure(),
    {
      name: `ready with ${pods} pods`,
      targets: { [`ready with ${pods} pods, ms`]: '2000' },
      warmUps: 1,
      round: async (subject) => {
        const { readyMs, listedMs } = await restart(subject);
        return { [`ready with ${pods} pods, ms`]: readyMs, '  start to the end of the first list of all pods, ms': listedMs };
      },
    },
  ];
}

function getMeasure(names: ReadonlyMap<Subject, readonly string[]>): Measure {
  const load = '10 connections';
  return {
    name: 'quorum GET of a pod',
    targets: { [`quorum GET of a pod, ${load}, p99, ms`]: '20' },
    warmUps: 1,
    round: async (subject) => {
      const paths = names.get(subject)!.map((name) => `/api/v1/namespaces/default/pods/${name}`);
      const { perSecond, latenciesMs, cpuMs } = await restLoad(subject, { ...GET_LOAD, paths, status: 200, requests: GETS_A_ROUND });
      return {
        [`quorum GET of a pod, ${load}, p99, ms`]: percentile(latenciesMs, 0.99),
        '  p50, ms': percentile(latenciesMs, 0.5),
        '  per second': perSecond,
        "  server's processor time a GET, ms": cpuMs,
      };
    },
  };
}

function listMeasure(name: string, { target, pods, version = '0', headers }: { readonly target: string; readonly pods: number; readonly version?: string; readonly headers?: Readonly<Record<string, string>> }): Measure {
  const path = `/api/v1/pods?resourceVersion=${version}`;
  const lengths = new Map<Subject, number>();
  return {
    name,
    targets: { [`${name}, ms`]: target },
    warmUps: 2,
    round: async (subject, number) => {
      if (number < -1) lengths.set(subject, await checkedLength(subject, path, pods));
      const { totalMs, firstByteMs, bytes, riseMiB, cpuMs } = await listOnce(subject, path, headers);
      if (headers === undefined && Math.abs(bytes - lengths.get(subject)!) > LIST_BYTES_SLACK) throw new Error(`${subject.name}: a list of ${bytes} bytes`);
      return { [`${name}, ms`]: totalMs, '  first byte, ms': firstByteMs, '  MB': bytes / 1e6, "  server's processor time, ms": cpuMs, "  server's peak memory over what it had, MiB": riseMiB };
    },
  };
}

/** Of a list that has all. */
async function checkedLength(subject: Subject, path: string, pods: number): Promise<number> {
  const { text } = await subject.request('GET', path);
  const { items } = JSON.parse(text) as { readonly items: readonly unknown[] }; // a list, or this fails
  if (items.length < pods) throw new Error(`${subject.name} lists ${items.length} of ${pods} pods`);
  return Buffer.byteLength(text);
}

function watchMeasure(connections: number): Measure {
  const name = `${WATCHES} watchers on ${connections} connections, 200 changes/s`;
  return {
    name,
    targets: { [`${name}: delivery p99, ms`]: '100', '  peak RSS of the server, MiB': '400' },
    warmUps: 0,
    round: async (subject) => {
      await prepareWatched(subject);
      // Whatever else is measured: the pods are in its cache.
      await listOnce(subject, '/api/v1/pods?resourceVersion=0');
      const { p50Ms, p99Ms, changesPerSecond, writeP50Ms, rssMiB, cpuShare, cpuMsAThousand, watchersCpuShare } = await watchRound(subject, { ...WATCH_LOAD, connections });
      return {
        [`${name}: delivery p99, ms`]: p99Ms,
        '  delivery p50, ms': p50Ms,
        '  changes/s that were kept': changesPerSecond,
        '  of it the write itself, p50, ms': writeP50Ms,
        '  peak RSS of the server, MiB': rssMiB,
        '  processor time of the server, % of a core': 100 * cpuShare,
        "  server's processor time for 1,000 deliveries, writes included, ms": cpuMsAThousand,
        "  of the watchers' process": 100 * watchersCpuShare,
      };
    },
  };
}

function createMeasure(): Measure {
  const name = 'create/s of pods, 100 outstanding on 10 connections';
  return {
    name,
    targets: { [name]: '1000' },
    warmUps: 1,
    round: async (subject) => {
      await subject.create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: CREATES } });
      const { perSecond, latenciesMs, cpuMs } = await createPods(subject, CREATES, CREATES_A_ROUND);
      await subject.removePods(CREATES);
      return { [name]: perSecond, '  p50, ms': percentile(latenciesMs, 0.5), '  p99, ms': percentile(latenciesMs, 0.99), "  server's processor time a create, ms": cpuMs };
    },
  };
}

async function createPods(subject: Subject, namespace: string, requests: number) {
  const before = await subject.countPods(namespace);
  const result = await restLoad(subject, { ...CREATE_LOAD, paths: [`/api/v1/namespaces/${namespace}/pods`], body: POD, status: 201, requests });
  const created = (await subject.countPods(namespace)) - before;
  if (created !== requests) throw new Error(`${subject.name}: ${requests} creates made ${created} pods`);
  return result;
}

/** Answers the names of all pods. */
async function fill(subject: Subject, pods: number): Promise<readonly string[]> {
  const missing = pods - (await subject.countPods('default'));
  if (missing > 0) {
    const { perSecond } = await createPods(subject, 'default', missing);
    process.stderr.write(`  ${subject.name}: ${missing} pods made, ${perSecond.toFixed(0)}/s\n`);
  }
  return subject.storedPods('default');
}

interface Run {
  readonly all: readonly Subject[];
  readonly rounds: number;
  /** Rounds that failed: they have no figures, and are told of. */
  readonly failures: string[];
}

async function run({ name, targets, warmUps, round }: Measure, { all, rounds, failures }: Run): Promise<string[][]> {
  const found = all.map(() => new Map<string, number[]>());
  for (let number = -warmUps; number < rounds; number++) {
    for (const [at, subject] of all.entries()) {
      const figures = await round(subject, number).catch((error: unknown) => {
        failures.push(`a round of ${name} failed on ${subject.name}: ${String(error).slice(0, FAILURE_CHARACTERS_MAX)}`);
        process.stderr.write(`  ${failures.at(-1)}\n`);
        return undefined;
      });
      await sleep(systemClock, SETTLE_MS);
      if (figures === undefined) continue;
      process.stderr.write(`  ${subject.name}: ${name}: ${Object.values(figures).map(shown).join(', ')}${number < 0 ? ' (warming up)' : ''}\n`);
      if (number < 0) continue;
      for (const [row, figure] of Object.entries(figures)) found[at]!.set(row, [...(found[at]!.get(row) ?? []), figure]);
    }
  }
  return [...new Set(found.flatMap((rows) => [...rows.keys()]))].map((row) => {
    const values = found.map((rows) => rows.get(row));
    const peers = all.map(({ kind }, at) => ({ kind, values: values[at] })).slice(-2);
    const isCompared = peers.at(-1)?.kind === 'kube-apiserver';
    const medians = peers.map((peer) => (peer.values === undefined ? undefined : median(peer.values)));
    return [row, ...values.map(spread), ...(isCompared ? [ratio(medians[0], medians[1])] : []), targets[row] ?? ''];
  });
}

/** The median and the range. */
function spread(values: readonly number[] | undefined): string {
  if (values === undefined) return '—';
  return `${shown(median(values))} (${shown(Math.min(...values))}–${shown(Math.max(...values))})`;
}

function shown(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 1 ? value.toFixed(1) : value.toFixed(2);
}
