/**
 * A small API server in memory for tests of its clients: versions, watches, selectors by equality, finalizers, graceful
 * deletion of bound pods, bindings; nothing comes into a namespace that goes. No defaults and no validation. `expireBefore` and `fail` are its faults.
 */
import { Pipe } from '../../src/base/pipe.ts';
import { resources } from '../../src/client/api-client.ts';
import type {
  ApiClient,
  CreateOptions,
  DeleteCollectionOptions,
  DeleteOptions,
  List,
  ListOptions,
  NewObject,
  PatchOptions,
  ResourceRef,
  WatchEvent,
  WatchOptions,
} from '../../src/client/api-client.ts';
import { apiError } from '../../src/client/api-error.ts';
import type { ApiObject, Pod } from '../../src/client/objects.ts';
import { resourceName } from '../../src/client/informer.ts';

interface Logged {
  readonly version: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly resource: string;
  readonly before: ApiObject | undefined;
  readonly object: ApiObject;
}

interface Watcher {
  readonly resource: string;
  readonly namespace: string;
  readonly matches: (object: ApiObject) => boolean;
  readonly pipe: Pipe<WatchEvent<ApiObject>>;
}

type Call = { readonly verb: string; readonly ref: ResourceRef; readonly name: string };

const copy = <T>(object: unknown): T => JSON.parse(JSON.stringify(object)) as T;

export class FakeApi implements ApiClient {
  readonly calls: Call[] = [];
  /** Throws what a call shall fail with. */
  fail: ((call: Call) => Error | undefined) | undefined;
  readonly #objects = new Map<string, ApiObject>();
  readonly #log: Logged[] = [];
  readonly #watchers = new Set<Watcher>();
  #version = 0;
  #oldest = 0;
  #uids = 0;
  readonly #now: () => string;
  /** Watch events are kept back while true: the caches of clients grow stale. */
  #isHeld = false;
  #held: (() => void)[] = [];

  constructor(now: () => string = () => '2024-01-01T00:00:00Z') {
    this.#now = now;
  }

  get version(): string {
    return String(this.#version);
  }

  /** Watches from before now are answered with Expired. */
  expire(): void {
    this.#oldest = this.#version;
  }

  endWatches(error?: Error): void {
    for (const watcher of this.#watchers) watcher.pipe.end(error);
    this.#watchers.clear();
  }

  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    for (const send of this.#held.splice(0)) send();
  }

  all<T extends ApiObject>(ref: ResourceRef): T[] {
    const prefix = `${resourceName(ref)}|`;
    return [...this.#objects.entries()]
      .filter(([key]) => key.startsWith(prefix))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, object]) => copy<T>(object));
  }

  find<T extends ApiObject>(ref: ResourceRef, name: string): T | undefined {
    const object = this.#objects.get(storeKey(ref, name));
    return object === undefined ? undefined : copy<T>(object);
  }

