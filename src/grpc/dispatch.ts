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
import { WireError, type MessageCodec, type MethodDescriptor } from '../proto/wire.ts';

export type HandledObserver = (code: RpcCode) => void;

export interface DispatchOptions {
  readonly log: Log;
  /** Asked once a method, at the start; what it answers hears of every call that ended. To be as cheap as a counter. */
  readonly observe?: ((method: MethodDescriptor<unknown, unknown>) => HandledObserver) | undefined;
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
  readonly handled: HandledObserver;
  /** What the caller sees of an error; counted, and logged where nobody expected it. */
  readonly failure: (error: unknown) => RpcError;
}

export function servedMethods(bound: BoundService, { log, observe }: DispatchOptions): ServedMethod[] {
  return Object.entries(bound.service.methods).map(([name, method]) => {
    const handled = observe?.(method) ?? unobserved;
    const failure = (error: unknown) => {
      const known = toRpcError(error, bound.mapError, (bug) => {
        const stack = bug instanceof Error ? bug.stack : undefined;
        log.error({ rpc: method.path, error: describeError(bug), stack }, 'grpc: a handler failed');
      });
      handled(known.code);
      return known;
    };
    // The descriptor says which of the four shapes the handler has; `bind` has checked that it is so.
    const call = (bound.handlers[name] ?? missing(method.path)) as ServedMethod['call'];
    return { name, method, call, handled, failure };
  });
}

export function stopping(): RpcError {
  return new RpcError(RpcCode.UNAVAILABLE, 'the server is stopping');
}

export function unmarshalling(cause: WireError): RpcError {
  return new RpcError(RpcCode.INTERNAL, `error unmarshalling request: ${cause.message}`, { cause });
}

/** Throws the `RpcError` that the caller of a broken request sees. */
export function decodeRequest(codec: MessageCodec<unknown>, bytes: Uint8Array): unknown {
  try {
    return codec.decode(bytes);
  } catch (error) {
    throw error instanceof WireError ? unmarshalling(error) : error;
  }
}

export function encodeAnswer(codec: MessageCodec<unknown>, answer: unknown): Uint8Array {
  return answer instanceof Uint8Array ? answer : codec.encode(answer as object); // a message, by the handler's type
}

function unobserved(): void {}

function missing(path: string): AnyHandler {
  return () => {
    throw unimplemented(path);
  };
}
