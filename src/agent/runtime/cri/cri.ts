/**
 * The cri runtime: pods of this node in a containerd or CRI-O of this machine, over its socket. The runtime keeps what it runs,
 * also while it is restarted itself; the agent knows it again by labels (core/pod-config.ts), and keeps files of its own for each
 * pod (pod-files.ts). What workers ask about is answered from a table (pod-table.ts) that follows the runtime's events (watch.ts).
 *
 *   PodWorker ──► CriRuntime ──► CriClient ──gRPC, Unix socket──► containerd ──► shim ──► program
 *                    │  ▲ PodTable ◄── RuntimeWatch ◄── events ──────┘            │
 *                    └─ ContainerLog ◄────────────── files in the CRI format ◄────┘
 */
import { createHash } from 'node:crypto';
import { describeError } from '../../../base/errors.ts';
import { sleep, type Clock, type Millis } from '../../../base/clock.ts';
import type { Log } from '../../../base/log.ts';
import { Tasks } from '../../../base/tasks.ts';
import { CgroupDriver, RuntimeService, type RuntimeCondition } from '../../../proto/cri.ts';
import type { Channel } from '../../../proto/rpc.ts';
import { connectPort } from '../process-port.ts';
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
  type Runtime,
  type RuntimeHealth,
  type Sandbox,
  type SandboxConfig,
  type SandboxId,
} from '../runtime.ts';
import type { AttachOptions, CommandOptions, CommandStream, PortStream } from '../streams.ts';
import { cgroupsOf, removeCgroups } from './cgroup-directories.ts';
import { CriClient, hasCode, isUnimplemented, unlessGone } from './client.ts';
import { ContainerLog, LOG_BYTES_MAX } from './container-log.ts';
import { cgroupParentOf, containerConfig, isSystemdByConfig, LABEL, linuxResources, sandboxConfig } from './core/pod-config.ts';
import { CriImages } from './cri-images.ts';
import { isListening } from './listeners.ts';
import { mountMemory, unmountMemory } from './memory-volumes.ts';
import { PodFiles } from './pod-files.ts';
import { LISTED_CREATED, PodTable, type ContainerRow, type SandboxRow } from './pod-table.ts';
import { RemoteCommand } from './remote-command.ts';
import { RemotePort } from './remote-port.ts';
import { RuntimeWatch } from './watch.ts';

export interface CriRuntimeOptions {
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
  readonly logBytesMax?: number | undefined;
  /** How often logs are looked at for their size. */
  readonly logLookMs?: Millis | undefined;
  /** How long it may take to say how things are; whoever hangs for longer is not there. */
  readonly lookDeadlineMs?: Millis | undefined;
}

const calls = RuntimeService.methods;
/** As the kubelet waits: a network plugin may take its time. */
const SANDBOX_DEADLINE_MS = 240_000;
const CONTAINER_DEADLINE_MS = 120_000;
/** For the KILL that follows the grace. */
const KILL_DEADLINE_MS = 30_000;
const EXEC_DEADLINE_SLACK_MS = 200;
const STATUS_MS = 5_000;
const LOG_LOOK_MS = 10_000;
const START_RETRY_MS = 500;
const DIAL_DEADLINE_MS = 1_000;
const CANNOT_RUN_EXIT_CODE = 128;
const CANNOT_EXEC_EXIT_CODE = 126;
const EXEC_OUTPUT_CHARACTERS_MAX = 64 * 1024;

interface Version {
  readonly name: string;
  readonly version: string;
}

export class CriRuntime implements Runtime {
  readonly ignoresImages = false;
  readonly images: CriImages;
  readonly #options: CriRuntimeOptions;
  readonly #client: CriClient;
  readonly #table: PodTable;
  readonly #watch: RuntimeWatch;
  readonly #files: PodFiles;
  readonly #tasks: Tasks;
  readonly #abort = new AbortController();
  readonly #listeners = new Set<(sandboxId: SandboxId) => void>();
  readonly #starting = new Map<SandboxId, Promise<Sandbox>>();
  readonly #ending = new Set<SandboxId>();
  /** What its pods bear, and in the names of their cgroups. */
  readonly #owner: string;
  #version: Version | undefined;
  #isSystemd = false;
  #conditions: readonly RuntimeCondition[] = [];
  /** Why it does not answer. */
  #silence: string | undefined = 'it has not been asked yet';

