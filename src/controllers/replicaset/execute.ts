/** Carries out what `plan.ts` decided for a ReplicaSet, and wakes it when its pods change. */
import { inNamespace, resources } from '../../client/api-client.ts';
import { isAlreadyExists, isNotFound } from '../../client/api-error.ts';
import { Controller, DONE, requeueAfter, type Outcome } from '../../client/controller.ts';
import { controllerOf, keyOf, type Pod, type ReplicaSet } from '../../client/objects.ts';
import type { OwnWrites } from '../../client/own-writes.ts';
import { selectorMatches } from '../../kube/selector.ts';
import { unreachable } from '../../base/assert.ts';
import type { ControllerContext } from '../context.ts';
import { controllerReference } from '../plan.ts';
import { planReplicaSet, type ReplicaSetAction } from './plan.ts';

/** Creates and deletes of one set under way at a time. */
const WRITES_AT_ONCE = 10;

export function replicaSetController(context: ControllerContext): Controller {
  const { client, clock, log, informers } = context;
  const { pods, replicaSets } = informers;
  const controller = new Controller({
    name: 'replicaset',
    client,
    clock,
    log,
    informers: [pods, replicaSets],
    reconcile: (key, writes) => reconcile(context, key, writes),
  });
  replicaSets.listen({ changed: ({ key }) => controller.enqueue(key) });
  pods.listen({
    changed: ({ before, after }) => {
      for (const pod of [before, after]) for (const key of setsOf(context, pod)) controller.enqueue(key);
    },
  });
  return controller;
}

/** The set that owns the pod, or those that might adopt it. */
function setsOf({ informers }: ControllerContext, pod: Pod | undefined): string[] {
  if (pod === undefined) return [];
  const owner = controllerOf(pod);
  if (owner !== undefined) return owner.kind === 'ReplicaSet' ? [`${pod.metadata.namespace}/${owner.name}`] : [];
  return informers.replicaSets.cache
    .by('namespace', pod.metadata.namespace ?? '')
    .filter(({ spec }) => selectorMatches(spec.selector, pod.metadata.labels))
    .map(keyOf);
}

async function reconcile(context: ControllerContext, key: string, writes: OwnWrites): Promise<Outcome> {
  const { informers, clock } = context;
  const replicaSet = informers.replicaSets.cache.get(key);
  if (replicaSet === undefined) return DONE;
  const pods = informers.pods.cache.by('namespace', replicaSet.metadata.namespace ?? '');
  const { actions, requeueAfterMs } = planReplicaSet({ replicaSet, pods }, clock.wall());
  for (let start = 0; start < actions.length; start += WRITES_AT_ONCE) {
    const batch = actions.slice(start, start + WRITES_AT_ONCE);
    const outcomes = await Promise.allSettled(batch.map((action) => execute(context, replicaSet, action, writes)));
    // All of a batch are waited for, so that what they wrote is known; the first failure ends the round.
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }
  return requeueAfter(requeueAfterMs);
}

async function execute(
  { events }: ControllerContext,
  replicaSet: ReplicaSet,
  action: ReplicaSetAction,
  writes: OwnWrites,
): Promise<void> {
  const namespace = replicaSet.metadata.namespace;
  const podsRef = inNamespace(resources.pods, namespace);
  switch (action.kind) {
    case 'create-pod': {
      const { name } = action.pod.metadata;
      try {
        await writes.create<Pod>(podsRef, action.pod);
        events.record(replicaSet, { type: 'Normal', reason: 'SuccessfulCreate', message: `Created pod: ${name}` });
      } catch (error) {
        // An earlier try that was not answered.
        if (isAlreadyExists(error)) return;
        const message = `Error creating: ${error instanceof Error ? error.message : String(error)}`;
        events.record(replicaSet, { type: 'Warning', reason: 'FailedCreate', message });
        throw error;
      }
      return;
    }
    case 'delete-pod': {
      const { name, uid = '', resourceVersion = '' } = action.pod.metadata;
      try {
        // The version, too: a pod that has changed may not be the one to go.
        await writes.delete<Pod>(podsRef, name, { preconditions: { uid, resourceVersion } });
        events.record(replicaSet, { type: 'Normal', reason: 'SuccessfulDelete', message: `Deleted pod: ${name}` });
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
      return;
    }
    case 'adopt-pod': {
      const { metadata } = action.pod;
      const ownerReferences = [...(metadata.ownerReferences ?? []), controllerReference(replicaSet)];
      await writes.update<Pod>(podsRef, { ...action.pod, metadata: { ...metadata, ownerReferences } });
      return;
    }
    case 'release-pod': {
      const { metadata } = action.pod;
      const ownerReferences = (metadata.ownerReferences ?? []).filter(({ uid }) => uid !== replicaSet.metadata.uid);
      await writes.update<Pod>(podsRef, { ...action.pod, metadata: { ...metadata, ownerReferences } });
      return;
    }
    case 'set-status': {
      const ref = inNamespace(resources.replicaSets, namespace);
      await writes.updateStatus<ReplicaSet>(ref, { ...replicaSet, status: action.status });
      return;
    }
    default:
      unreachable(action);
  }
}
