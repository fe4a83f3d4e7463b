/**
 * The cgroups of one node's pods and their containers: `<mount>/podium/<node>/<pod>/<container>-<attempt>`. A pod's own has
 * the limits of all its containers together, and its share beside other pods. The container's first process joins by
 * itself; the supervisor stays out, so that it is there to see a container end for want of memory.
 *
 * What may be done is found out by doing it: an ordinary user has no cgroups unless somebody gave him some.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { sleep, type Clock } from '../../../base/clock.ts';
import { describeError, systemErrorCode } from '../../../base/errors.ts';
import { parentOf, sendSignal } from '../process-table.ts';
import { RuntimeError, type ContainerResources } from '../runtime.ts';
import type { ShownCgroup } from './core/init-script.ts';
import { CONTROLLERS, END_WHOLE, parseOomKills, parseStat, planCgroup, planUpdate, readLayout, type CgroupLayout, type CgroupSetting } from './core/cgroup-plan.ts';
import { readText } from '../state-files.ts';

export interface CgroupUsage {
  readonly cpuMs: number;
  readonly memoryBytes: number;
}

/** The parent of all nodes of this machine. */
const PARENT = 'podium';
const REMOVE_ATTEMPTS = 200;
const REMOVE_PAUSE_MS = 5;
const NS_PER_MS = 1_000_000;
/** That limits are made of. */
const LIMITING = ['memory', 'cpu', 'pids'] as const;

export class Cgroups {
  readonly #layout: CgroupLayout;
  readonly #node: string;
  /** Of version 2: those that this machine, or whoever gave us the hierarchy, lets us use. */
  readonly #unified: readonly string[];
  readonly #clock: Clock;

  private constructor(layout: CgroupLayout, node: string, clock: Clock) {
    this.#layout = layout;
    this.#node = `${PARENT}/${node}`;
    this.#clock = clock;
    this.#unified = layout.version === 2 ? unifiedControllers(layout.root) : [];
  }

  /** Undefined: this machine, or this user, has none. `node` names it among all nodes of the machine. */
  static open(node: string, clock: Clock, mountinfo: string = readText('/proc/self/mountinfo')): Cgroups | undefined {
    const layout = readLayout(mountinfo);
    if (layout === undefined) return undefined;
    const cgroups = new Cgroups(layout, node, clock);
    try {
      if (layout.version === 2) {
        for (const directory of [layout.root, join(layout.root, PARENT)]) {
          mkdirSync(directory, { recursive: true });
          cgroups.#give(directory);
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
    const { version } = this.#layout;
    if (version === 2) return this.#unified;
    const { roots } = this.#layout;
    return LIMITING.filter((name) => roots[name] !== undefined);
  }

  /** Makes a pod's cgroup, or a container's, with its limits; answers the files by which a process joins. */
  make(path: string, resources: ContainerResources): readonly string[] {
    for (const directory of this.#directories(path)) mkdirSync(directory, { recursive: true });
    this.#delegate(path.split('/')[0]!);
    const isContainer = path.includes('/');
    this.#set(path, [...planCgroup(this.version, resources), ...(isContainer && this.version === 2 ? [END_WHOLE] : [])], 'cannot-start');
    return this.procs(path);
  }

  /** Changes the limits of a pod or of a container that runs. */
  update(path: string, resources: ContainerResources): void {
    const { memoryLimitBytes = Infinity } = resources;
    const used = this.usage(path)?.memoryBytes ?? 0;
    // Version 1 refuses what it cannot get down to; version 2 ends processes until it has.
    if (this.version === 2 && memoryLimitBytes < used) throw new RuntimeError('invalid-state', `the limit memory.max of ${memoryLimitBytes} cannot be set: more than that is in use`);
    this.#set(path, planUpdate(this.version, resources), 'invalid-state');
  }

  #set(path: string, settings: readonly CgroupSetting[], code: 'cannot-start' | 'invalid-state'): void {
    for (const { controller, file, value, isOptional = false } of settings) {
      const directory = this.controllers.includes(controller) ? this.#directoryOf(controller, path) : undefined;
      if (directory === undefined || (isOptional && !existsSync(join(directory, file)))) continue;
      try {
        writeFileSync(join(directory, file), value);
      } catch (error) {
        const why = systemErrorCode(error) === 'EBUSY' ? 'more than that is in use' : describeError(error);
        throw new RuntimeError(code, `the limit ${file} of ${value} cannot be set: ${why}`, { cause: error });
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

  /** What a container finds at /sys/fs/cgroup, by the names of its directories there; '' is all of it. */
  shown(path: string): readonly ShownCgroup[] {
    const layout = this.#layout;
    if (layout.version === 2) return [{ name: '', directory: join(layout.root, this.#node, path) }];
    const roots = [...new Set(CONTROLLERS.flatMap((controller) => layout.roots[controller] ?? []))];
    return roots.map((root) => ({ name: basename(root), directory: join(root, this.#node, path) }));
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
    const cpuMs = this.version === 1 ? Number(cpuText || NaN) / NS_PER_MS : (parseStat(cpuText, 'usage_usec') ?? NaN) / 1_000;
    // The working set: what the kernel could take back at once does not count, as the kubelet counts.
    const inactive = parseStat(readText(join(memory, 'memory.stat')), this.version === 1 ? 'total_inactive_file' : 'inactive_file') ?? 0;
    if (Number.isNaN(used) || Number.isNaN(cpuMs)) return undefined;
    return { cpuMs, memoryBytes: Math.max(0, used - inactive) };
  }

  /** Ends who is in it, but those whose parent is given. */
  endProcesses(path: string, sparedParent: number): void {
    const directory = this.#directories(path)[0];
    if (directory === undefined) return;
    for (const pid of readProcs(directory)) if (parentOf(pid) !== sparedParent) sendSignal(pid, 'SIGKILL');
  }

  /** Ends what is left in it, and removes it with all below. Idempotent. `''` stands for the whole node. */
  async remove(path: string): Promise<void> {
    for (const directory of this.#allDirectories(path)) {
      endAll(directory);
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

  /** The pods that have a cgroup, or what has one below that of a pod. */
  list(path = ''): readonly string[] {
    const names = this.#allDirectories(path).flatMap((directory) => {
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
    if (this.#layout.version === 2) this.#give(join(this.#layout.root, this.#node, path));
  }

  #give(directory: string): void {
    if (this.#unified.length > 0) writeFileSync(join(directory, 'cgroup.subtree_control'), this.#unified.map((name) => `+${name}`).join(' '));
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

function unifiedControllers(root: string): readonly string[] {
  const offered = readText(join(root, 'cgroup.controllers')).trim().split(' ');
  return LIMITING.filter((name) => offered.includes(name));
}

/** At once, with all that is below it: version 2 can. */
function endAll(directory: string): void {
  try {
    writeFileSync(join(directory, 'cgroup.kill'), '1', { flag: 'r+' });
  } catch {
    // gone already, or of version 1
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
