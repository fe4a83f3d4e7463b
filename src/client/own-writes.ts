/**
 * Remembers what one key's last work wrote, and tells when the caches have caught up with it. A plan between a write
 * and the news of it would see too few pods and make more, or too many and delete more (cf. kubernetes' expectations).
 */
import type { ApiClient, CreateOptions, DeleteOptions, NewObject, PatchOptions, ResourceRef } from './api-client.ts';
import { compareVersions } from './core/object-cache.ts';
import { resourceName } from './informer.ts';
import { keyOf, type ApiObject } from './objects.ts';

/** The caches that a controller plans from, by `resourceName`. Writes to other resources need not be waited for. */
export type WatchedCaches = ReadonlyMap<string, SeenCache>;

export interface SeenCache {
  readonly resourceVersion: string;
  get(key: string): ApiObject | undefined;
}

interface Deletion {
  readonly resource: string;
  readonly key: string;
  readonly uid: string | undefined;
}

/** The client of an executor: as `ApiClient`, for the calls that executors make. */
export class OwnWrites {
  readonly #client: ApiClient;
  readonly #versions = new Map<string, string>();
  readonly #deletions: Deletion[] = [];

  constructor(client: ApiClient) {
    this.#client = client;
  }

  get client(): ApiClient {
    return this.#client;
  }

  async create<T extends ApiObject>(ref: ResourceRef, object: NewObject<T>, options?: CreateOptions): Promise<T> {
    return this.#wrote(ref, await this.#client.create<T>(ref, object, options));
  }

  async update<T extends ApiObject>(ref: ResourceRef, object: T): Promise<T> {
    return this.#wrote(ref, await this.#client.update<T>(ref, object));
  }

  async updateStatus<T extends ApiObject>(ref: ResourceRef, object: T): Promise<T> {
    return this.#wrote(ref, await this.#client.updateStatus<T>(ref, object));
  }

  async patch<T extends ApiObject>(ref: ResourceRef, name: string, options: PatchOptions): Promise<T> {
    return this.#wrote(ref, await this.#client.patch<T>(ref, name, options));
  }

  async delete<T extends ApiObject>(ref: ResourceRef, name: string, options?: DeleteOptions): Promise<T> {
    const object = await this.#client.delete<T>(ref, name, options);
    // The version of an object that is gone may be its last one, so that a deletion is told by the object itself.
    this.#deletions.push({ resource: resourceName(ref), key: keyOf(object), uid: object.metadata.uid });
    return object;
  }

  /** The caches have seen all of it. */
  isSeen(caches: WatchedCaches): boolean {
    for (const [resource, version] of this.#versions) {
      const cache = caches.get(resource);
      if (cache !== undefined && compareVersions(cache.resourceVersion, version) < 0) return false;
    }
    return this.#deletions.every(({ resource, key, uid }) => {
      const seen = caches.get(resource)?.get(key)?.metadata;
      return seen === undefined || seen.uid !== uid || seen.deletionTimestamp !== undefined;
    });
  }

  #wrote<T extends ApiObject>(ref: ResourceRef, object: T): T {
    const resource = resourceName(ref);
    const version = object.metadata.resourceVersion ?? '0';
    if (compareVersions(version, this.#versions.get(resource)) > 0) this.#versions.set(resource, version);
    return object;
  }
}
