/** The ports of a node that its pods ask for (`hostPort`), and where connections to them go. */
import { isEnded } from './pod-lifecycle.ts';
import type { AgentPod } from './pod-spec.ts';

export interface HostPort {
  /** Of the pod. */
  readonly namespace: string;
  readonly name: string;
  readonly protocol: string;
  readonly hostPort: number;
  /** Empty: every address of the node. */
  readonly hostIp: string;
  readonly address: string;
  readonly port: number;
  /** The pod listens there by itself: only who is outside of the node's network needs help. */
  readonly isHostNetwork: boolean;
}

/** Of pods that have an address; of two that want one port, the scheduler has let one go first. */
export function hostPortsOf(pods: readonly AgentPod[]): HostPort[] {
  const found = pods.flatMap(({ metadata, spec, status }) => {
    const address = status?.podIP ?? '';
    if (address === '' || isEnded(status?.phase)) return [];
    const isHostNetwork = spec.hostNetwork === true;
    // It shares the machine's loopback, and so its ports.
    if (isHostNetwork && address.startsWith('127.')) return [];
    return [...spec.containers, ...(spec.initContainers ?? [])].flatMap(({ ports = [] }) =>
      ports.flatMap(({ containerPort: port, hostPort = 0, hostIP = '', protocol = 'TCP' }): HostPort[] => {
        if (hostPort === 0) return [];
        const hostIp = hostIP === '0.0.0.0' ? '' : hostIP;
        return [{ namespace: metadata.namespace ?? '', name: metadata.name, protocol, hostPort, hostIp, address, port, isHostNetwork }];
      }),
    );
  });
  const keyOf = (one: HostPort) => JSON.stringify([one.namespace, one.name, one.protocol, one.hostPort, one.hostIp]);
  return found.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}
