/** Long leases while leadership moves: three members on a driven clock, at etcd's intervals. */
import { afterEach, expect, test } from 'vitest';
import { fromUtf8 } from '../../../src/base/bytes.ts';
import { startCluster, type TestCluster } from '../../../src/testing/cluster.ts';
import type { StorePart } from '../../../src/testing/store-part.ts';

const MINUTE_MS = 60_000;
const HOUR_SECONDS = 3_600;
/** As few timers as a cluster can do with: an hour of it has to pass. */
const SLOW = { tickMs: 500, heartbeatMs: 1_000, electionMs: 5_000 };
const LEASE = 0x1ea5en;

let cluster: TestCluster | undefined;
afterEach(async () => {
  await cluster?.stop();
  cluster = undefined;
});

async function start(settings = {}): Promise<TestCluster> {
  cluster = await startCluster({ nodes: 0, store: { ...SLOW, ...settings } });
  // What else holds leases and watches would only make the hour longer.
  for (const part of [cluster.controllers, cluster.scheduler, cluster.apiServer]) part.kill();
  await cluster.store.leaseGrant({ id: LEASE, ttl: HOUR_SECONDS });
  await cluster.store.put({ key: fromUtf8('held'), lease: LEASE });
  return cluster;
}

const isHeld = async () => (await cluster!.store.range({ key: fromUtf8('held') })).count === 1;

async function moveLeadership(): Promise<StorePart> {
  const from = await cluster!.leader();
  const to = cluster!.members.find((part) => part !== from)!;
  await cluster!.clock.drive(from.member.moveLeader(to.id), { what: 'leadership to move' });
  return to;
}

const checkpointOf = (part: StorePart) => part.member.machine.leases.state(LEASE)?.checkpointSeconds;

test('a lease of an hour ends after about an hour, however often leadership moves', async () => {
  const { clock } = await start();
  const beganMs = clock.monotonic();
  for (let moves = 0; moves < 8; moves++) {
    await clock.advance(7 * MINUTE_MS);
    // By turns handed over and lost: the members that are killed come back from their rows and their log.
    if (moves % 2 === 0) await moveLeadership();
    else await (await cluster!.leader()).restart();
    await cluster!.leader();
    expect(await isHeld()).toBe(true);
  }
  const { ttl, grantedTtl } = await cluster!.store.leaseTimeToLive({ id: LEASE });
  expect(grantedTtl).toBe(HOUR_SECONDS);
  expect(ttl).toBeLessThan(HOUR_SECONDS / 2);
  // Looked at each half minute: a look costs more than the time between.
  while ((await isHeld()) && clock.monotonic() - beganMs < 2 * 60 * MINUTE_MS) await clock.advance(MINUTE_MS / 2);
  const tookMinutes = (clock.monotonic() - beganMs) / MINUTE_MS;
  expect(tookMinutes).toBeGreaterThanOrEqual(60);
  // Each leader's last one and a half minutes, and what an election takes, are given once more.
  expect(tookMinutes).toBeLessThan(75);
}, 60_000);

test('without checkpoints every new leader gives the whole hour', async () => {
  const { clock } = await start({ leaseCheckpoints: false });
  await clock.advance(12 * MINUTE_MS);
  await moveLeadership();
  expect((await cluster!.store.leaseTimeToLive({ id: LEASE })).ttl).toBeGreaterThan(HOUR_SECONDS - 60);
}, 60_000);

test('a keep-alive clears the checkpoint on all members before it is answered, and a new leader keeps its promise', async () => {
  const { clock } = await start();
  await clock.advance(6 * MINUTE_MS);
  const leader = await cluster!.leader();
  for (const part of cluster!.members) expect(checkpointOf(part)).toBe(HOUR_SECONDS - 300);
  expect((await cluster!.store.leaseKeepAliveOnce(LEASE)).ttl).toBe(HOUR_SECONDS);
  expect(checkpointOf(leader)).toBe(0);
  leader.kill();
  const next = await cluster!.leader();
  await cluster!.until('it answers', isHeld);
  expect(checkpointOf(next)).toBe(0);
  expect((await cluster!.store.leaseTimeToLive({ id: LEASE })).ttl).toBeGreaterThan(HOUR_SECONDS - 60);
}, 60_000);

test('a new leader counts from a checkpoint that it had not applied when it was elected', async () => {
  const { clock } = await start();
  const leader = await cluster!.leader();
  for (const part of cluster!.members) part.disk.faults = { latencyMs: { min: 200, max: 200 } };
  await cluster!.until('a checkpoint is under way', () => leader.member.machine.leases.isCheckpointed(LEASE), 6 * MINUTE_MS);
  // Written by the followers, acknowledged by none.
  await clock.advance(100);
  expect(cluster!.members.map(checkpointOf)).toEqual([0, 0, 0]);
  leader.kill();
  for (const part of cluster!.members) part.disk.faults = {};
  const next = await cluster!.leader();
  await cluster!.until('it answers', isHeld);
  expect(checkpointOf(next)).toBe(HOUR_SECONDS - 300);
  expect((await cluster!.store.leaseTimeToLive({ id: LEASE })).ttl).toBeLessThan(HOUR_SECONDS - 250);
}, 60_000);

test('a member that gets the state by snapshot has the checkpoints', async () => {
  const { clock } = await start({ snapshotEntries: 10, catchUpEntries: 1 });
  const leader = await cluster!.leader();
  const away = cluster!.members.find((part) => part !== leader)!;
  away.kill();
  await clock.advance(6 * MINUTE_MS);
  for (let i = 0; i < 30; i++) await cluster!.store.put({ key: fromUtf8(`k${i}`) });
  await cluster!.clock.drive(away.start(), { what: 'the member to start' });
  await cluster!.until('it has caught up', () => {
    return away.member.machine.applied.index === leader.member.machine.applied.index;
  });
  expect(away.member.status().firstIndex).toBeGreaterThan(20);
  expect(checkpointOf(away)).toBe(HOUR_SECONDS - 300);
  expect(away.member.machine.hashAll()).toBe(leader.member.machine.hashAll());
}, 60_000);
