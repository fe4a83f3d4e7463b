import { describe, expect, test } from 'vitest';
import { FAILOVER, ONE_CLIENT, TARGETS, targetRows, verdict, type Target } from '../bench/targets.ts';

const rate: Target = { name: 'puts', figure: 'puts', isRate: true, of: 'ratio', goal: 4, floor: 2, digits: 0 };
const cost: Target = { ...rate, name: 'latency', figure: 'latency', isRate: false, goal: 0.5, floor: 0.8 };
const time: Target = { ...cost, of: 'ms', goal: 100, floor: 200 };

describe('verdict()', () => {
  test('of a rate the goal and the floor are the least', () => {
    expect([400, 399, 200, 199].map((ours) => verdict(rate, [ours, 100]))).toEqual(['goal', 'floor', 'floor', 'missed']);
  });

  test('of what it costs they are the most', () => {
    expect([50, 51, 80, 81].map((ours) => verdict(cost, [ours, 100]))).toEqual(['goal', 'floor', 'floor', 'missed']);
  });

  test('a time counts by itself, beside whatever; a ratio needs both', () => {
    expect([[100], [150, 1], [201, 9000]].map((values) => verdict(time, values))).toEqual(['goal', 'floor', 'missed']);
    expect(verdict(rate, [100])).toBe('unknown');
  });
});

describe('targetRows()', () => {
  test('a row has medians, ranges, ratio, goal, floor and what is met; what was not measured has none', () => {
    const figures = new Map([['puts', [[30, 10, 20], [10, 12, 8]]]]);
    expect(targetRows(figures, [rate, cost])).toEqual([['puts', '20 (10–30)', '10 (8–12)', '2.00', '4 ×', '2 ×', 'floor']]);
    expect(targetRows(new Map([['puts', [[20]]]]), [rate])).toEqual([['puts', '20 (20–20)', '4 ×', '2 ×', '']]);
  });

  test('rows are in the order of the targets, and a failover is told twice: by its median and by its worst', () => {
    const figures = new Map([
      [FAILOVER, [[90, 95, 400], [1000, 1100, 1200]]],
      [ONE_CLIENT, [[1], [2]]],
    ]);
    expect(targetRows(figures)).toEqual([
      [ONE_CLIENT, '1.00 (1.00–1.00)', '2.00 (2.00–2.00)', '0.50', '0.5 ×', '0.8 ×', 'goal'],
      ['leader killed → next write, median, ms', '95 (90–400)', '1100 (1000–1200)', '0.09', '100 ms', '200 ms', 'goal'],
      ['leader killed → next write, worst, ms', '400', '1200', '0.33', '300 ms', '500 ms', 'floor'],
    ]);
  });

  test('no goal is nearer than its floor', () => {
    for (const { goal, floor, isRate, name } of TARGETS) expect(isRate ? goal > floor : goal < floor, name).toBe(true);
  });
});