  /** Writes past all checks, as another client might have: makes or replaces. */
  put(ref: ResourceRef, object: ApiObject): void {
    const key = storeKey({ ...ref, ...namespaceOf(object) }, object.metadata.name);
    const before = this.#objects.get(key);
    const metadata = { ...this.#identity(), ...before?.metadata, ...object.metadata };
    this.#write(key, { ...copy<ApiObject>(object), metadata });
  }

  async get<T extends ApiObject>(ref: ResourceRef, name: string): Promise<T> {
    this.#called('get', ref, name);
    return copy<T>(this.#stored(ref, name));
  }

  async list<T extends ApiObject>(ref: ResourceRef, options: ListOptions = {}): Promise<List<T>> {
    this.#called('list', ref, '');
    const matches = matcher(options);
    const items = this.all<T>(ref).filter((object) => inNamespaceOf(ref, object) && matches(object));
    return { resourceVersion: String(this.#version), continue: '', items };
  }

  async *watch<T extends ApiObject>(ref: ResourceRef, options: WatchOptions = {}): AsyncGenerator<WatchEvent<T>> {
    this.#called('watch', ref, '');
    const from = Number(options.resourceVersion ?? 0);
    if (from < this.#oldest) throw apiError('Expired', 'too old resource version');
    const pipe = new Pipe<WatchEvent<ApiObject>>(1000);
    const watcher: Watcher = {
      resource: resourceName(ref),
      namespace: ref.namespace ?? '',
      matches: matcher(options),
      pipe,
    };
    for (const entry of this.#log) if (entry.version > from) send(watcher, entry);
    this.#watchers.add(watcher);
    options.signal?.addEventListener('abort', () => pipe.end(), { once: true });
    try {
      yield* pipe as AsyncIterable<WatchEvent<T>>;
    } finally {
      this.#watchers.delete(watcher);
    }
  }

  async create<T extends ApiObject>(ref: ResourceRef, object: NewObject<T>, options: CreateOptions = {}): Promise<T> {
    const name = options.name ?? object.metadata.name ?? `${object.metadata.generateName}${++this.#uids}`;
    this.#called(options.subresource === undefined ? 'create' : `create/${options.subresource}`, ref, name);
    if (options.subresource === 'binding') return this.#bind<T>(ref, name, object);
    const at = { ...ref, ...namespaceOf(object as unknown as ApiObject) };
    const key = storeKey(at, name);
    if (this.#objects.has(key)) throw apiError('AlreadyExists', `${key} already exists`);
    const namespace = this.find(resources.namespaces, at.namespace ?? '');
    if (namespace?.metadata.deletionTimestamp !== undefined) throw apiError('Forbidden', `namespace ${at.namespace} is being terminated`);
    const metadata = { ...object.metadata, name, generation: 1, ...this.#identity() };
    return this.#write(key, { ...copy<object>(object), metadata } as unknown as ApiObject) as T;
  }

  async update<T extends ApiObject>(ref: ResourceRef, object: T): Promise<T> {
    this.#called('update', ref, object.metadata.name);
    return this.#update<T>(ref, object, (before, after) => ({ ...after, ...statusOf(before) }));
  }

  async updateStatus<T extends ApiObject>(ref: ResourceRef, object: T): Promise<T> {
    this.#called('update/status', ref, object.metadata.name);
    return this.#update<T>(ref, object, (before, after) => ({ ...before, ...statusOf(after) }));
  }

  updateSubresource<T extends ApiObject>(ref: ResourceRef, subresource: string, object: T): Promise<T> {
    return subresource === 'status' ? this.updateStatus(ref, object) : this.update(ref, object);
  }

  async patch<T extends ApiObject>(ref: ResourceRef, name: string, options: PatchOptions): Promise<T> {
    this.#called('patch', ref, name);
    const before = this.#stored(ref, name);
    check(before, options.preconditions);
    if (options.type === 'json') throw apiError('BadRequest', 'the fake knows no JSON patch');
    const after = merge(copy(before), options.patch) as ApiObject;
    return this.#update<T>(ref, { ...after, metadata: { ...after.metadata } } as T, (_, patched) => patched);
  }

  async apply<T extends ApiObject>(): Promise<T> {
    throw apiError('MethodNotAllowed', 'the fake applies nothing');
  }

  async delete<T extends ApiObject>(ref: ResourceRef, name: string, options: DeleteOptions = {}): Promise<T> {
    this.#called('delete', ref, name);
    const before = this.#stored(ref, name);
    check(before, options.preconditions);
    const extra = options.propagationPolicy === 'Foreground' ? ['foregroundDeletion'] : [];
    const orphan = options.propagationPolicy === 'Orphan' ? ['orphan'] : [];
    const finalizers = [...(before.metadata.finalizers ?? []), ...extra, ...orphan];
    const isBoundPod = before.kind === 'Pod' && (before as Pod).spec.nodeName !== undefined;
    const isRunning = isBoundPod && !['Succeeded', 'Failed'].includes((before as Pod).status?.phase ?? '');
    const isGraceful = isRunning && options.gracePeriodSeconds !== 0;
    const key = storeKey(ref, name);
    if (!isGraceful && finalizers.length === 0) return this.#remove(key, before) as T;
    const metadata = {
      ...before.metadata,
      ...(finalizers.length === 0 ? {} : { finalizers }),
      deletionTimestamp: before.metadata.deletionTimestamp ?? this.#now(),
    };
    return this.#write(key, { ...before, metadata }) as T;
  }

  async deleteCollection<T extends ApiObject>(
    ref: ResourceRef,
    options: DeleteCollectionOptions = {},
  ): Promise<readonly T[]> {
    const { items } = await this.list<T>(ref, options);
    const deleted: T[] = [];
    for (const item of items) {
      deleted.push(await this.delete<T>({ ...ref, ...namespaceOf(item) }, item.metadata.name, options as DeleteOptions));
    }
    return deleted;
  }

  #bind<T extends ApiObject>(ref: ResourceRef, name: string, binding: object): T {
    const pod = this.#stored(ref, name) as Pod;
    if (pod.spec.nodeName !== undefined) throw apiError('Conflict', 'pod is already assigned to a node');
    const nodeName = (binding as { target: { name: string } }).target.name;
    const scheduled = { type: 'PodScheduled', status: 'True', lastTransitionTime: this.#now() };
    const status = { ...pod.status, conditions: [scheduled] };
    this.#write(storeKey(ref, name), { ...pod, spec: { ...pod.spec, nodeName }, status } as Pod);
    return copy<T>({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' });
  }

  #update<T extends ApiObject>(ref: ResourceRef, object: T, join: (before: T, after: T) => T): T {
    const at = { ...ref, ...namespaceOf(object) };
    const before = this.#stored(at, object.metadata.name) as T;
    check(before, { resourceVersion: object.metadata.resourceVersion ?? '' });
    const joined = copy<T>(join(before, object));
    const key = storeKey(at, object.metadata.name);
    const specOf = (of: T) => JSON.stringify((of as { spec?: unknown }).spec);
    const generation = (before.metadata.generation ?? 1) + (specOf(before) === specOf(joined) ? 0 : 1);
    const after = { ...joined, metadata: { ...joined.metadata, uid: before.metadata.uid, generation } };
    const isDying = before.metadata.deletionTimestamp !== undefined;
    const ownFinalizers = after.kind === 'Namespace' ? ((after as { spec?: { finalizers?: unknown[] } }).spec?.finalizers ?? []) : [];
    if (isDying && (after.metadata.finalizers ?? []).length + ownFinalizers.length === 0 && before.kind !== 'Pod') {
      return this.#remove(key, after) as T;
    }
    if (JSON.stringify(after) === JSON.stringify(before)) return copy<T>(before);
    return this.#write(key, after) as T;
  }

  #stored(ref: ResourceRef, name: string): ApiObject {
    const object = this.#objects.get(storeKey(ref, name));
    if (object === undefined) throw apiError('NotFound', `${resourceName(ref)} "${name}" not found`);
    return object;
  }

  #identity(): { uid: string; creationTimestamp: string } {
    return { uid: `uid-${++this.#uids}`, creationTimestamp: this.#now() };
  }

  #write(key: string, object: ApiObject): ApiObject {
    const before = this.#objects.get(key);
    const version = ++this.#version;
    const after = { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } };
    this.#objects.set(key, after);
    this.#tell({ version, type: before === undefined ? 'ADDED' : 'MODIFIED', resource: resourceOf(key), before, object: after });
    return copy(after);
  }

  #remove(key: string, object: ApiObject): ApiObject {
    const version = ++this.#version;
    this.#objects.delete(key);
    const after = { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } };
    this.#tell({ version, type: 'DELETED', resource: resourceOf(key), before: object, object: after });
    return copy(after);
  }

  #tell(entry: Logged): void {
    this.#log.push(entry);
    const tell = () => {
      for (const watcher of this.#watchers) send(watcher, entry);
    };
    if (this.#isHeld) this.#held.push(tell);
    else tell();
  }

  #called(verb: string, ref: ResourceRef, name: string): void {
    const call = { verb, ref, name };
    const error = this.fail?.(call);
    this.calls.push(call);
    if (error !== undefined) throw error;
  }
}

function send(watcher: Watcher, entry: Logged): void {
  if (watcher.resource !== entry.resource) return;
  if (watcher.namespace !== '' && entry.object.metadata.namespace !== watcher.namespace) return;
  const resourceVersion = String(entry.version);
  const before = entry.before !== undefined && watcher.matches(entry.before);
  const after = entry.type !== 'DELETED' && watcher.matches(entry.object);
  if (!before && !after) return;
  const type = !after ? 'DELETED' : before ? 'MODIFIED' : 'ADDED';
  watcher.pipe.push({ type, object: copy(entry.object), resourceVersion });
}

function storeKey(ref: ResourceRef, name: string): string {
  return `${resourceName(ref)}|${ref.namespace ?? ''}/${name}`;
}

const resourceOf = (key: string): string => key.slice(0, key.indexOf('|'));

function namespaceOf(object: ApiObject): { namespace?: string } {
  return object.metadata.namespace === undefined ? {} : { namespace: object.metadata.namespace };
}

function inNamespaceOf(ref: ResourceRef, object: ApiObject): boolean {
  return (ref.namespace ?? '') === '' || object.metadata.namespace === ref.namespace;
}

function statusOf(object: ApiObject): object {
  return 'status' in object ? { status: object.status } : {};
}

function check(object: ApiObject, preconditions: { uid?: string; resourceVersion?: string } = {}): void {
  const { uid = '', resourceVersion = '' } = preconditions;
  const isSame = uid === '' || uid === object.metadata.uid;
  const isLatest = resourceVersion === '' || resourceVersion === object.metadata.resourceVersion;
  if (!isSame || !isLatest) throw apiError('Conflict', 'the object has been modified');
}

function matcher({ labelSelector = '', fieldSelector = '' }: ListOptions): (object: ApiObject) => boolean {
  const pairs = (text: string) => text.split(',').filter(Boolean).map((pair) => pair.split(/==?/) as [string, string]);
  const labels = pairs(labelSelector);
  const fields = pairs(fieldSelector);
  return (object) =>
    labels.every(([key, value]) => object.metadata.labels?.[key] === value) &&
    fields.every(([path, value]) => String(at(object, path) ?? '') === value);
}

function at(object: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], object);
}

function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const merged: Record<string, unknown> = { ...(target as Record<string, unknown>) };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = merge(merged[key] ?? {}, value);
  }
  return merged;
}

