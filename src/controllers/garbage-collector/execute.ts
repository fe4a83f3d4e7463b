/**
 * Follows owner references over all kinds that the controllers' informers know. A key is `resource|namespace/name`.
 * That an owner is absent is asked of the server: its informer may be behind that of the dependent.
 *
 * Kinds that no controller acts on are looked through now and then, which costs less than watching some thirty kinds that
 * mostly have no objects. The first of a kind's objects that owns, is owned or waits for its dependents makes it followed
 * like the others.
 */
import { unreachable } from '../../base/assert.ts';
import { inNamespace, type ResourceRef } from '../../client/api-client.ts';
import { isNotFound } from '../../client/api-error.ts';
import { Controller, DONE, type Outcome, type WatchedInformer } from '../../client/controller.ts';
import { sleep, type Millis } from '../../base/clock.ts';
import { describeError } from '../../base/errors.ts';
import { Tasks } from '../../base/tasks.ts';
import type { Change } from '../../client/core/object-cache.ts';
import { Informer, resourceName } from '../../client/informer.ts';
import type { ApiObject, OwnerReference } from '../../client/objects.ts';
import type { OwnWrites } from '../../client/own-writes.ts';
import { RESOURCES, findKind } from '../../kube/resources.ts';
import type { ControllerContext } from '../context.ts';
import { FOREGROUND_FINALIZER, ORPHAN_FINALIZER, planGarbage, type GarbageAction, type Known, type OwnerState } from './plan.ts';

/** An informer of any kind, as far as garbage goes. */
interface Followed extends WatchedInformer {
  listen(listener: { changed?(change: Change<ApiObject>): void; progressed?(): void }): void;
}

/** How often the kinds that are not followed are looked through. */
const SWEEP_MS: Millis = 10_000;
/** Objects of one kind that a sweep looks at; with as many it is followed. */
const SWEPT_MAX = 500;
/** Events own nothing and are owned by nobody; leases change all the time, and whoever needs one makes it anew. */
const NOT_SWEPT: ReadonlySet<string> = new Set(['events', 'leases']);

export class GarbageCollector {
  readonly #context: ControllerContext;
  readonly #controller: Controller;
  readonly #byResource = new Map<string, Followed>();
  /** Owner's uid → keys of what it owns. */
  readonly #dependents = new Map<string, Set<string>>();
  /** uid → key of what is there. */
  readonly #present = new Map<string, string>();
  readonly #tasks: Tasks;
  #signal: AbortSignal | undefined;

