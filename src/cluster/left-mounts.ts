/** Volumes in memory of a node whose pods have ended without its agent: what is mounted below its directory is let go. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mountPoints } from '../base/mount-table.ts';
import { findTool } from './isolation.ts';

const UNMOUNT_MS = 5_000;

export function unmountBelow(directory: string): void {
  const umount = findTool('umount');
  const paths = mountPoints(readFileSync('/proc/self/mountinfo', 'utf8')).map(({ path }) => path).filter((path) => path.startsWith(`${directory}/`));
  // Whoever still looks into one keeps it for as long as he looks; the inner ones first.
  if (umount !== undefined) for (const path of paths.reverse()) spawnSync(umount, ['-l', path], { timeout: UNMOUNT_MS });
}
