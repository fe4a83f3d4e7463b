/** The bytes of a range's answer beside those of the codec, which makes them from objects. */
import { describe, expect, test } from 'vitest';
import { seededRandom, type Random } from '../../../src/base/random.ts';
import { KeyValue, RangeResponse, RangeStreamResponse } from '../../../src/proto/etcd.ts';
import { encodeRangeAnswer, encodeRangePart } from '../../../src/store/kv-service/range-answer.ts';
import { keyValueSize, writeKeyValue } from '../../../src/store/mvcc/core/key-value-bytes.ts';
import { Mvcc } from '../../../src/store/mvcc/core/mvcc.ts';
import { selectRange } from '../../../src/store/mvcc/core/txn.ts';
import { NOT_CACHED, type Write } from '../../../src/store/mvcc/core/revision.ts';
import { MapRows } from '../mvcc/map-rows.ts';
import { rangeOf } from '../mvcc/requests.ts';

/** About as many of each length that a varint may have, up to the largest. */
function someNumber(random: Random): number {
  return Math.floor(2 ** random.below(53) * (1 + random.float())) - 1;
}

function someBytes(random: Random, lengthMax: number): Buffer {
  return Buffer.from(Array.from({ length: random.below(lengthMax) }, () => random.below(256)));
}

function someWrite(random: Random): Write {
  const zeroOr = (value: number) => (random.below(4) === 0 ? 0 : value);
  return {
    key: someBytes(random, 200).toString('latin1'),
    main: Math.max(1, someNumber(random)),
    sub: 0,
    create: zeroOr(someNumber(random)),
    version: zeroOr(someNumber(random)),
    lease: random.below(2) === 0 ? 0n : BigInt.asIntN(64, random.uint64() >> BigInt(random.below(64))),
    cachedAt: NOT_CACHED,
  };
}

describe('writeKeyValue()', () => {
  test('any write: the bytes of the codec, and their size before', () => {
    const random = seededRandom('key-value-bytes');
    for (let turn = 0; turn < 5000; turn++) {
      const write = someWrite(random);
      const value = someBytes(random, random.below(10) === 0 ? 20_000 : 300);
      const expected = KeyValue.encode({
        key: Buffer.from(write.key, 'latin1'),
        createRevision: write.create,
        modRevision: write.main,
        version: write.version,
        value,
        lease: write.lease,
      });
      const out = Buffer.alloc(expected.length + 2, 0xee);
      expect(keyValueSize(write, value.length)).toBe(expected.length);
      expect(writeKeyValue(out, 1, write, value)).toBe(1 + expected.length);
      expect(out.equals(Buffer.concat([Buffer.from([0xee]), expected, Buffer.from([0xee])]))).toBe(true);
    }
  });
});

describe('encodeRangeAnswer()', () => {
  const header = { clusterId: 2n ** 64n - 1n, memberId: 1n, revision: 2 ** 40, raftTerm: 3 };

  function filled(keys: number): Mvcc {
    const mvcc = new Mvcc(new MapRows());
    for (let at = 0; at < keys; at++) {
      mvcc.begin();
      mvcc.put(`key/${at}`, Buffer.alloc(at * 7, at), BigInt(at % 3));
      mvcc.commit();
    }
    return mvcc;
  }

  for (const [keys, limit] of [[0, 0], [1, 0], [100, 0], [100, 7]] as const) {
    for (const keysOnly of [false, true]) {
      test(`${keys} keys, limit ${limit}, keys only: ${keysOnly}: the bytes of the codec`, () => {
        const mvcc = filled(keys);
        const found = selectRange(mvcc, rangeOf('key/', 'key0', { limit, keysOnly }));
        if (!found.ok) throw new Error(found.code);
        const { writes, more, count } = found.result;
        expect([more, count, writes.length]).toEqual([limit > 0, keys, limit > 0 ? limit : keys]);
        const kvs = writes.map((write) => (keysOnly ? mvcc.keyValue(write, new Uint8Array(0)) : mvcc.keyValue(write)));
        const answer = { header, keysOnly, writes, more, count };
        expect(asHex(encodeRangeAnswer(mvcc, answer))).toBe(asHex(RangeResponse.encode({ header, kvs, more, count })));
        const part = { ...answer, header: undefined };
        const expected = RangeStreamResponse.encode({ rangeResponse: { header: undefined, kvs, more, count } });
        expect(asHex(encodeRangePart(mvcc, part))).toBe(asHex(expected));
      });
    }
  }
});

function asHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
