/** What a pod and its containers are in CRI's words, and by which marks they are found again. Pure. */
import { MountPropagation, NamespaceMode, ProfileType, SupplementalGroupsPolicy, type ContainerConfig as CriContainerConfig, type LinuxContainerResources, type PodSandboxConfig, type SecurityProfile as CriProfile } from '../../../../proto/cri.ts';
import type { Init } from '../../../../proto/wire.ts';
import type { ContainerConfig, ContainerResources, ContainerSecurity, Mount, SandboxConfig, SecurityProfile } from '../../runtime.ts';
import { cleanPath } from './posix-path.ts';
import { criSignalOf } from './stop-signal.ts';

/** As the kubelet labels them: tools that look at a runtime know these. */
export const LABEL = {
  podName: 'io.kubernetes.pod.name',
  podNamespace: 'io.kubernetes.pod.namespace',
  podUid: 'io.kubernetes.pod.uid',
  containerName: 'io.kubernetes.container.name',
  /** Several nodes, or a kubelet, may share one runtime: what does not bear this node's mark is somebody else's. */
  owner: 'podium.dev/owner',
} as const;

export const ANNOTATION = { backoffSteps: 'podium.dev/backoff-steps', init: 'podium.dev/init', sandboxAttempt: 'podium.dev/sandbox-attempt', imageName: 'podium.dev/image-name', imageRef: 'podium.dev/image-ref' } as const;

/** What the API server's pods may not see or write of /proc and /sys, unless they are privileged: Kubernetes' defaults. */
const MASKED_PATHS = [
  '/proc/acpi', '/proc/asound', '/proc/interrupts', '/proc/kcore', '/proc/keys', '/proc/latency_stats', '/proc/sched_debug', '/proc/scsi',
  '/proc/timer_list', '/proc/timer_stats', '/sys/devices/virtual/powercap', '/sys/firmware',
];
const READ_ONLY_PATHS = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

const CPU_PERIOD_US = 100_000;
/** The kernel takes no less. */
const CPU_QUOTA_MIN_US = 1_000;
const CPU_SHARES_MIN = 2;
const CPU_SHARES_OF_CORE = 1_024;

export interface SandboxPlace {
  readonly owner: string;
  readonly attempt: number;
  /** Where the runtime writes the logs of the pod's containers. */
  readonly logDirectory: string;
  readonly cgroupParent: string;
}

export function sandboxConfig(config: SandboxConfig, { owner, attempt, logDirectory, cgroupParent }: SandboxPlace): Init<PodSandboxConfig> {
  const { uid, namespace, name, hostname, hostNetwork, annotations, dns, sysctls = {} } = config;
  return {
    metadata: { name, uid, namespace, attempt },
    // On the network of its node a pod has the name of its node.
    hostname: hostNetwork ? '' : hostname,
    logDirectory,
    ...(dns === undefined ? {} : { dnsConfig: { servers: [...dns.servers], searches: [...dns.searches], options: [...dns.options] } }),
    labels: new Map(Object.entries(podLabels(config, owner))),
    annotations: new Map(Object.entries(annotations)),
    linux: {
      cgroupParent,
      securityContext: { namespaceOptions: namespaces(config), privileged: config.privileged ?? false, seccomp: { profileType: ProfileType.RUNTIME_DEFAULT } },
      sysctls: new Map(Object.entries(sysctls)),
      ...(config.resources === undefined ? {} : { resources: linuxResources(config.resources) }),
    },
  };
}

function podLabels({ uid, namespace, name }: Pick<SandboxConfig, 'uid' | 'namespace' | 'name'>, owner: string): Record<string, string> {
  return { [LABEL.podName]: name, [LABEL.podNamespace]: namespace, [LABEL.podUid]: uid, [LABEL.owner]: owner };
}

type Shared = Pick<SandboxConfig, 'hostNetwork' | 'processes' | 'hostIpc'>;

