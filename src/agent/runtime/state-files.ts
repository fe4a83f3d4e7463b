/** What a runtime keeps on disk for its successor: small files that appear whole or not at all. */
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Millis } from '../../base/clock.ts';

/** What CRI runtimes answer for a program that cannot be run, and for a container whose end nobody saw. */
export const CANNOT_RUN_EXIT_CODE = 128;
export const UNKNOWN_EXIT_CODE = 137;

/** What is missing or was cut off is as if it had never been written. */
export function readJson<T>(path: string): T | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T; // written by this node alone
  } catch {
    return undefined;
  }
}

let written = 0;

/** Two that write one file at a time each bring a whole one; which is the last, is theirs to order. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  const temporary = `${path}.${++written}.tmp`;
  try {
    await writeFile(temporary, JSON.stringify(value), { mode: 0o600 });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** What is there already is left alone: on a full disk it could not be written again. */
export async function writeText(path: string, text: string, mode: number): Promise<void> {
  if (readText(path) === text) return;
  const temporary = `${path}.${++written}.tmp`;
  await writeFile(temporary, text, { mode });
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

/** What a container's supervisor writes at the end. */
export function readExit(directory: string): { exitCode: number; finishedAtMs: Millis } | undefined {
  const path = join(directory, 'exit');
  try {
    const exitCode = Number.parseInt(readFileSync(path, 'utf8'), 10);
    return { exitCode: Number.isNaN(exitCode) ? UNKNOWN_EXIT_CODE : exitCode, finishedAtMs: statSync(path).mtimeMs };
  } catch {
    return undefined; // not written yet
  }
}
