/**
 * What clients of etcd count on, as requests and what must come of them. Every case runs on every subject, a real etcd
 * among them: an expectation that etcd does not meet is a wrong expectation. Each case has keys of its own.
 */
import { expect } from 'vitest';
import { prefixEnd, toUtf8 } from '../../src/base/bytes.ts';
import type { StoreClient } from '../../src/etcd/store-client.ts';
import {
  CompareResult,
  CompareTarget,
  SortOrder,
  SortTarget,
  Watch,
  FilterType,
  type Compare,
  type RangeRequest,
  type RangeResponse,
  type RequestOp,
  type WatchRequest,
  type WatchResponse,
} from '../../src/proto/etcd.ts';
import { RpcCode, RpcError, type Channel } from '../../src/proto/rpc.ts';
import { memberCases } from './member-cases.ts';
import type { Init } from '../../src/proto/wire.ts';
import { lockCases } from './lock-cases.ts';

export interface Subject {
  readonly client: StoreClient;
  /** To the same member, for what a StoreClient hides. */
  readonly channel: Channel;
  readonly members: number;
}

export interface Case {
  readonly name: string;
  /** `at` makes a key of this case's own. */
  readonly run: (subject: Subject, at: (key: string) => Buffer) => Promise<void>;
}

const text = (value: string) => Buffer.from(value);
const put = (key: Buffer, value: string): Init<RequestOp> => ({
  request: { case: 'requestPut', value: { key, value: text(value) } },
});
const get = (key: Buffer, rest: Init<RangeRequest> = {}): Init<RequestOp> => ({
  request: { case: 'requestRange', value: { key, ...rest } },
});
const remove = (key: Buffer): Init<RequestOp> => ({ request: { case: 'requestDeleteRange', value: { key } } });
const within = (at: (key: string) => Buffer) => ({ key: at(''), rangeEnd: Buffer.from(prefixEnd(at(''))) });
const pairs = ({ kvs }: RangeResponse) => kvs.map(({ key, value }) => `${lastOf(key)}=${toUtf8(value)}`);
const lastOf = (key: Uint8Array) => toUtf8(key).split('/').at(-1)!;

