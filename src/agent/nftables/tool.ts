/** Starts a program, gives it its input, and waits for its end: with a limit on time and on what it may print. */
import { spawn } from 'node:child_process';
import type { Clock, Millis } from '../../base/clock.ts';

export interface ToolResult {
  /** undefined: it could not be started, was too slow, or printed too much; `stderr` says which. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export type RunTool = (argv: readonly string[], input?: string) => Promise<ToolResult>;

/** An ordinary user's path leaves out where nft and conntrack are. */
const ENVIRONMENT = { ...process.env, PATH: `${process.env['PATH'] ?? '/usr/bin:/bin'}:/usr/sbin:/sbin`, LC_ALL: 'C' };
const TIMEOUT_MS = 30_000;
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

/** `enter` stands before every command line: `nsenter --net=…`, or nothing. */
export function toolRunner(clock: Clock, enter: readonly string[] = [], timeoutMs: Millis = TIMEOUT_MS): RunTool {
  return (argv, input = '') =>
    new Promise((resolve) => {
      const [command = '', ...args] = [...enter, ...argv];
      const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: ENVIRONMENT });
      const chunks: { readonly stdout: Buffer[]; readonly stderr: Buffer[] } = { stdout: [], stderr: [] };
      let bytes = 0;
      let failure: string | undefined;
      const fail = (why: string) => {
        failure ??= why;
        child.kill('SIGKILL');
      };
      const timer = clock.setTimer(timeoutMs, () => fail(`${argv[0]}: no end within ${timeoutMs} ms`));
      for (const name of ['stdout', 'stderr'] as const) {
        child[name].on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > OUTPUT_BYTES_MAX) fail(`${argv[0]}: more than ${OUTPUT_BYTES_MAX} bytes of output`);
          else chunks[name].push(chunk);
        });
      }
      const text = (name: 'stdout' | 'stderr') => Buffer.concat(chunks[name]).toString('utf8');
      const settle = (code: number | null) => {
        timer.cancel();
        resolve({ code: failure === undefined ? (code ?? undefined) : undefined, stdout: text('stdout'), stderr: failure ?? text('stderr') });
      };
      child.once('error', (error) => {
        failure ??= error.message;
        settle(null);
      });
      child.once('close', settle);
      // Who does not read his input to its end says why on stderr.
      child.stdin.on('error', () => undefined);
      child.stdin.end(input);
    });
}
