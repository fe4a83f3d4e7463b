/**
 * One list of cases (cases.ts) over several subjects: a store of one member, one of three asked at a follower and at its
 * leader, one in which the members' gRPC is not of one make, and real etcds where they are installed: the distribution's, and a current one; model.test.ts has
 * those that need no process. Where they differ Podium is wrong, or the difference is named here.
 */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { connect } from '../../src/grpc/channel.ts';
import { Cluster } from '../../src/proto/etcd.ts';
import type { Channel } from '../../src/proto/rpc.ts';
import { findTool, startStoreCluster, type StoreCluster, type StoreKind } from '../processes.ts';
import { cases, type Subject } from './cases.ts';
import { maintenanceCases } from './maintenance-cases.ts';
import { modelCases } from './model-cases.ts';

interface SubjectKind {
  readonly kind: StoreKind;
  readonly members: number;
  readonly ask: 'leader' | 'follower' | 'member on grpc-js';
  /** Of an etcd: its program, and the cases that it does not pass itself, with the reason. */
  readonly etcd?: { readonly program: string; readonly fails: ReadonlyMap<string, string> };
}

/** Of the distribution. */
const failsOnEtcd34: ReadonlyMap<string, string> = new Map([
  ['lock and election: a waiter whose lease ends is told so', 'etcd 3.4 answers that it holds the lock; 3.5 looks again'],
  ['Downgrade: what is no version, or not one minor down', 'etcd 3.4 has no Downgrade'],
  ['Downgrade: announced once, shown, cancelled; to cancel none is no mistake', 'etcd 3.4 has no Downgrade'],
]);

/** Built by .ci/install-test-clients. */
const failsOnEtcd37: ReadonlyMap<string, string> = new Map([]);

const subjects: readonly SubjectKind[] = [
  { kind: 'podium', members: 1, ask: 'leader' },
  { kind: 'podium', members: 3, ask: 'leader' },
  { kind: 'podium', members: 3, ask: 'follower' },
  // As while a cluster is moved from one to the other, a member at a time.
  { kind: 'podium', members: 3, ask: 'member on grpc-js' },
  { kind: 'etcd', members: 1, ask: 'leader', etcd: { program: 'etcd', fails: failsOnEtcd34 } },
  { kind: 'etcd', members: 1, ask: 'leader', etcd: { program: 'etcd-current', fails: failsOnEtcd37 } },
];

const CASE_MS = 60_000;
/**
 * An etcd drops a change of members that comes before its Raft has counted the one before as applied, and never answers
 * its caller: rarely, on a machine that is busy.
 */
const ETCD_RETRIES = 2;
const GRPC_JS = ['--grpc-server', 'grpc-js'];

async function addressesOf(channel: Channel): Promise<number> {
  const { members } = await channel.unary(Cluster.methods.memberList, {});
  return members.filter(({ clientUrls }) => clientUrls.length > 0).length;
}

for (const { kind, members, ask, etcd } of subjects) {
  const program = etcd && findTool(etcd.program);
  const isMissing = etcd !== undefined && program === undefined;
  if (isMissing && process.env['CI'] !== undefined) throw new Error(`${etcd.program} is not installed: run .ci/install-test-clients`);
  describe.skipIf(isMissing)(`${etcd?.program ?? kind}, ${members} member${members > 1 ? 's' : ''}, asked at the ${ask}`, () => {
    let cluster: StoreCluster;
    let subject: Subject;

    beforeAll(async () => {
      cluster = await startStoreCluster({ kind, members, program, argsOf: ask === 'member on grpc-js' ? [GRPC_JS] : [] });
      const leader = await cluster.leader();
      const asked = { leader, follower: (leader + 1) % members, 'member on grpc-js': 0 }[ask];
      const channel = connect({ addresses: [cluster.members[asked]!.clientAddress] });
      // Members tell their addresses through the log once they have a leader.
      await vi.waitFor(async () => expect(await addressesOf(channel)).toBe(members), { timeout: 10_000 });
      subject = { client: cluster.clientOf(asked), channel, members };
    });
    afterAll(async () => {
      subject.channel.close();
      await cluster.stop();
    });

    for (const [number, { name, run }] of [...cases, ...maintenanceCases, ...modelCases].entries()) {
      const reason = etcd?.fails.get(name);
      const title = reason === undefined ? name : `${name} (${reason})`;
      const options = { timeout: CASE_MS, retry: etcd === undefined ? 0 : ETCD_RETRIES };
      test.skipIf(reason !== undefined)(title, options, () => run(subject, (key) => Buffer.from(`case-${number}/${key}`)));
    }
  });
}
