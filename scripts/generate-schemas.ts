/**
 * Writes src/api/core/schema.generated.ts: what fields the served kinds have, read out of the models of
 * @kubernetes/client-node (which are made from Kubernetes' own OpenAPI document). Run by hand when that package changes:
 * `npm run build && node dist/scripts/generate-schemas.js`.
 *
 * A field's type is one word: string, int32, int64, double, boolean, time, microtime, bytes, intOrString, quantity, any,
 * or the name of a model; `[]` before it is a list, `{}` a map; `!` behind it: required.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import * as client from '@kubernetes/client-node';

/** By the group whose name their models carry in the OpenAPI document; a model belongs to the first group that reaches it. */
const ROOTS: Readonly<Record<string, readonly string[]>> = {
  'io.k8s.apimachinery.pkg.apis.meta.v1': ['V1ObjectMeta', 'V1ListMeta', 'V1LabelSelector', 'V1Condition', 'V1DeleteOptions', 'V1Status', 'V1FieldSelectorRequirement'],
  'io.k8s.api.core.v1': [
    'V1Namespace',
    'V1Node',
    'V1Pod',
    'V1PodTemplate',
    'V1ReplicationController',
    'V1Service',
    'V1Endpoints',
    'V1ConfigMap',
    'V1Secret',
    'V1ServiceAccount',
    'V1PersistentVolume',
    'V1PersistentVolumeClaim',
    'V1LimitRange',
    'V1ResourceQuota',
    'V1Binding',
    'CoreV1Event',
    'V1ComponentStatus',
    'V1TopologySelectorTerm',
  ],
  'io.k8s.api.apps.v1': ['V1Deployment', 'V1ReplicaSet', 'V1StatefulSet', 'V1DaemonSet', 'V1ControllerRevision'],
  'io.k8s.api.batch.v1': ['V1Job', 'V1CronJob'],
  'io.k8s.api.autoscaling.v1': ['V1Scale', 'V1HorizontalPodAutoscaler'],
  'io.k8s.api.autoscaling.v2': ['V2HorizontalPodAutoscaler'],
  'io.k8s.api.policy.v1': ['V1PodDisruptionBudget', 'V1Eviction'],
  'io.k8s.api.rbac.v1': ['V1Role', 'V1RoleBinding', 'V1ClusterRole', 'V1ClusterRoleBinding'],
  'io.k8s.api.coordination.v1': ['V1Lease'],
  'io.k8s.api.discovery.v1': ['V1EndpointSlice'],
  'io.k8s.api.events.v1': ['EventsV1Event'],
  'io.k8s.api.scheduling.v1': ['V1PriorityClass'],
  'io.k8s.api.storage.v1': ['V1StorageClass', 'V1CSIDriver', 'V1CSINode', 'V1CSIStorageCapacity', 'V1VolumeAttachment', 'V1VolumeAttributesClass'],
  'io.k8s.api.networking.v1': ['V1Ingress', 'V1IngressClass', 'V1NetworkPolicy', 'V1IPAddress', 'V1ServiceCIDR'],
  'io.k8s.api.node.v1': ['V1RuntimeClass'],
  'io.k8s.api.certificates.v1': ['V1CertificateSigningRequest'],
  'io.k8s.api.authentication.v1': ['AuthenticationV1TokenRequest', 'V1TokenReview', 'V1SelfSubjectReview'],
  'io.k8s.api.authorization.v1': ['V1SelfSubjectAccessReview', 'V1SelfSubjectRulesReview', 'V1SubjectAccessReview', 'V1LocalSubjectAccessReview'],
};

interface WrittenModel {
  readonly fields: Readonly<Record<string, string>>;
  /** Under the empty name that of the model. */
  readonly texts: Readonly<Record<string, string>>;
}

const API_VERSION = 'The group and version of the schema that this object follows.';
const KIND = 'What this object is.';

