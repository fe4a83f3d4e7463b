/**
 * A child process as a {@link CommandStream}: its pipes, read as fast as they are taken. Knows nothing of containers;
 * whoever makes the child says how it is ended, with what it has started.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import type { Clock, Timer } from '../../base/clock.ts';
import { deferred } from '../../base/deferred.ts';
import { describeError } from '../../base/errors.ts';
import { Pipe } from '../../base/pipe.ts';
import { sendSignal } from './process-table.ts';
import { TerminalSizes } from './process-terminal.ts';
import { RuntimeError } from './runtime.ts';
import type { CommandEnd, CommandOptions, CommandStream, OutputChunk, TerminalSize } from './streams.ts';

/** Of output that waits for its reader: so many chunks, a large one counting as several. */
const CHUNKS_AHEAD_MAX = 16;
const CHUNK_WEIGHT_BYTES = 16 * 1024;
/** A descendant that left may hold the pipes for ever: what the command wrote is there within this of its end. */
const SETTLE_MS = 200;

export interface ChildCommandOptions {
  readonly child: ChildProcess;
  readonly clock: Clock;
  /** Ends it with all that descends from it. Called only while it runs. */
  readonly kill: () => void;
  /** Of a command that has ended with an error: why it did not run; undefined: it did. */
  readonly failure?: () => string | undefined;
  /** What is written in the command's place by whoever cannot start it, a line; told by `failure` alone. */
  readonly lastWords?: string | undefined;
  readonly resize?: (size: TerminalSize) => void;
}

export class ChildCommand implements CommandStream {
  readonly #options: ChildCommandOptions;
  readonly #sources: readonly Readable[];
  readonly #pipe: Pipe<OutputChunk>;
  readonly #ended = deferred<CommandEnd>();
  readonly #input: Input;
  #exitCode: number | undefined;
  #failure: string | undefined;
  /** Output that may be the last words: nothing else has come. */
  #held: OutputChunk[] | undefined;
  #isBehind = false;
  #isOver = false;
  #settling: Timer | undefined;

