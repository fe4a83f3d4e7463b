/**
 * What the runtimes of this machine's own processes share: the table of sandboxes and their containers, which are files
 * below ROOT, who listens to its changes, and the tick by which ends are seen that nobody tells of. How a sandbox and a
 * container are made is theirs.
 *
 *   ROOT/addresses.json supervisor.sh
 *   ROOT/pods/UID/sandbox.json
 *   ROOT/pods/UID/containers/NAME/ATTEMPT/   (supervised-container.ts)
 *
 * What is true is on disk: an agent that starts reads it all again.
 */
import { mkdirSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock, Millis, Timer } from '../../base/clock.ts';
import { describeError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { removeTree } from '../../base/remove-tree.ts';
import type { AddressRange } from '../core/address-pool.ts';
import { AddressAllocator } from './address-allocator.ts';
import { isAlive, type ProcessIdentity } from './process-table.ts';
import { containerIdOf, RuntimeError } from './runtime.ts';
import type {
  ContainerConfig,
  ContainerId,
  ContainerRecord,
  ContainerUsage,
  ExecResult,
  LogOptions,
  Runtime,
  Sandbox,
  SandboxConfig,
  SandboxId,
} from './runtime.ts';
import { listDirectory, readJson, writeJson } from './state-files.ts';
import type { AttachOptions, CommandOptions, CommandStream, PortStream } from './streams.ts';
import { SupervisedContainer, type ContainerPlace } from './supervised-container.ts';

export interface LocalRuntimeOptions {
  /** Absolute; of this node alone. */
  readonly root: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly logBytesMax?: number | undefined;
}

/** What a sandbox lives by. */
export interface SandboxLife {
  /** Holds the pod's namespaces, and is the pod's life; absent: it has none of its own. */
  readonly pause?: ProcessIdentity | undefined;
  /** The holder of the node's network that it was joined to: one that came later knows nothing of it. */
  readonly network?: ProcessIdentity | undefined;
}

export interface SandboxEntry<C extends SupervisedContainer> extends SandboxLife {
  sandbox: Sandbox;
  readonly config: SandboxConfig;
  readonly directory: string;
  readonly containers: Map<ContainerId, C>;
}

/** What `sandbox.json` holds. */
type StoredSandbox = Pick<SandboxEntry<SupervisedContainer>, 'sandbox' | 'config' | keyof SandboxLife>;

/** How often adopted processes are looked at (own children tell by themselves) and logs are noted. */
const TICK_MS = 500;

export abstract class LocalRuntime<C extends SupervisedContainer> implements Runtime {
  abstract readonly name: string;
  abstract readonly version: string;
  abstract readonly ignoresImages: boolean;
  protected readonly sandboxes = new Map<SandboxId, SandboxEntry<C>>();
  protected readonly addresses: AddressAllocator;
  readonly #options: LocalRuntimeOptions;
  readonly #starting = new Map<SandboxId, Promise<Sandbox>>();
  readonly #listeners = new Set<(sandboxId: SandboxId) => void>();
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(options: LocalRuntimeOptions, podCidr: string, range: AddressRange) {
    this.#options = options;
    this.addresses = new AddressAllocator(options.root, podCidr, range);
  }

  abstract start(): Promise<void>;
  /** Its address is handed out, its directory is there; who asks is told why it cannot be. */
  protected abstract makeSandbox(config: SandboxConfig, ip: string, directory: string): Promise<SandboxLife>;
  /** Does it live? Asked of every one that should, again and again. */
  protected isHeld({ pause }: SandboxLife): boolean {
    return pause === undefined || isAlive(pause);
  }
  /** `Sandbox.memoryAt`; undefined: its volumes are all on disk. */
  protected memoryPlace(_config: SandboxConfig, _pause: ProcessIdentity | undefined): string | undefined {
    return undefined;
  }
  /** Of a pod on the node's own network. */
  protected abstract readonly hostAddress: string;
  /** The sandboxes that are being made. */
  protected get making(): Iterable<SandboxId> {
    return this.#starting.keys();
  }
  /** Ends what holds the sandbox, after its containers. */
  protected abstract endSandbox(life: SandboxLife): void;
  /** Removes what a sandbox has left in the kernel. */
  protected abstract cleanSandbox(id: SandboxId): Promise<void>;
  /** In a directory that is not there yet. */
  protected abstract makeContainer(entry: SandboxEntry<C>, place: ContainerPlace): Promise<C>;
  /** One that an earlier agent has made. */
  protected abstract knownContainer(entry: SandboxEntry<C>, place: ContainerPlace): C;
  protected abstract usagesOf(running: readonly C[]): readonly ContainerUsage[];
  protected abstract connect(sandbox: Sandbox, port: number): Promise<PortStream>;
  /** What else is looked at now and then. */
  protected abstract onTick(): void;
  /** Something was given up half-way: what it may have left is to be looked for. */
  protected onGivenUp(): void {
    // Nothing of it is in the kernel.
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    for (const container of this.containers()) container.release();
    this.#listeners.clear();
    return Promise.resolve();
  }

  get #pods(): string {
    return join(this.#options.root, 'pods');
  }

  // --- what an earlier agent left

  protected makeDirectories(): void {
    mkdirSync(this.#pods, { recursive: true, mode: 0o700 });
  }

  protected adoptAll(): void {
    this.addresses.load();
    for (const uid of listDirectory(this.#pods)) this.#adoptSandbox(uid);
  }

  /**
   * A directory without a sandbox, or without a container, was cut off while it was made or removed. Called when nobody writes
   * in it any more.
   */
  protected async removeCutOff(): Promise<void> {
    for (const uid of listDirectory(this.#pods)) {
      const containers = this.sandboxes.get(uid)?.containers;
      if (containers === undefined) await removeTree(join(this.#pods, uid));
      else await this.#removeCutOffContainers(uid, new Set([...containers.values()].map(({ directory }) => directory)));
    }
  }

  async #removeCutOffContainers(uid: string, known: ReadonlySet<string>): Promise<void> {
    const parent = join(this.#pods, uid, 'containers');
    for (const name of listDirectory(parent)) {
      for (const attempt of listDirectory(join(parent, name))) {
        const path = join(parent, name, attempt);
        if (!known.has(path)) await removeTree(path);
      }
    }
  }

  /**
   * A sandbox that lost its life while there was no agent, or was being stopped by the one before: what is left in it ends.
   * What cannot be ended now is tried again by whoever removes it: it must not keep the node from starting.
   */
  protected async endUnheld(): Promise<void> {
    await Promise.all([...this.sandboxes.values()].map(async (entry) => {
      const { sandbox, pause, containers } = entry;
      const isEnded = (pause === undefined || !isAlive(pause)) && [...containers.values()].every(({ record }) => record.state !== 'running');
      if (sandbox.state === 'ready' ? this.isHeld(entry) : isEnded) return;
      await this.stopPodSandbox(sandbox.id).catch((error: unknown) => {
        this.#options.log.warn({ uid: sandbox.id, error: describeError(error) }, 'runtime: a pod cannot be ended');
      });
    }));
  }

  #adoptSandbox(uid: string): void {
    const directory = join(this.#pods, uid);
    const stored = readJson<StoredSandbox>(join(directory, 'sandbox.json'));
    if (stored === undefined) return;
    const entry: SandboxEntry<C> = { ...stored, directory, containers: new Map() };
    this.sandboxes.set(uid, entry);
    this.addresses.take(entry.sandbox.ip);
    for (const name of listDirectory(join(directory, 'containers'))) {
      for (const attempt of listDirectory(join(directory, 'containers', name))) {
        const path = join(directory, 'containers', name, attempt);
        const known = SupervisedContainer.stored(path);
        if (known === undefined) continue;
        const container = this.knownContainer(entry, { sandboxId: uid, directory: path, ...known });
        container.adopt();
        entry.containers.set(container.id, container);
      }
    }
  }

  // --- sandboxes

  runPodSandbox(config: SandboxConfig): Promise<Sandbox> {
    const known = this.sandboxes.get(config.uid);
    if (known?.sandbox.state === 'ready') return Promise.resolve(known.sandbox);
    const starting = this.#starting.get(config.uid) ?? this.#runPodSandbox(config).finally(() => this.#starting.delete(config.uid));
    this.#starting.set(config.uid, starting);
    return starting;
  }

  async #runPodSandbox(config: SandboxConfig): Promise<Sandbox> {
    const { uid, namespace, name, hostNetwork } = config;
    const directory = join(this.#pods, uid);
    const known = this.sandboxes.get(uid);
    // What still ends in the old one has ended first.
    if (known !== undefined) await this.stopPodSandbox(uid);
    const ip = hostNetwork ? this.hostAddress : await this.addresses.allocate();
    let life: SandboxLife = {};
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      life = await this.makeSandbox(config, ip, directory);
      const memoryAt = this.memoryPlace(config, life.pause);
      const attempt = known === undefined ? 0 : (known.sandbox.attempt ?? 0) + 1;
      const sandbox: Sandbox = { id: uid, namespace, name, ip, createdAtMs: this.#options.clock.wall(), state: 'ready', attempt, memoryAt };
      const entry: SandboxEntry<C> = { ...life, sandbox, config, directory, containers: known?.containers ?? new Map() };
      await this.#store(entry);
      this.sandboxes.set(uid, entry);
      if (known !== undefined) this.addresses.release(known.sandbox.ip);
      return sandbox;
    } catch (error) {
      this.endSandbox(life);
      // Of a pod that had one before, the containers that ended in it stay, with their logs.
      if (known === undefined) await this.#clear(uid);
      this.addresses.release(ip);
      this.onGivenUp();
      throw error;
    }
  }

  /** What is left of one that there is not. Its directory is there first and goes last. */
  async #clear(uid: SandboxId): Promise<void> {
    if (!listDirectory(this.#pods).includes(uid)) return;
    try {
      await this.cleanSandbox(uid);
      await removeTree(join(this.#pods, uid));
    } catch (error) {
      this.#options.log.warn({ uid, error: describeError(error) }, 'runtime: something of a pod that was given up is left');
    }
  }

  #store({ directory, sandbox, config, pause, network }: SandboxEntry<C>): Promise<void> {
    return writeJson(join(directory, 'sandbox.json'), { sandbox, config, pause, network } satisfies StoredSandbox);
  }

  async stopPodSandbox(id: SandboxId): Promise<void> {
    const entry = this.sandboxes.get(id);
    if (entry === undefined) return;
    entry.sandbox = { ...entry.sandbox, state: 'stopped' };
    await this.#store(entry);
    await Promise.all([...entry.containers.values()].map((container) => container.stop(0)));
    this.endSandbox(entry);
  }

  async removePodSandbox(id: SandboxId): Promise<void> {
    await this.#starting.get(id)?.catch(() => undefined); // it failed: nothing is there
    await this.stopPodSandbox(id);
    const entry = this.sandboxes.get(id);
    if (entry === undefined) return this.#clear(id);
    await Promise.all([...entry.containers.values()].map((container) => container.remove()));
    await this.cleanSandbox(id);
    // First the file that makes it a sandbox, so that a crash in between leaves a directory that the next start removes.
    await rm(join(entry.directory, 'sandbox.json'), { force: true });
    await removeTree(entry.directory);
    this.sandboxes.delete(id);
    this.addresses.release(entry.sandbox.ip);
  }

  listPodSandboxes(): Promise<readonly Sandbox[]> {
    return Promise.resolve([...this.sandboxes.values()].map(({ sandbox }) => sandbox).sort(byId));
  }

  // --- containers

  async createContainer(sandboxId: SandboxId, config: ContainerConfig): Promise<ContainerId> {
    const entry = this.readySandbox(sandboxId);
    const id = containerIdOf(sandboxId, config.name, config.attempt);
    if (entry.containers.has(id)) return id;
    const directory = join(entry.directory, 'containers', config.name, String(config.attempt));
    await removeTree(directory);
    try {
      const container = await this.makeContainer(entry, { sandboxId, sandboxAttempt: entry.sandbox.attempt, directory, config, createdAtMs: this.#options.clock.wall() });
      if (this.sandboxes.get(sandboxId) !== entry) throw new RuntimeError('not-found', `there is no sandbox ${sandboxId} any more`);
      entry.containers.set(id, container);
      return id;
    } catch (error) {
      await removeTree(this.sandboxes.has(sandboxId) ? directory : entry.directory);
      throw error;
    }
  }

  async startContainer(id: ContainerId): Promise<void> {
    await this.get(id).start();
  }

  async stopContainer(id: ContainerId, graceMs: Millis): Promise<void> {
    await this.#find(id)?.stop(graceMs);
  }

  async removeContainer(id: ContainerId): Promise<void> {
    const container = this.#find(id);
    if (container === undefined) return;
    if (container.record.state === 'running') throw new RuntimeError('invalid-state', `container ${id} is running`);
    this.sandboxes.get(container.record.sandboxId)?.containers.delete(id);
    await container.remove();
  }

  listContainers(sandboxId?: SandboxId): Promise<readonly ContainerRecord[]> {
    const records = this.containers(sandboxId).map(({ record }) => record);
    const order = (a: ContainerRecord, b: ContainerRecord) => (a.sandboxId === b.sandboxId && a.name === b.name ? a.attempt - b.attempt : byId(a, b));
    return Promise.resolve(records.sort(order));
  }

  async listContainerUsages(): Promise<readonly ContainerUsage[]> {
    return this.usagesOf(this.containers().filter(({ record }) => record.state === 'running'));
  }

  async exec(id: ContainerId, command: readonly string[], timeoutMs: Millis): Promise<ExecResult> {
    return this.get(id).exec(command, timeoutMs);
  }

  async execStream(id: ContainerId, options: CommandOptions): Promise<CommandStream> {
    return this.get(id).execStream(options);
  }

  async attachStream(id: ContainerId, options: AttachOptions): Promise<CommandStream> {
    return this.get(id).attach(options, () => this.#isGone(id));
  }

  async portForward(id: SandboxId, port: number): Promise<PortStream> {
    const sandbox = this.sandboxes.get(id)?.sandbox;
    if (sandbox === undefined) throw new RuntimeError('not-found', `there is no sandbox ${id}`);
    if (sandbox.state !== 'ready') throw new RuntimeError('invalid-state', `sandbox ${id} is not running`);
    return this.connect(sandbox, port);
  }

  async *logs(id: ContainerId, options: LogOptions): AsyncGenerator<Uint8Array> {
    yield* this.get(id).logs(options, () => this.#isGone(id));
  }

  subscribe(listener: (sandboxId: SandboxId) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  // --- housekeeping

  protected armTick(): void {
    this.#timer = this.#options.clock.setTimer(TICK_MS, () => {
      this.onTick();
      this.#tick();
      if (!this.#isClosed) this.armTick();
    });
  }

  #tick(): void {
    const { clock, log } = this.#options;
    for (const entry of this.sandboxes.values()) {
      if (entry.sandbox.state === 'ready' && !this.isHeld(entry)) this.#onSandboxEnd(entry.sandbox);
    }
    for (const container of this.containers()) {
      if (container.record.state !== 'running') continue;
      container.checkEnd(false);
      container.log.observe(clock.wall()).catch((error: unknown) => {
        log.debug({ container: container.id, error: describeError(error) }, 'runtime: log not noted');
      });
    }
  }

  #onSandboxEnd({ id, name }: Sandbox): void {
    const { log } = this.#options;
    log.warn({ uid: id, pod: name }, 'runtime: the sandbox of a pod has died');
    const stopped = this.stopPodSandbox(id).then(() => this.tell(id));
    stopped.catch((error: unknown) => log.warn({ uid: id, error: describeError(error) }, 'runtime: a pod cannot be ended'));
  }

  protected tell(sandboxId: SandboxId): void {
    for (const listener of this.#listeners) listener(sandboxId);
  }

  protected containers(sandboxId?: SandboxId): C[] {
    const entries = sandboxId === undefined ? [...this.sandboxes.values()] : [this.sandboxes.get(sandboxId)];
    return entries.flatMap((entry) => [...(entry?.containers.values() ?? [])]);
  }

  protected readySandbox(id: SandboxId): SandboxEntry<C> {
    const entry = this.sandboxes.get(id);
    if (entry === undefined) throw new RuntimeError('not-found', `there is no sandbox ${id}`);
    if (entry.sandbox.state !== 'ready') throw new RuntimeError('invalid-state', `sandbox ${id} is stopped`);
    return entry;
  }

  #isGone(id: ContainerId): boolean {
    return this.#isClosed || this.#find(id) === undefined;
  }

  #find(id: ContainerId): C | undefined {
    return this.sandboxes.get(id.slice(0, id.indexOf('/')))?.containers.get(id);
  }

  protected get(id: ContainerId): C {
    const container = this.#find(id);
    if (container === undefined) throw new RuntimeError('not-found', `there is no container ${id}`);
    return container;
  }
}

function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}
