/**
 * A namespace that is being deleted goes when nothing is left in it. Until then its conditions say what is: how many
 * objects of which resources, which finalizers they wait for, and what could not be deleted.
 */
import { formatTime, type Millis } from '../../base/clock.ts';
import { withCondition, type Condition } from '../../kube/conditions.ts';
import { equalJson } from '../../kube/types.ts';
import type { Namespace } from '../../client/objects.ts';
import { compareText, isDeleting, plan, type Plan } from '../plan.ts';

export type NamespaceAction =
  | { readonly kind: 'delete-content'; readonly resources: readonly string[] }
  | { readonly kind: 'finalize'; readonly finalizers: readonly string[] };

/** What is there of one resource. */
export interface Remaining {
  readonly total: number;
  readonly notDeleted: number;
  /** Finalizer → objects that wait for it. */
  readonly finalizers: ReadonlyMap<string, number>;
}

export interface NamespaceInput {
  readonly namespace: Namespace;
  /** By `resource.group`, of the core group `resource.`; counted by the server just now. */
  readonly remaining: ReadonlyMap<string, Remaining>;
}

/** What waits for the ends of pods need not ask more often. */
const LOOK_AGAIN_MS = 1_000;
export const KUBERNETES_FINALIZER = 'kubernetes';

export function planNamespace({ namespace, remaining }: NamespaceInput): Plan<NamespaceAction> {
  const finalizers = namespace.spec?.finalizers ?? [];
  if (!isDeleting(namespace) || !finalizers.includes(KUBERNETES_FINALIZER)) return plan([]);
  const left = [...remaining].filter(([, { total }]) => total > 0);
  if (left.length === 0) {
    return plan([{ kind: 'finalize', finalizers: finalizers.filter((each) => each !== KUBERNETES_FINALIZER) }]);
  }
  const toDelete = left.filter(([, { notDeleted }]) => notDeleted > 0).map(([resource]) => resource);
  return plan(toDelete.length === 0 ? [] : [{ kind: 'delete-content', resources: toDelete.sort() }], LOOK_AGAIN_MS);
}

export interface TerminationInput extends NamespaceInput {
  /** What could not be deleted, and why. */
  readonly failures: readonly string[];
}

/** The conditions as they should be; undefined: they are so. The words are Kubernetes'. */
export function terminationConditions({ namespace, remaining, failures }: TerminationInput, nowMs: Millis): readonly Condition[] | undefined {
  const left = [...remaining].filter(([, { total }]) => total > 0).sort(([a], [b]) => compareText(a, b));
  const finalizers = new Map<string, number>();
  for (const [, counted] of left) {
    for (const [finalizer, count] of counted.finalizers) finalizers.set(finalizer, (finalizers.get(finalizer) ?? 0) + count);
  }
  const resourceTexts = left.map(([resource, { total }]) => `${resource} has ${total} resource instances`);
  const finalizerTexts = [...finalizers].sort(([a], [b]) => compareText(a, b)).map(([name, count]) => `${name} in ${count} resource instances`);
  const failureText = failures.length === 1 ? failures[0]! : `[${[...failures].sort().join(', ')}]`;
  const wanted: readonly Condition[] = [
    condition('NamespaceDeletionDiscoveryFailure', '', 'ResourcesDiscovered', 'All resources successfully discovered'),
    condition('NamespaceDeletionGroupVersionParsingFailure', '', 'ParsedGroupVersions', 'All legacy kube types successfully parsed'),
    failures.length > 0
      ? condition('NamespaceDeletionContentFailure', 'ContentDeletionFailed', '', `Failed to delete all resource types, ${failures.length} remaining: ${failureText}`)
      : condition('NamespaceDeletionContentFailure', '', 'ContentDeleted', 'All content successfully deleted, may be waiting on finalization'),
    left.length > 0
      ? condition('NamespaceContentRemaining', 'SomeResourcesRemain', '', `Some resources are remaining: ${resourceTexts.join(', ')}`)
      : condition('NamespaceContentRemaining', '', 'ContentRemoved', 'All content successfully removed'),
    finalizers.size > 0
      ? condition('NamespaceFinalizersRemaining', 'SomeFinalizersRemain', '', `Some content in the namespace has finalizers remaining: ${finalizerTexts.join(', ')}`)
      : condition('NamespaceFinalizersRemaining', '', 'ContentHasNoFinalizers', 'All content-preserving finalizers finished'),
  ];
  const old = namespace.status?.conditions;
  let conditions: readonly Condition[] = old ?? [];
  for (const next of wanted) conditions = withCondition(conditions, next, formatTime(nowMs));
  return equalJson(conditions, old) ? undefined : conditions;
}

/** With a reason to complain it is true. */
function condition(type: string, complaint: string, praise: string, message: string): Condition {
  return { type, status: complaint === '' ? 'False' : 'True', reason: complaint === '' ? praise : complaint, message };
}
