/** Patches by their RFCs' own examples, and against dumb twins. */
import { describe, expect, it } from 'vitest';
import { fc } from '../../base/property.ts';
import { jsonPatch, mergePatch, strategicPatch } from '../../../src/api/core/patch.ts';
import { cloneJson, equalJson, isRecord } from '../../../src/kube/types.ts';

/** Small, so that two of them have much in common; with the names that JavaScript gives a meaning to. */
const name = fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor', 'a/b', 'm~n', '');
const { json } = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(null, true, 1, 2, 'x', ''),
    fc.array(tie('json'), { maxLength: 3 }),
    fc.dictionary(name, tie('json'), { maxKeys: 4, noNullPrototype: true }),
  ),
}));
const record = fc.dictionary(name, json, { maxKeys: 4, noNullPrototype: true });

const isUnpolluted = () => Object.keys(Object.prototype).length === 0 && !('x' in {});

// --- RFC 7386

describe('mergePatch()', () => {
  // Appendix A.
  it.each([
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [['a', 'b'], ['c', 'd'], ['c', 'd']],
    [{ a: 'b' }, ['c'], ['c']],
    [{ a: 'foo' }, null, null],
    [{ a: 'foo' }, 'bar', 'bar'],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])('makes of %j with %j %j', (target, patch, result) => {
    expect(mergePatch(target, patch)).toEqual(result);
  });

  /** The RFC's own lines, on entries in place of objects. */
  function twin(target: unknown, patch: unknown): unknown {
    if (!isRecord(patch)) return patch;
    const entries = new Map(isRecord(target) ? Object.entries(target) : []);
    for (const [key, value] of Object.entries(patch)) {
      if (value === null) entries.delete(key);
      else entries.set(key, twin(entries.get(key), value));
    }
    return Object.fromEntries(entries);
  }

  it('does as its twin, changes neither, and nothing the second time', () => {
    fc.assert(
      fc.property(json, json, (target, patch) => {
        const before = cloneJson({ target, patch });
        const once = mergePatch(target, patch);
        expect(equalJson(once, twin(target, patch))).toBe(true);
        expect(equalJson(mergePatch(once, patch), once)).toBe(true);
        expect(equalJson(before, { target, patch })).toBe(true);
        expect(isUnpolluted()).toBe(true);
      }),
    );
  });
});

// --- RFC 6902

