/** The body of a request: read up to a limit and within a time, then parsed as what it says that it is. */
import { toUtf8 } from '../../base/bytes.ts';
import type { Clock } from '../../base/clock.ts';
import { ApiError, badRequest } from '../../kube/errors.ts';
import { checkDepth, parseJsonBody } from '../core/json-body.ts';
import type { BodyFormat } from './core/negotiation.ts';
import type { HttpRequest } from './reply.ts';

/** A YAML text may name a part many times over; more is an attack on memory. */
const YAML_ALIASES_MAX = 100;

export interface BodyLimits {
  readonly clock: Clock;
  readonly bytesMax: number;
  readonly timeoutMs: number;
}

export function readBody(request: HttpRequest, { clock, bytesMax, timeoutMs }: BodyLimits): Promise<Uint8Array> {
  const tooLarge = () => new ApiError('RequestEntityTooLarge', `Request entity too large: limit is ${bytesMax}`);
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) return Promise.reject(tooLarge());
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const finish = (error?: Error) => {
      timer.cancel();
      request.off('data', onData);
      request.off('end', onEnd);
      request.off('close', onClose);
      // What still comes is let pass; the connection or stream closes with the answer.
      request.on('error', () => {});
      if (error === undefined) resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
      else reject(error);
    };
    const onData = (chunk: Buffer) => {
      size += chunk.length;
      if (size > bytesMax) return finish(tooLarge());
      chunks.push(chunk);
    };
    const onEnd = () => finish();
    const onClose = () => finish(badRequest('the request ended before its body did'));
    const timer = clock.setTimer(timeoutMs, () => finish(new ApiError('Timeout', `the body of the request did not arrive within ${timeoutMs / 1000} s`)));
    request.on('data', onData);
    request.on('end', onEnd);
    request.on('close', onClose);
    request.on('error', onClose);
  });
}

/** undefined: there is none. */
export async function parseBody(bytes: Uint8Array, format: BodyFormat): Promise<unknown> {
  if (bytes.length === 0) return undefined;
  if (format === 'protobuf') return (await import('../protobuf.ts')).decodeProtobuf(bytes);
  return format === 'json' ? parseJsonBody(toUtf8(bytes), 'object') : parseYamlBody(toUtf8(bytes));
}

async function parseYamlBody(text: string): Promise<unknown> {
  const { parse } = await import('yaml');
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: YAML_ALIASES_MAX, merge: true, logLevel: 'silent' });
  } catch (error) {
    throw badRequest(`the object is not YAML: ${error instanceof Error ? error.message : String(error)}`);
  }
  return checkDepth(value);
}
