/** etcdserverpb.KV: checks a request, sends a write through the log, answers a read from the state machine. */
import {
  SortOrder,
  SortTarget,
  KV,
  PutRequest,
  type RangeRequest,
  type RangeStreamResponse,
  type ResponseOp,
  type TxnRequest,
} from '../../proto/etcd.ts';
import { RpcCode, RpcError, type Answer, type CallContext, type Handlers } from '../../proto/rpc.ts';
import { decodeInPlace, type Init } from '../../proto/wire.ts';
import { unreachable } from '../../base/assert.ts';
import { fromLatin1 } from '../../base/bytes.ts';
import { mapped } from '../../base/later.ts';
import type { OpResult, RangeSelection, TxnResult } from '../mvcc/core/txn.ts';
import { StoreError } from '../rpc/errors.ts';
import type { CommandOutcome } from '../state-machine.ts';
import { headerAt, requireLeader, resultOf, run, type StoreCore } from './core.ts';
import { encodeRangeAnswer, encodeRangePart } from './range-answer.ts';
import {
  checkDelete,
  checkPut,
  checkRange,
  checkTxn,
  DEFAULT_LIMITS,
  isReadOnly,
  isSerializable,
  type Invalid,
} from './validate.ts';

/** Keys of a streamed range's first part; the parts grow while they are small. */
const STREAM_KEYS_FIRST = 10;
const STREAM_KEYS_MAX = 10_000;
const STREAM_BYTES_AIM = 512 * 1024;

/** A put is in the log's own bytes before its call is left: nothing need be copied out of what was received. */
const putInPlace = { ...PutRequest, decode: (bytes: Uint8Array) => decodeInPlace(PutRequest, bytes) };
export const KV_IN_PLACE: typeof KV = { ...KV, methods: { ...KV.methods, put: { ...KV.methods.put, request: putInPlace } } };

export function kvHandlers(core: StoreCore, limits = DEFAULT_LIMITS): Handlers<typeof KV> {
  const putAnswer = (outcome: CommandOutcome) => {
    const { revision, prevKv } = resultOf(outcome, 'put');
    return { header: headerAt(core, revision), prevKv };
  };
  return {
    async range(request, context) {
      requireLeader(core, context);
      refuse(checkRange(request));
      if (!request.serializable) await core.linearizable(context.signal);
      const { revision, ...found } = rangeNow(core, request);
      const { keysOnly } = request;
      return encodeRangeAnswer(core.machine.mvcc, { header: headerAt(core, revision), keysOnly, ...found });
    },
    rangeStream: (request, context) => rangeStream(core, request, context),
    // Of all calls the most: a function that awaits would keep half a dozen objects for as long as it does.
    put(request, context) {
      requireLeader(core, context);
      refuse(checkPut(request, limits));
      return mapped(core.propose({ kind: 'put', request }), putAnswer);
    },
    async deleteRange(request, context) {
      requireLeader(core, context);
      refuse(checkDelete(request));
      const result = await run(core, { kind: 'delete-range', request }, 'delete');
      return { header: headerAt(core, result.revision), deleted: result.deleted, prevKvs: result.prevKvs };
    },
    async txn(request, context) {
      requireLeader(core, context);
      refuse(checkTxn(request, limits));
      const result = isReadOnly(request)
        ? await readTxn(core, request, context.signal)
        : await run(core, { kind: 'txn', request }, 'txn');
      return {
        header: headerAt(core, result.revision),
        succeeded: result.succeeded,
        responses: result.results.map(toResponseOp),
      };
    },
    async compact(request, context) {
      requireLeader(core, context);
      const result = await run(core, { kind: 'compaction', request }, 'compaction');
      if (request.physical) await core.scrubbed?.();
      return { header: headerAt(core, result.revision) };
    },
  };
}

function refuse(invalid: Invalid | undefined): void {
  if (invalid !== undefined) throw new StoreError(invalid);
}

function rangeNow(core: StoreCore, request: RangeRequest): RangeSelection {
  const outcome = core.machine.selectRange(request);
  if (!outcome.ok) throw new StoreError(outcome.code);
  return outcome.result;
}

async function readTxn(core: StoreCore, request: TxnRequest, signal: AbortSignal): Promise<TxnResult> {
  if (!isSerializable(request)) await core.linearizable(signal);
  const outcome = core.machine.readTxn(request);
  if (!outcome.ok) throw new StoreError(outcome.code);
  return outcome.result;
}

/** In etcd too the headers inside a transaction carry the revision and nothing else. */
function toResponseOp(result: OpResult): Init<ResponseOp> {
  const header = { revision: result.revision };
  switch (result.kind) {
    case 'range': {
      const { kvs, more, count } = result;
      return { response: { case: 'responseRange', value: { header, kvs, more, count } } };
    }
    case 'put':
      return { response: { case: 'responsePut', value: { header, prevKv: result.prevKv } } };
    case 'delete': {
      const { deleted, prevKvs } = result;
      return { response: { case: 'responseDeleteRange', value: { header, deleted, prevKvs } } };
    }
    case 'txn': {
      const { succeeded, results } = result;
      return { response: { case: 'responseTxn', value: { header, succeeded, responses: results.map(toResponseOp) } } };
    }
    default:
      return unreachable(result);
  }
}

/** One range at one revision, in parts: a large answer never lies in memory as a whole. */
async function* rangeStream(
  core: StoreCore,
  request: RangeRequest,
  context: CallContext,
): AsyncGenerator<Answer<RangeStreamResponse>> {
  requireLeader(core, context);
  refuse(checkRange(request));
  if (!isStreamable(request)) {
    throw new RpcError(RpcCode.UNIMPLEMENTED, 'etcdserver: a range with sort or revision filters is not streamed');
  }
  if (!request.serializable) await core.linearizable(context.signal);
  const whole = rangeNow(core, { ...request, countOnly: true });
  const revision = request.revision > 0 ? request.revision : whole.revision;
  const header = headerAt(core, whole.revision);
  const { keysOnly } = request;
  const last = { header, keysOnly, count: whole.count };
  if (request.countOnly) return yield encodeRangePart(core.machine.mvcc, { ...last, writes: [], more: false });
  let { key } = request;
  let left = request.limit > 0 ? request.limit : Infinity;
  let keys = STREAM_KEYS_FIRST;
  for (;;) {
    const { writes, more } = rangeNow(core, { ...request, key, revision, limit: Math.min(keys, left) });
    left -= writes.length;
    const { mvcc } = core.machine;
    if (!more || left === 0) return yield encodeRangePart(mvcc, { ...last, writes, more });
    const part = encodeRangePart(mvcc, { header: undefined, keysOnly, writes, more: false, count: 0 });
    yield part;
    key = successorOf(fromLatin1(writes[writes.length - 1]!.key));
    keys = Math.max(1, Math.min(STREAM_KEYS_MAX, keys * 2, Math.ceil((writes.length * STREAM_BYTES_AIM) / part.length)));
  }
}

function isStreamable(request: RangeRequest): boolean {
  const isSorted = request.sortOrder === SortOrder.DESCEND || request.sortTarget !== SortTarget.KEY;
  const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = request;
  return (
    !isSorted && [minModRevision, maxModRevision, minCreateRevision, maxCreateRevision].every((bound) => bound === 0)
  );
}

/** The first key after `key` in byte order. */
function successorOf(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}
