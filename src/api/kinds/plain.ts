/** The kinds with little behaviour of their own: namespaces, nodes, configuration, accounts, events and leases. */
import type { ConfigMap, Event, Namespace, Node, Secret, Taint } from 'kubernetes-types/core/v1.js';
import { type FieldError, duplicate, forbiddenField, invalid, required, tooLong } from '../../kube/errors.ts';
import { checkCidr, checkConfigKey, checkDnsLabel, checkDnsSubdomain, checkLabelValue, checkPathSegment, checkQualifiedName } from '../../kube/names.ts';
import { typed, type KubeObject } from '../../kube/types.ts';
import { formatAge } from '../../kube/age.ts';
import { checked, immutableField, oneOf } from '../core/validate.ts';
import { infoOf } from './info.ts';
import { column, textAt, wide, type Kind } from './kind.ts';

/** As Kubernetes limits the data of one ConfigMap or Secret. */
const DATA_BYTES_MAX = 1024 * 1024;

const plain = { subresources: [], hasGeneration: false, checkName: checkDnsSubdomain, selectableFields: {} } as const;

export const namespaces: Kind = {
  ...plain,
  info: infoOf('namespaces'),
  model: 'V1Namespace',
  subresources: ['status', 'finalize'],
  checkName: checkDnsLabel,
  prepareForCreate: (draft) => {
    // The namespace controller takes it away once the namespace is empty.
    typed<Namespace>(draft).spec!.finalizers = ['kubernetes'];
    draft['status'] = { phase: 'Active' };
    labelWithName(draft);
  },
  prepareForUpdate: (draft, old) => {
    draft['spec'] = old['spec'];
    labelWithName(draft);
  },
  selectableFields: { 'status.phase': (object) => textAt(object, 'status', 'phase') },
  columns: [column('Status', (object) => textAt(object, 'status', 'phase'))],
};

function labelWithName(draft: KubeObject): void {
  draft.metadata.labels = { ...draft.metadata.labels, 'kubernetes.io/metadata.name': draft.metadata.name };
}

export const nodes: Kind = {
  ...plain,
  info: infoOf('nodes'),
  model: 'V1Node',
  subresources: ['status'],
  validate: (object) => {
    const { taints = [], podCIDR, podCIDRs = podCIDR === undefined ? [] : [podCIDR] } = typed<Node>(object).spec ?? {};
    return [
      ...taints.flatMap((taint, index) => validateTaint(taint, `metadata.taints[${index}]`)),
      ...taints.flatMap(({ key, effect }, index): FieldError[] => {
        const isTwice = taints.slice(0, index).some((other) => other.key === key && other.effect === effect);
        if (!isTwice) return [];
        const { message, ...error } = duplicate(`metadata.taints[${index}]`, taints[index]);
        return [{ ...error, message: `${message}: taints must be unique by key and effect pair` }];
      }),
      ...podCIDRs.flatMap((range, index) => checked(`spec.podCIDRs[${index}]`, range, checkCidr(range))),
    ];
  },
  selectableFields: { 'spec.unschedulable': (object) => textAt(object, 'spec', 'unschedulable') || 'false' },
  columns: [
    column('Status', (object) => {
      const { spec, status } = typed<Node>(object);
      const ready = status?.conditions?.find(({ type }) => type === 'Ready');
      const word = ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady';
      return spec?.unschedulable === true ? `${word},SchedulingDisabled` : word;
    }),
    column('Roles', (object) => {
      const prefix = 'node-role.kubernetes.io/';
      const roles = Object.keys(object.metadata.labels ?? {}).filter((key) => key.startsWith(prefix));
      return roles.map((key) => key.slice(prefix.length)).sort().join(',') || '<none>';
    }),
    column('Age', (object, wallMs) => formatAge(object.metadata.creationTimestamp, wallMs)),
    column('Version', (object) => textAt(object, 'status', 'nodeInfo', 'kubeletVersion')),
    wide('Internal-IP', (object) => addressOf(object, 'InternalIP')),
    wide('External-IP', (object) => addressOf(object, 'ExternalIP')),
    wide('OS-Image', (object) => textAt(object, 'status', 'nodeInfo', 'osImage') || '<unknown>'),
    wide('Kernel-Version', (object) => textAt(object, 'status', 'nodeInfo', 'kernelVersion') || '<unknown>'),
    wide('Container-Runtime', (object) => textAt(object, 'status', 'nodeInfo', 'containerRuntimeVersion') || '<unknown>'),
  ],
  hasAgeColumn: false,
};

