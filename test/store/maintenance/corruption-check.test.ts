import { afterEach, describe, expect, test } from 'vitest';
import { silentLog } from '../../../src/base/log.ts';
import { directChannel } from '../../../src/proto/direct-channel.ts';
import { AlarmType } from '../../../src/proto/etcd.ts';
import { CorruptionCheck } from '../../../src/store/maintenance/corruption-check.ts';
import type { Member } from '../../../src/store/member.ts';
import { Peers } from '../../../src/store/peers.ts';
import { StoreError } from '../../../src/store/rpc/errors.ts';
import { startCluster, type TestCluster } from '../../../src/testing/cluster.ts';
import { bytes } from '../mvcc/requests.ts';

let cluster: TestCluster;
afterEach(() => cluster.stop());

async function start(hashCompactions = false): Promise<{ readonly leader: Member; readonly followers: readonly Member[] }> {
  cluster = await startCluster({ nodes: 0, store: { hashCompactions } });
  await cluster.store.put({ key: bytes('a'), value: bytes('1') });
  const leading = await cluster.leader();
  const followers = cluster.members.filter((part) => part !== leading).map(({ member }) => member);
  return { leader: leading.member, followers };
}

/** As server.ts makes it, over channels that lead straight to the peers' services. */
function checkOf(member: Member, intervalMs = 0, compactionIntervalMs = 0): CorruptionCheck {
  const { clock } = cluster;
  const others = cluster.members.map((part) => part.member).filter((other) => other !== member);
  const channels = new Map(
    others.map((other) => {
      const services = [new Peers({ channel: () => undefined }).service(other)];
      return [other.id, directChannel({ services, clock, log: silentLog })];
    }),
  );
  const peers = new Peers({ channel: (id) => channels.get(id) });
  return new CorruptionCheck({ clock, log: silentLog, member, peers, intervalMs, compactionIntervalMs });
}

/** A write that no log knows of, as a bug or a bad disk would make it. */
function corrupt({ machine: { mvcc } }: Member): void {
  mvcc.begin();
  mvcc.put('a', bytes('wrong'), 0n);
  mvcc.commit();
}

const drive = <T>(work: Promise<T>) => cluster.clock.drive(work, { what: 'a check' });

test('members of equal state raise no alarm; one that lags or has compacted is not compared', async () => {
  const { leader, followers } = await start();
  expect(await drive(checkOf(leader).check())).toEqual([]);
  followers[0]!.machine.mvcc.compact(2);
  expect(await drive(checkOf(leader).check())).toEqual([]);
  expect(leader.machine.alarms.list()).toEqual([]);
});

test('a member whose state differs gets a CORRUPT alarm from the leader, by the clock, and writes are refused', async () => {
  const { leader, followers } = await start();
  corrupt(followers[1]!);
  await cluster.store.put({ key: bytes('b'), value: bytes('2') });
  const check = checkOf(leader, 60_000);
  check.start();
  await cluster.until('the alarm is raised', () => leader.machine.alarms.list().length > 0, 130_000);
  check.stop();
  expect(leader.machine.alarms.list()).toEqual([{ memberId: followers[1]!.id, alarm: AlarmType.CORRUPT }]);
  await expect(cluster.store.put({ key: bytes('c') })).rejects.toThrow('etcdserver: corrupt cluster');
});

test('a leader that differs from a majority names itself', async () => {
  const { leader } = await start();
  const { mvcc } = leader.machine;
  await cluster.store.put({ key: bytes('b'), value: bytes('2') });
  corrupt(leader);
  await cluster.store.put({ key: bytes('c'), value: bytes('3') });
  // The others are a revision behind; they come there with the next write.
  for (const { member } of cluster.members) if (member !== leader) corruptAsMuch(member, mvcc.revision);
  expect(await drive(checkOf(leader).check())).toEqual([leader.id]);
});

function corruptAsMuch({ machine: { mvcc } }: Member, revision: number): void {
  while (mvcc.revision < revision) {
    mvcc.begin();
    mvcc.put('filler', bytes('same'), 0n);
    mvcc.commit();
  }
}

