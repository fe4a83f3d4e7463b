/**
 * One structural walker over the generated models: it refuses wrong types, drops or reports unknown fields, fills in
 * defaults and finds what is missing. It knows fields and types; what values may mean is the kinds' business.
 */
import { cloneJson, isRecord, setField } from '../../kube/types.ts';
import { type FieldError, required } from '../../kube/errors.ts';
import { QUANTITY_MESSAGE, storedQuantity } from '../../kube/quantity.ts';
import { DEFAULTS } from './defaults.ts';
import { MODELS } from './schema.generated.ts';

export type Fields = Record<string, unknown>;

interface FieldType {
  readonly container: 'one' | 'list' | 'map';
  readonly base: string;
  readonly isRequired: boolean;
  /** It, or each of its items, is a record that has a model. */
  readonly hasModel: boolean;
  /** Of its items, where it has any. */
  readonly element?: FieldType;
}

export interface Decoded {
  readonly value: Fields;
  /** Paths of fields that the model does not have; they are not in `value`. */
  readonly unknown: readonly string[];
  /** What the values are not, in the words of Go's decoder. */
  readonly wrong: readonly string[];
}

interface Model {
  readonly fields: ReadonlyMap<string, FieldType>;
  /** Those that are required, or hold what may lack something: models are wide, and objects are not. */
  readonly checked: readonly (readonly [name: string, type: FieldType])[];
  /** Those that must be there, with their bases. */
  readonly required: readonly (readonly [name: string, base: string])[];
  /** Those that are never absent: each with the type of what it has from the beginning. */
  readonly filled: readonly (readonly [name: string, zero: string])[];
}

const models: ReadonlyMap<string, Model> = new Map(Object.entries(MODELS).map(([name, fields]): [string, Model] => [name, modelOf(fields)]));

function modelOf(texts: Readonly<Record<string, string>>): Model {
  const fields = new Map(Object.entries(texts).map(([name, text]) => [name, parseType(text)]));
  return {
    fields,
    checked: [...fields].filter(([, { isRequired, hasModel }]) => isRequired || hasModel),
    required: [...fields].filter(([, { isRequired }]) => isRequired).map(([name, { base }]) => [name, base]),
    // Every `spec` is a part of its object in Go, not a pointer to one.
    filled: [...fields].filter(([name, { isRequired }]) => isRequired || name === 'spec').map(([name, { base, container }]) => [name, container === 'one' ? base : container]),
  };
}

function parseType(text: string): FieldType {
  const isRequired = text.endsWith('!');
  const bare = isRequired ? text.slice(0, -1) : text;
  // The one list of lists in the models is not reachable from a kind that is served; a map of lists is Kubernetes' `any`.
  const container = bare.startsWith('[]') ? 'list' : bare.startsWith('{}') ? 'map' : 'one';
  const base = container === 'one' ? bare : nested(bare.slice(2));
  const one: FieldType = { container: 'one', base, isRequired, hasModel: Object.hasOwn(MODELS, base) };
  return container === 'one' ? one : { ...one, container, element: one };
}

function nested(base: string): string {
  return base.startsWith('[]') || base.startsWith('{}') ? 'any' : base;
}

export function modelFields(model: string): ReadonlyMap<string, FieldType> | undefined {
  return models.get(model)?.fields;
}

/** The model of what a field holds (of its items, if it is a list or a map); undefined for scalars. */
export function modelOfField(model: string, field: string): string | undefined {
  const base = models.get(model)?.fields.get(field)?.base;
  return base !== undefined && models.has(base) ? base : undefined;
}

/** A pruned copy, with nulls left out. */
export function decode(model: string, input: Fields): Decoded {
  const walk: Walk = { unknown: [], wrong: [], path: [], fields: [], owner: model };
  const value = decodeModel(walk, model, input);
  return { value, unknown: walk.unknown, wrong: walk.wrong };
}

/** Where the walk is, of which a text is made only where there is something to say. */
interface Walk {
  readonly unknown: string[];
  readonly wrong: string[];
  /** Fields and keys by name, items by number. */
  readonly path: (string | number)[];
  /** The path without items and keys: Go's decoder knows fields alone. */
  readonly fields: string[];
  /** The model whose field it is. */
  owner: string;
}

function decodeModel(walk: Walk, model: string, input: Fields): Fields {
  const { fields } = models.get(model)!;
  const { owner } = walk;
  const output: Fields = {};
  for (const name of Object.keys(input)) {
    const value = input[name];
    const type = fields.get(name);
    walk.path.push(name);
    if (type === undefined) walk.unknown.push(pathText(walk));
    else if (value !== null && value !== undefined) {
      walk.owner = model;
      walk.fields.push(name);
      const decoded = decodeField(walk, type, value);
      if (decoded !== undefined) output[name] = decoded;
      walk.fields.pop();
    }
    walk.path.pop();
  }
  walk.owner = owner;
  return output;
}

