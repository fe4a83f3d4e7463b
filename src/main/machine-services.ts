/** What serves Services and names to pods of a container runtime: in the machine's own network, which theirs is joined to. */
import { resolve } from 'node:path';
import type { NodeAgentOptions } from '../agent/agent.ts';
import type { Naming } from '../agent/core/pod-names.ts';
import { toolRunner } from '../agent/nftables/tool.ts';
import { UserspaceProxy } from '../agent/proxy.ts';
import { ApiServerRelay } from '../agent/runtime/cri/api-server-relay.ts';
import { ownerOf } from '../agent/runtime/cri/cri.ts';
import { MachineNetwork } from '../agent/runtime/cri/machine-network.ts';
import { ClusterDns, machineNames } from '../agent/runtime/linux/cluster-dns.ts';
import { NodeServices, silenceTableOf } from '../agent/runtime/linux/node-services.ts';
import { ServiceRelay } from '../agent/runtime/linux/service-relay.ts';
import type { ServiceFollower } from '../agent/service-follower.ts';
import { assert } from '../base/assert.ts';
import type { Log } from '../base/log.ts';
import { systemClock } from '../base/system-clock.ts';
import type { PartConfig } from '../cluster/parts.ts';
import type { PartWorld } from './world.ts';

export interface MachineServicesOptions {
  readonly network: MachineNetwork;
  readonly api: ConstructorParameters<typeof ClusterDns>[0]['api'];
  readonly clusterDomain: string;
  /** Where NodePorts are listened on at the loopback. */
  readonly nodePortAddress: string;
}

/** Several nodes may share a machine, and each has a table. */
const tableOf = (dataDir: string) => `podium-${ownerOf(resolve(dataDir))}`;

export function machineNetworkOf({ dataDir, serviceCidr }: PartConfig, { addresses, log }: { readonly addresses: readonly string[]; readonly log: Log }): MachineNetwork {
  const table = tableOf(dataDir);
  return new MachineNetwork({ addresses, serviceCidr, tables: [table, silenceTableOf(table)], run: toolRunner(systemClock), clock: systemClock, log });
}

export function ofMachineNetwork({ config, log, random }: Omit<PartWorld, 'signal'>, options: MachineServicesOptions): Pick<NodeAgentOptions, 'proxy' | 'followers' | 'naming'> {
  const { network, api, clusterDomain, nodePortAddress } = options;
  const { node, serviceCidr, dataDir, portBase, name: nodeName } = config;
  assert(node !== undefined, 'the configuration of a node says what the node has');
  const { clusterPodCidr: podCidr } = node;
  const shared = { clock: systemClock, log };
  const { addresses } = network.leftovers;
  const [address] = addresses;
  const relay = new ServiceRelay({ outside: new UserspaceProxy(shared), inside: new UserspaceProxy(shared), address: nodePortAddress, ownAddresses: addresses });
  const dns = address === undefined ? undefined : new ClusterDns({ ...shared, address, domain: clusterDomain, ownCidrs: [podCidr, serviceCidr], inner: network, api, hasEgress: () => true, random });
  const proxied = {
    tableName: tableOf(dataDir),
    nodeName,
    podCidr,
    // The plugins of CNI give out addresses, and tell nobody which.
    nodePodCidr: '',
    serviceCidr,
    nodePortAddresses: [],
    nodePortBase: portBase,
    leavesLoopback: true,
    ownAddresses: addresses,
    loopbackAddress: address,
  };
  const services = new NodeServices({ ...shared, network, node: proxied, relay, dns, serviceCidr });
  const apiServers: ServiceFollower[] = address === undefined ? [] : [new ApiServerRelay({ address, proxy: new UserspaceProxy(shared) })];
  const naming: Naming = {
    clusterDomain,
    // None where this user may not serve them.
    get clusterDns() {
      return network.addresses;
    },
    host: () => machineNames(network.addresses),
  };
  return { proxy: relay, followers: [services, ...apiServers], naming };
}
