/**
 * The way of a channel to its server: one connection at a time, made when a call wants one.
 *
 *   idle ──a call──► connecting ──settings──► ready ──it breaks, GOAWAY──► idle
 *                        └──no address answers──► failing, for the back-off ──► idle
 *
 * Calls wait while it connects. While it fails they fail at once: who calls knows better whether to wait.
 */
import { RpcCode, RpcError } from '../../proto/rpc.ts';
import type { ConnectOptions } from '../connect-options.ts';
import type { ClientCall } from './client-call.ts';
import { ClientConnection } from './client-connection.ts';
import { SessionSettings } from './core/settings.ts';

const BACKOFF_MIN_MS = 50;
const BACKOFF_MAX_MS = 1_000;
const BACKOFF_FACTOR = 1.6;
/** Between looks at the connection; a short keepalive wants more of them. */
const LOOK_MS_MAX = 1_000;
const LOOK_MS_MIN = 20;

export class Dialler {
  readonly #options: ConnectOptions;
  readonly #settings = new SessionSettings({ headerListBytesMax: 64 * 1024 });
  readonly #waiting = new Set<ClientCall>();
  #connection: ClientConnection | undefined;
  /** Every one that is not closed: calls may still run on one that is used no more. */
  readonly #all = new Set<ClientConnection>();
  #connecting: Promise<Error | undefined> | undefined;
  #backoffMs = BACKOFF_MIN_MS;
  #failing: { readonly untilMs: number; readonly error: Error } | undefined;
  #looking: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: ConnectOptions) {
    this.#options = options;
  }

  /** Now, or once there is a way; answers why not where there is none. */
  begin(call: ClientCall): RpcError | undefined {
    if (this.#connection?.canOpen === 'yes') this.#connection.begin(call);
    else if (this.#failing !== undefined && performance.now() < this.#failing.untilMs) return noWay(this.#failing.error);
    else {
      this.#waiting.add(call);
      if (this.#connection === undefined) void this.#connect();
    }
    return undefined;
  }

  async ready(timeoutMs: number): Promise<void> {
    const untilMs = performance.now() + timeoutMs;
    for (;;) {
      if (this.#connection !== undefined) return;
      const leftMs = untilMs - performance.now();
      const late = new RpcError(RpcCode.UNAVAILABLE, `not connected within ${timeoutMs} ms`, {
        cause: this.#failing?.error,
        notSent: true,
      });
      if (leftMs <= 0 || this.#isClosed) throw late;
      const error = await within(this.#connect(), leftMs);
      if (error === 'late') throw late;
      if (error !== undefined) await within(new Promise(() => undefined), Math.min(leftMs, this.#backoffMs));
    }
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#looking);
    for (const connection of this.#all) connection.close();
  }

  #connect(): Promise<Error | undefined> {
    this.#connecting ??= this.#dial().then((error) => {
      this.#connecting = undefined;
      if (error === undefined) return undefined;
      const afterMs = this.#backoffMs * (0.8 + 0.4 * Math.random());
      this.#backoffMs = Math.min(this.#backoffMs * BACKOFF_FACTOR, this.#options.reconnectBackoffMaxMs ?? BACKOFF_MAX_MS);
      this.#failing = { untilMs: performance.now() + afterMs, error };
      for (const call of this.#takeWaiting()) if (!call.isOver) call.fail(noWay(error));
      return error;
    });
    return this.#connecting;
  }

  async #dial(): Promise<Error | undefined> {
    let error = new Error('the channel is closed');
    for (const address of this.#options.addresses) {
      if (this.#isClosed) return error;
      const connection: ClientConnection = new ClientConnection(address, {
        connect: this.#options,
        settings: this.#settings,
        onRoom: () => this.#onRoom(connection),
        onRetired: () => this.#onRetired(connection),
      });
      this.#all.add(connection);
      const problem = await connection.connected();
      if (problem === undefined) return undefined;
      this.#all.delete(connection);
      error = new Error(`${address}: ${problem.message}`, { cause: problem });
    }
    return error;
  }

  #onRoom(connection: ClientConnection): void {
    if (this.#isClosed) return connection.close();
    if (this.#connection === undefined && connection.canOpen !== 'never') {
      this.#connection = connection;
      this.#backoffMs = BACKOFF_MIN_MS;
      this.#failing = undefined;
      this.#look();
    }
    if (this.#connection !== connection) return;
    for (const call of this.#waiting) {
      if (connection.canOpen !== 'yes') return;
      this.#waiting.delete(call);
      if (!call.isOver) connection.begin(call);
    }
  }

  /** Told twice where the server goes away before the connection ends: only the second is the end. */
  #onRetired(connection: ClientConnection): void {
    if (connection.isClosed) this.#all.delete(connection);
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    if (this.#waiting.size > 0 && !this.#isClosed) void this.#connect();
  }

  #look(): void {
    if (this.#looking !== undefined) return;
    const { keepaliveTimeMs = LOOK_MS_MAX, keepaliveTimeoutMs = LOOK_MS_MAX } = this.#options;
    const lookMs = Math.max(LOOK_MS_MIN, Math.min(LOOK_MS_MAX, keepaliveTimeMs / 2, keepaliveTimeoutMs / 2));
    this.#looking = setInterval(() => {
      const nowMs = performance.now();
      for (const connection of this.#all) connection.look(nowMs);
    }, lookMs).unref();
  }

  #takeWaiting(): ClientCall[] {
    const calls = [...this.#waiting];
    this.#waiting.clear();
    return calls;
  }
}

function noWay(cause: Error): RpcError {
  return new RpcError(RpcCode.UNAVAILABLE, `No connection established: ${cause.message}`, { cause, notSent: true });
}

async function within<T>(promise: Promise<T>, ms: number): Promise<T | 'late'> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