  constructor(context: ControllerContext) {
    this.#context = context;
    // All of them tell of changes of some ApiObject; none is given one.
    const informers = Object.values(context.informers) as readonly unknown[] as readonly Followed[];
    this.#controller = new Controller({
      name: 'garbage-collector',
      client: context.client,
      clock: context.clock,
      log: context.log,
      informers,
      reconcile: (key, writes) => this.#reconcile(key, writes),
    });
    for (const informer of informers) this.#listen(informer);
    this.#tasks = new Tasks((error) => context.log.error({ error: describeError(error) }, 'garbage collector: a task failed'));
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    this.#tasks.run(this.#sweepAll(signal));
    await this.#controller.run(signal);
    await this.#tasks.idle();
  }

  #listen(informer: Followed): void {
    const resource = resourceName(informer.ref);
    this.#byResource.set(resource, informer);
    informer.listen({ changed: (change) => this.#changed(resource, change) });
  }

  async #sweepAll(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      for (const info of RESOURCES) {
        if (signal.aborted) return;
        await this.#sweep({ group: info.group, version: info.version, resource: info.resource }, signal).catch((error: unknown) => {
          this.#context.log.debug({ resource: info.resource, error: describeError(error) }, 'garbage collector: not looked through');
        });
      }
      await sleep(this.#context.clock, SWEEP_MS, signal).catch(() => undefined);
    }
  }

  async #sweep(ref: ResourceRef, signal: AbortSignal): Promise<void> {
    if (this.#byResource.has(resourceName(ref)) || NOT_SWEPT.has(ref.resource)) return;
    // What is a little old will do: it is looked at again.
    const { items } = await this.#context.client.list<ApiObject>(ref, { limit: SWEPT_MAX, resourceVersion: '0', signal });
    if (items.length >= SWEPT_MAX || items.some(concernsOthers)) this.#follow(ref);
  }

  #follow(ref: ResourceRef): void {
    const resource = resourceName(ref);
    if (this.#signal === undefined || this.#signal.aborted || this.#byResource.has(resource)) return;
    const { client, clock, log } = this.#context;
    const informer = new Informer<ApiObject>({ client, clock, log, ref });
    this.#listen(informer);
    this.#tasks.run(informer.run(this.#signal));
  }

  #changed(resource: string, { key: name, before, after }: Change<ApiObject>): void {
    const key = `${resource}|${name}`;
    for (const { uid } of before?.metadata.ownerReferences ?? []) this.#unlink(uid, key);
    for (const { uid } of after?.metadata.ownerReferences ?? []) this.#link(uid, key);
    const uidBefore = before?.metadata.uid;
    const uidAfter = after?.metadata.uid;
    if (uidBefore !== undefined && uidBefore !== uidAfter) {
      this.#present.delete(uidBefore);
      this.#enqueueAround(uidBefore, before);
    }
    if (after === undefined || uidAfter === undefined) return;
    this.#present.set(uidAfter, key);
    const finalizers = after.metadata.finalizers ?? [];
    const isWaiting = finalizers.includes(FOREGROUND_FINALIZER) || finalizers.includes(ORPHAN_FINALIZER);
    const hasNewOwners = before === undefined || before.metadata.ownerReferences !== after.metadata.ownerReferences;
    const isOwned = (after.metadata.ownerReferences ?? []).length > 0;
    if ((isOwned && hasNewOwners) || (isWaiting && after.metadata.deletionTimestamp !== undefined)) {
      this.#controller.enqueue(key);
    }
    // An owner that waits for its dependents looks again when one changes.
    if (before !== undefined) this.#enqueueWaitingOwners(before);
  }

  /** It is gone: its dependents may have to go, and an owner may have waited for it. */
  #enqueueAround(uid: string, gone: ApiObject | undefined): void {
    for (const key of [...(this.#dependents.get(uid) ?? [])].sort()) this.#controller.enqueue(key);
    if (gone !== undefined) this.#enqueueWaitingOwners(gone);
  }

  #enqueueWaitingOwners(object: ApiObject): void {
    for (const { uid } of object.metadata.ownerReferences ?? []) {
      const owner = this.#present.get(uid);
      if (owner === undefined) continue;
      const isDeleting = this.#find(owner)?.object.metadata.deletionTimestamp !== undefined;
      if (isDeleting) this.#controller.enqueue(owner);
    }
  }

  #link(uid: string, key: string): void {
    const keys = this.#dependents.get(uid);
    if (keys === undefined) this.#dependents.set(uid, new Set([key]));
    else keys.add(key);
  }

  #unlink(uid: string, key: string): void {
    const keys = this.#dependents.get(uid);
    keys?.delete(key);
    if (keys?.size === 0) this.#dependents.delete(uid);
  }

  #find(key: string): Known | undefined {
    const bar = key.indexOf('|');
    const resource = key.slice(0, bar);
    const object = this.#byResource.get(resource)?.cache.get(key.slice(bar + 1));
    return object === undefined ? undefined : { resource, object };
  }

  async #reconcile(key: string, writes: OwnWrites): Promise<Outcome> {
    const subject = this.#find(key);
    if (subject === undefined) return DONE;
    const { metadata } = subject.object;
    const owners = new Map<string, OwnerState>();
    for (const owner of metadata.ownerReferences ?? []) {
      owners.set(owner.uid, await this.#stateOf(owner, metadata.namespace));
    }
    const dependents = [...(this.#dependents.get(metadata.uid ?? '') ?? [])]
      .sort()
      .map((each) => this.#find(each))
      .filter((each) => each !== undefined);
    const { actions } = planGarbage({ subject, owners, dependents });
    for (const action of actions) {
      try {
        await this.#execute(action, writes);
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    }
    return DONE;
  }

  async #stateOf(owner: OwnerReference, namespace: string | undefined): Promise<OwnerState> {
    const known = this.#present.get(owner.uid);
    const cached = known === undefined ? undefined : this.#find(known);
    if (cached !== undefined) return stateOfPresent(cached.object);
    const info = findKind(owner.apiVersion, owner.kind);
    if (info === undefined) return 'unknown';
    // Of what it owns, the owner's end shall be seen at once.
    const { group, version, resource } = info;
    this.#follow({ group, version, resource });
    const ref = inNamespace(info, info.namespaced ? namespace : undefined);
    try {
      const object = await this.#context.client.get<ApiObject>(ref, owner.name);
      return object.metadata.uid === owner.uid ? stateOfPresent(object) : 'absent';
    } catch (error) {
      if (isNotFound(error)) return 'absent';
      throw error;
    }
  }

  #refOf({ resource, object }: Known): ResourceRef {
    return inNamespace(this.#byResource.get(resource)!.ref, object.metadata.namespace);
  }

  async #execute(action: GarbageAction, writes: OwnWrites): Promise<void> {
    const { object } = action.object;
    const ref = this.#refOf(action.object);
    const { name, uid = '', resourceVersion = '' } = object.metadata;
    switch (action.kind) {
      case 'delete':
        await writes.delete<ApiObject>(ref, name, {
          preconditions: { uid, resourceVersion },
          propagationPolicy: action.propagation,
        });
        return;
      case 'drop-owners': {
        const ownerReferences = (object.metadata.ownerReferences ?? []).filter((owner) => !action.uids.includes(owner.uid));
        await writes.update<ApiObject>(ref, { ...object, metadata: { ...object.metadata, ownerReferences } });
        return;
      }
      case 'remove-finalizer': {
        const finalizers = (object.metadata.finalizers ?? []).filter((each) => each !== action.finalizer);
        // Not waited for in the cache: with its last finalizer the object goes, and its last version may stay unseen.
        await this.#context.client.update<ApiObject>(ref, { ...object, metadata: { ...object.metadata, finalizers } });
        return;
      }
      default:
        unreachable(action);
    }
  }
}

function concernsOthers({ metadata }: ApiObject): boolean {
  const finalizers = metadata.finalizers ?? [];
  return (metadata.ownerReferences ?? []).length > 0 || finalizers.includes(FOREGROUND_FINALIZER) || finalizers.includes(ORPHAN_FINALIZER);
}

function stateOfPresent({ metadata }: ApiObject): OwnerState {
  const isForeground = (metadata.finalizers ?? []).includes(FOREGROUND_FINALIZER);
  return isForeground && metadata.deletionTimestamp !== undefined ? 'in-foreground-deletion' : 'present';
}
