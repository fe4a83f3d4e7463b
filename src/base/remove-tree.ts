/**
 * Removes a directory with all that is in it, also what its owner has shut (read-only volumes, work directories of overlays)
 * and what belongs to others of an ordinary user's users: programs in his containers have left it.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, readdirSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemErrorCode } from './errors.ts';

/** Somebody may just be making a file in it. */
const RETRIES_MAX = 5;
const REMOVE_TIMEOUT_MS = 60_000;
const OPTIONS = { recursive: true, force: true, maxRetries: RETRIES_MAX } as const;

export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, OPTIONS);
  } catch (error) {
    if (!isRefused(error)) throw error;
    if (!removeOthers(path)) openUp(path);
    await rm(path, OPTIONS);
  }
}

export function removeTreeSync(path: string): void {
  try {
    rmSync(path, OPTIONS);
  } catch (error) {
    if (!isRefused(error)) throw error;
    if (!removeOthers(path)) openUp(path);
    rmSync(path, OPTIONS);
  }
}

function isRefused(error: unknown): boolean {
  return ['EACCES', 'EPERM'].includes(systemErrorCode(error) ?? '');
}

/** As root of all users that are his in /etc/subuid; false: he has none, or it is root who could not. */
function removeOthers(path: string): boolean {
  if (process.getuid?.() === 0) return false;
  const remove = ['--user', '--map-root-user', '--map-auto', 'rm', '-rf', '--', path];
  return spawnSync('unshare', remove, { stdio: 'ignore', timeout: REMOVE_TIMEOUT_MS }).status === 0;
}

function openUp(directory: string): void {
  chmodSync(directory, 0o700);
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) openUp(join(directory, entry.name));
  }
}
