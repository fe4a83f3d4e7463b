/**
 * The REST face's sockets: one TLS port for HTTP/2 and HTTP/1.1, client certificates that are asked for and not insisted
 * on, limits of what a connection may cost, and a stop that lets what runs come to its end.
 */
import { createSecureServer, type Http2SecureServer, type Http2ServerResponse, type ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { sleep, type Clock, type Timer } from '../../base/clock.ts';
import { describeError, systemErrorCode } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { subjectOf, type CertificateSubject } from '../access/authenticator.ts';
import type { RestHandler } from './handler.ts';
import type { RestLimits } from './limits.ts';
import type { HttpRequest } from './reply.ts';

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

/** Of a connection: its requests. */
interface Usage {
  atWork: number;
  sinceLastLook: number;
}

/** A connection that says nothing is closed: of HTTP/1.1 by Node.js, of HTTP/2 here. */
const IDLE_MS = 180_000;
const HEADERS_MS = 20_000;
const HANDSHAKE_MS = 10_000;

export class RestServer {
  readonly #server: Http2SecureServer;
  readonly #options: RestServerOptions;
  readonly #sessions = new Map<ServerHttp2Session, Usage>();
  readonly #sockets = new Set<Socket>();
  /** Of a connection: its certificate is looked at once. */
  readonly #subjects = new WeakMap<object, CertificateSubject | undefined>();

  constructor(options: RestServerOptions) {
    this.#options = options;
    const { tls, limits } = options;
    this.#server = createSecureServer(
      {
        allowHTTP1: true,
        cert: Buffer.from(tls.cert),
        key: Buffer.from(tls.key),
        ca: Buffer.from(tls.clientCa),
        requestCert: true,
        // Who shows none may have a token; who shows a bad one is refused as nobody.
        rejectUnauthorized: false,
        minVersion: 'TLSv1.2',
        handshakeTimeout: HANDSHAKE_MS,
        maxHeaderSize: limits.headerBytesMax,
        settings: { maxConcurrentStreams: limits.streamsPerConnectionMax, maxHeaderListSize: limits.headerBytesMax, initialWindowSize: 1024 * 1024 },
        maxSessionMemory: 64,
      } as Parameters<typeof createSecureServer>[0], // maxHeaderSize is HTTP/1.1's, and the types do not know of it here
      (request, response) => this.#onRequest(request, response),
    );
    Object.assign(this.#server, { headersTimeout: HEADERS_MS, keepAliveTimeout: IDLE_MS });
    this.#server.on('session', (session) => this.#onSession(session));
    this.#server.on('connection', (socket: Socket) => this.#onConnection(socket));
    this.#server.on('upgrade', (request: HttpRequest, socket: Socket) => refuseUpgrade(request, socket));
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
    // GOAWAY: clients go on with another connection, and what runs on this one ends first.
    for (const session of this.#sessions.keys()) session.close();
    const idle = setIdle(this.#server);
    await Promise.race([closed, sleep(clock, limits.stopGraceMs)]);
    for (const session of this.#sessions.keys()) session.destroy();
    for (const socket of this.#sockets) socket.destroy();
    idle();
    await closed;
  }

  #onRequest(...[request, response]: Parameters<Parameters<typeof createSecureServer>[1] & object>): void {
    const session = sessionOf(request);
    if (session !== undefined) this.#count(session, response);
    const socket = (session?.socket ?? request.socket) as TLSSocket; // every port is TLS
    if (!this.#subjects.has(socket)) this.#subjects.set(socket, verifiedSubject(socket));
    this.#options.handler.handle(request, response, this.#subjects.get(socket)).catch((error: unknown) => {
      this.#options.log.error({ error: describeError(error) }, 'rest: an answer could not be written');
      response.destroy();
    });
  }

  #count(session: ServerHttp2Session, response: Http2ServerResponse): void {
    const usage = this.#sessions.get(session);
    if (usage === undefined) return;
    usage.atWork++;
    usage.sinceLastLook++;
    response.once('close', () => usage.atWork--);
  }

  #onSession(session: ServerHttp2Session): void {
    const usage: Usage = { atWork: 0, sinceLastLook: 0 };
    this.#sessions.set(session, usage);
    // A watch may be silent for longer: only what has nothing at work, and had nothing since, is idle.
    const look = () => {
      if (usage.atWork === 0 && usage.sinceLastLook === 0) return session.close();
      usage.sinceLastLook = 0;
      timer = this.#options.clock.setTimer(IDLE_MS, look);
    };
    let timer: Timer = this.#options.clock.setTimer(IDLE_MS, look);
    session.on('close', () => {
      timer.cancel();
      this.#sessions.delete(session);
    });
    session.on('error', (error) => this.#options.log.debug({ error: describeError(error) }, 'rest: a connection broke'));
  }

  #onConnection(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {});
    socket.setNoDelay(true);
  }
}

function sessionOf(request: HttpRequest): ServerHttp2Session | undefined {
  return 'stream' in request ? (request.stream.session as ServerHttp2Session | undefined) : undefined; // a server's
}

/** undefined: none was shown, or none that our authority signed. */
function verifiedSubject(socket: TLSSocket): CertificateSubject | undefined {
  if (!socket.authorized) return undefined;
  return subjectOf(socket.getPeerCertificate().subject);
}

/** Connections of their own (exec, attach, port-forward, proxies) have their place here. */
function refuseUpgrade(_request: HttpRequest, socket: Socket): void {
  socket.end('HTTP/1.1 501 Not Implemented\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
}

/** HTTP/1.1 connections without a request do not keep a server that stops; Node.js closes them when asked again. */
function setIdle(server: Http2SecureServer): () => void {
  const close = () => {
    if ('closeIdleConnections' in server && typeof server.closeIdleConnections === 'function') server.closeIdleConnections();
  };
  close();
  return close;
}
