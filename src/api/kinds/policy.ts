/** Who may do what, and how much of it: rbac, budgets, quotas, priorities, autoscalers, certificates. */
import type { HorizontalPodAutoscaler } from 'kubernetes-types/autoscaling/v2.js';
import type { CertificateSigningRequest } from 'kubernetes-types/certificates/v1.js';
import type { ResourceQuota } from 'kubernetes-types/core/v1.js';
import type { PodDisruptionBudget } from 'kubernetes-types/policy/v1.js';
import type { ClusterRole, RoleBinding } from 'kubernetes-types/rbac/v1.js';
import { parseQuantity } from '../../kube/quantity.ts';
import { type FieldError, forbidden, forbiddenField, invalid, notSupported, required } from '../../kube/errors.ts';
import { checkDnsSubdomain, checkPathSegment } from '../../kube/names.ts';
import { validateSelector } from '../../kube/selector.ts';
import { typed, type KubeObject } from '../../kube/types.ts';
import { formatDuration } from '../../kube/age.ts';
import { immutableField } from '../core/validate.ts';
import { infoOf } from './info.ts';
import { csrApproval, csrStatus, setRequester } from './csr-parts.ts';
import { age, column, createdAt, integer, shown, textAt, wide, type Kind } from './kind.ts';

const plain = { subresources: [], hasGeneration: false, checkName: checkDnsSubdomain, selectableFields: {} } as const;

// --- rbac.authorization.k8s.io

const role = (resource: string, model: string): Kind => ({
  ...plain,
  info: infoOf(resource),
  model,
  checkName: checkPathSegment,
  validate: (object) =>
    (typed<ClusterRole>(object).rules ?? []).flatMap((rule, index): FieldError[] => {
      const at = `rules[${index}]`;
      if (rule.verbs.length === 0) return [required(`${at}.verbs`, 'verbs must contain at least one value')];
      if ((rule.nonResourceURLs ?? []).length > 0) return model === 'V1Role' ? [invalid(`${at}.nonResourceURLs`, rule.nonResourceURLs, 'namespaced rules cannot apply to non-resource URLs')] : [];
      const errors: FieldError[] = [];
      if ((rule.apiGroups ?? []).length === 0) errors.push(required(`${at}.apiGroups`, 'resource rules must supply at least one api group'));
      if ((rule.resources ?? []).length === 0) errors.push(required(`${at}.resources`, 'resource rules must supply at least one resource'));
      return errors;
    }),
  columns: [createdAt],
  hasAgeColumn: false,
});

const SUBJECTS = ['Group', 'ServiceAccount', 'User'];

const roleBinding = (resource: string, model: string): Kind => ({
  ...plain,
  info: infoOf(resource),
  model,
  checkName: checkPathSegment,
  validate: (object) => {
    const { roleRef, subjects = [] } = typed<RoleBinding>(object);
    const kinds = model === 'V1ClusterRoleBinding' ? ['ClusterRole'] : ['ClusterRole', 'Role'];
    return [
      ...(kinds.includes(roleRef.kind) ? [] : [notSupported('roleRef.kind', roleRef.kind, kinds)]),
      ...(roleRef.name === '' ? [required('roleRef.name')] : []),
      ...subjects.flatMap(({ kind, name, namespace = '' }, index): FieldError[] => [
        ...(SUBJECTS.includes(kind) ? [] : [notSupported(`subjects[${index}].kind`, kind, SUBJECTS)]),
        ...(name === '' ? [required(`subjects[${index}].name`)] : []),
        ...(kind === 'ServiceAccount' && namespace === '' && model === 'V1ClusterRoleBinding' ? [required(`subjects[${index}].namespace`)] : []),
      ]),
    ];
  },
  validateUpdate: (object, old) => (immutableField('roleRef', object['roleRef'], old['roleRef']).length === 0 ? [] : [invalid('roleRef', object['roleRef'], 'cannot change roleRef')]),
  columns: [
    column('Role', (object) => `${textAt(object, 'roleRef', 'kind')}/${textAt(object, 'roleRef', 'name')}`),
    age,
    wide('Users', (object) => subjectsText(object, 'User')),
    wide('Groups', (object) => subjectsText(object, 'Group')),
    wide('ServiceAccounts', (object) => subjectsText(object, 'ServiceAccount')),
  ],
  hasAgeColumn: false,
});

function subjectsText(object: KubeObject, wanted: string): string {
  const own = (typed<RoleBinding>(object).subjects ?? []).filter(({ kind }) => kind === wanted);
  return own.map(({ name, namespace }) => (wanted === 'ServiceAccount' ? `${namespace ?? ''}/${name}` : name)).join(', ');
}

