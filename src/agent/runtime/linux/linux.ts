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
 *   ROOT/node.json reaper.sh inner.sock and what every runtime of this machine keeps there (local-runtime.ts)
 *   ROOT/pods/UID/etc/ (hosts, resolv.conf, hostname)
 *   ROOT/pods/UID/containers/NAME/ATTEMPT/ (container.ts)
 *
 * Mounts are made in the namespaces of containers alone, so that they go with them; what is left of a node that loses its
 * agent for good are processes and cgroups, and `podium down` knows both.
 */
import { createHash } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describeError, UserError } from '../../../base/errors.ts';
import { isHostImageName } from '../../../image/core/reference.ts';
import { MOUNTABLE_HOST_IMAGE } from '../../../image/host-image.ts';
import type { ImageService, MountableImage } from '../../../image/image-service.ts';
import { parseCidr } from '../../core/address-pool.ts';
import { LocalRuntime, type LocalRuntimeOptions, type SandboxEntry, type SandboxLife } from '../local-runtime.ts';
import { openPort } from '../process-port.ts';
import { isAlive, sendSignal, type ProcessIdentity } from '../process-table.ts';
import { ProcessUsages } from '../process-usage.ts';
import { runCommand } from '../run-command.ts';
import { containerIdOf, RuntimeError, type ContainerConfig, type ContainerId, type ContainerResources, type ContainerUsage, type DnsConfig, type MemoryPlace, type Sandbox, type SandboxConfig, type SandboxId } from '../runtime.ts';
import { readText, writeText } from '../state-files.ts';
import type { PortStream } from '../streams.ts';
import type { ContainerPlace } from '../supervised-container.ts';
import { Cgroups } from './cgroups.ts';
import type { EgressChoice } from './core/egress-plan.ts';
import { LinuxContainer, type ContainerPod, type ContainerWorld } from './container.ts';
import { leftoversOf, type Owned } from './core/leftovers.ts';
import { nodeNetworkOf, podBatch, podLinkBatch, podLinkName, type NodeNetwork } from './core/node-network.ts';
import { hostsFile, resolvConf } from './core/pod-files.ts';
import { hasMemory, sandboxScript, sharedMemoryOf } from './core/sandbox-script.ts';
import { quoteAll } from './core/shell-words.ts';
import { REAPER_SCRIPT, SUPERVISOR_SCRIPT } from './core/supervisor-script.ts';
import { Egress } from './egress.ts';
import type { Engine } from './engine.ts';
import { chooseEngine, chooseImageEngine } from './engines.ts';
import { InnerLink } from './inner-link.ts';
import type { Machine } from './machine.ts';
import { NodeSpace } from './node-space.ts';
import { OuterRelay } from './outer-relay.ts';
import { Skeletons } from './skeletons.ts';
import { findMade, removeMade } from './strays.ts';

export interface LinuxRuntimeOptions extends LocalRuntimeOptions {
  /** Shared by the nodes of this machine that are of one cluster. */
  readonly networkDirectory: string;
  /** Of this node alone: its first address is the node's, the others are the pods'. */
  readonly podCidr: string;
  readonly serviceCidr?: string | undefined;
  /** `host:port` on the machine that pods shall reach at the same address. */
  readonly outerAddresses?: readonly string[] | undefined;
  /** Of all nodes together. */
  readonly clusterPodCidr?: string | undefined;
  /** Where this node listens for its pods, such as the cluster's DNS. */
  readonly ownAddresses?: readonly string[] | undefined;
  /** How pods get out of this machine; absent: not at all. */
  readonly egress?: EgressChoice | undefined;
  /** For pods that do not say how they find names; absent: as the machine does. */
  readonly dns?: DnsConfig | undefined;
  readonly machine: Machine;
  /** Why this runtime and no other, for people. */
  readonly why: string;
  /** The compiled inner-main.js. */
  readonly innerEntry: string;
  readonly version: string;
  /** `crun`, `runc`, `util-linux`: no other is tried. */
  readonly engine?: string | undefined;
  readonly withoutCgroups?: boolean | undefined;
  /** Shared by the nodes of this machine that are of one cluster; absent: there is podium.dev/host alone. */
  readonly images?: ImageService | undefined;
}

