/**
 * One object's change. Every write is one Txn that compares what the writer saw. A change is first tried on what the cache
 * holds, which is nearly always the newest; when the store says otherwise, or the change is refused, it is decided again on
 * a fresh read.
 */
import { assert } from '../base/assert.ts';
import { ApiError, conflict, notFound } from '../kube/errors.ts';
import { cloneJson, equalJson, type KubeObject } from '../kube/types.ts';
import type { Claims, ServiceAllocator } from './allocator.ts';
import { checkDeletePreconditions, checkPreconditions, isDone, type DeletionStep } from './core/draft.ts';
import type { Kind } from './kinds/kind.ts';
import type { Places, Target } from './places.ts';
import type { DeleteQuery, WriteOptions } from './requests.ts';
import { OBJECT_BYTES_MAX, encodeStored, type Storage, type Stored } from './storage.ts';

/** A write that loses so many races in a row is refused: the client may try again. */
const WRITE_ATTEMPTS_MAX = 32;

export type Change = (current: KubeObject) => KubeObject | Promise<KubeObject>;

export interface ChangesOptions {
  readonly places: Places;
  readonly storage: Storage;
  readonly allocator: ServiceAllocator;
}

export class Changes {
  readonly #places: Places;
  readonly #storage: Storage;
  readonly #allocator: ServiceAllocator;

  constructor({ places, storage, allocator }: ChangesOptions) {
    this.#places = places;
    this.#storage = storage;
    this.#allocator = allocator;
  }

  /** undefined: the name is taken. */
  async insert({ kind, key, ref }: Target, object: KubeObject, place: Stored | undefined, { dryRun }: WriteOptions): Promise<KubeObject | undefined> {
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
      if (outcome.why === 'other-changed') unchanged = await this.#places.livingNamespace(kind, ref.namespace, ref.name, 'stored');
    }
    throw tooManyRaces(kind, ref.name);
  }

  async change(target: Target, { dryRun, preconditions = {} }: WriteOptions, change: Change): Promise<KubeObject> {
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
    const cached = this.#places.cache(target.kind).get(target.key);
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

  /** Takes the object away, or marks it, as the plan has it; answers it as it then is. */
  async remove(target: Target, { dryRun = false, preconditions = {} }: Pick<DeleteQuery, 'dryRun' | 'preconditions'>, planOf: (current: KubeObject) => DeletionStep): Promise<KubeObject> {
    const { kind, ref } = target;
    let { stored, isGuess } = await this.#current(target);
    for (let attempt = 0; attempt < WRITE_ATTEMPTS_MAX; attempt++) {
      if (stored === undefined && isGuess) ({ stored, isGuess } = await this.#read(target));
      if (stored === undefined) throw notFound(kind.info, ref.name);
      const current: Stored = stored;
      try {
        checkDeletePreconditions(kind, current.object, preconditions);
      } catch (error) {
        if (!isGuess) throw error;
        ({ stored, isGuess } = await this.#read(target));
        continue;
      }
      const plan = planOf(current.object);
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

export function tooManyRaces(kind: Kind, name: string): ApiError {
  return conflict(kind.info, name, `it changed ${WRITE_ATTEMPTS_MAX} times while this write was tried; please try again`);
}
