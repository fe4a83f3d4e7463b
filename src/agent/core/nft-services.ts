/**
 * Services and their EndpointSlices as a table of nftables, IPv4. A packet costs one look into a map for its destination,
 * and one draw among the endpoints, however many services there are; packets of a connection that is known cost nothing,
 * for the kernel asks chains of type nat once a connection.
 *
 *   prerouting, output ─► services ─┬─ service-ips ─────► svc/…  one of all endpoints
 *                                   │                 ╱  loc/…  one of this node's
 *                                   ├─ service-ips ─► ext/… external addresses: masqueraded, or local
 *                                   ├─ node-ports ──► ext/…, host/… a pod's `hostPort`
 *                                   └─ addresses of services with no such port: refused; of no service: dropped
 *   postrouting ─► masquerade what is marked, and what goes back to the pod it came from
 *
 * Endpoints behind a session affinity have a chain each (`ep/…`), and a set of the clients that they are remembered for
 * (`aff/…`): that costs a look for each endpoint. Refusals are said right where the destination is found: packets of
 * connections that go on do not come by there.
 *
 * Not here: IPv6, topology hints, health-check ports.
 */
import type { EndpointSlice, Service, ServicePort } from '../../client/objects.ts';
import type { HostPort } from './host-ports.ts';
import { dispatchKey, type Chain, type Match, type NftSet, type Protocol, type Rule, type Table } from './nft-table.ts';
import {
  affinitySecondsOf,
  clusterIpOf,
  nodePortOf,
  serviceKeyOf,
  slicesByService,
  targetsOf,
  type ProxiedService,
  type ServiceTargets,
  type Target,
} from './service-endpoints.ts';

export interface ProxyNode {
  readonly tableName: string;
  readonly nodeName: string;
  /** Of all pods of the cluster: they see each other unmasqueraded. */
  readonly podCidr: string;
  /** Of this node's pods: what is answered to them comes by here again. Empty: nobody knows which those are. */
  readonly nodePodCidr: string;
  /** undefined: addresses that are no service's are nobody's business. */
  readonly serviceCidr?: string | undefined;
  /** Where NodePorts are; empty: at every address of the machine. */
  readonly nodePortAddresses: readonly string[];
  /** Added to each NodePort and `hostPort`, where several clusters share a machine. */
  readonly nodePortBase?: number | undefined;
  /** Somebody else listens for NodePorts on the loopback: packets from there leave it only by a setting that opens it to others. */
  readonly leavesLoopback?: boolean | undefined;
  /** Cluster addresses that this node itself listens at, as its DNS does: never translated. */
  readonly ownAddresses: readonly string[];
  /** Where endpoints of 127.0.0.0/8 (API servers of this machine) are reached instead; undefined: there. */
  readonly loopbackAddress?: string | undefined;
}

/** What one service adds to the table. */
interface Fragment {
  readonly chains: readonly Chain[];
  readonly sets: readonly NftSet[];
  readonly elements: readonly { readonly set: SharedSet; readonly key: string; readonly chain?: string }[];
}

interface Known {
  readonly service: Service;
  readonly slices: readonly EndpointSlice[];
  readonly fragment: Fragment;
}

type SharedSet = 'cluster-ips' | 'service-ips' | 'node-ports' | 'hairpins';

const TYPES: Readonly<Record<SharedSet, string>> = {
  'cluster-ips': 'ipv4_addr',
  'service-ips': 'ipv4_addr . inet_proto . inet_service : verdict',
  'node-ports': 'inet_proto . inet_service : verdict',
  hairpins: 'ipv4_addr . ipv4_addr',
};
/** As the API allows them; anything else would be read as nft's grammar. */
const NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;
const ADDRESS = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?=\d)|$)){4}$/;
const LOOPBACK = '127.0.0.0/8';
const PORT_MAX = 65_535;
const EMPTY_FRAGMENT: Fragment = { chains: [], sets: [], elements: [] };

/** Everything at once. */
export function planTable(services: readonly Service[], slices: readonly EndpointSlice[], node: ProxyNode, hostPorts: readonly HostPort[] = []): Table {
  return new TablePlanner(node).plan(services, slices, hostPorts);
}

/** The same, with what it knows of services that have not changed since: of those, chains and sets are the same objects. */
export class TablePlanner {
  readonly #node: ProxyNode;
  #known = new Map<string, Known>();

  constructor(node: ProxyNode) {
    this.#node = node;
  }

