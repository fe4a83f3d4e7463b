/** Finds and removes what a node has made in the kernel (core/leftovers.ts says what of it is no one's). */
import { readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../../base/clock.ts';
import { processesWith, sendSignal, startTimeOf, type ProcessIdentity } from '../process-table.ts';
import { runCommand } from '../run-command.ts';
import { listDirectory } from '../state-files.ts';
import type { Cgroups } from './cgroups.ts';
import { strayPids, type Leftovers, type Made } from './core/leftovers.ts';
import { isPodLink } from './core/node-network.ts';
import type { NodeSpace } from './node-space.ts';

export interface MadeWorld {
  /** Of the node, absolute. */
  readonly root: string;
  readonly space: NodeSpace;
  readonly cgroups: Cgroups | undefined;
  readonly clock: Clock;
}

/** The links are looked for first: all else is as it is when this resolves. */
export async function findMade({ root, space, cgroups, clock }: MadeWorld): Promise<Made> {
  const links = await podLinks(space, clock);
  const marked = markedPids(root);
  return {
    marked,
    parents: marked.length === 0 ? new Map() : readParents(),
    cgroups: new Map(cgroups?.list().map((pod) => [pod, cgroups.list(pod)]) ?? []),
    links,
    states: listDirectory(statesOf(root)),
  };
}

/** All at once, so that nobody takes anything of it meanwhile. What ends by itself is no failure. */
export async function removeMade({ pids, cgroups: paths, links, states }: Leftovers, { root, space, cgroups, clock }: MadeWorld): Promise<void> {
  for (const pid of pids) sendSignal(pid, 'SIGKILL');
  const { pid: holderPid } = space.holder;
  const batch = links.map((link) => `link del ${link}\n`).join('');
  await Promise.all([
    ...paths.map((path) => cgroups?.remove(path)),
    ...states.map((key) => rm(join(statesOf(root), key), { recursive: true, force: true })),
    batch === '' ? undefined : runCommand(space.enter(holderPid, ['--net'], [space.tools.ip, '-force', '-batch', '-']), { clock, input: batch, env: space.environment }),
  ]);
}

/** `own` and all that descends from them are none. */
export function strayProcesses(root: string, own: readonly ProcessIdentity[]): readonly number[] {
  const marked = markedPids(root);
  return strayPids({ marked, parents: readParents() }, own.map(({ pid }) => pid)).filter((pid) => pid !== process.pid);
}

/** Where crun and runc keep what they know. */
export function statesOf(root: string): string {
  return join(root, 'oci');
}

function markedPids(root: string): readonly number[] {
  return processesWith(`PODIUM_NODE=${root}`).map(({ pid }) => pid).filter((pid) => startTimeOf(pid) !== undefined);
}

async function podLinks(space: NodeSpace, clock: Clock): Promise<readonly string[]> {
  const { exitCode, output } = await runCommand(space.inside([space.tools.ip, '-o', 'link', 'show', 'type', 'veth']), { clock, env: space.environment });
  if (exitCode !== 0) return [];
  return output.split('\n').map((line) => /^\d+: ([^@:]+)/.exec(line)?.[1] ?? '').filter(isPodLink);
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
