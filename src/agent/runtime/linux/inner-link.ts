/**
 * The agent's end of its inner half (inner-main.ts): connections into the node's network, and listeners in it that lead
 * out. The inner half is started anew when it dies; whoever asks meanwhile waits for it.
 */
import { spawn, type ChildProcess, type SendHandle } from 'node:child_process';
import { Socket as UdpSocket } from 'node:dgram';
import { connect, Server, type Socket } from 'node:net';
import { withDeadline, type Clock, type Millis, type Timer } from '../../../base/clock.ts';
import { deferred, type Deferred } from '../../../base/deferred.ts';
import { UserError } from '../../../base/errors.ts';
import type { Log } from '../../../base/log.ts';

export interface InnerLinkOptions {
  /** The compiled inner-main.js. */
  readonly entry: string;
  /** Where its socket is. */
  readonly path: string;
  /** The command, run in the node's network namespace. */
  readonly inside: (command: readonly string[]) => readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface InnerListener {
  readonly host: string;
  readonly port: number;
  /** Of a Unix socket: what comes is joined to a connection to it. */
  readonly path: string;
  /** It listens no more, and nobody asked it to stop. */
  readonly onClosed: () => void;
}

export class DialError extends Error {
  override readonly name = 'DialError';
  /** `ECONNREFUSED`, … */
  readonly code: string;

  constructor(code: string, to: string) {
    super(`connect ${code} ${to}`);
    this.code = code;
  }
}

/** A small heap: it moves bytes and keeps nothing. */
const V8_FLAGS = ['--max-semi-space-size=1', '--optimize-for-size', '--max-old-space-size=64'];
const START_DEADLINE_MS = 10_000;
const RESTART_MS = 200;
/** What the kernel takes for the path of a Unix socket. */
const PATH_BYTES_MAX = 107;
const DIAL_TIMEOUT_MS = 10_000;
const OPEN_TIMEOUT_MS = 10_000;

/** What the inner half answers to a request for a socket. */
interface Opened {
  readonly id: number;
  readonly error?: string;
}

export class InnerLink {
  readonly #options: InnerLinkOptions;
  #child: ChildProcess | undefined;
  #ready: Promise<void> = Promise.reject(new Error('not started'));
  #timer: Timer | undefined;
  #isClosed = false;
  /** Requests for sockets that wait for their answers. */
  readonly #openings = new Map<number, Deferred<SendHandle>>();
  #openingId = 0;

  constructor(options: InnerLinkOptions) {
    this.#options = options;
    this.#ready.catch(() => undefined);
    if (Buffer.byteLength(options.path) > PATH_BYTES_MAX) {
      throw new UserError(`${options.path}: the path of a Unix socket has at most ${PATH_BYTES_MAX} bytes: choose a shorter data directory`);
    }
  }

