/**
 * Calls, whatever carries them: what a handler is, what a caller holds, and the one error that crosses. Bindings:
 * src/grpc/server.ts and src/grpc/channel.ts over gRPC, src/proto/direct-channel.ts straight from caller to handler, and
 * the simulator's network.
 */
import type { SharedAnswers } from './shared-answers.ts';
import type { Init, MessageCodec, MethodDescriptor, ServiceDescriptor } from './wire.ts';

/** gRPC's status codes. */
export const RpcCode = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;
export type RpcCode = (typeof RpcCode)[keyof typeof RpcCode];

export interface RpcErrorOptions {
  readonly cause?: unknown;
  /** An encoded google.rpc.Status (src/proto/struct.ts makes and reads it). */
  readonly details?: Uint8Array;
  /** The request never left the caller, so that sending it again cannot do it twice. */
  readonly notSent?: boolean;
}

/** What a call fails with, on both of its ends. */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  readonly code: RpcCode;
  readonly details: Uint8Array | undefined;
  readonly notSent: boolean;

  constructor(code: RpcCode, message: string, options: RpcErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details;
    this.notSent = options.notSent ?? false;
  }
}

/** Turns whatever a handler threw into what the caller sees; undefined: not an expected error, Internal. */
export type ErrorMapper = (error: unknown) => RpcError | undefined;

// --- the side that serves

export interface CallContext {
  /** Fires when the caller has gone, cancelled, or its deadline has passed. */
  readonly signal: AbortSignal;
  readonly metadata: { get(name: string): string | undefined };
  readonly peer: string;
  /** The common name of the caller's certificate, where it showed one. */
  readonly identity: string | undefined;
  /** The organizations of that certificate. */
  readonly organizations?: readonly string[];
  /** Milliseconds that the caller still waited when the call arrived; undefined: no deadline. */
  readonly deadlineMs: number | undefined;
  /**
   * Said to the caller before the first answer, and behind the last. Of a name that ends in "-bin" the value stands for
   * its bytes in UTF-8, as in `metadata`. Absent where nothing carries it.
   */
  setHeader?(name: string, value: string): void;
  setTrailer?(name: string, value: string): void;
}

/** What a handler answers: the message, or its bytes where they were encoded before (a watch event for many watchers). */
export type Answer<S> = Init<S> | Uint8Array;
/** One of a stream's, or several that differ little. */
export type StreamAnswer<S> = Answer<S> | SharedAnswers;

export type Unary<Q, S> = (request: Q, context: CallContext) => Answer<S> | Promise<Answer<S>>;
export type ServerStreaming<Q, S> = (request: Q, context: CallContext) => AsyncIterable<StreamAnswer<S>>;
export type ClientStreaming<Q, S> = (requests: AsyncIterable<Q>, context: CallContext) => Promise<Answer<S>>;
export type Bidi<Q, S> = (requests: AsyncIterable<Q>, context: CallContext) => AsyncIterable<StreamAnswer<S>>;

type Handler<M> = M extends {
  request: MessageCodec<infer Q>;
  response: MessageCodec<infer S>;
  requestStream: infer QS;
  responseStream: infer SS;
}
  ? QS extends true
    ? SS extends true
      ? Bidi<Q, S>
      : ClientStreaming<Q, S>
    : SS extends true
      ? ServerStreaming<Q, S>
      : Unary<Q, S>
  : never;

/** The handlers of a service; what is missing answers Unimplemented. */
export type Handlers<S extends ServiceDescriptor> = {
  readonly [K in keyof S['methods']]?: Handler<S['methods'][K]>;
};

/** Of one of the four shapes; which one, the method's descriptor says. */
export type AnyHandler = (request: never, context: CallContext) => unknown;

/** A service with its handlers, types checked and then put aside. */
export interface BoundService {
  readonly service: ServiceDescriptor;
  readonly handlers: Readonly<Record<string, AnyHandler | undefined>>;
  readonly mapError: ErrorMapper;
}

export function bind<S extends ServiceDescriptor>(
  service: S,
  handlers: Handlers<S>,
  mapError: ErrorMapper = () => undefined,
): BoundService {
  return { service, handlers, mapError };
}

/** What a call fails with when a handler throws. `onBug` hears of errors that nobody expected. */
export function toRpcError(error: unknown, mapError: ErrorMapper, onBug: (error: unknown) => void): RpcError {
  if (error instanceof RpcError) return error;
  const mapped = mapError(error);
  if (mapped !== undefined) return mapped;
  onBug(error);
  return new RpcError(RpcCode.INTERNAL, 'internal error', { cause: error });
}

/** Why a call's signal fires. Made once: an abort without a reason makes an error with a stack each time. */
export const CALL_OVER = new RpcError(RpcCode.CANCELLED, 'the call is over');

export function unimplemented(path: string): RpcError {
  return new RpcError(RpcCode.UNIMPLEMENTED, `unimplemented: ${path.slice(1)}`);
}

// --- the side that calls

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** The call fails with DeadlineExceeded after it; none: it waits as long as it takes. */
  readonly timeoutMs?: number | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

export interface BidiCall<Q, S> {
  /** False: the other end is behind; wait for `drained` before sending more. */
  send(init: Init<Q>): boolean;
  drained(): Promise<void>;
  /** What was sent leaves now, where it would leave at the end of this turn of the loop. */
  flush?(): void;
  /** No more requests; the responses go on. */
  end(): void;
  /** To be iterated once. */
  readonly responses: AsyncIterable<S>;
  cancel(): void;
}

/** A way to a server. Every failure is an {@link RpcError}. Leaving a stream's loop early cancels the call. */
export interface Channel {
  unary<Q, S>(method: MethodDescriptor<Q, S>, init: Init<Q>, options?: CallOptions): Promise<S>;
  serverStream<Q, S>(method: MethodDescriptor<Q, S>, init: Init<Q>, options?: CallOptions): AsyncIterable<S>;
  clientStream<Q, S>(
    method: MethodDescriptor<Q, S>,
    requests: AsyncIterable<Init<Q>>,
    options?: CallOptions,
  ): Promise<S>;
  bidi<Q, S>(method: MethodDescriptor<Q, S>, options?: CallOptions): BidiCall<Q, S>;
  /** Calls that run are cancelled. */
  close(): void;
}
