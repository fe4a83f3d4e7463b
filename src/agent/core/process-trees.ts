/**
 * Which of a machine's processes belong to which container, and what they use together. A process is its container's
 * when it descends from the container's first one, is in its session, or carries the container's mark (one that let go of
 * both, or a command that was run beside the container).
 */

/** As /proc tells it. */
export interface ProcessRow {
  readonly pid: number;
  readonly parent: number;
  readonly session: number;
  /** Clock ticks since boot. */
  readonly startTime: string;
  /** Its own, and those of its children that have ended. */
  readonly cpuTicks: number;
  readonly memoryPages: number;
}

/** The first process of a container: the leader of a session of its own. */
export interface ContainerRoot {
  readonly id: string;
  readonly pid: number;
  readonly startTime: string;
  /** Watches over it and is no part of it. */
  readonly supervisor: number;
}

export interface TreeUsage {
  readonly cpuTicks: number;
  readonly memoryPages: number;
}

/** `markOf` is only asked of processes that nothing else tells of. A container whose root has gone is not in the answer. */
export function usageOfTrees(
  rows: readonly ProcessRow[],
  roots: readonly ContainerRoot[],
  markOf: (row: ProcessRow) => string | undefined,
): ReadonlyMap<string, TreeUsage> {
  const byPid = new Map(rows.map((row) => [row.pid, row]));
  const living = roots.filter(({ pid, startTime }) => byPid.get(pid)?.startTime === startTime);
  const usages = new Map<string, TreeUsage>(living.map(({ id }) => [id, { cpuTicks: 0, memoryPages: 0 }]));
  const ownerOf = ownership(byPid, living, markOf);
  for (const row of rows) {
    const owner = ownerOf(row);
    const known = owner === undefined ? undefined : usages.get(owner);
    if (owner === undefined || known === undefined) continue;
    usages.set(owner, { cpuTicks: known.cpuTicks + row.cpuTicks, memoryPages: known.memoryPages + row.memoryPages });
  }
  return usages;
}

function ownership(
  byPid: ReadonlyMap<number, ProcessRow>,
  roots: readonly ContainerRoot[],
  markOf: (row: ProcessRow) => string | undefined,
): (row: ProcessRow) => string | undefined {
  const ofRoot = new Map(roots.map(({ pid, id }) => [pid, id]));
  const supervisors = new Set(roots.map(({ supervisor }) => supervisor));
  const oldest = Math.min(...roots.map(({ startTime }) => Number(startTime)));
  const owners = new Map<number, string | undefined>();
  const find = (row: ProcessRow): string | undefined => {
    if (supervisors.has(row.pid)) return undefined;
    const own = ofRoot.get(row.pid) ?? ofRoot.get(row.session);
    if (own !== undefined) return own;
    // Whoever is older than every container is none of theirs, nor are his ancestors.
    if (Number(row.startTime) < oldest) return undefined;
    const parent = byPid.get(row.parent);
    return (parent === undefined ? undefined : ownerOf(parent)) ?? markOf(row);
  };
  const ownerOf = (row: ProcessRow): string | undefined => {
    if (owners.has(row.pid)) return owners.get(row.pid);
    // Rows are read one after the other, and a pid may be handed out again meanwhile: no circle of parents is followed.
    owners.set(row.pid, undefined);
    const owner = find(row);
    owners.set(row.pid, owner);
    return owner;
  };
  return ownerOf;
}
