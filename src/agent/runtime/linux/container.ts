/**
 * One container of the linux runtime: what starts it, how it is ended, and commands beside it.
 *
 *   DIR/root             what its root directory is made of
 *   DIR/{supervisor,pid,progress,complaint,exit}   what the supervisor and the start write
 *   DIR/…                what every container of this machine has (supervised-container.ts)
 */
import { mkdirSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Millis } from '../../../base/clock.ts';
import { describeError } from '../../../base/errors.ts';
import { findTool } from '../../../cluster/isolation.ts';
import { HOST_IMAGE } from '../../../image/core/reference.ts';
import type { MountableImage } from '../../../image/image-service.ts';
import { makeInput } from '../process-attach.ts';
import { startCommand } from '../process-command.ts';
import type { SupervisorPids } from '../process-supervisor.ts';
import { endProcessesWith, isAlive, processesWith, sendSignal, type ProcessIdentity } from '../process-table.ts';
import { terminalCommand } from '../process-terminal.ts';
import { runCommand } from '../run-command.ts';
import { mountOf } from '../../../base/mount-table.ts';
import { RuntimeError, type ContainerId, type ExecResult, type Mount } from '../runtime.ts';
import { readJson, readText, UNKNOWN_EXIT_CODE } from '../state-files.ts';
import { stopSignalOf } from './core/stop-signal.ts';
import type { CommandOptions as StreamedCommand, CommandStream, TerminalSize } from '../streams.ts';
import { SupervisedContainer, type ContainerHost, type ContainerPlace, type SupervisedStart } from '../supervised-container.ts';
import type { Cgroups } from './cgroups.ts';
import { makeContainerImage, mountsOf, placeIn, readContainerImage, type ContainerImage } from './container-image.ts';
import { makeInnerPlace, makeRoot } from './container-root.ts';
import { capabilitiesOf } from './core/capabilities.ts';
import { missingProgramLine, readComplaint, readExecComplaint } from './core/complaint.ts';
import type { ProcessPlan } from './core/container-run.ts';
import { cgroupsBeside } from './core/init-script.ts';
import { planRoot, relative, type PlannedRoot } from './core/root-layout.ts';
import { becomesUser, groupsOf } from './core/users.ts';
import { defaultSeccomp, type OciSeccomp } from './core/seccomp-profile.ts';
import type { Engine, ExecPlan, Launch, PodNamespaces } from './engine.ts';
import { readPids, readSupervisor } from './files.ts';
import { OciEngine } from './oci-engine.ts';
import { kindOf, type Machine } from './machine.ts';
import { noteDevices, notedDevices } from './machine-devices.ts';
import type { Skeletons } from './skeletons.ts';

/** What all containers of a node share. */
export interface ContainerWorld extends ContainerHost {
  readonly machine: Machine;
  readonly engine: Engine;
  /** For images without the machine's programs, which lack the tools of a start of our own; undefined: there is none. */
  readonly imageEngine: Engine | undefined;
  readonly cgroups: Cgroups | undefined;
  /** How many its programs can be. */
  readonly users: () => number;
  /** A mount that can be made one of which nobody else hears what is mounted there. */
  readonly privateMount: () => string;
  readonly environment: Readonly<Record<string, string>>;
  readonly skeletons: Skeletons;
  /** Where the profiles are that pods name. */
  readonly seccompDirectory: string;
  /** Something of a container was given up half-way: what it may have left is to be looked for. */
  readonly onGivenUp: () => void;
  /** Its image is not mounted any more. */
  readonly releaseImage: (id: ContainerId) => Promise<void>;
}

/** What a container has of its pod. */
export interface ContainerPod {
  readonly uid: string;
  readonly hostname: string;
  readonly namespaces: PodNamespaces;
  /** Does what holds them live? */
  readonly isHeld: () => boolean;
  /** Where the pod's own files of /etc are. */
  readonly etc: string;
  /** Of all its containers, at /dev/shm. */
  readonly sharedMemory: string;
  /** Of another container of the pod, while it runs. */
  readonly pidOf: (id: ContainerId) => number | undefined;
  /** Where this process finds what is mounted from that path: a volume in memory is not where it seems to be. */
  readonly seenAt: (hostPath: string) => string;
}

