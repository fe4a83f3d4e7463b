/** What a pod asks of the runtime for its sandbox and for each container: limits, users, rights. Pure. */
import { parseQuantity, toMilli, toUnits } from '../../kube/quantity.ts';
import type { ContainerResources, ContainerSecurity, SandboxConfig, SecurityProfile } from '../runtime/runtime.ts';
import { requestsOf } from './admission.ts';
import type { Resolved } from './environment.ts';
import { containersOf, describePod, type AgentContainer, type AgentPod, type SeccompProfileSpec } from './pod-spec.ts';

type SandboxDemands = Pick<SandboxConfig, 'hostAliases' | 'sysctls' | 'resources' | 'qosClass' | 'processes' | 'hostIpc' | 'privileged'>;

export function sandboxDemands(pod: AgentPod): SandboxDemands {
  const { spec } = pod;
  const sysctls = spec.securityContext?.sysctls ?? [];
  const processes = spec.hostPID === true ? 'of-the-machine' : spec.shareProcessNamespace === true ? 'of-the-pod' : undefined;
  return {
    hostAliases: (spec.hostAliases ?? []).map(({ ip, hostnames = [] }) => ({ ip, hostnames })),
    sysctls: Object.fromEntries(sysctls.map(({ name, value }) => [name, value])),
    resources: podResources(pod),
    ...(pod.status?.qosClass === undefined ? {} : { qosClass: pod.status.qosClass }),
    ...(processes === undefined ? {} : { processes }),
    ...(spec.hostIPC === true ? { hostIpc: true } : {}),
    ...(containersOf(pod).some(({ securityContext }) => securityContext?.privileged === true) ? { privileged: true } : {}),
  };
}

/** Of all containers together. A limit only where each of them has one: without, that one's use is nobody's to bound. */
export function podResources(pod: AgentPod): ContainerResources {
  const { milliCpu } = requestsOf(pod);
  const cpu = limitOf(pod, 'cpu');
  const memory = limitOf(pod, 'memory');
  return {
    cpuRequestMilli: Number(milliCpu),
    cpuLimitMilli: cpu === undefined ? undefined : Number(toMilli(cpu)),
    memoryLimitBytes: memory === undefined ? undefined : Number(toUnits(memory)),
  };
}

/** The most that runs at a time: the containers with the sidecars, or an init container with the sidecars before it. */
function limitOf({ spec }: AgentPod, name: 'cpu' | 'memory'): bigint | undefined {
  const { containers, initContainers = [] } = spec;
  if ([...containers, ...initContainers].some(({ resources }) => resources?.limits?.[name] === undefined)) return undefined;
  const own = ({ resources }: AgentContainer) => parseQuantity(resources?.limits?.[name] ?? '0') ?? 0n;
  const overhead = parseQuantity(spec.overhead?.[name] ?? '0') ?? 0n;
  let sidecars = 0n;
  let most = 0n;
  for (const container of initContainers) {
    const beside = sidecars + own(container);
    if (beside > most) most = beside;
    if (container.restartPolicy === 'Always') sidecars = beside;
  }
  const all = containers.reduce((sum, container) => sum + own(container), sidecars);
  return (all > most ? all : most) + overhead;
}

/**
 * Whose processes end first where memory lacks, as kubelets have it: of pods that ask for nothing, then of those that
 * ask for little of the machine, and last of those that may use no more than they ask for.
 */
export function oomScoreOf(qosClass: string, memoryRequestBytes: number, machineBytes: number): number {
  if (qosClass === 'Guaranteed') return -997;
  if (qosClass === 'BestEffort') return 1_000;
  const asked = machineBytes > 0 ? Math.floor((1_000 * memoryRequestBytes) / machineBytes) : 0;
  return Math.min(999, Math.max(3, 1_000 - asked));
}

