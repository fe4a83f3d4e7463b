/** The order of lists that a strategic merge patch has merged: each case as a kube-apiserver (1.37.2) has answered it. */
import { expect, test } from 'vitest';
import { strategicPatch } from '../../../src/api/core/patch.ts';

const names = (...list: readonly string[]) => list.map((name) => ({ name }));

test.each([
  ['a new one in front', ['web'], { containers: names('side') }, ['side', 'web']],
  ['a new one before the one behind it', ['side', 'web'], { containers: names('third', 'web') }, ['third', 'side', 'web']],
  ['a new one behind the one before it', ['third', 'side', 'web'], { containers: names('side', 'fourth') }, ['third', 'side', 'fourth', 'web']],
  ['one for another', ['third', 'side', 'fourth', 'web'], { containers: [{ name: 'web', $patch: 'delete' }, { name: 'x' }] }, ['x', 'third', 'side', 'fourth']],
  ['an order alone', ['a', 'c', 'b'], { '$setElementOrder/containers': names('b', 'a') }, ['c', 'b', 'a']],
  ['an order with a new one', ['c', 'b', 'a'], { containers: names('n'), '$setElementOrder/containers': names('n', 'a') }, ['n', 'c', 'b', 'a']],
])('%s', (_, before, patch, after) => {
  expect(strategicPatch('V1PodSpec', { containers: names(...before) }, patch)).toEqual({ ok: true, value: { containers: names(...after) } });
});

test.each([
  [['x/a', 'x/c'], { finalizers: ['x/b', 'x/a'] }, ['x/b', 'x/a', 'x/c']],
  [['x/b', 'x/a', 'x/c'], { finalizers: ['x/d', 'x/c'], '$deleteFromPrimitiveList/finalizers': ['x/b'] }, ['x/d', 'x/a', 'x/c']],
  [['x/d', 'x/a', 'x/c'], { finalizers: ['x/e'], '$setElementOrder/finalizers': ['x/c', 'x/e', 'x/a'] }, ['x/d', 'x/c', 'x/e', 'x/a']],
])('of plain values: %j', (finalizers, patch, after) => {
  expect(strategicPatch('V1ObjectMeta', { finalizers }, patch)).toEqual({ ok: true, value: { finalizers: after } });
});
