/** Whole requests from the few fields that a test cares about. */
import {
  Compare,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RequestOp,
  TxnRequest,
} from '../../../src/proto/etcd.ts';
import type { Init } from '../../../src/proto/wire.ts';

export const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));
export const text = (value: Uint8Array): string => Buffer.from(value).toString('latin1');

type Rest<T> = Omit<Init<T>, 'key' | 'rangeEnd' | 'value'>;

export function rangeOf(key: string, rangeEnd = '', rest: Rest<RangeRequest> = {}): RangeRequest {
  return RangeRequest.create({ ...rest, key: bytes(key), rangeEnd: bytes(rangeEnd) });
}

export function putOf(key: string, value: string, rest: Rest<PutRequest> = {}): PutRequest {
  return PutRequest.create({ ...rest, key: bytes(key), value: bytes(value) });
}

export function deleteOf(key: string, rangeEnd = '', rest: Rest<DeleteRangeRequest> = {}): DeleteRangeRequest {
  return DeleteRangeRequest.create({ ...rest, key: bytes(key), rangeEnd: bytes(rangeEnd) });
}

export const op = {
  range: (request: RangeRequest): RequestOp => ({ request: { case: 'requestRange', value: request } }),
  put: (request: PutRequest): RequestOp => ({ request: { case: 'requestPut', value: request } }),
  delete: (request: DeleteRangeRequest): RequestOp => ({ request: { case: 'requestDeleteRange', value: request } }),
  txn: (request: TxnRequest): RequestOp => ({ request: { case: 'requestTxn', value: request } }),
};

export function compareOf(init: Init<Compare>): Compare {
  return Compare.create(init);
}

export function txnOf(compare: Compare[], success: RequestOp[], failure: RequestOp[] = []): TxnRequest {
  return { compare, success, failure };
}
