/**
 * Where everything is: kinds by their group, version and name, the watch cache of each, keys in the store, namespaces that
 * take new objects. What is read, changed and deleted there, `reads.ts` and `changes.ts` know.
 */
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { badRequest, forbidden, methodNotAllowed, notFound, unknownResource } from '../kube/errors.ts';
import type { KubeObject } from '../kube/types.ts';
import { BINDINGS } from './core/subresource.ts';
import type { Kind, Lookup, Subresource, View } from './kinds/kind.ts';
import type { Ref } from './requests.ts';
import { keyOf, prefixOf, type Storage, type Stored } from './storage.ts';
import { isView } from './view.ts';
import { WatchCache, type CacheFigures, type WatchLimits } from './watch-cache.ts';

export interface Target {
  readonly kind: Kind;
  readonly ref: Ref;
  readonly key: string;
}

export interface PlacesOptions {
  readonly kinds: readonly Kind[];
  readonly storage: Storage;
  readonly clock: Clock;
  readonly log: Log;
  readonly watchLimits?: WatchLimits | undefined;
}

export class Places {
  readonly namespaceKind: Kind;
  readonly #kinds = new Map<string, Kind>();
  readonly #caches = new Map<Kind, WatchCache>();
  readonly #storage: Storage;
  #isStarted = false;

  constructor({ kinds, storage, clock, log, watchLimits }: PlacesOptions) {
    this.#storage = storage;
    for (const kind of kinds) {
      const { group, version, resource } = kind.info;
      this.#kinds.set(`${group}/${version}/${resource}`, kind);
      if (isView(kind)) continue;
      const indexField = kind.selectableFields['spec.nodeName'];
      const facts = log.child({ kind: kind.info.kind });
      this.#caches.set(kind, new WatchCache({ ...watchLimits, storage, prefix: prefixOf(kind.info), indexField, clock, log: facts }));
    }
    const namespaces = this.#kinds.get('/v1/namespaces');
    assert(namespaces !== undefined, 'namespaces are among the kinds');
    this.namespaceKind = namespaces;
  }

  /** Most kinds are watched from the first question about them on; who creates anything asks about namespaces. */
  start(): void {
    this.#isStarted = true;
    this.cache(this.namespaceKind);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#caches.values()].map((cache) => cache.stop()));
  }

  /** Resolves when the store has answered. */
  async ready(): Promise<void> {
    await this.cache(this.namespaceKind).fresh(0);
  }

