/**
 * Between a transport and the handlers that know of none: which method a call is for, what its request and its answer are
 * as bytes, and what becomes of an error. Both servers (server.ts over grpc-js, lean/lean-server.ts) stand on it.
 */
import { describeError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import {
  RpcCode,
  RpcError,
  toRpcError,
  unimplemented,
  type AnyHandler,
  type BoundService,
  type CallContext,
} from '../proto/rpc.ts';
import { WireError, type MethodDescriptor, type Writer } from '../proto/wire.ts';

/** Bytes of messages, without what the transport puts around them. */
export interface MessageBytes {
  received: number;
  sent: number;
}

/** What hears of the calls of one method. It stands in the way of each: a counter, not more. */
export interface CallObserver {
  readonly bytes: MessageBytes;
  /** A call begins; what it answers, `ended` is given with the call's end. */
  started(): number;
  ended(code: RpcCode, started: number): void;
}

export interface DispatchOptions {
  readonly log: Log;
  /** Asked once a method, at the start. */
  readonly observe?: ((method: MethodDescriptor<unknown, unknown>) => CallObserver) | undefined;
}

/** Requests of a stream that wait for their handler before the transport is told to hold back. */
export const REQUESTS_AHEAD_MAX = 64;
/** The longest time of a timer. */
export const NEVER_MS = 2 ** 31 - 1;

/** One method as it is served. */
export interface ServedMethod {
  readonly name: string;
  readonly method: MethodDescriptor<unknown, unknown>;
  /** The request, or for a stream of them an iterable; what it answers, the descriptor says. */
  readonly call: (request: unknown, context: CallContext) => unknown;
  readonly observer: CallObserver;
  /** What the caller sees of an error; logged where nobody expected it. */
  readonly failure: (error: unknown) => RpcError;
}

export function servedMethods(bound: BoundService, { log, observe }: DispatchOptions): ServedMethod[] {
  return Object.entries(bound.service.methods).map(([name, method]) => {
    const observer = observe?.(method) ?? NOBODY;
    const failure = (error: unknown) =>
      toRpcError(error, bound.mapError, (bug) => {
        const stack = bug instanceof Error ? bug.stack : undefined;
        log.error({ rpc: method.path, error: describeError(bug), stack }, 'grpc: a handler failed');
      });
    // The descriptor says which of the four shapes the handler has; `bind` has checked that it is so.
    const call = (bound.handlers[name] ?? missing(method.path)) as ServedMethod['call'];
    return { name, method, call, observer, failure };
  });
}

export function stopping(): RpcError {
  return new RpcError(RpcCode.UNAVAILABLE, 'the server is stopping');
}

export function unmarshalling(cause: WireError): RpcError {
  return new RpcError(RpcCode.INTERNAL, `error unmarshalling request: ${cause.message}`, { cause });
}

/** Throws the `RpcError` that the caller of a broken request sees. */
export function decodeRequest({ method, observer }: ServedMethod, bytes: Uint8Array): unknown {
  observer.bytes.received += bytes.length;
  try {
    return method.request.decode(bytes);
  } catch (error) {
    throw error instanceof WireError ? unmarshalling(error) : error;
  }
}

export function encodeAnswer({ method, observer }: ServedMethod, answer: unknown): Uint8Array {
  const bytes = answer instanceof Uint8Array ? answer : method.response.encode(answer as object); // a message, by the handler's type
  observer.bytes.sent += bytes.length;
  return bytes;
}

/** The same to the end of what was written so far. */
export function writeAnswer({ method, observer }: ServedMethod, answer: unknown, writer: Writer): void {
  const start = writer.length;
  method.response.write(writer, answer as object); // a message, by the handler's type
  observer.bytes.sent += writer.length - start;
}

const NOBODY: CallObserver = { bytes: { received: 0, sent: 0 }, started: () => 0, ended: () => undefined };

function missing(path: string): AnyHandler {
  return () => {
    throw unimplemented(path);
  };
}
