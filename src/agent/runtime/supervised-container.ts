/**
 * A container of this machine that a supervisor watches over, whatever starts it: its record, its start, its end, and what
 * an agent that comes later finds of it. What the process and the linux runtime do each in its own way is abstract.
 *
 *        created ──start()──► running ──its end──► exited
 *           └──── it cannot be started (128) ────────▲
 *
 *   DIR/container.json            what it shall be, when it was made and started, how it ended
 *   DIR/log, log.1, log.idx       what it wrote (process-log.ts)
 *   DIR/exit …                    what the supervisor writes
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, fchmodSync, openSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep, withDeadline, type Clock, type Millis } from '../../base/clock.ts';
import { deferred, type Deferred } from '../../base/deferred.ts';
import { describeError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { removeTree } from '../../base/remove-tree.ts';
import { AttachedContainer, endInputFor } from './process-attach.ts';
import { LOG_BYTES_MAX, ProcessLog } from './process-log.ts';
import type { SupervisorPids } from './process-supervisor.ts';
import { isAlive, type ProcessIdentity } from './process-table.ts';
import { TerminalSizes } from './process-terminal.ts';
import { containerIdOf, RuntimeError, type ContainerConfig, type ContainerId, type ContainerRecord, type ContainerResources, type ExecResult, type LogOptions, type SandboxId } from './runtime.ts';
import { CANNOT_RUN_EXIT_CODE, readExit, readJson, UNKNOWN_EXIT_CODE, writeJson } from './state-files.ts';
import type { AttachOptions, CommandOptions, CommandStream } from './streams.ts';

/** What all containers of a node share. */
export interface ContainerHost {
  readonly clock: Clock;
  readonly log: Log;
  readonly supervisorPath: string;
  readonly logBytesMax?: number | undefined;
  /** Something of the sandbox changed by itself. */
  readonly tell: (sandboxId: SandboxId) => void;
}

export interface ContainerPlace {
  readonly sandboxId: SandboxId;
  /** Of its own, absolute. */
  readonly directory: string;
  readonly config: ContainerConfig;
  readonly createdAtMs: Millis;
  /** Which of its pod's sandboxes it is in; absent: the first. */
  readonly sandboxAttempt?: number | undefined;
}

/** What the supervisor is started with. */
export interface SupervisedStart {
  /** After the container's directory. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
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

/** A start takes milliseconds, on a busy machine a second. */
const START_DEADLINE_MS = 20_000;
/** Seldom enough that many that start at a time are no burden, and often enough for one by itself. */
const START_POLL_MIN_MS = 1;
const START_POLL_PART = 10;
const END_POLL_MS = 10;
/** A killed process is gone at once, unless the kernel holds it. */
const KILL_DEADLINE_MS = 10_000;
const KILL_AGAIN_MS = 200;

export abstract class SupervisedContainer {
  readonly id: ContainerId;
  readonly log: ProcessLog;
  readonly directory: string;
  protected readonly config: ContainerConfig;
  readonly #host: ContainerHost;
  readonly #ended: Deferred<void> = deferred();
  #record: ContainerRecord;
  #pids: SupervisorPids | undefined;
  #child: ChildProcess | undefined;
  #starting: Promise<void> | undefined;
  #isTermSent = false;
  #isReleased = false;
  #storing: Promise<void> = Promise.resolve();
  /** Removal of what the container leaves in the kernel. */
  #cleaning: Promise<void> = Promise.resolve();

  constructor(host: ContainerHost, { sandboxId, sandboxAttempt, directory, config, createdAtMs }: ContainerPlace) {
    this.#host = host;
    this.directory = directory;
    this.config = config;
    const { name, attempt, backoffSteps, init, image, imageShown, resources } = config;
    this.id = containerIdOf(sandboxId, name, attempt);
    this.log = new ProcessLog(directory, host.logBytesMax ?? LOG_BYTES_MAX);
    this.#record = { id: this.id, sandboxId, name, attempt, backoffSteps, init, image, imageShown, sandboxAttempt, resources, state: 'created', createdAtMs };
  }

  get record(): ContainerRecord {
    return this.#record;
  }

  get pids(): SupervisorPids | undefined {
    return this.#pids;
  }

