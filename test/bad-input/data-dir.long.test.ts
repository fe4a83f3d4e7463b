/** What `podium store`, as a process, says of a data directory or a cluster that is not its own, and of damaged files. */
import { execFile } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { channelStoreClient } from '../../src/etcd/channel-store-client.ts';
import type { StoreClient } from '../../src/etcd/store-client.ts';
import { connect } from '../../src/grpc/channel.ts';
import { Maintenance } from '../../src/proto/etcd.ts';
import { decodeFrame } from '../../src/store/disk/wal-record.ts';
import { freePorts, MemberProcess, ROOT, untilServing } from '../processes.ts';

const MAIN = join(ROOT, 'dist', 'src', 'main.js');
const WAL = 'member/wal/0000000000000001.log';
const ENDS_MS = 20_000;

let dir: string;
/** Of a member that has served and ended: its ports, its data in `whole`, and a snapshot that it gave. */
let old: readonly number[];
const members: MemberProcess[] = [];
const clients: StoreClient[] = [];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'podium-bad-'));
  old = await oldData('whole');
});
afterEach(endAll);
afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function endAll(): Promise<void> {
  for (const client of clients.splice(0)) client.close();
  await Promise.all(members.splice(0).map((member) => member.stop()));
}

interface Flags {
  readonly name?: string;
  readonly dataDir: string;
  readonly ports: readonly number[];
  /** Of the peer URL that others know it by; its own if absent. */
  readonly peer?: number;
  readonly more?: readonly string[];
}

const url = (port: number) => `http://127.0.0.1:${port}`;

function memberOf({ name = 'm1', dataDir, ports, peer, more = [] }: Flags): MemberProcess {
  const [client, listen] = ports;
  const args = [
    ...[MAIN, 'store', '--name', name, '--data-dir', join(dir, dataDir), '--log-level', 'warn'],
    ...['--listen-client-urls', url(client!), '--advertise-client-urls', url(client!)],
    ...['--listen-peer-urls', url(listen!), '--initial-advertise-peer-urls', url(peer ?? listen!), ...more],
  ];
  const member = new MemberProcess({ name, clientAddress: `127.0.0.1:${client}`, dataDir, command: process.execPath, args });
  members.push(member);
  return member;
}

function clientOf(member: MemberProcess): StoreClient {
  const client = channelStoreClient({ channels: [connect({ addresses: [member.clientAddress] })] });
  clients.push(client);
  return client;
}

/** What it says before it ends by itself. */
async function lastWords(flags: Flags): Promise<string> {
  const member = memberOf(flags);
  member.start();
  await expect.poll(() => member.isRunning, { timeout: ENDS_MS, message: `still running:\n${member.output}` }).toBe(false);
  expect(member.output).toContain('ended: 1]');
  const errors = member.output.split('\n').flatMap((line) => /"level":"error".*"error":"(?<text>.*)","msg"/.exec(line)?.groups?.['text'] ?? []);
  return errors.join('\n').replaceAll('\\"', '"');
}

async function oldData(dataDir: string): Promise<readonly number[]> {
  const ports = await freePorts(2);
  const member = memberOf({ dataDir, ports });
  member.start();
  const client = clientOf(member);
  await untilServing(client, member);
  for (let at = 0; at < 20; at++) await client.put({ key: Buffer.from(`k${at}`), value: Buffer.alloc(100, 'v') });
  const channel = connect({ addresses: [member.clientAddress] });
  const blobs: Uint8Array[] = [];
  for await (const { blob } of channel.serverStream(Maintenance.methods.snapshot, {})) blobs.push(blob);
  channel.close();
  writeFileSync(join(dir, 'snapshot.db'), Buffer.concat(blobs));
  await endAll();
  return ports;
}

test('a data directory that another process uses', async () => {
  const ports = await freePorts(2);
  const first = memberOf({ dataDir: 'd', ports });
  first.start();
  const client = clientOf(first);
  await untilServing(client, first);
  await client.put({ key: Buffer.from('a'), value: Buffer.from('1') });
  const said = await lastWords({ dataDir: 'd', ports: await freePorts(2), peer: ports[1]! });
  expect(said).toMatch(/member\/db-1 is in use by another process: stop that one, or name another data directory$/);
  await client.put({ key: Buffer.from('a'), value: Buffer.from('2') });
  await first.kill();
  first.start();
  await untilServing(client, first);
  expect(Buffer.from((await client.range({ key: Buffer.from('a') })).kvs[0]!.value).toString()).toBe('2');
});

