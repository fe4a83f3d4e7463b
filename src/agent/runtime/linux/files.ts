/** What the linux runtime keeps on disk for its successor: small files that appear whole or not at all. */
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Millis } from '../../../base/clock.ts';
import { parsePids, type SupervisorPids } from '../process-supervisor.ts';
import { startTimeOf, type ProcessIdentity } from '../process-table.ts';

/** What is missing or was cut off is as if it had never been written. */
export function readJson<T>(path: string): T | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T; // written by this runtime alone
  } catch {
    return undefined;
  }
}

let written = 0;

/** Two that write one file at a time each bring a whole one; which is the last, is theirs to order. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  const temporary = `${path}.${++written}.tmp`;
  await writeFile(temporary, JSON.stringify(value), { mode: 0o600 });
  await rename(temporary, path);
}

export function listDirectory(path: string): string[] {
  return existsSync(path) ? readdirSync(path).sort() : [];
}

export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // not written, or not there
  }
}

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

/** What CRI runtimes answer for a container whose end nobody saw. */
export const UNKNOWN_EXIT_CODE = 137;

export function readExit(directory: string): { exitCode: number; finishedAtMs: Millis } | undefined {
  const path = join(directory, 'exit');
  try {
    const exitCode = Number.parseInt(readFileSync(path, 'utf8'), 10);
    return { exitCode: Number.isNaN(exitCode) ? UNKNOWN_EXIT_CODE : exitCode, finishedAtMs: statSync(path).mtimeMs };
  } catch {
    return undefined; // not written yet
  }
}
