/**
 * A probe by grpc.health.v1, over plain text as the kubelet asks it: one call on one connection, answered by SERVING or
 * not. By HTTP/2 alone, since the connection may lead through a node's inner half, and is used once.
 */
import { connect as connectHttp2, constants } from 'node:http2';
import type { Socket } from 'node:net';
import type { Clock, Millis } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import { HealthCheckRequest, HealthCheckResponse, ServingStatus } from '../proto/health.ts';

export interface GrpcProbeOptions {
  /** `host:port`, for messages and for the server. */
  readonly authority: string;
  readonly service: string;
  /** Connected; undefined: a connection of this machine's network is made. */
  readonly socket: Socket | undefined;
  readonly clock: Clock;
  readonly timeoutMs: Millis;
}

const PATH = '/grpc.health.v1.Health/Check';
const UNIMPLEMENTED = '12';
const ANSWER_BYTES_MAX = 64 * 1024;
/** A message begins with a flag and its length. */
const PREFIX_BYTES = 5;

/** Resolves when it serves; else an error says how it answered. */
export function checkGrpcHealth({ authority, service, socket, clock, timeoutMs }: GrpcProbeOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(`http://${authority}`, socket === undefined ? {} : { createConnection: () => socket });
    const finish = (failure: string | undefined) => {
      timer.cancel();
      session.destroy();
      if (failure === undefined) resolve();
      else reject(new Error(failure));
    };
    const timer = clock.setTimer(timeoutMs, () => finish(`timeout: failed to connect service ${JSON.stringify(authority)} within ${timeoutMs / 1000}s: context deadline exceeded`));
    session.on('error', (error) => finish(`error: ${describeError(error)}`));
    const call = session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: PATH,
      [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
      te: 'trailers',
      'user-agent': 'kube-probe/podium',
    });
    const chunks: Buffer[] = [];
    let size = 0;
    let status = '';
    const note = (headers: Readonly<Record<string, unknown>>) => {
      if (typeof headers['grpc-status'] === 'string') status = headers['grpc-status'];
    };
    call.on('response', note);
    call.on('trailers', note);
    call.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > ANSWER_BYTES_MAX) finish('error: the answer is too long');
      else chunks.push(chunk);
    });
    call.on('error', (error) => finish(`error: ${describeError(error)}`));
    call.on('close', () => finish(verdict(status, Buffer.concat(chunks))));
    const message = HealthCheckRequest.encode({ service });
    const prefix = Buffer.alloc(PREFIX_BYTES);
    prefix.writeUInt32BE(message.length, 1);
    call.end(Buffer.concat([prefix, message]));
  });
}

/** Undefined: it serves. */
function verdict(status: string, answer: Buffer): string | undefined {
  if (status === UNIMPLEMENTED) return 'error: this server does not implement the grpc health protocol (grpc.health.v1.Health)';
  if (status !== '0') return `error: health rpc probe failed: rpc error: code = ${status === '' ? 'missing' : status}`;
  if (answer.length < PREFIX_BYTES) return 'service unhealthy (no answer)';
  const { status: health } = HealthCheckResponse.decode(answer.subarray(PREFIX_BYTES));
  return health === ServingStatus.SERVING ? undefined : `service unhealthy (responded with ${JSON.stringify(nameOf(health))})`;
}

function nameOf(health: number): string {
  return Object.entries(ServingStatus).find(([, number]) => number === health)?.[0] ?? String(health);
}
