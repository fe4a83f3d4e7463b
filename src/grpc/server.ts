/**
 * Binds transport-free handlers (src/proto/rpc.ts) to @grpc/grpc-js, and keeps the server: addresses, TLS, limits, a stop
 * that ends. It knows no service; health and reflection are handlers like any other.
 */
import type { RequestListener } from 'node:http';
import { createServer } from 'node:net';
import * as grpc from '@grpc/grpc-js';
import { describeError, systemErrorCode } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { Pipe } from '../base/pipe.ts';
import {
  CALL_OVER, RpcCode,
  RpcError,
  toRpcError,
  unimplemented,
  type AnyHandler,
  type BoundService,
  type CallContext,
} from '../proto/rpc.ts';
import { WireError, type MessageCodec, type MethodDescriptor } from '../proto/wire.ts';
import { PortMux } from './port-mux.ts';
import type { RenewedTls } from './renewed-tls.ts';

export interface TlsFiles {
  /** PEM. Clients must show a certificate that it signed where `requireClientCertificate` says so. */
  readonly ca?: Uint8Array;
  readonly cert: Uint8Array;
  readonly key: Uint8Array;
}

export interface GrpcServerOptions {
  readonly log: Log;
  readonly services: readonly BoundService[];
  /** undefined: plain text. */
  readonly tls?:
    | (TlsFiles & { readonly requireClientCertificate: boolean })
    | { readonly renewed: RenewedTls; readonly requireClientCertificate: boolean }
    | undefined;
  /** A larger request is refused with ResourceExhausted. */
  readonly requestBytesMax?: number;
  /** Streams that one connection may have open at a time. */
  readonly streamsPerConnectionMax?: number;
  /** 0: a quiet connection is not asked whether it lives. */
  readonly keepaliveTimeMs?: number;
  readonly keepaliveTimeoutMs?: number;
  /** Answers HTTP/1.1 on the same ports; absent: they speak gRPC only. */
  readonly http?: RequestListener | undefined;
  /** Asked once a method, at the start; what it answers hears of every call that ended. To be as cheap as a counter. */
  readonly observe?: ((method: MethodDescriptor<unknown, unknown>) => HandledObserver) | undefined;
}

export type HandledObserver = (code: RpcCode) => void;

/** etcd's 1.5 MiB for a request, and room for what surrounds it. */
export const REQUEST_BYTES_MAX = 2 * 1024 * 1024;

/** The longest time of a timer. */
const NEVER_MS = 2 ** 31 - 1;

/** Requests of a stream that wait for their handler before the transport is told to hold back. */
const REQUESTS_AHEAD_MAX = 64;

/** What the last answers of a server that stops have to leave in. */
const LAST_ANSWERS_MS = 100;

function revokes(tls: GrpcServerOptions['tls']): boolean {
  return tls !== undefined && 'renewed' in tls && tls.renewed.current.crl !== undefined;
}

const refuseHttp: RequestListener = (_, response) => void response.writeHead(404).end();

/** What the four kinds of grpc-js calls have in common. */
type SurfaceCall = Pick<
  grpc.ServerUnaryCall<unknown, unknown>,
  'metadata' | 'getPeer' | 'getDeadline' | 'getAuthContext'
> & {
  on(event: 'cancelled', listener: () => void): unknown;
};

type StreamCall = grpc.ServerWritableStream<unknown, unknown> | grpc.ServerDuplexStream<unknown, unknown>;

// What goes wrong reaches us as errors and statuses; grpc-js would print it to standard error besides.
grpc.setLogVerbosity(grpc.logVerbosity.NONE);

export class GrpcServer {
  readonly #server: grpc.Server;
  readonly #options: GrpcServerOptions;
  /** How to end what runs. */
  readonly #streams = new Set<(error: RpcError) => void>();
  readonly #unaries = new Set<(error: RpcError) => void>();
  readonly #mux: PortMux | undefined;
  #isStopping = false;

