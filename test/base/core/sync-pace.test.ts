import { expect, test } from 'vitest';
import { SyncPace } from '../../../src/base/core/sync-pace.ts';

/** Syncs of a loop that is idle for so long between them; answers whether it would wait for the next. */
function pace({ idleMs }: { readonly idleMs: number }) {
  const subject = new SyncPace();
  let idle = 0;
  return (times: number, ms: number, idleFor = idleMs) => {
    for (let i = 0; i < times; i++) {
      idle += idleFor;
      // What it was idle for while a thread did the sync does not count: it would have been held up.
      subject.took(ms, { before: idle, after: (idle += ms) });
    }
    return subject.mayHoldUp;
  };
}

test('mayHoldUp is false until the disk has been quick for a while', () => {
  expect(new SyncPace().mayHoldUp).toBe(false);
  const took = pace({ idleMs: 1 });
  expect(took(1, 0.1)).toBe(false);
  expect(took(10, 0.1)).toBe(true);
});

test('mayHoldUp stays true over a long sync now and then, however long', () => {
  const took = pace({ idleMs: 1 });
  took(20, 0.1);
  for (let i = 0; i < 20; i++) {
    expect(took(1, 3000)).toBe(true);
    expect(took(3, 0.1)).toBe(true);
  }
});

test('mayHoldUp becomes false when syncs are long one after the other, and true again when they are not', () => {
  const took = pace({ idleMs: 1 });
  took(100, 0.1);
  expect(took(6, 20)).toBe(false);
  expect(took(1, 0.1)).toBe(false);
  expect(took(10, 0.1)).toBe(true);
});

test('mayHoldUp is never true on a disk that takes one and a half milliseconds', () => {
  const took = pace({ idleMs: 10 });
  for (let i = 0; i < 1000; i++) expect(took(1, 1.5)).toBe(false);
});

test('mayHoldUp is false for a loop that is busy between two syncs, though not between all', () => {
  const took = pace({ idleMs: 0.008 });
  expect(took(1000, 0.1)).toBe(false);
  expect(took(1, 0.1, 0.012)).toBe(false);
  expect(took(20, 0.1, 0.012)).toBe(true);
  expect(took(1, 0.1, 0)).toBe(true);
  expect(took(20, 0.1, 0)).toBe(false);
});
