/** `podium node`: a node agent, with the runtime that its configuration names. */
import { readFileSync } from 'node:fs';
import { arch, hostname, release } from 'node:os';
import { NodeAgent } from '../agent/agent.ts';
import type { MachineFacts } from '../agent/node-status.ts';
import { NetworkProber } from '../agent/probe.ts';
import { UserspaceProxy } from '../agent/proxy.ts';
import { ProcessRuntime } from '../agent/runtime/process.ts';
import { FileVolumes } from '../agent/volumes.ts';
import { UserError } from '../base/errors.ts';
import { systemClock } from '../base/system-clock.ts';
import { aborted, connectToApi, partWorld, readPartConfig, runUntilStopped, serve } from './world.ts';

/** Where NodePorts are listened on: off loopback they would be open to the network. */
const NODE_PORT_ADDRESS = '127.0.0.1';

export function run(argv: readonly string[]): Promise<number> {
  const config = readPartConfig('node', argv);
  const world = partWorld(config);
  const { node, timings, dataDir, listenAddress, portBase, onContainerFailure, name } = config;
  if (node === undefined) throw new UserError(`the configuration of ${name} has no field "node"`);
  if (node.runtime !== 'process') {
    throw new UserError(`nodes[].runtime of ${name}: ${JSON.stringify(node.runtime)} is not there yet; use "process"`);
  }
  const { log, random, signal } = world;
  return runUntilStopped(world, async () => {
    const clock = systemClock;
    const { client, channel } = await connectToApi(world);
    const runtime = new ProcessRuntime({ root: `${dataDir}/pods`, podCidr: node.podCidr, clock, log });
    const [address, port] = splitAddress(listenAddress);
    const agent = new NodeAgent({
      name,
      address,
      port,
      labels: node.labels,
      podCidr: node.podCidr,
      capacity: { cpu: node.cpu, memory: node.memory, pods: node.pods },
      machine: machineFacts(),
      heartbeatMs: timings.nodeHeartbeatSeconds * 1000,
      leaseDurationMs: timings.nodeGraceSeconds * 1000,
      onContainerFailure,
      portBase,
      nodePortAddress: NODE_PORT_ADDRESS,
      api: client,
      clock,
      random,
      log,
      runtime,
      prober: new NetworkProber(runtime, clock),
      volumes: new FileVolumes(`${dataDir}/volumes`),
      proxy: new UserspaceProxy({ clock, log }),
    });
    const served = await serve(world, [agent.service]);
    try {
      await agent.start();
      served.health.set('', 'serving');
      await aborted(signal);
    } finally {
      await served.stop();
      await agent.stop();
      channel.close();
    }
  });
}

function splitAddress(text: string): [address: string, port: number] {
  const colon = text.lastIndexOf(':');
  return [text.slice(0, colon), Number(text.slice(colon + 1))];
}

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };

function machineFacts(): MachineFacts {
  const osRelease = read('/etc/os-release');
  return {
    hostname: hostname(),
    osImage: /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(osRelease)?.[1] ?? 'Linux',
    kernelVersion: release(),
    architecture: ARCHITECTURES[arch()] ?? arch(),
    machineId: read('/etc/machine-id').trim(),
    bootId: read('/proc/sys/kernel/random/boot_id').trim(),
  };
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // Facts for people to read: a machine may lack any of them.
  }
}
