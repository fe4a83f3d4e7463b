/**
 * What the scheduler knows of the cluster: for each node what it has and what is taken. It follows pods and nodes one
 * by one, so that its cost is that of what changed. A `NodeInfo` is never changed but replaced: what a scheduling cycle
 * holds stays as it was.
 */
import { controllerOf, keyOf, type Container, type Node, type Pod, type StringMap } from '../../client/objects.ts';
import { parseQuantity, toMilli } from '../../kube/quantity.ts';

/** Name of the resource → thousandths of its unit. */
export type Amounts = ReadonlyMap<string, number>;

/** What of a pod matters to scheduling, worked out once. */
export interface PodInfo {
  readonly key: string;
  readonly pod: Pod;
  readonly requests: Amounts;
  readonly scored: Scored;
  /** `protocol/hostIP/hostPort`. */
  readonly hostPorts: readonly string[];
  /** The uid of its controller. */
  readonly owner: string | undefined;
}

export interface NodeInfo {
  readonly name: string;
  readonly node: Node;
  readonly allocatable: Amounts;
  readonly podsMax: number;
  readonly requested: Amounts;
  readonly pods: ReadonlyMap<string, PodInfo>;
  /** What the scores count as used: pods that ask for nothing use something all the same. */
  readonly scored: Scored;
}

export interface Scored {
  readonly cpu: number;
  readonly memory: number;
}

/** What a pod without a request is taken to use, so that such pods are spread too. Thousandths, as Kubernetes has it. */
const USED_AT_LEAST: Scored = { cpu: 100, memory: 200 * 1024 * 1024 * 1000 };

export interface Snapshot {
  /** In the order of names. */
  readonly nodes: readonly NodeInfo[];
}

/** As Kubernetes: a node that does not say how many pods it takes takes none; ours always say. */
const PODS_MAX_DEFAULT = 110;

export class ClusterState {
  readonly #nodes = new Map<string, NodeInfo>();
  /** Which node a pod is accounted on, and as what. Its node may be unknown as yet. */
  readonly #placed = new Map<string, { readonly nodeName: string; readonly info: PodInfo }>();
  readonly #assumed = new Set<string>();
  #snapshot: Snapshot | undefined;
  #names: readonly string[] | undefined;

  snapshot(): Snapshot {
    if (this.#snapshot === undefined) {
      this.#names ??= [...this.#nodes.keys()].sort();
      this.#snapshot = { nodes: this.#names.map((name) => this.#nodes.get(name)!) };
    }
    return this.#snapshot;
  }

  setNode(node: Node): void {
    const { name } = node.metadata;
    const allocatable = amountsOf(node.status?.allocatable ?? node.status?.capacity ?? {});
    const before = this.#nodes.get(name);
    const pods = before?.pods ?? this.#podsOn(name);
    const requested = before?.requested ?? sum([...pods.values()].map((info) => info.requests));
    const scored = before?.scored ?? [...pods.values()].reduce((total, info) => plus(total, info.scored, 1), { cpu: 0, memory: 0 });
    if (before === undefined) this.#names = undefined;
    const podsMax = (allocatable.get('pods') ?? PODS_MAX_DEFAULT * 1000) / 1000;
    this.#put({ name, node, allocatable, podsMax, requested, pods, scored });
  }

  removeNode(name: string): void {
    this.#nodes.delete(name);
    this.#names = undefined;
    this.#snapshot = undefined;
  }

  /** A pod as the API server has it. One that is not bound there keeps its place if it has one by {@link assume}. */
  setPod(pod: Pod): void {
    const key = keyOf(pod);
    const nodeName = pod.spec.nodeName ?? '';
    if (nodeName === '') return;
    this.#assumed.delete(key);
    this.#unplace(key);
    if (!isFinished(pod)) this.#place(podInfo(pod), nodeName);
  }

  removePod(key: string): void {
    this.#assumed.delete(key);
    this.#unplace(key);
  }

  /** Takes the room of a pod that is about to be bound. */
  assume(info: PodInfo, nodeName: string): void {
    this.#unplace(info.key);
    this.#assumed.add(info.key);
    this.#place(info, nodeName);
  }

