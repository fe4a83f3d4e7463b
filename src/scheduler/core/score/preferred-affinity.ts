import { matchesTerm } from '../filter/node-affinity.ts';
import { normalize, type Score } from './score.ts';

/** Preferred node affinity: the weights of the terms that a node matches. */
export const preferredAffinity: Score = {
  name: 'NodeAffinity',
  weight: 2,
  scores({ pod }, nodes) {
    const terms = pod.spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
    if (terms.length === 0) return nodes.map(() => 0);
    return normalize(
      nodes.map(({ node }) =>
        terms.reduce((sum, { weight, preference }) => sum + (matchesTerm(preference, node) ? weight : 0), 0),
      ),
    );
  },
};
