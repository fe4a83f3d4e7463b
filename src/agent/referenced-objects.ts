/**
 * The ConfigMaps and Secrets that the node's pods name, and no others: an agent must not hold what is none of its business,
 * and a cluster's Secrets are many. One watch an object, by its name, shared by the pods that name it, as the kubelet does;
 * so a change is known at once, and a node pays a stream for each object that its pods use (an object that is immutable
 * costs none). Who starts a pod asks anew: a watch may be a little behind.
 */
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Tasks } from '../base/tasks.ts';
import { inNamespace, resources, type ApiClient } from '../client/api-client.ts';
import { isNotFound } from '../client/api-error.ts';
import { compareVersions } from '../client/core/object-cache.ts';
import { Informer } from '../client/informer.ts';
import type { ConfigMap, Secret } from './core/pod-spec.ts';

export type Referenced = ConfigMap | Secret;

export interface ObjectName {
  readonly resource: 'configMaps' | 'secrets';
  readonly namespace: string;
  readonly name: string;
}

export interface ReferencedObjectsOptions {
  readonly api: ApiClient;
  readonly clock: Clock;
  readonly log: Log;
  readonly tasks: Tasks;
  /** Something that these pods name has changed, come or gone. */
  readonly onChanged: (uids: readonly string[]) => void;
}

interface Followed {
  readonly uids: Set<string>;
  readonly abort: AbortController;
  object: Referenced | undefined;
  isWatched: boolean;
}

export class ReferencedObjects {
  readonly #options: ReferencedObjectsOptions;
  readonly #followed = new Map<string, Followed>();

  constructor(options: ReferencedObjectsOptions) {
    this.#options = options;
  }

  /** As the API server has it now; undefined: it has none. */
  async fetch(which: ObjectName): Promise<Referenced | undefined> {
    const { resource, namespace, name } = which;
    const found = await this.#options.api.get<Referenced>(inNamespace(resources[resource], namespace), name).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
    const followed = this.#followed.get(keyOf(which));
    if (followed !== undefined && (found === undefined || isNewer(found, followed.object))) followed.object = found;
    return found;
  }

  /** The newest that is known of what somebody follows. */
  known(which: ObjectName): Referenced | undefined {
    return this.#followed.get(keyOf(which))?.object;
  }

  follow(which: ObjectName, uid: string): void {
    const key = keyOf(which);
    const known = this.#followed.get(key) ?? { uids: new Set<string>(), abort: new AbortController(), object: undefined, isWatched: false };
    this.#followed.set(key, known);
    known.uids.add(uid);
  }

  /** Begins to hear of changes; called when what there is has been read, which is no news then. */
  watch(which: ObjectName): void {
    const followed = this.#followed.get(keyOf(which));
    if (followed === undefined || followed.isWatched || followed.object?.immutable === true) return;
    followed.isWatched = true;
    const { api: client, clock, log, tasks } = this.#options;
    const { resource, namespace, name } = which;
    const ref = inNamespace(resources[resource], namespace);
    const informer = new Informer<Referenced>({ client, clock, log, ref, fieldSelector: `metadata.name=${name}` });
    informer.listen({ changed: ({ after }) => this.#changed(followed, after) });
    tasks.run(informer.run(followed.abort.signal));
  }

  #changed(followed: Followed, after: Referenced | undefined): void {
    if (after !== undefined && !isNewer(after, followed.object)) return;
    followed.object = after;
    if (after?.immutable === true) followed.abort.abort();
    this.#options.onChanged([...followed.uids]);
  }

  /** The pod names nothing any more. */
  forget(uid: string): void {
    for (const [key, followed] of this.#followed) {
      if (!followed.uids.delete(uid) || followed.uids.size > 0) continue;
      followed.abort.abort();
      this.#followed.delete(key);
    }
  }

  close(): void {
    for (const { abort } of this.#followed.values()) abort.abort();
    this.#followed.clear();
  }
}

function keyOf({ resource, namespace, name }: ObjectName): string {
  return `${resource}/${namespace}/${name}`;
}

function isNewer(one: Referenced, other: Referenced | undefined): boolean {
  if (other === undefined || other.metadata.uid !== one.metadata.uid) return true;
  return compareVersions(one.metadata.resourceVersion ?? '', other.metadata.resourceVersion ?? '') > 0;
}
