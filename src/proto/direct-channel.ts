/**
 * A channel that goes straight from caller to handler, in one process. Requests and responses are encoded and decoded
 * on the way, so that the two sides share no object and only what is in the .proto files gets across.
 */
import type { Clock } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { Pipe } from '../base/pipe.ts';
import {
  CALL_OVER,
  RpcCode,
  RpcError,
  toRpcError,
  unimplemented,
  type AnyHandler,
  type BidiCall,
  type BoundService,
  type CallContext,
  type CallOptions,
  type Channel,
} from './rpc.ts';
import { SharedAnswers } from './shared-answers.ts';
import { WireError, type Init, type MessageCodec, type MethodDescriptor } from './wire.ts';

export interface DirectChannelOptions {
  readonly services: readonly BoundService[];
  /** For timeouts. */
  readonly clock: Clock;
  readonly log: Log;
  /** What handlers see as the caller. */
  readonly peer?: string;
  readonly identity?: string;
  readonly organizations?: readonly string[];
}

/** Messages of a stream that wait for their reader before `send` answers false, or the handler is not asked for more. */
const MESSAGES_AHEAD_MAX = 64;

type ErasedHandler = (request: unknown, context: CallContext) => unknown;

interface Target {
  readonly bound: BoundService;
  readonly handler: AnyHandler | undefined;
}

/** One call under way: its signal to the handler and its one outcome. */
class Call {
  /** Made for the handler that asks for it: most never do, and it costs more than the rest of the call. */
  #controller: AbortController | undefined;
  readonly #cleanup: (() => void)[] = [];
  readonly context: CallContext;
  /** Set once the call has failed or ended; the first outcome counts. */
  outcome: RpcError | 'done' | undefined;
  readonly #onEnd: ((error: RpcError | undefined) => void)[] = [];

  constructor(options: DirectChannelOptions, call: CallOptions, calls: Set<Call>) {
    calls.add(this);
    this.#cleanup.push(() => calls.delete(this));
    const metadata = new Map(Object.entries(call.metadata ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
    const signalNow = () => this.#signal();
    this.context = {
      get signal() {
        return signalNow();
      },
      metadata: { get: (name) => metadata.get(name.toLowerCase()) },
      peer: options.peer ?? 'direct',
      identity: options.identity,
      organizations: options.organizations ?? [],
      deadlineMs: call.timeoutMs,
    };
    if (call.timeoutMs !== undefined) {
      const error = () => new RpcError(RpcCode.DEADLINE_EXCEEDED, 'Deadline exceeded');
      const timer = options.clock.setTimer(call.timeoutMs, () => this.end(error()));
      this.#cleanup.push(() => timer.cancel());
    }
    const signal = call.signal;
    if (signal !== undefined) {
      const onAbort = () => this.cancel();
      signal.addEventListener('abort', onAbort, { once: true });
      this.#cleanup.push(() => signal.removeEventListener('abort', onAbort));
      if (signal.aborted) this.end(new RpcError(RpcCode.CANCELLED, 'the call was cancelled', { notSent: true }));
    }
  }

  #signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.outcome !== undefined && !this.#controller.signal.aborted) this.#controller.abort(CALL_OVER);
    return this.#controller.signal;
  }

  onEnd(run: (error: RpcError | undefined) => void): void {
    if (this.outcome === undefined) this.#onEnd.push(run);
    else run(this.outcome === 'done' ? undefined : this.outcome);
  }

  end(error?: RpcError): void {
    if (this.outcome !== undefined) return;
    this.outcome = error ?? 'done';
    for (const clean of this.#cleanup) clean();
    for (const run of this.#onEnd) run(error);
    this.#controller?.abort(CALL_OVER);
  }

  cancel(): void {
    this.end(new RpcError(RpcCode.CANCELLED, 'the call was cancelled'));
  }
}

export function directChannel(options: DirectChannelOptions): Channel {
  return new DirectChannel(options);
}

class DirectChannel implements Channel {
  readonly #options: DirectChannelOptions;
  readonly #targets = new Map<string, Target>();
  readonly #calls = new Set<Call>();
  #isClosed = false;

  constructor(options: DirectChannelOptions) {
    this.#options = options;
    for (const bound of options.services) {
      for (const [name, method] of Object.entries(bound.service.methods)) {
        this.#targets.set(method.path, { bound, handler: bound.handlers[name] });
      }
    }
  }

  unary<Q, S>(method: MethodDescriptor<Q, S>, init: Init<Q>, options: CallOptions = {}): Promise<S> {
    const call = this.#start(options);
    return this.#answer(method, call, () => recode(method.request, init));
  }

  clientStream<Q, S>(
    method: MethodDescriptor<Q, S>,
    requests: AsyncIterable<Init<Q>>,
    options: CallOptions = {},
  ): Promise<S> {
    const call = this.#start(options);
    const received = requestPipe<Q>(call);
    void forward(requests, received, (init) => [recode(method.request, init)], call).catch((error: unknown) =>
      call.end(
        error instanceof RpcError ? error : new RpcError(RpcCode.ABORTED, 'the requests failed', { cause: error }),
      ),
    );
    return this.#answer(method, call, () => received);
  }

  serverStream<Q, S>(method: MethodDescriptor<Q, S>, init: Init<Q>, options: CallOptions = {}): AsyncIterable<S> {
    const call = this.#start(options);
    return this.#stream(method, call, () => recode(method.request, init));
  }

  bidi<Q, S>(method: MethodDescriptor<Q, S>, options: CallOptions = {}): BidiCall<Q, S> {
    const call = this.#start(options);
    const received = requestPipe<Q>(call);
    return {
      send: (init) => received.push(recode(method.request, init)),
      drained: () => received.drained(),
      end: () => received.end(),
      responses: this.#stream(method, call, () => received),
      cancel: () => call.cancel(),
    };
  }

  close(): void {
    this.#isClosed = true;
    for (const call of [...this.#calls]) call.cancel();
  }

  #start(options: CallOptions): Call {
    const call = new Call(this.#options, options, this.#calls);
    if (this.#isClosed) call.end(new RpcError(RpcCode.UNAVAILABLE, 'the channel is closed', { notSent: true }));
    return call;
  }

  #answer<Q, S>(method: MethodDescriptor<Q, S>, call: Call, request: () => unknown): Promise<S> {
    return new Promise((resolve, reject) => {
      let response: S;
      call.onEnd((error) => (error === undefined ? resolve(response) : reject(error)));
      this.#run(method, call, async () => {
        const answer = await this.#invoke(method, call, request);
        response = decodeAnswer(method.response, answer);
        call.end();
      });
    });
  }

  #stream<Q, S>(method: MethodDescriptor<Q, S>, call: Call, request: () => unknown): AsyncIterable<S> {
    const responses = new Pipe<S>(MESSAGES_AHEAD_MAX, { return: () => call.cancel() });
    call.onEnd((error) => responses.end(error));
    this.#run(method, call, async () => {
      // A streaming handler answers an async iterable, by its type.
      const answers = this.#invoke(method, call, request) as AsyncIterable<unknown>;
      await forward(answers, responses, (answer) => decodeAnswers(method.response, answer), call);
      call.end();
    });
    return responses;
  }

