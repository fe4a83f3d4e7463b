/** Who may do what, and how: rbac, budgets, priorities, autoscalers, certificates. */
import type { HorizontalPodAutoscaler, MetricSpec, MetricStatus } from 'kubernetes-types/autoscaling/v2.js';
import type { CertificateSigningRequest } from 'kubernetes-types/certificates/v1.js';
import type { PodDisruptionBudget } from 'kubernetes-types/policy/v1.js';
import type { ClusterRole, RoleBinding, Subject } from 'kubernetes-types/rbac/v1.js';
import { type FieldError, forbidden, forbiddenField, invalid, notSupported, required } from '../../kube/errors.ts';
import { checkDnsLabel, checkDnsSubdomain, checkPathSegment } from '../../kube/names.ts';
import { validateSelector } from '../../kube/selector.ts';
import { typed, type KubeObject } from '../../kube/types.ts';
import { formatDuration } from '../../kube/age.ts';
import { IMMUTABLE, checked, immutableField, oneOf } from '../core/validate.ts';
import { infoOf } from './info.ts';
import { csrApproval, csrStatus, setRequester } from './csr-parts.ts';
import { age, amount, column, createdAt, integer, shown, textAt, truth, wide, type Kind } from './kind.ts';
import { isOverAll, validateShare } from './workloads.ts';

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
      if (rule.verbs.length === 0) return [required(`${at}.verbs`)];
      if ((rule.nonResourceURLs ?? []).length > 0) {
        const isBoth = [rule.apiGroups, rule.resources, rule.resourceNames].some((list) => (list ?? []).length > 0);
        const why = model === 'V1Role' ? 'namespaced rules cannot apply to non-resource URLs' : isBoth ? 'rules cannot apply to both regular resources and non-resource URLs' : '';
        return why === '' ? [] : [invalid(`${at}.nonResourceURLs`, rule.nonResourceURLs, why)];
      }
      const errors: FieldError[] = [];
      if ((rule.apiGroups ?? []).length === 0) errors.push(required(`${at}.apiGroups`, 'resource rules must supply at least one api group'));
      if ((rule.resources ?? []).length === 0) errors.push(required(`${at}.resources`, 'resource rules must supply at least one resource'));
      return errors;
    }),
  columns: [createdAt],
  hasAgeColumn: false,
});

const RBAC = 'rbac.authorization.k8s.io';
const SUBJECTS = ['ServiceAccount', 'User', 'Group'];

function validateSubject({ kind, name, apiGroup, namespace = '' }: Subject, at: string, isCluster: boolean): FieldError[] {
  const errors = name === '' ? [required(`${at}.name`)] : [];
  if (kind === 'ServiceAccount') {
    if (name !== '') errors.push(...checked(`${at}.name`, name, checkDnsSubdomain(name)));
    errors.push(...oneOf(`${at}.apiGroup`, apiGroup, ['']));
    if (namespace === '' && isCluster) errors.push(required(`${at}.namespace`));
    return errors;
  }
  if (!SUBJECTS.includes(kind)) return [...errors, notSupported(`${at}.kind`, kind, SUBJECTS)];
  return [...errors, ...oneOf(`${at}.apiGroup`, apiGroup, [RBAC])];
}

const roleBinding = (resource: string, model: string): Kind => ({
  ...plain,
  info: infoOf(resource),
  model,
  checkName: checkPathSegment,
  validate: (object) => {
    const { roleRef, subjects = [] } = typed<RoleBinding>(object);
    const kinds = model === 'V1ClusterRoleBinding' ? ['ClusterRole'] : ['Role', 'ClusterRole'];
    return [
      ...oneOf('roleRef.apiGroup', roleRef.apiGroup, [RBAC]),
      ...oneOf('roleRef.kind', roleRef.kind, kinds),
      ...(roleRef.name === '' ? [required('roleRef.name')] : []),
      ...subjects.flatMap((subject, index) => validateSubject(subject, `subjects[${index}]`, model === 'V1ClusterRoleBinding')),
    ];
  },
  validateUpdate: (object, old) => (immutableField('roleRef', object['roleRef'], old['roleRef']).length === 0 ? [] : [invalid('roleRef', object['roleRef'], IMMUTABLE)]),
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
  updatesNeedVersion: true,
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
      errors.push(...validateShare(value, `spec.${field}`));
      if (isOverAll(value)) errors.push(invalid(`spec.${field}`, value, 'must not be greater than 100%'));
    }
    const { unhealthyPodEvictionPolicy: policy } = (object['spec'] ?? {}) as { unhealthyPodEvictionPolicy?: string };
    return [...errors, ...oneOf('spec.unhealthyPodEvictionPolicy', policy, ['AlwaysAllow', 'IfHealthyBudget'])];
  },
  columns: [
    column('Min Available', (object) => textAt(object, 'spec', 'minAvailable') || 'N/A'),
    column('Max Unavailable', (object) => textAt(object, 'spec', 'maxUnavailable') || 'N/A'),
    integer('Allowed Disruptions', 'status', 'disruptionsAllowed'),
  ],
};

