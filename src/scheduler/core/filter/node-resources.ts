import type { Filter } from './filter.ts';

/** What the pod asks for must be free. Every resource that is short is named. */
export const nodeResources: Filter = {
  name: 'NodeResourcesFit',
  reasons({ requests }, { allocatable, requested, pods, podsMax }) {
    const reasons: string[] = [];
    if (pods.size + 1 > podsMax) reasons.push('Too many pods');
    for (const [name, amount] of requests) {
      if (amount === 0) continue;
      const free = (allocatable.get(name) ?? 0) - (requested.get(name) ?? 0);
      if (amount > free) reasons.push(`Insufficient ${name}`);
    }
    return reasons;
  },
};