async function failure(call: Promise<unknown>): Promise<{ code: RpcCode; message: string }> {
  try {
    await call;
  } catch (error) {
    if (error instanceof RpcError) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error('it did not fail');
}

/** Three keys, written in the order b, a, c, and a again. */
async function abc({ client }: Subject, at: (key: string) => Buffer): Promise<number> {
  await client.put({ key: at('b'), value: text('1') });
  await client.put({ key: at('a'), value: text('3') });
  await client.put({ key: at('c'), value: text('2') });
  return (await client.put({ key: at('a'), value: text('4') })).header!.revision;
}

const range: readonly Case[] = [
  {
    name: 'a prefix in the order of its keys, with count',
    async run(subject, at) {
      await abc(subject, at);
      const response = await subject.client.range(within(at));
      expect(pairs(response)).toEqual(['a=4', 'b=1', 'c=2']);
      expect([response.count, response.more]).toEqual([3, false]);
    },
  },
  {
    name: 'metadata of a key: revisions and version, and a version that begins anew after a deletion',
    async run({ client }, at) {
      const first = (await client.put({ key: at('a'), value: text('1') })).header!.revision;
      const second = (await client.put({ key: at('a'), value: text('2') })).header!.revision;
      const [kv] = (await client.range({ key: at('a') })).kvs;
      expect(kv).toMatchObject({ createRevision: first, modRevision: second, version: 2, lease: 0n });
      await client.deleteRange({ key: at('a') });
      const third = (await client.put({ key: at('a'), value: text('3') })).header!.revision;
      const [again] = (await client.range({ key: at('a') })).kvs;
      expect(again).toMatchObject({ createRevision: third, modRevision: third, version: 1 });
    },
  },
  {
    name: 'limit leaves count as it is and says that there is more',
    async run(subject, at) {
      await abc(subject, at);
      const response = await subject.client.range({ ...within(at), limit: 2 });
      expect(pairs(response)).toEqual(['a=4', 'b=1']);
      expect([response.count, response.more]).toEqual([3, true]);
      const whole = await subject.client.range({ ...within(at), limit: 3 });
      expect([whole.count, whole.more]).toEqual([3, false]);
    },
  },
  {
    name: 'keys only, count only',
    async run(subject, at) {
      await abc(subject, at);
      expect(pairs(await subject.client.range({ ...within(at), keysOnly: true }))).toEqual(['a=', 'b=', 'c=']);
      const counted = await subject.client.range({ ...within(at), countOnly: true });
      expect([counted.count, counted.kvs.length, counted.more]).toEqual([3, 0, false]);
    },
  },
  ...(
    [
      ['KEY', 'DESCEND', 'c b a'],
      ['VERSION', 'ASCEND', 'b c a'],
      ['CREATE', 'ASCEND', 'b a c'],
      ['CREATE', 'DESCEND', 'c a b'],
      ['MOD', 'ASCEND', 'b c a'],
      ['MOD', 'DESCEND', 'a c b'],
      ['VALUE', 'ASCEND', 'b c a'],
      ['VALUE', 'DESCEND', 'a c b'],
      // Without an order another target than the key is ascending.
      ['MOD', 'NONE', 'b c a'],
    ] as const
  ).map(
    ([target, order, expected]): Case => ({
      name: `sorted by ${target}, ${order}`,
      async run(subject, at) {
        await abc(subject, at);
        const sort = { sortTarget: SortTarget[target], sortOrder: SortOrder[order] };
        const response = await subject.client.range({ ...within(at), ...sort });
        expect(response.kvs.map(({ key }) => lastOf(key)).join(' ')).toBe(expected);
        const [first] = (await subject.client.range({ ...within(at), ...sort, limit: 1 })).kvs;
        expect(lastOf(first!.key)).toBe(expected[0]);
      },
    }),
  ),
  {
    name: 'bounds on mod and create revision; they do not change count',
    async run(subject, at) {
      const last = await abc(subject, at);
      const ranged = (bounds: Init<RangeRequest>) => subject.client.range({ ...within(at), ...bounds });
      expect(pairs(await ranged({ minModRevision: last }))).toEqual(['a=4']);
      expect(pairs(await ranged({ maxModRevision: last - 1 }))).toEqual(['b=1', 'c=2']);
      expect(pairs(await ranged({ minCreateRevision: last - 1 }))).toEqual(['c=2']);
      expect(pairs(await ranged({ maxCreateRevision: last - 2 }))).toEqual(['a=4', 'b=1']);
      expect((await ranged({ minModRevision: last })).count).toBe(3);
      const limited = await ranged({ maxModRevision: last - 1, limit: 1 });
      expect([pairs(limited), limited.more]).toEqual([['b=1'], true]);
    },
  },
  {
    name: 'at an older revision',
    async run(subject, at) {
      const last = await abc(subject, at);
      const old = await subject.client.range({ ...within(at), revision: last - 1 });
      expect(pairs(old)).toEqual(['a=3', 'b=1', 'c=2']);
      expect(old.header!.revision).toBeGreaterThanOrEqual(last);
      expect(pairs(await subject.client.range({ ...within(at), revision: last - 3 }))).toEqual(['b=1']);
    },
  },
  {
    name: 'from a key on, an empty range, a key that is not there',
    async run(subject, at) {
      await abc(subject, at);
      const from = await subject.client.range({ key: at('b'), rangeEnd: Buffer.from([0]), limit: 2 });
      expect(pairs(from)).toEqual(['b=1', 'c=2']);
      expect(pairs(await subject.client.range({ key: at('c'), rangeEnd: at('a') }))).toEqual([]);
      expect((await subject.client.range({ key: at('none') })).count).toBe(0);
    },
  },
  {
    name: 'keys are bytes in byte order',
    async run({ client }, at) {
      const keys = [[0xff], [0x00], [0xe2, 0x82, 0xac], [0x7f], [0xf0, 0x9f, 0x98, 0x80]].map((bytes) =>
        Buffer.concat([at(''), Buffer.from(bytes)]),
      );
      for (const key of keys) await client.put({ key });
      const { kvs } = await client.range(within(at));
      const tails = kvs.map(({ key }) => Buffer.from(key).subarray(at('').length).toString('hex'));
      expect(tails).toEqual(['00', '7f', 'e282ac', 'f09f9880', 'ff']);
    },
  },
  {
    name: 'a revision of the future, no key',
    async run({ client }, at) {
      expect(await failure(client.range({ key: at('a'), revision: 1e9 }))).toEqual({
        code: RpcCode.OUT_OF_RANGE,
        message: 'etcdserver: mvcc: required revision is a future revision',
      });
      expect(await failure(client.range({ key: Buffer.alloc(0) }))).toEqual({
        code: RpcCode.INVALID_ARGUMENT,
        message: 'etcdserver: key is not provided',
      });
    },
  },
];

const write: readonly Case[] = [
  {
    name: 'put answers the previous value where it is asked for',
    async run({ client }, at) {
      expect((await client.put({ key: at('a'), value: text('1'), prevKv: true })).prevKv).toBeUndefined();
      const { prevKv } = await client.put({ key: at('a'), value: text('2'), prevKv: true });
      expect(toUtf8(prevKv!.value)).toBe('1');
      expect((await client.put({ key: at('a'), value: text('3') })).prevKv).toBeUndefined();
    },
  },
  {
    name: 'put with the value or the lease left as it is',
    async run({ client }, at) {
      const { id } = await client.leaseGrant({ ttl: 60 });
      await client.put({ key: at('a'), value: text('1'), lease: id });
      await client.put({ key: at('a'), value: text('2'), ignoreLease: true });
      expect((await client.range({ key: at('a') })).kvs[0]).toMatchObject({ lease: id, version: 2 });
      await client.put({ key: at('a'), ignoreValue: true });
      const [kv] = (await client.range({ key: at('a') })).kvs;
      expect([toUtf8(kv!.value), kv!.lease, kv!.version]).toEqual(['2', 0n, 3]);
      await client.leaseRevoke(id);
      expect((await client.range({ key: at('a') })).count).toBe(1);
    },
  },
  {
    name: 'puts that are refused',
    async run({ client }, at) {
      const refused = (code: RpcCode, message: string) => ({ code, message: `etcdserver: ${message}` });
      const { INVALID_ARGUMENT, NOT_FOUND } = RpcCode;
      expect(await failure(client.put({ value: text('1') }))).toEqual(refused(INVALID_ARGUMENT, 'key is not provided'));
      expect(await failure(client.put({ key: at('a'), ignoreValue: true }))).toEqual(
        refused(INVALID_ARGUMENT, 'key not found'),
      );
      expect(await failure(client.put({ key: at('a'), ignoreLease: true }))).toEqual(
        refused(INVALID_ARGUMENT, 'key not found'),
      );
      expect(await failure(client.put({ key: at('a'), value: text('1'), ignoreValue: true }))).toEqual(
        refused(INVALID_ARGUMENT, 'value is provided'),
      );
      expect(await failure(client.put({ key: at('a'), lease: 1n, ignoreLease: true }))).toEqual(
        refused(INVALID_ARGUMENT, 'lease is provided'),
      );
      expect(await failure(client.put({ key: at('a'), lease: 123456789n }))).toEqual(
        refused(NOT_FOUND, 'requested lease not found'),
      );
      expect(await failure(client.put({ key: at('a'), value: Buffer.alloc(1.6 * 1024 * 1024) }))).toEqual(
        refused(INVALID_ARGUMENT, 'request is too large'),
      );
    },
  },
  {
    name: 'delete counts, answers what it deleted, and keeps the revision where nothing was',
    async run(subject, at) {
      const last = await abc(subject, at);
      const { client } = subject;
      const response = await client.deleteRange({ key: at('a'), rangeEnd: at('c'), prevKv: true });
      expect([response.deleted, response.header!.revision]).toEqual([2, last + 1]);
      expect(response.prevKvs.map(({ key, value }) => `${lastOf(key)}=${toUtf8(value)}`)).toEqual(['a=4', 'b=1']);
      const nothing = await client.deleteRange({ key: at('a'), prevKv: true });
      expect([nothing.deleted, nothing.prevKvs.length, nothing.header!.revision]).toEqual([0, 0, last + 1]);
      expect(await failure(client.deleteRange({}))).toMatchObject({ message: 'etcdserver: key is not provided' });
    },
  },
];

type Expect = readonly [target: keyof typeof CompareTarget, result: keyof typeof CompareResult, value: number, holds: boolean];

const txn: readonly Case[] = [
  {
    name: 'compares: every target and result',
    async run({ client }, at) {
      await client.put({ key: at('a'), value: text('m') });
      const { header } = await client.put({ key: at('a'), value: text('m') });
      const revision = header!.revision;
      const compares: readonly Expect[] = [
        ['VERSION', 'EQUAL', 2, true],
        ['VERSION', 'GREATER', 2, false],
        ['VERSION', 'LESS', 3, true],
        ['VERSION', 'NOT_EQUAL', 2, false],
        ['CREATE', 'EQUAL', revision - 1, true],
        ['CREATE', 'GREATER', revision - 1, false],
        ['MOD', 'EQUAL', revision, true],
        ['MOD', 'LESS', revision, false],
        ['LEASE', 'EQUAL', 0, true],
        ['LEASE', 'NOT_EQUAL', 0, false],
        ['VALUE', 'EQUAL', 0, true],
        ['VALUE', 'GREATER', 1, true],
        ['VALUE', 'LESS', 1, false],
      ];
      for (const [target, result, value, holds] of compares) {
        const { succeeded } = await client.txn({ compare: [compareOf(at('a'), target, result, value)] });
        expect(succeeded, `${target} ${result} ${value}`).toBe(holds);
      }
    },
  },
  {
    name: 'a key that does not exist has version, create and mod revision 0, and no value to compare',
    async run({ client }, at) {
      const holds = async (target: Expect[0], result: Expect[1], value: number) =>
        (await client.txn({ compare: [compareOf(at('none'), target, result, value)] })).succeeded;
      expect(await holds('VERSION', 'EQUAL', 0)).toBe(true);
      expect(await holds('CREATE', 'EQUAL', 0)).toBe(true);
      expect(await holds('MOD', 'LESS', 1)).toBe(true);
      expect(await holds('VALUE', 'NOT_EQUAL', 0)).toBe(false);
      expect(await holds('VALUE', 'EQUAL', 0)).toBe(false);
    },
  },
  {
    name: 'a compare over a range holds for every key of it',
    async run(subject, at) {
      const last = await abc(subject, at);
      const over = (revision: number): Init<Compare> => ({
        ...compareOf(at('a'), 'MOD', 'LESS', revision),
        rangeEnd: at('z'),
      });
      expect((await subject.client.txn({ compare: [over(last + 1)] })).succeeded).toBe(true);
      expect((await subject.client.txn({ compare: [over(last)] })).succeeded).toBe(false);
    },
  },
  {
    name: 'operations see those before them; all writes have one revision',
    async run({ client }, at) {
      const response = await client.txn({
        success: [put(at('a'), '1'), get(at('a')), put(at('b'), '2'), remove(at('c')), get(at('b'))],
      });
      expect(response.succeeded).toBe(true);
      const [, read, , removed, second] = response.responses.map(({ response: part }) => part);
      expect(read?.case === 'responseRange' && pairs(read.value)).toEqual(['a=1']);
      expect(removed?.case === 'responseDeleteRange' && removed.value.deleted).toBe(0);
      expect(second?.case === 'responseRange' && pairs(second.value)).toEqual(['b=2']);
      const { kvs } = await client.range(within(at));
      expect(kvs.map(({ modRevision }) => modRevision)).toEqual([response.header!.revision, response.header!.revision]);
    },
  },
  {
    name: 'nested: the inner compare is decided before anything is written',
    async run({ client }, at) {
      const inner: Init<RequestOp> = {
        request: {
          case: 'requestTxn',
          value: {
            compare: [compareOf(at('a'), 'VERSION', 'EQUAL', 0)],
            success: [put(at('b'), 'yes')],
            failure: [put(at('b'), 'no')],
          },
        },
      };
      const response = await client.txn({ success: [put(at('a'), '1'), inner] });
      const part = response.responses[1]?.response;
      expect(part?.case === 'responseTxn' && part.value.succeeded).toBe(true);
      expect(pairs(await client.range({ key: at('b') }))).toEqual(['b=yes']);
    },
  },
  {
    name: 'transactions that only read, or do nothing, keep the revision',
    async run({ client }, at) {
      const { header } = await client.put({ key: at('a'), value: text('1') });
      const read = await client.txn({ success: [get(at('a'))] });
      const nothing = await client.txn({});
      expect([read.header!.revision, nothing.header!.revision, nothing.succeeded]).toEqual([
        header!.revision,
        header!.revision,
        true,
      ]);
    },
  },
  {
    name: 'transactions that are refused, and leave nothing behind',
    async run({ client }, at) {
      const many = Array.from({ length: 129 }, (_, number) => put(at(String(number)), '1'));
      const refused = (message: string) => ({ code: RpcCode.INVALID_ARGUMENT, message: `etcdserver: ${message}` });
      expect(await failure(client.txn({ success: many }))).toEqual(refused('too many operations in txn request'));
      expect(await failure(client.txn({ success: [put(at('a'), '1'), put(at('a'), '2')] }))).toEqual(
        refused('duplicate key given in txn request'),
      );
      const span: Init<RequestOp> = {
        request: { case: 'requestDeleteRange', value: { key: at('a'), rangeEnd: at('z') } },
      };
      expect(await failure(client.txn({ success: [put(at('b'), '1'), span] }))).toEqual(
        refused('duplicate key given in txn request'),
      );
      expect(await failure(client.txn({ success: [put(Buffer.alloc(0), '1')] }))).toEqual(refused('key is not provided'));
      expect(await failure(client.txn({ success: [put(at('a'), '1'), get(at('a'), { revision: 1e9 })] }))).toEqual({
        code: RpcCode.OUT_OF_RANGE,
        message: 'etcdserver: mvcc: required revision is a future revision',
      });
      expect((await client.range(within(at))).count).toBe(0);
    },
  },
];

const lease: readonly Case[] = [
  {
    name: 'a lease has its keys, its time, and takes the keys with it',
    async run({ client }, at) {
      const { id, ttl, error } = await client.leaseGrant({ ttl: 100 });
      expect([ttl, error]).toEqual([100, '']);
      await client.put({ key: at('b'), lease: id });
      await client.put({ key: at('a'), lease: id });
      const state = await client.leaseTimeToLive({ id, keys: true });
      expect([state.grantedTtl, state.keys.map(lastOf).sort()]).toEqual([100, ['a', 'b']]);
      expect(state.ttl).toBeGreaterThan(90);
      expect((await client.leaseLeases()).leases.map((other) => other.id)).toContain(id);
      const before = (await client.range({ key: at('a') })).header!.revision;
      const { header } = await client.leaseRevoke(id);
      expect(header!.revision).toBe(before + 1);
      expect((await client.range(within(at))).count).toBe(0);
      expect((await client.leaseLeases()).leases.map((other) => other.id)).not.toContain(id);
    },
  },
  {
    name: 'keep-alive gives a lease its time again; one that is gone has none',
    async run({ client }) {
      const { id } = await client.leaseGrant({ ttl: 50 });
      expect(await client.leaseKeepAliveOnce(id)).toMatchObject({ id, ttl: 50 });
      expect(await client.leaseKeepAliveOnce(987654321n)).toMatchObject({ id: 987654321n, ttl: 0 });
      const gone = await client.leaseTimeToLive({ id: 987654321n });
      expect([gone.ttl, gone.grantedTtl]).toEqual([-1, 0]);
      await client.leaseRevoke(id);
    },
  },
  {
    name: 'the id that is asked for, once; ends of a lease and limits of its time',
    async run({ client }) {
      const id = 7_700_000n;
      expect((await client.leaseGrant({ id, ttl: 50 })).id).toBe(id);
      expect(await failure(client.leaseGrant({ id, ttl: 50 }))).toEqual({
        code: RpcCode.FAILED_PRECONDITION,
        message: 'etcdserver: lease already exists',
      });
      await client.leaseRevoke(id);
      expect(await failure(client.leaseRevoke(id))).toEqual({
        code: RpcCode.NOT_FOUND,
        message: 'etcdserver: requested lease not found',
      });
      expect(await failure(client.leaseGrant({ ttl: 9_000_000_001 }))).toEqual({
        code: RpcCode.OUT_OF_RANGE,
        message: 'etcdserver: too large lease TTL',
      });
      const short = await client.leaseGrant({ ttl: 1 });
      expect(short.ttl).toBe(2);
      await client.leaseRevoke(short.id);
    },
  },
  {
    name: 'a lease that nobody keeps alive expires with its keys',
    async run({ client }, at) {
      const { id } = await client.leaseGrant({ ttl: 2 });
      await client.put({ key: at('a'), lease: id });
      await expect.poll(async () => (await client.range({ key: at('a') })).count, { timeout: 8000 }).toBe(0);
      expect((await client.leaseTimeToLive({ id })).ttl).toBe(-1);
    },
  },
];

const watch: readonly Case[] = [
  {
    name: 'from a revision of the past, with previous values; a transaction comes in one response',
    async run({ client }, at) {
      const { header } = await client.put({ key: at('a'), value: text('1') });
      await client.txn({ success: [put(at('a'), '2'), put(at('b'), '1')] });
      await client.deleteRange({ key: at('a') });
      const seen: string[][] = [];
      for await (const { events } of client.watch({ ...within(at), startRevision: header!.revision, prevKv: true })) {
        const byRevision = new Map<number, string[]>();
        for (const { type, kv, prevKv } of events) {
          const line = `${type === 0 ? 'put' : 'delete'} ${lastOf(kv!.key)}=${toUtf8(kv!.value)} was ${prevKv === undefined ? '-' : toUtf8(prevKv.value)}`;
          byRevision.set(kv!.modRevision, [...(byRevision.get(kv!.modRevision) ?? []), line]);
        }
        seen.push(...byRevision.values());
        if (seen.length >= 3) break;
      }
      expect(seen).toEqual([['put a=1 was -'], ['put a=2 was 1', 'put b=1 was -'], ['delete a= was 2']]);
    },
  },
  {
    name: 'filters leave out puts or deletions',
    async run(subject, at) {
      const { client } = subject;
      const { header } = await client.put({ key: at('a'), value: text('1') });
      await client.deleteRange({ key: at('a') });
      await client.put({ key: at('a'), value: text('2') });
      await client.deleteRange({ key: at('a') });
      const startRevision = header!.revision;
      const { NOPUT, NODELETE } = FilterType;
      expect(await eventsOf(client, { key: at('a'), startRevision, filters: [NOPUT] }, 2)).toEqual(['1 a=', '1 a=']);
      expect(await eventsOf(client, { key: at('a'), startRevision, filters: [NODELETE] }, 2)).toEqual(['0 a=1', '0 a=2']);
    },
  },
  {
    name: 'from a compacted revision it is cancelled, with the revision to begin from; so are reads there',
    async run({ client }, at) {
      const { header } = await client.put({ key: at('a'), value: text('1') });
      const last = (await client.put({ key: at('a'), value: text('2') })).header!.revision;
      await client.compact({ revision: last, physical: true });
      const responses: WatchResponse[] = [];
      for await (const response of client.watch({ key: at('a'), startRevision: header!.revision })) responses.push(response);
      expect(responses.at(-1)).toMatchObject({ canceled: true, compactRevision: last });
      const compacted = {
        code: RpcCode.OUT_OF_RANGE,
        message: 'etcdserver: mvcc: required revision has been compacted',
      };
      expect(await failure(client.range({ key: at('a'), revision: last - 1 }))).toEqual(compacted);
      expect(await failure(client.compact({ revision: last }))).toEqual(compacted);
      expect(await failure(client.compact({ revision: 1e9 }))).toEqual({
        code: RpcCode.OUT_OF_RANGE,
        message: 'etcdserver: mvcc: required revision is a future revision',
      });
      expect(pairs(await client.range({ key: at('a'), revision: last }))).toEqual(['a=2']);
    },
  },
  {
    name: 'several watchers on one stream: own ids, ids asked for, cancel, progress',
    async run(subject, at) {
      const stream = new Stream(subject.channel);
      try {
        stream.send({ case: 'createRequest', value: { key: at('a') } });
        expect(await stream.next()).toMatchObject({ watchId: 0, created: true, canceled: false });
        stream.send({ case: 'createRequest', value: { key: at('b'), watchId: 42 } });
        expect(await stream.next()).toMatchObject({ watchId: 42, created: true, canceled: false });
        stream.send({ case: 'createRequest', value: { key: at('c'), watchId: 42 } });
        expect(await stream.next()).toMatchObject({
          watchId: -1,
          created: true,
          canceled: true,
          cancelReason: 'mvcc: duplicate watch ID provided on the WatchStream',
        });
        await subject.client.put({ key: at('b'), value: text('1') });
        expect(await stream.next()).toMatchObject({ watchId: 42, events: [{ type: 0 }] });
        stream.send({ case: 'cancelRequest', value: { watchId: 42 } });
        expect(await stream.next()).toMatchObject({ watchId: 42, created: false, canceled: true });
        const { header } = await subject.client.put({ key: at('a'), value: text('1') });
        const event = await stream.next();
        expect(event).toMatchObject({ watchId: 0, events: [{ type: 0 }] });
        expect(event.events[0]!.kv!.modRevision).toBe(header!.revision);
        stream.send({ case: 'progressRequest', value: {} });
        const progress = await stream.next();
        expect(progress.events).toEqual([]);
        expect(progress.header!.revision).toBeGreaterThanOrEqual(header!.revision);
      } finally {
        stream.close();
      }
    },
  },
  {
    name: 'a large response comes in fragments where they are asked for',
    async run({ client }, at) {
      const value = Buffer.alloc(700_000, 'x');
      const first = (await client.put({ key: at('a'), value })).header!.revision;
      for (const key of ['b', 'c', 'd']) await client.put({ key: at(key), value });
      const fragments: boolean[] = [];
      let events = 0;
      for await (const response of client.watch({ ...within(at), startRevision: first, fragment: true })) {
        if (response.created) continue;
        events += response.events.length;
        fragments.push(response.fragment);
        if (events === 4) break;
      }
      expect(events).toBe(4);
      expect(fragments.at(-1)).toBe(false);
      expect(fragments.length).toBeGreaterThan(1);
    },
  },
];

const cluster: readonly Case[] = [
  {
    name: 'members and status name each other',
    async run({ client, members }) {
      const list = await client.memberList();
      const status = await client.status();
      expect(list.members).toHaveLength(members);
      expect(new Set(list.members.map(({ id }) => id)).size).toBe(members);
      expect(list.members.map(({ id }) => id)).toContain(status.leader);
      expect(list.members.map(({ id }) => id)).toContain(status.header!.memberId);
      expect(list.header!.clusterId).toBe(status.header!.clusterId);
      for (const { peerUrls, clientUrls, name } of list.members) {
        expect(name).toMatch(/^m\d$/);
        expect([...peerUrls, ...clientUrls].every((url) => url.startsWith('http://127.0.0.1:'))).toBe(true);
        expect([peerUrls.length, clientUrls.length]).toEqual([1, 1]);
      }
      expect(status.raftIndex).toBeGreaterThanOrEqual(status.raftAppliedIndex);
    },
  },
];

function named(area: string, list: readonly Case[]): Case[] {
  return list.map(({ name, run }) => ({ name: `${area}: ${name}`, run }));
}

export const cases: readonly Case[] = [
  ...named('range', range),
  ...named('write', write),
  ...named('txn', txn),
  ...named('lease', lease),
  ...named('cluster', cluster),
  ...named('lock and election', lockCases),
  ...named('members', memberCases),
  // Last, for they compact.
  ...named('watch', watch),
];

function compareOf(key: Buffer, target: Expect[0], result: Expect[1], value: number): Init<Compare> {
  const base = { key, target: CompareTarget[target], result: CompareResult[result] };
  switch (target) {
    case 'VERSION':
      return { ...base, targetUnion: { case: 'version', value } };
    case 'CREATE':
      return { ...base, targetUnion: { case: 'createRevision', value } };
    case 'MOD':
      return { ...base, targetUnion: { case: 'modRevision', value } };
    case 'LEASE':
      return { ...base, targetUnion: { case: 'lease', value: BigInt(value) } };
    case 'VALUE':
      // 'm' is the value of the key; 1 stands for a smaller one.
      return { ...base, targetUnion: { case: 'value', value: text(value === 0 ? 'm' : 'a') } };
  }
}

async function eventsOf(
  client: StoreClient,
  request: Parameters<StoreClient['watch']>[0],
  count: number,
): Promise<string[]> {
  const seen: string[] = [];
  for await (const { events } of client.watch(request)) {
    for (const { type, kv } of events) seen.push(`${type} ${lastOf(kv!.key)}=${toUtf8(kv!.value)}`);
    if (seen.length >= count) break;
  }
  return seen;
}

/** A watch stream as it is on the wire. */
class Stream {
  readonly #call;
  readonly #responses: AsyncIterator<WatchResponse>;

  constructor(channel: Channel) {
    this.#call = channel.bidi(Watch.methods.watch);
    this.#responses = this.#call.responses[Symbol.asyncIterator]();
  }

  send(requestUnion: NonNullable<Init<WatchRequest>['requestUnion']>): void {
    this.#call.send({ requestUnion });
  }

  async next(): Promise<WatchResponse> {
    const { done, value } = await this.#responses.next();
    if (done === true) throw new Error('the stream ended');
    return value;
  }

  close(): void {
    this.#call.cancel();
  }
}
