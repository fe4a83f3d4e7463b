/** Volumes in memory: file systems that the agent mounts where the volume's directory is, for as long as the pod's sandbox lives. */
import { mkdir } from 'node:fs/promises';
import type { Clock } from '../../../base/clock.ts';
import { findTool } from '../../../cluster/isolation.ts';
import { isMountPoint } from '../../../base/mount-table.ts';
import { mustRun } from '../run-command.ts';
import type { MemoryVolume } from '../runtime.ts';
import { readText } from '../state-files.ts';

/** What is mounted already stays as it is. */
export async function mountMemory(volumes: readonly MemoryVolume[], clock: Clock): Promise<void> {
  for (const { path, sizeBytes, group } of volumes) {
    await mkdir(path, { recursive: true });
    if (isMounted(path)) continue;
    const owner = group === undefined ? ['mode=0777'] : ['mode=2777', `gid=${group}`];
    const options = [`size=${sizeBytes}`, ...owner, 'nosuid', 'nodev'].join(',');
    await mustRun([tool('mount'), '-t', 'tmpfs', '-o', options, 'tmpfs', path], { clock, what: 'a volume in memory' });
  }
}

export async function unmountMemory(volumes: readonly MemoryVolume[], clock: Clock): Promise<void> {
  // Containers have mounts of their own, and whoever still looks into it keeps it for as long as he looks.
  for (const { path } of volumes) if (isMounted(path)) await mustRun([tool('umount'), '-l', path], { clock, what: 'the end of a volume in memory' });
}

function isMounted(path: string): boolean {
  return isMountPoint(readText('/proc/self/mountinfo'), path);
}

/** Also where a user's PATH leaves it out. */
function tool(name: string): string {
  return findTool(name) ?? name;
}
