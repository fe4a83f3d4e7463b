/**
 * From what a client sent to what may be stored: pure functions over plain objects. Nothing here changes its input;
 * refusals are thrown as ApiError with the field's path.
 */
import { ApiError, badRequest, conflict, invalid, invalidObject, notSupported, type FieldError } from '../../kube/errors.ts';
import { apiVersionOf } from '../../kube/resources.ts';
import { cloneJson, equalJson, isRecord, type KubeObject, type ObjectMeta } from '../../kube/types.ts';
import type { Birth, Kind, Subresource } from '../kinds/kind.ts';
import { immutableErrors } from './immutable.ts';
import { applyDefaults, decode, dropEmpty, missingFields } from './schema.ts';
import { validateMeta, validateMetaUpdate } from './validate.ts';

/** What becomes of a field that the kind does not have. */
export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

export interface Draft {
  readonly object: KubeObject;
  readonly warnings: readonly string[];
}

/** Checks the envelope and the types, drops what the kind does not have, fills in defaults. */
export function decodeObject(kind: Kind, body: unknown, validation: FieldValidation, duplicates: readonly string[] = []): Draft {
  const draft = decodeConfig(kind, body, validation, duplicates);
  dropEmpty(kind.model, draft.object as Record<string, unknown>);
  applyDefaults(kind.model, draft.object as Record<string, unknown>);
  return draft;
}

/** The same without the defaults: what a client applies owns what the client wrote, and no more. */
export function decodeConfig(kind: Kind, body: unknown, validation: FieldValidation, duplicates: readonly string[] = []): Draft {
  const { info, model } = kind;
  if (!isRecord(body)) throw badRequest('the body of the request is not an object');
  checkType(info, body);
  const typed = { ...body, apiVersion: apiVersionOf(info), kind: info.kind };
  return decodeFields({ info, model }, typed, validation, duplicates);
}

/** What does not say what it is is what its place says. */
function checkType(info: Decoded & { readonly group: string }, body: Record<string, unknown>): void {
  const apiVersion = apiVersionOf(info);
  const isSame = (field: string, own: string) => body[field] === undefined || body[field] === null || body[field] === '' || body[field] === own;
  if (isSame('kind', info.kind) && isSame('apiVersion', apiVersion)) return;
  // An object with a toString of its own is no text.
  const text = (value: unknown) => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));
  const found = `${text(body['apiVersion'])}, Kind=${text(body['kind'])}`;
  throw new UnfitBody('', [`the object provided is unrecognized (must be of type ${info.kind} in ${apiVersion}, not ${found})`]);
}

/** Of a model that is not the kind's own: a scale, a binding. */
export function decodeAs(info: Decoded & { readonly group: string }, model: string, body: Record<string, unknown>, validation: FieldValidation): KubeObject {
  checkType(info, body);
  const { object } = decodeFields({ info, model }, body, validation);
  applyDefaults(model, object as Record<string, unknown>);
  return object;
}

/** The body's fields or values are not the model's. A patch says the same of its own document. */
export class UnfitBody extends ApiError {
  readonly problems: readonly string[];

  constructor(prefix: string, problems: readonly string[]) {
    super('BadRequest', prefix + problems.join(', '));
    this.problems = problems;
  }
}

interface Decoded {
  readonly kind: string;
  readonly version: string;
}

function decodeFields({ info, model }: { readonly info: Decoded; readonly model: string }, body: Record<string, unknown>, validation: FieldValidation, duplicates: readonly string[] = []): Draft {
  const { value, unknown, wrong } = decode(model, body);
  const lines = duplicates.filter((said) => said.startsWith('line '));
  const others = duplicates.filter((said) => !said.startsWith('line ') && !unknown.some((path) => isWithin(said, path)));
  const faults = [...unknown.map(unknownField), ...others];
  const prefix = `${info.kind} in version ${JSON.stringify(info.version)} cannot be handled as a ${info.kind}: `;
  if (wrong.length > 0) throw new UnfitBody(prefix, wrong);
  if (validation === 'Strict' && faults.length + lines.length > 0) {
    // YAML's reader tells its findings in one piece.
    const ofYaml = lines.length === 0 ? [] : [`yaml: unmarshal errors:\n  ${lines.join('\n  ')}`];
    throw new UnfitBody(prefix, [`strict decoding error: ${[...ofYaml, ...faults].join(', ')}`]);
  }
  value['metadata'] ??= {};
  const object = value as unknown as KubeObject; // the walker has seen to the types
  object.metadata.name ??= '';
  return { object, warnings: validation === 'Warn' ? [...lines, ...faults] : [] };
}

