/** `podium store` as a process: what etcd's command line is for. */
import { execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ensurePki, tlsFiles } from '../../src/base/pki.ts';
import { connect } from '../../src/grpc/channel.ts';
import { KV, Watch } from '../../src/proto/etcd.ts';
import { RpcCode, type Channel } from '../../src/proto/rpc.ts';
import { freePorts, MemberProcess, ROOT } from '../processes.ts';

const execute = promisify(execFile);
const MAIN = join(ROOT, 'dist', 'src', 'main.js');

let dir: string;
let member: MemberProcess | undefined;
const channels: Channel[] = [];

beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'podium-flags-'))));
afterEach(async () => {
  for (const channel of channels.splice(0)) channel.close();
  await member?.stop();
  rmSync(dir, { recursive: true, force: true });
});

const run = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  execute(process.execPath, [MAIN, 'store', ...args], { env: { ...process.env, ...env } });

async function start(scheme: string, args: readonly string[]) {
  const [client, peer] = await freePorts(2);
  const url = (port: number) => `${scheme}://127.0.0.1:${port}`;
  const flags = [
    ...['--name', 'm', '--data-dir', join(dir, 'data'), '--listen-client-urls', url(client!)],
    ...['--listen-peer-urls', url(peer!), '--initial-advertise-peer-urls', url(peer!), ...args],
  ];
  const clientAddress = `127.0.0.1:${client}`;
  const command = { command: process.execPath, args: [MAIN, 'store', ...flags] };
  member = new MemberProcess({ name: 'm', clientAddress, dataDir: join(dir, 'data'), ...command });
  member.start();
  return { member, clientAddress };
}

const ready = (of: MemberProcess) =>
  expect.poll(() => of.output, { timeout: 20_000 }).toContain('ready to serve client requests');

function channelTo(address: string, tls?: Parameters<typeof connect>[0]['tls']): Channel {
  const channel = connect({ addresses: [address], tls });
  channels.push(channel);
  return channel;
}

test('--version says which etcd it is, in the first line', async () => {
  for (const flag of ['--version', '-version']) {
    const { stdout } = await run([flag]);
    expect(stdout.split('\n')[0]).toBe('etcd Version: 3.7.0');
    expect(stdout.split('\n')[1]).toMatch(/^Podium Version: \d/);
  }
});

test('--help lists the flags by group; a wrong flag or variable ends with the remedy', async () => {
  const { stdout } = await run(['--help']);
  expect(stdout).toMatch(/^Member:\n {2}--name <value> +this member's name/m);
  await expect(run(['--dat-dir', 'x'])).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('there is no flag --dat-dir: did you mean --data-dir?') as string,
  });
  await expect(run([], { ETCD_SNAPSHOT_COUNT: 'many' })).rejects.toMatchObject({
    stderr: expect.stringContaining('--snapshot-count "many"') as string,
  });
});

test('a member keeps its log in --wal-dir, logs to --log-outputs, keeps limits, and ends cleanly at SIGTERM', async () => {
  const walDir = join(dir, 'wal');
  const logFile = join(dir, 'logs', 'm.log');
  const args = [`--wal-dir=${walDir}`, `--log-outputs=stderr,${logFile}`, '--max-wals=5', '--max-txn-ops=2'];
  const limits = ['--max-request-bytes=4000000', '--watch-progress-notify-interval=100ms'];
  const { member: store, clientAddress } = await start('http', [...args, ...limits]);
  await ready(store);
  expect(store.output).toContain('--max-wals has no effect');
  const channel = channelTo(clientAddress);
  await channel.unary(KV.methods.put, { key: Buffer.from('large'), value: Buffer.alloc(3_000_000) });
  const range = { request: { case: 'requestRange', value: { key: Buffer.from('a') } } } as const;
  await channel.unary(KV.methods.txn, { success: [range, range] });
  await expect(channel.unary(KV.methods.txn, { success: [range, range, range] })).rejects.toMatchObject({
    code: RpcCode.INVALID_ARGUMENT,
    message: 'etcdserver: too many operations in txn request',
  });
  const watch = channel.bidi(Watch.methods.watch);
  watch.send({ requestUnion: { case: 'createRequest', value: { key: Buffer.from('w'), progressNotify: true } } });
  const kinds: boolean[] = [];
  for await (const { created } of watch.responses) if (kinds.push(created) === 2) break;
  expect(kinds).toEqual([true, false]);
  expect(readdirSync(walDir)).toContain('0000000000000001.log');
  expect(readdirSync(join(dir, 'data', 'member'))).not.toContain('wal');
  await store.stop();
  expect(store.output).toContain('[m ended: 0]');
  expect(readFileSync(logFile, 'utf8')).toContain('ready to serve client requests');
  // What it held is there again, from the same two directories.
  store.start();
  const again = channelTo(clientAddress);
  await expect
    .poll(() => again.unary(KV.methods.range, { key: Buffer.from('large') }).then(({ count }) => count, () => -1), { timeout: 20_000 })
    .toBe(1);
});

