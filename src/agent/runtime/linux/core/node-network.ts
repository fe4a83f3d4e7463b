/**
 * The network of a node, as batches for `ip`. Every node has a network namespace of its own:
 *
 *   node-1                                            node-2
 *   ┌──────────────────────────────┐                  ┌───────────
 *   │ podium0 10.244.0.1/24        │ n1 ═ veth ═ n0   │ podium0 10.244.1.1/24
 *   │  ├ pod5 ═ eth0 10.244.0.5    │──────────────────│  ├ …
 *   │  └ pod6 ═ eth0 10.244.0.6    │ route 10.244.1.0/24 via 10.244.1.1
 *   └──────────────────────────────┘                  └───────────
 *
 * Nodes of one machine are joined one to one: a pair of links goes when either namespace goes, and there is nothing in the
 * middle that could be lost or left behind.
 */
import { formatAddress, parseCidr } from '../../../core/address-pool.ts';
import { assert } from '../../../../base/assert.ts';

export const BRIDGE = 'podium0';
const CLUSTER_DNS_PLACE = 10;

export interface NodeNetwork {
  readonly podCidr: string;
  /** The node's own address in its pods' network: their gateway. */
  readonly gateway: string;
  readonly prefixBits: number;
  /** Names the links to this node in other nodes' namespaces. */
  readonly linkName: string;
}

/** Undefined: not an IPv4 block that has room for a gateway and pods. */
export function nodeNetworkOf(podCidr: string): NodeNetwork | undefined {
  const range = parseCidr(podCidr);
  if (range === undefined || range.size < 2) return undefined;
  const gateway = formatAddress(range.first);
  const bytes = gateway.split('.');
  return { podCidr, gateway, prefixBits: Number(podCidr.split('/')[1]), linkName: `n${bytes[1]}.${bytes[2]}.${bytes[3]}` };
}

/** Once, in the node's new namespace. `serviceCidr`: where packets for services find a route, before any rule takes them. */
export function nodeBatch({ gateway, prefixBits }: NodeNetwork, serviceCidr: string | undefined): string {
  return lines([
    'link set lo up',
    `link add ${BRIDGE} type bridge`,
    `addr add ${gateway}/${prefixBits} dev ${BRIDGE}`,
    `link set ${BRIDGE} up`,
    ...(serviceCidr === undefined ? [] : [`route add ${serviceCidr} dev lo`]),
  ]);
}

export interface NodeSettings {
  /** Of all pods of the cluster: what is none of its nodes' leads nowhere, and above all not out of the cluster. */
  readonly clusterPodCidr?: string | undefined;
  /** Where this node's programs listen for all pods, as the cluster's DNS does. */
  readonly ownAddresses: readonly string[];
}

/** At each start of an agent: what an earlier one, perhaps of another version, has left is brought to the same state. */
export function nodeSettingsBatch({ clusterPodCidr, ownAddresses }: NodeSettings): string {
  return lines([
    // Of the host's scope: else it would become the source of what this node sends itself, which no other node could answer.
    ...ownAddresses.map((address) => `addr replace ${address}/32 dev lo scope host`),
    ...(clusterPodCidr === undefined ? [] : [`route replace unreachable ${clusterPodCidr}`]),
  ]);
}

/** Where there are no rules for services, who listens at their addresses is found by this. */
export function localServicesBatch(serviceCidr: string, isOn: boolean): string {
  return lines([isOn ? `route replace local ${serviceCidr} dev lo` : `route del local ${serviceCidr} dev lo`]);
}

/** Where the cluster's DNS is in every Kubernetes: at the tenth address of the services. */
export function clusterDnsAddress(serviceCidr: string): string | undefined {
  const range = parseCidr(serviceCidr);
  return range === undefined || range.size < CLUSTER_DNS_PLACE ? undefined : formatAddress(range.first + CLUSTER_DNS_PLACE - 1);
}

/** In the pod's new namespace: a pair of links, of which the other end is the node's. */
export function podBatch(link: string, address: string, { gateway, prefixBits }: NodeNetwork, holderPid: number): string {
  return lines([
    'link set lo up',
    `link add eth0 type veth peer name ${link} netns ${holderPid}`,
    `addr add ${address}/${prefixBits} dev eth0`,
    'link set eth0 up',
    `route add default via ${gateway}`,
  ]);
}

/** Then in the node's namespace. */
export function podLinkBatch(link: string): string {
  return lines([
    `link set ${link} master ${BRIDGE}`,
    // A pod that calls itself by its service is answered through the bridge port that it called by.
    `link set ${link} type bridge_slave hairpin on`,
    `link set ${link} up`,
  ]);
}

/** The name of a pod's link: by its place in the node's block, so that no two living pods share one. */
export function podLinkName(address: string, podCidr: string): string {
  const range = parseCidr(podCidr);
  assert(range !== undefined, `${podCidr} is a block of addresses`);
  const number = address.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
  return `pod${number - range.first}`;
}

export function isPodLink(name: string): boolean {
  return /^pod\d+$/.test(name);
}

/** In `own`'s namespace: a pair of links to a neighbour, which is known by the pid of its holder. */
export function neighbourLinkBatch(own: NodeNetwork, neighbour: NodeNetwork, holderPid: number): string {
  return lines([`link add ${neighbour.linkName} type veth peer name ${own.linkName} netns ${holderPid}`]);
}

/** In either namespace, once the pair is there. */
export function neighbourRouteBatch(own: NodeNetwork, neighbour: NodeNetwork): string {
  return lines([
    `link set ${neighbour.linkName} up`,
    `route replace ${neighbour.gateway}/32 dev ${neighbour.linkName} scope link src ${own.gateway}`,
    `route replace ${neighbour.podCidr} via ${neighbour.gateway} dev ${neighbour.linkName} src ${own.gateway}`,
  ]);
}

function lines(commands: readonly string[]): string {
  return commands.map((command) => `${command}\n`).join('');
}
