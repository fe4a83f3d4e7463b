/** Does a pod fit on this node beside those that were admitted? Asked by the agent again, since a scheduler may be stale. */
import { parseQuantity, toMilli, toUnits } from '../../kube/quantity.ts';
import type { AgentContainer, AgentPod } from './pod-spec.ts';
import { forbiddenSysctl } from './sysctls.ts';

export interface Amounts {
  readonly milliCpu: bigint;
  readonly memoryBytes: bigint;
}

export interface Allocatable extends Amounts {
  readonly pods: number;
}

export interface Refusal {
  readonly reason: 'OutOfcpu' | 'OutOfmemory' | 'OutOfpods' | 'SysctlForbidden';
  readonly message: string;
}

/** What a pod asks for: its containers together, or its largest init container if that is more. */
export function requestsOf(pod: AgentPod): Amounts {
  let milliCpu = 0n;
  let memoryBytes = 0n;
  for (const container of pod.spec.containers) {
    const own = containerRequests(container);
    milliCpu += own.milliCpu;
    memoryBytes += own.memoryBytes;
  }
  for (const container of pod.spec.initContainers ?? []) {
    const own = containerRequests(container);
    if (own.milliCpu > milliCpu) milliCpu = own.milliCpu;
    if (own.memoryBytes > memoryBytes) memoryBytes = own.memoryBytes;
  }
  return { milliCpu, memoryBytes };
}

function containerRequests({ resources }: AgentContainer): Amounts {
  // A limit without a request is the request.
  const of = (name: string) => parseQuantity(resources?.requests?.[name] ?? resources?.limits?.[name] ?? '0') ?? 0n;
  return { milliCpu: toMilli(of('cpu')), memoryBytes: toUnits(of('memory')) };
}

export function admit(pod: AgentPod, others: readonly AgentPod[], allocatable: Allocatable): Refusal | undefined {
  const sysctl = forbiddenSysctl(pod);
  if (sysctl !== undefined) return { reason: 'SysctlForbidden', message: sysctl };
  if (others.length + 1 > allocatable.pods) return outOf('pods', 1n, BigInt(others.length), BigInt(allocatable.pods));
  const wanted = requestsOf(pod);
  let milliCpu = 0n;
  let memoryBytes = 0n;
  for (const other of others) {
    const used = requestsOf(other);
    milliCpu += used.milliCpu;
    memoryBytes += used.memoryBytes;
  }
  if (wanted.milliCpu > 0n && milliCpu + wanted.milliCpu > allocatable.milliCpu) {
    return outOf('cpu', wanted.milliCpu, milliCpu, allocatable.milliCpu);
  }
  if (wanted.memoryBytes > 0n && memoryBytes + wanted.memoryBytes > allocatable.memoryBytes) {
    return outOf('memory', wanted.memoryBytes, memoryBytes, allocatable.memoryBytes);
  }
  return undefined;
}

function outOf(resource: 'cpu' | 'memory' | 'pods', requested: bigint, used: bigint, capacity: bigint): Refusal {
  return {
    reason: `OutOf${resource}`,
    message: `Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${used}, capacity: ${capacity}`,
  };
}
