/** The cgroups that a runtime makes for a pod: it removes those of the containers, and leaves their parent, empty. */
import { readdirSync } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { join } from 'node:path';

const MOUNTED = '/sys/fs/cgroup';

/** Of each hierarchy there is; one that is not empty, or not ours to remove, stays. */
export async function removeCgroups(path: string): Promise<void> {
  await Promise.all(cgroupsOf(path).map((directory) => rmdir(directory).catch(() => undefined))); // not there, or in use
}

export function cgroupsOf(path: string): string[] {
  return hierarchies().map((hierarchy) => join(hierarchy, path));
}

function hierarchies(): string[] {
  try {
    const entries = readdirSync(MOUNTED, { withFileTypes: true });
    return [MOUNTED, ...entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(MOUNTED, name))];
  } catch {
    return []; // no cgroups here
  }
}
