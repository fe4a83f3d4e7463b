/**
 * Processes of this machine, read from /proc. A pid alone says nothing after a while, for pids are reused; a pid with
 * its start time names one process for as long as the machine is up.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { systemErrorCode } from '../base/errors.ts';

export interface ProcessId {
  readonly pid: number;
  /** Clock ticks since boot, field 22 of /proc/<pid>/stat; never compared but for equality. */
  readonly startTime: number;
}

interface Stat {
  readonly state: string;
  readonly parent: number;
  readonly startTime: number;
}

function readStat(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the command in parentheses and may hold anything, `)` included.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0]!, parent: Number(fields[1]), startTime: Number(fields[19]) };
  } catch {
    return undefined;
  }
}

/** The process that has this pid now; undefined if there is none, or only its remains. */
export function identify(pid: number): ProcessId | undefined {
  const stat = readStat(pid);
  return stat === undefined || stat.state === 'Z' || stat.state === 'X' ? undefined : { pid, startTime: stat.startTime };
}

export function isAlive({ pid, startTime }: ProcessId): boolean {
  return identify(pid)?.startTime === startTime;
}

export function isPaused({ pid, startTime }: ProcessId): boolean {
  const stat = readStat(pid);
  return stat !== undefined && stat.startTime === startTime && (stat.state === 'T' || stat.state === 't');
}

/** Signals the process and its group, if it still is that process. False if it is gone. */
export function signalGroup(process_: ProcessId, signal: NodeJS.Signals): boolean {
  if (!isAlive(process_)) return false;
  try {
    process.kill(-process_.pid, signal);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === 'ESRCH') return false;
    throw error;
  }
}

export function signalProcess(process_: ProcessId, signal: NodeJS.Signals): boolean {
  if (!isAlive(process_)) return false;
  try {
    process.kill(process_.pid, signal);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === 'ESRCH') return false;
    throw error;
  }
}

function allPids(): number[] {
  return readdirSync('/proc').filter((entry) => /^\d+$/.test(entry)).map(Number);
}

/**
 * The processes that belong to a node's pods: those that work inside the node's directory (a container's working
 * directory is its private one), those whose environment names it (what the runtime starts carries PODIUM_NODE), and
 * everything that descends from them. It asks nothing of the agent, which may be dead or frozen. `except` is the agent.
 */
export function processesBelow(directory: string, except: readonly number[]): ProcessId[] {
  const stats = new Map<number, Stat>();
  const found = new Set<number>();
  const marker = `PODIUM_NODE=${directory}`;
  for (const pid of allPids()) {
    const stat = readStat(pid);
    if (stat === undefined || stat.state === 'Z') continue;
    stats.set(pid, stat);
    try {
      const cwd = readlinkSync(`/proc/${pid}/cwd`).replace(/ \(deleted\)$/, '');
      const isInside = cwd === directory || cwd.startsWith(`${directory}/`);
      if (isInside || readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(marker)) found.add(pid);
    } catch {
      // Another user's process, or one that is gone: neither is a pod of ours.
    }
  }
  for (let grew = true; grew; ) {
    grew = false;
    for (const [pid, stat] of stats) {
      if (found.has(pid) || !found.has(stat.parent)) continue;
      found.add(pid);
      grew = true;
    }
  }
  return [...found]
    .filter((pid) => !except.includes(pid) && pid !== process.pid)
    .sort((a, b) => a - b)
    .map((pid) => ({ pid, startTime: stats.get(pid)!.startTime }));
}

/**
 * The programs of a node's containers by what was written down when they began (`<pid> <start time> …`): one whose supervisor
 * was killed has neither parent nor mark any more.
 */
export function recordedPrograms(directory: string): ProcessId[] {
  const found: ProcessId[] = [];
  const below = (path: string, depth: number): string[] => (depth === 0 ? [path] : namesIn(path).flatMap((name) => below(join(path, name), depth - 1)));
  for (const pod of below(join(directory, 'pods'), 1)) {
    for (const container of below(join(pod, 'containers'), 2)) {
      const [pid = 0, startTime = 0] = textOf(join(container, 'pid')).trim().split(' ').map(Number);
      const program = { pid, startTime };
      if (pid > 1 && isAlive(program)) found.push(program);
    }
  }
  return found;
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return []; // not there
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // not written
  }
}

export function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}

/** Who listens on a TCP port of this machine, as far as this user may see. */
export function holderOfPort(port: number): { readonly pid: number; readonly command: string } | undefined {
  const inodes = new Set<string>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    let text: string;
    try {
      text = readFileSync(table, 'latin1');
    } catch {
      continue;
    }
    for (const line of text.split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/);
      const isListening = fields[3] === '0A';
      if (isListening && parseInt(fields[1]?.split(':')[1] ?? '', 16) === port) inodes.add(`socket:[${fields[9]}]`);
    }
  }
  if (inodes.size === 0) return undefined;
  for (const pid of allPids()) {
    try {
      for (const descriptor of readdirSync(`/proc/${pid}/fd`)) {
        if (inodes.has(readlinkSync(`/proc/${pid}/fd/${descriptor}`))) return { pid, command: commandOf(pid) };
      }
    } catch {
      // Not ours to see, or gone meanwhile.
    }
  }
  return undefined;
}
