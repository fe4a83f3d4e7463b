/** `podium store top` on real processes: of Podium with a member killed, and of an etcd where one is installed. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { sleep } from '../../src/base/clock.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { findTool, ROOT, startStoreCluster, type StoreCluster, type StoreKind } from '../processes.ts';
import { until } from '../until.ts';

/** One whose word was lost at the start says it again after seven seconds. */
const TOLD_MS = 40_000;

interface Ended {
  readonly code: number;
  readonly output: string;
}

/** The endpoints as `podium env` hands them on. */
function storeTop(cluster: StoreCluster, ...args: readonly string[]): Promise<Ended> {
  const ETCDCTL_ENDPOINTS = cluster.members.map(({ clientAddress }) => clientAddress).join(',');
  return new Promise((resolve) => {
    const words = [join(ROOT, 'dist', 'src', 'main.js'), 'store', 'top', '--interval', '500ms', ...args];
    execFile(process.execPath, words, { env: { ...process.env, ETCDCTL_ENDPOINTS } }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr });
    });
  });
}

async function start(kind: StoreKind): Promise<StoreCluster> {
  const cluster = await startStoreCluster({ kind, members: 3 });
  onTestFinished(() => cluster.stop());
  await cluster.leader();
  // By what a member has told of itself it is known once it is down.
  const client = cluster.client();
  await until('every member has told where it serves', async () => (await client.memberList()).members.every(({ clientUrls }) => clientUrls.length > 0) || undefined, TOLD_MS);
  return cluster;
}

/** Puts and reads until the test is over. */
function underLoad(cluster: StoreCluster): void {
  const over = new AbortController();
  onTestFinished(() => over.abort());
  const client = cluster.client();
  const key = Buffer.from('key');
  const run = async () => {
    while (!over.signal.aborted) {
      await client.put({ key, value: key }).catch(() => undefined);
      await client.range({ key }).catch(() => undefined);
      await sleep(systemClock, 5);
    }
  };
  void run();
}

const rowOf = (output: string, first: string) => output.split('\n').find((line) => line.startsWith(`${first} `)) ?? '';

test('podium: every column of every member, then one that was killed', async () => {
  const cluster = await start('podium');
  underLoad(cluster);
  const leader = await cluster.leader();
  const follower = (leader + 1) % 3;
  const whole = await storeTop(cluster);
  console.log(whole.output);
  expect(whole.code).toBe(0);
  expect(whole.output.split('\n')[0]).toMatch(/^MEMBER +ROLE +ENDPOINT +TERM +COMMIT +APPLIED +LOG +WAL +DB +SYNC P50 +SYNC P99 +PUTS\/S +READS\/S +WATCHERS +MEMORY$/);
  const numbers = String.raw`\d+ +\d+ +\d+ +\d+ +\d\S* [KM]iB +\d\S* [KM]iB +[<>\d]\S+s +[<>\d]\S+s +[1-9]\S* +\d\S* +\d+ +\d+ MiB$`;
  for (const [at, { name, clientAddress }] of cluster.members.entries()) {
    expect(rowOf(whole.output, name)).toMatch(new RegExp(`^${name} +${at === leader ? 'leader' : 'follower'} +${clientAddress} +${numbers}`));
  }
  const followers = whole.output.slice(whole.output.indexOf('FOLLOWER'));
  for (const [at, { name }] of cluster.members.entries()) {
    expect(rowOf(followers, name)).toMatch(at === leader ? /^$/ : /^\w+ +replicate +\d+ +\d+ +\d+ +\d+$/);
  }

  const killed = cluster.members[follower]!;
  await killed.kill();
  const partly = await storeTop(cluster, '--once');
  console.log(partly.output);
  expect(partly.code).toBe(1);
  expect(rowOf(partly.output, killed.name)).toBe(`${killed.name}       down       ${killed.clientAddress}   connect ECONNREFUSED ${killed.clientAddress}`);
  expect(rowOf(partly.output.slice(partly.output.indexOf('FOLLOWER')), killed.name)).toMatch(/ probe .* [1-9]\d*$/);

  const { members } = JSON.parse((await storeTop(cluster, '-o', 'json')).output) as { members: { isUp: boolean; reason?: string; progress?: unknown[]; putsPerSecond?: number }[] };
  expect(members.map(({ isUp }) => isUp)).toEqual(cluster.members.map((_, at) => at !== follower));
  expect(members[leader]!.progress).toHaveLength(2);
  expect(members[leader]!.putsPerSecond).toBeGreaterThan(0);
});

test('a real etcd: what it tells, and - for the rest', async ({ skip }) => {
  if (findTool('etcd') === undefined) {
    if (process.env['CI'] !== undefined) throw new Error('etcd is not installed: run .ci/install-test-clients');
    skip('etcd is not installed');
  }
  const cluster = await start('etcd');
  underLoad(cluster);
  const leader = await cluster.leader();
  const { code, output } = await storeTop(cluster);
  console.log(output);
  expect(code).toBe(0);
  for (const [at, { name, clientAddress }] of cluster.members.entries()) {
    const numbers = String.raw`\d+ +\d+ +\d+ +- +- +\d\S* [KM]iB +[<>\d]\S+s +[<>\d]\S+s +[1-9]\S* +\d\S* +\d+ +\d+ MiB$`;
    expect(rowOf(output, name)).toMatch(new RegExp(`^${name} +${at === leader ? 'leader' : 'follower'} +${clientAddress} +${numbers}`));
  }
  expect(output).not.toContain('FOLLOWER');
});
