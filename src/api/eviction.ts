/**
 * `pods/eviction`: a deletion that asks the pod's disruption budget first. The budget is spent by an optimistic write of
 * its status before the pod is deleted; the disruption controller finds the pod among the disrupted ones until it is gone.
 */
import { isReason } from '../kube/errors.ts';
import type { KubeObject } from '../kube/types.ts';
import {
  budgetsOf,
  decodeEviction,
  disruptionTarget,
  isEnding,
  isUnguarded,
  mayGoUncounted,
  spent,
  stillProcessed,
  tooManyBudgets,
  type Eviction,
} from './core/eviction.ts';
import type { Registry } from './registry.ts';
import type { Ref, WriteOptions } from './requests.ts';

/** How often a budget or a pod that others write meanwhile is looked at anew. */
const ATTEMPTS_MAX = 20;
const BUDGETS = { group: 'policy', version: 'v1', resource: 'poddisruptionbudgets' } as const;

export interface EvictionWorld {
  readonly registry: Registry;
  /** The time of day, as objects have it. */
  readonly now: () => string;
}

export async function evict(world: EvictionWorld, ref: Ref, body: unknown, options: WriteOptions): Promise<void> {
  const { fieldValidation = 'Strict', dryRun = false } = options;
  const eviction = decodeEviction({ body, name: ref.name, validation: fieldValidation, dryRun });
  const pod: Ref = { ...ref, name: eviction.name, subresource: '' };
  const guarded = await deleteUnguarded(world, pod, eviction, options);
  if (guarded === undefined) return;
  const budgets = budgetsOf(guarded, (await world.registry.list({ ...BUDGETS, namespace: ref.namespace, name: '', subresource: '' })).items);
  if (budgets.length > 1) throw tooManyBudgets();
  const [budget] = budgets;
  if (budget === undefined) return remove(world, pod, eviction, options);
  if (!mayGoUncounted(guarded, budget)) {
    await spend(world, { budget, podName: eviction.name, dryRun: eviction.dryRun }, options);
    return remove(world, pod, eviction, options);
  }
  const asked = eviction.preconditions.resourceVersion;
  // Should it become ready meanwhile, the budget would have to count it.
  const resourceVersion = asked ?? guarded.metadata.resourceVersion;
  try {
    await remove(world, pod, { ...eviction, preconditions: { ...eviction.preconditions, resourceVersion } }, options);
  } catch (error) {
    if (isReason(error, 'Conflict') && asked === undefined) throw stillProcessed(budget.metadata.name);
    throw error;
  }
}

/** Answers the pod if a budget may guard it; else it is deleted. */
async function deleteUnguarded(world: EvictionWorld, ref: Ref, eviction: Eviction, options: WriteOptions): Promise<KubeObject | undefined> {
  const asked = eviction.preconditions.resourceVersion;
  for (let attempt = 1; ; attempt++) {
    const pod = await world.registry.get(ref);
    if (!isUnguarded(pod)) return pod;
    // One that waits may begin to work meanwhile, and be guarded then.
    const resourceVersion = asked ?? (isEnding(pod) ? undefined : pod.metadata.resourceVersion);
    try {
      await remove(world, ref, { ...eviction, preconditions: { ...eviction.preconditions, resourceVersion } }, options);
      return undefined;
    } catch (error) {
      if (!isReason(error, 'Conflict') || asked !== undefined || attempt === ATTEMPTS_MAX) throw error;
    }
  }
}

interface Spending {
  readonly budget: KubeObject;
  readonly podName: string;
  readonly dryRun: boolean;
}

async function spend({ registry, now }: EvictionWorld, { budget, podName, dryRun }: Spending, options: WriteOptions): Promise<void> {
  const { name, namespace = '' } = budget.metadata;
  const ref: Ref = { ...BUDGETS, namespace, name, subresource: '' };
  let current = budget;
  for (let attempt = 1; ; attempt++) {
    const status = spent(registry.kindOf(ref), current, podName, now());
    if (dryRun) return;
    try {
      await registry.update({ ...ref, subresource: 'status' }, { ...current, status }, options);
      return;
    } catch (error) {
      if (!isReason(error, 'Conflict') || attempt === ATTEMPTS_MAX) throw error;
    }
    current = await registry.get(ref);
  }
}

/** The pod shows why it goes; then it is deleted. */
async function remove({ registry, now }: EvictionWorld, ref: Ref, eviction: Eviction, options: WriteOptions): Promise<void> {
  const { gracePeriodSeconds, propagationPolicy, dryRun } = eviction;
  let { preconditions } = eviction;
  if (!dryRun) {
    const patch = { type: 'strategic', body: { status: { conditions: [disruptionTarget(now())] } } } as const;
    const { object } = await registry.patch({ ...ref, subresource: 'status' }, patch, { ...options, preconditions });
    if (preconditions.resourceVersion !== undefined) preconditions = { ...preconditions, resourceVersion: object.metadata.resourceVersion };
  }
  await registry.delete(ref, { preconditions, gracePeriodSeconds, propagationPolicy, dryRun });
}
