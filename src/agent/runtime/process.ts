/**
 * The process runtime: a container is a child process of this machine, a pod is an address of 127.0.0.0/8 and a private
 * directory. No isolation, no images, no limits, and it says so; it needs nothing, for any Linux user. The network
 * namespace is the machine's, so `localhost` is common to all pods, and a program must listen on its `POD_IP` (Node
 * programs are pinned to it by a preload).
 *
 *   ROOT/addresses.json                      where in the range the next address is looked for
 *   ROOT/pods/UID/sandbox.json
 *   ROOT/pods/UID/containers/NAME/ATTEMPT/   container.json pid exit log log.1 log.idx root/ (working directory, mounts)
 *
 * Terminals are made by util-linux' `script` (process-terminal.ts); without it a container that wants one cannot start.
 *
 * What is true is on disk: an agent that starts reads it all again. Everything a container starts carries
 * PODIUM_CONTAINER_ID and PODIUM_NODE in its environment, by which strays that left the process group are found.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, openSync, closeSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { delimiter, dirname, isAbsolute, join, normalize, resolve } from 'node:path';
import { sleep, withDeadline, type Clock, type Millis, type Timer } from '../../base/clock.ts';
import { deferred, type Deferred } from '../../base/deferred.ts';
import { describeError, UserError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { nextAddress, parseCidr, type AddressRange } from '../core/address-pool.ts';
import { AttachedContainer, endInputFor } from './process-attach.ts';
import { begun, ChildCommand } from './process-command.ts';
import { LOG_BYTES_MAX, ProcessLog } from './process-log.ts';
import { connectPort } from './process-port.ts';
import { PIN_SCRIPT, SUPERVISOR_SCRIPT, parsePids, type SupervisorPids } from './process-supervisor.ts';
import { isAlive, processesWith, sendSignal } from './process-table.ts';
import { stopSignalOf } from './stop-signal.ts';
import { TerminalSizes, terminalCommand } from './process-terminal.ts';
import { ProcessUsages } from './process-usage.ts';
import {
  RuntimeError,
  containerIdOf,
  type ContainerConfig,
  type ContainerId,
  type ContainerRecord,
  type ContainerUsage,
  type ExecResult,
  type LogOptions,
  type Runtime,
  type Sandbox,
  type SandboxConfig,
  type SandboxId,
} from './runtime.ts';
import type { AttachOptions, CommandOptions, CommandStream, PortStream, TerminalSize } from './streams.ts';

export interface ProcessRuntimeOptions {
  /** Absolute; of this node alone. */
  readonly root: string;
  /** A part of 127.0.0.0/8 of this node alone. */
  readonly podCidr: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Why this runtime and no other, for people. */
  readonly why?: string | undefined;
  readonly logBytesMax?: number;
  /** Make Node programs that listen on all addresses listen on their pod's. */
  readonly pinNodeListeners?: boolean;
}

/** How often adopted containers are looked at (own children tell by themselves) and logs are noted. */
const TICK_MS = 500;
/** The supervisor writes its pid file within milliseconds, on a busy machine within a second. */
const START_DEADLINE_MS = 10_000;
/** A killed process is gone at once, unless the kernel holds it. */
const KILL_DEADLINE_MS = 10_000;
const EXEC_OUTPUT_BYTES_MAX = 64 * 1024;
/** What CRI runtimes answer for a program that cannot be run, and for a container whose end nobody saw. */
const CANNOT_RUN_EXIT_CODE = 128;
const UNKNOWN_EXIT_CODE = 137;

interface Container {
  readonly id: ContainerId;
  readonly directory: string;
  readonly config: ContainerConfig;
  readonly log: ProcessLog;
  record: ContainerRecord;
  pids: SupervisorPids | undefined;
  child: ChildProcess | undefined;
  readonly ended: Deferred<void>;
  isTermSent: boolean;
}

interface SandboxEntry {
  sandbox: Sandbox;
  readonly config: SandboxConfig;
  readonly directory: string;
  readonly containers: Map<ContainerId, Container>;
}

