/**
 * The calling side over HTTP/2 of our own: as ../channel.ts, one channel to one server, or to the first of several
 * addresses that answers. It reconnects by itself with back-off and never repeats a call; who calls decides that.
 */
import { Pipe } from '../../base/pipe.ts';
import { RpcCode, RpcError, type BidiCall, type CallOptions } from '../../proto/rpc.ts';
import type { Init, MethodDescriptor } from '../../proto/wire.ts';
import { authorityOf } from '../addresses.ts';
import { RESPONSE_BYTES_MAX, RESPONSES_AHEAD_MAX, type ConnectOptions, type GrpcChannel } from '../connect-options.ts';
import { ClientCall, type ClientCallOptions } from './client-call.ts';
import { Dialler } from './dialler.ts';
import { encodeBlock } from './core/hpack-encoder.ts';
import { formatTimeout } from './core/status.ts';
import { ACCEPTED_ENCODINGS } from './compression.ts';
import { Deadlines } from './deadlines.ts';
import { weightOf } from './incoming.ts';
import { PassingWriter } from './passing-writer.ts';

export function connectLean(options: ConnectOptions): GrpcChannel {
  return new LeanChannel(options);
}

type AnyMethod = Pick<MethodDescriptor<unknown, unknown>, 'path'>;
type Outcome = Pick<ClientCallOptions, 'onMessage' | 'onEnd'> & Partial<Pick<ClientCallOptions, 'onDrained'>>;

/** Blocks of calls without metadata or timeout, which are always the same. */
const HEADS_MAX = 256;

const passing = new PassingWriter();

class LeanChannel implements GrpcChannel {
  readonly #options: ConnectOptions;
  readonly #dialler: Dialler;
  readonly #deadlines = new Deadlines();
  readonly #heads = new Map<string, Buffer>();
  readonly #calls = new Set<ClientCall>();
  #isClosed = false;

  constructor(options: ConnectOptions) {
    this.#options = options;
    this.#dialler = new Dialler(options);
  }

  ready(timeoutMs: number): Promise<void> {
    return this.#dialler.ready(timeoutMs);
  }

  unary<Q, S>(method: MethodDescriptor<Q, S>, init: Init<Q>, options: CallOptions = {}): Promise<S> {
    return new Promise((resolve, reject) => {
      const call = this.#start(method, options, singleAnswer(method, resolve, reject));
      call.send(method.request.encode(init));
      call.end();
    });
  }

  serverStream<Q, S>(method: MethodDescriptor<Q, S>, init: Init<Q>, options: CallOptions = {}): AsyncIterable<S> {
    const { call, responses } = this.#streamed(method, options);
    call.send(method.request.encode(init));
    call.end();
    return responses;
  }

