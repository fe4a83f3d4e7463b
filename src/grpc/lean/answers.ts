/** The blocks of headers that a server answers with. What is always the same is made once. */
import { RpcCode, type RpcError } from '../../proto/rpc.ts';
import { encodeBlock } from './core/hpack-encoder.ts';
import type { Field } from './core/hpack-table.ts';
import { encodeGrpcMessage } from './core/status.ts';

const CONTENT_TYPE: Field = { name: 'content-type', value: 'application/grpc' };
const STATUS_200: Field = { name: ':status', value: '200' };

export const OK_HEAD = encodeBlock([STATUS_200, CONTENT_TYPE]);
export const OK_TRAILERS = encodeBlock([{ name: 'grpc-status', value: String(RpcCode.OK) }]);

/** What a handler says beside its answers. */
export function metadataField(name: string, value: string): Field {
  const field = name.toLowerCase();
  return { name: field, value: field.endsWith('-bin') ? base64(Buffer.from(value, 'utf8')) : value };
}

/** Behind messages, or with `isAlone` in place of any. */
export function failureBlock(error: RpcError, isAlone: boolean, more: readonly Field[] = []): Buffer {
  const fields: Field[] = isAlone ? [STATUS_200, CONTENT_TYPE] : [];
  fields.push({ name: 'grpc-status', value: String(error.code) });
  if (error.message !== '') fields.push({ name: 'grpc-message', value: encodeGrpcMessage(error.message) });
  if (error.details !== undefined) fields.push({ name: 'grpc-status-details-bin', value: base64(error.details) });
  return encodeBlock([...fields, ...more]);
}

/** PROTOCOL-HTTP2.md, "Custom-Metadata": without the padding. */
function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replace(/=+$/, '');
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
