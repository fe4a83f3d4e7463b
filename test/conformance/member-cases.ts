/** etcdserverpb.Cluster: what is refused and with which words, and a learner's way in and out. Part of cases.ts. */
import { expect } from 'vitest';
import { sleep } from '../../src/base/clock.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { Cluster, type Member, type MemberAddRequest, type MemberAddResponse } from '../../src/proto/etcd.ts';
import { RpcCode, RpcError, type Channel } from '../../src/proto/rpc.ts';
import type { Init } from '../../src/proto/wire.ts';
import type { Case } from './cases.ts';

const FREE_URL = 'http://127.0.0.1:1';
/** Within it members are connected for long enough to be changed. */
const HEALTHY_WITHIN_MS = 15_000;

async function failure(call: Promise<unknown>): Promise<[code: RpcCode, message: string]> {
  try {
    await call;
  } catch (error) {
    if (error instanceof RpcError) return [error.code, error.message];
    throw error;
  }
  throw new Error('it did not fail');
}

const methods = Cluster.methods;
const list = async (channel: Channel): Promise<Member[]> => (await channel.unary(methods.memberList, {})).members;

/** Members that have just met are `unhealthy`: asked again until they are not. */
async function add(channel: Channel, request: Init<MemberAddRequest>): Promise<MemberAddResponse> {
  const until = systemClock.monotonic() + HEALTHY_WITHIN_MS;
  for (;;) {
    try {
      return await channel.unary(methods.memberAdd, request);
    } catch (error) {
      const isPassing = error instanceof RpcError && error.code === RpcCode.UNAVAILABLE;
      if (!isPassing || systemClock.monotonic() > until) throw error;
      await sleep(systemClock, 200);
    }
  }
}

const notFound = [RpcCode.NOT_FOUND, 'etcdserver: member not found'];
const badUrls = [RpcCode.INVALID_ARGUMENT, 'etcdserver: given member URLs are invalid'];

export const memberCases: readonly Case[] = [
  {
    name: 'member list: ids, names, addresses, no learner',
    async run({ channel, members }) {
      const all = await list(channel);
      expect(all.map(({ name }) => name).sort()).toEqual(Array.from({ length: members }, (_, at) => `m${at + 1}`));
      for (const { id, peerUrls, clientUrls, isLearner } of all) {
        expect(id).not.toBe(0n);
        expect([peerUrls.length, clientUrls.length, isLearner]).toEqual([1, 1, false]);
      }
    },
  },
  {
    // Ours refuses such an update too; etcd takes it, and its transport panics.
    name: 'member add: addresses that are none',
    async run({ channel }) {
      for (const peerUrls of [[], ['ftp://127.0.0.1:1'], ['http://127.0.0.1'], ['http://127.0.0.1:1/path'], ['127.0.0.1:1']]) {
        expect(await failure(channel.unary(methods.memberAdd, { peerUrls }))).toEqual(badUrls);
      }
    },
  },
  {
    name: 'member remove, update, promote: no such member',
    async run({ channel }) {
      expect(await failure(channel.unary(methods.memberRemove, { id: 9n }))).toEqual(notFound);
      expect(await failure(channel.unary(methods.memberUpdate, { id: 9n, peerUrls: [FREE_URL] }))).toEqual(notFound);
      expect(await failure(channel.unary(methods.memberPromote, { id: 9n }))).toEqual(notFound);
    },
  },
  {
    name: 'member promote: of a voter',
    async run({ channel }) {
      const [member] = await list(channel);
      const expected = [RpcCode.FAILED_PRECONDITION, 'etcdserver: can only promote a learner member'];
      expect(await failure(channel.unary(methods.memberPromote, { id: member!.id }))).toEqual(expected);
    },
  },
  {
    name: 'member remove: the only one',
    async run({ channel, members }) {
      if (members !== 1) return;
      const [member] = await list(channel);
      const text = 'etcdserver: re-configuration failed due to not enough started members';
      // The text alone: etcd 3.4 forgets the code (Unknown), which its own table has as FailedPrecondition.
      const [, message] = await failure(channel.unary(methods.memberRemove, { id: member!.id }));
      expect(message).toBe(text);
    },
  },
  {
    name: 'a learner: added, one at most, not ready, at an address of its own, removed for good',
    async run({ channel, members }) {
      const { member, members: after } = await add(channel, { peerUrls: [FREE_URL], isLearner: true });
      expect(member).toMatchObject({ name: '', peerUrls: [FREE_URL], clientUrls: [], isLearner: true });
      expect(after).toHaveLength(members + 1);
      const taken = [RpcCode.FAILED_PRECONDITION, 'etcdserver: Peer URLs already exists'];
      const half = { peerUrls: [FREE_URL, 'http://127.0.0.1:3'], isLearner: true };
      expect(await failure(channel.unary(methods.memberAdd, half))).toEqual(taken);
      const other = after.find(({ isLearner }) => !isLearner)!;
      expect(await failure(channel.unary(methods.memberUpdate, { id: other.id, peerUrls: [FREE_URL] }))).toEqual(taken);
      const tooMany = [RpcCode.FAILED_PRECONDITION, 'etcdserver: too many learner members in cluster'];
      const second = channel.unary(methods.memberAdd, { peerUrls: ['http://127.0.0.1:2'], isLearner: true });
      expect(await failure(second)).toEqual(tooMany);
      const notReady = 'etcdserver: can only promote a learner member which is in sync with leader';
      const { id } = member!;
      expect(await failure(channel.unary(methods.memberPromote, { id }))).toEqual([RpcCode.FAILED_PRECONDITION, notReady]);
      expect((await channel.unary(methods.memberUpdate, { id, peerUrls: ['http://127.0.0.1:2'] })).members).toHaveLength(members + 1);
      expect((await channel.unary(methods.memberRemove, { id })).members).toHaveLength(members);
      expect(await failure(channel.unary(methods.memberRemove, { id }))).toEqual(notFound);
      expect(await list(channel)).toHaveLength(members);
    },
  },
];
