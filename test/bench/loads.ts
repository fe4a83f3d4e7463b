/** What the store is asked to do while it is measured: unary calls by h2load, watches by a program of our own, keep-alives by etcd's own benchmark program. */
import { CompareResult, CompareTarget, KV, PutRequest, RangeRequest, RangeResponse, TxnRequest } from '../../src/proto/etcd.ts';
import type { StoreClient } from '../../src/etcd/store-client.ts';

export const VALUE_BYTES = 256;
export const key = Buffer.from('bench');
export const value = Buffer.alloc(VALUE_BYTES, 'v');
const RANGE_KEYS = 1000;
const rangePrefix = { key: Buffer.from('range/'), rangeEnd: Buffer.from('range0') };

export interface UnaryLoad {
  readonly kind: 'unary';
  readonly name: string;
  readonly path: string;
  readonly message: Uint8Array;
  /** Each request raises the revision by one. */
  readonly isWrite: boolean;
  readonly outstanding: number;
  readonly connections: number;
  readonly members: 'leader' | 'all';
  /** Told as MB/s of answers instead of calls per second. */
  readonly isBulk?: boolean;
}

/** By test/clients/store-watchers: ten connections to the members in turn, a stream each with a hundred watchers. */
export interface WatchLoad {
  readonly kind: 'watch';
  readonly name: string;
  readonly keys: number;
}

export const WATCHERS = 1000;

export interface StreamLoad {
  readonly kind: 'stream';
  readonly name: string;
  readonly args: readonly string[];
  /** Events or calls of a round. */
  readonly operations: number;
}

export type Load = UnaryLoad | WatchLoad | StreamLoad;

type Size = Pick<UnaryLoad, 'outstanding' | 'connections' | 'members'>;

const put = { path: KV.methods.put.path, message: PutRequest.encode({ key, value }), isWrite: true };
const read = (serializable: boolean) => ({
  path: KV.methods.range.path,
  message: RangeRequest.encode({ key, serializable }),
  isWrite: false,
});
const compareAndPut = {
  path: KV.methods.txn.path,
  message: TxnRequest.encode({
    compare: [{ key, target: CompareTarget.MOD, result: CompareResult.GREATER, targetUnion: { case: 'modRevision', value: 0 } }],
    success: [{ request: { case: 'requestPut', value: { key, value } } }],
  }),
  isWrite: true,
};
const readMany = { path: KV.methods.range.path, message: RangeRequest.encode(rangePrefix), isWrite: false, isBulk: true };

const unary = (name: string, call: Omit<UnaryLoad, 'kind' | 'name' | keyof Size>, size: Size): UnaryLoad => ({
  kind: 'unary',
  name,
  ...call,
  ...size,
});
const one: Size = { outstanding: 1, connections: 1, members: 'leader' };
const hundred: Size = { outstanding: 100, connections: 1, members: 'leader' };
const hundredOnTen: Size = { outstanding: 100, connections: 10, members: 'leader' };
const hundredApart: Size = { outstanding: 100, connections: 100, members: 'leader' };
const thousand: Size = { outstanding: 1000, connections: 100, members: 'leader' };
const everywhere: Size = { outstanding: 1000, connections: 100, members: 'all' };

export const LOADS: readonly Load[] = [
  unary('put/s, 1 outstanding', put, one),
  unary('put/s, 100 outstanding on 1 connection', put, hundred),
  unary('put/s, 100 outstanding on 100 connections', put, hundredApart),
  unary('put/s, 100 outstanding on 10 connections', put, hundredOnTen),
  unary('put/s, 1,000 outstanding, leader', put, thousand),
  unary('put/s, 1,000 outstanding, all members', put, everywhere),
  unary('linearizable read/s, 1 outstanding', read(false), one),
  unary('linearizable read/s, 100 outstanding on 10, leader', read(false), hundredOnTen),
  unary('serializable read/s, 100 outstanding on 10, leader', read(true), hundredOnTen),
  unary('linearizable read/s, 1,000, all members', read(false), everywhere),
  unary('serializable read/s, 1,000, all members', read(true), everywhere),
  unary('range of 1,000 keys, 10 outstanding, MB/s', readMany, { outstanding: 10, connections: 1, members: 'leader' }),
  unary('compare-and-put/s, 100 outstanding', compareAndPut, hundred),
  { kind: 'watch', name: 'watch events/s, one key, 1,000 watchers', keys: 1 },
  { kind: 'watch', name: 'watch events/s, 1,000 keys, a watcher each', keys: WATCHERS },
  {
    kind: 'stream',
    name: 'lease keep-alives/s, 100 clients',
    args: ['--clients=100', '--conns=100', 'lease-keepalive', '--total=20000'],
    operations: 20_000,
  },
];

/** The keys that the loads read. */
export async function prepare(client: StoreClient): Promise<void> {
  await client.put({ key, value });
  for (let at = 0; at < RANGE_KEYS; at++) await client.put({ key: Buffer.from(`range/${String(at).padStart(6, '0')}`), value });
}

/** The answer that a load's requests have, about: each of a round must be as long. */
export async function sampleBytes(client: StoreClient, load: UnaryLoad): Promise<number> {
  const response = load.isBulk === true ? RangeResponse.encode(await client.range(rangePrefix)) : undefined;
  if (response !== undefined) return response.length;
  // A put's and a transaction's answer is its header and little else; a read's has the value.
  return load.isWrite ? PUT_ANSWER_BYTES_MIN : VALUE_BYTES;
}

/** Cluster, member, revision and term take at least so much. */
const PUT_ANSWER_BYTES_MIN = 20;