/** What `container.json` holds. */
interface StoredContainer {
  readonly config: ContainerConfig;
  readonly createdAtMs: Millis;
  readonly sandboxAttempt?: number | undefined;
  readonly startedAtMs?: Millis;
  readonly failure?: { readonly finishedAtMs: Millis; readonly reason: string; readonly message: string };
}

interface InvocationOptions {
  readonly tty: boolean;
  readonly size?: TerminalSize | undefined;
  readonly env: Record<string, string>;
  readonly cwd: string;
}

type Invocation =
  | { readonly ok: true; readonly command: readonly [string, ...string[]]; readonly env: Record<string, string> }
  | { readonly ok: false; readonly message: string };

export class ProcessRuntime implements Runtime {
  readonly name = 'process';
  readonly version = '1';
  readonly ignoresImages = true;
  readonly #options: ProcessRuntimeOptions;
  readonly #range: AddressRange;
  readonly #sandboxes = new Map<SandboxId, SandboxEntry>();
  readonly #listeners = new Set<(sandboxId: SandboxId) => void>();
  /** In the environment of all that this node starts. A container's id alone does not tell: two nodes may run one pod's uid. */
  readonly #mark: string;
  readonly #usages: ProcessUsages;
  #commands = 0;
  #position = 0;
  #allocating: Promise<unknown> = Promise.resolve();
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(options: ProcessRuntimeOptions) {
    this.#options = options;
    const range = parseCidr(options.podCidr);
    if (range === undefined || !options.podCidr.startsWith('127.')) {
      throw new UserError(`podCidr ${options.podCidr}: the process runtime needs a block of 127.0.0.0/8, such as 127.34.0.0/20`);
    }
    this.#range = range;
    this.#mark = `PODIUM_NODE=${options.root}`;
    this.#usages = new ProcessUsages(this.#mark);
  }

  get detail(): string | undefined {
    const { why } = this.#options;
    return why === undefined ? undefined : `${why}; containers are processes of this machine, without isolation or limits`;
  }

