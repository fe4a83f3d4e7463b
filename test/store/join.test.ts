/** Who a member is that joins: asked of the members that run, some of which may be behind, or without a majority. */
import { afterEach, expect, test } from 'vitest';
import { fromUtf8 } from '../../src/base/bytes.ts';
import { MemoryDisk } from '../../src/base/memory-disk.ts';
import { seededRandom } from '../../src/base/random.ts';
import { Cluster, type Member } from '../../src/proto/etcd.ts';
import { identify, type Identity } from '../../src/store/join.ts';
import { startCluster, type TestCluster } from '../../src/testing/cluster.ts';
import { storeName, urlOf, type StorePart } from '../../src/testing/store-part.ts';
import { failure } from './changing-members.ts';

/** etcd's health interval, and something. */
const STEADY_MS = 6_000;

let cluster: TestCluster;
afterEach(() => cluster.stop());

async function start(members: number): Promise<void> {
  cluster = await startCluster({ members, nodes: 0 });
  await cluster.clock.advance(STEADY_MS);
}

/** As a process with an empty data directory asks, at the address of the member of that number. */
function join(number: number, members: readonly Member[]): Promise<Identity> {
  const initial = members.map(({ peerUrls }) => ({ name: new URL(peerUrls[0]!).hostname, peerUrls, id: 0n }));
  const name = storeName(number);
  const flags = { name, members: initial, advertisedPeers: [urlOf(name)], clusterId: 0n, id: 0n };
  const disk = new MemoryDisk({ clock: cluster.clock, random: seededRandom(1) }).incarnation();
  const dial = (member: { readonly name: string }) => cluster.channel(member.name);
  return cluster.clock.drive(identify({ ...flags, initialClusterState: 'existing' }, { disk, dial }), { what: 'to be told' });
}

/** The member of that number loses its disk, is removed, and one at the same address is added in its place. */
async function replace(number: number): Promise<readonly Member[]> {
  cluster.member(number).kill();
  await cluster.clock.advance(500);
  const leader = await cluster.leader();
  const channel = cluster.channel(leader.name);
  const changes = async () => {
    await channel.unary(Cluster.methods.memberRemove, { id: BigInt(number) });
    return channel.unary(Cluster.methods.memberAdd, { peerUrls: [urlOf(storeName(number))], isLearner: false });
  };
  return (await cluster.clock.drive(changes(), { what: 'the members to change' })).members;
}

function cutOff(part: StorePart): void {
  part.partition(cluster.members.filter((other) => other !== part).map(({ name }) => name));
}

test('identify() of one at the address of a removed member takes its own id, though a member that is behind answers too', async () => {
  await start(5);
  const leader = await cluster.leader();
  const [gone, behind] = cluster.members.filter((part) => part !== leader) as [StorePart, StorePart];
  cutOff(behind);
  const members = await replace(Number(gone.id));
  const added = members.find(({ name }) => name === '')!;
  expect(behind.member.machine.members.get(gone.id)).toBeDefined();
  const order = [behind.id, ...members.map(({ id }) => id).filter((id) => id !== behind.id)];
  const asked = order.map((id) => members.find((member) => member.id === id)!);
  expect((await join(Number(gone.id), asked)).id).toBe(added.id);

  // The one that is behind is the only one that answers: what it knows is not enough to come back by.
  for (const part of cluster.members) if (part !== behind) part.kill();
  expect(await failure(join(Number(gone.id), asked))).toMatch(/has run before, its data is not here, and no majority/);
});

test('identify() of a voter that is needed for the majority itself believes the furthest, without one', async () => {
  await start(1);
  const channel = cluster.channel(cluster.member(1).name);
  const request = { peerUrls: [urlOf(storeName(2))], isLearner: false };
  const adding = channel.unary(Cluster.methods.memberAdd, request);
  const { member, members } = await cluster.clock.drive(adding, { what: 'a second voter' });
  const identity = await join(2, members);
  expect(identity.id).toBe(member!.id);
  const part = cluster.joinMember(identity.id, members);
  await cluster.clock.drive(part.start(), { what: 'the second voter to start' });
  await cluster.store.put({ key: fromUtf8('k'), value: fromUtf8('v') });
  expect((await cluster.leader()).member.status().confState.voters).toHaveLength(2);
});

test('identify() says who does not answer, and why', async () => {
  await start(1);
  const members = [1, 2, 3].map((number) => ({
    ...{ id: BigInt(number), name: '', peerUrls: [urlOf(storeName(number))], clientUrls: [], isLearner: false },
  }));
  cluster.member(1).kill();
  expect(await failure(join(3, members))).toMatch(/no member .* tells which cluster it is \(store-1: .*; store-2: .*\): name members that run/);
});
