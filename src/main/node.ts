/** `podium node`: a node agent with the runtime that its configuration names. */
import { statfsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NodeAgent, type NodeAgentOptions } from '../agent/agent.ts';
import type { ImageGarbageOptions } from '../agent/node-images.ts';
import { NetworkProber } from '../agent/probe.ts';
import type { Naming } from '../agent/core/pod-names.ts';
import { UserspaceProxy } from '../agent/proxy.ts';
import { ServiceHealthPorts } from '../agent/service-health-ports.ts';
import { ClusterDns, machineNames } from '../agent/runtime/linux/cluster-dns.ts';
import { clusterDnsAddress, nodeNetworkOf } from '../agent/runtime/linux/core/node-network.ts';
import { NodeServices } from '../agent/runtime/linux/node-services.ts';
import { ServiceRelay } from '../agent/runtime/linux/service-relay.ts';
import { LinuxRuntime } from '../agent/runtime/linux/linux.ts';
import { probeMachine } from '../agent/runtime/linux/machine.ts';
import type { MachineNetwork } from '../agent/runtime/cri/machine-network.ts';
import { readMachineFacts, readOwnUsage } from '../agent/runtime/process-machine.ts';
import { ProcessRuntime } from '../agent/runtime/process.ts';
import type { Runtime } from '../agent/runtime/runtime.ts';
import { SimulatedRuntime } from '../agent/runtime/simulated.ts';
import { TerminationLogs } from '../agent/termination-logs.ts';
import { FileVolumes, noVolumes } from '../agent/volumes.ts';
import { assert } from '../base/assert.ts';
import { UserError } from '../base/errors.ts';
import { systemClock } from '../base/system-clock.ts';
import type { ImageSettings } from '../cluster/config.ts';
import type { PartConfig } from '../cluster/parts.ts';
import { hostOf } from '../grpc/addresses.ts';
import type { LocalImages } from '../image/local-images.ts';
import { readVersion } from './version.ts';
import { aborted, connectToApi, partWorld, type PartWorld, readPartConfig, runUntilStopped, serve } from './world.ts';

type Client = Awaited<ReturnType<typeof connectToApi>>['client'];

/** Of the machine's own network. */
const NODE_PORT_ADDRESS = '127.0.0.1';
const CLUSTER_DOMAIN = 'cluster.local';
const SERVICE_TABLE = 'podium';

export async function run(argv: readonly string[]): Promise<number> {
  // As `podium up` starts it; whoever starts one by hand pays for reading what else may be said.
  const isByFile = (argv.length === 1 && argv[0]!.startsWith('--config=')) || (argv.length === 2 && argv[0] === '--config');
  if (argv.includes('--purge')) return (await import('./purge-node.ts')).purgeNode(argv);
  const config = isByFile ? readPartConfig('node', argv) : await (await import('./node-flags.ts')).nodeConfig(argv);
  const world = partWorld(config);
  return runUntilStopped(world, async () => {
    const { client, channel } = await connectToApi(world);
    const images = await openNodeImages(world);
    const machine = await machineServices(world, client);
    const runtime = await makeRuntime(config, { log: world.log, images, network: machine?.network });
    const agent = makeAgent(world, client, { runtime, machine: machine?.options });
    const served = await serve({ endpoint: world.config, log: world.log }, [agent.service]);
    const stopped = aborted(world.signal);
    try {
      await Promise.race([agent.start(), stopped]);
      if (!world.signal.aborted) served.health.set('', 'serving');
      await stopped;
    } finally {
      await agent.stop();
      await served.stop();
      await images?.close();
      channel.close();
    }
  });
}

/** Where pods have images: shared with the other nodes of the cluster and with `podium image`. */
async function openNodeImages({ config, log }: PartWorld): Promise<LocalImages | undefined> {
  if (config.node?.runtime !== 'linux') return undefined;
  // Only who has images needs what speaks with registries.
  const { openImages } = await import('../image/open-images.ts');
  return (await openImages({ dataDir: config.node.clusterDirectory, clock: systemClock, log })).images;
}

