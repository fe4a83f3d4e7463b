/**
 * Services and their EndpointSlices as rules: which address and port is listened on, and where its connections go. The
 * rules are computed whole, from nothing but the objects, so that the same objects give the same rules.
 */
import type { Endpoint, EndpointSlice, Service, ServicePort } from '../../client/objects.ts';

export interface Target {
  readonly address: string;
  readonly port: number;
}

export interface ProxyRule {
  /** `address:port`: one rule each. */
  readonly key: string;
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
  /** Where NodePorts are listened on. */
  readonly nodePortAddress: string;
  /** Added to a NodePort to get its listener's port. */
  readonly portBase: number;
}

const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
/** Kubernetes' default of sessionAffinityConfig.clientIP.timeoutSeconds. */
const AFFINITY_SECONDS = 10_800;
const PORT_MAX = 65_535;

/** A service as the proxy reads it: `client/objects.ts` names what the controllers need. */
interface ProxiedService extends Service {
  readonly spec: Service['spec'] & {
    readonly sessionAffinity?: string;
    readonly sessionAffinityConfig?: { readonly clientIP?: { readonly timeoutSeconds?: number } };
  };
}

export function planProxy({ services, slices, nodePortAddress, portBase }: ProxyRulesInput): ProxyRule[] {
  const slicesOf = new Map<string, EndpointSlice[]>();
  for (const slice of slices) {
    const name = slice.metadata.labels?.[SERVICE_NAME_LABEL];
    if (name === undefined || slice.addressType !== 'IPv4') continue;
    const key = `${slice.metadata.namespace ?? ''}/${name}`;
    const known = slicesOf.get(key);
    if (known === undefined) slicesOf.set(key, [slice]);
    else known.push(slice);
  }
  const rules = new Map<string, ProxyRule>();
  for (const service of services as readonly ProxiedService[]) {
    const name = `${service.metadata.namespace ?? ''}/${service.metadata.name}`;
    const own = slicesOf.get(name) ?? [];
    for (const port of service.spec.ports ?? []) {
      if ((port.protocol ?? 'TCP') !== 'TCP') continue;
      const shared = {
        service: `${name}:${port.name ?? port.port}`,
        targets: targetsOf(own, port),
        affinitySeconds: affinityOf(service),
      };
      for (const { address, port: number } of listenersOf(service, port, nodePortAddress, portBase)) {
        const key = `${address}:${number}`;
        // The API server hands out no address and no NodePort twice; of two that clash the first one stays.
        if (!rules.has(key)) rules.set(key, { key, address, port: number, ...shared });
      }
    }
  }
  return [...rules.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

function listenersOf(service: Service, port: ServicePort, nodePortAddress: string, portBase: number): Target[] {
  const { clusterIP = '', type = 'ClusterIP' } = service.spec;
  const listeners: Target[] = [];
  if (clusterIP !== '' && clusterIP !== 'None' && type !== 'ExternalName') listeners.push({ address: clusterIP, port: port.port });
  const nodePort = port.nodePort ?? 0;
  if ((type === 'NodePort' || type === 'LoadBalancer') && nodePort > 0 && nodePort + portBase <= PORT_MAX) {
    listeners.push({ address: nodePortAddress, port: nodePort + portBase });
  }
  return listeners;
}

function affinityOf({ spec }: ProxiedService): number | undefined {
  if (spec.sessionAffinity !== 'ClientIP') return undefined;
  return spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? AFFINITY_SECONDS;
}

/** The ready endpoints; if there are none, those that still serve while they terminate (KEP-1669). */
function targetsOf(slices: readonly EndpointSlice[], servicePort: ServicePort): Target[] {
  const ready = new Map<string, Target>();
  const fallback = new Map<string, Target>();
  for (const slice of slices) {
    const port = slice.ports?.find(({ name = '' }) => name === (servicePort.name ?? ''))?.port;
    if (port === undefined) continue;
    for (const endpoint of slice.endpoints ?? []) {
      const into = isReady(endpoint) ? ready : isServingTerminating(endpoint) ? fallback : undefined;
      // A slice's addresses of one endpoint are interchangeable; the first is used.
      const address = endpoint.addresses[0];
      if (into !== undefined && address !== undefined) into.set(`${address}:${port}`, { address, port });
    }
  }
  const targets = ready.size > 0 ? ready : fallback;
  return [...targets.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, target]) => target);
}

/** Unknown counts as ready, as the API says. */
function isReady({ conditions }: Endpoint): boolean {
  return conditions?.ready !== false;
}

function isServingTerminating({ conditions }: Endpoint): boolean {
  return conditions?.terminating === true && conditions.serving !== false;
}

/** Does any slice still send new connections to this address? The agent asks before it ends a pod. */
export function isRouted(slices: readonly EndpointSlice[], address: string): boolean {
  return slices.some(({ endpoints }) =>
    (endpoints ?? []).some((endpoint) => isReady(endpoint) && endpoint.addresses.includes(address)),
  );
}
