/**
 * Binds transport-free handlers (src/proto/rpc.ts) to @grpc/grpc-js, and keeps the server: addresses, TLS, limits, a stop
 * that ends. It knows no service; health and reflection are handlers like any other.
 */
import { createServer } from 'node:net';
import * as grpc from '@grpc/grpc-js';
import { Later } from '../base/later.ts';
import { Pipe } from '../base/pipe.ts';
import { RpcCode, RpcError, type CallContext } from '../proto/rpc.ts';
import { WireError } from '../proto/wire.ts';
import {
  encodeAnswer,
  NEVER_MS,
  REQUESTS_AHEAD_MAX,
  servedMethods,
  stopping,
  unmarshalling,
  type ServedMethod,
} from './dispatch.ts';
import { cannotListen, LAST_ANSWERS_MS } from './listening.ts';
import { PortMux } from './port-mux.ts';
import { pump } from './pump.ts';
import { ServerCallContext } from './server-context.ts';
import { REQUEST_BYTES_MAX, type GrpcServerOptions, type RunningServer } from './server-options.ts';

function revokes(tls: GrpcServerOptions['tls']): boolean {
  return tls !== undefined && 'renewed' in tls && tls.renewed.current.crl !== undefined;
}

type StreamCall = grpc.ServerWritableStream<unknown, unknown> | grpc.ServerDuplexStream<unknown, unknown>;

// What goes wrong reaches us as errors and statuses; grpc-js would print it to standard error besides.
grpc.setLogVerbosity(grpc.logVerbosity.NONE);

export class GrpcServer implements RunningServer {
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
    this.#mux = needsMux ? this.#newMux() : undefined;
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
  #newMux(): PortMux {
    const { tls, http } = this.#options;
    const injector = this.#server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
    return new PortMux({ tls, http, grpc: (socket) => injector.injectConnection(socket) });
  }

  async #listenOn(address: string): Promise<number> {
    const mux = this.#mux;
    if (mux === undefined) return this.#bind(address);
    return mux.listen(address).catch((error: Error) => Promise.reject(cannotListen(address, error)));
  }

  #bind(address: string): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(address, this.#credentials(), (error, port) => {
        if (error === null) resolve(port);
        else whyNotListen(address).then((why) => reject(cannotListen(address, why)), reject);
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

  #add(bound: GrpcServerOptions['services'][number]): void {
    const definition: Record<string, grpc.MethodDefinition<unknown, unknown>> = {};
    const implementation: Record<string, grpc.UntypedHandleCall> = {};
    for (const served of servedMethods(bound, this.#options)) {
      definition[served.name] = definitionOf(served);
      implementation[served.name] = this.#adapt(served);
    }
    this.#server.addService(definition, implementation);
  }

  #adapt(served: ServedMethod): grpc.UntypedHandleCall {
    const { call, method } = served;
    if (method.responseStream) {
      if (!method.requestStream) {
        return (stream: grpc.ServerWritableStream<unknown, unknown>) =>
          this.#stream(stream, served, (context) => call(checked(stream.request), context));
      }
      return (stream: grpc.ServerDuplexStream<unknown, unknown>) =>
        this.#stream(stream, served, (context, requests) => call(requests, context));
    }
    if (method.requestStream) {
      return (stream: grpc.ServerReadableStream<unknown, unknown>, answer: grpc.sendUnaryData<unknown>) => {
        const context = new ServerCallContext(stream);
        const requests = requestsOf(stream, context.signal);
        this.#unary(() => call(requests, context), context.answering(answer), served);
      };
    }
    return (unary: grpc.ServerUnaryCall<unknown, unknown>, answer: grpc.sendUnaryData<unknown>) => {
      const context = new ServerCallContext(unary);
      this.#unary(() => call(checked(unary.request), context), context.answering(answer), served);
    };
  }

  #unary(
    run: () => unknown,
    answer: grpc.sendUnaryData<unknown>,
    { failure, observer }: ServedMethod,
  ): void {
    const started = observer.started();
    const answerFailure = (error: unknown) => {
      const known = failure(error);
      observer.ended(known.code, started);
      answer(serviceErrorOf(known));
    };
    let result: unknown;
    try {
      result = run();
    } catch (error) {
      return answerFailure(error);
    }
    if (!(result instanceof Promise || result instanceof Later)) {
      observer.ended(RpcCode.OK, started);
      return answer(null, result);
    }
    const fail = (error: unknown) => {
      if (this.#unaries.delete(fail)) answerFailure(error);
    };
    this.#unaries.add(fail);
    result.then((value: unknown) => {
      if (!this.#unaries.delete(fail)) return;
      observer.ended(RpcCode.OK, started);
      answer(null, value);
    }, fail);
  }

  #stream(
    stream: StreamCall,
    { failure, observer }: ServedMethod,
    run: (context: CallContext, requests: AsyncIterable<unknown>) => unknown,
  ): void {
    const context = new ServerCallContext(stream);
    const requests = 'read' in stream ? requestsOf(stream, context.signal) : new Pipe<unknown>(1);
    const started = observer.started();
    let isOver = false;
    const over = (error?: unknown) => {
      if (isOver) return;
      isOver = true;
      this.#streams.delete(over);
      if (error !== undefined) {
        const known = failure(error);
        observer.ended(known.code, started);
        stream.emit('error', serviceErrorOf(known, context.trailer));
      } else {
        observer.ended(RpcCode.OK, started);
        context.sendHeader();
        stream.end(context.trailer);
      }
      context.abort();
    };
    if (this.#isStopping) return over(stopping());
    this.#streams.add(over);
    const sink = {
      write: (answer: unknown) => {
        context.sendHeader();
        return stream.write(answer);
      },
      drained: (goOn: () => void) => void stream.once('drain', goOn),
      end: () => over(),
      fail: over,
    };
    const stop = pump(() => run(context, requests) as AsyncIterable<unknown>, sink);
    context.signal.addEventListener('abort', () => {
      if (!isOver) observer.ended(RpcCode.CANCELLED, started);
      isOver = true;
      this.#streams.delete(over);
      stop();
    });
  }
}

function serviceErrorOf(known: RpcError, trailer?: grpc.Metadata): grpc.ServiceError {
  const metadata = trailer ?? new grpc.Metadata();
  if (known.details !== undefined) metadata.set('grpc-status-details-bin', Buffer.from(known.details));
  return Object.assign(new Error(known.message), { code: known.code as grpc.status, details: known.message, metadata });
}

/** grpc-js tells a taken port in a sentence of its own: what the system says is asked for again. */
function whyNotListen(address: string): Promise<Error> {
  const { hostname, port } = new URL(`tcp://${address}`);
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', resolve);
    probe.listen({ host: hostname, port: Number(port), exclusive: true }, () => {
      probe.close(() => resolve(new Error('the port was taken a moment ago: try again')));
    });
  });
}

