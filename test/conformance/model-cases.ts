/**
 * Random requests, answered by a subject and by the pure model: every answer, refusal and revision must be alike. And what
 * the model comes to is what the verifier's oracle (src/verify/core/store-model.ts) makes of the same events.
 */
import { expect } from 'vitest';
import { toLatin1 } from '../../src/base/bytes.ts';
import { seededRandom, type Random } from '../../src/base/random.ts';
import type { StoreClient } from '../../src/etcd/store-client.ts';
import {
  CompareResult,
  CompareTarget,
  KeyValue,
  SortOrder,
  SortTarget,
  type Compare,
  type DeleteRangeRequest,
  type PutRequest,
  type RangeRequest,
  type RequestOp,
  type ResponseOp,
  type TxnRequest,
} from '../../src/proto/etcd.ts';
import { RpcError } from '../../src/proto/rpc.ts';
import type { Init } from '../../src/proto/wire.ts';
import { applyEvents, type StoreEvent, type StoreState } from '../../src/verify/core/store-model.ts';
import type { Case } from './cases.ts';
import { valuesOf, type Values } from './etcd-model.ts';
import { ModelSubject } from './model-subject.ts';

const REQUESTS = 250;
const KEYS = ['a', 'b', 'c', 'd', 'e'];
/** Others: MODEL_SEEDS=3,4,5. */
const SEEDS = (process.env['MODEL_SEEDS'] ?? '1,2').split(',').map(Number);

export const modelCases: readonly Case[] = SEEDS.map((seed) => ({
  name: `random requests are answered as by the pure model, seed ${seed}`,
  async run({ client }, at) {
    const { header } = await client.range({ key: at('') });
    // etcd 3.4 checks the puts of a transaction before its ranges, later ones all in their order: which refusal it is differs.
    const isOld = (await client.status()).version.startsWith('3.4.');
    const model = new ModelSubject(header!.revision);
    const random = seededRandom(seed);
    const gone = 1_234_567n;
    const { id } = await client.leaseGrant({ id: BigInt(8_000_000 + seed), ttl: 600 });
    await model.client.leaseGrant({ id, ttl: 600 });
    const requests = new Requests(random, at, { first: header!.revision, leases: [0n, 0n, 0n, id, gone] });
    let oracle: StoreState = { revision: model.state.revision, values: new Map() };
    for (let n = 0; n < REQUESTS; n++) {
      const before = model.state;
      const request = requests.next(model.state.revision);
      const [actual, expected] = [await outcomeOf(client, request), await outcomeOf(model.client, request)];
      const isEitherRefused = isOld && request.kind === 'txn' && typeof actual === 'string' && typeof expected === 'string';
      if (!isEitherRefused) expect(actual, `request ${n} of seed ${seed}: ${shown(request)}`).toEqual(expected);
      oracle = follow(oracle, valuesOf(before), valuesOf(model.state));
      if (model.state.revision > before.revision) expect(oracle.revision).toBe(model.state.revision);
    }
    expect([...oracle.values].map(([key, { value, modRevision, createRevision, version }]) => [key, value, modRevision, createRevision, version]).sort()).toEqual(
      [...valuesOf(model.state)].map(([key, kv]) => [key, toLatin1(kv.value), kv.modRevision, kv.createRevision, kv.version]).sort(),
    );
    await client.leaseRevoke(id);
    await model.client.leaseRevoke(id);
    const everything = { kind: 'range', request: { key: at(''), rangeEnd: at('~') } } as const;
    expect(await outcomeOf(client, everything)).toEqual(await outcomeOf(model.client, everything));
  },
}));

type Request =
  | { readonly kind: 'range'; readonly request: Init<RangeRequest> }
  | { readonly kind: 'put'; readonly request: Init<PutRequest> }
  | { readonly kind: 'deleteRange'; readonly request: Init<DeleteRangeRequest> }
  | { readonly kind: 'txn'; readonly request: Init<TxnRequest> }
  | { readonly kind: 'compact'; readonly request: { readonly revision: number } };