  constructor(options: GrpcServerOptions) {
    this.#options = options;
    this.#server = new grpc.Server({
      'grpc.max_receive_message_length': options.requestBytesMax ?? REQUEST_BYTES_MAX,
      'grpc.max_send_message_length': -1,
      'grpc.max_concurrent_streams': options.streamsPerConnectionMax ?? 10_000,
      'grpc.keepalive_time_ms': options.keepaliveTimeMs === 0 ? NEVER_MS : (options.keepaliveTimeMs ?? 10_000),
      'grpc.keepalive_timeout_ms': options.keepaliveTimeoutMs ?? 10_000,
      'grpc.enable_channelz': 0,
    });
    for (const service of options.services) this.#add(service);
    // grpc-js takes no list of revoked certificates: there, too, TLS ends in the mux.
    const needsMux = options.http !== undefined || revokes(options.tls);
    this.#mux = needsMux ? this.#newMux(options.http ?? refuseHttp) : undefined;
  }

  /** Listens on all `addresses` ("127.0.0.1:2379"; port 0: any free one) or on none; answers the ports. */
  async listen(addresses: readonly string[]): Promise<number[]> {
    const ports: number[] = [];
    try {
      for (const address of addresses) ports.push(await this.#listenOn(address));
    } catch (error) {
      this.#server.forceShutdown();
      this.#mux?.close();
      throw error;
    }
    return ports;
  }

  /** Takes no more calls, ends streams at once with Unavailable, and after `graceMs` the unary calls that still run. */
  stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    this.#mux?.stopListening();
    for (const end of [...this.#streams]) end(stopping());
    return new Promise<void>((resolve) => {
      // A session that grpc-js destroys may leave its callers waiting for their keepalive: they are answered first.
      let timer = setTimeout(() => {
        for (const end of [...this.#unaries]) end(stopping());
        timer = setTimeout(() => {
          this.#server.forceShutdown();
          resolve();
        }, LAST_ANSWERS_MS);
      }, graceMs);
      this.#server.tryShutdown(() => {
        clearTimeout(timer);
        resolve();
      });
    }).finally(() => this.#mux?.close());
  }

  /** TLS ends in the mux; what grpc-js is handed is a socket like any other, which still knows its certificate. */
  #newMux(http: RequestListener): PortMux {
    const injector = this.#server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
    return new PortMux({ tls: this.#options.tls, http, grpc: (socket) => injector.injectConnection(socket) });
  }

  async #listenOn(address: string): Promise<number> {
    const mux = this.#mux;
    if (mux === undefined) return this.#bind(address);
    return mux.listen(address).catch((error: Error) => {
      const code = systemErrorCode(error);
      throw new Error(`cannot listen on ${address}: ${LISTEN_REMEDIES[code ?? ''] ?? code ?? error.message}`);
    });
  }

  #bind(address: string): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(address, this.#credentials(), (error, port) => {
        if (error === null) resolve(port);
        else whyNotListen(address).then((why) => reject(new Error(`cannot listen on ${address}: ${why}`)), reject);
      });
    });
  }

  #credentials(): grpc.ServerCredentials {
    const tls = this.#options.tls;
    if (tls === undefined) return grpc.ServerCredentials.createInsecure();
    const { requireClientCertificate } = tls;
    if ('renewed' in tls) {
      // grpc-js 1.14 names its arguments the other way round than it uses them: the server's own certificate comes first.
      // A CA is what makes it ask for certificates at all.
      const create = grpc.experimental.createCertificateProviderServerCredentials;
      return create(tls.renewed, requireClientCertificate ? tls.renewed : null, requireClientCertificate);
    }
    const pair = { private_key: Buffer.from(tls.key), cert_chain: Buffer.from(tls.cert) };
    const ca = tls.ca === undefined ? null : Buffer.from(tls.ca);
    return grpc.ServerCredentials.createSsl(ca, [pair], requireClientCertificate);
  }

  #add(bound: BoundService): void {
    const definition: Record<string, grpc.MethodDefinition<unknown, unknown>> = {};
    const implementation: Record<string, grpc.UntypedHandleCall> = {};
    for (const [name, method] of Object.entries(bound.service.methods)) {
      definition[name] = definitionOf(method);
      implementation[name] = this.#adapt(bound, method, bound.handlers[name] ?? missing(method.path));
    }
    this.#server.addService(definition, implementation);
  }

  #adapt(bound: BoundService, method: MethodDescriptor<unknown, unknown>, handler: AnyHandler): grpc.UntypedHandleCall {
    // The descriptor says which of the four shapes the handler has; `bind` has checked that it is so.
    const call = handler as (request: unknown, context: CallContext) => unknown;
    const handled = this.#options.observe?.(method) ?? unobserved;
    const failure = (error: unknown) => {
      const known = this.#failure(bound, method.path, error);
      handled(known.code as RpcCode); // as #failure made it
      return known;
    };
    if (method.responseStream) {
      if (!method.requestStream) {
        return (stream: grpc.ServerWritableStream<unknown, unknown>) =>
          this.#stream(stream, { failure, handled }, (context) => call(checked(stream.request), context));
      }
      return (stream: grpc.ServerDuplexStream<unknown, unknown>) =>
        this.#stream(stream, { failure, handled }, (context, requests) => call(requests, context));
    }
    if (method.requestStream) {
      return (stream: grpc.ServerReadableStream<unknown, unknown>, answer: grpc.sendUnaryData<unknown>) => {
        const context = new ServerCallContext(stream);
        const requests = requestsOf(stream, context.signal);
        this.#unary(() => call(requests, context), answer, { failure, handled });
      };
    }
    return (unary: grpc.ServerUnaryCall<unknown, unknown>, answer: grpc.sendUnaryData<unknown>) => {
      const context = new ServerCallContext(unary);
      this.#unary(() => call(checked(unary.request), context), answer, { failure, handled });
    };
  }

  #unary(
    run: () => unknown,
    answer: grpc.sendUnaryData<unknown>,
    { failure, handled }: Outcomes,
  ): void {
    let result: unknown;
    try {
      result = run();
    } catch (error) {
      return answer(failure(error));
    }
    if (!(result instanceof Promise)) {
      handled(RpcCode.OK);
      return answer(null, result);
    }
    const fail = (error: unknown) => {
      if (this.#unaries.delete(fail)) answer(failure(error));
    };
    this.#unaries.add(fail);
    result.then((value: unknown) => {
      if (!this.#unaries.delete(fail)) return;
      handled(RpcCode.OK);
      answer(null, value);
    }, fail);
  }

  #failure(bound: BoundService, rpc: string, error: unknown): grpc.ServiceError {
    const known = toRpcError(error, bound.mapError, (bug) => {
      this.#options.log.error(
        { rpc, error: describeError(bug), stack: bug instanceof Error ? bug.stack : undefined },
        'grpc: a handler failed',
      );
    });
    const metadata = new grpc.Metadata();
    if (known.details !== undefined) metadata.set('grpc-status-details-bin', Buffer.from(known.details));
    return Object.assign(new Error(known.message), {
      code: known.code as grpc.status,
      details: known.message,
      metadata,
    });
  }

  #stream(
    stream: StreamCall,
    { failure, handled }: Outcomes,
    run: (context: CallContext, requests: AsyncIterable<unknown>) => unknown,
  ): void {
    const context = new ServerCallContext(stream);
    const requests = 'read' in stream ? requestsOf(stream, context.signal) : new Pipe<unknown>(1);
    let isOver = false;
    const over = (error?: RpcError) => {
      if (isOver) return;
      isOver = true;
      this.#streams.delete(over);
      if (error !== undefined) stream.emit('error', failure(error));
      else {
        handled(RpcCode.OK);
        stream.end();
      }
      context.abort();
    };
    if (this.#isStopping) return over(stopping());
    this.#streams.add(over);
    context.signal.addEventListener('abort', () => {
      if (!isOver) handled(RpcCode.CANCELLED);
      isOver = true;
      this.#streams.delete(over);
    });
    pump(stream, () => run(context, requests) as AsyncIterable<unknown>, context.signal).then(
      () => over(),
      (error: unknown) => {
        if (isOver) return;
        isOver = true;
        this.#streams.delete(over);
        stream.emit('error', failure(error));
        context.abort();
      },
    );
  }
}