function definitionOf(served: ServedMethod): grpc.MethodDefinition<unknown, unknown> {
  const { path, request, response, requestStream, responseStream } = served.method;
  return {
    path,
    requestStream,
    responseStream,
    requestSerialize: (value) => viewOf(request.encode(value as object)), // of the side that calls, which this is not
    requestDeserialize: (bytes) => decodeOr(served, bytes),
    responseSerialize: (value) => viewOf(encodeAnswer(served, value)),
    responseDeserialize: (bytes) => response.decode(bytes),
  };
}

/** The error itself where the bytes are not a message: thrown, grpc-js would hide what is wrong with them. */
function decodeOr({ method, observer }: ServedMethod, bytes: Uint8Array): unknown {
  observer.bytes.received += bytes.length;
  try {
    return method.request.decode(bytes);
  } catch (error) {
    if (error instanceof WireError) return error;
    throw error;
  }
}

function checked(request: unknown): unknown {
  if (!(request instanceof WireError)) return request;
  throw unmarshalling(request);
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The requests of a stream, no more than REQUESTS_AHEAD_MAX of them read before the handler wants them. */
function requestsOf(
  stream: grpc.ServerReadableStream<unknown, unknown> | grpc.ServerDuplexStream<unknown, unknown>,
  signal: AbortSignal,
): Pipe<unknown> {
  const requests = new Pipe<unknown>(REQUESTS_AHEAD_MAX, { drain: () => stream.resume() });
  stream.on('data', (request: unknown) => {
    if (request instanceof WireError) {
      requests.end(unmarshalling(request));
    } else if (!requests.push(request)) stream.pause();
  });
  stream.on('end', () => requests.end());
  signal.addEventListener('abort', () => requests.end(new RpcError(RpcCode.CANCELLED, 'the call was cancelled')));
  return requests;
}