test('data of another cluster, by its token', async () => {
  const said = await lastWords({ dataDir: 'whole', ports: old, more: ['--initial-cluster-token', 'another'] });
  expect(said).toMatch(/the log belongs to member [0-9a-f]+ of cluster [0-9a-f]+, this is member [0-9a-f]+ of cluster [0-9a-f]+: start it with/);
});

test('members whose tokens differ refuse each other, and say so; neither serves', async () => {
  const ports = await freePorts(4);
  const initial = `a=${url(ports[1]!)},b=${url(ports[3]!)}`;
  const [a, b] = ['a', 'b'].map((name, at) =>
    memberOf({
      name,
      dataDir: name,
      ports: ports.slice(2 * at, 2 * at + 2),
      more: ['--initial-cluster', initial, '--initial-cluster-token', `token of ${name}`],
    }),
  );
  for (const member of [a!, b!]) member.start();
  for (const member of [a!, b!]) {
    await expect.poll(() => member.output, { timeout: ENDS_MS }).toMatch(/cluster ID mismatch: this is a member of [0-9a-f]+, the caller of [0-9a-f]+/);
    await expect(clientOf(member).range({ key: Buffer.from('a') }, { timeoutMs: 500 })).rejects.toThrow();
  }
});

test('two members of one name in --initial-cluster', async () => {
  const ports = await freePorts(3);
  const initial = `m1=${url(ports[1]!)},m1=${url(ports[2]!)}`;
  const said = await lastWords({ dataDir: 'n', ports, more: ['--initial-cluster', initial] });
  expect(said).toBe(
    `--initial-cluster names m1 with ${[url(ports[1]!), url(ports[2]!)].sort().join(', ')}, and --initial-advertise-peer-urls has ${url(ports[1]!)}: ` +
      'give each member a name of its own, or this one all of its URLs',
  );
  expect(existsSync(join(dir, 'n', 'member', 'CURRENT'))).toBe(false);
});

/** Offsets of the batches of a log. */
function batchesOf(path: string): number[] {
  const bytes = readFileSync(path);
  const offsets: number[] = [];
  for (let at = 0; ;) {
    const frame = decodeFrame(bytes, at);
    if (typeof frame !== 'object') return offsets;
    offsets.push(at);
    at = frame.end;
  }
}

test('a log that is damaged in its middle, or whose only segment has lost its header: the place, and how to replace the member', async () => {
  const log = join(dir, 'whole', WAL);
  const offsets = batchesOf(log);
  expect(offsets.length).toBeGreaterThan(10);
  for (const batch of [1, 5]) {
    cpSync(join(dir, 'whole'), join(dir, `bad-${batch}`), { recursive: true });
    const path = join(dir, `bad-${batch}`, WAL);
    const bytes = readFileSync(path);
    bytes[offsets[batch - 1]! + 25]! ^= 4;
    writeFileSync(path, bytes);
    const said = await lastWords({ dataDir: `bad-${batch}`, ports: old });
    const place = `write-ahead log ${WAL} is damaged at byte ${offsets[batch - 1]} (batch ${batch}): `;
    expect(said).toContain(`the data directory ${join(dir, `bad-${batch}`)} cannot be used: ${place}`);
    expect(said).toMatch(/"etcdctl member remove [0-9a-f]{15,16}", "etcdctl member add <name> --learner --peer-urls=<url>", then start it with an empty/);
    expect(said).toContain('the others still have every acknowledged write');
    // Nothing was cut or removed: what can be read of it may be wanted.
    expect(readFileSync(path).equals(bytes)).toBe(true);
  }
});

test('a snapshot file that does not have its hash', async () => {
  const file = join(dir, 'snapshot.db');
  const podium = (...args: string[]) => promisify(execFile)(process.execPath, [MAIN, 'store', 'snapshot', ...args]);
  await podium('status', file);
  const bad = join(dir, 'bad.db');
  copyFileSync(file, bad);
  const bytes = readFileSync(bad);
  bytes[700]! ^= 1;
  writeFileSync(bad, bytes);
  const refused = { code: 1, stderr: expect.stringContaining('bad.db: damaged: its SHA-256 does not match its content; save it again') as string };
  await expect(podium('status', bad)).rejects.toMatchObject(refused);
  await expect(podium('restore', bad, '--name', 'm1', '--data-dir', join(dir, 'r'))).rejects.toMatchObject(refused);
  expect(existsSync(join(dir, 'r', 'member', 'CURRENT'))).toBe(false);
});
