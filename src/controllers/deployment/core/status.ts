/** A Deployment's status and conditions, in Kubernetes' words: `kubectl rollout status` reads them. */
import { formatTime, type Millis } from '../../../base/clock.ts';
import { conditionOf, type Condition, type Deployment, type DeploymentStatus, type ReplicaSet } from '../../../client/objects.ts';
import { timeOf } from '../../plan.ts';
import { availableReplicas, specReplicas, total, type Limits } from './replica-sets.ts';

/** As Kubernetes; its largest value means no deadline. */
const NO_DEADLINE = 2 ** 31 - 1;

export interface StatusInput {
  readonly deployment: Deployment;
  readonly fresh: ReplicaSet | undefined;
  readonly sets: readonly ReplicaSet[];
  readonly limits: Limits;
  /** The new set is made, or found again, by this plan. */
  readonly news: { readonly kind: 'created' | 'found'; readonly name: string } | undefined;
  readonly collisionCount: number;
}

export function statusOf(input: StatusInput, nowMs: Millis): DeploymentStatus {
  const { deployment, fresh, sets, collisionCount } = input;
  const replicas = total(sets, (set) => set.status?.replicas ?? 0);
  const ready = total(sets, (set) => set.status?.readyReplicas ?? 0);
  const available = total(sets, availableReplicas);
  const counts = {
    replicas,
    updatedReplicas: fresh?.status?.replicas ?? 0,
    readyReplicas: ready,
    availableReplicas: available,
    unavailableReplicas: Math.max(0, total(sets, specReplicas) - available),
  };
  const present = Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
  const conditions = conditionsOf(input, counts, nowMs);
  return {
    observedGeneration: deployment.metadata.generation ?? 0,
    ...present,
    ...(collisionCount === 0 ? {} : { collisionCount }),
    ...(conditions.length === 0 ? {} : { conditions }),
  };
}

type Counts = Required<
  Pick<DeploymentStatus, 'replicas' | 'updatedReplicas' | 'readyReplicas' | 'availableReplicas' | 'unavailableReplicas'>
>;

function conditionsOf(input: StatusInput, counts: Counts, nowMs: Millis): readonly Condition[] {
  const { deployment, limits } = input;
  const now = formatTime(nowMs);
  const isEnough = counts.availableReplicas >= limits.replicas - limits.maxUnavailable;
  const availability: Condition = isEnough
    ? { type: 'Available', status: 'True', reason: 'MinimumReplicasAvailable', message: 'Deployment has minimum availability.' }
    : {
        type: 'Available',
        status: 'False',
        reason: 'MinimumReplicasUnavailable',
        message: 'Deployment does not have minimum availability.',
      };
  const known = deployment.status?.conditions ?? [];
  return withCondition(withProgress(input, counts, known, nowMs), availability, now);
}

function withProgress(input: StatusInput, counts: Counts, known: readonly Condition[], nowMs: Millis): readonly Condition[] {
  const { deployment, fresh, news } = input;
  const now = formatTime(nowMs);
  const progress = conditionOf(known, 'Progressing');
  if (!hasDeadline(deployment)) return known.filter(({ type }) => type !== 'Progressing');
  const set = (status: string, reason: string, message: string) =>
    withCondition(known, { type: 'Progressing', status, reason, message }, now);
  if (deployment.spec.paused === true) {
    return progress?.reason === 'DeploymentPaused' ? known : set('Unknown', 'DeploymentPaused', 'Deployment is paused');
  }
  if (progress?.reason === 'DeploymentPaused') return set('Unknown', 'DeploymentResumed', 'Deployment is resumed');
  if (news?.kind === 'created') return set('True', 'NewReplicaSetCreated', `Created new replica set "${news.name}"`);
  if (news?.kind === 'found') return set('True', 'FoundNewReplicaSet', `Found new replica set "${news.name}"`);
  const subject = fresh === undefined ? `Deployment "${deployment.metadata.name}"` : `ReplicaSet "${fresh.metadata.name}"`;
  const isSettled = counts.replicas === counts.updatedReplicas && progress?.reason === 'NewReplicaSetAvailable';
  if (isSettled) return known;
  if (isComplete(deployment, counts)) return set('True', 'NewReplicaSetAvailable', `${subject} has successfully progressed.`);
  if (hasMoved(deployment, counts)) {
    // Each step starts the deadline anew, though the status of the condition stays what it is.
    const condition = { type: 'Progressing', status: 'True', reason: 'ReplicaSetUpdated', message: `${subject} is progressing.` };
    return withCondition(known.filter((each) => each !== progress), condition, now, progress);
  }
  const left = untilDeadline(deployment, nowMs);
  if (left !== undefined && left <= 0 && progress?.reason !== 'ProgressDeadlineExceeded') {
    return set('False', 'ProgressDeadlineExceeded', `${subject} has timed out progressing.`);
  }
  return known;
}

/** As many as wanted, all new, all available: the roll-out is over. */
export function isComplete(deployment: Deployment, counts: DeploymentStatus): boolean {
  const replicas = deployment.spec.replicas ?? 1;
  return (
    (counts.updatedReplicas ?? 0) === replicas &&
    (counts.replicas ?? 0) === replicas &&
    (counts.availableReplicas ?? 0) === replicas
  );
}

function hasMoved({ status = {} }: Deployment, counts: Counts): boolean {
  const oldBefore = (status.replicas ?? 0) - (status.updatedReplicas ?? 0);
  return (
    counts.updatedReplicas > (status.updatedReplicas ?? 0) ||
    counts.replicas - counts.updatedReplicas < oldBefore ||
    counts.readyReplicas > (status.readyReplicas ?? 0) ||
    counts.availableReplicas > (status.availableReplicas ?? 0)
  );
}

function hasDeadline({ spec }: Deployment): boolean {
  return (spec.progressDeadlineSeconds ?? 600) !== NO_DEADLINE;
}

/** How long the roll-out may still stand still; undefined: nobody waits for it. */
export function untilDeadline(deployment: Deployment, nowMs: Millis): Millis | undefined {
  const progress = conditionOf(deployment.status?.conditions, 'Progressing');
  if (progress === undefined || !hasDeadline(deployment) || deployment.spec.paused === true) return undefined;
  if (progress.reason === 'NewReplicaSetAvailable' || progress.reason === 'ProgressDeadlineExceeded') return undefined;
  const deadlineMs = (deployment.spec.progressDeadlineSeconds ?? 600) * 1000;
  return timeOf(progress.lastUpdateTime) + deadlineMs - nowMs;
}

/** Replaces the condition of that type; nothing changes if status and reason are what they were. */
function withCondition(
  known: readonly Condition[],
  next: Condition,
  now: string,
  before = conditionOf(known, next.type),
): readonly Condition[] {
  const isListed = before !== undefined && known.includes(before);
  if (isListed && before.status === next.status && before.reason === next.reason) return known;
  const since = before?.status === next.status ? (before.lastTransitionTime ?? now) : now;
  const others = known.filter(({ type }) => type !== next.type);
  return [...others, { ...next, lastUpdateTime: now, lastTransitionTime: since }];
}
