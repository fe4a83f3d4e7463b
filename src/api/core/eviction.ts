/**
 * What an eviction asks for, and whether the pod's disruption budget allows it. Pure: `../eviction.ts` reads and writes.
 * The order of questions, the texts and what counts are those of Kubernetes' eviction subresource.
 */
import type { Eviction as EvictionBody, PodDisruptionBudget, PodDisruptionBudgetStatus } from 'kubernetes-types/policy/v1.js';
import type { Pod } from 'kubernetes-types/core/v1.js';
import { ApiError, badRequest, forbidden } from '../../kube/errors.ts';
import { findCondition, isConditionTrue, withCondition, type Condition } from '../../kube/conditions.ts';
import { selectorMatches, type LabelSelector } from '../../kube/selector.ts';
import { isRecord, typed, type KubeObject } from '../../kube/types.ts';
import type { Kind } from '../kinds/kind.ts';
import { decodeAs, type FieldValidation, type Preconditions } from './draft.ts';

export interface Eviction {
  readonly name: string;
  readonly preconditions: Preconditions;
  readonly gracePeriodSeconds: number | undefined;
  readonly propagationPolicy: string;
  readonly dryRun: boolean;
}

const EVICTION = { group: 'policy', version: 'v1', kind: 'Eviction' } as const;

/** Evictions that the disruption controller has not confirmed; more of them say that nobody does. */
const DISRUPTED_PODS_MAX = 2000;
const REFUSAL = "Cannot evict pod as it would violate the pod's disruption budget.";
/** For what the disruption controller is about to settle. A budget that is used up says no time: nobody knows it. */
const RETRY_AFTER_SECONDS = 10;

export interface EvictionRequest {
  readonly body: unknown;
  /** Of the path. */
  readonly name: string;
  readonly validation: FieldValidation;
  readonly dryRun: boolean;
}

export function decodeEviction({ body, name, validation, dryRun }: EvictionRequest): Eviction {
  if (!isRecord(body)) throw badRequest('the body of the request is not an object');
  const { kind, apiVersion } = body;
  if (kind !== undefined && (kind !== EVICTION.kind || apiVersion !== 'policy/v1')) {
    const found = `${String(apiVersion)}, Kind=${String(kind)}`;
    throw badRequest(`the object provided is unrecognized (must be of type Eviction in policy/v1, not ${found})`);
  }
  const eviction = decodeAs(EVICTION, 'V1Eviction', body, validation);
  const own = eviction.metadata.name;
  if (own !== '' && name !== '' && own !== name) throw badRequest('name in URL does not match name in Eviction object');
  const { preconditions = {}, gracePeriodSeconds, propagationPolicy = '', dryRun: modes = [] } = typed<EvictionBody>(eviction).deleteOptions ?? {};
  if (modes.some((mode) => mode !== 'All')) throw badRequest(`deleteOptions.dryRun: Unsupported value: ${JSON.stringify(modes)}: supported values: "All"`);
  return { name: name === '' ? own : name, preconditions, gracePeriodSeconds, propagationPolicy, dryRun: dryRun || modes.length > 0 };
}

/** No budget guards it: it does not work yet, works no more, or is on its way out. */
export function isUnguarded(pod: KubeObject): boolean {
  return isEnding(pod) || typed<Pod>(pod).status?.phase === 'Pending';
}

/** Nothing that happens to it meanwhile could speak against its deletion. */
export function isEnding({ metadata, ...rest }: KubeObject): boolean {
  const phase = (rest['status'] as { phase?: string } | undefined)?.phase; // as the schema of a pod has it
  return phase === 'Succeeded' || phase === 'Failed' || metadata.deletionTimestamp !== undefined;
}

export function budgetsOf(pod: KubeObject, budgets: readonly KubeObject[]): readonly KubeObject[] {
  const { labels = {} } = pod.metadata;
  if (Object.keys(labels).length === 0) return [];
  return budgets.filter((budget) => {
    const selector = typed<PodDisruptionBudget>(budget).spec?.selector as LabelSelector | undefined;
    return selector !== undefined && selectorMatches(selector, labels);
  });
}

