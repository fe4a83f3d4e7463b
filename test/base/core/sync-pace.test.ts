import { expect, test } from 'vitest';
import { SyncPace } from '../../../src/base/core/sync-pace.ts';

/** Syncs of a loop that has nothing else to do; answers whether it would wait for the next. */
function idle() {
  const pace = new SyncPace();
  let idleMs = 0;
  return (times: number, ms: number) => {
    for (let i = 0; i < times; i++) pace.took(ms, (idleMs += 10));
    return pace.mayHoldUp(idleMs + 10);
  };
}

test('mayHoldUp() is false until a sync was measured', () => {
  expect(new SyncPace().mayHoldUp(1000)).toBe(false);
  expect(idle()(1, 0.1)).toBe(true);
});

test('mayHoldUp() stays true over one long sync, however long', () => {
  const took = idle();
  took(10, 0.1);
  expect(took(1, 3000)).toBe(true);
});

test('mayHoldUp() becomes false within a few long syncs, and true again once the disk is quick for a while', () => {
  const took = idle();
  took(100, 0.1);
  expect(took(3, 20)).toBe(false);
  expect(took(1, 0.1)).toBe(false);
  expect(took(12, 0.1)).toBe(true);
});

test('mayHoldUp() is false for ever on a disk that takes three milliseconds', () => {
  const took = idle();
  expect(took(1, 3)).toBe(false);
  expect(took(1000, 3)).toBe(false);
});

test('mayHoldUp() is false for a loop that was not idle since the last sync for half as long as one takes', () => {
  const pace = new SyncPace();
  pace.took(0.2, 500);
  expect(pace.mayHoldUp(500)).toBe(false);
  expect(pace.mayHoldUp(500.09)).toBe(false);
  expect(pace.mayHoldUp(500.11)).toBe(true);
  pace.took(0.2, 500.11);
  expect(pace.mayHoldUp(500.2)).toBe(false);
});
