/** The generated codecs against protobufjs's own reflection, golden bytes, and foreign bytes. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import protobuf from 'protobufjs';
import { describe, expect, test } from 'vitest';
import { fc } from '../base/property.ts';
import * as api from '../../src/proto/api.ts';
import * as etcd from '../../src/proto/etcd.ts';
import { Struct } from '../../src/proto/google.ts';
import * as raft from '../../src/proto/raft.ts';
import { decodeStatusDetails, encodeStatusDetails, structFromJson, structToJson } from '../../src/proto/struct.ts';
import { decodeShared, NESTING_MAX, WireError, type MessageCodec } from '../../src/proto/wire.ts';

function protoFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? protoFiles(path) : [path];
  });
}

const root = new protobuf.Root();
for (const path of protoFiles('proto')) protobuf.parse(readFileSync(path, 'utf8'), root, { keepCase: true });
root.resolveAll();

const isCodec = (value: unknown): value is MessageCodec<object> =>
  typeof value === 'object' && value !== null && 'typeName' in value && 'decode' in value;

const codecs = [etcd, api, raft].flatMap((module) => Object.values(module).filter(isCodec));

const safeInteger = fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -5, max: 300 }));
const scalars: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  bool: fc.boolean(),
  int32: fc.integer(),
  uint32: fc.nat(),
  // protobufjs takes a 64-bit number as a decimal string; identities use all 64 bits.
  int64: safeInteger.map(String),
  uint64: fc.maxSafeNat().map(String),
  fixed64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String),
  double: fc.double({ noNaN: true }).map((value) => (Object.is(value, -0) ? 0 : value)),
  string: fc.string({ unit: 'binary' }),
  bytes: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
};

/** A message as protobufjs's `fromObject` takes it. */
function messageArbitrary(type: protobuf.Type, depth: number): fc.Arbitrary<Record<string, unknown>> {
  const fields = type.fieldsArray.flatMap((field) => {
    const value = valueArbitrary(field, depth);
    if (value === undefined) return [];
    if (field instanceof protobuf.MapField)
      return [[field.name, fc.dictionary(fc.string(), value, { maxKeys: 3 })] as const];
    return [[field.name, field.repeated ? fc.array(value, { maxLength: 3 }) : value] as const];
  });
  return fc.record(Object.fromEntries(fields), { requiredKeys: [] }).map((message) => {
    for (const oneof of type.oneofsArray) {
      // At most one of a oneof's fields.
      for (const field of oneof.fieldsArray.filter(({ name }) => name in message).slice(1)) delete message[field.name];
    }
    return message;
  });
}

function valueArbitrary(field: protobuf.Field, depth: number): fc.Arbitrary<unknown> | undefined {
  if (field.resolvedType instanceof protobuf.Enum) return fc.constantFrom(...Object.values(field.resolvedType.values));
  if (field.resolvedType instanceof protobuf.Type)
    return depth === 0 ? undefined : messageArbitrary(field.resolvedType, depth - 1);
  const scalar = scalars[field.type];
  if (scalar === undefined) throw new Error(`no arbitrary for ${field.type}`);
  return scalar;
}

describe('every codec agrees with protobufjs', () => {
  test.each(codecs.map((codec) => [codec.typeName, codec] as const))('%s', (typeName, codec) => {
    const type = root.lookupType(typeName);
    fc.assert(
      fc.property(messageArbitrary(type, 3), (object) => {
        const theirs = type.encode(type.fromObject(object)).finish();
        const decoded = codec.decode(theirs);
        const ours = codec.encode(decoded);
        // Equal in meaning: both are read back by protobufjs; field order on the wire is free.
        const read = (bytes: Uint8Array) =>
          type.toObject(type.decode(bytes), { longs: String, defaults: true, bytes: String });
        expect(read(ours)).toEqual(read(theirs));
        expect(codec.decode(ours)).toEqual(decoded);
        expect(codec.create(decoded)).toEqual(decoded);
      }),
      { numRuns: 15 },
    );
  });
});

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const text = (value: string) => new TextEncoder().encode(value);

