/**
 * `podium verify` on live stores: it passes while members are killed, and it finds faults that are planted between it
 * and a store that is right.
 */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { sleep } from '../../src/base/clock.ts';
import { seededRandom } from '../../src/base/random.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import type { StoreClient, StoreWatch } from '../../src/etcd/store-client.ts';
import type { RangeResponse, WatchResponse } from '../../src/proto/etcd.ts';
import { renderCounterexample } from '../../src/verify/core/counterexample.ts';
import { renderWatchViolation } from '../../src/verify/core/watch-counterexample.ts';
import { verifyStore } from '../../src/verify/verify-store.ts';
import { requireTool, ROOT, startStoreCluster, untilServing, type StoreCluster } from '../processes.ts';

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

function podiumVerify(args: readonly string[]): { readonly ended: Promise<Ended>; interrupt(): void } {
  const child = spawn(process.execPath, [join(ROOT, 'dist', 'src', 'main.js'), 'verify', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let output = '';
  child.stdout.on('data', (text: Buffer) => (output += text.toString()));
  child.stderr.on('data', (text: Buffer) => (output += text.toString()));
  const ended = new Promise<Ended>((resolve) => child.once('exit', (code) => resolve({ code, output })));
  return { ended, interrupt: () => void child.kill('SIGINT') };
}

const endpointsOf = (cluster: StoreCluster) => cluster.members.map(({ clientAddress }) => clientAddress).join(',');
const everything = { key: Buffer.from('\0'), rangeEnd: Buffer.from('\0') };

describe.each(['podium', 'etcd'] as const)('podium verify on %s, three members', (kind) => {
  test('passes while members are killed and others write, and leaves no key behind', async ({ skip }) => {
    // The distribution's etcd is one that tells of its progress ahead of events (etcd #15220).
    const program = kind === 'etcd' ? requireTool('etcd-current', skip) : undefined;
    const cluster = await startStoreCluster({ kind, members: 3, program });
    onTestFinished(() => cluster.stop());
    const other = cluster.client();
    await other.put({ key: Buffer.from('other'), value: Buffer.from('here before') });
    const verifying = podiumVerify(['--endpoints', endpointsOf(cluster), '--duration', '12s', '--traffic', 'both', '--compact', '--seed', '1']);
    const over = verifying.ended.then(() => true);
    for (let kills = 0; kills < 3; kills++) {
      await sleep(systemClock, 1500);
      const at = await cluster.leader();
      await cluster.members[at]!.kill();
      await other.put({ key: Buffer.from('other'), value: Buffer.from(String(kills)) }).catch(() => undefined);
      cluster.members[at]!.start();
      await untilServing(cluster.clientOf(at), cluster.members[at]!);
    }
    expect(await over).toBe(true);
    const { code, output } = await verifying.ended;
    console.log(`${kind}:\n${output}`);
    expect(output).toMatch(/KV {10}strictly serializable\nwatch {7}every promise held/);
    expect(code).toBe(0);
    const { kvs } = await other.range({ ...everything, keysOnly: true });
    expect(kvs.map(({ key }) => Buffer.from(key).toString())).toEqual(['other']);
  });
});

test('podium verify: Ctrl-C ends the load, and what there is is judged', async () => {
  const cluster = await startStoreCluster({ members: 1 });
  onTestFinished(() => cluster.stop());
  const verifying = podiumVerify(['--endpoints', endpointsOf(cluster), '--duration', '10m']);
  const revision = async () => (await cluster.client().range(everything)).header!.revision;
  await expect.poll(revision, { timeout: 20_000 }).toBeGreaterThan(50);
  verifying.interrupt();
  const { code, output } = await verifying.ended;
  expect(output).toMatch(/every promise held/);
  expect(code).toBe(0);
});

describe('verifyStore() finds a planted fault', () => {
  let cluster: StoreCluster;
  beforeAll(async () => {
    cluster = await startStoreCluster({ members: 1 });
  });
  afterAll(() => cluster.stop());

  /** Clients of a load that runs until `plant` has struck, and then some. */
  async function verifyWith(plant: { readonly client?: Plant; readonly watched?: Plant }) {
    const enough = new AbortController();
    const strike = () => void sleep(systemClock, 300).then(() => enough.abort());
    const clients = Array.from({ length: 6 }, () => cluster.client());
    return verifyStore({
      clients: clients.map((client, at) => (at === 3 && plant.client !== undefined ? plant.client(client, strike) : client)),
      endpoints: [cluster.client(), plant.watched === undefined ? cluster.client() : plant.watched(cluster.client(), strike)],
      clock: systemClock,
      random: seededRandom(7),
      signal: AbortSignal.any([enough.signal, AbortSignal.timeout(30_000)]),
      prefix: 'planted/',
      thinkMs: 2,
    });
  }

  test('nothing where nothing is planted', async () => {
    const report = await verifyWith({ client: (client, strike) => (strike(), client) });
    expect(report.violations).toEqual([]);
    expect(report.watchViolations).toEqual([]);
    expect(report.inconclusive).toEqual([]);
    expect(report.recording.answered).toBeGreaterThan(0);
  });

  test('a read of an old state: two operations show it', async () => {
    const report = await verifyWith({ client: staleReader((old) => old) });
    expect(report.violations.map(({ rule }) => rule)).toContain('real time');
    expect(report.counterexample!.operations).toHaveLength(2);
    const text = renderCounterexample(report.counterexample!, { prefix: 'planted/', startedAt: report.startedAt });
    console.log(text.join('\n'));
    // What it breaks, the two, and the events of the keys that they are about: of a dozen, and of leases.
    expect(text.length).toBeLessThan(30);
  });

  test('a read of an old state under a new revision: one operation and the events show it', async () => {
    const report = await verifyWith({ client: staleReader((old, now) => ({ ...old, header: now.header })) });
    expect(report.violations.map(({ rule }) => rule)).toContain('answer');
    expect(report.counterexample!.operations).toHaveLength(1);
    expect(report.counterexample!.events.length).toBeGreaterThan(0);
    console.log(renderCounterexample(report.counterexample!, { prefix: 'planted/', startedAt: report.startedAt }).join('\n'));
  });

  test('an acknowledged write that never happened', async () => {
    const report = await verifyWith({ client: loseAPut });
    expect(report.violations.map(({ rule }) => rule)).toContain('write order');
    expect(report.counterexample!.operations.length).toBeLessThanOrEqual(2);
    console.log(renderCounterexample(report.counterexample!, { prefix: 'planted/', startedAt: report.startedAt }).join('\n'));
  });

  test('an event that does not come', async () => {
    const report = await verifyWith({ watched: tamper(() => []) });
    expect(report.violations).toEqual([]);
    expect(report.watchViolations.map(({ promise }) => promise)).toContain('reliable');
  });

  test('an event that comes twice', async () => {
    const report = await verifyWith({ watched: tamper((response) => [response, response]) });
    expect(report.violations).toEqual([]);
    expect(report.watchViolations.map(({ promise }) => promise)).toContain('unique');
    const text = renderWatchViolation(report.watchViolations[0]!, { ...report, prefix: 'planted/' });
    console.log(text.join('\n'));
    expect(text.length).toBeLessThan(10);
  });

  test('a wrong value before', async () => {
    const report = await verifyWith({ watched: tamper((response) => [{ ...response, events: response.events.map((event) => ({ ...event, prevKv: event.kv })) }]) });
    expect(report.watchViolations.map(({ promise }) => promise)).toContain('previous');
  });
});

/** Stands between a client and the store; calls `strike` when it has done its harm. */
type Plant = (client: StoreClient, strike: () => void) => StoreClient;

/** Answers one read of each range from what it answered when it was asked first, once that is out of date. */
function staleReader(forge: (old: RangeResponse, now: RangeResponse) => RangeResponse): Plant {
  return (client, strike) => {
    const first = new Map<string, RangeResponse>();
    let isDone = false;
    return {
      ...client,
      range: async (request, options) => {
        const now = await client.range(request, options);
        const key = Buffer.from(request.key ?? []).toString();
        const old = first.get(key) ?? now;
        first.set(key, old);
        // So old that somebody was surely answered with something newer before.
        const isStale = old.header!.revision + 20 < now.header!.revision && JSON.stringify(keysOf(old)) !== JSON.stringify(keysOf(now));
        if (isDone || request.serializable === true || !isStale) return now;
        isDone = true;
        strike();
        return forge(old, now);
      },
    };
  };
}

const keysOf = ({ kvs }: RangeResponse) => kvs.map(({ key, modRevision }) => [Buffer.from(key).toString(), modRevision]);

const loseAPut: Plant = (client, strike) => {
  let puts = 0;
  return {
    ...client,
    put: async (request, options) => {
      if (++puts !== 10) return client.put(request, options);
      strike();
      const { header } = await client.range({ key: request.key! }, options);
      return { header, prevKv: undefined };
    },
  };
};

/** Changes the response with the tenth event. */
function tamper(change: (response: WatchResponse) => readonly WatchResponse[]): Plant {
  return (client, strike) => {
    let responses = 0;
    const wrap = (watch: StoreWatch): StoreWatch => ({
      requestProgress: () => watch.requestProgress(),
      async *[Symbol.asyncIterator]() {
        for await (const response of watch) {
          if (response.events.length === 0 || ++responses !== 10) yield response;
          else {
            strike();
            yield* change(response);
          }
        }
        return undefined;
      },
    });
    return { ...client, watch: (request, options) => wrap(client.watch(request, options)) };
  };
}
