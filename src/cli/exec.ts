/** `podium exec` and `podium attach`: a command in a pod, or its container, at this terminal. */
import type { Readable, Writable } from 'node:stream';
import { UserError } from '../base/errors.ts';
import { written } from '../base/written.ts';
import { EXIT_FAILED, EXIT_OK, type CliContext } from './context.ts';

export interface ExecFlags {
  readonly namespace?: string;
  readonly container?: string;
  readonly stdin?: boolean;
  readonly tty?: boolean;
}

export async function exec(context: CliContext, words: readonly string[], { namespace = 'default', container = '', stdin = false, tty = false }: ExecFlags): Promise<number> {
  const [pod, ...command] = words;
  if (pod === undefined || command.length === 0) throw new UserError("error: expected 'exec POD [-c CONTAINER] -- COMMAND [args...]'");
  return atTerminal(context, { kind: 'exec', namespace, pod: podName(pod), container, command, stdin, tty });
}

export async function attach(context: CliContext, words: readonly string[], { namespace = 'default', container = '', stdin = false, tty = false }: ExecFlags): Promise<number> {
  const [pod] = words;
  if (pod === undefined) throw new UserError("error: expected 'attach POD [-c CONTAINER]'");
  return atTerminal(context, { kind: 'attach', namespace, pod: podName(pod), container, command: [], stdin, tty });
}

function podName(word: string): string {
  return word.replace(/^(?:pods?|po)\//, '');
}

export interface Run {
  readonly kind: 'exec' | 'attach';
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly command: readonly string[];
  readonly stdin: boolean;
  readonly tty: boolean;
}

async function atTerminal(context: CliContext, run: Run): Promise<number> {
  const { stdin, stdout, stderr } = process;
  const isRaw = run.tty && run.stdin && stdin.isTTY === true;
  if (run.tty && !isRaw) context.warn('Unable to use a TTY - input is not a terminal or the right kind of file');
  if (isRaw) stdin.setRawMode(true);
  try {
    const exitCode = await carry(context, { ...run, tty: run.tty && (isRaw || !run.stdin) }, { input: run.stdin ? stdin : undefined, stdout, stderr });
    if (exitCode !== EXIT_OK) context.warn(`command terminated with exit code ${exitCode}`);
    return exitCode;
  } finally {
    if (isRaw) stdin.setRawMode(false);
    // What is still typed must not keep the process.
    stdin.pause();
  }
}

export interface Ends {
  readonly input: Readable | undefined;
  readonly stdout: Writable;
  readonly stderr: Writable;
}

/** Runs it between these ends, no faster than they take it. Answers the exit code. */
export async function carry(context: CliContext, { kind, ...start }: Run, { input, stdout, stderr }: Ends): Promise<number> {
  const call = context.pods.command(kind, context.signal);
  const isSized = start.tty && 'columns' in stdout;
  call.send({ input: { case: 'start', value: { ...start, stdout: true, stderr: !start.tty } } });
  const size = () => {
    const { columns, rows } = process.stdout;
    if (isSized) call.send({ input: { case: 'size', value: { width: columns, height: rows } } });
  };
  const onData = (value: Buffer) => {
    if (call.send({ input: { case: 'stdin', value } })) return;
    input?.pause();
    void call.drained().then(() => input?.resume());
  };
  const onEnd = () => void call.send({ input: { case: 'stdinEnd', value: {} } });
  stdout.on('resize', size);
  try {
    for await (const { output } of call.responses) {
      if (output?.case === 'started') {
        size();
        input?.on('data', onData).once('end', onEnd);
      }
      if (output?.case === 'stdout') await written(stdout, output.value);
      if (output?.case === 'stderr') await written(stderr, output.value);
      if (output?.case !== 'end') continue;
      const { exitCode, error } = output.value;
      if (error !== '') throw new UserError(`error: Internal error occurred: ${error}`);
      return exitCode;
    }
    return EXIT_FAILED;
  } finally {
    stdout.off('resize', size);
    input?.off('data', onData).off('end', onEnd);
    call.cancel();
  }
}
