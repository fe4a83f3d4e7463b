/** One connection of the lean server: what is a call becomes one, what is not is refused in the words of HTTP or gRPC. */
import type { Socket } from 'node:net';
import { RpcCode, RpcError } from '../../proto/rpc.ts';
import { stopping, type ServedMethod } from '../dispatch.ts';
import { failureBlock, httpBlock } from './answers.ts';
import { encodeBlock } from './core/hpack-encoder.ts';
import type { RequestHead } from './core/head.ts';
import { parseTimeoutMs } from './core/status.ts';
import type { SessionSettings } from './core/settings.ts';
import type { Stream } from './core/stream.ts';
import { ACCEPTED_ENCODINGS, isAccepted } from './compression.ts';
import { Connection, type ConnectionEvents, type ConnectionOptions } from './connection.ts';
import type { Deadlines } from './deadlines.ts';
import { readsAccepted } from './reading.ts';
import { ServerCall, type CallOrigin } from './server-call.ts';
import { StreamCall } from './stream-call.ts';
import { UnaryCall } from './unary-call.ts';

export interface ServerConnectionOptions extends Omit<ConnectionOptions, 'role'> {
  readonly settings: SessionSettings;
  readonly methods: ReadonlyMap<string, ServedMethod>;
  readonly requestBytesMax: number;
  readonly deadlines: Deadlines;
  readonly onClose: (connection: ServerConnection) => void;
}

const GRPC_TYPE = /^application\/grpc(?:$|[+;])/;
const METHOD_REFUSED = Buffer.from('gRPC is POST\n');
const TYPE_REFUSED = Buffer.from('this port speaks gRPC\n');

export class ServerConnection implements ConnectionEvents, CallOrigin {
  readonly #options: ServerConnectionOptions;
  readonly #connection: Connection;
  #names: { readonly identity: string | undefined; readonly organizations: readonly string[] } | undefined;
  #peer: string | undefined;
  #isStopping = false;

  constructor(socket: Socket, options: ServerConnectionOptions) {
    this.#options = options;
    this.#connection = new Connection((onChunk) => readsAccepted(socket, onChunk), { ...options, role: 'server' }, this);
  }

  get requestBytesMax(): number {
    return this.#options.requestBytesMax;
  }

  get deadlines(): Deadlines {
    return this.#options.deadlines;
  }

  get peer(): string {
    this.#peer ??= this.#connection.peer;
    return this.#peer;
  }

  get identity(): string | undefined {
    return this.#subject().identity;
  }

  get organizations(): readonly string[] {
    return this.#subject().organizations;
  }

  orphaned(change: 1 | -1): void {
    this.#connection.session.orphaned(change);
  }

  look(nowMs: number): void {
    this.#connection.look(nowMs);
  }

  /** Streams end at once; calls that run may end; then the connection does. */
  stop(): void {
    this.#isStopping = true;
    for (const call of this.#calls()) if (call.isStream) call.fail(stopping());
    this.#connection.finish();
  }

  /** Whoever still waits is told. */
  stopCalls(): void {
    for (const call of this.#calls()) call.fail(stopping());
    this.#connection.sayLast();
    this.#connection.flush();
  }

  destroy(): void {
    this.#connection.destroy();
  }

  onRequest(stream: Stream, head: RequestHead, endStream: boolean): void {
    if (head.method !== 'POST') return refuse(stream, endStream, 405, METHOD_REFUSED);
    if (!GRPC_TYPE.test(head.contentType)) return refuse(stream, endStream, 415, TYPE_REFUSED);
    const served = this.#options.methods.get(head.path);
    const problem = served === undefined ? unknown(head.path) : problemOf(head);
    if (problem !== undefined || served === undefined) return answerFailure(stream, problem!);
    const { requestStream, responseStream } = served.method;
    if (!requestStream && !responseStream) {
      const call = new UnaryCall(stream, head, served, this);
      stream.events = call;
      if (endStream) call.onEmpty();
      return;
    }
    const call = new StreamCall(stream, head, served, this);
    stream.events = call;
    if (this.#isStopping) return call.fail(stopping());
    call.start();
    if (endStream) call.onEmpty();
  }

  onReady(): void {}

  onGoAway(): void {}

  onStreamClosed(): void {}

  onClose(): void {
    this.#options.onClose(this);
  }

  #calls(): ServerCall[] {
    return this.#connection.session.streams.map(({ events }) => events).filter((events) => events instanceof ServerCall);
  }

  #subject() {
    if (this.#names === undefined) {
      const { CN, O } = this.#connection.subject ?? {};
      this.#names = {
        identity: Array.isArray(CN) ? CN[0] : CN,
        organizations: Array.isArray(O) ? O : O === undefined ? [] : [O],
      };
    }
    return this.#names;
  }
}

/** Like the other refusals here in the words of grpc-js: the two servers are told apart by nothing that they say. */
function unknown(path: string): RpcError {
  return new RpcError(RpcCode.UNIMPLEMENTED, `The server does not implement the method ${path}`);
}

function problemOf({ encoding, timeout }: RequestHead): RpcError | undefined {
  if (!isAccepted(encoding)) return new RpcError(RpcCode.UNIMPLEMENTED, `Received message compressed with unsupported encoding "${encoding}"`);
  if (timeout !== undefined && parseTimeoutMs(timeout) === undefined) {
    return new RpcError(RpcCode.INTERNAL, `Invalid grpc-timeout value "${timeout}"`);
  }
  return undefined;
}

/** With what is accepted, in case that was the problem. */
function answerFailure(stream: Stream, error: RpcError): void {
  const accepted = encodeBlock([{ name: 'grpc-accept-encoding', value: ACCEPTED_ENCODINGS }]);
  stream.end(Buffer.concat([failureBlock(error, true), accepted]));
}

/** Once all of it is there, which is thrown away: an answer before would be one to half a question. */
function refuse(stream: Stream, endStream: boolean, status: number, body: Buffer): void {
  const answer = (isLast: boolean) => {
    if (!isLast) return;
    stream.sendHead(httpBlock(status, body.length));
    stream.sendBytes(body);
    stream.end();
  };
  stream.events = {
    onHead: (_, isLast) => answer(isLast),
    onData: (_, start, end, isLast) => {
      stream.consumed(end - start);
      answer(isLast);
    },
    onReset: () => undefined,
    onDrained: () => undefined,
  };
  answer(endStream);
}
