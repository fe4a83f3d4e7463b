/**
 * How a Deployment gets from its old ReplicaSets to the new one. One step a plan: the next is planned when the caches
 * have seen this one. A rollback is a change of the template to one that an old set has: that set becomes the new one,
 * with a new revision.
 */
import type { Millis } from '../../base/clock.ts';
import type { Deployment, DeploymentStatus, Pod, ReplicaSet, StringMap } from '../../client/objects.ts';
import { controllerOf } from '../../client/objects.ts';
import { selectorMatches } from '../../kube/selector.ts';
import { equalJson } from '../../kube/types.ts';
import { isDeleting, isFinished, isOwnedBy, plan, soonest, type Plan } from '../plan.ts';
import {
  annotationsOf,
  DESIRED_REPLICAS,
  findNew,
  limitsOf,
  nameOfNew,
  newReplicaSet,
  revisionOf,
  REVISION,
  sizeAnnotations,
  specReplicas,
  byAge,
  type Limits,
} from './core/replica-sets.ts';
import { newSize, rescale, shrinkOld, type Sizes } from './core/sizes.ts';
import { isComplete, statusOf, untilDeadline, type StatusInput } from './core/status.ts';

export type DeploymentAction =
  | { readonly kind: 'adopt'; readonly replicaSet: ReplicaSet }
  | { readonly kind: 'create'; readonly replicaSet: ReplicaSet }
  | { readonly kind: 'update'; readonly replicaSet: ReplicaSet; readonly replicas: number; readonly annotations: StringMap }
  | { readonly kind: 'delete'; readonly replicaSet: ReplicaSet }
  | { readonly kind: 'set-revision'; readonly revision: string }
  | { readonly kind: 'set-status'; readonly status: DeploymentStatus };

export interface DeploymentInput {
  readonly deployment: Deployment;
  /** All sets of its namespace. */
  readonly replicaSets: readonly ReplicaSet[];
  /** The pods that its sets own. */
  podsOf(replicaSet: ReplicaSet): readonly Pod[];
}

interface Situation {
  readonly deployment: Deployment;
  readonly limits: Limits;
  readonly sets: readonly ReplicaSet[];
  readonly fresh: ReplicaSet | undefined;
  readonly old: readonly ReplicaSet[];
  /** The revision that the new set has, or is to have. */
  readonly revision: number;
}

export function planDeployment(input: DeploymentInput, nowMs: Millis): Plan<DeploymentAction> {
  const { deployment } = input;
  const adopted = isDeleting(deployment) ? [] : orphans(deployment, input.replicaSets);
  // What is adopted is planned with once it is ours.
  if (adopted.length > 0) return plan(adopted.map((replicaSet) => ({ kind: 'adopt', replicaSet })));
  const now = situationOf(deployment, input.replicaSets);
  const step = isDeleting(deployment) ? NOTHING : stepOf(now, input);
  const status = statusOf(statusInput(now, step), nowMs);
  const actions: DeploymentAction[] = [...step.actions];
  if (!isDeleting(deployment)) actions.push(...cleanUp(now, status));
  if (!equalJson(status, deployment.status)) actions.push({ kind: 'set-status', status });
  const after: Deployment = { ...deployment, status };
  const leftMs = untilDeadline(after, nowMs);
  return plan(actions, soonest([leftMs === undefined ? undefined : Math.max(1000, leftMs + 1000)]));
}

function situationOf(deployment: Deployment, replicaSets: readonly ReplicaSet[]): Situation {
  const sets = replicaSets.filter((set) => isOwnedBy(set, deployment));
  const fresh = findNew(deployment, sets);
  const old = sets.filter((set) => set !== fresh).sort(byAge);
  const highestOld = old.reduce((highest, set) => Math.max(highest, revisionOf(set)), 0);
  const known = fresh === undefined ? 0 : revisionOf(fresh);
  return { deployment, limits: limitsOf(deployment), sets, fresh, old, revision: Math.max(known, highestOld + 1) };
}

function orphans(deployment: Deployment, replicaSets: readonly ReplicaSet[]): ReplicaSet[] {
  return replicaSets.filter(
    (set) =>
      controllerOf(set) === undefined &&
      !isDeleting(set) &&
      selectorMatches(deployment.spec.selector, set.metadata.labels),
  );
}

interface Step {
  readonly actions: readonly DeploymentAction[];
  readonly news?: NonNullable<StatusInput['news']>;
  readonly collided?: true;
}

const NOTHING: Step = { actions: [] };

