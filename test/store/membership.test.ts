/** Members that change while the cluster runs: the whole path, by a cluster in this process. */
import { afterEach, expect, test } from 'vitest';
import { fromUtf8 } from '../../src/base/bytes.ts';
import { Cluster } from '../../src/proto/etcd.ts';
import type { Channel } from '../../src/proto/rpc.ts';
import type { TestCluster } from '../../src/testing/cluster.ts';
import type { StorePart } from '../../src/testing/store-part.ts';
import { ChangingMembers, failure } from './changing-members.ts';

let changing: ChangingMembers | undefined;
let cluster: TestCluster | undefined;
afterEach(async () => {
  await cluster?.stop();
  cluster = undefined;
});

async function start(...args: Parameters<typeof ChangingMembers.start>): Promise<TestCluster> {
  changing = await ChangingMembers.start(...args);
  return (cluster = changing.cluster);
}

const call = <T>(part: StorePart, ask: (channel: Channel) => Promise<T>) => changing!.call(part, ask);
const add = (at: StorePart, number: number, isLearner = false) => changing!.add(at, number, isLearner);
const promote = (at: StorePart, id: bigint) => changing!.promote(at, id);
const remove = (at: StorePart, id: bigint) => changing!.remove(at, id);
const status = (at: StorePart) => changing!.status(at);
const follower = () => changing!.follower();
const join = (at: StorePart, isLearner: boolean) => changing!.join(at, isLearner);

test('a learner is added at a follower, catches up, serves only what a learner serves, and is promoted', async () => {
  const { store, until } = bound(await start());
  await store.put({ key: fromUtf8('before'), value: fromUtf8('1') });
  const { part, id } = await join(await follower(), true);
  await until('it tells its name', () => cluster!.member(1).member.machine.members.get(id)?.name === part.name);
  expect((await status(part)).isLearner).toBe(true);
  const kv = await call(part, (channel) => failure(channel.unary(Cluster.methods.memberList, {})));
  expect(kv).toBe('etcdserver: rpc not supported for learner');
  expect(await failure(add(await cluster!.leader(), 9, true))).toBe('etcdserver: too many learner members in cluster');
  expect(await failure(promote(await cluster!.leader(), 1n))).toBe('etcdserver: can only promote a learner member');
  await promote(await follower(), id);
  await until('it hears so', () => part.member.machine.members.get(id)?.isLearner === false);
  expect(part.member.status().confState.voters).toContain(id);
  expect(part.member.machine.hashAll()).toBe((await cluster!.leader()).member.machine.hashAll());
});

test('a learner that has not the log yet is not promoted', async () => {
  await start();
  for (let i = 0; i < 30; i++) await cluster!.store.put({ key: fromUtf8(`k${i}`), value: fromUtf8('v') });
  const { member } = await add(await cluster!.leader(), 4, true);
  expect(await failure(promote(await follower(), member!.id))).toBe(
    'etcdserver: can only promote a learner member which is in sync with leader',
  );
});

test('a change that is refused is answered, wherever it was asked', async () => {
  await start();
  const leader = await cluster!.leader();
  for (const at of [leader, await follower()]) {
    expect(await failure(add(at, 1))).toBe('etcdserver: Peer URLs already exists');
    expect(await failure(remove(at, 99n))).toBe('etcdserver: member not found');
  }
  // Within one second, and at one address, they have one id.
  const both = await Promise.all([failure(add(leader, 7)), failure(add(leader, 7))]);
  expect(both.sort()).toEqual(['etcdserver: member ID already exist', 'it did not fail']);
});

test('a dead member is replaced: removed, and another added in its place', async () => {
  const { until } = bound(await start());
  const dead = await follower();
  dead.kill();
  await until('its connections are gone', async () => (await failure(remove(await cluster!.leader(), dead.id))) === 'it did not fail');
  await until('two are connected for a while', async () => {
    const leader = await cluster!.leader();
    return (await failure(add(leader, 4, false))) === 'it did not fail';
  });
  const { members } = await call(await cluster!.leader(), (channel) => channel.unary(Cluster.methods.memberList, {}));
  const added = members.find(({ name }) => name === '')!;
  const part = cluster!.joinMember(added.id, members);
  await cluster!.clock.drive(part.start(), { what: 'the new member to start' });
  await cluster!.store.put({ key: fromUtf8('after'), value: fromUtf8('1') });
  await until('it has caught up', async () => {
    const { machine } = (await cluster!.leader()).member;
    return part.member.machine.applied.index === machine.applied.index && part.member.machine.members.get(part.id)?.name === part.name;
  });
  expect(part.member.machine.hashAll()).toBe((await cluster!.leader()).member.machine.hashAll());
  // What has joined goes on from its own log, not from what it began with.
  await part.restart();
  await until('it is back', async () => part.member.leader === (await cluster!.leader()).id);
  // The one that was removed comes back: it is told, and ends.
  await cluster!.clock.drive(dead.start(), { what: 'the removed member to start' });
  await until('it ends', () => !dead.isRunning);
});

test('a leader that is removed answers, ends, and another leads', async () => {
  const { store, until } = bound(await start());
  const old = await cluster!.leader();
  const { members } = await remove(old, old.id);
  expect(members.map(({ id }) => id)).not.toContain(old.id);
  await until('it ends', () => !old.isRunning);
  const next = await cluster!.leader();
  expect(next).not.toBe(old);
  await store.put({ key: fromUtf8('after'), value: fromUtf8('1') });
  expect(next.member.status().confState.voters).not.toContain(old.id);
  await expect(old.restart()).rejects.toThrow('has been permanently removed from the cluster');
});

test('a follower that is asked to remove the leader answers so, though it hangs up on whom it hears to be removed', async () => {
  await start();
  const old = await cluster!.leader();
  const { members } = await remove(await follower(), old.id);
  expect(members.map(({ id }) => id)).not.toContain(old.id);
});

test('changes that endanger the quorum are refused', async () => {
  await start({}, 0);
  expect(await failure(add(await cluster!.leader(), 4))).toBe('etcdserver: unhealthy cluster');
  await cluster!.clock.advance(6_000);
  const leader = await cluster!.leader();
  const down = await follower();
  down.kill();
  await cluster!.clock.advance(500);
  expect(await failure(add(leader, 4))).toBe('etcdserver: unhealthy cluster');
  const other = cluster!.members.find((part) => part !== leader && part !== down)!;
  expect(await failure(remove(leader, other.id))).toBe('etcdserver: unhealthy cluster');
});

function bound(of: TestCluster) {
  return { store: of.store, until: of.until.bind(of) };
}