/** Not of Kubernetes' own document: it is metrics-server that serves them. */
const WRITTEN: Readonly<Record<string, WrittenModel>> = {
  V1beta1ContainerMetrics: {
    fields: { name: 'string!', usage: '{}quantity!' },
    texts: { '': 'What a container uses.', name: 'The name of the container, as its pod has it.', usage: 'How much it uses: of cpu on the average of the window, of memory at its end.' },
  },
  V1beta1NodeMetrics: {
    fields: { apiVersion: 'string', kind: 'string', metadata: 'V1ObjectMeta', timestamp: 'time!', usage: '{}quantity!', window: 'string!' },
    texts: {
      '': 'What a node uses: its containers together and what runs them.',
      apiVersion: API_VERSION,
      kind: KIND,
      timestamp: 'When the window ended.',
      usage: 'How much it uses: of cpu on the average of the window, of memory at its end.',
      window: 'How long was measured.',
    },
  },
  V1beta1PodMetrics: {
    fields: { apiVersion: 'string', containers: '[]V1beta1ContainerMetrics!', kind: 'string', metadata: 'V1ObjectMeta', timestamp: 'time!', window: 'string!' },
    texts: {
      '': 'What the containers of a pod use.',
      apiVersion: API_VERSION,
      containers: 'Those that run, each by itself.',
      kind: KIND,
      timestamp: 'When the window ended.',
      window: 'How long was measured.',
    },
  },
};
const WRITTEN_HOME = 'io.k8s.metrics.pkg.apis.metrics.v1beta1';

/** The document calls these plain strings. */
const QUANTITY_FIELDS: Readonly<Record<string, readonly string[]>> = {
  V1ResourceRequirements: ['limits', 'requests'],
  V1VolumeResourceRequirements: ['limits', 'requests'],
  V1NodeStatus: ['capacity', 'allocatable'],
  V1PodSpec: ['overhead'],
  V1ContainerStatus: ['allocatedResources'],
  V1EmptyDirVolumeSource: ['sizeLimit'],
  V1ResourceFieldSelector: ['divisor'],
  V1PersistentVolumeSpec: ['capacity'],
  V1PersistentVolumeClaimStatus: ['capacity', 'allocatedResources'],
  V1LimitRangeItem: ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'],
  V1ResourceQuotaSpec: ['hard'],
  V1ResourceQuotaStatus: ['hard', 'used'],
  V1Overhead: ['podFixed'],
  V1CSIStorageCapacity: ['capacity', 'maximumVolumeSize'],
  V2HPAScalingRules: ['tolerance'],
  V2MetricTarget: ['averageValue', 'value'],
  V2MetricValueStatus: ['averageValue', 'value'],
};

/** Not in the document, though the server reads them so. */
const SPECIAL: Readonly<Record<string, string>> = { IntOrString: 'intOrString', V1MicroTime: 'microtime', Date: 'time', any: 'any', object: 'any' };

interface Attribute {
  readonly name: string;
  readonly baseName: string;
  readonly type: string;
  readonly format: string;
}

const models: Readonly<Record<string, unknown>> = client;
const folder = join(dirname(createRequire(import.meta.url).resolve('@kubernetes/client-node')), 'gen/models');

function attributesOf(model: string): readonly Attribute[] {
  const found = models[model];
  if (typeof found !== 'function' || !('attributeTypeMap' in found)) throw new Error(`no model ${model}`);
  return found.attributeTypeMap as readonly Attribute[]; // what the package's generator writes
}

function requiredOf(model: string): ReadonlySet<string> {
  const text = readFileSync(join(folder, `${model}.d.ts`), 'utf8');
  return new Set([...text.matchAll(/^\s+'(\w+)': /gm)].map(([, name]) => name!));
}

