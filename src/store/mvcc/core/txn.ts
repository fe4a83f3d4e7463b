/**
 * What etcd's KV requests do to the multi-version map. Requests were validated where they arrived; what is refused here
 * depends on the state, and is refused before anything is written: a transaction is checked as a whole first, along the
 * one path that its compares choose (etcd's #18667: a member that failed half-way would differ from the others).
 */
import { assert, unreachable } from '../../../base/assert.ts';
import { compareBytes, toLatin1 } from '../../../base/bytes.ts';
import {
  CompareResult,
  CompareTarget,
  SortOrder,
  SortTarget,
  type Compare,
  type DeleteRangeRequest,
  type KeyValue,
  type PutRequest,
  type RangeRequest,
  type RequestOp,
  type TxnRequest,
} from '../../../proto/etcd.ts';
import type { KeyRange } from './key-index.ts';
import type { Mvcc, RevisionRefusal } from './mvcc.ts';
import { NO_LEASE, type Key, type Revision, type Write } from './revision.ts';

/** What a transaction must know of leases, and tell them. */
export interface LeaseBook {
  has(lease: bigint): boolean;
  attach(lease: bigint, key: Key): void;
  detach(lease: bigint, key: Key): void;
}

export interface RangeResult {
  readonly kind: 'range';
  readonly revision: Revision;
  readonly kvs: KeyValue[];
  readonly more: boolean;
  readonly count: number;
}

export interface RangeSelection {
  readonly revision: Revision;
  readonly writes: readonly Write[];
  readonly more: boolean;
  readonly count: number;
}

export interface PutResult {
  readonly kind: 'put';
  readonly revision: Revision;
  readonly prevKv: KeyValue | undefined;
}

export interface DeleteResult {
  readonly kind: 'delete';
  readonly revision: Revision;
  readonly deleted: number;
  readonly prevKvs: KeyValue[];
}

export interface TxnResult {
  readonly kind: 'txn';
  readonly revision: Revision;
  readonly succeeded: boolean;
  readonly results: readonly OpResult[];
}

export type OpResult = RangeResult | PutResult | DeleteResult | TxnResult;

export type Refusal =
  | RevisionRefusal
  | { readonly ok: false; readonly code: 'key-not-found' }
  | { readonly ok: false; readonly code: 'lease-not-found' };

export type Outcome<R> = { readonly ok: true; readonly result: R } | Refusal;

/** `range_end` empty: the key alone; one zero byte: to the end of the key space. */
export function keyRange(key: Uint8Array, rangeEnd: Uint8Array): KeyRange {
  const from = toLatin1(key);
  // The successor of a key in byte order is the key and a zero byte.
  if (rangeEnd.length === 0) return { from, to: from + '\0', isOneKey: true };
  if (rangeEnd.length === 1 && rangeEnd[0] === 0) return { from, to: undefined };
  return { from, to: toLatin1(rangeEnd) };
}

export function range(mvcc: Mvcc, request: RangeRequest): Outcome<RangeResult> {
  const found = selectRange(mvcc, request);
  if (!found.ok) return found;
  const { revision, writes, more, count } = found.result;
  const values = request.keysOnly ? undefined : mvcc.values(writes);
  const kvs = writes.map((write, at) => mvcc.keyValue(write, values === undefined ? NO_VALUE : values[at]!));
  return { ok: true, result: { kind: 'range', revision, kvs, more, count } };
}

/** What a range finds; the values of it are for the caller to read. */
export function selectRange(mvcc: Mvcc, request: RangeRequest): Outcome<RangeSelection> {
  const at = mvcc.resolve(request.revision);
  if (!at.ok) return at;
  const keys = keyRange(request.key, request.rangeEnd);
  const revision = mvcc.readRevision;
  if (isEmpty(keys)) return { ok: true, result: { revision, writes: [], more: false, count: 0 } };
  // The count ignores the limit and the filters, as etcd's does; keys that the answer holds anyway are counted once.
  if (request.countOnly) {
    return { ok: true, result: { revision, writes: [], more: false, count: mvcc.index.count(keys, at.revision) } };
  }
  const found = select(mvcc, request, { keys, revision: at.revision });
  const limit = request.limit > 0 ? request.limit : Infinity;
  const more = found.writes.length > limit;
  const writes = more ? found.writes.slice(0, limit) : found.writes;
  return { ok: true, result: { revision, writes, more, count: found.count ?? mvcc.index.count(keys, at.revision) } };
}

const NO_VALUE = new Uint8Array(0);

