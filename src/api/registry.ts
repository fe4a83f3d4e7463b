/**
 * The one registry behind every face: it knows how objects are created, changed, listed, watched and deleted, and knows
 * neither a kind (they are data and functions in `kinds/`) nor a transport. Requests are plain JSON in, objects out;
 * refusals are ApiErrors. Objects that it answers may be shared with its cache: a face encodes them, nobody changes them.
 *
 *   Places   where everything is: kinds, their caches, keys, namespaces
 *   Reads    get, list, watch
 *   Writes   create, update, patch, apply: what an object is to become
 *   Changes  one object's change in the store, decided anew when others were quicker
 */
import { formatTime, type Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { forbidden, isReason, methodNotAllowed } from '../kube/errors.ts';
import type { KubeObject } from '../kube/types.ts';
import { ServiceAllocator, type AllocationRules } from './allocator.ts';
import { Changes } from './changes.ts';
import { checkDeletion, planDeletion } from './core/draft.ts';
import { success } from './core/subresource.ts';
import { tableOf, type IncludeObject, type Table } from './core/table.ts';
import { evict } from './eviction.ts';
import type { Kind } from './kinds/kind.ts';
import { Places, checkSubresource, storedRef } from './places.ts';
import { Reads } from './reads.ts';
import type { ApplyOptions, DeleteQuery, Listed, ListQuery, PatchType, Ref, WatchQuery, WriteOptions, Written } from './requests.ts';
import type { Storage } from './storage.ts';
import { isView, shownAs } from './view.ts';
import type { CacheWatch } from './watch-audience.ts';
import type { CacheFigures, WatchLimits } from './watch-cache.ts';
import { Writes } from './writes.ts';

export interface RegistryOptions {
  readonly kinds: readonly Kind[];
  readonly storage: Storage;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly allocation: AllocationRules;
  readonly watchLimits?: WatchLimits | undefined;
}

/** Deleting one of these would leave the cluster without its own place. */
const IMMORTAL_NAMESPACES: ReadonlySet<string> = new Set(['default', 'kube-system', 'kube-public', 'kube-node-lease']);

export class Registry {
  readonly #places: Places;
  readonly #reads: Reads;
  readonly #writes: Writes;
  readonly #changes: Changes;
  readonly #clock: Clock;

  constructor({ kinds, storage, clock, random, log, allocation, watchLimits }: RegistryOptions) {
    this.#clock = clock;
    this.#places = new Places({ kinds, storage, clock, log, watchLimits });
    this.#reads = new Reads(this.#places, storage);
    const allocator = new ServiceAllocator(storage, random.fork('services'), allocation);
    this.#changes = new Changes({ places: this.#places, storage, allocator });
    this.#writes = new Writes({ places: this.#places, changes: this.#changes, clock, random });
  }

  start(): void {
    this.#places.start();
  }

  stop(): Promise<void> {
    return this.#places.stop();
  }

  /** Resolves when the store has answered. */
  ready(): Promise<void> {
    return this.#places.ready();
  }

  /** Open watches, of all kinds. */
  get watchers(): number {
    return this.#places.watchers;
  }

  get caches(): readonly { readonly kind: Kind; readonly figures: CacheFigures }[] {
    return this.#places.caches;
  }

  get kinds(): readonly Kind[] {
    return this.#places.kinds;
  }

  kindOf(ref: Pick<Ref, 'group' | 'version' | 'resource'>): Kind {
    return this.#places.kindOf(ref);
  }

  // --- reading

  get(ref: Ref, resourceVersion = ''): Promise<KubeObject> {
    return this.#reads.get(ref, resourceVersion);
  }

  list(ref: Ref, query: ListQuery = {}): Promise<Listed> {
    return this.#reads.list(ref, query);
  }

  async table(ref: Ref, query: ListQuery = {}): Promise<Table> {
    const listed = await this.list(ref, query);
    return this.tableOf(listed);
  }

  tableOf(listed: Listed, include: IncludeObject = 'Metadata'): Table {
    return tableOf(listed.kind, listed, { wallMs: this.#clock.wall(), include });
  }

  /** For tables that a face writes row by row. */
  wall(): number {
    return this.#clock.wall();
  }

  /** Throws before the first event where the request is at fault; ends without an error where the watcher was too slow. */
  watch(ref: Ref, query: WatchQuery): Promise<CacheWatch> {
    return this.#reads.watch(ref, query);
  }

  // --- writing

  async create(ref: Ref, body: unknown, options: WriteOptions = {}): Promise<Written> {
    if (ref.subresource !== 'eviction') return this.#writes.create(ref, body, options);
    checkSubresource(this.kindOf(ref), ref, ['eviction']);
    await evict({ registry: this, now: () => formatTime(this.#clock.wall()) }, ref, body, options);
    return { object: success(), warnings: [] };
  }

  update(ref: Ref, body: unknown, options: WriteOptions = {}): Promise<Written> {
    return this.#writes.update(ref, body, options);
  }

  patch(ref: Ref, patch: { readonly type: PatchType; readonly body: unknown }, options: WriteOptions = {}): Promise<Written> {
    return this.#writes.patch(ref, patch, options);
  }

  /** Server-side apply: creates the object, or makes it what the config says and leaves the rest to its owners. */
  apply(ref: Ref, body: unknown, options: ApplyOptions): Promise<Written> {
    return this.#writes.apply(ref, body, options);
  }

  /** Answers the object as it now is: gone, or with a deletion timestamp. */
  async delete(ref: Ref, query: DeleteQuery = {}): Promise<KubeObject> {
    const asked = this.kindOf(ref);
    if (isView(asked)) return shownAs(asked, await this.delete(storedRef(asked, ref), query));
    const target = this.#places.target(ref);
    const { kind } = target;
    checkSubresource(kind, ref, []);
    const { gracePeriodSeconds, propagationPolicy = '', orphanDependents } = query;
    checkDeletion({ gracePeriodSeconds, propagationPolicy, orphanDependents });
    if (kind === this.#places.namespaceKind && IMMORTAL_NAMESPACES.has(ref.name)) {
      throw forbidden(kind.info, ref.name, 'this namespace may not be deleted');
    }
    return this.#changes.remove(target, query, (current) =>
      planDeletion(kind, current, { gracePeriodSeconds, propagationPolicy, orphanDependents, wallMs: this.#clock.wall(), formatTime }),
    );
  }

  /** Of one namespace, or of a kind that is in none: nobody empties all namespaces at once, or takes them all away. */
  async deleteCollection(ref: Ref, query: DeleteQuery & Pick<ListQuery, 'labelSelector' | 'fieldSelector'> = {}): Promise<Listed> {
    const kind = this.#places.kindOf(ref);
    if (kind === this.#places.namespaceKind || (kind.info.namespaced && ref.namespace === '')) throw methodNotAllowed();
    checkDeletion({ gracePeriodSeconds: query.gracePeriodSeconds, propagationPolicy: query.propagationPolicy ?? '', orphanDependents: query.orphanDependents });
    const listed = await this.list(ref, { labelSelector: query.labelSelector ?? '', fieldSelector: query.fieldSelector ?? '' });
    const items: KubeObject[] = [];
    for (const { metadata } of listed.items) {
      const one: Ref = { ...ref, namespace: metadata.namespace ?? '', name: metadata.name };
      try {
        items.push(await this.delete(one, { ...query, preconditions: { uid: metadata.uid } }));
      } catch (error) {
        // Gone meanwhile, or another of its name: neither is what was asked to be deleted.
        if (!isReason(error, 'NotFound', 'Conflict')) throw error;
      }
    }
    return { ...listed, continue: '', items };
  }
}