class Requests {
  readonly #random: Random;
  readonly #at: (key: string) => Buffer;
  readonly #first: number;
  readonly #leases: readonly bigint[];
  #now = 0;

  constructor(random: Random, at: (key: string) => Buffer, { first, leases }: { readonly first: number; readonly leases: readonly bigint[] }) {
    this.#random = random;
    this.#at = at;
    this.#first = first;
    this.#leases = leases;
  }

  next(now: number): Request {
    this.#now = now;
    const kind = this.#random.below(20);
    if (kind < 5) return { kind: 'range', request: this.#range() };
    if (kind < 9) return { kind: 'put', request: this.#put() };
    if (kind < 11) return { kind: 'deleteRange', request: this.#delete() };
    // Rare, so that most reads of the past find it.
    if (kind === 11 && this.#one(4)) return { kind: 'compact', request: { revision: this.#revision() } };
    return { kind: 'txn', request: this.#txn(2) };
  }

  #one(of: number): boolean {
    return this.#random.below(of) === 0;
  }

  #pick<T>(of: readonly T[]): T {
    return of[this.#random.below(of.length)]!;
  }

  #key(): Buffer {
    return this.#one(40) ? Buffer.alloc(0) : this.#at(this.#pick(KEYS));
  }

  /** Mostly one key; a range of this case's own keys, or an empty one. */
  #span(): { key: Buffer; rangeEnd?: Buffer } {
    if (!this.#one(3)) return { key: this.#key() };
    return { key: this.#key(), rangeEnd: this.#at(this.#pick([...KEYS, 'z'])) };
  }

  /** Between the first that is known and two past the present. */
  #revision(): number {
    return this.#first + this.#random.below(this.#now - this.#first + 3);
  }

  #range(): Init<RangeRequest> {
    const bound = () => (this.#one(6) ? this.#revision() : 0);
    return {
      ...this.#span(),
      revision: this.#one(3) ? this.#revision() : 0,
      limit: this.#one(3) ? this.#random.below(4) : 0,
      keysOnly: this.#one(5),
      countOnly: this.#one(8),
      // Of other targets the order of equals is not defined.
      sortOrder: this.#pick([SortOrder.NONE, SortOrder.NONE, SortOrder.ASCEND, SortOrder.DESCEND]),
      sortTarget: SortTarget.KEY,
      minModRevision: bound(),
      maxModRevision: bound(),
      minCreateRevision: bound(),
      maxCreateRevision: bound(),
    };
  }

  #put(): Init<PutRequest> {
    const [ignoreValue, ignoreLease] = [this.#one(6), this.#one(6)];
    return {
      key: this.#key(),
      value: ignoreValue && !this.#one(8) ? Buffer.alloc(0) : Buffer.from(this.#pick(['', '1', '2', 'x', 'xy'])),
      lease: ignoreLease && !this.#one(8) ? 0n : this.#pick(this.#leases),
      prevKv: this.#one(3),
      ignoreValue,
      ignoreLease,
    };
  }

  #delete(): Init<DeleteRangeRequest> {
    return { ...this.#span(), prevKv: this.#one(2) };
  }

  #txn(depth: number): Init<TxnRequest> {
    const some = <T>(max: number, make: () => T) => Array.from({ length: this.#random.below(max + 1) }, make);
    return { compare: some(2, () => this.#compare()), success: some(3, () => this.#op(depth)), failure: some(3, () => this.#op(depth)) };
  }

  #op(depth: number): Init<RequestOp> {
    const kind = this.#random.below(12);
    if (kind === 0 && this.#one(6)) return {};
    if (kind < 4) return { request: { case: 'requestRange', value: this.#range() } };
    if (kind < 8) return { request: { case: 'requestPut', value: this.#put() } };
    if (kind < 10 || depth === 0) return { request: { case: 'requestDeleteRange', value: this.#delete() } };
    return { request: { case: 'requestTxn', value: this.#txn(depth - 1) } };
  }

  #compare(): Init<Compare> {
    const target = this.#pick(Object.values(CompareTarget));
    const result = this.#pick(Object.values(CompareResult));
    const base = { ...this.#span(), target, result };
    switch (target) {
      case CompareTarget.VERSION:
        return { ...base, targetUnion: { case: 'version', value: this.#random.below(4) } };
      case CompareTarget.CREATE:
        return { ...base, targetUnion: { case: 'createRevision', value: this.#pick([0, this.#revision()]) } };
      case CompareTarget.MOD:
        return { ...base, targetUnion: { case: 'modRevision', value: this.#pick([0, this.#revision()]) } };
      case CompareTarget.LEASE:
        return { ...base, targetUnion: { case: 'lease', value: this.#pick(this.#leases) } };
      default:
        return { ...base, targetUnion: { case: 'value', value: Buffer.from(this.#pick(['', '1', 'x'])) } };
    }
  }
}

type KvClient = Pick<StoreClient, Request['kind']>;

/** An answer without what only a real store has: whose it is. */
async function outcomeOf(client: KvClient, request: Request): Promise<unknown> {
  try {
    switch (request.kind) {
      case 'range':
        return plain(await client.range(request.request));
      case 'put':
        return plain(await client.put(request.request));
      case 'deleteRange':
        return plain(await client.deleteRange(request.request));
      case 'txn':
        return plain(await client.txn(request.request));
      case 'compact':
        return { revision: (await client.compact(request.request)).header!.revision };
    }
  } catch (error) {
    if (error instanceof RpcError) return `${error.code} ${error.message}`;
    throw error;
  }
}

type Plainable = {
  readonly header?: { readonly revision: number } | undefined;
  readonly kvs?: readonly KeyValue[];
  readonly prevKvs?: readonly KeyValue[];
  readonly prevKv?: KeyValue | undefined;
  readonly responses?: readonly ResponseOp[];
};

function plain(answer: Plainable, isOuter = true): unknown {
  const { header, kvs = [], prevKvs = [], prevKv, responses = [], ...rest } = answer;
  const nested = responses.map(({ response }) => (response === undefined ? undefined : [response.case, plain(response.value, false)]));
  // The parts of a transaction have headers that nobody reads.
  const revision = isOuter ? header!.revision : undefined;
  return { ...rest, revision, kvs: kvs.map(shownKv), prevKvs: prevKvs.map(shownKv), prevKv: prevKv && shownKv(prevKv), nested };
}

function shownKv({ key, value, createRevision, modRevision, version, lease }: KeyValue): string {
  return `${toLatin1(key)}=${toLatin1(value)} created ${createRevision} modified ${modRevision} version ${version} lease ${lease}`;
}

function shown(request: Request): string {
  return JSON.stringify(request, (_, value: unknown) => {
    if (typeof value === 'bigint') return String(value);
    const isBuffer = typeof value === 'object' && value !== null && 'data' in value && Array.isArray(value.data);
    return isBuffer ? Buffer.from(value.data as number[]).toString('latin1') : value; // What Buffer.toJSON made of it.
  });
}

/** The events that lead from one map to the next, as a watch would tell them. */
function follow(oracle: StoreState, before: Values, after: Values): StoreState {
  const events: StoreEvent[] = [];
  const revision = Math.max(...[...after.values()].map((kv) => kv.modRevision), oracle.revision + (before === after ? 0 : 1));
  for (const key of before.keys()) if (!after.has(key)) events.push({ revision, kind: 'delete', key, value: '' });
  for (const [key, kv] of after) {
    const old = before.get(key);
    // Deleted and made anew within one revision: two events.
    if (old !== undefined && kv.version === 1 && kv.modRevision !== old.modRevision) events.push({ revision, kind: 'delete', key, value: '' });
    if (old?.modRevision !== kv.modRevision) events.push({ revision, kind: 'put', key, value: toLatin1(kv.value) });
  }
  return events.length === 0 ? oracle : applyEvents(oracle, events);
}