describe('by what a compaction left', () => {
  /** At one revision on all members, but of another value on one: as a flipped bit would leave it. */
  async function flip(member: Member): Promise<void> {
    const { members } = cluster;
    await cluster.until('all are at one revision', () => new Set(members.map((each) => each.member.machine.revision)).size === 1);
    for (const { member: each } of members) {
      each.machine.mvcc.begin();
      each.machine.mvcc.put('flipped', bytes(each === member ? 'wrong' : 'right'), 0n);
      each.machine.mvcc.commit();
    }
  }

  /** And later ones, so that no member is still where it compacted to. */
  async function compact(): Promise<void> {
    const { header } = await cluster.store.put({ key: bytes('b'), value: bytes('2') });
    await cluster.store.compact({ revision: header!.revision });
    for (let i = 0; i < 3; i++) await cluster.store.put({ key: bytes('c'), value: bytes(String(i)) });
    await cluster.until('all have hashed it', () =>
      cluster.members.every(({ member }) => member.compactionHashes.list()[0]?.hashRevision === header!.revision),
    );
  }

  test('a member whose state was altered gets a CORRUPT alarm within a minute of the next', async () => {
    const { leader, followers } = await start(true);
    await flip(followers[1]!);
    const check = checkOf(leader, 0, 60_000);
    check.start();
    await compact();
    expect(leader.machine.alarms.list()).toEqual([]);
    await cluster.until('the alarm is raised', () => leader.machine.alarms.list().length > 0, 61_000);
    check.stop();
    expect(leader.machine.alarms.list()).toEqual([{ memberId: followers[1]!.id, alarm: AlarmType.CORRUPT }]);
  });

  test('a leader of altered state names itself, and only a leader looks', async () => {
    const { leader, followers } = await start(true);
    await flip(leader);
    await compact();
    expect(await drive(checkOf(followers[0]!).checkCompactions())).toEqual([]);
    expect(await drive(checkOf(leader).checkCompactions())).toEqual([leader.id]);
  });

  test('members of equal state raise none; an older compaction is compared where not all have made the newest', async () => {
    const { leader, followers } = await start(true);
    const check = checkOf(leader);
    await compact();
    expect(await drive(check.checkCompactions())).toEqual([]);
    await flip(followers[0]!);
    await compact();
    followers[1]!.machine.mvcc.compact(leader.machine.revision);
    leader.machine.mvcc.compact(leader.machine.revision);
    leader.compactionHashes.compacted();
    await cluster.until('the leader has hashed it', () => leader.compactionHashes.list().length === 3);
    expect(await drive(check.checkCompactions())).toEqual([followers[0]!.id]);
  });

  test('a member that does not hash by itself answers for where it is now', async () => {
    const { leader, followers } = await start();
    const { header } = await cluster.store.put({ key: bytes('b'), value: bytes('2') });
    await cluster.store.compact({ revision: header!.revision });
    const [follower] = followers;
    await cluster.until('it is compacted there', () => follower!.machine.mvcc.compactRevision === header!.revision);
    expect(follower!.compactionHashes.list()).toEqual([]);
    const [theirs, own] = [follower!, leader].map(({ compactionHashes }) => compactionHashes.at(header!.revision));
    expect(await drive(theirs!)).toEqual(await drive(own!));
    await expect(drive(follower!.compactionHashes.at(header!.revision - 1))).rejects.toThrow(new StoreError('compacted'));
    await expect(drive(follower!.compactionHashes.at(header!.revision + 1))).rejects.toThrow(new StoreError('future-revision'));
  });
});

test('at its start a member of another state does not serve', async () => {
  const { followers } = await start();
  await drive(checkOf(followers[0]!).checkAtStart());
  corrupt(followers[0]!);
  corruptAsMuch(followers[1]!, followers[0]!.machine.revision);
  await expect(drive(checkOf(followers[0]!).checkAtStart())).rejects.toThrow("this member's state differs");
});

test('a follower does not check', async () => {
  const { followers } = await start();
  corrupt(followers[0]!);
  expect(await drive(checkOf(followers[1]!).check())).toEqual([]);
});

test('moveLeader() resolves when the other member leads; a follower refuses', async () => {
  const { leader, followers } = await start();
  const [target] = followers;
  await drive(leader.moveLeader(target!.id));
  expect(leader.leader).toBe(target!.id);
  await expect(drive(leader.moveLeader(target!.id))).rejects.toThrow(new StoreError('not-leader'));
});
