import type { NodeInfo, PodInfo } from '../snapshot.ts';

const SCORED = ['cpu', 'memory'] as const;

/** How much of its cpu and memory a node would have given away with this pod, 0 to 1 each. */
export function usedFractions(pod: PodInfo, node: NodeInfo): number[] {
  return SCORED.flatMap((name) => {
    const allocatable = node.allocatable.get(name) ?? 0;
    return allocatable === 0 ? [] : [Math.min(1, (node.scored[name] + pod.scored[name]) / allocatable)];
  });
}
