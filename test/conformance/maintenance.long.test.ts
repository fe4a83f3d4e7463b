/** etcdctl's maintenance commands, in the versions at hand, on three members; a saved snapshot begins a new cluster. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { channelStoreClient } from '../../src/etcd/channel-store-client.ts';
import { connect } from '../../src/grpc/channel.ts';
import { AlarmAction, AlarmType, Maintenance } from '../../src/proto/etcd.ts';
import { findTool, freePorts, MemberProcess, requireTool, ROOT, startStoreCluster, untilServing, type StoreCluster } from '../processes.ts';

const execute = promisify(execFile);
const MAIN = join(ROOT, 'dist', 'src', 'main.js');

let cluster: StoreCluster;
let endpoints: readonly string[];

beforeAll(async () => {
  cluster = await startStoreCluster({ members: 3, args: ['--metrics', 'extensive'] });
  endpoints = cluster.members.map(({ clientAddress }) => clientAddress);
});
afterAll(() => cluster.stop());

const podium = async (...args: readonly string[]): Promise<string> =>
  (await execute(process.execPath, [MAIN, 'store', 'snapshot', ...args])).stdout.trim();

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'podium-snapshot-test-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** A member of a cluster of its own, from a directory that was restored. */
async function startRestored(file: string, dir: string) {
  const [clientPort, peerPort] = await freePorts(2);
  const peerUrl = `http://127.0.0.1:${peerPort}`;
  const dataDir = join(dir, 'restored');
  const who = ['--name', 'r1', '--data-dir', dataDir, '--initial-advertise-peer-urls', peerUrl, '--initial-cluster', `r1=${peerUrl}`];
  expect(await podium('restore', file, ...who, '--initial-cluster-token', 'again')).toMatch(/^restored revision \d+ to /);
  const clientUrl = `http://127.0.0.1:${clientPort}`;
  const args = [MAIN, 'store', ...who, '--initial-cluster-token', 'again', '--listen-peer-urls', peerUrl];
  const member = new MemberProcess({
    name: 'r1',
    clientAddress: `127.0.0.1:${clientPort}`,
    dataDir,
    command: process.execPath,
    args: [...args, '--listen-client-urls', clientUrl, '--log-level', 'warn'],
  });
  member.start();
  onTestFinished(() => member.stop());
  const client = channelStoreClient({ channels: [connect({ addresses: [member.clientAddress] })] });
  onTestFinished(() => client.close());
  await untilServing(client, member);
  return client;
}

const versions = [...new Set([findTool('etcdctl'), '/usr/bin/etcdctl'])].filter(
  (path): path is string => path !== undefined && existsSync(path),
);

test('etcdctl is at hand', (context) => {
  requireTool('etcdctl', context.skip);
});

describe.each(versions)('%s', (etcdctl) => {
  const runAt = async (asked: readonly string[], ...args: readonly string[]): Promise<string> => {
    const env = { ...process.env, ETCDCTL_API: '3', ETCDCTL_ENDPOINTS: asked.join(',') };
    const { stdout, stderr } = await execute(etcdctl, [...args], { env });
    return `${stdout}${stdout === '' ? stderr : ''}`.trim();
  };
  const run = (...args: readonly string[]) => runAt(endpoints, ...args);
  const prefix = `${etcdctl}/`;

  test('snapshot save, status, restore: a new cluster has the keys at their revisions', async () => {
    const dir = folder();
    const file = join(dir, 'backup.db');
    const client = cluster.client();
    const key = Buffer.from(`${prefix}s`);
    const first = await client.put({ key, value: Buffer.from('first') });
    await client.put({ key, value: Buffer.from('second') });
    await runAt(endpoints.slice(0, 1), 'snapshot', 'save', file);
    await client.put({ key, value: Buffer.from('later') });
    expect(await podium('status', file)).toMatch(/^[0-9a-f]+, \d+, \d+, \d+ kB$/);

    const restored = await startRestored(file, dir);
    const get = async (revision: number) => (await restored.range({ key, revision })).kvs.map((kv) => Buffer.from(kv.value).toString());
    expect(await get(0)).toEqual(['second']);
    expect(await get(first.header!.revision)).toEqual(['first']);
    expect((await restored.put({ key })).header!.revision).toBe(first.header!.revision + 2);
  });

  test('endpoint hashkv is equal on all members', async () => {
    const client = cluster.client();
    const { header } = await client.put({ key: Buffer.from(`${prefix}h`) });
    // Each member has applied it when it answers a linearizable read.
    for (let at = 0; at < endpoints.length; at++) await cluster.clientOf(at).range({ key: Buffer.from('h') });
    const json = await run('endpoint', 'hashkv', '--rev', String(header!.revision), '-w', 'json');
    const hashes = (JSON.parse(json) as { HashKV: { hash: number } }[]).map(({ HashKV }) => HashKV.hash);
    expect(hashes.length).toBe(3);
    expect(new Set(hashes).size).toBe(1);
  });

  test('alarm list and disarm; what was refused is done again', async () => {
    const channel = connect({ addresses: [endpoints[0]!] });
    onTestFinished(() => channel.close());
    const { header } = await channel.unary(Maintenance.methods.status, {});
    const raise = { action: AlarmAction.ACTIVATE, memberId: header!.memberId, alarm: AlarmType.NOSPACE };
    await channel.unary(Maintenance.methods.alarm, raise);
    const line = `memberID:${header!.memberId} alarm:NOSPACE`;
    expect(await run('alarm', 'list')).toBe(line);
    await expect(run('put', `${prefix}x`, '1')).rejects.toMatchObject({
      stderr: expect.stringContaining('etcdserver: mvcc: database space exceeded') as string,
    });
    expect(await run('del', `${prefix}x`)).toBe('0');
    expect(await run('alarm', 'disarm')).toBe(line);
    expect(await run('alarm', 'list')).toBe('');
    expect(await run('put', `${prefix}x`, '1')).toBe('OK');
  });

  test('move-leader', async () => {
    const from = await cluster.leader();
    const to = (from + 1) % endpoints.length;
    const { header } = await cluster.clientOf(to).status({ timeoutMs: 2000 });
    const target = header!.memberId.toString(16);
    await expect(runAt([endpoints[to]!], 'move-leader', target)).rejects.toMatchObject({
      stderr: expect.stringMatching(/no leader endpoint|not leader/) as string,
    });
    expect(await run('move-leader', target)).toMatch(/^Leadership transferred from \S+ to \S+$/);
    expect(await cluster.leader()).toBe(to);
  });

  test('defrag', async () => {
    const out = await run('defrag');
    expect(out.match(/Finished defragmenting/g)).toHaveLength(3);
  });
});

