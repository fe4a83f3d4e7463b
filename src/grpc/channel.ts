/**
 * The calling side over @grpc/grpc-js: one channel to one server, or to the first of several addresses that answers.
 * It reconnects by itself with back-off and never repeats a call; who calls decides that.
 */
import * as grpc from '@grpc/grpc-js';
import { isIPv4, isIPv6 } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import { Pipe } from '../base/pipe.ts';
import { RpcCode, RpcError, type BidiCall, type CallOptions } from '../proto/rpc.ts';
import type { Init, MessageCodec, MethodDescriptor } from '../proto/wire.ts';
import { hostOf, sniOf } from './addresses.ts';
import {
  RESPONSE_BYTES_MAX,
  RESPONSES_AHEAD_MAX,
  type ConnectOptions,
  type GrpcChannel,
} from './connect-options.ts';

export type { ConnectOptions, GrpcChannel };

export function connect(options: ConnectOptions): GrpcChannel {
  return new GrpcJsChannel(options);
}

class GrpcJsChannel implements GrpcChannel {
  readonly #client: grpc.Client;

  constructor(options: ConnectOptions) {
    const { tls } = options;
    const credentials = tls === undefined ? grpc.credentials.createInsecure() : tlsCredentials(tls, options.addresses);
    this.#client = new grpc.Client(targetOf(options.addresses), credentials, {
      'grpc.initial_reconnect_backoff_ms': 50,
      'grpc.max_reconnect_backoff_ms': options.reconnectBackoffMaxMs ?? 1000,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
      'grpc.enable_channelz': 0,
      'grpc.enable_http_proxy': 0,
      'grpc.service_config_disable_resolution': 1,
      'grpc.max_receive_message_length': options.responseBytesMax ?? RESPONSE_BYTES_MAX,
      'grpc.max_send_message_length': -1,
      'grpc.keepalive_time_ms': options.keepaliveTimeMs ?? 10_000,
      'grpc.keepalive_timeout_ms': options.keepaliveTimeoutMs ?? 5000,
      'grpc-node.flow_control_window': 1024 * 1024,
      'grpc.default_authority': options.addresses[0]!,
      ...(tls === undefined ? {} : { 'grpc.ssl_target_name_override': tls.serverName ?? sniOf(options.addresses) }),
    });
  }

  ready(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#client.waitForReady(Date.now() + timeoutMs, (error) => {
        if (error === undefined) resolve();
        else
          reject(
            new RpcError(RpcCode.UNAVAILABLE, `not connected within ${timeoutMs} ms`, { cause: error, notSent: true }),
          );
      });
    });
  }

  unary<Q, S>(method: MethodDescriptor<Q, S>, init: Init<Q>, options: CallOptions = {}): Promise<S> {
    return new Promise((resolve, reject) => {
      if (options.signal?.aborted) return reject(cancelled(true));
      const call = this.#client.makeUnaryRequest(
        method.path,
        serializer(method.request),
        deserializer(method.response),
        init,
        metadataOf(options),
        deadlineOf(options),
        (error, value) => {
          unlink();
          if (error !== null) reject(fromServiceError(error));
          else resolve(value!);
        },
      );
      const unlink = cancelOn(options.signal, call);
    });
  }

  serverStream<Q, S>(method: MethodDescriptor<Q, S>, init: Init<Q>, options: CallOptions = {}): AsyncIterable<S> {
    if (options.signal?.aborted) return failed(cancelled(true));
    const call = this.#client.makeServerStreamRequest(
      method.path,
      serializer(method.request),
      deserializer(method.response),
      init,
      metadataOf(options),
      deadlineOf(options),
    );
    return responsesOf<S>(call, cancelOn(options.signal, call));
  }

  clientStream<Q, S>(
    method: MethodDescriptor<Q, S>,
    requests: AsyncIterable<Init<Q>>,
    options: CallOptions = {},
  ): Promise<S> {
    return new Promise((resolve, reject) => {
      if (options.signal?.aborted) return reject(cancelled(true));
      let isOver = false;
      const call = this.#client.makeClientStreamRequest(
        method.path,
        serializer(method.request),
        deserializer(method.response),
        metadataOf(options),
        deadlineOf(options),
        (error: grpc.ServiceError | null, value?: S) => {
          isOver = true;
          unlink();
          call.emit('drain'); // a feed that waits for room must see that it is over
          if (error !== null) reject(fromServiceError(error));
          else resolve(value!);
        },
      );
      call.on('error', () => undefined); // told by the callback
      const unlink = cancelOn(options.signal, call);
      feed(call, requests, () => isOver).catch((cause: unknown) => {
        call.cancel();
        reject(cause instanceof RpcError ? cause : new RpcError(RpcCode.ABORTED, 'the requests failed', { cause }));
      });
    });
  }

  bidi<Q, S>(method: MethodDescriptor<Q, S>, options: CallOptions = {}): BidiCall<Q, S> {
    const call = this.#client.makeBidiStreamRequest(
      method.path,
      serializer(method.request),
      deserializer(method.response),
      metadataOf(options),
      deadlineOf(options),
    );
    let isOver = false;
    let isFull = false;
    call.on('status', () => {
      isOver = true;
      call.emit('drain');
    });
    call.on('drain', () => (isFull = false));
    const responses = responsesOf<S>(call, cancelOn(options.signal, call));
    if (options.signal?.aborted) call.cancel();
    return {
      send(init) {
        if (isOver) return true; // the responses tell how it ended
        isFull = !call.write(init);
        return !isFull;
      },
      drained: () => (isOver || !isFull ? Promise.resolve() : new Promise((resolve) => call.once('drain', resolve))),
      end: () => call.end(),
      responses,
      cancel: () => call.cancel(),
    };
  }

  close(): void {
    this.#client.close();
  }
}

