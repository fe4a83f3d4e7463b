import { expect, test } from 'vitest';
import { SyncPace } from '../../../src/base/core/sync-pace.ts';

const took = (pace: SyncPace, times: number, ms: number) => {
  for (let i = 0; i < times; i++) pace.took(ms);
  return pace.mayHoldUp;
};

test('mayHoldUp is false until a sync was measured', () => {
  const pace = new SyncPace();
  expect(pace.mayHoldUp).toBe(false);
  expect(took(pace, 1, 0.1)).toBe(true);
});

test('mayHoldUp stays true over one long sync, however long', () => {
  const pace = new SyncPace();
  took(pace, 10, 0.1);
  expect(took(pace, 1, 3000)).toBe(true);
});

test('mayHoldUp becomes false within a few long syncs, and true again once the disk is quick for a while', () => {
  const pace = new SyncPace();
  took(pace, 100, 0.1);
  expect(took(pace, 3, 20)).toBe(false);
  expect(took(pace, 1, 0.1)).toBe(false);
  expect(took(pace, 10, 0.1)).toBe(true);
});

test('mayHoldUp is false for ever on a disk that takes three milliseconds', () => {
  const pace = new SyncPace();
  expect(took(pace, 1, 3)).toBe(false);
  expect(took(pace, 1000, 3)).toBe(false);
});