  constructor(options: ChildCommandOptions) {
    this.#options = options;
    const { child, lastWords } = options;
    if (lastWords !== undefined) this.#held = [];
    this.#pipe = new Pipe<OutputChunk>(CHUNKS_AHEAD_MAX, { drain: () => this.#resume(), return: () => this.close() });
    this.#input = new Input(child.stdin);
    const named = [['stdout', child.stdout], ['stderr', child.stderr]] as const;
    this.#sources = named.flatMap(([, source]) => (source === null ? [] : [source]));
    for (const [stream, source] of named) source?.on('data', (bytes: Buffer) => this.#onOutput({ stream, bytes }));
    child.once('exit', (code, signal) => this.#onExit(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
    child.once('close', () => this.#finish());
    child.once('error', () => this.#onExit(126));
  }

  get output(): AsyncIterable<OutputChunk> {
    return this.#pipe;
  }

  get ended(): Promise<CommandEnd> {
    return this.#ended.promise;
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#input.write(bytes);
  }

  endInput(): void {
    this.#input.end();
  }

  resize(size: TerminalSize): void {
    if (this.#exitCode === undefined) this.#options.resize?.(size);
  }

  close(): void {
    if (this.#exitCode === undefined) this.#options.kill();
    this.#finish();
  }

  #onOutput(chunk: OutputChunk): void {
    if (this.#isOver) return;
    if (this.#settling !== undefined) this.#settle();
    if (this.#held !== undefined) {
      this.#held.push(chunk);
      if (this.#mayBeLastWords(this.#held)) return;
      return this.#tellHeld();
    }
    this.#tell(chunk);
  }

  #mayBeLastWords(chunks: readonly OutputChunk[]): boolean {
    const said = Buffer.concat(chunks.map(({ bytes }) => bytes)).toString('utf8').replaceAll('\r\n', '\n');
    return `${this.#options.lastWords}\n`.startsWith(said.replace(/\r$/, ''));
  }

  #tellHeld(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const one of held) this.#tell(one);
  }

  #tell(chunk: OutputChunk): void {
    if (this.#pipe.push(chunk, 1 + Math.floor(chunk.bytes.length / CHUNK_WEIGHT_BYTES))) return;
    this.#isBehind = true;
    for (const source of this.#sources) source.pause();
  }

  #resume(): void {
    this.#isBehind = false;
    for (const source of this.#sources) source.resume();
  }

  #onExit(exitCode: number): void {
    // At once: what tells of it goes with the command.
    if (this.#exitCode === undefined && exitCode !== 0) this.#failure = this.#options.failure?.();
    this.#exitCode ??= exitCode;
    if (!this.#isOver) this.#settle();
  }

  #settle(): void {
    this.#settling?.cancel();
    this.#settling = this.#options.clock.setTimer(SETTLE_MS, () => {
      // Where the reader is behind, there may be more.
      if (this.#isBehind) this.#settle();
      else this.#finish();
    });
  }

  #finish(): void {
    if (this.#isOver) return;
    if (this.#failure === undefined) this.#tellHeld();
    this.#isOver = true;
    this.#settling?.cancel();
    for (const source of this.#sources) source.destroy();
    this.#input.destroy();
    this.#pipe.end();
    const exitCode = this.#exitCode ?? 137;
    this.#ended.resolve(this.#failure === undefined ? { exitCode } : { exitCode, failure: this.#failure });
  }
}

export interface StartOptions {
  /** What is really started: of one with a terminal, the program that makes it. */
  readonly command: readonly string[];
  readonly options: CommandOptions;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly argv0?: string | undefined;
  readonly clock: Clock;
  /** Ends what has left its process group. */
  readonly endAll: () => void;
  readonly onEnd?: () => void;
  /** See `TerminalSizes`. */
  readonly insider?: (() => number) | undefined;
  /** Why a command that has ended with an error did not run; undefined: it did. */
  readonly failure?: () => string | undefined;
  /** See `ChildCommandOptions`. */
  readonly lastWords?: string | undefined;
}

/** In a process group of its own, and with the descriptors that are asked for. */
export async function startCommand({ command, options, env, cwd, argv0, clock, endAll, onEnd, failure, lastWords, insider }: StartOptions): Promise<ChildCommand> {
  const { tty, stdin, stdout, stderr } = options;
  const [program = '', ...args] = command;
  const wanted = (flag: boolean) => (flag ? 'pipe' : 'ignore');
  // A terminal's input stays open: its end would be typed as one.
  const stdio = tty ? (['pipe', 'pipe', 'ignore'] as const) : ([wanted(stdin), wanted(stdout), wanted(stderr)] as const);
  const place = { ...(cwd === undefined ? {} : { cwd }), ...(argv0 === undefined ? {} : { argv0 }) };
  const child = spawn(program, args, { ...place, env: { ...env }, detached: true, stdio: [...stdio] });
  if (onEnd !== undefined) child.once('close', onEnd);
  await begun(child);
  const pid = child.pid!;
  const kill = () => {
    sendSignal(-pid, 'SIGKILL');
    endAll();
  };
  const sizes = tty ? new TerminalSizes(pid, clock, insider) : undefined;
  return new ChildCommand({ child, clock, kill, lastWords, ...(failure === undefined ? {} : { failure }), ...(sizes === undefined ? {} : { resize: (wish) => sizes.set(wish) }) });
}

/** Resolves once it runs; rejects with a RuntimeError where it could not be started. */
function begun(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (cause) => reject(new RuntimeError('cannot-start', describeError(cause), { cause })));
  });
}

/** A pipe that is written to for as long as somebody reads it. */
export class Input {
  readonly #target: Writable | null;
  #isGone: boolean;
  #waiting: (() => void)[] = [];

  constructor(target: Writable | null) {
    this.#target = target;
    this.#isGone = target === null;
    target?.on('drain', () => this.#release());
    // Whoever reads no more is no error: the rest is for nobody.
    target?.on('error', () => this.#lose());
    target?.on('close', () => this.#lose());
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#isGone || this.#target === null || this.#target.writableEnded) return Promise.resolve();
    if (this.#target.write(bytes)) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  end(): void {
    if (!this.#isGone) this.#target?.end();
  }

  destroy(): void {
    this.#target?.destroy();
    this.#lose();
  }

  #lose(): void {
    this.#isGone = true;
    this.#release();
  }

  #release(): void {
    for (const goOn of this.#waiting.splice(0)) goOn();
  }
}
