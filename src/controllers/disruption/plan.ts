/**
 * What a PodDisruptionBudget allows now: how many of its pods must stay healthy, how many are, and so how many may be
 * evicted. Same input, same plan. A pod that an eviction has taken out of the budget is not counted as healthy until it
 * is gone; should it still be there after two minutes, it is taken to stay.
 */
import { formatTime, type Millis } from '../../base/clock.ts';
import { withCondition, type Condition } from '../../kube/conditions.ts';
import { equalJson } from '../../kube/types.ts';
import type { Pod, PodDisruptionBudget, PodDisruptionBudgetStatus } from '../../client/objects.ts';
import { isDeleting, isReady, plan, soonest, timeOf, type Plan } from '../plan.ts';

export type DisruptionAction =
  | { readonly kind: 'set-status'; readonly status: PodDisruptionBudgetStatus }
  | { readonly kind: 'tell'; readonly type: 'Normal' | 'Warning'; readonly reason: string; readonly message: string };

/** How many pods the controllers of the selected pods mean to have, or why that cannot be told. */
export type ExpectedScale =
  | { readonly ok: true; readonly replicas: number; readonly unmanaged: readonly string[] }
  | { readonly ok: false; readonly message: string };

export interface DisruptionInput {
  readonly budget: PodDisruptionBudget;
  /** Those that its selector selects. */
  readonly pods: readonly Pod[];
  /** Only looked at where the budget speaks of shares, or of what may be missing. */
  readonly scale: ExpectedScale;
}

/** An eviction that has not led to a deletion by then has failed. */
const DELETION_TIMEOUT_MS = 120_000;
const NO_STATUS: PodDisruptionBudgetStatus = { currentHealthy: 0, desiredHealthy: 0, disruptionsAllowed: 0, expectedPods: 0 };

export function planDisruption({ budget, pods, scale }: DisruptionInput, nowMs: Millis): Plan<DisruptionAction> {
  const needed = neededOf(budget, pods.length, scale);
  if (!needed.ok) return planFailure(budget, needed.message, nowMs);
  const { disrupted, overdue, recheckMs } = disruptedPods(budget, pods, nowMs);
  const currentHealthy = pods.filter((pod) => !isDeleting(pod) && disrupted[pod.metadata.name] === undefined && isReady(pod)).length;
  const { expectedPods, desiredHealthy } = needed;
  // A budget without pods allows nothing, so that its first pods are guarded before they are counted.
  const disruptionsAllowed = expectedPods <= 0 ? 0 : Math.max(0, currentHealthy - desiredHealthy);
  const { generation = 0 } = budget.metadata;
  const condition: Condition = {
    type: 'DisruptionAllowed',
    status: disruptionsAllowed > 0 ? 'True' : 'False',
    reason: disruptionsAllowed > 0 ? 'SufficientPods' : 'InsufficientPods',
    message: '',
    observedGeneration: generation,
  };
  const status: PodDisruptionBudgetStatus = {
    conditions: withCondition(budget.status?.conditions, condition, formatTime(nowMs)),
    currentHealthy,
    desiredHealthy,
    disruptionsAllowed,
    expectedPods,
    observedGeneration: generation,
    ...(Object.keys(disrupted).length === 0 ? {} : { disruptedPods: disrupted }),
  };
  const actions: DisruptionAction[] = overdue.map((name) => ({
    kind: 'tell',
    type: 'Warning',
    reason: 'NotDeleted',
    message: `Pod ${name} was expected by PDB ${budget.metadata.namespace ?? ''}/${budget.metadata.name} to be deleted but it wasn't`,
  }));
  if (needed.unmanaged.length > 0) actions.push(unmanagedPods(needed.unmanaged));
  if (!equalJson(status, budget.status)) actions.unshift({ kind: 'set-status', status });
  return plan(actions, recheckMs);
}

type Needed =
  | { readonly ok: true; readonly expectedPods: number; readonly desiredHealthy: number; readonly unmanaged: readonly string[] }
  | { readonly ok: false; readonly message: string };

function neededOf({ spec }: PodDisruptionBudget, podCount: number, scale: ExpectedScale): Needed {
  const { minAvailable, maxUnavailable } = spec ?? {};
  const isCounted = maxUnavailable !== undefined || typeof minAvailable === 'string';
  if (!isCounted) return { ok: true, expectedPods: minAvailable === undefined ? 0 : podCount, desiredHealthy: minAvailable ?? 0, unmanaged: [] };
  if (!scale.ok) return scale;
  const { replicas: expectedPods, unmanaged } = scale;
  const desiredHealthy =
    maxUnavailable === undefined ? shareOf(minAvailable ?? 0, expectedPods) : Math.max(0, expectedPods - shareOf(maxUnavailable, expectedPods));
  return { ok: true, expectedPods, desiredHealthy, unmanaged };
}

/** Shares are rounded up, of what must be as of what may be missing: as Kubernetes does. */
function shareOf(value: number | string, total: number): number {
  return typeof value === 'number' ? value : Math.ceil((Number(value.replace('%', '')) * total) / 100);
}

/** Whoever asks to evict is refused until the numbers can be trusted again. */
function planFailure(budget: PodDisruptionBudget, message: string, nowMs: Millis): Plan<DisruptionAction> {
  const { generation = 0 } = budget.metadata;
  const condition: Condition = { type: 'DisruptionAllowed', status: 'False', reason: 'SyncFailed', message, observedGeneration: generation };
  const status: PodDisruptionBudgetStatus = {
    ...(budget.status ?? NO_STATUS),
    conditions: withCondition(budget.status?.conditions, condition, formatTime(nowMs)),
    disruptionsAllowed: 0,
    observedGeneration: generation,
  };
  if (equalJson(status, budget.status)) return plan([]);
  const text = `Failed to calculate the number of expected pods: ${message}`;
  return plan([{ kind: 'set-status', status }, { kind: 'tell', type: 'Warning', reason: 'CalculateExpectedPodCountFailed', message: text }]);
}

function unmanagedPods(names: readonly string[]): DisruptionAction {
  const message =
    `Pods without a controller are selected by this budget (${names.join(', ')}): they do not count towards what it expects. ` +
    'Set "spec.minAvailable" to a number to guard them.';
  return { kind: 'tell', type: 'Warning', reason: 'UnmanagedPods', message };
}

interface Disrupted {
  readonly disrupted: Readonly<Record<string, string>>;
  readonly overdue: readonly string[];
  readonly recheckMs: Millis | undefined;
}

/** Of those that evictions have taken out of the budget, the ones that are still to be deleted. */
function disruptedPods({ status }: PodDisruptionBudget, pods: readonly Pod[], nowMs: Millis): Disrupted {
  const disrupted: Record<string, string> = {};
  const overdue: string[] = [];
  const delays: Millis[] = [];
  for (const pod of pods) {
    const { name } = pod.metadata;
    const since = status?.disruptedPods?.[name];
    if (since === undefined || isDeleting(pod)) continue;
    const leftMs = timeOf(since) + DELETION_TIMEOUT_MS - nowMs;
    if (leftMs < 0) overdue.push(name);
    else {
      disrupted[name] = since;
      delays.push(leftMs + 1);
    }
  }
  return { disrupted, overdue, recheckMs: soonest(delays) };
}