function stepOf(now: Situation, input: DeploymentInput): Step {
  const { deployment, fresh, old, limits } = now;
  const isResized = now.sets.some(
    (set) => specReplicas(set) > 0 && set.metadata.annotations?.[DESIRED_REPLICAS] !== String(limits.replicas),
  );
  if (deployment.spec.paused === true || isResized) {
    return { actions: resizes(now, rescale(fresh, old, limits), { annotateAll: true }) };
  }
  if (!limits.isRolling) {
    const shrunk = resizes(now, new Map(old.filter((set) => specReplicas(set) > 0).map((set) => [set.metadata.name, 0])));
    if (shrunk.length > 0) return { actions: shrunk };
    // Not before the last old pod is gone: that is what Recreate is for.
    if (old.some((set) => input.podsOf(set).some((pod) => !isFinished(pod)))) return NOTHING;
  }
  if (fresh === undefined) return createStep(now, input);
  const grown = growStep(now, fresh);
  if (grown.actions.some(({ kind }) => kind === 'update') || !limits.isRolling) return grown;
  return { ...grown, actions: [...grown.actions, ...resizes(now, shrinkOld(fresh, old, limits))] };
}

function createStep(now: Situation, input: DeploymentInput): Step {
  const { deployment, limits, old, revision } = now;
  const { name } = nameOfNew(deployment);
  // Somebody has this name with another template: another hash is needed.
  if (input.replicaSets.some((set) => set.metadata.name === name)) return { actions: [], collided: true };
  const replicas = newSize(0, old, limits);
  const replicaSet = newReplicaSet(deployment, { revision, replicas, limits });
  return {
    actions: [{ kind: 'create', replicaSet }, ...revisionActions(deployment, revision)],
    news: { kind: 'created', name },
  };
}

function growStep(now: Situation, fresh: ReplicaSet): Step {
  const { deployment, limits, old, revision } = now;
  const annotations = { ...fresh.metadata.annotations, ...annotationsOf(deployment, revision, limits) };
  const replicas = newSize(specReplicas(fresh), old, limits);
  const actions: DeploymentAction[] = [];
  if (replicas !== specReplicas(fresh) || !equalJson(annotations, fresh.metadata.annotations)) {
    actions.push({ kind: 'update', replicaSet: fresh, replicas, annotations });
  }
  actions.push(...revisionActions(deployment, revision));
  const isBack = revisionOf(fresh) !== revision;
  return isBack ? { actions, news: { kind: 'found', name: fresh.metadata.name } } : { actions };
}

function revisionActions(deployment: Deployment, revision: number): DeploymentAction[] {
  if (deployment.metadata.annotations?.[REVISION] === String(revision)) return [];
  return [{ kind: 'set-revision', revision: String(revision) }];
}

/** New sizes as updates; the annotations say for which size of the Deployment they were worked out. */
function resizes(now: Situation, sizes: Sizes, { annotateAll = false } = {}): DeploymentAction[] {
  return now.sets.flatMap((replicaSet): DeploymentAction[] => {
    const replicas = sizes.get(replicaSet.metadata.name) ?? specReplicas(replicaSet);
    const isActive = specReplicas(replicaSet) > 0 || replicas > 0;
    if (!isActive || (!annotateAll && replicas === specReplicas(replicaSet))) return [];
    const annotations = { ...replicaSet.metadata.annotations, ...sizeAnnotations(now.limits) };
    const isSame = replicas === specReplicas(replicaSet) && equalJson(annotations, replicaSet.metadata.annotations);
    return isSame ? [] : [{ kind: 'update', replicaSet, replicas, annotations }];
  });
}

function statusInput(now: Situation, step: Step): StatusInput {
  const { deployment, fresh, sets, limits } = now;
  const collisionCount = (deployment.status?.collisionCount ?? 0) + (step.collided === true ? 1 : 0);
  return { deployment, fresh, sets, limits, news: step.news, collisionCount };
}

/** Old sets past the history limit, once the roll-out is over. */
function cleanUp({ deployment, old }: Situation, status: DeploymentStatus): DeploymentAction[] {
  if (deployment.spec.paused === true || !isComplete(deployment, status)) return [];
  const idle = old.filter(
    (set) =>
      specReplicas(set) === 0 &&
      (set.status?.replicas ?? 0) === 0 &&
      (set.status?.observedGeneration ?? 0) >= (set.metadata.generation ?? 0) &&
      !isDeleting(set),
  );
  const surplus = old.length - (deployment.spec.revisionHistoryLimit ?? 10);
  if (surplus <= 0) return [];
  const oldest = [...idle].sort((a, b) => revisionOf(a) - revisionOf(b) || byAge(a, b));
  return oldest.slice(0, surplus).map((replicaSet) => ({ kind: 'delete', replicaSet }));
}