describe('golden bytes', () => {
  test('PutRequest', () => {
    expect(hex(etcd.PutRequest.encode({ key: text('foo'), value: text('bar'), lease: 0x7fffn, prevKv: true }))).toBe(
      '0a03666f6f120362617218ffff012001',
    );
  });

  test('decodeShared() copies what is little of the message, and lends what is most of it', () => {
    const bytes = etcd.PutRequest.encode({ key: text('k'), value: new Uint8Array(100).fill(7), lease: 2n ** 63n - 1n });
    const shared = decodeShared(etcd.PutRequest, bytes);
    expect(shared).toEqual(etcd.PutRequest.decode(bytes));
    expect([shared.key.buffer === bytes.buffer, shared.value.buffer === bytes.buffer]).toEqual([false, true]);
    expect(etcd.PutRequest.decode(bytes).value.buffer).not.toBe(bytes.buffer);
  });

  test('a negative number takes ten bytes', () => {
    expect(hex(etcd.WatchResponse.encode({ watchId: -1 }))).toBe('10ffffffffffffffffff01');
    expect(etcd.WatchResponse.decode(Buffer.from('10ffffffffffffffffff01', 'hex')).watchId).toBe(-1);
  });

  test('a nested message of more than 127 bytes', () => {
    const bytes = etcd.RangeResponse.encode({ kvs: [{ key: new Uint8Array(200) }] });
    expect(hex(bytes.subarray(0, 6))).toBe('12cb010ac801');
    expect(bytes.length).toBe(206);
  });

  test('an empty message is no bytes', () => {
    expect(etcd.RangeRequest.encode({})).toEqual(new Uint8Array(0));
    expect(etcd.RangeRequest.decode(new Uint8Array(0))).toEqual(etcd.RangeRequest.create());
  });

  test('an unset optional differs from 0', () => {
    expect(api.DeleteRequest.decode(api.DeleteRequest.encode({})).gracePeriodSeconds).toBeUndefined();
    expect(api.DeleteRequest.decode(api.DeleteRequest.encode({ gracePeriodSeconds: 0 })).gracePeriodSeconds).toBe(0);
  });

  test('the edges of 64 bits', () => {
    const grant = (id: bigint) => etcd.LeaseGrantRequest.decode(etcd.LeaseGrantRequest.encode({ id })).id;
    expect([2n ** 63n - 1n, -(2n ** 63n), -1n, 1n << 32n].map(grant)).toEqual([
      2n ** 63n - 1n,
      -(2n ** 63n),
      -1n,
      1n << 32n,
    ]);
    const member = (id: bigint) => etcd.Member.decode(etcd.Member.encode({ id })).id;
    expect(member(2n ** 64n - 1n)).toBe(2n ** 64n - 1n);
    // Numbers saturate: revision = 2^63 - 1.
    expect(etcd.RangeRequest.decode(Buffer.from('20ffffffffffffffff7f', 'hex')).revision).toBe(Number.MAX_SAFE_INTEGER);
    expect(() => etcd.RangeRequest.encode({ revision: 0.5 })).toThrow('safe integer');
    // A throw in the middle leaves nothing behind for the next message.
    expect(hex(etcd.RangeRequest.encode({ revision: 1 }))).toBe('2001');
  });
});

describe('foreign bytes', () => {
  const decode = (bytes: string) => () => etcd.RangeRequest.decode(Buffer.from(bytes, 'hex'));

  test('are refused with a WireError', () => {
    for (const bytes of [
      '0a',
      '0a05ff',
      '0aff',
      '20',
      '2080',
      '20ffffffffffffffffffff01',
      '00',
      '0f',
      '0b',
      '0affffffff0f',
      '0c',
    ]) {
      expect(decode(bytes), bytes).toThrow(WireError);
    }
  });

  test('any bytes are decoded or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        for (const codec of [etcd.TxnRequest, etcd.WatchResponse, raft.Envelope] as MessageCodec<unknown>[]) {
          try {
            codec.decode(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(WireError);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test('unknown fields of every wire type are skipped', () => {
    // Fields 100..104: varint, 64-bit, bytes, a group with a field inside, 32-bit; then key = "k".
    const unknown = ['a00607', 'a9060000000000000000', 'b206026162', 'bb060801bc06', 'c50600000000', '0a016b'].join('');
    expect(etcd.RangeRequest.decode(Buffer.from(unknown, 'hex')).key).toEqual(text('k'));
  });

  test('nesting is bounded', () => {
    const nested = (depth: number): Parameters<typeof etcd.TxnRequest.encode>[0] =>
      depth === 0 ? {} : { success: [{ request: { case: 'requestTxn', value: nested(depth - 1) } }] };
    expect(etcd.TxnRequest.decode(etcd.TxnRequest.encode(nested(NESTING_MAX / 2))).success).toHaveLength(1);
    expect(() => etcd.TxnRequest.decode(etcd.TxnRequest.encode(nested(NESTING_MAX / 2 + 1)))).toThrow(/nested deeper/);
  });

  test('text that is not UTF-8 is refused', () => {
    expect(() => etcd.StatusResponse.decode(Buffer.from('1201ff', 'hex'))).toThrow(/UTF-8/);
  });

  test('decoded bytes are copies', () => {
    const bytes = etcd.PutRequest.encode({ key: text('key'), value: new Uint8Array(100).fill(7) });
    const decoded = etcd.PutRequest.decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    bytes.fill(0);
    expect(decoded.key).toEqual(text('key'));
    expect(decoded.value[50]).toBe(7);
    expect(Buffer.isBuffer(decoded.value)).toBe(false);
  });
});

describe('structFromJson() and structToJson()', () => {
  test('are inverse', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 5 })), (json) => {
        const plain = JSON.parse(JSON.stringify(json)) as Record<string, never>;
        expect(structToJson(Struct.decode(Struct.encode(structFromJson(plain))))).toEqual(plain);
      }),
    );
  });

  test('a status carries JSON', () => {
    const bytes = encodeStatusDetails({ code: 5, message: 'gone', json: { reason: 'NotFound', code: 404 } });
    expect(decodeStatusDetails(bytes)).toEqual({ reason: 'NotFound', code: 404 });
    expect(decodeStatusDetails(Buffer.from('ff', 'hex'))).toBeUndefined();
  });
});
