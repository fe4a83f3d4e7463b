/**
 * The cri runtime: pods of this node in a containerd or CRI-O of this machine, over its socket. The runtime keeps what it runs,
 * also while it is restarted itself; the agent knows it again by labels (core/pod-config.ts), and keeps files of its own for each
 * pod (pod-files.ts). What workers ask about is answered from a table (pod-table.ts) that follows the runtime's events (watch.ts).
 *
 *   PodWorker ──► CriRuntime ──► CriClient ──gRPC, Unix socket──► containerd ──► shim ──► program
 *                    │  ▲ PodTable ◄── RuntimeWatch ◄── events ──────┘            │
 *                    └─ ContainerLogs ◄───────────── files in the CRI format ◄────┘
 *
 * This file is the whole of it; what is done is in sandboxes.ts, containers.ts, connections.ts and container-logs.ts.
 */
import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { describeError } from '../../../base/errors.ts';
import { sleep, type Clock, type Millis } from '../../../base/clock.ts';
import type { Log } from '../../../base/log.ts';
import { Tasks } from '../../../base/tasks.ts';
import type { Channel } from '../../../proto/rpc.ts';
import type { ContainerConfig, ContainerId, ContainerRecord, ContainerResources, ContainerUsage, ExecResult, LogOptions, Runtime, RuntimeHealth, Sandbox, SandboxConfig, SandboxId } from '../runtime.ts';
import type { AttachOptions, CommandOptions, CommandStream, PortStream } from '../streams.ts';
import { cgroupsOf } from './cgroup-directories.ts';
import { CriClient } from './client.ts';
import { Connections } from './connections.ts';
import { ContainerLogs, type ContainerLogsOptions } from './container-logs.ts';
import { Containers } from './containers.ts';
import { CriImages } from './cri-images.ts';
import { KnownLimits } from './known-limits.ts';
import type { MachineNetwork } from './machine-network.ts';
import type { CriParts } from './parts.ts';
import { PodCgroups } from './pod-cgroups.ts';
import { PodFiles } from './pod-files.ts';
import { PodTable } from './pod-table.ts';
import { RuntimeContact } from './runtime-contact.ts';
import { Sandboxes } from './sandboxes.ts';
import { RuntimeWatch } from './watch.ts';

export interface CriRuntimeOptions extends ContainerLogsOptions {
  /** Absolute; of this node alone: what the node's pods are marked by comes from it. */
  readonly root: string;
  /** Of pods on the network of their node. */
  readonly nodeIp: string;
  /** `unix:///run/containerd/containerd.sock`, for messages. */
  readonly endpoint: string;
  /** To it. This runtime closes it. */
  readonly channel: Channel;
  readonly clock: Clock;
  readonly log: Log;
  /** How long it may take to say how things are; whoever hangs for longer is not there. */
  readonly lookDeadlineMs?: Millis | undefined;
  /** Where services and names are served to its pods; absent: nobody does. */
  readonly network?: Pick<MachineNetwork, 'open' | 'close' | 'details' | 'leftovers'> | undefined;
}

const STATUS_MS = 5_000;
const START_RETRY_MS = 500;
/** Tries between two words in the log. */
const SAID_EVERY = 20;

export class CriRuntime implements Runtime {
  readonly ignoresImages = false;
  readonly images: CriImages;
  readonly #options: CriRuntimeOptions;
  readonly #parts: CriParts;
  readonly #watch: RuntimeWatch;
  readonly #sandboxes: Sandboxes;
  readonly #containers: Containers;
  readonly #connections: Connections;
  readonly #logs: ContainerLogs;
  readonly #tasks: Tasks;
  readonly #abort = new AbortController();
  readonly #listeners = new Set<(sandboxId: SandboxId) => void>();
  readonly #ending = new Set<SandboxId>();

