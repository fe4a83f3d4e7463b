/**
 * The network between the parts of a cluster in a test: channels (src/proto/rpc.ts) that know who is dead, paused, or
 * cut off. It is quick and reliable otherwise; a network that loses and delays is the simulator's.
 *
 *   a dead part     refuses calls (Unavailable, not sent); calls that were under way end as Unavailable, and those that
 *                   it made itself are cancelled where they were served
 *   a paused part   keeps its connections; messages wait and arrive, in order, when it goes on
 *   a cut           closes nothing either: messages wait until it heals, and so does the news of a death behind it
 *
 * Whoever called may give up meanwhile, by its own clock. Requests and answers are encoded and decoded on the way.
 */
import type { Log } from '../base/log.ts';
import { Pipe } from '../base/pipe.ts';
import { directChannel } from '../proto/direct-channel.ts';
import {
  RpcCode,
  RpcError,
  type BidiCall,
  type BoundService,
  type CallOptions,
  type Channel,
} from '../proto/rpc.ts';
import type { Init, MethodDescriptor } from '../proto/wire.ts';
import { never, type TestProcess } from './test-process.ts';

/** Messages of a stream that wait for their reader before the writer is told to wait. */
const MESSAGES_AHEAD_MAX = 64;

interface Listener {
  readonly process: TestProcess;
  readonly services: readonly BoundService[];
  /** By name of the caller. */
  readonly channels: Map<string, Channel>;
}

interface Waiting {
  readonly from: TestProcess;
  readonly to: TestProcess;
  readonly goOn: () => void;
}

export class Network {
  readonly #log: Log;
  readonly #callsAtOnceMax: number;
  readonly #listeners = new Map<string, Listener>();
  readonly #cuts = new Set<string>();
  readonly #calls = new Set<NetworkCall>();
  #waiting: Waiting[] = [];
  #moment = { atMs: 0, calls: 0 };

  /** `callsAtOnceMax`: more calls than that while time stands still are parts that answer each other for ever. */
  constructor(log: Log, { callsAtOnceMax }: { readonly callsAtOnceMax: number }) {
    this.#log = log;
    this.#callsAtOnceMax = callsAtOnceMax;
  }

  /** Serves at `address` until the process dies. */
  listen(process: TestProcess, address: string, services: readonly BoundService[]): void {
    this.#listeners.set(address, { process, services, channels: new Map() });
  }

  /** For one process; each life of a part has channels of its own. */
  channel(process: TestProcess, address: string): Channel {
    return new NetworkChannel(this, process, address);
  }

  /** Between two parts by name, both ways. */
  cut(one: string, other: string): void {
    this.#cuts.add(pair(one, other));
  }

  heal(one: string, other: string): void {
    this.#cuts.delete(pair(one, other));
    this.changed();
  }

