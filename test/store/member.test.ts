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
