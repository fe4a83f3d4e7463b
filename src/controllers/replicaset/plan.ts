/**
 * How a ReplicaSet comes to have as many pods as it should. Same input, same plan. Names follow from the set's uid and
 * the lowest free ordinal, so that a repeated create answers AlreadyExists; a name that a pod still has, ending or not,
 * is passed over.
 *
 * A pod that failed is replaced, but not at once each time: its place stays empty for 10 s, doubling with each failure
 * in a row up to 5 min, so that a broken program does not fill the cluster with its remains. The last three failed
 * pods are kept for whoever wants to look.
 */
import type { Millis } from '../../base/clock.ts';
import { equalJson } from '../../kube/types.ts';
import { selectorMatches } from '../../kube/selector.ts';
import { conditionOf, controllerOf, type Pod, type ReplicaSet, type ReplicaSetStatus } from '../../client/objects.ts';
import {
  compareText,
  controllerReference,
  hashSuffix,
  isAvailable,
  isDeleting,
  isFinished,
  isOwnedBy,
  isReady,
  plan,
  readySince,
  soonest,
  timeOf,
  type Plan,
} from '../plan.ts';

export type NewPod = Omit<Pod, 'status'>;

export type ReplicaSetAction =
  | { readonly kind: 'adopt-pod'; readonly pod: Pod }
  | { readonly kind: 'release-pod'; readonly pod: Pod }
  | { readonly kind: 'create-pod'; readonly pod: NewPod }
  | { readonly kind: 'delete-pod'; readonly pod: Pod; readonly why: 'too many' | 'failed long ago' }
  | { readonly kind: 'set-status'; readonly status: ReplicaSetStatus };

export interface ReplicaSetInput {
  readonly replicaSet: ReplicaSet;
  /** All pods of its namespace: those it owns, and those it might adopt. */
  readonly pods: readonly Pod[];
}

/** Creates and deletes in one plan; the rest follows when these are seen. */
export const BURST_MAX = 500;
export const FAILED_PODS_KEPT = 3;
const FAILURE_BACKOFF_FIRST_MS = 10_000;
const FAILURE_BACKOFF_MAX_MS = 300_000;
/** A failure so long after the last one is a first one again. */
const FAILURE_FORGOTTEN_MS = 600_000;
/** How many failures in a row came before this pod. */
export const FAILURES_ANNOTATION = 'podium.dev/failures-before';

export function planReplicaSet({ replicaSet, pods }: ReplicaSetInput, nowMs: Millis): Plan<ReplicaSetAction> {
  const { claim, owned } = claims(replicaSet, pods);
  const active = owned.filter((pod) => !isFinished(pod) && !isDeleting(pod));
  const failed = owned.filter((pod) => pod.status?.phase === 'Failed' && !isDeleting(pod)).sort(newestEndFirst);
  const actions: ReplicaSetAction[] = [...claim];
  const delays: (Millis | undefined)[] = [];
  if (!isDeleting(replicaSet)) {
    const surplus = active.length - (replicaSet.spec.replicas ?? 1);
    if (surplus < 0) {
      const held = heldPlaces(failed, nowMs);
      const count = Math.min(BURST_MAX, Math.max(0, -surplus - held.length));
      for (const pod of newPods({ replicaSet, pods, active, failed, nowMs, count })) actions.push({ kind: 'create-pod', pod });
      if (held.length > 0) delays.push(Math.min(...held) - nowMs);
    } else {
      const victims = inDeletionOrder(active).slice(0, Math.min(BURST_MAX, surplus));
      for (const pod of victims) actions.push({ kind: 'delete-pod', pod, why: 'too many' });
    }
    for (const pod of failed.slice(FAILED_PODS_KEPT)) actions.push({ kind: 'delete-pod', pod, why: 'failed long ago' });
  }
  const status = statusOf(replicaSet, active, nowMs);
  if (!equalJson(status, replicaSet.status)) actions.push({ kind: 'set-status', status });
  delays.push(untilAvailable(replicaSet, active, nowMs));
  return plan(actions, soonest(delays));
}

/** Whose pods are whose: orphans that match are adopted, own ones that no longer match are let go. */
function claims(replicaSet: ReplicaSet, pods: readonly Pod[]): { claim: ReplicaSetAction[]; owned: Pod[] } {
  const claim: ReplicaSetAction[] = [];
  const owned: Pod[] = [];
  for (const pod of pods) {
    const matches = selectorMatches(replicaSet.spec.selector, pod.metadata.labels);
    if (isOwnedBy(pod, replicaSet)) {
      if (matches) owned.push(pod);
      else if (!isDeleting(replicaSet)) claim.push({ kind: 'release-pod', pod });
    } else if (matches && controllerOf(pod) === undefined && !isDeleting(pod) && !isDeleting(replicaSet) && !isFinished(pod)) {
      claim.push({ kind: 'adopt-pod', pod });
      owned.push(pod);
    }
  }
  return { claim, owned };
}

/** The times at which the places of failed pods may be filled again. */
function heldPlaces(failed: readonly Pod[], nowMs: Millis): Millis[] {
  return failed
    .map((pod) => {
      const delayMs = FAILURE_BACKOFF_FIRST_MS * 2 ** Math.min(10, failuresBefore(pod));
      return endOf(pod) + Math.min(FAILURE_BACKOFF_MAX_MS, delayMs);
    })
    .filter((until) => until > nowMs);
}

