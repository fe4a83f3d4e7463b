/** What a node agent says of its node. Pure. */
import { formatTime, type Millis } from '../base/clock.ts';
import type { RuntimeHealth } from './runtime/runtime.ts';
import type { ApiObject, Condition, StringMap, Taint } from '../client/objects.ts';
import type { NodeAmounts } from './core/environment.ts';
import type { NodeImage } from './core/node-images.ts';

export interface NodeCapacity extends NodeAmounts {
  readonly pods: number;
}

export interface NodeFacts {
  readonly name: string;
  readonly address: string;
  /** Where the agent serves podium.node.v1. */
  readonly port: number;
  readonly labels: StringMap;
  readonly podCidr: string;
  readonly capacity: NodeCapacity;
  /** `detail`: what it can do here and why it is this one. */
  readonly runtime: { readonly name: string; readonly version: string; readonly detail?: string | undefined; readonly health?: RuntimeHealth | undefined };
  readonly machine: MachineFacts;
  /** Absent: its runtime keeps none. */
  readonly images?: readonly NodeImage[] | undefined;
}

export interface MachineFacts {
  readonly hostname: string;
  readonly osImage: string;
  readonly kernelVersion: string;
  /** Kubernetes' word: `amd64`, `arm64`. */
  readonly architecture: string;
  readonly machineId: string;
  readonly bootId: string;
}

export interface AgentNode extends ApiObject {
  readonly spec?: { readonly podCIDR?: string; readonly podCIDRs?: readonly string[]; readonly unschedulable?: boolean; readonly taints?: readonly Taint[] };
  readonly status?: {
    readonly capacity?: StringMap;
    readonly allocatable?: StringMap;
    readonly conditions?: readonly Condition[];
    readonly addresses?: readonly { readonly type: string; readonly address: string }[];
    readonly daemonEndpoints?: { readonly kubeletEndpoint: { readonly Port: number } };
    readonly nodeInfo?: StringMap;
    readonly images?: readonly NodeImage[];
  };
}

const VERSION = 'v0.1.0';

export function nodeLabels({ name, labels, runtime, machine }: NodeFacts): StringMap {
  return {
    'kubernetes.io/hostname': name,
    'kubernetes.io/os': 'linux',
    'kubernetes.io/arch': machine.architecture,
    'podium.dev/runtime': runtime.name,
    ...labels,
  };
}

export function nodeStatus(facts: NodeFacts, before: AgentNode['status'], nowMs: Millis): NonNullable<AgentNode['status']> {
  const { capacity, machine, runtime, address, port, name, images } = facts;
  const { images: _, ...known } = before ?? {};
  const { cpu, memory, ephemeralStorage, pods } = capacity;
  const amounts = { cpu, ...(ephemeralStorage === undefined ? {} : { 'ephemeral-storage': ephemeralStorage }), memory, pods: String(pods) };
  return {
    ...known,
    capacity: amounts,
    allocatable: amounts,
    conditions: conditionsOf(before?.conditions ?? [], runtime, nowMs),
    addresses: [
      { type: 'InternalIP', address },
      { type: 'Hostname', address: name },
    ],
    daemonEndpoints: { kubeletEndpoint: { Port: port } },
    nodeInfo: {
      machineID: machine.machineId,
      systemUUID: machine.machineId,
      bootID: machine.bootId,
      kernelVersion: machine.kernelVersion,
      osImage: machine.osImage,
      operatingSystem: 'linux',
      architecture: machine.architecture,
      containerRuntimeVersion: `${runtime.name}://${runtime.version}`,
      kubeletVersion: `${VERSION}-podium`,
      kubeProxyVersion: `${VERSION}-podium`,
    },
    ...(images === undefined ? {} : { images }),
  };
}

/** The condition that the node controller overrules when no heartbeat comes, and that the agent then has to repeat. */
export function saysHealth(node: AgentNode | undefined, health: RuntimeHealth | undefined): boolean {
  const said = node?.status?.conditions?.find(({ type }) => type === 'Ready');
  const { status, message } = readyCondition(health);
  return said?.status === status && (status === 'True' || said.message === message);
}

function readyCondition(health: RuntimeHealth | undefined) {
  if (health === undefined || health.isReady) return { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'the node agent is posting ready status' };
  return { type: 'Ready', status: 'False', reason: 'KubeletNotReady', message: health.message };
}

function conditionsOf(before: readonly Condition[], { name, detail, health }: NodeFacts['runtime'], nowMs: Millis): Condition[] {
  const now = formatTime(nowMs);
  const own = [
    { type: 'MemoryPressure', status: 'False', reason: 'KubeletHasSufficientMemory', message: 'node has sufficient memory available' },
    { type: 'DiskPressure', status: 'False', reason: 'KubeletHasNoDiskPressure', message: 'node has no disk pressure' },
    { type: 'PIDPressure', status: 'False', reason: 'KubeletHasSufficientPID', message: 'node has sufficient PID available' },
    readyCondition(health),
    ...(detail === undefined ? [] : [{ type: 'ContainersIsolated', status: name === 'process' ? 'False' : 'True', reason: `Runtime${name[0]!.toUpperCase()}${name.slice(1)}`, message: detail }]),
  ].map((condition) => {
    const known = before.find(({ type }) => type === condition.type);
    const since = known?.status === condition.status ? known.lastTransitionTime : undefined;
    return { ...condition, lastHeartbeatTime: now, lastTransitionTime: since ?? now };
  });
  return [...own, ...before.filter(({ type }) => !own.some((condition) => condition.type === type))];
}
