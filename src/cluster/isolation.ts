/**
 * Can this machine isolate containers, for this user? Found out by doing it, since no list of features tells: a hardened
 * kernel, a container around us, or a missing tool all show in the same attempt.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { RuntimeChoice } from './config.ts';

export type Isolation =
  | { readonly ok: true; /** An ordinary user's namespaces belong to one of users. */ readonly inUserNamespace: boolean }
  | { readonly ok: false; readonly why: string };

/** util-linux and iproute2: what the linux runtime starts. */
export const ISOLATION_TOOLS = ['sh', 'mount', 'umount', 'pivot_root', 'setpriv', 'unshare', 'nsenter', 'env', 'ip', 'flock'] as const;
const PROBE_TIMEOUT_MS = 5_000;

export function probeIsolation(): Isolation {
  const missing = ISOLATION_TOOLS.filter((name) => findTool(name) === undefined);
  if (missing.length > 0) return { ok: false, why: `this machine lacks ${missing.join(', ')}` };
  const unshare = findTool('unshare') ?? '';
  // With a procfs of its own, since that is what a hardened machine refuses first.
  const namespaces = ['--net', '--ipc', '--uts', '--mount', '--pid', '--fork', '--propagation', 'private', 'mount', '-t', 'proc', 'proc', '/proc'];
  const asRoot = tryRun(unshare, namespaces);
  if (asRoot === undefined) return { ok: true, inUserNamespace: false };
  const asUser = tryRun(unshare, ['--user', '--map-root-user', ...namespaces]);
  if (asUser === undefined) return { ok: true, inUserNamespace: true };
  return { ok: false, why: `namespaces cannot be made (${asUser})` };
}

/** What `auto` stands for on this machine, and why, for people. */
export function chooseRuntime(choice: RuntimeChoice): { readonly runtime: Exclude<RuntimeChoice, 'auto'>; readonly why: string } {
  if (choice !== 'auto') return { runtime: choice, why: 'the configuration says so' };
  const isolation = probeIsolation();
  if (!isolation.ok) return { runtime: 'process', why: `chosen since the linux runtime cannot work here: ${isolation.why}` };
  return { runtime: 'linux', why: 'chosen since this machine can isolate containers' };
}

/** Undefined: it did; else what it said. */
function tryRun(program: string, args: readonly string[]): string | undefined {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8', timeout: PROBE_TIMEOUT_MS, stdio: ['ignore', 'ignore', 'pipe'] });
  if (status === 0) return undefined;
  return error?.message ?? (stderr.trim() || `exit code ${status}`);
}

/** Where the system keeps its tools, also where a user's PATH leaves them out. */
export function findTool(name: string): string | undefined {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
  return directories.filter((one) => one.startsWith('/')).map((directory) => join(directory, name)).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false; // not there, or not for us
    }
  });
}