  isAssumed(key: string): boolean {
    return this.#assumed.has(key);
  }

  /** The binding failed. Not for a pod that the API server says is bound. */
  forget(key: string): void {
    if (this.#assumed.delete(key)) this.#unplace(key);
  }

  #podsOn(nodeName: string): Map<string, PodInfo> {
    const pods = new Map<string, PodInfo>();
    for (const [key, placed] of this.#placed) if (placed.nodeName === nodeName) pods.set(key, placed.info);
    return pods;
  }

  #place(info: PodInfo, nodeName: string): void {
    this.#placed.set(info.key, { nodeName, info });
    const node = this.#nodes.get(nodeName);
    if (node === undefined) return;
    const pods = new Map(node.pods).set(info.key, info);
    const scored = plus(node.scored, info.scored, 1);
    this.#put({ ...node, pods, requested: sum([node.requested, info.requests]), scored });
  }

  #unplace(key: string): void {
    const placed = this.#placed.get(key);
    if (placed === undefined) return;
    this.#placed.delete(key);
    const node = this.#nodes.get(placed.nodeName);
    if (node === undefined) return;
    const pods = new Map(node.pods);
    pods.delete(key);
    const requested = new Map(node.requested);
    for (const [name, amount] of placed.info.requests) requested.set(name, (requested.get(name) ?? 0) - amount);
    this.#put({ ...node, pods, requested, scored: plus(node.scored, placed.info.scored, -1) });
  }

  #put(info: NodeInfo): void {
    this.#nodes.set(info.name, info);
    this.#snapshot = undefined;
  }
}

export function podInfo(pod: Pod): PodInfo {
  const requests = requestsOf(pod);
  return {
    key: keyOf(pod),
    pod,
    requests,
    scored: {
      cpu: requests.get('cpu') || USED_AT_LEAST.cpu,
      memory: requests.get('memory') || USED_AT_LEAST.memory,
    },
    hostPorts: hostPortsOf(pod),
    owner: controllerOf(pod)?.uid,
  };
}

export function isFinished(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

/** The larger of what the containers ask for together and what any init container asks for while it runs. */
function requestsOf(pod: Pod): Amounts {
  const { containers, initContainers = [], overhead = {} } = pod.spec;
  const sidecars: Amounts[] = [];
  let starting: Amounts = new Map();
  for (const container of initContainers) {
    // An init container that restarts always stays, beside those that come after it.
    if (container.restartPolicy === 'Always') sidecars.push(ofContainer(container));
    else starting = largest(starting, sum([...sidecars, ofContainer(container)]));
  }
  const running = sum([...containers.map(ofContainer), ...sidecars]);
  return sum([largest(running, starting), amountsOf(overhead)]);
}

function ofContainer({ resources }: Container): Amounts {
  return amountsOf({ ...resources?.limits, ...resources?.requests });
}

function amountsOf(quantities: StringMap): Amounts {
  return new Map(Object.entries(quantities).map(([name, quantity]) => [name, milliValue(quantity)]));
}

/** The API server has validated it, so text that is no quantity counts as nothing. */
function milliValue(quantity: string): number {
  return Number(toMilli(parseQuantity(String(quantity)) ?? 0n));
}

function sum(parts: readonly Amounts[]): Amounts {
  const total = new Map<string, number>();
  for (const part of parts) for (const [name, amount] of part) total.set(name, (total.get(name) ?? 0) + amount);
  return total;
}

function plus(a: Scored, b: Scored, sign: 1 | -1): Scored {
  return { cpu: a.cpu + sign * b.cpu, memory: a.memory + sign * b.memory };
}

function largest(a: Amounts, b: Amounts): Amounts {
  const result = new Map(a);
  for (const [name, amount] of b) result.set(name, Math.max(result.get(name) ?? 0, amount));
  return result;
}

function hostPortsOf(pod: Pod): string[] {
  return pod.spec.containers.flatMap(({ ports = [] }) =>
    ports
      .filter(({ hostPort }) => hostPort !== undefined && hostPort !== 0)
      .map(({ protocol = 'TCP', hostIP = '', hostPort }) => `${protocol}/${hostIP === '' ? '0.0.0.0' : hostIP}/${hostPort}`),
  );
}
