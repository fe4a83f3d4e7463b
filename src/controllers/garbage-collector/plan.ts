/**
 * What becomes of an object by its owners and of its dependents by itself:
 * - all its owners are gone: it goes, too; some are gone: it lets go of those;
 * - it is being deleted in the foreground: first go the dependents, then what blocks is gone and the finalizer with it;
 * - it is being deleted as an orphan-maker: its dependents let go of it, then the finalizer goes.
 */
import type { ApiObject } from '../../client/objects.ts';
import { isDeleting, plan, type Plan } from '../plan.ts';

export const FOREGROUND_FINALIZER = 'foregroundDeletion';
export const ORPHAN_FINALIZER = 'orphan';

export type GarbageAction =
  | { readonly kind: 'delete'; readonly object: Known; readonly propagation: 'Background' | 'Foreground' | 'Orphan' }
  | { readonly kind: 'drop-owners'; readonly object: Known; readonly uids: readonly string[] }
  | { readonly kind: 'remove-finalizer'; readonly object: Known; readonly finalizer: string };

/** An object and where it is kept: its resource's qualified name. */
export interface Known {
  readonly resource: string;
  readonly object: ApiObject;
}

/** `unknown`: of a kind that nobody here follows; it is taken to be there. */
export type OwnerState = 'present' | 'in-foreground-deletion' | 'absent' | 'unknown';

export interface GarbageInput {
  readonly subject: Known;
  /** By uid; absence has been asked of the server, not of a cache. */
  readonly owners: ReadonlyMap<string, OwnerState>;
  readonly dependents: readonly Known[];
}

export function planGarbage({ subject, owners, dependents }: GarbageInput): Plan<GarbageAction> {
  const { metadata } = subject.object;
  const finalizers = metadata.finalizers ?? [];
  if (isDeleting(subject.object) && finalizers.includes(ORPHAN_FINALIZER)) {
    if (dependents.length === 0) return plan([{ kind: 'remove-finalizer', object: subject, finalizer: ORPHAN_FINALIZER }]);
    return plan(dependents.map((object) => ({ kind: 'drop-owners', object, uids: [metadata.uid ?? ''] })));
  }
  if (isDeleting(subject.object) && finalizers.includes(FOREGROUND_FINALIZER)) return planForeground(subject, dependents);
  if (isDeleting(subject.object)) return plan([]);
  return planByOwners(subject, owners, dependents.length > 0);
}

function planForeground(subject: Known, dependents: readonly Known[]): Plan<GarbageAction> {
  const { uid } = subject.object.metadata;
  const blocks = ({ object }: Known) =>
    (object.metadata.ownerReferences ?? []).some((owner) => owner.uid === uid && owner.blockOwnerDeletion === true);
  const blocking = dependents.filter(blocks);
  if (blocking.length === 0) return plan([{ kind: 'remove-finalizer', object: subject, finalizer: FOREGROUND_FINALIZER }]);
  const toDelete = blocking.filter(({ object }) => !isDeleting(object));
  return plan(toDelete.map((object) => ({ kind: 'delete', object, propagation: 'Foreground' })));
}

function planByOwners(
  subject: Known,
  owners: ReadonlyMap<string, OwnerState>,
  hasDependents: boolean,
): Plan<GarbageAction> {
  const { metadata } = subject.object;
  const references = metadata.ownerReferences ?? [];
  const stateOf = (uid: string): OwnerState => owners.get(uid) ?? 'unknown';
  const absent = references.filter(({ uid }) => stateOf(uid) === 'absent');
  const solid = references.filter(({ uid }) => ['present', 'unknown'].includes(stateOf(uid)));
  if (solid.length > 0 || references.length === 0) {
    if (absent.length === 0) return plan([]);
    return plan([{ kind: 'drop-owners', object: subject, uids: absent.map(({ uid }) => uid) }]);
  }
  const isWaitedFor = references.some(({ uid }) => stateOf(uid) === 'in-foreground-deletion');
  if (isWaitedFor && hasDependents) return plan([{ kind: 'delete', object: subject, propagation: 'Foreground' }]);
  const isOrphanMaker = (metadata.finalizers ?? []).includes(ORPHAN_FINALIZER);
  return plan([{ kind: 'delete', object: subject, propagation: isOrphanMaker ? 'Orphan' : 'Background' }]);
}
