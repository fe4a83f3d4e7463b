/** Client-side apply and strategic merge over random objects of real schemas: what they promise, whatever the fields are. */
import { expect, test } from 'vitest';
import { fc } from '../../base/property.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { strategicPatch } from '../../../src/api/core/patch.ts';
import { threeWayPatch } from '../../../src/api/core/strategic-diff.ts';
import { cloneJson, equalJson, isRecord } from '../../../src/kube/types.ts';
import { KINDS, Vocabulary, type Fields } from './oracle/random-object.ts';

const seed = fc.nat({ max: 1_000_000 });

function objects(number: number, count: number): { model: string; made: Fields[] } {
  const random = seededRandom(number);
  const kind = random.pick(KINDS);
  const words = new Vocabulary(kind, random.fork('words'));
  return { model: kind.model, made: Array.from({ length: count }, (_, index) => words.object(random.fork(String(index)))) };
}

function patched(model: string, target: Fields, patch: Fields): Fields {
  const result = strategicPatch(model, target, patch);
  if (!result.ok || !isRecord(result.value)) throw new Error(result.ok ? 'no object' : result.message);
  return result.value;
}

function applied(model: string, original: Fields | undefined, modified: Fields, current: Fields): Fields {
  return patched(model, current, threeWayPatch({ model, original, modified, current }));
}

test('applying twice is as applying once', () => {
  fc.assert(
    fc.property(seed, (number) => {
      const { model, made } = objects(number, 3);
      const [original, modified, current] = made as [Fields, Fields, Fields];
      const once = applied(model, original, modified, current);
      expect(withoutEmpty(applied(model, modified, modified, once))).toEqual(withoutEmpty(once));
    }),
    { numRuns: 300 },
  );
});

test('what was applied to nothing is there, and applying something else in its place leaves nothing of it', () => {
  fc.assert(
    fc.property(seed, (number) => {
      const { model, made } = objects(number, 2);
      const [first, second] = made as [Fields, Fields];
      const there = applied(model, first, second, first);
      expect(equalJson(withoutEmpty(there), withoutEmpty(second)), JSON.stringify({ there, second })).toBe(true);
    }),
    { numRuns: 300 },
  );
});

/**
 * A record whose last field went stays as an empty one; a directive for a record that was not there stays in it, and a null,
 * for who checks fields to refuse or drop; and sets have no order.
 */
function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (!isRecord(value)) return value;
  const fields = Object.entries(value).filter(([name]) => !name.startsWith('$'));
  const entries = fields.map(([name, field]): [string, unknown] => [name, name === 'finalizers' || name === 'podCIDRs' ? [...(field as string[])].sort() : withoutEmpty(field)]);
  return Object.fromEntries(entries.filter(([, field]) => field !== null && !(isRecord(field) && Object.keys(field).length === 0) && !(Array.isArray(field) && field.length === 0)));
}

function withOwn(object: Fields): Fields {
  const metadata = object['metadata'] as Fields; // every object has one
  const own = (name: string) => ({ ...(metadata[name] as Fields | undefined), own: '1' });
  return { ...object, metadata: { ...metadata, labels: own('labels'), annotations: own('annotations') } };
}

test("fields that no manifest names are others', and stay", () => {
  fc.assert(
    fc.property(seed, (number) => {
      const { model, made } = objects(number, 3);
      // A map that a manifest gives up goes as a whole.
      const [original, modified, current] = made.map((one) => withOwn(one)) as [Fields, Fields, Fields];
      const foreign = { ...current, metadata: { ...(current['metadata'] as Fields), annotations: { 'other/one': 'x' }, labels: { foreign: 'y' } } };
      const result = applied(model, original, modified, foreign) as { metadata: { annotations: Fields; labels: Fields } };
      expect([result.metadata.annotations['other/one'], result.metadata.labels['foreign']]).toEqual(['x', 'y']);
      for (const name of Object.keys(foreign)) {
        const isNamed = Object.hasOwn(original, name) || Object.hasOwn(modified, name);
        if (!isNamed) expect((result as Fields)[name]).toEqual((foreign as Fields)[name]);
      }
    }),
    { numRuns: 300 },
  );
});

