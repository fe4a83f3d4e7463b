/**
 * The userspace service proxy: listens where the rules say, and joins each connection to a target. It is used where the
 * agent has no packet filter (the process runtime).
 *
 * - New connections go to the targets in turn; one that cannot be reached is passed over, before a byte was read.
 * - A target that leaves the rules gets no new connections; those it has are left alone until they end.
 * - UDP goes by flows (`udp-listener.ts`); SCTP, which Node.js does not speak, is told once a port, and left to the packet filter.
 * - On one machine every node's agent wants the same addresses: who finds one taken tries again every half second, whoever
 *   holds it serves, and the other takes over within a second of its end.
 */
import { createServer, connect, type Server, type Socket } from 'node:net';
import type { Clock, Millis, Timer } from '../base/clock.ts';
import { systemErrorCode } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { ProxyRule, Target } from './core/proxy-rules.ts';
import { TargetChoice } from './core/target-choice.ts';
import { UdpListener, type BindUdp } from './udp-listener.ts';

/** A server that listens there already, for whoever takes it over. */
export type Listen = (at: { readonly host: string; readonly port: number }) => Promise<Server>;

export type Dial = (to: { readonly host: string; readonly port: number; readonly timeoutMs: Millis }) => Promise<Socket>;

/** What the agent drives; the simulator and other runtimes have none. */
export interface ServiceProxy {
  /** All rules there are, from now on. */
  apply(rules: readonly ProxyRule[]): void;
  close(): Promise<void>;
}

export interface UserspaceProxyOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly connectTimeoutMs?: Millis;
  /** How a target is reached, where that is not this machine's network; paused, and rejects when it is not. */
  readonly dial?: Dial | undefined;
  /** How it is listened, where that is not in this machine's network. */
  readonly listen?: Listen | undefined;
  /** As `listen`, of UDP. */
  readonly bindUdp?: BindUdp | undefined;
  /** As `dial`, of UDP. */
  readonly dialUdp?: BindUdp | undefined;
  readonly connectionsMax?: number;
}

/** Taken by another agent: it may die at any time, and its connections wait for us. */
const RETRY_TAKEN_MS = 500;
/** Anything else (a port that needs root) does not mend itself soon. */
const RETRY_OTHER_MS = 10_000;
/** Loopback answers at once, or the process does not take connections. */
const CONNECT_TIMEOUT_MS = 2_000;
/** Joined connections of all rules; past it new ones are closed at once. */
const CONNECTIONS_MAX = 10_000;
const BACKLOG = 1_024;

export class UserspaceProxy implements ServiceProxy {
  readonly #options: UserspaceProxyOptions;
  readonly #listeners = new Map<string, Listener | UdpListener>();
  readonly #sockets = new Set<Socket>();
  /** Services whose SCTP nobody serves, that the log tells of. */
  #unserved: ReadonlySet<string> = new Set();
  #connections = 0;

  constructor(options: UserspaceProxyOptions) {
    this.#options = options;
  }

  apply(all: readonly ProxyRule[]): void {
    const rules = all.filter(({ protocol }) => protocol !== 'sctp');
    this.#tellUnserved(all.filter(({ protocol }) => protocol === 'sctp'));
    const wanted = new Set(rules.map(({ key }) => key));
    for (const [key, listener] of this.#listeners) {
      if (wanted.has(key)) continue;
      listener.close();
      this.#listeners.delete(key);
    }
    for (const rule of rules) {
      const known = this.#listeners.get(rule.key);
      if (known !== undefined) known.rule = rule;
      else this.#listeners.set(rule.key, this.#listener(rule));
    }
  }

  #tellUnserved(rules: readonly ProxyRule[]): void {
    const services = new Map(rules.map(({ service, key }) => [service, key]));
    for (const [service, address] of services) {
      if (!this.#unserved.has(service)) this.#options.log.warn({ address, service }, 'proxy: SCTP goes by rules of nftables alone: nobody serves this address of a service');
    }
    this.#unserved = new Set(services.keys());
  }

