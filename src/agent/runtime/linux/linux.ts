/**
 * The linux runtime: containers isolated by the kernel, with no daemon and nothing to install.
 *
 *   machine's namespaces                       a node's namespaces
 *   ┌───────────────────────────────┐          ┌──────────────────────────────────────────────┐
 *   │ agent, the outer half: speaks │  Unix    │ inner half: opens connections for the agent  │
 *   │ with API servers, registries, │◄─socket─►│ bridge ─ veth ─ pod (net, ipc, uts)          │
 *   │ listens on NodePorts          │          │                  ├ container (pid, mount)    │
 *   └───────────────────────────────┘          └──────────────────────────────────────────────┘
 *
 * A node's network namespace is held by a process that does nothing else (node-space.ts), a pod's namespaces by another:
 * the sandbox. When it dies, the pod's containers end. Each container has a supervisor (core/supervisor-script.ts). All of
 * them outlive the agent, and are known again by pid and start time:
 *
 *   ROOT/node.json addresses.json supervisor.sh reaper.sh inner.sock
 *   ROOT/pods/UID/sandbox.json   etc/ (hosts, resolv.conf, hostname)
 *   ROOT/pods/UID/containers/NAME/ATTEMPT/ (container.ts)
 *
 * Mounts are made in the namespaces of containers alone, so that they go with them; what is left of a node that loses its
 * agent for good are processes and cgroups, and `podium down` knows both.
 */
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock, Timer } from '../../../base/clock.ts';
import { describeError, UserError } from '../../../base/errors.ts';
import type { Log } from '../../../base/log.ts';
import { nextAddress, parseCidr, type AddressRange } from '../../core/address-pool.ts';
import { AttachedContainer } from '../process-attach.ts';
import { openPort } from '../process-port.ts';
import { isAlive, sendSignal, type ProcessIdentity } from '../process-table.ts';
import { ProcessUsages } from '../process-usage.ts';
import {
  RuntimeError,
  containerIdOf,
  type ContainerConfig,
  type ContainerId,
  type ContainerRecord,
  type ContainerResources,
  type ContainerUsage,
  type DnsConfig,
  type ExecResult,
  type LogOptions,
  type Runtime,
  type Sandbox,
  type SandboxConfig,
  type SandboxId,
} from '../runtime.ts';
import type { CommandOptions as StreamedCommand, CommandStream, PortStream } from '../streams.ts';
import { Cgroups } from './cgroups.ts';
import { LinuxContainer, type ContainerPod, type ContainerWorld } from './container.ts';
import { nodeNetworkOf, podBatch, podLinkBatch, podLinkName, type NodeNetwork } from './core/node-network.ts';
import { hostsFile, resolvConf } from './core/pod-files.ts';
import { quote } from './core/shell-words.ts';
import { REAPER_SCRIPT, SUPERVISOR_SCRIPT } from './core/supervisor-script.ts';
import type { Engine } from './engine.ts';
import { chooseEngine, chooseImageEngine } from './engines.ts';
import { listDirectory, readJson, readText, writeJson } from './files.ts';
import { InnerLink } from './inner-link.ts';
import type { Machine } from './machine.ts';
import { NodeSpace } from './node-space.ts';
import { OuterRelay } from './outer-relay.ts';
import { strayProcesses } from './strays.ts';

export interface LinuxRuntimeOptions {
  /** Absolute; of this node alone. */
  readonly root: string;
  /** Shared by the nodes of this machine that are of one cluster. */
  readonly networkDirectory: string;
  /** Of this node alone: its first address is the node's, the others are the pods'. */
  readonly podCidr: string;
  readonly serviceCidr?: string | undefined;
  /** `host:port` on the machine that pods shall reach at the same address. */
  readonly outerAddresses?: readonly string[] | undefined;
  /** For pods that do not say how they find names; absent: as the machine does. */
  readonly dns?: DnsConfig | undefined;
  readonly machine: Machine;
  /** Why this runtime and no other, for people. */
  readonly why: string;
  /** The compiled inner-main.js. */
  readonly innerEntry: string;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly logBytesMax?: number | undefined;
  /** `crun`, `runc`, `util-linux`: no other is tried. */
  readonly engine?: string | undefined;
  readonly withoutCgroups?: boolean | undefined;
}