/** With a container runtime pods are joined to the machine's own network. */
async function machineServices(world: PartWorld, api: Client) {
  const { config, log } = world;
  if (config.node?.runtime !== 'cri') return undefined;
  // Who has no such runtime shall not pay for reading this.
  const { machineNetworkOf, ofMachineNetwork } = await import('./machine-services.ts');
  const network = machineNetworkOf(config, { addresses: clusterDnsAddresses(config), log });
  return { network, options: ofMachineNetwork(world, { network, api, clusterDomain: CLUSTER_DOMAIN, nodePortAddress: NODE_PORT_ADDRESS }) };
}

interface Made {
  readonly runtime: Runtime;
  /** Of a container runtime's node. */
  readonly machine: Partial<NodeAgentOptions> | undefined;
}

function makeAgent({ config, log, random }: PartWorld, client: Client, { runtime, machine }: Made): NodeAgent {
  const { node, timings, onContainerFailure, portBase, dataDir, name, listenAddress } = config;
  assert(node !== undefined, 'the configuration of a node says what the node has');
  const [address = '', port = ''] = listenAddress.split(':');
  const dial = runtime instanceof LinuxRuntime ? runtime.inner.dial.bind(runtime.inner) : undefined;
  const isReal = node.runtime !== 'simulated';
  const services: Partial<NodeAgentOptions> = {
    ...(runtime instanceof LinuxRuntime ? ofOwnNetwork({ config, log, random }, client, runtime) : {}),
    ...(node.runtime === 'process' ? { proxy: new UserspaceProxy({ clock: systemClock, log }) } : {}),
    ...machine,
  };
  const healthPorts = new ServiceHealthPorts({ nodeName: name, address: NODE_PORT_ADDRESS, portBase, clock: systemClock, log });
  return new NodeAgent({
    name,
    address,
    port: Number(port),
    labels: node.labels,
    podCidr: node.podCidr,
    imageGarbage: node.images === undefined ? undefined : imageGarbageOf(node.images),
    capacity: { cpu: node.cpu, memory: node.memory, pods: node.pods, ephemeralStorage: diskSize(dataDir) },
    machine: readMachineFacts(),
    ownUsage: readOwnUsage,
    heartbeatMs: timings.nodeHeartbeatSeconds * 1000,
    leaseDurationMs: timings.nodeGraceSeconds * 1000,
    onContainerFailure,
    portBase,
    nodePortAddress: NODE_PORT_ADDRESS,
    api: client,
    clock: systemClock,
    random,
    log,
    runtime,
    prober: new NetworkProber(runtime, systemClock, dial),
    terminationLogs: isReal ? new TerminationLogs(join(dataDir, 'termination-logs')) : undefined,
    podManifestPath: node.podManifestPath === '' || node.podManifestPath === undefined ? undefined : resolve(node.podManifestPath),
    volumes: isReal ? fileVolumes(dataDir, runtime, log) : noVolumes,
    ...services,
    followers: isReal ? [...(services.followers ?? []), healthPorts] : [],
  });
}

function fileVolumes(dataDir: string, runtime: Runtime, log: PartWorld['log']): FileVolumes {
  const asRootOfPods = runtime instanceof LinuxRuntime ? runtime.asRootOfPods.bind(runtime) : undefined;
  const onNotGiven = () => log.info({}, 'agent: this user cannot give files away: volumes keep their group, whatever fsGroup says');
  return new FileVolumes(join(dataDir, 'volumes'), { memory: () => runtime.memory, asRootOfPods, onNotGiven });
}

/** As a quantity; the nodes of a machine share it. */
function diskSize(path: string): string | undefined {
  try {
    const { blocks, bsize } = statfsSync(path);
    return `${Math.floor((blocks * bsize) / 1024)}Ki`;
  } catch {
    return undefined; // it is not made yet, or not a file system that tells
  }
}

function imageGarbageOf({ gcPeriodSeconds, gcHighThresholdPercent, gcLowThresholdPercent, gcMinimumAgeSeconds }: ImageSettings): ImageGarbageOptions {
  return { periodMs: gcPeriodSeconds * 1000, highPercent: gcHighThresholdPercent, lowPercent: gcLowThresholdPercent, minAgeMs: gcMinimumAgeSeconds * 1000 };
}

