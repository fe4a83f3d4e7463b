/**
 * The one registry behind every face: it knows how objects are created, changed, listed, watched and deleted, and knows
 * neither a kind (they are data and functions in `kinds/`) nor a transport. Requests are plain JSON in, objects out;
 * refusals are ApiErrors. Objects that it answers may be shared with its cache: a face encodes them, nobody changes them.
 *
 * Every write is one Txn that compares what the writer saw. A change is first tried on what the cache holds, which is
 * nearly always the newest; when the store says otherwise, or the change is refused, it is decided again on a fresh read.
 */
import { assert } from '../base/assert.ts';
import { formatTime, type Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import {
  ApiError,
  STALE_OBJECT,
  alreadyExists,
  badRequest,
  conflict,
  forbidden,
  invalid,
  invalidObject,
  isReason,
  methodNotAllowed,
  notFound,
  required,
  unknownResource,
} from '../kube/errors.ts';
import { apiVersionOf } from '../kube/resources.ts';
import { cloneJson, equalJson, isRecord, type KubeObject, type ManagedFieldsEntry, type Status } from '../kube/types.ts';
import { ServiceAllocator, type AllocationRules, type Claims } from './allocator.ts';
import {
  checkDeletePreconditions,
  checkDeletion,
  checkPreconditions,
  decodeConfig,
  decodeObject,
  UnfitBody,
  draftNew,
  draftUpdate,
  isDone,
  planDeletion,
  type Draft,
  type FieldValidation,
  type Preconditions,
} from './core/draft.ts';
import { EMPTY } from './core/field-set.ts';
import { KUBECTL, lastAppliedFields, withLastApplied } from './core/last-applied.ts';
import { applyConfig, trackUpdate, type Writer } from './core/managed-fields.ts';
import { goText, inConversionsWords, jsonPatch, mergePatch, strategicPatch, type Patched } from './core/patch.ts';
import {
  decodeContinue,
  encodeContinue,
  expiredContinue,
  expiredList,
  parseResourceVersion,
  selectionOf,
  tooLargeVersion,
  type Selection,
} from './core/query.ts';
import { checkListOptions, checkWatchOptions } from './core/list-options.ts';
import { BINDINGS, bound, configOfScale, decodeBinding, decodeScale, podOfBinding, scaleOf, withScale } from './core/subresource.ts';
import { tableOf, type IncludeObject, type Table } from './core/table.ts';
import { evict } from './eviction.ts';
import type { Birth, Kind, Lookup, Requester, Subresource, View } from './kinds/kind.ts';
import { OBJECT_BYTES_MAX, Storage, encodeStored, keyOf, prefixOf, type Stored } from './storage.ts';
import { isView, selectionThrough, sentThrough, shownAs, watchThrough } from './view.ts';
import { WatchCache, type CacheFigures, type CacheWatch, type WatchLimits } from './watch-cache.ts';

export interface Ref {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  /** Empty: cluster scoped, or all namespaces. */
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
}

export interface WriteOptions {
  /** Who asks; the kinds that record it find it here. */
  readonly user?: Requester;
  readonly dryRun?: boolean;
  readonly fieldValidation?: FieldValidation;
  /** What is to be said of fields that the body has twice. */
  readonly duplicates?: readonly string[];
  readonly preconditions?: Preconditions | undefined;
  /** Who writes, as `metadata.managedFields` names it. */
  readonly fieldManager?: string;
}

export interface ApplyOptions extends WriteOptions {
  /** Takes the fields that others own with other values. */
  readonly force?: boolean;
}

export interface Written {
  readonly object: KubeObject;
  readonly warnings: readonly string[];
  /** It was not there before. */
  readonly isNew?: boolean;
}

export interface ListQuery {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly limit?: number;
  readonly continue?: string;
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: string;
}

export interface Listed {
  readonly kind: Kind;
  readonly resourceVersion: string;
  readonly continue: string;
  readonly items: readonly KubeObject[];
  readonly remainingItemCount: number | undefined;
}

export interface WatchQuery {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: string;
  readonly allowWatchBookmarks?: boolean;
  readonly sendInitialEvents?: boolean | undefined;
  readonly signal: AbortSignal;
  /** 0: until the signal fires. */
  readonly timeoutSeconds?: number;
  readonly onSlow?: () => void;
}

export type PatchType = 'merge' | 'strategic' | 'json';

export interface DeleteQuery {
  readonly preconditions?: Preconditions | undefined;
  readonly gracePeriodSeconds?: number | undefined;
  readonly propagationPolicy?: string;
  /** What came before `propagationPolicy`. */
  readonly orphanDependents?: boolean | undefined;
  readonly dryRun?: boolean;
}

export interface RegistryOptions {
  readonly kinds: readonly Kind[];
  readonly storage: Storage;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly allocation: AllocationRules;
  readonly watchLimits?: WatchLimits | undefined;
}

/** A write that loses so many races in a row is refused: the client may try again. */
const WRITE_ATTEMPTS_MAX = 32;
/** Generated names that are taken, before giving up. */
const NAME_ATTEMPTS_MAX = 8;
const NAME_SUFFIX_LENGTH = 5;
/** As apimachinery: prefix and suffix together fit a label. */
const GENERATED_PREFIX_MAX = 63 - NAME_SUFFIX_LENGTH;
/** Rows of one read while a list looks for objects that match. */
const LIST_PAGE_ROWS = 500;
/** Who does not say who it is. */
const UNKNOWN_MANAGER = 'unknown';
const MANAGER_LENGTH_MAX = 128;
/** Subresources through which an object is written. */
const WRITTEN_PARTS: readonly Subresource[] = ['status', 'scale', 'finalize', 'approval', 'ephemeralcontainers'];
/** Deleting one of these would leave the cluster without its own place. */
const IMMORTAL_NAMESPACES: ReadonlySet<string> = new Set(['default', 'kube-system', 'kube-public', 'kube-node-lease']);

interface Target {
  readonly kind: Kind;
  readonly ref: Ref;
  readonly key: string;
}

interface Tracking {
  readonly before: KubeObject | undefined;
  readonly draft: KubeObject;
  /** As the client sent it. */
  readonly sent: KubeObject;
}

type Change = (current: KubeObject) => KubeObject | Promise<KubeObject>;

export class Registry {
  readonly #kinds = new Map<string, Kind>();
  readonly #caches = new Map<Kind, WatchCache>();
  readonly #storage: Storage;
  readonly #clock: Clock;
  readonly #names: Random;
  readonly #uids: Random;
  readonly #allocator: ServiceAllocator;
  readonly #namespaceKind: Kind;
  #isStarted = false;

  constructor({ kinds, storage, clock, random, log, allocation, watchLimits }: RegistryOptions) {
    this.#storage = storage;
    this.#clock = clock;
    this.#names = random.fork('names');
    this.#uids = random.fork('uids');
    this.#allocator = new ServiceAllocator(storage, random.fork('services'), allocation);
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
    this.#namespaceKind = namespaces;
  }

  /** Most kinds are watched from the first question about them on; who creates anything asks about namespaces. */
  start(): void {
    this.#isStarted = true;
    this.#cache(this.#namespaceKind);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#caches.values()].map((cache) => cache.stop()));
  }

  /** Resolves when the store has answered. */
  async ready(): Promise<void> {
    await this.#cache(this.#namespaceKind).fresh(0);
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

  // --- reading

  async get(ref: Ref, resourceVersion = ''): Promise<KubeObject> {
    const asked = this.kindOf(ref);
    if (isView(asked)) return shownAs(asked, await this.get(storedRef(asked, ref), resourceVersion));
    const { kind, key } = this.#target(ref);
    this.#checkSubresource(kind, ref, ['status', 'scale', 'approval', 'ephemeralcontainers']);
    const wanted = parseResourceVersion(resourceVersion);
    let object: KubeObject | undefined;
    if (wanted === undefined) object = (await this.#storage.get(key, this.#caches.get(kind)?.get(key))).stored?.object;
    else {
      const cache = this.#cache(kind);
      await cache.fresh(wanted);
      object = cache.get(key)?.object;
    }
    if (object === undefined) throw notFound(kind.info, ref.name);
    return ref.subresource === 'scale' ? scaleOf(object) : object;
  }

  async list(ref: Ref, query: ListQuery = {}): Promise<Listed> {
    const kind = this.kindOf(ref);
    const selection = selectionThrough(kind, selectionOf(kind, query.labelSelector, query.fieldSelector));
    const prefix = this.#prefix(kind, ref);
    const limit = checkLimit(query.limit ?? 0);
    const { continue: token = '', resourceVersion = '', resourceVersionMatch: match = '' } = query;
    checkListOptions({ resourceVersion, resourceVersionMatch: match, continue: token });
    if (token !== '') {
      if (resourceVersion !== '' && resourceVersion !== '0') throw badRequest('specifying resource version is not allowed when using continue');
      const position = decodeContinue(token);
      return this.#listStored(kind, { prefix, selection, limit, revision: position.revision, from: prefix + position.from });
    }
    const wanted = parseResourceVersion(resourceVersion, 'invalid resource version: resourceVersion');
    const isExact = match === 'Exact' || (match === '' && wanted !== undefined && wanted > 0 && limit > 0);
    if (wanted === undefined || isExact) {
      return this.#listStored(kind, { prefix, selection, limit, revision: wanted ?? 0, from: prefix });
    }
    const cache = this.#cache(kind);
    await cache.fresh(wanted);
    const items = cache.list(prefix).map(({ object }) => object).filter(selection.matches).map((stored) => shownAs(kind, stored));
    return { kind, resourceVersion: String(cache.revision), continue: '', items, remainingItemCount: undefined };
  }

  async #listStored(
    kind: Kind,
    { prefix, selection, limit, revision, from }: { prefix: string; selection: Selection; limit: number; revision: number; from: string },
  ): Promise<Listed> {
    const cache = this.#cache(kind);
    const known = (key: string, at: number) => {
      const cached = cache.get(key);
      return cached?.revision === at ? cached : undefined;
    };
    const rows = limit === 0 ? 0 : selection.isEverything ? limit : Math.max(limit, LIST_PAGE_ROWS);
    const items: KubeObject[] = [];
    let pinned = revision;
    let next = from;
    for (;;) {
      const page = await this.#storage.range({ prefix, from: next, limit: rows, revision: pinned, known }).catch(async (error: unknown) => {
        if (pinned === 0 || !isReason(error, 'Expired')) throw error;
        // A revision that the store does not have is one of the past or one of the future.
        const current = await this.#storage.currentRevision();
        if (pinned > current) throw tooLargeVersion(pinned, current);
        throw next === prefix ? expiredList() : expiredContinue(next.slice(prefix.length));
      });
      pinned = page.revision;
      let taken = 0;
      for (const stored of page.items) {
        if (limit !== 0 && items.length === limit) break;
        taken++;
        next = `${stored.key}\0`;
        if (selection.matches(stored.object)) items.push(shownAs(kind, stored.object));
      }
      // Behind what could not be read, too.
      if (taken === page.items.length && page.lastKey !== undefined) next = `${page.lastKey}\0`;
      const hasMore = page.hasMore || taken < page.items.length;
      if (hasMore && limit !== 0 && items.length < limit) continue;
      const remaining = hasMore && selection.isEverything ? page.count - taken : undefined;
      const token = hasMore ? encodeContinue({ revision: pinned, from: next.slice(prefix.length) }) : '';
      return { kind, resourceVersion: String(pinned), continue: token, items, remainingItemCount: remaining };
    }
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
  async watch(ref: Ref, query: WatchQuery): Promise<CacheWatch> {
    const kind = this.kindOf(ref);
    const name = ref.name === '' ? '' : `metadata.name=${ref.name}`;
    const fieldSelector = [query.fieldSelector ?? '', name].filter((text) => text !== '').join(',');
    const selection = selectionThrough(kind, selectionOf(kind, query.labelSelector, fieldSelector));
    checkWatchOptions({ resourceVersionMatch: query.resourceVersionMatch ?? '', sendInitialEvents: query.sendInitialEvents });
    const wanted = parseResourceVersion(query.resourceVersion ?? '');
    const sendsInitial = query.sendInitialEvents === true;
    const prefix = this.#prefix(kind, ref);
    const cache = this.#cache(kind, sendsInitial ? 0 : wanted);
    // Without a version the newest is meant, which only a quorum knows.
    const newest = wanted === undefined ? await this.#storage.currentRevision() : 0;
    await cache.fresh(sendsInitial ? Math.max(newest, wanted ?? 0) : newest);
    if (!sendsInitial && wanted !== undefined) await cache.remember(wanted);
    const startsWithState = sendsInitial || ((wanted === undefined || wanted === 0) && query.sendInitialEvents !== false);
    const events = cache.watch({
      prefix,
      matches: selection.matches,
      name: JSON.stringify([prefix, kind.info.version, kind.info.group, query.labelSelector ?? '', fieldSelector]),
      indexed: kind.selectableFields['spec.nodeName'] === undefined ? undefined : selection.exact.get('spec.nodeName'),
      after: startsWithState ? undefined : wanted === undefined || wanted === 0 ? cache.revision : wanted,
      bookmarks: query.allowWatchBookmarks ?? false,
      signal: query.signal,
      timeoutMs: (query.timeoutSeconds ?? 0) * 1000,
      onSlow: query.onSlow,
    });
    return isView(kind) ? watchThrough(kind, events) : events;
  }

  // --- writing

  async create(asked: Ref, body: unknown, options: WriteOptions = {}): Promise<Written> {
    const ref = podOfBinding(asked) ?? asked;
    const kind = this.kindOf(ref);
    if (ref.subresource === 'binding') return this.#bind(kind, ref, body, options);
    if (ref.subresource === 'eviction') return this.#evict(kind, ref, body, options);
    this.#checkSubresource(kind, ref, []);
    if (isView(kind)) {
      return this.#writeThrough(kind, ref, { body, isNew: true, isConfig: false }, options, (stored, sent, rest) => this.create(stored, sent, rest));
    }
    const { object: sent, warnings } = decodeObject(kind, body, options.fieldValidation ?? 'Strict', options.duplicates);
    const { generateName = '', resourceVersion = '' } = sent.metadata;
    if (resourceVersion !== '') throw badRequest('resourceVersion should not be set on objects to be created');
    const namespace = this.#namespaceFor(kind, ref, sent);
    if (ref.name !== '' && sent.metadata.name !== '' && ref.name !== sent.metadata.name) throw nameMismatch(sent.metadata.name, ref.name);
    const givenName = sent.metadata.name;
    await kind.resolve?.(sent, namespace, this.#lookup);
    for (let attempt = 1; ; attempt++) {
      const name = givenName !== '' || generateName === '' ? givenName : this.#generatedName(generateName);
      const birth = this.#birth(name, namespace, options);
      const place = kind.info.namespaced ? await this.#livingNamespace(kind, namespace, name) : undefined;
      const draft = draftNew(kind, sent, birth);
      const object = this.#tracked(kind, { before: undefined, draft, sent }, ref, options);
      const created = await this.#insert({ kind, ref: { ...ref, namespace, name }, key: keyOf(kind.info, namespace, name) }, object, place, options);
      if (created !== undefined) return { object: created, warnings: [...warnings, ...(kind.warnings?.(created) ?? [])] };
      if (givenName !== '' || attempt === NAME_ATTEMPTS_MAX) throw alreadyExists(kind.info, name);
    }
  }

  /** undefined: the name is taken. */
  async #insert({ kind, key, ref }: Target, object: KubeObject, place: Stored | undefined, { dryRun }: WriteOptions): Promise<KubeObject | undefined> {
    let unchanged = place;
    for (let attempt = 0; attempt < WRITE_ATTEMPTS_MAX; attempt++) {
      const { draft, claims, releases } = await this.#withClaims(kind, object, undefined);
      const bytes = encodeSized(kind, draft);
      if (dryRun === true) return (await this.#storage.get(key)).stored === undefined ? draft : undefined;
      const outcome = await this.#storage.write({
        key,
        expectedRevision: 0,
        bytes,
        claims,
        releases,
        unchanged: unchanged === undefined ? undefined : { key: unchanged.key, revision: unchanged.revision },
      });
      if (outcome.ok) return withRevision(draft, outcome.revision);
      if (outcome.why === 'changed') return undefined;
      // The namespace has changed meanwhile: it may be ending.
      if (outcome.why === 'other-changed') unchanged = await this.#livingNamespace(kind, ref.namespace, ref.name, 'stored');
    }
    throw tooManyRaces(kind, ref.name);
  }

  async update(ref: Ref, body: unknown, options: WriteOptions = {}): Promise<Written> {
    const asked = this.kindOf(ref);
    if (isView(asked)) {
      return this.#writeThrough(asked, ref, { body, isNew: false, isConfig: false }, options, (stored, sent, rest) => this.update(stored, sent, rest));
    }
    const target = this.#target(ref);
    const { kind } = target;
    const validation = options.fieldValidation ?? 'Strict';
    const part = this.#checkSubresource(kind, ref, WRITTEN_PARTS);
    if (part === 'scale') {
      const scale = decodeScale(body, validation);
      checkName(scale, ref);
      const object = await this.#change(target, options, (current) => {
        checkVersion(kind, scale, current);
        return this.#scaled(target, current, scale, options);
      });
      return { object: scaleOf(object), warnings: [] };
    }
    const { object: sent, warnings } = decodeObject(kind, body, validation, options.duplicates);
    if (sent.metadata.name === '') throw badRequest(`the name of the object (${ref.name} based on URL) was undeterminable: name must be provided`);
    checkName(sent, ref);
    this.#namespaceFor(kind, ref, sent);
    let advice: readonly string[] = [];
    const object = await this.#change(target, options, (current) => {
      checkHasVersion(kind, sent, options);
      checkVersion(kind, sent, current);
      const draft = this.#updated(kind, sent, current, part);
      advice = adviceOn(kind, draft, current);
      return this.#tracked(kind, { before: current, draft, sent }, ref, options);
    });
    return { object, warnings: [...warnings, ...advice] };
  }

  async patch(ref: Ref, patch: { readonly type: PatchType; readonly body: unknown }, options: WriteOptions = {}): Promise<Written> {
    const shown = this.kindOf(ref);
    const target = this.#target(isView(shown) ? storedRef(shown, ref) : ref);
    const { kind } = target;
    const validation = options.fieldValidation ?? 'Strict';
    const part = this.#checkSubresource(kind, ref, WRITTEN_PARTS);
    checkPatch(patch);
    let warnings: readonly string[] = [];
    const object = await this.#change(target, options, (current) => {
      if (part === 'scale') {
        const body = patched('V1Scale', scaleOf(current), patch);
        const scale = decodePatched({ body, patch }, () => decodeScale(body, validation));
        checkVersion(kind, scale, current);
        return this.#scaled(target, current, scale, options);
      }
      const { object: sent, warnings: found } = this.#patchedThrough(shown, kind, { current, patch, validation });
      checkName(sent, ref);
      this.#namespaceFor(kind, ref, sent);
      checkVersion(kind, sent, current);
      const draft = this.#updated(kind, sent, current, part);
      warnings = [...found, ...adviceOn(kind, draft, current)];
      return this.#tracked(kind, { before: current, draft, sent }, ref, options);
    });
    return { object: part === 'scale' ? scaleOf(object) : shownAs(shown, object), warnings };
  }

  /** Server-side apply: creates the object, or makes it what the config says and leaves the rest to its owners. */
  async apply(ref: Ref, body: unknown, options: ApplyOptions): Promise<Written> {
    const asked = this.kindOf(ref);
    if (isView(asked)) {
      return this.#writeThrough(asked, ref, { body, isNew: false, isConfig: true }, options, (stored, sent, rest) => this.apply(stored, sent, { ...options, ...rest }));
    }
    const target = this.#target(ref);
    const { kind } = target;
    if (!options.fieldManager) {
      throw invalidObject(PATCH_OPTIONS, '', [required('fieldManager', 'is required for apply patch')]);
    }
    const part = this.#checkSubresource(kind, ref, WRITTEN_PARTS);
    const validation = options.fieldValidation ?? 'Strict';
    const { object: config, warnings } =
      part === 'scale' ? { object: configOfScale(kind, decodeScale(body, validation)), warnings: [] } : decodeApplied(kind, body, options);
    if (config.metadata.managedFields !== undefined) throw badRequest('metadata.managedFields must be nil');
    checkName(config, ref);
    this.#namespaceFor(kind, ref, config);
    for (let attempt = 1; ; attempt++) {
      try {
        const object = await this.#change(target, options, (current) => {
          checkVersion(kind, config, current);
          return this.#applied(kind, config, current, ref, options);
        });
        return { object: part === 'scale' ? scaleOf(object) : object, warnings };
      } catch (error) {
        if (!isReason(error, 'NotFound') || part !== '') throw error;
      }
      const { uid = '' } = config.metadata;
      if (uid !== '') throw conflict(kind.info, ref.name, `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`);
      const place = kind.info.namespaced ? await this.#livingNamespace(kind, ref.namespace, ref.name) : undefined;
      const created = await this.#insert(target, await this.#applied(kind, config, undefined, ref, options), place, options);
      if (created !== undefined) return { object: created, warnings, isNew: true };
      // Somebody was quicker: now it is there to be changed.
      if (attempt === NAME_ATTEMPTS_MAX) throw tooManyRaces(kind, ref.name);
    }
  }

  async #writeThrough(
    kind: Kind & { readonly view: View },
    ref: Ref,
    { body, isNew, isConfig }: { readonly body: unknown; readonly isNew: boolean; readonly isConfig: boolean },
    options: WriteOptions,
    write: (stored: Ref, sent: KubeObject, options: WriteOptions) => Promise<Written>,
  ): Promise<Written> {
    const { object: sent, warnings } = sentThrough(kind, body, { validation: options.fieldValidation ?? 'Strict', isNew, isConfig });
    const written = await write(storedRef(kind, ref), sent, { ...options, fieldValidation: 'Ignore' });
    return { object: shownAs(kind, written.object), warnings: [...warnings, ...written.warnings] };
  }

  /** What is stored, patched as the kind shows it. */
  #patchedThrough(
    shown: Kind,
    kind: Kind,
    { current, patch, validation }: { readonly current: KubeObject; readonly patch: { readonly type: PatchType; readonly body: unknown }; readonly validation: FieldValidation },
  ): Draft {
    const body = patched(shown.model, shownAs(shown, current), patch);
    if (!isView(shown)) return decodePatched({ body, patch }, () => decodeObject(kind, body, validation));
    const sent = sentThrough(shown, body, { validation, isNew: false, isConfig: false });
    return { object: decodeObject(kind, sent.object, 'Ignore').object, warnings: sent.warnings };
  }

  async #applied(kind: Kind, config: KubeObject, current: KubeObject | undefined, ref: Ref, options: ApplyOptions): Promise<KubeObject> {
    const hasStatus = kind.subresources.includes('status');
    const writer = this.#writer(kind, ref, options);
    const takesOver = writer.manager === KUBECTL ? lastAppliedFields(kind.model, current) : EMPTY;
    const { object, managedFields } = applyConfig({ model: kind.model, current, config, force: options.force ?? false, hasStatus, takesOver }, writer);
    const { object: sent } = decodeObject(kind, writer.manager === KUBECTL ? withLastApplied(object, config) : object, 'Ignore');
    if (current !== undefined) {
      const part = kind.subresources.find((name) => name === ref.subresource) ?? '';
      return withManagers(this.#updated(kind, sent, current, part), managedFields);
    }
    await kind.resolve?.(sent, ref.namespace, this.#lookup);
    return withManagers(draftNew(kind, sent, this.#birth(ref.name, ref.namespace, options)), managedFields);
  }

  #birth(name: string, namespace: string, { user }: WriteOptions): Birth {
    return { name, namespace, uid: this.#uids.uuid(), now: formatTime(this.#clock.wall()), user };
  }

  #updated(kind: Kind, sent: KubeObject, current: KubeObject, part: Subresource | ''): KubeObject {
    // A scale is written as the object that it makes.
    const changed = part === '' || part === 'scale' ? 'object' : part;
    return draftUpdate(kind, sent, current, { part: changed, now: formatTime(this.#clock.wall()) });
  }

  #scaled({ kind, ref }: Target, current: KubeObject, scale: KubeObject, options: WriteOptions): KubeObject {
    const sent = withScale(kind, current, scale);
    return this.#tracked(kind, { before: current, draft: this.#updated(kind, sent, current, ''), sent }, ref, options);
  }

  /** The draft with the fields that this write changes in its writer's name. */
  #tracked(kind: Kind, { before, draft, sent }: Tracking, ref: Ref, options: WriteOptions): KubeObject {
    const { model, subresources } = kind;
    const tracking = { model, before, after: draft, sent: sent.metadata.managedFields, hasStatus: subresources.includes('status') };
    return withManagers(draft, trackUpdate(tracking, this.#writer(kind, ref, options)));
  }

  #writer({ info }: Kind, { subresource }: Ref, { fieldManager = '' }: WriteOptions): Writer {
    checkManager(fieldManager);
    const manager = fieldManager === '' ? UNKNOWN_MANAGER : fieldManager;
    return { manager, apiVersion: apiVersionOf(info), subresource, now: formatTime(this.#clock.wall()) };
  }

  async #bind(kind: Kind, ref: Ref, body: unknown, options: WriteOptions): Promise<Written> {
    this.#checkSubresource(kind, ref, ['binding']);
    const binding = decodeBinding(body, options.fieldValidation ?? 'Strict');
    this.#namespaceFor(kind, ref, binding);
    const { name, uid, resourceVersion } = binding.metadata;
    if (ref.name !== '' && ref.name !== name) throw badRequest('name in URL does not match name in Binding object');
    if (name === '') throw badRequest('Name parameter required.');
    await this.#change(this.#target({ ...ref, name, subresource: '' }), { ...options, preconditions: { uid, resourceVersion } }, (pod) =>
      bound(kind, pod, binding, formatTime(this.#clock.wall())),
    );
    return { object: success(), warnings: [] };
  }

  async #evict(kind: Kind, ref: Ref, body: unknown, options: WriteOptions): Promise<Written> {
    this.#checkSubresource(kind, ref, ['eviction']);
    await evict({ registry: this, now: () => formatTime(this.#clock.wall()) }, ref, body, options);
    return { object: success(), warnings: [] };
  }

  /** Answers the object as it now is: gone, or with a deletion timestamp. */
  async delete(ref: Ref, query: DeleteQuery = {}): Promise<KubeObject> {
    const asked = this.kindOf(ref);
    if (isView(asked)) return shownAs(asked, await this.delete(storedRef(asked, ref), query));
    const target = this.#target(ref);
    const { kind } = target;
    this.#checkSubresource(kind, ref, []);
    const { gracePeriodSeconds, propagationPolicy = '', orphanDependents, dryRun = false } = query;
    checkDeletion({ gracePeriodSeconds, propagationPolicy, orphanDependents });
    if (kind === this.#namespaceKind && IMMORTAL_NAMESPACES.has(ref.name)) {
      throw forbidden(kind.info, ref.name, 'this namespace may not be deleted');
    }
    let { stored, isGuess } = await this.#current(target);
    for (let attempt = 0; attempt < WRITE_ATTEMPTS_MAX; attempt++) {
      if (stored === undefined && isGuess) ({ stored, isGuess } = await this.#read(target));
      if (stored === undefined) throw notFound(kind.info, ref.name);
      const current: Stored = stored;
      try {
        checkDeletePreconditions(kind, current.object, query.preconditions ?? {});
      } catch (error) {
        if (!isGuess) throw error;
        ({ stored, isGuess } = await this.#read(target));
        continue;
      }
      const wallMs = this.#clock.wall();
      const plan = planDeletion(kind, current.object, { gracePeriodSeconds, propagationPolicy, orphanDependents, wallMs, formatTime });
      if (plan.step === 'none' && isGuess) {
        ({ stored, isGuess } = await this.#read(target));
        continue;
      }
      if (plan.step === 'none') return current.object;
      if (dryRun) return plan.step === 'mark' ? plan.object : current.object;
      const outcome = await this.#storage.write({
        key: target.key,
        expectedRevision: current.revision,
        bytes: plan.step === 'mark' ? encodeStored(plan.object) : undefined,
        releases: plan.step === 'remove' ? this.#releases(kind, current.object) : [],
      });
      if (outcome.ok) return withRevision(plan.step === 'mark' ? plan.object : current.object, outcome.revision);
      assert(outcome.why === 'changed', 'a deletion compares its own key only');
      ({ current: stored } = outcome);
      isGuess = false;
    }
    throw tooManyRaces(kind, ref.name);
  }

  /** Of one namespace, or of a kind that is in none: nobody empties all namespaces at once, or takes them all away. */
  async deleteCollection(ref: Ref, query: DeleteQuery & Pick<ListQuery, 'labelSelector' | 'fieldSelector'> = {}): Promise<Listed> {
    const kind = this.kindOf(ref);
    if (kind === this.#namespaceKind || (kind.info.namespaced && ref.namespace === '')) throw methodNotAllowed();
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

  // --- one object's change

  async #change(target: Target, { dryRun, preconditions = {} }: WriteOptions, change: Change): Promise<KubeObject> {
    const { kind, key, ref } = target;
    let { stored, isGuess } = await this.#current(target);
    for (let attempt = 0; attempt < WRITE_ATTEMPTS_MAX; attempt++) {
      if (stored === undefined && isGuess) ({ stored, isGuess } = await this.#read(target));
      if (stored === undefined) throw notFound(kind.info, ref.name);
      const current: Stored = stored;
      let object: KubeObject;
      let bytes: Uint8Array;
      try {
        checkPreconditions(kind, current.object, preconditions);
        object = await change(current.object);
        bytes = encodeSized(kind, object);
      } catch (error) {
        if (!isGuess) throw error;
        ({ stored, isGuess } = await this.#read(target));
        continue;
      }
      const { draft, claims, releases } = await this.#withClaims(kind, object, current.object);
      if (equalJson(draft, current.object)) {
        if (!isGuess) return current.object;
        ({ stored, isGuess } = await this.#read(target));
        continue;
      }
      if (dryRun === true) return draft;
      const isGone = isDone(draft);
      const outcome = await this.#storage.write({
        key,
        expectedRevision: current.revision,
        bytes: isGone ? undefined : draft === object ? bytes : encodeStored(draft),
        claims: isGone ? [] : claims,
        releases: isGone ? this.#releases(kind, current.object) : releases,
      });
      if (outcome.ok) return withRevision(draft, outcome.revision);
      if (outcome.why === 'changed') {
        stored = outcome.current;
        isGuess = false;
      }
    }
    throw tooManyRaces(kind, ref.name);
  }

  /** What the cache holds, which may be old; else what is stored. */
  async #current(target: Target): Promise<{ stored: Stored | undefined; isGuess: boolean }> {
    const cached = this.#cache(target.kind).get(target.key);
    return cached === undefined ? this.#read(target) : { stored: cached, isGuess: true };
  }

  async #read({ key }: Target): Promise<{ stored: Stored | undefined; isGuess: boolean }> {
    return { stored: (await this.#storage.get(key)).stored, isGuess: false };
  }

  async #withClaims(kind: Kind, object: KubeObject, old: KubeObject | undefined): Promise<Claims & { draft: KubeObject }> {
    if (kind.info.kind !== 'Service' || kind.info.group !== '') return { draft: object, claims: [], releases: [] };
    const draft = cloneJson(object);
    return { draft, ...(await this.#allocator.assign(draft, old)) };
  }

  #releases(kind: Kind, object: KubeObject): readonly string[] {
    return kind.info.kind === 'Service' && kind.info.group === '' ? this.#allocator.releases(object) : [];
  }

  // --- other kinds

  readonly #lookup: Lookup = {
    get: async (resource, namespace, name) => {
      const kind = this.#kindCalled(resource);
      const key = keyOf(kind.info, namespace, name);
      // What is not known here may have been created a moment ago.
      return this.#cache(kind).get(key)?.object ?? (await this.#storage.get(key)).stored?.object;
    },
    list: async (resource) => {
      const kind = this.#kindCalled(resource);
      const cache = this.#cache(kind);
      await cache.fresh(0);
      return cache.list(prefixOf(kind.info)).map(({ object }) => object);
    },
  };

  #kindCalled(resource: string): Kind {
    const kind = this.kinds.find(({ info }) => info.resource === resource);
    assert(kind !== undefined, `there is a kind called ${resource}`);
    return kind;
  }

  // --- places and names

  #cache(asked: Kind, from = 0): WatchCache {
    const kind = isView(asked) ? this.kindOf(asked.view.of) : asked;
    const cache = this.#caches.get(kind);
    assert(cache !== undefined, 'every kind has its cache');
    if (this.#isStarted) cache.start(from);
    return cache;
  }

  #target(ref: Ref): Target {
    const kind = this.kindOf(ref);
    checkSegment(ref.name, 'name');
    if (kind.info.namespaced) {
      if (ref.namespace === '') throw badRequest('an empty namespace may not be set when a resource name is provided');
      checkSegment(ref.namespace, 'namespace');
    }
    return { kind, ref, key: keyOf(kind.info, ref.namespace, ref.name) };
  }

  #prefix(asked: Kind, { namespace }: Ref): string {
    const kind = isView(asked) ? this.kindOf(asked.view.of) : asked;
    if (namespace === '' || !kind.info.namespaced) return prefixOf(kind.info);
    checkSegment(namespace, 'namespace');
    return prefixOf(kind.info, namespace);
  }

  #namespaceFor({ info }: Kind, ref: Ref, { metadata }: KubeObject): string {
    if (!info.namespaced) return '';
    const namespace = ref.namespace === '' ? (metadata.namespace ?? '') : ref.namespace;
    if (namespace === '') throw badRequest('an empty namespace may not be set during creation');
    if (metadata.namespace !== undefined && metadata.namespace !== '' && metadata.namespace !== namespace) {
      throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
    }
    metadata.namespace = namespace;
    return namespace;
  }

  #generatedName(prefix: string): string {
    return prefix.slice(0, GENERATED_PREFIX_MAX) + this.#names.suffix(NAME_SUFFIX_LENGTH);
  }

  async #livingNamespace(kind: Kind, namespace: string, name: string, from: 'cached' | 'stored' = 'cached'): Promise<Stored> {
    checkSegment(namespace, 'namespace');
    const { info } = this.#namespaceKind;
    const key = keyOf(info, '', namespace);
    const cached = from === 'cached' ? this.#cache(this.#namespaceKind).get(key) : undefined;
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

  #checkSubresource(kind: Kind, { subresource }: Ref, allowed: readonly Subresource[]): Subresource | '' {
    if (subresource === '') return '';
    const known = kind.subresources.find((name) => name === subresource);
    if (known === undefined) throw unknownResource();
    if (!allowed.includes(known)) throw methodNotAllowed();
    return known;
  }
}

/** Where the objects of a view are stored. */
function storedRef({ view }: Kind & { readonly view: View }, ref: Ref): Ref {
  return { ...ref, ...view.of };
}

function withManagers(object: KubeObject, managedFields: ManagedFieldsEntry[] | undefined): KubeObject {
  const { managedFields: _old, ...metadata } = object.metadata;
  return { ...object, metadata: managedFields === undefined ? metadata : { ...metadata, managedFields } };
}

const PATCH_OPTIONS = { group: 'meta.k8s.io', resource: '', kind: 'PatchOptions' } as const;

function checkManager(fieldManager: string): void {
  const problem =
    fieldManager.length > MANAGER_LENGTH_MAX
      ? `Too long: may not be more than ${MANAGER_LENGTH_MAX} bytes`
      : /[^\x20-\x7e]/.test(fieldManager)
        ? `Invalid value: ${JSON.stringify(fieldManager)}: should only contain printable characters`
        : '';
  if (problem !== '') throw new ApiError('Invalid', `PatchOptions.meta.k8s.io "" is invalid: fieldManager: ${problem}`);
}

/** Warnings are for who writes what they are about. */
function adviceOn(kind: Kind, draft: KubeObject, old: KubeObject): readonly string[] {
  if (kind.warnings === undefined || equalJson(draft['spec'], old['spec'])) return [];
  return kind.warnings(draft);
}

function patched(model: string, target: KubeObject, { type, body }: { readonly type: PatchType; readonly body: unknown }): unknown {
  if (type === 'merge') return mergePatch(target, body);
  const result: Patched = type === 'json' ? jsonPatch(target, body) : strategicPatch(model, target, body);
  if (result.ok) return result.value;
  // A patch that makes sense but does not fit this object is Invalid, as Kubernetes answers it.
  throw new ApiError('Invalid', 'the server rejected our request due to an error in our request', { details: {}, cause: result.message });
}

function checkPatch({ type, body }: { readonly type: PatchType; readonly body: unknown }): void {
  const isFit = type === 'json' ? Array.isArray(body) : isRecord(body);
  if (isFit) return;
  const found = Array.isArray(body) ? 'array' : body === null ? 'null' : typeof body === 'boolean' ? 'bool' : typeof body;
  const wanted = type === 'json' ? '[]handlers.jsonPatchOp' : 'map[string]interface {}';
  throw badRequest(`error decoding patch: json: cannot unmarshal ${found} into Go value of type ${wanted}`);
}

/** Who applies says what it is, and only fields that there are: nobody could own the others. */
function decodeApplied({ info, ...kind }: Kind, body: unknown, { duplicates, fieldValidation = 'Strict' }: ApplyOptions): Draft {
  const { apiVersion, kind: name } = isRecord(body) ? body : {};
  if (isRecord(body) && (apiVersion !== apiVersionOf(info) || name !== info.kind)) {
    const [group, version] = typeof apiVersion === 'string' && apiVersion.includes('/') ? apiVersion.split('/', 2) : ['', apiVersion];
    throw badRequest(`invalid object type: ${[group, version].map((text) => (typeof text === 'string' ? text : '')).join('/')}, Kind=${typeof name === 'string' ? name : ''}`);
  }
  const draft = decodeConfig({ info, ...kind }, body, 'Warn', duplicates);
  const unknown = draft.warnings.find((warning) => warning.startsWith('unknown field '));
  if (unknown !== undefined) {
    const path = String(JSON.parse(unknown.slice('unknown field '.length)));
    const { name: called } = draft.object.metadata;
    throw badRequest(`failed to create typed patch object (/${called}; ${info.group}/${info.version}, Kind=${info.kind}): .${path}: field not declared in schema`);
  }
  if (fieldValidation === 'Strict' && draft.warnings.length > 0) {
    throw badRequest(`error strict decoding patch: error converting YAML to JSON: yaml: unmarshal errors:\n  ${draft.warnings.join('\n  ')}`);
  }
  return fieldValidation === 'Ignore' ? { ...draft, warnings: [] } : draft;
}

/** What does not fit the kind's types is the patch's fault, not its body's. */
function decodePatched<T>({ body, patch }: { readonly body: unknown; readonly patch: { readonly type: PatchType; readonly body: unknown } }, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof UnfitBody)) throw error;
    const isStrategic = patch.type === 'strategic';
    const problems = isStrategic ? error.problems.map(inConversionsWords) : error.problems;
    const value = isStrategic ? goText(patch.body) : JSON.stringify(body);
    throw invalidObject({ group: '', resource: '', kind: '' }, '', [invalid('patch', value, problems.join(', '))]);
  }
}

