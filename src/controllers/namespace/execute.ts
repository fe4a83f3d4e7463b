/** Counts what is in a namespace that is being deleted, and carries out what `plan.ts` decided. */
import { unreachable } from '../../base/assert.ts';
import { resources, type ResourceRef } from '../../client/api-client.ts';
import { isConflict, isNotFound } from '../../client/api-error.ts';
import { Controller, DONE, requeueAfter, type Outcome } from '../../client/controller.ts';
import type { ApiObject, Namespace } from '../../client/objects.ts';
import { RESOURCES, qualifiedResource } from '../../kube/resources.ts';
import type { ControllerContext } from '../context.ts';
import { planNamespace, terminationConditions, type Remaining, type TerminationInput } from './plan.ts';

/** Objects of one kind that are looked at in one round. */
const COUNTED_MAX = 500;

export function namespaceController(context: ControllerContext): Controller {
  const { client, clock, log, informers } = context;
  const controller = new Controller({
    name: 'namespace',
    client,
    clock,
    log,
    informers: [informers.namespaces],
    reconcile: (key) => reconcile(context, key),
  });
  informers.namespaces.listen({ changed: ({ key }) => controller.enqueue(key) });
  return controller;
}

async function reconcile(context: ControllerContext, name: string): Promise<Outcome> {
  const namespace = context.informers.namespaces.cache.get(name);
  if (namespace?.metadata.deletionTimestamp === undefined) return DONE;
  const kinds = RESOURCES.filter(({ namespaced }) => namespaced);
  const refs = new Map(
    kinds.map((info): [string, ResourceRef] => [
      `${info.resource}.${info.group}`,
      { group: info.group, version: info.version, resource: info.resource, namespace: name },
    ]),
  );
  const remaining = new Map<string, Remaining>();
  for (const [resource, ref] of refs) remaining.set(resource, await count(context, ref));
  const { actions, requeueAfterMs } = planNamespace({ namespace, remaining });
  const failures: string[] = [];
  for (const action of actions) {
    switch (action.kind) {
      case 'delete-content':
        for (const resource of action.resources) failures.push(...(await deleteContent(context, refs.get(resource)!)));
        break;
      case 'finalize':
        await finalize(context, namespace, action.finalizers);
        return requeueAfter(requeueAfterMs);
      default:
        unreachable(action);
    }
  }
  // What has gone at once need not be spoken of.
  for (const [resource, { total }] of remaining) if (total > 0) remaining.set(resource, await count(context, refs.get(resource)!));
  await tell(context, { namespace, remaining, failures });
  return requeueAfter(requeueAfterMs);
}

/** Dependents are deleted as whatever else is in the namespace, so nothing is kept for them. */
async function deleteContent({ client }: ControllerContext, ref: ResourceRef): Promise<string[]> {
  try {
    await client.deleteCollection(ref, { propagationPolicy: 'Background' });
    return [];
  } catch (error) {
    return [`failed to delete ${qualifiedResource(ref)}: ${error instanceof Error ? error.message : String(error)}`];
  }
}

async function count(context: ControllerContext, ref: ResourceRef): Promise<Remaining> {
  const { items } = await context.client.list<ApiObject>(ref, { limit: COUNTED_MAX });
  const notDeleted = items.filter(({ metadata }) => metadata.deletionTimestamp === undefined).length;
  const finalizers = new Map<string, number>();
  for (const { metadata } of items) for (const name of metadata.finalizers ?? []) finalizers.set(name, (finalizers.get(name) ?? 0) + 1);
  return { total: items.length, notDeleted, finalizers };
}

async function tell(context: ControllerContext, input: TerminationInput): Promise<void> {
  const conditions = terminationConditions(input, context.clock.wall());
  if (conditions === undefined) return;
  const { namespace } = input;
  try {
    await context.client.updateStatus<Namespace>(resources.namespaces, { ...namespace, status: { ...namespace.status, conditions } });
  } catch (error) {
    // Changed meanwhile: the news of that brings the key back.
    if (!isNotFound(error) && !isConflict(error)) throw error;
  }
}

async function finalize({ client }: ControllerContext, namespace: Namespace, finalizers: readonly string[]): Promise<void> {
  const finalized = { ...namespace, spec: { ...namespace.spec, finalizers } };
  try {
    await client.updateSubresource<Namespace>(resources.namespaces, 'finalize', finalized);
  } catch (error) {
    // Gone already, or changed: the news of that brings the key back.
    if (!isNotFound(error) && !isConflict(error)) throw error;
  }
}