const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

/** The path is Kubernetes': it looks for taints where they once were. */
function validateTaint({ key, value = '', effect }: Taint, path: string): FieldError[] {
  return [
    ...checked(`${path}.key`, key, checkQualifiedName(key)),
    ...checked(`${path}.value`, value, checkLabelValue(value)),
    ...(effect === '' ? [required(`${path}.effect`)] : oneOf(`${path}.effect`, effect, EFFECTS)),
  ];
}

function addressOf(object: KubeObject, type: string): string {
  return typed<Node>(object).status?.addresses?.find((address) => address.type === type)?.address ?? '<none>';
}

function validateData(object: KubeObject, fields: readonly string[]): FieldError[] {
  const errors: FieldError[] = [];
  let bytes = 0;
  for (const [at, field] of fields.entries()) {
    const others = fields.filter((_other, index) => index > at);
    for (const [key, value] of Object.entries((object[field] ?? {}) as Record<string, string>)) {
      errors.push(...checked(`${field}[${key}]`, key, checkConfigKey(key)));
      const other = others.find((name) => Object.hasOwn((object[name] ?? {}) as object, key));
      if (other !== undefined) errors.push(invalid(`${field}[${key}]`, key, `duplicate of key present in ${other}`));
      bytes += value.length;
    }
  }
  if (bytes > DATA_BYTES_MAX) errors.push(tooLong(fields[0]!, DATA_BYTES_MAX));
  return errors;
}

function keepsImmutableData(object: KubeObject, old: KubeObject, fields: readonly string[]): FieldError[] {
  if (old['immutable'] !== true) return [];
  const errors: FieldError[] = [];
  if (object['immutable'] !== true) errors.push(forbiddenField('immutable', 'field is immutable when `immutable` is set'));
  for (const field of fields) {
    if (immutableField(field, object[field], old[field]).length > 0) {
      errors.push(forbiddenField(field, 'field is immutable when `immutable` is set'));
    }
  }
  return errors;
}

const sizeOf = (...maps: (object | undefined)[]) => maps.reduce((sum, map) => sum + Object.keys(map ?? {}).length, 0);

export const configMaps: Kind = {
  ...plain,
  info: infoOf('configmaps'),
  model: 'V1ConfigMap',
  validate: (object) => validateData(object, ['data', 'binaryData']),
  validateUpdate: (object, old) => keepsImmutableData(object, old, ['data', 'binaryData']),
  columns: [column('Data', (object) => sizeOf(typed<ConfigMap>(object).data, typed<ConfigMap>(object).binaryData))],
};

export const secrets: Kind = {
  ...plain,
  info: infoOf('secrets'),
  model: 'V1Secret',
  prepareForCreate: mergeStringData,
  prepareForUpdate: mergeStringData,
  validate: (object) => [...validateData(object, ['data']), ...validateSecretType(object)],
  validateUpdate: (object, old) => [
    ...immutableField('type', object['type'], old['type']),
    ...keepsImmutableData(object, old, ['data']),
  ],
  selectableFields: { type: (object) => textAt(object, 'type') },
  columns: [
    column('Type', (object) => textAt(object, 'type')),
    column('Data', (object) => sizeOf(typed<Secret>(object).data)),
  ],
};

const ACCOUNT_NAME = 'kubernetes.io/service-account.name';
/** What secrets of a type must hold. */
const SECRET_KEYS: Readonly<Record<string, readonly string[]>> = {
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/dockercfg': ['.dockercfg'],
};

function validateSecretType(object: KubeObject): FieldError[] {
  const { type = '', data = {} } = typed<Secret>(object);
  const errors = (SECRET_KEYS[type] ?? []).filter((key) => data[key] === undefined).map((key) => required(`data[${key}]`));
  if (type === 'kubernetes.io/service-account-token' && !object.metadata.annotations?.[ACCOUNT_NAME]) {
    errors.push(required(`metadata.annotations[${ACCOUNT_NAME}]`));
  }
  const [user, password] = [data['username'], data['password']];
  if (type === 'kubernetes.io/basic-auth' && user === undefined && password === undefined) errors.push(required('data[username]'), required('data[password]'));
  if (type.startsWith('kubernetes.io/dockerc')) {
    const key = SECRET_KEYS[type]?.[0] ?? '';
    const problem = data[key] === undefined ? undefined : jsonProblem(Buffer.from(data[key], 'base64').toString());
    if (problem !== undefined) errors.push(invalid(`data[${key}]`, '<secret contents redacted>', problem));
  }
  return errors;
}

