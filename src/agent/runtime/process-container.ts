/**
 * One container of the process runtime: a child process of this machine in a session of its own. Everything that it starts
 * carries PODIUM_CONTAINER_ID and PODIUM_NODE in its environment, by which strays that left the process group are found.
 */
import { mkdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { makeInput } from './process-attach.ts';
import { startCommand } from './process-command.ts';
import { findProgram, linkMount, whyNoProgram, workingDirectory } from './process-root.ts';
import { parsePids, type SupervisorPids } from './process-supervisor.ts';
import { isAlive, processesWith, sendSignal, type ProcessIdentity } from './process-table.ts';
import { terminalCommand } from './process-terminal.ts';
import { runCommand } from './run-command.ts';
import { RuntimeError, type ExecResult } from './runtime.ts';
import { stopSignalOf } from './linux/core/stop-signal.ts';
import { CANNOT_RUN_EXIT_CODE, readText, UNKNOWN_EXIT_CODE } from './state-files.ts';
import type { CommandOptions, CommandStream, TerminalSize } from './streams.ts';
import { SupervisedContainer, type ContainerHost, type ContainerPlace, type SupervisedStart } from './supervised-container.ts';

export interface ProcessHost extends ContainerHost {
  /** `PODIUM_NODE=…`: in the environment of all that this node starts. A container's id alone does not tell: two nodes may run one pod's uid. */
  readonly mark: string;
  /** Loaded into Node programs first, absolute; absent: nothing is. */
  readonly pinPath: string | undefined;
}

/** What a container has of its pod. */
export interface ProcessPod {
  readonly ip: string;
  readonly hostname: string;
}

interface InvocationOptions {
  readonly tty: boolean;
  readonly size?: TerminalSize | undefined;
  readonly env: Record<string, string>;
  readonly cwd: string;
  /** A shell stands in between, which passes on what it can name itself, and nothing else. */
  readonly isByShell: boolean;
}

interface Invocation {
  readonly command: readonly [string, ...string[]];
  readonly env: Record<string, string>;
}

export class ProcessContainer extends SupervisedContainer {
  readonly #host: ProcessHost;
  readonly #pod: ProcessPod;
  #commands = 0;

  constructor(host: ProcessHost, pod: ProcessPod, place: ContainerPlace) {
    super(host, place);
    this.#host = host;
    this.#pod = pod;
  }

  static async create(host: ProcessHost, pod: ProcessPod, place: ContainerPlace): Promise<ProcessContainer> {
    const container = new ProcessContainer(host, pod, place);
    const root = join(place.directory, 'root');
    await mkdir(root, { recursive: true, mode: 0o700 });
    for (const mount of place.config.mounts) await linkMount(root, mount.containerPath, mount.hostPath);
    await container.store();
    return container;
  }

  get #cwd(): string {
    return workingDirectory(this.directory, this.config.workingDir);
  }

  get #environment(): Record<string, string> {
    const { pinPath, mark } = this.#host;
    const { ip, hostname } = this.#pod;
    const isPinned = pinPath !== undefined && ip !== '127.0.0.1';
    return {
      PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
      LANG: process.env.LANG ?? 'C.UTF-8',
      HOME: join(this.directory, 'root'),
      HOSTNAME: hostname,
      POD_IP: ip,
      ...(isPinned ? { NODE_OPTIONS: `--require "${pinPath.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"` } : {}),
      ...this.config.env,
      ...entryOf(mark),
      PODIUM_CONTAINER_ID: this.id,
    };
  }

  // --- its start and its end

  protected override async prepareStart(): Promise<SupervisedStart> {
    const { config } = this;
    const cwd = this.#cwd;
    mkdirSync(cwd, { recursive: true });
    const words = [...config.command, ...(config.args ?? [])];
    const { command, env } = invocation(words, { tty: config.tty === true, env: this.#environment, cwd, isByShell: true });
    if (config.stdin === true) await makeInput(this.directory);
    return { args: [cwd, ...command], env };
  }

  protected override hasBegun(): boolean {
    return true; // the supervisor has said so by its pids
  }

  protected override complaint(): string {
    return '';
  }

  protected override readPids(): SupervisorPids | undefined {
    return parsePids(readText(join(this.directory, 'pid')));
  }

  protected override readSupervisor(): ProcessIdentity | undefined {
    return undefined; // it is told together with its program
  }

  protected override askToEnd(child: ProcessIdentity): void {
    signalGroup(child, stopSignalOf(this.config.stopSignal ?? ''));
  }

  /** The group and whatever left it. */
  protected override killAll(starting: number | undefined): void {
    if (starting !== undefined) sendSignal(-starting, 'SIGKILL');
    if (this.pids !== undefined) signalGroup(this.pids.child, 'SIGKILL');
    for (const { pid } of processesWith(this.#host.mark, `PODIUM_CONTAINER_ID=${this.id}`)) {
      if (pid !== this.pids?.supervisor.pid) sendSignal(pid, 'SIGKILL');
    }
  }

  protected override endUnwatched(): void {
    this.killAll(undefined);
  }

  protected override reasonOf(): undefined {
    return undefined;
  }

  protected override clean(): Promise<void> {
    return Promise.resolve();
  }

  // --- beside it

  override async exec(command: readonly string[], timeoutMs: number): Promise<ExecResult> {
    this.mustRun();
    const { exitCode, output, timedOut, isStarted } = await runCommand(command, { clock: this.#host.clock, env: this.#environment, cwd: this.#cwd, timeoutMs });
    return { exitCode: exitCode >= 0 ? exitCode : isStarted ? UNKNOWN_EXIT_CODE : CANNOT_RUN_EXIT_CODE, output, timedOut };
  }

  override async execStream(options: CommandOptions): Promise<CommandStream> {
    this.mustRun();
    const { clock, mark: nodeMark } = this.#host;
    const cwd = this.#cwd;
    const mark = `PODIUM_EXEC_ID=${this.id}/${++this.#commands}`;
    const { tty, size } = options;
    const { command, env } = invocation(options.command, { tty, size, env: { ...this.#environment, ...entryOf(mark) }, cwd, isByShell: tty });
    const endAll = () => {
      for (const { pid } of processesWith(nodeMark, mark)) sendSignal(pid, 'SIGKILL');
    };
    return startCommand({ command, options, env, cwd, clock, endAll, ...(tty ? {} : { argv0: options.command[0] }) });
  }
}

/** What is really started for a command, and in which environment. */
function invocation(command: readonly string[], { tty, size, env, cwd, isByShell }: InvocationOptions): Invocation {
  const [name = ''] = command;
  const path = env['PATH'] ?? '';
  const program = findProgram(name, path, cwd);
  if (program === undefined) throw new RuntimeError('cannot-start', whyNoProgram(name, path, cwd));
  const own = [...(isByShell ? oddVariables(env, cwd) : []), program, ...command.slice(1)] as [string, ...string[]]; // it has a program
  if (!tty) return { command: own, env };
  const script = findProgram('script', process.env['PATH'] ?? '', cwd);
  if (script === undefined) throw new RuntimeError('cannot-start', 'a terminal needs the program "script" (util-linux), which this machine does not have');
  const [first = script, ...rest] = terminalCommand({ script, command: own, shell: env['SHELL'], size });
  return { command: [first, ...rest], env: { TERM: 'xterm', ...env, SHELL: '/bin/sh' } };
}

/** A command in front of another that sets the variables whose names no shell knows (`a.b`). */
function oddVariables(env: Readonly<Record<string, string>>, cwd: string): readonly string[] {
  const odd = Object.entries(env).filter(([name]) => !/^[A-Za-z_]\w*$/.test(name));
  const program = odd.length === 0 ? undefined : findProgram('env', process.env['PATH'] ?? '', cwd);
  return program === undefined ? [] : [program, '--', ...odd.map(([name, value]) => `${name}=${value}`)];
}

function signalGroup(child: ProcessIdentity, signal: NodeJS.Signals | number): void {
  if (child.startTime === '' || !isAlive(child)) return;
  // Before setsid has run there is no such group yet, only the process.
  if (!sendSignal(-child.pid, signal)) sendSignal(child.pid, signal);
}

function entryOf(mark: string): Record<string, string> {
  const at = mark.indexOf('=');
  return { [mark.slice(0, at)]: mark.slice(at + 1) };
}