/** How often adopted processes are looked at (own children tell by themselves) and logs are noted. */
const TICK_MS = 500;

interface SandboxEntry {
  sandbox: Sandbox;
  readonly config: SandboxConfig;
  readonly directory: string;
  readonly pause: ProcessIdentity;
  readonly containers: Map<ContainerId, LinuxContainer>;
}

/** What `sandbox.json` holds. */
type StoredSandbox = Pick<SandboxEntry, 'sandbox' | 'config' | 'pause'>;

export class LinuxRuntime implements Runtime {
  readonly name = 'linux';
  readonly version: string;
  readonly ignoresImages = false;
  readonly #options: LinuxRuntimeOptions;
  readonly #network: NodeNetwork;
  readonly #range: AddressRange;
  readonly #space: NodeSpace;
  readonly #cgroups: Cgroups | undefined;
  readonly #inner: InnerLink;
  readonly #relays: readonly OuterRelay[];
  readonly #engine: Engine;
  readonly #world: ContainerWorld;
  readonly #sandboxes = new Map<SandboxId, SandboxEntry>();
  readonly #starting = new Map<SandboxId, Promise<Sandbox>>();
  readonly #listeners = new Set<(sandboxId: SandboxId) => void>();
  readonly #usages: ProcessUsages;
  #position = 0;
  #allocating: Promise<unknown> = Promise.resolve();
  #timer: Timer | undefined;
  #isRecovering = false;
  #isClosed = false;