/** `target`: the runtime's name of the container whose processes are seen. */
function namespaces({ hostNetwork, processes, hostIpc = false }: Shared, target?: string) {
  const pid = processes === 'of-the-machine' ? NamespaceMode.NODE : processes === 'of-the-pod' ? NamespaceMode.POD : NamespaceMode.CONTAINER;
  return {
    network: hostNetwork ? NamespaceMode.NODE : NamespaceMode.POD,
    ipc: hostIpc ? NamespaceMode.NODE : NamespaceMode.POD,
    ...(target === undefined || processes !== undefined ? { pid } : { pid: NamespaceMode.TARGET, targetId: target }),
  };
}

export interface ContainerPlace {
  readonly owner: string;
  readonly pod: Pick<SandboxConfig, 'uid' | 'namespace' | 'name'> & Shared;
  /** The pod's own, instead of the image's; undefined: as the runtime makes it. */
  readonly hostsFile: string | undefined;
  /** Of the sandbox that it is made in. */
  readonly sandboxAttempt: number;
  /** Where the node has its profiles of refused calls; absolute. */
  readonly seccompDirectory: string;
  /** The runtime's name of the container that `processesOf` names. */
  readonly target?: string | undefined;
}

export function containerConfig(config: ContainerConfig, place: ContainerPlace): Init<CriContainerConfig> {
  const { owner, pod, hostsFile, sandboxAttempt } = place;
  const { name, attempt, backoffSteps, init, image, imageId, imageShown, command, args = [], workingDir, env } = config;
  const mounts = config.mounts.map(({ containerPath, hostPath, readOnly, propagation }) => ({ containerPath: cleanPath(containerPath), hostPath, readonly: readOnly, propagation: propagationOf(propagation) }));
  const hasHosts = mounts.some(({ containerPath }) => containerPath === '/etc/hosts');
  if (hostsFile !== undefined && !hasHosts) mounts.push({ containerPath: '/etc/hosts', hostPath: hostsFile, readonly: config.security?.readOnlyRoot ?? false, propagation: propagationOf(undefined) });
  return {
    metadata: { name, attempt },
    image: { image: imageId ?? image, userSpecifiedImage: image },
    command: [...command],
    args: [...args],
    workingDir,
    envs: Object.entries(env).map(([key, value]) => ({ key, value })),
    mounts,
    labels: new Map(Object.entries({ ...podLabels(pod, owner), [LABEL.containerName]: name })),
    annotations: new Map([[ANNOTATION.backoffSteps, String(backoffSteps)], [ANNOTATION.init, String(init)], [ANNOTATION.sandboxAttempt, String(sandboxAttempt)], ...shownOf(imageShown)]),
    logPath: logPathOf(name, attempt),
    stdin: config.stdin ?? false,
    stdinOnce: config.stdinOnce ?? false,
    tty: config.tty ?? false,
    linux: { resources: linuxResources(config.resources), securityContext: linuxSecurity(config.security, place) },
    ...(config.stopSignal === undefined ? {} : { stopSignal: criSignalOf(config.stopSignal) }),
  };
}

function shownOf(shown: ContainerConfig['imageShown']): [string, string][] {
  return shown === undefined ? [] : [[ANNOTATION.imageName, shown.name], [ANNOTATION.imageRef, shown.ref]];
}

function propagationOf(propagation: Mount['propagation']): number {
  if (propagation === undefined) return MountPropagation.PROPAGATION_PRIVATE;
  return propagation === 'HostToContainer' ? MountPropagation.PROPAGATION_HOST_TO_CONTAINER : MountPropagation.PROPAGATION_BIDIRECTIONAL;
}

/** Below the pod's directory of logs. */
export function logPathOf(name: string, attempt: number): string {
  return `${name}/${attempt}.log`;
}

