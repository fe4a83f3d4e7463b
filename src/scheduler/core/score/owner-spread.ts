import { SCORE_MAX, type Score } from './score.ts';

/** Rather the node with fewer pods of the same owner, so that one node's death takes few of them. */
export const ownerSpread: Score = {
  name: 'PodTopologySpread',
  weight: 2,
  scores(pod, nodes) {
    const counts = nodes.map((node) => {
      if (pod.owner === undefined) return 0;
      let count = 0;
      for (const other of node.pods.values()) {
        // What is being deleted will not be there to be lost.
        if (other.owner === pod.owner && other.pod.metadata.deletionTimestamp === undefined) count++;
      }
      return count;
    });
    const most = counts.reduce((max, count) => Math.max(max, count), 0);
    return counts.map((count) => (most === 0 ? SCORE_MAX : (SCORE_MAX * (most - count)) / most));
  },
};
