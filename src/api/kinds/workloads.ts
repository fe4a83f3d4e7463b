/** Deployments and ReplicaSets: both make pods from a template that their selector must match. */
import type { Deployment, ReplicaSet } from 'kubernetes-types/apps/v1.js';
import type { PodTemplateSpec } from 'kubernetes-types/core/v1.js';
import { type FieldError, forbiddenField, invalid, notSupported } from '../../kube/errors.ts';
import { checkDnsSubdomain } from '../../kube/names.ts';
import { formatSelector, isEmptySelector, selectorMatches, validateSelector, type LabelSelector } from '../../kube/selector.ts';
import { typed, type KubeObject } from '../../kube/types.ts';
import { formatAge } from '../core/age.ts';
import { immutableField, validateLabels } from '../core/validate.ts';
import { infoOf } from './info.ts';
import { column, textAt, wide, type Column, type Kind } from './kind.ts';
import { validatePodSpec } from './pod-template.ts';

interface WorkloadSpec {
  readonly replicas?: number;
  readonly minReadySeconds?: number;
  readonly selector: LabelSelector;
  readonly template?: PodTemplateSpec;
}

export const deployments: Kind = {
  info: infoOf('deployments'),
  model: 'V1Deployment',
  subresources: ['status', 'scale'],
  hasGeneration: true,
  checkName: checkDnsSubdomain,
  prepareForCreate: (draft) => (draft['status'] = {}),
  validate: (object) => {
    const spec = typed<Deployment>(object).spec!;
    return [...validateWorkload(spec), ...validateDeploymentSpec(spec)];
  },
  validateUpdate: sameSelector,
  selectableFields: {},
  columns: [
    column('Ready', (object) => `${count(object, 'status', 'readyReplicas')}/${count(object, 'spec', 'replicas')}`),
    integer('Up-to-date', 'status', 'updatedReplicas'),
    integer('Available', 'status', 'availableReplicas'),
    column('Age', (object, wallMs) => formatAge(object.metadata.creationTimestamp, wallMs)),
    ...templateColumns(),
  ],
  hasAgeColumn: false,
};

export const replicaSets: Kind = {
  info: infoOf('replicasets'),
  model: 'V1ReplicaSet',
  subresources: ['status', 'scale'],
  hasGeneration: true,
  checkName: checkDnsSubdomain,
  prepareForCreate: (draft) => (draft['status'] = { replicas: 0 }),
  validate: (object) => validateWorkload(typed<ReplicaSet>(object).spec!),
  validateUpdate: sameSelector,
  selectableFields: { 'status.replicas': (object) => String(count(object, 'status', 'replicas')) },
  columns: [
    integer('Desired', 'spec', 'replicas'),
    integer('Current', 'status', 'replicas'),
    integer('Ready', 'status', 'readyReplicas'),
    column('Age', (object, wallMs) => formatAge(object.metadata.creationTimestamp, wallMs)),
    ...templateColumns(),
  ],
  hasAgeColumn: false,
};

function validateWorkload({ replicas = 1, minReadySeconds = 0, selector, template }: WorkloadSpec): FieldError[] {
  const errors = validateSelector(selector, 'spec.selector');
  if (replicas < 0) errors.push(invalid('spec.replicas', replicas, 'must be greater than or equal to 0'));
  if (minReadySeconds < 0) errors.push(invalid('spec.minReadySeconds', minReadySeconds, 'must be greater than or equal to 0'));
  if (isEmptySelector(selector)) errors.push(invalid('spec.selector', selector, 'empty selector is invalid for deployment'));
  if (template === undefined) return errors;
  const labels = template.metadata?.labels ?? {};
  if (errors.length === 0 && !selectorMatches(selector, labels)) {
    errors.push(invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'));
  }
  errors.push(...validateLabels(labels, 'spec.template.labels'));
  const { spec } = template;
  if (spec === undefined) return [...errors, { reason: 'FieldValueRequired', field: 'spec.template.spec', message: 'Required value' }];
  errors.push(...validatePodSpec(spec, 'spec.template.spec'));
  if (spec.restartPolicy !== 'Always') {
    errors.push(notSupported('spec.template.spec.restartPolicy', spec.restartPolicy, ['Always']));
  }
  return errors;
}

function validateDeploymentSpec(spec: NonNullable<Deployment['spec']>): FieldError[] {
  const errors: FieldError[] = [];
  const { strategy = {}, minReadySeconds = 0, progressDeadlineSeconds, revisionHistoryLimit = 0 } = spec;
  const update = strategy.rollingUpdate;
  if (strategy.type === 'Recreate') {
    if (update !== undefined) {
      errors.push(forbiddenField('spec.strategy.rollingUpdate', "may not be specified when strategy `type` is 'Recreate'"));
    }
  } else if (strategy.type === 'RollingUpdate') {
    const path = 'spec.strategy.rollingUpdate';
    errors.push(...validateShare(update?.maxSurge, `${path}.maxSurge`), ...validateShare(update?.maxUnavailable, `${path}.maxUnavailable`));
    if (isZero(update?.maxSurge) && isZero(update?.maxUnavailable)) {
      errors.push(invalid(`${path}.maxUnavailable`, update?.maxUnavailable, 'may not be 0 when `maxSurge` is 0'));
    }
  } else errors.push(notSupported('spec.strategy.type', strategy.type, ['Recreate', 'RollingUpdate']));
  if (revisionHistoryLimit < 0) {
    errors.push(invalid('spec.revisionHistoryLimit', revisionHistoryLimit, 'must be greater than or equal to 0'));
  }
  if (progressDeadlineSeconds !== undefined && progressDeadlineSeconds <= minReadySeconds) {
    errors.push(invalid('spec.progressDeadlineSeconds', progressDeadlineSeconds, 'must be greater than minReadySeconds'));
  }
  return errors;
}

function validateShare(value: number | string | undefined, path: string): FieldError[] {
  if (typeof value === 'number') return value >= 0 ? [] : [invalid(path, value, 'must be greater than or equal to 0')];
  if (value === undefined || /^\d+%$/.test(value)) {
    return Number(value?.slice(0, -1) ?? 0) <= 100 || path.endsWith('maxSurge') ? [] : [invalid(path, value, 'must not be greater than 100%')];
  }
  return [invalid(path, value, "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%', or '93%')")];
}

const isZero = (value: number | string | undefined) => value === 0 || value === '0%';

function sameSelector(object: KubeObject, old: KubeObject): FieldError[] {
  const selectorOf = (from: KubeObject) => typed<Deployment>(from).spec?.selector;
  return immutableField('spec.selector', selectorOf(object), selectorOf(old));
}

// --- columns

function count(object: KubeObject, ...path: string[]): number {
  return Number(textAt(object, ...path) || 0);
}

function integer(name: string, ...path: string[]): Column {
  return { name, type: 'integer', priority: 0, value: (object) => count(object, ...path) };
}

function templateColumns(): Column[] {
  const containers = (object: KubeObject) => typed<Deployment>(object).spec?.template?.spec?.containers ?? [];
  return [
    wide('Containers', (object) => containers(object).map(({ name }) => name).join(',')),
    wide('Images', (object) => containers(object).map(({ image }) => image).join(',')),
    wide('Selector', (object) => formatSelector(typed<Deployment>(object).spec?.selector)),
  ];
}
