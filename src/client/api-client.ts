/**
 * The seam to the API server, as scheduler, controllers, agents and the command line see it: plain JSON objects in and
 * out, `ApiError` on refusal. Bindings: gRPC (`grpc-api-client.ts`), straight to the handlers (`direct-api-client.ts`).
 * Every answer is a fresh object: it may be kept, and must not be changed once it is shared.
 */
import type { ApiObject } from './objects.ts';

export interface ResourceRef {
  /** Empty: the core group. */
  readonly group: string;
  readonly version: string;
  /** The plural: `pods`. */
  readonly resource: string;
  /** Left out: cluster scoped, or all namespaces in a list. */
  readonly namespace?: string;
}

export interface ListOptions extends TableOptions {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly limit?: number;
  readonly continue?: string;
  readonly resourceVersion?: string;
  readonly signal?: AbortSignal;
}

/** The server's own table in place of the objects: see tables.ts. */
export interface TableOptions {
  readonly asTable?: boolean;
  readonly includeObject?: 'None' | 'Metadata' | 'Object';
}

export interface List<T> {
  readonly resourceVersion: string;
  /** Not empty: there is more, list again with this. */
  readonly continue: string;
  readonly items: readonly T[];
}

export interface WatchOptions extends TableOptions {
  /** Events strictly after this one. */
  readonly resourceVersion?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly allowWatchBookmarks?: boolean;
  readonly signal?: AbortSignal;
}

/** An event of type ERROR is thrown as `ApiError`, it never reaches the caller as an event. */
export type WatchEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T; readonly resourceVersion: string }
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string };

export interface GetOptions extends TableOptions {
  readonly subresource?: string;
}

export interface WriteOptions {
  readonly fieldManager?: string;
  readonly dryRun?: boolean;
}

export interface CreateOptions extends WriteOptions {
  /** Name of the parent and subresource, as in `pods/NAME/binding` and `pods/NAME/eviction`. */
  readonly name?: string;
  readonly subresource?: string;
}

export interface Preconditions {
  readonly uid?: string;
  readonly resourceVersion?: string;
}

export interface PatchOptions extends WriteOptions {
  readonly type: 'merge' | 'json' | 'strategic';
  /** An object, or a list of operations for `json`. */
  readonly patch: unknown;
  readonly subresource?: string;
  readonly preconditions?: Preconditions;
}

export interface ApplyOptions extends WriteOptions {
  /** Take over what other managers own with other values. */
  readonly force?: boolean;
}

export type PropagationPolicy = 'Orphan' | 'Background' | 'Foreground';

export interface DeleteOptions {
  readonly preconditions?: Preconditions;
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: PropagationPolicy;
  readonly dryRun?: boolean;
}

export interface DeleteCollectionOptions extends Omit<DeleteOptions, 'preconditions'> {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

/** What a create takes: the server sets the rest. The name may be missing where `generateName` stands. */
export type NewObject<T extends ApiObject> = Omit<T, 'status' | 'metadata'> & {
  readonly metadata: Omit<T['metadata'], 'name'> & { readonly name?: string };
};

export interface ApiClient {
  // The type parameter is the caller's knowledge of the resource: the server has validated what it stores.
  get<T extends ApiObject>(ref: ResourceRef, name: string, options?: GetOptions): Promise<T>;
  list<T extends ApiObject>(ref: ResourceRef, options?: ListOptions): Promise<List<T>>;
  watch<T extends ApiObject>(ref: ResourceRef, options?: WatchOptions): AsyncIterable<WatchEvent<T>>;
  create<T extends ApiObject>(ref: ResourceRef, object: NewObject<T>, options?: CreateOptions): Promise<T>;
  /** Refused with `Conflict` if `metadata.resourceVersion` is set and not the latest. */
  update<T extends ApiObject>(ref: ResourceRef, object: T, options?: WriteOptions): Promise<T>;
  updateStatus<T extends ApiObject>(ref: ResourceRef, object: T, options?: WriteOptions): Promise<T>;
  updateSubresource<T extends ApiObject>(
    ref: ResourceRef,
    subresource: string,
    object: T,
    options?: WriteOptions,
  ): Promise<T>;
  patch<T extends ApiObject>(ref: ResourceRef, name: string, options: PatchOptions): Promise<T>;
  /** Server-side apply: the object has what the manager wants, and no more. Refused with `Conflict` where another manager wants otherwise. */
  apply<T extends ApiObject>(ref: ResourceRef, config: NewObject<T>, options?: ApplyOptions): Promise<T>;
  /** Answers the object as it now is: gone, or with a deletion timestamp. */
  delete<T extends ApiObject>(ref: ResourceRef, name: string, options?: DeleteOptions): Promise<T>;
  deleteCollection<T extends ApiObject>(ref: ResourceRef, options?: DeleteCollectionOptions): Promise<readonly T[]>;
}

const core = (resource: string): ResourceRef => ({ group: '', version: 'v1', resource });

/** The resources that our own parts speak of, in all namespaces. */
export const resources = {
  pods: core('pods'),
  nodes: core('nodes'),
  services: core('services'),
  endpoints: core('endpoints'),
  namespaces: core('namespaces'),
  events: core('events'),
  configMaps: core('configmaps'),
  secrets: core('secrets'),
  serviceAccounts: core('serviceaccounts'),
  deployments: { group: 'apps', version: 'v1', resource: 'deployments' },
  replicaSets: { group: 'apps', version: 'v1', resource: 'replicasets' },
  endpointSlices: { group: 'discovery.k8s.io', version: 'v1', resource: 'endpointslices' },
  podDisruptionBudgets: { group: 'policy', version: 'v1', resource: 'poddisruptionbudgets' },
  leases: { group: 'coordination.k8s.io', version: 'v1', resource: 'leases' },
} as const satisfies Record<string, ResourceRef>;

export function inNamespace(ref: ResourceRef, namespace: string | undefined): ResourceRef {
  const { group, version, resource } = ref;
  return namespace === undefined || namespace === ''
    ? { group, version, resource }
    : { group, version, resource, namespace };
}
