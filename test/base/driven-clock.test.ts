import { expect, test } from 'vitest';
import { sleep, withDeadline } from '../../src/base/clock.ts';
import { DrivenClock } from '../../src/base/driven-clock.ts';

test('advance() fires timers by time, then by the order in which they were set', async () => {
  const clock = new DrivenClock();
  const fired: string[] = [];
  clock.setTimer(20, () => fired.push('late'));
  clock.setTimer(10, () => fired.push('first'));
  clock.setTimer(10, () => fired.push('second'));
  clock.setTimer(5, () => fired.push('cancelled')).cancel();
  await clock.advance(10);
  expect(fired).toEqual(['first', 'second']);
  await clock.advance(10);
  expect(fired).toEqual(['first', 'second', 'late']);
});

test('advance() fires what falls due on the way, and promises settle between', async () => {
  const clock = new DrivenClock();
  const at: number[] = [];
  void (async () => {
    for (let i = 0; i < 3; i++) {
      await sleep(clock, 10);
      at.push(clock.monotonic());
    }
  })();
  await clock.advance(35);
  expect(at).toEqual([10, 20, 30]);
});

test('withDeadline() rejects when nothing comes, naming what was waited for', async () => {
  const clock = new DrivenClock();
  const outcome = withDeadline(new Promise(() => {}), { clock, deadlineMs: 50, what: 'an answer' }).catch(String);
  await clock.advance(50);
  expect(await outcome).toContain('an answer: not within 50 ms');
});
