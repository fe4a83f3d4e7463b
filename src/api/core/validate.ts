/** Validation that every kind shares: metadata, label selectors against templates, fields that must not change. */
import { equalJson, type KubeObject, type ObjectMeta } from '../../kube/types.ts';
import { type FieldError, duplicate, forbiddenField, invalid, required } from '../../kube/errors.ts';
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

export function validateAnnotations(annotations: Readonly<Record<string, string>> | undefined): FieldError[] {
  const errors: FieldError[] = [];
  let bytes = 0;
  for (const [key, value] of Object.entries(annotations ?? {})) {
    bytes += key.length + value.length;
    for (const message of checkQualifiedName(key.toLowerCase())) errors.push(invalid('metadata.annotations', key, message));
  }
  if (bytes > ANNOTATIONS_BYTES_MAX) {
    const message = `Too long: may not be more than ${ANNOTATIONS_BYTES_MAX} bytes`;
    errors.push({ reason: 'FieldValueTooLong', field: 'metadata.annotations', message });
  }
  return errors;
}

function validateOwners({ ownerReferences = [] }: ObjectMeta): FieldError[] {
  const errors: FieldError[] = [];
  let controller: string | undefined;
  ownerReferences.forEach((owner, index) => {
    const path = `metadata.ownerReferences[${index}]`;
    for (const field of ['apiVersion', 'kind', 'name', 'uid'] as const) {
      if (owner[field] === '') errors.push(invalid(`${path}.${field}`, '', 'must not be empty'));
    }
    if (owner.controller !== true) return;
    if (controller !== undefined) {
      const detail = `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${owner.name}`;
      errors.push(invalid('metadata.ownerReferences', owner.name, detail));
    }
    controller = owner.name;
  });
  return errors;
}

function validateFinalizers(finalizers: readonly string[] = []): FieldError[] {
  return finalizers.flatMap((name, index) =>
    checkQualifiedName(name).map((message) => invalid(`metadata.finalizers[${index}]`, name, message)),
  );
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
