/** What a node could leave behind on its machine: told before and after. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** What `before` lacks of `now`. */
export function missing(now: readonly string[], before: readonly string[]): readonly string[] {
  return now.filter((one) => !before.includes(one));
}

/** What is in these namespaces that could be left behind. The suite's own process is none of it. */
export function census(): readonly string[] {
  const found: string[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid || Number(name) === 1) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      // The inner half is part of the agent, and comes and goes with it.
      if (/\) [ZX] /.test(stat) || command.includes('inner-main.js')) continue;
      found.push(`process ${name} ${command}`);
      for (const kind of ['net', 'mnt', 'pid', 'user', 'ipc', 'uts']) found.push(`namespace ${readlinkSync(`/proc/${name}/ns/${kind}`)}`);
    } catch {
      // gone meanwhile
    }
  }
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n')) found.push(`mount ${line.split(' ')[4]}`);
  for (const line of spawnSync('ip', ['-o', 'link'], { encoding: 'utf8' }).stdout.trim().split('\n')) found.push(`link ${line.split(':')[1]?.trim()}`);
  found.push(...cgroupsBelow('/sys/fs/cgroup', 0));
  return [...new Set(found)];
}

/** Of this runtime, on all hierarchies. */
function cgroupsBelow(directory: string, depth: number): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (!entry.isDirectory() || (depth <= 1 && path.split('/').length > 4 && !path.includes('/podium'))) return [];
    return [...(path.includes('/podium') ? [`cgroup ${path}`] : []), ...(depth < 5 ? cgroupsBelow(path, depth + 1) : [])];
  });
}
