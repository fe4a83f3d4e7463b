/**
 * What /proc tells of the machine's processes. A pid alone is never trusted: it names a process only together with its
 * start time, since the kernel hands pids out again.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { systemErrorCode } from '../../base/errors.ts';

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot, field 22 of /proc/PID/stat. */
  readonly startTime: string;
}

/** Undefined: there is no such process, or it is a zombie that waits for its parent. */
export function startTimeOf(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined; // gone, or never there
  }
  // The name in parentheses may hold anything, so count from its end: state is the third field.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

/** 0: there is no such process. */
export function parentOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return 0;
  }
}

export function isAlive({ pid, startTime }: ProcessIdentity): boolean {
  return startTimeOf(pid) === startTime;
}

/** Sends a signal; false when nobody was there. Refuses what could reach the agent's own group or everything. */
export function sendSignal(target: number, signal: NodeJS.Signals | number): boolean {
  if (Math.abs(target) <= 1) return false;
  try {
    process.kill(target, signal);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === 'ESRCH') return false;
    throw error;
  }
}

export interface MarkedProcess {
  readonly pid: number;
  readonly environment: readonly string[];
}

/** The processes, but this one, whose environment at their start held all `entries` (`NAME=value`). */
export function processesWith(...entries: readonly string[]): MarkedProcess[] {
  const found: MarkedProcess[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid <= 1 || pid === process.pid) continue;
    let text: string;
    try {
      text = readFileSync(`/proc/${pid}/environ`, 'utf8');
    } catch {
      continue; // gone meanwhile, or another user's
    }
    if (!entries.every((entry) => text.includes(entry))) continue;
    const environment = text.split('\0');
    if (entries.every((entry) => environment.includes(entry))) found.push({ pid, environment });
  }
  return found;
}

/** Who was born while the others were looked for is found by another look. */
const END_ROUNDS_MAX = 5;

/** Ends them all, with those that they start meanwhile. True: there were some. */
export function endProcessesWith(...entries: readonly string[]): boolean {
  for (let round = 0; round < END_ROUNDS_MAX; round++) {
    const found = processesWith(...entries).filter(({ pid }) => startTimeOf(pid) !== undefined);
    if (found.length === 0) return round > 0;
    for (const { pid } of found) sendSignal(pid, 'SIGKILL');
  }
  return true;
}
