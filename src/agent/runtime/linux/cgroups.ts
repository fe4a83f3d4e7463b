/**
 * The cgroups of one node's containers: `<mount>/podium/<node>/<pod>/<container>-<attempt>`. The container's first process
 * joins by itself; the supervisor stays out, so that it is there to see a container end for want of memory.
 *
 * What may be done is found out by doing it: an ordinary user has no cgroups unless somebody gave him some.
 */
import { mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sleep, type Clock } from '../../../base/clock.ts';
import { describeError, systemErrorCode } from '../../../base/errors.ts';
import { sendSignal } from '../process-table.ts';
import { RuntimeError, type ContainerResources } from '../runtime.ts';
import { CONTROLLERS, parseOomKills, parseStat, planCgroup, readLayout, type CgroupLayout, type CgroupSetting } from './core/cgroup-plan.ts';
import { readText } from '../state-files.ts';

export interface CgroupUsage {
  readonly cpuMs: number;
  readonly memoryBytes: number;
}

/** The parent of all nodes of this machine. */
const PARENT = 'podium';
const REMOVE_ATTEMPTS = 200;
const REMOVE_PAUSE_MS = 5;
const USER_HZ_NS = 1_000_000;

export class Cgroups {
  readonly #layout: CgroupLayout;
  readonly #node: string;
  readonly #clock: Clock;

  private constructor(layout: CgroupLayout, node: string, clock: Clock) {
    this.#layout = layout;
    this.#node = `${PARENT}/${node}`;
    this.#clock = clock;
  }

