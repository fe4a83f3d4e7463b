/**
 * The Service by which what runs in a cluster finds its API servers, and what stands behind it: from the servers that live
 * and the objects that are there to what has to be written. As kube-apiserver does it, but that a server is known by its
 * address and its port: several on one machine share the address. So there is a slice for each port.
 *
 * Kubernetes forbids loopback addresses in Endpoints; here they are allowed, since on one machine everything lives there.
 */
import { equalJson, isRecord, type KubeObject } from '../../kube/types.ts';

export const SERVICE_NAME = 'kubernetes';
export const SERVICE_NAMESPACE = 'default';
export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
const SERVICE_PORT = 443;
const PORT_NAME = 'https';
/** The controller that mirrors Endpoints shall leave these alone: their slices are written here. */
const SKIP_MIRROR_LABEL = 'endpointslice.kubernetes.io/skip-mirror';

export interface ServerAddress {
  readonly address: string;
  readonly port: number;
}

export interface KubernetesServiceState {
  /** Those that live; none is taken for a mistake, and nothing is done. */
  readonly servers: readonly ServerAddress[];
  readonly service: KubeObject | undefined;
  readonly endpoints: KubeObject | undefined;
  /** All that carry the Service's name. */
  readonly slices: readonly KubeObject[];
}

/** Of a new Service. Once it is there it is left as it is, whatever somebody makes of it. */
export interface ServiceOptions {
  readonly clusterIp: string;
  readonly targetPort: number;
}

export interface ServiceAction {
  readonly verb: 'create' | 'update' | 'delete';
  readonly resource: 'services' | 'endpoints' | 'endpointslices';
  readonly object: KubeObject;
}

export function planKubernetesService({ servers, service, endpoints, slices }: KubernetesServiceState, options: ServiceOptions): readonly ServiceAction[] {
  if (servers.length === 0) return [];
  const actions: ServiceAction[] = [];
  const groups = byPort(servers);
  const wanted = endpointsOf(groups);
  if (endpoints === undefined) actions.push({ verb: 'create', resource: 'endpoints', object: wanted });
  else if (!isSame(endpoints, wanted, ['subsets'])) actions.push({ verb: 'update', resource: 'endpoints', object: over(endpoints, wanted) });
  const others = new Map(slices.map((slice) => [slice.metadata.name, slice]));
  for (const slice of groups.map(sliceOf)) {
    const known = others.get(slice.metadata.name);
    // What cannot be changed must go first; the next look makes it anew.
    if (known !== undefined && known['addressType'] !== slice['addressType']) continue;
    others.delete(slice.metadata.name);
    if (known === undefined) actions.push({ verb: 'create', resource: 'endpointslices', object: slice });
    else if (!isSame(known, slice, ['endpoints', 'ports'])) actions.push({ verb: 'update', resource: 'endpointslices', object: over(known, slice) });
  }
  for (const object of others.values()) actions.push({ verb: 'delete', resource: 'endpointslices', object });
  // Last: its address may be another Service's, from a time before this one was kept, and the rest is of use without it.
  if (service === undefined) actions.push({ verb: 'create', resource: 'services', object: serviceOf(options) });
  return actions;
}

interface Group {
  readonly port: number;
  readonly addresses: readonly string[];
}

/** In one order, whoever looks. */
function byPort(servers: readonly ServerAddress[]): readonly Group[] {
  const ports = [...new Set(servers.map(({ port }) => port))].sort((a, b) => a - b);
  return ports.map((port) => {
    const addresses = servers.filter((server) => server.port === port).map(({ address }) => address);
    return { port, addresses: [...new Set(addresses)].sort() };
  });
}

function serviceOf({ clusterIp, targetPort }: ServiceOptions): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: SERVICE_NAME, namespace: SERVICE_NAMESPACE, labels: { component: 'apiserver', provider: 'kubernetes' } },
    spec: {
      clusterIP: clusterIp,
      ipFamilyPolicy: 'SingleStack',
      ports: [{ name: PORT_NAME, port: SERVICE_PORT, protocol: 'TCP', targetPort }],
      sessionAffinity: 'None',
      type: 'ClusterIP',
    },
  };
}

const portOf = ({ port }: Group) => ({ name: PORT_NAME, port, protocol: 'TCP' });

function endpointsOf(groups: readonly Group[]): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { name: SERVICE_NAME, namespace: SERVICE_NAMESPACE, labels: { [SKIP_MIRROR_LABEL]: 'true' } },
    subsets: groups.map((group) => ({ addresses: group.addresses.map((ip) => ({ ip })), ports: [portOf(group)] })),
  };
}

/** The first is called as the Service, as where there is one port alone. */
function sliceOf(group: Group, index: number): KubeObject {
  const name = index === 0 ? SERVICE_NAME : `${SERVICE_NAME}-${index + 1}`;
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace: SERVICE_NAMESPACE, labels: { [SERVICE_NAME_LABEL]: SERVICE_NAME } },
    addressType: 'IPv4',
    endpoints: group.addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
    ports: [portOf(group)],
  };
}

function isSame(known: KubeObject, wanted: KubeObject, fields: readonly string[]): boolean {
  const labels = Object.entries(wanted.metadata.labels ?? {});
  return labels.every(([name, value]) => known.metadata.labels?.[name] === value) && fields.every((field) => equalJson(bare(known[field]), bare(wanted[field])));
}

/** Without fields that say nothing. */
function bare(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(bare);
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).flatMap(([name, each]) => (each === null ? [] : [[name, bare(each)]])));
}

function over(known: KubeObject, wanted: KubeObject): KubeObject {
  const labels = { ...known.metadata.labels, ...wanted.metadata.labels };
  return { ...wanted, metadata: { ...known.metadata, labels } };
}

// --- how a server is written down

/** `127.0.0.1:6443`. */
export function serverText({ address, port }: ServerAddress): string {
  return `${address}:${port}`;
}

/** undefined: not what `serverText` writes. */
export function parseServer(text: string): ServerAddress | undefined {
  const match = /^(\d+\.\d+\.\d+\.\d+):(\d{1,5})$/.exec(text);
  return match === null ? undefined : { address: match[1]!, port: Number(match[2]) };
}
