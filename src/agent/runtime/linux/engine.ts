/**
 * What starts a container's program: a container runtime of this machine (crun, runc), or else the machine's own tools.
 * The supervisor watches over it either way and knows nothing of the difference.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cgroups } from './cgroups.ts';
import { quote, quoteAll } from './core/shell-words.ts';
import { fstabOf, initScript, privileges, type ProcessPlan } from './core/init-script.ts';
import type { PlannedRoot } from './core/root-layout.ts';
import { readText } from '../state-files.ts';
import type { Machine } from './machine.ts';
import type { NodeSpace } from './node-space.ts';

export interface Launch {
  /** Unique on the machine, of letters that a file name may have. */
  readonly key: string;
  /** The container's own, absolute; its root is `root` in it. */
  readonly directory: string;
  readonly pausePid: number;
  /** Those of the pod that the container is in, as nsenter names them. */
  readonly podNamespaces: readonly string[];
  readonly root: PlannedRoot;
  readonly isRootReadOnly: boolean;
  readonly privileged: boolean;
  readonly process: ProcessPlan;
  readonly cgroupProcs: readonly string[];
  /** Below the mounts of the controllers. */
  readonly cgroup: string;
}

/** A command beside a container's program. */
export interface ExecPlan {
  readonly command: readonly string[];
  /** Where its pid is, if it is no descendant of that command: who ends the one must end the other. */
  readonly pidFile?: string | undefined;
  /** To be removed after it. */
  readonly files: readonly string[];
}

export interface Engine {
  readonly name: string;
  readonly version: string;
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
  readonly version: string;
  readonly #world: EngineWorld;

  constructor(world: EngineWorld, version: string) {
    this.#world = world;
    this.version = version;
  }

  async prepare({ directory, pausePid, podNamespaces, root, isRootReadOnly, process, cgroupProcs }: Launch): Promise<readonly string[]> {
    const { machine, space, root: nodeRoot } = this.#world;
    const { tools, inUserNamespace } = machine;
    const script = initScript({ tools, directory, process, cgroupProcs, inUserNamespace });
    await writeFile(join(directory, 'fstab'), fstabOf(directory, root, { isReadOnly: isRootReadOnly, inUserNamespace }), { mode: 0o600 });
    await writeFile(join(directory, 'init.sh'), script, { mode: 0o600 });
    const init = [tools.unshare, '--mount', '--propagation', 'private', tools.sh, join(directory, 'init.sh')];
    const reaper = [tools.unshare, '--pid', tools.sh, join(nodeRoot, 'reaper.sh'), directory, ...init];
    return space.enter(pausePid, podNamespaces, reaper);
  }

  hasBegun(directory: string): boolean {
    return readText(join(directory, 'progress')) !== '';
  }

  exec({ cgroupProcs }: Launch, pid: number, process: ProcessPlan): Promise<ExecPlan> {
    const { machine, space } = this.#world;
    const { tools, inUserNamespace } = machine;
    const words = Object.entries(process.env).map(([name, value]) => `${name}=${value}`);
    const inside = [...privileges(tools, process, inUserNamespace), tools.env, '-i', ...words, ...process.command];
    const namespaces = ['--mount', '--net', '--ipc', '--uts', '--pid', `--wdns=${process.workingDir === '' ? '/' : process.workingDir}`];
    const entered = space.enter(pid, namespaces, inside);
    const joins = cgroupProcs.map((file) => `echo 0 >${quote(file)}`);
    return Promise.resolve({ command: [tools.sh, '-c', [...joins, `exec ${quoteAll(entered)}`].join('\n')], files: [] });
  }

  forget(): Promise<void> {
    return Promise.resolve();
  }
}
