/** The cases that Kubernetes' libraries and Podium are both asked: made from a seed, kept in a file with the answers. */
import { seededRandom, type Random } from '../../../../src/base/random.ts';
import { modelFields, modelOfField } from '../../../../src/api/core/schema.ts';
import { LISTS } from '../../../../src/api/core/topology.ts';
import { isRecord } from '../../../../src/kube/types.ts';
import { KINDS, Vocabulary, type Fields, type RandomKind } from './random-object.ts';

export interface MergeCase {
  readonly kind: RandomKind;
  readonly original: Fields;
  readonly modified: Fields;
  readonly current: Fields;
}

export interface PatchCase {
  readonly kind: RandomKind;
  readonly object: Fields;
  readonly patch: Fields;
}

export interface ApplyStep {
  readonly manager: string;
  readonly operation: 'Apply' | 'Update';
  readonly force: boolean;
  readonly object: Fields;
}

export interface ApplyCase {
  readonly kind: RandomKind;
  readonly steps: readonly ApplyStep[];
}

export interface Corpus {
  readonly merges: readonly MergeCase[];
  readonly patches: readonly PatchCase[];
  readonly applies: readonly ApplyCase[];
  readonly quantities: readonly string[];
  readonly labels: readonly Readonly<Record<string, string>>[];
  readonly labelSelectors: readonly string[];
  readonly fieldSelectors: readonly string[];
}

const many = <T>(count: number, random: Random, make: (random: Random) => T): T[] => Array.from({ length: count }, (_, index) => make(random.fork(String(index))));

export function corpus(seed: number): Corpus {
  const random = seededRandom(seed);
  return {
    merges: many(160, random.fork('merges'), mergeCase),
    patches: many(260, random.fork('patches'), patchCase),
    applies: many(100, random.fork('applies'), applyCase),
    quantities: [...QUANTITIES, ...many(250, random.fork('quantities'), quantity)],
    labels: LABELS,
    labelSelectors: [...LABEL_SELECTORS, ...many(150, random.fork('labels'), labelSelector)],
    fieldSelectors: [...FIELD_SELECTORS, ...many(80, random.fork('fields'), fieldSelector)],
  };
}

function mergeCase(random: Random): MergeCase {
  const kind = random.pick(KINDS);
  const words = new Vocabulary(kind, random.fork('words'));
  const [original, modified] = [words.object(random), words.object(random)];
  // Mostly what was applied, with what others made of it.
  const current = random.chance(0.5) ? words.object(random) : mixed(original, words.object(random), random);
  return { kind, original, modified, current };
}

function mixed(a: unknown, b: unknown, random: Random): Fields {
  const result: Fields = {};
  if (!isRecord(a) || !isRecord(b)) return result;
  for (const name of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const [left, right] = [a[name], b[name]];
    result[name] = isRecord(left) && isRecord(right) ? mixed(left, right, random) : (random.chance(0.6) ? (left ?? right) : (right ?? left));
  }
  return result;
}

// --- patches with directives

function patchCase(random: Random): PatchCase {
  const kind = random.pick(KINDS);
  const words = new Vocabulary(kind, random.fork('words'));
  const object = words.object(random);
  const { apiVersion: _apiVersion, kind: _kind, metadata, ...rest } = words.object(random);
  const { name: _name, ...meta } = metadata as Fields;
  return { kind, object, patch: directed(kind.model, { metadata: meta, ...rest }, random, 0.12) };
}

function directed(model: string, record: Fields, random: Random, chance: number): Fields {
  const result: Fields = {};
  for (const [name, value] of Object.entries(record)) {
    const below = modelOfField(model, name);
    const { merge, retainKeys } = LISTS[model]?.[name] ?? {};
    if (random.chance(chance)) result[name] = null;
    else if (Array.isArray(value)) directedList({ model: below, name, merge, retainKeys }, value, result, random);
    else if (isRecord(value) && below !== undefined && modelFields(model)!.get(name)!.container === 'one') {
      const patch = directed(below, value, random, chance);
      if (retainKeys === true && random.chance(0.5)) patch['$retainKeys'] = Object.keys(patch).filter((key) => !key.startsWith('$'));
      result[name] = patch;
    } else result[name] = value;
  }
  if (random.chance(chance)) result['$patch'] = random.pick(['replace', 'replace', 'delete', 'merge', 'nonsense']);
  return result;
}

interface DirectedList {
  readonly model: string | undefined;
  readonly name: string;
  readonly merge: string | true | undefined;
  readonly retainKeys: true | undefined;
}

function directedList({ model, name, merge, retainKeys }: DirectedList, items: readonly unknown[], to: Fields, random: Random): void {
  if (merge === true) {
    if (random.chance(0.4)) to[`$deleteFromPrimitiveList/${name}`] = random.chance(0.5) ? items : ['a'];
    else to[name] = items;
    if (random.chance(0.4)) to[`$setElementOrder/${name}`] = random.shuffle(['a', 'b', 'c']);
    return;
  }
  if (merge === undefined || model === undefined) {
    to[name] = items;
    return;
  }
  const patch = (items as Fields[]).map((item): Fields => {
    if (random.chance(0.25)) return { [merge]: item[merge], $patch: 'delete' };
    const below = directed(model, item, random, 0.1);
    if (random.chance(0.97)) below[merge] = item[merge];
    if (retainKeys === true && random.chance(0.5)) below['$retainKeys'] = Object.keys(below).filter((key) => !key.startsWith('$'));
    return below;
  });
  if (random.chance(0.08)) patch.push({ $patch: 'replace' });
  to[name] = patch;
  if (random.chance(0.5)) to[`$setElementOrder/${name}`] = random.shuffle([...new Set([...patch.filter(({ $patch }) => $patch !== 'delete').map((item) => item[merge]), ...(random.chance(0.5) ? ['a', 'b'] : [])])]).filter((key) => key !== undefined && key !== null).map((key) => ({ [merge]: key }));
}

