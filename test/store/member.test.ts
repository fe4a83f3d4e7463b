import { afterEach, expect, test } from 'vitest';
import { fromUtf8 } from '../../src/base/bytes.ts';
import { PutRequest } from '../../src/proto/etcd.ts';
import { StoreError } from '../../src/store/rpc/errors.ts';
import { startCluster, type TestCluster } from '../../src/testing/cluster.ts';

let cluster: TestCluster | undefined;
afterEach(async () => {
  await cluster?.stop();
  cluster = undefined;
});

test('a proposal that is lost with its leader fails when the next one begins, not at its timeout', async () => {
  cluster = await startCluster({ nodes: 0 });
  const leader = await cluster.leader();
  const follower = cluster.members.find((member) => member !== leader)!.member;
  const command = { kind: 'put' as const, request: PutRequest.create({ key: fromUtf8('k'), value: fromUtf8('v') }) };
  // A member's first write measures its disk; those below are sent at once.
  await cluster.clock.drive(follower.propose(command), { what: 'the first write' });
  const outcomes: string[] = [];
  const startedAtMs = cluster.clock.monotonic();
  // Accepted by the follower, on its way to a leader that dies before it arrives.
  for (let i = 0; i < 5; i++) {
    follower.propose(command).then(
      () => outcomes.push('done'),
      (error: unknown) => outcomes.push(error instanceof StoreError ? error.code : String(error)),
    );
  }
  leader.kill();
  await cluster.until('all are answered', () => outcomes.length === 5);
  expect(outcomes).toEqual(Array.from({ length: 5 }, () => 'leader-changed'));
  expect(cluster.clock.monotonic() - startedAtMs).toBeLessThan(1_000);
});

test('a write that finds no leader waits for one; with none in time it is told so, and has not happened', async () => {
  cluster = await startCluster({ nodes: 0 });
  const leader = await cluster.leader();
  const [one, other] = cluster.members.filter((member) => member !== leader);
  const put = (key: string) => ({ kind: 'put' as const, request: PutRequest.create({ key: fromUtf8(key) }) });
  const follower = one!.member;
  await cluster.clock.drive(follower.propose(put('first')), { what: 'the first write' });
  other!.kill();
  leader.kill();
  await cluster.until('it knows no leader', () => follower.leader === 0n);
  const late = await cluster.clock.drive(follower.propose(put('late')).catch((error: unknown) => error), { what: 'its timeout' });
  expect(late).toMatchObject({ code: 'no-leader' });
  const waiting = follower.propose(put('waiting'));
  await other!.start();
  expect(await cluster.clock.drive(waiting, { what: 'the write that waits' })).toMatchObject({ ok: true });
  const { kvs } = await cluster.clock.drive(cluster.store.range({ key: fromUtf8('a'), rangeEnd: fromUtf8('z') }), { what: 'a read' });
  expect(kvs.map(({ key }) => Buffer.from(key).toString())).toEqual(['first', 'waiting']);
});

test('a physical compaction is not answered as done by a member that ends before its space was given back', async () => {
  cluster = await startCluster({ members: 1, nodes: 0 });
  const { member } = cluster.member(1);
  for (let i = 0; i < 4; i++) await cluster.store.put({ key: fromUtf8('k'), value: fromUtf8(`${i}`) });
  const { revision } = member.machine;
  await cluster.clock.drive(member.propose({ kind: 'compaction', request: { revision, physical: true } }), { what: 'the compaction' });
  expect(member.machine.mvcc.isScrubbing).toBe(true);
  const outcome = member.scrubbed().then(() => 'done', (error: unknown) => error);
  await cluster.clock.drive(member.stop(), { what: 'its end' });
  expect(await outcome).toMatchObject({ code: 'stopped' });
});
