/**
 * etcd's KV as a pure model: one map of keys for each revision, every map kept whole. Slow and plain on purpose, written
 * from what etcd promises and not from our store, so that where the two differ one of them is wrong. It has no clock:
 * leases do not end by themselves. model-subject.ts shows it as a client, for the cases of cases.ts.
 */
import { toLatin1 } from '../../src/base/bytes.ts';
import {
  CompareResult,
  CompareTarget,
  DeleteRangeResponse,
  KeyValue,
  PutResponse,
  RangeResponse,
  SortOrder,
  SortTarget,
  TxnResponse,
  type Compare,
  type DeleteRangeRequest,
  type PutRequest,
  type RangeRequest,
  type RequestOp,
  type ResponseOp,
  type TxnRequest,
} from '../../src/proto/etcd.ts';
import type { StoreErrorCode } from '../../src/store/rpc/errors.ts';
import { checkTxn, isWithin } from './etcd-model-checks.ts';

export type Values = ReadonlyMap<string, KeyValue>;

export interface ModelState {
  readonly revision: number;
  /** 0: never compacted. */
  readonly compacted: number;
  readonly byRevision: ReadonlyMap<number, Values>;
  readonly leases: ReadonlySet<bigint>;
}

export type Outcome<T> = { readonly ok: true; readonly state: ModelState; readonly answer: T } | Refusal;
export interface Refusal {
  readonly ok: false;
  readonly code: StoreErrorCode;
}

const REQUEST_BYTES_MAX = 1.5 * 1024 * 1024;

export function emptyModel(revision: number): ModelState {
  return { revision, compacted: 0, byRevision: new Map([[revision, new Map()]]), leases: new Set() };
}
export const valuesOf = (state: ModelState): Values => state.byRevision.get(state.revision)!;
const refuse = (code: StoreErrorCode): Refusal => ({ ok: false, code });

/** Any KV call is a transaction of one operation, but for the checks that come first and the answer's shape. */
export function range(state: ModelState, request: RangeRequest): Outcome<RangeResponse> {
  return one(state, { case: 'requestRange', value: request }, (op) => (op?.case === 'responseRange' ? op.value : undefined));
}
export function put(state: ModelState, request: PutRequest): Outcome<PutResponse> {
  return one(state, { case: 'requestPut', value: request }, (op) => (op?.case === 'responsePut' ? op.value : undefined));
}
export function deleteRange(state: ModelState, request: DeleteRangeRequest): Outcome<DeleteRangeResponse> {
  return one(state, { case: 'requestDeleteRange', value: request }, (op) => (op?.case === 'responseDeleteRange' ? op.value : undefined));
}

function one<T>(state: ModelState, request: RequestOp['request'], answerOf: (op: ResponseOp['response']) => T | undefined): Outcome<T> {
  const outcome = txn(state, { compare: [], success: [{ request }], failure: [] });
  if (!outcome.ok) return outcome;
  return { ok: true, state: outcome.state, answer: answerOf(outcome.answer.responses[0]?.response)! };
}

export function txn(state: ModelState, request: TxnRequest): Outcome<TxnResponse> {
  const invalid = checkTxn(request, REQUEST_BYTES_MAX);
  if (invalid !== undefined) return refuse(invalid);
  const path = decide(valuesOf(state), request);
  const impossible = checkPath(state, path);
  if (impossible !== undefined) return refuse(impossible);
  const draft = { state, values: new Map(valuesOf(state)), writes: 0 };
  const answer = run(draft, path);
  if (draft.writes === 0) return { ok: true, state, answer };
  const revision = state.revision + 1;
  const byRevision = new Map(state.byRevision).set(revision, draft.values);
  return { ok: true, state: { ...state, revision, byRevision }, answer };
}

export function compact(state: ModelState, revision: number): Outcome<undefined> {
  if (revision > state.revision) return refuse('future-revision');
  if (revision <= state.compacted) return refuse('compacted');
  return { ok: true, state: { ...state, compacted: revision }, answer: undefined };
}

