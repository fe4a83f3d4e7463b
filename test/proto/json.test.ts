/** The JSON mapping against protobufjs's own conversion, both ways, and foreign JSON. */
import { readFileSync } from 'node:fs';
import protobuf from 'protobufjs';
import { describe, expect, test } from 'vitest';
import { fc } from '../base/property.ts';
import { decodeJson, encodeJson, JsonError, type Json } from '../../src/proto/json.ts';
import { NESTING_MAX } from '../../src/proto/wire.ts';

const root = new protobuf.Root();
for (const name of ['kv', 'auth', 'rpc'])
  protobuf.parse(readFileSync(`proto/etcd/${name}.proto`, 'utf8'), root, { keepCase: true });
root.resolveAll();

const CASES: Readonly<Record<string, fc.Arbitrary<Record<string, unknown>>>> = {
  'etcdserverpb.RangeRequest': fc.record(
    {
      key: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('base64')),
      limit: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
      sort_order: fc.constantFrom('ASCEND', 'DESCEND'),
      serializable: fc.constant(true),
    },
    { requiredKeys: [] },
  ),
  'etcdserverpb.TxnRequest': fc.record({
    compare: fc.array(
      fc.record({
        result: fc.constantFrom('GREATER', 'LESS'),
        key: fc.constant('YQ=='),
        mod_revision: fc.integer({ min: 1 }).map(String),
      }),
    ),
    success: fc.array(fc.constant({ request_put: { key: 'YQ==', lease: '-3' } }), { minLength: 1 }),
  }),
  'etcdserverpb.Member': fc.record({
    ID: fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }).map(String),
    peerURLs: fc.array(fc.string({ unit: 'binary' }), { minLength: 1 }),
  }),
  'etcdserverpb.WatchCreateRequest': fc.record({
    filters: fc.array(fc.constantFrom('NOPUT', 'NODELETE'), { minLength: 1 }),
  }),
};

/** As protobufjs writes them; it leaves defaults out, too, but tells empty lists of a message that was given some. */
const expectedOf = (type: protobuf.Type, bytes: Uint8Array): unknown =>
  JSON.parse(JSON.stringify(type.toObject(type.decode(bytes), { longs: String, enums: String, bytes: String })));

describe.each(Object.entries(CASES))('%s', (typeName, arbitrary) => {
  const type = root.lookupType(typeName);

  test('encodeJson() means what protobufjs makes of the same object', () => {
    fc.assert(
      fc.property(arbitrary, (json) => {
        expect(expectedOf(type, encodeJson(typeName, json as Json))).toEqual(
          expectedOf(type, type.encode(type.fromObject(json)).finish()),
        );
      }),
    );
  });

  test('decodeJson() reads what protobufjs wrote', () => {
    fc.assert(
      fc.property(arbitrary, (json) => {
        const bytes = type.encode(type.fromObject(json)).finish();
        const ours = type.fromObject(decodeJson(typeName, bytes) as Record<string, unknown>);
        expect(expectedOf(type, type.encode(ours).finish())).toEqual(expectedOf(type, bytes));
      }),
    );
  });
});

test('decodeJson() names fields as the .proto does, leaves defaults out, and writes a list’s defaults', () => {
  const bytes = encodeJson('etcdserverpb.WatchCreateRequest', { startRevision: 5, key: '', filters: ['NOPUT', 1] });
  expect(decodeJson('etcdserverpb.WatchCreateRequest', bytes)).toEqual({
    start_revision: '5',
    filters: ['NOPUT', 'NODELETE'],
  });
});

test.each<readonly [what: string, json: Json]>([
  ['no object', []],
  ['bytes that are no base64', { key: '!' }],
  ['a number that is none', { limit: 'x' }],
  ['a number out of range', { limit: '9223372036854775808' }],
  ['a fraction', { limit: 1.5 }],
  ['an enum that is none', { sort_order: 'SIDEWAYS' }],
  ['a bool as text', { serializable: 'true' }],
])('encodeJson() refuses %s', (_what, json) => {
  expect(() => encodeJson('etcdserverpb.RangeRequest', json)).toThrow(JsonError);
});

test('encodeJson() refuses what is nested too deep', () => {
  let json: Json = {};
  for (let depth = 0; depth <= NESTING_MAX; depth++) json = { success: [{ request_txn: json }] };
  expect(() => encodeJson('etcdserverpb.TxnRequest', json)).toThrow('nested deeper');
});