  async start(): Promise<void> {
    const { root } = this.#options;
    mkdirSync(join(root, 'pods'), { recursive: true, mode: 0o700 });
    await writeFile(this.#supervisorPath, SUPERVISOR_SCRIPT, { mode: 0o700 });
    await writeFile(this.#pinPath, PIN_SCRIPT, { mode: 0o600 });
    this.#position = readJson<{ position: number }>(join(root, 'addresses.json'))?.position ?? 0;
    for (const uid of readdirSync(join(root, 'pods')).sort()) await this.#adoptSandbox(uid);
    this.#reapStrays();
    this.#armTick();
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    for (const { containers } of this.#sandboxes.values()) {
      for (const { child } of containers.values()) child?.removeAllListeners();
    }
    this.#listeners.clear();
    return Promise.resolve();
  }

  get #supervisorPath(): string {
    return join(this.#options.root, 'supervisor.sh');
  }

  get #pinPath(): string {
    return join(this.#options.root, 'pin.cjs');
  }

  // --- what an earlier agent left

  async #adoptSandbox(uid: string): Promise<void> {
    const directory = join(this.#options.root, 'pods', uid);
    const stored = readJson<{ sandbox: Sandbox; config: SandboxConfig }>(join(directory, 'sandbox.json'));
    // A directory without a sandbox was cut off while it was made or removed.
    if (stored === undefined) return rm(directory, { recursive: true, force: true });
    const entry: SandboxEntry = { ...stored, directory, containers: new Map() };
    this.#sandboxes.set(uid, entry);
    for (const name of listDirectory(join(directory, 'containers'))) {
      for (const attempt of listDirectory(join(directory, 'containers', name))) {
        const container = this.#adoptContainer(entry, join(directory, 'containers', name, attempt));
        if (container !== undefined) entry.containers.set(container.id, container);
      }
    }
  }

  #adoptContainer(entry: SandboxEntry, directory: string): Container | undefined {
    const stored = readJson<StoredContainer>(join(directory, 'container.json'));
    if (stored === undefined) return undefined;
    const container = this.#newContainer(entry.sandbox.id, directory, stored);
    const { startedAtMs, failure } = stored;
    if (failure !== undefined) {
      const record = { ...container.record, ...failure, startedAtMs, state: 'exited' as const };
      container.record = { ...record, exitCode: CANNOT_RUN_EXIT_CODE };
      container.ended.resolve();
      return container;
    }
    container.pids = readPids(directory);
    if (container.pids === undefined) return container;
    container.record = {
      ...container.record,
      state: 'running',
      startedAtMs: startedAtMs ?? statSync(join(directory, 'pid')).mtimeMs,
      pid: container.pids.child.pid,
    };
    this.#checkEnd(container, false);
    return container;
  }

  /** Ends processes of this node that belong to no running container. */
  #reapStrays(): void {
    for (const { pid, environment } of processesWith(this.#mark)) {
      const id = environment.find((entry) => entry.startsWith('PODIUM_CONTAINER_ID='))?.slice('PODIUM_CONTAINER_ID='.length);
      if (id !== undefined && this.#find(id)?.record.state === 'running') continue;
      this.#options.log.warn({ pid, container: id }, 'process runtime: ended a stray of an earlier agent');
      sendSignal(pid, 'SIGKILL');
    }
  }

  // --- sandboxes

  async runPodSandbox(config: SandboxConfig): Promise<Sandbox> {
    const known = this.#sandboxes.get(config.uid);
    if (known?.sandbox.state === 'ready') return known.sandbox;
    // What still ends in the old one has ended first.
    if (known !== undefined) await this.stopPodSandbox(config.uid);
    const directory = join(this.#options.root, 'pods', config.uid);
    const ip = config.hostNetwork ? '127.0.0.1' : await this.#allocateAddress();
    const { uid, namespace, name } = config;
    const attempt = known === undefined ? 0 : (known.sandbox.attempt ?? 0) + 1;
    const sandbox: Sandbox = { id: uid, namespace, name, ip, createdAtMs: this.#options.clock.wall(), state: 'ready', attempt };
    const entry: SandboxEntry = { sandbox, config, directory, containers: known?.containers ?? new Map() };
    this.#sandboxes.set(uid, entry);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await writeJson(join(directory, 'sandbox.json'), { sandbox, config });
    return sandbox;
  }

  /** One at a time, and the position is on disk before the address is used: a crash skips an address, never repeats one. */
  #allocateAddress(): Promise<string> {
    const allocation = this.#allocating.then(async () => {
      const taken = new Set([...this.#sandboxes.values()].map(({ sandbox }) => sandbox.ip));
      const found = nextAddress(this.#range, this.#position, taken);
      if (found === undefined) {
        throw new RuntimeError('no-address', `every address of ${this.#options.podCidr} is taken by a pod`);
      }
      this.#position = found.position;
      await writeJson(join(this.#options.root, 'addresses.json'), { position: found.position });
      return found.address;
    });
    this.#allocating = allocation.catch(() => undefined);
    return allocation;
  }

  async stopPodSandbox(id: SandboxId): Promise<void> {
    const entry = this.#sandboxes.get(id);
    if (entry === undefined) return;
    entry.sandbox = { ...entry.sandbox, state: 'stopped' };
    await writeJson(join(entry.directory, 'sandbox.json'), { sandbox: entry.sandbox, config: entry.config });
    await Promise.all([...entry.containers.keys()].map((container) => this.stopContainer(container, 0)));
  }

  async removePodSandbox(id: SandboxId): Promise<void> {
    await this.stopPodSandbox(id);
    const entry = this.#sandboxes.get(id);
    if (entry === undefined) return;
    // First the file that makes it a sandbox, so that a crash in between leaves a directory that the next start removes.
    await rm(join(entry.directory, 'sandbox.json'), { force: true });
    await rm(entry.directory, { recursive: true, force: true, maxRetries: 3 });
    this.#sandboxes.delete(id);
  }

  listPodSandboxes(): Promise<readonly Sandbox[]> {
    return Promise.resolve([...this.#sandboxes.values()].map(({ sandbox }) => sandbox).sort(byId));
  }

  // --- containers

  async createContainer(sandboxId: SandboxId, config: ContainerConfig): Promise<ContainerId> {
    const entry = this.#sandboxes.get(sandboxId);
    if (entry === undefined) throw new RuntimeError('not-found', `there is no sandbox ${sandboxId}`);
    if (entry.sandbox.state !== 'ready') throw new RuntimeError('invalid-state', `sandbox ${sandboxId} is stopped`);
    const id = containerIdOf(sandboxId, config.name, config.attempt);
    if (entry.containers.has(id)) return id;
    const directory = join(entry.directory, 'containers', config.name, String(config.attempt));
    await rm(directory, { recursive: true, force: true });
    await mkdir(join(directory, 'root'), { recursive: true, mode: 0o700 });
    for (const mount of config.mounts) await linkMount(join(directory, 'root'), mount.containerPath, mount.hostPath);
    const createdAtMs = this.#options.clock.wall();
    const stored: StoredContainer = { config, createdAtMs, sandboxAttempt: entry.sandbox.attempt };
    await writeJson(join(directory, 'container.json'), stored);
    entry.containers.set(id, this.#newContainer(sandboxId, directory, stored));
    return id;
  }

  #newContainer(sandboxId: SandboxId, directory: string, { config, createdAtMs, sandboxAttempt }: StoredContainer): Container {
    const { name, attempt, backoffSteps, init, image, resources } = config;
    const id = containerIdOf(sandboxId, name, attempt);
    return {
      id,
      directory,
      config,
      log: new ProcessLog(directory, this.#options.logBytesMax ?? LOG_BYTES_MAX),
      record: { id, sandboxId, name, attempt, backoffSteps, init, image, state: 'created', createdAtMs, sandboxAttempt, resources },
      pids: undefined,
      child: undefined,
      ended: deferred<void>(),
      isTermSent: false,
    };
  }

  async startContainer(id: ContainerId): Promise<void> {
    const container = this.#get(id);
    if (container.record.state !== 'created') throw new RuntimeError('invalid-state', `container ${id} has been started`);
    const entry = this.#sandboxes.get(container.record.sandboxId)!;
    const { config, directory } = container;
    const env = this.#environment(entry, container);
    const cwd = workingDirectory(directory, config.workingDir);
    mkdirSync(cwd, { recursive: true });
    const found = this.#invocation([...config.command, ...(config.args ?? [])], { tty: config.tty === true, env, cwd });
    if (!found.ok) return this.#failToStart(container, 'StartError', found.message);
    const [program, ...rest] = found.command;
    if (config.stdin === true) await makeFifos(directory);
    const output = openSync(container.log.path, 'a', 0o600);
    try {
      const args = [this.#supervisorPath, directory, cwd, program, ...rest];
      container.child = spawn('/bin/sh', args, { detached: true, env: found.env, cwd: directory, stdio: ['ignore', output, output] });
    } finally {
      closeSync(output);
    }
    const child = container.child;
    child.unref();
    const failed = deferred<Error>();
    child.once('error', failed.resolve);
    child.once('exit', () => this.#checkEnd(container, true));
    const failure = await Promise.race([failed.promise, this.#awaitPids(container, child)]);
    if (failure instanceof Error) return this.#failToStart(container, 'StartError', describeError(failure));
  }

  async #awaitPids(container: Container, child: ChildProcess): Promise<Error | undefined> {
    const { clock } = this.#options;
    for (const start = clock.monotonic(); ; await sleep(clock, 2)) {
      container.pids = readPids(container.directory);
      if (container.pids !== undefined) break;
      if (child.exitCode !== null || child.signalCode !== null) return new Error('the supervisor ended before the program began');
      if (clock.monotonic() - start > START_DEADLINE_MS) {
        child.kill('SIGKILL');
        return new Error(`the supervisor did not begin within ${START_DEADLINE_MS} ms`);
      }
    }
    const startedAtMs = clock.wall();
    container.record = { ...container.record, state: 'running', startedAtMs, pid: container.pids.child.pid };
    const { config, record } = container;
    const stored: StoredContainer = { config, createdAtMs: record.createdAtMs, sandboxAttempt: record.sandboxAttempt, startedAtMs };
    await writeJson(join(container.directory, 'container.json'), stored);
    // The supervisor may have ended before this agent knew that it had begun.
    if (child.exitCode !== null || child.signalCode !== null) this.#checkEnd(container, true);
    return undefined;
  }

  async #failToStart(container: Container, reason: string, message: string): Promise<void> {
    const now = this.#options.clock.wall();
    const failure = { finishedAtMs: now, reason, message };
    const { config, record } = container;
    container.record = { ...record, ...failure, state: 'exited', startedAtMs: now, exitCode: CANNOT_RUN_EXIT_CODE };
    const stored: StoredContainer = { config, createdAtMs: record.createdAtMs, sandboxAttempt: record.sandboxAttempt, startedAtMs: now, failure };
    await writeJson(join(container.directory, 'container.json'), stored);
    container.ended.resolve();
    this.#tell(record.sandboxId);
  }

  #environment({ sandbox, config: pod }: SandboxEntry, { id, config, directory }: Container): Record<string, string> {
    const { root, pinNodeListeners = true } = this.#options;
    const pin = pinNodeListeners && sandbox.ip !== '127.0.0.1';
    return {
      PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
      LANG: process.env.LANG ?? 'C.UTF-8',
      HOME: join(directory, 'root'),
      HOSTNAME: pod.hostname,
      POD_IP: sandbox.ip,
      ...(pin ? { NODE_OPTIONS: `--require "${this.#pinPath.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"` } : {}),
      ...config.env,
      PODIUM_NODE: root,
      PODIUM_CONTAINER_ID: id,
    };
  }

  /** Has it ended? `isSupervisorGone`: known from its parent; otherwise /proc is asked. */
  #checkEnd(container: Container, isSupervisorGone: boolean): void {
    const { record, directory, pids } = container;
    if (record.state !== 'running' || pids === undefined || this.#isClosed) return;
    const exit = readExit(directory);
    if (exit === undefined) {
      if (!isSupervisorGone && isAlive(pids.supervisor)) return;
      // Somebody killed the supervisor alone: the program goes on, its exit code will be unknown.
      if (isAlive(pids.child)) return;
    }
    const unknown = { reason: 'ContainerStatusUnknown', message: 'the container ended while nobody watched over it' };
    const ended = exit ?? { exitCode: UNKNOWN_EXIT_CODE, finishedAtMs: this.#options.clock.wall(), ...unknown };
    this.#killAll(container);
    // The file's time is a few ms behind the clock's.
    const finishedAtMs = Math.max(ended.finishedAtMs, record.createdAtMs);
    container.record = { ...record, ...ended, finishedAtMs, state: 'exited', pid: undefined };
    container.ended.resolve();
    // A last note of the log's length, so that its last lines have a time. The log may be gone with its pod.
    container.log.observe(this.#options.clock.wall()).catch(() => undefined);
    this.#tell(record.sandboxId);
  }

  async stopContainer(id: ContainerId, graceMs: Millis): Promise<void> {
    const container = this.#find(id);
    if (container === undefined) return;
    if (container.record.state !== 'running') return;
    if (graceMs > 0) {
      if (!container.isTermSent) this.#signalGroup(container, stopSignalOf(container.config));
      container.isTermSent = true;
      if (await this.#endsWithin(container, graceMs)) return;
    }
    this.#killAll(container);
    if (await this.#endsWithin(container, KILL_DEADLINE_MS)) return;
    throw new RuntimeError('invalid-state', `container ${id} did not end within ${KILL_DEADLINE_MS} ms of SIGKILL`);
  }

  async #endsWithin(container: Container, deadlineMs: Millis): Promise<boolean> {
    const { clock } = this.#options;
    const ended = container.ended.promise.then(() => true);
    return withDeadline(ended, { clock, deadlineMs, what: `end of ${container.id}` }).catch(() => false);
  }

  #signalGroup({ pids }: Container, signal: NodeJS.Signals | number): void {
    if (pids === undefined || pids.child.startTime === '' || !isAlive(pids.child)) return;
    // Before setsid has run there is no such group yet, only the process.
    if (!sendSignal(-pids.child.pid, signal)) sendSignal(pids.child.pid, signal);
  }

  /** Ends the group and whatever left it; the supervisor stays, to write down how it ended. */
  #killAll(container: Container): void {
    this.#signalGroup(container, 'SIGKILL');
    for (const { pid } of processesWith(this.#mark, `PODIUM_CONTAINER_ID=${container.id}`)) {
      if (pid !== container.pids?.supervisor.pid) sendSignal(pid, 'SIGKILL');
    }
  }

  async removeContainer(id: ContainerId): Promise<void> {
    const container = this.#find(id);
    if (container === undefined) return;
    if (container.record.state === 'running') throw new RuntimeError('invalid-state', `container ${id} is running`);
    this.#sandboxes.get(container.record.sandboxId)?.containers.delete(id);
    await rm(container.directory, { recursive: true, force: true, maxRetries: 3 });
  }

  listContainers(sandboxId?: SandboxId): Promise<readonly ContainerRecord[]> {
    const entries = sandboxId === undefined ? [...this.#sandboxes.values()] : [this.#sandboxes.get(sandboxId)];
    const records = entries.flatMap((entry) => [...(entry?.containers.values() ?? [])].map(({ record }) => record));
    const order = (a: ContainerRecord, b: ContainerRecord) =>
      a.sandboxId === b.sandboxId && a.name === b.name ? a.attempt - b.attempt : byId(a, b);
    return Promise.resolve(records.sort(order));
  }

  listContainerUsages(): Promise<readonly ContainerUsage[]> {
    const running = [...this.#sandboxes.values()].flatMap(({ containers }) => [...containers.values()]).filter(({ record }) => record.state === 'running');
    const roots = running.flatMap(({ id, pids }) => (pids === undefined ? [] : [{ id, ...pids.child, supervisor: pids.supervisor.pid }]));
    return Promise.resolve(this.#usages.of(roots));
  }

  exec(id: ContainerId, command: readonly string[], timeoutMs: Millis): Promise<ExecResult> {
    const container = this.#get(id);
    if (container.record.state !== 'running') throw new RuntimeError('invalid-state', `container ${id} is not running`);
    const entry = this.#sandboxes.get(container.record.sandboxId)!;
    const cwd = workingDirectory(container.directory, container.config.workingDir);
    const env = this.#environment(entry, container);
    const [program = '', ...args] = command;
    const child = spawn(program, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    return this.#collect(child, timeoutMs);
  }

  #collect(child: ChildProcess, timeoutMs: Millis): Promise<ExecResult> {
    return new Promise((done) => {
      let output = '';
      let timedOut = false;
      const collect = (chunk: Buffer) => {
        if (output.length < EXEC_OUTPUT_BYTES_MAX) output += chunk.toString('utf8');
      };
      const finish = (exitCode: number, text: string) => {
        timer.cancel();
        // A descendant that left the group may still hold the pipes.
        child.stdout?.destroy();
        child.stderr?.destroy();
        done({ exitCode, output: text, timedOut });
      };
      const timer = this.#options.clock.setTimer(timeoutMs, () => {
        timedOut = true;
        if (child.pid !== undefined) sendSignal(-child.pid, 'SIGKILL');
      });
      child.stdout?.on('data', collect);
      child.stderr?.on('data', collect);
      child.once('error', (error) => finish(CANNOT_RUN_EXIT_CODE, describeError(error)));
      child.once('exit', (code) => {
        // What the command wrote last may still be in the pipe.
        const late = deferred<void>();
        child.once('close', () => late.resolve());
        const settle = this.#options.clock.setTimer(100, () => late.resolve());
        void late.promise.then(() => {
          settle.cancel();
          finish(code ?? UNKNOWN_EXIT_CODE, output);
        });
      });
    });
  }

  async execStream(id: ContainerId, options: CommandOptions): Promise<CommandStream> {
    const container = this.#running(id);
    const { clock } = this.#options;
    const entry = this.#sandboxes.get(container.record.sandboxId)!;
    const cwd = workingDirectory(container.directory, container.config.workingDir);
    const mark = `PODIUM_EXEC_ID=${id}/${++this.#commands}`;
    const { tty, size } = options;
    const found = this.#invocation(options.command, { tty, size, env: { ...this.#environment(entry, container), ...entryOf(mark) }, cwd });
    if (!found.ok) throw new RuntimeError('cannot-start', found.message);
    const [program, ...args] = found.command;
    const wanted = (flag: boolean) => (flag ? 'pipe' : 'ignore');
    // A terminal's input stays open: its end would be typed as one.
    const stdio = tty ? (['pipe', 'pipe', 'ignore'] as const) : ([wanted(options.stdin), wanted(options.stdout), wanted(options.stderr)] as const);
    const child = spawn(program, args, { cwd, env: found.env, detached: true, stdio: [...stdio], ...(tty ? {} : { argv0: options.command[0] }) });
    await begun(child);
    const kill = () => {
      sendSignal(-child.pid!, 'SIGKILL');
      for (const { pid } of processesWith(this.#mark, mark)) sendSignal(pid, 'SIGKILL');
    };
    const sizes = tty ? new TerminalSizes(child.pid!, clock) : undefined;
    return new ChildCommand({ child, clock, kill, ...(sizes === undefined ? {} : { resize: (size) => sizes.set(size) }) });
  }

  async attachStream(id: ContainerId, options: AttachOptions): Promise<CommandStream> {
    const container = this.#running(id);
    const { clock } = this.#options;
    const { config, directory, pids } = container;
    const sizes = config.tty === true && pids !== undefined ? new TerminalSizes(pids.child.pid, clock) : undefined;
    const isEnded = () => container.record.state === 'exited' || this.#find(id) === undefined || this.#isClosed;
    const from = await container.log.end(clock);
    return new AttachedContainer({
      follow: (signal) => container.log.follow(from, { clock, isEnded, signal }),
      stdin: options.stdin && config.stdin === true ? join(directory, 'stdin') : undefined,
      onInputEnd: () => {
        if (config.stdinOnce === true) endInputFor(directory);
      },
      resize: (size) => sizes?.set(size),
    });
  }

  portForward(id: SandboxId, port: number): Promise<PortStream> {
    const sandbox = this.#sandboxes.get(id)?.sandbox;
    if (sandbox === undefined) return Promise.reject(new RuntimeError('not-found', `there is no sandbox ${id}`));
    if (sandbox.state !== 'ready') return Promise.reject(new RuntimeError('invalid-state', `sandbox ${id} is not running`));
    return connectPort({ host: sandbox.ip, port, clock: this.#options.clock });
  }

  #running(id: ContainerId): Container {
    const container = this.#get(id);
    if (container.record.state !== 'running') throw new RuntimeError('invalid-state', `container ${id} is not running`);
    return container;
  }

  /** What is really started for a command, and in which environment. */
  #invocation(command: readonly string[], { tty, size, env, cwd }: InvocationOptions): Invocation {
    const [name = ''] = command;
    const program = findProgram(name, env['PATH'] ?? '', cwd);
    if (program === undefined) {
      return { ok: false, message: `exec: "${name}": executable file not found in $PATH or the container's directory` };
    }
    const own = [program, ...command.slice(1)] as const;
    if (!tty) return { ok: true, command: own, env };
    const script = findProgram('script', process.env['PATH'] ?? '', cwd);
    if (script === undefined) return { ok: false, message: 'a terminal needs the program "script" (util-linux), which this machine does not have' };
    const [first = script, ...rest] = terminalCommand({ script, command: own, shell: env['SHELL'], size });
    return { ok: true, command: [first, ...rest], env: { TERM: 'xterm', ...env, SHELL: '/bin/sh' } };
  }

  async *logs(id: ContainerId, options: LogOptions): AsyncGenerator<Uint8Array> {
    const container = this.#get(id);
    const isEnded = () => container.record.state === 'exited' || this.#find(id) === undefined || this.#isClosed;
    yield* container.log.read(options, this.#options.clock, isEnded);
  }

  subscribe(listener: (sandboxId: SandboxId) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  // --- housekeeping

  #armTick(): void {
    this.#timer = this.#options.clock.setTimer(TICK_MS, () => {
      this.#tick();
      if (!this.#isClosed) this.#armTick();
    });
  }

  #tick(): void {
    const now = this.#options.clock.wall();
    for (const { containers } of this.#sandboxes.values()) {
      for (const container of containers.values()) {
        if (container.record.state !== 'running') continue;
        this.#checkEnd(container, false);
        container.log.observe(now).catch((error: unknown) => {
          this.#options.log.debug({ container: container.id, error: describeError(error) }, 'process runtime: log not noted');
        });
      }
    }
  }

  #tell(sandboxId: SandboxId): void {
    for (const listener of this.#listeners) listener(sandboxId);
  }

  #find(id: ContainerId): Container | undefined {
    return this.#sandboxes.get(id.slice(0, id.indexOf('/')))?.containers.get(id);
  }

  #get(id: ContainerId): Container {
    const container = this.#find(id);
    if (container === undefined) throw new RuntimeError('not-found', `there is no container ${id}`);
    return container;
  }
}

function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

/** What is missing or was cut off is as if it had never been written. */
function readJson<T>(path: string): T | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T; // written by this file alone
  } catch {
    return undefined;
  }
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFile(`${path}.tmp`, JSON.stringify(value), { mode: 0o600 });
  await rename(`${path}.tmp`, path);
}

function listDirectory(path: string): string[] {
  return existsSync(path) ? readdirSync(path).sort() : [];
}

function readPids(directory: string): SupervisorPids | undefined {
  try {
    return parsePids(readFileSync(join(directory, 'pid'), 'utf8'));
  } catch {
    return undefined; // not written yet
  }
}

function readExit(directory: string): { exitCode: number; finishedAtMs: Millis } | undefined {
  const path = join(directory, 'exit');
  try {
    const exitCode = Number.parseInt(readFileSync(path, 'utf8'), 10);
    return { exitCode: Number.isNaN(exitCode) ? UNKNOWN_EXIT_CODE : exitCode, finishedAtMs: statSync(path).mtimeMs };
  } catch {
    return undefined; // not written yet
  }
}

/** The mount path below the container's private root, whatever it says: `..` does not lead out. */
function below(root: string, path: string): string {
  return join(root, normalize(`/${path}`));
}

function workingDirectory(directory: string, workingDir: string): string {
  const root = join(directory, 'root');
  const inside = below(root, workingDir);
  // The runtime runs the machine's programs on the machine's files: a directory of the machine is meant if there is no other.
  if (workingDir === '' || existsSync(inside)) return inside;
  return isAbsolute(workingDir) && existsSync(workingDir) ? workingDir : inside;
}

async function linkMount(root: string, containerPath: string, hostPath: string): Promise<void> {
  const target = below(root, containerPath);
  if (target === root || target === `${root}/`) throw new RuntimeError('cannot-start', 'a volume cannot be mounted at /');
  await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  await symlink(hostPath, target);
}

function entryOf(mark: string): Record<string, string> {
  const at = mark.indexOf('=');
  return { [mark.slice(0, at)]: mark.slice(at + 1) };
}

/** Node.js makes none. */
async function makeFifos(directory: string): Promise<void> {
  const child = spawn('mkfifo', ['-m', '600', join(directory, 'stdin'), join(directory, 'stdin-end')], { stdio: 'ignore' });
  const failure = await new Promise<Error | number | null>((resolve) => {
    child.once('error', resolve);
    child.once('exit', resolve);
  });
  if (failure !== 0) throw new RuntimeError('cannot-start', 'mkfifo failed: a container with stdin needs it');
}

function findProgram(command: string, path: string, cwd: string): string | undefined {
  if (command === '') return undefined;
  const candidates = command.includes('/')
    ? [resolve(cwd, command)]
    : path.split(delimiter).map((directory) => join(directory === '' ? cwd : directory, command));
  return candidates.find((candidate) => {
    try {
      accessSync(candidate, constants.X_OK);
      return statSync(candidate).isFile();
    } catch {
      return false;
    }
  });
}
