/** Members that change while leadership moves, logs are compacted, and power fails. */
import { afterEach, describe, expect, test } from 'vitest';
import { fromUtf8 } from '../../src/base/bytes.ts';
import { seededRandom } from '../../src/base/random.ts';
import { startCluster } from '../../src/testing/cluster.ts';
import { storeName, urlOf, type StorePart, type StoreSettings } from '../../src/testing/store-part.ts';
import { ChangingMembers, failure } from './changing-members.ts';

let changing: ChangingMembers | undefined;
afterEach(async () => {
  await changing?.cluster.stop();
  changing = undefined;
});

async function start(settings?: StoreSettings, steadyMs?: number): Promise<ChangingMembers> {
  return (changing = await ChangingMembers.start(settings, steadyMs));
}

/** etcd's answers where nobody can say whether it happened. */
const UNKNOWN = [
  'etcdserver: leader changed',
  'etcdserver: request timed out',
  'etcdserver: request timed out, possibly due to previous leader failure',
  'etcdserver: request timed out, possibly due to connection lost',
];

describe('a change that meets a moving leader', () => {
  test('is made once, or answered as unknown and found in the list', async () => {
    const members = await start();
    const { cluster } = members;
    const random = seededRandom(7);
    let made = 0;
    for (let round = 0; round < 12; round++) {
      const leader = await cluster.leader();
      const next = cluster.members.find((part) => part !== leader)!;
      const at = cluster.members[round % 3]!;
      const moving = cluster.clock.drive(leader.member.moveLeader(next.id), { what: 'leadership to move' });
      // The transfer begins before the change, with it, or after it has reached somebody.
      await cluster.clock.advance(random.float() * 3);
      const answer = await failure(members.add(at, 10 + round, true));
      await moving.catch(() => undefined);
      await cluster.until('all know as much', async () => {
        const lists = await Promise.all(cluster.members.map((part) => members.list(part)));
        return new Set(lists.map((each) => each.map(({ id }) => id).join())).size === 1;
      });
      const learners = (await members.list(at)).filter(({ isLearner }) => isLearner);
      if (answer === 'it did not fail') {
        made++;
        expect(learners.map(({ peerUrls }) => peerUrls)).toEqual([[urlOf(storeName(10 + round))]]);
      } else {
        expect(UNKNOWN).toContain(answer);
        expect(learners.length).toBeLessThanOrEqual(1);
      }
      for (const { id } of learners) await members.remove(await cluster.leader(), id);
    }
    expect(made).toBeGreaterThan(8);
  });

  test('waits for the next leader where nobody leads, and is then made once', async () => {
    const members = await start();
    const { cluster } = members;
    for (const part of cluster.members) part.partition(cluster.members.map(({ name }) => name));
    await cluster.clock.advance(3_000);
    expect(cluster.members.map(({ isLeader }) => isLeader)).toEqual([false, false, false]);
    const answers = cluster.members.map((part, at) => failure(members.add(part, 7 + at, true)));
    await cluster.clock.advance(1_000);
    for (const part of cluster.members) part.heal();
    // One of them, for a learner is enough; the others hear that they came too late, not that nobody led.
    expect((await Promise.all(answers)).sort()).toEqual([
      'etcdserver: too many learner members in cluster',
      'etcdserver: too many learner members in cluster',
      'it did not fail',
    ]);
  });

  test('is answered as unknown where the leader dies over it', async () => {
    const members = await start();
    const { cluster } = members;
    const leader = await cluster.leader();
    const at = await members.follower();
    for (const part of cluster.members) part.disk.faults = { latencyMs: { min: 50, max: 50 } };
    const answer = failure(members.add(at, 9, true));
    await cluster.clock.advance(60);
    leader.kill();
    expect(await answer).toBe('etcdserver: request timed out, possibly due to connection lost');
    for (const part of cluster.members) part.disk.faults = {};
    await cluster.leader();
    // It was in the followers' logs by then.
    await cluster.until('they know it', async () => (await members.list(at)).length === 4);
  });

  test('without a quorum fails in time', async () => {
    const members = await start();
    const { cluster } = members;
    const at = await members.follower();
    for (const part of cluster.members) if (part !== at) part.kill();
    // Others are refused at once (reconfiguration.test.ts): whoever is dead may go, if only somebody led.
    const dead = cluster.members.find((part) => part !== at)!;
    expect(await failure(members.remove(at, dead.id))).toMatch(/^etcdserver: (no leader|request timed out)/);
  });
});

test('a member that was away catches up with a leader that has joined meanwhile', async () => {
  const members = await start({ strictReconfigCheck: false });
  const { cluster } = members;
  const away = await members.follower();
  away.kill();
  const leader = await cluster.leader();
  const { part, id } = await members.join(leader, true);
  await cluster.until('it is in', async () => (await failure(members.promote(leader, id))) === 'it did not fail');
  await cluster.clock.drive(leader.member.moveLeader(id), { what: 'leadership to move' });
  await cluster.clock.drive(away.start(), { what: 'the one that was away to start' });
  expect(away.member.machine.members.get(id)).toBeUndefined();
  await cluster.until('it hears of the new member, from nobody else', () => away.member.machine.members.get(id) !== undefined);
  expect(part.isLeader).toBe(true);
});