export function grant(state: ModelState, id: bigint): ModelState {
  return { ...state, leases: new Set(state.leases).add(id) };
}

/** With all its keys, at one revision. */
export function revoke(state: ModelState, id: bigint): Outcome<undefined> {
  if (!state.leases.has(id)) return refuse('lease-not-found');
  const leases = new Set(state.leases);
  leases.delete(id);
  const kept = new Map([...valuesOf(state)].filter(([, kv]) => kv.lease !== id));
  if (kept.size === valuesOf(state).size) return { ok: true, state: { ...state, leases }, answer: undefined };
  const revision = state.revision + 1;
  return { ok: true, state: { ...state, leases, revision, byRevision: new Map(state.byRevision).set(revision, kept) }, answer: undefined };
}

// ── A transaction: what is decided, what it needs, what it does ─────────────────────────────────────────────────────

/** The branch that is taken, nested ones with it: all compares look at what was before the transaction. */
interface Path {
  readonly succeeded: boolean;
  readonly ops: ReadonlyArray<{ readonly request: RequestOp['request']; readonly nested: Path | undefined }>;
}

function decide(values: Values, { compare, success, failure }: TxnRequest): Path {
  const succeeded = compare.every((one) => holds(values, one));
  const ops = (succeeded ? success : failure).map(({ request }) => ({
    request,
    nested: request?.case === 'requestTxn' ? decide(values, request.value) : undefined,
  }));
  return { succeeded, ops };
}

/** For every key of a range; a range without keys is as one key that does not exist. */
function holds(values: Values, compare: Compare): boolean {
  const keys = keysWithin(values, compare);
  if (keys.length === 0) return holdsFor(undefined, compare);
  return keys.every((key) => holdsFor(values.get(key), compare));
}

function holdsFor(kv: KeyValue | undefined, { target, result, targetUnion }: Compare): boolean {
  const wanted = targetUnion?.value;
  if (target === CompareTarget.VALUE) {
    // A key that does not exist has no value, not even an empty one.
    return kv !== undefined && resultOf(Buffer.compare(kv.value, wanted instanceof Uint8Array ? wanted : Buffer.alloc(0)), result);
  }
  const number = wanted instanceof Uint8Array || wanted === undefined ? 0n : BigInt(wanted);
  const { version = 0, createRevision = 0, modRevision = 0, lease = 0n } = kv ?? {};
  const actual = { [CompareTarget.VERSION]: version, [CompareTarget.CREATE]: createRevision, [CompareTarget.MOD]: modRevision }[target];
  const own = actual === undefined ? lease : BigInt(actual);
  return resultOf(own < number ? -1 : own > number ? 1 : 0, result);
}

function resultOf(order: number, result: number): boolean {
  if (result === CompareResult.EQUAL) return order === 0;
  if (result === CompareResult.NOT_EQUAL) return order !== 0;
  return result === CompareResult.GREATER ? order > 0 : order < 0;
}

/** What fails the whole, before anything is written. */
function checkPath(state: ModelState, { ops }: Path): StoreErrorCode | undefined {
  for (const { request, nested } of ops) {
    const code = nested === undefined ? checkNow(state, request) : checkPath(state, nested);
    if (code !== undefined) return code;
  }
  return undefined;
}

function checkNow(state: ModelState, request: RequestOp['request']): StoreErrorCode | undefined {
  if (request?.case === 'requestRange') {
    const { revision } = request.value;
    if (revision > state.revision) return 'future-revision';
    return revision > 0 && revision < state.compacted ? 'compacted' : undefined;
  }
  if (request?.case !== 'requestPut') return undefined;
  const { key, lease, ignoreLease, ignoreValue } = request.value;
  if (lease !== 0n && !state.leases.has(lease)) return 'lease-not-found';
  return (ignoreLease || ignoreValue) && !valuesOf(state).has(toLatin1(key)) ? 'key-not-found' : undefined;
}

