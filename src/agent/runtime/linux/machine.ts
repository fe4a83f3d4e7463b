/**
 * What this machine lets the runtime do, found out by doing it: namespaces as root or in a user namespace, which tools
 * there are, which capabilities it has to give.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, lstatSync, readlinkSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { parseCapabilities } from './core/capabilities.ts';
import type { Tools as InitTools } from './core/init-script.ts';
import { HOST_ETC, HOST_PROGRAMS, PROC_HIDDEN, PROC_READ_ONLY, type EntryKind, type HostFacts } from './core/root-layout.ts';
import { readText } from './files.ts';

export interface Tools extends InitTools {
  readonly flock: string;
}

export interface Machine {
  readonly tools: Tools;
  /** Everything is done in a user namespace: this is an ordinary user. */
  readonly inUserNamespace: boolean;
  readonly capabilities: readonly string[];
  readonly facts: HostFacts;
}

export type ProbedMachine = { readonly ok: true; readonly machine: Machine } | { readonly ok: false; readonly why: string };

const NAMES = { sh: 'sh', mount: 'mount', umount: 'umount', pivotRoot: 'pivot_root', setpriv: 'setpriv', unshare: 'unshare', nsenter: 'nsenter', env: 'env', ip: 'ip', flock: 'flock' } as const;
const PROBE_TIMEOUT_MS = 5_000;

export function probeMachine(): ProbedMachine {
  const found = new Map(Object.entries(NAMES).map(([key, name]) => [key, findTool(name)]));
  const missing = Object.entries(NAMES).filter(([key]) => found.get(key) === undefined).map(([, name]) => name);
  if (missing.length > 0) return { ok: false, why: `this machine lacks ${missing.join(', ')} (util-linux and iproute2)` };
  const tools = Object.fromEntries(found) as unknown as Tools; // every name was found
  // With a procfs of its own, since that is what a hardened machine refuses first.
  const namespaces = ['--net', '--ipc', '--uts', '--mount', '--pid', '--fork', '--propagation', 'private', tools.mount, '-t', 'proc', 'proc', '/proc'];
  const asRoot = tryRun([tools.unshare, ...namespaces]);
  if (asRoot === undefined) return { ok: true, machine: machineWith(tools, false) };
  const asUser = tryRun([tools.unshare, '--user', '--map-root-user', ...namespaces]);
  if (asUser === undefined) return { ok: true, machine: machineWith(tools, true) };
  return { ok: false, why: `namespaces cannot be made: ${asUser}` };
}

function machineWith(tools: Tools, inUserNamespace: boolean): Machine {
  const mask = /^CapBnd:\s*([0-9a-f]+)$/m.exec(readText('/proc/self/status'))?.[1] ?? '0';
  return { tools, inUserNamespace, capabilities: parseCapabilities(mask), facts: readHostFacts() };
}

/** Undefined: it did; else what it said. */
function tryRun([program = '', ...args]: readonly string[]): string | undefined {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8', timeout: PROBE_TIMEOUT_MS, stdio: ['ignore', 'ignore', 'pipe'] });
  if (status === 0) return undefined;
  return error?.message ?? (stderr.trim() || `exit code ${status}`);
}

export function findTool(name: string): string | undefined {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/bin', '/sbin', '/bin'].filter((one) => one.startsWith('/'));
  return directories.map((directory) => join(directory, name)).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false; // not there, or not for us
    }
  });
}

function readHostFacts(): HostFacts {
  const programs = HOST_PROGRAMS.flatMap((name) => {
    const stat = lstatSync(`/${name}`, { throwIfNoEntry: false });
    if (stat === undefined) return [];
    return [stat.isSymbolicLink() ? { name, link: readlinkSync(`/${name}`) } : { name }];
  });
  return {
    programs,
    etc: HOST_ETC.filter((path) => existsSync(`/etc/${path}`)).map((path) => ({ path, kind: kindOf(`/etc/${path}`) })),
    procReadOnly: PROC_READ_ONLY.filter((path) => existsSync(`/proc/${path}`)),
    procHidden: PROC_HIDDEN.filter((path) => existsSync(`/proc/${path}`)).map((path) => ({ path, kind: kindOf(`/proc/${path}`) })),
  };
}

export function kindOf(path: string): EntryKind {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true ? 'directory' : 'file';
}
