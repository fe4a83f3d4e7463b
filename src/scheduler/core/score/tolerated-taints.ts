import { isTolerated } from '../../../client/core/taints.ts';
import { normalize, SCORE_MAX, type Score } from './score.ts';

/** Rather the node with fewer PreferNoSchedule taints that the pod does not tolerate. */
export const toleratedTaints: Score = {
  name: 'TaintToleration',
  weight: 3,
  scores({ pod }, nodes) {
    const counts = nodes.map(({ node }) => {
      const soft = (node.spec?.taints ?? []).filter(({ effect }) => effect === 'PreferNoSchedule');
      return soft.filter((taint) => !isTolerated(taint, pod.spec.tolerations)).length;
    });
    return normalize(counts).map((score) => SCORE_MAX - score);
  },
};