function checkVersion(kind: Kind, sent: KubeObject, current: KubeObject): void {
  const { uid, resourceVersion } = sent.metadata;
  if (uid !== undefined && uid !== '' && uid !== current.metadata.uid) checkPreconditions(kind, current, { uid });
  if (!resourceVersion || resourceVersion === current.metadata.resourceVersion) return;
  if (!/^\d+$/.test(resourceVersion)) {
    throw invalidObject(kind.info, current.metadata.name, [invalid('metadata.resourceVersion', resourceVersion, 'must be a number')]);
  }
  throw conflict(kind.info, current.metadata.name, STALE_OBJECT);
}

function checkHasVersion({ info, updatesNeedVersion }: Kind, { metadata }: KubeObject, { preconditions }: WriteOptions): void {
  if (updatesNeedVersion !== true || metadata.resourceVersion || preconditions?.resourceVersion) return;
  throw invalidObject({ ...info, kind: info.resource }, metadata.name, [invalid('metadata.resourceVersion', 0, 'must be specified for an update')]);
}

function checkName({ metadata }: KubeObject, { name }: Ref): void {
  if (metadata.name === '') metadata.name = name;
  if (metadata.name !== name) throw nameMismatch(metadata.name, name);
}

function nameMismatch(inObject: string, inRequest: string): ApiError {
  return badRequest(`the name of the object (${inObject}) does not match the name on the URL (${inRequest})`);
}

