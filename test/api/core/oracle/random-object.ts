/**
 * Random objects of the generated schemas. Of one vocabulary (a few fields of each model, a few values of each type) come
 * objects that overlap: what they agree on, lack and say differently is what merges are about.
 */
import type { Random } from '../../../../src/base/random.ts';
import { modelFields } from '../../../../src/api/core/schema.ts';
import { KEY_DEFAULTS, LISTS } from '../../../../src/api/core/topology.ts';

export type Fields = Record<string, unknown>;

export interface RandomKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly model: string;
}

const of = (group: string, kind: string, model = `V1${kind}`, version = 'v1'): RandomKind => ({ group, version, kind, model });

export const KINDS: readonly RandomKind[] = [
  of('', 'Pod'),
  of('', 'Service'),
  of('', 'ConfigMap'),
  of('', 'ServiceAccount'),
  of('', 'Node'),
  of('', 'PersistentVolumeClaim'),
  of('apps', 'Deployment'),
  of('apps', 'StatefulSet'),
  of('batch', 'Job'),
  of('networking.k8s.io', 'Ingress'),
  of('networking.k8s.io', 'NetworkPolicy'),
  of('policy', 'PodDisruptionBudget'),
  of('storage.k8s.io', 'CSIDriver'),
  of('autoscaling', 'HorizontalPodAutoscaler', 'V2HorizontalPodAutoscaler', 'v2'),
];

export const apiVersionOf = ({ group, version }: RandomKind): string => (group === '' ? version : `${group}/${version}`);

const SCALARS: Readonly<Record<string, readonly unknown[]>> = {
  string: ['a', 'b', 'c'],
  boolean: [true, false],
  int32: [1, 2, 3],
  int64: [1, 2, 3],
  double: [1, 2],
  quantity: ['1', '2'],
  intOrString: [1, 'a'],
  bytes: ['YQ==', 'Yg=='],
  time: ['2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'],
  microtime: ['2026-01-01T00:00:00.000000Z'],
};

/** Written by the server, or of no known shape. */
const LEFT_OUT = new Set(['apiVersion', 'kind', 'managedFields', 'status', 'creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds', 'generation', 'resourceVersion', 'uid', 'selfLink', 'generateName', 'namespace', 'name']);
const DEPTH_MAX = 6;

export class Vocabulary {
  readonly #random: Random;
  readonly #fields = new Map<string, readonly string[]>();
  readonly kind: RandomKind;

  constructor(kind: RandomKind, random: Random) {
    this.kind = kind;
    this.#random = random;
  }

  /** An object of the kind: envelope, some metadata, and what the vocabulary has. */
  object(random: Random): Fields {
    const body = this.#record(this.kind.model, random, 0);
    const { labels, annotations, finalizers } = this.#record('V1ObjectMeta', random, DEPTH_MAX - 1);
    const meta = Object.fromEntries(Object.entries({ labels, annotations, finalizers }).filter(([, value]) => value !== undefined));
    return { apiVersion: apiVersionOf(this.kind), kind: this.kind.kind, ...body, metadata: { name: 'o', ...meta } };
  }

  fieldsOf(model: string): readonly string[] {
    let names = this.#fields.get(model);
    if (names === undefined) {
      const random = this.#random.fork(model);
      const usable = [...modelFields(model)!].filter(([name, { base }]) => (!LEFT_OUT.has(name) || keyNames.has(name)) && (base in SCALARS || modelFields(base) !== undefined)).map(([name]) => name);
      const merged = usable.filter((name) => LISTS[model]?.[name] !== undefined || name === 'spec' || name === 'template' || model === 'V1ObjectMeta');
      const some = random.shuffle(usable).slice(0, 3);
      names = [...new Set([...random.shuffle(merged).slice(0, 3), ...some])].filter((name) => !LEFT_OUT.has(name));
      this.#fields.set(model, names);
    }
    return names;
  }

  #record(model: string, random: Random, depth: number): Fields {
    const fields = modelFields(model)!;
    const record: Fields = {};
    for (const name of this.fieldsOf(model)) {
      if (!random.chance(depth < 2 || name === 'spec' || name === 'template' ? 0.85 : 0.6)) continue;
      const { base, container } = fields.get(name)!;
      const value = this.#value({ model, name, base, container }, random, depth);
      if (value !== undefined) record[name] = value;
    }
    return record;
  }

  #value({ model, name, base, container }: { model: string; name: string; base: string; container: string }, random: Random, depth: number): unknown {
    const isModel = modelFields(base) !== undefined;
    if (isModel && depth >= DEPTH_MAX) return undefined;
    const one = () => (isModel ? this.#record(base, random, depth + 1) : random.pick(SCALARS[base]!));
    if (container === 'one') return one();
    if (container === 'map') return Object.fromEntries(random.shuffle(['a', 'b', 'c']).slice(0, 1 + random.below(2)).map((key) => [key, one()]));
    const { keys, merge, isSet } = LISTS[model]?.[name] ?? {};
    const count = random.below(4);
    const items = Array.from({ length: count }, one);
    if (!isModel) return isSet === true || merge === true ? [...new Set(items)] : items;
    const names = keys ?? (typeof merge === 'string' ? [merge] : []);
    return distinct(items.map((item) => this.#keyed({ model: base, names }, item as Fields, random)), names);
  }

  #keyed({ model, names }: { model: string; names: readonly string[] }, item: Fields, random: Random): Fields {
    const keyed: Fields = {};
    for (const name of names) {
      const { base = 'string' } = modelFields(model)!.get(name) ?? {};
      const isDefaulted = KEY_DEFAULTS[model]?.[name] !== undefined;
      if (!isDefaulted) keyed[name] = random.pick(SCALARS[base] ?? ['a']);
      else if (random.chance(0.5)) keyed[name] = random.pick(['TCP', 'UDP']);
    }
    for (const [name, value] of Object.entries(item)) if (!names.includes(name)) keyed[name] = value;
    return keyed;
  }
}

const keyNames = new Set(['name']);

/** Lists that are told apart by keys have each item once; by the first key, so that strategic merge can tell them apart too. */
function distinct(items: readonly Fields[], [key]: readonly string[]): Fields[] {
  if (key === undefined) return [...items];
  const seen = new Map(items.map((item) => [item[key], item]));
  return [...seen.values()];
}
