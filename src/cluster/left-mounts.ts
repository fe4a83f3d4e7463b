/** Volumes in memory of a node whose pods have ended without its agent: what is mounted below its directory is let go. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { findTool } from './isolation.ts';

const UNMOUNT_MS = 5_000;

export function unmountBelow(directory: string): void {
  const umount = findTool('umount');
  const paths = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').map((line) => unescaped(line.split(' ')[4] ?? '')).filter((path) => path.startsWith(`${directory}/`));
  // Whoever still looks into one keeps it for as long as he looks; the inner ones first.
  if (umount !== undefined) for (const path of paths.reverse()) spawnSync(umount, ['-l', path], { timeout: UNMOUNT_MS });
}

/** As the kernel writes spaces and the like: `\040`. */
function unescaped(path: string): string {
  return path.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