/** The first process of a pod, to whom the others fall that have lost their parents. */
const REAP = 'sleep infinity >/dev/null 2>&1 & echo held; exec >/dev/null 2>&1; while :; do wait "$!" || :; sleep infinity & done';

type Entry = SandboxEntry<LinuxContainer>;

/** Hears that the node's network is there, or is another one now; answers what it does in it, in a few words. */
export type NetworkListener = () => Promise<string>;

/** A way out that cannot be had now may be had later (a laptop comes home), and one that is there be gone (a firewall is loaded anew). */
const EGRESS_RETRY_MS = 30_000;
/** Whether it is still there: three short processes. */
const EGRESS_CHECK_MS = 10_000;
/** What ends by itself has ended then. */
const SWEEP_SOON_MS = 1_000;
const SWEEP_AGAIN_MS = 5_000;

export class LinuxRuntime extends LocalRuntime<LinuxContainer> {
  readonly name = 'linux';
  readonly version: string;
  readonly ignoresImages = false;
  readonly images: ImageService | undefined;
  /** What the names of its containers begin with where images are shared. */
  readonly #consumers: string;
  readonly #options: LinuxRuntimeOptions;
  readonly #network: NodeNetwork;
  readonly #space: NodeSpace;
  readonly #cgroups: Cgroups | undefined;
  readonly #inner: InnerLink;
  readonly #egress: Egress;
  readonly #networkListeners: NetworkListener[] = [];
  #networkDetails: readonly string[] = [];
  #egressTriedAtMs = 0;
  readonly #relays: readonly OuterRelay[];
  readonly #engine: Engine;
  readonly #world: ContainerWorld;
  readonly #usages: ProcessUsages;
  readonly #skeletons: Skeletons;
  #isRecovering = false;
  /** Of the network, the last one. */
  #recovery: Promise<void> = Promise.resolve();
  #sweepAtMs: number = Infinity;

