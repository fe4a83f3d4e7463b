/** What makes pods from a template that its selector must match, and keeps them running. */
import type { DaemonSet, Deployment, ReplicaSet, StatefulSet } from 'kubernetes-types/apps/v1.js';
import type { PodTemplateSpec, ReplicationController } from 'kubernetes-types/core/v1.js';
import { type FieldError, forbiddenField, invalid, notSupported } from '../../kube/errors.ts';
import { checkDnsLabel, checkDnsSubdomain } from '../../kube/names.ts';
import { isEmptySelector, selectorMatches, validateSelector, type LabelSelector } from '../../kube/selector.ts';
import { equalJson, typed } from '../../kube/types.ts';
import { validateLabels } from '../core/validate.ts';
import { infoOf } from './info.ts';
import { age, column, integer, numberAt, type Kind } from './kind.ts';
import { validatePodSpec } from './pod-template.ts';
import { templateWarnings } from './pod-warnings.ts';
import { imageColumns, templateColumns } from './workload-columns.ts';

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
  warnings: templateWarnings('spec', 'template'),
  checkName: checkDnsSubdomain,
  prepareForCreate: (draft) => (draft['status'] = {}),
  validate: (object) => {
    const spec = typed<Deployment>(object).spec!;
    return [...validateWorkload(spec), ...validateDeploymentSpec(spec)];
  },
  selectableFields: {},
  columns: [
    column('Ready', (object) => `${numberAt(object, 'status', 'readyReplicas')}/${numberAt(object, 'spec', 'replicas')}`),
    integer('Up-to-date', 'status', 'updatedReplicas'),
    integer('Available', 'status', 'availableReplicas'),
    age,
    ...templateColumns(),
  ],
  hasAgeColumn: false,
};

export const replicaSets: Kind = {
  info: infoOf('replicasets'),
  model: 'V1ReplicaSet',
  subresources: ['status', 'scale'],
  hasGeneration: true,
  warnings: templateWarnings('spec', 'template'),
  checkName: checkDnsSubdomain,
  prepareForCreate: (draft) => (draft['status'] = { replicas: 0 }),
  validate: (object) => validateWorkload(typed<ReplicaSet>(object).spec!),
  selectableFields: {},
  columns: [
    integer('Desired', 'spec', 'replicas'),
    integer('Current', 'status', 'replicas'),
    integer('Ready', 'status', 'readyReplicas'),
    age,
    ...templateColumns(),
  ],
  hasAgeColumn: false,
};

/** What may change of a StatefulSet. */
const STATEFUL_SET_FREE: ReadonlySet<string> = new Set([
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
  'revisionHistoryLimit',
]);

export const statefulSets: Kind = {
  info: infoOf('statefulsets'),
  model: 'V1StatefulSet',
  subresources: ['status', 'scale'],
  hasGeneration: true,
  // Pods are named after it, with a number behind, and their names are host names.
  warnings: templateWarnings('spec', 'template'),
  checkName: checkDnsLabel,
  prepareForCreate: (draft) => (draft['status'] = { replicas: 0, availableReplicas: 0 }),
  validate: (object) => {
    const spec = typed<StatefulSet>(object).spec!;
    const errors = validateWorkload(spec);
    if (!['OrderedReady', 'Parallel'].includes(spec.podManagementPolicy ?? '')) {
      errors.push(notSupported('spec.podManagementPolicy', spec.podManagementPolicy, ['OrderedReady', 'Parallel']));
    }
    if (!['OnDelete', 'RollingUpdate'].includes(spec.updateStrategy?.type ?? '')) {
      errors.push(notSupported('spec.updateStrategy.type', spec.updateStrategy?.type, ['OnDelete', 'RollingUpdate']));
    } else if (spec.updateStrategy?.type === 'OnDelete' && spec.updateStrategy.rollingUpdate !== undefined) {
      const only = "only allowed for updateStrategy 'RollingUpdate'";
      errors.push(invalid('spec.updateStrategy.rollingUpdate', spec.updateStrategy.rollingUpdate, only));
    }
    return errors;
  },
  validateUpdate: (object, old) => {
    const fixed = ({ spec }: StatefulSet) => Object.fromEntries(Object.entries(spec ?? {}).filter(([field]) => !STATEFUL_SET_FREE.has(field)));
    if (equalJson(fixed(typed<StatefulSet>(object)), fixed(typed<StatefulSet>(old)))) return [];
    const free = "'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds'";
    return [forbiddenField('spec', `updates to statefulset spec for fields other than ${free} are forbidden`)];
  },
  selectableFields: {},
  columns: [column('Ready', (object) => `${numberAt(object, 'status', 'readyReplicas')}/${numberAt(object, 'spec', 'replicas')}`), age, ...imageColumns()],
  hasAgeColumn: false,
};

/** Counts the templates that a DaemonSet has had; older clients go by it. */
const TEMPLATE_GENERATION = 'deprecated.daemonset.template.generation';