test('new addresses of a member are there after all have restarted', async () => {
  const members = await start();
  const { cluster } = members;
  const peerUrls = [urlOf('store-2'), 'http://store-2:2'];
  await members.update(await members.follower(), 2n, peerUrls);
  await cluster.until('all know', () => cluster.members.every((part) => part.member.machine.members.get(2n)!.peerUrls.length === 2));
  for (const part of cluster.members) part.powerCut();
  await Promise.all(cluster.members.map((part) => cluster.clock.drive(part.start(), { what: 'members to start' })));
  const leader = await cluster.leader();
  expect((await members.list(leader)).find(({ id }) => id === 2n)?.peerUrls).toEqual(peerUrls);
  await cluster.store.put({ key: fromUtf8('after') });
});

test('a member joins by snapshot where the log was compacted before, is promoted, and goes on from its own data', async () => {
  const members = await start({ snapshotEntries: 20, catchUpEntries: 2 });
  const { cluster } = members;
  for (let i = 0; i < 60; i++) await cluster.store.put({ key: fromUtf8(`k${i}`), value: fromUtf8('v') });
  const { part, id } = await members.join(await members.follower(), true);
  const isLevel = async () => part.member.machine.applied.index === (await cluster.leader()).member.machine.applied.index;
  await cluster.until('it has caught up', isLevel);
  // Nobody could have sent it what the others have forgotten.
  expect(part.member.status().firstIndex).toBeGreaterThan(40);
  await cluster.until('it is promoted', async () => (await failure(members.promote(await cluster.leader(), id))) === 'it did not fail');
  await part.restart();
  await cluster.store.put({ key: fromUtf8('after') });
  await cluster.until('it is level again', isLevel);
  expect(part.member.machine.hashAll()).toBe((await cluster.leader()).member.machine.hashAll());
  expect(part.member.status().confState.voters).toContain(id);
});

test('as many learners as --max-learners says', async () => {
  const members = await start({ learnersMax: 2 });
  const leader = await members.cluster.leader();
  await members.add(leader, 10, true);
  await members.add(leader, 11, true);
  expect(await failure(members.add(leader, 12, true))).toBe('etcdserver: too many learner members in cluster');
  expect((await members.list(leader)).filter(({ isLearner }) => isLearner)).toHaveLength(2);
});

test('without --strict-reconfig-check a change that endangers the quorum is made', async () => {
  const members = await start({ strictReconfigCheck: false }, 0);
  const leader = await members.cluster.leader();
  const { member } = await members.add(leader, 4);
  expect(await failure(members.add(leader, 5))).toBe('it did not fail');
  // Five, of which two never started: with one away nothing goes on, so none is killed here.
  await members.remove(leader, member!.id);
  expect(await members.list(leader)).toHaveLength(4);
});

describe('recover()', () => {
  /** A member whose quorum is gone, with something in its log that its state has not been written with. */
  async function lost(seed: number): Promise<{ readonly part: StorePart; readonly revision: number }> {
    const cluster = await startCluster({ nodes: 0, seed });
    changing = { cluster } as ChangingMembers;
    for (const part of [cluster.controllers, cluster.scheduler, cluster.apiServer]) part.kill();
    await cluster.clock.advance(500);
    for (let i = 0; i < 20; i++) await cluster.store.put({ key: fromUtf8(`k${i}`), value: fromUtf8('v') });
    const part = await cluster.leader();
    const { revision } = part.member.machine;
    for (const each of cluster.members) each.powerCut();
    return { part, revision };
  }

  test('can be run again after a power cut at any step, and the member then leads', async () => {
    let steps = 0;
    let interrupted = 0;
    for (let seed = 1; steps === 0 || seed <= steps; seed++) {
      const { part, revision } = await lost(seed);
      const { cluster } = changing!;
      part.disk.faults = { latencyMs: { min: 1, max: 1 } };
      part.backends.faults = { latencyMs: { min: 1, max: 1 } };
      let isDone = false;
      const beganMs = cluster.clock.monotonic();
      const recovering = part.recover().then(() => (isDone = true));
      if (steps === 0) {
        await cluster.clock.drive(recovering, { what: 'the first recovery' });
        steps = Math.ceil(cluster.clock.monotonic() - beganMs);
      } else await cluster.clock.advance(seed - 1.5);
      if (!isDone) interrupted++;
      part.powerCut();
      part.disk.faults = {};
      part.backends.faults = {};
      const { revision: kept } = await cluster.clock.drive(part.recover(), { what: 'the second recovery' });
      expect({ seed, kept }).toEqual({ seed, kept: revision });
      await cluster.clock.drive(part.start(), { what: 'the member to start' });
      await cluster.until('it leads alone', () => part.isLeader);
      expect(part.member.status().confState.voters).toEqual([part.id]);
      expect(part.member.machine.members.list().map(({ id }) => id)).toEqual([part.id]);
      await cluster.store.put({ key: fromUtf8('after') });
      expect((await cluster.store.range({ key: fromUtf8('k'), rangeEnd: fromUtf8('l'), countOnly: true })).count).toBe(20);
      await cluster.stop();
    }
    expect(interrupted).toBeGreaterThan(10);
  }, 60_000);
});