function tlsCredentials(
  tls: NonNullable<ConnectOptions['tls']>,
  addresses: readonly string[],
): grpc.ChannelCredentials {
  const pem = (bytes: Uint8Array | undefined) => (bytes === undefined ? null : Buffer.from(bytes));
  const names = tls.serverName === undefined ? addresses.map(hostOf) : [tls.serverName];
  const verify: grpc.VerifyOptions = {
    // The certificate must be for an address that was asked for, whatever name the handshake carried.
    checkServerIdentity: (_, certificate) => {
      const problems = names.map((name) => checkServerIdentity(name, certificate));
      return problems.includes(undefined) ? undefined : problems[0];
    },
  };
  if ('renewed' in tls) {
    const anybody = { checkServerIdentity: () => undefined, rejectUnauthorized: false };
    const checks = tls.trustAnybody === true ? anybody : verify;
    return grpc.experimental.createCertificateProviderChannelCredentials(tls.renewed, tls.renewed, checks);
  }
  return grpc.credentials.createSsl(pem(tls.ca), pem(tls.key), pem(tls.cert), verify);
}

function targetOf(addresses: readonly string[]): string {
  const hosts = addresses.map(hostOf);
  if (hosts.length > 0 && hosts.every((host) => isIPv4(host))) return `ipv4:${addresses.join(',')}`;
  if (hosts.length > 0 && hosts.every((host) => isIPv6(host))) return `ipv6:${addresses.join(',')}`;
  const [only] = addresses;
  if (only === undefined || addresses.length > 1)
    throw new Error(`not a list of IP addresses: ${addresses.join(', ')}`);
  return `dns:${only}`;
}

function serializer<T>(codec: MessageCodec<T>): (init: Init<T>) => Buffer {
  return (init) => {
    const bytes = codec.encode(init);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

function deserializer<T>(codec: MessageCodec<T>): (bytes: Buffer) => T {
  return (bytes) => codec.decode(bytes);
}

function metadataOf(options: CallOptions): grpc.Metadata {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(options.metadata ?? {})) metadata.set(name, value);
  return metadata;
}

function deadlineOf(options: CallOptions): grpc.CallOptions {
  return options.timeoutMs === undefined ? {} : { deadline: Date.now() + options.timeoutMs };
}

function cancelled(notSent: boolean): RpcError {
  return new RpcError(RpcCode.CANCELLED, 'the call was cancelled', { notSent });
}

function failed<S>(error: RpcError): AsyncIterable<S> {
  const pipe = new Pipe<S>(1);
  pipe.end(error);
  return pipe;
}

/** Cancels the call when the signal fires; answers how to stop listening. */
function cancelOn(signal: AbortSignal | undefined, call: { cancel(): void }): () => void {
  if (signal === undefined) return () => undefined;
  const onAbort = () => call.cancel();
  signal.addEventListener('abort', onAbort, { once: true });
  return () => signal.removeEventListener('abort', onAbort);
}

/** The end is told after the last response that was received, whatever the order in which grpc-js tells of them. */
function responsesOf<S>(
  call: grpc.ClientReadableStream<S> | grpc.ClientDuplexStream<never, S>,
  unlink: () => void,
): AsyncIterable<S> {
  let failure: RpcError | undefined;
  const pipe = new Pipe<S>(RESPONSES_AHEAD_MAX, { drain: () => call.resume(), return: () => call.cancel() });
  call.on('data', (response: S) => {
    if (!pipe.push(response)) call.pause();
  });
  call.on('error', (error: Error) => {
    failure ??= fromServiceError(error as grpc.ServiceError); // a status that is not OK, by grpc-js's contract
  });
  call.on('end', () => {
    unlink();
    pipe.end(failure);
  });
  return pipe;
}

async function feed<Q>(
  call: grpc.ClientWritableStream<Init<Q>>,
  requests: AsyncIterable<Init<Q>>,
  isOver: () => boolean,
): Promise<void> {
  for await (const request of requests) {
    if (isOver()) return;
    if (!call.write(request)) await new Promise<void>((resolve) => call.once('drain', resolve));
  }
  call.end();
}

function fromServiceError(error: grpc.ServiceError): RpcError {
  const [details] = error.metadata?.get('grpc-status-details-bin') ?? [];
  // grpc-js knows how far a call came, but tells only by this text of its own picker, and by `progress` for a stream that
  // the server refused.
  const notSent =
    (error.code === grpc.status.UNAVAILABLE && error.details.includes('No connection established')) ||
    ('progress' in error && error.progress === 'REFUSED');
  return new RpcError((error.code ?? RpcCode.UNKNOWN) as RpcCode, error.details ?? error.message, {
    cause: error,
    notSent,
    ...(Buffer.isBuffer(details) ? { details: new Uint8Array(details) } : {}),
  });
}
