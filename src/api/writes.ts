/** Writing: objects are created, replaced, patched and applied, and pods bound. Deletions are in `registry.ts`. */
import { formatTime, type Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { alreadyExists, badRequest, conflict, invalidObject, isReason, required } from '../kube/errors.ts';
import { apiVersionOf } from '../kube/resources.ts';
import type { KubeObject } from '../kube/types.ts';
import { tooManyRaces, type Changes } from './changes.ts';
import { decodeObject, draftNew, draftUpdate, type Draft, type FieldValidation } from './core/draft.ts';
import { EMPTY } from './core/field-set.ts';
import { KUBECTL, lastAppliedFields, withLastApplied } from './core/last-applied.ts';
import { applyConfig, trackUpdate, type Writer } from './core/managed-fields.ts';
import {
  PATCH_OPTIONS,
  adviceOn,
  checkHasVersion,
  checkManager,
  checkName,
  checkPatch,
  checkVersion,
  decodeApplied,
  decodePatched,
  nameMismatch,
  patched,
  withManagers,
} from './core/sent.ts';
import { bound, configOfScale, decodeBinding, decodeScale, podOfBinding, scaleOf, success, withScale } from './core/subresource.ts';
import type { Birth, Kind, Subresource, View } from './kinds/kind.ts';
import { checkSubresource, storedRef, type Places, type Target } from './places.ts';
import type { ApplyOptions, PatchType, Ref, WriteOptions, Written } from './requests.ts';
import { keyOf } from './storage.ts';
import { isView, sentThrough, shownAs } from './view.ts';

/** Generated names that are taken, before giving up. */
const NAME_ATTEMPTS_MAX = 8;
const NAME_SUFFIX_LENGTH = 5;
/** As apimachinery: prefix and suffix together fit a label. */
const GENERATED_PREFIX_MAX = 63 - NAME_SUFFIX_LENGTH;
/** Who does not say who it is. */
const UNKNOWN_MANAGER = 'unknown';
/** Subresources through which an object is written. */
const WRITTEN_PARTS: readonly Subresource[] = ['status', 'scale', 'finalize', 'approval', 'ephemeralcontainers', 'resize'];

interface Tracking {
  readonly before: KubeObject | undefined;
  readonly draft: KubeObject;
  /** As the client sent it. */
  readonly sent: KubeObject;
}

export interface WritesOptions {
  readonly places: Places;
  readonly changes: Changes;
  readonly clock: Clock;
  readonly random: Random;
}

export class Writes {
  readonly #places: Places;
  readonly #changes: Changes;
  readonly #clock: Clock;
  readonly #names: Random;
  readonly #uids: Random;

  constructor({ places, changes, clock, random }: WritesOptions) {
    this.#places = places;
    this.#changes = changes;
    this.#clock = clock;
    this.#names = random.fork('names');
    this.#uids = random.fork('uids');
  }

  async create(asked: Ref, body: unknown, options: WriteOptions = {}): Promise<Written> {
    const ref = podOfBinding(asked) ?? asked;
    const kind = this.#places.kindOf(ref);
    if (ref.subresource === 'binding') return this.#bind(kind, ref, body, options);
    checkSubresource(kind, ref, []);
    if (isView(kind)) {
      return this.#writeThrough(kind, ref, { body, isNew: true, isConfig: false }, options, (stored, sent, rest) => this.create(stored, sent, rest));
    }
    const { object: sent, warnings } = decodeObject(kind, body, options.fieldValidation ?? 'Strict', options.duplicates);
    const { generateName = '', resourceVersion = '' } = sent.metadata;
    if (resourceVersion !== '') throw badRequest('resourceVersion should not be set on objects to be created');
    const namespace = this.#places.namespaceFor(kind, ref, sent);
    if (ref.name !== '' && sent.metadata.name !== '' && ref.name !== sent.metadata.name) throw nameMismatch(sent.metadata.name, ref.name);
    const givenName = sent.metadata.name;
    await kind.resolve?.(sent, namespace, this.#places.lookup);
    for (let attempt = 1; ; attempt++) {
      const name = givenName !== '' || generateName === '' ? givenName : this.#generatedName(generateName);
      const birth = this.#birth(name, namespace, options);
      const place = kind.info.namespaced ? await this.#places.livingNamespace(kind, namespace, name) : undefined;
      const draft = draftNew(kind, sent, birth);
      const object = this.#tracked(kind, { before: undefined, draft, sent }, ref, options);
      const created = await this.#changes.insert({ kind, ref: { ...ref, namespace, name }, key: keyOf(kind.info, namespace, name) }, object, place, options);
      if (created !== undefined) return { object: created, warnings: [...warnings, ...(kind.warnings?.(created) ?? [])] };
      if (givenName !== '' || attempt === NAME_ATTEMPTS_MAX) throw alreadyExists(kind.info, name);
    }
  }

  async update(ref: Ref, body: unknown, options: WriteOptions = {}): Promise<Written> {
    const asked = this.#places.kindOf(ref);
    if (isView(asked)) {
      return this.#writeThrough(asked, ref, { body, isNew: false, isConfig: false }, options, (stored, sent, rest) => this.update(stored, sent, rest));
    }
    const target = this.#places.target(ref);
    const { kind } = target;
    const validation = options.fieldValidation ?? 'Strict';
    const part = checkSubresource(kind, ref, WRITTEN_PARTS);
    if (part === 'scale') {
      const scale = decodeScale(body, validation);
      checkName(scale, ref);
      const object = await this.#changes.change(target, options, (current) => {
        checkVersion(kind, scale, current);
        return this.#scaled(target, current, scale, options);
      });
      return { object: scaleOf(object), warnings: [] };
    }
    const { object: sent, warnings } = decodeObject(kind, body, validation, options.duplicates);
    if (sent.metadata.name === '') throw badRequest(`the name of the object (${ref.name} based on URL) was undeterminable: name must be provided`);
    checkName(sent, ref);
    this.#places.namespaceFor(kind, ref, sent);
    let advice: readonly string[] = [];
    const object = await this.#changes.change(target, options, (current) => {
      checkHasVersion(kind, sent, options);
      checkVersion(kind, sent, current);
      const draft = this.#updated(kind, sent, current, part);
      advice = adviceOn(kind, draft, current);
      return this.#tracked(kind, { before: current, draft, sent }, ref, options);
    });
    return { object, warnings: [...warnings, ...advice] };
  }

  async patch(ref: Ref, patch: { readonly type: PatchType; readonly body: unknown }, options: WriteOptions = {}): Promise<Written> {
    const shown = this.#places.kindOf(ref);
    const target = this.#places.target(isView(shown) ? storedRef(shown, ref) : ref);
    const { kind } = target;
    const validation = options.fieldValidation ?? 'Strict';
    const part = checkSubresource(kind, ref, WRITTEN_PARTS);
    checkPatch(patch);
    let warnings: readonly string[] = [];
    const object = await this.#changes.change(target, options, (current) => {
      if (part === 'scale') {
        const body = patched('V1Scale', scaleOf(current), patch);
        const scale = decodePatched({ body, patch }, () => decodeScale(body, validation));
        checkVersion(kind, scale, current);
        return this.#scaled(target, current, scale, options);
      }
      const { object: sent, warnings: found } = this.#patchedThrough(shown, kind, { current, patch, validation });
      checkName(sent, ref);
      this.#places.namespaceFor(kind, ref, sent);
      checkVersion(kind, sent, current);
      const draft = this.#updated(kind, sent, current, part);
      warnings = [...found, ...adviceOn(kind, draft, current)];
      return this.#tracked(kind, { before: current, draft, sent }, ref, options);
    });
    return { object: part === 'scale' ? scaleOf(object) : shownAs(shown, object), warnings };
  }

  /** Server-side apply: creates the object, or makes it what the config says and leaves the rest to its owners. */
  async apply(ref: Ref, body: unknown, options: ApplyOptions): Promise<Written> {
    const asked = this.#places.kindOf(ref);
    if (isView(asked)) {
      return this.#writeThrough(asked, ref, { body, isNew: false, isConfig: true }, options, (stored, sent, rest) => this.apply(stored, sent, { ...options, ...rest }));
    }
    const target = this.#places.target(ref);
    const { kind } = target;
    if (!options.fieldManager) {
      throw invalidObject(PATCH_OPTIONS, '', [required('fieldManager', 'is required for apply patch')]);
    }
    const part = checkSubresource(kind, ref, WRITTEN_PARTS);
    const validation = options.fieldValidation ?? 'Strict';
    const { object: config, warnings } =
      part === 'scale' ? { object: configOfScale(kind, decodeScale(body, validation)), warnings: [] } : decodeApplied(kind, body, options);
    if (config.metadata.managedFields !== undefined) throw badRequest('metadata.managedFields must be nil');
    checkName(config, ref);
    this.#places.namespaceFor(kind, ref, config);
    for (let attempt = 1; ; attempt++) {
      try {
        const object = await this.#changes.change(target, options, (current) => {
          checkVersion(kind, config, current);
          return this.#applied(kind, config, current, ref, options);
        });
        return { object: part === 'scale' ? scaleOf(object) : object, warnings };
      } catch (error) {
        if (!isReason(error, 'NotFound') || part !== '') throw error;
      }
      const { uid = '' } = config.metadata;
      if (uid !== '') throw conflict(kind.info, ref.name, `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`);
      const place = kind.info.namespaced ? await this.#places.livingNamespace(kind, ref.namespace, ref.name) : undefined;
      const created = await this.#changes.insert(target, await this.#applied(kind, config, undefined, ref, options), place, options);
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
    await kind.resolve?.(sent, ref.namespace, this.#places.lookup);
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
    checkSubresource(kind, ref, ['binding']);
    const binding = decodeBinding(body, options.fieldValidation ?? 'Strict');
    this.#places.namespaceFor(kind, ref, binding);
    const { name, uid, resourceVersion } = binding.metadata;
    if (ref.name !== '' && ref.name !== name) throw badRequest('name in URL does not match name in Binding object');
    if (name === '') throw badRequest('Name parameter required.');
    await this.#changes.change(this.#places.target({ ...ref, name, subresource: '' }), { ...options, preconditions: { uid, resourceVersion } }, (pod) =>
      bound(kind, pod, binding, formatTime(this.#clock.wall())),
    );
    return { object: success(), warnings: [] };
  }

  #generatedName(prefix: string): string {
    return prefix.slice(0, GENERATED_PREFIX_MAX) + this.#names.suffix(NAME_SUFFIX_LENGTH);
  }
}