  clientStream<Q, S>(
    method: MethodDescriptor<Q, S>,
    requests: AsyncIterable<Init<Q>>,
    options: CallOptions = {},
  ): Promise<S> {
    return new Promise((resolve, reject) => {
      const room = new Room();
      const outcome = singleAnswer(method, resolve, reject);
      const call = this.#start(method, options, {
        onMessage: outcome.onMessage,
        onEnd: (error) => {
          room.open(); // a feed that waits for room must see that it is over
          outcome.onEnd(error);
        },
        onDrained: () => room.open(),
      });
      const feed = async () => {
        for await (const request of requests) {
          if (call.isOver) return;
          if (!call.send(method.request.encode(request))) await room.wait();
        }
        call.end();
      };
      feed().catch((cause: unknown) => {
        reject(cause instanceof RpcError ? cause : new RpcError(RpcCode.ABORTED, 'the requests failed', { cause }));
        call.cancel();
      });
    });
  }

  bidi<Q, S>(method: MethodDescriptor<Q, S>, options: CallOptions = {}): BidiCall<Q, S> {
    const room = new Room();
    const { call, responses } = this.#streamed(method, options, room);
    return {
      send: (init) => {
        passing.reset();
        method.request.write(passing, init);
        const isKeepingUp = call.send(passing.message, passing.length);
        if (!isKeepingUp) room.close();
        return isKeepingUp;
      },
      drained: () => (call.isOver ? Promise.resolve() : room.wait()),
      flush: () => call.flush(),
      end: () => call.end(),
      responses,
      cancel: () => call.cancel(),
    };
  }

  close(): void {
    this.#isClosed = true;
    for (const call of [...this.#calls]) call.cancel();
    this.#deadlines.close();
    this.#dialler.close();
  }

  #streamed<Q, S>(method: MethodDescriptor<Q, S>, options: CallOptions, room?: Room) {
    const responses = new Pipe<S>(RESPONSES_AHEAD_MAX, { drain: () => call.resume(), return: () => call.cancel() });
    const call: ClientCall = this.#start(method, options, {
      onMessage: (message) => responses.push(method.response.decode(message), weightOf(message.length)),
      onEnd: (error) => {
        room?.open();
        responses.end(error);
      },
      onDrained: () => room?.open(),
    });
    return { call, responses };
  }

  #start(method: AnyMethod, options: CallOptions, outcome: Outcome): ClientCall {
    const call = new ClientCall({
      responseBytesMax: this.#options.responseBytesMax ?? RESPONSE_BYTES_MAX,
      call: options,
      head: this.#head(method.path, options),
      onDrained: () => undefined,
      ...outcome,
    });
    this.#calls.add(call);
    call.onOver = () => {
      this.#calls.delete(call);
      if (options.timeoutMs !== undefined) this.#deadlines.delete(call);
    };
    if (options.timeoutMs !== undefined) this.#deadlines.add(call, options.timeoutMs);
    if (this.#isClosed) failSoon(call, new RpcError(RpcCode.UNAVAILABLE, 'the channel is closed', { notSent: true }));
    else if (options.signal?.aborted === true) queueMicrotask(() => call.cancel());
    else {
      const problem = this.#dialler.begin(call);
      if (problem !== undefined) failSoon(call, problem);
    }
    return call;
  }

  #head(path: string, { metadata, timeoutMs }: CallOptions): Buffer {
    const isPlain = metadata === undefined && timeoutMs === undefined;
    const known = isPlain ? this.#heads.get(path) : undefined;
    if (known !== undefined) return known;
    const block = encodeBlock([
      { name: ':method', value: 'POST' },
      { name: ':scheme', value: this.#options.tls === undefined ? 'http' : 'https' },
      { name: ':path', value: path },
      { name: ':authority', value: authorityOf(this.#options.addresses[0]!) },
      { name: 'te', value: 'trailers' },
      { name: 'content-type', value: 'application/grpc' },
      { name: 'user-agent', value: 'podium' },
      { name: 'grpc-accept-encoding', value: ACCEPTED_ENCODINGS },
      ...(timeoutMs === undefined ? [] : [{ name: 'grpc-timeout', value: formatTimeout(timeoutMs) }]),
      ...Object.entries(metadata ?? {}).map(([name, value]) => ({ name: name.toLowerCase(), value })),
    ]);
    if (isPlain && this.#heads.size < HEADS_MAX) this.#heads.set(path, block);
    return block;
  }
}

/** Who calls has the call in hand before it hears how it ended. */
function failSoon(call: ClientCall, error: RpcError): void {
  queueMicrotask(() => call.fail(error));
}

/** Whether there is room to send; who waits for it. */
class Room {
  #isFull = false;
  #waiting: (() => void)[] = [];

  close(): void {
    this.#isFull = true;
  }

  open(): void {
    this.#isFull = false;
    for (const goOn of this.#waiting.splice(0)) goOn();
  }

  wait(): Promise<void> {
    return this.#isFull ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve();
  }
}

function singleAnswer<S>(
  method: Pick<MethodDescriptor<unknown, S>, 'response'>,
  resolve: (answer: S) => void,
  reject: (error: RpcError) => void,
): Pick<ClientCallOptions, 'onMessage' | 'onEnd'> {
  let answer: { readonly message: S } | undefined;
  return {
    onMessage: (message) => {
      if (answer !== undefined) throw new RpcError(RpcCode.INTERNAL, 'several answers to a call of one');
      answer = { message: method.response.decode(message) };
      return true;
    },
    onEnd: (error) => {
      if (error !== undefined) reject(error);
      else if (answer === undefined) reject(new RpcError(RpcCode.INTERNAL, 'a call that was not answered'));
      else resolve(answer.message);
    },
  };
}
