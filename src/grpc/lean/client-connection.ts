/** One connection of the lean channel, from the first packet to the last. */
import { Connection, type ConnectionEvents } from './connection.ts';
import type { SessionSettings } from './core/settings.ts';
import { openSocket } from './dialling.ts';
import type { ConnectOptions } from '../connect-options.ts';
import type { CallCarrier, ClientCall } from './client-call.ts';

export interface ClientConnectionOptions {
  readonly connect: ConnectOptions;
  readonly settings: SessionSettings;
  /** It takes no more calls: it has broken, or the server goes away. */
  readonly onRetired: () => void;
  /** It takes calls, or more of them than before. */
  readonly onRoom: () => void;
}

/** For a connection with all that belongs to it: a handshake of TLS, the other end's settings. */
const CONNECT_MS = 5_000;
const KEEPALIVE_MS = 10_000;
const KEEPALIVE_TIMEOUT_MS = 5_000;

export class ClientConnection implements ConnectionEvents, CallCarrier {
  readonly #options: ClientConnectionOptions;
  readonly #connection: Connection;
  #settled: ((error: Error | undefined) => void) | undefined;

  constructor(address: string, options: ClientConnectionOptions) {
    this.#options = options;
    const { keepaliveTimeMs = KEEPALIVE_MS, keepaliveTimeoutMs = KEEPALIVE_TIMEOUT_MS } = options.connect;
    this.#connection = new Connection(
      (onChunk) => openSocket(address, options.connect, onChunk),
      { role: 'client', settings: options.settings, keepaliveTimeMs, keepaliveTimeoutMs },
      this,
    );
  }

  /** Resolves once calls can be made; undefined, or why not. */
  connected(): Promise<Error | undefined> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#connection.destroy(new Error(`no answer within ${CONNECT_MS} ms`)), CONNECT_MS);
      this.#settled = (error) => {
        clearTimeout(timer);
        this.#settled = undefined;
        resolve(error);
      };
    });
  }

  get canOpen(): 'yes' | 'later' | 'never' {
    return this.#connection.session.canOpen;
  }

  get isClosed(): boolean {
    return this.#connection.isClosed;
  }

  begin(call: ClientCall): void {
    call.begin(this.#connection.session.open(), this);
  }

  get isLost(): boolean {
    return this.#connection.session.isClosed;
  }

  flush(): void {
    this.#connection.flush();
  }

  look(nowMs: number): void {
    this.#connection.look(nowMs);
  }

  /** Calls that run go on to their end. */
  retire(): void {
    if (this.#connection.session.openStreams === 0) this.#connection.end();
  }

  close(): void {
    this.#connection.session.goAway(true);
    this.#connection.end();
  }

  onRequest(): void {
    // A server opens no streams: push is switched off, and the session refuses it.
  }

  onReady(): void {
    this.#settled?.(undefined);
    this.#options.onRoom();
  }

  onGoAway(): void {
    this.#options.onRetired();
    queueMicrotask(() => this.retire());
  }

  onStreamClosed(): void {
    if (this.canOpen === 'never') queueMicrotask(() => this.retire());
    else this.#options.onRoom();
  }

  onClose(why: Error | undefined): void {
    this.#settled?.(why ?? new Error('the connection was closed'));
    this.#options.onRetired();
  }
}
