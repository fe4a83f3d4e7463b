/** What a pod asks of the runtime for its sandbox and for each container: limits, users, rights. Pure. */
import { parseQuantity, toMilli, toUnits } from '../../kube/quantity.ts';
import type { ContainerResources, ContainerSecurity, SandboxConfig } from '../runtime/runtime.ts';
import type { Resolved } from './environment.ts';
import { describePod, type AgentContainer, type AgentPod } from './pod-spec.ts';

export function sandboxDemands({ spec }: AgentPod): Pick<SandboxConfig, 'hostAliases' | 'sysctls'> {
  const sysctls = spec.securityContext?.sysctls ?? [];
  return {
    hostAliases: (spec.hostAliases ?? []).map(({ ip, hostnames = [] }) => ({ ip, hostnames })),
    sysctls: Object.fromEntries(sysctls.map(({ name, value }) => [name, value])),
  };
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
  };
  return { ok: true, value };
}

/** Why it would run as root, in the kubelet's words: a name in the image may stand for any number. */
function whyRoot(user: number | undefined, imageUser: string): string | undefined {
  if (user === 0) return "container's runAsUser breaks non-root policy";
  if (user !== undefined) return undefined;
  if (!/^\d*$/.test(imageUser)) return `container has runAsNonRoot and image has non-numeric user (${imageUser}), cannot verify user is non-root`;
  return Number(imageUser) === 0 ? 'container has runAsNonRoot and image will run as root' : undefined;
}
