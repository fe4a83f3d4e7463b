/** Members that know each other by certificates, as processes: strangers, newcomers, and clients whose certificate was revoked. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect } from '../../src/grpc/channel.ts';
import { Cluster, KV } from '../../src/proto/etcd.ts';
import { Peer } from '../../src/proto/raft.ts';
import type { Channel } from '../../src/proto/rpc.ts';
import { authority } from '../grpc/authority.ts';
import { freePorts, MemberProcess, ROOT, V8_FLAGS_STORE } from '../processes.ts';

const MAIN = join(ROOT, 'dist', 'src', 'main.js');
const PATIENCE = { timeout: 20_000, interval: 100 };
const AT_FIRST = ['m1', 'm2', 'm3'];

type Authority = Awaited<ReturnType<typeof authority>>;

let dir: string;
let ours: Authority;
let strangers: Authority;
let ports: number[];
const members: MemberProcess[] = [];
const channels: Channel[] = [];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'podium-tls-cluster-'));
  [ours, strangers] = [await authority(), await authority()];
  ports = await freePorts(8);
  for (const name of [...AT_FIRST, 'm4', 'alice', 'bob']) await issue(ours, name);
  await issue(strangers, 'stranger');
  writeFileSync(join(dir, 'clients.crl'), await ours.revoke());
  writeFileSync(join(dir, 'peers.crl'), await ours.revoke());
});
afterAll(async () => {
  for (const channel of channels) channel.close();
  await Promise.all(members.map((member) => member.stop()));
  rmSync(dir, { recursive: true, force: true });
});

async function issue(from: Authority, name: string): Promise<void> {
  const { cert, key } = await from.issue(name);
  writeFileSync(join(dir, `${name}.crt`), cert);
  writeFileSync(join(dir, `${name}.key`), key);
  writeFileSync(join(dir, `${name}.ca`), from.ca);
}

const clientUrl = (number: number) => `https://127.0.0.1:${ports[2 * number - 2]}`;
const peerUrl = (number: number) => `https://127.0.0.1:${ports[2 * number - 1]}`;
const cluster = (...numbers: readonly number[]) => numbers.map((number) => `m${number}=${peerUrl(number)}`).join(',');

interface Starting {
  /** Whose certificate it shows. */
  readonly as?: string;
  readonly args?: readonly string[];
}

function start(number: number, { as = `m${number}`, args = [] }: Starting = {}): MemberProcess {
  const name = `m${number}`;
  const file = (owner: string, kind: string) => join(dir, `${owner}.${kind}`);
  const tls = ['', 'peer-'].flatMap((prefix) => [
    ...[`--${prefix}cert-file`, file(as, 'crt'), `--${prefix}key-file`, file(as, 'key')],
    ...[`--${prefix}trusted-ca-file`, file(as, 'ca'), `--${prefix}client-cert-auth`],
  ]);
  const flags = [
    ...['--name', name, '--data-dir', join(dir, `${name}-${as}`), '--initial-cluster', cluster(1, 2, 3)],
    ...['--listen-client-urls', clientUrl(number), '--advertise-client-urls', clientUrl(number)],
    ...['--listen-peer-urls', peerUrl(number), '--initial-advertise-peer-urls', peerUrl(number)],
    ...['--client-crl-file', file('clients', 'crl'), ...tls, ...args],
  ];
  const options = { name, clientAddress: clientUrl(number).slice('https://'.length), dataDir: join(dir, `${name}-${as}`) };
  const command = { command: process.execPath, args: [...V8_FLAGS_STORE, MAIN, 'store', ...flags] };
  const member = new MemberProcess({ ...options, ...command });
  members.push(member);
  member.start();
  return member;
}

function channelTo(url: string, who: string): Channel {
  const [ca, cert, key] = ['ca', 'crt', 'key'].map((kind) => readFileSync(join(dir, `${who}.${kind}`)));
  const channel = connect({ addresses: [url.slice('https://'.length)], tls: { ca: ca!, cert: cert!, key: key! } });
  channels.push(channel);
  return channel;
}

const key = Buffer.from('key');
const put = (number: number, who: string) => channelTo(clientUrl(number), who).unary(KV.methods.put, { key }, { timeoutMs: 8_000 });
const count = (number: number, who: string) =>
  channelTo(clientUrl(number), who).unary(KV.methods.range, { key }, { timeoutMs: 8_000 }).then((answer) => answer.count, () => -1);

test('a stranger is no member; who has a certificate joins; a client whose certificate is revoked is refused', async () => {
  const quorum = [start(1), start(2)];
  const stranger = start(3, { as: 'stranger' });
  for (const member of quorum) await expect.poll(() => member.output, PATIENCE).toContain('ready to serve client requests');
  await put(1, 'alice');
  // Neither side takes the other: the stranger hears of no leader, and no answer over a connection of its own making.
  expect(await count(3, 'stranger')).toBe(-1);
  expect(stranger.output).not.toContain('ready to serve client requests');
  expect(stranger.isRunning).toBe(true);
  const asStranger = channelTo(peerUrl(1), 'stranger').unary(Peer.methods.cluster, {}, { timeoutMs: 5_000 });
  await expect(asStranger).rejects.toThrow();
  const { cert, key: stolen } = await strangers.issue('m3');
  const trusting = connect({ addresses: [peerUrl(1).slice('https://'.length)], tls: { ca: Buffer.from(ours.ca), cert: Buffer.from(cert), key: Buffer.from(stolen) } });
  channels.push(trusting);
  await expect(trusting.unary(Peer.methods.cluster, {}, { timeoutMs: 5_000 })).rejects.toThrow();
  expect((await channelTo(peerUrl(1), 'm3').unary(Peer.methods.cluster, {}, { timeoutMs: 5_000 })).rows?.members).toHaveLength(3);
  await stranger.stop();

  const third = start(3);
  await expect.poll(() => third.output, PATIENCE).toContain('ready to serve client requests');
  expect(await count(3, 'alice')).toBe(1);

  // A fourth joins while they run; --peer-crl-file makes its peer port another one inside, and the same outside.
  const add = () => channelTo(clientUrl(1), 'alice').unary(Cluster.methods.memberAdd, { peerUrls: [peerUrl(4)] }, { timeoutMs: 8_000 });
  await expect.poll(() => add().then(() => 'added', String), PATIENCE).toBe('added');
  const fourth = start(4, {
    args: ['--initial-cluster', cluster(1, 2, 3, 4), '--initial-cluster-state', 'existing', '--peer-crl-file', join(dir, 'peers.crl')],
  });
  await expect.poll(() => fourth.output, PATIENCE).toContain('ready to serve client requests');
  await put(4, 'alice');
  await third.kill();
  // Three of four: the fourth is needed for every write.
  await put(2, 'alice');
  expect(await count(4, 'bob')).toBe(1);

  writeFileSync(join(dir, 'clients.crl'), await ours.revoke('bob'));
  await expect.poll(() => count(4, 'bob'), PATIENCE).toBe(-1);
  expect(await count(4, 'alice')).toBe(1);
}, 120_000);
