/** Removes a directory with all that is in it, also what its owner has shut: read-only volumes, work directories of overlays. */
import { chmodSync, readdirSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemErrorCode } from './errors.ts';

/** Somebody may just be making a file in it. */
const RETRIES_MAX = 5;
const OPTIONS = { recursive: true, force: true, maxRetries: RETRIES_MAX } as const;

export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, OPTIONS);
  } catch (error) {
    if (systemErrorCode(error) !== 'EACCES') throw error;
    openUp(path);
    await rm(path, OPTIONS);
  }
}

export function removeTreeSync(path: string): void {
  try {
    rmSync(path, OPTIONS);
  } catch (error) {
    if (systemErrorCode(error) !== 'EACCES') throw error;
    openUp(path);
    rmSync(path, OPTIONS);
  }
}

function openUp(directory: string): void {
  chmodSync(directory, 0o700);
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) openUp(join(directory, entry.name));
  }
}
