/**
 * Kills at random, in namespaces of its own: an agent (crash-agent.ts), and whatever the pods of its runtime live by
 * (crash-subject.ts). Then all must be as declared, with nothing beside it, and in the end nothing left.
 *   node dist/test/agent/runtime/crash-main.js SEED SECONDS SUBJECT DIRECTORY
 * Prints one line of JSON a step.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeError } from '../../../src/base/errors.ts';
import { seededRandom, type Random } from '../../../src/base/random.ts';
import { systemClock } from '../../../src/base/system-clock.ts';
import { sendSignal } from '../../../src/agent/runtime/process-table.ts';
import { missing } from './census.ts';
import type { Step } from './cluster-main.ts';
import { localCrashSubject, type CrashSubject } from './crash-subject.ts';
import { criCrashSubject } from './cri/crash-subject.ts';
import { endNodes } from './leftovers.ts';

export const CRASH_STEPS = [
  'the agent is killed, and its pods, supervisors and programs are, at random',
  'then all is as declared',
  'and nothing is there besides: processes, sandboxes, links, cgroups, mounts',
  'the pods are taken away, and nothing is left',
] as const;

const DEADLINE_MS = 90_000;
const CLEARED_MS = 30_000;
const pause = (ms: number) => new Promise<void>((go) => systemClock.setTimer(ms, go));

class Chaos {
  readonly directory: string;
  readonly killed: Record<string, number> = {};
  readonly #subject: CrashSubject;
  readonly #random: Random;
  #agent: ChildProcess | undefined;
  #isOver = false;
  #said = '';
  #complaints = '';

  constructor(directory: string, subject: CrashSubject, random: Random) {
    this.directory = directory;
    this.#subject = subject;
    this.#random = random;
  }

  get agentPid(): number {
    return this.#agent?.pid ?? 0;
  }

  /** It comes back until there is an end of it. */
  startAgent(): void {
    const entry = fileURLToPath(new URL('./crash-agent.js', import.meta.url));
    const child = spawn(process.execPath, [entry, this.directory, this.#subject.name], { stdio: ['pipe', 'pipe', 'pipe'] });
    child.stdin.on('error', () => undefined);
    this.#said = '';
    child.stdout.on('data', (bytes: Buffer) => (this.#said += bytes.toString()));
    child.stderr.on('data', (bytes: Buffer) => (this.#complaints = `${this.#complaints}${bytes.toString()}`.slice(-2_000)));
    child.once('exit', () => {
      if (!this.#isOver) this.startAgent();
    });
    this.#agent = child;
  }

  async kill(seconds: number): Promise<void> {
    await this.#begun();
    const kinds = Object.entries(this.#subject.kinds).flatMap(([kind, share]) => Array.from({ length: share }, () => kind));
    for (const endMs = systemClock.monotonic() + seconds * 1_000; systemClock.monotonic() < endMs; ) {
      await pause(this.#random.below(250));
      const kind = this.#random.pick(kinds);
      const victims = kind === 'agent' ? [this.agentPid] : (this.#subject.victims()[kind] ?? []);
      if (victims.length === 0) continue;
      if (sendSignal(this.#random.pick(victims), 'SIGKILL')) this.killed[kind] = (this.killed[kind] ?? 0) + 1;
    }
  }

  /** There is something of everything that is to be killed. */
  async #begun(): Promise<void> {
    for (const startMs = systemClock.monotonic(); ; await pause(50)) {
      const missed = Object.entries(this.#subject.victims()).filter(([kind, pids]) => kind in this.#subject.kinds && pids.length === 0);
      if (missed.length === 0) return;
      if (systemClock.monotonic() - startMs > DEADLINE_MS) throw new Error(`there is no ${missed.map(([kind]) => kind).join(', no ')} within ${DEADLINE_MS} ms: ${this.#complaints}`);
    }
  }

  /** An agent that starts hears nothing yet, and would die of it. */
  async settle(): Promise<void> {
    for (const startMs = systemClock.monotonic(); !this.#said.includes('as declared'); await pause(200)) {
      if (systemClock.monotonic() - startMs > DEADLINE_MS) throw new Error(`not as declared within ${DEADLINE_MS} ms: ${this.#complaints}`);
      if (this.#said.includes('hears')) this.#agent?.kill('SIGTERM');
    }
  }

  async end(): Promise<void> {
    this.#isOver = true;
    const ended = new Promise<void>((done) => this.#agent?.once('exit', () => done()));
    this.#agent?.stdin?.write('go on\n');
    await ended;
  }

  abandon(): void {
    this.#isOver = true;
    this.#agent?.kill('SIGKILL');
  }
}

/** What was killed last is cleared away beside the pods. */
async function cleared(look: () => readonly string[]): Promise<void> {
  for (const startMs = systemClock.monotonic(); ; await pause(50)) {
    const found = look();
    if (found.length === 0) return;
    if (systemClock.monotonic() - startMs > CLEARED_MS) throw new Error(found.join('\n'));
  }
}

async function main([seed = '1', seconds = '15', name = '', directory = '']: readonly string[]): Promise<void> {
  const subject = name === 'cri' ? await criCrashSubject(directory) : localCrashSubject(join(directory, 'node-1'), name);
  const chaos = new Chaos(directory, subject, seededRandom(Number(seed)).fork('crash'));
  const before = subject.census();
  const step = async (index: number, work: () => void | Promise<void>): Promise<void> => {
    const startMs = systemClock.monotonic();
    const failure = await Promise.resolve().then(work).then(() => undefined, (error: unknown) => describeError(error));
    const ms = Math.round(systemClock.monotonic() - startMs);
    process.stdout.write(`${JSON.stringify({ step: CRASH_STEPS[index]!, ms, ...(failure === undefined ? {} : { failure: `SEED=${seed}: ${failure}` }) } satisfies Step)}\n`);
  };
  chaos.startAgent();
  await step(0, async () => {
    await chaos.kill(Number(seconds));
    process.stderr.write(`${JSON.stringify(chaos.killed)}\n`);
  });
  await step(1, () => chaos.settle());
  await step(2, () => cleared(() => subject.surplus(chaos.agentPid)));
  await step(3, async () => {
    await chaos.end();
    await endNodes(directory);
    await cleared(() => missing(subject.census(), before));
  });
  chaos.abandon();
  await subject.end();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