/** What becomes of a call: `failure` makes the error that its caller sees; both count it. */
interface Outcomes {
  readonly failure: (error: unknown) => grpc.ServiceError;
  readonly handled: HandledObserver;
}

function unobserved(): void {}

/** grpc-js tells a taken port in a sentence of its own: what the system says is asked for again. */
function whyNotListen(address: string): Promise<string> {
  const { hostname, port } = new URL(`tcp://${address}`);
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', (error) => {
      const code = systemErrorCode(error);
      resolve(LISTEN_REMEDIES[code ?? ''] ?? code ?? error.message);
    });
    probe.listen({ host: hostname, port: Number(port), exclusive: true }, () => {
      probe.close(() => resolve('the port was taken a moment ago: try again'));
    });
  });
}

const LISTEN_REMEDIES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process listens there (EADDRINUSE): stop it, or choose another port',
  EACCES: 'this user may not listen there (EACCES): choose a port from 1024 on',
  EADDRNOTAVAIL: 'this machine has no such address (EADDRNOTAVAIL): choose one that it has',
};

function stopping(): RpcError {
  return new RpcError(RpcCode.UNAVAILABLE, 'the server is stopping');
}

function missing(path: string): AnyHandler {
  return () => {
    throw unimplemented(path);
  };
}

function definitionOf(method: MethodDescriptor<unknown, unknown>): grpc.MethodDefinition<unknown, unknown> {
  const { path, request, response, requestStream, responseStream } = method;
  return {
    path,
    requestStream,
    responseStream,
    requestSerialize: (value) => toBuffer(request, value),
    requestDeserialize: (bytes) => decodeOr(request, bytes),
    responseSerialize: (value) => toBuffer(response, value),
    responseDeserialize: (bytes) => response.decode(bytes),
  };
}

