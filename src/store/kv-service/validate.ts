/**
 * What is wrong with a KV request by itself, before it is proposed: etcd's checks in etcd's order, for clients see which
 * one came first. What depends on the state is refused by mvcc/core/txn.ts.
 */
import { toLatin1 } from '../../base/bytes.ts';
import {
  SortOrder,
  SortTarget,
  type DeleteRangeRequest,
  type PutRequest,
  type RangeRequest,
  type RequestOp,
  type TxnRequest,
} from '../../proto/etcd.ts';
import type { KeyRange } from '../mvcc/core/key-index.ts';
import { keyRange } from '../mvcc/core/txn.ts';

export type Invalid =
  | 'empty-key'
  | 'key-not-found'
  | 'value-provided'
  | 'lease-provided'
  | 'too-many-ops'
  | 'duplicate-key'
  | 'invalid-sort-option'
  | 'request-too-large';

/** etcd's --max-txn-ops. */
export const TXN_OPS_MAX = 128;
/** etcd's --max-request-bytes. */
export const REQUEST_BYTES_MAX = 1.5 * 1024 * 1024;

export interface RequestLimits {
  readonly txnOpsMax: number;
  readonly requestBytesMax: number;
}

export const DEFAULT_LIMITS: RequestLimits = { txnOpsMax: TXN_OPS_MAX, requestBytesMax: REQUEST_BYTES_MAX };

export function checkRange(request: RangeRequest): Invalid | undefined {
  if (request.key.length === 0) return 'empty-key';
  const isKnown =
    isBetween(request.sortOrder, SortOrder.NONE, SortOrder.DESCEND) &&
    isBetween(request.sortTarget, SortTarget.KEY, SortTarget.VALUE);
  return isKnown ? undefined : 'invalid-sort-option';
}

export function checkPut(request: PutRequest, { requestBytesMax } = DEFAULT_LIMITS): Invalid | undefined {
  if (request.key.length === 0) return 'empty-key';
  if (request.ignoreValue && request.value.length > 0) return 'value-provided';
  if (request.ignoreLease && request.lease !== 0n) return 'lease-provided';
  return putBytes(request) > requestBytesMax ? 'request-too-large' : undefined;
}

export function checkDelete(request: DeleteRangeRequest): Invalid | undefined {
  return request.key.length === 0 ? 'empty-key' : undefined;
}

export function checkTxn(request: TxnRequest, limits = DEFAULT_LIMITS): Invalid | undefined {
  return (
    checkOps(request, limits.txnOpsMax, limits) ??
    (collectWrites(request.success) === undefined || collectWrites(request.failure) === undefined
      ? 'duplicate-key'
      : undefined) ??
    (txnBytes(request) > limits.requestBytesMax ? 'request-too-large' : undefined)
  );
}

export function isReadOnly(request: TxnRequest): boolean {
  return [...request.success, ...request.failure].every(
    ({ request: op }) =>
      op === undefined || op.case === 'requestRange' || (op.case === 'requestTxn' && isReadOnly(op.value)),
  );
}

/** Whether all that a read-only transaction reads may be stale. A compare alone may not. */
export function isSerializable(request: TxnRequest): boolean {
  const ops = [...request.success, ...request.failure];
  return (
    ops.length > 0 &&
    ops.every(
      ({ request: op }) =>
        (op?.case === 'requestRange' && op.value.serializable) ||
        (op?.case === 'requestTxn' && isSerializable(op.value)),
    )
  );
}

/** A nested transaction gets what its parents leave of the allowance. */
function checkOps(request: TxnRequest, allowance: number, limits: RequestLimits): Invalid | undefined {
  const count = Math.max(request.compare.length, request.success.length, request.failure.length);
  if (count > allowance) return 'too-many-ops';
  if (request.compare.some(({ key }) => key.length === 0)) return 'empty-key';
  for (const { request: op } of [...request.success, ...request.failure]) {
    const invalid = checkOp(op, allowance - count, limits);
    if (invalid !== undefined) return invalid;
  }
  return undefined;
}

function checkOp(op: RequestOp['request'], allowance: number, limits: RequestLimits): Invalid | undefined {
  switch (op?.case) {
    case 'requestRange':
      return checkRange(op.value);
    case 'requestPut':
      return checkPut(op.value, limits);
    case 'requestDeleteRange':
      return checkDelete(op.value);
    case 'requestTxn':
      return checkOps(op.value, allowance, limits);
    default:
      // Etcd's answer to an operation that says nothing.
      return 'key-not-found';
  }
}

interface Writes {
  readonly puts: Set<string>;
  readonly deletes: KeyRange[];
}

/**
 * Keys that a list of operations puts, and ranges that it deletes; undefined where a key is put twice, or put where it is
 * deleted. The two branches of a nested transaction exclude each other, so that they may share keys.
 */
function collectWrites(ops: readonly RequestOp[]): Writes | undefined {
  const puts = new Set<string>();
  const deletes: KeyRange[] = [];
  for (const { request: op } of ops) {
    if (op?.case === 'requestDeleteRange') deletes.push(keyRange(op.value.key, op.value.rangeEnd));
  }
  const collides = (key: string): boolean => puts.has(key) || deletes.some((range) => contains(range, key));
  for (const { request: op } of ops) {
    if (op?.case !== 'requestTxn') continue;
    const success = collectWrites(op.value.success);
    const failure = collectWrites(op.value.failure);
    if (success === undefined || failure === undefined) return undefined;
    const either = new Set([...success.puts, ...failure.puts]);
    for (const key of either) if (collides(key)) return undefined;
    for (const key of either) puts.add(key);
    deletes.push(...success.deletes, ...failure.deletes);
  }
  for (const { request: op } of ops) {
    if (op?.case !== 'requestPut') continue;
    const key = toLatin1(op.value.key);
    if (collides(key)) return undefined;
    puts.add(key);
  }
  return { puts, deletes };
}

function contains({ from, to }: KeyRange, key: string): boolean {
  return key >= from && (to === undefined || key < to);
}

function isBetween(value: number, low: number, high: number): boolean {
  return value >= low && value <= high;
}

/** Tags, lengths and small numbers of an operation, roughly. */
const OP_BYTES = 16;

function putBytes(request: PutRequest): number {
  return request.key.length + request.value.length + OP_BYTES;
}

function txnBytes(request: TxnRequest): number {
  let bytes = 0;
  for (const { key, rangeEnd, targetUnion } of request.compare) {
    bytes += key.length + rangeEnd.length + OP_BYTES;
    if (targetUnion?.case === 'value') bytes += targetUnion.value.length;
  }
  for (const { request: op } of [...request.success, ...request.failure]) {
    if (op?.case === 'requestTxn') bytes += txnBytes(op.value) + OP_BYTES;
    else if (op?.case === 'requestPut') bytes += putBytes(op.value);
    else if (op !== undefined) bytes += op.value.key.length + op.value.rangeEnd.length + OP_BYTES;
  }
  return bytes;
}
