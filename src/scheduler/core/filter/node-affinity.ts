import { selectorMatches } from '../../../kube/selector.ts';
import type { Node, NodeSelectorTerm } from '../../../client/objects.ts';
import { FITS, type Filter } from './filter.ts';

/** `nodeSelector` and required node affinity: both must hold. */
export const nodeAffinity: Filter = {
  name: 'NodeAffinity',
  reasons({ pod }, { node }) {
    const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
    const matches =
      selectorMatches({ matchLabels: pod.spec.nodeSelector ?? {} }, node.metadata.labels) &&
      (required === undefined || required.nodeSelectorTerms.some((term) => matchesTerm(term, node)));
    return matches ? FITS : ["node(s) didn't match Pod's node affinity/selector"];
  },
};

/** All requirements of one term hold; a term without any matches nothing. */
export function matchesTerm(term: NodeSelectorTerm, node: Node): boolean {
  const { matchExpressions = [], matchFields = [] } = term;
  if (matchExpressions.length + matchFields.length === 0) return false;
  const fields = { 'metadata.name': node.metadata.name };
  return (
    selectorMatches({ matchExpressions }, node.metadata.labels) &&
    selectorMatches({ matchExpressions: matchFields }, fields)
  );
}
