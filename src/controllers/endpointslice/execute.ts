/** Carries out what `plan.ts` decided for a Service, and wakes it when its pods change. */
import { unreachable } from '../../base/assert.ts';
import { inNamespace, resources } from '../../client/api-client.ts';
import { isAlreadyExists, isNotFound } from '../../client/api-error.ts';
import { Controller, DONE, type Outcome } from '../../client/controller.ts';
import { keyOf, splitKey, type Endpoints, type EndpointSlice, type Pod } from '../../client/objects.ts';
import type { OwnWrites } from '../../client/own-writes.ts';
import { selectorMatches } from '../../kube/selector.ts';
import { SERVICE_NAME_LABEL, type ControllerContext } from '../context.ts';
import { planEndpointSlices, type EndpointSliceAction } from './plan.ts';

export function endpointSliceController(context: ControllerContext): Controller {
  const { client, clock, log, informers } = context;
  const { services, pods, endpointSlices, endpoints } = informers;
  const controller = new Controller({
    name: 'endpointslice',
    client,
    clock,
    log,
    informers: [services, pods, endpointSlices, endpoints],
    reconcile: (key, writes) => reconcile(context, key, writes),
  });
  services.listen({ changed: ({ key }) => controller.enqueue(key) });
  pods.listen({
    changed: ({ before, after }) => {
      const keys = new Set([...servicesOf(context, before), ...servicesOf(context, after)]);
      for (const key of keys) controller.enqueue(key);
    },
  });
  endpointSlices.listen({
    changed: ({ before, after }) => {
      const { namespace, labels } = (after ?? before)!.metadata;
      const service = labels?.[SERVICE_NAME_LABEL];
      if (service !== undefined) controller.enqueue(`${namespace}/${service}`);
    },
  });
  endpoints.listen({ changed: ({ key }) => controller.enqueue(key) });
  return controller;
}

function servicesOf({ informers }: ControllerContext, pod: Pod | undefined): string[] {
  if (pod === undefined) return [];
  return informers.services.cache
    .list()
    .filter(({ metadata }) => metadata.namespace === pod.metadata.namespace)
    .filter(({ spec }) => spec.selector !== undefined && selectorMatches({ matchLabels: spec.selector }, pod.metadata.labels))
    .map(keyOf);
}

async function reconcile(context: ControllerContext, key: string, writes: OwnWrites): Promise<Outcome> {
  const { services, pods, endpointSlices, endpoints } = context.informers;
  const { actions } = planEndpointSlices({
    service: services.cache.get(key),
    pods: pods.cache.by('namespace', splitKey(key).namespace),
    slices: endpointSlices.cache.by('service', key),
    endpoints: endpoints.cache.get(key),
  });
  for (const action of actions) {
    try {
      await execute(action, writes);
    } catch (error) {
      // Created by an earlier try, or deleted by somebody else: the caches will tell.
      if (!isAlreadyExists(error) && !isNotFound(error)) throw error;
    }
  }
  return DONE;
}

async function execute(action: EndpointSliceAction, writes: OwnWrites): Promise<void> {
  switch (action.kind) {
    case 'create-slice':
    case 'update-slice':
    case 'delete-slice': {
      const { slice } = action;
      const ref = inNamespace(resources.endpointSlices, slice.metadata.namespace);
      const { uid = '' } = slice.metadata;
      if (action.kind === 'create-slice') await writes.create<EndpointSlice>(ref, slice);
      else if (action.kind === 'update-slice') await writes.update<EndpointSlice>(ref, slice);
      else await writes.delete<EndpointSlice>(ref, slice.metadata.name, { preconditions: { uid } });
      return;
    }
    case 'create-endpoints':
    case 'update-endpoints':
    case 'delete-endpoints': {
      const { endpoints } = action;
      const ref = inNamespace(resources.endpoints, endpoints.metadata.namespace);
      const { uid = '' } = endpoints.metadata;
      if (action.kind === 'create-endpoints') await writes.create<Endpoints>(ref, endpoints);
      else if (action.kind === 'update-endpoints') await writes.update<Endpoints>(ref, endpoints);
      else await writes.delete<Endpoints>(ref, endpoints.metadata.name, { preconditions: { uid } });
      return;
    }
    default:
      unreachable(action);
  }
}