/** All that the alerts and dashboards of etcd's mixin ask for (contrib/mixin), with the labels that they look at. */
const MIXIN: readonly (readonly [name: string, ...labels: readonly string[]])[] = [
  ['etcd_network_peer_sent_failures_total', 'To'],
  ['etcd_network_peer_round_trip_time_seconds_bucket', 'To', 'le'],
  ['etcd_network_peer_sent_bytes_total', 'To'],
  ['etcd_network_peer_received_bytes_total', 'From'],
  ['etcd_network_client_grpc_received_bytes_total'],
  ['etcd_network_client_grpc_sent_bytes_total'],
  ['grpc_server_started_total', 'grpc_method', 'grpc_service', 'grpc_type'],
  ['grpc_server_handled_total', 'grpc_code', 'grpc_method', 'grpc_service', 'grpc_type'],
  ['grpc_server_handling_seconds_bucket', 'grpc_method', 'grpc_service', 'grpc_type', 'le'],
  ['etcd_server_has_leader'],
  ['etcd_server_leader_changes_seen_total'],
  ['etcd_server_proposals_failed_total'],
  ['etcd_server_proposals_pending'],
  ['etcd_server_proposals_committed_total'],
  ['etcd_server_proposals_applied_total'],
  ['etcd_server_quota_backend_bytes'],
  ['etcd_disk_wal_fsync_duration_seconds_bucket', 'le'],
  ['etcd_disk_backend_commit_duration_seconds_bucket', 'le'],
  ['etcd_mvcc_db_total_size_in_bytes'],
  ['etcd_mvcc_db_total_size_in_use_in_bytes'],
  ['process_resident_memory_bytes'],
];

test('what etcd’s mixin asks for is there on every member, with its labels', async () => {
  const missingOf = async (endpoint: string) => {
    const text = await (await fetch(`http://${endpoint}/metrics`)).text();
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    const found = new Set(lines.map((line) => [/^\w+/.exec(line)![0], ...[...line.matchAll(/(\w+)="/g)].map(([, label]) => label)].sort().join()));
    return MIXIN.filter((each) => !found.has([...each].sort().join()));
  };
  // A round trip is told once there was one, after some seconds.
  const options = { timeout: 15_000, interval: 200 };
  for (const endpoint of endpoints) await expect.poll(() => missingOf(endpoint), options).toEqual([]);
  // And they tell of the other members, not of this one.
  const { header } = await cluster.clientOf(0).status({ timeoutMs: 2000 });
  const text = await (await fetch(`http://${endpoints[0]!}/metrics`)).text();
  const others = [...text.matchAll(/^etcd_network_peer_sent_bytes_total\{To="(\w+)"\} (\d+)$/gm)];
  expect(others.map(([, id]) => id)).toHaveLength(2);
  expect(others.map(([, id]) => id)).not.toContain(header!.memberId.toString(16));
  for (const [, , bytes] of others) expect(Number(bytes)).toBeGreaterThan(0);
});

test('podium store snapshot refuses a damaged file, and one of etcd’s', async () => {
  const dir = folder();
  const file = join(dir, 'backup.db');
  await execute(versions[0]!, ['--endpoints', endpoints[0]!, 'snapshot', 'save', file], { env: { ...process.env, ETCDCTL_API: '3' } });
  const bytes = readFileSync(file);
  bytes[600]! ^= 1;
  writeFileSync(file, bytes);
  const dataDir = join(dir, 'data');
  const failed = (stderr: string) => ({ code: 1, stderr: expect.stringContaining(stderr) as string });
  await expect(podium('status', file)).rejects.toMatchObject(failed('SHA-256 does not match'));
  await expect(podium('restore', file, '--data-dir', dataDir)).rejects.toMatchObject(failed('SHA-256 does not match'));
  const foreign = Buffer.alloc(32_768);
  foreign.writeUInt32LE(0xed0cdaed, 16);
  writeFileSync(file, foreign);
  await expect(podium('restore', file, '--data-dir', dataDir)).rejects.toMatchObject(failed('a bbolt database'));
});