/** A name becomes a part of a key: what has a slash in it would be another object's. */
function checkSegment(text: string, what: string): void {
  if (text === '') throw badRequest(`${what} is required`);
  if (text.includes('/') || text.includes('%') || text === '.' || text === '..') {
    throw badRequest(`invalid ${what} ${JSON.stringify(text)}: may not be '.', '..' or contain '/' or '%'`);
  }
}

/** Fewer than none is no limit, as in Kubernetes. */
function checkLimit(limit: number): number {
  if (Number.isSafeInteger(limit)) return Math.max(limit, 0);
  throw badRequest(`limit: Invalid value: ${limit}: must be a whole number`);
}

/** As it is stored. */
function encodeSized(kind: Kind, object: KubeObject): Uint8Array {
  const bytes = encodeStored(object);
  if (bytes.length <= OBJECT_BYTES_MAX) return bytes;
  const message = `${kind.info.kind} ${JSON.stringify(object.metadata.name)} is too large: ${bytes.length} bytes, at most ${OBJECT_BYTES_MAX}`;
  throw new ApiError('RequestEntityTooLarge', message);
}

function withRevision(object: KubeObject, revision: number): KubeObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
}

function tooManyRaces(kind: Kind, name: string): ApiError {
  return conflict(kind.info, name, `it changed ${WRITE_ATTEMPTS_MAX} times while this write was tried; please try again`);
}

/** What `binding` and `eviction` answer. */
function success(): KubeObject {
  const status: Omit<Status, 'message' | 'reason'> = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };
  return status as unknown as KubeObject; // a Status has no name
}