  /** Undefined: this machine, or this user, has none. `node` names it among all nodes of the machine. */
  static open(node: string, clock: Clock): Cgroups | undefined {
    const layout = readLayout(readText('/proc/self/mountinfo'));
    if (layout === undefined) return undefined;
    const cgroups = new Cgroups(layout, node, clock);
    try {
      if (layout.version === 2) {
        for (const directory of [layout.root, join(layout.root, PARENT)]) {
          mkdirSync(directory, { recursive: true });
          writeFileSync(join(directory, 'cgroup.subtree_control'), '+memory +cpu +pids');
        }
      }
      for (const directory of cgroups.#directories('')) mkdirSync(directory, { recursive: true });
      cgroups.#delegate('');
      return cgroups;
    } catch {
      return undefined; // not ours to write
    }
  }

  get version(): 1 | 2 {
    return this.#layout.version;
  }

  get controllers(): readonly string[] {
    return this.#layout.version === 2 ? ['memory', 'cpu', 'pids'] : Object.keys(this.#layout.roots).filter((name) => ['memory', 'cpu', 'pids'].includes(name));
  }

  /** Makes a container's cgroup with its limits; answers the files by which a process joins. */
  make(path: string, resources: ContainerResources): readonly string[] {
    for (const directory of this.#directories(path)) mkdirSync(directory, { recursive: true });
    this.#delegate(path.split('/')[0]!);
    this.#limit(path, planCgroup(this.version, resources));
    return this.procs(path);
  }

  /** Changes the limits of a cgroup that is there. */
  update(path: string, resources: ContainerResources): void {
    this.#limit(path, planCgroup(this.version, resources));
  }

  #limit(path: string, settings: readonly CgroupSetting[]): void {
    for (const { controller, file, value } of settings) {
      const directory = this.#directoryOf(controller, path);
      if (directory === undefined) continue;
      try {
        writeFileSync(join(directory, file), value);
      } catch (error) {
        throw new RuntimeError('cannot-start', `the limit ${file} of ${value} cannot be set: ${describeError(error)}`, { cause: error });
      }
    }
  }

  /** Below the mounts of the controllers. */
  pathOf(path: string): string {
    return `${this.#node}/${path}`;
  }

  /** The files by which a process joins. */
  procs(path: string): readonly string[] {
    return this.#directories(path).map((directory) => join(directory, 'cgroup.procs'));
  }

  oomKills(path: string): number {
    const directory = this.#directoryOf('memory', path);
    if (directory === undefined) return 0;
    return parseOomKills(readText(join(directory, this.version === 1 ? 'memory.oom_control' : 'memory.events')));
  }

  usage(path: string): CgroupUsage | undefined {
    const memory = this.#directoryOf('memory', path);
    const cpu = this.#directoryOf(this.version === 1 ? 'cpuacct' : 'cpu', path);
    if (memory === undefined || cpu === undefined) return undefined;
    const used = Number(readText(join(memory, this.version === 1 ? 'memory.usage_in_bytes' : 'memory.current')) || NaN);
    const cpuText = readText(join(cpu, this.version === 1 ? 'cpuacct.usage' : 'cpu.stat'));
    const cpuMs = this.version === 1 ? Number(cpuText || NaN) / USER_HZ_NS : (parseStat(cpuText, 'usage_usec') ?? NaN) / 1_000;
    // The working set: what the kernel could take back at once does not count, as the kubelet counts.
    const inactive = parseStat(readText(join(memory, 'memory.stat')), this.version === 1 ? 'total_inactive_file' : 'inactive_file') ?? 0;
    if (Number.isNaN(used) || Number.isNaN(cpuMs)) return undefined;
    return { cpuMs, memoryBytes: Math.max(0, used - inactive) };
  }

  /** Ends what is left in it, and removes it with all below. Idempotent. `''` stands for the whole node. */
  async remove(path: string): Promise<void> {
    for (const directory of this.#allDirectories(path)) {
      for (let attempt = 0; !removeTree(directory); attempt++) {
        if (attempt >= REMOVE_ATTEMPTS) throw new RuntimeError('invalid-state', `the cgroup ${directory} cannot be removed`);
        await sleep(this.#clock, REMOVE_PAUSE_MS);
      }
    }
    if (path !== '') return;
    for (const directory of this.parents) {
      try {
        rmdirSync(directory);
      } catch {
        // another node of this machine still has cgroups in it
      }
    }
  }

  /** The pods that have a cgroup. */
  list(): readonly string[] {
    const names = this.#directories('').flatMap((directory) => {
      try {
        return readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => name);
      } catch {
        return []; // gone meanwhile
      }
    });
    return [...new Set(names)].sort();
  }

  /** All directories of this node: what is to be removed when nobody is left who knows. */
  get directories(): readonly string[] {
    return this.#allDirectories('');
  }

  /** What all nodes of the machine share: to be removed by the last one. */
  get parents(): readonly string[] {
    return this.#allDirectories('..');
  }

  /** In version 2 a cgroup's children have the controllers that it gives them. */
  #delegate(path: string): void {
    if (this.#layout.version === 2) writeFileSync(join(this.#layout.root, this.#node, path, 'cgroup.subtree_control'), '+memory +cpu +pids');
  }

  /** Also of those that others make for us (runc's of devices). */
  #allDirectories(path: string): string[] {
    const layout = this.#layout;
    const devices = layout.version === 1 && layout.roots['devices'] !== undefined ? [join(layout.roots['devices'], this.#node, path)] : [];
    return [...this.#directories(path), ...devices];
  }

  #directories(path: string): string[] {
    const layout = this.#layout;
    if (layout.version === 2) return [join(layout.root, this.#node, path)];
    return CONTROLLERS.flatMap((controller) => {
      const root = layout.roots[controller];
      return root === undefined ? [] : [join(root, this.#node, path)];
    });
  }

  #directoryOf(controller: string, path: string): string | undefined {
    const layout = this.#layout;
    const root = layout.version === 2 ? layout.root : layout.roots[controller];
    return root === undefined ? undefined : join(root, this.#node, path);
  }
}

/** True: it is gone. Version 1 cannot end all processes of a cgroup at once, so whoever is in it is ended one by one. */
function removeTree(directory: string): boolean {
  let names: string[];
  try {
    names = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return true;
    throw error;
  }
  const isEmpty = names.map((name) => removeTree(join(directory, name))).every(Boolean);
  if (!isEmpty) return false;
  try {
    rmdirSync(directory);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return true;
    for (const pid of readProcs(directory)) sendSignal(pid, 'SIGKILL');
    return false;
  }
}

function readProcs(directory: string): number[] {
  try {
    return readFileSync(join(directory, 'cgroup.procs'), 'utf8').split('\n').map(Number).filter((pid) => pid > 1);
  } catch {
    return []; // gone meanwhile
  }
}
