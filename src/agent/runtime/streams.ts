/**
 * Connections into a sandbox, as a runtime hands them out: a command or an attached container, and a connection to a
 * port. Both ways are held back by whoever is slow: output waits until it is iterated, input until `write` resolves.
 */

export interface CommandOptions {
  readonly command: readonly string[];
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** It has a terminal; all that it writes is then `stdout`. */
  readonly tty: boolean;
  /** Of the terminal, where it is known before the command begins. */
  readonly size?: TerminalSize | undefined;
}

export type AttachOptions = Omit<CommandOptions, 'command' | 'size'>;

export interface TerminalSize {
  readonly width: number;
  readonly height: number;
}

export interface OutputChunk {
  readonly stream: 'stdout' | 'stderr';
  readonly bytes: Uint8Array;
}

export interface CommandEnd {
  readonly exitCode: number;
  /** Why it has not run at all. */
  readonly failure?: string | undefined;
}

export interface CommandStream {
  /** To be iterated once; ends when nothing more will come. */
  readonly output: AsyncIterable<OutputChunk>;
  /** Resolves at the end of the output: of a command with its exit code, of an attached container with 0. */
  readonly ended: Promise<CommandEnd>;
  /** Resolves once more is wanted. What nobody reads any more is dropped. */
  write(bytes: Uint8Array): Promise<void>;
  /** Nothing more will be written. */
  endInput(): void;
  /** Without a terminal it does nothing. */
  resize(size: TerminalSize): void;
  /** Lets go: a command that still runs is ended, an attached container goes on. May be called at any time. */
  close(): void;
}

export interface PortStream {
  /** To be iterated once; ends where the other end said nothing more, throws where the connection broke. */
  readonly output: AsyncIterable<Uint8Array>;
  write(bytes: Uint8Array): Promise<void>;
  endInput(): void;
  close(): void;
}
