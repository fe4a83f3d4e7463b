/** Data directories that are not what they should be: in use, of another cluster, damaged, no directory at all. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { describeError, UserError } from '../../src/base/errors.ts';
import { makeDataDir, requireCluster } from '../../src/cluster/data-dir.ts';
import { up } from '../../src/cli/up.ts';
import { channelStoreClient } from '../../src/etcd/channel-store-client.ts';
import { connect } from '../../src/grpc/channel.ts';
import { parseStoreFlags } from '../../src/store/flags.ts';
import { blockRowKey } from '../../src/store/mvcc/core/block.ts';
import { levelBackends } from '../../src/store/mvcc/level-backend.ts';
import { startStore, type RunningStore } from '../../src/store/server.ts';
import { freePorts, ROOT } from '../processes.ts';

let dir: string;
const running: RunningStore[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'podium-bad-'));
});

afterEach(async () => {
  for (const store of running.splice(0)) await store.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** A member of a cluster of its own. Two of one `peer` are the same member. */
async function start(dataDir: string, peer: number, listen?: readonly number[], more: readonly string[] = []): Promise<RunningStore> {
  const [clients, peers] = listen ?? (await freePorts(2));
  const url = (port: number | undefined) => `http://127.0.0.1:${port}`;
  const flags = parseStoreFlags([
    ...['--name', 'm1', '--data-dir', dataDir, '--log-level', 'error', '--initial-advertise-peer-urls', url(peer)],
    ...['--listen-client-urls', url(clients), '--listen-peer-urls', url(peers)],
    ...more,
  ]);
  const store = await startStore(flags, () => {});
  running.push(store);
  return store;
}

const refusal = (starting: Promise<RunningStore>) =>
  starting.then(
    () => 'it started',
    (error: unknown) => describeError(error),
  );

const wal = (dataDir: string) => join(dataDir, 'member', 'wal', '0000000000000001.log');

/** Of a member that has served and ended. */
async function oldData(name: string, peer: number): Promise<string> {
  const dataDir = join(dir, name);
  const ports = await freePorts(2);
  const store = await start(dataDir, peer, ports);
  const client = channelStoreClient({ channels: [connect({ addresses: [`127.0.0.1:${ports[0]}`] })] });
  // The first one waits for an election; written twice, a key is the same.
  for (const key of ['a', 'b', 'c']) await vi.waitFor(() => client.put({ key: Buffer.from(key) }), { timeout: 10_000 });
  client.close();
  await store.stop();
  running.pop();
  return dataDir;
}

test('a second process on a data directory is refused, and leaves the log of the first alone', async () => {
  const dataDir = join(dir, 'm1');
  await start(dataDir, 1);
  // What a batch looks like that the first process is just writing: its beginning, behind the last whole one.
  const bytes = readFileSync(wal(dataDir));
  let end = 0;
  while (bytes.readUInt32BE(end) !== 0) end += 20 + bytes.readUInt32BE(end);
  bytes.writeUInt32BE(100, end);
  writeFileSync(wal(dataDir), bytes);
  expect(await refusal(start(dataDir, 1))).toBe(
    `the data directory ${dataDir} cannot be used: ${dataDir}/member/db-1 is in use by another process: stop that one, or ` +
      'name another data directory',
  );
  expect(readFileSync(wal(dataDir)).equals(bytes)).toBe(true);
});

test('data of another member or cluster is refused, with whose it is and what to do', async () => {
  const dataDir = await oldData('m1', 1);
  expect(await refusal(start(dataDir, 2))).toMatch(
    /^the data directory .*\/m1 cannot be used: member\/wal: the log belongs to member [0-9a-f]+ of cluster [0-9a-f]+, this is member [0-9a-f]+ of cluster [0-9a-f]+: start it with the data directory, --name and --initial-cluster that it had \(a member that was added: --initial-cluster-state=existing\), or give it an empty data directory\.$/,
  );
  await start(dataDir, 1);
});

test('a member goes on from its data though --initial-cluster names others, too, as in etcd', async () => {
  const dataDir = await oldData('m1', 1);
  const others = 'm1=http://127.0.0.1:1,m2=http://127.0.0.1:2,m3=http://127.0.0.1:3';
  const [clients, peers] = await freePorts(2);
  await start(dataDir, 1, [clients!, peers!], ['--initial-cluster', others]);
  const client = channelStoreClient({ channels: [connect({ addresses: [`127.0.0.1:${clients}`] })] });
  onTestFinished(() => client.close());
  const { kvs } = await vi.waitFor(() => client.range({ key: Buffer.from('a') }), { timeout: 10_000 });
  expect(kvs.length).toBe(1);
});

