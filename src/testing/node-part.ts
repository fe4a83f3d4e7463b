/** A node in a test: the real agent on the simulated runtime. The runtime stands for the machine and outlives the agent. */
import { NodeAgent } from '../agent/agent.ts';
import { agreeingProber } from '../agent/probe.ts';
import type { Runtime } from '../agent/runtime/runtime.ts';
import { SimulatedRuntime, type SimulatedRuntimeOptions } from '../agent/runtime/simulated.ts';
import { simulatedMachine, simulatedUsage } from '../agent/simulated-machine.ts';
import { noVolumes } from '../agent/volumes.ts';
import { ChannelApiClient } from '../client/channel-api-client.ts';
import { API_SERVER } from './control-parts.ts';
import { Part, type Life, type PartWorld } from './part.ts';
import { whileAlive, type TestProcess } from './test-process.ts';
import type { Timings } from './timings.ts';

const AGENT_PORT = 10_250;
const CAPACITY = { cpu: '4', memory: '4Gi', pods: 110 };

export interface NodePartOptions {
  readonly number: number;
  readonly timings: Timings;
  readonly perform?: SimulatedRuntimeOptions['perform'];
}

export class NodePart extends Part {
  readonly runtime: SimulatedRuntime;
  readonly #options: NodePartOptions;

  constructor(options: NodePartOptions, world: PartWorld) {
    super(`node-${options.number}`, world);
    this.#options = options;
    const { perform } = options;
    this.runtime = new SimulatedRuntime({
      clock: world.clock,
      podCidr: this.#podCidr,
      ...(perform === undefined ? {} : { perform }),
    });
  }

  /** The agent dies, its pods go on; or, `withPods`, the whole machine dies. */
  override kill({ withPods = false }: { readonly withPods?: boolean } = {}): void {
    super.kill();
    if (withPods) this.runtime.powerOff();
  }

  get #podCidr(): string {
    return `10.244.${this.#options.number}.0/24`;
  }

  protected override async begin({ process, random, log }: Life): Promise<void> {
    const { network } = this.world;
    const { number, timings } = this.#options;
    const address = `10.0.0.${number}`;
    const agent = new NodeAgent({
      name: this.name,
      address,
      port: AGENT_PORT,
      podCidr: this.#podCidr,
      capacity: CAPACITY,
      machine: simulatedMachine,
      ownUsage: () => simulatedUsage(process.clock),
      heartbeatMs: timings.nodeHeartbeatMs,
      leaseDurationMs: timings.nodeGraceMs,
      onContainerFailure: 'restart',
      portBase: 0,
      nodePortAddress: address,
      api: new ChannelApiClient({ channel: network.channel(process, API_SERVER), fieldManager: this.name }),
      clock: process.clock,
      random,
      log,
      runtime: runtimeOf(this.runtime, process),
      prober: agreeingProber,
      volumes: noVolumes,
    });
    network.listen(process, `${address}:${AGENT_PORT}`, [agent.service]);
    await agent.start();
  }

  protected override end(): void {}
}

/** The machine as one life of the agent holds it: a dead agent starts and stops nothing. */
function runtimeOf(runtime: SimulatedRuntime, process: TestProcess): Runtime {
  const ask = <T>(work: () => Promise<T>): Promise<T> => whileAlive(process, process.isDead ? new Promise(() => {}) : work());
  return {
    name: runtime.name,
    version: runtime.version,
    ignoresImages: runtime.ignoresImages,
    start: () => ask(() => runtime.start()),
    close: () => ask(() => runtime.close()),
    runPodSandbox: (config) => ask(() => runtime.runPodSandbox(config)),
    stopPodSandbox: (id) => ask(() => runtime.stopPodSandbox(id)),
    removePodSandbox: (id) => ask(() => runtime.removePodSandbox(id)),
    listPodSandboxes: () => ask(() => runtime.listPodSandboxes()),
    createContainer: (id, config) => ask(() => runtime.createContainer(id, config)),
    startContainer: (id) => ask(() => runtime.startContainer(id)),
    stopContainer: (id, graceMs) => ask(() => runtime.stopContainer(id, graceMs)),
    updateContainerResources: (id, given) => ask(() => runtime.updateContainerResources(id, given)),
    updatePodSandboxResources: (id) => ask(() => runtime.updatePodSandboxResources(id)),
    removeContainer: (id) => ask(() => runtime.removeContainer(id)),
    listContainers: (id) => ask(() => runtime.listContainers(id)),
    listContainerUsages: () => ask(() => runtime.listContainerUsages()),
    exec: () => ask(() => runtime.exec()),
    execStream: (id, options) => ask(() => runtime.execStream(id, options)),
    attachStream: (id, options) => ask(() => runtime.attachStream(id, options)),
    portForward: (id) => ask(() => runtime.portForward(id)),
    logs: (id, options) => runtime.logs(id, options),
    subscribe: (listener) => runtime.subscribe((id) => process.isDead || listener(id)),
  };
}
