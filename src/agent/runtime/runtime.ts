/**
 * The seam to what runs containers, in the shape of CRI (`runtime.v1`): sandboxes, containers in them, exit codes. The
 * agent keeps no list of its own of what runs: after a restart it asks the runtime, which remembers. Bindings: linux
 * (namespaces), process (child processes), simulated (states played on a clock), cri (containerd, CRI-O).
 *
 * What a runtime cannot do of the optional fields (limits, users, names), it leaves undone, and says so of itself once
 * (`detail`): a runtime without isolation has no use for most of them.
 */
import type { Millis } from '../../base/clock.ts';
import type { ImageService } from '../../image/image-service.ts';
import type { AttachOptions, CommandOptions, CommandStream, PortStream } from './streams.ts';

/** Names a sandbox: the uid of its pod. */
export type SandboxId = string;
/** `<pod uid>/<container name>/<attempt>`. */
export type ContainerId = string;

export interface SandboxConfig {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly hostname: string;
  readonly hostNetwork: boolean;
  readonly annotations: Readonly<Record<string, string>>;
  /** Of its own address in /etc/hosts, the longest first; absent: the hostname. */
  readonly hostnames?: readonly string[] | undefined;
  /** How the pod's programs find names; absent: as the runtime's node does. */
  readonly dns?: DnsConfig | undefined;
  /** Lines added to /etc/hosts. */
  readonly hostAliases?: readonly HostAlias[] | undefined;
  /** Of the pod's network and ipc namespaces, by dotted name. */
  readonly sysctls?: Readonly<Record<string, string>> | undefined;
  /** Of all its containers together. In CRI `LinuxPodSandboxConfig.resources`. */
  readonly resources?: ContainerResources | undefined;
  /** `Guaranteed`, `Burstable`, `BestEffort`: whose cgroup its own is in, where the runtime has one for each. */
  readonly qosClass?: string | undefined;
  /** Whose processes its containers see; absent: each its own. In CRI `NamespaceMode`. */
  readonly processes?: 'of-the-pod' | 'of-the-machine' | undefined;
  /** In the ipc namespace of the machine. */
  readonly hostIpc?: boolean | undefined;
  /** One of its containers is: container runtimes want to know before they make it. */
  readonly privileged?: boolean | undefined;
  /** Made in memory, where the runtime can, and seen by mounts of their paths; they end with the sandbox. */
  readonly memoryVolumes?: readonly MemoryVolume[] | undefined;
}

