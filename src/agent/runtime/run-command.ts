/** Runs one of the machine's tools to its end, with a deadline; how it ended is an answer. */
import { spawn } from 'node:child_process';
import type { Clock, Millis } from '../../base/clock.ts';
import { describeError } from '../../base/errors.ts';
import { sendSignal } from './process-table.ts';
import { RuntimeError } from './runtime.ts';

export interface CommandOptions {
  readonly clock: Clock;
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly timeoutMs?: Millis;
  /** Ends what the command watches over when it takes too long: it is ended itself only if that does not end it. */
  readonly endFirst?: () => void;
}

export interface CommandResult {
  /** -1: it could not be started, or was ended by a signal. */
  readonly exitCode: number;
  /** What it wrote, to both descriptors. */
  readonly output: string;
  readonly timedOut: boolean;
  readonly isStarted: boolean;
}

/** The tools answer within milliseconds, on a busy machine within a second or two. */
const TIMEOUT_MS = 10_000;
const OUTPUT_BYTES_MAX = 64 * 1024;
/** What a descendant that holds the pipes may still write after the command has ended. */
const SETTLE_MS = 100;
/** For a command whose own have been ended to end by itself. */
const END_FIRST_MS = 500;

export function runCommand([program = '', ...args]: readonly string[], options: CommandOptions): Promise<CommandResult> {
  const { clock, input = '', env = {}, cwd, timeoutMs = TIMEOUT_MS } = options;
  return new Promise((done) => {
    const child = spawn(program, args, { detached: true, stdio: ['pipe', 'pipe', 'pipe'], env: { ...env }, ...(cwd === undefined ? {} : { cwd }) });
    let output = '';
    let timedOut = false;
    const collect = (chunk: Buffer) => {
      if (output.length < OUTPUT_BYTES_MAX) output += chunk.toString('utf8');
    };
    const finish = (exitCode: number, text: string) => {
      timer.cancel();
      child.stdout.destroy();
      child.stderr.destroy();
      done({ exitCode, output: text, timedOut, isStarted: child.pid !== undefined });
    };
    const kill = () => {
      if (child.pid !== undefined) sendSignal(-child.pid, 'SIGKILL');
    };
    let timer = clock.setTimer(timeoutMs, () => {
      timedOut = true;
      if (options.endFirst === undefined) return kill();
      options.endFirst();
      timer = clock.setTimer(END_FIRST_MS, kill);
    });
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.stdin.on('error', () => undefined); // it ended without reading all of its input
    child.stdin.end(input);
    child.once('error', (error) => finish(-1, describeError(error)));
    child.once('exit', (code) => {
      const settle = clock.setTimer(SETTLE_MS, () => finish(code ?? -1, output));
      child.once('close', () => {
        settle.cancel();
        finish(code ?? -1, output);
      });
    });
  });
}

/** For commands that must succeed: whatever else happens is an error that says what was tried. */
export async function mustRun(command: readonly string[], options: CommandOptions & { readonly what: string }): Promise<string> {
  const { exitCode, output, timedOut } = await runCommand(command, options);
  if (exitCode === 0) return output;
  const how = timedOut ? 'it did not end in time' : output.trim() || `exit code ${exitCode}`;
  throw new RuntimeError('cannot-start', `${options.what}: ${how}`);
}
