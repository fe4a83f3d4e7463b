/** Damage to JSON that keeps it JSON: fields of other types, under names that JavaScript gives a meaning to. */
import { fromUtf8, toUtf8 } from '../../src/base/bytes.ts';
import type { Random } from '../../src/base/random.ts';
import { cloneJson, isRecord, setField } from '../../src/kube/types.ts';

const NAMES = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'length', '', '.', '$patch', '$retainKeys', 'name', 'metadata', 'spec', 'status', 'f:__proto__'];
const VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  2 ** 31,
  2 ** 53,
  1e308,
  0.5,
  '',
  'a',
  '0',
  '-1',
  '1Gi',
  '\ud800',
  '\u0000',
  'a'.repeat(300),
  [],
  [[]],
  [null],
  {},
  { toString: null, valueOf: null },
  { __proto__: null, name: '' },
  JSON.parse('{"__proto__":{"polluted":true}}'),
  JSON.parse('{"constructor":{"prototype":{"polluted":true}}}'),
];

/** Undefined: the bytes are no JSON. */
export function mutateJson(seed: Uint8Array, random: Random): Uint8Array | undefined {
  let value: unknown;
  try {
    value = JSON.parse(toUtf8(seed));
  } catch {
    return undefined;
  }
  for (let rounds = 1 + random.below(3); rounds > 0; rounds--) value = changed(value, random);
  return fromUtf8(JSON.stringify(value));
}

/** Somewhere below; every place has its chance, outer ones a greater. */
function changed(value: unknown, random: Random): unknown {
  if (Array.isArray(value) && random.chance(0.9)) return changedList(value, random);
  return isRecord(value) && random.chance(0.95) ? changedRecord(value, random) : random.pick(VALUES);
}

function changedList(list: readonly unknown[], random: Random): unknown[] {
  const items = [...list];
  if (items.length === 0) return [random.pick(VALUES)];
  const at = random.below(items.length);
  if (random.chance(0.15)) items.splice(at, 1);
  else if (random.chance(0.2)) items.splice(at, 0, cloneJson(random.pick(items)));
  else items[at] = changed(items[at], random);
  return items;
}

function changedRecord(record: Readonly<Record<string, unknown>>, random: Random): Record<string, unknown> {
  const fields: Record<string, unknown> = cloneJson({ ...record });
  const names = Object.keys(fields);
  const name = names.length === 0 || random.chance(0.1) ? random.pick(NAMES) : random.pick(names);
  if (!Object.hasOwn(fields, name)) setField(fields, name, random.pick(VALUES));
  else if (random.chance(0.15)) delete fields[name];
  else if (random.chance(0.1)) setField(fields, random.pick(NAMES), fields[name]);
  else setField(fields, name, changed(fields[name], random));
  return fields;
}