/** What is said of a field that is there twice names its path; of a field that is unknown anyway it is not said. */
function isWithin(said: string, path: string): boolean {
  return said === `duplicate field ${JSON.stringify(path)}` || said.startsWith(`duplicate field ${JSON.stringify(`${path}.`).slice(0, -1)}`);
}

const unknownField = (path: string) => `unknown field ${JSON.stringify(path)}`;

/** A new object: what the server sets is set, what a client may not set is gone; validated. */
export function draftNew(kind: Kind, sent: KubeObject, birth: Birth): KubeObject {
  const object = cloneJson(sent);
  const { generateName, labels, annotations, ownerReferences, finalizers } = object.metadata;
  object.metadata = {
    name: birth.name,
    ...(generateName === undefined ? {} : { generateName }),
    ...(kind.info.namespaced ? { namespace: birth.namespace } : {}),
    uid: birth.uid,
    creationTimestamp: birth.now,
    ...(kind.hasGeneration ? { generation: 1 } : {}),
    ...present({ labels, annotations, ownerReferences, finalizers }),
  };
  kind.prepareForCreate?.(object, birth);
  refuse(kind, object, [...metaErrors(kind, object), ...(kind.validate?.(object) ?? []), ...(kind.validateCreate?.(object) ?? [])]);
  return object;
}

/** Without the entries that are undefined: the types tell a missing field from an undefined one. */
function present<T extends Record<string, unknown>>(fields: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}

function metaErrors({ info, checkName }: Kind, { metadata }: KubeObject): FieldError[] {
  return validateMeta(metadata, { namespaced: info.namespaced, checkName });
}

/** All errors at once: those that were found, and what is missing of which none of them speaks. */
function refuse(kind: Kind, object: KubeObject, found: readonly FieldError[]): void {
  const missing = missingFields(kind.model, object as Record<string, unknown>);
  const errors = [...found, ...missing.filter(({ field }) => !found.some((error) => error.field === field))];
  if (errors.length > 0) throw invalidObject(kind.info, object.metadata.name, errors);
}

export type UpdateOf = 'object' | Subresource;

/** An update of what is stored: only the part that it is of changes. Preconditions are the caller's. */
export function draftUpdate(kind: Kind, sent: KubeObject, old: KubeObject, { part, now }: { readonly part: UpdateOf; readonly now: string }): KubeObject {
  const own = part === 'object' ? undefined : kind.parts?.[part];
  const object = cloneJson(part === 'object' ? sent : old);
  if (own !== undefined) own.take(object, cloneJson(sent), now);
  else if (part === 'status') setOrDelete(object, 'status', cloneJson(sent['status']));
  else if (part === 'finalize') object['spec'] = cloneJson(sent['spec']);
  else {
    object.metadata = mergedMeta(object.metadata, old.metadata);
    if (kind.subresources.includes('status')) setOrDelete(object, 'status', cloneJson(old['status']));
    kind.prepareForUpdate?.(object, old);
  }
  if (kind.hasGeneration && changesDesired(object, old)) {
    object.metadata.generation = (old.metadata.generation ?? 0) + 1;
  }
  const ofPart =
    part === 'object'
      ? [...(kind.validate?.(object) ?? []), ...immutableErrors(kind.model, object, old), ...(kind.validateUpdate?.(object, old) ?? [])]
      : (own?.validate?.(object, old) ?? []);
  refuse(kind, object, [...metaErrors(kind, object), ...validateMetaUpdate(object.metadata, old.metadata), ...ofPart]);
  return object;
}

