/** The common tick of watches: nobody waits longer than it lasts, and not all of many are written to at once. */
import { expect, test } from 'vitest';
import { Ticks } from '../../../src/api/rest/watches.ts';
import { DrivenClock } from '../../../src/base/driven-clock.ts';

async function timesOf(watches: number, beginMs: number): Promise<number[]> {
  const clock = new DrivenClock();
  await clock.advance(beginMs);
  const ticks = new Ticks(clock, () => watches);
  const times: number[] = [];
  const all = Array.from({ length: watches }, () => ticks.place()).map(async (place) => {
    await ticks.next(place);
    times.push(clock.monotonic() - beginMs);
  });
  await clock.advance(1_000);
  await Promise.all(all);
  return times;
}

test('a few watches wait for nothing, more of them for one tick together', async () => {
  expect(new Set(await timesOf(10, 3))).toEqual(new Set([0]));
  const times = new Set(await timesOf(100, 3));
  expect([...times]).toEqual([2]);
});

test('a thousand are written to in parts, each within one tick', async () => {
  for (const beginMs of [0, 3, 17.5, 49.9]) {
    const times = await timesOf(1_000, beginMs);
    const counts = new Map<number, number>();
    for (const ms of times) counts.set(Math.round(ms * 10), (counts.get(Math.round(ms * 10)) ?? 0) + 1);
    expect(Math.max(...times)).toBeLessThanOrEqual(50);
    expect([counts.size, Math.max(...counts.values())]).toEqual([10, 100]);
  }
});

test('a watch that has just been written to waits for a whole tick', async () => {
  const clock = new DrivenClock();
  const ticks = new Ticks(clock, () => 1_000);
  const place = ticks.place();
  const times: number[] = [];
  const writing = (async () => {
    for (let n = 0; n < 4; n++) {
      await ticks.next(place);
      times.push(clock.monotonic());
    }
  })();
  await clock.advance(1_000);
  await writing;
  expect(times.map((ms, at) => (at === 0 ? 0 : Math.round(ms - times[at - 1]!)))).toEqual([0, 50, 50, 50]);
});
