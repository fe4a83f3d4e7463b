/** A command in a container, or the container itself, at the other end of a connection to the runtime's streaming server. */
import type { Clock } from '../../../base/clock.ts';
import { deferred } from '../../../base/deferred.ts';
import { Pipe } from '../../../base/pipe.ts';
import type { CommandEnd, CommandStream, OutputChunk, TerminalSize } from '../streams.ts';
import { StreamConnection } from './stream-connection.ts';

/** Of output that waits for its reader: so many chunks, a large one counting as several. */
const CHUNKS_AHEAD_MAX = 16;
const CHUNK_WEIGHT_BYTES = 16 * 1024;
/** Of the status that comes last. */
const STATUS_BYTES_MAX = 64 * 1024;
/** Of a command whose end nobody has told: it is still running, or its runtime has died. */
const LOST_EXIT_CODE = 137;
const CANNOT_EXEC_EXIT_CODE = 126;

export interface RemoteCommandOptions {
  readonly url: string;
  readonly clock: Clock;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
  readonly size?: TerminalSize | undefined;
  /** It goes on without whoever is connected, and its exit code is none of this connection's. */
  readonly isAttached?: boolean | undefined;
}

export class RemoteCommand implements CommandStream {
  readonly #pipe: Pipe<OutputChunk>;
  readonly #ended = deferred<CommandEnd>();
  readonly #names = new Map<number, 'error' | 'stdout' | 'stderr'>();
  readonly #isAttached: boolean;
  #connection: StreamConnection | undefined;
  #stdin: number | undefined;
  #resize: number | undefined;
  #status = '';
  #isInputEnded = false;
  #isOver = false;

  static async open(options: RemoteCommandOptions): Promise<RemoteCommand> {
    const command = new RemoteCommand(options.isAttached ?? false);
    await command.#begin(options);
    return command;
  }

  private constructor(isAttached: boolean) {
    this.#isAttached = isAttached;
    this.#pipe = new Pipe<OutputChunk>(CHUNKS_AHEAD_MAX, { drain: () => this.#connection?.resume(), return: () => this.close() });
  }

  async #begin({ url, clock, stdin, stdout, stderr, tty, size }: RemoteCommandOptions): Promise<void> {
    const connection = await StreamConnection.open({ url, clock, protocol: 'v4.channel.k8s.io' }, {
      onData: (streamId, bytes) => this.#onData(streamId, bytes),
      onEnd: (streamId) => this.#onEnd(streamId),
      onClose: () => this.#finish(),
    });
    this.#connection = connection;
    // The server waits for as many streams as were asked for.
    this.#names.set(connection.open({ streamtype: 'error' }), 'error');
    if (stdin) this.#stdin = connection.open({ streamtype: 'stdin' });
    if (stdout) this.#names.set(connection.open({ streamtype: 'stdout' }), 'stdout');
    if (stderr && !tty) this.#names.set(connection.open({ streamtype: 'stderr' }), 'stderr');
    if (tty) this.#resize = connection.open({ streamtype: 'resize' });
    if (size !== undefined) this.resize(size);
  }

  get output(): AsyncIterable<OutputChunk> {
    return this.#pipe;
  }

  get ended(): Promise<CommandEnd> {
    return this.#ended.promise;
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#stdin === undefined || this.#isInputEnded || this.#isOver) return Promise.resolve();
    return this.#connection!.send(this.#stdin, bytes);
  }

  endInput(): void {
    if (this.#stdin === undefined || this.#isInputEnded || this.#isOver) return;
    this.#isInputEnded = true;
    this.#connection!.end(this.#stdin);
  }

  resize({ width, height }: TerminalSize): void {
    if (this.#resize === undefined || this.#isOver) return;
    void this.#connection!.send(this.#resize, Buffer.from(JSON.stringify({ Width: width, Height: height })));
  }

  close(): void {
    this.#connection?.close();
    this.#finish();
  }

  #onData(streamId: number, bytes: Uint8Array): boolean {
    const name = this.#names.get(streamId);
    if (name === undefined) return true;
    if (name === 'error') {
      if (this.#status.length < STATUS_BYTES_MAX) this.#status += Buffer.from(bytes).toString('utf8');
      return true;
    }
    return this.#pipe.push({ stream: name, bytes: Buffer.from(bytes) }, 1 + Math.floor(bytes.length / CHUNK_WEIGHT_BYTES));
  }

  #onEnd(streamId: number): void {
    this.#names.delete(streamId);
    // All that will come has come.
    if (this.#names.size === 0) this.close();
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#pipe.end();
    this.#ended.resolve(this.#isAttached ? { exitCode: 0 } : endOf(this.#status));
  }
}

interface RemoteStatus {
  readonly status?: string;
  readonly message?: string;
  readonly details?: { readonly causes?: readonly { readonly reason?: string; readonly message?: string }[] };
}

/** By the `metav1.Status` that the server writes when the command has ended. */
function endOf(text: string): CommandEnd {
  if (text === '') return { exitCode: LOST_EXIT_CODE };
  try {
    const { status, message, details } = JSON.parse(text) as RemoteStatus; // fields that are not there are looked for below
    if (status === 'Success') return { exitCode: 0 };
    const code = Number(details?.causes?.find(({ reason }) => reason === 'ExitCode')?.message);
    if (Number.isSafeInteger(code)) return { exitCode: code };
    return message === undefined ? { exitCode: LOST_EXIT_CODE } : { exitCode: CANNOT_EXEC_EXIT_CODE, failure: message };
  } catch {
    return { exitCode: LOST_EXIT_CODE };
  }
}
