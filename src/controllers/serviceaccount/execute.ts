/** Every namespace has a ServiceAccount `default`. Too small for a plan of its own. */
import { inNamespace, resources } from '../../client/api-client.ts';
import { isAlreadyExists } from '../../client/api-error.ts';
import { Controller, DONE, type Outcome } from '../../client/controller.ts';
import type { ApiObject } from '../../client/objects.ts';
import type { OwnWrites } from '../../client/own-writes.ts';
import type { ControllerContext } from '../context.ts';

export function serviceAccountController(context: ControllerContext): Controller {
  const { client, clock, log, informers } = context;
  const { namespaces, serviceAccounts } = informers;
  const controller = new Controller({
    name: 'serviceaccount',
    client,
    clock,
    log,
    informers: [namespaces, serviceAccounts],
    reconcile: (key, writes) => reconcile(context, key, writes),
  });
  namespaces.listen({ changed: ({ key }) => controller.enqueue(key) });
  serviceAccounts.listen({
    changed: ({ before, after }) => {
      if (after === undefined) controller.enqueue(before?.metadata.namespace ?? '');
    },
  });
  return controller;
}

async function reconcile({ informers }: ControllerContext, name: string, writes: OwnWrites): Promise<Outcome> {
  const namespace = informers.namespaces.cache.get(name);
  const isGoing = namespace === undefined || namespace.metadata.deletionTimestamp !== undefined;
  if (isGoing || informers.serviceAccounts.cache.get(`${name}/default`) !== undefined) return DONE;
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: name } };
  try {
    await writes.create<ApiObject>(inNamespace(resources.serviceAccounts, name), account);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
  return DONE;
}