export const roles = role('roles', 'V1Role');
export const clusterRoles = role('clusterroles', 'V1ClusterRole');
export const roleBindings = roleBinding('rolebindings', 'V1RoleBinding');
export const clusterRoleBindings = roleBinding('clusterrolebindings', 'V1ClusterRoleBinding');

// --- policy, scheduling, node, autoscaling

export const podDisruptionBudgets: Kind = {
  ...plain,
  info: infoOf('poddisruptionbudgets'),
  model: 'V1PodDisruptionBudget',
  subresources: ['status'],
  hasGeneration: true,
  prepareForCreate: (draft) => (draft['status'] = { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 }),
  validate: (object) => {
    const { minAvailable, maxUnavailable, selector } = typed<PodDisruptionBudget>(object).spec ?? {};
    const errors = selector === undefined ? [] : validateSelector(selector, 'spec.selector');
    if (minAvailable !== undefined && maxUnavailable !== undefined) {
      errors.push(invalid('spec', { minAvailable, maxUnavailable }, 'minAvailable and maxUnavailable cannot be both set'));
    }
    for (const [field, value] of Object.entries({ minAvailable, maxUnavailable })) {
      const isRight = value === undefined || (typeof value === 'number' ? value >= 0 : /^(\d\d?|100)%$/.test(value));
      if (!isRight) errors.push(invalid(`spec.${field}`, value, "must be a number of at least 0 or a percentage (e.g. '50%')"));
    }
    return errors;
  },
  columns: [
    column('Min Available', (object) => textAt(object, 'spec', 'minAvailable') || 'N/A'),
    column('Max Unavailable', (object) => textAt(object, 'spec', 'maxUnavailable') || 'N/A'),
    integer('Allowed Disruptions', 'status', 'disruptionsAllowed'),
  ],
};

/** The highest that a person may give; those of the system are above. */
const USER_PRIORITY_MAX = 1_000_000_000;

export const priorityClasses: Kind = {
  ...plain,
  info: infoOf('priorityclasses'),
  model: 'V1PriorityClass',
  hasGeneration: true,
  validate: (object) => {
    const value = Number(object['value']);
    const { name } = object.metadata;
    if (name.startsWith('system-')) return ['system-cluster-critical', 'system-node-critical'].includes(name) ? [] : [forbiddenField('metadata.name', 'priority class names with `system-` prefix are reserved for system use only')];
    return value > USER_PRIORITY_MAX ? [forbiddenField('value', `maximum allowed value of a user defined priority is ${USER_PRIORITY_MAX}`)] : [];
  },
  resolve: async (draft, _namespace, lookup) => {
    if (draft['globalDefault'] !== true) return;
    const standard = (await lookup.list('priorityclasses')).find((one) => one['globalDefault'] === true && one.metadata.name !== draft.metadata.name);
    if (standard === undefined) return;
    throw forbidden(infoOf('priorityclasses'), draft.metadata.name, `PriorityClass ${standard.metadata.name} is already marked as default. Only one default can exist`);
  },
  columns: [
    integer('Value', 'value'),
    column('Global-Default', (object) => textAt(object, 'globalDefault') || 'false'),
    age,
    column('PreemptionPolicy', (object) => textAt(object, 'preemptionPolicy')),
  ],
  hasAgeColumn: false,
};

export const runtimeClasses: Kind = {
  ...plain,
  info: infoOf('runtimeclasses'),
  model: 'V1RuntimeClass',
  columns: [column('Handler', (object) => textAt(object, 'handler'))],
};

