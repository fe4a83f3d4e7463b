/**
 * Where the cgroups of pods are, one tree a node, in it one for each class of service, as the kubelet has them. Pure.
 *
 *   /podium/OWNER/podUID               Guaranteed
 *   /podium/OWNER/burstable/podUID     its shares: what all in it ask for
 *   /podium/OWNER/besteffort/podUID    its shares: the least that there are
 *
 * `systemd` wants slices, named by their way from the root.
 */
import type { ContainerResources, SandboxConfig } from '../../runtime.ts';

export interface CgroupOwner {
  readonly owner: string;
  readonly isSystemd: boolean;
}

export type Qos = 'guaranteed' | 'burstable' | 'besteffort';

/** Who has not been told the class (before it is written into the pod's status) is in the middle. */
export function qosOf({ qosClass = 'Burstable' }: Pick<SandboxConfig, 'qosClass'>): Qos {
  if (qosClass === 'Guaranteed') return 'guaranteed';
  return qosClass === 'BestEffort' ? 'besteffort' : 'burstable';
}

export function cgroupParentOf(config: Pick<SandboxConfig, 'uid' | 'qosClass'>, { owner, isSystemd }: CgroupOwner): string {
  const qos = qosOf(config);
  const { uid } = config;
  if (!isSystemd) return `${qosCgroupOf(qos, owner)}/pod${uid}`;
  return `podium-${owner}${qos === 'guaranteed' ? '' : `-${qos}`}-pod${uid.replaceAll('-', '_')}.slice`;
}

export function qosCgroupOf(qos: Qos, owner: string): string {
  return qos === 'guaranteed' ? `/podium/${owner}` : `/podium/${owner}/${qos}`;
}

/** What all pods of a class ask for together: their class has that share beside the other pods of the node. */
export function requestsOf(qos: Qos, pods: readonly Pick<SandboxConfig, 'qosClass' | 'resources'>[]): ContainerResources {
  const own = qos === 'burstable' ? pods.filter((pod) => qosOf(pod) === qos) : [];
  return { cpuRequestMilli: own.reduce((sum, { resources }) => sum + (resources?.cpuRequestMilli ?? 0), 0) };
}
