import { expect, test } from 'vitest';
import { WorkQueue } from '../../src/client/core/work-queue.ts';
import { Backoff } from '../../src/client/core/backoff.ts';
import { fc } from '../base/property.ts';

test('take() a key added many times comes out once', () => {
  const queue = new WorkQueue();
  for (const key of ['a', 'b', 'a']) queue.add(key);
  expect([queue.take(), queue.take(), queue.take()]).toEqual(['a', 'b', undefined]);
});

test('add() during the work brings the key back after done()', () => {
  const queue = new WorkQueue();
  queue.add('a');
  queue.take();
  queue.add('a');
  expect(queue.take()).toBeUndefined();
  queue.done('a');
  expect(queue.take()).toBe('a');
});

test('addAt() of several times the earliest counts, and only once', () => {
  const queue = new WorkQueue();
  queue.addAt('a', 50);
  queue.addAt('a', 20);
  queue.addAt('a', 30);
  expect(queue.nextDeadline()).toBe(20);
  queue.promote(19);
  expect(queue.length).toBe(0);
  queue.promote(100);
  expect([queue.take(), queue.take()]).toEqual(['a', undefined]);
  expect(queue.nextDeadline()).toBeUndefined();
});

test('a key is never with two workers, and no change is lost', () => {
  const action = fc.record({ kind: fc.constantFrom('add', 'take', 'done', 'later', 'tick'), key: fc.constantFrom('a', 'b', 'c') });
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
      const queue = new WorkQueue();
      const working = new Set<string>();
      /** Keys whose last change no worker has begun after. */
      const owed = new Set<string>();
      const due = new Map<string, number>();
      let now = 0;
      for (const { kind, key } of actions) {
        if (kind === 'add') {
          queue.add(key);
          owed.add(key);
        } else if (kind === 'later') {
          queue.addAt(key, now + 2);
          due.set(key, Math.min(due.get(key) ?? Infinity, now + 2));
        } else if (kind === 'tick') {
          now++;
          queue.promote(now);
          for (const [each, at] of due) if (at <= now && due.delete(each)) owed.add(each);
        } else if (kind === 'take') {
          const taken = queue.take();
          if (taken === undefined) {
            expect([...owed].every((each) => working.has(each))).toBe(true);
          } else {
            expect(working.has(taken)).toBe(false);
            expect(owed.delete(taken)).toBe(true);
            working.add(taken);
          }
        } else if (working.delete(key)) queue.done(key);
      }
      for (const key of working) queue.done(key);
      const rest: string[] = [];
      for (let key = queue.take(); key !== undefined; key = queue.take()) rest.push(key);
      expect(rest.sort()).toEqual([...owed].sort());
    }),
  );
});

test('Backoff doubles up to its maximum and forgets', () => {
  const backoff = new Backoff({ firstMs: 10, maxMs: 60 });
  expect([1, 2, 3, 4, 5].map(() => backoff.next('a'))).toEqual([10, 20, 40, 60, 60]);
  expect(backoff.next('b')).toBe(10);
  backoff.forget('a');
  expect(backoff.next('a')).toBe(10);
});