test('data that cannot be read is refused: what, where, and what to do', async () => {
  const whole = await oldData('m1', 1);
  const damaged = (name: string, damage: (copy: string) => void) => {
    const copy = join(dir, name);
    cpSync(whole, copy, { recursive: true });
    damage(copy);
    return refusal(start(copy, 1));
  };
  const flipped = await damaged('flipped', (copy) => {
    const bytes = readFileSync(wal(copy));
    bytes[30]! ^= 1;
    writeFileSync(wal(copy), bytes);
  });
  expect(flipped).toMatch(
    /^the data directory .*\/flipped cannot be used: write-ahead log member\/wal\/0+1\.log is damaged at byte 0 \(batch 1\): .*\. This member must not run on a log it cannot trust\. Replace it: "etcdctl member remove [0-9a-f]{16}", "etcdctl member add <name> --learner --peer-urls=<url>", then start it with an empty data directory/,
  );
  const gone = / cannot be used: member\/wal: the log is gone, and the state has applied \d+ entries of it: .*delete its data directory/;
  expect(await damaged('empty', (copy) => writeFileSync(wal(copy), ''))).toMatch(gone);
  expect(await damaged('no-log', (copy) => rmSync(join(copy, 'member', 'wal'), { recursive: true }))).toMatch(gone);
  expect(await damaged('current', (copy) => writeFileSync(join(copy, 'member', 'CURRENT'), '?'))).toMatch(
    /current cannot be used: member\/CURRENT: damaged: it names no folder; replace this member$/,
  );
  expect(await damaged('stateless', (copy) => rmSync(join(copy, 'member', 'CURRENT')))).toMatch(
    /stateless cannot be used: member: there is a log but no state: replace this member$/,
  );
  expect(await damaged('level', (copy) => writeFileSync(join(copy, 'member', 'db-1', 'CURRENT'), 'none\n'))).toMatch(
    /member\/db-1 cannot be opened: mend what is said here, or replace this member: IO error: .*db-1\/none: No such file or directory$/,
  );
});

test('--initial-corrupt-check refuses a state that has rotted, and takes one that has not', async () => {
  const [c1, p1, c2, p2] = await freePorts(4);
  const url = (port: number | undefined) => `http://127.0.0.1:${port}`;
  const member = async (name: string, clients: number | undefined, peers: number | undefined) => {
    const flags = parseStoreFlags([
      ...['--name', name, '--data-dir', join(dir, name), '--log-level', 'error', '--initial-cluster', `m1=${url(p1)},m2=${url(p2)}`],
      ...['--listen-client-urls', url(clients), '--listen-peer-urls', url(peers), '--initial-advertise-peer-urls', url(peers)],
      '--initial-corrupt-check',
    ]);
    const store = await startStore(flags, () => {});
    running.push(store);
    return store;
  };
  await member('m1', c1, p1);
  const second = await member('m2', c2, p2);
  const client = channelStoreClient({ channels: [connect({ addresses: [`127.0.0.1:${c2}`] })] });
  onTestFinished(() => client.close());
  await vi.waitFor(() => client.put({ key: Buffer.from('a'), value: Buffer.from('whole') }), { timeout: 10_000 });
  const { header } = await client.range({ key: Buffer.from('a') });
  await second.stop();
  running.pop();
  await (await member('m2', c2, p2)).stop();
  running.pop();

  const backend = await levelBackends(join(dir, 'm2')).open('member/db-1');
  const key = blockRowKey({ main: header!.revision, sub: 0 });
  const row = backend.get(key)!;
  expect(Buffer.from(row).toString()).toMatch(/whole$/);
  await backend.batch([{ type: 'put', key, value: Buffer.concat([row.subarray(0, -'whole'.length), Buffer.from('rottn')]) }]);
  await backend.close();
  expect(await refusal(member('m2', c2, p2))).toMatch(/^this member's state differs from that of [0-9a-f]+: replace it/);
});

test('a port of a store that is taken is named, with what to do', async () => {
  const ports = await freePorts(2);
  await start(join(dir, 'm1'), 1, ports);
  expect(await refusal(start(join(dir, 'm2'), 2, [ports[0]!, (await freePorts(1))[0]!]))).toBe(
    `cannot listen on 127.0.0.1:${ports[0]}: another process listens there (EADDRINUSE): stop it, or choose another port`,
  );
});

test('a file where the data directory should be, a directory where the configuration should be', async () => {
  const file = join(dir, 'file');
  writeFileSync(file, '');
  expect(() => makeDataDir(file)).toThrow(`the data directory ${file} cannot be made (a file is in its place): name another with --data-dir`);
  expect(() => makeDataDir(join(file, 'inside'))).toThrow('a file is in its place');
  const wrong = up({ dataDir: join(dir, 'd'), portBase: '0', config: dir });
  await expect(wrong).rejects.toThrow(new UserError(`the configuration ${dir} cannot be read (EISDIR): give a file with --config`));
  const missing = up({ dataDir: join(dir, 'd'), portBase: '0', config: join(dir, 'none.yaml') });
  await expect(missing).rejects.toThrow(`no configuration at ${join(dir, 'none.yaml')}: give one with --config`);
  const local = join(ROOT, 'cluster-config', 'local.yaml');
  await expect(up({ dataDir: join(dir, 'd'), portBase: '10000', config: local })).rejects.toThrow(
    '--port-base must be a whole number from 1 to 9999, not "10000"',
  );
  expect(() => requireCluster(join(dir, 'd'))).toThrow('start one with `podium up`, or name its directory with --data-dir');
});
