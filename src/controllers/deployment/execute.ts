/** Carries out what `plan.ts` decided for a Deployment, and wakes it when its sets or their pods change. */
import { unreachable } from '../../base/assert.ts';
import { inNamespace, resources } from '../../client/api-client.ts';
import { isAlreadyExists, isNotFound } from '../../client/api-error.ts';
import { Controller, DONE, requeueAfter, type Outcome } from '../../client/controller.ts';
import { controllerOf, keyOf, type Deployment, type ReplicaSet } from '../../client/objects.ts';
import type { OwnWrites } from '../../client/own-writes.ts';
import { selectorMatches } from '../../kube/selector.ts';
import type { ControllerContext } from '../context.ts';
import { controllerReference } from '../plan.ts';
import { REVISION, specReplicas } from './core/replica-sets.ts';
import { planDeployment, type DeploymentAction } from './plan.ts';

export function deploymentController(context: ControllerContext): Controller {
  const { client, clock, log, informers } = context;
  const { deployments, replicaSets, pods } = informers;
  const controller = new Controller({
    name: 'deployment',
    client,
    clock,
    log,
    informers: [deployments, replicaSets],
    reconcile: (key, writes) => reconcile(context, key, writes),
  });
  deployments.listen({ changed: ({ key }) => controller.enqueue(key) });
  replicaSets.listen({
    changed: ({ before, after }) => {
      for (const set of [before, after]) for (const key of deploymentsOf(context, set)) controller.enqueue(key);
    },
  });
  // Recreate waits for the last old pod.
  pods.listen({
    changed: ({ before, after }) => {
      const owner = before === undefined || after !== undefined ? undefined : controllerOf(before);
      if (owner?.kind !== 'ReplicaSet' || before === undefined) return;
      const set = replicaSets.cache.get(`${before.metadata.namespace}/${owner.name}`);
      for (const key of deploymentsOf(context, set)) controller.enqueue(key);
    },
  });
  return controller;
}

function deploymentsOf({ informers }: ControllerContext, set: ReplicaSet | undefined): string[] {
  if (set === undefined) return [];
  const owner = controllerOf(set);
  if (owner !== undefined) return owner.kind === 'Deployment' ? [`${set.metadata.namespace}/${owner.name}`] : [];
  return informers.deployments.cache
    .list()
    .filter(({ metadata }) => metadata.namespace === set.metadata.namespace)
    .filter(({ spec }) => selectorMatches(spec.selector, set.metadata.labels))
    .map(keyOf);
}

async function reconcile(context: ControllerContext, key: string, writes: OwnWrites): Promise<Outcome> {
  const { informers, clock } = context;
  const deployment = informers.deployments.cache.get(key);
  if (deployment === undefined) return DONE;
  const input = {
    deployment,
    replicaSets: informers.replicaSets.cache.by('namespace', deployment.metadata.namespace ?? ''),
    podsOf: (set: ReplicaSet) => informers.pods.cache.by('owner', set.metadata.uid ?? ''),
  };
  const { actions, requeueAfterMs } = planDeployment(input, clock.wall());
  // The Deployment itself may be written twice: its revision, then its status.
  let current = deployment;
  for (const action of actions) current = await execute(context, current, action, writes);
  return requeueAfter(requeueAfterMs);
}

async function execute(
  { events }: ControllerContext,
  deployment: Deployment,
  action: DeploymentAction,
  writes: OwnWrites,
): Promise<Deployment> {
  const ref = inNamespace(resources.deployments, deployment.metadata.namespace);
  const setsRef = inNamespace(resources.replicaSets, deployment.metadata.namespace);
  const scaled = (name: string, before: number, after: number) => {
    if (before === after) return;
    const message = `Scaled ${after > before ? 'up' : 'down'} replica set ${name} from ${before} to ${after}`;
    events.record(deployment, { type: 'Normal', reason: 'ScalingReplicaSet', message });
  };
  switch (action.kind) {
    case 'create': {
      const { name } = action.replicaSet.metadata;
      try {
        await writes.create<ReplicaSet>(setsRef, action.replicaSet);
        scaled(name, 0, specReplicas(action.replicaSet));
      } catch (error) {
        // An earlier try that was not answered; the cache will show whose it is.
        if (!isAlreadyExists(error)) throw error;
      }
      return deployment;
    }
    case 'update': {
      const { replicaSet, replicas, annotations } = action;
      await writes.update<ReplicaSet>(setsRef, {
        ...replicaSet,
        metadata: { ...replicaSet.metadata, annotations },
        spec: { ...replicaSet.spec, replicas },
      });
      scaled(replicaSet.metadata.name, specReplicas(replicaSet), replicas);
      return deployment;
    }
    case 'delete': {
      const { name, uid = '', resourceVersion = '' } = action.replicaSet.metadata;
      try {
        await writes.delete<ReplicaSet>(setsRef, name, { preconditions: { uid, resourceVersion } });
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
      return deployment;
    }
    case 'adopt': {
      const { metadata } = action.replicaSet;
      const ownerReferences = [...(metadata.ownerReferences ?? []), controllerReference(deployment)];
      await writes.update<ReplicaSet>(setsRef, { ...action.replicaSet, metadata: { ...metadata, ownerReferences } });
      return deployment;
    }
    case 'set-revision': {
      const annotations = { ...deployment.metadata.annotations, [REVISION]: action.revision };
      return writes.update<Deployment>(ref, { ...deployment, metadata: { ...deployment.metadata, annotations } });
    }
    case 'set-status':
      return writes.updateStatus<Deployment>(ref, { ...deployment, status: action.status });
    default:
      return unreachable(action);
  }
}
