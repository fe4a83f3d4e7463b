/**
 * One container of the linux runtime: its files, its start, its end, and what an agent that comes later finds of it.
 *
 *   DIR/container.json   what it shall be, when it was made and started, how it ended
 *   DIR/root             what its root directory is made of
 *   DIR/{supervisor,pid,progress,complaint,exit}   what the supervisor and the start write
 *   DIR/log…             what it wrote (process-log.ts)
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, chownSync, closeSync, lstatSync, mkdirSync, openSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { sleep, withDeadline, type Clock, type Millis } from '../../../base/clock.ts';
import { deferred, type Deferred } from '../../../base/deferred.ts';
import { describeError, systemErrorCode } from '../../../base/errors.ts';
import type { Log } from '../../../base/log.ts';
import { findTool } from '../../../cluster/isolation.ts';
import { isHostImage } from '../../core/pod-spec.ts';
import { begun, ChildCommand } from '../process-command.ts';
import { LOG_BYTES_MAX, ProcessLog } from '../process-log.ts';
import type { SupervisorPids } from '../process-supervisor.ts';
import { isAlive, processesWith, sendSignal } from '../process-table.ts';
import { TerminalSizes, terminalCommand } from '../process-terminal.ts';
import { stopSignalOf } from '../stop-signal.ts';
import { containerIdOf, RuntimeError, type ContainerConfig, type ContainerId, type ContainerRecord, type ContainerResources, type ExecResult, type SandboxId } from '../runtime.ts';
import type { CommandOptions as StreamedCommand, CommandStream, TerminalSize } from '../streams.ts';
import type { Cgroups } from './cgroups.ts';
import { capabilitiesOf } from './core/capabilities.ts';
import type { ProcessPlan } from './core/init-script.ts';
import { planRoot, relative, type PlannedRoot } from './core/root-layout.ts';
import { readComplaint } from './core/complaint.ts';
import type { Engine, Launch } from './engine.ts';
import { readExit, readJson, readPids, readSupervisor, readText, UNKNOWN_EXIT_CODE, writeJson } from './files.ts';
import { kindOf, type Machine } from './machine.ts';
import { runCommand } from './run-command.ts';

/** What all containers of a node share. */
export interface ContainerWorld {
  readonly clock: Clock;
  readonly log: Log;
  readonly machine: Machine;
  readonly engine: Engine;
  /** For images without the machine's programs, which lack the tools of a start of our own; undefined: there is none. */
  readonly imageEngine: Engine | undefined;
  readonly cgroups: Cgroups | undefined;
  readonly supervisorPath: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly logBytesMax?: number | undefined;
  /** Something of the sandbox changed by itself. */
  readonly tell: (sandboxId: SandboxId) => void;
}

/** What a container has of its pod. */
export interface ContainerPod {
  readonly uid: string;
  readonly hostname: string;
  readonly pausePid: number;
  /** Which of the pod's sandboxes it is in. */
  readonly sandboxAttempt?: number | undefined;
  /** Where the pod's own files of /etc are. */
  readonly etc: string;
}

/** What `container.json` holds. */
interface StoredContainer {
  readonly config: ContainerConfig;
  readonly createdAtMs: Millis;
  readonly sandboxAttempt?: number | undefined;
  /** As they are now. */
  readonly resources?: ContainerResources | undefined;
  readonly startedAtMs?: Millis | undefined;
  readonly end?: Ending | undefined;
}

interface Ending {
  readonly exitCode: number;
  readonly finishedAtMs: Millis;
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
}

const START_DEADLINE_MS = 20_000;
const START_POLL_MS = 1;
const END_POLL_MS = 10;
/** A killed process is gone at once, unless the kernel holds it. */
const KILL_DEADLINE_MS = 10_000;
/** What CRI runtimes answer for a program that cannot be run. */
const CANNOT_RUN_EXIT_CODE = 128;
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const COMPLAINT_SHOWN_MAX = 1_024;
/** In the environment of commands beside it: what they have started is known by it. */
const EXEC_MARK = 'PODIUM_EXEC_ID';