function setOrDelete(object: KubeObject, field: string, value: unknown): void {
  if (value === undefined) delete object[field];
  else object[field] = value;
}

/** Labels, annotations, owners and finalizers are the client's; the rest is the server's. */
function mergedMeta(sent: ObjectMeta, old: ObjectMeta): ObjectMeta {
  const { labels, annotations, ownerReferences, finalizers, namespace, name } = sent;
  const { uid, generateName, generation, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, resourceVersion } = old;
  return {
    name: name === '' ? old.name : name,
    ...present({ generateName, namespace: namespace ?? old.namespace, uid, resourceVersion, generation, creationTimestamp }),
    ...present({ deletionTimestamp, deletionGracePeriodSeconds, labels, annotations, ownerReferences, finalizers }),
  };
}

function changesDesired(object: KubeObject, old: KubeObject): boolean {
  const desired = ({ metadata: _metadata, status: _status, ...rest }: KubeObject) => rest;
  return !equalJson(desired(object), desired(old));
}

export interface Preconditions {
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
}

export function checkPreconditions(kind: Kind, { metadata }: KubeObject, { uid, resourceVersion }: Preconditions): void {
  if (uid && uid !== metadata.uid) {
    const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${metadata.uid ?? ''}`;
    throw conflict(kind.info, metadata.name, why);
  }
  if (resourceVersion && resourceVersion !== metadata.resourceVersion) {
    const why = `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${metadata.resourceVersion ?? ''}`;
    throw conflict(kind.info, metadata.name, why);
  }
}

/** The same for deletions, in the words that Kubernetes has for them. */
export function checkDeletePreconditions({ info }: Kind, { metadata }: KubeObject, { uid, resourceVersion }: Preconditions): void {
  const about = (field: string, asked: string, found = '') => `the ${field} in the precondition (${asked}) does not match the ${field} in record (${found}). The object might have been`;
  const refuse = (why: string) => new ApiError('Conflict', `Operation cannot be fulfilled on ${info.kind} ${JSON.stringify(metadata.name)}: ${why}`, { details: { name: metadata.name, kind: info.kind } });
  if (uid && uid !== metadata.uid) throw refuse(`${about('UID', uid, metadata.uid)} deleted and then recreated`);
  if (resourceVersion && resourceVersion !== metadata.resourceVersion) {
    throw refuse(`${about('ResourceVersion', resourceVersion, metadata.resourceVersion)} modified`);
  }
}

// --- deletion

export interface Deletion {
  readonly gracePeriodSeconds: number | undefined;
  readonly propagationPolicy: string;
  readonly orphanDependents?: boolean | undefined;
  readonly wallMs: number;
  readonly formatTime: (wallMs: number) => string;
}

export type DeletionStep =
  | { readonly step: 'remove' }
  | { readonly step: 'mark'; readonly object: KubeObject }
  /** It is being deleted already, as asked or sooner. */
  | { readonly step: 'none' };

const FOREGROUND = 'foregroundDeletion';
const ORPHAN = 'orphan';

/** What a delete does now: take the object away, mark it and let finalizers or the node agent end it, or nothing. */
export function planDeletion(kind: Kind, old: KubeObject, deletion: Deletion): DeletionStep {
  const finalizers = finalizersFor(kind, old.metadata, deletion);
  const graceSeconds = graceFor(kind, old, deletion);
  const isHeld = finalizers.length > 0 || holdsContent(old);
  if (graceSeconds === 0 && !isHeld) return { step: 'remove' };
  const object = cloneJson(old);
  if (finalizers.length > 0) object.metadata.finalizers = [...finalizers];
  else delete object.metadata.finalizers;
  const { deletionTimestamp, deletionGracePeriodSeconds } = old.metadata;
  if (deletionTimestamp === undefined) {
    object.metadata.deletionTimestamp = deletion.formatTime(deletion.wallMs + graceSeconds * 1000);
    if (object.metadata.generation !== undefined) object.metadata.generation++;
    // A namespace has no time of grace, not even none.
    if (kind.info.kind === 'Namespace') object['status'] = { ...(old['status'] as object | undefined), phase: 'Terminating' };
    else object.metadata.deletionGracePeriodSeconds = graceSeconds;
  } else if (kind.graceSeconds !== undefined && graceSeconds < (deletionGracePeriodSeconds ?? 0) && deletion.gracePeriodSeconds !== undefined) {
    // Only ever sooner: the time that was left is cut, counted from when the deletion began.
    const beganMs = Date.parse(deletionTimestamp) - (deletionGracePeriodSeconds ?? 0) * 1000;
    object.metadata.deletionTimestamp = deletion.formatTime(beganMs + graceSeconds * 1000);
    object.metadata.deletionGracePeriodSeconds = graceSeconds;
  }
  return equalJson(object, old) ? { step: 'none' } : { step: 'mark', object };
}

function graceFor(kind: Kind, old: KubeObject, { gracePeriodSeconds }: Deletion): number {
  if (kind.graceSeconds === undefined) return 0;
  const { deletionTimestamp, deletionGracePeriodSeconds } = old.metadata;
  if (deletionTimestamp !== undefined && gracePeriodSeconds === undefined) return deletionGracePeriodSeconds ?? 0;
  return kind.graceSeconds(old, gracePeriodSeconds);
}

function finalizersFor(kind: Kind, { finalizers: old = [], deletionTimestamp }: ObjectMeta, { propagationPolicy, orphanDependents }: Deletion): readonly string[] {
  const asked = orphanDependents === undefined ? propagationPolicy : orphanDependents ? 'Orphan' : 'Background';
  const isSettled = deletionTimestamp !== undefined || old.includes(FOREGROUND) || old.includes(ORPHAN);
  const policy = asked === '' && !isSettled ? (kind.defaultPropagation ?? '') : asked;
  if (policy === '') return old;
  const others = old.filter((name) => name !== FOREGROUND && name !== ORPHAN);
  if (policy === 'Foreground') return [...others, FOREGROUND];
  return policy === 'Orphan' ? [...others, ORPHAN] : others;
}

/** `spec.finalizers` of a namespace: its objects are not gone yet. */
function holdsContent(object: KubeObject): boolean {
  const spec = object['spec'];
  if (object.kind !== 'Namespace' || !isRecord(spec)) return false;
  return Array.isArray(spec['finalizers']) && spec['finalizers'].length > 0;
}

/** True of an update that takes away the last thing that kept a deleted object. */
export function isDone(object: KubeObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, finalizers = [] } = object.metadata;
  return deletionTimestamp !== undefined && deletionGracePeriodSeconds === 0 && finalizers.length === 0 && !holdsContent(object);
}

const DELETE_OPTIONS = { group: 'meta.k8s.io', resource: '', kind: 'DeleteOptions' } as const;
const POLICIES = ['', 'Background', 'Foreground', 'Orphan'];

export function checkDeletion({ gracePeriodSeconds, propagationPolicy, orphanDependents }: Pick<Deletion, 'gracePeriodSeconds' | 'propagationPolicy' | 'orphanDependents'>): void {
  const errors: FieldError[] = [];
  if (orphanDependents !== undefined && propagationPolicy !== '') {
    errors.push(invalid('propagationPolicy', propagationPolicy, 'orphanDependents and deletionPropagation cannot be both set'));
  }
  if (!POLICIES.includes(propagationPolicy)) errors.push(notSupported('propagationPolicy', propagationPolicy, ['Foreground', 'Background', 'Orphan', 'nil']));
  if (errors.length > 0) throw invalidObject(DELETE_OPTIONS, '', errors);
  if (gracePeriodSeconds !== undefined && !Number.isSafeInteger(gracePeriodSeconds)) {
    throw badRequest(`gracePeriodSeconds: Invalid value: ${gracePeriodSeconds}`);
  }
}
