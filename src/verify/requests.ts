/** Requests of the model as calls of a store, and a store's answers as the model gives them. */
import { fromLatin1, toLatin1 } from '../base/bytes.ts';
import type { StoreClient } from '../etcd/store-client.ts';
import { CompareResult, CompareTarget, type RangeResponse, type RequestOp, type ResponseOp, type TxnRequest } from '../proto/etcd.ts';
import { RpcCode, RpcError } from '../proto/rpc.ts';
import type { Init } from '../proto/wire.ts';
import type { StoreAnswer, StoreRequest } from './core/store-model.ts';

export interface Answered {
  readonly revision: number;
  readonly answer: StoreAnswer;
}

/** One request of the model, as calls of a store. */
export async function perform(client: StoreClient, request: StoreRequest, serializable = false): Promise<Answered> {
  switch (request.kind) {
    case 'range': {
      const response = await client.range({ ...rangeOf(request), serializable });
      return { revision: response.header?.revision ?? 0, answer: rangeAnswer(response) };
    }
    case 'put': {
      const { header } = await client.put({ key: fromLatin1(request.key), value: fromLatin1(request.value) });
      return { revision: header?.revision ?? 0, answer: { kind: 'put' } };
    }
    case 'delete': {
      const { header, deleted } = await client.deleteRange(rangeOf(request));
      return { revision: header?.revision ?? 0, answer: { kind: 'delete', deleted } };
    }
    case 'txn':
      return putWithLease(client, request, 0n);
  }
}

export function rangeOf({ key, rangeEnd }: { readonly key: string; readonly rangeEnd?: string }) {
  return rangeEnd === undefined
    ? { key: fromLatin1(key) }
    : { key: fromLatin1(key), rangeEnd: fromLatin1(rangeEnd) };
}

export type TxnOf = Extract<StoreRequest, { kind: 'txn' }>;

function encodeTxn(request: TxnOf, lease: bigint): Init<TxnRequest> {
  return {
    compare: request.ifModRevision.map(({ key, revision }) => ({
      result: CompareResult.EQUAL,
      target: CompareTarget.MOD,
      key: fromLatin1(key),
      targetUnion: { case: 'modRevision' as const, value: revision },
    })),
    success: request.onSuccess.map((operation) => encodeOp(operation, lease)),
    failure: request.onFailure.map((operation) => encodeOp(operation, lease)),
  };
}

function encodeOp(request: StoreRequest, lease: bigint): Init<RequestOp> {
  switch (request.kind) {
    case 'range':
      return { request: { case: 'requestRange', value: rangeOf(request) } };
    case 'put': {
      const value = { key: fromLatin1(request.key), value: fromLatin1(request.value), lease };
      return { request: { case: 'requestPut', value } };
    }
    case 'delete':
      return { request: { case: 'requestDeleteRange', value: rangeOf(request) } };
    case 'txn':
      return { request: { case: 'requestTxn', value: encodeTxn(request, lease) } };
  }
}

export function rangeAnswer({ kvs }: RangeResponse): StoreAnswer {
  return {
    kind: 'range',
    values: kvs.map(({ key, value, createRevision, modRevision, version }) => ({
      key: toLatin1(key),
      value: toLatin1(value),
      createRevision,
      modRevision,
      version,
    })),
  };
}

function txnAnswer({ succeeded, responses }: { readonly succeeded: boolean; readonly responses: readonly ResponseOp[] }): StoreAnswer {
  return { kind: 'txn', succeeded, answers: responses.map(opAnswer) };
}

function opAnswer({ response }: ResponseOp): StoreAnswer {
  switch (response?.case) {
    case 'responseRange':
      return rangeAnswer(response.value);
    case 'responsePut':
      return { kind: 'put' };
    case 'responseDeleteRange':
      return { kind: 'delete', deleted: response.value.deleted };
    case 'responseTxn':
      return txnAnswer(response.value);
    case undefined:
      throw new RpcError(RpcCode.INTERNAL, 'an operation of a transaction was not answered');
  }
}

/** A transaction whose puts are tied to a lease; 0n: to none. */
export async function putWithLease(client: StoreClient, request: TxnOf, lease: bigint): Promise<Answered> {
  const response = await client.txn(encodeTxn(request, lease));
  return { revision: response.header?.revision ?? 0, answer: txnAnswer(response) };
}
