/**
 * Writes src/api/protobuf.generated.ts: under which numbers the fields of Kubernetes' kinds travel in protobuf, read out
 * of the Go modules k8s.io/api and k8s.io/apimachinery (`generated.proto` has the numbers, the tags in `types.go` say
 * what a field is called in JSON, which are part of their parent there, and which can be told from absent). Run by hand
 * when a newer Kubernetes is to be spoken:
 * `npm run build && node dist/scripts/generate-protobuf.js <folder of k8s.io/api> <folder of k8s.io/apimachinery>`.
 *
 * A field is `number name type`: string, bool, int, double, bytes, time, microtime, quantity, intOrString, json, or the
 * name of a message; `[]` before it is a list, `{}` a map; `?` behind it: it is told from absent. A name of `.` means that
 * the fields of the message are those of its parent.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const GROUPS = [
  'core/v1', 'apps/v1', 'batch/v1', 'autoscaling/v1', 'autoscaling/v2', 'policy/v1', 'rbac/v1', 'coordination/v1', 'discovery/v1', 'events/v1',
  'scheduling/v1', 'storage/v1', 'networking/v1', 'node/v1', 'certificates/v1', 'authentication/v1', 'authorization/v1',
];

/** By their full names: what JSON has no object for. */
const SPECIAL: Readonly<Record<string, string>> = {
  'meta.v1.Time': 'time',
  'meta.v1.MicroTime': 'microtime',
  'meta.v1.FieldsV1': 'json',
  'runtime.RawExtension': 'json',
  'resource.Quantity': 'quantity',
  'intstr.IntOrString': 'intOrString',
};

const SCALARS: Readonly<Record<string, string>> = { string: 'string', bool: 'bool', int32: 'int', int64: 'int', uint32: 'int', uint64: 'int', double: 'double', bytes: 'bytes' };

interface GoField {
  readonly json: string;
  readonly isInline: boolean;
  readonly isPointer: boolean;
}

interface Source {
  readonly proto: string;
  readonly types: string;
}

const shortName = (name: string) => name.replace(/^\./, '').replace(/^k8s\.io\.api\./, '').replace(/^k8s\.io\.apimachinery\.pkg\.(?:apis|api|util)\./, '').replace(/^k8s\.io\.apimachinery\.pkg\./, '');

function sources(api: string, machinery: string): readonly Source[] {
  const folders = [...GROUPS.map((group) => join(api, group)), join(machinery, 'pkg/apis/meta/v1'), join(machinery, 'pkg/runtime')];
  return folders.map((folder) => ({ proto: join(folder, 'generated.proto'), types: join(folder, 'types.go') }));
}

/** By message and number. */
function goFields(path: string): ReadonlyMap<string, GoField> {
  const found = new Map<string, GoField>();
  let struct = '';
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    struct = /^type (\w+) struct/.exec(line)?.[1] ?? struct;
    const [, declared = '', json = '', protobuf = ''] = /^\s+([^`]*)`.*?json:"([^"]*)".*?protobuf:"([^"]*)"/.exec(line) ?? [];
    const [, number] = protobuf.split(',');
    if (number === undefined) continue;
    const [name = '', ...flags] = json.split(',');
    const type = declared.trim().split(/\s+/).at(-1) ?? '';
    found.set(`${struct} ${number}`, { json: name, isInline: flags.includes('inline'), isPointer: type.startsWith('*') });
  }
  return found;
}

function messagesOf({ proto, types }: Source): ReadonlyMap<string, string> {
  const text = readFileSync(proto, 'utf8');
  const packageName = /^package (.*);$/m.exec(text)?.[1] ?? '';
  const fields = goFields(types);
  const messages = new Map<string, string>();
  for (const [, message, body] of text.matchAll(/^message (\w+) \{\n([\s\S]*?)^\}/gm)) {
    const rows = [...body!.matchAll(/^ {2}(?:(optional|repeated|required) )?(map<string, ([^>]+)>|[\w.]+) (\w+) = (\d+);$/gm)];
    const columns = rows.map(([, label, type, value, name, number]) => {
      const go = fields.get(`${message} ${number}`);
      const prefix = label === 'repeated' ? '[]' : value === undefined ? '' : '{}';
      const suffix = go?.isPointer === true && prefix === '' ? '?' : '';
      return `${number} ${go?.isInline === true ? '.' : go?.json || name} ${prefix}${typeOf(value ?? type!, packageName)}${suffix}`;
    });
    messages.set(shortName(`${packageName}.${message}`), columns.join(', '));
  }
  return messages;
}

function typeOf(type: string, packageName: string): string {
  const scalar = SCALARS[type];
  if (scalar !== undefined) return scalar;
  const full = shortName(type.includes('.') ? type : `${packageName}.${type}`);
  return SPECIAL[full] ?? full;
}

/** Objects that may be sent, and what they are made of. */
function reachable(messages: ReadonlyMap<string, string>): readonly string[] {
  const roots = [...messages].filter(([name, fields]) => fields.includes('metadata meta.v1.ObjectMeta') && !name.startsWith('meta.'));
  const seen = new Set<string>();
  const visit = (name: string) => {
    const fields = messages.get(name);
    if (fields === undefined || seen.has(name)) return;
    seen.add(name);
    for (const field of fields.split(', ')) visit(field.split(' ')[2]!.replace(/^(\[\]|\{\})|\?$/g, '').replace(/\?$/, ''));
  };
  for (const name of ['meta.v1.DeleteOptions', ...roots.map(([root]) => root)]) visit(name);
  return [...seen].sort();
}

const [, , api, machinery] = process.argv;
if (api === undefined || machinery === undefined) throw new Error('name the folders of k8s.io/api and k8s.io/apimachinery');
const all = new Map(sources(api, machinery).flatMap((source) => [...messagesOf(source)]));
const lines = reachable(all).map((name) => `  '${name}': '${all.get(name)}',`);
const head = `// Written by scripts/generate-protobuf.ts from the Go modules k8s.io/api and k8s.io/apimachinery. Do not edit.
/* prettier-ignore */
export const MESSAGES: Readonly<Record<string, string>> = {
`;
writeFileSync('src/api/protobuf.generated.ts', `${head}${lines.join('\n')}\n};\n`);
