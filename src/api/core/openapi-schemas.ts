/**
 * The models as OpenAPI v3 schemas, named as Kubernetes' document names them: clients find a kind's schema by its
 * `x-kubernetes-group-version-kind`, and in it what a strategic merge patch needs to know of lists.
 */
import { setField } from '../../kube/types.ts';
import { DEFAULTS } from './defaults.ts';
import { ENUMS } from './enums.ts';
import { MODELS } from './schema.generated.ts';
import { ATOMIC, LISTS } from './topology.ts';

export type Schema = Record<string, unknown>;

/** What the models are called in the document, and what is said of them. Long; kept apart from the schema. */
export interface Vocabulary {
  /** Model → package: `io.k8s.api.core.v1`. */
  readonly homes: Readonly<Record<string, string>>;
  /** Model → field → text; under the empty name the model's own. */
  readonly descriptions: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1';

/** Types that are no models, and yet have names of their own. */
const NAMED_TYPES: Readonly<Record<string, { readonly name: string; readonly schema: Schema }>> = {
  quantity: {
    name: 'io.k8s.apimachinery.pkg.api.resource.Quantity',
    schema: {
      description: 'A fixed-point number with a suffix, such as 100m, 1.5 or 2Gi: decimal (m k M G T P E) or binary (Ki Mi Gi Ti Pi Ei).',
      oneOf: [{ type: 'string' }, { type: 'number' }],
    },
  },
  intOrString: {
    name: 'io.k8s.apimachinery.pkg.util.intstr.IntOrString',
    schema: { description: 'A number or a text; of some fields a percentage.', format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] },
  },
  time: { name: `${META}.Time`, schema: { description: 'A time of RFC 3339, to the second.', type: 'string', format: 'date-time' } },
  microtime: { name: `${META}.MicroTime`, schema: { description: 'A time of RFC 3339, to the microsecond.', type: 'string', format: 'date-time' } },
  fields: { name: `${META}.FieldsV1`, schema: { description: 'A set of fields, as a tree whose branches are their names.', type: 'object' } },
  raw: { name: 'io.k8s.apimachinery.pkg.runtime.RawExtension', schema: { description: 'An object of any kind.', type: 'object' } },
  patch: { name: `${META}.Patch`, schema: { description: 'A patch: what it looks like is told by its content type.', type: 'object' } },
};

/** Fields of any content whose type has a name. */
const NAMED_FIELDS: Readonly<Record<string, string>> = { 'V1ManagedFieldsEntry.fieldsV1': 'fields', 'V1ControllerRevision.data': 'raw' };

const SCALARS: Readonly<Record<string, Schema>> = {
  string: { type: 'string' },
  bytes: { type: 'string', format: 'byte' },
  boolean: { type: 'boolean' },
  int32: { type: 'integer', format: 'int32' },
  int64: { type: 'integer', format: 'int64' },
  double: { type: 'number', format: 'double' },
  any: { type: 'object' },
};

/** What these are filled in with depends on other fields, which a schema cannot say. */
const CONDITIONAL: ReadonlySet<string> = new Set([
  'V1Container.imagePullPolicy', 'V1EphemeralContainer.imagePullPolicy', 'V1JobSpec.backoffLimit', 'V1JobSpec.completions', 'V1JobSpec.podReplacementPolicy', 'RbacV1Subject.apiGroup',
  'V1ServiceSpec.internalTrafficPolicy',
]);

/** Groups of packages are called by the first label of the API group's name, but for one that has a home of its own. */
export function packageOf(group: string, version: string): string {
  if (group === 'metrics.k8s.io') return `io.k8s.metrics.pkg.apis.metrics.${version}`;
  return `io.k8s.api.${group === '' ? 'core' : group.split('.', 1)[0]!}.${version}`;
}

/** `V1Pod`, `CoreV1Event` → `Pod`, `Event`. */
export function bareName(model: string): string {
  return model.replace(/^(?:[A-Z][a-z]+)?V\d+(?:(?:alpha|beta)\d+)?(?=[A-Z])/, '');
}

export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/** Collects the components that a document needs: each that is named brings along those it names. */
export class Components {
  readonly #vocabulary: Vocabulary;
  readonly #schemas = new Map<string, Schema>();
  readonly #models: ReadonlyMap<string, string>;

  constructor(vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary;
    this.#models = new Map(Object.entries(vocabulary.homes).map(([model, home]) => [`${home}.${bareName(model)}`, model]));
  }

  /** In the order of their names. */
  all(): Readonly<Record<string, Schema>> {
    return Object.fromEntries([...this.#schemas].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** undefined: no model describes the kind. */
  modelOf({ group, version, kind }: GroupVersionKind): string | undefined {
    return this.#models.get(`${packageOf(group, version)}.${kind}`);
  }

  /** A reference to the kind's schema, to any object's where no model describes it. */
  kind(gvk: GroupVersionKind): Schema {
    const model = this.modelOf(gvk);
    if (model === undefined) return { type: 'object' };
    const ref = this.#model(model);
    const schema = this.#schemas.get(this.#nameOf(model))!;
    schema['x-kubernetes-group-version-kind'] = [gvk];
    return ref;
  }

  /** A reference to the schema of the kind's lists, which have no model of their own. */
  listOf(gvk: GroupVersionKind): Schema {
    const name = `${packageOf(gvk.group, gvk.version)}.${gvk.kind}List`;
    if (!this.#schemas.has(name)) {
      const { apiVersion, kind } = this.#vocabulary.descriptions['V1Status'] ?? {};
      this.#schemas.set(name, {
        description: `${gvk.kind}List is a list of objects of kind ${gvk.kind}.`,
        type: 'object',
        required: ['items'],
        properties: {
          apiVersion: { description: apiVersion ?? '', type: 'string' },
          items: { description: 'The objects of the list.', type: 'array', items: this.kind(gvk) },
          kind: { description: kind ?? '', type: 'string' },
          metadata: { description: 'Standard list metadata.', default: {}, allOf: [this.meta('V1ListMeta')] },
        },
        'x-kubernetes-group-version-kind': [{ ...gvk, kind: `${gvk.kind}List` }],
      });
    }
    return refTo(name);
  }

  /** Of the models that belong to no group. */
  meta(model: 'V1ListMeta' | 'V1DeleteOptions' | 'V1Status'): Schema {
    return this.#model(model);
  }

  patch(): Schema {
    return this.#named('patch');
  }

  #nameOf(model: string): string {
    return `${this.#vocabulary.homes[model] ?? META}.${bareName(model)}`;
  }

