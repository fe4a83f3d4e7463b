/** Messages that come compressed (PROTOCOL-HTTP2.md, "Message-Encoding"). What we send is not. */
import { gunzipSync, inflateSync } from 'node:zlib';
import { systemErrorCode } from '../../base/errors.ts';
import { RpcCode, RpcError } from '../../proto/rpc.ts';

const ACCEPTED: readonly string[] = ['identity', 'deflate', 'gzip'];
export const ACCEPTED_ENCODINGS = ACCEPTED.join();

export function isAccepted(encoding: string): boolean {
  return ACCEPTED.includes(encoding);
}

/** Throws `RpcError`. A message that would be larger than allowed is not unpacked further than that. */
export function decompress(message: Uint8Array, encoding: string, bytesMax: number): Buffer {
  if (encoding === 'identity') throw new RpcError(RpcCode.INTERNAL, 'a compressed message without grpc-encoding');
  const unpack = encoding === 'gzip' ? gunzipSync : inflateSync;
  try {
    return unpack(message, { maxOutputLength: bytesMax });
  } catch (cause) {
    if (systemErrorCode(cause) === 'ERR_BUFFER_TOO_LARGE') {
      throw new RpcError(RpcCode.RESOURCE_EXHAUSTED, `Received message that decompresses to a size larger than ${bytesMax}`, { cause });
    }
    throw new RpcError(RpcCode.INTERNAL, 'Failed to decompress message', { cause });
  }
}
