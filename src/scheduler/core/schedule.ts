/**
 * Where does this pod go? A function of the pod and the snapshot: filters leave the nodes that will do, scores say
 * which of them is best, a seeded `Random` breaks ties. Why each node was refused is kept as data.
 */
import type { Random } from '../../base/random.ts';
import type { Filter } from './filter/filter.ts';
import { nodeAffinity } from './filter/node-affinity.ts';
import { nodeName } from './filter/node-name.ts';
import { nodePorts } from './filter/node-ports.ts';
import { nodeResources } from './filter/node-resources.ts';
import { nodeUnschedulable } from './filter/node-unschedulable.ts';
import { taintToleration } from './filter/taint-toleration.ts';
import { balancedAllocation } from './score/balanced-allocation.ts';
import { leastAllocated } from './score/least-allocated.ts';
import { ownerSpread } from './score/owner-spread.ts';
import { preferredAffinity } from './score/preferred-affinity.ts';
import type { Score } from './score/score.ts';
import { toleratedTaints } from './score/tolerated-taints.ts';
import type { NodeInfo, PodInfo, Snapshot } from './snapshot.ts';

/** In Kubernetes' order: the first filter that refuses a node is the one that is named. */
export const FILTERS: readonly Filter[] = [
  nodeUnschedulable,
  nodeName,
  taintToleration,
  nodeAffinity,
  nodePorts,
  nodeResources,
];

export const SCORES: readonly Score[] = [
  toleratedTaints,
  preferredAffinity,
  leastAllocated,
  balancedAllocation,
  ownerSpread,
];

export interface Refusal {
  readonly node: string;
  readonly filter: string;
  readonly reasons: readonly string[];
}

export interface Rating {
  readonly node: string;
  readonly total: number;
  readonly scores: readonly { readonly name: string; readonly score: number }[];
}

/** Ratings that are kept: who asks why wants to see the winner and its rivals. */
const RATINGS_MAX = 5;

export type Decision =
  | {
      readonly kind: 'placed';
      readonly nodeName: string;
      /** The best of the nodes that would have done; undefined for a single one, which is not rated. */
      readonly ratings: readonly Rating[] | undefined;
      readonly refusals: readonly Refusal[];
    }
  | { readonly kind: 'unschedulable'; readonly message: string; readonly refusals: readonly Refusal[] };

export function schedule(pod: PodInfo, snapshot: Snapshot, random: Random): Decision {
  const refusals: Refusal[] = [];
  const feasible: NodeInfo[] = [];
  for (const node of snapshot.nodes) {
    const refusal = refuse(pod, node);
    if (refusal === undefined) feasible.push(node);
    else refusals.push(refusal);
  }
  const [first] = feasible;
  if (first === undefined) {
    return { kind: 'unschedulable', message: whyNot(refusals, snapshot.nodes.length), refusals };
  }
  if (feasible.length === 1) return { kind: 'placed', nodeName: first.name, ratings: undefined, refusals };
  const scored = SCORES.map(({ name, weight, scores }) => ({ name, weight, of: scores(pod, feasible) }));
  // Whole numbers, as Kubernetes': a difference in the tenth decimal is a tie.
  const totals = feasible.map((_, index) =>
    Math.floor(scored.reduce((sum, { weight, of }) => sum + weight * of[index]!, 0)),
  );
  const best = totals.reduce((most, total) => Math.max(most, total), -Infinity);
  const ties = feasible.flatMap((_, index) => (totals[index] === best ? [index] : []));
  const { name: nodeName } = feasible[random.pick(ties)]!;
  const ratings = topOf(totals).map(
    (index): Rating => ({
      node: feasible[index]!.name,
      total: totals[index]!,
      scores: scored.map(({ name, weight, of }) => ({ name, score: weight * of[index]! })),
    }),
  );
  return { kind: 'placed', nodeName, ratings, refusals };
}

/** The places of the highest totals, the highest first. */
function topOf(totals: readonly number[]): number[] {
  const top: number[] = [];
  totals.forEach((total, index) => {
    if (top.length === RATINGS_MAX && total <= totals[top.at(-1)!]!) return;
    const at = top.findIndex((other) => totals[other]! < total);
    top.splice(at < 0 ? top.length : at, 0, index);
    if (top.length > RATINGS_MAX) top.pop();
  });
  return top;
}

function refuse(pod: PodInfo, node: NodeInfo): Refusal | undefined {
  for (const filter of FILTERS) {
    const reasons = filter.reasons(pod, node);
    if (reasons.length > 0) return { node: node.name, filter: filter.name, reasons };
  }
  return undefined;
}

/** Kubernetes' sentence: how many nodes there are, and for each reason how many it refused. */
export function whyNot(refusals: readonly Refusal[], nodes: number): string {
  if (nodes === 0) return 'no nodes available to schedule pods';
  const counts = new Map<string, number>();
  for (const { reasons } of refusals) {
    for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  const parts = [...counts].map(([reason, count]) => `${count} ${reason}`).sort();
  return `0/${nodes} nodes are available: ${parts.join(', ')}.`;
}
