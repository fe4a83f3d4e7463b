/**
 * Members that change while real processes run, by the hand of a stock etcdctl: what an operator types, in the order that
 * etcd's documentation has it, and the way back from a lost quorum.
 */
import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findTool, freePorts, MemberProcess, ROOT, startStoreCluster, V8_FLAGS_STORE, type StoreCluster } from '../processes.ts';

const execute = promisify(execFile);
const etcdctl = findTool('etcdctl');
const MAIN = join(ROOT, 'dist', 'src', 'main.js');
const PATIENCE = { timeout: 20_000, interval: 200 };

let cluster: StoreCluster;
const added: MemberProcess[] = [];

beforeAll(async () => {
  cluster = await startStoreCluster({ members: 3 });
});
afterAll(async () => {
  await Promise.all(added.map((member) => member.stop()));
  await cluster.stop();
});

async function run(endpoints: readonly MemberProcess[], ...args: readonly string[]): Promise<string> {
  const ETCDCTL_ENDPOINTS = endpoints.map(({ clientAddress }) => clientAddress).join(',');
  return (await execute(etcdctl!, [...args], { env: { ...process.env, ETCDCTL_API: '3', ETCDCTL_ENDPOINTS } })).stdout.trim();
}

/** `etcdctl member add`, and the process that its answer says to start. */
async function add(at: readonly MemberProcess[], name: string, ...flags: readonly string[]) {
  const [client, peer] = await freePorts(2);
  const url = (port: number | undefined) => `http://127.0.0.1:${port}`;
  const tryAdd = () => run(at, 'member', 'add', name, `--peer-urls=${url(peer)}`, ...flags);
  let output = '';
  // Refused as unhealthy until all have been connected for five seconds.
  await expect.poll(async () => (output = await tryAdd().catch(String)), PATIENCE).toContain('ETCD_INITIAL_CLUSTER=');
  const initialCluster = /ETCD_INITIAL_CLUSTER="(.*)"/.exec(output)![1]!;
  expect(output).toContain('ETCD_INITIAL_CLUSTER_STATE="existing"');
  const dataDir = join(cluster.dir, name);
  const args = [
    ...['--name', name, '--data-dir', dataDir, '--log-level', 'warn'],
    ...['--listen-client-urls', url(client), '--advertise-client-urls', url(client)],
    ...['--listen-peer-urls', url(peer), '--initial-advertise-peer-urls', url(peer)],
    ...['--initial-cluster', initialCluster, '--initial-cluster-state', 'existing'],
  ];
  const start = (more: readonly string[] = []) => {
    const all = [...V8_FLAGS_STORE, MAIN, 'store', ...args, ...more];
    const member = new MemberProcess({ name, clientAddress: `127.0.0.1:${client}`, dataDir, command: process.execPath, args: all });
    added.push(member);
    member.start();
    return member;
  };
  return { start, id: / ([0-9a-f]+) added/.exec(output)![1]! };
}

const list = async (at: readonly MemberProcess[]) =>
  (await run(at, 'member', 'list')).split('\n').map((line) => line.split(', '));
const rowOf = async (at: readonly MemberProcess[], name: string) => (await list(at)).find((row) => row[2] === name);

