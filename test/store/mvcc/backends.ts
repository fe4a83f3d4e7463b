/** What every `Backend` promises, as tests over a factory. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Backend, BackendFactory, BackendOp, BackendSnapshot } from '../../../src/store/mvcc/backend.ts';
import { UserError } from '../../../src/base/errors.ts';

/** Behind every key of these tests. */
export const END = '\xff'.repeat(8);

export interface Subject {
  readonly factory: BackendFactory;
  /** Removes what the subject left behind. */
  end(): Promise<void>;
}

export function put(key: string, ...bytes: number[]): BackendOp {
  return { type: 'put', key, value: Uint8Array.from(bytes) };
}

export function del(key: string): BackendOp {
  return { type: 'delete', key };
}

/** Rows as `key=bytes`, and the sizes of the slices they came in. */
export async function rowsOf(source: Pick<Backend | BackendSnapshot, 'scan'>, from = '', to = END) {
  const rows: string[] = [];
  const slices: number[] = [];
  for await (const slice of source.scan({ from, to })) {
    slices.push(slice.length);
    for (const { key, value } of slice) rows.push(`${key}=${[...value].join()}`);
  }
  return { rows, slices };
}

export function describeBackend(name: string, start: () => Promise<Subject>): void {
  describe(name, () => {
    let subject: Subject;
    let backend: Backend;

    beforeEach(async () => {
      subject = await start();
      backend = await subject.factory.open('member/db-1');
    });

    afterEach(async () => {
      await backend.close();
      await subject.end();
    });

    test('get() finds what was put, and nothing else', async () => {
      await backend.batch([put('a', 1, 2), put('empty')]);
      expect([...backend.get('a')!]).toEqual([1, 2]);
      expect(backend.get('empty')?.length).toBe(0);
      expect(backend.get('b')).toBeUndefined();
    });

    test('keys and values are bytes: every byte of both comes back', async () => {
      const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
      const key = Buffer.from(all).toString('latin1');
      await backend.batch([{ type: 'put', key, value: all }]);
      expect(Buffer.from(backend.get(key)!).equals(all)).toBe(true);
      expect(await rowsOf(backend, '\0', '\x01')).toEqual({ rows: [`${key}=${[...all].join()}`], slices: [1] });
    });

    test('scan() goes in the order of the bytes, also from 0x80 on', async () => {
      const keys = ['\xff', '\x80\0', '\x80', '\x7f', '\0', '\xc3\xa9', '\xe9', 'a', 'a\0', '\xff\xff'];
      for (const key of keys) await backend.batch([put(key, 7)]);
      const expected = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a, 'latin1'), Buffer.from(b, 'latin1')));
      expect((await rowsOf(backend)).rows).toEqual(expected.map((key) => `${key}=7`));
    });

    test('scan() includes its start and excludes its end', async () => {
      await backend.batch([put('a', 1), put('b', 2), put('\x90', 3), put('\x91', 4)]);
      expect((await rowsOf(backend, 'b', '\x91')).rows).toEqual(['b=2', '\x90=3']);
      expect((await rowsOf(backend, 'aa', 'b')).rows).toEqual([]);
      expect((await rowsOf(backend, 'b', 'b')).rows).toEqual([]);
      expect((await rowsOf(backend, 'b', 'a')).rows).toEqual([]);
    });

    test('scan() yields full rows in slices of at most a few hundred', async () => {
      const count = 2345;
      const name = (i: number) => `k${String(i).padStart(6, '0')}`;
      await backend.batch(Array.from({ length: count }, (_, i) => put(name(i), i & 255)));
      const { rows, slices } = await rowsOf(backend);
      expect(rows).toEqual(Array.from({ length: count }, (_, i) => `${name(i)}=${i & 255}`));
      expect(slices.length).toBeGreaterThan(1);
      expect(Math.max(...slices)).toBeLessThanOrEqual(500);
      expect(Math.min(...slices)).toBeGreaterThan(0);
    });

    test('scan() against the order begins at the end of the range', async () => {
      await backend.batch(Array.from({ length: 1200 }, (_, i) => put(`k${String(i).padStart(4, '0')}`, i & 255)));
      const keys: string[] = [];
      for await (const slice of backend.scan({ from: 'k0100', to: 'k1150', isReverse: true })) for (const { key } of slice) keys.push(key);
      expect(keys).toEqual(Array.from({ length: 1050 }, (_, i) => `k${String(1149 - i).padStart(4, '0')}`));
    });

    test('scan() may be left early', async () => {
      await backend.batch(Array.from({ length: 1200 }, (_, i) => put(`k${i}`, 1)));
      for await (const slice of backend.scan({ from: '', to: END })) {
        expect(slice.length).toBeGreaterThan(0);
        break;
      }
      await backend.batch([put('after', 1)]);
      expect(backend.get('after')).toBeDefined();
    });

    test('a scan that has begun does not see later batches', async () => {
      await backend.batch(Array.from({ length: 1200 }, (_, i) => put(`k${String(i).padStart(4, '0')}`, 1)));
      let seen = 0;
      for await (const slice of backend.scan({ from: '', to: END })) {
        if (seen === 0) await backend.batch([put('k1199', 9), put('l', 9), del('k1198')]);
        for (const { value } of slice) expect(value[0]).toBe(1);
        seen += slice.length;
      }
      expect(seen).toBe(1200);
    });

    test('batch() applies its operations in order', async () => {
      await backend.batch([put('a', 1), del('a'), put('a', 2), put('b', 1), del('b'), del('missing')]);
      expect((await rowsOf(backend)).rows).toEqual(['a=2']);
      await backend.batch([del('a'), put('c', 3)]);
      await backend.batch([put('a', 4)]);
      expect((await rowsOf(backend)).rows).toEqual(['a=4', 'c=3']);
      await backend.batch([]);
    });

    test('batch() copies: what the caller does to its bytes later changes nothing', async () => {
      const value = Uint8Array.of(1, 2);
      const done = backend.batch([{ type: 'put', key: 'a', value }]);
      value[0] = 99;
      await done;
      expect([...backend.get('a')!]).toEqual([1, 2]);
    });

    test('get() gives bytes to keep: changing them changes nothing', async () => {
      await backend.batch([put('a', 1)]);
      backend.get('a')![0] = 99;
      for await (const [row] of backend.scan({ from: 'a', to: 'b' })) row!.value[0] = 98;
      expect([...backend.get('a')!]).toEqual([1]);
    });

    test('snapshot() stays as it was', async () => {
      await backend.batch([put('a', 1), put('b', 1)]);
      const first = backend.snapshot();
      await backend.batch([put('a', 2), del('b'), put('c', 2)]);
      const second = backend.snapshot();
      await backend.batch([del('a'), put('b', 3)]);
      expect((await rowsOf(first)).rows).toEqual(['a=1', 'b=1']);
      expect((await rowsOf(second)).rows).toEqual(['a=2', 'c=2']);
      expect((await rowsOf(second, 'b', 'd')).rows).toEqual(['c=2']);
      await first.close();
      expect((await rowsOf(second)).rows).toEqual(['a=2', 'c=2']);
      await second.close();
      expect((await rowsOf(backend)).rows).toEqual(['b=3', 'c=2']);
    });

    test('close() and open() keep the rows, destroy() does not', async () => {
      await backend.batch([put('a', 1)]);
      await backend.close();
      await backend.close();
      backend = await subject.factory.open('member/db-1');
      expect((await rowsOf(backend)).rows).toEqual(['a=1']);
      await backend.close();
      await subject.factory.destroy('member/db-1');
      await subject.factory.destroy('member/db-1');
      backend = await subject.factory.open('member/db-1');
      expect((await rowsOf(backend)).rows).toEqual([]);
    });

    test('paths are apart from each other', async () => {
      await backend.batch([put('a', 1)]);
      const other = await subject.factory.open('member/db-2');
      expect(other.get('a')).toBeUndefined();
      await other.batch([put('a', 2)]);
      await other.close();
      await subject.factory.destroy('member/db-2');
      expect([...backend.get('a')!]).toEqual([1]);
    });

    test('open() of an open path says who is in the way', async () => {
      const opening = subject.factory.open('member/db-1');
      await expect(opening).rejects.toThrow(/member\/db-1 is in use by another process/);
      await expect(opening).rejects.toBeInstanceOf(UserError);
      await backend.batch([put('a', 1)]);
      expect(backend.get('a')).toBeDefined();
    });

    test('a closed backend refuses', async () => {
      await backend.close();
      await expect(backend.batch([put('a', 1)])).rejects.toThrow();
      expect(() => backend.get('a')).toThrow();
    });

    test('sizeBytes() grows with what is stored', async () => {
      const before = await backend.sizeBytes();
      const value = Uint8Array.from({ length: 100_000 }, (_, i) => Math.imul(i, 2654435761) >>> 24);
      await backend.batch([{ type: 'put', key: 'a', value }]);
      expect((await backend.sizeBytes()) - before).toBeGreaterThan(50_000);
    });
  });
}
