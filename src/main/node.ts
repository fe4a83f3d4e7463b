/** `podium node`: a node agent with the runtime that its configuration names. */
import { join } from 'node:path';
import { NodeAgent } from '../agent/agent.ts';
import { NetworkProber } from '../agent/probe.ts';
import { UserspaceProxy } from '../agent/proxy.ts';
import { readMachineFacts, readOwnUsage } from '../agent/runtime/process-machine.ts';
import { ProcessRuntime } from '../agent/runtime/process.ts';
import type { Runtime } from '../agent/runtime/runtime.ts';
import { SimulatedRuntime } from '../agent/runtime/simulated.ts';
import { FileVolumes, noVolumes } from '../agent/volumes.ts';
import { assert } from '../base/assert.ts';
import { UserError } from '../base/errors.ts';
import { systemClock } from '../base/system-clock.ts';
import type { PartConfig } from '../cluster/parts.ts';
import { aborted, connectToApi, partWorld, type PartWorld, readPartConfig, runUntilStopped, serve } from './world.ts';

export function run(argv: readonly string[]): Promise<number> {
  const config = readPartConfig('node', argv);
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

function makeAgent({ config, log, random }: PartWorld, client: Awaited<ReturnType<typeof connectToApi>>['client']): NodeAgent {
  const { node, timings, onContainerFailure, portBase, dataDir, name, listenAddress } = config;
  assert(node !== undefined, 'the configuration of a node says what the node has');
  const [address = '', port = ''] = listenAddress.split(':');
  const runtime = makeRuntime(config, { log });
  const isReal = node.runtime === 'process';
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
    nodePortAddress: '127.0.0.1',
    api: client,
    clock: systemClock,
    random,
    log,
    runtime,
    prober: new NetworkProber(runtime, systemClock),
    volumes: isReal ? new FileVolumes(join(dataDir, 'volumes')) : noVolumes,
    proxy: isReal ? new UserspaceProxy({ clock: systemClock, log }) : undefined,
  });
}

function makeRuntime({ node, dataDir }: PartConfig, { log }: Pick<PartWorld, 'log'>): Runtime {
  assert(node !== undefined, 'the configuration of a node says what the node has');
  const { runtime, podCidr } = node;
  switch (runtime) {
    case 'process':
      return new ProcessRuntime({ root: dataDir, podCidr, clock: systemClock, log, pinNodeListeners: true });
    case 'simulated':
      return new SimulatedRuntime({ clock: systemClock, podCidr });
    default:
      throw new UserError(`there is no runtime ${runtime}: process and simulated are known`);
  }
}
