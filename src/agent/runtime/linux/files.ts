/** What the supervisors of the linux runtime, and the container runtimes, write down of whom they have started. */
import { join } from 'node:path';
import { parsePids, type SupervisorPids } from '../process-supervisor.ts';
import { startTimeOf, type ProcessIdentity } from '../process-table.ts';
import { readText } from '../state-files.ts';

/** The container's first process and its supervisor; undefined: not written yet. */
export function readPids(directory: string): SupervisorPids | undefined {
  return parsePids(readText(join(directory, 'pid'))) ?? readRuntimePids(directory);
}

/** crun and runc write a pid alone; it is believed only while its supervisor lives. */
function readRuntimePids(directory: string): SupervisorPids | undefined {
  const pid = Number(readText(join(directory, 'runtime.pid')));
  const supervisor = readSupervisor(directory);
  if (!Number.isInteger(pid) || pid <= 1 || supervisor === undefined) return undefined;
  return { child: { pid, startTime: startTimeOf(pid) ?? '' }, supervisor };
}

export function readSupervisor(directory: string): ProcessIdentity | undefined {
  const match = /^(\d+) (\d+)\s*$/.exec(readText(join(directory, 'supervisor')));
  return match === null ? undefined : { pid: Number(match[1]), startTime: match[2]! };
}