  /** Undefined: there is none, or none yet. */
  get supervisor(): ProcessIdentity | undefined {
    return this.#pids?.supervisor ?? this.readSupervisor();
  }

  /** Writes what its start needs. What it throws is why the program cannot be run. */
  protected abstract prepareStart(): Promise<SupervisedStart>;
  /** Its program runs, or has run. */
  protected abstract hasBegun(): boolean;
  /** What a start that failed has said. */
  protected abstract complaint(): string;
  protected abstract readPids(): SupervisorPids | undefined;
  /** Known before its program is. */
  protected abstract readSupervisor(): ProcessIdentity | undefined;
  /** Asks the program to end. */
  protected abstract askToEnd(child: ProcessIdentity): void;
  /** Ends all that belongs to it but the supervisor, which writes down how it ended. `starting`: the supervisor's group. */
  protected abstract killAll(starting: number | undefined): void;
  /** Ends what a supervisor that was killed has left. */
  protected abstract endUnwatched(supervisor: ProcessIdentity): void;
  /** Why it ended, where that is known otherwise than by its exit code. */
  protected abstract reasonOf(exitCode: number): string | undefined;
  /** Removes what it has left in the kernel. */
  protected abstract clean(): Promise<void>;

  abstract exec(command: readonly string[], timeoutMs: Millis): Promise<ExecResult>;
  abstract execStream(options: CommandOptions): Promise<CommandStream>;

  // --- what is on disk

  /** Reads what an earlier agent left; false: it had not got so far as to be one. */
  static stored(directory: string): Pick<ContainerPlace, 'config' | 'createdAtMs' | 'sandboxAttempt'> | undefined {
    return readJson<StoredContainer>(join(directory, 'container.json'));
  }

  /** Finds out what became of it while there was no agent. */
  adopt(): void {
    const { startedAtMs, end, resources = this.config.resources } = readJson<StoredContainer>(join(this.directory, 'container.json')) ?? {};
    this.#record = { ...this.#record, resources };
    if (end !== undefined) {
      this.#record = { ...this.#record, ...end, startedAtMs, state: 'exited' };
      this.#ended.resolve();
      return;
    }
    this.#pids = this.readPids();
    if (this.#pids === undefined && this.readSupervisor() === undefined) return;
    // Its start was under way: whatever became of it, it counts as begun.
    const at = ['supervisor', 'pid'].map((name) => statSync(join(this.directory, name), { throwIfNoEntry: false })?.mtimeMs).find((one) => one !== undefined);
    this.#record = { ...this.#record, state: 'running', startedAtMs: startedAtMs ?? at ?? this.#record.createdAtMs, pid: this.#pids?.child.pid };
    this.checkEnd(false);
  }

  /** Writes what is true now. One after the other, so that nothing older overtakes. */
  store(): Promise<void> {
    const stored = this.#storing.then(() => this.#write());
    this.#storing = stored.catch(() => undefined); // its caller hears of it
    return stored;
  }

  #write(): Promise<void> {
    const { state, createdAtMs, sandboxAttempt, resources, startedAtMs, exitCode, finishedAtMs, reason, message } = this.#record;
    const end = state === 'exited' ? { exitCode: exitCode ?? UNKNOWN_EXIT_CODE, finishedAtMs: finishedAtMs ?? 0, reason, message } : undefined;
    const stored: StoredContainer = { config: this.config, createdAtMs, sandboxAttempt, resources, startedAtMs, end };
    return writeJson(join(this.directory, 'container.json'), stored);
  }

  // --- its start

