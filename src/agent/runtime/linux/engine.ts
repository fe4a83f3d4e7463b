/**
 * What starts a container's program: a container runtime of this machine (crun, runc), or else the machine's own tools.
 * The supervisor watches over it either way and knows nothing of the difference.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cgroups } from './cgroups.ts';
import type { ProcessPlan } from './core/container-run.ts';
import { fstabOf, initScript, joinLines, privileges, type ShownCgroup, type Tools } from './core/init-script.ts';
import type { PlannedRoot } from './core/root-layout.ts';
import type { OciSeccomp } from './core/seccomp-profile.ts';
import { quoteAll } from './core/shell-words.ts';
import { readText } from '../state-files.ts';
import type { Machine } from './machine.ts';
import type { NodeSpace } from './node-space.ts';

/** What a container shares with the others of its pod. */
export interface PodNamespaces {
  readonly pausePid: number;
  /** Whose processes it sees; absent: its own alone. */
  readonly processes?: 'of-the-pod' | 'of-the-machine' | undefined;
  /** The ipc namespace is the machine's. */
  readonly hostIpc?: boolean | undefined;
}

/** For `nsenter`, into those of the pause process. */
export function sharedNamespaces({ hostIpc = false }: PodNamespaces): readonly string[] {
  return ['--net', ...(hostIpc ? [] : ['--ipc']), '--uts', '--mount'];
}

/** A prefix. One that shares its mounts is made like the one that it comes from. */
export function unshareMounts({ unshare }: Tools, propagation: Launch['propagation']): readonly string[] {
  return [unshare, '--mount', '--propagation', propagation === 'shared' ? 'unchanged' : propagation];
}

export interface Launch {
  /** Unique on the machine, of letters that a file name may have. */
  readonly key: string;
  /** The container's own, absolute; its root is `root` in it. */
  readonly directory: string;
  readonly pod: PodNamespaces;
  /** Whose processes it sees: its own where it is undefined, the machine's where it is null, else those of a namespace's file. */
  readonly pidNamespace: string | null | undefined;
  readonly root: PlannedRoot;
  /** Where it is mounted, in the container's mount namespace alone. */
  readonly rootPath: string;
  /** Of that namespace: mounts of the machine are not seen in it, are seen, or are made in both. */
  readonly propagation: 'private' | 'slave' | 'shared';
  /** Of one that is shared: on which its root is mounted, so that the machine hears nothing of it. */
  readonly privateMount?: string | undefined;
  readonly isRootReadOnly: boolean;
  readonly isProcUnmasked: boolean;
  readonly mayUseDevices: boolean;
  readonly seccomp?: OciSeccomp | undefined;
  readonly process: ProcessPlan;
  readonly cgroupProcs: readonly string[];
  /** What it sees of them; none: there are none, or an earlier agent made it. */
  readonly cgroupsShown: readonly ShownCgroup[];
  readonly oomScoreAdjust?: number | undefined;
  /** Below the mounts of the controllers. */
  readonly cgroup: string;
}

/** A command beside a container's program. */
export interface ExecPlan {
  readonly command: readonly string[];
  /** Where it says why the command could not be started. */
  readonly complaintFile?: string | undefined;
  /** Where its pid is, if it is no descendant of that command: who ends the one must end the other. */
  readonly pidFile?: string | undefined;
  /** To be removed after it. */
  readonly files: readonly string[];
}

export interface Engine {
  readonly name: string;
  readonly version: string;
  /** Programs have terminals of its own making, within those that it is started in. */
  readonly makesTerminals: boolean;
  /** Writes what the start needs; answers the command for the supervisor. */
  prepare(launch: Launch): Promise<readonly string[]>;
  /** Does the program run, or has it run? Asked again and again while it starts. */
  hasBegun(directory: string): boolean;
  /** A command beside the program: with its namespaces, its cgroup, and no more rights. */
  exec(launch: Launch, pid: number, process: ProcessPlan): Promise<ExecPlan>;
  /** What is left of a container that has ended. Idempotent. */
  forget(key: string): Promise<void>;
}

export interface EngineWorld {
  readonly machine: Machine;
  readonly space: NodeSpace;
  readonly cgroups: Cgroups | undefined;
  /** Where the node's scripts are. */
  readonly root: string;
}

/** unshare, nsenter, mount, setpriv: what every Linux has. */
export class UtilLinuxEngine implements Engine {
  readonly name = 'util-linux';
  readonly makesTerminals = false;
  readonly version: string;
  readonly #world: EngineWorld;

  constructor(world: EngineWorld, version: string) {
    this.#world = world;
    this.version = version;
  }

  async prepare({ directory, pod, pidNamespace, root, rootPath, propagation, privateMount, isRootReadOnly, process, cgroupProcs, cgroupsShown, oomScoreAdjust }: Launch): Promise<readonly string[]> {
    const { machine, space, root: nodeRoot } = this.#world;
    const { tools, inUserNamespace } = machine;
    const script = initScript({ tools, directory, rootPath, privateMount, process, joins: joinLines(cgroupProcs, oomScoreAdjust) });
    await writeFile(join(directory, 'fstab'), fstabOf(directory, root, { rootPath, cgroups: cgroupsShown, isReadOnly: isRootReadOnly, inUserNamespace }), { mode: 0o600 });
    await writeFile(join(directory, 'init.sh'), script, { mode: 0o600 });
    const init = [...unshareMounts(tools, propagation), tools.sh, join(directory, 'init.sh')];
    const reaper = [...this.#ofProcesses(pidNamespace), tools.sh, join(nodeRoot, 'reaper.sh'), ...init];
    return space.enter(pod.pausePid, sharedNamespaces(pod), reaper);
  }

  /** Who starts a process then starts it in that pid namespace. */
  #ofProcesses(pidNamespace: Launch['pidNamespace']): readonly string[] {
    const { unshare, nsenter } = this.#world.machine.tools;
    if (pidNamespace === null) return [];
    return pidNamespace === undefined ? [unshare, '--pid'] : [nsenter, `--pid=${pidNamespace}`, '--no-fork'];
  }

  hasBegun(directory: string): boolean {
    return readText(join(directory, 'progress')) !== '';
  }

  exec({ cgroupProcs, oomScoreAdjust, pod }: Launch, pid: number, process: ProcessPlan): Promise<ExecPlan> {
    const { machine, space } = this.#world;
    const { tools } = machine;
    const words = Object.entries(process.env).map(([name, value]) => `${name}=${value}`);
    const inside = [...privileges(tools, process), tools.env, '-i', ...words, ...process.command];
    const namespaces = [...sharedNamespaces(pod), '--pid', `--wdns=${process.workingDir === '' ? '/' : process.workingDir}`];
    const entered = space.enter(pid, namespaces, inside);
    const joins = joinLines(cgroupProcs, oomScoreAdjust);
    return Promise.resolve({ command: [tools.sh, '-c', [...joins, `exec ${quoteAll(entered)}`].join('\n')], files: [] });
  }

  forget(): Promise<void> {
    return Promise.resolve();
  }
}
