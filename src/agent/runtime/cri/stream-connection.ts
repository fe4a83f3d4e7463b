/**
 * One connection to a runtime's streaming server, at the URL that it answered to `Exec`, `Attach` or `PortForward`: HTTP's
 * Upgrade to SPDY/3.1, then streams. Held back by whoever does not take what comes: the socket is not read meanwhile.
 */
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { withDeadline, type Clock } from '../../../base/clock.ts';
import { deferred } from '../../../base/deferred.ts';
import { describeError } from '../../../base/errors.ts';
import { RuntimeError } from '../runtime.ts';
import { SpdyClient } from './core/spdy-client.ts';

const CONNECT_DEADLINE_MS = 10_000;
const HEAD_BYTES_MAX = 16 * 1024;
const HEAD_END = '\r\n\r\n';

export interface StreamHandlers {
  /** A view that is not to be kept. False: no more for now. */
  onData(streamId: number, bytes: Uint8Array): boolean;
  onEnd(streamId: number): void;
  /** All streams are at their end. */
  onClose(why: Error | undefined): void;
}

export interface ConnectionTarget {
  readonly url: string;
  /** Of Kubernetes' protocols above SPDY. */
  readonly protocol: 'v4.channel.k8s.io' | 'portforward.k8s.io';
  readonly clock: Clock;
}

export class StreamConnection {
  readonly #socket: Socket;
  readonly #spdy: SpdyClient;
  readonly #handlers: StreamHandlers;
  #waiting: (() => void)[] = [];
  #isOver = false;

  /** Rejects with a RuntimeError. */
  static async open({ url, protocol, clock }: ConnectionTarget, handlers: StreamHandlers): Promise<StreamConnection> {
    const { protocol: scheme, hostname, port, host, pathname, search } = new URL(url);
    const to = { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port) };
    // Of a certificate that the runtime has made for itself; the address came from its own socket.
    const socket = scheme === 'https:' ? connectTls({ ...to, rejectUnauthorized: false }) : connect({ ...to, noDelay: true });
    const head = ['POST ' + pathname + search + ' HTTP/1.1', `Host: ${host}`, 'Connection: Upgrade', 'Upgrade: SPDY/3.1', `X-Stream-Protocol-Version: ${protocol}`, 'Content-Length: 0'];
    socket.write(head.join('\r\n') + HEAD_END);
    try {
      const rest = await withDeadline(upgraded(socket), { clock, deadlineMs: CONNECT_DEADLINE_MS, what: `connection to ${host}` });
      return new StreamConnection(socket, handlers, rest);
    } catch (cause) {
      socket.destroy();
      if (cause instanceof RuntimeError) throw cause;
      throw new RuntimeError('unavailable', `the runtime's streaming server cannot be reached: ${describeError(cause)}`, { cause });
    }
  }

  private constructor(socket: Socket, handlers: StreamHandlers, rest: Buffer) {
    this.#socket = socket;
    this.#handlers = handlers;
    this.#spdy = new SpdyClient({
      onData: (streamId, bytes) => {
        if (!handlers.onData(streamId, bytes)) socket.pause();
      },
      onEnd: (streamId) => handlers.onEnd(streamId),
      send: (bytes) => socket.write(bytes),
    });
    let why: Error | undefined;
    socket.on('error', (error) => (why = error));
    socket.on('drain', () => this.#release());
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    socket.on('end', () => socket.end());
    socket.on('close', () => this.#finish(why));
    socket.unshift(rest);
    socket.resume();
  }

  open(headers: Readonly<Record<string, string>>, isLast = false): number {
    return this.#spdy.open(headers, isLast);
  }

  /** Resolves once more is wanted. */
  send(streamId: number, bytes: Uint8Array): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    this.#spdy.send(streamId, bytes);
    if (!this.#socket.writableNeedDrain) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  end(streamId: number): void {
    if (!this.#isOver) this.#spdy.send(streamId, new Uint8Array(0), true);
  }

  resume(): void {
    this.#socket.resume();
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(bytes: Buffer): void {
    try {
      this.#spdy.receive(bytes);
    } catch (error) {
      this.#socket.destroy(error instanceof Error ? error : undefined);
    }
  }

  #release(): void {
    for (const goOn of this.#waiting.splice(0)) goOn();
  }

  #finish(why: Error | undefined): void {
    this.#isOver = true;
    this.#release();
    this.#handlers.onClose(why);
  }
}

/** Resolves with what came behind the answer's head; the socket is paused then. */
function upgraded(socket: Socket): Promise<Buffer> {
  const answer = deferred<Buffer>();
  let head: Buffer = Buffer.alloc(0);
  const settle = () => {
    socket.off('data', onData);
    socket.off('error', answer.reject);
    socket.off('end', onEnd);
    socket.pause();
  };
  const fail = (error: Error) => {
    settle();
    answer.reject(error);
  };
  const onEnd = () => fail(new RuntimeError('cannot-start', `the runtime refused the connection: ${head.toString('latin1').split('\r\n')[0]}`));
  const onData = (bytes: Buffer) => {
    head = Buffer.concat([head, bytes]);
    const end = head.indexOf(HEAD_END);
    if (end < 0) {
      if (head.length > HEAD_BYTES_MAX) fail(new RuntimeError('cannot-start', 'the runtime speaks no HTTP'));
      return;
    }
    const [status = ''] = head.toString('latin1', 0, end).split('\r\n');
    if (!status.startsWith('HTTP/1.1 101 ')) return fail(new RuntimeError('cannot-start', `the runtime refused the connection: ${status}`));
    settle();
    answer.resolve(head.subarray(end + HEAD_END.length));
  };
  socket.on('data', onData);
  socket.once('error', answer.reject);
  socket.once('end', onEnd);
  return answer.promise;
}