export function containerResources({ resources }: AgentContainer): ContainerResources {
  const amount = (text: string | undefined) => (text === undefined ? undefined : parseQuantity(text));
  const cpuLimit = amount(resources?.limits?.['cpu']);
  // A limit without a request is the request.
  const cpuRequest = amount(resources?.requests?.['cpu']) ?? cpuLimit;
  const memory = amount(resources?.limits?.['memory']);
  return {
    cpuRequestMilli: cpuRequest === undefined ? undefined : Number(toMilli(cpuRequest)),
    cpuLimitMilli: cpuLimit === undefined || cpuLimit === 0n ? undefined : Number(toMilli(cpuLimit)),
    memoryLimitBytes: memory === undefined || memory === 0n ? undefined : Number(toUnits(memory)),
  };
}

/**
 * The container's own security context goes before the pod's. Not ok: the pod forbids what would happen. `imageUser`: as the
 * image writes it, '' or absent for root.
 */
export function containerSecurity(pod: AgentPod, container: AgentContainer, imageUser = ''): Resolved<ContainerSecurity> {
  const ofPod = pod.spec.securityContext ?? {};
  const own = container.securityContext ?? {};
  const user = own.runAsUser ?? ofPod.runAsUser;
  if ((own.runAsNonRoot ?? ofPod.runAsNonRoot) === true) {
    const broken = whyRoot(user, imageUser.split(':')[0] ?? '');
    if (broken !== undefined) return { ok: false, message: `${broken} (pod: "${describePod(pod)}", container: ${container.name})` };
  }
  const groups = [...(ofPod.supplementalGroups ?? []), ...(ofPod.fsGroup === undefined ? [] : [ofPod.fsGroup])];
  const value: ContainerSecurity = {
    user,
    group: own.runAsGroup ?? ofPod.runAsGroup,
    supplementalGroups: [...new Set(groups)].sort((a, b) => a - b),
    supplementalGroupsPolicy: ofPod.supplementalGroupsPolicy,
    addCapabilities: own.capabilities?.add ?? [],
    dropCapabilities: own.capabilities?.drop ?? [],
    privileged: own.privileged ?? false,
    readOnlyRoot: own.readOnlyRootFilesystem ?? false,
    noNewPrivileges: own.allowPrivilegeEscalation === false,
    seccomp: own.privileged === true ? undefined : profileOf(own.seccompProfile ?? ofPod.seccompProfile),
    appArmor: own.privileged === true ? undefined : appArmorOf(own.appArmorProfile ?? ofPod.appArmorProfile ?? annotatedProfile(pod, container.name)),
    unmaskedProc: own.procMount === 'Unmasked',
  };
  return { ok: true, value };
}

/** By calls of the kernel nobody confines who does not ask for it, as on a node without `seccompDefault`. */
function profileOf(profile: SeccompProfileSpec | undefined): SecurityProfile | undefined {
  if (profile?.type === 'RuntimeDefault') return { kind: 'runtime-default' };
  if (profile?.type === 'Localhost') return { kind: 'localhost', path: profile.localhostProfile ?? '' };
  return undefined;
}

/** Unsaid, it is the runtime's affair. */
function appArmorOf(profile: SeccompProfileSpec | undefined): SecurityProfile | undefined {
  return profile?.type === 'Unconfined' ? { kind: 'unconfined' } : profileOf(profile);
}

/** As AppArmor was asked for before Kubernetes 1.30: `runtime/default`, `localhost/NAME`, `unconfined`. */
function annotatedProfile({ metadata }: AgentPod, container: string): SeccompProfileSpec | undefined {
  const text = metadata.annotations?.[`container.apparmor.security.beta.kubernetes.io/${container}`];
  if (text === 'runtime/default') return { type: 'RuntimeDefault' };
  if (text === 'unconfined') return { type: 'Unconfined' };
  return text?.startsWith('localhost/') === true ? { type: 'Localhost', localhostProfile: text.slice('localhost/'.length) } : undefined;
}

/** Why it would run as root, in the kubelet's words: a name in the image may stand for any number. */
function whyRoot(user: number | undefined, imageUser: string): string | undefined {
  if (user === 0) return "container's runAsUser breaks non-root policy";
  if (user !== undefined) return undefined;
  if (!/^\d*$/.test(imageUser)) return `container has runAsNonRoot and image has non-numeric user (${imageUser}), cannot verify user is non-root`;
  return Number(imageUser) === 0 ? 'container has runAsNonRoot and image will run as root' : undefined;
}