/** The error itself where the bytes are not a message: thrown, grpc-js would hide what is wrong with them. */
function decodeOr(codec: MessageCodec<unknown>, bytes: Uint8Array): unknown {
  try {
    return codec.decode(bytes);
  } catch (error) {
    if (error instanceof WireError) return error;
    throw error;
  }
}

function checked(request: unknown): unknown {
  if (!(request instanceof WireError)) return request;
  throw new RpcError(RpcCode.INTERNAL, `error unmarshalling request: ${request.message}`, { cause: request });
}

function toBuffer(codec: MessageCodec<unknown>, value: unknown): Buffer {
  const bytes = value instanceof Uint8Array ? value : codec.encode(value as object); // a message, by the handler's type
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Most unary handlers never look at the signal: it is made for those who do. */
class ServerCallContext implements CallContext {
  readonly #call: SurfaceCall;
  readonly metadata: CallContext['metadata'];
  readonly deadlineMs: number | undefined;
  #controller: AbortController | undefined;
  #isAborted = false;

  constructor(call: SurfaceCall) {
    this.#call = call;
    this.metadata = {
      get: (name) => {
        const [value] = call.metadata.get(name);
        return value?.toString();
      },
    };
    const deadline = call.getDeadline();
    const leftMs = (deadline instanceof Date ? deadline.getTime() : deadline) - Date.now();
    this.deadlineMs = Number.isFinite(leftMs) ? leftMs : undefined;
    call.on('cancelled', () => this.abort());
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#isAborted) this.#controller.abort(CALL_OVER);
    }
    return this.#controller.signal;
  }

  get peer(): string {
    return this.#call.getPeer();
  }

  get identity(): string | undefined {
    const name = this.#call.getAuthContext().sslPeerCertificate?.subject?.CN;
    return Array.isArray(name) ? name[0] : name;
  }

  get organizations(): readonly string[] {
    const names = this.#call.getAuthContext().sslPeerCertificate?.subject?.O;
    return Array.isArray(names) ? names : names === undefined ? [] : [names];
  }

  abort(): void {
    this.#isAborted = true;
    this.#controller?.abort(CALL_OVER);
  }
}

/** The requests of a stream, no more than REQUESTS_AHEAD_MAX of them read before the handler wants them. */
function requestsOf(
  stream: grpc.ServerReadableStream<unknown, unknown> | grpc.ServerDuplexStream<unknown, unknown>,
  signal: AbortSignal,
): Pipe<unknown> {
  const requests = new Pipe<unknown>(REQUESTS_AHEAD_MAX, { drain: () => stream.resume() });
  stream.on('data', (request: unknown) => {
    if (request instanceof WireError) {
      requests.end(
        new RpcError(RpcCode.INTERNAL, `error unmarshalling request: ${request.message}`, { cause: request }),
      );
    } else if (!requests.push(request)) stream.pause();
  });
  stream.on('end', () => requests.end());
  signal.addEventListener('abort', () => requests.end(new RpcError(RpcCode.CANCELLED, 'the call was cancelled')));
  return requests;
}

/** Writes what `run` yields as fast as the other end takes it. Returns early once the signal fires. */
async function pump(stream: StreamCall, run: () => AsyncIterable<unknown>, signal: AbortSignal): Promise<void> {
  const iterator = run()[Symbol.asyncIterator]();
  const aborted = new Promise<'aborted'>((resolve) => signal.addEventListener('abort', () => resolve('aborted')));
  for (;;) {
    const next = await Promise.race([iterator.next(), aborted]);
    if (next === 'aborted' || signal.aborted) {
      // Not awaited: a generator that is itself waiting returns when it notices the signal.
      void iterator.return?.()?.catch(() => undefined);
      return;
    }
    if (next.done === true) return;
    if (!stream.write(next.value)) {
      await Promise.race([new Promise<void>((resolve) => stream.once('drain', resolve)), aborted]);
    }
  }
}