const COMPLAINT_SHOWN_MAX = 1_024;
/** In the environment of commands beside it: what they have started is known by it. */
const EXEC_MARK = 'PODIUM_EXEC_ID';

export class LinuxContainer extends SupervisedContainer {
  readonly #world: ContainerWorld;
  readonly #pod: ContainerPod;
  readonly #image: ContainerImage;
  #commands = 0;

  /** `image`: absent for one that an earlier agent has made. */
  constructor(world: ContainerWorld, pod: ContainerPod, place: ContainerPlace & { readonly image?: ContainerImage }) {
    super(world, place);
    this.#world = world;
    this.#pod = pod;
    this.#image = place.image ?? readContainerImage(place.directory, place.config, pod.hostname);
  }

  get #engine(): Engine {
    const { engine, imageEngine } = this.#world;
    const isFiltered = this.config.security?.seccomp !== undefined;
    return this.#image.root.hasHostPrograms && !isFiltered ? engine : (imageEngine ?? engine);
  }

  /** Below the node's cgroups. */
  get cgroup(): string {
    return `${this.#pod.uid}/${this.config.name}-${this.config.attempt}`;
  }

  /** Of the machine: under it a container runtime keeps what it knows. */
  get key(): string {
    return `${this.#pod.uid}-${this.config.name}-${this.config.attempt}`;
  }

  /** Makes its files. Refuses what cannot be mounted, and what the image does not allow. */
  static async create(world: ContainerWorld, pod: ContainerPod, place: ContainerPlace & { readonly mountable: MountableImage }): Promise<LinuxContainer> {
    const { config, directory, mountable } = place;
    if (!mountable.hasHostPrograms && world.imageEngine === undefined) throw new RuntimeError('cannot-start', `image ${config.image}: it takes crun or runc to start it on this node`);
    if (pod.namespaces.processes === 'of-the-machine' && world.cgroups === undefined) throw new RuntimeError('cannot-start', 'the processes of the machine are shared only where cgroups tell them apart, and there are none here');
    for (const mount of config.mounts) if (mount.propagation !== undefined) mustPropagate(mount, pod.namespaces.pausePid);
    mkdirSync(join(directory, 'root'), { recursive: true, mode: 0o700 });
    const image = await makeContainerImage({ config, image: mountable, hostname: pod.hostname, directory });
    const container = new LinuxContainer(world, pod, { ...place, image });
    const { user, group, supplementalGroups } = image.run;
    if (groupsOf({ user, group, supplementalGroups }, world.users()).length < supplementalGroups.length) {
      world.log.debug({ container: container.id, user }, 'linux runtime: an ordinary user does not have all of its supplemental groups to give');
    }
    if (config.security?.privileged === true) noteDevices(directory, world.machine.inUserNamespace);
    makeRoot(directory, world.skeletons.place(directory, container.#plannedRoot()), world.machine.inUserNamespace);
    await container.store();
    return container;
  }

  #plannedRoot(): PlannedRoot {
    const { machine } = this.#world;
    const { security } = this.config;
    const { root, run } = this.#image;
    const { etc, sharedMemory, seenAt } = this.#pod;
    const mounts = mountsOf(this.#image, this.config.mounts);
    const planned = planRoot({
      image: root,
      hasAccounts: root.hasAccounts,
      facts: machine.facts,
      podFiles: { hosts: join(etc, 'hosts'), resolvConf: join(etc, 'resolv.conf'), hostname: join(etc, 'hostname') },
      mounts: mounts.map((mount) => ({ ...mount, kind: kindOf(seenAt(mount.hostPath)) })),
      workingDir: placeIn(root, run.workingDir),
      privileged: security?.privileged ?? false,
      devices: notedDevices(this.directory),
      sharedMemory,
      cgroups: this.#world.cgroups === undefined ? undefined : cgroupsBeside(this.#rootPath),
      unmaskedProc: this.#isProcUnmasked,
      inUserNamespace: machine.inUserNamespace,
    });
    if (!planned.ok) throw new RuntimeError('cannot-start', planned.message);
    const seen = mounts.map((mount) => ({ ...mount, hostPath: seenAt(mount.hostPath) }));
    for (const { containerPath } of mounts) makeInnerPlace(containerPath, seen);
    return planned.value;
  }

  #process(command: readonly string[]): ProcessPlan {
    const { security = {} } = this.config;
    const { env, workingDir, ...identity } = this.#image.run;
    const { user, group } = identity;
    const { machine } = this.#world;
    const users = this.#world.users();
    const hasOwners = !machine.inUserNamespace || this.#image.root.lowerDirs.length === 0;
    const { noNewPrivileges = false } = security;
    return {
      command,
      env,
      workingDir,
      user,
      group,
      supplementalGroups: groupsOf(identity, users),
      becomesUser: becomesUser({ identity, users, hasOwners }),
      capabilities: capabilitiesOf(security, machine.capabilities),
      noNewPrivileges,
      terminal: false,
    };
  }

  get #propagation(): Launch['propagation'] {
    const wanted = this.config.mounts.map(({ propagation }) => propagation);
    if (wanted.includes('Bidirectional')) return 'shared';
    return wanted.includes('HostToContainer') ? 'slave' : 'private';
  }

  /** Where mounts are shared with the machine its root is mounted where they are not. */
  get #rootPath(): string {
    return this.#propagation === 'shared' ? join(this.#world.privateMount(), '.roots', this.key) : join(this.directory, 'root');
  }

  get #isProcUnmasked(): boolean {
    const { privileged = false, unmaskedProc = false } = this.config.security ?? {};
    return privileged || unmaskedProc;
  }

  /** Undefined: it may call whatever the kernel lets it. */
  #seccomp(capabilities: readonly string[]): OciSeccomp | undefined {
    const profile = this.config.security?.seccomp;
    if (profile === undefined || profile.kind === 'unconfined') return undefined;
    // As container runtimes without filters have it: the default is left out, what somebody wrote himself is not.
    if (!(this.#engine instanceof OciEngine) && profile.kind === 'runtime-default') return undefined;
    if (!(this.#engine instanceof OciEngine)) throw new RuntimeError('cannot-start', 'a seccomp profile takes crun or runc, which start nothing here');
    if (profile.kind === 'runtime-default') return defaultSeccomp(capabilities, process.arch);
    const path = join(this.#world.seccompDirectory, relative(profile.path));
    const found = readJson<OciSeccomp>(path);
    if (found === undefined) throw new RuntimeError('cannot-start', `the seccomp profile ${profile.path} cannot be read: there is no such file, or no profile in it, below ${this.#world.seccompDirectory}`);
    return found;
  }

  /** Others may outlive its program then. */
  get #sharesProcesses(): boolean {
    return this.#pod.namespaces.processes !== undefined || this.config.processesOf !== undefined;
  }

  get #pidNamespace(): string | null | undefined {
    const { processes, pausePid } = this.#pod.namespaces;
    if (processes === 'of-the-machine') return null;
    // The pause process stands outside it.
    if (processes === 'of-the-pod') return `/proc/${pausePid}/ns/pid_for_children`;
    const { processesOf } = this.config;
    if (processesOf === undefined) return undefined;
    const pid = this.#pod.pidOf(processesOf);
    if (pid === undefined) throw new RuntimeError('cannot-start', `the container whose processes it shall see, ${processesOf}, does not run`);
    return `/proc/${pid}/ns/pid`;
  }

  #launch(cgroupProcs: readonly string[], command: readonly string[]): Launch {
    return {
      key: this.key,
      directory: this.directory,
      pod: this.#pod.namespaces,
      pidNamespace: undefined,
      root: this.#world.skeletons.place(this.directory, this.#plannedRoot()),
      rootPath: this.#rootPath,
      propagation: this.#propagation,
      privateMount: this.#propagation === 'shared' ? this.#world.privateMount() : undefined,
      isRootReadOnly: this.config.security?.readOnlyRoot ?? false,
      isProcUnmasked: this.#isProcUnmasked,
      mayUseDevices: this.config.security?.privileged ?? false,
      process: this.#process(command),
      cgroupProcs,
      cgroupsShown: this.#world.cgroups?.shown(this.cgroup) ?? [],
      oomScoreAdjust: this.config.resources?.oomScoreAdjust,
      cgroup: this.#world.cgroups?.pathOf(this.cgroup) ?? '',
    };
  }

  // --- its start and its end

  protected override async prepareStart(): Promise<SupervisedStart> {
    // Its pid may be another process's by now.
    if (!this.#pod.isHeld()) throw new RuntimeError('cannot-start', 'the sandbox of its pod has died');
    const { cgroups, environment } = this.#world;
    const cgroupProcs = cgroups?.make(this.cgroup, this.config.resources ?? {}) ?? [];
    const { stdin = false, tty = false } = this.config;
    const { command } = this.#image.run;
    if (stdin) await makeInput(this.directory);
    const launch = { ...this.#launch(cgroupProcs, command), pidNamespace: this.#pidNamespace };
    const seccomp = this.#seccomp(launch.process.capabilities);
    const own = { ...launch, seccomp, process: { ...launch.process, terminal: tty, env: { ...(tty ? { TERM: 'xterm' } : {}), ...launch.process.env } } };
    mkdirSync(launch.rootPath, { recursive: true, mode: 0o700 });
    for (const { name } of launch.cgroupsShown) mkdirSync(join(cgroupsBeside(launch.rootPath), name), { recursive: true });
    const args = await this.#engine.prepare(own);
    const env = { ...environment, ...(this.#sharesProcesses ? { LOG_OUTLIVES: '1' } : {}) };
    return tty ? { args: inTerminal(args, undefined), env: { ...env, SHELL: '/bin/sh' } } : { args, env };
  }

  protected override get terminalUser(): (() => number) | undefined {
    return this.#engine.makesTerminals ? () => this.pids?.child.pid ?? 0 : undefined;
  }

  protected override hasBegun(): boolean {
    return this.#engine.hasBegun(this.directory);
  }

  protected override complaint(): string {
    return readComplaint(readText(join(this.directory, 'complaint'))).slice(0, COMPLAINT_SHOWN_MAX);
  }

  protected override readPids(): SupervisorPids | undefined {
    return readPids(this.directory);
  }

  protected override readSupervisor(): ProcessIdentity | undefined {
    return readSupervisor(this.directory);
  }

  protected override askToEnd({ pid }: ProcessIdentity): void {
    const { stopSignal } = this.config;
    sendSignal(pid, stopSignal === undefined ? this.#image.run.stopSignal : stopSignalOf(stopSignal));
  }

  override checkEnd(isSupervisorGone: boolean): void {
    if (this.record.state === 'running' && this.pids !== undefined && !isAlive(this.pids.child)) this.#endLeftovers();
    super.checkEnd(isSupervisorGone);
  }

  /** With the first process of a pid namespace all others end. */
  protected override killAll(starting: number | undefined): void {
    const child = this.pids?.child;
    if (child !== undefined && isAlive(child)) sendSignal(child.pid, 'SIGKILL');
    else if (starting !== undefined) sendSignal(-starting, 'SIGKILL');
    this.#endLeftovers();
  }

  /** Without such a namespace nobody ends them, and crun waits for all that are its children now. */
  #endLeftovers(): void {
    const supervisor = this.pids?.supervisor.pid;
    if (!this.#sharesProcesses || supervisor === undefined) return;
    this.#world.cgroups?.endProcesses(this.cgroup, supervisor);
  }

  protected override endUnwatched({ pid, startTime }: ProcessIdentity): void {
    if (endProcessesWith(`PODIUM_SUPERVISOR=${pid} ${startTime}`)) this.#world.onGivenUp();
  }

  protected override reasonOf(exitCode: number): string | undefined {
    return exitCode !== 0 && (this.#world.cgroups?.oomKills(this.cgroup) ?? 0) > 0 ? 'OOMKilled' : undefined;
  }

  protected override async clean(): Promise<void> {
    const { cgroups, log } = this.#world;
    try {
      await Promise.all([cgroups?.remove(this.cgroup), this.#engine.forget(this.key)]);
      if (this.#propagation === 'shared') for (const path of [this.#rootPath, cgroupsBeside(this.#rootPath)]) rmSync(path, { recursive: true, force: true });
    } catch (error) {
      log.warn({ container: this.id, error: describeError(error) }, 'linux runtime: something of a container is left in the kernel');
    }
  }

  override async remove(): Promise<void> {
    await super.remove();
    if (this.#image.root.id !== HOST_IMAGE) await this.#world.releaseImage(this.id);
  }

  // --- beside it

  override async exec(command: readonly string[], timeoutMs: Millis): Promise<ExecResult> {
    const { clock, environment } = this.#world;
    const plan = await this.#beside(command, {});
    // Whoever started it shall see it end: on a machine whose first process reaps nobody else's it would be there for good,
    // and hold up the end of the pid namespace in which it stands.
    const { exitCode, output, timedOut } = await runCommand(plan.command, { clock, env: environment, timeoutMs, endFirst: () => endGroup(plan) });
    if (timedOut) endGroup(plan);
    for (const file of plan.files) await rm(file, { force: true });
    return { exitCode: exitCode < 0 ? UNKNOWN_EXIT_CODE : exitCode, output, timedOut };
  }

  /** Its terminal is one of the machine's, in which the engine may make another one. */
  override async execStream(options: StreamedCommand): Promise<CommandStream> {
    const { clock, environment } = this.#world;
    const { command, tty, size } = options;
    const mark = `${this.id}/${process.pid}/${++this.#commands}`;
    const plan = await this.#beside(command, { terminal: tty, env: { [EXEC_MARK]: mark } });
    const endAll = () => {
      endGroup(plan);
      for (const one of processesWith(`${EXEC_MARK}=${mark}`)) sendSignal(one.pid, 'SIGKILL');
    };
    const failure = () => (plan.complaintFile === undefined ? undefined : readExecComplaint(readText(plan.complaintFile)));
    const onEnd = () => {
      for (const file of plan.files) rmSync(file, { force: true });
    };
    const { pidFile } = plan;
    const insider = pidFile === undefined ? undefined : () => Number(readText(pidFile));
    const started = tty ? inTerminal(plan.command, size) : plan.command;
    const lastWords = plan.complaintFile === undefined ? undefined : missingProgramLine(command[0] ?? '');
    return startCommand({ command: started, options, env: { ...environment, SHELL: '/bin/sh' }, clock, endAll, onEnd, failure, lastWords, insider });
  }

  #beside(command: readonly string[], { terminal = false, env = {} }: { readonly terminal?: boolean; readonly env?: Readonly<Record<string, string>> }): Promise<ExecPlan> {
    this.mustRun();
    const launch = this.#launch(this.#world.cgroups?.procs(this.cgroup) ?? [], command);
    const own = { ...launch.process, terminal, env: { ...(terminal ? { TERM: 'xterm' } : {}), ...launch.process.env, ...env } };
    return this.#engine.exec(launch, this.pids?.child.pid ?? 0, own);
  }
}

/** In the words of container runtimes. */
function mustPropagate({ hostPath, propagation }: Mount, pausePid: number): void {
  const mount = mountOf(readText(`/proc/${pausePid}/mountinfo`), hostPath);
  if (mount === undefined || mount.isShared || (mount.isSlave && propagation === 'HostToContainer')) return;
  const what = propagation === 'Bidirectional' ? 'shared' : 'shared or slave';
  throw new RuntimeError('cannot-start', `path "${hostPath}" is mounted on "${mount.path}" but it is not a ${what} mount`);
}

function inTerminal(command: readonly string[], size: TerminalSize | undefined): string[] {
  const script = findTool('script');
  if (script === undefined) throw new RuntimeError('cannot-start', 'a terminal needs the program "script" (util-linux), which this machine does not have');
  return terminalCommand({ script, command, shell: undefined, size });
}

/** The runtime has put it into a group of its own, in which is also what it started. */
function endGroup({ pidFile }: ExecPlan): void {
  const pid = pidFile === undefined ? 0 : Number(readText(pidFile));
  if (!(pid > 1)) return;
  const stat = readText(`/proc/${pid}/stat`);
  const [, , group = 0] = stat.slice(stat.lastIndexOf(')') + 2).split(' ').map(Number);
  if (group > 1) sendSignal(-group, 'SIGKILL');
  sendSignal(pid, 'SIGKILL');
}
