/** Ends nodes whose agent is gone, as `podium down` does it. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { processesWith, sendSignal } from '../../../src/agent/runtime/process-table.ts';

/** The holder of a node's network has no other end. */
export function endNodes(directory: string): void {
  for (const node of readdirSync(directory)) {
    for (const { pid } of processesWith(`PODIUM_NODE=${join(directory, node)}`)) sendSignal(pid, 'SIGKILL');
    const leftovers = join(directory, node, 'leftovers.json');
    if (!existsSync(leftovers)) continue;
    const { cgroups, parents, mounts = [] } = JSON.parse(readFileSync(leftovers, 'utf8')) as { cgroups: string[]; parents: string[]; mounts?: string[] };
    for (const path of mounts) spawnSync('umount', ['-l', path]);
    for (const path of [...cgroups, ...parents]) if (existsSync(path)) spawnSync('rmdir', [path]);
  }
}
