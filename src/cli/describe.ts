/** `podium describe`: one object, or all of a kind, with what belongs to it and its events. */
import { isNotFound } from '../client/api-error.ts';
import { inNamespace, resources } from '../client/api-client.ts';
import { type CliContext, EXIT_FAILED, EXIT_OK } from './context.ts';
import { describeObject } from './core/describe.ts';
import { at, pairs, record, type View } from './core/view.ts';
import { explain } from './errors.ts';
import { scopeOf } from './get.ts';
import { listAll, parseTargets, refOf, type Selectors } from './resources.ts';

export interface DescribeOptions {
  readonly namespace?: string;
  readonly allNamespaces?: boolean;
  readonly selector?: string;
  readonly showEvents?: boolean;
}

export async function describe(context: CliContext, words: readonly string[], options: DescribeOptions): Promise<number> {
  const pages: string[] = [];
  let exitCode = EXIT_OK;
  for (const { info, name } of parseTargets(words)) {
    const ref = refOf(info, scopeOf(options));
    try {
      const objects = name === undefined ? (await listAll(context.api, ref, selectorOf(options))).items : [await context.api.get<View>(ref, name)];
      for (const object of objects) {
        const [events, related] = await Promise.all([
          options.showEvents === false ? undefined : eventsOf(context, object),
          relatedOf(context, info.resource, object),
        ]);
        pages.push(describeObject(info.resource, { object, events, related, nowMs: context.clock.wall() }));
      }
    } catch (error) {
      context.warn(explain(error) ?? '');
      exitCode = EXIT_FAILED;
    }
  }
  if (pages.length === 0 && exitCode === EXIT_OK) context.warn(`No resources found in ${scopeOf(options) ?? 'any'} namespace.`);
  context.write(pages.join('\n\n'));
  return exitCode;
}

function selectorOf({ selector }: DescribeOptions): Selectors {
  return selector === undefined ? {} : { labelSelector: selector };
}

async function eventsOf({ api }: CliContext, { metadata, kind }: View): Promise<View[]> {
  const selector = `involvedObject.kind=${kind},involvedObject.name=${metadata.name}`;
  try {
    return (await listAll(api, inNamespace(resources.events, metadata.namespace ?? 'default'), { fieldSelector: selector })).items;
  } catch (error) {
    if (isNotFound(error)) return [];
    throw error;
  }
}

async function relatedOf({ api }: CliContext, resource: string, object: View): Promise<View[]> {
  const { name, namespace, uid } = object.metadata;
  const labels = at(object, 'spec', 'selector', 'matchLabels');
  const bySelector: Selectors = Object.keys(record(labels)).length === 0 ? {} : { labelSelector: pairs(labels) };
  const isOwn = ({ metadata }: View) => metadata.ownerReferences?.some((owner) => owner.uid === uid) === true;
  switch (resource) {
    case 'deployments':
      return (await listAll(api, inNamespace(resources.replicaSets, namespace), bySelector)).items.filter(isOwn);
    case 'replicasets':
      return (await listAll(api, inNamespace(resources.pods, namespace), bySelector)).items.filter(isOwn);
    case 'services': {
      const selector = { labelSelector: `kubernetes.io/service-name=${name}` };
      return (await listAll(api, inNamespace(resources.endpointSlices, namespace), selector)).items;
    }
    case 'nodes':
      return (await listAll(api, resources.pods, { fieldSelector: `spec.nodeName=${name}` })).items;
    default:
      return [];
  }
}
