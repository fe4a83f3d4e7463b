/** Carries out what `plan.ts` decided for a PodDisruptionBudget, and wakes it when pods that it selects change. */
import { unreachable } from '../../base/assert.ts';
import { inNamespace, resources } from '../../client/api-client.ts';
import { isNotFound } from '../../client/api-error.ts';
import { Controller, DONE, requeueAfter, type Outcome } from '../../client/controller.ts';
import { controllerOf, keyOf, type ApiObject, type OwnerReference, type Pod, type PodDisruptionBudget } from '../../client/objects.ts';
import type { OwnWrites } from '../../client/own-writes.ts';
import { findKind } from '../../kube/resources.ts';
import { selectorMatches } from '../../kube/selector.ts';
import type { ControllerContext } from '../context.ts';
import { planDisruption, type DisruptionAction, type ExpectedScale } from './plan.ts';

export function disruptionController(context: ControllerContext): Controller {
  const { client, clock, log, informers } = context;
  const { pods, podDisruptionBudgets } = informers;
  const controller = new Controller({
    name: 'disruption',
    client,
    clock,
    log,
    informers: [pods, podDisruptionBudgets],
    reconcile: (key, writes) => reconcile(context, key, writes),
  });
  podDisruptionBudgets.listen({ changed: ({ key }) => controller.enqueue(key) });
  pods.listen({
    changed: ({ before, after }) => {
      const keys = new Set([...budgetsOf(context, before), ...budgetsOf(context, after)]);
      for (const key of keys) controller.enqueue(key);
    },
  });
  // How many pods there should be changes without a pod.
  const scaled = ({ before, after }: { readonly before: ApiObject | undefined; readonly after: ApiObject | undefined }) => {
    const namespace = (after ?? before)?.metadata.namespace ?? '';
    for (const budget of podDisruptionBudgets.cache.by('namespace', namespace)) controller.enqueue(keyOf(budget));
  };
  informers.deployments.listen({ changed: scaled });
  informers.replicaSets.listen({ changed: scaled });
  return controller;
}

function budgetsOf({ informers }: ControllerContext, pod: Pod | undefined): string[] {
  if (pod === undefined) return [];
  return informers.podDisruptionBudgets.cache
    .by('namespace', pod.metadata.namespace ?? '')
    .filter(({ spec }) => spec?.selector !== undefined && selectorMatches(spec.selector, pod.metadata.labels))
    .map(keyOf);
}

async function reconcile(context: ControllerContext, key: string, writes: OwnWrites): Promise<Outcome> {
  const { informers, clock } = context;
  const budget = informers.podDisruptionBudgets.cache.get(key);
  if (budget === undefined) return DONE;
  const { selector } = budget.spec ?? {};
  const pods = informers.pods.cache
    .by('namespace', budget.metadata.namespace ?? '')
    .filter(({ metadata }) => selector !== undefined && selectorMatches(selector, metadata.labels));
  const scale = await scaleOf(context, pods);
  const { actions, requeueAfterMs } = planDisruption({ budget, pods, scale }, clock.wall());
  for (const action of actions) await execute(context, budget, action, writes);
  return requeueAfter(requeueAfterMs);
}

async function execute({ events }: ControllerContext, budget: PodDisruptionBudget, action: DisruptionAction, writes: OwnWrites): Promise<void> {
  switch (action.kind) {
    case 'set-status': {
      const ref = inNamespace(resources.podDisruptionBudgets, budget.metadata.namespace);
      // With its version: an eviction that has spent from the budget meanwhile must not be undone.
      await writes.updateStatus<PodDisruptionBudget>(ref, { ...budget, status: action.status });
      return;
    }
    case 'tell':
      events.record(budget, action);
      return;
    default:
      unreachable(action);
  }
}

/** What the controllers of the pods mean to have, each counted once. */
async function scaleOf(context: ControllerContext, pods: readonly Pod[]): Promise<ExpectedScale> {
  const scales = new Map<string, number>();
  const seen = new Set<string>();
  const unmanaged: string[] = [];
  for (const pod of pods) {
    const owner = controllerOf(pod);
    if (owner === undefined) unmanaged.push(pod.metadata.name);
    else if (!seen.has(owner.uid)) {
      seen.add(owner.uid);
      const found = await ownScale(context, owner, pod.metadata.namespace ?? '');
      if (found === undefined) return { ok: false, message: `found no controllers for pod ${JSON.stringify(pod.metadata.name)}` };
      scales.set(found.uid, found.replicas);
    }
  }
  return { ok: true, replicas: [...scales.values()].reduce((sum, replicas) => sum + replicas, 0), unmanaged: unmanaged.sort() };
}

interface Scale extends ApiObject {
  readonly spec?: { readonly replicas?: number };
}

async function ownScale({ client, informers }: ControllerContext, owner: OwnerReference, namespace: string): Promise<{ uid: string; replicas: number } | undefined> {
  if (owner.kind === 'ReplicaSet') {
    const set = informers.replicaSets.cache.get(`${namespace}/${owner.name}`);
    if (set !== undefined && set.metadata.uid === owner.uid) {
      // A deployment may have several sets at once: its own number counts.
      const above = controllerOf(set);
      const deployment = above === undefined ? undefined : informers.deployments.cache.get(`${namespace}/${above.name}`);
      if (above !== undefined && deployment?.metadata.uid === above.uid) return { uid: above.uid, replicas: deployment.spec.replicas ?? 1 };
      return { uid: owner.uid, replicas: set.spec.replicas ?? 1 };
    }
  }
  const info = findKind(owner.apiVersion, owner.kind);
  if (info === undefined) return undefined;
  try {
    const scale = await client.get<Scale>(inNamespace(info, namespace), owner.name, { subresource: 'scale' });
    return { uid: owner.uid, replicas: scale.spec?.replicas ?? 0 };
  } catch (error) {
    // Gone, or of a kind that has no scale.
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