/** What serves Services and names where pods have a network of their own. */
function ofOwnNetwork({ config, log, random }: Omit<PartWorld, 'signal'>, api: Client, runtime: LinuxRuntime): Pick<NodeAgentOptions, 'proxy' | 'followers' | 'naming' | 'hostIp'> {
  const { node, serviceCidr, name: nodeName } = config;
  assert(node !== undefined, 'the configuration of a node says what the node has');
  const { podCidr: nodePodCidr, clusterPodCidr: podCidr } = node;
  const { inner } = runtime;
  const shared = { clock: systemClock, log };
  const dial = inner.dial.bind(inner);
  const openUdp = inner.openUdp.bind(inner);
  const outside = new UserspaceProxy({ ...shared, dial, dialUdp: openUdp });
  const inside = new UserspaceProxy({ ...shared, dial, dialUdp: openUdp, listen: inner.openTcp.bind(inner), bindUdp: openUdp });
  const clusterDns = clusterDnsAddresses(config);
  const relay = new ServiceRelay({ outside, inside, address: NODE_PORT_ADDRESS, ownAddresses: clusterDns });
  const [address] = clusterDns;
  const ownCidrs = [podCidr, serviceCidr];
  const hasEgress = () => runtime.hasEgress;
  const dns = address === undefined ? undefined : new ClusterDns({ ...shared, address, domain: CLUSTER_DOMAIN, ownCidrs, inner, api, hasEgress, random });
  const proxied = { tableName: SERVICE_TABLE, nodeName, podCidr, nodePodCidr, serviceCidr, nodePortAddresses: [], ownAddresses: clusterDns };
  const network = { enter: () => runtime.space.inside([]), onNetwork: (listener: () => Promise<string>) => runtime.onNetwork(listener) };
  const services = new NodeServices({ ...shared, network, node: proxied, relay, dns, serviceCidr });
  const naming: Naming = { clusterDomain: CLUSTER_DOMAIN, clusterDns, host: () => machineNames(clusterDns) };
  return { proxy: relay, followers: [services], naming, hostIp: nodeNetworkOf(nodePodCidr)?.gateway };
}

function clusterDnsAddresses({ serviceCidr }: PartConfig): readonly string[] {
  // A pod's own loopback leads nowhere: such services are those of a cluster whose nodes share the machine's network.
  const address = serviceCidr.startsWith('127.') ? undefined : clusterDnsAddress(serviceCidr);
  return address === undefined ? [] : [address];
}

interface RuntimeWorld extends Pick<PartWorld, 'log'> {
  readonly images: LocalImages | undefined;
  readonly network: MachineNetwork | undefined;
}

async function makeRuntime(config: PartConfig, { log, images, network: machineNetwork }: RuntimeWorld): Promise<Runtime> {
  const { node, dataDir, serviceCidr, listenAddress } = config;
  assert(node !== undefined, 'the configuration of a node says what the node has');
  const { runtime, runtimeWhy: why, podCidr, clusterPodCidr, networkDirectory, egress, apiServerRestAddresses: outerAddresses } = node;
  switch (runtime) {
    case 'linux': {
      const probed = probeMachine();
      if (!probed.ok) throw new UserError(`the linux runtime cannot work here: ${probed.why}`);
      const { machine } = probed;
      const innerEntry = fileURLToPath(new URL('../agent/runtime/linux/inner-main.js', import.meta.url));
      const network = { networkDirectory, podCidr, clusterPodCidr, serviceCidr, outerAddresses, ownAddresses: clusterDnsAddresses(config), egress };
      return new LinuxRuntime({ root: dataDir, ...network, machine, why, innerEntry, version: readVersion(), clock: systemClock, log, images });
    }
    case 'process':
      return new ProcessRuntime({ root: dataDir, podCidr, clock: systemClock, log, why, pinNodeListeners: true });
    case 'cri': {
      const [{ CriRuntime }, { connectLean }] = await Promise.all([import('../agent/runtime/cri/cri.ts'), import('../grpc/lean/lean-channel.ts')]);
      const { runtimeEndpoint: endpoint = '' } = node;
      // Go's servers hang up on who pings them unasked; every call has a deadline.
      const channel = connectLean({ addresses: [endpoint], keepaliveTimeMs: Infinity });
      return new CriRuntime({ root: dataDir, nodeIp: hostOf(listenAddress), endpoint, channel, clock: systemClock, log, network: machineNetwork });
    }
    case 'simulated':
      return new SimulatedRuntime({ clock: systemClock, podCidr });
    default:
      throw new UserError(`there is no runtime ${runtime}: linux, process, cri and simulated are known`);
  }
}