export interface MemoryVolume {
  /** A `hostPath` of mounts; absolute. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly group?: number | undefined;
}

/** A directory in memory, seen by mounts of its path. */
export interface MemoryPlace {
  readonly path: string;
  /** Goes before the path, for who looks into it from outside. */
  readonly outside: string;
}

export interface DnsConfig {
  readonly servers: readonly string[];
  readonly searches: readonly string[];
  /** As resolv.conf writes them: `ndots:5`. */
  readonly options: readonly string[];
}

export interface HostAlias {
  readonly ip: string;
  readonly hostnames: readonly string[];
}

export interface Sandbox {
  readonly id: SandboxId;
  readonly namespace: string;
  readonly name: string;
  readonly ip: string;
  /** Wall clock. */
  readonly createdAtMs: Millis;
  /** `stopped`: all containers have ended and none can start any more. */
  readonly state: 'ready' | 'stopped';
  /** How many sandboxes the pod has had before this one; absent: none. */
  readonly attempt?: number | undefined;
  /** Goes before the paths of its memory volumes, for who looks into them from outside; absent: they are as they are. */
  readonly memoryAt?: string | undefined;
}

export interface Mount {
  /** As written in the pod. */
  readonly containerPath: string;
  readonly hostPath: string;
  readonly readOnly: boolean;
  /** What is mounted below it later, by the machine (or by both), is seen too. A runtime that cannot refuses the container. */
  readonly propagation?: 'HostToContainer' | 'Bidirectional' | undefined;
}

export interface ContainerConfig {
  readonly name: string;
  readonly attempt: number;
  /** Restarts in a row that count for the back-off; the runtime only remembers it, so that it outlives the agent. */
  readonly backoffSteps: number;
  readonly init: boolean;
  readonly image: string;
  /** What the runtime's images call it (`EnsuredImage.image.id`); absent: the runtime keeps no images. */
  readonly imageId?: string | undefined;
  /** What is to be said of it; the runtime only remembers it, so that it outlives the agent. */
  readonly imageShown?: ImageShown | undefined;
  /** As the pod writes them, all references resolved: instead of the image's entrypoint, and instead of its arguments. */
  readonly command: readonly string[];
  readonly args?: readonly string[] | undefined;
  /** Empty: the container's own root. */
  readonly workingDir: string;
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
  readonly resources?: ContainerResources | undefined;
  readonly security?: ContainerSecurity | undefined;
  /** It can be written to by whoever is attached; once: its input ends with the first of them. */
  readonly stdin?: boolean | undefined;
  readonly stdinOnce?: boolean | undefined;
  /** A terminal instead of a log file's descriptors. */
  readonly tty?: boolean | undefined;
  /** In whose pid namespace it runs, unless the sandbox says whose processes all see; absent: its own. In CRI `TARGET`. */
  readonly processesOf?: ContainerId | undefined;
  /** By which it is asked to end, such as `SIGINT`; absent: `SIGTERM`. */
  readonly stopSignal?: string | undefined;
}

/** What the agent asks of whoever keeps a node's images: src/image, or the runtime itself. */
export type NodeImages = Pick<ImageService, 'ensure' | 'list' | 'remove' | 'collectGarbage'>;

/** How a container's status calls its image. */
export interface ImageShown {
  /** `docker.io/library/busybox:1.35`. */
  readonly name: string;
  /** By digest where it has one; CRI's `image_ref`. */
  readonly ref: string;
}

/** Absent: not limited. In CRI `LinuxContainerResources`. */
export interface ContainerResources {
  /** The share when cores are scarce, of a request. */
  readonly cpuRequestMilli?: number | undefined;
  readonly cpuLimitMilli?: number | undefined;
  readonly memoryLimitBytes?: number | undefined;
  readonly processesMax?: number | undefined;
  /** Who is ended first when the machine lacks memory: -1000 … 1000, the highest. */
  readonly oomScoreAdjust?: number | undefined;
}

/** Of the pod and the container together; absent: as the runtime starts containers. In CRI `LinuxContainerSecurityContext`. */
export interface ContainerSecurity {
  readonly user?: number | undefined;
  readonly group?: number | undefined;
  readonly supplementalGroups?: readonly number[] | undefined;
  /** `Strict`: those alone, and not the ones that the image's /etc/group has for its user. */
  readonly supplementalGroupsPolicy?: 'Merge' | 'Strict' | undefined;
  /** Names without `CAP_`; `ALL` stands for all of them. Dropped first, then added. */
  readonly addCapabilities?: readonly string[] | undefined;
  readonly dropCapabilities?: readonly string[] | undefined;
  readonly privileged?: boolean | undefined;
  readonly readOnlyRoot?: boolean | undefined;
  readonly noNewPrivileges?: boolean | undefined;
  /** Absent: unconfined. */
  readonly seccomp?: SeccompProfile | undefined;
  /** Of the machine's security module; absent: as the runtime starts containers. */
  readonly appArmor?: SecurityProfile | undefined;
  /** What is hidden of /proc, and read-only in it, is neither. */
  readonly unmaskedProc?: boolean | undefined;
}

/** `localhost`: a file below the runtime's own directory of profiles; of AppArmor: the name of a profile that is loaded. */
export type SecurityProfile = { readonly kind: 'unconfined' } | { readonly kind: 'runtime-default' } | { readonly kind: 'localhost'; readonly path: string };

export type SeccompProfile = SecurityProfile;

export interface ContainerRecord {
  readonly id: ContainerId;
  readonly sandboxId: SandboxId;
  readonly name: string;
  readonly attempt: number;
  readonly backoffSteps: number;
  readonly init: boolean;
  /** As its pod named it; absent: the runtime does not tell. */
  readonly image?: string | undefined;
  /** In which of its pod's sandboxes it was made; absent: in the first. */
  readonly sandboxAttempt?: number | undefined;
  /** What limits it now; absent: the runtime does not tell. */
  readonly resources?: ContainerResources | undefined;
  readonly state: 'created' | 'running' | 'exited';
  /** Wall clock, as everything a person will read. */
  readonly createdAtMs: Millis;
  readonly startedAtMs?: Millis | undefined;
  readonly finishedAtMs?: Millis | undefined;
  readonly exitCode?: number | undefined;
  /** Why it ended, where the exit code alone does not tell: `StartError`, `OOMKilled`, `ContainerStatusUnknown`. */
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
  readonly pid?: number | undefined;
  readonly imageShown?: ImageShown | undefined;
}

/** What a running container has used; in CRI `ContainerStats`. */
export interface ContainerUsage {
  readonly id: ContainerId;
  /** Of all cores, since it was started. */
  readonly cpuMs: Millis;
  /** Resident now. */
  readonly memoryBytes: number;
}

export interface ExecResult {
  readonly exitCode: number;
  readonly output: string;
  readonly timedOut: boolean;
}

export interface LogOptions {
  readonly follow: boolean;
  readonly timestamps: boolean;
  readonly tailLines?: number | undefined;
  /** Only lines at or after it, wall clock. */
  readonly sinceMs?: Millis | undefined;
  readonly limitBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** `unavailable`: the runtime itself does not answer; `network-not-ready`: it has no network for pods yet. */
export type RuntimeErrorCode = 'not-found' | 'invalid-state' | 'no-address' | 'cannot-start' | 'unavailable' | 'network-not-ready';

export class RuntimeError extends Error {
  override readonly name = 'RuntimeError';
  readonly code: RuntimeErrorCode;