  constructor(options: CriRuntimeOptions) {
    this.#options = options;
    const { channel, endpoint, nodeIp, clock, log, root } = options;
    this.#client = new CriClient({ channel, endpoint, lookDeadlineMs: options.lookDeadlineMs });
    this.#files = new PodFiles(root);
    this.#owner = createHash('sha256').update(root).digest('hex').slice(0, 12);
    this.#table = new PodTable({ client: this.#client, owner: this.#owner, clock, nodeIp, onChange: (uid) => this.#tell(uid) });
    this.#watch = new RuntimeWatch({ client: this.#client, clock, log, look: () => this.#look(), signal: this.#abort.signal });
    this.#tasks = new Tasks((error) => log.error({ error: describeError(error) }, 'cri: a task failed'));
    this.images = new CriImages({ client: this.#client, clock });
  }

  /** `containerd`, `cri-o`: known once it has answered. */
  get name(): string {
    return this.#version?.name ?? 'cri';
  }

  get version(): string {
    return this.#version?.version ?? 'unknown';
  }

  get detail(): string {
    return `containers by ${this.name} ${this.version} at ${this.#options.endpoint}`;
  }

  get health(): RuntimeHealth {
    if (this.#silence !== undefined) return { isReady: false, message: `container runtime is down: ${this.#silence}` };
    const missing = this.#conditions.filter(({ status }) => !status);
    if (missing.length === 0) return { isReady: true, message: '' };
    const described = missing.map(({ type, reason, message }) => {
      return `container runtime ${type === 'NetworkReady' ? 'network' : 'status'} not ready: ${type}=false reason:${reason} message:${message}`;
    });
    return { isReady: false, message: described.join(', ') };
  }

  /** Waits for a runtime that does not answer yet: without it nobody knows which pods there are. */
  async start(): Promise<void> {
    const { clock, log, endpoint } = this.#options;
    this.#files.make();
    await this.#files.writeLeftovers({ cgroups: cgroupsOf(`podium/${this.#owner}`), parents: cgroupsOf('podium'), cri: { endpoint, owner: this.#owner } });
    for (let tries = 0; ; tries++) {
      try {
        await this.#meet();
        break;
      } catch (error) {
        this.#silence = describeError(error);
        if (tries % 20 === 0) log.warn({ endpoint, error: this.#silence }, 'cri: waiting for the container runtime');
        await sleep(clock, START_RETRY_MS, this.#abort.signal);
      }
    }
    await this.#removeGivenUp();
    for (const uid of this.#files.list()) if (!this.#table.uids.has(uid)) await this.#forget(uid);
    log.info({ endpoint, runtime: this.name, version: this.version }, 'cri: the container runtime answers');
    this.#tasks.run(this.#watch.run());
    this.#tasks.run(this.#statuses());
    this.#tasks.run(this.#rotations());
  }

  /** Of a pod that is gone meanwhile nobody would ask for them again. */
  async #removeGivenUp(): Promise<void> {
    for (const uid of this.#table.uids) {
      if (this.#table.sandbox(uid) !== undefined) continue;
      for (const row of this.#table.sandboxRows(uid)) await this.#removeSandbox(row).catch((error: unknown) => {
        this.#options.log.warn({ uid, error: describeError(error) }, 'cri: a sandbox that was given up is not removed');
      });
    }
  }

  async close(): Promise<void> {
    this.#abort.abort();
    this.#listeners.clear();
    this.#options.channel.close();
    await this.#tasks.idle();
  }

  // --- the runtime itself

  async #meet(): Promise<void> {
    const { runtimeName, runtimeVersion } = await this.#client.call(calls.version, { version: 'v1' });
    this.#version = { name: runtimeName, version: runtimeVersion };
    this.#isSystemd = await this.#usesSystemd();
    await this.#askStatus();
    await this.#table.refresh();
    this.#silence = undefined;
  }

  async #usesSystemd(): Promise<boolean> {
    try {
      const { linux } = await this.#client.call(calls.runtimeConfig, {});
      return linux?.cgroupDriver === CgroupDriver.SYSTEMD;
    } catch (error) {
      if (!isUnimplemented(error)) throw error;
      const { info } = await this.#client.call(calls.status, { verbose: true });
      return isSystemdByConfig(info.get('config'));
    }
  }

  async #askStatus(): Promise<void> {
    const { status } = await this.#client.call(calls.status, {});
    this.#conditions = status?.conditions ?? [];
  }

  async #statuses(): Promise<void> {
    const { clock } = this.#options;
    while (!this.#abort.signal.aborted) {
      await sleep(clock, STATUS_MS, this.#abort.signal);
      await this.#askStatus().catch(() => undefined); // whoever looks for pods notes that it does not answer
    }
  }

  /** Sees how the pods are; answers whether something has changed. */
  async #look(): Promise<boolean> {
    const { log, endpoint } = this.#options;
    try {
      const isChanged = await this.#table.refresh();
      if (this.#silence !== undefined) {
        // It may be another version that has come back.
        await this.#meet();
        log.info({ endpoint, runtime: this.name, version: this.version }, 'cri: the container runtime answers again');
      }
      this.#endLost();
      return isChanged;
    } catch (error) {
      if (this.#silence === undefined && !this.#abort.signal.aborted) log.warn({ endpoint, error: describeError(error) }, 'cri: the container runtime does not answer');
      this.#silence = describeError(error);
      throw error;
    }
  }

  /** The sandbox is the pod's life: where it has died, what runs in it ends. */
  #endLost(): void {
    for (const uid of this.#table.uids) {
      if (this.#ending.has(uid) || this.#table.sandbox(uid)?.state !== 'stopped') continue;
      if (!this.#table.containerRows(uid).some(({ record }) => record.state === 'running')) continue;
      this.#options.log.warn({ uid }, 'cri: the sandbox of a pod has died');
      this.#ending.add(uid);
      this.#tasks.run(this.stopPodSandbox(uid).catch(() => undefined).finally(() => this.#ending.delete(uid))); // the next look tries again
    }
  }

  // --- sandboxes

  runPodSandbox(config: SandboxConfig): Promise<Sandbox> {
    const known = this.#table.sandbox(config.uid);
    if (known !== undefined && known.state === 'ready') return Promise.resolve(known);
    const starting = this.#starting.get(config.uid) ?? this.#runPodSandbox(config).finally(() => this.#starting.delete(config.uid));
    this.#starting.set(config.uid, starting);
    return starting;
  }

  async #runPodSandbox(config: SandboxConfig): Promise<Sandbox> {
    const { uid } = config;
    await this.#requireNetwork(config);
    const before = this.#table.sandboxRows(uid);
    // Containers go with their sandbox: one that held any is kept, stopped, for their ends and their logs.
    const isEmpty = this.#table.containerRows(uid).length === 0;
    for (const row of before) await (isEmpty ? this.#removeSandbox(row) : this.#stopSandbox(row));
    const attempt = 1 + Math.max(-1, ...before.map((row) => row.attempt));
    await this.#files.begin({ config, attempt });
    await mountMemory(config.memoryVolumes ?? [], this.#options.clock);
    try {
      const request = { config: sandboxConfig(config, this.#place(uid, attempt)) };
      const { podSandboxId: criId } = await this.#client.call(calls.runPodSandbox, request, { deadlineMs: SANDBOX_DEADLINE_MS, signal: this.#abort.signal });
      const ip = await this.#table.ipOf({ criId, isReady: true });
      await this.#files.writeHosts(config, ip);
      const { namespace, name } = config;
      this.#table.setSandbox({ criId, uid, attempt, isReady: true, namespace, name, ip, createdAtMs: this.#options.clock.wall() });
      return this.#table.sandbox(uid)!;
    } catch (error) {
      // It may have been made all the same.
      await this.#table.refresh().catch(() => undefined); // the next try sees it
      throw error;
    }
  }

  async #requireNetwork({ hostNetwork }: SandboxConfig): Promise<void> {
    const network = () => this.#conditions.find(({ type }) => type === 'NetworkReady');
    if (hostNetwork || network()?.status !== false) return;
    await this.#askStatus();
    const { status = true, reason = '', message = '' } = network() ?? {};
    if (!status) throw new RuntimeError('network-not-ready', `network is not ready: container runtime network not ready: NetworkReady=false reason:${reason} message:${message}`);
  }

  #place(uid: SandboxId, attempt: number) {
    const cgroupParent = cgroupParentOf(uid, { owner: this.#owner, isSystemd: this.#isSystemd });
    return { owner: this.#owner, attempt, logDirectory: this.#files.logDirectory(uid), cgroupParent };
  }

  async stopPodSandbox(id: SandboxId): Promise<void> {
    await this.#starting.get(id)?.catch(() => undefined); // it failed: nothing is there
    for (const row of this.#table.sandboxRows(id)) await this.#stopSandbox(row);
    await this.#unmount(id);
    await this.#lookAt(this.#table.containerRows(id));
  }

  async #stopSandbox(row: SandboxRow): Promise<void> {
    await unlessGone(this.#client.call(calls.stopPodSandbox, { podSandboxId: row.criId }, { deadlineMs: CONTAINER_DEADLINE_MS }));
    if (row.isReady) this.#table.setSandbox({ ...row, isReady: false });
  }

  async #removeSandbox(row: SandboxRow): Promise<void> {
    await this.#stopSandbox(row);
    await unlessGone(this.#client.call(calls.removePodSandbox, { podSandboxId: row.criId }, { deadlineMs: CONTAINER_DEADLINE_MS }));
    this.#table.removeSandbox(row.criId);
  }

  async removePodSandbox(id: SandboxId): Promise<void> {
    await this.#starting.get(id)?.catch(() => undefined); // it failed: nothing is there
    for (const row of this.#table.sandboxRows(id)) await this.#removeSandbox(row);
    for (const { criId } of this.#table.containerRows(id)) this.#table.removeContainer(criId);
    await this.#forget(id);
  }

  async #unmount(uid: SandboxId): Promise<void> {
    await unmountMemory(this.#files.read(uid)?.config.memoryVolumes ?? [], this.#options.clock);
  }

  async #forget(uid: SandboxId): Promise<void> {
    await this.#unmount(uid);
    await this.#files.remove(uid);
    if (!this.#isSystemd) await removeCgroups(cgroupParentOf(uid, { owner: this.#owner, isSystemd: false }));
    if (this.#table.uids.size > 0 || this.#starting.size > 0) return;
    await removeCgroups(`/podium/${this.#owner}`);
    await removeCgroups('/podium');
  }

  listPodSandboxes(): Promise<readonly Sandbox[]> {
    const found = [...this.#table.uids].sort().map((uid) => this.#table.sandbox(uid));
    return Promise.resolve(found.filter((one) => one !== undefined));
  }

  // --- containers

  async createContainer(sandboxId: SandboxId, config: ContainerConfig): Promise<ContainerId> {
    const id = containerIdOf(sandboxId, config.name, config.attempt);
    if (this.#table.container(id) !== undefined) return id;
    const sandbox = this.#table.sandbox(sandboxId);
    const row = this.#table.sandboxRows(sandboxId).at(-1);
    const stored = this.#files.read(sandboxId);
    if (sandbox === undefined || row === undefined || stored === undefined) throw new RuntimeError('not-found', `there is no sandbox ${sandboxId}`);
    if (sandbox.state !== 'ready') throw new RuntimeError('invalid-state', `sandbox ${sandboxId} is stopped`);
    await this.#files.makeLogDirectory(sandboxId, config.name);
    const { clock } = this.#options;
    const request = {
      podSandboxId: row.criId,
      config: containerConfig(config, { owner: this.#owner, pod: stored.config, hostsFile: this.#files.hostsPath(sandboxId), sandboxAttempt: row.attempt }),
      sandboxConfig: sandboxConfig(stored.config, this.#place(sandboxId, row.attempt)),
    };
    try {
      const { containerId: criId } = await this.#client.call(calls.createContainer, request, { deadlineMs: CONTAINER_DEADLINE_MS, signal: this.#abort.signal });
      const { name, attempt, backoffSteps, init, imageShown } = config;
      this.#table.setContainer({ criId, listed: LISTED_CREATED, record: { id, sandboxId, name, attempt, backoffSteps, init, imageShown, sandboxAttempt: sandbox.attempt, state: 'created', createdAtMs: clock.wall() } });
      return id;
    } catch (error) {
      // It may have been made all the same.
      await this.#table.refresh().catch(() => undefined); // the error that came first is told
      if (this.#table.container(id) !== undefined) return id;
      throw error;
    }
  }

  async startContainer(id: ContainerId): Promise<void> {
    const row = this.#get(id);
    if (row.record.state !== 'created') throw new RuntimeError('invalid-state', `container ${id} has been started`);
    try {
      await this.#client.call(calls.startContainer, { containerId: row.criId }, { deadlineMs: CONTAINER_DEADLINE_MS, signal: this.#abort.signal });
    } catch (error) {
      if (hasCode(error, 'not-found', 'unavailable')) throw error;
      return this.#failToStart(row, describeError(error));
    }
    await this.#lookAt([row]);
    this.#watch.hurry();
  }

  /** Most runtimes have noted it as an end; where one has not, the agent does. */
  async #failToStart(row: ContainerRow, message: string): Promise<void> {
    const found = await this.#table.look({ ...row, listed: -1 });
    const now = this.#options.clock.wall();
    const { record } = found ?? row;
    const isNoted = record.state === 'exited';
    const ended: ContainerRecord = { ...record, state: 'exited', startedAtMs: record.startedAtMs ?? now, finishedAtMs: record.finishedAtMs ?? now, reason: record.reason ?? 'StartError', message: record.message ?? message };
    const exitCode = isNoted && record.exitCode !== 0 ? record.exitCode : CANNOT_RUN_EXIT_CODE;
    this.#table.setContainer({ ...(found ?? row), record: { ...ended, exitCode } });
    this.#tell(record.sandboxId);
  }

  async stopContainer(id: ContainerId, graceMs: Millis): Promise<void> {
    const row = this.#table.container(id);
    if (row?.record.state !== 'running') return;
    const timeout = Math.ceil(graceMs / 1_000);
    await unlessGone(this.#client.call(calls.stopContainer, { containerId: row.criId, timeout }, { deadlineMs: timeout * 1_000 + KILL_DEADLINE_MS }));
    await this.#lookAt([row]);
  }

  async removeContainer(id: ContainerId): Promise<void> {
    const row = this.#table.container(id);
    if (row === undefined) return;
    const { sandboxId, name, attempt, state } = row.record;
    if (state === 'running') throw new RuntimeError('invalid-state', `container ${id} is running`);
    await unlessGone(this.#client.call(calls.removeContainer, { containerId: row.criId }, { deadlineMs: CONTAINER_DEADLINE_MS }));
    this.#table.removeContainer(row.criId);
    await this.#files.removeLogs(sandboxId, name, attempt);
  }

  /** How they are now, each by itself. */
  async #lookAt(rows: readonly ContainerRow[]): Promise<void> {
    await Promise.all(rows.map(async (row) => {
      const found = await this.#table.look({ ...row, listed: -1 });
      if (found === undefined) this.#table.removeContainer(row.criId);
      else this.#table.setContainer(found);
      if (found?.record.state !== row.record.state) this.#tell(row.record.sandboxId);
    }));
  }

  listContainers(sandboxId?: SandboxId): Promise<readonly ContainerRecord[]> {
    const records = this.#table.containerRows(sandboxId).map(({ record }) => record);
    return Promise.resolve(records.sort((a, b) => (a.sandboxId === b.sandboxId && a.name === b.name ? a.attempt - b.attempt : a.id < b.id ? -1 : 1)));
  }

  async listContainerUsages(): Promise<readonly ContainerUsage[]> {
    const { stats } = await this.#client.call(calls.listContainerStats, { filter: { labelSelector: new Map([[LABEL.owner, this.#owner]]) } });
    return stats.flatMap(({ attributes, cpu, memory }) => {
      const row = this.#table.containerByCriId(attributes?.id ?? '');
      const used = cpu?.usageCoreNanoSeconds?.value;
      const resident = memory?.workingSetBytes?.value ?? memory?.rssBytes?.value;
      if (row?.record.state !== 'running' || used === undefined || resident === undefined) return [];
      return [{ id: row.record.id, cpuMs: Number(used / 1_000n) / 1_000, memoryBytes: Number(resident) }];
    });
  }

  async updateContainerResources(id: ContainerId, resources: ContainerResources): Promise<void> {
    const { criId } = this.#running(id);
    await this.#client.call(calls.updateContainerResources, { containerId: criId, linux: linuxResources(resources) });
  }

  // --- connections

  async exec(id: ContainerId, command: readonly string[], timeoutMs: Millis): Promise<ExecResult> {
    const { criId } = this.#running(id);
    const request = { containerId: criId, cmd: [...command], timeout: Math.ceil(timeoutMs / 1_000) };
    const startedAt = this.#options.clock.monotonic();
    try {
      // The runtime counts in seconds; a call that is given up ends the command as well.
      const { stdout, stderr, exitCode } = await this.#client.call(calls.execSync, request, { deadlineMs: timeoutMs + EXEC_DEADLINE_SLACK_MS, signal: this.#abort.signal });
      const output = Buffer.concat([stdout, stderr]).toString('utf8').slice(0, EXEC_OUTPUT_CHARACTERS_MAX);
      return { exitCode, output, timedOut: false };
    } catch (error) {
      const isLate = this.#options.clock.monotonic() - startedAt >= timeoutMs;
      if (hasCode(error, 'unavailable') && isLate && this.#silence === undefined) return { exitCode: 137, output: '', timedOut: true };
      if (hasCode(error, 'cannot-start')) return { exitCode: CANNOT_EXEC_EXIT_CODE, output: describeError(error), timedOut: false };
      throw error;
    }
  }

  async execStream(id: ContainerId, options: CommandOptions): Promise<CommandStream> {
    const { criId } = this.#running(id);
    const { command, stdin, stdout, stderr, tty } = options;
    const { url } = await this.#client.call(calls.exec, { containerId: criId, cmd: [...command], stdin, stdout, stderr: stderr && !tty, tty });
    return RemoteCommand.open({ ...options, url, clock: this.#options.clock });
  }

  async attachStream(id: ContainerId, options: AttachOptions): Promise<CommandStream> {
    const { criId } = this.#running(id);
    const { stdin, stdout, stderr, tty } = options;
    const { url } = await this.#client.call(calls.attach, { containerId: criId, stdin, stdout, stderr: stderr && !tty, tty });
    return RemoteCommand.open({ ...options, url, clock: this.#options.clock, isAttached: true });
  }

  async portForward(id: SandboxId, port: number): Promise<PortStream> {
    const { clock } = this.#options;
    const sandbox = this.#table.sandbox(id);
    const row = this.#table.sandboxRows(id).at(-1);
    if (sandbox === undefined || row === undefined) throw new RuntimeError('not-found', `there is no sandbox ${id}`);
    if (sandbox.state !== 'ready') throw new RuntimeError('invalid-state', `sandbox ${id} is not running`);
    const direct = await connectPort({ host: sandbox.ip, port, clock, deadlineMs: DIAL_DEADLINE_MS }).catch(() => undefined); // from within then
    if (direct !== undefined) return direct;
    const { pid } = this.#table.containerRows(id).find(({ record }) => record.state === 'running')?.record ?? {};
    const isHeard = pid === undefined ? undefined : await isListening(pid, port);
    if (isHeard === false) throw new RuntimeError('cannot-start', `failed to connect to port ${port} of the pod: connection refused`);
    const { url } = await this.#client.call(calls.portForward, { podSandboxId: row.criId, port: [port] });
    return RemotePort.open({ url, port, clock, isHeard: isHeard ?? false });
  }

  // --- logs

  async *logs(id: ContainerId, options: LogOptions): AsyncGenerator<Uint8Array> {
    const { sandboxId, name, attempt } = this.#get(id).record;
    const isEnded = () => this.#abort.signal.aborted || (this.#table.container(id)?.record.state ?? 'exited') === 'exited';
    yield* new ContainerLog(this.#files.logPath(sandboxId, name, attempt)).read(options, { clock: this.#options.clock, isEnded });
  }

  async #rotations(): Promise<void> {
    const { clock, log, logBytesMax = LOG_BYTES_MAX, logLookMs = LOG_LOOK_MS } = this.#options;
    while (!this.#abort.signal.aborted) {
      await sleep(clock, logLookMs, this.#abort.signal);
      for (const { criId, record } of this.#table.containerRows()) {
        if (record.state !== 'running') continue;
        const file = new ContainerLog(this.#files.logPath(record.sandboxId, record.name, record.attempt));
        const reopen = async () => void (await this.#client.call(calls.reopenContainerLog, { containerId: criId }));
        await file.rotate(logBytesMax, reopen).catch((error: unknown) => {
          log.debug({ container: record.id, error: describeError(error) }, 'cri: a log was not rotated');
        });
      }
    }
  }

  subscribe(listener: (sandboxId: SandboxId) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(sandboxId: SandboxId): void {
    for (const listener of this.#listeners) listener(sandboxId);
  }

  #get(id: ContainerId): ContainerRow {
    const row = this.#table.container(id);
    if (row === undefined) throw new RuntimeError('not-found', `there is no container ${id}`);
    return row;
  }

  #running(id: ContainerId): ContainerRow {
    const row = this.#get(id);
    if (row.record.state !== 'running') throw new RuntimeError('invalid-state', `container ${id} is not running`);
    return row;
  }
}
