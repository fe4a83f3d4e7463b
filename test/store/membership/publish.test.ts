import { afterEach, beforeEach, expect, test } from 'vitest';
import { DrivenClock } from '../../../src/base/driven-clock.ts';
import { silentLog } from '../../../src/base/log.ts';
import { MemberChange_Kind } from '../../../src/proto/raft.ts';
import { StoreError } from '../../../src/store/rpc/errors.ts';
import { Members } from '../../../src/store/membership/core/members.ts';
import { Membership } from '../../../src/store/membership/membership.ts';
import type { RaftStatus } from '../../../src/store/raft/core/raft.ts';

const SELF = 7n;
const URLS = ['http://127.0.0.1:2379'];

let clock: DrivenClock;
let members: Members;
/** When it was said, in ms, and what becomes of it. */
let said: number[];
let isHeard: boolean;
let leader: bigint;
let membership: Membership;

beforeEach(() => {
  clock = new DrivenClock();
  members = new Members();
  members.load({ id: SELF, name: '', peerUrls: [], clientUrls: [], isLearner: false });
  said = [];
  isHeard = true;
  leader = 1n;
  membership = new Membership({
    self: SELF,
    clock,
    log: silentLog,
    transport: { setPeers() {}, start: async () => undefined, send() {}, sendSnapshot: async () => undefined, close: async () => undefined },
    strictReconfigCheck: true,
    learnersMax: 1,
    members: () => members,
    bootstrapRows: () => ({ initial: [], members: [] }),
    status: () => ({ leader }) as RaftStatus,
    connectedForMs: () => new Map(),
    propose: (change, timeoutMs = Infinity) => {
      expect(change.kind).toBe(MemberChange_Kind.PUBLISH);
      said.push(clock.monotonic());
      if (!isHeard) return new Promise((_, reject) => clock.setTimer(timeoutMs, () => reject(new StoreError('timeout'))));
      const member = { ...members.get(SELF)!, name: change.member!.name, clientUrls: [...change.member!.clientUrls] };
      members.load(member);
      return Promise.resolve({ ok: true as const, result: { kind: 'member-change' as const, revision: 1, member } });
    },
    linearizable: async () => undefined,
    onRemoved: () => undefined,
  });
});

afterEach(() => membership.stop());

test('what the log says already is not said again', async () => {
  membership.publish({ name: 'm', clientUrls: URLS });
  await clock.advance(10_000);
  expect(said).toEqual([0]);
  expect(members.get(SELF)).toMatchObject({ name: 'm', clientUrls: URLS });
});

test('one that was lost is said again within two seconds', async () => {
  isHeard = false;
  membership.publish({ name: 'm', clientUrls: URLS });
  await clock.advance(900);
  isHeard = true;
  await clock.advance(1_100);
  expect(said).toHaveLength(2);
  expect(members.get(SELF)?.name).toBe('m');
});

test('without a leader it waits for one', async () => {
  leader = 0n;
  membership.publish({ name: 'm', clientUrls: URLS });
  await clock.advance(3_000);
  expect(said).toEqual([]);
  leader = 2n;
  membership.onLeader();
  expect(said).toEqual([3_000]);
});
