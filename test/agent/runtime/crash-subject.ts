/** What crash-main.ts kills of a node, and what there may be of it when it has settled: on the runtimes of our own. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { strayProcesses } from '../../../src/agent/runtime/linux/strays.ts';
import { isAlive, processesWith, type ProcessIdentity } from '../../../src/agent/runtime/process-table.ts';
import { readJson, readText } from '../../../src/agent/runtime/state-files.ts';
import { census } from './census.ts';

export interface CrashSubject {
  /** As crash-agent.ts knows it. */
  readonly name: string;
  /** Whom to kill, and how often beside the others. */
  readonly kinds: Readonly<Record<string, number>>;
  /** Those that might be killed, by what they are; the agent is none of them. */
  victims(): Readonly<Record<string, readonly number[]>>;
  /** What is there that nobody declared, or is missing. */
  surplus(agent: number): readonly string[];
  census(): readonly string[];
  end(): void | Promise<void>;
}

/** That crash-agent.ts declares, of two containers each. */
export const PODS = 4;

interface StoredSandbox {
  readonly sandbox: { readonly state: string };
  readonly pause?: ProcessIdentity;
}

export function localCrashSubject(node: string, name: string): CrashSubject {
  const isLinux = name !== 'process';
  const found = new LocalNode(node);
  // A node that loses its network loses all pods, and there is always an agent to kill: the others get their share.
  const kinds = { agent: 2, supervisor: 4, program: 4, any: 4, ...(isLinux ? { holder: 1, pause: 4 } : {}) };
  return {
    name,
    kinds,
    victims: () => found.victims(),
    surplus: (agent) => [...found.strays(agent), ...(isLinux ? found.lostHolder() : []), ...wrongCounts({ ...found.counts(), ...(isLinux ? { links: found.links(), ...found.cgroupCounts() } : {}) })],
    census: () => census([node]),
    end: () => undefined,
  };
}

export function wrongCounts(counts: Readonly<Record<string, number>>): readonly string[] {
  return Object.entries(counts).filter(([, count]) => count !== PODS).map(([name, count]) => `${count} ${name} for ${PODS} pods`);
}

class LocalNode {
  readonly #node: string;

  constructor(node: string) {
    this.#node = node;
  }

  #sandboxes(): readonly StoredSandbox[] {
    return list(join(this.#node, 'pods')).flatMap((uid) => readJson<StoredSandbox>(join(this.#node, 'pods', uid, 'sandbox.json')) ?? []);
  }

  #pauses(): readonly ProcessIdentity[] {
    return this.#sandboxes().flatMap(({ pause }) => pause ?? []);
  }

  #containers(): string[] {
    return list(join(this.#node, 'pods')).flatMap((uid) => tree(join(this.#node, 'pods', uid, 'containers'), 2));
  }

  /** Of the containers: a number of one of their files. */
  #pidsIn(name: string, place = 0): number[] {
    return this.#containers().map((path) => numberIn(join(path, name), place)).filter((pid) => pid > 1);
  }

  /** The linux runtime writes it down before its program is, the process runtime together with it. */
  #supervisors(): number[] {
    return [...new Set([...this.#pidsIn('supervisor'), ...this.#pidsIn('pid', 2)])];
  }

  get #holder(): ProcessIdentity | undefined {
    return readJson<{ holder: ProcessIdentity }>(join(this.#node, 'node.json'))?.holder;
  }

  victims(): Readonly<Record<string, readonly number[]>> {
    const marked = processesWith(`PODIUM_NODE=${this.#node}`).map(({ pid }) => pid);
    const holder = this.#holder;
    return {
      pause: this.#pauses().filter(isAlive).map(({ pid }) => pid),
      supervisor: this.#supervisors().filter((pid) => marked.includes(pid)),
      program: [...this.#pidsIn('pid'), ...this.#pidsIn('runtime.pid')].filter((pid) => existsSync(`/proc/${pid}`)),
      any: marked,
      holder: holder !== undefined && isAlive(holder) ? [holder.pid] : [],
    };
  }

  strays(agent: number): readonly string[] {
    const own = [agent, ...childrenOf(agent), this.#holder?.pid ?? 0, ...this.#pauses().map(({ pid }) => pid), ...this.#supervisors()];
    const strays = strayProcesses(this.#node, own.map((pid) => ({ pid, startTime: '' })));
    return strays.flatMap((pid) => {
      try {
        return [`process ${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}`];
      } catch {
        return []; // it has ended since it was found
      }
    });
  }

  counts(): Readonly<Record<string, number>> {
    const containers = this.#containers();
    return {
      sandboxes: this.#sandboxes().length,
      directories: list(join(this.#node, 'pods')).length,
      supervisors: this.#supervisors().length / 2,
      'containers twice': containers.length / 2,
    };
  }

  /** Of the node's own network, as its holder sees it. */
  links(): number {
    return readText(`/proc/${this.#holder?.pid}/net/dev`).split('\n').filter((line) => /^ *pod\d+:/.test(line)).length;
  }

  lostHolder(): readonly string[] {
    const holder = this.#holder;
    return holder !== undefined && isAlive(holder) ? [] : [`node.json names ${holder?.pid ?? 'nobody'} as the holder of the network, who is not alive`];
  }

  cgroupCounts(): Readonly<Record<string, number>> {
    const name = createHash('sha256').update(this.#node).digest('hex').slice(0, 12);
    const paths = list('/sys/fs/cgroup').map((hierarchy) => join('/sys/fs/cgroup', hierarchy, 'podium', name)).filter((path) => existsSync(join(path, 'cgroup.procs')));
    return Object.fromEntries(paths.flatMap((path) => [[`cgroups of pods in ${path}`, directories(path).length], [`cgroups of two containers in ${path}`, directories(path).flatMap((pod) => directories(join(path, pod))).length / 2]]));
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

function numberIn(path: string, place: number): number {
  try {
    return Number(readFileSync(path, 'utf8').trim().split(' ')[place] ?? 0);
  } catch {
    return 0; // not written, or gone
  }
}

function childrenOf(pid: number): number[] {
  return existsSync(`/proc/${pid}`) ? readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number).filter((child) => child > 1) : [];
}