export function linuxResources({ cpuRequestMilli, cpuLimitMilli, memoryLimitBytes, processesMax, oomScoreAdjust = 0 }: ContainerResources = {}): Init<LinuxContainerResources> {
  const shares = cpuRequestMilli === undefined ? 0 : Math.max(CPU_SHARES_MIN, Math.floor((cpuRequestMilli * CPU_SHARES_OF_CORE) / 1_000));
  const quota = cpuLimitMilli === undefined ? 0 : Math.max(CPU_QUOTA_MIN_US, Math.floor((cpuLimitMilli * CPU_PERIOD_US) / 1_000));
  return {
    cpuShares: shares,
    ...(quota === 0 ? {} : { cpuPeriod: CPU_PERIOD_US, cpuQuota: quota }),
    memoryLimitInBytes: memoryLimitBytes ?? 0,
    oomScoreAdj: oomScoreAdjust,
    // Counts with cgroups v2 alone: CRI has no other word for it.
    ...(processesMax === undefined ? {} : { unified: new Map([['pids.max', String(processesMax)]]) }),
  };
}

function linuxSecurity(security: ContainerSecurity = {}, { pod, target, seccompDirectory }: ContainerPlace) {
  const { user, group, supplementalGroups = [], supplementalGroupsPolicy = 'Merge', addCapabilities = [], dropCapabilities = [], privileged = false, readOnlyRoot = false, noNewPrivileges = false, seccomp, appArmor, unmaskedProc = false } = security;
  const isOpen = privileged || unmaskedProc;
  return {
    capabilities: { addCapabilities: [...addCapabilities], dropCapabilities: [...dropCapabilities] },
    privileged,
    namespaceOptions: namespaces(pod, target),
    ...(user === undefined ? {} : { runAsUser: { value: BigInt(user) } }),
    // CRI refuses a group without a user.
    ...(group === undefined ? {} : { runAsGroup: { value: BigInt(group) }, ...(user === undefined ? { runAsUser: { value: 0n } } : {}) }),
    readonlyRootfs: readOnlyRoot,
    supplementalGroups: [...supplementalGroups],
    supplementalGroupsPolicy: supplementalGroupsPolicy === 'Strict' ? SupplementalGroupsPolicy.STRICT : SupplementalGroupsPolicy.MERGE,
    noNewPrivs: noNewPrivileges,
    maskedPaths: isOpen ? [] : MASKED_PATHS,
    readonlyPaths: isOpen ? [] : READ_ONLY_PATHS,
    // Nobody confines who does not ask for it, as on a node without `seccompDefault`.
    seccomp: profileOf(privileged || seccomp === undefined ? { kind: 'unconfined' } : seccomp, (path) => seccompDirectory + cleanPath(`/${path}`)),
    // Unsaid it is left to the runtime, which knows whether the machine has it.
    ...(appArmor === undefined ? {} : { apparmor: profileOf(appArmor, (name) => name) }),
  };
}

function profileOf(profile: SecurityProfile, place: (path: string) => string): Init<CriProfile> {
  switch (profile.kind) {
    case 'unconfined':
      return { profileType: ProfileType.UNCONFINED };
    case 'runtime-default':
      return { profileType: ProfileType.RUNTIME_DEFAULT };
    case 'localhost':
      return { profileType: ProfileType.LOCALHOST, localhostRef: place(profile.path) };
  }
}

/** What containerd 1.x says of its cgroups among its settings (`Status`, verbose): it knows no other way to tell. */
export function isSystemdByConfig(text: string | undefined): boolean {
  if (text === undefined) return false;
  try {
    const { containerd } = JSON.parse(text) as { containerd?: { defaultRuntimeName?: string; runtimes?: Record<string, { options?: { SystemdCgroup?: boolean } } | undefined> } };
    return containerd?.runtimes?.[containerd.defaultRuntimeName ?? '']?.options?.SystemdCgroup === true;
  } catch {
    return false; // another runtime's settings
  }
}