  constructor(options: CriRuntimeOptions) {
    this.#options = options;
    const { channel, endpoint, nodeIp, clock, log, root, lookDeadlineMs } = options;
    const client = new CriClient({ channel, endpoint, lookDeadlineMs });
    const owner = ownerOf(root);
    const { signal } = this.#abort;
    // One for each call under way, taken away with its end: as many as pods and containers are being made.
    setMaxListeners(0, signal);
    const tell = (uid: SandboxId) => this.#tell(uid);
    const table = new PodTable({ client, owner, clock, nodeIp, onChange: tell });
    const files = new PodFiles(root);
    const contact = new RuntimeContact({ client, endpoint, log });
    const pods = () => files.list().flatMap((uid) => files.read(uid)?.config ?? []);
    const cgroups = new PodCgroups({ owner, log, isSystemd: () => contact.isSystemd, pods });
    this.#parts = { client, contact, table, files, limits: new KnownLimits(files), cgroups, owner, clock, log, signal, tell };
    this.#watch = new RuntimeWatch({ client, clock, log, look: () => this.#look(), signal });
    this.#tasks = new Tasks((error) => log.error({ error: describeError(error) }, 'cri: a task failed'));
    this.#sandboxes = new Sandboxes(this.#parts);
    this.#containers = new Containers(this.#parts, this.#sandboxes);
    this.#connections = new Connections(this.#parts, this.#containers);
    this.#logs = new ContainerLogs(this.#parts, options);
    this.images = new CriImages({ client, clock });
  }

  get name(): string {
    return this.#parts.contact.name;
  }

  get version(): string {
    return this.#parts.contact.version;
  }

  get detail(): string {
    const { endpoint, network } = this.#options;
    return [`containers by ${this.name} ${this.version} at ${endpoint}`, ...(network?.details ?? [])].join(', ');
  }

  get health(): RuntimeHealth {
    return this.#parts.contact.health;
  }

  /** Waits for a runtime that does not answer yet: without it nobody knows which pods there are. */
  async start(): Promise<void> {
    const { clock, log, endpoint, network } = this.#options;
    const { files, owner, contact, table } = this.#parts;
    files.make();
    await files.writeLeftovers({ cgroups: cgroupsOf(`podium/${owner}`), parents: cgroupsOf('podium'), cri: { endpoint, owner }, network: network?.leftovers });
    await network?.open();
    for (let tries = 0; ; tries++) {
      try {
        await this.#meet();
        break;
      } catch (error) {
        contact.notHeard(error);
        if (tries % SAID_EVERY === 0) log.warn({ endpoint, error: describeError(error) }, 'cri: waiting for the container runtime');
        await sleep(clock, START_RETRY_MS, this.#abort.signal);
      }
    }
    // Given up half-way, of pods that may be gone meanwhile: nobody would ask for them again.
    for (const uid of table.uids) {
      if (table.sandbox(uid) === undefined) await this.#sandboxes.remove(uid).catch((error: unknown) => log.warn({ uid, error: describeError(error) }, 'cri: a sandbox that was given up is not removed'));
    }
    for (const uid of files.list()) if (!table.uids.has(uid)) await this.#sandboxes.forget(uid);
    this.#tasks.run(this.#watch.run());
    this.#tasks.run(this.#statuses());
    this.#tasks.run(this.#logs.rotateAll());
  }

  async close(): Promise<void> {
    this.#abort.abort();
    this.#listeners.clear();
    this.#options.network?.close();
    this.#options.channel.close();
    await this.#tasks.idle();
  }

  // --- the runtime itself

  async #meet(): Promise<void> {
    const { contact, table } = this.#parts;
    await contact.meet();
    await table.refresh();
    contact.heard();
  }