/** The writes that the answer is cut from: with a plain limit one more than it, else all that pass the filters. */
function select(
  mvcc: Mvcc,
  request: RangeRequest,
  within: { readonly keys: KeyRange; readonly revision: Revision },
): { readonly writes: Write[]; readonly count: number | undefined } {
  const writes: Write[] = [];
  const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = request;
  const isFiltered = minModRevision !== 0 || maxModRevision !== 0 || minCreateRevision !== 0 || maxCreateRevision !== 0;
  const isSorted = request.sortOrder !== SortOrder.NONE || request.sortTarget !== SortTarget.KEY;
  if (!isFiltered && !isSorted && request.limit > 0) {
    mvcc.index.visit(within.keys, within.revision, (write) => writes.push(write) <= request.limit);
    return { writes, count: writes.length <= request.limit ? writes.length : undefined };
  }
  let count = 0;
  mvcc.index.visit(within.keys, within.revision, (write) => {
    count++;
    const passes =
      (minModRevision === 0 || write.main >= minModRevision) &&
      (maxModRevision === 0 || write.main <= maxModRevision) &&
      (minCreateRevision === 0 || write.create >= minCreateRevision) &&
      (maxCreateRevision === 0 || write.create <= maxCreateRevision);
    if (passes) writes.push(write);
    return true;
  });
  if (isSorted) sort(mvcc, request, writes);
  return { writes, count };
}

/** Keys of equal rank stay in key order. A target other than the key without an order means ascending. */
function sort(mvcc: Mvcc, request: RangeRequest, writes: Write[]): void {
  const sign = request.sortOrder === SortOrder.DESCEND ? -1 : 1;
  switch (request.sortTarget) {
    case SortTarget.VERSION:
      writes.sort((a, b) => sign * (a.version - b.version));
      return;
    case SortTarget.CREATE:
      writes.sort((a, b) => sign * (a.create - b.create));
      return;
    case SortTarget.MOD:
      writes.sort((a, b) => sign * (a.main - b.main));
      return;
    case SortTarget.VALUE: {
      const read = mvcc.values(writes);
      const values = new Map(writes.map((write, at) => [write, read[at]!]));
      writes.sort((a, b) => sign * compareBytes(values.get(a)!, values.get(b)!));
      return;
    }
    default:
      if (sign < 0) writes.reverse();
  }
}

/** Runs inside an open write transaction. */
export function put(mvcc: Mvcc, leases: LeaseBook, request: PutRequest): Outcome<PutResult> {
  const refusal = refusePut(mvcc, leases, request);
  if (refusal !== undefined) return refusal;
  return { ok: true, result: runPut(mvcc, leases, request) };
}

/** The lease first, as in etcd: a put may fail for both. */
function refusePut(mvcc: Mvcc, leases: LeaseBook, request: PutRequest): Refusal | undefined {
  if (request.lease !== NO_LEASE && !leases.has(request.lease)) return { ok: false, code: 'lease-not-found' };
  if ((request.ignoreValue || request.ignoreLease) && mvcc.get(toLatin1(request.key)) === undefined) {
    return { ok: false, code: 'key-not-found' };
  }
  return undefined;
}

function runPut(mvcc: Mvcc, leases: LeaseBook, request: PutRequest): PutResult {
  const key = toLatin1(request.key);
  const before = mvcc.get(key);
  const value = request.ignoreValue && before !== undefined ? mvcc.value(before) : request.value;
  const lease = request.ignoreLease && before !== undefined ? before.lease : request.lease;
  const prevKv = request.prevKv && before !== undefined ? mvcc.keyValue(before) : undefined;
  mvcc.put(key, value, lease === NO_LEASE ? NO_LEASE : lease);
  if (before !== undefined && before.lease !== lease && before.lease !== NO_LEASE) leases.detach(before.lease, key);
  if (lease !== NO_LEASE) leases.attach(lease, key);
  return { kind: 'put', revision: mvcc.readRevision, prevKv };
}

/** Runs inside an open write transaction. */
export function deleteRange(mvcc: Mvcc, leases: LeaseBook, request: DeleteRangeRequest): DeleteResult {
  const keys = keyRange(request.key, request.rangeEnd);
  const before = isEmpty(keys) ? [] : mvcc.deleteRange(keys);
  for (const { key, lease } of before) if (lease !== NO_LEASE) leases.detach(lease, key);
  const prevKvs = request.prevKv ? before.map((write) => mvcc.keyValue(write)) : [];
  return { kind: 'delete', revision: mvcc.readRevision, deleted: before.length, prevKvs };
}

/** Runs inside an open write transaction, unless it only reads. */
export function txn(mvcc: Mvcc, leases: LeaseBook, request: TxnRequest): Outcome<TxnResult> {
  const path = decide(mvcc, request);
  const refusal = refuseTxn(mvcc, leases, path);
  if (refusal !== undefined) return refusal;
  return { ok: true, result: runTxn(mvcc, leases, path) };
}

