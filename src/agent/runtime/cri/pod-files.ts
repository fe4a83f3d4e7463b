/**
 * What the agent keeps of a pod on this machine, beside what the runtime keeps:
 *
 *   ROOT/leftovers.json           where whoever ends the node without its agent finds what it has left
 *   ROOT/pods/UID/sandbox.json    what the sandbox was asked for: CRI wants it again with every container
 *   ROOT/pods/UID/limits.json     of its containers, as they are now
 *   ROOT/pods/UID/hosts           mounted at /etc/hosts
 *   ROOT/pods/UID/logs/NAME/ATTEMPT.log
 *   ROOT/seccomp/                 profiles of people, for `Localhost`
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hostsFile } from '../linux/core/pod-files.ts';
import type { ContainerId, ContainerResources, SandboxConfig, SandboxId } from '../runtime.ts';
import { logPathOf } from './core/pod-config.ts';
import type { MachineNetworkLeftovers } from './machine-network.ts';

export interface StoredSandbox {
  readonly config: SandboxConfig;
  readonly attempt: number;
}

type Limits = Readonly<Record<ContainerId, ContainerResources>>;

/** Read by src/cluster. */
export interface Leftovers {
  readonly cgroups: readonly string[];
  readonly parents: readonly string[];
  readonly cri: { readonly endpoint: string; readonly owner: string };
  readonly network: MachineNetworkLeftovers | undefined;
}

export class PodFiles {
  readonly #root: string;
  readonly #leftoversPath: string;
  readonly seccompDirectory: string;

  constructor(root: string) {
    this.seccompDirectory = join(root, 'seccomp');
    this.#root = join(root, 'pods');
    this.#leftoversPath = join(root, 'leftovers.json');
  }

  async writeLeftovers(leftovers: Leftovers): Promise<void> {
    await writeWhole(this.#leftoversPath, JSON.stringify(leftovers), 0o600);
  }

  make(): void {
    mkdirSync(this.#root, { recursive: true, mode: 0o700 });
  }

  list(): string[] {
    return readdirSync(this.#root).sort();
  }

  logDirectory(uid: SandboxId): string {
    return join(this.#root, uid, 'logs');
  }

  logPath(uid: SandboxId, name: string, attempt: number): string {
    return join(this.logDirectory(uid), logPathOf(name, attempt));
  }

  hostsPath(uid: SandboxId): string {
    return join(this.#root, uid, 'hosts');
  }

  /** Before the runtime is asked. */
  async begin(stored: StoredSandbox): Promise<void> {
    const directory = join(this.#root, stored.config.uid);
    await mkdir(this.logDirectory(stored.config.uid), { recursive: true, mode: 0o755 });
    await writeWhole(join(directory, 'sandbox.json'), JSON.stringify(stored), 0o600);
  }

  /** Once its address is known. A pod on the network of its node has the hosts of its node, and its own aliases. */
  async writeHosts({ uid, hostname, hostnames = [hostname], hostNetwork, hostAliases = [] }: SandboxConfig, ip: string): Promise<void> {
    const aliases = hostAliases.map((alias) => `${alias.ip}\t${alias.hostnames.join('\t')}\n`).join('');
    const own = hostNetwork ? readIfThere('/etc/hosts') + aliases : hostsFile({ ip, hostnames, aliases: hostAliases });
    await writeWhole(this.hostsPath(uid), own, 0o644);
  }

  /** At once: containers of a pod are made side by side. */
  writeLimits(uid: SandboxId, limits: Limits): void {
    const path = join(this.#root, uid, 'limits.json');
    writeFileSync(`${path}.tmp`, JSON.stringify(limits), { mode: 0o600 });
    renameSync(`${path}.tmp`, path);
  }

  readLimits(uid: SandboxId): Limits {
    const text = readIfThere(join(this.#root, uid, 'limits.json'));
    return text === '' ? {} : (JSON.parse(text) as Limits); // written by this file alone, whole
  }

  read(uid: SandboxId): StoredSandbox | undefined {
    try {
      return JSON.parse(readFileSync(join(this.#root, uid, 'sandbox.json'), 'utf8')) as StoredSandbox; // written by this file alone
    } catch {
      return undefined; // cut off while it was made
    }
  }

  async makeLogDirectory(uid: SandboxId, name: string): Promise<void> {
    await mkdir(join(this.logDirectory(uid), name), { recursive: true, mode: 0o755 });
  }

  async removeLogs(uid: SandboxId, name: string, attempt: number): Promise<void> {
    const path = this.logPath(uid, name, attempt);
    const own = readdirIfThere(join(this.logDirectory(uid), name)).filter((file) => file === `${attempt}.log` || file.startsWith(`${attempt}.log.`));
    await Promise.all(own.map((file) => rm(join(path, '..', file), { force: true })));
  }

  async remove(uid: SandboxId): Promise<void> {
    await rm(join(this.#root, uid), { recursive: true, force: true, maxRetries: 3 });
  }
}

async function writeWhole(path: string, text: string, mode: number): Promise<void> {
  await writeFile(`${path}.tmp`, text, { mode });
  await rename(`${path}.tmp`, path);
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function readdirIfThere(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
