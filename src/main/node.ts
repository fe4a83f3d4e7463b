/** `podium node`: a node agent with the runtime that its configuration names. */
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NodeAgent } from '../agent/agent.ts';
import { NetworkProber } from '../agent/probe.ts';
import { UserspaceProxy } from '../agent/proxy.ts';
import { ServiceRelay } from '../agent/runtime/linux/service-relay.ts';
import { LinuxRuntime } from '../agent/runtime/linux/linux.ts';
import { probeMachine } from '../agent/runtime/linux/machine.ts';
import { readMachineFacts, readOwnUsage } from '../agent/runtime/process-machine.ts';
import { ProcessRuntime } from '../agent/runtime/process.ts';
import type { Runtime } from '../agent/runtime/runtime.ts';
import { SimulatedRuntime } from '../agent/runtime/simulated.ts';
import { TerminationLogs } from '../agent/termination-logs.ts';
import { FileVolumes, noVolumes } from '../agent/volumes.ts';
import { assert } from '../base/assert.ts';
import { UserError } from '../base/errors.ts';
import { systemClock } from '../base/system-clock.ts';
import type { PartConfig } from '../cluster/parts.ts';
import { readVersion } from './version.ts';
import { aborted, connectToApi, partWorld, type PartWorld, readPartConfig, runUntilStopped, serve } from './world.ts';

/** Of the machine's own network. */
const NODE_PORT_ADDRESS = '127.0.0.1';

export function run(argv: readonly string[]): Promise<number> {
  const config = withFlags(readPartConfig('node', argv), argv);
  const world = partWorld(config);
  return runUntilStopped(world, async () => {
    const { client, channel } = await connectToApi(world);
    const agent = makeAgent(world, client);
    const served = await serve({ endpoint: world.config, log: world.log }, [agent.service]);
    const stopped = aborted(world.signal);
    try {
      await Promise.race([agent.start(), stopped]);
      if (!world.signal.aborted) served.health.set('', 'serving');
      await stopped;
    } finally {
      await agent.stop();
      await served.stop();
      channel.close();
    }
  });
}

/** What the kubelet has a flag for may be said by it, too. */
function withFlags(config: PartConfig, argv: readonly string[]): PartConfig {
  const flag = '--pod-manifest-path=';
  const podManifestPath = argv.find((one) => one.startsWith(flag))?.slice(flag.length);
  if (podManifestPath === undefined || config.node === undefined) return config;
  return { ...config, node: { ...config.node, podManifestPath } };
}

function makeAgent({ config, log, random }: PartWorld, client: Awaited<ReturnType<typeof connectToApi>>['client']): NodeAgent {
  const { node, timings, onContainerFailure, portBase, dataDir, name, listenAddress } = config;
  assert(node !== undefined, 'the configuration of a node says what the node has');
  const [address = '', port = ''] = listenAddress.split(':');
  const runtime = makeRuntime(config, { log });
  const isReal = node.runtime !== 'simulated';
  const dial = runtime instanceof LinuxRuntime ? runtime.inner.dial.bind(runtime.inner) : undefined;
  const proxy = new UserspaceProxy({ clock: systemClock, log, dial });
  return new NodeAgent({
    name,
    address,
    port: Number(port),
    labels: node.labels,
    podCidr: node.podCidr,
    capacity: { cpu: node.cpu, memory: node.memory, pods: node.pods },
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
    volumes: isReal ? new FileVolumes(join(dataDir, 'volumes')) : noVolumes,
    proxy: !isReal ? undefined : runtime instanceof LinuxRuntime ? new ServiceRelay({ proxy, address: NODE_PORT_ADDRESS }) : proxy,
  });
}

function makeRuntime({ node, dataDir, serviceCidr }: PartConfig, { log }: Pick<PartWorld, 'log'>): Runtime {
  assert(node !== undefined, 'the configuration of a node says what the node has');
  const { runtime, runtimeWhy: why, podCidr, networkDirectory, apiServerRestAddresses: outerAddresses } = node;
  switch (runtime) {
    case 'linux': {
      const probed = probeMachine();
      if (!probed.ok) throw new UserError(`the linux runtime cannot work here: ${probed.why}`);
      const { machine } = probed;
      const innerEntry = fileURLToPath(new URL('../agent/runtime/linux/inner-main.js', import.meta.url));
      return new LinuxRuntime({ root: dataDir, networkDirectory, podCidr, serviceCidr, outerAddresses, machine, why, innerEntry, version: readVersion(), clock: systemClock, log });
    }
    case 'process':
      return new ProcessRuntime({ root: dataDir, podCidr, clock: systemClock, log, why, pinNodeListeners: true });
    case 'simulated':
      return new SimulatedRuntime({ clock: systemClock, podCidr });
    default:
      throw new UserError(`there is no runtime ${runtime}: linux, process and simulated are known`);
  }
}