  plan(services: readonly Service[], slices: readonly EndpointSlice[], hostPorts: readonly HostPort[] = []): Table {
    const slicesOf = slicesByService(slices);
    const known = new Map<string, Known>();
    for (const service of services) {
      const key = serviceKeyOf(service);
      const own = slicesOf.get(key) ?? [];
      const before = this.#known.get(key);
      const isSame = before?.service === service && before.slices.length === own.length && before.slices.every((one, at) => one === own[at]);
      known.set(key, isSame ? before : { service, slices: own, fragment: planService(service, own, this.#node) });
    }
    this.#known = known;
    // The order of names, for of two services that claim one address the first one has it.
    const ofServices = [...known.keys()].sort().map((key) => known.get(key)!.fragment);
    return assemble([...ofServices, ...hostPorts.map((one) => planHostPort(one, this.#node))], this.#node);
  }
}

function assemble(fragments: readonly Fragment[], node: ProxyNode): Table {
  const elements = new Map<SharedSet, Map<string, string | undefined>>();
  // Where a table comes into being in parts, what is refused to comes last.
  for (const name of ['hairpins', 'service-ips', 'node-ports', 'cluster-ips'] as const) elements.set(name, new Map());
  const sets = new Map<string, NftSet>();
  for (const [name, own] of elements) sets.set(name, { name, type: TYPES[name], isMap: TYPES[name].endsWith('verdict'), elements: own });
  const chains = new Map<string, Chain>();
  for (const chain of baseChains(node)) chains.set(chain.name, chain);
  for (const fragment of fragments) {
    for (const chain of fragment.chains) chains.set(chain.name, chain);
    for (const set of fragment.sets) sets.set(set.name, set);
    for (const { set, key, chain } of fragment.elements) {
      const own = elements.get(set)!;
      if (!own.has(key)) own.set(key, chain);
    }
  }
  return { name: node.tableName, sets, chains };
}

const always = (action: Rule['action']): Rule => ({ matches: [], action });
const when = (match: Match | readonly Match[], action: Rule['action']): Rule => ({ matches: 'on' in match ? [match] : match, action });

function baseChains({ podCidr, serviceCidr, nodePortAddresses, ownAddresses, leavesLoopback = false }: ProxyNode): Chain[] {
  const atNode: Match[] = [
    nodePortAddresses.length === 0 ? { on: 'destination-is-local' } : { on: 'destination', cidrs: nodePortAddresses },
    ...(leavesLoopback ? [{ on: 'destination' as const, cidrs: [LOOPBACK], isNot: true }] : []),
  ];
  const toService: Match = { on: 'destination-in', set: 'cluster-ips' };
  const services: Rule[] = [
    ...(ownAddresses.length === 0 ? [] : [when({ on: 'destination', cidrs: ownAddresses }, { do: 'return' })]),
    // What comes from outside of the pods is answered by way of this node.
    when([toService, { on: 'source', cidrs: [podCidr], isNot: true }], { do: 'mark' }),
    always({ do: 'dispatch', by: 'service', map: 'service-ips' }),
    when(atNode, { do: 'dispatch', by: 'node-port', map: 'node-ports' }),
    when(toService, { do: 'goto', chain: 'refuse' }),
    // Dropped, not refused: it may be a service that this node has not heard of yet, and who asks tries again.
    ...(serviceCidr === undefined
      ? []
      : [when([{ on: 'destination', cidrs: [serviceCidr] }, { on: 'destination-is-local', isNot: true }], { do: 'drop' })]),
  ];
  return [
    { name: 'refuse', rules: [always({ do: 'reset' }), always({ do: 'refuse' })] },
    { name: 'services', rules: services },
    { name: 'prerouting', hook: 'type nat hook prerouting priority -100', rules: [always({ do: 'jump', chain: 'services' })] },
    { name: 'output', hook: 'type nat hook output priority -100', rules: [always({ do: 'jump', chain: 'services' })] },
    {
      name: 'postrouting',
      hook: 'type nat hook postrouting priority 100',
      rules: [
        when({ on: 'marked' }, { do: 'masquerade' }),
        when([{ on: 'translated' }, { on: 'pair-in', set: 'hairpins' }], { do: 'masquerade' }),
      ],
    },
  ];
}

function planService(service: ProxiedService, slices: readonly EndpointSlice[], node: ProxyNode): Fragment {
  const { name, namespace = '' } = service.metadata;
  if (!NAME.test(name) || !NAME.test(namespace)) return EMPTY_FRAGMENT;
  const clusterIp = clusterIpOf(service);
  const fragments = (service.spec.ports ?? []).map((port) => planPort(service, port, slices, node));
  const own = clusterIp === undefined || !ADDRESS.test(clusterIp) ? [] : [{ set: 'cluster-ips' as const, key: clusterIp }];
  return {
    chains: fragments.flatMap(({ chains }) => chains),
    sets: fragments.flatMap(({ sets }) => sets),
    elements: [...own, ...fragments.flatMap(({ elements }) => elements)],
  };
}

function planPort(service: ProxiedService, port: ServicePort, slices: readonly EndpointSlice[], node: ProxyNode): Fragment {
  const protocol = protocolOf(port);
  const clusterIp = clusterIpOf(service);
  if (protocol === undefined || clusterIp === undefined || !isPort(port.port)) return EMPTY_FRAGMENT;
  const name = port.name !== undefined && NAME.test(port.name) ? port.name : String(port.port);
  const id = `${service.metadata.namespace ?? ''}/${service.metadata.name}/${protocol}/${name}`;
  const targets = reachable(targetsOf(slices, port, node.nodeName), node);
  const endpoints = endpointsOf(id, protocol, affinitySecondsOf(service), targets);
  const elements: Fragment['elements'][number][] = [];
  const isInternalLocal = service.spec.internalTrafficPolicy === 'Local';
  if (ADDRESS.test(clusterIp)) {
    const chain = `${isInternalLocal ? 'loc' : 'svc'}/${id}`;
    elements.push({ set: 'service-ips', key: dispatchKey('service', clusterIp, protocol, port.port), chain });
  }
  const external = planExternal(service, port, protocol, id, node);
  elements.push(...external.elements);
  // Of this node's alone: what another node's pod sends to itself does not come by here, or is marked.
  for (const { address } of targets.local) elements.push({ set: 'hairpins', key: `${address} . ${address}` });
  const needsLocal = isInternalLocal || (external.chains.length > 0 && service.spec.externalTrafficPolicy === 'Local');
  return {
    chains: [
      ...endpoints.chains,
      { name: `svc/${id}`, rules: endpoints.rulesTo(targets.cluster, targets) },
      ...(needsLocal ? [{ name: `loc/${id}`, rules: endpoints.rulesTo(targets.local, targets) }] : []),
      ...external.chains,
    ],
    sets: endpoints.sets,
    elements,
  };
}

/** What a chain of a service does to reach some of its endpoints; with an affinity there are chains and sets for each. */
function endpointsOf(id: string, protocol: Protocol, affinitySeconds: number | undefined, { cluster, local }: ServiceTargets) {
  const nobody = (all: ServiceTargets): Rule[] =>
    // Local policies: who has no endpoint here, but elsewhere, is to keep silent, for somebody else may answer.
    [all.cluster.length === 0 && all.local.length === 0 ? always({ do: 'goto', chain: 'refuse' }) : always({ do: 'drop' })];
  if (affinitySeconds === undefined) {
    const rulesTo = (targets: readonly Target[], all: ServiceTargets): Rule[] =>
      targets.length === 0 ? nobody(all) : [always({ do: 'translate', protocol, targets })];
    return { chains: [], sets: [], rulesTo };
  }
  const nameOf = ({ address, port }: Target) => `${id}/${address}/${port}`;
  const setOf = (target: Target) => `aff/${nameOf(target)}/${affinitySeconds}`;
  const chainOf = (target: Target) => `ep/${nameOf(target)}`;
  const all = [...new Map([...cluster, ...local].map((target) => [nameOf(target), target])).values()];
  const chains = all.map((target): Chain => ({
    name: chainOf(target),
    // Two rules: where the set is full the first one ends, and the connection goes on.
    rules: [always({ do: 'remember', set: setOf(target) }), always({ do: 'translate', protocol, targets: [target] })],
  }));
  const sets = all.map((target): NftSet => ({
    name: setOf(target),
    type: 'ipv4_addr',
    isMap: false,
    timeoutSeconds: affinitySeconds,
    elements: new Map(),
  }));
  const rulesTo = (targets: readonly Target[], every: ServiceTargets): Rule[] =>
    targets.length === 0
      ? nobody(every)
      : [
          ...targets.map((target) => when({ on: 'source-in', set: setOf(target) }, { do: 'goto', chain: chainOf(target) })),
          always({ do: 'spread', chains: targets.map(chainOf) }),
        ];
  return { chains, sets, rulesTo };
}

/** NodePort, external addresses and those of load balancers: one chain for the traffic policy, one more with source ranges. */
function planExternal(service: ProxiedService, port: ServicePort, protocol: Protocol, id: string, node: ProxyNode): Pick<Fragment, 'chains' | 'elements'> {
  const chosen = nodePortOf(service, port);
  const nodePort = chosen === undefined ? undefined : chosen + (node.nodePortBase ?? 0);
  const externalIps = (service.spec.externalIPs ?? []).filter((address) => ADDRESS.test(address));
  const ingressIps = loadBalancerIpsOf(service);
  if (nodePort === undefined && externalIps.length === 0 && ingressIps.length === 0) return EMPTY_FRAGMENT;
  const chain = `ext/${id}`;
  const ranges = (service.spec.loadBalancerSourceRanges ?? []).map((range) => range.trim()).filter(isCidr);
  const filter = `lb/${id}`;
  const isFiltered = ingressIps.length > 0 && ranges.length > 0;
  const elements: Fragment['elements'][number][] = [];
  if (nodePort !== undefined && isPort(nodePort)) elements.push({ set: 'node-ports', key: dispatchKey('node-port', '', protocol, nodePort), chain });
  const at = (address: string, to: string) =>
    elements.push({ set: 'service-ips', key: dispatchKey('service', address, protocol, port.port), chain: to });
  for (const address of externalIps) at(address, chain);
  for (const address of ingressIps) at(address, isFiltered ? filter : chain);
  return {
    chains: [
      { name: chain, rules: service.spec.externalTrafficPolicy === 'Local' ? localPolicy(id, node) : clusterPolicy(id) },
      ...(isFiltered
        ? [{ name: filter, rules: [when({ on: 'source', cidrs: ranges, isNot: true }, { do: 'drop' }), always({ do: 'goto', chain })] }]
        : []),
    ],
    elements,
  };
}

function clusterPolicy(id: string): Rule[] {
  return [always({ do: 'mark' }), always({ do: 'goto', chain: `svc/${id}` })];
}

/** The client's address is kept. The cluster's own, which would reach any node's endpoints in other ways, are not held to it. */
function localPolicy(id: string, { podCidr, nodePodCidr }: ProxyNode): Rule[] {
  const fromPods: Match = { on: 'source', cidrs: [podCidr] };
  return [
    when(nodePodCidr === '' ? fromPods : [fromPods, { on: 'source', cidrs: [nodePodCidr], isNot: true }], { do: 'mark' }),
    when(fromPods, { do: 'goto', chain: `svc/${id}` }),
    when({ on: 'source-is-local' }, { do: 'mark' }),
    when({ on: 'source-is-local' }, { do: 'goto', chain: `svc/${id}` }),
    always({ do: 'goto', chain: `loc/${id}` }),
  ];
}

/** A pod's port at the node's addresses. Who asks from outside keeps his address, as with Kubernetes' portmap. */
function planHostPort({ namespace, name, protocol: named, hostPort: wanted, hostIp, address, port, isHostNetwork }: HostPort, { nodePortBase = 0 }: ProxyNode): Fragment {
  const hostPort = wanted + nodePortBase;
  const protocol = protocolOf({ protocol: named, port });
  const isUnderstood = NAME.test(name) && NAME.test(namespace) && ADDRESS.test(address) && (hostIp === '' || ADDRESS.test(hostIp));
  if (isHostNetwork || protocol === undefined || !isUnderstood || !isPort(port) || !isPort(hostPort)) return EMPTY_FRAGMENT;
  const chain = `host/${namespace}/${name}/${protocol}/${hostPort}${hostIp === '' ? '' : `/${hostIp}`}`;
  const at: Fragment['elements'][number] =
    hostIp === ''
      ? { set: 'node-ports', key: dispatchKey('node-port', '', protocol, hostPort), chain }
      : { set: 'service-ips', key: dispatchKey('service', hostIp, protocol, hostPort), chain };
  const rules = [when({ on: 'source-is-local' }, { do: 'mark' }), always({ do: 'translate', protocol, targets: [{ address, port }] })];
  return { chains: [{ name: chain, rules }], sets: [], elements: [at, { set: 'hairpins', key: `${address} . ${address}` }] };
}

function loadBalancerIpsOf({ spec, status }: ProxiedService): string[] {
  if (spec.type !== 'LoadBalancer') return [];
  const ingress = status?.loadBalancer?.ingress ?? [];
  // A proxy wants to see its connections itself.
  return ingress.filter(({ ipMode }) => ipMode !== 'Proxy').flatMap(({ ip = '' }) => (ADDRESS.test(ip) ? [ip] : []));
}

function reachable({ cluster, local }: ServiceTargets, { loopbackAddress }: ProxyNode): ServiceTargets {
  const at = (targets: readonly Target[]) =>
    targets
      .filter(({ address, port }) => ADDRESS.test(address) && isPort(port))
      .map((target) => (loopbackAddress !== undefined && target.address.startsWith('127.') ? { ...target, address: loopbackAddress } : target));
  const once = (targets: readonly Target[]) => [...new Map(targets.map((target) => [`${target.address}:${target.port}`, target])).values()];
  return { cluster: once(at(cluster)), local: once(at(local)) };
}

function protocolOf({ protocol = 'TCP' }: ServicePort): Protocol | undefined {
  switch (protocol) {
    case 'TCP':
      return 'tcp';
    case 'UDP':
      return 'udp';
    case 'SCTP':
      return 'sctp';
    default:
      return undefined;
  }
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port > 0 && port <= PORT_MAX;
}

function isCidr(text: string): boolean {
  const [address = '', bits = '32', more] = text.split('/');
  return more === undefined && ADDRESS.test(address) && /^\d{1,2}$/.test(bits) && Number(bits) <= 32;
}
