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

const ROOTS = [
  'V1Namespace',
  'V1Node',
  'V1Pod',
  'V1ReplicaSet',
  'V1Deployment',
  'V1Service',
  'V1Endpoints',
  'V1EndpointSlice',
  'V1ConfigMap',
  'V1Secret',
  'CoreV1Event',
  'V1Lease',
  'V1ServiceAccount',
  'V1Scale',
  'V1Binding',
  'V1Eviction',
];

/** The document calls these plain strings. */
const QUANTITY_FIELDS: Readonly<Record<string, readonly string[]>> = {
  V1ResourceRequirements: ['limits', 'requests'],
  V1VolumeResourceRequirements: ['limits', 'requests'],
  V1NodeStatus: ['capacity', 'allocatable'],
  V1PodSpec: ['overhead'],
  V1ContainerStatus: ['allocatedResources'],
  V1EmptyDirVolumeSource: ['sizeLimit'],
  V1ResourceFieldSelector: ['divisor'],
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

const found = new Map<string, Record<string, string>>();
const waiting = [...ROOTS];
for (let model = waiting.pop(); model !== undefined; model = waiting.pop()) {
  if (found.has(model)) continue;
  const required = requiredOf(model);
  const fields: Record<string, string> = {};
  found.set(model, fields);
  const current = model;
  for (const attribute of attributesOf(model)) {
    const type = typeOf(current, attribute, (name) => waiting.push(name));
    fields[attribute.baseName] = required.has(attribute.name) ? `${type}!` : type;
  }
}

const lines = [...found.keys()].sort().map((model) => {
  const fields = Object.entries(found.get(model)!).map(([name, type]) => `${/^[a-zA-Z]\w*$/.test(name) ? name : `'${name}'`}: '${type}'`);
  return `  ${model}: { ${fields.join(', ')} },\n`;
});
const header =
  '// Written by scripts/generate-schemas.ts from the models of @kubernetes/client-node. Do not edit.\n' +
  '/* prettier-ignore */\n';
const type = 'export const MODELS: Readonly<Record<string, Readonly<Record<string, string>>>> = {\n';
writeFileSync('src/api/core/schema.generated.ts', `${header}${type}${lines.join('')}};\n`);
console.log(`${found.size} models`);