// --- server-side apply

function applyCase(random: Random): ApplyCase {
  const kind = random.pick(KINDS);
  const words = new Vocabulary(kind, random.fork('words'));
  const steps = many(2 + random.below(3), random.fork('steps'), (own): ApplyStep => {
    const operation = own.chance(0.75) ? 'Apply' : 'Update';
    return { manager: own.pick(['one', 'two']), operation, force: own.chance(0.4), object: words.object(own) };
  });
  return { kind, steps: [{ ...steps[0]!, operation: 'Apply' }, ...steps.slice(1)] };
}

// --- quantities and selectors

const QUANTITIES = ['0', '-0', '+1', '00', '0.0', '.', '', '1.', '.5', '1e3', '1E3', '1e-3', '1E', '1Ei', '1k', '1K', '1Ki', '0.5Ki', '1.5Gi', '1023', '1024', '1024Ki', '1024Mi', '0.5', '1000m', '1500m', '0.0001', '1n', '1u', '0.1n', '-0.1n', '9223372036854775807', '9223372036854775808', '9223372036854775807n', '1e19', '1e-10', '100e2', '12e5', '1000000Mi', '0.001Mi', '-1024', '-1.5Gi', '1 ', ' 1', '1Gi ', '1_000', '0x10', '1,5', '--1', '1ee3', '1e+3', '1e1.5', '1i', '1mi', '1MM', '0Mi', '0m', '0e5', '+', 'm', 'Ki', '.Ki', '+.', '-', 'e', 'e3', '1.500', '1.5000', '512Mi', '8Ki', '9Ei', '-9Ei', '0.0001Ki', '1001m', '0.1', '0.10', '3e4', '007', '0512Mi', '1e9', '-1e-9', '1.00', '1.10', '0.000000001', '0.0000000015', '1000k', '1000000', '123456789012345678'];

function quantity(random: Random): string {
  const digits = (max: number) => Array.from({ length: 1 + random.below(max) }, () => random.below(10)).join('');
  const sign = random.pick(['', '', '', '-', '+']);
  const suffix = random.pick(['', '', 'n', 'u', 'm', 'k', 'M', 'G', 'T', 'P', 'E', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei', 'e2', 'E3', 'e-2', 'e6', 'e-7', 'x']);
  return `${sign}${digits(random.pick([2, 4, 9]))}${random.chance(0.4) ? `.${digits(random.pick([1, 3, 6]))}` : ''}${suffix}`;
}

export const LABELS: ReadonlyArray<Readonly<Record<string, string>>> = [{}, { a: '1' }, { a: '2', b: 'x' }, { a: '', 'x.y/a': '1' }, { b: 'y', c: 'z', a: '10' }, Object.fromEntries([['constructor', 'x'], ['a', 'x']]), { a: '-3' }];

const LABEL_SELECTORS = ['', ' ', 'a', '!a', '! a', 'a=1', 'a==1', 'a!=1', 'a=', 'a!=', 'a in (1,2)', 'a notin (1,2)', 'a in (1, ,2)', 'a in ()', 'a in (1', 'a in 1', 'a,b', 'a,,b', ',a', 'a,', 'a>1', 'a<9', 'a>x', 'a>-5', 'x.y/a', 'x.y/a=1', 'X_Y/a', '/a', 'a/', 'a=b=c', 'a b', 'a=1 b=2', 'in', 'notin in (a)', 'in in (in)', 'a=in', 'a=(b)', 'a!1', 'a!', '!a=1', '!!a', 'a =1', 'a= 1', 'a\t=\n1', 'a=-1', 'a=1-', 'toString', 'a in (b,a,b)', 'a notin ()', 'a=1,a=2', 'a>=1', 'a=>1', '=a', '(a)', 'a in (x),b notin (y),c,!d,e=f,g!=h', 'ä=1', 'a=ä', 'a in(1)', 'ain(1)', 'a = = 1', 'a===1', 'a!==1'];

function labelSelector(random: Random): string {
  const word = () => random.pick(['a', 'b', 'c', 'x.y/a', 'in', 'notin', '1', '2', '10', 'x', '', '-3', 'exists']);
  const requirement = () => random.pick([() => word(), () => `!${word()}`, () => `${word()}${random.pick(['=', '==', '!=', '>', '<', ' = ', ' in ', '!'])}${word()}`, () => `${word()} ${random.pick(['in', 'notin'])} (${Array.from({ length: 1 + random.below(3) }, word).join(random.pick([',', ', ']))})`])();
  return Array.from({ length: 1 + random.below(3) }, requirement).join(random.pick([',', ', ', ',', ' ']));
}

const FIELD_SELECTORS = ['', 'a=b', 'a==b', 'a!=b', 'a=', '=b', 'a', 'a=b,c=d', 'a=b,', ',a=b', ',,', 'a=b\\,c', 'a=b\\=c', 'a=b\\\\', 'a=b\\x', 'a=b\\', 'a=b=c', 'a!=b!=c', 'a=b c', ' a=b', 'a = b', 'a\\=b=c', 'a!b', 'a==', 'a===b', 'metadata.name=x,metadata.namespace!=y', 'a=b\\,', 'a=\\,\\=\\\\,b=c'];

function fieldSelector(random: Random): string {
  return Array.from({ length: 1 + random.below(3) }, () => Array.from({ length: 1 + random.below(6) }, () => random.pick(['a', 'b', '=', '==', '!=', '\\,', '\\=', '\\\\', '\\', ' ', '!', '.'])).join('')).join(',');
}
