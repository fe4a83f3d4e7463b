/**
 * Kills at random, in namespaces of its own: an agent (crash-agent.ts), what holds its network and its pods, supervisors,
 * programs, whatever of the node is found. Then all must be as declared, with nothing beside it, and in the end nothing left.
 *   node dist/test/agent/runtime/crash-main.js SEED SECONDS ENGINE DIRECTORY
 * Prints one line of JSON a step.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeError } from '../../../src/base/errors.ts';
import { seededRandom, type Random } from '../../../src/base/random.ts';
import { systemClock } from '../../../src/base/system-clock.ts';
import { strayProcesses } from '../../../src/agent/runtime/linux/strays.ts';
import { isAlive, processesWith, sendSignal, type ProcessIdentity } from '../../../src/agent/runtime/process-table.ts';
import { readJson } from '../../../src/agent/runtime/state-files.ts';
import { census, missing } from './census.ts';
import type { Step } from './cluster-main.ts';
import { endNodes } from './leftovers.ts';

export const CRASH_STEPS = [
  'the agent is killed, and its pods, supervisors and programs are, at random',
  'then all is as declared',
  'and nothing is there besides: processes, sandboxes, links, cgroups, mounts',
  'the pods are taken away, and nothing is left',
] as const;

const PODS = 4;
const DEADLINE_MS = 60_000;
const CLEARED_MS = 15_000;
const pause = (ms: number) => new Promise<void>((go) => systemClock.setTimer(ms, go));

interface StoredSandbox {
  readonly sandbox: { readonly state: string };
  readonly pause: ProcessIdentity;
}

class Chaos {
  readonly directory: string;
  readonly node: string;
  readonly killed: Record<string, number> = {};
  readonly #engine: string;
  readonly #random: Random;
  #agent: ChildProcess | undefined;
  #isOver = false;
  #said = '';
  #complaints = '';

  constructor(directory: string, engine: string, random: Random) {
    this.directory = directory;
    this.node = join(directory, 'node-1');
    this.#engine = engine;
    this.#random = random;
  }

  /** It comes back until there is an end of it. */
  startAgent(): void {
    const entry = fileURLToPath(new URL('./crash-agent.js', import.meta.url));
    const child = spawn(process.execPath, [entry, this.directory, this.#engine], { stdio: ['pipe', 'pipe', 'pipe'] });
    child.stdin.on('error', () => undefined);
    this.#said = '';
    child.stdout.on('data', (bytes: Buffer) => (this.#said += bytes.toString()));
    child.stderr.on('data', (bytes: Buffer) => (this.#complaints = `${this.#complaints}${bytes.toString()}`.slice(-2_000)));
    child.once('exit', () => {
      if (!this.#isOver) this.startAgent();
    });
    this.#agent = child;
  }

  sandboxes(): readonly StoredSandbox[] {
    return list(join(this.node, 'pods')).flatMap((uid) => readJson<StoredSandbox>(join(this.node, 'pods', uid, 'sandbox.json')) ?? []);
  }

  /** Of the containers: the first number of one of their files. */
  #pidsIn(...names: readonly string[]): number[] {
    const containers = list(join(this.node, 'pods')).flatMap((uid) => tree(join(this.node, 'pods', uid, 'containers'), 2));
    return containers.flatMap((path) => names.map((name) => firstNumber(join(path, name)))).filter((pid) => pid > 1);
  }

  /** Those that might be killed, by what they are. */
  #victims(): Readonly<Record<string, readonly number[]>> {
    const marked = processesWith(`PODIUM_NODE=${this.node}`).map(({ pid }) => pid);
    const holder = readJson<{ holder: ProcessIdentity }>(join(this.node, 'node.json'))?.holder;
    return {
      agent: [this.#agent?.pid ?? 0],
      pause: this.sandboxes().map(({ pause: held }) => held).filter(isAlive).map(({ pid }) => pid),
      supervisor: this.#pidsIn('supervisor').filter((pid) => marked.includes(pid)),
      program: this.#pidsIn('pid', 'runtime.pid').filter((pid) => existsSync(`/proc/${pid}`)),
      any: marked,
      holder: holder !== undefined && isAlive(holder) ? [holder.pid] : [],
    };
  }

  async kill(seconds: number): Promise<void> {
    // A node that loses its network loses all pods, and there is always an agent to kill: the others get their share.
    const kinds = ['holder', 'agent', 'agent', ...['pause', 'supervisor', 'program', 'any'].flatMap((kind) => [kind, kind, kind, kind])];
    for (const endMs = systemClock.monotonic() + seconds * 1_000; systemClock.monotonic() < endMs; ) {
      await pause(this.#random.below(250));
      const kind = this.#random.pick(kinds);
      const victims = this.#victims()[kind] ?? [];
      if (victims.length === 0) continue;
      if (sendSignal(this.#random.pick(victims), 'SIGKILL')) this.killed[kind] = (this.killed[kind] ?? 0) + 1;
    }
  }

  /** An agent that starts hears nothing yet, and would die of it. */
  async settle(): Promise<void> {
    for (const startMs = systemClock.monotonic(); !this.#said.includes('as declared'); await pause(200)) {
      if (systemClock.monotonic() - startMs > DEADLINE_MS) throw new Error(`not as declared within ${DEADLINE_MS} ms: ${this.#complaints}`);
      if (this.#said.includes('hears')) this.#agent?.kill('SIGTERM');
    }
  }

  /** What is there that nobody declared, or is missing. */
  surplus(): readonly string[] {
    const sandboxes = this.sandboxes();
    const holder = readJson<{ holder: ProcessIdentity }>(join(this.node, 'node.json'))!.holder;
    const supervisors = this.#pidsIn('supervisor').map((pid) => ({ pid, startTime: '' }));
    const inner = childrenOf(this.#agent?.pid ?? 0).map((pid) => ({ pid, startTime: '' }));
    const own = [holder, ...sandboxes.map(({ pause: held }) => held), ...supervisors, ...inner, { pid: this.#agent?.pid ?? 0, startTime: '' }];
    const found = strayProcesses(this.node, own).map((pid) => `process ${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}`);
    const links = spawnSync('nsenter', ['--target', String(holder.pid), ...(process.getuid?.() === 0 ? [] : ['--user', '--preserve-credentials']), '--net', 'ip', '-o', 'link'], { encoding: 'utf8' }).stdout.split('\n').filter((line) => /^\d+: pod\d+@/.test(line));
    const counts = { sandboxes: sandboxes.length, directories: list(join(this.node, 'pods')).length, links: links.length, supervisors: supervisors.length / 2, ...this.#cgroupCounts() };
    for (const [name, count] of Object.entries(counts)) if (count !== PODS) found.push(`${count} ${name} for ${PODS} pods`);
    return found;
  }

  #cgroupCounts(): Readonly<Record<string, number>> {
    const name = createHash('sha256').update(this.node).digest('hex').slice(0, 12);
    const paths = list('/sys/fs/cgroup').map((hierarchy) => join('/sys/fs/cgroup', hierarchy, 'podium', name)).filter((path) => existsSync(join(path, 'cgroup.procs')));
    return Object.fromEntries(paths.flatMap((path) => [[`cgroups of pods in ${path}`, directories(path).length], [`cgroups of two containers in ${path}`, directories(path).flatMap((pod) => directories(join(path, pod))).length / 2]]));
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

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return []; // gone meanwhile
  }
}

function directories(path: string): string[] {
  return list(path).filter((name) => existsSync(join(path, name, 'cgroup.procs')));
}

/** The paths so many steps below. */
function tree(path: string, depth: number): string[] {
  return depth === 0 ? [path] : list(path).flatMap((name) => tree(join(path, name), depth - 1));
}

function firstNumber(path: string): number {
  try {
    return Number(readFileSync(path, 'utf8').trim().split(' ')[0]);
  } catch {
    return 0; // not written, or gone
  }
}

function childrenOf(pid: number): number[] {
  return existsSync(`/proc/${pid}`) ? readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number).filter((child) => child > 1) : [];
}

async function gone(directory: string, before: readonly string[], nodes: readonly string[]): Promise<void> {
  endNodes(directory);
  let left: readonly string[] = [];
  for (const startMs = systemClock.monotonic(); systemClock.monotonic() - startMs < 10_000; await pause(20)) {
    left = missing(census(nodes), before);
    if (left.length === 0) return;
  }
  throw new Error(`left: ${left.join('\n')}`);
}

async function main([seed = '1', seconds = '15', engine = '', directory = '']: readonly string[]): Promise<void> {
  const chaos = new Chaos(directory, engine, seededRandom(Number(seed)).fork('crash'));
  const before = census([chaos.node]);
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
  await step(2, async () => {
    // What was killed last is cleared away beside the pods.
    for (const startMs = systemClock.monotonic(); ; await pause(50)) {
      const surplus = chaos.surplus();
      if (surplus.length === 0) return;
      if (systemClock.monotonic() - startMs > CLEARED_MS) throw new Error(surplus.join('\n'));
    }
  });
  await step(3, async () => {
    await chaos.end();
    await gone(directory, before, [chaos.node]);
  });
  chaos.abandon();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
