/** From what a person types (`deploy/hello`, `pods a b`, `svc,po`) to what the API server is asked for. */
import { UserError } from '../base/errors.ts';
import { type ApiClient, inNamespace, type ResourceRef } from '../client/api-client.ts';
import { nearest } from '../base/nearest.ts';
import { findResource, RESOURCES, type ResourceInfo } from '../kube/resources.ts';
import type { View } from './core/view.ts';

export interface Target {
  readonly info: ResourceInfo;
  /** Absent: all of them. */
  readonly name?: string;
}

/** How many objects a list asks for at a time, as kubectl does. */
const PAGE_SIZE = 500;

export function requireResource(word: string): ResourceInfo {
  const info = findResource(word);
  if (info !== undefined) return info;
  const meant = nearest(word.toLowerCase(), RESOURCES.flatMap(({ resource, singular }) => [resource, singular]));
  const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
  throw new UserError(`error: the server doesn't have a resource type ${JSON.stringify(word)}${hint}`);
}

/** `TYPE [NAME...]`, `TYPE,TYPE`, `TYPE/NAME...` or `all`, as kubectl reads them. */
export function parseTargets(words: readonly string[]): Target[] {
  const [first, ...names] = words;
  if (first === undefined) {
    throw new UserError('error: You must specify the type of resource: such as pods, deployments, or deployment/NAME');
  }
  if (words.some((word) => word.includes('/'))) {
    return words.map((word) => {
      const [type = '', name = '', ...rest] = word.split('/');
      if (type === '' || name === '' || rest.length > 0) {
        throw new UserError(`error: arguments in resource/name form must have a single resource and name: ${JSON.stringify(word)}`);
      }
      return { info: requireResource(type), name };
    });
  }
  const types = first.split(',').flatMap((type) => {
    return type === 'all' ? RESOURCES.filter(({ categories }) => categories.includes('all')) : [requireResource(type)];
  });
  if (names.length === 0) return types.map((info) => ({ info }));
  return types.flatMap((info) => names.map((name) => ({ info, name })));
}

/** Exactly one object; a bare NAME is of the type `fallback`. */
export function parseTarget(words: readonly string[], fallback?: string): { readonly info: ResourceInfo; readonly name: string } {
  const isBare = words.length === 1 && fallback !== undefined && !words[0]!.includes('/');
  const targets = parseTargets(isBare ? [fallback, ...words] : words);
  const [only, ...others] = targets;
  if (only?.name === undefined) throw new UserError('error: a name is required, such as deployment/NAME');
  if (others.length > 0) throw new UserError('error: only one object at a time');
  return { info: only.info, name: only.name };
}

export function refOf(info: ResourceInfo, namespace: string | undefined): ResourceRef {
  return inNamespace(info, info.namespaced ? namespace : undefined);
}

/** `deployment.apps/hello`: how the outcome of a command names an object. */
export function nameOf(info: ResourceInfo, name: string): string {
  return `${info.group === '' ? info.singular : `${info.singular}.${info.group}`}/${name}`;
}

export interface Selectors {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

/** Every object, page by page, with the version that a watch may go on from. */
export async function listAll(api: ApiClient, ref: ResourceRef, selectors: Selectors = {}): Promise<{ items: View[]; resourceVersion: string }> {
  const items: View[] = [];
  let resourceVersion = '';
  let next = '';
  do {
    const page = await api.list<View>(ref, { ...selectors, limit: PAGE_SIZE, ...(next === '' ? {} : { continue: next }) });
    items.push(...page.items);
    resourceVersion = page.resourceVersion;
    next = page.continue;
  } while (next !== '');
  return { items, resourceVersion };
}

