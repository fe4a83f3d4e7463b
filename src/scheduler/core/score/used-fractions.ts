import type { NodeInfo, PodInfo } from '../snapshot.ts';

/** What a pod without a request is taken to use, so that such pods are spread too. Thousandths, as Kubernetes has it. */
const AT_LEAST = { cpu: 100, memory: 200 * 1024 * 1024 * 1000 } as const;
const SCORED = ['cpu', 'memory'] as const;

/** How much of its cpu and memory a node would have given away with this pod, 0 to 1 each. */
export function usedFractions(pod: PodInfo, node: NodeInfo): number[] {
  return SCORED.flatMap((name) => {
    const allocatable = node.allocatable.get(name) ?? 0;
    if (allocatable === 0) return [];
    let used = amount(pod, name) + (node.requested.get(name) ?? 0);
    // Pods that ask for nothing are in no sum of requests.
    for (const other of node.pods.values()) if ((other.requests.get(name) ?? 0) === 0) used += AT_LEAST[name];
    return [Math.min(1, used / allocatable)];
  });
}

function amount(pod: PodInfo, name: 'cpu' | 'memory'): number {
  const asked = pod.requests.get(name) ?? 0;
  return asked === 0 ? AT_LEAST[name] : asked;
}
