/**
 * Discovery: what groups, versions and resources there are, in its two forms (a document a level, or all in one). Derived
 * from the kinds; pure. Entries of subresources name the group, version and kind of what is sent to them: `kubectl drain`
 * looks for `policy/v1 Eviction` below pods, and deletes where it does not find it.
 */
import { apiVersionOf, type ResourceInfo } from '../../kube/resources.ts';
import type { Kind } from '../kinds/kind.ts';

export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

export interface ServedSubresource {
  readonly name: string;
  readonly body: GroupVersionKind;
  readonly verbs: readonly string[];
}

/** A resource as clients find it: a kind of the registry, or something that is only ever created, such as a review. */
export interface ServedResource {
  readonly info: ResourceInfo;
  readonly verbs: readonly string[];
  readonly subresources: readonly ServedSubresource[];
}

const KIND_VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
const OBJECT_VERBS = ['get', 'patch', 'update'];

/** What is sent to a subresource where that is not the object itself, and what can be done with it. */
const SUBRESOURCES: Readonly<Record<string, { readonly body?: GroupVersionKind; readonly verbs: readonly string[] }>> = {
  status: { verbs: OBJECT_VERBS },
  finalize: { verbs: ['update'] },
  approval: { verbs: OBJECT_VERBS },
  ephemeralcontainers: { verbs: OBJECT_VERBS },
  resize: { verbs: OBJECT_VERBS },
  scale: { body: { group: 'autoscaling', version: 'v1', kind: 'Scale' }, verbs: OBJECT_VERBS },
  binding: { body: { group: '', version: 'v1', kind: 'Binding' }, verbs: ['create'] },
  eviction: { body: { group: 'policy', version: 'v1', kind: 'Eviction' }, verbs: ['create'] },
  token: { body: { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' }, verbs: ['create'] },
  log: { verbs: ['get'] },
  attach: { body: { group: '', version: 'v1', kind: 'PodAttachOptions' }, verbs: ['create', 'get'] },
  exec: { body: { group: '', version: 'v1', kind: 'PodExecOptions' }, verbs: ['create', 'get'] },
  portforward: { body: { group: '', version: 'v1', kind: 'PodPortForwardOptions' }, verbs: ['create', 'get'] },
};

/** Subresources that are not the registry's: others answer them. */
const BESIDE_THE_REGISTRY: Readonly<Record<string, readonly string[]>> = { '/pods': ['attach', 'exec', 'log', 'portforward'], '/serviceaccounts': ['token'] };

export function servedResources(kinds: readonly Kind[], others: readonly ServedResource[]): readonly ServedResource[] {
  const ofKinds = kinds.map(({ info, subresources }): ServedResource => {
    const names = new Set<string>([...subresources, ...(BESIDE_THE_REGISTRY[`${info.group}/${info.resource}`] ?? [])]);
    return {
      info,
      verbs: info.group === '' && info.resource === 'namespaces' ? KIND_VERBS.filter((verb) => verb !== 'deletecollection') : KIND_VERBS,
      subresources: [...names].sort().map((name) => {
        const { body, verbs } = SUBRESOURCES[name] ?? { verbs: OBJECT_VERBS };
        return { name, body: body ?? info, verbs };
      }),
    };
  });
  return [...ofKinds, ...others].sort((a, b) => (a.info.resource < b.info.resource ? -1 : 1));
}

interface GroupVersions {
  readonly group: string;
  readonly versions: readonly string[];
}

/** Groups in the order of their first resource's priority: apps before the rest, as kubectl resolves short names by it. */
const GROUP_ORDER: readonly string[] = ['', 'apps', 'events.k8s.io', 'authentication.k8s.io', 'authorization.k8s.io', 'autoscaling', 'batch'];

function groupsOf(served: readonly ServedResource[]): readonly GroupVersions[] {
  const groups = new Map<string, Set<string>>();
  for (const { info } of served) groups.set(info.group, (groups.get(info.group) ?? new Set()).add(info.version));
  const rank = (group: string) => (GROUP_ORDER.includes(group) ? GROUP_ORDER.indexOf(group) : GROUP_ORDER.length);
  return [...groups]
    .map(([group, versions]) => ({ group, versions: [...versions].sort(byStability) }))
    .sort((a, b) => rank(a.group) - rank(b.group) || (a.group < b.group ? -1 : 1));
}

/** v2 before v1 before v1beta1 before v1alpha1. */
function byStability(a: string, b: string): number {
  const parse = (version: string) => {
    const [, major = '0', stage = '', minor = '0'] = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version) ?? [];
    return [stage === '' ? 2 : stage === 'beta' ? 1 : 0, Number(major), Number(minor)] as const;
  };
  const [left, right] = [parse(a), parse(b)];
  return right[0] - left[0] || right[1] - left[1] || right[2] - left[2];
}

/** `/api`. */
export function apiVersions(serverAddress: string): object {
  return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }] };
}

