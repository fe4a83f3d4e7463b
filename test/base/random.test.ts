import { expect, test } from 'vitest';
import { seededRandom } from '../../src/base/random.ts';

test('seededRandom() gives the same stream for the same seed, another for another', () => {
  const draw = (seed: number) => Array.from({ length: 8 }, ((random) => () => random.uint32())(seededRandom(seed)));
  expect(draw(1)).toEqual(draw(1));
  expect(draw(1)).not.toEqual(draw(2));
});

test('fork() does not depend on what the parent has drawn', () => {
  const early = seededRandom(7).fork('disk').uint32();
  const parent = seededRandom(7);
  parent.uint32();
  expect(parent.fork('disk').uint32()).toBe(early);
  expect(parent.fork('network').uint32()).not.toBe(early);
});

test('below() covers its range evenly', () => {
  const random = seededRandom('even');
  const counts = Array.from({ length: 10 }, () => 0);
  for (let i = 0; i < 10_000; i++) counts[random.below(10)]!++;
  for (const count of counts) expect(count).toBeGreaterThan(850);
});

test('uuid() has the shape of version 4', () => {
  expect(seededRandom(3).uuid()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
