import { describe, expect, test } from 'vitest';
import { isUnchanged, LAST_APPLIED, mergeThreeWay, readLastApplied } from '../../../src/cli/core/merge.ts';
import type { View } from '../../../src/cli/core/view.ts';

const object = (spec: object, metadata: object = {}): View => ({ apiVersion: 'v1', kind: 'X', metadata: { name: 'a', ...metadata }, spec });
const merged = (live: object, original: object | undefined, modified: object): unknown => {
  return mergeThreeWay(object(live), original === undefined ? undefined : object(original), object(modified))['spec'];
};

describe('mergeThreeWay()', () => {
  test('sets what is new, removes what is given up, keeps what is foreign', () => {
    expect(merged({ a: 1, b: 2, foreign: 3 }, { a: 1, b: 2 }, { a: 9, c: 4 })).toEqual({ a: 9, foreign: 3, c: 4 });
  });

  test('removes nothing without a memory, and what the manifest sets to null', () => {
    expect(merged({ a: 1, b: { c: 1, d: 2 } }, undefined, { b: { c: null } })).toEqual({ a: 1, b: { d: 2 } });
  });

  test('lists with a merge key are merged element by element, foreign ones last', () => {
    const env = (...names: string[]) => names.map((name) => ({ name, value: name }));
    expect(merged({ env: [{ name: 'injected', value: 'x' }, ...env('a', 'b')] }, { env: env('a', 'b') }, { env: env('c', 'a') })).toEqual({
      env: [...env('c', 'a'), { name: 'injected', value: 'x' }],
    });
  });

  test('a field that moved within one element does not stay: valueFrom replaces value', () => {
    const [plain, reference] = [{ name: 'A', value: '1' }, { name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }];
    expect(merged({ env: [plain] }, { env: [plain] }, { env: [reference] })).toEqual({ env: [reference] });
  });

  test('ports that share a number by protocol, and lists without a key, are replaced whole', () => {
    const dns = [{ port: 53, protocol: 'UDP' }, { port: 53, protocol: 'TCP' }];
    expect(merged({ ports: dns, command: ['a', 'b'] }, {}, { ports: dns.slice(0, 1), command: ['c'] })).toEqual({
      ports: dns.slice(0, 1),
      command: ['c'],
    });
    expect(merged({ ports: [...dns, { port: 80, nodePort: 30080 }] }, {}, { ports: dns })).toEqual({ ports: dns });
    expect(merged({ ports: [{ port: 80, nodePort: 30080 }] }, {}, { ports: [{ port: 80 }] })).toEqual({ ports: [{ port: 80, nodePort: 30080 }] });
  });

  test('applying twice changes nothing', () => {
    const manifest = object({ a: 1 }, { labels: { x: 'y' } });
    const once = mergeThreeWay(object({}), undefined, manifest);
    expect(readLastApplied(once)).toEqual({ ...manifest, metadata: { ...manifest.metadata, annotations: {} } });
    expect(isUnchanged(once, mergeThreeWay(once, readLastApplied(once), manifest))).toBe(true);
    expect(once.metadata.annotations![LAST_APPLIED]).not.toContain('last-applied');
  });
});