/** `/apis`: all but the core group. */
export function apiGroupList(served: readonly ServedResource[]): object {
  const groups = groupsOf(served).filter(({ group }) => group !== '');
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.map(groupDocument) };
}

/** `/apis/<group>`; undefined: there is no such group. */
export function apiGroup(served: readonly ServedResource[], name: string): object | undefined {
  const found = groupsOf(served).find(({ group }) => group === name && group !== '');
  return found === undefined ? undefined : { kind: 'APIGroup', apiVersion: 'v1', ...groupDocument(found) };
}

function groupDocument({ group, versions }: GroupVersions) {
  const list = versions.map((version) => ({ groupVersion: apiVersionOf({ group, version }), version }));
  return { name: group, versions: list, preferredVersion: list[0] };
}

/** `/api/v1`, `/apis/<group>/<version>`; undefined: there is no such version. */
export function apiResourceList(served: readonly ServedResource[], group: string, version: string): object | undefined {
  const found = served.filter(({ info }) => info.group === group && info.version === version);
  if (found.length === 0) return undefined;
  const resources = found.flatMap(({ info, verbs, subresources }) => [
    {
      name: info.resource,
      singularName: info.singular,
      namespaced: info.namespaced,
      kind: info.kind,
      verbs,
      ...(info.shortNames.length === 0 ? {} : { shortNames: info.shortNames }),
      ...(info.categories.length === 0 ? {} : { categories: info.categories }),
    },
    ...subresources.map(({ name, body, verbs: subVerbs }) => ({
      name: `${info.resource}/${name}`,
      singularName: '',
      namespaced: info.namespaced,
      // What is of another version says so.
      ...(body.group === group && body.version === version ? {} : { group: body.group, version: body.version }),
      kind: body.kind,
      verbs: subVerbs,
    })),
  ]);
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: apiVersionOf({ group, version }), resources };
}

/** `/api` or `/apis`, aggregated: every resource of the core group, or of the others, in one answer. */
export function aggregatedDiscovery(served: readonly ServedResource[], of: 'core' | 'groups', version: string): object {
  const groups = groupsOf(served).filter(({ group }) => (group === '') === (of === 'core'));
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: groups.map(({ group, versions }) => ({
      metadata: { name: group, creationTimestamp: null },
      versions: versions.map((one) => ({
        version: one,
        resources: served.filter(({ info }) => info.group === group && info.version === one).map(aggregatedResource),
        freshness: 'Current',
      })),
    })),
  };
}

function aggregatedResource({ info, verbs, subresources }: ServedResource) {
  const { resource, group, version, kind, singular, shortNames, categories, namespaced } = info;
  return {
    resource,
    responseKind: { group, version, kind },
    scope: namespaced ? 'Namespaced' : 'Cluster',
    singularResource: singular,
    verbs,
    ...(shortNames.length === 0 ? {} : { shortNames }),
    ...(categories.length === 0 ? {} : { categories }),
    ...(subresources.length === 0
      ? {}
      : {
          subresources: subresources.map(({ name, body, verbs: subVerbs }) => ({
            subresource: name,
            responseKind: { group: body.group, version: body.version, kind: body.kind },
            verbs: subVerbs,
          })),
        }),
  };
}
