/**
 * Keeps the parts of one local cluster running. Each part is a process group of its own, so that a signal to one, or the
 * death of the supervisor, never reaches another; a new supervisor adopts what still runs. A part that dies by itself
 * is restarted with back-off; one that a fault killed stays down until the fault is taken back. What a part is, the
 * supervisor does not know: it is handed commands (launcher.ts).
 *
 *        start            health answers            exit              back-off over
 *   down ─────▶ starting ───────────────▶ ready ─────────▶ waiting ───────────────▶ starting
 *                                           └── exit, killed by a fault ──▶ held ── fault restart ──▶ starting
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Clock, sleep, type Timer } from '../base/clock.ts';
import { AbortedError, UserError } from '../base/errors.ts';
import { type PartRecord, readFaults, writeFault } from './data-dir.ts';
import { identify, isAlive, type ProcessId, signalGroup } from './processes.ts';

export interface PartSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Added to the supervisor's own environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
  readonly addresses: readonly string[];
  readonly healthAddress?: string;
}

export interface SupervisorOptions {
  readonly dataDir: string;
  readonly parts: readonly PartSpec[];
  readonly clock: Clock;
  /** True once the part answers that it is ready. */
  readonly isReady: (part: PartSpec) => Promise<boolean>;
  /** Called after every change of a pid, before anything else happens. */
  readonly onChange: (parts: readonly PartRecord[]) => void;
  readonly onEvent: (event: SupervisorEvent) => void;
}

export type SupervisorEvent =
  | { readonly type: 'adopted' | 'started' | 'ready' | 'held'; readonly part: string; readonly pid: number }
  | { readonly type: 'exited'; readonly part: string; readonly how: string; readonly restartInMs: number };

/** The first restart comes at once or nearly so; the last interval is short enough for a person who waits. */
export const RESTART_BACKOFF_MS = [100, 500, 1_000, 2_000, 5_000, 10_000] as const;
/** A part that ran this long was well: its next restart begins the back-off anew. */
const RAN_WELL_MS = 30_000;
/** How often health is asked for while a part starts. */
const READY_POLL_MS = 25;
/** How often an adopted part, which sends no exit event, and the file of faults are looked at. */
const WATCH_POLL_MS = 500;
/** How long a part may take to end by itself before it is killed. */
const STOP_GRACE_MS = 8_000;
const STOP_POLL_MS = 10;
/** A log past this size is set aside (one generation) when its part starts. */
const LOG_MAX_BYTES = 10 * 1024 * 1024;

type State = 'down' | 'starting' | 'ready' | 'waiting' | 'held';