interface Draft {
  readonly state: ModelState;
  readonly values: Map<string, KeyValue>;
  writes: number;
}

function run(draft: Draft, { succeeded, ops }: Path): TxnResponse {
  const responses = ops.map(({ request, nested }): ResponseOp => ({ response: runOne(draft, request, nested) }));
  return TxnResponse.create({ succeeded, responses });
}

function runOne(draft: Draft, request: RequestOp['request'], nested: Path | undefined): ResponseOp['response'] {
  switch (request?.case) {
    case 'requestRange': {
      const { revision } = request.value;
      return { case: 'responseRange', value: read(revision > 0 ? draft.state.byRevision.get(revision)! : draft.values, request.value) };
    }
    case 'requestPut':
      return { case: 'responsePut', value: write(draft, request.value) };
    case 'requestDeleteRange':
      return { case: 'responseDeleteRange', value: remove(draft, request.value) };
    default:
      return { case: 'responseTxn', value: run(draft, nested!) };
  }
}

function read(values: Values, request: RangeRequest): RangeResponse {
  const all = keysWithin(values, request).map((key) => values.get(key)!);
  if (request.countOnly) return RangeResponse.create({ count: all.length });
  const within = (value: number, min: number, max: number) => value >= min && (max === 0 || value <= max);
  const kept = all.filter(
    ({ modRevision, createRevision }) =>
      within(modRevision, request.minModRevision, request.maxModRevision) &&
      within(createRevision, request.minCreateRevision, request.maxCreateRevision),
  );
  const sorted = request.sortOrder === SortOrder.NONE && request.sortTarget === SortTarget.KEY ? kept : kept.sort(orderOf(request));
  const limited = request.limit > 0 ? sorted.slice(0, request.limit) : sorted;
  const kvs = limited.map((kv) => (request.keysOnly ? { ...kv, value: Buffer.alloc(0) } : kv));
  return RangeResponse.create({ kvs, more: limited.length < sorted.length, count: all.length });
}

function orderOf({ sortTarget, sortOrder }: RangeRequest): (a: KeyValue, b: KeyValue) => number {
  const by: Record<number, (a: KeyValue, b: KeyValue) => number> = {
    [SortTarget.KEY]: (a, b) => Buffer.compare(a.key, b.key),
    [SortTarget.VERSION]: (a, b) => a.version - b.version,
    [SortTarget.CREATE]: (a, b) => a.createRevision - b.createRevision,
    [SortTarget.MOD]: (a, b) => a.modRevision - b.modRevision,
    [SortTarget.VALUE]: (a, b) => Buffer.compare(a.value, b.value),
  };
  const compare = by[sortTarget]!;
  return sortOrder === SortOrder.DESCEND ? (a, b) => compare(b, a) : compare;
}

function write(draft: Draft, request: PutRequest): PutResponse {
  const key = toLatin1(request.key);
  const before = draft.values.get(key);
  const revision = draft.state.revision + 1;
  draft.values.set(key, {
    key: request.key,
    createRevision: before?.createRevision ?? revision,
    modRevision: revision,
    version: (before?.version ?? 0) + 1,
    value: request.ignoreValue ? before!.value : request.value,
    lease: request.ignoreLease ? before!.lease : request.lease,
  });
  draft.writes++;
  return PutResponse.create(request.prevKv && before !== undefined ? { prevKv: before } : {});
}

function remove(draft: Draft, request: DeleteRangeRequest): DeleteRangeResponse {
  const keys = keysWithin(draft.values, request);
  const prevKvs = request.prevKv ? keys.map((key) => draft.values.get(key)!) : [];
  for (const key of keys) draft.values.delete(key);
  draft.writes += keys.length;
  return DeleteRangeResponse.create({ deleted: keys.length, prevKvs });
}

function keysWithin(values: Values, range: { readonly key: Uint8Array; readonly rangeEnd: Uint8Array }): string[] {
  return [...values.keys()].filter((key) => isWithin(range, key)).sort();
}