describe('jsonPatch()', () => {
  // Appendix A, by its numbers.
  const deep = { foo: { bar: 'baz', waldo: 'fred' }, qux: { corge: 'grault' } };
  it.each([
    ['A.1', { foo: 'bar' }, [{ op: 'add', path: '/baz', value: 'qux' }], { baz: 'qux', foo: 'bar' }],
    ['A.2', { foo: ['bar', 'baz'] }, [{ op: 'add', path: '/foo/1', value: 'qux' }], { foo: ['bar', 'qux', 'baz'] }],
    ['A.3', { baz: 'qux', foo: 'bar' }, [{ op: 'remove', path: '/baz' }], { foo: 'bar' }],
    ['A.4', { foo: ['bar', 'qux', 'baz'] }, [{ op: 'remove', path: '/foo/1' }], { foo: ['bar', 'baz'] }],
    ['A.5', { baz: 'qux', foo: 'bar' }, [{ op: 'replace', path: '/baz', value: 'boo' }], { baz: 'boo', foo: 'bar' }],
    ['A.6', deep, [{ op: 'move', from: '/foo/waldo', path: '/qux/thud' }], { foo: { bar: 'baz' }, qux: { corge: 'grault', thud: 'fred' } }],
    ['A.7', { foo: ['all', 'grass', 'cows', 'eat'] }, [{ op: 'move', from: '/foo/1', path: '/foo/3' }], { foo: ['all', 'cows', 'eat', 'grass'] }],
    ['A.8', { baz: 'qux', foo: ['a', 2, 'c'] }, [{ op: 'test', path: '/baz', value: 'qux' }, { op: 'test', path: '/foo/1', value: 2 }], { baz: 'qux', foo: ['a', 2, 'c'] }],
    ['A.9', { baz: 'qux' }, [{ op: 'test', path: '/baz', value: 'bar' }], undefined],
    ['A.10', { foo: 'bar' }, [{ op: 'add', path: '/child', value: { grandchild: {} } }], { foo: 'bar', child: { grandchild: {} } }],
    ['A.11', { foo: 'bar' }, [{ op: 'add', path: '/baz', value: 'qux', xyz: 123 }], { foo: 'bar', baz: 'qux' }],
    ['A.12', { foo: 'bar' }, [{ op: 'add', path: '/baz/bat', value: 'qux' }], undefined],
    ['A.14', { '/': 9, '~1': 10 }, [{ op: 'test', path: '/~01', value: 10 }], { '/': 9, '~1': 10 }],
    ['A.15', { '/': 9, '~1': 10 }, [{ op: 'test', path: '/~01', value: '10' }], undefined],
    ['A.16', { foo: ['bar'] }, [{ op: 'add', path: '/foo/-', value: ['abc', 'def'] }], { foo: ['bar', ['abc', 'def']] }],
  ])('%s', (_number, target, patch, result) => {
    const patched = jsonPatch(target, patch);
    if (result === undefined) expect(patched.ok).toBe(false);
    else expect(patched).toEqual({ ok: true, value: result });
  });

  const escaped = (key: string) => key.replaceAll('~', '~0').replaceAll('/', '~1');
  /** Places of a document, with what stands there. */
  function places(value: unknown, path = ''): { path: string; value: unknown }[] {
    const below = Array.isArray(value) ? value.entries() : isRecord(value) ? Object.entries(value) : [];
    return [{ path, value }, ...[...below].flatMap(([key, item]) => places(item, `${path}/${escaped(String(key))}`))];
  }
  const valueAt = (document: unknown, path: string) => places(document).find((place) => place.path === path)?.value;
  const operations = fc.array(
    fc.record({ op: fc.constantFrom('add', 'replace', 'remove', 'copy', 'move', 'test'), at: fc.nat(), from: fc.nat(), child: name, value: json, isNew: fc.boolean() }),
    { maxLength: 4 },
  );

  it('is all or nothing, and leaves what it was given alone', () => {
    fc.assert(
      fc.property(record, operations, (document, wanted) => {
        const all = places(document).slice(1);
        const patch = wanted.map(({ op, at, from, child, value, isNew }) => {
          const place = all[at % Math.max(all.length, 1)]?.path ?? '/a';
          return { op, path: isNew ? `${place}/${escaped(child)}` : place, from: all[from % Math.max(all.length, 1)]?.path ?? '/a', value };
        });
        const before = cloneJson({ document, patch });
        const whole = jsonPatch(document, patch);
        // One after the other comes to the same, or stops where the whole did.
        let step: unknown = document;
        let isDone = true;
        for (const operation of patch) {
          const next = jsonPatch(step, [operation]);
          if (!next.ok) {
            isDone = false;
            break;
          }
          step = next.value;
        }
        expect(whole.ok).toBe(isDone);
        if (whole.ok) expect(equalJson(whole.value, step)).toBe(true);
        expect(equalJson(before, { document, patch })).toBe(true);
        expect(isUnpolluted()).toBe(true);
      }),
    );
  });

  it('puts what it is told where it is told, and nothing else', () => {
    fc.assert(
      fc.property(record, name, json, fc.nat(), (document, child, value, at) => {
        const records = places(document).filter((place) => isRecord(place.value));
        const { path: parent } = records[at % records.length]!;
        const path = `${parent}/${escaped(child)}`;
        const had = valueAt(document, path);
        const added = jsonPatch(document, [{ op: 'add', path, value }, { op: 'test', path, value }]);
        if (!added.ok) throw new Error(added.message);
        const undo = had === undefined ? { op: 'remove', path } : { op: 'replace', path, value: had };
        const undone = jsonPatch(added.value, [undo]);
        expect(undone.ok && equalJson(undone.value, document)).toBe(true);
        expect(jsonPatch(document, [{ op: 'test', path, value }]).ok).toBe(had !== undefined && equalJson(had, value));
      }),
    );
  });

  it('moves as it removes and adds, and copies as it adds', () => {
    fc.assert(
      fc.property(record, fc.nat(), name, (document, at, child) => {
        const all = places(document).slice(1);
        const source = all[at % Math.max(all.length, 1)];
        fc.pre(source !== undefined);
        const path = `/${escaped(child)}`;
        fc.pre(!path.startsWith(`${source.path}/`) && path !== source.path);
        const moved = jsonPatch(document, [{ op: 'move', from: source.path, path }]);
        expect(moved).toEqual(jsonPatch(document, [{ op: 'remove', path: source.path }, { op: 'add', path, value: source.value }]));
        expect(jsonPatch(document, [{ op: 'copy', from: source.path, path }])).toEqual(jsonPatch(document, [{ op: 'add', path, value: source.value }]));
      }),
    );
  });

  it.each([
    ['no list', {}],
    ['an operation that is none', [{ op: 'increment', path: '/a' }]],
    ['a path without a slash', [{ op: 'add', path: 'a', value: 1 }]],
    ['an add without a value', [{ op: 'add', path: '/a' }]],
    ['a copy from nowhere', [{ op: 'copy', path: '/b' }]],
    ['a place in itself', [{ op: 'move', from: '/a', path: '/a/b' }]],
    ['an index with a zero before it', [{ op: 'remove', path: '/l/01' }]],
    ['an index past the end', [{ op: 'add', path: '/l/3', value: 1 }]],
    ['the prototype', [{ op: 'add', path: '/__proto__/x', value: 1 }]],
    ['a constructor', [{ op: 'add', path: '/constructor/prototype/x', value: 1 }]],
  ])('refuses %s', (_what, patch) => {
    expect(jsonPatch({ a: {}, l: [1, 2] }, patch).ok).toBe(false);
    expect(isUnpolluted()).toBe(true);
  });
});

// --- of a schema that knows nothing of the fields, a strategic merge patch is a merge patch

describe('strategicPatch()', () => {
  it('is a merge patch where nothing else is known, and never writes to a prototype', () => {
    fc.assert(
      fc.property(record, fc.dictionary(name, fc.constantFrom(null, 'x', 'y', ''), { maxKeys: 4, noNullPrototype: true }), (labels, patch) => {
        const patched = strategicPatch('V1ConfigMap', { data: labels }, { data: patch });
        // What is new is taken as it is, nulls apart: of those a merge patch keeps none either.
        expect(patched.ok && equalJson(patched.value, mergePatch({ data: labels }, { data: patch }))).toBe(true);
        expect(isUnpolluted()).toBe(true);
      }),
    );
  });
});
