/**
 * Containers by crun or runc. The runtime stays in the foreground under the container's supervisor, as only so it tells
 * how the container ended, and stands in a mount namespace of its own:
 *
 *   supervisor ─► nsenter (the pod's net, ipc, uts) ═► unshare --mount ═► sh: joins the cgroup, hides the cgroups ═► crun run
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ociProcess, ociSpec } from './core/oci-spec.ts';
import type { ProcessPlan } from './core/container-run.ts';
import { cgroupMounts, joinLines, overlayOptions } from './core/init-script.ts';
import { fstabField, quote, quoteAll } from './core/shell-words.ts';
import { sharedNamespaces, unshareMounts, UtilLinuxEngine, type Engine, type EngineWorld, type ExecPlan, type Launch } from './engine.ts';
import { statesOf } from './strays.ts';
import { RuntimeError } from '../runtime.ts';
import { readText } from '../state-files.ts';

/** By a name of its own: what is mounted there already, by the usual one, would pass for it. */
const NO_CGROUPS = 'no-cgroups /sys/fs/cgroup tmpfs ro,size=0 0 0\n';

export class OciEngine implements Engine {
  readonly name: string;
  readonly version: string;
  readonly makesTerminals: boolean;
  readonly #program: string;
  readonly #world: EngineWorld;
  readonly #tools: UtilLinuxEngine;

  /** `program`: the absolute path of crun or runc. */
  constructor(world: EngineWorld, program: string, version: string) {
    this.#world = world;
    this.#tools = new UtilLinuxEngine(world, version);
    this.#program = program;
    this.name = basename(program);
    this.version = version;
    // runc puts pipes of its own in the place of descriptors.
    this.makesTerminals = this.name === 'crun';
  }

  get #state(): string {
    return statesOf(this.#world.root);
  }

  async prepare(launch: Launch): Promise<readonly string[]> {
    const { machine, space } = this.#world;
    const { directory, pod, root, rootPath, propagation, isRootReadOnly, process, isProcUnmasked, mayUseDevices, pidNamespace, seccomp, key } = launch;
    // runc puts pipes of its own in the place of descriptors.
    if (this.name === 'runc' && process.terminal) {
      if (root.lowerDirs.length > 0) throw new RuntimeError('cannot-start', 'a terminal for an image takes crun, which this machine does not have');
      return this.#tools.prepare(launch);
    }
    const { facts, inUserNamespace, tools } = machine;
    const { users } = space;
    const cgroupsPath = this.name === 'crun' ? undefined : `/${launch.cgroup}`;
    const spec = ociSpec({ root, rootPath, propagation, isRootReadOnly, process, facts, isProcUnmasked, mayUseDevices, pidNamespace, seccomp, users, cgroupsPath });
    await writeFile(join(directory, 'config.json'), spec, { mode: 0o600 });
    // One of the same name may have been lost with its sandbox.
    await this.forget(key);
    await mkdir(this.#state, { recursive: true, mode: 0o700 });
    const log = ['--log', join(directory, 'complaint')];
    const run = [...this.#command(), ...log, 'run', '--bundle', directory, '--pid-file', join(directory, 'runtime.pid'), key];
    const overlay = overlayOptions(directory, root, inUserNamespace);
    const mounts = [...cgroupMounts(rootPath, launch.cgroupsShown), ...(overlay.length === 0 ? [] : [`overlay ${fstabField(rootPath)} overlay ${fstabField(overlay.join(','))} 0 0\n`]), ...(this.name === 'crun' ? [NO_CGROUPS] : [])];
    await writeFile(join(directory, 'fstab'), mounts.join(''), { mode: 0o600 });
    const mountAll = `${tools.mount} --all --fstab ${quote(join(directory, 'fstab'))}`;
    // Cgroups are hidden from this container runtime alone.
    const alone = launch.privateMount === undefined ? [] : [`${tools.mount} --make-private ${quote(launch.privateMount)}`, `${tools.mount} --make-rprivate /sys`];
    const script = ['exec 5>&2 2>&3', ...joinLines(launch.cgroupProcs, launch.oomScoreAdjust), ...alone, mountAll, ...(this.name === 'crun' ? [] : this.#hideCgroups()), 'exec 2>&5 3>&- 4>&- 5>&-', `exec ${quoteAll(run)}`];
    return space.enter(pod.pausePid, sharedNamespaces(pod), [...unshareMounts(tools, propagation), tools.sh, '-ec', script.join('\n')]);
  }

  /** With its global flags. */
  #command(): readonly string[] {
    return [this.#program, '--root', this.#state, ...(this.name === 'crun' ? ['--cgroup-manager=disabled'] : [])];
  }

  /**
   * Cgroups are ours, so in the mount namespace of a container runtime they are not there. crun is content with that; runc
   * insists on a cgroup of devices, and has that.
   */
  #hideCgroups(): readonly string[] {
    const { mount, umount } = this.#world.machine.tools;
    if (this.name === 'crun') return [`${mount} -t tmpfs -o ro,size=0 tmpfs /sys/fs/cgroup`];
    return [`for one in /sys/fs/cgroup/*; do case $one in */devices) ;; *) ${umount} -l "$one" 2>/dev/null || : ;; esac; done`];
  }

  /** The runtime's own process becomes the program; until then it is the runtime that the pid names. */
  hasBegun(directory: string): boolean {
    if (this.#tools.hasBegun(directory)) return true;
    const pid = Number(readText(join(directory, 'runtime.pid')));
    if (!(pid > 1)) return false;
    try {
      return !/\/(?:crun|runc)(?: \(deleted\))?$|^\/memfd:/.test(readlinkSync(`/proc/${pid}/exe`));
    } catch {
      return true; // it has run, and has ended
    }
  }

  async exec(launch: Launch, pid: number, process: ProcessPlan): Promise<ExecPlan> {
    // runc puts pipes of its own in the place of descriptors. Our own way needs the machine's tools within.
    if (this.name === 'runc' && process.terminal) return this.#tools.exec(launch, pid, process);
    const { directory, cgroupProcs, oomScoreAdjust, key, pod } = launch;
    const { machine, space } = this.#world;
    const { tools } = machine;
    const file = join(directory, `exec-${++this.#execs}.json`);
    const pidFile = join(directory, `exec-${this.#execs}.pid`);
    await writeFile(file, JSON.stringify(ociProcess(process)), { mode: 0o600 });
    const log = join(directory, `exec-${this.#execs}.log`);
    const run = [...this.#command(), '--log', log, 'exec', '--process', file, '--pid-file', pidFile, key];
    const script = [...joinLines(cgroupProcs, oomScoreAdjust), ...this.#hideCgroups(), `exec ${quoteAll(run)}`];
    // The runtime takes the command into the namespaces that it made; those of the pod it must stand in itself.
    const own = [tools.unshare, '--mount', '--propagation', 'private', tools.sh, '-ec', script.join('\n')];
    return { command: space.enter(pod.pausePid, sharedNamespaces(pod), own), pidFile, complaintFile: log, files: [file, pidFile, log] };
  }

  #execs = 0;

  /** A runtime that ended with its container keeps nothing; one that was killed does. */
  async forget(key: string): Promise<void> {
    await rm(join(this.#state, key), { recursive: true, force: true });
  }
}