  #model(model: string): Schema {
    const name = this.#nameOf(model);
    if (!this.#schemas.has(name)) {
      const schema: Schema = {};
      // Named before its fields are read: some models hold themselves.
      this.#schemas.set(name, schema);
      Object.assign(schema, this.#schemaOf(model));
    }
    return refTo(name);
  }

  #named(type: string): Schema {
    const { name, schema } = NAMED_TYPES[type]!;
    this.#schemas.set(name, schema);
    return refTo(name);
  }

  #schemaOf(model: string): Schema {
    const fields = Object.entries(MODELS[model]!).sort(([a], [b]) => (a < b ? -1 : 1));
    const texts = this.#vocabulary.descriptions[model] ?? {};
    const defaults = defaultsOf(model);
    const properties: Schema = {};
    for (const [field, type] of fields) {
      setField(properties, field, this.#property(model, field, { type: type.replace(/!$/, ''), description: texts[field] ?? this.#textOf(type), fallback: defaults[field] }));
    }
    const required = fields.filter(([, type]) => type.endsWith('!')).map(([field]) => field);
    return {
      ...(texts[''] === undefined ? {} : { description: texts[''] }),
      type: 'object',
      ...(required.length === 0 ? {} : { required }),
      properties,
      ...(ATOMIC.has(model) ? { 'x-kubernetes-map-type': 'atomic' } : {}),
    };
  }

  /** Of a field of which nothing is said: what its type is. */
  #textOf(type: string): string | undefined {
    return this.#vocabulary.descriptions[type.replace(/!$/, '')]?.[''];
  }

  #property(model: string, field: string, { type, description, fallback }: { readonly type: string; readonly description: string | undefined; readonly fallback: unknown }): Schema {
    const named = NAMED_FIELDS[`${model}.${field}`];
    const schema = named === undefined ? withEnum(this.#type(type), ENUMS.get(`${model}.${field}`)) : this.#named(named);
    const besides: Schema = {
      ...(description === undefined ? {} : { description }),
      ...(fallback === undefined ? {} : { default: fallback }),
      ...listExtensions(model, field, type),
      ...(ATOMIC.has(`${model}.${field}`) ? { 'x-kubernetes-map-type': 'atomic' } : {}),
    };
    if (Object.keys(besides).length === 0) return schema;
    // Nothing may stand beside a reference.
    return '$ref' in schema ? { ...besides, allOf: [schema] } : { ...besides, ...schema };
  }

  #type(type: string): Schema {
    if (type.startsWith('[]')) return { type: 'array', items: this.#type(type.slice(2)) };
    if (type.startsWith('{}')) return { type: 'object', additionalProperties: this.#type(type.slice(2)) };
    if (MODELS[type] !== undefined) return this.#model(type);
    return NAMED_TYPES[type] === undefined ? { ...SCALARS[type] } : this.#named(type);
  }
}

/** Of a list, what each of its items may be. */
function withEnum(schema: Schema, values: readonly string[] | undefined): Schema {
  if (values === undefined) return schema;
  return schema['type'] === 'array' ? { ...schema, items: { ...SCALARS['string'], enum: values } } : { ...schema, enum: values };
}

function refTo(name: string): Schema {
  return { $ref: `#/components/schemas/${name}` };
}

function listExtensions(model: string, field: string, type: string): Schema {
  const { keys, isSet, merge, retainKeys, replace } = LISTS[model]?.[field] ?? {};
  const strategies = [...(merge === undefined ? [] : ['merge']), ...(retainKeys === true ? ['retainKeys'] : []), ...(replace === true ? ['replace'] : [])];
  const relation = keys !== undefined ? 'map' : isSet === true ? 'set' : 'atomic';
  return {
    ...(type.startsWith('[]') ? { 'x-kubernetes-list-type': relation } : {}),
    ...(keys === undefined ? {} : { 'x-kubernetes-list-map-keys': keys }),
    ...(typeof merge === 'string' ? { 'x-kubernetes-patch-merge-key': merge } : {}),
    ...(strategies.length === 0 ? {} : { 'x-kubernetes-patch-strategy': strategies.join(',') }),
  };
}

/** What the server fills into an empty one; only texts, numbers and booleans. */
function defaultsOf(model: string): Schema {
  const filled: Schema = {};
  DEFAULTS[model]?.(filled);
  return Object.fromEntries(Object.entries(filled).filter(([field, value]) => typeof value !== 'object' && !CONDITIONAL.has(`${model}.${field}`)));
}
