/**
 * A terminal for a command. Node.js has none to give: util-linux' `script` makes one, carries what goes in and comes out
 * over pipes, and ends with the command's exit code. It says the size only of a terminal that it has itself, so the
 * size is set from outside, by `stty` on the command's end of it.
 */
import { spawn } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { sleep, type Clock } from '../../base/clock.ts';
import type { TerminalSize } from './streams.ts';

/** Until `script` has made its child. */
const TERMINAL_DEADLINE_MS = 2_000;
const POLL_MS = 10;

export interface TerminalCommand {
  /** Absolute, of `script`. */
  readonly script: string;
  /** What runs in it, program and arguments. */
  readonly command: readonly string[];
  /** The variable SHELL as the command shall see it: `script` needs it for itself. */
  readonly shell: string | undefined;
  readonly size?: TerminalSize | undefined;
}

/** Program and arguments; their environment must have SHELL=/bin/sh. */
export function terminalCommand({ script, command, shell, size }: TerminalCommand): string[] {
  const own = shell === undefined ? 'unset SHELL; ' : `export SHELL=${quoted(shell)}; `;
  const sized = size === undefined ? '' : `stty ${sttyWords(size).join(' ')} 2>/dev/null; `;
  // -E: what is typed is shown, though it comes from a pipe.
  return [script, '-q', '-e', '-E', 'always', '-c', `${own}${sized}exec ${command.map(quoted).join(' ')}`, '/dev/null'];
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

function sttyWords({ width, height }: TerminalSize): string[] {
  return ['rows', String(height), 'cols', String(width)];
}

/** The terminal that `script` has made, which is the process or its child; one size after the other, the last one counts. */
export class TerminalSizes {
  readonly #pid: number;
  readonly #clock: Clock;
  readonly #insider: (() => number) | undefined;
  #path: string | undefined;
  #wanted: TerminalSize | undefined;
  #isSetting = false;

  /** `insider`: whose standard input is a further terminal, made within that one; below 2 as long as it is not known. */
  constructor(pid: number, clock: Clock, insider?: () => number) {
    this.#pid = pid;
    this.#clock = clock;
    this.#insider = insider;
  }

  set(size: TerminalSize): void {
    this.#wanted = size;
    if (!this.#isSetting) void this.#setAll();
  }

  async #setAll(): Promise<void> {
    this.#isSetting = true;
    try {
      const path = await this.#find();
      while (path !== undefined && this.#wanted !== undefined) {
        const size = this.#wanted;
        this.#wanted = undefined;
        await new Promise<void>((resolve) => {
          const child = spawn('stty', ['-F', path, ...sttyWords(size)], { stdio: 'ignore' });
          child.once('error', () => resolve()); // a machine without stty keeps its sizes
          child.once('exit', () => resolve());
        });
      }
    } finally {
      this.#isSetting = false;
    }
  }

  async #find(): Promise<string | undefined> {
    const startMs = this.#clock.monotonic();
    while (this.#path === undefined && this.#clock.monotonic() - startMs < TERMINAL_DEADLINE_MS) {
      this.#path = this.#insider === undefined ? terminalBelow(this.#pid) : inputOf(this.#insider());
      if (this.#path === undefined) await sleep(this.#clock, POLL_MS);
    }
    return this.#path;
  }
}

/** Also where it has a name only in namespaces of its own. */
function inputOf(pid: number): string | undefined {
  return pid > 1 ? `/proc/${pid}/fd/0` : undefined;
}

function terminalBelow(pid: number, depth = 3): string | undefined {
  for (const child of childrenOf(pid)) {
    const found = terminalOf(child) ?? (depth > 1 ? terminalBelow(child, depth - 1) : undefined);
    if (found !== undefined) return found;
  }
  return undefined;
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number).filter((child) => child > 1);
  } catch {
    return []; // not there yet, or gone
  }
}

function terminalOf(pid: number): string | undefined {
  try {
    const path = readlinkSync(`/proc/${pid}/fd/0`);
    return path.startsWith('/dev/pts/') ? path : undefined;
  } catch {
    return undefined; // it has gone
  }
}
