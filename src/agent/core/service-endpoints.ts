/**
 * What every service proxy and the cluster's DNS read out of Services and EndpointSlices: which slices are whose, and
 * which endpoints take new connections. The same objects give the same answer, in one order whatever theirs is.
 */
import type { Endpoint, EndpointPort, EndpointSlice, Service, ServicePort } from '../../client/objects.ts';

export interface Target {
  readonly address: string;
  readonly port: number;
}

/** A service as proxies and DNS read it: `client/objects.ts` names what the controllers need. */
export interface ProxiedService extends Service {
  readonly spec: Service['spec'] & {
    readonly sessionAffinity?: string;
    readonly sessionAffinityConfig?: { readonly clientIP?: { readonly timeoutSeconds?: number } };
    readonly externalIPs?: readonly string[];
    readonly internalTrafficPolicy?: string;
    readonly externalTrafficPolicy?: string;
    readonly healthCheckNodePort?: number;
    readonly externalName?: string;
    readonly loadBalancerSourceRanges?: readonly string[];
  };
  readonly status?: {
    readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string; readonly ipMode?: string }[] };
  };
}

/** Of one port of a service. */
export interface ServiceTargets {
  /** Of the whole cluster. */
  readonly cluster: readonly Target[];
  /** Those on this node. */
  readonly local: readonly Target[];
}

const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
/** Kubernetes' default of sessionAffinityConfig.clientIP.timeoutSeconds. */
const AFFINITY_SECONDS = 10_800;

export function serviceKeyOf({ metadata }: Service): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`;
}

/** The IPv4 slices of each service, by `namespace/name`. */
export function slicesByService(slices: readonly EndpointSlice[]): Map<string, EndpointSlice[]> {
  const slicesOf = new Map<string, EndpointSlice[]>();
  for (const slice of slices) {
    const name = slice.metadata.labels?.[SERVICE_NAME_LABEL];
    if (name === undefined || slice.addressType !== 'IPv4') continue;
    const key = `${slice.metadata.namespace ?? ''}/${name}`;
    const known = slicesOf.get(key);
    if (known === undefined) slicesOf.set(key, [slice]);
    else known.push(slice);
  }
  return slicesOf;
}

export function affinitySecondsOf({ spec }: ProxiedService): number | undefined {
  if (spec.sessionAffinity !== 'ClientIP') return undefined;
  return spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? AFFINITY_SECONDS;
}

/** undefined: none of its own (headless, ExternalName, not given yet). */
export function clusterIpOf({ spec }: Service): string | undefined {
  const { clusterIP = '', type = 'ClusterIP' } = spec;
  return clusterIP === '' || clusterIP === 'None' || type === 'ExternalName' ? undefined : clusterIP;
}

export function nodePortOf({ spec: { type } }: Service, { nodePort = 0 }: ServicePort): number | undefined {
  return (type === 'NodePort' || type === 'LoadBalancer') && nodePort > 0 ? nodePort : undefined;
}

/**
 * The ready endpoints; if there are none, those that still serve while they terminate (KEP-1669). That is decided for
 * the cluster and for the node apart: a node whose last own endpoint ends goes on with it where it may use no other.
 */
export function targetsOf(slices: readonly EndpointSlice[], port: ServicePort, nodeName?: string): ServiceTargets {
  const cluster = new Choice();
  const local = new Choice();
  for (const slice of slices) {
    const number = slice.ports?.find((one) => isOf(one, port))?.port;
    if (number === undefined) continue;
    for (const endpoint of slice.endpoints ?? []) {
      cluster.offer(endpoint, number);
      if (endpoint.nodeName !== undefined && endpoint.nodeName === nodeName) local.offer(endpoint, number);
    }
  }
  return { cluster: cluster.taken(), local: local.taken() };
}

/** Ports belong together by their name; two of one name differ in their protocol. */
export function isOf(endpoints: EndpointPort, service: ServicePort): boolean {
  return (endpoints.name ?? '') === (service.name ?? '') && (endpoints.protocol ?? 'TCP') === (service.protocol ?? 'TCP');
}

class Choice {
  readonly #ready = new Map<string, Target>();
  readonly #fallback = new Map<string, Target>();

  offer(endpoint: Endpoint, port: number): void {
    const into = isReady(endpoint) ? this.#ready : isServingTerminating(endpoint) ? this.#fallback : undefined;
    // A slice's addresses of one endpoint are interchangeable; the first is used.
    const address = endpoint.addresses[0];
    if (into !== undefined && address !== undefined) into.set(`${address}:${port}`, { address, port });
  }

  taken(): Target[] {
    const targets = this.#ready.size > 0 ? this.#ready : this.#fallback;
    return [...targets.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, target]) => target);
  }
}

/** Unknown counts as ready, as the API says. */
export function isReady({ conditions }: Endpoint): boolean {
  return conditions?.ready !== false;
}

function isServingTerminating({ conditions }: Endpoint): boolean {
  return conditions?.terminating === true && conditions.serving !== false;
}
