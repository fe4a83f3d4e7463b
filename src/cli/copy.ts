/** `podium cp`: files and folders into a pod and out of it, as an archive that `tar` makes at one end and reads at the other. */
import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { basename, dirname, join, posix, resolve } from 'node:path';
import { PassThrough } from 'node:stream';
import { describeError, UserError } from '../base/errors.ts';
import { EXIT_FAILED, EXIT_OK, type CliContext } from './context.ts';
import { carry, type Ends } from './exec.ts';

export interface CopyFlags {
  readonly namespace?: string;
  readonly container?: string;
}

interface Place {
  readonly namespace: string;
  /** undefined: on this machine. */
  readonly pod: string | undefined;
  readonly path: string;
}

export async function copy(context: CliContext, words: readonly string[], { namespace = 'default', container = '' }: CopyFlags): Promise<number> {
  const [from, to] = words.map((word) => placeOf(word, namespace));
  if (from === undefined || to === undefined || words.length !== 2) throw new UserError("error: expected 'cp SOURCE DESTINATION', one of them POD:PATH or NAMESPACE/POD:PATH");
  if ((from.pod === undefined) === (to.pod === undefined)) throw new UserError('error: one of the two must be in a pod (POD:PATH), and the other on this machine');
  if (from.path === '' || to.path === '') throw new UserError('error: filepath can not be empty');
  const run = (pod: Place, command: readonly string[], ends: Ends) =>
    carry(context, { kind: 'exec', namespace: pod.namespace, pod: pod.pod ?? '', container, command, stdin: ends.input !== undefined, tty: false }, ends);
  return to.pod === undefined ? copyOut(run, from, to.path) : copyIn(run, from.path, to);
}

function placeOf(word: string, namespace: string): Place {
  const match = /^(?:([^/:]+)\/)?([^/:]+):(.*)$/.exec(word);
  if (match === null) return { namespace, pod: undefined, path: word };
  return { namespace: match[1] ?? namespace, pod: match[2], path: match[3] ?? '' };
}

type RunIn = (pod: Place, command: readonly string[], ends: Ends) => Promise<number>;

async function copyIn(run: RunIn, source: string, to: Place): Promise<number> {
  if (statSync(source, { throwIfNoEntry: false }) === undefined) throw new UserError(`error: ${source} doesn't exist in local filesystem`);
  const isFolder = (await run(to, ['test', '-d', to.path], { input: undefined, stdout: new PassThrough().resume(), stderr: new PassThrough().resume() }).catch(() => EXIT_FAILED)) === EXIT_OK;
  const target = isFolder ? posix.join(to.path, basename(resolve(source))) : to.path.replace(/\/+$/, '');
  const [folder, name] = [dirname(resolve(source)), basename(resolve(source))];
  const tar = spawn('tar', ['cf', '-', '-C', folder, ...renamed(name, posix.basename(target)), name], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = endOf(tar);
  const exitCode = await run(to, ['tar', 'xmf', '-', '-C', posix.dirname(target)], { input: tar.stdout, stdout: process.stdout, stderr: process.stderr });
  tar.stdout.destroy();
  return exitCode === EXIT_OK ? ended : exitCode;
}

async function copyOut(run: RunIn, from: Place, target: string): Promise<number> {
  const isFolder = statSync(target, { throwIfNoEntry: false })?.isDirectory() === true;
  const [folder, name] = [posix.dirname(from.path), posix.basename(from.path)];
  const place = resolve(isFolder ? join(target, name) : target);
  const tar = spawn('tar', ['xf', '-', '-C', dirname(place), ...renamed(name, basename(place))], { stdio: ['pipe', 'inherit', 'inherit'] });
  const ended = endOf(tar);
  tar.stdin.on('error', () => {}); // how it ended tells why
  const exitCode = await run(from, ['tar', 'cf', '-', '-C', folder, name], { input: undefined, stdout: tar.stdin, stderr: process.stderr });
  tar.stdin.end();
  const own = await ended;
  return exitCode === EXIT_OK ? own : exitCode;
}

/** Names in the archive alone: what links point to stays. */
function renamed(from: string, to: string): string[] {
  if (from === to) return [];
  return ['--transform', `flags=rSh;s|^${from.replace(/[.[\]*^$\\|]/g, '\\$&')}|${to.replace(/[\\&|]/g, '\\$&')}|`];
}

function endOf(child: ReturnType<typeof spawn>): Promise<number> {
  return new Promise((done, reject) => {
    child.once('error', (error) => reject(new UserError(`error: tar cannot be run: ${describeError(error)}`)));
    child.once('exit', (code) => done(code ?? EXIT_FAILED));
  });
}