export const daemonSets: Kind = {
  info: infoOf('daemonsets'),
  model: 'V1DaemonSet',
  subresources: ['status'],
  hasGeneration: true,
  warnings: templateWarnings('spec', 'template'),
  checkName: checkDnsSubdomain,
  prepareForCreate: (draft) => {
    draft['status'] = { currentNumberScheduled: 0, numberMisscheduled: 0, desiredNumberScheduled: 0, numberReady: 0 };
    draft.metadata.annotations = { ...draft.metadata.annotations, [TEMPLATE_GENERATION]: '1' };
  },
  prepareForUpdate: (draft, old) => {
    const [now, before] = [typed<DaemonSet>(draft).spec?.template, typed<DaemonSet>(old).spec?.template];
    const generation = Number(old.metadata.annotations?.[TEMPLATE_GENERATION] ?? 0) + (equalJson(now, before) ? 0 : 1);
    draft.metadata.annotations = { ...draft.metadata.annotations, [TEMPLATE_GENERATION]: String(generation) };
  },
  validate: (object) => {
    const spec = typed<DaemonSet>(object).spec!;
    const errors = validateWorkload(spec);
    if (!['OnDelete', 'RollingUpdate'].includes(spec.updateStrategy?.type ?? '')) {
      errors.push(notSupported('spec.updateStrategy.type', spec.updateStrategy?.type, ['OnDelete', 'RollingUpdate']));
    }
    const { maxSurge, maxUnavailable } = spec.updateStrategy?.rollingUpdate ?? {};
    if (maxSurge !== undefined && !isZero(maxSurge) && !isZero(maxUnavailable)) {
      errors.push(invalid('spec.updateStrategy.rollingUpdate.maxSurge', maxSurge, 'may not be set when maxUnavailable is non-zero'));
    }
    return errors;
  },
  selectableFields: {},
  columns: [
    integer('Desired', 'status', 'desiredNumberScheduled'),
    integer('Current', 'status', 'currentNumberScheduled'),
    integer('Ready', 'status', 'numberReady'),
    integer('Up-to-date', 'status', 'updatedNumberScheduled'),
    integer('Available', 'status', 'numberAvailable'),
    column('Node Selector', (object) => {
      const labels = Object.entries(typed<DaemonSet>(object).spec?.template.spec?.nodeSelector ?? {});
      return labels.map(([key, value]) => `${key}=${value}`).sort().join(',') || '<none>';
    }),
    age,
    ...templateColumns(),
  ],
  hasAgeColumn: false,
};

export const replicationControllers: Kind = {
  info: infoOf('replicationcontrollers'),
  model: 'V1ReplicationController',
  subresources: ['status', 'scale'],
  hasGeneration: true,
  defaultPropagation: 'Orphan',
  warnings: templateWarnings('spec', 'template'),
  checkName: checkDnsSubdomain,
  prepareForCreate: (draft) => (draft['status'] = { replicas: 0 }),
  validate: (object) => {
    const { selector = {}, ...spec } = typed<ReplicationController>(object).spec!;
    return validateWorkload({ ...spec, selector: { matchLabels: selector } });
  },
  selectableFields: { 'status.replicas': (object) => String(numberAt(object, 'status', 'replicas')) },
  columns: [
    integer('Desired', 'spec', 'replicas'),
    integer('Current', 'status', 'replicas'),
    integer('Ready', 'status', 'readyReplicas'),
    age,
    ...templateColumns((object) => {
      const { selector, template } = typed<ReplicationController>(object).spec ?? {};
      return { ...(template === undefined ? {} : { template }), selector: { matchLabels: selector ?? {} } };
    }),
  ],
  hasAgeColumn: false,
};

export const controllerRevisions: Kind = {
  info: infoOf('controllerrevisions'),
  model: 'V1ControllerRevision',
  subresources: [],
  hasGeneration: false,
  checkName: checkDnsSubdomain,
  selectableFields: {},
  columns: [
    column('Controller', (object) => {
      const owner = object.metadata.ownerReferences?.find(({ controller }) => controller === true);
      if (owner === undefined) return '<none>';
      const group = owner.apiVersion.includes('/') ? `.${owner.apiVersion.split('/')[0]!}` : '';
      return `${owner.kind.toLowerCase()}${group}/${owner.name}`;
    }),
    integer('Revision', 'revision'),
  ],
};

export const podTemplates: Kind = {
  info: infoOf('podtemplates'),
  model: 'V1PodTemplate',
  subresources: [],
  hasGeneration: true,
  checkName: checkDnsSubdomain,
  selectableFields: {},
  columns: [
    column('Containers', (object) => typed<{ template?: PodTemplateSpec }>(object).template?.spec?.containers.map(({ name }) => name).join(',') ?? ''),
    column('Images', (object) => typed<{ template?: PodTemplateSpec }>(object).template?.spec?.containers.map(({ image }) => image).join(',') ?? ''),
    column('Pod Labels', (object) => {
      const labels = Object.entries(typed<{ template?: PodTemplateSpec }>(object).template?.metadata?.labels ?? {});
      return labels.map(([key, value]) => `${key}=${value}`).sort().join(',') || '<none>';
    }),
  ],
  hasAgeColumn: false,
};

function validateWorkload({ replicas = 1, minReadySeconds = 0, selector, template }: WorkloadSpec): FieldError[] {
  const errors = validateSelector(selector, 'spec.selector');
  const isSound = errors.length === 0 && !isEmptySelector(selector);
  if (replicas < 0) errors.push(invalid('spec.replicas', replicas, 'must be greater than or equal to 0'));
  if (minReadySeconds < 0) errors.push(invalid('spec.minReadySeconds', minReadySeconds, 'must be greater than or equal to 0'));
  if (isEmptySelector(selector)) errors.push(invalid('spec.selector', selector, 'empty selector is invalid for deployment'));
  if (template === undefined) return errors;
  const labels = template.metadata?.labels ?? {};
  if (isSound && !selectorMatches(selector, labels)) {
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
