import { afterEach, expect, test } from 'vitest';
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

async function start(): Promise<{ readonly leader: Member; readonly followers: readonly Member[] }> {
  cluster = await startCluster({ nodes: 0 });
  await cluster.store.put({ key: bytes('a'), value: bytes('1') });
  const leading = await cluster.leader();
  const followers = cluster.members.filter((part) => part !== leading).map(({ member }) => member);
  return { leader: leading.member, followers };
}

/** As server.ts makes it, over channels that lead straight to the peers' services. */
function checkOf(member: Member, intervalMs = 0): CorruptionCheck {
  const { clock } = cluster;
  const others = cluster.members.map((part) => part.member).filter((other) => other !== member);
  const channels = new Map(
    others.map((other) => {
      const services = [new Peers({ channel: () => undefined }).service(other)];
      return [other.id, directChannel({ services, clock, log: silentLog })];
    }),
  );
  const peers = new Peers({ channel: (id) => channels.get(id) });
  return new CorruptionCheck({ clock, log: silentLog, member, peers, intervalMs });
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
