/** A namespace that is being deleted goes when nothing is left in it. */
import type { Namespace } from '../../client/objects.ts';
import { isDeleting, plan, type Plan } from '../plan.ts';

export type NamespaceAction =
  | { readonly kind: 'delete-content'; readonly resources: readonly string[] }
  | { readonly kind: 'finalize'; readonly finalizers: readonly string[] };

export interface NamespaceInput {
  readonly namespace: Namespace;
  /** Qualified resource → objects of it that are in the namespace; counted by the server just now. */
  readonly remaining: ReadonlyMap<string, { readonly total: number; readonly notDeleted: number }>;
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
