/** The model's requests as etcd's, and etcd's answers as the model's. */
import { unreachable } from '../../src/base/assert.ts';
import { fromLatin1, toLatin1 } from '../../src/base/bytes.ts';
import {
  CompareResult,
  CompareTarget,
  EventType,
  type Event,
  type KeyValue,
  type RequestOp,
  type ResponseOp,
  type TxnRequest,
} from '../../src/proto/etcd.ts';
import type { Init } from '../../src/proto/wire.ts';
import type { StoreClient } from '../../src/etcd/store-client.ts';
import type { StoreAnswer, StoreEvent, StoreRequest } from '../../src/verify/core/store-model.ts';

export interface Answered {
  readonly revision: number;
  readonly answer: StoreAnswer;
}

type RequestOf<K extends StoreRequest['kind']> = Extract<StoreRequest, { kind: K }>;

export async function call(client: StoreClient, request: StoreRequest, serializable: boolean): Promise<Answered> {
  switch (request.kind) {
    case 'range': {
      const { header, kvs } = await client.range({ ...rangeOf(request), serializable });
      return { revision: header!.revision, answer: { kind: 'range', values: kvs.map(valueOf) } };
    }
    case 'put': {
      const { header } = await client.put({ key: fromLatin1(request.key), value: fromLatin1(request.value) });
      return { revision: header!.revision, answer: { kind: 'put' } };
    }
    case 'delete': {
      const { header, deleted } = await client.deleteRange(rangeOf(request));
      return { revision: header!.revision, answer: { kind: 'delete', deleted } };
    }
    case 'txn': {
      const { header, succeeded, responses } = await client.txn(txnOf(request));
      return { revision: header!.revision, answer: { kind: 'txn', succeeded, answers: responses.map(answerOf) } };
    }
    default:
      return unreachable(request);
  }
}

export function eventOf({ type, kv }: Event): StoreEvent {
  const revision = kv!.modRevision;
  const key = toLatin1(kv!.key);
  return type === EventType.PUT
    ? { revision, kind: 'put', key, value: toLatin1(kv!.value) }
    : { revision, kind: 'delete', key, value: '' };
}

function rangeOf({ key, rangeEnd }: RequestOf<'range' | 'delete'>) {
  return { key: fromLatin1(key), ...(rangeEnd === undefined ? {} : { rangeEnd: fromLatin1(rangeEnd) }) };
}

function txnOf({ ifModRevision, onSuccess, onFailure }: RequestOf<'txn'>): Init<TxnRequest> {
  return {
    compare: ifModRevision.map(({ key, revision }) => ({
      result: CompareResult.EQUAL,
      target: CompareTarget.MOD,
      key: fromLatin1(key),
      targetUnion: { case: 'modRevision' as const, value: revision },
    })),
    success: onSuccess.map(opOf),
    failure: onFailure.map(opOf),
  };
}

function opOf(request: StoreRequest): Init<RequestOp> {
  switch (request.kind) {
    case 'range':
      return { request: { case: 'requestRange', value: rangeOf(request) } };
    case 'put':
      return { request: { case: 'requestPut', value: { key: fromLatin1(request.key), value: fromLatin1(request.value) } } };
    case 'delete':
      return { request: { case: 'requestDeleteRange', value: rangeOf(request) } };
    case 'txn':
      return { request: { case: 'requestTxn', value: txnOf(request) } };
    default:
      return unreachable(request);
  }
}

function answerOf({ response }: ResponseOp): StoreAnswer {
  switch (response?.case) {
    case 'responseRange':
      return { kind: 'range', values: response.value.kvs.map(valueOf) };
    case 'responsePut':
      return { kind: 'put' };
    case 'responseDeleteRange':
      return { kind: 'delete', deleted: response.value.deleted };
    case 'responseTxn':
      return { kind: 'txn', succeeded: response.value.succeeded, answers: response.value.responses.map(answerOf) };
    case undefined:
      throw new Error('a transaction answered without a response');
  }
}

function valueOf({ key, value, createRevision, modRevision, version }: KeyValue) {
  return { key: toLatin1(key), value: toLatin1(value), createRevision, modRevision, version };
}