  #listener(rule: ProxyRule): Listener | UdpListener {
    if (rule.protocol === 'udp') return new UdpListener(rule, this.#options);
    return new Listener(rule, this.#options, (socket, listener) => this.#accept(socket, listener));
  }

  /** The rules that this proxy listens for; the others are held by somebody else. */
  get held(): string[] {
    return [...this.#listeners].filter(([, { isListening }]) => isListening).map(([key]) => key).sort();
  }

  close(): Promise<void> {
    for (const listener of this.#listeners.values()) listener.close();
    this.#listeners.clear();
    for (const socket of this.#sockets) socket.destroy();
    return Promise.resolve();
  }

  #accept(client: Socket, listener: Listener): void {
    const { connectionsMax = CONNECTIONS_MAX } = this.#options;
    if (this.#connections >= connectionsMax) {
      client.resetAndDestroy();
      return;
    }
    this.#connections++;
    client.once('close', () => this.#connections--);
    this.#track(client);
    void this.#join(client, listener);
  }

  async #join(client: Socket, listener: Listener): Promise<void> {
    for (const target of listener.candidates(client.remoteAddress ?? '')) {
      const upstream = await this.#connect(target);
      if (upstream === undefined) continue;
      if (client.destroyed) {
        upstream.destroy();
        return;
      }
      listener.remember(client.remoteAddress ?? '', target);
      joinSockets(client, upstream);
      return;
    }
    // Nobody serves: refused, as a packet filter would.
    client.resetAndDestroy();
  }

  async #connect({ address, port }: Target): Promise<Socket | undefined> {
    const { clock, dial, connectTimeoutMs = CONNECT_TIMEOUT_MS } = this.#options;
    if (dial !== undefined) {
      const dialled = await dial({ host: address, port, timeoutMs: connectTimeoutMs }).catch(() => undefined); // the next target is tried
      if (dialled !== undefined) this.#track(dialled);
      return dialled;
    }
    return new Promise((done) => {
      const socket = connect({ host: address, port, allowHalfOpen: true, noDelay: true });
      this.#track(socket);
      const fail = () => {
        timer.cancel();
        socket.destroy();
        done(undefined);
      };
      const timer = clock.setTimer(connectTimeoutMs, fail);
      socket.once('error', fail);
      socket.once('close', fail);
      socket.once('connect', () => {
        timer.cancel();
        socket.off('error', fail);
        socket.off('close', fail);
        // An error after this is the join's affair; without a listener it would end the process.
        socket.on('error', () => undefined);
        done(socket);
      });
    });
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => this.#sockets.delete(socket));
  }
}

/** Both directions end on their own: a client that has sent all it had still gets its answer. */
function joinSockets(client: Socket, upstream: Socket): void {
  client.setNoDelay(true);
  client.pipe(upstream);
  upstream.pipe(client);
  const endBoth = () => {
    client.destroy();
    upstream.destroy();
  };
  // A reset on one side is a reset on the other: half an answer must not look like a whole one.
  const reset = (other: Socket) => () => {
    if (!other.destroyed) other.resetAndDestroy();
  };
  client.once('error', reset(upstream));
  upstream.once('error', reset(client));
  let closed = 0;
  for (const socket of [client, upstream]) {
    socket.once('close', () => {
      if (++closed === 2) return;
      // What was received in full is still to be handed on; what is cut off is not.
      if (socket.readableEnded) return;
      endBoth();
    });
  }
}

class Listener {
  rule: ProxyRule;
  readonly #options: UserspaceProxyOptions;
  readonly #onConnection: (socket: Socket, listener: Listener) => void;
  readonly #choice = new TargetChoice();
  #server: Server | undefined;
  #retry: Timer | undefined;
  #isWarned = false;
  #isClosed = false;
  isListening = false;

  constructor(rule: ProxyRule, options: UserspaceProxyOptions, onConnection: (socket: Socket, listener: Listener) => void) {
    this.rule = rule;
    this.#options = options;
    this.#onConnection = onConnection;
    this.#listen();
  }

  #listen(): void {
    const { address: host, port } = this.rule;
    const { listen } = this.#options;
    // Paused: a byte that was read could not be given to a second target if the first does not answer.
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => this.#onConnection(socket, this));
    this.#server = server;
    server.once('error', (error) => this.#failed(error));
    const listens = () => {
      this.isListening = true;
      this.#options.log.debug({ address: this.rule.key, service: this.rule.service }, 'proxy: listens');
    };
    if (listen === undefined) {
      server.listen({ host, port, backlog: BACKLOG, exclusive: true }, listens);
      return;
    }
    listen({ host, port }).then(
      (opened) => (this.#isClosed ? void opened.close() : void server.listen(opened, listens)),
      (error: unknown) => this.#failed(error instanceof Error ? error : new Error('it cannot be listened', { cause: error })),
    );
  }

  #failed(error: Error): void {
    if (this.#isClosed) return;
    const code = systemErrorCode(error);
    const isTaken = code === 'EADDRINUSE';
    if (!isTaken && !this.#isWarned) {
      this.#isWarned = true;
      this.#options.log.warn({ address: this.rule.key, service: this.rule.service, code }, 'proxy: cannot listen');
    }
    this.isListening = false;
    this.#server = undefined;
    this.#retry = this.#options.clock.setTimer(isTaken ? RETRY_TAKEN_MS : RETRY_OTHER_MS, () => this.#listen());
  }

  /** The targets to try for a new connection, the one whose turn it is first. */
  candidates(client: string): Target[] {
    return this.#choice.candidates(this.rule, client, this.#options.clock.monotonic());
  }

  remember(client: string, target: Target): void {
    this.#choice.remember(this.rule, client, target, this.#options.clock.monotonic());
  }

  /** New connections end here; those that are joined go on. */
  close(): void {
    this.#isClosed = true;
    this.#retry?.cancel();
    this.#server?.close();
    this.isListening = false;
  }
}
