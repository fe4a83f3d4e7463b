/**
 * Pods that nobody else will take away: those bound to a node that is not there any more, those that are being deleted
 * and were never bound, and finished ones past the limit, the oldest first.
 */
import type { Millis } from '../../base/clock.ts';
import type { Pod } from '../../client/objects.ts';
import { compareText, isDeleting, isFinished, plan, timeOf, type Plan } from '../plan.ts';

export interface PodCleanUpAction {
  readonly kind: 'remove';
  readonly pod: Pod;
  readonly why: 'its node is gone' | 'never bound' | 'finished long ago';
}

export interface PodCleanUpInput {
  readonly pods: readonly Pod[];
  /** For how long a node has been missing, by name; one that is there is not in it. */
  missingForMs(nodeName: string): Millis | undefined;
  readonly terminatedPodsMax: number;
}

/** A node that is made anew within it keeps its pods. */
export const NODE_MISSING_MS = 10_000;

export function planPodCleanUp({ pods, missingForMs, terminatedPodsMax }: PodCleanUpInput): Plan<PodCleanUpAction> {
  const actions: PodCleanUpAction[] = [];
  for (const pod of pods) {
    const nodeName = pod.spec.nodeName ?? '';
    if (nodeName === '') {
      if (isDeleting(pod)) actions.push({ kind: 'remove', pod, why: 'never bound' });
    } else if ((missingForMs(nodeName) ?? 0) >= NODE_MISSING_MS) {
      actions.push({ kind: 'remove', pod, why: 'its node is gone' });
    }
  }
  const removed = new Set(actions.map(({ pod }) => pod));
  const finished = pods.filter((pod) => isFinished(pod) && !isDeleting(pod) && !removed.has(pod));
  finished.sort(
    (a, b) =>
      timeOf(a.metadata.creationTimestamp) - timeOf(b.metadata.creationTimestamp) ||
      compareText(a.metadata.name, b.metadata.name),
  );
  const surplus = Math.max(0, finished.length - terminatedPodsMax);
  for (const pod of finished.slice(0, surplus)) actions.push({ kind: 'remove', pod, why: 'finished long ago' });
  return plan(actions);
}
