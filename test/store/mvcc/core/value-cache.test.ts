import { describe, expect, test } from 'vitest';
import { Mvcc } from '../../../../src/store/mvcc/core/mvcc.ts';
import { NO_LEASE, NOT_CACHED, type Write } from '../../../../src/store/mvcc/core/revision.ts';
import { COPIED_BYTES_MAX, ValueCache } from '../../../../src/store/mvcc/core/value-cache.ts';
import { fc } from '../../../base/property.ts';
import { MapRows } from '../map-rows.ts';
import { bytes, text } from '../requests.ts';

const writeOf = (main: number): Write => ({ key: 'k', main, sub: 0, create: main, version: 1, lease: NO_LEASE, cachedAt: NOT_CACHED });
/** So many slabs, of two values of ten bytes each with their heads. */
const SLAB_BYTES = 2 * (16 + 10) + 4;
const room = (slabs: number) => slabs * SLAB_BYTES;
const cacheOf = (slabs: number) => new ValueCache(room(slabs), SLAB_BYTES);
const ten = (main: number) => bytes(String(main).padStart(10, '0'));

describe('ValueCache', () => {
  test('put() keeps the newest values within its limit', () => {
    const cache = cacheOf(8);
    const writes = Array.from({ length: 100 }, (_, at) => writeOf(at));
    for (const write of writes) {
      cache.put(write, ten(write.main));
      expect(cache.bytes).toBeLessThanOrEqual(room(8));
    }
    for (const write of writes.slice(-8)) expect(text(cache.get(write)!)).toBe(text(ten(write.main)));
    expect(cache.get(writes.at(-17)!)).toBeUndefined();
  });

  test('get() makes a value young again', () => {
    const cache = cacheOf(8);
    const kept = writeOf(0);
    cache.put(kept, ten(0));
    for (let at = 1; at < 100; at++) {
      cache.put(writeOf(at), ten(at));
      expect(cache.get(kept)).toEqual(ten(0));
      expect(cache.bytes).toBeLessThanOrEqual(room(8));
    }
  });

  test('put() does not keep the memory of all that a value came with', () => {
    const cache = new ValueCache(1024 * 1024);
    const log = new Uint8Array(64 * 1024).fill(7);
    for (const [main, length] of [10, COPIED_BYTES_MAX + 1].entries()) {
      const write = writeOf(main);
      cache.put(write, log.subarray(main, main + length));
      const kept = cache.get(write)!;
      expect(kept).toEqual(new Uint8Array(length).fill(7));
      expect(kept.buffer).not.toBe(log.buffer);
    }
  });

  test('put() does not empty the cache for a value that is too large for it', () => {
    const cache = new ValueCache(2 * COPIED_BYTES_MAX, SLAB_BYTES);
    const small = writeOf(1);
    cache.put(small, ten(1));
    cache.put(writeOf(2), new Uint8Array(COPIED_BYTES_MAX));
    cache.put(writeOf(3), new Uint8Array(COPIED_BYTES_MAX + 1));
    expect(cache.get(small)).toEqual(ten(1));
  });

  test('get() takes nothing for the value that lies where its own was', () => {
    const cache = cacheOf(2);
    const [first, second] = [writeOf(1), writeOf(2)];
    cache.put(first, ten(1));
    const place = first.cachedAt;
    for (const other of [second, { ...first, sub: 1 }, { ...first, main: first.main + 2 ** 32 }]) {
      other.cachedAt = place;
      expect(cache.get(other)).toBeUndefined();
      // Where no value lies yet.
      other.cachedAt = place + 1;
      expect(cache.get(other)).toBeUndefined();
    }
    expect(cache.get({ ...first, cachedAt: place })).toEqual(ten(1));
  });

  test('put() copies what is small, so that it keeps nothing else alive', () => {
    const cache = new ValueCache();
    const message = new Uint8Array(2 * COPIED_BYTES_MAX).fill(1);
    const [small, large] = [writeOf(1), writeOf(2)];
    cache.put(small, message.subarray(0, COPIED_BYTES_MAX));
    cache.put(large, message.subarray(1));
    expect(cache.get(small)!.buffer).not.toBe(message.buffer);
    expect(cache.get(large)!.buffer).toBe(message.buffer);
  });

  test('put() and get() in any order answer what was put or nothing, within the limit', () => {
    const at = fc.nat({ max: 30 });
    const length = fc.oneof({ weight: 9, arbitrary: fc.nat({ max: 60 }) }, { weight: 1, arbitrary: fc.constant(COPIED_BYTES_MAX + 1) });
    const step = fc.oneof(
      fc.record({ do: fc.constant('put' as const), at, length }),
      fc.record({ do: fc.constant('get' as const), at }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), fc.constantFrom(room(6), 4 * COPIED_BYTES_MAX), (steps, bytesMax) => {
        const cache = new ValueCache(bytesMax, SLAB_BYTES);
        // Some are of one revision, and some of revisions that differ above 32 bits only.
        const writes = Array.from({ length: 31 }, (_, number) => ({ ...writeOf((number >> 2) % 4 + 2 ** 32 * (number >> 4)), sub: number % 4 }));
        // A write never changes: what is put for it again is what was put first.
        const known = new Map<Write, Uint8Array>();
        for (const one of steps) {
          const write = writes[one.at]!;
          if (one.do === 'put') {
            const value = known.get(write) ?? new Uint8Array(one.length).fill(one.at);
            known.set(write, value);
            cache.put(write, value);
          } else {
            const value = cache.get(write);
            if (value !== undefined) expect(Buffer.compare(value, known.get(write)!)).toBe(0);
          }
          expect(cache.bytes).toBeLessThanOrEqual(bytesMax);
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

  test('values() answers in the order that it is asked in, and reads what it must in the order of the writes', () => {
    const rows = new MapRows();
    const mvcc = new Mvcc(rows, new ValueCache(0));
    for (const key of ['c', 'a', 'd', 'b']) {
      mvcc.begin();
      mvcc.put(key, bytes(`of ${key}`), NO_LEASE);
      mvcc.commit();
    }
    mvcc.begin();
    mvcc.deleteKey('d');
    mvcc.commit();
    const writes = ['a', 'b', 'c', 'd'].map((key) => mvcc.index.writeAt(key, mvcc.revision)!);
    const read: number[] = [];
    const valueOf = rows.valueOf.bind(rows);
    rows.valueOf = (write) => {
      read.push(write.main);
      return valueOf(write);
    };
    expect(mvcc.values(writes).map(text)).toEqual(['of a', 'of b', 'of c', '']);
    expect(read).toEqual([2, 3, 5]);
  });

  /** Its twin has no cache at all: the same writes, compactions and reads must answer alike. */
  test('value() answers as without a cache, whatever is put, deleted, compacted and read in the past', () => {
    const key = fc.constantFrom('a', 'b', 'c', 'd', 'e');
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ do: fc.constant('put' as const), key, length: fc.nat({ max: 150 }) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), key }) },
      { weight: 4, arbitrary: fc.record({ do: fc.constant('read' as const), key, back: fc.nat({ max: 8 }) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('compact' as const), back: fc.nat({ max: 8 }) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('scrub' as const), keys: fc.integer({ min: 1, max: 5 }) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
        const subjects = [new Mvcc(new MapRows(), new ValueCache(room(20), room(3))), new Mvcc(new MapRows(), new ValueCache(0))];
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