/** The highest that a person may give; those of the system are above. */
const USER_PRIORITY_MAX = 1_000_000_000;
const SYSTEM_CLASSES = ['system-cluster-critical', 'system-node-critical'];

export const priorityClasses: Kind = {
  ...plain,
  info: infoOf('priorityclasses'),
  model: 'V1PriorityClass',
  hasGeneration: true,
  validate: (object) => {
    const value = Number(object['value']);
    const { name } = object.metadata;
    const ofPolicy = oneOf('preemptionPolicy', textAt(object, 'preemptionPolicy'), ['PreemptLowerPriority', 'Never']);
    if (name.startsWith('system-') && !SYSTEM_CLASSES.includes(name)) {
      const why = `priority class names with 'system-' prefix are reserved for system use only. error: ${name} is not a known system priority class`;
      return [forbiddenField('metadata.name', why), ...ofPolicy];
    }
    const isTooHigh = !name.startsWith('system-') && value > USER_PRIORITY_MAX;
    return [...(isTooHigh ? [forbiddenField('value', `maximum allowed value of a user defined priority is ${USER_PRIORITY_MAX}`)] : []), ...ofPolicy];
  },
  resolve: async (draft, _namespace, lookup) => {
    if (draft['globalDefault'] !== true) return;
    const standard = (await lookup.list('priorityclasses')).find((one) => one['globalDefault'] === true && one.metadata.name !== draft.metadata.name);
    if (standard === undefined) return;
    throw forbidden(infoOf('priorityclasses'), draft.metadata.name, `PriorityClass ${standard.metadata.name} is already marked as default. Only one default can exist`);
  },
  columns: [
    integer('Value', 'value'),
    truth('Global-Default', 'globalDefault'),
    age,
    column('PreemptionPolicy', (object) => textAt(object, 'preemptionPolicy')),
  ],
  hasAgeColumn: false,
};

export const runtimeClasses: Kind = {
  ...plain,
  info: infoOf('runtimeclasses'),
  model: 'V1RuntimeClass',
  updatesNeedVersion: true,
  validate: (object) => {
    const handler = textAt(object, 'handler');
    return handler === '' ? [required('handler')] : checked('handler', handler, checkDnsLabel(handler));
  },
  columns: [column('Handler', (object) => textAt(object, 'handler'))],
};

