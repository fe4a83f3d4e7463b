/**
 * The REST face's sockets: one TLS port for HTTP/2 and HTTP/1.1, client certificates that are asked for and not insisted
 * on, limits of what a connection may cost, and a stop that lets what runs come to its end.
 */
import { createServer as createHttp1Server, type IncomingMessage, type Server as Http1Server } from 'node:http';
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { sleep, type Clock, type Timer } from '../../base/clock.ts';
import { describeError, systemErrorCode } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { SessionSettings } from '../../grpc/lean/core/settings.ts';
import { subjectOf, type CertificateSubject } from '../access/authenticator.ts';
import type { RestHandler } from './handler.ts';
import type { HttpRequest, HttpResponse } from './http.ts';
import { Http1Request, Http1Response, UpgradeResponse } from './http1.ts';
import { Http2Connection } from './http2.ts';
import type { RestLimits } from './limits.ts';

export interface RestTls {
  /** PEM. */
  readonly cert: Uint8Array;
  readonly key: Uint8Array;
  /** Signs client certificates. */
  readonly clientCa: Uint8Array;
}

export interface RestServerOptions {
  readonly handler: RestHandler;
  readonly tls: RestTls;
  readonly limits: RestLimits;
  readonly clock: Clock;
  readonly log: Log;
}

/** A connection that says nothing is closed: of HTTP/1.1 by Node.js, of HTTP/2 here. */
const IDLE_MS = 180_000;
/** Between looks at the connections of HTTP/2. */
const LOOK_MS = 10_000;
const HEADERS_MS = 20_000;
const HANDSHAKE_MS = 10_000;

export class RestServer {
  readonly #server: Server;
  /** It never listens itself: connections are handed to it. */
  readonly #http1: Http1Server;
  readonly #options: RestServerOptions;
  readonly #settings: SessionSettings;
  readonly #connections = new Set<Http2Connection>();
  readonly #sockets = new Set<Socket>();
  /** Of a connection of HTTP/1.1: its certificate is looked at once. */
  readonly #subjects = new WeakMap<object, CertificateSubject | undefined>();
  readonly #dates: Dates;
  #looking: Timer | undefined;

  constructor(options: RestServerOptions) {
    this.#options = options;
    const { tls, limits } = options;
    this.#dates = new Dates(options.clock);
    this.#settings = new SessionSettings({ streamsMax: limits.streamsPerConnectionMax, headerListBytesMax: limits.headerBytesMax });
    this.#http1 = createHttp1Server({ maxHeaderSize: limits.headerBytesMax, headersTimeout: HEADERS_MS, keepAliveTimeout: IDLE_MS }, (message, response) =>
      this.#answer(new Http1Request(message), new Http1Response(response), this.#subjectOf(message.socket as TLSSocket)), // every port is TLS
    );
    this.#http1.on('upgrade', (message: IncomingMessage, socket: Socket, head: Buffer) => this.#onUpgrade(message, socket, head));
    // Only then does it begin to look for slow callers.
    this.#http1.emit('listening');
    this.#server = createServer({
      cert: Buffer.from(tls.cert),
      key: Buffer.from(tls.key),
      ca: Buffer.from(tls.clientCa),
      requestCert: true,
      // Who shows none may have a token; who shows a bad one is refused as nobody.
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
      // A client knows what its processor is quick at; Go's ask for AES-128, which costs a seventh less a record than ours.
      honorCipherOrder: false,
      handshakeTimeout: HANDSHAKE_MS,
      ALPNProtocols: ['h2', 'http/1.1'],
    });
    this.#server.on('connection', (socket: Socket) => this.#onConnection(socket));
    this.#server.on('secureConnection', (socket: TLSSocket) => {
      if (socket.alpnProtocol === 'h2') this.#onHttp2(socket);
      else this.#http1.emit('connection', socket);
    });
  }

  /** `127.0.0.1:6443`; port 0: any free one. Answers the port. */
  listen(address: string): Promise<number> {
    const { hostname, port } = new URL(`tcp://${address}`);
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error) => {
        reject(new Error(`cannot listen on ${address}: ${systemErrorCode(error) ?? error.message}`, { cause: error }));
      });
      this.#server.listen({ host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port) }, () => {
        const bound = this.#server.address();
        resolve(typeof bound === 'object' && bound !== null ? bound.port : Number(port));
      });
    });
  }

  /** Takes no more connections, ends watches, lets requests finish, and closes what is left after the grace. */
  async stop(): Promise<void> {
    const { clock, limits, handler } = this.#options;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    handler.stop();
    for (const connection of this.#connections) connection.stop();
    this.#http1.closeIdleConnections();
    await Promise.race([closed, sleep(clock, limits.stopGraceMs)]);
    this.#looking?.cancel();
    for (const connection of this.#connections) connection.destroy();
    for (const socket of this.#sockets) socket.destroy();
    this.#http1.close();
    await closed;
  }

  #answer(request: HttpRequest, response: HttpResponse, subject: CertificateSubject | undefined): void {
    this.#options.handler.handle(request, response, subject).catch((error: unknown) => {
      this.#options.log.error({ error: describeError(error) }, 'rest: an answer could not be written');
      response.destroy();
    });
  }

  #onUpgrade(message: IncomingMessage, socket: Socket, head: Buffer): void {
    const response = new UpgradeResponse(message, socket, head);
    this.#answer(new Http1Request(message, response.upgrade), response, this.#subjectOf(socket as TLSSocket)); // every port is TLS
  }

  #onHttp2(socket: TLSSocket): void {
    const connection = new Http2Connection(socket, {
      settings: this.#settings,
      subject: verifiedSubject(socket),
      date: () => this.#dates.now(),
      onExchange: (exchange, subject) => this.#answer(exchange, exchange, subject),
      onClose: (closed) => this.#connections.delete(closed),
    });
    this.#connections.add(connection);
    this.#lookLater();
  }

  #lookLater(): void {
    const { clock } = this.#options;
    this.#looking ??= clock.setTimer(LOOK_MS, () => {
      this.#looking = undefined;
      for (const connection of this.#connections) connection.look(clock.monotonic(), IDLE_MS / LOOK_MS);
      if (this.#connections.size > 0) this.#lookLater();
    });
  }

  #onConnection(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {});
    socket.setNoDelay(true);
  }

  #subjectOf(socket: TLSSocket): CertificateSubject | undefined {
    if (!this.#subjects.has(socket)) this.#subjects.set(socket, verifiedSubject(socket));
    return this.#subjects.get(socket);
  }
}

/** As answers have them: made once a second. */
class Dates {
  readonly #clock: Clock;
  #second = -1;
  #text = '';

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): string {
    const wallMs = this.#clock.wall();
    const second = Math.floor(wallMs / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#text = new Date(wallMs).toUTCString();
    }
    return this.#text;
  }
}

/** undefined: none was shown, or none that our authority signed. */
function verifiedSubject(socket: TLSSocket): CertificateSubject | undefined {
  if (!socket.authorized) return undefined;
  return subjectOf(socket.getPeerCertificate().subject);
}