/** The branch that a transaction takes, and those of the transactions inside it. */
interface Path {
  readonly succeeded: boolean;
  readonly ops: readonly RequestOp[];
  /** One for each nested transaction of `ops`, in order. */
  readonly nested: readonly Path[];
}

/** All compares, nested ones too, look at the state before the first write, as in etcd. */
function decide(mvcc: Mvcc, request: TxnRequest): Path {
  const succeeded = request.compare.every((compare) => holds(mvcc, compare));
  const ops = succeeded ? request.success : request.failure;
  const nested: Path[] = [];
  for (const { request: op } of ops) if (op?.case === 'requestTxn') nested.push(decide(mvcc, op.value));
  return { succeeded, ops, nested };
}

function refuseTxn(mvcc: Mvcc, leases: LeaseBook, path: Path): Refusal | undefined {
  let nested = 0;
  for (const { request: op } of path.ops) {
    let refusal: Refusal | undefined;
    if (op?.case === 'requestRange') {
      const at = mvcc.resolve(op.value.revision);
      if (!at.ok) refusal = at;
    } else if (op?.case === 'requestPut') refusal = refusePut(mvcc, leases, op.value);
    else if (op?.case === 'requestTxn') refusal = refuseTxn(mvcc, leases, path.nested[nested++]!);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

function runTxn(mvcc: Mvcc, leases: LeaseBook, path: Path): TxnResult {
  const results: OpResult[] = [];
  let nested = 0;
  for (const { request: op } of path.ops) {
    if (op === undefined) continue;
    switch (op.case) {
      case 'requestRange': {
        const outcome = range(mvcc, op.value);
        assert(outcome.ok, 'a range of a transaction was checked before its first write');
        results.push(outcome.result);
        break;
      }
      case 'requestPut':
        results.push(runPut(mvcc, leases, op.value));
        break;
      case 'requestDeleteRange':
        results.push(deleteRange(mvcc, leases, op.value));
        break;
      case 'requestTxn':
        results.push(runTxn(mvcc, leases, path.nested[nested++]!));
        break;
      default:
        unreachable(op);
    }
  }
  return { kind: 'txn', revision: mvcc.readRevision, succeeded: path.succeeded, results };
}

/** A missing key compares as all zeros, but never by value; over a range every key must hold. */
function holds(mvcc: Mvcc, compare: Compare): boolean {
  const keys = keyRange(compare.key, compare.rangeEnd);
  let isAnyThere = false;
  let isEveryTrue = true;
  if (!isEmpty(keys)) {
    mvcc.index.visit(keys, mvcc.readRevision, (write) => {
      isAnyThere = true;
      isEveryTrue = holdsFor(compare, write, mvcc);
      return isEveryTrue;
    });
  }
  if (isAnyThere) return isEveryTrue;
  return compare.target !== CompareTarget.VALUE && holdsFor(compare, undefined, mvcc);
}

function holdsFor(compare: Compare, write: Write | undefined, mvcc: Mvcc): boolean {
  const order = orderOf(compare, write, mvcc);
  switch (compare.result) {
    case CompareResult.EQUAL:
      return order === 0;
    case CompareResult.NOT_EQUAL:
      return order !== 0;
    case CompareResult.GREATER:
      return order > 0;
    case CompareResult.LESS:
      return order < 0;
    default:
      // Etcd takes a result that it does not know for one that holds.
      return true;
  }
}

/** The state against what the compare names; a compare that names nothing of its target means zero. */
function orderOf(compare: Compare, write: Write | undefined, mvcc: Mvcc): number {
  const given = compare.targetUnion;
  switch (compare.target) {
    case CompareTarget.VERSION:
      return (write?.version ?? 0) - (given?.case === 'version' ? given.value : 0);
    case CompareTarget.CREATE:
      return (write?.create ?? 0) - (given?.case === 'createRevision' ? given.value : 0);
    case CompareTarget.MOD:
      return (write?.main ?? 0) - (given?.case === 'modRevision' ? given.value : 0);
    case CompareTarget.VALUE: {
      const actual = write === undefined ? NO_VALUE : mvcc.value(write);
      return compareBytes(actual, given?.case === 'value' ? given.value : NO_VALUE);
    }
    case CompareTarget.LEASE: {
      const difference = (write?.lease ?? NO_LEASE) - (given?.case === 'lease' ? given.value : NO_LEASE);
      return difference === 0n ? 0 : difference > 0n ? 1 : -1;
    }
    default:
      return 0;
  }
}

function isEmpty(keys: KeyRange): boolean {
  return keys.isOneKey !== true && keys.to !== undefined && keys.from >= keys.to;
}