export const horizontalPodAutoscalers: Kind = {
  ...plain,
  info: infoOf('horizontalpodautoscalers'),
  model: 'V2HorizontalPodAutoscaler',
  subresources: ['status'],
  prepareForCreate: (draft) => (draft['status'] = { desiredReplicas: 0 }),
  validate: (object) => {
    const { minReplicas = 1, maxReplicas, scaleTargetRef, metrics = [] } = typed<HorizontalPodAutoscaler>(object).spec!;
    // A replica set may be scaled to nothing where another metric than its own says when to begin anew.
    const errors = minReplicas < 1 ? [invalid('spec.minReplicas', minReplicas, `must be greater than or equal to ${minReplicas < 0 ? 0 : 1}`)] : [];
    if (maxReplicas < minReplicas) errors.push(invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`'));
    for (const field of ['kind', 'name'] as const) if (scaleTargetRef[field] === '') errors.push(required(`spec.scaleTargetRef.${field}`));
    if (!scaleTargetRef.apiVersion) errors.push(invalid('spec.scaleTargetRef.apiVersion', '', 'apiVersion must specify API group'));
    if (maxReplicas === 0) errors.push(required('spec.maxReplicas'));
    return [...errors, ...metrics.flatMap((metric, index) => validateMetric(metric, `spec.metrics[${index}]`))];
  },
  columns: [
    column('Reference', (object) => `${textAt(object, 'spec', 'scaleTargetRef', 'kind')}/${textAt(object, 'spec', 'scaleTargetRef', 'name')}`),
    column('Targets', targetsText),
    column('MinPods', (object) => textAt(object, 'spec', 'minReplicas') || '<unset>'),
    amount('MaxPods', 'spec', 'maxReplicas'),
    amount('Replicas', 'status', 'currentReplicas'),
  ],
};

const METRICS = ['ContainerResource', 'External', 'Object', 'Pods', 'Resource'];

function validateMetric(metric: MetricSpec, at: string): FieldError[] {
  if (!METRICS.includes(metric.type)) return [notSupported(`${at}.type`, metric.type, METRICS)];
  const field = metric.type.slice(0, 1).toLowerCase() + metric.type.slice(1);
  const source = metric[field as keyof MetricSpec];
  if (source === undefined) return [required(`${at}.${field}`, 'must populate information for the given metric source')];
  const { averageUtilization, averageValue } = metric.resource?.target ?? {};
  if (metric.type !== 'Resource' || averageUtilization !== undefined || averageValue !== undefined) return [];
  return [required(`${at}.resource.target.averageUtilization`, 'must set either a target raw value or a target utilization')];
}

function targetsText(object: KubeObject): string {
  const { spec, status } = typed<HorizontalPodAutoscaler>(object);
  const targets = (spec?.metrics ?? []).map((metric, index) => targetText(metric, status?.currentMetrics?.[index]));
  return targets.length === 0 ? '<none>' : targets.slice(0, 2).join(', ') + (targets.length > 2 ? ` + ${targets.length - 2} more...` : '');
}

/** How much there is, and how much there should be: `cpu: 12%/80%`, `3/10 (avg)`. */
function targetText(metric: MetricSpec, status: MetricStatus | undefined): string {
  const of = metric.resource ?? metric.containerResource;
  if (of !== undefined) {
    const { averageUtilization: wanted, averageValue = '' } = of.target;
    const current = (status?.resource ?? status?.containerResource)?.current;
    if (averageValue !== '') return `${of.name}: ${current?.averageValue ?? UNKNOWN}/${averageValue}`;
    const share = current?.averageUtilization;
    return `${of.name}: ${share === undefined ? UNKNOWN : `${share}%`}/${wanted === undefined ? '<auto>' : `${wanted}%`}`;
  }
  if (metric.pods !== undefined) return `${status?.pods?.current.averageValue ?? UNKNOWN}/${metric.pods.target.averageValue ?? ''}`;
  const { value = '', averageValue } = (metric.external ?? metric.object)?.target ?? {};
  const current = (status?.external ?? status?.object)?.current;
  if (averageValue !== undefined) return `${current?.averageValue ?? UNKNOWN}/${averageValue} (avg)`;
  return metric.external === undefined && metric.object === undefined ? '<unknown type>' : `${current?.value ?? UNKNOWN}/${value}`;
}

const UNKNOWN = '<unknown>';

// --- certificates.k8s.io

const USAGES = [
  'any', 'cert sign', 'client auth', 'code signing', 'content commitment', 'crl sign', 'data encipherment', 'decipher only', 'digital signature',
  'email protection', 'encipher only', 'ipsec end system', 'ipsec tunnel', 'ipsec user', 'key agreement', 'key encipherment', 'microsoft sgc',
  'netscape sgc', 'ocsp signing', 's/mime', 'server auth', 'signing', 'timestamping',
];

function isPemRequest(base64: string): boolean {
  return /^\s*-----BEGIN CERTIFICATE REQUEST-----/.test(Buffer.from(base64, 'base64').toString('latin1'));
}

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
    const { request, signerName, usages = [], expirationSeconds } = typed<CertificateSigningRequest>(object).spec;
    const errors: FieldError[] = [];
    if (!isPemRequest(request)) errors.push(invalid('spec.request', request === '' ? null : request, 'PEM block type must be CERTIFICATE REQUEST'));
    if (usages.length === 0) errors.push(required('spec.usages'));
    usages.forEach((usage, index) => errors.push(...oneOf(`spec.usages[${index}]`, usage, USAGES)));
    if (signerName === '') errors.push(required('spec.signerName'));
    else if (!/^[^/]+\/[^/]/.test(signerName)) errors.push(invalid('spec.signerName', signerName, "must be a fully qualified domain and path of the form 'example.com/signer-name'"));
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