interface Part {
  readonly spec: PartSpec;
  state: State;
  process: ProcessId | undefined;
  startedAtMs: number;
  /** Restarts since it last ran well: the place in the back-off. */
  failures: number;
  restarts: number;
  timer: Timer | undefined;
  /** An attempt number, so that a late health answer of an earlier process changes nothing. */
  incarnation: number;
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #parts: Part[];
  #poll: Timer | undefined;
  #isStopping = false;
  /** While the cluster starts, an exit is not restarted but fails the start. */
  #isStarting = true;
  #failStart: ((error: Error) => void) | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#parts = options.parts.map((spec) => ({
      spec,
      state: 'down',
      process: undefined,
      startedAtMs: 0,
      failures: 0,
      restarts: 0,
      timer: undefined,
      incarnation: 0,
    }));
  }

  records(): PartRecord[] {
    return this.#parts.map(({ spec, process: running, restarts }) => ({
      name: spec.name,
      pid: running?.pid ?? 0,
      startTime: running?.startTime ?? 0,
      addresses: spec.addresses,
      ...(spec.healthAddress === undefined ? {} : { healthAddress: spec.healthAddress }),
      restarts,
    }));
  }

  /** Takes over the parts of `previous` that still run. Before `start`. Answers the names of those. */
  adopt(previous: readonly PartRecord[]): string[] {
    const adopted: string[] = [];
    for (const part of this.#parts) {
      const record = previous.find(({ name }) => name === part.spec.name);
      if (record === undefined || record.pid === 0 || !isAlive(record)) continue;
      part.process = { pid: record.pid, startTime: record.startTime };
      part.state = 'ready';
      part.restarts = record.restarts;
      part.startedAtMs = this.#options.clock.monotonic();
      adopted.push(part.spec.name);
      this.#options.onEvent({ type: 'adopted', part: part.spec.name, pid: record.pid });
    }
    return adopted;
  }

  /** Starts what is down, all at once, and resolves when every part is ready. On failure, and when `signal`
   *  fires, nothing is left running that this call started. */
  async start(deadlineMs: number, signal?: AbortSignal): Promise<void> {
    const held = this.#killedByFault();
    const mine = this.#parts.filter(({ state, spec }) => state === 'down' && !held.has(spec.name));
    for (const part of this.#parts) if (part.state === 'down' && held.has(part.spec.name)) part.state = 'held';
    const failed = new Promise<never>((_, reject) => (this.#failStart = reject));
    failed.catch(() => {});
    let timer: Timer | undefined;
    const interrupt = () => this.#failStart?.(new AbortedError('the start'));
    signal?.addEventListener('abort', interrupt, { once: true });
    if (signal?.aborted === true) interrupt();
    try {
      for (const part of mine) this.#spawn(part);
      this.#changed();
      timer = this.#options.clock.setTimer(deadlineMs, () => {
        const late = this.#parts.filter(({ state }) => state === 'starting').map(({ spec }) => spec.name);
        this.#failStart?.(lateError(late, this.#parts, deadlineMs));
      });
      await Promise.race([failed, this.#allReady()]);
    } catch (error) {
      this.#isStopping = true;
      await this.#end(mine);
      this.#changed();
      throw error;
    } finally {
      timer?.cancel();
      signal?.removeEventListener('abort', interrupt);
    }
    this.#isStarting = false;
    this.#watch();
  }

  /** Ends every part, group by group in the order given, and waits for each group. */
  async stop(groups: ReadonlyArray<(name: string) => boolean>, between: (index: number) => Promise<void>): Promise<void> {
    this.#isStopping = true;
    this.#poll?.cancel();
    let left = this.#parts;
    for (const [index, belongs] of groups.entries()) {
      const now = left.filter(({ spec }) => belongs(spec.name));
      left = left.filter((part) => !now.includes(part));
      await this.#end(now);
      await between(index);
    }
    await this.#end(left);
    this.#changed();
  }

  /** Looks at the file of faults again: a part that is to be restarted is started at once. */
  reconsider(): void {
    if (this.#isStopping) return;
    const restarts = new Set(
      readFaults(this.#options.dataDir)
        .filter(({ kind }) => kind === 'restart')
        .map(({ part }) => part),
    );
    for (const part of this.#parts) {
      if (!restarts.has(part.spec.name) || part.process !== undefined) continue;
      part.timer?.cancel();
      part.failures = 0;
      this.#restart(part);
    }
  }

  async #allReady(): Promise<void> {
    while (this.#parts.some(({ state }) => state === 'starting' || state === 'down')) {
      await sleep(this.#options.clock, READY_POLL_MS);
      if (this.#isStopping) return new Promise(() => {});
    }
  }

  #spawn(part: Part): void {
    const { spec } = part;
    const { clock } = this.#options;
    mkdirSync(dirname(spec.logFile), { recursive: true });
    if (existsSync(spec.logFile) && statSync(spec.logFile).size > LOG_MAX_BYTES) {
      renameSync(spec.logFile, `${spec.logFile}.1`);
    }
    const log = openSync(spec.logFile, 'a', 0o600);
    let child: ChildProcess;
    try {
      child = spawn(spec.command, [...spec.args], {
        detached: true,
        stdio: ['ignore', log, log],
        env: { ...process.env, ...spec.env },
      });
    } finally {
      closeSync(log);
    }
    const incarnation = ++part.incarnation;
    part.state = 'starting';
    part.startedAtMs = clock.monotonic();
    // A pid whose process is gone already still gets its exit event below.
    part.process = child.pid === undefined ? undefined : (identify(child.pid) ?? { pid: child.pid, startTime: 0 });
    child.once('error', (error) => this.#exited(part, incarnation, `could not be started: ${error.message}`));
    child.once('exit', (code, signal) => {
      this.#exited(part, incarnation, signal === null ? `exit code ${code}` : `signal ${signal}`);
    });
    this.#options.onEvent({ type: 'started', part: spec.name, pid: child.pid ?? 0 });
    void this.#awaitReady(part, incarnation);
  }

  async #awaitReady(part: Part, incarnation: number): Promise<void> {
    const isCurrent = () => part.incarnation === incarnation && part.state === 'starting' && !this.#isStopping;
    while (isCurrent()) {
      const isReady = await this.#options.isReady(part.spec).catch(() => false);
      if (!isCurrent()) return;
      if (isReady) {
        part.state = 'ready';
        this.#options.onEvent({ type: 'ready', part: part.spec.name, pid: part.process?.pid ?? 0 });
        return;
      }
      await sleep(this.#options.clock, READY_POLL_MS);
    }
  }

  #exited(part: Part, incarnation: number, how: string): void {
    if (part.incarnation !== incarnation || part.process === undefined) return;
    const { clock, dataDir } = this.#options;
    part.process = undefined;
    if (this.#isStopping) {
      part.state = 'down';
      return;
    }
    if (this.#isStarting) {
      part.state = 'down';
      this.#failStart?.(new UserError(`${part.spec.name} ended while starting (${how})${tailOf(part.spec.logFile)}`));
      return;
    }
    const fault = readFaults(dataDir).find((one) => one.part === part.spec.name);
    if (fault?.kind === 'kill') {
      part.state = 'held';
      this.#options.onEvent({ type: 'held', part: part.spec.name, pid: 0 });
      this.#changed();
      return;
    }
    if (fault?.kind === 'restart') {
      part.failures = 0;
      this.#restart(part);
      return;
    }
    if (clock.monotonic() - part.startedAtMs >= RAN_WELL_MS) part.failures = 0;
    const delayMs = RESTART_BACKOFF_MS[Math.min(part.failures, RESTART_BACKOFF_MS.length - 1)]!;
    part.failures++;
    part.state = 'waiting';
    part.timer = clock.setTimer(delayMs, () => this.#restart(part));
    this.#options.onEvent({ type: 'exited', part: part.spec.name, how, restartInMs: delayMs });
    this.#changed();
  }

  #restart(part: Part): void {
    if (this.#isStopping || part.process !== undefined) return;
    const fault = readFaults(this.#options.dataDir).find((one) => one.part === part.spec.name);
    if (fault?.kind === 'kill') {
      part.state = 'held';
      return;
    }
    part.restarts++;
    this.#spawn(part);
    this.#changed();
    // A pause or a wanted restart ends with the process that it was meant for.
    if (fault !== undefined) writeFault(this.#options.dataDir, part.spec.name, undefined);
  }

  /** Adopted parts are not our children: their end shows only in /proc. */
  #watch(): void {
    this.#poll = this.#options.clock.setTimer(WATCH_POLL_MS, () => {
      for (const part of this.#parts) {
        if (part.process !== undefined && part.process.startTime !== 0 && !isAlive(part.process)) {
          this.#exited(part, part.incarnation, 'it is gone');
        }
      }
      this.reconsider();
      if (!this.#isStopping) this.#watch();
    });
  }

  async #end(parts: readonly Part[]): Promise<void> {
    const { clock } = this.#options;
    for (const part of parts) part.timer?.cancel();
    const running = parts.flatMap((part) => (part.process === undefined ? [] : [part.process]));
    for (const one of running) {
      // A paused process would not hear the request to end.
      signalGroup(one, 'SIGTERM');
      signalGroup(one, 'SIGCONT');
    }
    const deadlineMs = clock.monotonic() + STOP_GRACE_MS;
    while (running.some(isAlive) && clock.monotonic() < deadlineMs) await sleep(clock, STOP_POLL_MS);
    for (const one of running) signalGroup(one, 'SIGKILL');
    while (running.some(isAlive)) await sleep(clock, STOP_POLL_MS);
    for (const part of parts) {
      part.process = undefined;
      part.state = 'down';
    }
  }

  #killedByFault(): Set<string> {
    const faults = readFaults(this.#options.dataDir);
    return new Set(faults.filter(({ kind }) => kind === 'kill').map(({ part }) => part));
  }

  #changed(): void {
    this.#options.onChange(this.records());
  }
}

function lateError(late: readonly string[], parts: readonly Part[], deadlineMs: number): UserError {
  const first = parts.find(({ spec }) => spec.name === late[0]);
  const seconds = Math.round(deadlineMs / 1000);
  return new UserError(`not ready after ${seconds} s: ${late.join(', ')}${first === undefined ? '' : tailOf(first.spec.logFile)}`);
}

/** What a part's log says last, for the person whose cluster did not start: complaints if there are any. */
function tailOf(path: string): string {
  const LINES = 5;
  try {
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n').filter((line) => line !== '');
    const complaints = lines.slice(-100).filter((line) => !/"level":"(?:info|debug)"/.test(line));
    const shown = (complaints.length === 0 ? lines : complaints).slice(-LINES);
    if (shown.length === 0) return `; it logged nothing to ${path}`;
    return `; ${path} says:\n${shown.map((line) => `  ${readable(line)}`).join('\n')}`;
  } catch {
    return '';
  }
}

/** A log line's message and error, if it is one of ours; else the line. */
function readable(line: string): string {
  try {
    const record = JSON.parse(line) as { level?: string; msg?: string; error?: { message?: string } | string };
    const error = typeof record.error === 'string' ? record.error : record.error?.message;
    return [record.level, record.msg, error].filter((part) => part !== undefined).join(': ');
  } catch {
    return line;
  }
}
