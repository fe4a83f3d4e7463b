/**
 * What this machine lets the runtime do: namespaces as root or in a user namespace, which tools there are, which
 * capabilities it has to give.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, readlinkSync, statSync } from 'node:fs';
import { findTool, probeIsolation } from '../../../cluster/isolation.ts';
import { parseCapabilities } from './core/capabilities.ts';
import type { Tools as InitTools } from './core/init-script.ts';
import { HOST_ETC, HOST_PROGRAMS, PROC_HIDDEN, PROC_READ_ONLY, SYS_HIDDEN, type EntryKind, type HostFacts } from './core/root-layout.ts';
import { readText } from '../state-files.ts';

export interface Tools extends InitTools {
  readonly flock: string;
}

export interface Machine {
  readonly tools: Tools;
  /** Everything is done in a user namespace: this is an ordinary user. */
  readonly inUserNamespace: boolean;
  /** Why an ordinary user has no user to give but himself; undefined: he has those of /etc/subuid, or is root. */
  readonly whyOneUser?: string | undefined;
  readonly hasAppArmor: boolean;
  readonly capabilities: readonly string[];
  readonly facts: HostFacts;
}

export type ProbedMachine = { readonly ok: true; readonly machine: Machine } | { readonly ok: false; readonly why: string };

/** Of `unshare`: the user himself as root, and behind him all that are his in /etc/subuid. */
export const MANY_USERS: readonly string[] = ['--user', '--map-root-user', '--map-auto'];
const PROBE_TIMEOUT_MS = 5_000;
const NAMES = { sh: 'sh', mount: 'mount', umount: 'umount', pivotRoot: 'pivot_root', setpriv: 'setpriv', unshare: 'unshare', nsenter: 'nsenter', env: 'env', ip: 'ip', flock: 'flock' } as const;

export function probeMachine(): ProbedMachine {
  const isolation = probeIsolation();
  if (!isolation.ok) return isolation;
  const found = Object.entries(NAMES).map(([key, name]) => [key, findTool(name)] as const);
  // Who leads the session of a terminal is outside of the pid namespace: only root may take it away from him.
  const setsid = isolation.inUserNamespace ? undefined : findTool('setsid');
  const tools = { ...(Object.fromEntries(found) as unknown as Tools), setsid }; // isolation was tried with all of the others
  return { ok: true, machine: machineWith(tools, isolation.inUserNamespace) };
}

function machineWith(tools: Tools, inUserNamespace: boolean): Machine {
  const mask = /^CapBnd:\s*([0-9a-f]+)$/m.exec(readText('/proc/self/status'))?.[1] ?? '0';
  const hasAppArmor = readText('/sys/module/apparmor/parameters/enabled').startsWith('Y');
  return { tools, inUserNamespace, hasAppArmor, whyOneUser: inUserNamespace ? probeManyUsers(tools) : undefined, capabilities: parseCapabilities(mask), facts: readHostFacts() };
}

/** Undefined: there are. Found out by doing it, as what is missing may be a program, its rights, a file, or a line in that. */
function probeManyUsers({ unshare }: Tools): string | undefined {
  if (findTool('newuidmap') === undefined) return 'newuidmap is missing (package uidmap)';
  const { status, stderr } = spawnSync(unshare, [...MANY_USERS, 'true'], { encoding: 'utf8', timeout: PROBE_TIMEOUT_MS });
  return status === 0 ? undefined : `there are none in /etc/subuid and /etc/subgid (${stderr.trim().split('\n').at(-1) ?? ''})`;
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
    sysHidden: SYS_HIDDEN.filter((path) => existsSync(`/sys/${path}`)),
    procHidden: PROC_HIDDEN.filter((path) => existsSync(`/proc/${path}`)).map((path) => ({ path, kind: kindOf(`/proc/${path}`) })),
  };
}

export function kindOf(path: string): EntryKind {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true ? 'directory' : 'file';
}
