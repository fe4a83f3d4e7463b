/** Validation of where a pod may run: affinities, spreading, tolerations. */
import type { Affinity, NodeSelectorRequirement, NodeSelectorTerm, PodAffinityTerm, Toleration, TopologySpreadConstraint } from 'kubernetes-types/core/v1.js';
import { type FieldError, duplicate, forbiddenField, invalid, notSupported, required } from '../../kube/errors.ts';
import { checkLabelValue, checkQualifiedName } from '../../kube/names.ts';
import { validateSelector } from '../../kube/selector.ts';
import { checked } from '../core/validate.ts';

const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];
const ANSWERS = ['DoNotSchedule', 'ScheduleAnyway'];

export function validateTolerations(tolerations: readonly Toleration[] = [], path: string): FieldError[] {
  return tolerations.flatMap((toleration, index) => {
    const at = `${path}[${index}]`;
    const { operator = '', effect = '', key = '', value = '', tolerationSeconds } = toleration;
    const errors = key === '' ? [] : checked(`${at}.key`, key, checkQualifiedName(key));
    if (key === '' && operator !== 'Exists') {
      errors.push(invalid(`${at}.operator`, operator, 'operator must be Exists when `key` is empty, which means "match all values and all keys"'));
    }
    if (tolerationSeconds !== undefined && effect !== 'NoExecute') {
      errors.push(invalid(`${at}.effect`, effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"));
    }
    if (operator === '' || operator === 'Equal') errors.push(...checked(`${at}.operator`, value, checkLabelValue(value)));
    else if (operator === 'Exists') {
      if (value !== '') errors.push(invalid(`${at}.operator`, value, "value must be empty when `operator` is 'Exists'"));
    } else errors.push(notSupported(`${at}.operator`, operator, ['Equal', 'Exists']));
    if (effect !== '' && !EFFECTS.includes(effect)) errors.push(notSupported(`${at}.effect`, effect, EFFECTS));
    return errors;
  });
}

const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution';
const PREFERRED = 'preferredDuringSchedulingIgnoredDuringExecution';

export function validateAffinity(affinity: Affinity | undefined, path: string): FieldError[] {
  if (affinity === undefined) return [];
  const errors: FieldError[] = [];
  const onNodes = affinity.nodeAffinity;
  const terms = onNodes?.[REQUIRED]?.nodeSelectorTerms;
  if (terms !== undefined) {
    const at = `${path}.nodeAffinity.${REQUIRED}.nodeSelectorTerms`;
    if (terms.length === 0) errors.push(required(at, 'must have at least one node selector term'));
    errors.push(...terms.flatMap((term, index) => validateTerm(term, `${at}[${index}]`)));
  }
  onNodes?.[PREFERRED]?.forEach(({ weight, preference }, index) => {
    const at = `${path}.nodeAffinity.${PREFERRED}[${index}]`;
    errors.push(...validateWeight(weight, `${at}.weight`), ...validateTerm(preference, `${at}.preference`));
  });
  for (const kind of ['podAffinity', 'podAntiAffinity'] as const) {
    affinity[kind]?.[REQUIRED]?.forEach((term, index) => errors.push(...validatePodTerm(term, `${path}.${kind}.${REQUIRED}[${index}]`)));
    affinity[kind]?.[PREFERRED]?.forEach(({ weight, podAffinityTerm }, index) => {
      const at = `${path}.${kind}.${PREFERRED}[${index}]`;
      errors.push(...validateWeight(weight, `${at}.weight`), ...validatePodTerm(podAffinityTerm, `${at}.podAffinityTerm`));
    });
  }
  return errors;
}

function validateWeight(weight: number, path: string): FieldError[] {
  return weight >= 1 && weight <= 100 ? [] : [invalid(path, weight, 'must be in the range 1-100')];
}

function validateTerm({ matchExpressions = [] }: NodeSelectorTerm, path: string): FieldError[] {
  return matchExpressions.flatMap((requirement, index) => validateRequirement(requirement, `${path}.matchExpressions[${index}]`));
}

function validateRequirement({ key, operator, values = [] }: NodeSelectorRequirement, at: string): FieldError[] {
  const errors: FieldError[] = [];
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (values.length === 0) errors.push(required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
      break;
    case 'Exists':
    case 'DoesNotExist':
      if (values.length > 0) errors.push(forbiddenField(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
      break;
    case 'Gt':
    case 'Lt':
      if (values.length !== 1) errors.push(required(`${at}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'"));
      break;
    default:
      errors.push(invalid(`${at}.operator`, operator, 'not a valid selector operator'));
  }
  return [...errors, ...checked(`${at}.key`, key, checkQualifiedName(key))];
}

function validatePodTerm({ labelSelector, topologyKey }: PodAffinityTerm, path: string): FieldError[] {
  const errors = labelSelector === undefined ? [] : validateSelector(labelSelector, `${path}.labelSelector`);
  if (topologyKey === '') errors.push(required(`${path}.topologyKey`, 'can not be empty'));
  return [...errors, ...checked(`${path}.topologyKey`, topologyKey, checkQualifiedName(topologyKey))];
}

export function validateSpread(constraints: readonly TopologySpreadConstraint[] = [], path: string): FieldError[] {
  return constraints.flatMap((constraint, index) => {
    const at = `${path}[${index}]`;
    const { maxSkew, topologyKey, whenUnsatisfiable, labelSelector, minDomains } = constraint as TopologySpreadConstraint & { minDomains?: number };
    const errors = maxSkew > 0 ? [] : [invalid(`${at}.maxSkew`, maxSkew, 'must be greater than zero')];
    if (topologyKey === '') errors.push(required(`${at}.topologyKey`, 'can not be empty'));
    if (!ANSWERS.includes(whenUnsatisfiable)) errors.push(notSupported(`${at}.whenUnsatisfiable`, whenUnsatisfiable, ANSWERS));
    const isTwice = constraints.slice(index + 1).some((other) => other.topologyKey === topologyKey && other.whenUnsatisfiable === whenUnsatisfiable);
    if (isTwice) errors.push(duplicate(`${at}.{topologyKey, whenUnsatisfiable}`, `{${topologyKey}, ${whenUnsatisfiable}}`));
    if (minDomains !== undefined && minDomains <= 0) errors.push(invalid(`${at}.minDomains`, minDomains, 'must be greater than zero'));
    return labelSelector === undefined ? errors : [...errors, ...validateSelector(labelSelector, `${at}.labelSelector`)];
  });
}
