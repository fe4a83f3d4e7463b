/** Processes that a node has started and that belong to nothing it knows: what a crash at a bad moment leaves. */
import { readdirSync, readFileSync } from 'node:fs';
import { processesWith, type ProcessIdentity } from '../process-table.ts';

/** `own` and all that descends from them are kept; all else that carries the node's mark goes, with what descends from it. */
export function strayProcesses(root: string, own: readonly ProcessIdentity[]): readonly number[] {
  const marked = processesWith(`PODIUM_NODE=${root}`).map(({ pid }) => pid);
  if (marked.length === 0) return [];
  const parents = readParents();
  const kept = descendants(parents, own.map(({ pid }) => pid));
  const strays = descendants(parents, marked.filter((pid) => !kept.has(pid)));
  return [...strays].filter((pid) => !kept.has(pid) && pid !== process.pid);
}

function readParents(): ReadonlyMap<number, number> {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // gone meanwhile
    }
  }
  return parents;
}

/** With the roots themselves. */
function descendants(parents: ReadonlyMap<number, number>, roots: readonly number[]): ReadonlySet<number> {
  const found = new Set(roots);
  for (let grew = true; grew; ) {
    grew = false;
    for (const [pid, parent] of parents) {
      if (found.has(pid) || !found.has(parent)) continue;
      found.add(pid);
      grew = true;
    }
  }
  return found;
}
