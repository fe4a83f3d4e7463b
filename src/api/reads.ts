/** Reading: one object, lists of the store or of the cache, and watches. */
import { badRequest, isReason, notFound } from '../kube/errors.ts';
import type { KubeObject } from '../kube/types.ts';
import { checkListOptions, checkWatchOptions } from './core/list-options.ts';
import { decodeContinue, encodeContinue, expiredContinue, expiredList, parseResourceVersion, selectionOf, tooLargeVersion, type Selection } from './core/query.ts';
import { scaleOf } from './core/subresource.ts';
import type { Kind } from './kinds/kind.ts';
import { checkSubresource, storedRef, type Places } from './places.ts';
import type { Listed, ListQuery, Ref, WatchQuery } from './requests.ts';
import type { Storage } from './storage.ts';
import { isView, selectionThrough, shownAs, watchThrough } from './view.ts';
import type { CacheWatch } from './watch-audience.ts';

/** Rows of one read while a list looks for objects that match. */
const LIST_PAGE_ROWS = 500;

export class Reads {
  readonly #places: Places;
  readonly #storage: Storage;

  constructor(places: Places, storage: Storage) {
    this.#places = places;
    this.#storage = storage;
  }

  async get(ref: Ref, resourceVersion = ''): Promise<KubeObject> {
    const asked = this.#places.kindOf(ref);
    if (isView(asked)) return shownAs(asked, await this.get(storedRef(asked, ref), resourceVersion));
    const { kind, key } = this.#places.target(ref);
    checkSubresource(kind, ref, ['status', 'scale', 'approval', 'ephemeralcontainers', 'resize']);
    const wanted = parseResourceVersion(resourceVersion);
    let object: KubeObject | undefined;
    if (wanted === undefined) object = (await this.#storage.get(key, this.#places.known(kind, key))).stored?.object;
    else {
      const cache = this.#places.cache(kind);
      await cache.fresh(wanted);
      object = cache.get(key)?.object;
    }
    if (object === undefined) throw notFound(kind.info, ref.name);
    return ref.subresource === 'scale' ? scaleOf(object) : object;
  }

  async list(ref: Ref, query: ListQuery = {}): Promise<Listed> {
    const kind = this.#places.kindOf(ref);
    const selection = selectionThrough(kind, selectionOf(kind, query.labelSelector, query.fieldSelector));
    const prefix = this.#places.prefix(kind, ref);
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
    const cache = this.#places.cache(kind);
    await cache.fresh(wanted);
    const items = cache.list(prefix).map(({ object }) => object).filter(selection.matches).map((stored) => shownAs(kind, stored));
    return { kind, resourceVersion: String(cache.revision), continue: '', items, remainingItemCount: undefined };
  }

  async #listStored(
    kind: Kind,
    { prefix, selection, limit, revision, from }: { prefix: string; selection: Selection; limit: number; revision: number; from: string },
  ): Promise<Listed> {
    const cache = this.#places.cache(kind);
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

  /** Throws before the first event where the request is at fault; ends without an error where the watcher was too slow. */
  async watch(ref: Ref, query: WatchQuery): Promise<CacheWatch> {
    const kind = this.#places.kindOf(ref);
    const name = ref.name === '' ? '' : `metadata.name=${ref.name}`;
    const fieldSelector = [query.fieldSelector ?? '', name].filter((text) => text !== '').join(',');
    const selection = selectionThrough(kind, selectionOf(kind, query.labelSelector, fieldSelector));
    checkWatchOptions({ resourceVersionMatch: query.resourceVersionMatch ?? '', sendInitialEvents: query.sendInitialEvents });
    const wanted = parseResourceVersion(query.resourceVersion ?? '');
    const sendsInitial = query.sendInitialEvents === true;
    const prefix = this.#places.prefix(kind, ref);
    const cache = this.#places.cache(kind, sendsInitial ? 0 : wanted);
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
}

/** Fewer than none is no limit, as in Kubernetes. */
function checkLimit(limit: number): number {
  if (Number.isSafeInteger(limit)) return Math.max(limit, 0);
  throw badRequest(`limit: Invalid value: ${limit}: must be a whole number`);
}
