/**
 * A container of this machine as whoever is attached to it sees it: what its log grows by, and its standard input,
 * a FIFO in its directory (process-supervisor.ts), where it has one.
 */
import { spawn } from 'node:child_process';
import { closeSync, constants, existsSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { deferred } from '../../base/deferred.ts';
import { Input } from './process-command.ts';
import { RuntimeError } from './runtime.ts';
import type { CommandStream, OutputChunk, TerminalSize } from './streams.ts';

export interface AttachedOptions {
  /** Ends with the container, or when `signal` fires. */
  readonly follow: (signal: AbortSignal) => AsyncIterable<Uint8Array>;
  /** Of the FIFO; undefined: what is typed is for nobody. */
  readonly stdin: string | undefined;
  /** Nobody types any more: the first who is attached has had his say, and gone. */
  readonly onInputEnd: () => void;
  readonly resize?: ((size: TerminalSize) => void) | undefined;
}

export class AttachedContainer implements CommandStream {
  readonly #options: AttachedOptions;
  readonly #controller = new AbortController();
  readonly #ended = deferred<{ readonly exitCode: number }>();
  readonly #input: Input;
  #isInputEnded = false;

  constructor(options: AttachedOptions) {
    this.#options = options;
    this.#input = new Input(options.stdin === undefined ? null : openFifo(options.stdin));
  }

  get output(): AsyncIterable<OutputChunk> {
    return this.#read();
  }

  get ended(): Promise<{ readonly exitCode: number }> {
    return this.#ended.promise;
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#input.write(bytes);
  }

  endInput(): void {
    if (this.#isInputEnded) return;
    this.#isInputEnded = true;
    this.#input.end();
    if (this.#options.stdin !== undefined) this.#options.onInputEnd();
  }

  resize(size: TerminalSize): void {
    this.#options.resize?.(size);
  }

  close(): void {
    this.endInput();
    this.#input.destroy();
    this.#controller.abort();
    this.#ended.resolve({ exitCode: 0 });
  }

  /** A log does not tell its two streams apart. */
  async *#read(): AsyncGenerator<OutputChunk> {
    for await (const bytes of this.#options.follow(this.#controller.signal)) yield { stream: 'stdout', bytes };
    this.#ended.resolve({ exitCode: 0 });
  }
}

/**
 * The FIFOs of its standard input (process-supervisor.ts); once. Node.js makes none. Any user of the container may open
 * /dev/stdin anew; others do not get to the directory.
 */
export async function makeInput(containerDirectory: string): Promise<void> {
  const paths = [join(containerDirectory, 'stdin'), join(containerDirectory, 'stdin-end')];
  if (paths.every((path) => existsSync(path))) return;
  const child = spawn('mkfifo', ['-m', '666', ...paths], { stdio: 'ignore' });
  const failure = await new Promise<Error | number | null>((done) => {
    child.once('error', done);
    child.once('exit', done);
  });
  if (failure !== 0) throw new RuntimeError('cannot-start', 'mkfifo failed: a container with stdin needs it');
}

/** Never blocks, neither now nor in a write: a program that does not read holds up nobody's thread. null: nobody reads. */
function openFifo(path: string): Socket | null {
  try {
    const fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
    return new Socket({ fd, readable: false, writable: true });
  } catch {
    return null; // its reader has gone
  }
}

/** Lets the keeper of the supervisor go: when the last writer has gone too, the program reads an end. */
export function endInputFor(containerDirectory: string): void {
  try {
    closeSync(openSync(join(containerDirectory, 'stdin-end'), constants.O_WRONLY | constants.O_NONBLOCK));
  } catch {
    // It has gone already.
  }
}
