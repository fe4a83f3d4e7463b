/** Validation that every kind shares: metadata, label selectors against templates, fields that must not change. */
import { equalJson, type KubeObject, type ObjectMeta } from '../../kube/types.ts';
import { type FieldError, duplicate, forbiddenField, invalid, notSupported, required, tooLong } from '../../kube/errors.ts';
import { LABEL_LENGTH_MAX, checkDnsLabel, checkDnsSubdomain, checkLabelValue, checkQualifiedName } from '../../kube/names.ts';

/** Of all annotations of an object together, as in Kubernetes. */
const ANNOTATIONS_BYTES_MAX = 256 * 1024;

export interface MetaRules {
  readonly namespaced: boolean;
  readonly checkName: (name: string) => readonly string[];
}

export function validateMeta(meta: ObjectMeta, rules: MetaRules): FieldError[] {
  const errors: FieldError[] = [];
  if (meta.generateName !== undefined && meta.generateName !== '') {
    // A generated name ends in a letter or digit whatever its prefix ends in.
    for (const message of rules.checkName(maskTrailingDash(meta.generateName))) {
      errors.push(invalid('metadata.generateName', meta.generateName, message));
    }
  }
  if (meta.name === '') errors.push(required('metadata.name', 'name or generateName is required'));
  else for (const message of rules.checkName(meta.name)) errors.push(invalid('metadata.name', meta.name, message));
  if (rules.namespaced) {
    for (const message of checkDnsLabel(meta.namespace ?? '')) {
      errors.push(invalid('metadata.namespace', meta.namespace ?? '', message));
    }
  } else if (meta.namespace !== undefined && meta.namespace !== '') {
    errors.push(forbiddenField('metadata.namespace', 'not allowed on this type'));
  }
  errors.push(...validateLabels(meta.labels, 'metadata.labels'), ...validateAnnotations(meta.annotations));
  errors.push(...validateOwners(meta), ...validateFinalizers(meta.finalizers));
  return errors;
}

function maskTrailingDash(prefix: string): string {
  return prefix.endsWith('-') ? `${prefix.slice(0, -1)}a` : prefix;
}

export function validateLabels(labels: Readonly<Record<string, string>> | undefined, path: string): FieldError[] {
  return Object.entries(labels ?? {}).flatMap(([key, value]) => [
    ...checkQualifiedName(key).map((message) => invalid(path, key, message)),
    ...checkLabelValue(value).map((message) => invalid(path, value, message)),
  ]);
}

export function validateAnnotations(annotations: Readonly<Record<string, string>> | undefined, path = 'metadata.annotations'): FieldError[] {
  const errors: FieldError[] = [];
  let bytes = 0;
  for (const [key, value] of Object.entries(annotations ?? {})) {
    bytes += key.length + value.length;
    for (const message of checkQualifiedName(key.toLowerCase())) errors.push(invalid(path, key, message));
  }
  if (bytes > ANNOTATIONS_BYTES_MAX) errors.push(tooLong(path, ANNOTATIONS_BYTES_MAX));
  return errors;
}

function validateOwners({ ownerReferences = [] }: ObjectMeta): FieldError[] {
  const errors: FieldError[] = [];
  let controller: string | undefined;
  ownerReferences.forEach((owner, index) => {
    const path = `metadata.ownerReferences[${index}]`;
    for (const field of ['apiVersion', 'kind', 'name', 'uid'] as const) {
      if (owner[field] === '') errors.push(required(`${path}.${field}`, 'must not be empty'));
    }
    if (owner.apiVersion.split('/').length > 2) errors.push(invalid(`${path}.apiVersion`, owner.apiVersion, 'must be <group>/<version> or <version>'));
    if (owner.apiVersion === 'v1' && owner.kind === 'Event') errors.push(invalid(path, owner, '/v1, Kind=Event is disallowed from being an owner'));
    if (owner.controller !== true) return;
    const name = `${owner.kind}/${owner.name}`;
    if (controller !== undefined) {
      const detail = `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${name}`;
      errors.push(invalid('metadata.ownerReferences', ownerReferences, detail));
    }
    controller = name;
  });
  return errors;
}

/** Of deletion, and of namespaces; all others are of somebody's domain. */
const PLAIN_FINALIZERS: ReadonlySet<string> = new Set(['kubernetes', 'orphan', 'foregroundDeletion']);

function validateFinalizers(finalizers: readonly string[] = []): FieldError[] {
  const path = 'metadata.finalizers';
  const errors = finalizers.flatMap((name) => checkQualifiedName(name).map((message) => invalid(path, name, message)));
  if (finalizers.includes('orphan') && finalizers.includes('foregroundDeletion')) {
    errors.push(invalid(path, finalizers, 'finalizer orphan and foregroundDeletion cannot be both set'));
  }
  finalizers.forEach((name, index) => {
    if (name.includes('/') || PLAIN_FINALIZERS.has(name)) return;
    errors.push(invalid(`${path}[${index}]`, name, 'name is neither a standard finalizer name nor is it fully qualified'));
  });
  return errors;
}

/** What may not change in metadata, once an object exists. */
export function validateMetaUpdate(meta: ObjectMeta, old: ObjectMeta): FieldError[] {
  const errors: FieldError[] = [];
  for (const field of ['name', 'namespace', 'uid', 'creationTimestamp'] as const) {
    if (meta[field] !== old[field]) errors.push(invalid(`metadata.${field}`, meta[field], IMMUTABLE));
  }
  const added = (meta.finalizers ?? []).filter((name) => !(old.finalizers ?? []).includes(name));
  if (old.deletionTimestamp !== undefined && added.length > 0) {
    const detail = `no new finalizers can be added if the object is being deleted, found new finalizers ${JSON.stringify(added)}`;
    errors.push(forbiddenField('metadata.finalizers', detail));
  }
  return errors;
}

export const IMMUTABLE = 'field is immutable';

/** Of numbers that need not be there. */
export function atLeast(path: string, value: number | undefined, min = 0): FieldError[] {
  return value === undefined || value >= min ? [] : [invalid(path, value, `must be greater than or equal to ${min}`)];
}

/** Of enumerations that need not be there; the words in Kubernetes' order. */
export function oneOf(path: string, value: string | undefined, words: readonly string[]): FieldError[] {
  return value === undefined || words.includes(value) ? [] : [notSupported(path, value, words)];
}

/** The messages of a check of a text as findings about a field. */
export function checked(path: string, value: string | number, messages: readonly string[]): FieldError[] {
  return messages.map((message) => invalid(path, value, message));
}

export function immutableField(path: string, value: unknown, old: unknown): FieldError[] {
  return equalJson(value, old) ? [] : [invalid(path, value, IMMUTABLE)];
}

export function findDuplicates(values: readonly (string | undefined)[], pathOf: (index: number) => string): FieldError[] {
  const seen = new Set<string>();
  return values.flatMap((value, index) => {
    if (value === undefined || value === '') return [];
    if (seen.has(value)) return [duplicate(pathOf(index), value)];
    seen.add(value);
    return [];
  });
}

/** An object of labels in one line, for messages. */
export function labelsText(labels: Readonly<Record<string, string>> | undefined): object {
  return labels ?? {};
}

export const nameRules = { label: checkDnsLabel, subdomain: checkDnsSubdomain } as const;
export { LABEL_LENGTH_MAX };

export function specOf(object: KubeObject): Record<string, unknown> {
  return (object['spec'] ?? {}) as Record<string, unknown>; // decoded: a record
}
