/** Equal sets of fields become one object, different ones stay apart, and what is no list is left alone. */
import { expect, test } from 'vitest';
import { SharedFields } from '../../src/api/shared-fields.ts';
import type { KubeObject } from '../../src/kube/types.ts';

const withFields = (...sets: readonly Record<string, unknown>[]): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'a', managedFields: sets.map((fieldsV1) => ({ manager: 'm', operation: 'Update', apiVersion: 'v1', fieldsType: 'FieldsV1', fieldsV1 })) },
});
const sets = ({ metadata }: KubeObject) => metadata.managedFields!.map(({ fieldsV1 }) => fieldsV1);

test('SharedFields.share() keeps equal sets once, across objects, and changes none of them', () => {
  const shared = new SharedFields();
  const [first, second] = [withFields({ 'f:data': { 'f:a': {} } }, { 'f:data': {} }), withFields({ 'f:data': { 'f:a': {} } })];
  const before = structuredClone([first, second]);
  for (const object of [first, second]) shared.share(object);
  expect([first, second]).toEqual(before);
  expect(sets(second)[0]).toBe(sets(first)[0]);
  expect(sets(first)[1]).not.toBe(sets(first)[0]);
});

test('SharedFields.share() forgets past its maximum and goes on', () => {
  const shared = new SharedFields();
  const first = withFields({ 'f:data': { 'f:0': {} } });
  shared.share(first);
  for (let at = 1; at <= 1_000; at++) shared.share(withFields({ 'f:data': { [`f:${at}`]: {} } }));
  const again = withFields({ 'f:data': { 'f:0': {} } });
  shared.share(again);
  expect(sets(again)).toEqual(sets(first));
  expect(sets(again)[0]).not.toBe(sets(first)[0]);
});

test('SharedFields.share() leaves alone what is no list of sets', () => {
  const shared = new SharedFields();
  const object = withFields();
  Object.assign(object.metadata, { managedFields: 'none' });
  shared.share(object);
  Object.assign(object.metadata, { managedFields: [null, {}] });
  shared.share(object);
  expect(object.metadata.managedFields).toEqual([null, {}]);
});
