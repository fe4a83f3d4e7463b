/** `podium store migrate`: from an etcd that is written to all the while into three members of Podium. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { sleep } from '../../src/base/clock.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { contentsOf } from '../../src/etcd/migrate.ts';
import type { StoreClient } from '../../src/etcd/store-client.ts';
import type { KeyValue } from '../../src/proto/etcd.ts';
import { findTool, ROOT, startStoreCluster, type StoreCluster } from '../processes.ts';

const KEYS = 400;
const everything = { key: Buffer.from('\0'), rangeEnd: Buffer.from('\0') };
const bytes = (text: string) => Buffer.from(text);
const endpointsOf = (cluster: StoreCluster) => cluster.members.map(({ clientAddress }) => clientAddress).join(',');

interface Migrating {
  readonly child: ChildProcess;
  output(): string;
  readonly ended: Promise<number | null>;
}

function podiumMigrate(from: StoreCluster, to: StoreCluster, args: readonly string[]): Migrating {
  const main = join(ROOT, 'dist', 'src', 'main.js');
  const flags = ['--from-etcd', endpointsOf(from), '--endpoints', endpointsOf(to), ...args];
  const child = spawn(process.execPath, [main, 'store', 'migrate', ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (output += text.toString()));
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  return { child, output: () => output, ended };
}

/** Keys written in another order than their names', a transaction, deletions, leases. */
async function fill(etcd: StoreClient): Promise<void> {
  for (let at = KEYS - 1; at >= 0; at--) await etcd.put({ key: bytes(`key/${at}`), value: bytes(`first ${at}`) });
  for (let at = 0; at < KEYS; at += 7) await etcd.put({ key: bytes(`key/${at}`), value: Buffer.alloc(at, 0xff) });
  await etcd.deleteRange({ key: bytes('key/3') });
  const put = (key: string, lease = 0n) => ({ request: { case: 'requestPut' as const, value: { key: bytes(key), value: bytes('together'), lease } } });
  await etcd.leaseGrant({ id: 77n, ttl: 600 });
  await etcd.txn({ success: [put('z', 77n), put('a'), put('m', 77n)] });
}

async function writeOn(etcd: StoreClient, signal: AbortSignal): Promise<number> {
  let at = 0;
  for (; !signal.aborted; at++) {
    await etcd.put({ key: bytes(`live/${at % 50}`), value: bytes(String(at)) });
    if (at % 10 === 3) await etcd.deleteRange({ key: bytes(`live/${(at * 7) % 50}`) });
    if (at % 25 === 5) {
      await etcd.leaseGrant({ id: BigInt(1000 + at), ttl: 2 });
      await etcd.put({ key: bytes(`short/${at}`), value: bytes('x'), lease: BigInt(1000 + at) });
    }
    await sleep(systemClock, 2);
  }
  return at;
}

/** The keys in groups of one modification each, oldest first: what a migration promises to keep. */
async function modificationOrder(store: StoreClient): Promise<string[]> {
  const { kvs } = await store.range(everything);
  const groups = new Map<number, KeyValue[]>();
  for (const kv of kvs) groups.set(kv.modRevision, [...(groups.get(kv.modRevision) ?? []), kv]);
  return [...groups.keys()].sort((a, b) => a - b).map((revision) => groups.get(revision)!.map(({ key }) => Buffer.from(key).toString()).join(' '));
}

test.skipIf(findTool('etcd') === undefined)('podium store migrate: copies a live etcd, follows it until Ctrl-C, and compares', async () => {
  const from = await startStoreCluster({ kind: 'etcd', members: 1 });
  onTestFinished(() => from.stop());
  const to = await startStoreCluster({ kind: 'podium', members: 3 });
  onTestFinished(() => to.stop());
  const [etcd, podium] = [from.client(), to.client()];
  await fill(etcd);
  const writers = new AbortController();
  const writing = writeOn(etcd, writers.signal);
  const migrating = podiumMigrate(from, to, []);
  await expect.poll(() => migrating.output(), { timeout: 60_000 }).toContain('following');
  const before = (await etcd.range(everything)).header!.revision;
  await expect.poll(async () => (await etcd.range(everything)).header!.revision, { timeout: 30_000 }).toBeGreaterThan(before + 100);
  writers.abort();
  expect(await writing).toBeGreaterThan(0);
  await expect.poll(async () => (await etcd.range({ key: bytes('short/'), rangeEnd: bytes('short0'), countOnly: true })).count, { timeout: 30_000 }).toBe(0);
  migrating.child.kill('SIGINT');
  const code = await migrating.ended;
  console.log(migrating.output());
  expect(migrating.output()).toContain('both hold the same pairs');
  expect(code).toBe(0);
  expect(await contentsOf(podium, 0)).toEqual(await contentsOf(etcd, 0));
  expect(await modificationOrder(podium)).toEqual(await modificationOrder(etcd));
  const lease = await podium.leaseTimeToLive({ id: 77n, keys: true });
  expect(lease.ttl).toBeGreaterThan(500);
  expect(lease.keys.map((key) => Buffer.from(key).toString())).toEqual(['m', 'z']);
  expect((await podium.range({ key: bytes('m') })).kvs[0]!.lease).toBe(77n);
});

test.skipIf(findTool('etcd') === undefined)('podium store migrate --until-synced: ends by itself; refuses a target with keys; tells a difference', async () => {
  const from = await startStoreCluster({ kind: 'etcd', members: 1 });
  onTestFinished(() => from.stop());
  const to = await startStoreCluster({ kind: 'podium', members: 1 });
  onTestFinished(() => to.stop());
  await from.client().put({ key: bytes('a'), value: bytes('1') });
  const first = podiumMigrate(from, to, ['--until-synced']);
  expect(await first.ended).toBe(0);
  expect(first.output()).toContain('copied 1 keys');
  await to.client().put({ key: bytes('foreign'), value: bytes('2') });
  const second = podiumMigrate(from, to, ['--until-synced']);
  expect(await second.ended).toBe(1);
  expect(second.output()).toContain('the target holds 2 keys');
  const third = podiumMigrate(from, to, ['--until-synced', '--overwrite']);
  expect(await third.ended).toBe(1);
  expect(third.output()).toContain('THEY DIFFER');
});