function typeOf(model: string, { baseName, type, format }: Attribute, reach: (name: string) => void): string {
  const list = /^(?:Array|Set)<(.+)>$/.exec(type);
  if (list !== null) return `[]${typeOf(model, { name: '', baseName, type: list[1]!, format }, reach)}`;
  const map = /^\{ \[key: string\]: (.+); \}$/.exec(type);
  if (map !== null) return `{}${typeOf(model, { name: '', baseName, type: map[1]!, format }, reach)}`;
  if (QUANTITY_FIELDS[model]?.includes(baseName)) return 'quantity';
  const special = SPECIAL[type];
  if (special !== undefined) return special;
  if (type === 'string') return format === 'byte' ? 'bytes' : format === 'date-time' ? 'time' : 'string';
  if (type === 'number') return format === 'int32' || format === 'int64' ? format : 'double';
  if (type === 'boolean') return 'boolean';
  reach(type);
  return type;
}

/** What the models' authors say of the fields, and of the models. */
function descriptionsOf(model: string): Record<string, string> {
  const text = readFileSync(join(folder, `${model}.d.ts`), 'utf8');
  const descriptions: Record<string, string> = {};
  const words = (comment: string) => comment.replace(/^\s*\* ?/gm, '').replaceAll(/\\(['"])/g, '$1').trim();
  const whole = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*export declare class/.exec(text)?.[1];
  if (whole !== undefined) descriptions[''] = words(whole);
  for (const [, comment = '', name = ''] of text.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*'(\w+)'\??:/g)) {
    const { baseName } = attributesOf(model).find((attribute) => attribute.name === name) ?? { baseName: name };
    descriptions[baseName] = words(comment);
  }
  return descriptions;
}

const found = new Map<string, Record<string, string>>();
const homes: Record<string, string> = {};
for (const [home, roots] of Object.entries(ROOTS)) {
  const waiting = [...roots].reverse();
  for (let model = waiting.pop(); model !== undefined; model = waiting.pop()) {
    if (found.has(model)) continue;
    const required = requiredOf(model);
    const fields: Record<string, string> = {};
    found.set(model, fields);
    homes[model] = home;
    const current = model;
    for (const attribute of attributesOf(model)) {
      const type = typeOf(current, attribute, (name) => waiting.push(name));
      fields[attribute.baseName] = required.has(attribute.name) ? `${type}!` : type;
    }
  }
}

for (const [model, { fields }] of Object.entries(WRITTEN)) {
  found.set(model, { ...fields });
  homes[model] = WRITTEN_HOME;
}

const names = [...found.keys()].sort();
const key = (name: string) => (/^[a-zA-Z]\w*$/.test(name) ? name : `'${name}'`);
const header = '// Written by scripts/generate-schemas.ts from the models of @kubernetes/client-node. Do not edit.\n/* prettier-ignore */\n';

const lines = names.map((model) => {
  const fields = Object.entries(found.get(model)!).map(([name, type]) => `${key(name)}: '${type}'`);
  return `  ${model}: { ${fields.join(', ')} },\n`;
});
const type = 'export const MODELS: Readonly<Record<string, Readonly<Record<string, string>>>> = {\n';
writeFileSync('src/api/core/schema.generated.ts', `${header}${type}${lines.join('')}};\n`);

// Apart from the schema: long, and asked for by `kubectl explain` alone.
const texts = names.map((model) => {
  const descriptions = Object.entries(WRITTEN[model]?.texts ?? descriptionsOf(model)).map(([name, text]) => `    ${name === '' ? "''" : key(name)}: ${JSON.stringify(text)},\n`);
  return `  ${model}: {\n${descriptions.join('')}  },\n`;
});
const textType = 'export const DESCRIPTIONS: Readonly<Record<string, Readonly<Record<string, string>>>> = {\n';
const homeType = '/** The package that a model has its name in, in the OpenAPI document. */\nexport const HOMES: Readonly<Record<string, string>> = {\n';
const homeLines = names.map((model) => `  ${model}: '${homes[model]}',\n`);
writeFileSync('src/api/core/descriptions.generated.ts', `${header}${textType}${texts.join('')}};\n\n${homeType}${homeLines.join('')}};\n`);
console.log(`${found.size} models`);
