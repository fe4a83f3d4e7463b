/**
 * Services and their EndpointSlices as rules: which address and port is listened on, and where its connections go. The
 * rules are computed whole, from nothing but the objects, so that the same objects give the same rules.
 *
 * Local traffic policies count for nothing here: whoever comes by a NodePort of loopback is the machine itself, which is
 * not held to them (nft-services.ts, `localPolicy`); and at a cluster address that nodes share nobody sees whose pod asks.
 */
import type { EndpointSlice, Service, ServicePort } from '../../client/objects.ts';
import type { HostPort } from './host-ports.ts';
import {
  affinitySecondsOf,
  clusterIpOf,
  isReady,
  nodePortOf,
  serviceKeyOf,
  slicesByService,
  targetsOf,
  type Target,
} from './service-endpoints.ts';

export type { Target };

export interface ProxyRule {
  /** `address:port`, of UDP and SCTP with `/udp` and `/sctp` behind it: one rule each. */
  readonly key: string;
  /** Of SCTP, which no program of ours can pass on, so that whoever should can say so. */
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly address: string;
  readonly port: number;
  /** `namespace/name:port`, for people. */
  readonly service: string;
  /** New connections go here, in this order, in turn. Empty: they are refused. */
  readonly targets: readonly Target[];
  /** Connections of one client go to one target for so long; undefined: in turn. */
  readonly affinitySeconds?: number | undefined;
}

export interface ProxyRulesInput {
  readonly services: readonly Service[];
  readonly slices: readonly EndpointSlice[];
  /** Of this node's pods, at the address of NodePorts. */
  readonly hostPorts?: readonly HostPort[];
  /** Where NodePorts are listened on. */
  readonly nodePortAddress: string;
  /** Added to a NodePort, or a pod's port of the node, to get its listener's port. */
  readonly portBase: number;
}

const PORT_MAX = 65_535;

export function planProxy({ services, slices, hostPorts = [], nodePortAddress, portBase }: ProxyRulesInput): ProxyRule[] {
  const slicesOf = slicesByService(slices);
  const rules = new Map<string, ProxyRule>();
  for (const service of services) {
    const name = serviceKeyOf(service);
    const own = slicesOf.get(name) ?? [];
    for (const port of service.spec.ports ?? []) {
      const protocol = protocolOf(port.protocol);
      const shared = {
        service: `${name}:${port.name ?? port.port}`,
        targets: targetsOf(own, port).cluster,
        affinitySeconds: affinitySecondsOf(service),
      };
      for (const { address, port: number } of listenersOf(service, port, nodePortAddress, portBase)) {
        const key = keyOf(address, number, protocol);
        // The API server hands out no address and no NodePort twice; of two that clash the first one stays.
        if (!rules.has(key)) rules.set(key, { key, protocol, address, port: number, ...shared });
      }
    }
  }
  for (const { namespace, name, protocol: named, hostPort, hostIp, address: target, port } of hostPorts) {
    const protocol = protocolOf(named);
    const isHere = (hostIp === '' || hostIp === nodePortAddress) && hostPort + portBase <= PORT_MAX;
    if (!isHere) continue;
    const key = keyOf(nodePortAddress, hostPort + portBase, protocol);
    const targets = [{ address: target, port }];
    const service = `pod ${namespace}/${name}:${hostPort}`;
    if (!rules.has(key)) rules.set(key, { key, protocol, address: nodePortAddress, port: hostPort + portBase, service, targets });
  }
  return [...rules.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

function keyOf(address: string, port: number, protocol: ProxyRule['protocol']): string {
  return `${address}:${port}${protocol === 'tcp' ? '' : `/${protocol}`}`;
}

function protocolOf(named = 'TCP'): ProxyRule['protocol'] {
  return named === 'TCP' ? 'tcp' : named === 'UDP' ? 'udp' : 'sctp'; // the API knows no other
}

function listenersOf(service: Service, port: ServicePort, nodePortAddress: string, portBase: number): Target[] {
  const clusterIp = clusterIpOf(service);
  const listeners: Target[] = [];
  if (clusterIp !== undefined) listeners.push({ address: clusterIp, port: port.port });
  const nodePort = nodePortOf(service, port);
  if (nodePort !== undefined && nodePort + portBase <= PORT_MAX) listeners.push({ address: nodePortAddress, port: nodePort + portBase });
  return listeners;
}

/** Does any slice still send new connections to this address? The agent asks before it ends a pod. */
export function isRouted(slices: readonly EndpointSlice[], address: string): boolean {
  return slices.some(({ endpoints }) =>
    (endpoints ?? []).some((endpoint) => isReady(endpoint) && endpoint.addresses.includes(address)),
  );
}
