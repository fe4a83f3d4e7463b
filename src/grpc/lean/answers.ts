/** The blocks of headers that a server answers with. What is always the same is made once. */
import { RpcCode, type RpcError } from '../../proto/rpc.ts';
import { encodeBlock } from './core/hpack-encoder.ts';
import type { Field } from './core/hpack-table.ts';
import { encodeGrpcMessage } from './core/status.ts';

const CONTENT_TYPE: Field = { name: 'content-type', value: 'application/grpc' };
const STATUS_200: Field = { name: ':status', value: '200' };

export const OK_HEAD = encodeBlock([STATUS_200, CONTENT_TYPE]);
export const OK_TRAILERS = encodeBlock([{ name: 'grpc-status', value: String(RpcCode.OK) }]);

/** Behind messages, or with `isAlone` in place of any. */
export function failureBlock(error: RpcError, isAlone: boolean): Buffer {
  const fields: Field[] = isAlone ? [STATUS_200, CONTENT_TYPE] : [];
  fields.push({ name: 'grpc-status', value: String(error.code) });
  if (error.message !== '') fields.push({ name: 'grpc-message', value: encodeGrpcMessage(error.message) });
  if (error.details !== undefined) {
    const details = Buffer.from(error.details).toString('base64').replace(/=+$/, '');
    fields.push({ name: 'grpc-status-details-bin', value: details });
  }
  return encodeBlock(fields);
}

/** To what is no gRPC: a status of HTTP, and a word on it. */
export function httpBlock(status: number, length: number, more: readonly Field[] = []): Buffer {
  return encodeBlock([
    { name: ':status', value: String(status) },
    { name: 'content-type', value: 'text/plain' },
    { name: 'content-length', value: String(length) },
    ...more,
  ]);
}