test('a patch for what is there already changes nothing', () => {
  fc.assert(
    fc.property(seed, (number) => {
      const { model, made } = objects(number, 2);
      const [target, patch] = made as [Fields, Fields];
      const before = cloneJson(made);
      const once = patched(model, target, patch);
      expect(patched(model, once, patch)).toEqual(once);
      expect(made).toEqual(before);
    }),
    { numRuns: 300 },
  );
});

// --- each directive against what it means, said in one line

const env = fc.uniqueArray(fc.record({ name: fc.constantFrom('a', 'b', 'c', 'd'), value: fc.constantFrom('1', '2') }), { selector: ({ name }) => name, maxLength: 4 });
const withEnv = (list: readonly object[]) => ({ name: 'c', env: list });
const envOf = (fields: Fields) => (fields['env'] ?? []) as { name: string; value: string }[];
const byName = (list: readonly { name: string }[]) => [...list].sort((a, b) => (a.name < b.name ? -1 : 1));

test('lists with a merge key are unions by it, the patch winning', () => {
  fc.assert(
    fc.property(env, env, (target, patch) => {
      const union = [...new Map([...target, ...patch].map((item) => [item.name, item])).values()];
      expect(byName(envOf(patched('V1Container', withEnv(target), withEnv(patch))))).toEqual(byName(union));
    }),
  );
});

test('$patch: delete takes items away, $patch: replace all that the patch does not have', () => {
  fc.assert(
    fc.property(env, env, (target, patch) => {
      const names = new Set(patch.map(({ name }) => name));
      const gone = patched('V1Container', withEnv(target), withEnv(patch.map(({ name }) => ({ name, $patch: 'delete' }))));
      expect(envOf(gone)).toEqual(target.filter(({ name }) => !names.has(name)));
      const replaced = patched('V1Container', withEnv(target), withEnv([...patch, { $patch: 'replace' }]));
      expect(envOf(replaced)).toEqual(patch);
    }),
  );
});

test('$setElementOrder orders what it names, and leaves others in their order', () => {
  fc.assert(
    fc.property(env, env, (target, patch) => {
      fc.pre(target.length + patch.length > 0);
      const order = patch.map(({ name }) => ({ name }));
      const result = envOf(patched('V1Container', withEnv(target), { env: patch, '$setElementOrder/env': order })).map(({ name }) => name);
      const named = new Set<string>(order.map(({ name }) => name));
      expect(result.filter((name) => named.has(name))).toEqual(order.map(({ name }) => name));
      expect(result.filter((name) => !named.has(name))).toEqual(target.map(({ name }) => name).filter((name) => !named.has(name)));
    }),
  );
});

test('$retainKeys keeps what it names, $deleteFromPrimitiveList takes what it names', () => {
  const names = fc.subarray(['f/1', 'f/2', 'f/3']);
  fc.assert(
    fc.property(names, names, fc.subarray(['emptyDir', 'hostPath', 'nfs']), fc.subarray(['emptyDir', 'hostPath', 'nfs']), (there, gone, sources, kept) => {
      const result = patched('V1ObjectMeta', { finalizers: there }, { '$deleteFromPrimitiveList/finalizers': gone });
      expect(result['finalizers']).toEqual(there.filter((finalizer) => !gone.includes(finalizer)));
      const volume = { name: 'v', ...Object.fromEntries(sources.map((source) => [source, { medium: 'x' }])) };
      const left = patched('V1PodSpec', { volumes: [volume] }, { volumes: [{ name: 'v', $retainKeys: ['name', ...kept] }] });
      expect(Object.keys((left['volumes'] as Fields[])[0]!).sort()).toEqual(['name', ...sources.filter((source) => kept.includes(source))].sort());
    }),
  );
});
