/** The kinds that every part knows by name: what a resource is called in each of its places. */

export interface ResourceInfo {
  /** Empty: the core group. */
  readonly group: string;
  readonly version: string;
  /** The plural, as in a path: `pods`. */
  readonly resource: string;
  readonly kind: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly namespaced: boolean;
  /** `all` is what `get all` shows. */
  readonly categories: readonly string[];
}

interface Row {
  readonly group?: string;
  readonly resource: string;
  readonly kind: string;
  readonly short?: readonly string[];
  readonly cluster?: true;
  readonly all?: true;
}

const rows: readonly Row[] = [
  { resource: 'namespaces', kind: 'Namespace', short: ['ns'], cluster: true },
  { resource: 'nodes', kind: 'Node', short: ['no'], cluster: true },
  { resource: 'pods', kind: 'Pod', short: ['po'], all: true },
  { resource: 'services', kind: 'Service', short: ['svc'], all: true },
  { resource: 'endpoints', kind: 'Endpoints', short: ['ep'] },
  { resource: 'configmaps', kind: 'ConfigMap', short: ['cm'] },
  { resource: 'secrets', kind: 'Secret' },
  { resource: 'serviceaccounts', kind: 'ServiceAccount', short: ['sa'] },
  { resource: 'events', kind: 'Event', short: ['ev'] },
  { group: 'apps', resource: 'deployments', kind: 'Deployment', short: ['deploy'], all: true },
  { group: 'apps', resource: 'replicasets', kind: 'ReplicaSet', short: ['rs'], all: true },
  { group: 'discovery.k8s.io', resource: 'endpointslices', kind: 'EndpointSlice' },
  { group: 'coordination.k8s.io', resource: 'leases', kind: 'Lease' },
];

export const RESOURCES: readonly ResourceInfo[] = rows.map((row) => ({
  group: row.group ?? '',
  version: 'v1',
  resource: row.resource,
  kind: row.kind,
  singular: row.kind.toLowerCase(),
  shortNames: row.short ?? [],
  namespaced: row.cluster !== true,
  categories: row.all === true ? ['all'] : [],
}));

/** `v1`, `apps/v1`: what stands in an object's apiVersion. */
export function apiVersionOf({ group, version }: { readonly group: string; readonly version: string }): string {
  return group === '' ? version : `${group}/${version}`;
}

/** `pods`, `deployments.apps`: how messages name a resource. */
export function qualifiedResource({ group, resource }: { readonly group: string; readonly resource: string }): string {
  return group === '' ? resource : `${resource}.${group}`;
}

/** `Pod`, `Deployment.apps`: how messages name a kind. */
export function qualifiedKind({ group, kind }: { readonly group: string; readonly kind: string }): string {
  return group === '' ? kind : `${kind}.${group}`;
}

/** By what a person types: plural, singular, short name or kind, in any case, with or without `.group` or `.version.group`. */
export function findResource(word: string): ResourceInfo | undefined {
  const [name = '', ...rest] = word.toLowerCase().split('.');
  const suffix = rest.join('.');
  return RESOURCES.find((info) => {
    const isNamed = info.resource === name || info.singular === name || info.shortNames.includes(name);
    return isNamed && (suffix === '' || suffix === info.group || suffix === `${info.version}.${info.group}`);
  });
}

export function findKind(apiVersion: string, kind: string): ResourceInfo | undefined {
  return RESOURCES.find((info) => info.kind === kind && apiVersionOf(info) === apiVersion);
}