  constructor(code: RuntimeErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Whether a runtime that is a process of its own can run pods now; what is missing is for people. */
export interface RuntimeHealth {
  readonly isReady: boolean;
  readonly message: string;
}

export interface Runtime {
  /** `process`, `simulated`, …: part of container ids and of the node's status. */
  readonly name: string;
  readonly version: string;
  /** What it can do on this machine and why it is this one, in a sentence: part of the node's status. */
  readonly detail?: string | undefined;
  /** Part of the node's Ready condition; absent: it is part of the agent, and there as long as that is. */
  readonly health?: RuntimeHealth | undefined;
  /** Does it run the machine's programs whatever the image says? Then the agent says so in an event. */
  readonly ignoresImages: boolean;
  /** False: limits of containers are not kept here, and so cannot be changed. */
  readonly hasLimits?: boolean | undefined;
  /** Why it enforces no AppArmor profile: pods that name one are not let in; absent: it does, or isolates nothing anyway. */
  readonly whyNoAppArmor?: string | undefined;
  /** Where its images are kept; absent: it has none. */
  readonly images?: NodeImages | undefined;

  /** For files of pods that must not reach a disk, from `start` on; absent: there is no such place. */
  readonly memory?: MemoryPlace | undefined;

  /** Finds again what an earlier agent left running and ends what nobody knows. Called once, first. */
  start(): Promise<void>;
  /** Lets go without ending anything: containers outlive the agent. */
  close(): Promise<void>;

  /**
   * Idempotent: the sandbox of a pod that has one is answered. One that has stopped is made anew, with another address;
   * the pod's containers stay what they are, ended, with their logs.
   */
  runPodSandbox(config: SandboxConfig): Promise<Sandbox>;
  /** Ends what still runs in it, at once. Idempotent. */
  stopPodSandbox(id: SandboxId): Promise<void>;
  /** Forgets it with its containers, logs and private directories. Idempotent. */
  removePodSandbox(id: SandboxId): Promise<void>;
  listPodSandboxes(): Promise<readonly Sandbox[]>;

  createContainer(sandboxId: SandboxId, config: ContainerConfig): Promise<ContainerId>;
  /** Resolves when the program runs or has failed to; a program that cannot run is a container that exited. */
  startContainer(id: ContainerId): Promise<void>;
  /** Asks to end, and after `graceMs` ends it; resolves when it has ended. May be called again with a shorter grace. */
  stopContainer(id: ContainerId, graceMs: Millis): Promise<void>;
  /** With its log. A running container is refused. Idempotent. */
  removeContainer(id: ContainerId): Promise<void>;
  /**
   * Changes the limits of what runs, in place; absent: it cannot. What is not named stays. `invalid-state`: it does not
   * run, there are no limits here, or it uses more than that already.
   */
  updateContainerResources?(id: ContainerId, resources: ContainerResources): Promise<void>;
  /** Of all containers of a sandbox together. Whoever gives more does it before, whoever gives less after that of a container. */
  updatePodSandboxResources?(id: SandboxId, resources: ContainerResources): Promise<void>;
  /** Of one sandbox, or of all; by name, then attempt. */
  listContainers(sandboxId?: SandboxId): Promise<readonly ContainerRecord[]>;
  /** Of the running ones, with all that descends from them; who has ended while it was measured is left out. */
  listContainerUsages(): Promise<readonly ContainerUsage[]>;

  /** Runs a command beside the container, with its environment and directory. */
  exec(id: ContainerId, command: readonly string[], timeoutMs: Millis): Promise<ExecResult>;
  /** As `exec`, for somebody who is connected to it. `cannot-start`: there is no such program, or no terminal. */
  execStream(id: ContainerId, options: CommandOptions): Promise<CommandStream>;
  /** What a running container writes from now on, and what it reads. */
  attachStream(id: ContainerId, options: AttachOptions): Promise<CommandStream>;
  /** A connection to what listens in the sandbox; `cannot-start`: nobody does. */
  portForward(id: SandboxId, port: number): Promise<PortStream>;
  /** What the container wrote, whole lines; follows until it ends when asked to. */
  logs(id: ContainerId, options: LogOptions): AsyncIterable<Uint8Array>;

  /** Hears that something of the sandbox changed by itself (a container ended). Returns the way to stop hearing. */
  subscribe(listener: (sandboxId: SandboxId) => void): () => void;
}

export function containerIdOf(sandboxId: SandboxId, name: string, attempt: number): ContainerId {
  return `${sandboxId}/${name}/${attempt}`;
}
