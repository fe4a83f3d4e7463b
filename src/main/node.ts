/** `podium node`: a node agent with the runtime that its configuration names. */
import { join } from 'node:path';
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
import { FileVolumes, noVolumes } from '../agent/volumes.ts';
import { assert } from '../base/assert.ts';
import { UserError } from '../base/errors.ts';
import { systemClock } from '../base/system-clock.ts';
import type { PartConfig } from '../cluster/parts.ts';
import { hostOf } from '../grpc/addresses.ts';
import { readVersion } from './version.ts';
import { aborted, connectToApi, partWorld, type PartWorld, readPartConfig, runUntilStopped, serve } from './world.ts';

/** Of the machine's own network. */
const NODE_PORT_ADDRESS = '127.0.0.1';

export async function run(argv: readonly string[]): Promise<number> {
  // As `podium up` starts it; whoever starts one by hand pays for reading what else may be said.
  const isByFile = (argv.length === 1 && argv[0]!.startsWith('--config=')) || (argv.length === 2 && argv[0] === '--config');
  const config = isByFile ? readPartConfig('node', argv) : await (await import('./node-flags.ts')).nodeConfig(argv);
  const world = partWorld(config);
  return runUntilStopped(world, async () => {
    const { client, channel } = await connectToApi(world);
    const agent = makeAgent(world, client, await makeRuntime(config, world));
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

function makeAgent({ config, log, random }: PartWorld, client: Awaited<ReturnType<typeof connectToApi>>['client'], runtime: Runtime): NodeAgent {
  const { node, timings, onContainerFailure, portBase, dataDir, name, listenAddress } = config;
  assert(node !== undefined, 'the configuration of a node says what the node has');
  const [address = '', port = ''] = listenAddress.split(':');
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
    volumes: isReal ? new FileVolumes(join(dataDir, 'volumes')) : noVolumes,
    // With cri pods are reached from the machine's own network, where NodePorts are listened on.
    proxy: !isReal ? undefined : runtime instanceof LinuxRuntime || node.runtime === 'cri' ? new ServiceRelay({ proxy, address: NODE_PORT_ADDRESS }) : proxy,
  });
}

async function makeRuntime({ node, dataDir, serviceCidr, listenAddress }: PartConfig, { log }: Pick<PartWorld, 'log'>): Promise<Runtime> {
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
    case 'cri': {
      const [{ CriRuntime }, { connectLean }] = await Promise.all([import('../agent/runtime/cri/cri.ts'), import('../grpc/lean/lean-channel.ts')]);
      const { runtimeEndpoint: endpoint = '' } = node;
      // Go's servers hang up on who pings them unasked; every call has a deadline.
      const channel = connectLean({ addresses: [endpoint], keepaliveTimeMs: Infinity });
      return new CriRuntime({ root: dataDir, nodeIp: hostOf(listenAddress), endpoint, channel, clock: systemClock, log });
    }
    case 'simulated':
      return new SimulatedRuntime({ clock: systemClock, podCidr });
    default:
      throw new UserError(`there is no runtime ${runtime}: linux, process, cri and simulated are known`);
  }
}
