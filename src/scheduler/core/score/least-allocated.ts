import { SCORE_MAX, type Score } from './score.ts';
import { usedFractions } from './used-fractions.ts';

/** Rather the node with more left. */
export const leastAllocated: Score = {
  name: 'NodeResourcesFit',
  weight: 1,
  scores: (pod, nodes) =>
    nodes.map((node) => {
      const used = usedFractions(pod, node);
      if (used.length === 0) return 0;
      return (SCORE_MAX * used.reduce((sum, fraction) => sum + (1 - fraction), 0)) / used.length;
    }),
};