  async start(): Promise<void> {
    this.#spawn();
    await this.#ready;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Its network is another one now. */
  restart(): void {
    this.#child?.kill('SIGKILL');
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#child?.removeAllListeners();
    // It ends with its input; a signal makes sure.
    this.#child?.kill('SIGKILL');
  }

  #spawn(): void {
    const { entry, path, inside, env, clock, log } = this.#options;
    const [program = '', ...args] = inside([process.execPath, ...V8_FLAGS, entry, path]);
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit', 'ipc'], env: { ...env } });
    this.#child = child;
    child.stdin?.on('error', () => undefined); // it has ended
    child.on('message', (message, handle) => this.#opened(message as unknown as Opened, handle)); // from inner-main.ts alone
    const started = deferred<void>();
    child.stdout?.once('data', () => started.resolve());
    child.once('error', (error) => started.reject(error));
    child.once('exit', (code, signal) => {
      started.reject(new Error(`the inner half of the node ended: ${signal ?? code}`));
      for (const opening of this.#openings.values()) opening.reject(new DialError('ECONNRESET', 'the inner half of the node'));
      if (this.#isClosed) return;
      log.warn({ code, signal }, 'linux runtime: the inner half ended, starting it again');
      this.#timer = clock.setTimer(RESTART_MS, () => this.#spawn());
    });
    this.#ready = withDeadline(started.promise, { clock, deadlineMs: START_DEADLINE_MS, what: 'start of the inner half of the node' });
    this.#ready.catch(() => undefined); // whoever dials hears of it
  }

  /** A connection to an address of the node's network. Rejects with a `DialError` as a socket would. */
  async dial({ host, port, timeoutMs = DIAL_TIMEOUT_MS }: { readonly host: string; readonly port: number; readonly timeoutMs?: Millis }): Promise<Socket> {
    return this.#ask({ dial: { host, port } }, `${host}:${port}`, timeoutMs);
  }

  /** Listens in the node's network and joins what comes to the socket at `path`, until the answer is called. */
  async listen({ host, port, path, onClosed }: InnerListener): Promise<() => void> {
    const control = await this.#ask({ listen: { host, port, path } }, `${host}:${port}`, DIAL_TIMEOUT_MS);
    control.on('error', () => undefined);
    control.once('close', onClosed);
    control.once('end', () => control.destroy());
    control.resume();
    return () => {
      control.off('close', onClosed);
      control.destroy();
    };
  }

  /** A listening socket of the node's network that is this process's own: it goes on without the inner half. */
  async openTcp(at: { readonly host: string; readonly port: number }): Promise<Server> {
    const server = await this.#open('tcp', at);
    if (!(server instanceof Server)) throw new Error('the inner half of the node has sent something else than a server');
    return server;
  }

  /** As `openTcp`. */
  async openUdp(at: { readonly host: string; readonly port: number }): Promise<UdpSocket> {
    const socket = await this.#open('udp', at);
    if (!(socket instanceof UdpSocket)) throw new Error('the inner half of the node has sent something else than a socket');
    return socket;
  }

  async #open(kind: 'tcp' | 'udp', { host, port }: { readonly host: string; readonly port: number }): Promise<SendHandle> {
    await this.#ready;
    const id = ++this.#openingId;
    const opening = deferred<SendHandle>();
    this.#openings.set(id, opening);
    opening.promise.catch(() => undefined); // whoever asked hears of it
    try {
      this.#child?.send({ id, open: kind, host, port });
      return await withDeadline(opening.promise, { clock: this.#options.clock, deadlineMs: OPEN_TIMEOUT_MS, what: `socket ${host}:${port}` });
    } finally {
      this.#openings.delete(id);
    }
  }

  #opened({ id, error }: Opened, handle: SendHandle | undefined): void {
    const opening = this.#openings.get(id);
    if (error !== undefined) opening?.reject(new DialError(error, 'to listen'));
    else if (opening !== undefined && handle !== undefined) opening.resolve(handle);
    // Nobody waits for it any more.
    else if (handle instanceof Server || handle instanceof UdpSocket) handle.close();
  }

  async #ask(request: object, to: string, timeoutMs: Millis): Promise<Socket> {
    const { path, clock } = this.#options;
    await this.#ready;
    const socket = connect({ path, allowHalfOpen: true });
    const answered = new Promise<void>((resolve, reject) => {
      let head = Buffer.alloc(0);
      // Read on demand, so that whoever gets the socket finds it as a new one: neither flowing nor paused.
      const read = () => {
        for (let chunk: Buffer | null; (chunk = socket.read() as Buffer | null) !== null; ) { // bytes, as no encoding was set
          head = Buffer.concat([head, chunk]);
          const end = head.indexOf(10);
          if (end < 0) continue;
          socket.off('readable', read);
          const answer = head.subarray(0, end).toString('latin1');
          if (end + 1 < head.length) socket.unshift(head.subarray(end + 1));
          if (answer === 'ok') return resolve();
          return reject(new DialError(answer, to));
        }
      };
      socket.on('readable', read);
      socket.once('error', reject);
      socket.once('close', () => reject(new DialError('ECONNRESET', to)));
    });
    socket.write(`${JSON.stringify(request)}\n`);
    try {
      await withDeadline(answered, { clock, deadlineMs: timeoutMs, what: `connection to ${to}` });
    } catch (error) {
      socket.on('error', () => undefined);
      socket.destroy();
      throw error;
    }
    socket.removeAllListeners('error');
    socket.removeAllListeners('close');
    // An error in the meantime is the next listener's affair; without one it would end the process.
    socket.on('error', () => undefined);
    return socket;
  }
}
