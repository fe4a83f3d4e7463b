/**
 * Keeps a cache like the server's: list, then watch from there; resume where a watch broke off; list again when the
 * server no longer has that version; wait longer after each failure. It tells its listeners what changed, after the
 * cache has changed. Who reads the cache reads the past: writes carry a resourceVersion.
 */
import { sleep, type Clock } from '../base/clock.ts';
import { AbortedError, describeError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { inNamespace, type ApiClient, type ResourceRef } from './api-client.ts';
import { isExpired } from './api-error.ts';
import { Backoff } from './core/backoff.ts';
import { ObjectCache, type Change, type IndexOf } from './core/object-cache.ts';
import type { ApiObject } from './objects.ts';

export interface InformerOptions<T extends ApiObject> {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly log: Log;
  readonly ref: ResourceRef;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly indexes?: Readonly<Record<string, IndexOf<T>>>;
}

export interface InformerListener<T> {
  changed?(change: Change<T>): void;
  /** The cache has read further, whether or not an object changed. */
  progressed?(): void;
}

const LIST_PAGE_MAX = 500;
const RETRY_FIRST_MS = 50;
const RETRY_MAX_MS = 5_000;

export class Informer<T extends ApiObject> {
  readonly ref: ResourceRef;
  readonly cache: ObjectCache<T>;
  readonly #options: InformerOptions<T>;
  readonly #listeners: InformerListener<T>[] = [];
  readonly #backoff = new Backoff({ firstMs: RETRY_FIRST_MS, maxMs: RETRY_MAX_MS });
  #isSynced = false;
  #onSynced: (() => void)[] = [];

  constructor(options: InformerOptions<T>) {
    this.#options = options;
    this.ref = options.ref;
    this.cache = new ObjectCache<T>(options.indexes);
  }

  /** The first list has been taken. */
  get isSynced(): boolean {
    return this.#isSynced;
  }

  /** Listeners are called in the order in which they came. */
  listen(listener: InformerListener<T>): void {
    this.#listeners.push(listener);
  }

  /** Resolves after the first list; rejects when `signal` fires before. */
  synced(signal: AbortSignal): Promise<void> {
    if (this.#isSynced) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(new AbortedError('first list'));
      signal.addEventListener('abort', onAbort, { once: true });
      this.#onSynced.push(() => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      });
    });
  }

  /** Runs until `signal` fires; returns then. */
  async run(signal: AbortSignal): Promise<void> {
    let isListed = false;
    while (!signal.aborted) {
      try {
        if (!isListed) await this.#list(signal);
        isListed = true;
        const events = await this.#watch(signal);
        // A server that ends watches at once must not be asked without pause.
        if (events === 0) await this.#pause(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (isExpired(error)) isListed = false;
        this.#logFailure(error);
        await this.#pause(signal);
      }
    }
  }

  #logFailure(error: unknown): void {
    const facts = { resource: this.ref.resource, error: describeError(error) };
    this.#options.log.debug(facts, 'informer: list or watch failed');
  }

  async #pause(signal: AbortSignal): Promise<void> {
    // An abort is the loop's own condition.
    await sleep(this.#options.clock, this.#backoff.next(''), signal).catch(() => undefined);
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { client, labelSelector, fieldSelector } = this.#options;
    const items: T[] = [];
    let resourceVersion = '';
    let more = '';
    do {
      const page = await client.list<T>(this.ref, {
        ...(labelSelector === undefined ? {} : { labelSelector }),
        ...(fieldSelector === undefined ? {} : { fieldSelector }),
        ...(more === '' ? {} : { continue: more }),
        limit: LIST_PAGE_MAX,
        signal,
      });
      for (const item of page.items) items.push(item);
      if (resourceVersion === '') resourceVersion = page.resourceVersion;
      more = page.continue;
    } while (more !== '');
    const changes = this.cache.replace(items, resourceVersion);
    this.#isSynced = true;
    for (const change of changes) this.#tell(change);
    this.#progressed();
    for (const resolve of this.#onSynced.splice(0)) resolve();
  }

  /** Watches until the stream ends; answers how many events it brought. */
  async #watch(signal: AbortSignal): Promise<number> {
    const { client, labelSelector, fieldSelector } = this.#options;
    let count = 0;
    const events = client.watch<T>(this.ref, {
      ...(labelSelector === undefined ? {} : { labelSelector }),
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
      resourceVersion: this.cache.resourceVersion,
      allowWatchBookmarks: true,
      signal,
    });
    for await (const event of events) {
      if (signal.aborted) break;
      count++;
      this.#backoff.forget('');
      if (event.type === 'BOOKMARK') this.cache.advance(event.resourceVersion);
      else if (event.type === 'DELETED') this.#tell(this.cache.remove(event.object, event.resourceVersion));
      else this.#tell(this.cache.put(event.object, event.resourceVersion));
      this.#progressed();
    }
    return count;
  }

  #tell(change: Change<T>): void {
    for (const listener of this.#listeners) listener.changed?.(change);
  }

  #progressed(): void {
    for (const listener of this.#listeners) listener.progressed?.();
  }
}

/** A reference without its namespace, to tell one resource from another. */
export function resourceName(ref: ResourceRef): string {
  const { group, resource } = inNamespace(ref, undefined);
  return group === '' ? resource : `${resource}.${group}`;
}
