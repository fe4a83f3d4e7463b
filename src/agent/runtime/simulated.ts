/**
 * The runtime without processes: states played on a clock, for clusters of thousands of nodes and for the simulator.
 * The object stands for the machine: an agent that crashes drops its agent, not this, and the next one finds the
 * containers again. `powerOff` is the end of the machine.
 */
import type { Clock, Millis, Timer } from '../../base/clock.ts';
import { deferred, type Deferred } from '../../base/deferred.ts';
import { nextAddress, parseCidr, type AddressRange } from '../core/address-pool.ts';
import { assert } from '../../base/assert.ts';
import { fromUtf8 } from '../../base/bytes.ts';
import { Pipe } from '../../base/pipe.ts';
import {
  RuntimeError,
  containerIdOf,
  type ContainerConfig,
  type ContainerId,
  type ContainerRecord,
  type ContainerResources,
  type ContainerUsage,
  type ExecResult,
  type LogOptions,
  type NodeImages,
  type Runtime,
  type Sandbox,
  type SandboxConfig,
  type SandboxId,
} from './runtime.ts';
import type { AttachOptions, CommandOptions, CommandStream, OutputChunk, PortStream } from './streams.ts';

/** How a container behaves. */
export interface Performance {
  readonly startDelayMs: Millis;
  /** undefined: it runs until it is stopped. */
  readonly runMs?: Millis;
  readonly exitCode?: number;
  /** How long it takes to end when it is asked to. */
  readonly stopDelayMs?: Millis;
  /** What it uses while it runs, always the same. */
  readonly cpuCores?: number;
  readonly memoryBytes?: number;
}

export interface SimulatedRuntimeOptions {
  readonly clock: Clock;
  readonly podCidr: string;
  readonly perform?: (pod: SandboxConfig, container: ContainerConfig) => Performance;
  /** Absent: it has none, and plays whatever it is given. */
  readonly images?: NodeImages;
}

interface SimulatedContainer {
  record: ContainerRecord;
  resources: ContainerResources;
  readonly performance: Performance;
  readonly ended: Deferred<void>;
  timer: Timer | undefined;
  /** Monotonic. */
  begunAtMs: Millis;
}

interface Entry {
  sandbox: Sandbox;
  readonly config: SandboxConfig;
  readonly containers: Map<ContainerId, SimulatedContainer>;
}

const START_DELAY_MS = 10;
const CPU_CORES = 0.01;
const MEMORY_BYTES = 16 * 1024 * 1024;

export class SimulatedRuntime implements Runtime {
  readonly name = 'simulated';
  readonly version = '1';
  readonly ignoresImages = false;
  readonly images: NodeImages | undefined;
  readonly #options: SimulatedRuntimeOptions;
  readonly #range: AddressRange;
  readonly #entries = new Map<SandboxId, Entry>();
  readonly #listeners = new Set<(sandboxId: SandboxId) => void>();
  #position = 0;

  constructor(options: SimulatedRuntimeOptions) {
    this.#options = options;
    this.images = options.images;
    const range = parseCidr(options.podCidr);
    assert(range !== undefined, `podCidr ${options.podCidr} is a block of addresses`);
    this.#range = range;
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#listeners.clear();
    return Promise.resolve();
  }

