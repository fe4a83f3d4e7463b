/**
 * Runs a program of the tests in network, mount and process namespaces of its own, without a route out; nothing survives
 * it. As root, or as the ordinary user `nobody`; who is no root is an ordinary user anyway.
 */
import { spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { probeIsolation } from '../../../src/cluster/isolation.ts';

export interface NamespacedOptions {
  readonly asUser: boolean;
  /** Below dist/. */
  readonly program: string;
  /** Handed to the program, with a directory of its own as the last one. */
  readonly args: readonly string[];
}

export interface Namespaced<Line> {
  readonly lines: readonly Line[];
  /** What it complained of. */
  readonly said: string;
}

const NOBODY = { uid: 65_534, gid: 65_534 };
const isRoot = process.getuid?.() === 0;
/** A suite takes a quarter of it on a machine that is busy. */
const DEADLINE_MS = 300_000;

/** Undefined: it can be run here. */
export function whyNotNamespaced({ asUser }: Pick<NamespacedOptions, 'asUser'>): string | undefined {
  const isolation = probeIsolation();
  if (!isolation.ok) return isolation.why;
  return asUser && !isRoot ? 'only root can be another user; the others are an ordinary user already' : undefined;
}

/** Each line of its output is JSON. */
export async function runNamespaced<Line>({ asUser, program, args }: NamespacedOptions): Promise<Namespaced<Line>> {
  const directory = mkdtempSync(join(tmpdir(), 'podium-ns-'));
  const data = join(directory, 'data');
  const repository = join(directory, 'repo');
  for (const path of [data, repository]) mkdirSync(path);
  chmodSync(directory, 0o755);
  if (asUser) chownSync(data, NOBODY.uid, NOBODY.gid);
  const user = isRoot ? [] : ['--user', '--map-root-user'];
  const as = asUser ? `setpriv --reuid=${NOBODY.uid} --regid=${NOBODY.gid} --clear-groups` : '';
  // Where another user may read it, wherever the sources are. The shell stays: as the first process it takes up orphans.
  const script = `mount --bind "$1" "$2"; ip link set lo up; cd "$2"; shift 2; ${as} "$@" || exit $?`;
  const namespaces = [...user, '--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', '--propagation', 'private'];
  const command = [process.cwd(), repository, process.execPath, join('dist', program), ...args, data];
  const child = spawn('unshare', [...namespaces, 'sh', '-ec', script, 'sh', ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), DEADLINE_MS);
  const lines: Line[] = [];
  let said = '';
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(JSON.parse(line) as Line)); // the tests' own program
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await new Promise<void>((done) => child.once('close', () => done()));
  clearTimeout(timer);
  rmSync(directory, { recursive: true, force: true });
  return { lines, said };
}