function pathText({ path }: Walk): string {
  return path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${part}`)).join('').slice(1);
}

function decodeField(walk: Walk, type: FieldType, value: unknown): unknown {
  switch (type.container) {
    case 'one':
      return decodeOne(walk, type, value);
    case 'list': {
      if (!Array.isArray(value)) return refuse(walk, type, value);
      const items: unknown[] = [];
      for (let index = 0; index < value.length; index++) {
        const decoded = decodeElement(walk, type, index, value[index]);
        if (decoded !== undefined) items.push(decoded);
      }
      return items;
    }
    case 'map': {
      if (!isRecord(value)) return refuse(walk, type, value);
      const output: Fields = {};
      for (const key of Object.keys(value)) {
        const decoded = decodeElement(walk, type, key, value[key]);
        if (decoded !== undefined) setField(output, key, decoded);
      }
      return output;
    }
  }
}

function decodeElement(walk: Walk, type: FieldType, at: string | number, value: unknown): unknown {
  walk.path.push(at);
  const decoded = decodeOne(walk, type.element ?? type, value);
  walk.path.pop();
  return decoded;
}

function decodeOne(walk: Walk, type: FieldType, value: unknown): unknown {
  const { base } = type;
  if (type.hasModel) {
    // Nothing, in a list of objects, is one without fields.
    if (value === null) return {};
    if (!isRecord(value)) return refuse(walk, type, value);
    return decodeModel(walk, base, value);
  }
  switch (base) {
    case 'string':
    case 'bytes':
    case 'time':
    case 'microtime':
      if (typeof value !== 'string') return refuse(walk, type, value);
      return decodeText(walk, type, value);
    case 'int32':
    case 'int64':
    case 'double':
      return isNumberOf(base, value) ? value : refuse(walk, type, value);
    case 'boolean':
      return typeof value === 'boolean' ? value : refuse(walk, type, value);
    case 'intOrString':
      return typeof value === 'string' || isNumberOf('int32', value) ? value : refuse(walk, type, value);
    case 'quantity':
      return decodeQuantity(walk, type, value);
    default:
      return cloneJson(value);
  }
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;

function decodeText(walk: Walk, type: FieldType, value: string): string | undefined {
  if (type.base === 'bytes') {
    const text = value.replace(/[\r\n]/g, '');
    if (BASE64.test(text)) return text;
    walk.wrong.push(`illegal base64 data at input byte ${Math.max(text.search(/[^A-Za-z0-9+/]/), 0)}`);
    return undefined;
  }
  if ((type.base === 'time' || type.base === 'microtime') && (!TIME.test(value) || Number.isNaN(Date.parse(value)))) {
    const layout = type.base === 'time' ? '2006-01-02T15:04:05Z07:00' : '2006-01-02T15:04:05.000000Z07:00';
    walk.wrong.push(`parsing time ${JSON.stringify(value)} as ${JSON.stringify(layout)}: cannot parse ${JSON.stringify(value)} as "2006"`);
    return undefined;
  }
  return value;
}

function decodeQuantity(walk: Walk, type: FieldType, value: unknown): string | undefined {
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string') return refuse(walk, type, value);
  const stored = storedQuantity(text);
  if (stored === undefined) walk.wrong.push(QUANTITY_MESSAGE);
  return stored;
}

function isNumberOf(base: string, value: unknown): boolean {
  if (typeof value !== 'number') return false;
  if (base === 'double') return Number.isFinite(value);
  if (base === 'int64') return Number.isSafeInteger(value);
  return Number.isInteger(value) && value >= -(2 ** 31) && value < 2 ** 31;
}

function refuse(walk: Walk, type: FieldType, value: unknown): undefined {
  const struct = walk.owner.replace(/^(Core|Discovery|Events)?V1/, '');
  walk.wrong.push(`json: cannot unmarshal ${jsonType(value)} into Go struct field ${struct}.${walk.fields.join('.')} of type ${goType(type)}`);
  return undefined;
}

function jsonType(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isSafeInteger(value) && Math.abs(value) < 2 ** 31 ? 'number' : `number ${value}`;
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

function goType({ container, base }: FieldType): string {
  const names: Readonly<Record<string, string>> = { boolean: 'bool', double: 'float64', bytes: '[]uint8', intOrString: 'intstr.IntOrString' };
  const name = names[base] ?? base.replace(/^(Core|Discovery|Events)?V1/, 'v1.');
  return container === 'list' ? `[]${name}` : container === 'map' ? `map[string]${name}` : name;
}

/** Takes out, in place, lists and maps without entries that need not be there: Kubernetes' storage does not keep them. */
export function dropEmpty(model: string, value: Fields): void {
  const { fields } = models.get(model)!;
  for (const name of Object.keys(value)) {
    const [field, type] = [value[name], fields.get(name)];
    if (typeof field !== 'object' || field === null || type === undefined) continue;
    const { base, container, isRequired, hasModel } = type;
    if (container === 'one') {
      if (hasModel) dropEmpty(base, field as Fields); // decoded: a model's field is a record
      continue;
    }
    if (hasModel) for (const item of Object.values(field as Fields)) dropEmpty(base, item as Fields);
    if (!isRequired && Object.keys(field).length === 0) delete value[name];
  }
}

/**
 * Fills in, in place, what Kubernetes' API server fills in, outer fields before inner ones. What must be there and is not
 * is then what Go's types have from the beginning, so that no kind finds a hole where it expects a value: an empty
 * object, an empty list, no text. Whether that will do is for validation to say.
 */
export function applyDefaults(model: string, value: Fields): void {
  const { fields, filled } = models.get(model)!;
  for (const [name, zero] of filled) if (value[name] === undefined) fillZero(value, name, zero);
  DEFAULTS[model]?.(value);
  for (const name of Object.keys(value)) {
    const [field, type] = [value[name], fields.get(name)];
    if (field === undefined || type?.hasModel !== true) continue;
    const { base, container } = type;
    if (container === 'one') applyDefaults(base, field as Fields); // decoded: a model's field is a record
    else for (const item of Object.values(field as Fields)) applyDefaults(base, item as Fields);
  }
}

const ZEROS: Readonly<Record<string, unknown>> = { string: '', bytes: '', int32: 0, int64: 0, double: 0, intOrString: 0, boolean: false, list: [], map: {} };
/** In Go pointers: one that is not there selects nothing, an empty one everything. */
const POINTERS: ReadonlySet<string> = new Set(['V1LabelSelector', 'V1ParentReference']);

function fillZero(value: Fields, name: string, base: string): void {
  if (Object.hasOwn(ZEROS, base)) value[name] = cloneJson(ZEROS[base]);
  else if (models.has(base) && !POINTERS.has(base)) value[name] = {};
}

/** Texts that must be there for the schema, and that Kubernetes lets be empty, or a selector that it lets be absent. */
const MAY_BE_EMPTY: ReadonlySet<string> = new Set([
  'V1HTTPHeader.value', 'V1Sysctl.value', 'V1DaemonSetSpec.selector', 'V1LabelSelectorRequirement.operator',
  // Kubernetes speaks of them under another path.
  'V1Taint.key', 'V1Taint.effect',
]);

/** Texts and selectors that must be there and are not. In a status, which parts of the cluster write, nothing must be. */
export function missingFields(model: string, value: Fields): FieldError[] {
  return isComplete(model, value, true) ? [] : missingIn(model, value, '');
}

/** Whether {@link missingIn} has nothing to say, which goes by what is there: models are wide, and objects are not. */
function isComplete(model: string, value: Fields, isOutermost: boolean): boolean {
  const { fields, required } = models.get(model)!;
  for (const [name, base] of required) {
    const field = value[name];
    if ((field === '' || (field === undefined && POINTERS.has(base))) && !MAY_BE_EMPTY.has(`${model}.${name}`)) return false;
  }
  for (const name of Object.keys(value)) {
    const [field, type] = [value[name], fields.get(name)];
    if (field === undefined || type?.hasModel !== true || (isOutermost && name === 'status')) continue;
    if (type.container === 'one') {
      if (!isComplete(type.base, field as Fields, false)) return false; // decoded: a model's field is a record
    } else for (const item of Object.values(field as Fields)) if (!isComplete(type.base, item as Fields, false)) return false;
  }
  return true;
}

function missingIn(model: string, value: Fields, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [name, { base, container, isRequired, hasModel }] of models.get(model)!.checked) {
    const field = value[name];
    if ((field === undefined && !isRequired) || (path === '' && name === 'status')) continue;
    const at = path === '' ? name : `${path}.${name}`;
    const isMissing = field === '' || (field === undefined && POINTERS.has(base));
    if (isMissing && isRequired && !MAY_BE_EMPTY.has(`${model}.${name}`)) errors.push(required(at));
    else if (field !== undefined && hasModel) {
      if (container === 'one') errors.push(...missingIn(base, field as Fields, at));
      else {
        for (const [key, item] of Object.entries(field as Fields)) {
          errors.push(...missingIn(base, item as Fields, container === 'list' ? `${at}[${key}]` : `${at}.${key}`));
        }
      }
    }
  }
  return errors;
}
