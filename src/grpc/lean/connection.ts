/**
 * The shell of a session: one socket, plain or TLS, of a server or of a client. All that is said within a turn of the
 * loop leaves in one write at its end; what the socket does not take holds the streams back. It asks a quiet connection
 * whether it lives.
 */
import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { TLSSocket, type PeerCertificate } from 'node:tls';
import { ErrorCode } from './core/protocol.ts';
import { Session } from './core/session.ts';
import type { SessionEvents } from './core/session-context.ts';
import type { SessionSettings } from './core/settings.ts';
import { flushSoon } from './flush.ts';
import type { OnChunk } from './reading.ts';

export interface ConnectionOptions {
  readonly role: 'client' | 'server';
  readonly settings: SessionSettings;
  /** Infinity: a quiet connection is not asked. */
  readonly keepaliveTimeMs: number;
  readonly keepaliveTimeoutMs: number;
}

export type ConnectionEvents = Omit<SessionEvents, 'onOutput' | 'onPong'> & {
  /** Once, whatever ended it. */
  onClose(why: Error | undefined): void;
};

/** What the socket has taken and the system has not: past it streams wait. */
const SOCKET_BYTES_MAX = 256 * 1024;
/** To say what is wrong to one that perhaps does not listen. */
const LAST_WORDS_MS = 1_000;
/** From the connection to the first SETTINGS. */
const GREETING_MS = 10_000;
/** Between an answer and the reset of what is still to come of its request. */
const RESET_AFTER_MS = 50;
const PING_DATA = Buffer.from('podium\0\0', 'latin1');

export class Connection {
  readonly session: Session;
  readonly socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #events: ConnectionEvents;
  #isFlushing = false;
  #isResetting = false;
  #isReady = false;
  #isFinishing = false;
  #hasSaidLast = false;
  #isEnding = false;
  #isClosed = false;
  #why: Error | undefined;
  readonly #openedAtMs = performance.now();
  #pingAtMs: number;
  /** When the ping that is not answered was sent. */
  #pingedAtMs: number | undefined;

  /** @param open the socket, whose chunks go to the taker that it is handed, none before it returns */
  constructor(open: (onChunk: OnChunk) => Socket, options: ConnectionOptions, events: ConnectionEvents) {
    const socket = open((chunk) => this.#onChunk(chunk));
    this.socket = socket;
    this.#options = options;
    this.#events = events;
    this.#pingAtMs = this.#openedAtMs + options.keepaliveTimeMs;
    this.session = new Session(options.role, options.settings, {
      onRequest: (stream, head, endStream) => events.onRequest(stream, head, endStream),
      onOutput: () => this.#flushLater(),
      onReady: () => {
        this.#isReady = true;
        events.onReady();
      },
      onPong: () => {
        this.#pingedAtMs = undefined;
        if (this.#isFinishing) this.sayLast();
      },
      onGoAway: (code, debug) => events.onGoAway(code, debug),
      onStreamClosed: () => {
        events.onStreamClosed();
        if (this.#hasSaidLast) this.#endIfIdle();
      },
    });
    socket.on('drain', () => this.session.holdBack(false));
    socket.on('error', (error) => (this.#why ??= error));
    socket.on('end', () => this.end());
    socket.on('close', () => this.#onClose());
    this.#flushLater();
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** "127.0.0.1:2379" */
  get peer(): string {
    const { remoteAddress, remotePort } = this.socket;
    return remoteAddress === undefined ? 'unknown' : `${remoteAddress}:${remotePort}`;
  }

  /** Of the certificate that the other end showed. */
  get subject(): { readonly CN?: string | string[]; readonly O?: string | string[] } | undefined {
    // Of a socket that has closed Node.js answers null, whatever its type says.
    const certificate: PeerCertificate | null = this.socket instanceof TLSSocket ? this.socket.getPeerCertificate() : null;
    return certificate?.subject;
  }

  ping(): void {
    this.#pingedAtMs ??= performance.now();
    this.session.ping(PING_DATA);
  }

  /** Of a server: the client goes on with another connection, and what runs on this one ends first. */
  finish(): void {
    this.#isFinishing = true;
    if (this.session.openStreams === 0) return this.sayLast();
    this.session.goAway(false);
    // What it sends until it has heard that is still taken; its answer to this says that it has.
    this.ping();
  }

  /** Of a server: no stream more is taken, and with the last one the connection ends. */
  sayLast(): void {
    if (this.#hasSaidLast) return;
    this.#hasSaidLast = true;
    this.session.goAway(true);
    this.#endIfIdle();
  }

  /** What is on its way still leaves. */
  end(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.session.abandon();
    this.flush();
    this.socket.end();
    setTimeout(() => this.socket.destroy(), LAST_WORDS_MS).unref();
  }

  destroy(why?: Error): void {
    this.#why ??= why;
    this.session.abandon();
    this.socket.destroy();
  }

  /** From time to time, of whoever has connections. */
  look(nowMs: number): void {
    const { keepaliveTimeMs, keepaliveTimeoutMs } = this.#options;
    if (!this.#isReady) {
      if (nowMs - this.#openedAtMs > GREETING_MS) this.destroy(new Error('it does not speak HTTP/2'));
    } else if (this.#pingedAtMs !== undefined) {
      if (nowMs - this.#pingedAtMs > keepaliveTimeoutMs) this.destroy(new Error('it answers no ping'));
    } else if (nowMs >= this.#pingAtMs && (this.#options.role === 'server' || this.session.openStreams > 0)) {
      // A client without calls stays quiet: grpc-go hangs up on one that asks all the same.
      this.#pingAtMs = nowMs + keepaliveTimeMs;
      this.ping();
    }
  }

  #endIfIdle(): void {
    if (this.session.openStreams > 0) return;
    // Not within what has just closed its last stream: its answer is still being written.
    queueMicrotask(() => this.end());
  }

  #onChunk(chunk: Buffer): void {
    if (this.#isEnding) return;
    if (!this.session.receive(chunk, performance.now())) this.end();
  }

  #flushLater(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    flushSoon(this);
  }

  /** One write, or one call with all pieces. */
  flush(): void {
    this.#isFlushing = false;
    const { session, socket } = this;
    const { output } = session;
    while (output.length > 0) {
      const pieces = output.take();
      if (socket.destroyed || socket.writableEnded) return;
      if (pieces.length === 1) socket.write(pieces[0]!);
      else {
        socket.cork();
        for (const piece of pieces) socket.write(piece);
        socket.uncork();
      }
      const isHeldBack = socket.writableLength > SOCKET_BYTES_MAX;
      session.holdBack(isHeldBack);
      if (isHeldBack) break;
    }
    if (session.hasAnswered && !this.#isResetting) {
      this.#isResetting = true;
      setTimeout(() => this.#resetAnswered(), RESET_AFTER_MS).unref();
    }
    if (session.isClosed && !this.#isEnding) this.end();
  }

  #resetAnswered(): void {
    this.#isResetting = false;
    this.session.resetAnswered();
  }

  #onClose(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.session.abandon(ErrorCode.CANCEL);
    this.#events.onClose(this.#why);
  }
}