  /** To be called after `process` was killed. */
  died(process: TestProcess): void {
    for (const call of [...this.#calls]) {
      if (call.from === process) call.abandon();
      else if (call.to === process) call.reset();
    }
    this.changed();
  }

  /** A process goes on, or a cut has healed: what waited for it moves, in the order in which it was sent. */
  changed(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const each of waiting) {
      if (this.#isOpen(each.from, each.to)) each.goOn();
      else this.#waiting.push(each);
    }
  }

  // What follows is the calls' side.

  /** False: no more before time moves. */
  admits(caller: TestProcess, path: string): boolean {
    const atMs = caller.clock.monotonic();
    if (this.#moment.atMs !== atMs) this.#moment = { atMs, calls: 0 };
    this.#moment.calls++;
    if (this.#moment.calls === this.#callsAtOnceMax) {
      this.#log.error({ part: caller.name, rpc: path, atMs }, 'network: parts call each other without a pause');
    }
    return this.#moment.calls < this.#callsAtOnceMax;
  }

  get calls(): Set<NetworkCall> {
    return this.#calls;
  }

  find(address: string): Listener | undefined {
    return this.#listeners.get(address);
  }

  connect({ process, services, channels }: Listener, from: TestProcess): Channel {
    const known = channels.get(from.name);
    if (known !== undefined) return known;
    const channel = directChannel({ services, clock: process.clock, log: this.#log, peer: from.name });
    channels.set(from.name, channel);
    return channel;
  }

  /** undefined: at once. Otherwise it resolves when a message can get from one to the other. */
  way(from: TestProcess, to: TestProcess): Promise<void> | undefined {
    if (this.#isOpen(from, to)) return undefined;
    return new Promise((resolve) => this.#waiting.push({ from, to, goOn: resolve }));
  }

  #isOpen(from: TestProcess, to: TestProcess): boolean {
    return !from.isPaused && !to.isPaused && !this.#cuts.has(pair(from.name, to.name));
  }
}

function pair(one: string, other: string): string {
  return one < other ? `${one} ${other}` : `${other} ${one}`;
}

/** One call, from the caller's side. The first outcome counts. */
class NetworkCall {
  readonly from: TestProcess;
  to: TestProcess | undefined;
  /** For the call as it is served. */
  readonly served: CallOptions;
  readonly #network: Network;
  readonly #address: string;
  readonly #cancelServed = new AbortController();
  readonly #cleanUp: (() => void)[] = [];
  readonly #listeners: ((error: RpcError | undefined) => void)[] = [];
  #isOver = false;
  #error: RpcError | undefined;

  constructor(network: Network, from: TestProcess, address: string, options: CallOptions) {
    this.#network = network;
    this.from = from;
    this.#address = address;
    const { signal, timeoutMs, metadata } = options;
    this.served = { metadata, timeoutMs, signal: this.#cancelServed.signal };
    network.calls.add(this);
    this.#cleanUp.push(() => network.calls.delete(this));
    if (timeoutMs !== undefined) {
      const late = () => this.end(new RpcError(RpcCode.DEADLINE_EXCEEDED, 'Deadline exceeded'));
      const timer = from.clock.setTimer(timeoutMs, late);
      this.#cleanUp.push(() => timer.cancel());
    }
    if (signal !== undefined) {
      const onAbort = () => this.cancel();
      signal.addEventListener('abort', onAbort, { once: true });
      this.#cleanUp.push(() => signal.removeEventListener('abort', onAbort));
      if (signal.aborted) this.end(new RpcError(RpcCode.CANCELLED, 'the call was cancelled', { notSent: true }));
    }
  }

  onEnd(listener: (error: RpcError | undefined) => void): void {
    if (this.#isOver) listener(this.#error);
    else this.#listeners.push(listener);
  }

  end(error?: RpcError): void {
    if (this.#isOver) return;
    this.#error = error;
    this.abandon();
    for (const listener of this.#listeners) listener(error);
  }

  cancel(): void {
    this.end(new RpcError(RpcCode.CANCELLED, 'the call was cancelled'));
  }

  /** Nobody hears of its outcome any more; where it is served it is cancelled, once that news has got there. */
  abandon(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const clean of this.#cleanUp) clean();
    const way = this.to === undefined ? undefined : this.#network.way(this.from, this.to);
    if (way === undefined) this.#cancelServed.abort();
    else void way.then(() => this.#cancelServed.abort());
  }

  /** The other end died. */
  reset(): void {
    const end = () => this.end(new RpcError(RpcCode.UNAVAILABLE, `${this.#address}: the connection was closed`));
    const way = this.to === undefined ? undefined : this.#network.way(this.to, this.from);
    if (way === undefined) end();
    else void way.then(end);
  }

  /** Starts in a later turn: who calls never sees an effect before it has the call in hand. */
  run(work: () => Promise<void>): void {
    void Promise.resolve().then(async () => {
      if (this.#isOver) return;
      try {
        await work();
      } catch (error) {
        if (this.#isOver) return;
        await this.back();
        this.end(error instanceof RpcError ? error : new RpcError(RpcCode.ABORTED, 'the call failed', { cause: error }));
      }
    });
  }

  /** The way to the server, once the dial has got there. */
  async connect(): Promise<Channel> {
    if (this.from.isDead) return never();
    const listener = this.#network.find(this.#address);
    if (listener !== undefined) await this.#pass(this.from, listener.process);
    // Meanwhile another life of the part may have begun.
    const current = this.#network.find(this.#address);
    if (current === undefined || current.process.isDead) {
      throw new RpcError(RpcCode.UNAVAILABLE, `${this.#address}: connection refused`, { notSent: true });
    }
    this.to = current.process;
    return this.#network.connect(current, this.from);
  }

  there(): Promise<void> | undefined {
    return this.to === undefined ? undefined : this.#pass(this.from, this.to);
  }

  back(): Promise<void> | undefined {
    return this.to === undefined ? undefined : this.#pass(this.to, this.from);
  }

  /** What the dead sent and what nobody waits for gets nowhere. */
  #pass(from: TestProcess, to: TestProcess): Promise<void> | undefined {
    const isLost = () => this.#isOver || from.isDead;
    if (isLost()) return never();
    return this.#network.way(from, to)?.then(() => (isLost() ? never() : undefined));
  }

  async forward<T>(source: AsyncIterable<T>, target: Pipe<T>): Promise<void> {
    for await (const item of source) {
      await this.back();
      if (!target.push(item)) await target.drained();
    }
    await this.back();
  }
}

class NetworkChannel implements Channel {
  readonly #network: Network;
  readonly #process: TestProcess;
  readonly #address: string;
  readonly #calls = new Set<NetworkCall>();
  #isClosed = false;

  constructor(network: Network, process: TestProcess, address: string) {
    this.#network = network;
    this.#process = process;
    this.#address = address;
  }

  unary<Q, S>(method: MethodDescriptor<Q, S>, init: Init<Q>, options: CallOptions = {}): Promise<S> {
    const call = this.#begin(method.path, options);
    return this.#answer(call, (server) => server.unary(method, init, call.served));
  }

  clientStream<Q, S>(
    method: MethodDescriptor<Q, S>,
    requests: AsyncIterable<Init<Q>>,
    options: CallOptions = {},
  ): Promise<S> {
    const call = this.#begin(method.path, options);
    return this.#answer(call, (server) => server.clientStream(method, moved(requests, call), call.served));
  }

  serverStream<Q, S>(method: MethodDescriptor<Q, S>, init: Init<Q>, options: CallOptions = {}): AsyncIterable<S> {
    const call = this.#begin(method.path, options);
    return this.#stream(call, (server) => server.serverStream(method, init, call.served));
  }

  bidi<Q, S>(method: MethodDescriptor<Q, S>, options: CallOptions = {}): BidiCall<Q, S> {
    const call = this.#begin(method.path, options);
    const requests = new Pipe<Init<Q>>(MESSAGES_AHEAD_MAX);
    call.onEnd(() => requests.end());
    const responses = this.#stream(call, (server) => {
      const served = server.bidi(method, call.served);
      void pump(moved(requests, call), served);
      return served.responses;
    });
    return {
      send: (init) => requests.push(init),
      drained: () => requests.drained(),
      end: () => requests.end(),
      responses,
      cancel: () => call.cancel(),
    };
  }

  close(): void {
    this.#isClosed = true;
    for (const call of [...this.#calls]) call.cancel();
  }

  #begin(path: string, options: CallOptions): NetworkCall {
    const call = new NetworkCall(this.#network, this.#process, this.#address, options);
    this.#calls.add(call);
    call.onEnd(() => this.#calls.delete(call));
    if (!this.#network.admits(this.#process, path)) {
      call.end(new RpcError(RpcCode.RESOURCE_EXHAUSTED, 'too many calls in one moment', { notSent: true }));
    }
    if (this.#isClosed) call.end(new RpcError(RpcCode.UNAVAILABLE, 'the channel is closed', { notSent: true }));
    return call;
  }

  #answer<S>(call: NetworkCall, ask: (server: Channel) => Promise<S>): Promise<S> {
    return new Promise((resolve, reject) => {
      let answer: S;
      call.onEnd((error) => (error === undefined ? resolve(answer) : reject(error)));
      call.run(async () => {
        answer = await ask(await call.connect());
        await call.back();
        call.end();
      });
    });
  }

  #stream<S>(call: NetworkCall, ask: (server: Channel) => AsyncIterable<S>): AsyncIterable<S> {
    const responses = new Pipe<S>(MESSAGES_AHEAD_MAX, { return: () => call.cancel() });
    call.onEnd((error) => responses.end(error));
    call.run(async () => {
      await call.forward(ask(await call.connect()), responses);
      call.end();
    });
    return responses;
  }
}

/** Requests as they arrive. */
async function* moved<Q>(requests: AsyncIterable<Init<Q>>, call: NetworkCall): AsyncGenerator<Init<Q>> {
  for await (const request of requests) {
    await call.there();
    yield request;
  }
}

async function pump<Q, S>(requests: AsyncIterable<Init<Q>>, served: BidiCall<Q, S>): Promise<void> {
  for await (const request of requests) if (!served.send(request)) await served.drained();
  served.end();
}