function jsonProblem(text: string): string | undefined {
  try {
    JSON.parse(text);
    return undefined;
  } catch {
    // Never the parser's own words: they quote the secret.
    return 'is not JSON';
  }
}

/** `stringData` is only ever written: it ends in `data`. */
function mergeStringData(draft: KubeObject): void {
  const secret = typed<Secret>(draft);
  if (secret.stringData === undefined) return;
  const encoded = Object.entries(secret.stringData).map(([key, value]) => [key, Buffer.from(value, 'utf8').toString('base64')]);
  secret.data = { ...secret.data, ...(Object.fromEntries(encoded) as Record<string, string>) };
  delete secret.stringData;
}

export const serviceAccounts: Kind = {
  ...plain,
  info: infoOf('serviceaccounts'),
  model: 'V1ServiceAccount',
  columns: [column('Secrets', (object) => ((object['secrets'] as unknown[] | undefined) ?? []).length)],
};

const involved = (field: string) => (object: KubeObject) => textAt(object, 'involvedObject', field);

/** Who tells of it, and on what machine or by what name. */
function sourceText(object: KubeObject): string {
  const component = textAt(object, 'source', 'component') || textAt(object, 'reportingComponent');
  const instance = textAt(object, 'source', 'host') || textAt(object, 'reportingInstance');
  return instance === '' ? component : `${component}, ${instance}`;
}

export const events: Kind = {
  ...plain,
  info: infoOf('events'),
  model: 'CoreV1Event',
  // It begins with the name of what it is about, which may be a role's.
  checkName: checkPathSegment,
  validate: (object) => {
    const namespace = involved('namespace')(object);
    const { namespace: own } = object.metadata;
    // What is cluster scoped is reported in `default`.
    if (namespace === own || (namespace === '' && (own === 'default' || own === ''))) return [];
    return [invalid('involvedObject.namespace', namespace, 'does not match event.namespace')];
  },
  selectableFields: {
    ...Object.fromEntries(
      ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'].map((field) => [
        `involvedObject.${field}`,
        involved(field),
      ]),
    ),
    reason: (object) => textAt(object, 'reason'),
    reportingComponent: (object) => textAt(object, 'reportingComponent'),
    source: (object) => textAt(object, 'source', 'component') || textAt(object, 'reportingComponent'),
    type: (object) => textAt(object, 'type'),
  },
  columns: [
    column('Last Seen', (object, wallMs) => {
      const event = typed<Event>(object);
      return formatAge(event.series?.lastObservedTime ?? event.lastTimestamp ?? event.eventTime ?? event.firstTimestamp, wallMs);
    }),
    column('Type', (object) => textAt(object, 'type')),
    column('Reason', (object) => textAt(object, 'reason')),
    column('Object', (object) => `${involved('kind')(object).toLowerCase()}/${involved('name')(object)}`),
    wide('Subobject', involved('fieldPath')),
    wide('Source', sourceText),
    column('Message', (object) => textAt(object, 'message').trim()),
    wide('First Seen', (object, wallMs) => formatAge(typed<Event>(object).firstTimestamp ?? typed<Event>(object).eventTime, wallMs)),
    wide('Count', (object) => typed<Event>(object).series?.count ?? typed<Event>(object).count ?? 1),
    wide('Name', (object) => object.metadata.name),
  ],
  hasAgeColumn: false,
};

export const leases: Kind = {
  ...plain,
  info: infoOf('leases'),
  model: 'V1Lease',
  updatesNeedVersion: true,
  validate: (object) => {
    const spec = (object['spec'] ?? {}) as { leaseDurationSeconds?: number; leaseTransitions?: number };
    const errors: FieldError[] = [];
    if (spec.leaseDurationSeconds !== undefined && spec.leaseDurationSeconds <= 0) {
      errors.push(invalid('spec.leaseDurationSeconds', spec.leaseDurationSeconds, 'must be greater than 0'));
    }
    if (spec.leaseTransitions !== undefined && spec.leaseTransitions < 0) {
      errors.push(invalid('spec.leaseTransitions', spec.leaseTransitions, 'must be greater than or equal to 0'));
    }
    return errors;
  },
  columns: [column('Holder', (object) => textAt(object, 'spec', 'holderIdentity'))],
};
