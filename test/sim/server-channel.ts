/**
 * The way of a client to one member in the simulator: calls and answers take time, a process that dies breaks what is
 * under way, one that is down refuses, one that is paused keeps everybody waiting.
 */
import type { Clock, Millis } from '../../src/base/clock.ts';
import { Pipe } from '../../src/base/pipe.ts';
import type { Random } from '../../src/base/random.ts';
import { RpcCode, RpcError, type BidiCall, type CallOptions, type Channel } from '../../src/proto/rpc.ts';
import type { Init, MethodDescriptor } from '../../src/proto/wire.ts';
import { draw } from './network.ts';

/** A process that answers calls. */
export interface Server {
  readonly channel: Channel;
  isDead: boolean;
  /** Called when it dies, with how its callers hear of it. */
  readonly onDeath: Set<(how: 'closes' | 'vanishes') => void>;
}

/** Where calls go: a machine. */
export interface Target {
  /** The process that runs now and is served by, if any. */
  server(): Server | undefined;
  whenAwake(run: () => void): void;
  /** The process has just answered a call of this method with a success. */
  onAnswer(method: string): void;
}

export interface ServerChannelOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Asked once a call; undefined: nobody is at this address. */
  readonly target: () => Target | undefined;
}

const DELAY_MS = { min: 0.1, max: 4 };
/** How soon the callers of a dead process know: its system tells them, or their own keep-alives do. */
const BREAK_MS = { closes: { min: 0.1, max: 10 }, vanishes: { min: 300, max: 1500 } };
const AHEAD_MAX = 64;

export class ServerChannel implements Channel {
  readonly #options: ServerChannelOptions;

  constructor(options: ServerChannelOptions) {
    this.#options = options;
  }

  unary<Q, S>(method: MethodDescriptor<Q, S>, init: Init<Q>, options: CallOptions = {}): Promise<S> {
    return new Promise((settle, fail) => {
      const resolve = (answer: S) => {
        off();
        settle(answer);
      };
      const reject = (error: unknown) => {
        off();
        fail(error);
      };
      this.#after(DELAY_MS, () => {
        const target = this.#options.target();
        const server = target?.server();
        if (target === undefined || server === undefined) return this.#after(DELAY_MS, () => reject(refused()));
        const breaks = this.#onDeath(server, () => reject(unavailable()));
        const done = (run: () => void) => {
          breaks.off();
          if (!server.isDead) this.#after(DELAY_MS, run);
        };
        const { metadata } = options;
        target.whenAwake(() => {
          if (server.isDead) return;
          server.channel.unary(method, init, metadata === undefined ? {} : { metadata }).then(
            (answer) => {
              if (!server.isDead) target.onAnswer(method.path);
              done(() => resolve(answer));
            },
            (error: unknown) => done(() => reject(error)),
          );
        });
      });
      const off = this.#limit(options, fail);
    });
  }

  bidi<Q, S>(method: MethodDescriptor<Q, S>, options: CallOptions = {}): BidiCall<Q, S> {
    const responses = new Pipe<S>(AHEAD_MAX, { return: () => cancel() });
    let target: Target | undefined;
    let call: BidiCall<Q, S> | undefined;
    let requests: Array<Init<Q>> | undefined = [];
    let isOver = false;
    const end = (error?: Error) => {
      isOver = true;
      off();
      responses.end(error);
      call?.cancel();
    };
    const cancel = () => end(new RpcError(RpcCode.CANCELLED, 'the call was cancelled'));
    const off = this.#limit(options, end);
    this.#after(DELAY_MS, () => {
      if (isOver) return;
      target = this.#options.target();
      const server = target?.server();
      if (target === undefined || server === undefined) return this.#after(DELAY_MS, () => end(refused()));
      this.#onDeath(server, () => end(unavailable()));
      target.whenAwake(() => {
        if (server.isDead || isOver) return;
        const { metadata } = options;
        call = server.channel.bidi(method, metadata === undefined ? {} : { metadata });
        for (const request of requests ?? []) call.send(request);
        requests = undefined;
        void this.#forward(call, server, responses).then(() => end(), end);
      });
    });
    return {
      send: (init) => {
        if (requests !== undefined) requests.push(init);
        // Later than what was sent at the opening, and rare: one at a time keeps its order.
        else this.#after(DELAY_MS, () => target?.whenAwake(() => call?.send(init)));
        return true;
      },
      drained: () => Promise.resolve(),
      end: () => call?.end(),
      responses,
      cancel,
    };
  }

  serverStream<Q, S>(_: MethodDescriptor<Q, S>): AsyncIterable<S> {
    throw new RpcError(RpcCode.UNIMPLEMENTED, 'the simulator streams by bidi alone');
  }

  clientStream<Q, S>(_: MethodDescriptor<Q, S>): Promise<S> {
    throw new RpcError(RpcCode.UNIMPLEMENTED, 'the simulator streams by bidi alone');
  }

  close(): void {}

  /** Responses arrive in their order, no faster than one a delay. */
  async #forward<Q, S>(call: BidiCall<Q, S>, server: Server, responses: Pipe<S>): Promise<void> {
    for await (const response of call.responses) {
      await new Promise<void>((resolve) => this.#after(DELAY_MS, resolve));
      if (server.isDead) return new Promise(() => {});
      if (!responses.push(response)) await responses.drained();
    }
  }

  #onDeath(server: Server, run: () => void): { off(): void } {
    const listener = (how: 'closes' | 'vanishes') => this.#after(BREAK_MS[how], run);
    server.onDeath.add(listener);
    return { off: () => server.onDeath.delete(listener) };
  }

  /** Answers what takes the limits off. */
  #limit({ timeoutMs, signal }: CallOptions, fail: (error: RpcError) => void): () => void {
    const onTimeout = () => fail(new RpcError(RpcCode.DEADLINE_EXCEEDED, 'Deadline exceeded'));
    const timer = timeoutMs === undefined ? undefined : this.#options.clock.setTimer(timeoutMs, onTimeout);
    const onAbort = () => fail(new RpcError(RpcCode.CANCELLED, 'the call was cancelled'));
    signal?.addEventListener('abort', onAbort, { once: true });
    return () => {
      timer?.cancel();
      signal?.removeEventListener('abort', onAbort);
    };
  }

  #after(delay: { readonly min: Millis; readonly max: Millis }, run: () => void): void {
    this.#options.clock.setTimer(draw(this.#options.random, delay), run);
  }
}

const refused = () => new RpcError(RpcCode.UNAVAILABLE, 'connection refused', { notSent: true });
const unavailable = () => new RpcError(RpcCode.UNAVAILABLE, 'the connection broke');