  start(): Promise<void> {
    if (this.#record.state !== 'created' || this.#starting !== undefined) return Promise.reject(new RuntimeError('invalid-state', `container ${this.id} has been started`));
    this.#starting = this.#start();
    return this.#starting;
  }

  async #start(): Promise<void> {
    try {
      const failure = await this.#spawn(await this.prepareStart());
      if (failure !== undefined) return await this.#failToStart(failure);
    } catch (error) {
      return this.#failToStart(describeError(error));
    }
    this.#record = { ...this.#record, state: 'running', startedAtMs: this.#host.clock.wall(), pid: this.#pids?.child.pid };
    await this.store();
    // It may have ended before this agent knew that it had begun.
    this.checkEnd(this.#child?.exitCode !== null || this.#child.signalCode !== null);
  }

  /** Answers why the program does not run. */
  async #spawn({ args, env }: SupervisedStart): Promise<string | undefined> {
    const { supervisorPath, clock } = this.#host;
    const output = openSync(this.log.path, 'a', 0o600);
    // Whatever user the program is: who opens /dev/stdout anew is asked for his rights. Others do not get to the directory.
    fchmodSync(output, 0o666);
    try {
      const words = [supervisorPath, this.directory, ...args];
      this.#child = spawn('/bin/sh', words, { detached: true, env: { ...env }, cwd: this.directory, stdio: ['ignore', output, output] });
    } finally {
      closeSync(output);
    }
    const child = this.#child;
    child.unref();
    let failure: string | undefined;
    child.once('error', (error) => (failure = describeError(error)));
    child.once('exit', () => this.checkEnd(true));
    const startMs = clock.monotonic();
    const pause = () => sleep(clock, START_POLL_MIN_MS + (clock.monotonic() - startMs) / START_POLL_PART);
    for (; ; await pause()) {
      if (failure !== undefined) return failure;
      const hasEnded = child.exitCode !== null || child.signalCode !== null;
      this.#pids ??= this.readPids();
      if (this.#pids !== undefined && this.hasBegun()) return undefined;
      if (hasEnded) return this.complaint() || this.#howStartEnded();
      if (clock.monotonic() - startMs <= START_DEADLINE_MS) continue;
      this.#killAll();
      return this.complaint() || `the program did not begin within ${START_DEADLINE_MS} ms`;
    }
  }

  #howStartEnded(): string {
    const exitCode = readExit(this.directory)?.exitCode ?? UNKNOWN_EXIT_CODE;
    if (this.reasonOf(exitCode) === 'OOMKilled') return 'container init was OOM-killed (memory limit too low?)';
    return `its start ended with exit code ${exitCode}`;
  }

  async #failToStart(message: string): Promise<void> {
    this.#endOrphans();
    this.#killAll();
    const now = this.#host.clock.wall();
    this.#record = { ...this.#record, state: 'exited', startedAtMs: now, finishedAtMs: now, exitCode: CANNOT_RUN_EXIT_CODE, reason: 'StartError', message };
    await this.store();
    this.#cleaning = this.#clean();
    this.#ended.resolve();
    this.#host.tell(this.#record.sandboxId);
  }

  // --- its end

