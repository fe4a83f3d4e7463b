/** What a node could leave behind on its machine: told before and after. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** What `before` lacks of `now`. */
export function missing(now: readonly string[], before: readonly string[]): readonly string[] {
  const known = new Set(before.map(identityOf));
  return now.filter((one) => !known.has(identityOf(one)));
}

/** A process is the same one whatever it runs by now: a shell may have become `sleep` meanwhile. */
function identityOf(line: string): string {
  return line.replace(/^(process \d+) .*/s, '$1');
}

/** What is in these namespaces that could be left behind. The suite's own process is none of it. */
export function census(roots: readonly string[]): readonly string[] {
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
  for (const [tool, ...args] of [['ip', '-4', 'route', 'show', 'table', 'all'], ['ip', '-4', 'rule'], ['nft', 'list', 'tables']] as const) {
    // An ordinary user has no rules here, and is told that he may not look.
    const { status, stdout } = spawnSync(tool, args, { encoding: 'utf8', env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` } });
    if (status === 0) found.push(...stdout.trim().split('\n').map((line) => `${tool} ${line.trim()}`));
  }
  found.push(`ip_forward ${readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim()}`);
  found.push(...runtimeCgroups(roots));
  return [...new Set(found)];
}

/** Cgroups have no namespace that would hide those of another suite: only those of the nodes in `roots` are ours. */
function runtimeCgroups(roots: readonly string[]): string[] {
  const mounted = '/sys/fs/cgroup';
  if (!existsSync(mounted)) return [];
  return [mounted, ...directoriesIn(mounted)].flatMap((hierarchy) => {
    const own = roots.map((root) => join(hierarchy, 'podium', createHash('sha256').update(root).digest('hex').slice(0, 12)));
    return own.flatMap((node) => (existsSync(node) ? treeOf(node) : []));
  });
}

function treeOf(directory: string): string[] {
  return [`cgroup ${directory}`, ...directoriesIn(directory).flatMap(treeOf)];
}

function directoriesIn(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => join(directory, name));
  } catch {
    return []; // gone meanwhile
  }
}
