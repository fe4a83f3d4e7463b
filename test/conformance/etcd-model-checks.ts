/** What etcd refuses of a request whatever the store holds, in the words of the model. */
import { toLatin1 } from '../../src/base/bytes.ts';
import { PutRequest, SortOrder, SortTarget, TxnRequest, type RequestOp } from '../../src/proto/etcd.ts';
import type { StoreErrorCode } from '../../src/store/rpc/errors.ts';

const OPS_MAX = 128;

interface Span {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
}

/** One key, [key, rangeEnd), or from the key on where rangeEnd is a zero byte. */
export function isWithin({ key, rangeEnd }: Span, candidate: string): boolean {
  const [from, to] = [toLatin1(key), toLatin1(rangeEnd)];
  if (to === '') return candidate === from;
  return candidate >= from && (to === '\0' || candidate < to);
}

export function checkTxn(request: TxnRequest, bytesMax: number): StoreErrorCode | undefined {
  const invalid = checkList(request, OPS_MAX);
  if (invalid !== undefined) return invalid;
  if (writesOf(request.success) === undefined || writesOf(request.failure) === undefined) return 'duplicate-key';
  return TxnRequest.encode(request).length > bytesMax ? 'request-too-large' : undefined;
}

/** A nested transaction has what its parents leave. */
function checkList({ compare, success, failure }: TxnRequest, allowance: number): StoreErrorCode | undefined {
  const size = Math.max(compare.length, success.length, failure.length);
  if (size > allowance) return 'too-many-ops';
  if (compare.some(({ key }) => key.length === 0)) return 'empty-key';
  for (const { request } of [...success, ...failure]) {
    const invalid = checkOp(request, allowance - size);
    if (invalid !== undefined) return invalid;
  }
  return undefined;
}

function checkOp(request: RequestOp['request'], allowance: number): StoreErrorCode | undefined {
  if (request === undefined) return 'key-not-found';
  if (request.case === 'requestTxn') return checkList(request.value, allowance);
  if (request.value.key.length === 0) return 'empty-key';
  if (request.case === 'requestRange') {
    const { sortOrder, sortTarget } = request.value;
    const isKnown = Object.values<number>(SortOrder).includes(sortOrder) && Object.values<number>(SortTarget).includes(sortTarget);
    return isKnown ? undefined : 'invalid-sort-option';
  }
  return request.case === 'requestPut' ? checkPut(request.value) : undefined;
}

function checkPut({ value, lease, ignoreValue, ignoreLease }: PutRequest): StoreErrorCode | undefined {
  if (ignoreValue && value.length > 0) return 'value-provided';
  return ignoreLease && lease !== 0n ? 'lease-provided' : undefined;
}

interface Writes {
  readonly puts: readonly string[];
  readonly deletes: readonly Span[];
}

/**
 * Undefined where a key would be put twice, or put where it is deleted. The branches of one nested transaction exclude each
 * other. etcd looks from each put at what it has collected: this level's deletes, then the nested transactions in their
 * order, then this level's puts; so a later nested transaction may delete what an earlier one puts.
 */
function writesOf(ops: readonly RequestOp[]): Writes | undefined {
  const [deletes, nested, puts]: [Writes[], Writes[], Writes[]] = [[], [], []];
  for (const { request } of ops) {
    if (request?.case === 'requestPut') puts.push({ puts: [toLatin1(request.value.key)], deletes: [] });
    if (request?.case === 'requestDeleteRange') deletes.push({ puts: [], deletes: [request.value] });
    if (request?.case !== 'requestTxn') continue;
    const [success, failure] = [writesOf(request.value.success), writesOf(request.value.failure)];
    if (success === undefined || failure === undefined) return undefined;
    nested.push({ puts: [...new Set([...success.puts, ...failure.puts])], deletes: [...success.deletes, ...failure.deletes] });
  }
  const collected: { readonly puts: string[]; readonly deletes: Span[] } = { puts: [], deletes: [] };
  for (const part of [...deletes, ...nested, ...puts]) {
    const isTaken = (key: string) => collected.puts.includes(key) || collected.deletes.some((span) => isWithin(span, key));
    if (part.puts.some(isTaken)) return undefined;
    collected.puts.push(...part.puts);
    collected.deletes.push(...part.deletes);
  }
  return collected;
}
