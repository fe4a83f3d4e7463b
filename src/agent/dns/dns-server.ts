/**
 * The cluster's DNS: UDP and TCP at the addresses that it is told, or on sockets that were opened elsewhere (in another
 * network namespace, at a port that needs root). What it knows comes from the agent's informers; what to say is decided
 * in `core/dns-answer.ts`.
 *
 * Limits: what comes over UDP is answered at once or waits for a server outside, of which so many questions may wait;
 * connections of TCP, each with so many questions under way, are closed where nothing was asked for a while, or where
 * nobody reads the answers.
 */
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import type { Clock, Millis, Timer } from '../../base/clock.ts';
import { describeError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Registry } from '../../base/prometheus.ts';
import type { Random } from '../../base/random.ts';
import type { EndpointSlice, Service } from '../../client/objects.ts';
import { answer, answerBytesMax, decide, refuse, reverseNames } from '../core/dns-answer.ts';
import { decodeMessage, DnsFormatError, encodeMessage, HEADER_BYTES, MESSAGE_BYTES_MAX, Rcode, type Message } from '../core/dns-message.ts';
import { ClusterZone } from '../core/dns-zone.ts';
import type { ServiceFollower } from '../service-follower.ts';
import { DnsUpstream, type UpstreamServer } from './dns-upstream.ts';

export interface DnsServerOptions {
  /** `cluster.local` */
  readonly domain: string;
  /** By which the server names itself; undefined: not at all. */
  readonly serverAddress?: string;
  /** Of pods and services: their addresses are asked for nowhere else. */
  readonly ownCidrs: readonly string[];
  /** None: what is not the cluster's is refused. */
  readonly upstreams: readonly UpstreamServer[];
  readonly upstreamTimeoutMs?: Millis;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly connectionsMax?: number;
  readonly idleMs?: Millis;
}

type Transport = 'udp' | 'tcp';

const CONNECTIONS_MAX = 256;
const IDLE_MS = 10_000;
/** Questions of one connection that wait for a server outside; past it, its next ones wait to be read. */
const OUTSTANDING_PER_CONNECTION_MAX = 32;
/** Answers that a connection has not taken; past it, it is closed. */
const UNREAD_BYTES_MAX = 256 * 1024;
const SECONDS = [0.000_25, 0.001, 0.005, 0.025, 0.1, 0.5, 2, 5];

export class DnsServer implements ServiceFollower {
  readonly #options: DnsServerOptions;
  readonly #zone: ClusterZone;
  readonly #upstream: DnsUpstream | undefined;
  readonly #ownReverse: ReturnType<typeof reverseNames>;
  readonly #sockets: UdpSocket[] = [];
  readonly #servers: Server[] = [];
  readonly #connections = new Set<Socket>();
  /** By transport and rcode. */
  readonly #answered = new Map<string, number>();
  #isFed = false;
  #dropped = 0;
  #observe: (seconds: number) => void = () => undefined;

  constructor(options: DnsServerOptions) {
    this.#options = options;
    const { domain, serverAddress, upstreams, clock, random, upstreamTimeoutMs } = options;
    this.#zone = new ClusterZone({ domain, serverAddress });
    this.#ownReverse = options.ownCidrs.flatMap(reverseNames);
    if (upstreams.length === 0) return;
    const timeout = upstreamTimeoutMs === undefined ? {} : { timeoutMs: upstreamTimeoutMs };
    this.#upstream = new DnsUpstream({ servers: upstreams, clock, random: random.fork('upstream'), ...timeout });
  }

  update(services: readonly Service[], slices: readonly EndpointSlice[]): void {
    this.#zone.update(services, slices);
    this.#isFed = true;
  }

  /** Rejects where either port cannot be had. A server that is one of its own upstreams would ask itself. */
  async listen(address: string, port: number): Promise<void> {
    if (this.#options.upstreams.some((one) => one.address === address && one.port === port)) {
      throw new Error(`${address}:${port} is to be asked for what this server does not know: it would ask itself`);
    }
    const socket = createSocket('udp4');
    await new Promise<void>((done, failed) => socket.once('error', failed).bind(port, address, () => done()));
    const server = createServer();
    try {
      await new Promise<void>((done, failed) => server.once('error', failed).listen({ port, host: address }, done));
    } catch (error) {
      socket.close();
      throw error;
    }
    this.attach(socket, server);
  }