  constructor(options: LinuxRuntimeOptions) {
    const { root, podCidr, machine, clock, log, serviceCidr, networkDirectory, innerEntry, withoutCgroups = false } = options;
    this.#options = options;
    this.version = options.version;
    const range = parseCidr(podCidr);
    const network = nodeNetworkOf(podCidr);
    if (range === undefined || network === undefined) throw new UserError(`podCidr ${podCidr}: the linux runtime needs a block such as 10.244.0.0/24`);
    this.#network = network;
    // The first address is the node's own.
    this.#range = { first: range.first + 1, size: range.size - 1 };
    this.#usages = new ProcessUsages(`PODIUM_NODE=${root}`);
    this.#space = new NodeSpace({ root, networkDirectory, network, serviceCidr, machine, clock, log });
    this.#cgroups = withoutCgroups ? undefined : Cgroups.open(createHash('sha256').update(root).digest('hex').slice(0, 12), clock);
    const inside = (command: readonly string[]) => this.#space.inside(command);
    this.#inner = new InnerLink({ entry: innerEntry, path: join(root, 'inner.sock'), inside, env: this.#space.environment, clock, log });
    this.#relays = (options.outerAddresses ?? []).map((address, index) => {
      const [host = '', port = ''] = address.split(':');
      return new OuterRelay({ host, port: Number(port), path: join(root, `outer-${index}.sock`), inner: this.#inner, clock, log });
    });
    const engineWorld = { machine, space: this.#space, cgroups: this.#cgroups, root };
    this.#engine = chooseEngine(engineWorld, options.engine);
    this.#world = {
      clock,
      log,
      machine,
      engine: this.#engine,
      imageEngine: chooseImageEngine(engineWorld, this.#engine),
      cgroups: this.#cgroups,
      supervisorPath: join(root, 'supervisor.sh'),
      environment: this.#space.environment,
      logBytesMax: options.logBytesMax,
      tell: (sandboxId) => this.#tell(sandboxId),
    };
  }

  get detail(): string {
    const { machine, why } = this.#options;
    const limits = this.#cgroups === undefined ? 'no cgroups: limits are not kept' : `cgroups v${this.#cgroups.version} (${this.#cgroups.controllers.join(', ')})`;
    const who = machine.inUserNamespace ? 'in a user namespace' : 'as root';
    return `${why}: namespaces ${who}, containers by ${this.#engine.name} ${this.#engine.version}, ${limits}`;
  }

  /** Into the node's network: pods' addresses are reached through it, and never from the machine's own network. */
  get inner(): InnerLink {
    return this.#inner;
  }

  /** Where commands for the node's network (rules, routes) run. */
  get space(): NodeSpace {
    return this.#space;
  }

  async start(): Promise<void> {
    const { root, log } = this.#options;
    mkdirSync(join(root, 'pods'), { recursive: true, mode: 0o700 });
    await writeFile(join(root, 'supervisor.sh'), SUPERVISOR_SCRIPT, { mode: 0o700 });
    await writeFile(join(root, 'reaper.sh'), REAPER_SCRIPT, { mode: 0o700 });
    // Whoever ends the node without its agent finds here what is left in the kernel.
    await writeJson(join(root, 'leftovers.json'), { cgroups: this.#cgroups?.directories ?? [], parents: this.#cgroups?.parents ?? [] });
    this.#position = readJson<{ position: number }>(join(root, 'addresses.json'))?.position ?? 0;
    const isNew = (await this.#space.open()) === 'made';
    for (const uid of listDirectory(join(root, 'pods'))) await this.#adoptSandbox(uid, isNew);
    this.#reapStrays();
    for (const uid of this.#cgroups?.list() ?? []) if (!this.#sandboxes.has(uid)) await this.#cgroups?.remove(uid);
    await this.#inner.start();
    await Promise.all(this.#relays.map((relay) => relay.start()));
    log.info({ engine: this.#engine.name, cgroups: this.#cgroups?.version, isNew }, 'linux runtime: the network of the node is there');
    this.#armTick();
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    for (const container of this.#containers()) container.release();
    for (const relay of this.#relays) relay.close();
    this.#inner.close();
    this.#listeners.clear();
    return Promise.resolve();
  }

  // --- what an earlier agent left

  /** `isNew`: the node's network was lost, so a pod that still runs has none, and ends. */
  async #adoptSandbox(uid: string, isNew: boolean): Promise<void> {
    const directory = join(this.#options.root, 'pods', uid);
    const stored = readJson<StoredSandbox>(join(directory, 'sandbox.json'));
    // A directory without a sandbox was cut off while it was made or removed.
    if (stored === undefined) return rm(directory, { recursive: true, force: true });
    const entry: SandboxEntry = { ...stored, directory, containers: new Map() };
    this.#sandboxes.set(uid, entry);
    for (const name of listDirectory(join(directory, 'containers'))) {
      for (const attempt of listDirectory(join(directory, 'containers', name))) {
        const container = LinuxContainer.adopt(this.#world, this.#podOf(entry), join(directory, 'containers', name, attempt));
        if (container !== undefined) entry.containers.set(container.id, container);
      }
    }
    if (isNew && isAlive(entry.pause)) sendSignal(entry.pause.pid, 'SIGKILL');
    if (entry.sandbox.state === 'ready' && (isNew || !isAlive(entry.pause))) await this.stopPodSandbox(uid);
  }

  /** Ends processes of this node that belong to no pod. */
  #reapStrays(): void {
    const supervisors = this.#containers().filter(({ record }) => record.state === 'running').map(({ pids }) => pids?.supervisor);
    const own = [this.#space.holder, ...[...this.#sandboxes.values()].map(({ pause }) => pause), ...supervisors].filter((one) => one !== undefined);
    for (const pid of strayProcesses(this.#options.root, own.filter(isAlive))) {
      this.#options.log.warn({ pid }, 'linux runtime: ended a stray of an earlier agent');
      sendSignal(pid, 'SIGKILL');
    }
  }

  // --- sandboxes

  runPodSandbox(config: SandboxConfig): Promise<Sandbox> {
    const known = this.#sandboxes.get(config.uid);
    if (known?.sandbox.state === 'ready') return Promise.resolve(known.sandbox);
    const starting = this.#starting.get(config.uid) ?? this.#runPodSandbox(config).finally(() => this.#starting.delete(config.uid));
    this.#starting.set(config.uid, starting);
    return starting;
  }

  async #runPodSandbox(config: SandboxConfig): Promise<Sandbox> {
    const { uid, namespace, name, hostNetwork } = config;
    const directory = join(this.#options.root, 'pods', uid);
    const known = this.#sandboxes.get(uid);
    // What still ends in the old one has ended first.
    if (known !== undefined) await this.stopPodSandbox(uid);
    const ip = hostNetwork ? this.#network.gateway : await this.#allocateAddress();
    await mkdir(join(directory, 'etc'), { recursive: true, mode: 0o700 });
    await this.#writePodFiles(join(directory, 'etc'), config, ip);
    const pause = await this.#space.hold(this.#sandboxPrefix(hostNetwork), preparation(config));
    try {
      if (!hostNetwork) await this.#connect(ip, pause.pid);
      const attempt = known === undefined ? 0 : (known.sandbox.attempt ?? 0) + 1;
      const sandbox: Sandbox = { id: uid, namespace, name, ip, createdAtMs: this.#options.clock.wall(), state: 'ready', attempt };
      const entry: SandboxEntry = { sandbox, config, directory, pause, containers: known?.containers ?? new Map() };
      await writeJson(join(directory, 'sandbox.json'), { sandbox, config, pause } satisfies StoredSandbox);
      this.#sandboxes.set(uid, entry);
      return sandbox;
    } catch (error) {
      sendSignal(pause.pid, 'SIGKILL');
      throw error;
    }
  }

  #sandboxPrefix(hostNetwork: boolean): readonly string[] {
    const { machine } = this.#options;
    const make = [machine.tools.unshare, '--ipc', '--uts', ...(hostNetwork ? [] : ['--net'])];
    if (hostNetwork) return this.#space.inside(make);
    return machine.inUserNamespace ? this.#space.enter(this.#space.holder.pid, [], make) : make;
  }

  async #connect(ip: string, pausePid: number): Promise<void> {
    const link = podLinkName(ip, this.#options.podCidr);
    await this.#space.batch(this.#space.holder.pid, podLinkBatch(link, pausePid), 'the link of the pod');
    await this.#space.batch(pausePid, podBatch(ip, this.#network), 'the network of the pod');
  }

  async #writePodFiles(directory: string, { hostname, dns, hostAliases = [] }: SandboxConfig, ip: string): Promise<void> {
    const names = dns ?? this.#options.dns;
    await writeFile(join(directory, 'resolv.conf'), names === undefined ? readText('/etc/resolv.conf') : resolvConf(names));
    await writeFile(join(directory, 'hosts'), hostsFile({ ip, hostname, aliases: hostAliases }));
    await writeFile(join(directory, 'hostname'), `${hostname}\n`);
  }

  /** One at a time, and the position is on disk before the address is used: a crash skips an address, never repeats one. */
  #allocateAddress(): Promise<string> {
    const allocation = this.#allocating.then(async () => {
      const taken = new Set([...this.#sandboxes.values()].map(({ sandbox }) => sandbox.ip));
      const found = nextAddress(this.#range, this.#position, taken);
      if (found === undefined) throw new RuntimeError('no-address', `every address of ${this.#options.podCidr} is taken by a pod`);
      this.#position = found.position;
      await writeJson(join(this.#options.root, 'addresses.json'), { position: found.position });
      return found.address;
    });
    this.#allocating = allocation.catch(() => undefined);
    return allocation;
  }

  async stopPodSandbox(id: SandboxId): Promise<void> {
    const entry = this.#sandboxes.get(id);
    if (entry === undefined) return;
    entry.sandbox = { ...entry.sandbox, state: 'stopped' };
    await writeJson(join(entry.directory, 'sandbox.json'), { sandbox: entry.sandbox, config: entry.config, pause: entry.pause } satisfies StoredSandbox);
    await Promise.all([...entry.containers.values()].map((container) => container.stop(0)));
    // Its link to the bridge goes with the namespace.
    if (isAlive(entry.pause)) sendSignal(entry.pause.pid, 'SIGKILL');
  }

  async removePodSandbox(id: SandboxId): Promise<void> {
    await this.#starting.get(id)?.catch(() => undefined); // it failed: nothing is there
    await this.stopPodSandbox(id);
    const entry = this.#sandboxes.get(id);
    if (entry === undefined) return;
    await Promise.all([...entry.containers.values()].map((container) => container.remove()));
    await this.#cgroups?.remove(id);
    // First the file that makes it a sandbox, so that a crash in between leaves a directory that the next start removes.
    await rm(join(entry.directory, 'sandbox.json'), { force: true });
    await rm(entry.directory, { recursive: true, force: true, maxRetries: 3 });
    this.#sandboxes.delete(id);
  }

  listPodSandboxes(): Promise<readonly Sandbox[]> {
    return Promise.resolve([...this.#sandboxes.values()].map(({ sandbox }) => sandbox).sort(byId));
  }

  // --- containers

  async createContainer(sandboxId: SandboxId, config: ContainerConfig): Promise<ContainerId> {
    const entry = this.#sandboxes.get(sandboxId);
    if (entry === undefined) throw new RuntimeError('not-found', `there is no sandbox ${sandboxId}`);
    if (entry.sandbox.state !== 'ready') throw new RuntimeError('invalid-state', `sandbox ${sandboxId} is stopped`);
    const id = containerIdOf(sandboxId, config.name, config.attempt);
    if (entry.containers.has(id)) return id;
    const directory = join(entry.directory, 'containers', config.name, String(config.attempt));
    entry.containers.set(id, await LinuxContainer.create(this.#world, this.#podOf(entry), directory, config));
    return id;
  }

  #podOf({ sandbox, config, directory, pause }: SandboxEntry): ContainerPod {
    return { uid: sandbox.id, hostname: config.hostname, pausePid: pause.pid, sandboxAttempt: sandbox.attempt, etc: join(directory, 'etc') };
  }

  async startContainer(id: ContainerId): Promise<void> {
    await this.#get(id).start();
  }

  async stopContainer(id: ContainerId, graceMs: number): Promise<void> {
    await this.#find(id)?.stop(graceMs);
  }

  async updateContainerResources(id: ContainerId, resources: ContainerResources): Promise<void> {
    await this.#get(id).update(resources);
  }

  async removeContainer(id: ContainerId): Promise<void> {
    const container = this.#find(id);
    if (container === undefined) return;
    if (container.record.state === 'running') throw new RuntimeError('invalid-state', `container ${id} is running`);
    this.#sandboxes.get(container.record.sandboxId)?.containers.delete(id);
    await container.remove();
  }

  listContainers(sandboxId?: SandboxId): Promise<readonly ContainerRecord[]> {
    const records = this.#containers(sandboxId).map(({ record }) => record);
    const order = (a: ContainerRecord, b: ContainerRecord) => (a.sandboxId === b.sandboxId && a.name === b.name ? a.attempt - b.attempt : byId(a, b));
    return Promise.resolve(records.sort(order));
  }

  listContainerUsages(): Promise<readonly ContainerUsage[]> {
    const running = this.#containers().filter(({ record }) => record.state === 'running');
    const cgroups = this.#cgroups;
    if (cgroups !== undefined) {
      return Promise.resolve(running.flatMap(({ id, cgroup }) => {
        const usage = cgroups.usage(cgroup);
        return usage === undefined ? [] : [{ id, ...usage }];
      }));
    }
    const roots = running.flatMap(({ id, pids }) => (pids === undefined ? [] : [{ id, ...pids.child, supervisor: pids.supervisor.pid }]));
    return Promise.resolve(this.#usages.of(roots));
  }

  exec(id: ContainerId, command: readonly string[], timeoutMs: number): Promise<ExecResult> {
    return this.#get(id).exec(command, timeoutMs);
  }

  execStream(id: ContainerId, options: StreamedCommand): Promise<CommandStream> {
    return this.#get(id).execStream(options);
  }

  async attachStream(id: ContainerId): Promise<CommandStream> {
    const container = this.#get(id);
    const { clock } = this.#options;
    if (container.record.state !== 'running') throw new RuntimeError('invalid-state', `container ${id} is not running`);
    const isEnded = () => container.record.state === 'exited' || this.#find(id) === undefined || this.#isClosed;
    const from = await container.log.end(clock);
    // A program's input is nothing here yet: what is typed is for nobody.
    return new AttachedContainer({ follow: (signal) => container.log.follow(from, { clock, isEnded, signal }), stdin: undefined, onInputEnd: () => undefined });
  }

  portForward(id: SandboxId, port: number): Promise<PortStream> {
    const sandbox = this.#sandboxes.get(id)?.sandbox;
    if (sandbox === undefined) return Promise.reject(new RuntimeError('not-found', `there is no sandbox ${id}`));
    if (sandbox.state !== 'ready') return Promise.reject(new RuntimeError('invalid-state', `sandbox ${id} is not running`));
    const to = { host: sandbox.ip, port };
    return openPort(to, () => this.#inner.dial(to));
  }

  async *logs(id: ContainerId, options: LogOptions): AsyncGenerator<Uint8Array> {
    const container = this.#get(id);
    const isEnded = () => container.record.state === 'exited' || this.#find(id) === undefined || this.#isClosed;
    yield* container.log.read(options, this.#options.clock, isEnded);
  }

  subscribe(listener: (sandboxId: SandboxId) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  // --- housekeeping

  #armTick(): void {
    this.#timer = this.#options.clock.setTimer(TICK_MS, () => {
      this.#tick();
      if (!this.#isClosed) this.#armTick();
    });
  }

  #tick(): void {
    const { clock, log } = this.#options;
    const now = clock.wall();
    if (!this.#space.isHeld && !this.#isRecovering) {
      this.#isRecovering = true;
      const recovered = this.#recover().finally(() => (this.#isRecovering = false));
      recovered.catch((error: unknown) => log.error({ error: describeError(error) }, 'linux runtime: the network of the node cannot be made again'));
    }
    for (const { sandbox, pause } of this.#sandboxes.values()) {
      if (sandbox.state !== 'ready' || isAlive(pause)) continue;
      log.warn({ uid: sandbox.id, pod: sandbox.name }, 'linux runtime: the sandbox of a pod has died');
      const stopped = this.stopPodSandbox(sandbox.id).then(() => this.#tell(sandbox.id));
      stopped.catch((error: unknown) => log.warn({ uid: sandbox.id, error: describeError(error) }, 'linux runtime: a pod cannot be ended'));
    }
    for (const container of this.#containers()) {
      if (container.record.state !== 'running') continue;
      container.checkEnd(false);
      container.log.observe(now).catch((error: unknown) => {
        log.debug({ container: container.id, error: describeError(error) }, 'linux runtime: log not noted');
      });
    }
  }

  /** Somebody killed the holder of the node's network: there is another one, and the pods of the old one end. */
  async #recover(): Promise<void> {
    this.#options.log.warn({}, 'linux runtime: the network of the node is lost, making another');
    for (const { sandbox, pause } of this.#sandboxes.values()) {
      if (sandbox.state === 'ready' && isAlive(pause)) sendSignal(pause.pid, 'SIGKILL');
    }
    await this.#space.open();
    this.#inner.restart();
  }

  #tell(sandboxId: SandboxId): void {
    for (const listener of this.#listeners) listener(sandboxId);
  }

  #containers(sandboxId?: SandboxId): LinuxContainer[] {
    const entries = sandboxId === undefined ? [...this.#sandboxes.values()] : [this.#sandboxes.get(sandboxId)];
    return entries.flatMap((entry) => [...(entry?.containers.values() ?? [])]);
  }

  #find(id: ContainerId): LinuxContainer | undefined {
    return this.#sandboxes.get(id.slice(0, id.indexOf('/')))?.containers.get(id);
  }

  #get(id: ContainerId): LinuxContainer {
    const container = this.#find(id);
    if (container === undefined) throw new RuntimeError('not-found', `there is no container ${id}`);
    return container;
  }
}

/** What is done in a pod's new namespaces before anything runs in them. */
function preparation({ hostname, sysctls = {} }: SandboxConfig): string {
  const settings = Object.entries(sysctls).map(([name, value]) => `echo ${quote(value)} >${quote(`/proc/sys/${name.replaceAll('.', '/')}`)}`);
  // Not every machine has the command, and not every user may write the file.
  return [`hostname ${quote(hostname)} 2>/dev/null || echo ${quote(hostname)} >/proc/sys/kernel/hostname`, ...settings].join('\n');
}

function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}
