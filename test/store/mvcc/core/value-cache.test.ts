import { describe, expect, test } from 'vitest';
import { Mvcc } from '../../../../src/store/mvcc/core/mvcc.ts';
import { NO_LEASE, type Write } from '../../../../src/store/mvcc/core/revision.ts';
import { ValueCache, VALUE_OVERHEAD_BYTES } from '../../../../src/store/mvcc/core/value-cache.ts';
import { fc } from '../../../base/property.ts';
import { MapRows } from '../map-rows.ts';
import { bytes, text } from '../requests.ts';

const writeOf = (main: number): Write => ({ key: 'k', main, sub: 0, create: main, version: 1, lease: NO_LEASE });
/** What so many values of ten bytes take. */
const room = (values: number) => values * (VALUE_OVERHEAD_BYTES + 10);
const ten = (main: number) => bytes(String(main).padStart(10, '0'));

describe('ValueCache', () => {
  test('put() keeps the newest values within its limit', () => {
    const cache = new ValueCache(room(8));
    const writes = Array.from({ length: 100 }, (_, at) => writeOf(at));
    for (const write of writes) {
      cache.put(write, ten(write.main));
      expect(cache.bytes).toBeLessThanOrEqual(room(8));
    }
    for (const write of writes.slice(-4)) expect(text(cache.get(write)!)).toBe(text(ten(write.main)));
    expect(cache.get(writes[0]!)).toBeUndefined();
  });

  test('get() makes a value young again', () => {
    const cache = new ValueCache(room(8));
    const kept = writeOf(0);
    cache.put(kept, ten(0));
    for (let at = 1; at < 100; at++) {
      cache.put(writeOf(at), ten(at));
      expect(cache.get(kept)).toEqual(ten(0));
      expect(cache.bytes).toBeLessThanOrEqual(room(8));
    }
  });

  test('get() of what has become old does not keep the memory of all that it was written with', () => {
    const cache = new ValueCache(room(4));
    const log = new Uint8Array(1024);
    const writes = [0, 1, 2].map(writeOf);
    for (const { main } of writes) log.set(ten(main), main * 10);
    for (const write of writes) cache.put(write, log.subarray(write.main * 10, write.main * 10 + 10));
    expect(cache.get(writes[0]!)).toEqual(ten(0));
    const young = cache.get(writes[0]!)!;
    expect(young).toEqual(ten(0));
    expect(young.buffer.byteLength).toBeLessThan(100);
  });

  test('put() does not empty the cache for a value that is too large for it', () => {
    const cache = new ValueCache(room(8));
    const small = writeOf(1);
    cache.put(small, ten(1));
    cache.put(writeOf(2), new Uint8Array(room(5)));
    expect(cache.get(small)).toEqual(ten(1));
  });

  test('forget() gives back what the value took, in whichever generation', () => {
    const cache = new ValueCache(room(8));
    const writes = Array.from({ length: 6 }, (_, at) => writeOf(at));
    for (const write of writes) cache.put(write, ten(write.main));
    cache.get(writes[0]!);
    for (const write of writes) cache.forget(write);
    expect(cache.bytes).toBe(0);
    for (const write of writes) expect(cache.get(write)).toBeUndefined();
  });

  test('put(), get() and forget() in any order answer what was put or nothing, within the limit', () => {
    const at = fc.nat({ max: 11 });
    const step = fc.oneof(
      fc.record({ do: fc.constant('put' as const), at, length: fc.nat({ max: 3 * VALUE_OVERHEAD_BYTES }) }),
      fc.record({ do: fc.constantFrom('get' as const, 'forget' as const), at }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const cache = new ValueCache(room(6));
        const writes = Array.from({ length: 12 }, (_, number) => writeOf(number));
        // A write never changes: what is put for it again is what was put first.
        const known = new Map<Write, Uint8Array>();
        for (const one of steps) {
          const write = writes[one.at]!;
          if (one.do === 'put') {
            const value = known.get(write) ?? new Uint8Array(one.length).fill(one.at);
            known.set(write, value);
            cache.put(write, value);
          } else if (one.do === 'forget') {
            cache.forget(write);
            expect(cache.get(write)).toBeUndefined();
          } else {
            const value = cache.get(write);
            if (value !== undefined) expect(value).toBe(known.get(write));
          }
          expect(cache.bytes).toBeLessThanOrEqual(room(6));
          expect(cache.bytes).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });
});

describe('Mvcc', () => {
  test('value() of what was written or read lately does not ask the rows', () => {
    const rows = new MapRows();
    const mvcc = new Mvcc(rows);
    mvcc.begin();
    mvcc.put('a', bytes('1'), NO_LEASE);
    mvcc.commit();
    expect(text(mvcc.value(mvcc.get('a')!))).toBe('1');
    expect(rows.gets).toBe(0);
    const reopened = new Mvcc(rows);
    reopened.load(mvcc.get('a')!);
    for (let time = 0; time < 3; time++) expect(text(reopened.value(reopened.get('a')!))).toBe('1');
    expect(rows.gets).toBe(1);
    expect(text(reopened.storedValue(reopened.get('a')!))).toBe('1');
    expect(rows.gets).toBe(2);
  });

  /** Its twin has no cache at all: the same writes, compactions and reads must answer alike. */
  test('value() answers as without a cache, whatever is put, deleted, compacted and read in the past', () => {
    const key = fc.constantFrom('a', 'b', 'c', 'd', 'e');
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ do: fc.constant('put' as const), key, length: fc.nat({ max: 900 }) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), key }) },
      { weight: 4, arbitrary: fc.record({ do: fc.constant('read' as const), key, back: fc.nat({ max: 8 }) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('compact' as const), back: fc.nat({ max: 8 }) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('scrub' as const), keys: fc.integer({ min: 1, max: 5 }) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
        const subjects = [new Mvcc(new MapRows(), new ValueCache(room(6))), new Mvcc(new MapRows(), new ValueCache(0))];
        let written = 0;
        for (const one of steps) {
          written++;
          const [cached, plain] = subjects.map((mvcc): unknown => {
            if (one.do === 'read') return valueOf(mvcc, one.key, Math.max(mvcc.compactRevision, mvcc.revision - one.back));
            if (one.do === 'compact') return mvcc.compact(mvcc.revision - one.back);
            if (one.do === 'scrub') return mvcc.scrub(one.keys);
            mvcc.begin();
            if (one.do === 'put') mvcc.put(one.key, new Uint8Array(one.length).fill(written), NO_LEASE);
            else mvcc.deleteRange({ from: one.key, to: one.key + '\0' });
            return mvcc.commit().length;
          });
          expect(cached).toEqual(plain);
        }
      }),
    );
  });
});

function valueOf(mvcc: Mvcc, key: string, revision: number): string | undefined {
  const write = mvcc.get(key, revision);
  return write === undefined ? undefined : text(mvcc.value(write));
}