export class LinuxContainer {
  readonly id: ContainerId;
  readonly log: ProcessLog;
  readonly #world: ContainerWorld;
  readonly #pod: ContainerPod;
  readonly #directory: string;
  readonly #config: ContainerConfig;
  readonly #ended: Deferred<void> = deferred();
  #record: ContainerRecord;
  #pids: SupervisorPids | undefined;
  #child: ChildProcess | undefined;
  #commands = 0;
  #isTermSent = false;
  #isReleased = false;
  #storing: Promise<void> = Promise.resolve();
  /** Removal of what the container leaves in the kernel. */
  #cleaning: Promise<void> = Promise.resolve();

  constructor(world: ContainerWorld, pod: ContainerPod, directory: string, config: ContainerConfig, createdAtMs: Millis) {
    this.#world = world;
    this.#pod = pod;
    this.#directory = directory;
    this.#config = config;
    const { name, attempt, backoffSteps, init, image, resources } = config;
    this.id = containerIdOf(pod.uid, name, attempt);
    this.log = new ProcessLog(directory, world.logBytesMax ?? LOG_BYTES_MAX);
    this.#record = { id: this.id, sandboxId: pod.uid, name, attempt, backoffSteps, init, image, state: 'created', createdAtMs, sandboxAttempt: pod.sandboxAttempt, resources };
  }

  get record(): ContainerRecord {
    return this.#record;
  }

