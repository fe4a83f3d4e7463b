/**
 * What an informer knows: the objects of one list and watch, with indexes, and how far it has read. The objects are
 * shared with all readers and never changed. Answers are in the order of keys, since a `Map` remembers history and a
 * plan must not depend on it.
 */
import { keyOf, type ApiObject } from '../objects.ts';

/** The values under which an object is to be found. */
export type IndexOf<T> = (object: T) => readonly string[];

export interface Change<T> {
  readonly key: string;
  readonly before: T | undefined;
  readonly after: T | undefined;
}

export class ObjectCache<T extends ApiObject> {
  readonly #objects = new Map<string, T>();
  readonly #indexes = new Map<string, { readonly valuesOf: IndexOf<T>; readonly keys: Map<string, Set<string>> }>();
  #resourceVersion = '0';

  constructor(indexes: Readonly<Record<string, IndexOf<T>>> = {}) {
    for (const [name, valuesOf] of Object.entries(indexes)) this.#indexes.set(name, { valuesOf, keys: new Map() });
  }

  /** How far the cache has read: it holds every change up to here. */
  get resourceVersion(): string {
    return this.#resourceVersion;
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  list(): T[] {
    return this.#inOrder(this.#objects.keys());
  }

  by(index: string, value: string): T[] {
    return this.#inOrder(this.#indexes.get(index)?.keys.get(value) ?? []);
  }

  /** Takes a whole list; answers what changed by it. */
  replace(objects: readonly T[], resourceVersion: string): Change<T>[] {
    const changes: Change<T>[] = [];
    const listed = new Set(objects.map(keyOf));
    for (const key of [...this.#objects.keys()].sort()) {
      if (!listed.has(key)) changes.push(this.#set(key, undefined));
    }
    for (const object of objects) {
      const key = keyOf(object);
      const before = this.#objects.get(key);
      if (before === undefined || before.metadata.resourceVersion !== object.metadata.resourceVersion) {
        changes.push(this.#set(key, object));
      }
    }
    this.#resourceVersion = resourceVersion;
    return changes;
  }

  put(object: T, resourceVersion: string): Change<T> {
    this.advance(resourceVersion);
    return this.#set(keyOf(object), object);
  }

  remove(object: T, resourceVersion: string): Change<T> {
    this.advance(resourceVersion);
    return this.#set(keyOf(object), undefined);
  }

  /** There is nothing new up to `resourceVersion`. */
  advance(resourceVersion: string): void {
    if (compareVersions(resourceVersion, this.#resourceVersion) > 0) this.#resourceVersion = resourceVersion;
  }

  #set(key: string, after: T | undefined): Change<T> {
    const before = this.#objects.get(key);
    for (const { valuesOf, keys } of this.#indexes.values()) {
      if (before !== undefined) {
        for (const value of valuesOf(before)) {
          const under = keys.get(value);
          under?.delete(key);
          if (under?.size === 0) keys.delete(value);
        }
      }
      if (after !== undefined) {
        for (const value of valuesOf(after)) {
          const under = keys.get(value);
          if (under === undefined) keys.set(value, new Set([key]));
          else under.add(key);
        }
      }
    }
    if (after === undefined) this.#objects.delete(key);
    else this.#objects.set(key, after);
    return { key, before, after };
  }

  #inOrder(keys: Iterable<string>): T[] {
    return [...keys].sort().map((key) => this.#objects.get(key)!);
  }
}

/** Resource versions of this API are revisions of the store, so that they have an order. */
export function compareVersions(a: string | undefined, b: string | undefined): number {
  return Number(a ?? 0) - Number(b ?? 0);
}