  #invoke(
    method: MethodDescriptor<never, never> | MethodDescriptor<unknown, unknown>,
    call: Call,
    request: () => unknown,
  ): unknown {
    const target = this.#targets.get(method.path);
    if (target?.handler === undefined) throw unimplemented(method.path);
    return (target.handler as ErasedHandler)(request(), call.context); // which shape it has, the descriptor says
  }

  /** Starts in a later turn, as over a network: who calls never sees an effect before it has the call in hand. */
  #run(method: { readonly path: string }, call: Call, run: () => Promise<void>): void {
    const { log } = this.#options;
    void Promise.resolve().then(async () => {
      if (call.outcome !== undefined) return;
      try {
        await run();
      } catch (error) {
        const mapError = this.#targets.get(method.path)?.bound.mapError ?? (() => undefined);
        const known = toRpcError(error, mapError, (bug) => {
          if (call.outcome === undefined)
            log.error({ rpc: method.path, error: describeError(bug) }, 'rpc: a handler failed');
        });
        call.end(known);
      }
    });
  }
}

function requestPipe<Q>(call: Call): Pipe<Q> {
  const received = new Pipe<Q>(MESSAGES_AHEAD_MAX);
  call.onEnd(() => received.end(new RpcError(RpcCode.CANCELLED, 'the call was cancelled')));
  return received;
}

function recode<T>(codec: MessageCodec<T>, init: Init<T>): T {
  return codec.decode(codec.encode(init));
}

function decodeAnswers<T>(codec: MessageCodec<T>, answer: unknown): T[] {
  if (!(answer instanceof SharedAnswers)) return [decodeAnswer(codec, answer)];
  return answer.heads.map((_, at) => decodeAnswer(codec, answer.answer(at)));
}

function decodeAnswer<T>(codec: MessageCodec<T>, answer: unknown): T {
  try {
    return codec.decode(answer instanceof Uint8Array ? answer : codec.encode(answer as Init<T>)); // by the handler's type
  } catch (cause) {
    if (!(cause instanceof WireError)) throw cause;
    throw new RpcError(RpcCode.INTERNAL, 'an answer that is not its type', { cause });
  }
}

/** Moves items until the source ends, no faster than they are taken. Leaves the source when the call is over. */
async function forward<A, B>(
  source: AsyncIterable<A>,
  target: Pipe<B>,
  convert: (item: A) => readonly B[],
  call: Call,
): Promise<void> {
  const iterator = source[Symbol.asyncIterator]();
  const over = new Promise<'over'>((resolve) => call.onEnd(() => resolve('over')));
  for (;;) {
    const next = await Promise.race([iterator.next(), over]);
    if (next === 'over' || call.outcome !== undefined) {
      void iterator.return?.()?.catch(() => undefined);
      return;
    }
    if (next.done === true) break;
    for (const item of convert(next.value)) {
      if (!target.push(item)) await Promise.race([target.drained(), over]);
    }
  }
  target.end();
}