function newPods(input: {
  readonly replicaSet: ReplicaSet;
  readonly pods: readonly Pod[];
  readonly active: readonly Pod[];
  readonly failed: readonly Pod[];
  readonly nowMs: Millis;
  readonly count: number;
}): NewPod[] {
  const { replicaSet, nowMs, count } = input;
  const taken = new Set(input.pods.map((pod) => pod.metadata.name));
  // The places of failed pods are filled first, and remember how often that was in vain.
  const inVain = input.failed
    .filter((pod) => nowMs - endOf(pod) < FAILURE_FORGOTTEN_MS)
    .map((pod) => failuresBefore(pod) + 1);
  const lost = Math.max(...inVain, 0);
  const pods: NewPod[] = [];
  for (let ordinal = 0; pods.length < count; ordinal++) {
    const suffix = hashSuffix(`${replicaSet.metadata.uid}/${ordinal}`, 5);
    const name = `${replicaSet.metadata.name.slice(0, 247)}-${suffix}`;
    if (taken.has(name)) continue;
    taken.add(name);
    pods.push(newPod(replicaSet, name, pods.length < inVain.length ? lost : 0));
  }
  return pods;
}

function newPod(replicaSet: ReplicaSet, name: string, failures: number): NewPod {
  const { metadata = {}, spec } = replicaSet.spec.template;
  const annotations = { ...metadata.annotations, ...(failures === 0 ? {} : { [FAILURES_ANNOTATION]: String(failures) }) };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      generateName: `${replicaSet.metadata.name}-`,
      namespace: replicaSet.metadata.namespace ?? 'default',
      ...(metadata.labels === undefined ? {} : { labels: metadata.labels }),
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
      ownerReferences: [controllerReference(replicaSet)],
    },
    spec,
  };
}

/** Who goes first, as Kubernetes' `ActivePodsWithRanks`: what serves least and has cost least. */
export function inDeletionOrder(pods: readonly Pod[]): Pod[] {
  const onNode = new Map<string, number>();
  for (const { spec } of pods) onNode.set(spec.nodeName ?? '', (onNode.get(spec.nodeName ?? '') ?? 0) + 1);
  const phases = ['Pending', 'Unknown', 'Running'];
  const keys = (pod: Pod): readonly number[] => [
    (pod.spec.nodeName ?? '') === '' ? 0 : 1,
    phases.indexOf(pod.status?.phase ?? 'Pending'),
    isReady(pod) ? 1 : 0,
    deletionCost(pod),
    -(onNode.get(pod.spec.nodeName ?? '') ?? 0),
    -(readySince(pod) ?? 0),
    -Math.max(0, ...(pod.status?.containerStatuses ?? []).map(({ restartCount }) => restartCount)),
    -timeOf(pod.metadata.creationTimestamp),
  ];
  const ranked = pods.map((pod) => ({ pod, key: keys(pod) }));
  ranked.sort((a, b) => {
    const index = a.key.findIndex((value, at) => value !== b.key[at]);
    return index >= 0 ? a.key[index]! - b.key[index]! : compareText(a.pod.metadata.name, b.pod.metadata.name);
  });
  return ranked.map(({ pod }) => pod);
}

function deletionCost(pod: Pod): number {
  const cost = Number(pod.metadata.annotations?.['controller.kubernetes.io/pod-deletion-cost'] ?? 0);
  return Number.isFinite(cost) ? cost : 0;
}

function statusOf(replicaSet: ReplicaSet, active: readonly Pod[], nowMs: Millis): ReplicaSetStatus {
  const { template, minReadySeconds = 0 } = replicaSet.spec;
  const labelled = { matchLabels: template.metadata?.labels ?? {} };
  const count = (holds: (pod: Pod) => boolean) => active.filter(holds).length;
  const conditions = replicaSet.status?.conditions;
  return {
    ...(conditions === undefined ? {} : { conditions }),
    replicas: active.length,
    ...orNothing('fullyLabeledReplicas', count((pod) => selectorMatches(labelled, pod.metadata.labels))),
    ...orNothing('readyReplicas', count(isReady)),
    ...orNothing('availableReplicas', count((pod) => isAvailable(pod, minReadySeconds, nowMs))),
    observedGeneration: replicaSet.metadata.generation ?? 0,
  };
}

/** Kubernetes leaves out the counts that are zero. */
function orNothing<K extends string>(key: K, count: number): { readonly [P in K]?: number } {
  return count === 0 ? {} : ({ [key]: count } as { [P in K]: number }); // computed keys lose their type
}

function untilAvailable(replicaSet: ReplicaSet, active: readonly Pod[], nowMs: Millis): Millis | undefined {
  const minReadyMs = (replicaSet.spec.minReadySeconds ?? 0) * 1000;
  if (minReadyMs === 0) return undefined;
  const delays = active.map((pod) => {
    const since = readySince(pod);
    return since === undefined ? undefined : since + minReadyMs - nowMs;
  });
  return soonest(delays.filter((delay) => delay !== undefined && delay > 0));
}

function failuresBefore(pod: Pod): number {
  const count = Number(pod.metadata.annotations?.[FAILURES_ANNOTATION] ?? 0);
  return Number.isInteger(count) && count >= 0 ? count : 0;
}

/** When a failed pod ended: its readiness went with it. */
function endOf(pod: Pod): Millis {
  const ready = conditionOf(pod.status?.conditions, 'Ready')?.lastTransitionTime;
  return timeOf(ready ?? pod.status?.startTime ?? pod.metadata.creationTimestamp);
}

function newestEndFirst(a: Pod, b: Pod): number {
  return endOf(b) - endOf(a) || compareText(a.metadata.name, b.metadata.name);
}