test('--listen-metrics-urls serves metrics and health, and nothing else; the client port goes on to', async () => {
  const [plain, other] = await freePorts(2);
  const urls = [plain, other].map((port) => `http://127.0.0.1:${port}`);
  const { member: store, clientAddress } = await start('http', ['--listen-metrics-urls', urls.join(',')]);
  await ready(store);
  const statusOf = async (url: string, init?: RequestInit) => (await fetch(url, init)).status;
  for (const url of [...urls, `http://${clientAddress}`]) {
    expect(await (await fetch(`${url}/metrics`)).text()).toContain('etcd_server_has_leader 1');
    for (const path of ['/health', '/livez', '/readyz', '/version']) expect([url, path, await statusOf(url + path)]).toEqual([url, path, 200]);
  }
  const range = { method: 'POST', body: JSON.stringify({ key: 'YQ==' }) };
  expect(await statusOf(`http://${clientAddress}/v3/kv/range`, range)).toBe(200);
  expect(await statusOf(`${urls[0]}/v3/kv/range`, range)).toBe(404);
  const put = { key: Buffer.from('a') };
  await channelTo(clientAddress).unary(KV.methods.put, put);
  await expect(channelTo(`127.0.0.1:${plain}`).unary(KV.methods.put, put, { timeoutMs: 2_000 })).rejects.toThrow();
});

test('a member with TLS takes a renewed certificate while it runs', async () => {
  await ensurePki(dir, ['old', 'new'].map((name) => ({ name, commonName: name })), new Date());
  const files = tlsFiles(dir, 'old');
  const flags = ['cert-file', 'key-file', 'trusted-ca-file'];
  const paths = [files.certFile, files.keyFile, files.caFile];
  const tls = flags.flatMap((flag, at) => [`--${flag}=${paths[at]}`, `--peer-${flag}=${paths[at]}`]);
  const { member: store, clientAddress } = await start('https', [...tls, '--client-cert-auth', '--peer-client-cert-auth']);
  await ready(store);
  const pem = (path: string) => readFileSync(path);
  const identity = { ca: pem(files.caFile), cert: pem(files.certFile), key: pem(files.keyFile) };
  await channelTo(clientAddress, identity).unary(KV.methods.put, { key: Buffer.from('a') });
  copyFileSync(tlsFiles(dir, 'new').certFile, files.certFile);
  copyFileSync(tlsFiles(dir, 'new').keyFile, files.keyFile);
  await expect.poll(() => store.output, { timeout: 20_000 }).toContain('new connections use the renewed certificate');
  await channelTo(clientAddress, identity).unary(KV.methods.put, { key: Buffer.from('b') });
});

test('members with --auto-tls and --peer-auto-tls serve over TLS with certificates of their own making', async () => {
  const ports = await freePorts(4);
  const url = (at: number) => `https://127.0.0.1:${ports[at]}`;
  const members = ['a', 'b'].map((name, at) => {
    const dataDir = join(dir, name);
    const urls = ['--listen-client-urls', url(at), '--listen-peer-urls', url(at + 2), '--initial-advertise-peer-urls', url(at + 2)];
    const cluster = ['--name', name, '--data-dir', dataDir, '--initial-cluster', `a=${url(2)},b=${url(3)}`];
    const args = [MAIN, 'store', ...cluster, ...urls, '--auto-tls', '--peer-auto-tls'];
    const clientAddress = `127.0.0.1:${ports[at]}`;
    return new MemberProcess({ name, clientAddress, dataDir, command: process.execPath, args });
  });
  try {
    for (const each of members) each.start();
    for (const each of members) await ready(each);
    const ca = readFileSync(join(dir, 'a', 'fixtures', 'client', 'ca.crt'));
    await channelTo(members[0]!.clientAddress, { ca }).unary(KV.methods.put, { key: Buffer.from('a') });
    const other = readFileSync(join(dir, 'b', 'fixtures', 'client', 'ca.crt'));
    const { count } = await channelTo(members[1]!.clientAddress, { ca: other }).unary(KV.methods.range, { key: Buffer.from('a') });
    expect(count).toBe(1);
  } finally {
    await Promise.all(members.map((each) => each.stop()));
  }
});