  /** Open watches, of all kinds. */
  get watchers(): number {
    let count = 0;
    for (const cache of this.#caches.values()) count += cache.watcherCount;
    return count;
  }

  /** Of the kinds that somebody has asked for; what nobody asks for is not read. */
  get caches(): readonly { readonly kind: Kind; readonly figures: CacheFigures }[] {
    return [...this.#caches].flatMap(([kind, { figures }]) => (figures === undefined ? [] : [{ kind, figures }]));
  }

  get kinds(): readonly Kind[] {
    return [...this.#kinds.values()];
  }

  kindOf({ group, version, resource }: Pick<Ref, 'group' | 'version' | 'resource'>): Kind {
    const kind = this.#kinds.get(`${group}/${version}/${resource}`);
    if (kind !== undefined) return kind;
    // They are created, and nothing else.
    if (group === '' && version === 'v1' && resource === BINDINGS) throw methodNotAllowed();
    throw unknownResource();
  }

  // --- places

  cache(asked: Kind, from = 0): WatchCache {
    const kind = isView(asked) ? this.kindOf(asked.view.of) : asked;
    const cache = this.#caches.get(kind);
    assert(cache !== undefined, 'every kind has its cache');
    if (this.#isStarted) cache.start(from);
    return cache;
  }

  target(ref: Ref): Target {
    const kind = this.kindOf(ref);
    checkSegment(ref.name, 'name');
    if (kind.info.namespaced) {
      if (ref.namespace === '') throw badRequest('an empty namespace may not be set when a resource name is provided');
      checkSegment(ref.namespace, 'namespace');
    }
    return { kind, ref, key: keyOf(kind.info, ref.namespace, ref.name) };
  }

  prefix(asked: Kind, { namespace }: Ref): string {
    const kind = isView(asked) ? this.kindOf(asked.view.of) : asked;
    if (namespace === '' || !kind.info.namespaced) return prefixOf(kind.info);
    checkSegment(namespace, 'namespace');
    return prefixOf(kind.info, namespace);
  }

  namespaceFor({ info }: Kind, ref: Ref, { metadata }: KubeObject): string {
    if (!info.namespaced) return '';
    const namespace = ref.namespace === '' ? (metadata.namespace ?? '') : ref.namespace;
    if (namespace === '') throw badRequest('an empty namespace may not be set during creation');
    if (metadata.namespace !== undefined && metadata.namespace !== '' && metadata.namespace !== namespace) {
      throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
    }
    metadata.namespace = namespace;
    return namespace;
  }

  async livingNamespace(kind: Kind, namespace: string, name: string, from: 'cached' | 'stored' = 'cached'): Promise<Stored> {
    checkSegment(namespace, 'namespace');
    const { info } = this.namespaceKind;
    const key = keyOf(info, '', namespace);
    const cached = from === 'cached' ? this.cache(this.namespaceKind).get(key) : undefined;
    const isAlive = cached !== undefined && cached.object.metadata.deletionTimestamp === undefined;
    const stored = isAlive ? cached : (await this.#storage.get(key)).stored;
    if (stored === undefined) throw notFound(info, namespace);
    if (stored.object.metadata.deletionTimestamp !== undefined) {
      const causes = [{ reason: 'NamespaceTerminating', message: `namespace ${namespace} is being terminated`, field: 'metadata.namespace' }];
      const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
      throw forbidden(kind.info, name, why, causes);
    }
    return stored;
  }

  // --- other kinds

  /** For rules of a kind that look at others. */
  readonly lookup: Lookup = {
    get: async (resource, namespace, name) => {
      const kind = this.#kindCalled(resource);
      const key = keyOf(kind.info, namespace, name);
      // What is not known here may have been created a moment ago.
      return this.cache(kind).get(key)?.object ?? (await this.#storage.get(key)).stored?.object;
    },
    list: async (resource) => {
      const kind = this.#kindCalled(resource);
      const cache = this.cache(kind);
      await cache.fresh(0);
      return cache.list(prefixOf(kind.info)).map(({ object }) => object);
    },
  };

  #kindCalled(resource: string): Kind {
    const kind = this.kinds.find(({ info }) => info.resource === resource);
    assert(kind !== undefined, `there is a kind called ${resource}`);
    return kind;
  }

  /** What the cache of a kind that is watched has; nobody begins to watch for it. */
  known(kind: Kind, key: string): Stored | undefined {
    return this.#caches.get(kind)?.get(key);
  }
}

/** Where the objects of a view are stored. */
export function storedRef({ view }: Kind & { readonly view: View }, ref: Ref): Ref {
  return { ...ref, ...view.of };
}

export function checkSubresource(kind: Kind, { subresource }: Ref, allowed: readonly Subresource[]): Subresource | '' {
  if (subresource === '') return '';
  const known = kind.subresources.find((name) => name === subresource);
  if (known === undefined) throw unknownResource();
  if (!allowed.includes(known)) throw methodNotAllowed();
  return known;
}

/** A name becomes a part of a key: what has a slash in it would be another object's. */
function checkSegment(text: string, what: string): void {
  if (text === '') throw badRequest(`${what} is required`);
  if (text.includes('/') || text.includes('%') || text === '.' || text === '..') {
    throw badRequest(`invalid ${what} ${JSON.stringify(text)}: may not be '.', '..' or contain '/' or '%'`);
  }
}