  constructor(options: LinuxRuntimeOptions) {
    const { root, podCidr, machine, clock, log, serviceCidr, networkDirectory, innerEntry, withoutCgroups = false } = options;
    const { clusterPodCidr, ownAddresses = [], egress: choice = 'none' } = options;
    const range = parseCidr(podCidr);
    const network = nodeNetworkOf(podCidr);
    if (range === undefined || network === undefined) throw new UserError(`podCidr ${podCidr}: the linux runtime needs a block such as 10.244.0.0/24`);
    // The first address is the node's own.
    super(options, podCidr, { first: range.first + 1, size: range.size - 1 });
    this.#options = options;
    this.version = options.version;
    this.images = options.images;
    this.#consumers = `${basename(root)}@${createHash('sha256').update(root).digest('hex').slice(0, 8)}/`;
    this.#network = network;
    this.#usages = new ProcessUsages(`PODIUM_NODE=${root}`);
    const settings = { clusterPodCidr, ownAddresses };
    this.#space = new NodeSpace({ root, networkDirectory, network, serviceCidr, settings, machine, clock, log });
    this.#egress = new Egress({ choice, root, space: this.#space, machine, clock, log });
    this.#cgroups = withoutCgroups ? undefined : Cgroups.open(createHash('sha256').update(root).digest('hex').slice(0, 12), clock);
    const inside = (command: readonly string[]) => this.#space.inside(command);
    this.#inner = new InnerLink({ entry: innerEntry, path: join(root, 'inner.sock'), inside, env: this.#space.environment, clock, log });
    this.#relays = (options.outerAddresses ?? []).map((address, index) => {
      const [host = '', port = ''] = address.split(':');
      return new OuterRelay({ host, port: Number(port), path: join(root, `outer-${index}.sock`), inner: this.#inner, clock, log });
    });
    this.#skeletons = new Skeletons({ root, machine, space: this.#space, clock });
    const engineWorld = { machine, space: this.#space, cgroups: this.#cgroups, root };
    this.#engine = chooseEngine(engineWorld, options.engine);
    this.#world = {
      clock,
      log,
      machine,
      engine: this.#engine,
      imageEngine: chooseImageEngine(engineWorld, this.#engine),
      cgroups: this.#cgroups,
      users: () => this.#space.users,
      privateMount: () => this.#space.memory.path,
      supervisorPath: join(root, 'supervisor.sh'),
      environment: this.#space.environment,
      skeletons: this.#skeletons,
      seccompDirectory: join(root, 'seccomp'),
      logBytesMax: options.logBytesMax,
      tell: (sandboxId) => this.tell(sandboxId),
      onGivenUp: () => this.onGivenUp(),
      releaseImage: async (id) => this.images?.release(this.#consumers + id),
    };
  }

  get detail(): string {
    const { machine, why } = this.#options;
    const limits = this.#cgroups === undefined ? 'no cgroups: limits are not kept' : `cgroups v${this.#cgroups.version} (${this.#cgroups.controllers.join(', ')})`;
    const who = machine.inUserNamespace ? `in a user namespace with ${this.#space.isHeld && this.#space.users > 1 ? 'the users of /etc/subuid' : `one user (${machine.whyOneUser ?? 'as it was made'})`}` : 'as root';
    const network = [...this.#networkDetails, this.#egress.detail].join(', ');
    return `${why}: namespaces ${who}, containers by ${this.#engine.name} ${this.#engine.version}, ${limits}${this.#world.imageEngine === undefined ? ', no seccomp without crun or runc' : ''}; ${network}`;
  }

  /** Before `start`, which waits for it. */
  onNetwork(listener: NetworkListener): void {
    this.#networkListeners.push(listener);
  }

  /** Do connections from the pods leave this machine? */
  get hasEgress(): boolean {
    return this.#egress.isOpen;
  }

  get hasLimits(): boolean {
    return this.#cgroups !== undefined;
  }

  get whyNoAppArmor(): string {
    return this.#options.machine.hasAppArmor ? 'the linux runtime loads no profiles' : 'AppArmor is not enabled on the host';
  }

  get memory(): MemoryPlace {
    return this.#space.memory;
  }

  /** Runs a shell's text as root of the pods' users: what the agent's own user may not do with files. False: that is nobody, or it failed. */
  async asRootOfPods(script: string): Promise<boolean> {
    const { machine, clock } = this.#options;
    if (!machine.inUserNamespace || this.#space.users === 1) return false;
    const { exitCode } = await runCommand(this.#space.enter(this.#space.holder.pid, ['--mount'], [machine.tools.sh, '-e']), { clock, input: script, env: this.#space.environment });
    return exitCode === 0;
  }

  /** What it mounts in the machine's own namespace. */
  get #mounts(): readonly string[] {
    return this.#options.machine.inUserNamespace ? [] : [join(this.#options.root, 'memory')];
  }

  /** Into the node's network: pods' addresses are reached through it, and never from the machine's own network. */
  get inner(): InnerLink {
    return this.#inner;
  }

  /** Where commands for the node's network (rules, routes) run. */
  get space(): NodeSpace {
    return this.#space;
  }

  protected override get hostAddress(): string {
    return this.#network.gateway;
  }

  async start(): Promise<void> {
    const { root, log } = this.#options;
    this.makeDirectories();
    await writeText(join(root, 'supervisor.sh'), SUPERVISOR_SCRIPT, 0o700);
    await writeText(join(root, 'reaper.sh'), REAPER_SCRIPT, 0o700);
    // Whoever ends the node without its agent finds here what is left in the kernel.
    const { directories: cgroups, parents } = this.#cgroups ?? { directories: [], parents: [] };
    await writeText(join(root, 'leftovers.json'), JSON.stringify({ cgroups, parents, tables: this.#egress.tables, mounts: this.#mounts }), 0o600);
    const isNew = (await this.#space.open()) === 'made';
    this.adoptAll();
    await this.endUnheld();
    await this.#sweep([]);
    await this.#openEgress();
    await this.removeCutOff();
    await this.images?.keepOnly(this.#consumers, this.containers().map(({ id }) => this.#consumers + id));
    await this.#skeletons.open(this.containers().map((container) => container.directory));
    await this.#inner.start();
    await Promise.all(this.#relays.map((relay) => relay.start()));
    await this.#tellOfNetwork();
    log.info({ engine: this.#engine.name, cgroups: this.#cgroups?.version, isNew }, 'linux runtime: the network of the node is there');
    // Who was about to start something when he was killed may have done it since.
    this.#sweepAtMs = this.#options.clock.monotonic() + SWEEP_AGAIN_MS;
    this.armTick();
  }

  override async close(): Promise<void> {
    await super.close();
    for (const relay of this.#relays) relay.close();
    this.#inner.close();
  }

  // --- what was given up half-way, by this agent or by an earlier one

  protected override isHeld(life: SandboxLife): boolean {
    return super.isHeld(life) && (life.network === undefined || this.#space.isHolder(life.network));
  }

  protected override onGivenUp(): void {
    this.#sweepAtMs = Math.min(this.#sweepAtMs, this.#options.clock.monotonic() + SWEEP_SOON_MS);
  }

  /** Removes what is no one's: of this node all is known that it has made, or is about to make. */
  async #sweep(own: readonly number[]): Promise<void> {
    this.#sweepAtMs = Infinity;
    const { root, log } = this.#options;
    const found = await findMade({ root, space: this.#space, cgroups: this.#cgroups, clock: this.#options.clock });
    const leftovers = leftoversOf(found, this.#owned(own));
    if (leftovers.pids.length + leftovers.cgroups.length + leftovers.links.length + leftovers.states.length === 0) return;
    log.warn({ ...leftovers }, 'linux runtime: removing what was given up half-way');
    await removeMade(leftovers, { root, space: this.#space, cgroups: this.#cgroups, clock: this.#options.clock });
  }

  #owned(own: readonly number[]): Owned {
    const entries = [...this.sandboxes.values()];
    const containers = this.containers().filter(({ record }) => record.state !== 'exited');
    const pauses = entries.filter(({ sandbox }) => sandbox.state === 'ready').map(({ pause }) => pause);
    const holders = [this.#space.holder, this.#egress.process, ...pauses, ...containers.map(({ supervisor }) => supervisor)];
    const stopped = new Set(entries.filter(({ sandbox }) => sandbox.state === 'stopped').map(({ sandbox }) => sandbox.ip));
    return {
      pids: [...own, ...holders.filter((one) => one !== undefined).filter(isAlive).map(({ pid }) => pid)],
      pods: new Set([...this.sandboxes.keys(), ...this.making]),
      cgroups: new Set(containers.map(({ cgroup }) => cgroup)),
      links: new Set([...this.addresses.taken].filter((ip) => !stopped.has(ip)).map((ip) => podLinkName(ip, this.#options.podCidr))),
      states: new Set(containers.map(({ key }) => key)),
    };
  }

  // --- sandboxes

  protected override async makeSandbox(config: SandboxConfig, ip: string, directory: string): Promise<SandboxLife> {
    await this.#networkIsThere();
    await mkdir(join(directory, 'etc'), { recursive: true, mode: 0o700 });
    await this.#writePodFiles(join(directory, 'etc'), config, ip);
    this.#cgroups?.make(config.uid, config.resources ?? {});
    const world = { mount: this.#options.machine.tools.mount, memory: this.memory.path, users: this.#space.users };
    // All of it in one and the same network, whatever becomes of that meanwhile.
    const network = this.#space.holder;
    const prepare = [...sandboxScript(config, world), ...(config.hostNetwork ? [] : this.#joining(ip, network))].join('\n');
    const pause = await this.#space.hold(this.#sandboxPrefix(config), prepare, config.processes === 'of-the-pod' ? this.#reaping : undefined);
    return { pause, network };
  }

  #sandboxPrefix(config: SandboxConfig): readonly string[] {
    const { hostNetwork, hostIpc = false } = config;
    // What the machine mounts later is still seen. With volumes in memory, which are mounted among the machine's files, no more than that.
    const mounts = ['--mount', '--propagation', hasMemory(config) ? 'slave' : 'unchanged'];
    const make = [this.#options.machine.tools.unshare, ...(hostIpc ? [] : ['--ipc']), '--uts', ...mounts, ...(hostNetwork ? [] : ['--net'])];
    return this.#space.enter(this.#space.holder.pid, [...(hostNetwork ? ['--net'] : []), '--mount'], make);
  }

  /** The pause process stands outside the pid namespace, so that it has a pid here, and both end together. */
  get #reaping(): string {
    const { unshare, sh } = this.#options.machine.tools;
    return `exec ${quoteAll([unshare, '--pid', '--fork', '--kill-child', sh, '-c', REAP])}`;
  }

  /** A shell's lines, in the pod's new network: all in one, as each process that the agent starts takes its time. */
  #joining(ip: string, { pid: holderPid }: ProcessIdentity): readonly string[] {
    const { ip: tool } = this.#options.machine.tools;
    const link = podLinkName(ip, this.#options.podCidr);
    const inNode = [this.#options.machine.tools.nsenter, `--net=/proc/${holderPid}/ns/net`, tool, '-batch', '-'];
    const pairs = [[[tool, '-batch', '-'], podBatch(link, ip, this.#network, holderPid)], [inNode, podLinkBatch(link)]] as const;
    return pairs.map(([command, batch]) => `${quoteAll(command)} <<'END'\n${batch}END`);
  }

  async #writePodFiles(directory: string, { hostname, hostnames = [hostname], dns, hostAliases = [] }: SandboxConfig, ip: string): Promise<void> {
    const names = dns ?? this.#options.dns;
    await writeFile(join(directory, 'resolv.conf'), names === undefined ? readText('/etc/resolv.conf') : resolvConf(names));
    await writeFile(join(directory, 'hosts'), hostsFile({ ip, hostnames, aliases: hostAliases }));
    await writeFile(join(directory, 'hostname'), `${hostname}\n`);
  }

  /** Its link to the bridge goes with the namespace. */
  protected override endSandbox({ pause }: SandboxLife): void {
    if (pause !== undefined && isAlive(pause)) sendSignal(pause.pid, 'SIGKILL');
  }

  protected override async cleanSandbox(id: SandboxId): Promise<void> {
    await this.#cgroups?.remove(id);
    await rm(sharedMemoryOf(this.memory.outside + this.memory.path, { uid: id }), { recursive: true, force: true });
  }

  protected override memoryPlace(config: SandboxConfig, pause: ProcessIdentity | undefined): string | undefined {
    return pause === undefined || !hasMemory(config) ? undefined : rootOf(pause.pid);
  }

  // --- containers

  async updateContainerResources(id: ContainerId, resources: ContainerResources): Promise<void> {
    const container = this.get(id);
    container.mustRun();
    this.#limitable().update(container.cgroup, resources);
    await container.noteResources(resources);
  }

  async updatePodSandboxResources(id: SandboxId, resources: ContainerResources): Promise<void> {
    this.readySandbox(id);
    this.#limitable().update(id, resources);
  }

  #limitable(): Cgroups {
    if (this.#cgroups === undefined) throw new RuntimeError('invalid-state', 'there are no cgroups here: limits are not kept');
    return this.#cgroups;
  }

  protected override async makeContainer(entry: Entry, place: ContainerPlace): Promise<LinuxContainer> {
    const { sandboxId, config } = place;
    const id = containerIdOf(sandboxId, config.name, config.attempt);
    const mountable = await this.#mountable(id, config);
    try {
      return await LinuxContainer.create(this.#world, podOf(entry, this.#space.memory), { ...place, mountable });
    } catch (error) {
      await this.images?.release(this.#consumers + id);
      throw error;
    }
  }

  /** From here on nobody collects it. */
  #mountable(id: ContainerId, { image, imageId }: ContainerConfig): Promise<MountableImage> {
    if (isHostImageName(imageId ?? image)) return Promise.resolve(MOUNTABLE_HOST_IMAGE);
    if (this.images !== undefined) return this.images.mountable(imageId ?? image, this.#consumers + id);
    return Promise.reject(new RuntimeError('cannot-start', `image ${image} is not on this node: it has podium.dev/host alone`));
  }

  protected override knownContainer(entry: Entry, place: ContainerPlace): LinuxContainer {
    return new LinuxContainer(this.#world, podOf(entry, this.#space.memory), place);
  }


  protected override usagesOf(running: readonly LinuxContainer[]): readonly ContainerUsage[] {
    const cgroups = this.#cgroups;
    if (cgroups === undefined) {
      return this.#usages.of(running.flatMap(({ id, pids }) => (pids === undefined ? [] : [{ id, ...pids.child, supervisor: pids.supervisor.pid }])));
    }
    return running.flatMap(({ id, cgroup }) => {
      const usage = cgroups.usage(cgroup);
      return usage === undefined ? [] : [{ id, ...usage }];
    });
  }

  protected override connect({ ip }: Sandbox, port: number): Promise<PortStream> {
    const to = { host: ip, port };
    return openPort(to, () => this.#inner.dial(to));
  }

  // --- housekeeping

  protected override onTick(): void {
    if (this.#isRecovering) return;
    const { clock, log, egress = 'none' } = this.#options;
    const egressMs = this.#egress.isOpen ? EGRESS_CHECK_MS : EGRESS_RETRY_MS;
    const isEgressDue = this.#egress.isLost || clock.monotonic() - this.#egressTriedAtMs >= egressMs;
    if (!this.#space.isHeld) {
      this.#recovery = this.#recovering(this.#recover(), (error) => log.error({ error }, 'linux runtime: the network of the node cannot be made again'));
    } else if (clock.monotonic() >= this.#sweepAtMs) {
      // What this agent is about to make are its own children.
      void this.#recovering(this.#sweep([process.pid]), (error) => {
        log.warn({ error }, 'linux runtime: what was given up half-way is not removed');
        this.#sweepAtMs = clock.monotonic() + SWEEP_AGAIN_MS;
      });
    } else if (egress !== 'none' && isEgressDue) {
      void this.#recovering(this.#retryEgress(), (error) => log.warn({ error }, 'linux runtime: the way out is not tried'));
    }
  }

  /** One at a time. */
  #recovering(work: Promise<void>, onFailure: (error: string) => void): Promise<void> {
    this.#isRecovering = true;
    return work.catch((error: unknown) => onFailure(describeError(error))).finally(() => (this.#isRecovering = false));
  }

  /** A network that is lost is being made again by now, and not whole before that is done; pods of the old one end first. */
  async #networkIsThere(): Promise<void> {
    if (!this.#space.isHeld) this.onTick();
    await this.#recovery;
  }

  /** Somebody killed the holder of the node's network: there is another one, and the pods of the old one end. */
  async #recover(): Promise<void> {
    this.#options.log.warn({}, 'linux runtime: the network of the node is lost, making another');
    this.onGivenUp();
    // One that is being made just now is not known yet; it is not held when it is.
    for (const entry of this.sandboxes.values()) if (entry.sandbox.state === 'ready') this.endSandbox(entry);
    await this.#space.open();
    this.#inner.restart();
    await this.#openEgress();
    await this.#tellOfNetwork();
  }

  async #openEgress(): Promise<void> {
    this.#egressTriedAtMs = this.#options.clock.monotonic();
    await this.#egress.open();
  }

  async #tellOfNetwork(): Promise<void> {
    this.#networkDetails = await Promise.all(this.#networkListeners.map((listener) => listener()));
  }

  /** Whoever copied packets has died, or there was no way out, or it is to be seen whether it still is. */
  async #retryEgress(): Promise<void> {
    const had = this.#egress.isOpen;
    await this.#openEgress();
    if (this.#egress.isOpen !== had) await this.#tellOfNetwork();
  }
}

function podOf({ sandbox, config, directory, pause, containers }: Entry, memory: MemoryPlace): ContainerPod {
  const { memoryVolumes = [] } = config;
  const pausePid = pause?.pid ?? 0;
  const isInMemory = (path: string) => [memory, ...memoryVolumes].some((place) => path === place.path || path.startsWith(`${place.path}/`));
  return {
    uid: sandbox.id,
    hostname: config.hostname,
    namespaces: { pausePid, processes: config.processes, hostIpc: config.hostIpc },
    isHeld: () => pause !== undefined && isAlive(pause),
    etc: join(directory, 'etc'),
    sharedMemory: sharedMemoryOf(memory.path, config),
    pidOf: (id) => {
      const target = containers.get(id);
      return target?.record.state === 'running' ? target.pids?.child.pid : undefined;
    },
    seenAt: (path) => (isInMemory(path) ? `${rootOf(pausePid)}${path}` : path),
  };
}

/** How this process sees the mounts of another one. */
function rootOf(pid: number): string {
  return `/proc/${pid}/root`;
}
