/** `pods/ephemeralcontainers`: containers for debugging, which are added to a pod that runs and never taken away. */
import type { EphemeralContainer, Pod, PodSpec } from 'kubernetes-types/core/v1.js';
import { type FieldError, forbiddenField, required } from '../../kube/errors.ts';
import { equalJson, typed } from '../../kube/types.ts';
import { findDuplicates } from '../core/validate.ts';
import type { Part } from './kind.ts';

const PATH = 'spec.ephemeralContainers';

/** Of a container that nobody may wait for, guard or restart. */
const FORBIDDEN: readonly (keyof EphemeralContainer)[] = ['ports', 'livenessProbe', 'readinessProbe', 'startupProbe', 'lifecycle'];

export const ephemeralContainers: Part = {
  take: (draft, sent) => {
    const added = typed<Pod>(sent).spec?.ephemeralContainers ?? [];
    const { spec } = typed<Pod>(draft);
    if (added.length > 0) spec!.ephemeralContainers = added;
    else delete spec!.ephemeralContainers;
  },
  validate: (object, old) => {
    const spec = typed<Pod>(object).spec!;
    const before = typed<Pod>(old).spec?.ephemeralContainers ?? [];
    const now = spec.ephemeralContainers ?? [];
    const errors = now.flatMap((container, index) => validateOne(container, `${PATH}[${index}]`, spec));
    const others = [...(spec.initContainers ?? []), ...spec.containers].map(({ name }) => name);
    errors.push(...findDuplicates([...others, ...now.map(({ name }) => name)], (index) => `${PATH}[${index - others.length}].name`));
    return [...errors, ...validateKept(now, before)];
  },
};

function validateOne(container: EphemeralContainer, at: string, spec: PodSpec): FieldError[] {
  const errors: FieldError[] = [];
  if (!container.image) errors.push(required(`${at}.image`));
  for (const field of FORBIDDEN) {
    if (container[field] !== undefined) errors.push(forbiddenField(`${at}.${field}`, 'cannot be set for an Ephemeral Container'));
  }
  if (Object.keys(container.resources ?? {}).length > 0) errors.push(forbiddenField(`${at}.resources`, 'cannot be set for an Ephemeral Container'));
  const { targetContainerName } = container;
  const names = [...(spec.initContainers ?? []), ...spec.containers].map(({ name }) => name);
  if (targetContainerName && !names.includes(targetContainerName)) {
    errors.push({ reason: 'FieldValueInvalid', field: `${at}.targetContainerName`, message: `Not found: ${JSON.stringify(targetContainerName)}` });
  }
  container.volumeMounts?.forEach(({ subPath, subPathExpr }, index) => {
    if (subPath) errors.push(forbiddenField(`${at}.volumeMounts[${index}].subPath`, 'cannot be set for an Ephemeral Container'));
    if (subPathExpr) errors.push(forbiddenField(`${at}.volumeMounts[${index}].subPathExpr`, 'cannot be set for an Ephemeral Container'));
  });
  return errors;
}

function validateKept(now: readonly EphemeralContainer[], before: readonly EphemeralContainer[]): FieldError[] {
  return before.flatMap((old) => {
    const index = now.findIndex(({ name }) => name === old.name);
    if (index < 0) return [forbiddenField(PATH, `existing ephemeral containers ${JSON.stringify(old.name)} may not be removed\n`)];
    if (equalJson(now[index], old)) return [];
    return [forbiddenField(PATH, `existing ephemeral containers ${JSON.stringify(old.name)} may not be changed\n`)];
  });
}
