import { SCORE_MAX, type Score } from './score.ts';
import { usedFractions } from './used-fractions.ts';

/** Rather the node where cpu and memory run out together. */
export const balancedAllocation: Score = {
  name: 'NodeResourcesBalancedAllocation',
  weight: 1,
  scores: (pod, nodes) =>
    nodes.map((node) => {
      const used = usedFractions(pod, node);
      const mean = used.reduce((sum, fraction) => sum + fraction, 0) / Math.max(1, used.length);
      const variance = used.reduce((sum, fraction) => sum + (fraction - mean) ** 2, 0) / Math.max(1, used.length);
      return SCORE_MAX * (1 - Math.sqrt(variance));
    }),
};