export const horizontalPodAutoscalers: Kind = {
  ...plain,
  info: infoOf('horizontalpodautoscalers'),
  model: 'V2HorizontalPodAutoscaler',
  subresources: ['status'],
  prepareForCreate: (draft) => (draft['status'] = { desiredReplicas: 0 }),
  validate: (object) => {
    const { minReplicas = 1, maxReplicas } = typed<HorizontalPodAutoscaler>(object).spec!;
    const errors: FieldError[] = [];
    if (minReplicas < 1) errors.push(invalid('spec.minReplicas', minReplicas, 'must be greater than or equal to 1'));
    if (maxReplicas < 1) errors.push(invalid('spec.maxReplicas', maxReplicas, 'must be greater than 0'));
    else if (maxReplicas < minReplicas) errors.push(invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`'));
    return errors;
  },
  columns: [
    column('Reference', (object) => `${textAt(object, 'spec', 'scaleTargetRef', 'kind')}/${textAt(object, 'spec', 'scaleTargetRef', 'name')}`),
    column('Targets', targetsText),
    column('MinPods', (object) => textAt(object, 'spec', 'minReplicas') || '<unset>'),
    integer('MaxPods', 'spec', 'maxReplicas'),
    integer('Replicas', 'status', 'currentReplicas'),
  ],
};

function targetsText(object: KubeObject): string {
  const { spec, status } = typed<HorizontalPodAutoscaler>(object);
  const targets = (spec?.metrics ?? []).map(({ resource, type }, index) => {
    if (resource === undefined) return `<unknown>/${type}`;
    const current = status?.currentMetrics?.[index]?.resource?.current;
    const { averageUtilization: wanted, averageValue } = resource.target;
    if (wanted !== undefined) return `${resource.name}: ${current?.averageUtilization === undefined ? '<unknown>' : `${current.averageUtilization}%`}/${wanted}%`;
    return `${resource.name}: ${current?.averageValue ?? '<unknown>'}/${averageValue ?? ''}`;
  });
  return targets.length === 0 ? '<none>' : targets.slice(0, 2).join(', ') + (targets.length > 2 ? ` + ${targets.length - 2} more...` : '');
}

// --- the core group

export const limitRanges: Kind = {
  ...plain,
  info: infoOf('limitranges'),
  model: 'V1LimitRange',
  columns: [createdAt],
  hasAgeColumn: false,
};

const QUOTA_SCOPES: ReadonlySet<string> = new Set([
  'BestEffort', 'CrossNamespacePodAffinity', 'NotBestEffort', 'NotTerminating', 'PriorityClass', 'Terminating', 'VolumeAttributesClass',
]);

export const resourceQuotas: Kind = {
  ...plain,
  info: infoOf('resourcequotas'),
  model: 'V1ResourceQuota',
  subresources: ['status'],
  prepareForCreate: (draft) => (draft['status'] = {}),
  validate: (object) => {
    const { scopes = [], hard = {} } = typed<ResourceQuota>(object).spec ?? {};
    const negative = Object.entries(hard).filter(([, value]) => (parseQuantity(value) ?? 0n) < 0n);
    const errors = negative.map(([name, value]) => invalid(`spec.hard[${name}]`, value, 'must be greater than or equal to 0'));
    return [...errors, ...scopes.filter((scope) => !QUOTA_SCOPES.has(scope)).map(() => invalid('spec.scopes', scopes, 'unsupported scope'))];
  },
  columns: [column('Request', (object) => quotaText(object, false)), column('Limit', (object) => quotaText(object, true)), age],
  hasAgeColumn: false,
};

function quotaText(object: KubeObject, ofLimits: boolean): string {
  const { hard = {}, used = {} } = typed<ResourceQuota>(object).status ?? {};
  const names = Object.keys(hard).filter((name) => name.startsWith('limits') === ofLimits).sort();
  return names.map((name) => `${name}: ${used[name] ?? ''}/${hard[name]}`).join(', ');
}

// --- certificates.k8s.io

export const certificateSigningRequests: Kind = {
  ...plain,
  info: infoOf('certificatesigningrequests'),
  model: 'V1CertificateSigningRequest',
  subresources: ['status', 'approval'],
  checkName: checkPathSegment,
  prepareForCreate: (draft, { user }) => {
    draft['status'] = {};
    setRequester(typed<CertificateSigningRequest>(draft).spec, user);
  },
  parts: { approval: csrApproval, status: csrStatus },
  validate: (object) => {
    const { signerName, usages = [], expirationSeconds } = typed<CertificateSigningRequest>(object).spec;
    const errors: FieldError[] = [];
    if (!signerName.includes('/')) errors.push(invalid('spec.signerName', signerName, 'must be a fully qualified domain and path of the form "example.com/signer-name"'));
    if (usages.length === 0) errors.push(required('spec.usages'));
    if (expirationSeconds !== undefined && expirationSeconds < 600) errors.push(invalid('spec.expirationSeconds', expirationSeconds, 'may not specify a duration less than 600 seconds (10 minutes)'));
    return errors;
  },
  // What was asked for stays; who sends something else is not told.
  prepareForUpdate: (draft, old) => (draft['spec'] = old['spec']),
  selectableFields: { 'spec.signerName': (object) => textAt(object, 'spec', 'signerName') },
  columns: [
    age,
    column('SignerName', (object) => shown(object, 'spec', 'signerName')),
    column('Requestor', (object) => textAt(object, 'spec', 'username')),
    column('RequestedDuration', (object) => {
      const seconds = typed<CertificateSigningRequest>(object).spec.expirationSeconds;
      return seconds === undefined ? '<none>' : formatDuration(seconds * 1000);
    }),
    column('Condition', (object) => {
      const { conditions = [], certificate } = typed<CertificateSigningRequest>(object).status ?? {};
      const words = ['Approved', 'Denied', 'Failed'].filter((type) => conditions.some((condition) => condition.type === type));
      if (words.length === 0) return 'Pending';
      return [...words, ...(certificate === undefined ? [] : ['Issued'])].join(',');
    }),
  ],
  hasAgeColumn: false,
};