  /** Of sockets that are bound already; they are closed with this server. */
  attach(socket: UdpSocket, server: Server): void {
    socket.on('error', (error) => this.#options.log.debug({ error: describeError(error) }, 'dns: socket'));
    socket.on('message', (bytes, from) => void this.#overUdp(socket, bytes, from));
    server.on('error', (error) => this.#options.log.debug({ error: describeError(error) }, 'dns: socket'));
    server.on('connection', (connection: Socket) => this.#accept(connection));
    this.#sockets.push(socket);
    this.#servers.push(server);
  }

  async close(): Promise<void> {
    this.#upstream?.close();
    for (const connection of this.#connections) connection.destroy();
    for (const socket of this.#sockets.splice(0)) socket.close();
    await Promise.all(this.#servers.splice(0).map((server) => new Promise<void>((done) => server.close(() => done()))));
  }

  /** What it counts. */
  register(registry: Registry): void {
    registry.add('counter', 'podium_dns_answers_total', 'Answers, by transport and code.', () =>
      [...this.#answered].map(([key, value]) => {
        const [transport = '', rcode = ''] = key.split(' ');
        return { labels: { transport, rcode }, value };
      }),
    );
    registry.add('counter', 'podium_dns_dropped_total', 'What was no question, or whose answer nobody took.', () => this.#dropped);
    registry.add('gauge', 'podium_dns_connections', 'Connections of TCP.', () => this.#connections.size);
    registry.add('gauge', 'podium_dns_upstream_outstanding', 'Questions that wait for a server outside.', () => this.#upstream?.outstanding ?? 0);
    const seconds = registry.histogram('podium_dns_answer_seconds', 'From a question to its answer.', SECONDS);
    this.#observe = (value) => seconds.observe(value);
  }

  async #overUdp(socket: UdpSocket, bytes: Buffer, { address, port }: RemoteInfo): Promise<void> {
    const reply = await this.#answer(bytes, 'udp');
    if (reply === undefined || !this.#sockets.includes(socket)) return;
    socket.send(reply, port, address, (error) => {
      if (error !== null) this.#dropped++;
    });
  }

  #accept(connection: Socket): void {
    const { connectionsMax = CONNECTIONS_MAX, idleMs = IDLE_MS } = this.#options;
    connection.on('error', () => undefined);
    if (this.#connections.size >= connectionsMax) {
      connection.destroy();
      return;
    }
    this.#connections.add(connection);
    connection.once('close', () => this.#connections.delete(connection));
    new TcpQuestions({ connection, clock: this.#options.clock, idleMs, answer: (bytes) => this.#answer(bytes, 'tcp') });
  }

  /** undefined: there is nobody to answer to, or nothing that could be said. */
  async #answer(bytes: Uint8Array, transport: Transport): Promise<Uint8Array | undefined> {
    const startedAtMs = this.#options.clock.monotonic();
    const query = this.#read(bytes);
    // Answers to answers would go round for ever.
    if (query === undefined || query.isResponse) {
      this.#dropped++;
      return undefined;
    }
    const message = await this.#decide(query, transport);
    const key = `${transport} ${message.rcode}`;
    this.#answered.set(key, (this.#answered.get(key) ?? 0) + 1);
    this.#observe((this.#options.clock.monotonic() - startedAtMs) / 1000);
    return encodeMessage(message, answerBytesMax(query, transport, MESSAGE_BYTES_MAX));
  }

  #read(bytes: Uint8Array): Message | undefined {
    try {
      return decodeMessage(bytes);
    } catch (error) {
      if (!(error instanceof DnsFormatError)) throw error;
      // What has a header gets an answer to it.
      if (bytes.length < HEADER_BYTES) return undefined;
      const header = Buffer.concat([bytes.subarray(0, 4), Buffer.alloc(8)]);
      return { ...decodeMessage(header), questions: [] };
    }
  }

  async #decide(query: Message, transport: Transport): Promise<Message> {
    // Before it has heard of any service, "there is no such name" would be a lie that is believed for a while.
    if (!this.#isFed) return refuse(query, Rcode.SERVFAIL).message;
    const options = { zone: this.#zone, random: this.#options.random, hasUpstream: this.#upstream !== undefined, ownReverse: this.#ownReverse };
    const decision = decide(query, options);
    if (decision.kind === 'answer') return decision.message;
    const found = query.recursionDesired ? await this.#upstream?.ask(decision.question, transport) : undefined;
    if (found === undefined) return answer(query, { rcode: query.recursionDesired ? Rcode.SERVFAIL : Rcode.REFUSED });
    const { rcode, answers, authorities, isTruncated } = found;
    return answer(query, { rcode, isTruncated, answers: [...decision.before, ...answers], authorities });
  }
}

interface TcpQuestionsOptions {
  readonly connection: Socket;
  readonly clock: Clock;
  readonly idleMs: Millis;
  readonly answer: (bytes: Uint8Array) => Promise<Uint8Array | undefined>;
}

/** Questions with their lengths before them; answers go out as they are found, in whatever order. */
class TcpQuestions {
  readonly #connection: Socket;
  readonly #answer: (bytes: Uint8Array) => Promise<Uint8Array | undefined>;
  #received: Buffer = Buffer.alloc(0);
  #outstanding = 0;
  #idle: Timer;

  constructor({ connection, clock, idleMs, answer: answerTo }: TcpQuestionsOptions) {
    this.#connection = connection;
    this.#answer = answerTo;
    const armed = () => clock.setTimer(idleMs, () => connection.destroy());
    this.#idle = armed();
    connection.once('close', () => this.#idle.cancel());
    connection.on('data', (chunk: Buffer) => {
      this.#idle.cancel();
      this.#idle = armed();
      this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
      this.#take();
    });
  }

  #take(): void {
    while (this.#received.length >= 2 && this.#outstanding < OUTSTANDING_PER_CONNECTION_MAX) {
      const length = this.#received.readUInt16BE(0);
      if (this.#received.length < 2 + length) break;
      const bytes = this.#received.subarray(2, 2 + length);
      this.#received = this.#received.subarray(2 + length);
      this.#outstanding++;
      void this.#reply(bytes);
    }
    if (this.#outstanding >= OUTSTANDING_PER_CONNECTION_MAX) this.#connection.pause();
    else this.#connection.resume();
  }

  async #reply(bytes: Uint8Array): Promise<void> {
    const reply = await this.#answer(bytes);
    this.#outstanding--;
    const connection = this.#connection;
    if (connection.destroyed) return;
    if (reply === undefined || connection.writableLength > UNREAD_BYTES_MAX) {
      connection.destroy();
      return;
    }
    const length = Buffer.alloc(2);
    length.writeUInt16BE(reply.length);
    connection.write(Buffer.concat([length, reply]));
    this.#take();
  }
}