  /** Has it ended? `isSupervisorGone`: known from its parent; otherwise /proc is asked. */
  checkEnd(isSupervisorGone: boolean): void {
    if (this.#record.state !== 'running' || this.#isReleased) return;
    const { clock, log, tell } = this.#host;
    let exit = readExit(this.directory);
    this.#pids ??= this.readPids();
    if (exit === undefined) {
      const { supervisor } = this;
      if (!isSupervisorGone && supervisor !== undefined && isAlive(supervisor)) return;
      // It may have written since it was looked for.
      exit = readExit(this.directory);
    }
    // Nobody will know how the program ends any more, or it was about to begin: it is ended now, with what stands between.
    if (exit === undefined || this.#pids === undefined) this.#endOrphans();
    const unknown = { reason: 'ContainerStatusUnknown', message: 'the container ended while nobody watched over it' };
    const ended = exit ?? { exitCode: UNKNOWN_EXIT_CODE, finishedAtMs: clock.wall(), ...unknown };
    const reason = this.reasonOf(ended.exitCode);
    this.#killAll();
    // The file's time is a few ms behind the clock's.
    const finishedAtMs = Math.max(ended.finishedAtMs, this.#record.createdAtMs);
    this.#record = { ...this.#record, ...ended, finishedAtMs, ...(reason === undefined ? {} : { reason, message: undefined }), state: 'exited', pid: undefined };
    const stored = this.store().catch((error: unknown) => log.warn({ container: this.id, error: describeError(error) }, 'runtime: an end was not noted'));
    // What is left in the kernel tells how it ended, until that is on disk.
    this.#cleaning = stored.then(() => this.#clean());
    this.#ended.resolve();
    // A last note of the log's length, so that its last lines have a time. The log may be gone with its pod.
    this.log.observe(clock.wall()).catch(() => undefined);
    tell(this.#record.sandboxId);
  }

  #clean(): Promise<void> {
    if (this.config.stdin === true) endInputFor(this.directory);
    return this.clean();
  }

  async stop(graceMs: Millis): Promise<void> {
    if (this.#record.state === 'created' && this.#starting !== undefined) {
      if (graceMs <= 0) this.#killAll();
      await this.#starting.catch(() => undefined); // who started it hears of it
    }
    if (this.#record.state !== 'running') return;
    if (graceMs > 0) {
      if (!this.#isTermSent && this.#pids !== undefined && isAlive(this.#pids.child)) this.askToEnd(this.#pids.child);
      this.#isTermSent = true;
      if (await this.#endsWithin(graceMs)) return;
    }
    // Again and again, as its program may have begun only now.
    for (let waitedMs = 0; waitedMs < KILL_DEADLINE_MS; waitedMs += KILL_AGAIN_MS) {
      this.#killAll();
      if (await this.#endsWithin(KILL_AGAIN_MS)) return;
    }
    throw new RuntimeError('invalid-state', `container ${this.id} did not end within ${KILL_DEADLINE_MS} ms of SIGKILL`);
  }

  async #endsWithin(deadlineMs: Millis): Promise<boolean> {
    const { clock } = this.#host;
    const ended = withDeadline(this.#ended.promise, { clock, deadlineMs, what: `end of ${this.id}` }).catch(() => undefined); // seen below
    // Nobody tells of the end of one that an earlier agent started.
    for (const untilMs = clock.monotonic() + deadlineMs; this.#child === undefined && this.#record.state === 'running' && clock.monotonic() < untilMs; ) {
      this.checkEnd(false);
      await sleep(clock, END_POLL_MS);
    }
    await ended;
    return this.#record.state === 'exited';
  }

  /** Other limits were set while it runs. */
  async noteResources(resources: ContainerResources): Promise<void> {
    this.#record = { ...this.#record, resources: { ...this.#record.resources, ...resources } };
    await this.store();
  }

  /** A program that began meanwhile has written down its pid before it cannot be known otherwise any more. */
  #endOrphans(): void {
    const { supervisor } = this;
    if (supervisor !== undefined) this.endUnwatched(supervisor);
    this.#pids ??= this.readPids();
  }

  /** Before there is a program to end it is the start that hangs. */
  #killAll(): void {
    const isStarting = this.#record.state === 'created' && this.#child?.exitCode === null;
    this.killAll(isStarting ? this.#child?.pid : undefined);
  }

  async remove(): Promise<void> {
    await this.#cleaning;
    // First the file that makes it a container, so that a crash in between leaves a directory that the next start removes.
    await rm(join(this.directory, 'container.json'), { force: true });
    await removeTree(this.directory);
  }

  /** Lets go: it outlives this agent. */
  release(): void {
    this.#isReleased = true;
    this.#child?.removeAllListeners();
  }

  // --- beside it

  /** Whose terminal is resized, where it is one within that of the supervisor (see `TerminalSizes`). */
  protected get terminalUser(): (() => number) | undefined {
    return undefined;
  }

  mustRun(): void {
    if (this.#record.state !== 'running' || this.#pids === undefined) throw new RuntimeError('invalid-state', `container ${this.id} is not running`);
  }

  /** `isGone`: it was removed meanwhile, or the runtime closed. */
  async attach({ stdin }: AttachOptions, isGone: () => boolean): Promise<CommandStream> {
    this.mustRun();
    const { clock } = this.#host;
    const sizes = this.config.tty === true && this.#pids !== undefined ? new TerminalSizes(this.#pids.supervisor.pid, clock, this.terminalUser) : undefined;
    const isEnded = () => this.#record.state === 'exited' || isGone();
    const from = await this.log.end(clock);
    return new AttachedContainer({
      follow: (signal) => this.log.follow(from, { clock, isEnded, signal }),
      stdin: stdin && this.config.stdin === true ? join(this.directory, 'stdin') : undefined,
      onInputEnd: () => {
        if (this.config.stdinOnce === true) endInputFor(this.directory);
      },
      resize: (size) => sizes?.set(size),
    });
  }

  async *logs(options: LogOptions, isGone: () => boolean): AsyncGenerator<Uint8Array> {
    yield* this.log.read(options, this.#host.clock, () => this.#record.state === 'exited' || isGone());
  }
}
