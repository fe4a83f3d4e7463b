/**
 * One port for gRPC and HTTP/1.1, as etcd has it: a connection is looked at once, then its socket is handed over whole.
 * No byte is copied through, so gRPC pays for it only when it connects.
 *
 *   TLS:    ALPN h2 ─► gRPC      ALPN http/1.1 ─► HTTP      neither ─► as in plain text
 *   plain:  the first bytes are those of an HTTP/1.1 method ─► HTTP      anything else ─► gRPC, which answers noise
 *
 * Without HTTP nobody is looked at: all is gRPC's, which hangs up on noise itself.
 * A connection that says nothing, or too slowly, is ended: it must not cost a socket for ever. So is one too many: the
 * process needs files for other things.
 */
import { createServer as createHttpServer, type RequestListener, type Server as HttpServer } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type SecureContextOptions } from 'node:tls';
import { connectionsMax } from './connections-max.ts';
import type { GrpcServerOptions } from './server-options.ts';

export type PortMuxTls = NonNullable<GrpcServerOptions['tls']>;

export interface PortMuxOptions {
  readonly tls?: PortMuxTls | undefined;
  /** Absent: HTTP only (etcd's --listen-metrics-urls); what is not HTTP/1.1 is hung up on. */
  readonly grpc?: (socket: Socket) => void;
  /** Absent: gRPC only, as between members. */
  readonly http?: RequestListener | undefined;
  /** For tests; HEADERS_MS otherwise. */
  readonly headersMs?: number;
  /** On all addresses together; one more is hung up on. Absent: as many as the system lets this process have. */
  readonly connectionsMax?: number;
}

/** The handshake, and then the first request's headers, have so long each: whoever is slower is not a client. */
const HEADERS_MS = 10_000;
/** A whole request, body included. An answer may take as long as it likes: a watch is one. */
const REQUEST_MS = 30_000;
const IDLE_MS = 60_000;
/** Of HTTP; one more is hung up on. gRPC's are not counted: etcd's clients keep one each. */
const HTTP_CONNECTIONS_MAX = 1_000;

/** The first three bytes tell; HTTP/2's preface begins with "PRI". */
const METHOD_STARTS: ReadonlySet<string> = new Set(['GET', 'POS', 'PUT', 'HEA', 'DEL', 'OPT', 'PAT']);
const TELLING_BYTES = 3;

export class PortMux {
  readonly #options: PortMuxOptions;
  readonly #http: HttpServer;
  readonly #listeners: Server[] = [];
  /** Connections that have not yet said what they are. */
  readonly #undecided = new Set<Socket>();
  readonly #connectionsMax: number;
  #connections = 0;
  #httpConnections = 0;