  /** The machine dies: nothing runs any more, nobody hears of it, nothing is remembered. */
  powerOff(): void {
    for (const { containers } of this.#entries.values()) for (const { timer } of containers.values()) timer?.cancel();
    this.#entries.clear();
    this.#listeners.clear();
  }

  /** The sandbox of a pod dies, and with it all that is in it. */
  async killSandbox(id: SandboxId): Promise<void> {
    await this.stopPodSandbox(id);
    for (const listener of [...this.#listeners]) listener(id);
  }

  /** A container ends by itself, as a program that crashed. */
  exit(id: ContainerId, exitCode: number): void {
    const container = this.#get(id);
    if (container.record.state === 'running') this.#end(container, exitCode);
  }

  runPodSandbox(config: SandboxConfig): Promise<Sandbox> {
    const known = this.#entries.get(config.uid);
    if (known?.sandbox.state === 'ready') return Promise.resolve(known.sandbox);
    const taken = new Set([...this.#entries.values()].map(({ sandbox }) => sandbox.ip));
    const found = nextAddress(this.#range, this.#position, taken);
    if (found === undefined) return Promise.reject(new RuntimeError('no-address', `every address of ${this.#options.podCidr} is taken`));
    this.#position = found.position;
    const { uid, namespace, name } = config;
    const createdAtMs = this.#options.clock.wall();
    const attempt = known === undefined ? 0 : (known.sandbox.attempt ?? 0) + 1;
    const sandbox: Sandbox = { id: uid, namespace, name, ip: found.address, createdAtMs, state: 'ready', attempt };
    this.#entries.set(uid, { sandbox, config, containers: known?.containers ?? new Map() });
    return Promise.resolve(sandbox);
  }

  stopPodSandbox(id: SandboxId): Promise<void> {
    const entry = this.#entries.get(id);
    if (entry === undefined) return Promise.resolve();
    entry.sandbox = { ...entry.sandbox, state: 'stopped' };
    for (const container of entry.containers.values()) if (container.record.state === 'running') this.#end(container, 137);
    return Promise.resolve();
  }

  async removePodSandbox(id: SandboxId): Promise<void> {
    await this.stopPodSandbox(id);
    this.#entries.delete(id);
  }

  listPodSandboxes(): Promise<readonly Sandbox[]> {
    const ids = [...this.#entries.keys()].sort();
    return Promise.resolve(ids.map((id) => this.#entries.get(id)!.sandbox));
  }

  createContainer(sandboxId: SandboxId, config: ContainerConfig): Promise<ContainerId> {
    const entry = this.#entries.get(sandboxId);
    if (entry === undefined) return Promise.reject(new RuntimeError('not-found', `there is no sandbox ${sandboxId}`));
    if (entry.sandbox.state !== 'ready') return Promise.reject(new RuntimeError('invalid-state', `sandbox ${sandboxId} is stopped`));
    const { name, attempt, backoffSteps, init, image, imageShown, resources } = config;
    const id = containerIdOf(sandboxId, name, attempt);
    if (entry.containers.has(id)) return Promise.resolve(id);
    const createdAtMs = this.#options.clock.wall();
    const once: Performance = { startDelayMs: START_DELAY_MS, runMs: START_DELAY_MS, exitCode: 0 };
    const performance = this.#options.perform?.(entry.config, config) ?? (init ? once : { startDelayMs: START_DELAY_MS });
    entry.containers.set(id, {
      record: { id, sandboxId, name, attempt, backoffSteps, init, image, imageShown, state: 'created', createdAtMs, sandboxAttempt: entry.sandbox.attempt, resources },
      resources: config.resources ?? {},
      performance,
      ended: deferred<void>(),
      timer: undefined,
      begunAtMs: 0,
    });
    return Promise.resolve(id);
  }

  startContainer(id: ContainerId): Promise<void> {
    const container = this.#get(id);
    if (container.record.state !== 'created') {
      return Promise.reject(new RuntimeError('invalid-state', `container ${id} has been started`));
    }
    return new Promise((resolve, reject) => {
      this.#options.clock.setTimer(container.performance.startDelayMs, () => {
        const entry = this.#entries.get(container.record.sandboxId);
        // It was removed, stopped, or lost with the machine meanwhile.
        if (entry?.sandbox.state !== 'ready') return reject(new RuntimeError('not-found', `there is no container ${id}`));
        this.#begin(container);
        resolve();
      });
    });
  }

  #begin(container: SimulatedContainer): void {
    const { runMs, exitCode = 0 } = container.performance;
    container.record = { ...container.record, state: 'running', startedAtMs: this.#options.clock.wall() };
    container.begunAtMs = this.#options.clock.monotonic();
    if (runMs !== undefined) container.timer = this.#options.clock.setTimer(runMs, () => this.#end(container, exitCode));
  }

  #end(container: SimulatedContainer, exitCode: number): void {
    container.timer?.cancel();
    container.record = { ...container.record, state: 'exited', exitCode, finishedAtMs: this.#options.clock.wall() };
    container.ended.resolve();
    for (const listener of [...this.#listeners]) listener(container.record.sandboxId);
  }

  stopContainer(id: ContainerId, graceMs: Millis): Promise<void> {
    const container = this.#find(id);
    if (container?.record.state !== 'running') return Promise.resolve();
    const { stopDelayMs = 0 } = container.performance;
    if (graceMs <= 0) {
      this.#end(container, 137);
      return Promise.resolve();
    }
    const [delayMs, exitCode] = stopDelayMs <= graceMs ? [stopDelayMs, 0] : [graceMs, 137];
    const end = () => container.record.state === 'running' && this.#end(container, exitCode);
    this.#options.clock.setTimer(delayMs, end);
    return container.ended.promise;
  }

  updateContainerResources(id: ContainerId, resources: ContainerResources): Promise<void> {
    const container = this.#get(id);
    if (container.record.state !== 'running') return Promise.reject(new RuntimeError('invalid-state', `container ${id} is not running`));
    container.resources = resources;
    container.record = { ...container.record, resources };
    return Promise.resolve();
  }

  updatePodSandboxResources(id: SandboxId): Promise<void> {
    if (this.#entries.get(id)?.sandbox.state === 'ready') return Promise.resolve();
    return Promise.reject(new RuntimeError('not-found', `sandbox ${id} is not running`));
  }

  /** What it may use, as it was last told. */
  resourcesOf(id: ContainerId): ContainerResources {
    return this.#get(id).resources;
  }

  removeContainer(id: ContainerId): Promise<void> {
    const container = this.#find(id);
    if (container === undefined) return Promise.resolve();
    if (container.record.state === 'running') return Promise.reject(new RuntimeError('invalid-state', `container ${id} is running`));
    this.#entries.get(container.record.sandboxId)?.containers.delete(id);
    return Promise.resolve();
  }

  listContainers(sandboxId?: SandboxId): Promise<readonly ContainerRecord[]> {
    const ids = sandboxId === undefined ? [...this.#entries.keys()].sort() : [sandboxId];
    const records = ids.flatMap((id) => [...(this.#entries.get(id)?.containers.values() ?? [])].map(({ record }) => record));
    const order = (a: ContainerRecord, b: ContainerRecord) =>
      a.sandboxId === b.sandboxId && a.name === b.name ? a.attempt - b.attempt : a.id < b.id ? -1 : 1;
    return Promise.resolve(records.sort(order));
  }

  listContainerUsages(): Promise<readonly ContainerUsage[]> {
    const now = this.#options.clock.monotonic();
    const running = [...this.#entries.values()].flatMap(({ containers }) => [...containers.values()]).filter(({ record }) => record.state === 'running');
    return Promise.resolve(
      running.map(({ record, begunAtMs, performance: { cpuCores = CPU_CORES, memoryBytes = MEMORY_BYTES } }) => {
        return { id: record.id, cpuMs: cpuCores * (now - begunAtMs), memoryBytes };
      }),
    );
  }

  exec(): Promise<ExecResult> {
    return Promise.resolve({ exitCode: 0, output: '', timedOut: false });
  }

  /** It says nothing, and is done at once. */
  execStream(id: ContainerId, _options: CommandOptions): Promise<CommandStream> {
    const { record } = this.#get(id);
    if (record.state !== 'running') return Promise.reject(new RuntimeError('invalid-state', `container ${id} is not running`));
    return Promise.resolve(new SilentCommand(Promise.resolve()));
  }

  attachStream(id: ContainerId, _options: AttachOptions): Promise<CommandStream> {
    const { record, ended } = this.#get(id);
    if (record.state !== 'running') return Promise.reject(new RuntimeError('invalid-state', `container ${id} is not running`));
    return Promise.resolve(new SilentCommand(ended.promise));
  }

  /** On every port somebody listens who says everything back. */
  portForward(id: SandboxId): Promise<PortStream> {
    if (this.#entries.get(id)?.sandbox.state === 'ready') return Promise.resolve(new Echo());
    return Promise.reject(new RuntimeError('not-found', `sandbox ${id} is not running`));
  }

  async *logs(id: ContainerId, _options: LogOptions): AsyncGenerator<Uint8Array> {
    this.#get(id);
    yield fromUtf8('a simulated container writes nothing\n');
  }

  subscribe(listener: (sandboxId: SandboxId) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #find(id: ContainerId): SimulatedContainer | undefined {
    return this.#entries.get(id.slice(0, id.indexOf('/')))?.containers.get(id);
  }

  #get(id: ContainerId): SimulatedContainer {
    const container = this.#find(id);
    if (container === undefined) throw new RuntimeError('not-found', `there is no container ${id}`);
    return container;
  }
}

class SilentCommand implements CommandStream {
  readonly output: Pipe<OutputChunk>;
  readonly ended: Promise<{ readonly exitCode: number }>;

  constructor(end: Promise<void>) {
    this.output = new Pipe<OutputChunk>(1);
    this.ended = end.then(() => ({ exitCode: 0 }));
    void end.then(() => this.output.end());
  }

  write(): Promise<void> {
    return Promise.resolve();
  }

  endInput(): void {}

  resize(): void {}

  close(): void {
    this.output.end();
  }
}

class Echo implements PortStream {
  readonly output = new Pipe<Uint8Array>(16);

  async write(bytes: Uint8Array): Promise<void> {
    if (!this.output.push(bytes)) await this.output.drained();
  }

  endInput(): void {
    this.output.end();
  }

  close(): void {
    this.output.end();
  }
}
