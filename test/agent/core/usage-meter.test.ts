import { expect, test } from 'vitest';
import { MEASURE_AGAIN_MS, UsageMeter, type UsageReading } from '../../../src/agent/core/usage-meter.ts';

const reading = (cpuMs: number, extra: Partial<UsageReading> = {}): UsageReading => ({ cpuMs, memoryBytes: 1_000, ageMs: undefined, ...extra });
const of = (readings: Readonly<Record<string, UsageReading>>) => new Map(Object.entries(readings));

test('rateOf() takes the newest and the oldest that is not older than 15 s', () => {
  const meter = new UsageMeter();
  meter.note(of({ a: reading(0) }), 0);
  expect(meter.rateOf('a')).toBeUndefined();
  meter.note(of({ a: reading(500) }), 1_000);
  expect(meter.rateOf('a')).toEqual({ windowMs: 1_000, cpuNanoCores: 500_000_000, memoryBytes: 1_000 });
  meter.note(of({ a: reading(500, { memoryBytes: 7 }) }), 10_000);
  expect(meter.rateOf('a')).toEqual({ windowMs: 10_000, cpuNanoCores: 50_000_000, memoryBytes: 7 });
  // The first is too old now.
  meter.note(of({ a: reading(8_000) }), 16_000);
  expect(meter.rateOf('a')).toMatchObject({ windowMs: 15_000, cpuNanoCores: 500_000_000 });
  // After a silence there is nothing to compare with.
  meter.note(of({ a: reading(9_000) }), 60_000);
  expect(meter.rateOf('a')).toBeUndefined();
  expect(meter.isIncomplete).toBe(true);
});

test('what has just begun has used nothing before, and has no rate in its first moment', () => {
  const meter = new UsageMeter();
  meter.note(of({ young: reading(2_000, { ageMs: 4_000 }), newborn: reading(100, { ageMs: 200 }), old: reading(99_000, { ageMs: 600_000 }), jumped: reading(5, { ageMs: -3_000 }) }), 50_000);
  expect(meter.rateOf('young')).toMatchObject({ windowMs: 4_000, cpuNanoCores: 500_000_000 });
  for (const id of ['newborn', 'old', 'jumped', 'nobody']) expect([id, meter.rateOf(id)]).toEqual([id, undefined]);
});

test('a counter that goes back is no usage, and what is gone is forgotten', () => {
  const meter = new UsageMeter();
  meter.note(of({ a: reading(900), b: reading(10) }), 0);
  meter.note(of({ a: reading(100) }), 1_000);
  expect(meter.rateOf('a')).toMatchObject({ cpuNanoCores: 0 });
  expect(meter.rateOf('b')).toBeUndefined();
  // Another one of its name begins anew.
  meter.note(of({ a: reading(100), b: reading(20) }), 2_000);
  expect(meter.rateOf('b')).toBeUndefined();
});

test('isDue() until a measurement is a second old, and who measures a moment early is content', () => {
  const meter = new UsageMeter();
  expect(meter.isDue(0)).toBe(true);
  meter.note(of({ a: reading(0) }), 0);
  expect([meter.isDue(500), meter.isDue(MEASURE_AGAIN_MS)]).toEqual([false, true]);
  meter.note(of({ a: reading(10) }), MEASURE_AGAIN_MS - 1);
  expect(meter.isIncomplete).toBe(false);
});