  async #statuses(): Promise<void> {
    const { clock, contact, signal } = this.#parts;
    while (!signal.aborted) {
      await sleep(clock, STATUS_MS, signal);
      await contact.askStatus().catch(() => undefined); // whoever looks for pods notes that it does not answer
    }
  }

  /** Sees how the pods are; answers whether something has changed. */
  async #look(): Promise<boolean> {
    const { contact, table, signal } = this.#parts;
    try {
      const isChanged = await table.refresh();
      if (contact.isSilent) await this.#meet();
      this.#endLost();
      return isChanged;
    } catch (error) {
      if (!signal.aborted) contact.notHeard(error);
      throw error;
    }
  }

  /** The sandbox is the pod's life: where it has died, what runs in it ends. */
  #endLost(): void {
    const { table, log } = this.#parts;
    for (const uid of table.uids) {
      if (this.#ending.has(uid) || table.sandbox(uid)?.state !== 'stopped') continue;
      if (!table.containerRows(uid).some(({ record }) => record.state === 'running')) continue;
      log.warn({ uid }, 'cri: the sandbox of a pod has died');
      this.#ending.add(uid);
      this.#tasks.run(this.stopPodSandbox(uid).catch(() => undefined).finally(() => this.#ending.delete(uid))); // the next look tries again
    }
  }

  // --- sandboxes

  runPodSandbox(config: SandboxConfig): Promise<Sandbox> {
    return this.#sandboxes.run(config);
  }

  async stopPodSandbox(id: SandboxId): Promise<void> {
    await this.#sandboxes.stop(id);
    await this.#containers.lookAt(this.#parts.table.containerRows(id));
  }

  removePodSandbox(id: SandboxId): Promise<void> {
    return this.#sandboxes.remove(id);
  }

  updatePodSandboxResources(id: SandboxId, resources: ContainerResources): Promise<void> {
    return this.#sandboxes.update(id, resources);
  }

  listPodSandboxes(): Promise<readonly Sandbox[]> {
    const { table } = this.#parts;
    const found = [...table.uids].sort().map((uid) => table.sandbox(uid));
    return Promise.resolve(found.filter((one) => one !== undefined));
  }

  // --- containers

  createContainer(sandboxId: SandboxId, config: ContainerConfig): Promise<ContainerId> {
    return this.#containers.create(sandboxId, config);
  }

  async startContainer(id: ContainerId): Promise<void> {
    await this.#containers.start(id);
    this.#watch.hurry();
  }

  stopContainer(id: ContainerId, graceMs: Millis): Promise<void> {
    return this.#containers.stop(id, graceMs);
  }

  removeContainer(id: ContainerId): Promise<void> {
    return this.#containers.remove(id);
  }

  updateContainerResources(id: ContainerId, resources: ContainerResources): Promise<void> {
    return this.#containers.update(id, resources);
  }

  listContainers(sandboxId?: SandboxId): Promise<readonly ContainerRecord[]> {
    return Promise.resolve(this.#containers.list(sandboxId));
  }

  listContainerUsages(): Promise<readonly ContainerUsage[]> {
    return this.#containers.usages();
  }

  // --- connections

  exec(id: ContainerId, command: readonly string[], timeoutMs: Millis): Promise<ExecResult> {
    return this.#connections.exec(id, command, timeoutMs);
  }

  execStream(id: ContainerId, options: CommandOptions): Promise<CommandStream> {
    return this.#connections.execStream(id, options);
  }

  attachStream(id: ContainerId, options: AttachOptions): Promise<CommandStream> {
    return this.#connections.attachStream(id, options);
  }

  portForward(id: SandboxId, port: number): Promise<PortStream> {
    return this.#connections.portForward(id, port);
  }

  async *logs(id: ContainerId, options: LogOptions): AsyncGenerator<Uint8Array> {
    yield* this.#logs.read(this.#containers.get(id).record, options);
  }

  subscribe(listener: (sandboxId: SandboxId) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(sandboxId: SandboxId): void {
    for (const listener of this.#listeners) listener(sandboxId);
  }
}

/** Names a node among all that share a machine: in labels, cgroups and tables of nftables. */
export function ownerOf(root: string): string {
  return createHash('sha256').update(root).digest('hex').slice(0, 12);
}
