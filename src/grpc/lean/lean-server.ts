/**
 * A gRPC server on sockets: the same options, methods and handlers as `GrpcServer` (../server.ts), and HTTP/2 of our own
 * (core/session.ts). Why that, when there is a library: serving calls is what a store does all day, and nine tenths of
 * what a call cost went there.
 *
 *   PortMux ─socket─► ServerConnection ─stream─► UnaryCall | StreamCall ─► handler
 *                        │ Connection: socket, flush, keepalive
 *                        └ Session: frames, HPACK, windows, limits (pure)
 */
import type { Socket } from 'node:net';
import { servedMethods, type ServedMethod } from '../dispatch.ts';
import { cannotListen, LAST_ANSWERS_MS } from '../listening.ts';
import { PortMux } from '../port-mux.ts';
import { REQUEST_BYTES_MAX, type GrpcServerOptions, type RunningServer } from '../server-options.ts';
import { SessionSettings } from './core/settings.ts';
import { Deadlines } from './deadlines.ts';
import { ServerConnection, type ServerConnectionOptions } from './server-connection.ts';

/** Between looks at the connections; a short keepalive wants more of them. */
const LOOK_MS_MAX = 1_000;
const LOOK_MS_MIN = 20;

export class LeanServer implements RunningServer {
  readonly #mux: PortMux;
  readonly #connections = new Set<ServerConnection>();
  readonly #deadlines = new Deadlines();
  readonly #options: ServerConnectionOptions;
  readonly #looking: NodeJS.Timeout;
  #isStopping = false;
  #onEmpty: (() => void) | undefined;

  constructor(options: GrpcServerOptions) {
    const served = options.services.flatMap((bound) => servedMethods(bound, options));
    const keepaliveTimeMs = options.keepaliveTimeMs === 0 ? Infinity : (options.keepaliveTimeMs ?? 10_000);
    const keepaliveTimeoutMs = options.keepaliveTimeoutMs ?? 10_000;
    this.#options = {
      methods: new Map(served.map((method): [string, ServedMethod] => [method.method.path, method])),
      requestBytesMax: options.requestBytesMax ?? REQUEST_BYTES_MAX,
      deadlines: this.#deadlines,
      settings: new SessionSettings({ streamsMax: options.streamsPerConnectionMax ?? 10_000 }),
      keepaliveTimeMs,
      keepaliveTimeoutMs,
      onClose: (connection) => this.#onClose(connection),
    };
    this.#mux = new PortMux({
      tls: options.tls,
      http: options.http,
      grpc: (socket) => this.#onSocket(socket),
    });
    const lookMs = Math.max(LOOK_MS_MIN, Math.min(LOOK_MS_MAX, keepaliveTimeMs / 2, keepaliveTimeoutMs / 2));
    this.#looking = setInterval(() => this.#look(), lookMs).unref();
  }

  /** Listens on all `addresses` ("127.0.0.1:2379"; port 0: any free one) or on none; answers the ports. */
  async listen(addresses: readonly string[]): Promise<number[]> {
    const ports: number[] = [];
    try {
      for (const address of addresses) {
        const cannot = (error: Error) => Promise.reject(cannotListen(address, error));
        ports.push(await this.#mux.listen(address).catch(cannot));
      }
    } catch (error) {
      this.#close();
      throw error;
    }
    return ports;
  }

  /** Takes no more calls, ends streams at once with Unavailable, and after `graceMs` the unary calls that still run. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    this.#mux.stopListening();
    for (const connection of this.#connections) connection.stop();
    await this.#empty(graceMs);
    for (const connection of this.#connections) connection.stopCalls();
    await this.#empty(LAST_ANSWERS_MS);
    this.#close();
  }

  #onSocket(socket: Socket): void {
    if (this.#isStopping) return void socket.destroy();
    this.#connections.add(new ServerConnection(socket, this.#options));
  }

  #onClose(connection: ServerConnection): void {
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#onEmpty?.();
  }

  #look(): void {
    const nowMs = performance.now();
    for (const connection of this.#connections) connection.look(nowMs);
  }

  /** Resolves when no connection is left, or after that time. */
  #empty(withinMs: number): Promise<void> {
    if (this.#connections.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, withinMs);
      this.#onEmpty = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #close(): void {
    clearInterval(this.#looking);
    this.#deadlines.close();
    this.#mux.close();
    for (const connection of this.#connections) connection.destroy();
  }
}
