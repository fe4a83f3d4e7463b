/** Does a pod fit on this node beside those that were admitted? Asked by the agent again, since a scheduler may be stale. */
import { parseQuantity, toMilli, toUnits } from '../../kube/quantity.ts';
import { appArmorRefusal } from './apparmor.ts';
import { isSidecar, type AgentContainer, type AgentPod } from './pod-spec.ts';
import { forbiddenSysctl } from './sysctls.ts';

export interface Amounts {
  readonly milliCpu: bigint;
  readonly memoryBytes: bigint;
}

export interface Allocatable extends Amounts {
  readonly pods: number;
}

export interface Refusal {
  readonly reason: 'OutOfcpu' | 'OutOfmemory' | 'OutOfpods' | 'NodePorts' | 'SysctlForbidden' | 'AppArmor';
  readonly message: string;
}

/** What a pod asks for: its containers together, or an init container with the side cars before it if that is more. */
export function requestsOf(pod: AgentPod): Amounts {
  let sidecars: Amounts = NOTHING;
  let starting: Amounts = NOTHING;
  for (const container of pod.spec.initContainers ?? []) {
    const own = plus(sidecars, containerRequests(container));
    if (isSidecar(container)) sidecars = own;
    else starting = { milliCpu: larger(starting.milliCpu, own.milliCpu), memoryBytes: larger(starting.memoryBytes, own.memoryBytes) };
  }
  const running = pod.spec.containers.map(containerRequests).reduce(plus, sidecars);
  const most = { milliCpu: larger(running.milliCpu, starting.milliCpu), memoryBytes: larger(running.memoryBytes, starting.memoryBytes) };
  return plus(most, amountsOf((name) => pod.spec.overhead?.[name]));
}

/** What pods ask for together. */
export function sumOfRequests(pods: readonly AgentPod[]): Amounts {
  return pods.map(requestsOf).reduce(plus, NOTHING);
}

const NOTHING: Amounts = { milliCpu: 0n, memoryBytes: 0n };

function plus(a: Amounts, b: Amounts): Amounts {
  return { milliCpu: a.milliCpu + b.milliCpu, memoryBytes: a.memoryBytes + b.memoryBytes };
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function amountsOf(read: (name: string) => string | undefined): Amounts {
  const of = (name: string) => parseQuantity(read(name) ?? '0') ?? 0n;
  return { milliCpu: toMilli(of('cpu')), memoryBytes: toUnits(of('memory')) };
}

function containerRequests({ resources }: AgentContainer): Amounts {
  // A limit without a request is the request.
  return amountsOf((name) => resources?.requests?.[name] ?? resources?.limits?.[name]);
}

/** `whyNoAppArmor`: as of the node's runtime. */
export function admit(pod: AgentPod, others: readonly AgentPod[], allocatable: Allocatable, whyNoAppArmor?: string): Refusal | undefined {
  const appArmor = appArmorRefusal(pod, whyNoAppArmor);
  if (appArmor !== undefined) return { reason: 'AppArmor', message: appArmor };
  const sysctl = forbiddenSysctl(pod);
  if (sysctl !== undefined) return { reason: 'SysctlForbidden', message: sysctl };
  if (others.length + 1 > allocatable.pods) return outOf('pods', 1n, BigInt(others.length), BigInt(allocatable.pods));
  const wanted = requestsOf(pod);
  const { milliCpu, memoryBytes } = sumOfRequests(others);
  if (wanted.milliCpu > 0n && milliCpu + wanted.milliCpu > allocatable.milliCpu) {
    return outOf('cpu', wanted.milliCpu, milliCpu, allocatable.milliCpu);
  }
  if (wanted.memoryBytes > 0n && memoryBytes + wanted.memoryBytes > allocatable.memoryBytes) {
    return outOf('memory', wanted.memoryBytes, memoryBytes, allocatable.memoryBytes);
  }
  return portsTaken(pod, others);
}

/** `address/protocol/port` of the node, where no address is every address. */
function hostPortsOf({ spec }: AgentPod): { readonly port: string; readonly address: string }[] {
  return [...spec.containers, ...(spec.initContainers ?? []).filter(isSidecar)].flatMap(({ ports = [] }) =>
    ports.flatMap(({ containerPort, hostPort, hostIP = '', protocol = 'TCP' }) => {
      const number = hostPort ?? (spec.hostNetwork === true ? containerPort : 0);
      return number === 0 ? [] : [{ port: `${protocol}/${number}`, address: hostIP === '0.0.0.0' ? '' : hostIP }];
    }),
  );
}

function portsTaken(pod: AgentPod, others: readonly AgentPod[]): Refusal | undefined {
  const wanted = hostPortsOf(pod);
  if (wanted.length === 0) return undefined;
  const taken = others.flatMap(hostPortsOf);
  const isTaken = wanted.some(({ port, address }) =>
    taken.some((other) => other.port === port && (address === '' || other.address === '' || address === other.address)),
  );
  if (!isTaken) return undefined;
  return { reason: 'NodePorts', message: "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports" };
}

function outOf(resource: 'cpu' | 'memory' | 'pods', requested: bigint, used: bigint, capacity: bigint): Refusal {
  return {
    reason: `OutOf${resource}`,
    message: `Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${used}, capacity: ${capacity}`,
  };
}
