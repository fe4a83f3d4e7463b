/** gRPC's own headers (PROTOCOL-HTTP2.md): texts of errors, timeouts, and what codes of HTTP and HTTP/2 come to. */
import { RpcCode } from '../../../proto/rpc.ts';
import { ErrorCode } from './protocol.ts';

/** "Percent-Encoded": UTF-8, of which only printable ASCII but "%" stays as it is. */
export function encodeGrpcMessage(text: string): string {
  if (/^[ -$&-~]*$/.test(text)) return text;
  let encoded = '';
  for (const byte of Buffer.from(text, 'utf8')) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    encoded += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}

/** What is not encoded rightly stays as it is. */
export function decodeGrpcMessage(text: string): string {
  if (!text.includes('%')) return text;
  const bytes: number[] = [];
  for (let at = 0; at < text.length; at++) {
    const hex = text.slice(at + 1, at + 3);
    if (text[at] === '%' && /^[0-9a-fA-F]{2}$/.test(hex)) {
      bytes.push(Number.parseInt(hex, 16));
      at += 2;
    } else bytes.push(text.charCodeAt(at) & 0xff);
  }
  return Buffer.from(bytes).toString('utf8');
}

const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** Undefined: it is no timeout. */
export function parseTimeoutMs(text: string): number | undefined {
  const [, amount, unit] = /^(\d{1,8})([HMSmun])$/.exec(text) ?? [];
  return unit === undefined ? undefined : Number(amount) * UNIT_MS[unit]!;
}

/** At most eight digits: what has more is said in a larger unit. */
export function formatTimeout(timeoutMs: number): string {
  const milliseconds = Math.max(1, Math.ceil(timeoutMs));
  if (milliseconds < 1e8) return `${milliseconds}m`;
  const seconds = Math.ceil(milliseconds / 1_000);
  return seconds < 1e8 ? `${seconds}S` : `${Math.min(99_999_999, Math.ceil(seconds / 3_600))}H`;
}

/** Of an answer that is not gRPC's (doc/http-grpc-status-mapping.md). */
export function codeOfHttpStatus(status: number): RpcCode {
  switch (status) {
    case 400:
      return RpcCode.INTERNAL;
    case 401:
      return RpcCode.UNAUTHENTICATED;
    case 403:
      return RpcCode.PERMISSION_DENIED;
    case 404:
      return RpcCode.UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
      return RpcCode.UNAVAILABLE;
    default:
      return RpcCode.UNKNOWN;
  }
}

/** Of a stream that was reset (PROTOCOL-HTTP2.md, "Errors"). */
export function codeOfReset(code: number): RpcCode {
  switch (code) {
    case ErrorCode.REFUSED_STREAM:
      return RpcCode.UNAVAILABLE;
    case ErrorCode.CANCEL:
      return RpcCode.CANCELLED;
    case ErrorCode.ENHANCE_YOUR_CALM:
      return RpcCode.RESOURCE_EXHAUSTED;
    case ErrorCode.INADEQUATE_SECURITY:
      return RpcCode.PERMISSION_DENIED;
    default:
      return RpcCode.INTERNAL;
  }
}
