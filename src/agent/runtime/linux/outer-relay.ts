/**
 * A way out of a node's network for its pods: what listens on an address of the machine (an API server) is found at the
 * same address in there.
 *
 *   pod ─► inner half, listens at 127.0.0.1:6443 in the node's network ─Unix socket─► agent ─► 127.0.0.1:6443 of the machine
 */
import { rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Clock, Timer } from '../../../base/clock.ts';
import { describeError } from '../../../base/errors.ts';
import type { Log } from '../../../base/log.ts';
import type { InnerLink } from './inner-link.ts';

export interface OuterRelayOptions {
  readonly host: string;
  readonly port: number;
  /** Of the socket between the halves. */
  readonly path: string;
  readonly inner: InnerLink;
  readonly clock: Clock;
  readonly log: Log;
}

/** The inner half was lost, and is back soon. */
const RETRY_MS = 500;
/** Joined connections; past it new ones are closed at once. */
const CONNECTIONS_MAX = 2_000;

export class OuterRelay {
  readonly #options: OuterRelayOptions;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #stopListening: (() => void) | undefined;
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(options: OuterRelayOptions) {
    this.#options = options;
  }

  /** Resolves when it can be reached from inside, or will be tried again. */
  async start(): Promise<void> {
    const { path, log, host, port } = this.#options;
    rmSync(path, { force: true });
    const server = createServer({ allowHalfOpen: true }, (socket) => this.#join(socket));
    server.maxConnections = CONNECTIONS_MAX;
    server.on('error', (error) => log.warn({ address: `${host}:${port}`, error: describeError(error) }, 'linux runtime: no way out of the network of the node'));
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(path, resolve).once('error', () => resolve()));
    await this.#listen();
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#stopListening?.();
    this.#server?.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #listen(): Promise<void> {
    const { host, port, path, inner, clock, log } = this.#options;
    if (this.#isClosed) return;
    const again = () => {
      if (!this.#isClosed) this.#timer = clock.setTimer(RETRY_MS, () => void this.#listen());
    };
    try {
      this.#stopListening = await inner.listen({ host, port, path, onClosed: again });
    } catch (error) {
      log.debug({ address: `${host}:${port}`, error: describeError(error) }, 'linux runtime: not listened on inside yet');
      again();
    }
  }

  #join(inside: Socket): void {
    const { host, port } = this.#options;
    const outside = connect({ host, port, allowHalfOpen: true, noDelay: true });
    for (const [one, other] of [[inside, outside], [outside, inside]] as const) {
      this.#sockets.add(one);
      one.on('error', () => other.destroy());
      one.once('close', () => {
        this.#sockets.delete(one);
        if (!one.readableEnded) other.destroy();
      });
      one.pipe(other);
    }
  }
}