test.skipIf(etcdctl === undefined)('etcdctl: a learner is added, promoted, removed; a dead one is replaced; a quorum is lost', async () => {
  const [first, second, third] = cluster.members as [MemberProcess, MemberProcess, MemberProcess];
  await run([first], 'put', 'before', '1');

  const m4 = await add([first], 'm4', '--learner');
  const refusal = (...args: readonly string[]) => run([second], 'member', ...args).catch((error: { stderr: string }) => error.stderr);
  expect(await refusal('add', 'm9', '--learner', '--peer-urls=http://127.0.0.1:1')).toContain('etcdserver: too many learner members in cluster');
  expect(await refusal('promote', m4.id)).toContain('etcdserver: can only promote a learner member which is in sync with leader');
  const stranger = m4.start(['--initial-advertise-peer-urls', 'http://127.0.0.1:1', '--initial-cluster', `m4=http://127.0.0.1:1,m1=${await peerUrlOf('m1')}`]);
  await expect.poll(() => stranger.output, PATIENCE).toContain('this member is not one of the cluster');
  const learner = m4.start();
  await expect.poll(() => rowOf([first], 'm4'), PATIENCE).toEqual([m4.id, 'started', 'm4', expect.anything(), expect.anything(), 'true']);
  await expect(run([learner], 'get', 'before')).rejects.toMatchObject({
    stderr: expect.stringContaining('etcdserver: rpc not supported for learner') as string,
  });
  await expect.poll(() => run([learner], 'get', '--consistency=s', 'before'), PATIENCE).toBe('before\n1');
  expect(await run([second], 'member', 'promote', m4.id)).toContain('promoted');
  await expect.poll(() => run([learner], 'get', 'before').catch(String), PATIENCE).toBe('before\n1');

  // The third dies with its data; it leaves, and another comes in its place.
  await third.kill();
  rmSync(third.dataDir, { recursive: true });
  const [thirdId] = (await rowOf([first], 'm3'))!;
  await expect.poll(() => run([first], 'member', 'remove', thirdId!).catch(String), PATIENCE).toContain('removed from cluster');
  const m5 = await add([second], 'm5');
  const replacement = m5.start();
  await expect.poll(() => run([replacement], 'get', 'before').catch(String), PATIENCE).toBe('before\n1');
  await expect.poll(async () => (await list([first])).map((row) => row[2]).sort(), PATIENCE).toEqual(['m1', 'm2', 'm4', 'm5']);

  // One that lives is removed: its process ends, and says why.
  expect(await run([first], 'member', 'remove', m4.id)).toContain('removed from cluster');
  await expect.poll(() => learner.isRunning, PATIENCE).toBe(false);
  expect(learner.output).toContain('has been permanently removed from the cluster');
  expect(learner.output).toContain('[m4 ended: 0]');

  // A restart goes by the log, though the flags of the first start name another cluster of members.
  await replacement.stop();
  replacement.start();
  await expect.poll(() => run([replacement], 'get', 'before').catch(String), PATIENCE).toBe('before\n1');

  // Two of three are lost for good.
  await run([replacement], 'put', 'last', '2');
  await expect.poll(() => run([replacement], 'get', '--consistency=s', 'last'), PATIENCE).toBe('last\n2');
  await Promise.all([first.kill(), second.kill()]);
  // Without a quorum nobody waits for a leader to hear that it cannot be, while etcdctl would wait for five seconds.
  const askedAt = performance.now();
  await expect(run([replacement], 'member', 'add', 'm9', '--peer-urls=http://127.0.0.1:1')).rejects.toMatchObject({
    stderr: expect.stringContaining('etcdserver: unhealthy cluster') as string,
  });
  expect(performance.now() - askedAt).toBeLessThan(3_000);
  await replacement.kill();
  const { stdout } = await execute(process.execPath, [MAIN, 'store', 'recover', '--data-dir', replacement.dataDir]);
  expect(stdout).toMatch(/Member [0-9a-f]+ \(m5\) is now a cluster of one, at revision 3 /);
  expect(stdout).toContain('Lost: every write after revision 3.');
  replacement.start();
  await expect.poll(() => run([replacement], 'get', 'last').catch(String), PATIENCE).toBe('last\n2');
  expect((await list([replacement])).map((row) => row[2])).toEqual(['m5']);
  const m6 = await add([replacement], 'm6');
  const grown = m6.start();
  await expect.poll(() => run([grown], 'get', 'last').catch(String), PATIENCE).toBe('last\n2');
  await expect(run([grown], 'put', 'grown', '3')).resolves.toBe('OK');
}, 180_000);

async function peerUrlOf(name: string): Promise<string> {
  return (await rowOf([cluster.members[0]!], name))![3]!;
}