export function tooManyBudgets(): ApiError {
  return new ApiError('InternalError', 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.');
}

/** A pod that does not work may go although its budget is used up: it is none of those that the budget counts on. */
export function mayGoUncounted(pod: KubeObject, budget: KubeObject): boolean {
  if (isConditionTrue(typed<Pod>(pod).status?.conditions, 'Ready')) return false;
  const { spec, status } = typed<PodDisruptionBudget>(budget);
  const policy = (spec as { unhealthyPodEvictionPolicy?: string } | undefined)?.unhealthyPodEvictionPolicy;
  if (policy === 'AlwaysAllow') return true;
  return status !== undefined && status.currentHealthy >= status.desiredHealthy && status.desiredHealthy > 0;
}

/** The budget's status once this pod is taken out of it; refused where the budget does not allow that. */
export function spent(kind: Kind, budget: KubeObject, podName: string, now: string): PodDisruptionBudgetStatus {
  const { name, generation = 0 } = budget.metadata;
  const { status = { currentHealthy: 0, desiredHealthy: 0, disruptionsAllowed: 0, expectedPods: 0 } } = typed<PodDisruptionBudget>(budget);
  if ((status.observedGeneration ?? 0) < generation) throw stillProcessed(name);
  if (status.disruptionsAllowed < 0) throw forbidden(kind.info, name, 'pdb disruptions allowed is negative');
  if (Object.keys(status.disruptedPods ?? {}).length > DISRUPTED_PODS_MAX) {
    throw forbidden(kind.info, name, 'DisruptedPods map too big - too many evictions not confirmed by PDB controller');
  }
  if (status.disruptionsAllowed === 0) throw refused(whyNot(name, status));
  const left = status.disruptionsAllowed - 1;
  const conditions = left > 0 ? status.conditions : withCondition(conditionsOf(status), usedUp(status.observedGeneration ?? 0), now);
  return {
    ...status,
    ...(conditions === undefined ? {} : { conditions: conditions as NonNullable<PodDisruptionBudgetStatus['conditions']> }),
    disruptionsAllowed: left,
    disruptedPods: { ...status.disruptedPods, [podName]: now as unknown as NonNullable<PodDisruptionBudgetStatus['disruptedPods']>[string] },
  };
}

const usedUp = (observedGeneration: number): Condition => ({
  type: 'DisruptionAllowed',
  status: 'False',
  reason: 'InsufficientPods',
  message: '',
  observedGeneration,
});

function conditionsOf(status: PodDisruptionBudgetStatus): readonly Condition[] {
  return (status.conditions ?? []) as readonly Condition[]; // their times are texts here
}

function whyNot(name: string, status: PodDisruptionBudgetStatus): string {
  const { currentHealthy, desiredHealthy } = status;
  const condition = findCondition(conditionsOf(status), 'DisruptionAllowed');
  const { reason = '', message = '' } = condition?.status === 'False' ? condition : {};
  // After a failed sync the numbers are not to be trusted.
  if (reason === 'SyncFailed' && message !== '') return `The disruption budget ${name} does not allow evicting pods currently because it failed sync: ${message}`;
  if (currentHealthy <= desiredHealthy) return `The disruption budget ${name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`;
  if (message !== '') return `The disruption budget ${name} does not allow evicting pods currently (${reason}): ${message}`;
  return `The disruption budget ${name} does not allow evicting pods currently`;
}

function refused(message: string): ApiError {
  return new ApiError('TooManyRequests', REFUSAL, { details: { causes: [{ reason: 'DisruptionBudget', message }] } });
}

/** The disruption controller, or a change of the pod, is under way: the client shall ask again. */
export function stillProcessed(budgetName: string): ApiError {
  const message = `The disruption budget ${budgetName} is still being processed by the server.`;
  return new ApiError('TooManyRequests', REFUSAL, { details: { causes: [{ reason: 'DisruptionBudget', message }], retryAfterSeconds: RETRY_AFTER_SECONDS } });
}

/** What an evicted pod shows until it is gone. */
export function disruptionTarget(now: string): Condition {
  return { type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI', message: 'Eviction API: evicting', lastTransitionTime: now };
}
