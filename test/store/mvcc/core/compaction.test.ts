import { expect, test } from 'vitest';
import { SCRUB_WRITES_MAX } from '../../../../src/store/mvcc/core/compaction.ts';
import { Mvcc } from '../../../../src/store/mvcc/core/mvcc.ts';
import type { Write } from '../../../../src/store/mvcc/core/revision.ts';
import { bytes } from '../requests.ts';

test('scrub() forgets a bounded number of writes in one step, however many a key has', () => {
  const rows = new Map<Write, Uint8Array>();
  const mvcc = new Mvcc({
    valueOf: (write) => rows.get(write),
    putWrite: (write, value) => void rows.set(write, value),
    dropWrite: (write) => void rows.delete(write),
    reclaim: () => false,
    runFrom: () => expect.unreachable('nobody reads them in order'),
  });
  const write = (change: () => void) => {
    mvcc.begin();
    change();
    mvcc.commit();
  };
  const history = 2.5 * SCRUB_WRITES_MAX;
  for (let at = 0; at < history; at++) write(() => mvcc.put('hot', bytes(String(at)), 0n));
  write(() => mvcc.put('gone', bytes('x'), 0n));
  write(() => mvcc.deleteKey('gone'));
  write(() => mvcc.put('kept', bytes('y'), 0n));
  expect(mvcc.compact(mvcc.revision)).toEqual({ ok: true });
  let steps = 0;
  for (let isMore = true; isMore; steps++) {
    const before = rows.size;
    isMore = mvcc.scrub(1000);
    expect(before - rows.size).toBeLessThanOrEqual(SCRUB_WRITES_MAX);
    expect(Buffer.from(mvcc.value(mvcc.get('hot')!)).toString()).toBe(String(history - 1));
  }
  // The last one gives the rows back.
  expect(steps).toBe(4);
  // Of `hot` and `kept` an index row and a value.
  expect([rows.size, mvcc.index.size]).toEqual([2, 2]);
});