  constructor(options: PortMuxOptions) {
    this.#options = options;
    this.#connectionsMax = options.connectionsMax ?? connectionsMax();
    const headersTimeout = options.headersMs ?? HEADERS_MS;
    this.#http = createHttpServer(
      {
        headersTimeout,
        requestTimeout: Math.max(REQUEST_MS, headersTimeout),
        keepAliveTimeout: IDLE_MS,
        connectionsCheckingInterval: Math.min(1_000, headersTimeout / 2),
      },
      options.http,
    );
    // The server never listens itself, and only then would it begin to look for slow callers.
    this.#http.emit('listening');
  }

  /** "127.0.0.1:2379"; answers the port. Rejects with what the system says. */
  listen(address: string): Promise<number> {
    const { hostname, port } = new URL(`tcp://${address}`);
    const server = this.#newServer().on('connection', (socket: Socket) => this.#admit(socket));
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port), exclusive: true }, () => {
        this.#listeners.push(server);
        const bound = server.address();
        resolve(typeof bound === 'object' && bound !== null ? bound.port : Number(port));
      });
    });
  }

  /** Takes no more connections; those that are there stay. */
  stopListening(): void {
    for (const server of this.#listeners.splice(0)) server.close();
    this.#http.closeIdleConnections();
  }

  /** Ends what is not gRPC's at once. */
  close(): void {
    this.stopListening();
    for (const socket of this.#undecided) socket.destroy();
    this.#http.closeAllConnections();
    this.#http.close();
  }

  #newServer(): Server {
    const { tls, grpc, http, headersMs: handshakeTimeout = HEADERS_MS } = this.#options;
    const take = (socket: Socket) => (http === undefined ? this.#toGrpc(socket) : this.#peek(socket));
    if (tls === undefined) return createServer({ noDelay: true }, take);
    const server = createTlsServer({
      ...contextOf(tls),
      requestCert: tls.requireClientCertificate,
      rejectUnauthorized: tls.requireClientCertificate,
      // Who speaks both (curl, Prometheus, browsers) does not come for gRPC, whose clients offer h2 alone.
      ALPNProtocols: [...(http === undefined ? [] : ['http/1.1']), ...(grpc === undefined ? [] : ['h2'])],
      handshakeTimeout,
    });
    if ('renewed' in tls) tls.renewed.onChange(() => server.setSecureContext(contextOf(tls)));
    return server.on('secureConnection', (socket) => {
      socket.setNoDelay(true);
      if (socket.alpnProtocol === 'h2') this.#toGrpc(socket);
      else take(socket);
    });
  }

  /** Before anybody has read from it; a handshake that has begun on it ends with it. */
  #admit(socket: Socket): void {
    if (this.#connections >= this.#connectionsMax) return void socket.destroy();
    this.#connections++;
    socket.once('close', () => this.#connections--);
  }

  /** Waits for the bytes that tell. They are put back: whoever is handed the socket reads them first. */
  #peek(socket: Socket): void {
    this.#undecided.add(socket);
    const { headersMs = HEADERS_MS } = this.#options;
    const timer = setTimeout(() => socket.destroy(), headersMs).unref();
    let bytes: Buffer = Buffer.alloc(0);
    const onReadable = () => {
      const more: unknown = socket.read();
      if (!Buffer.isBuffer(more)) return;
      bytes = bytes.length === 0 ? more : Buffer.concat([bytes, more]);
      if (bytes.length < TELLING_BYTES) return;
      settle();
      // Not before: what is put back is readable, and would be read again at once.
      socket.unshift(bytes);
      if (METHOD_STARTS.has(bytes.toString('latin1', 0, TELLING_BYTES))) this.#toHttp(socket);
      else this.#toGrpc(socket);
    };
    const settle = () => {
      clearTimeout(timer);
      socket.off('readable', onReadable);
      this.#undecided.delete(socket);
    };
    socket.on('error', ignore);
    socket.on('close', settle);
    socket.on('readable', onReadable);
  }

  #toHttp(socket: Socket): void {
    if (this.#httpConnections >= HTTP_CONNECTIONS_MAX) return void socket.destroy();
    this.#httpConnections++;
    socket.once('close', () => this.#httpConnections--);
    this.#http.emit('connection', socket);
    // Who stops listening for 'readable' leaves the stream paused, and the parser waits for it to flow.
    socket.resume();
  }

  #toGrpc(socket: Socket): void {
    const { grpc } = this.#options;
    if (grpc === undefined) return void socket.destroy();
    socket.on('error', ignore);
    grpc(socket);
  }
}

/** What goes wrong on a socket ends its connection, and those who hold it hear of that. */
function ignore(): void {}

function contextOf(tls: PortMuxTls): SecureContextOptions {
  const { ca, cert, key } = 'renewed' in tls ? tls.renewed.current : tls;
  const crl = 'renewed' in tls ? tls.renewed.current.crl : undefined;
  const pair = { cert: Buffer.from(cert), key: Buffer.from(key), ...(crl === undefined ? {} : { crl }) };
  return ca === undefined ? pair : { ...pair, ca: Buffer.from(ca) };
}
