/** What makes pods from a template that its selector must match, and keeps them running. */
import type { ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet } from 'kubernetes-types/apps/v1.js';
import type { PodTemplateSpec, ReplicationController } from 'kubernetes-types/core/v1.js';
import { type FieldError, forbiddenField, invalid, notSupported, required } from '../../kube/errors.ts';
import { checkDnsLabel, checkDnsSubdomain } from '../../kube/names.ts';
import { isEmptySelector, selectorMatches, validateSelector, type LabelSelector } from '../../kube/selector.ts';
import { equalJson, typed } from '../../kube/types.ts';
import { atLeast, immutableField, oneOf } from '../core/validate.ts';
import { infoOf } from './info.ts';
import { age, amount, column, integer, numberAt, type Kind } from './kind.ts';
import { validatePodTemplate } from './pod-template.ts';
import { templateWarnings } from './pod-warnings.ts';
import { imageColumns, templateColumns } from './workload-columns.ts';

interface WorkloadSpec {
  readonly selector?: LabelSelector;
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
  validate: (object) => validateDeploymentSpec(typed<Deployment>(object).spec!),
  selectableFields: {},
  columns: [
    column('Ready', (object) => `${numberAt(object, 'status', 'readyReplicas')}/${numberAt(object, 'spec', 'replicas')}`),
    amount('Up-to-date', 'status', 'updatedReplicas'),
    amount('Available', 'status', 'availableReplicas'),
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
  validate: (object) => validateReplicaSetSpec(typed<ReplicaSet>(object).spec!),
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
  validate: (object) => validateStatefulSetSpec(typed<StatefulSet>(object).spec!),
  validateUpdate: (object, old) => {
    const [now, before] = [typed<StatefulSet>(object).spec!, typed<StatefulSet>(old).spec!];
    const named = [...immutableField('spec.selector', now.selector, before.selector), ...immutableField('spec.serviceName', now.serviceName, before.serviceName)];
    if (named.length > 0) return named;
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
  validate: (object) => validateDaemonSetSpec(typed<DaemonSet>(object).spec!),
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
  validate: (object) => validateController(typed<ReplicationController>(object).spec!),
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
  validate: (object) => [
    ...(object['data'] === undefined ? [required('data', 'data is mandatory')] : []),
    ...atLeast('revision', typed<ControllerRevision>(object).revision),
  ],
  selectableFields: {},
  columns: [
    column('Controller', (object) => {
      const owner = object.metadata.ownerReferences?.find(({ controller }) => controller === true);
      if (owner === undefined) return '<none>';
      const group = owner.apiVersion.includes('/') ? `.${owner.apiVersion.split('/')[0]!}` : '';
      return `${owner.kind.toLowerCase()}${group}/${owner.name}`;
    }),
    amount('Revision', 'revision'),
  ],
};

export const podTemplates: Kind = {
  info: infoOf('podtemplates'),
  model: 'V1PodTemplate',
  subresources: [],
  hasGeneration: true,
  checkName: checkDnsSubdomain,
  validate: (object) => validatePodTemplate(typed<{ template: PodTemplateSpec }>(object).template, 'template'),
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

const SHARE = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";

/** What pods are taken for those of a workload: its template's must be among them. */
function validateSelection({ selector, template }: WorkloadSpec, owner: string): FieldError[] {
  const path = 'spec.selector';
  const errors = selector === undefined ? [] : validateSelector(selector, path);
  const isSound = errors.length === 0;
  if (selector === undefined && owner !== 'DaemonSet') errors.push(required(path));
  if (selector !== undefined && isEmptySelector(selector)) errors.push(invalid(path, selector, `empty selector is invalid for ${owner.toLowerCase()}`));
  if (!isSound) return [...errors, invalid(path, selector, 'invalid label selector')];
  const labels = template?.metadata?.labels;
  if (selector !== undefined && (isEmptySelector(selector) || selectorMatches(selector, labels ?? {}))) return errors;
  return [...errors, invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`')];
}

/** Pods that a workload keeps running do not end by themselves. */
function validateTemplate(template: PodTemplateSpec, owner: string): FieldError[] {
  const { restartPolicy, activeDeadlineSeconds } = template.spec!;
  const errors = validatePodTemplate(template, 'spec.template');
  if (restartPolicy !== undefined && restartPolicy !== 'Always') errors.push(notSupported('spec.template.spec.restartPolicy', restartPolicy, ['Always']));
  if (activeDeadlineSeconds !== undefined) {
    errors.push(forbiddenField('spec.template.spec.activeDeadlineSeconds', `activeDeadlineSeconds in ${owner} is not Supported`));
  }
  return errors;
}

function validateDeploymentSpec(spec: NonNullable<Deployment['spec']>): FieldError[] {
  const { strategy = {}, minReadySeconds = 0, progressDeadlineSeconds, revisionHistoryLimit } = spec;
  const errors = [
    ...atLeast('spec.replicas', spec.replicas),
    ...validateSelection(spec, 'Deployment'),
    // A deployment's pods are those of its replica sets.
    ...validateTemplate(spec.template, 'ReplicaSet'),
    ...validateStrategy(strategy),
    ...atLeast('spec.minReadySeconds', minReadySeconds),
    ...atLeast('spec.revisionHistoryLimit', revisionHistoryLimit),
    ...atLeast('spec.progressDeadlineSeconds', progressDeadlineSeconds),
  ];
  if (progressDeadlineSeconds !== undefined && progressDeadlineSeconds <= minReadySeconds) {
    errors.push(invalid('spec.progressDeadlineSeconds', progressDeadlineSeconds, 'must be greater than minReadySeconds'));
  }
  return errors;
}

function validateStrategy({ type, rollingUpdate: update }: NonNullable<NonNullable<Deployment['spec']>['strategy']>): FieldError[] {
  const path = 'spec.strategy.rollingUpdate';
  if (type === 'Recreate') return update === undefined ? [] : [forbiddenField(path, "may not be specified when strategy `type` is 'Recreate'")];
  if (type !== 'RollingUpdate') return [notSupported('spec.strategy', { type, ...(update === undefined ? {} : { rollingUpdate: update }) }, ['Recreate', 'RollingUpdate'])];
  const errors = [...validateShare(update?.maxUnavailable, `${path}.maxUnavailable`), ...validateShare(update?.maxSurge, `${path}.maxSurge`)];
  if (isZero(update?.maxSurge) && isZero(update?.maxUnavailable)) {
    errors.push(invalid(`${path}.maxUnavailable`, update?.maxUnavailable, 'may not be 0 when `maxSurge` is 0'));
  }
  if (isOverAll(update?.maxUnavailable)) errors.push(invalid(`${path}.maxUnavailable`, update?.maxUnavailable, 'must not be greater than 100%'));
  return errors;
}

export function validateShare(value: number | string | undefined, path: string): FieldError[] {
  if (typeof value === 'number') return atLeast(path, value);
  return value === undefined || /^\d+%$/.test(value) ? [] : [invalid(path, value, SHARE)];
}

export const isOverAll = (value: number | string | undefined) => typeof value === 'string' && /^\d+%$/.test(value) && Number(value.slice(0, -1)) > 100;

const isZero = (value: number | string | undefined) => value === 0 || value === '0%';

function validateReplicaSetSpec(spec: NonNullable<ReplicaSet['spec']>): FieldError[] {
  return [
    ...atLeast('spec.replicas', spec.replicas),
    ...atLeast('spec.minReadySeconds', spec.minReadySeconds),
    // As Kubernetes says it of both.
    ...validateSelection(spec, 'Deployment'),
    ...validateTemplate(spec.template!, 'ReplicaSet'),
  ];
}

function validateStatefulSetSpec(spec: NonNullable<StatefulSet['spec']> & { ordinals?: { start?: number } }): FieldError[] {
  const { podManagementPolicy = '', updateStrategy: update = {}, persistentVolumeClaimRetentionPolicy: retention } = spec;
  const errors: FieldError[] = [];
  if (!['OrderedReady', 'Parallel'].includes(podManagementPolicy)) errors.push(invalid('spec.podManagementPolicy', podManagementPolicy, "must be 'OrderedReady' or 'Parallel'"));
  if (update.type === 'RollingUpdate') errors.push(...atLeast('spec.updateStrategy.rollingUpdate.partition', update.rollingUpdate?.partition));
  else if (update.type === 'OnDelete') {
    if (update.rollingUpdate !== undefined) errors.push(invalid('spec.updateStrategy.rollingUpdate', update.rollingUpdate, "only allowed for updateStrategy 'RollingUpdate'"));
  } else errors.push(invalid('spec.updateStrategy', update, "must be 'RollingUpdate' or 'OnDelete'"));
  for (const field of ['whenDeleted', 'whenScaled'] as const) {
    errors.push(...oneOf(`spec.persistentVolumeClaimRetentionPolicy.${field}`, retention?.[field], ['Retain', 'Delete']));
  }
  return [
    ...errors,
    ...atLeast('spec.replicas', spec.replicas),
    ...atLeast('spec.minReadySeconds', spec.minReadySeconds),
    ...atLeast('spec.ordinals.start', spec.ordinals?.start),
    ...validateSelection(spec, 'StatefulSet'),
    ...validateTemplate(spec.template, 'StatefulSet'),
  ];
}

function validateDaemonSetSpec(spec: NonNullable<DaemonSet['spec']>): FieldError[] {
  const path = 'spec.updateStrategy';
  const { type, rollingUpdate = {} } = spec.updateStrategy ?? {};
  const { maxSurge, maxUnavailable } = rollingUpdate as { maxSurge?: number | string; maxUnavailable?: number | string };
  const errors = [
    ...validateSelection(spec, 'DaemonSet'),
    ...validateTemplate(spec.template, 'DaemonSet'),
    ...atLeast('spec.minReadySeconds', spec.minReadySeconds),
    ...atLeast('spec.revisionHistoryLimit', spec.revisionHistoryLimit),
  ];
  if (type === 'OnDelete') return errors;
  if (type !== 'RollingUpdate') return [...errors, notSupported(path, spec.updateStrategy, ['RollingUpdate', 'OnDelete'])];
  errors.push(...validateShare(maxUnavailable, `${path}.rollingUpdate.maxUnavailable`), ...validateShare(maxSurge, `${path}.rollingUpdate.maxSurge`));
  if (isOverAll(maxUnavailable)) errors.push(invalid(`${path}.rollingUpdate.maxUnavailable`, maxUnavailable, 'must not be greater than 100%'));
  if (isZero(maxSurge) && isZero(maxUnavailable)) errors.push(required(`${path}.rollingUpdate.maxUnavailable`, 'cannot be 0 when maxSurge is 0'));
  if (maxSurge !== undefined && !isZero(maxSurge) && !isZero(maxUnavailable)) {
    errors.push(invalid(`${path}.rollingUpdate.maxSurge`, maxSurge, 'may not be set when maxUnavailable is non-zero'));
  }
  return errors;
}

function validateController({ replicas, minReadySeconds, selector = {}, template }: NonNullable<ReplicationController['spec']>): FieldError[] {
  const errors = [...atLeast('spec.minReadySeconds', minReadySeconds)];
  if (Object.keys(selector).length === 0) errors.push(required('spec.selector'));
  errors.push(...atLeast('spec.replicas', replicas));
  if (template === undefined) return [...errors, required('spec.template')];
  const labels = template.metadata?.labels;
  if (Object.keys(selector).length > 0 && !selectorMatches({ matchLabels: selector }, labels ?? {})) {
    errors.push(invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'));
  }
  return [...errors, ...validateTemplate(template, 'ReplicationController')];
}