  get #engine(): Engine {
    const { engine, imageEngine } = this.#world;
    return this.#config.imageRoot?.hasHostPrograms === false ? (imageEngine ?? engine) : engine;
  }

  get pids(): SupervisorPids | undefined {
    return this.#pids;
  }

  /** Below the node's cgroups. */
  get cgroup(): string {
    return `${this.#pod.uid}/${this.#config.name}-${this.#config.attempt}`;
  }

  /** Makes its files. Refuses what cannot be mounted. */
  static async create(world: ContainerWorld, pod: ContainerPod, directory: string, config: ContainerConfig): Promise<LinuxContainer> {
    // Other images come with whoever keeps them.
    const { imageRoot } = config;
    if (!isHostImage(config.image) && imageRoot === undefined) throw new RuntimeError('cannot-start', `image ${config.image} is not on this node: it has podium.dev/host alone`);
    if (imageRoot?.hasHostPrograms === false && world.imageEngine === undefined) throw new RuntimeError('cannot-start', `image ${config.image}: it takes crun or runc to start it on this node`);
    if (invocationOf(config).length === 0) throw new RuntimeError('cannot-start', `container ${config.name}: command is required: the machine's own programs have no default one`);
    await rm(directory, { recursive: true, force: true });
    mkdirSync(join(directory, 'root'), { recursive: true, mode: 0o700 });
    const container = new LinuxContainer(world, pod, directory, config, world.clock.wall());
    const { user, group } = container.#process(invocationOf(config));
    if (world.machine.inUserNamespace && (config.security?.supplementalGroups ?? []).some((one) => one !== group)) {
      world.log.debug({ container: container.id, user }, 'linux runtime: an ordinary user has no supplemental groups to give');
    }
    makeRoot(directory, container.#plannedRoot(), world.machine.inUserNamespace);
    await container.#store();
    return container;
  }

  /** Reads what an earlier agent left; undefined: it had not got so far as to be one. */
  static adopt(world: ContainerWorld, pod: ContainerPod, directory: string): LinuxContainer | undefined {
    const stored = readJson<StoredContainer>(join(directory, 'container.json'));
    if (stored === undefined) return undefined;
    const container = new LinuxContainer(world, pod, directory, stored.config, stored.createdAtMs);
    container.#adopt(stored);
    return container;
  }

  #adopt({ startedAtMs, end, sandboxAttempt, resources = this.#config.resources }: StoredContainer): void {
    this.#record = { ...this.#record, sandboxAttempt, resources };
    if (end !== undefined) {
      this.#record = { ...this.#record, ...end, startedAtMs, state: 'exited' };
      this.#ended.resolve();
      return;
    }
    this.#pids = readPids(this.#directory);
    const supervisor = readSupervisor(this.#directory);
    if (this.#pids === undefined && supervisor === undefined) return;
    // Its start was under way: whatever became of it, it counts as begun.
    const at = statSync(join(this.#directory, 'supervisor'), { throwIfNoEntry: false })?.mtimeMs;
    this.#record = { ...this.#record, state: 'running', startedAtMs: startedAtMs ?? at ?? this.#record.createdAtMs, pid: this.#pids?.child.pid };
    this.checkEnd(false);
  }

  #plannedRoot(): PlannedRoot {
    const { machine } = this.#world;
    const { mounts, workingDir, security, imageRoot } = this.#config;
    const { etc } = this.#pod;
    const planned = planRoot({
      image: imageRoot,
      facts: machine.facts,
      podFiles: { hosts: join(etc, 'hosts'), resolvConf: join(etc, 'resolv.conf'), hostname: join(etc, 'hostname') },
      mounts: mounts.map((mount) => ({ ...mount, kind: kindOf(mount.hostPath) })),
      workingDir,
      privileged: security?.privileged ?? false,
      inUserNamespace: machine.inUserNamespace,
    });
    if (!planned.ok) throw new RuntimeError('cannot-start', planned.message);
    for (const { containerPath } of mounts) makeInnerPlace(containerPath, mounts);
    return planned.value;
  }

  #process(command: readonly string[]): ProcessPlan {
    const { security = {}, env, workingDir } = this.#config;
    const { user = 0, supplementalGroups = [], noNewPrivileges = false } = security;
    return {
      command,
      env: { PATH, HOME: '/', HOSTNAME: this.#pod.hostname, ...env },
      workingDir: `/${relative(workingDir)}`,
      user,
      group: security.group ?? 0,
      supplementalGroups,
      capabilities: capabilitiesOf(security, this.#world.machine.capabilities),
      noNewPrivileges,
      terminal: false,
    };
  }

  #launch(cgroupProcs: readonly string[], command: readonly string[]): Launch {
    return {
      key: `${this.#pod.uid}-${this.#config.name}-${this.#config.attempt}`,
      directory: this.#directory,
      pausePid: this.#pod.pausePid,
      root: this.#plannedRoot(),
      isRootReadOnly: this.#config.security?.readOnlyRoot ?? false,
      privileged: this.#config.security?.privileged ?? false,
      process: this.#process(command),
      cgroupProcs,
      cgroup: this.#world.cgroups?.pathOf(this.cgroup) ?? '',
    };
  }

  /** Writes what is true now. One after the other, so that nothing older overtakes. */
  #store(): Promise<void> {
    const stored = this.#storing.then(() => this.#write());
    this.#storing = stored.catch(() => undefined); // its caller hears of it
    return stored;
  }

  #write(): Promise<void> {
    const { state, createdAtMs, sandboxAttempt, resources, startedAtMs, exitCode, finishedAtMs, reason, message } = this.#record;
    const end = state === 'exited' ? { exitCode: exitCode ?? UNKNOWN_EXIT_CODE, finishedAtMs: finishedAtMs ?? 0, reason, message } : undefined;
    const stored: StoredContainer = { config: this.#config, createdAtMs, sandboxAttempt, resources, startedAtMs, end };
    return writeJson(join(this.#directory, 'container.json'), stored);
  }

  // --- its start

  async start(): Promise<void> {
    const { cgroups, clock } = this.#world;
    const engine = this.#engine;
    if (this.#record.state !== 'created') throw new RuntimeError('invalid-state', `container ${this.id} has been started`);
    try {
      const cgroupProcs = cgroups?.make(this.cgroup, this.#config.resources ?? {}) ?? [];
      const command = await engine.prepare(this.#launch(cgroupProcs, invocationOf(this.#config)));
      const failure = await this.#spawn(command);
      if (failure !== undefined) return await this.#failToStart(failure);
    } catch (error) {
      return this.#failToStart(describeError(error));
    }
    this.#record = { ...this.#record, state: 'running', startedAtMs: clock.wall(), pid: this.#pids?.child.pid };
    await this.#store();
    // It may have ended before this agent knew that it had begun.
    this.checkEnd(this.#child?.exitCode !== null);
  }

  /** Answers why the program does not run. */
  async #spawn(command: readonly string[]): Promise<string | undefined> {
    const { supervisorPath, machine, environment } = this.#world;
    const output = openSync(this.log.path, 'a', 0o600);
    try {
      const args = [supervisorPath, this.#directory, ...command];
      this.#child = spawn(machine.tools.sh, args, { detached: true, env: { ...environment }, cwd: this.#directory, stdio: ['ignore', output, output] });
    } finally {
      closeSync(output);
    }
    const child = this.#child;
    child.unref();
    let failure: string | undefined;
    child.once('error', (error) => (failure = describeError(error)));
    child.once('exit', () => this.checkEnd(true));
    const { clock } = this.#world;
    const engine = this.#engine;
    for (const startMs = clock.monotonic(); ; await sleep(clock, START_POLL_MS)) {
      if (failure !== undefined) return failure;
      const hasEnded = child.exitCode !== null || child.signalCode !== null;
      this.#pids ??= readPids(this.#directory);
      if (this.#pids !== undefined && engine.hasBegun(this.#directory)) return undefined;
      if (hasEnded) return this.#complaint() || this.#howStartEnded();
      if (clock.monotonic() - startMs <= START_DEADLINE_MS) continue;
      this.#killAll();
      return this.#complaint() || `the program did not begin within ${START_DEADLINE_MS} ms`;
    }
  }

  #howStartEnded(): string {
    const { cgroups } = this.#world;
    if ((cgroups?.oomKills(this.cgroup) ?? 0) > 0) return 'container init was OOM-killed (memory limit too low?)';
    return `its start ended with exit code ${readExit(this.#directory)?.exitCode ?? UNKNOWN_EXIT_CODE}`;
  }

  #complaint(): string {
    return readComplaint(readText(join(this.#directory, 'complaint'))).slice(0, COMPLAINT_SHOWN_MAX);
  }

  async #failToStart(message: string): Promise<void> {
    this.#killAll();
    const now = this.#world.clock.wall();
    this.#record = { ...this.#record, state: 'exited', startedAtMs: now, finishedAtMs: now, exitCode: CANNOT_RUN_EXIT_CODE, reason: 'StartError', message };
    await this.#store();
    this.#cleaning = this.#clean();
    this.#ended.resolve();
    this.#world.tell(this.#record.sandboxId);
  }

  // --- its end

  /** Has it ended? `isSupervisorGone`: known from its parent; otherwise /proc is asked. */
  checkEnd(isSupervisorGone: boolean): void {
    if (this.#record.state !== 'running' || this.#isReleased) return;
    const exit = readExit(this.#directory);
    this.#pids ??= readPids(this.#directory);
    const supervisor = this.#pids?.supervisor ?? readSupervisor(this.#directory);
    if (exit === undefined) {
      if (!isSupervisorGone && supervisor !== undefined && isAlive(supervisor)) return;
      // Somebody killed the supervisor alone: the program goes on, its exit code will be unknown.
      if (this.#pids !== undefined && isAlive(this.#pids.child)) return;
    }
    const unknown = { reason: 'ContainerStatusUnknown', message: 'the container ended while nobody watched over it' };
    const ended = exit ?? { exitCode: UNKNOWN_EXIT_CODE, finishedAtMs: this.#world.clock.wall(), ...unknown };
    const isOutOfMemory = ended.exitCode !== 0 && (this.#world.cgroups?.oomKills(this.cgroup) ?? 0) > 0;
    this.#killAll();
    // The file's time is a few ms behind the clock's.
    const finishedAtMs = Math.max(ended.finishedAtMs, this.#record.createdAtMs);
    this.#record = { ...this.#record, ...ended, finishedAtMs, ...(isOutOfMemory ? { reason: 'OOMKilled', message: undefined } : {}), state: 'exited', pid: undefined };
    const stored = this.#store().catch((error: unknown) => this.#world.log.warn({ container: this.id, error: describeError(error) }, 'linux runtime: an end was not noted'));
    // What is left in the kernel tells how it ended, until that is on disk.
    this.#cleaning = stored.then(() => this.#clean());
    this.#ended.resolve();
    // A last note of the log's length, so that its last lines have a time. The log may be gone with its pod.
    this.log.observe(this.#world.clock.wall()).catch(() => undefined);
    this.#world.tell(this.#record.sandboxId);
  }

  #clean(): Promise<void> {
    const { cgroups, log } = this.#world;
    const engine = this.#engine;
    const key = `${this.#pod.uid}-${this.#config.name}-${this.#config.attempt}`;
    return Promise.all([cgroups?.remove(this.cgroup), engine.forget(key)]).then(
      () => undefined,
      (error: unknown) => log.warn({ container: this.id, error: describeError(error) }, 'linux runtime: something of a container is left in the kernel'),
    );
  }

  async stop(graceMs: Millis): Promise<void> {
    if (this.#record.state !== 'running') return;
    if (graceMs > 0) {
      if (!this.#isTermSent && this.#pids !== undefined && isAlive(this.#pids.child)) sendSignal(this.#pids.child.pid, stopSignalOf(this.#config));
      this.#isTermSent = true;
      if (await this.#endsWithin(graceMs)) return;
    }
    this.#killAll();
    if (await this.#endsWithin(KILL_DEADLINE_MS)) return;
    throw new RuntimeError('invalid-state', `container ${this.id} did not end within ${KILL_DEADLINE_MS} ms of SIGKILL`);
  }

  async #endsWithin(deadlineMs: Millis): Promise<boolean> {
    const { clock } = this.#world;
    const ended = withDeadline(this.#ended.promise, { clock, deadlineMs, what: `end of ${this.id}` }).catch(() => undefined); // seen below
    // Nobody tells of the end of one that an earlier agent started.
    for (const untilMs = clock.monotonic() + deadlineMs; this.#child === undefined && this.#record.state === 'running' && clock.monotonic() < untilMs; ) {
      this.checkEnd(false);
      await sleep(clock, END_POLL_MS);
    }
    await ended;
    return this.#record.state === 'exited';
  }

  /** With the first process of a pid namespace all others end. The supervisor stays, to write down how it ended. */
  #killAll(): void {
    const child = this.#pids?.child;
    if (child !== undefined && isAlive(child)) sendSignal(child.pid, 'SIGKILL');
    // A start that hangs before there is such a process.
    else if (this.#record.state === 'created' && this.#child?.pid !== undefined && this.#child.exitCode === null) sendSignal(-this.#child.pid, 'SIGKILL');
  }

  /** Changes its limits while it runs. */
  async update(resources: ContainerResources): Promise<void> {
    const { cgroups } = this.#world;
    if (this.#record.state !== 'running') throw new RuntimeError('invalid-state', `container ${this.id} is not running`);
    if (cgroups === undefined) throw new RuntimeError('invalid-state', 'this node has no cgroups: containers have no limits');
    cgroups.update(this.cgroup, resources);
    this.#record = { ...this.#record, resources };
    await this.#store();
  }

  async remove(): Promise<void> {
    await this.#cleaning;
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 3 });
  }

  /** Lets go: it outlives this agent. */
  release(): void {
    this.#isReleased = true;
    this.#child?.removeAllListeners();
  }

  // --- beside it

  async exec(command: readonly string[], timeoutMs: Millis): Promise<ExecResult> {
    const { cgroups, clock, environment } = this.#world;
    const engine = this.#engine;
    if (this.#record.state !== 'running' || this.#pids === undefined) throw new RuntimeError('invalid-state', `container ${this.id} is not running`);
    const launch = this.#launch(cgroups?.procs(this.cgroup) ?? [], command);
    const { command: program, pidFile, files } = await engine.exec(launch, this.#pids.child.pid, launch.process);
    const { exitCode, output, timedOut } = await runCommand(program, { clock, env: environment, timeoutMs });
    const pid = pidFile === undefined ? 0 : Number(readText(pidFile));
    if (timedOut && pid > 1) endGroupOf(pid);
    for (const file of files) await rm(file, { force: true });
    return { exitCode: exitCode < 0 ? UNKNOWN_EXIT_CODE : exitCode, output, timedOut };
  }

  /** Its terminal is one of the machine's: the command has its descriptors, and no name for it. */
  async execStream({ command, stdin, stdout, stderr, tty, size }: StreamedCommand): Promise<CommandStream> {
    const { cgroups, clock, environment } = this.#world;
    if (this.#record.state !== 'running' || this.#pids === undefined) throw new RuntimeError('invalid-state', `container ${this.id} is not running`);
    const launch = this.#launch(cgroups?.procs(this.cgroup) ?? [], command);
    const [mark, id] = [EXEC_MARK, `${this.id}/${process.pid}/${++this.#commands}`];
    const own = { ...launch.process, terminal: tty, env: { ...(tty ? { TERM: 'xterm' } : {}), ...launch.process.env, [mark]: id } };
    const plan = await this.#engine.exec(launch, this.#pids.child.pid, own);
    const [program = '', ...args] = tty ? inTerminal(plan.command, size) : plan.command;
    const wanted = (flag: boolean) => (flag ? 'pipe' : 'ignore');
    // A terminal's input stays open: its end would be typed as one.
    const stdio = tty ? (['pipe', 'pipe', 'ignore'] as const) : ([wanted(stdin), wanted(stdout), wanted(stderr)] as const);
    const child = spawn(program, args, { detached: true, env: { ...environment, SHELL: '/bin/sh' }, stdio: [...stdio] });
    await begun(child);
    child.once('close', () => {
      for (const file of plan.files) rmSync(file, { force: true });
    });
    const kill = () => {
      const pid = plan.pidFile === undefined ? 0 : Number(readText(plan.pidFile));
      if (pid > 1) endGroupOf(pid);
      sendSignal(-child.pid!, 'SIGKILL');
      for (const one of processesWith(`${mark}=${id}`)) sendSignal(one.pid, 'SIGKILL');
    };
    const sizes = tty ? new TerminalSizes(child.pid!, clock) : undefined;
    return new ChildCommand({ child, clock, kill, ...(sizes === undefined ? {} : { resize: (wish) => sizes.set(wish) }) });
  }
}

function inTerminal(command: readonly string[], size: TerminalSize | undefined): string[] {
  const script = findTool('script');
  if (script === undefined) throw new RuntimeError('cannot-start', 'a terminal needs the program "script" (util-linux), which this machine does not have');
  return terminalCommand({ script, command, shell: undefined, size });
}

/** The runtime has put it into a group of its own, in which is also what it started. */
function endGroupOf(pid: number): void {
  const stat = readText(`/proc/${pid}/stat`);
  const [, , group = 0] = stat.slice(stat.lastIndexOf(')') + 2).split(' ').map(Number);
  if (group > 1) sendSignal(-group, 'SIGKILL');
  sendSignal(pid, 'SIGKILL');
}

function makeRoot(directory: string, { entries, lowerDirs }: PlannedRoot, inUserNamespace: boolean): void {
  const isOverlay = lowerDirs.length > 0;
  const root = join(directory, isOverlay ? 'upper' : 'root');
  if (isOverlay) for (const path of [root, join(directory, 'work')]) mkdirSync(path, { mode: 0o700 });
  // Programs of any user of the container pass through it; nobody else reaches it.
  chmodSync(root, 0o755);
  for (const entry of entries) {
    const path = join(root, entry.path);
    if (entry.kind === 'directory') mkdirSync(path);
    if (entry.kind === 'directory') chmodSync(path, entry.mode);
    if (entry.kind === 'directory' && isOverlay) copyOwner(path, lowerDirs.map((lower) => join(lower, entry.path)), inUserNamespace);
    if (entry.kind === 'file') writeFileSync(path, entry.content, { mode: 0o644 });
    if (entry.kind === 'link') symlinkSync(entry.target, path);
  }
}

/** A directory of an upper layer hides the owner and the mode of the one below. */
function copyOwner(path: string, below: readonly string[], inUserNamespace: boolean): void {
  const stat = below.map((lower) => lstatSync(lower, { throwIfNoEntry: false })).find((one) => one !== undefined);
  if (stat?.isDirectory() !== true) return;
  if (!inUserNamespace) chownSync(path, stat.uid, stat.gid);
  chmodSync(path, stat.mode & 0o7777);
}

/** A volume within another one: its place is made in that other, if that may be written. */
function makeInnerPlace(containerPath: string, mounts: ContainerConfig['mounts']): void {
  const inside = relative(containerPath);
  const outer = mounts
    .filter((mount) => mount.containerPath !== containerPath && inside.startsWith(`${relative(mount.containerPath)}/`))
    .sort((a, b) => b.containerPath.length - a.containerPath.length)[0];
  const own = mounts.find((mount) => mount.containerPath === containerPath);
  if (outer === undefined || own === undefined || outer.readOnly) return;
  const place = join(outer.hostPath, inside.slice(relative(outer.containerPath).length + 1));
  try {
    mkdirSync(kindOf(own.hostPath) === 'directory' ? place : dirname(place), { recursive: true });
    if (kindOf(own.hostPath) === 'file') writeFileSync(place, '', { flag: 'a' });
  } catch (error) {
    throw new RuntimeError('cannot-start', `there is no place for a volume at ${containerPath} (${systemErrorCode(error) ?? 'unknown'})`, { cause: error });
  }
}

function invocationOf({ command, args = [] }: ContainerConfig): readonly string[] {
  return [...command, ...args];
}
