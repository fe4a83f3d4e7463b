import { describe, expect, test } from 'vitest';
import { bucketsBetween, bucketsOf, parseMetrics, quantileOf, valueOf } from '../../../src/cli/core/prometheus.ts';
import { Registry } from '../../../src/base/prometheus.ts';

test('parseMetrics() takes what the format has, and passes over the rest', () => {
  const text = [
    '# HELP a_total of something {x="1"} 5',
    '# TYPE a_total counter',
    'a_total 7',
    'b{one="1",two="a } \\"b\\" \\\\ \\n c",} 1.5e3 1700000000000',
    'b{one="2"} +Inf',
    '  ',
    'c NaN',
    'no number here',
    'd\t-2',
    '9e 3',
  ].join('\n');
  expect([...parseMetrics(text)]).toEqual([
    ['a_total', [{ labels: {}, value: 7 }]],
    ['b', [{ labels: { one: '1', two: 'a } "b" \\ \n c' }, value: 1500 }, { labels: { one: '2' }, value: Infinity }]],
    ['d', [{ labels: {}, value: -2 }]],
  ]);
});

test('parseMetrics() reads back what the store\'s registry writes', async () => {
  const registry = new Registry();
  registry.add('gauge', 'now', 'help', async () => 3);
  registry.add('counter', 'calls_total', 'help', () => [{ labels: { name: 'a "quoted" \\ \n one' }, value: 2 }]);
  const times = registry.histogram('times_seconds', 'help', [0.001, 0.002]);
  for (const seconds of [0.0005, 0.0015, 0.0016, 9]) times.observe(seconds);
  const metrics = parseMetrics(await registry.text());
  expect(valueOf(metrics, 'missing', 'now')).toBe(3);
  expect(metrics.get('calls_total')).toEqual([{ labels: { name: 'a "quoted" \\ \n one' }, value: 2 }]);
  expect(bucketsOf(metrics, 'times_seconds')).toEqual([{ upTo: 0.001, count: 1 }, { upTo: 0.002, count: 3 }, { upTo: Infinity, count: 4 }]);
  expect(valueOf(metrics, 'times_seconds_count')).toBe(4);
});

test('bucketsOf() is ascending whatever the order of the lines; no histogram has no bucket', () => {
  const metrics = parseMetrics('h_bucket{le="+Inf"} 3\nh_bucket{le="0.5"} 1\nh_bucket{le="0.25"} 1\nh_bucket 9\n');
  expect(bucketsOf(metrics, 'h').map(({ upTo }) => upTo)).toEqual([0.25, 0.5, Infinity]);
  expect(bucketsOf(metrics, 'g')).toEqual([]);
});

describe('quantileOf()', () => {
  const buckets = (counts: readonly number[]) => counts.map((count, at) => ({ upTo: [1, 2, 4, Infinity][at]!, count }));

  test.each([
    ['in the middle of a bucket', [0, 10, 10, 10], 0.5, { value: 1.5, above: 1, upTo: 2 }],
    ['in the lowest', [10, 10, 10, 10], 0.99, { value: 0.99, above: 0, upTo: 1 }],
    ['at a bound', [5, 10, 10, 10], 0.5, { value: 1, above: 0, upTo: 1 }],
    ['behind an empty bucket', [5, 5, 10, 10], 0.75, { value: 3, above: 2, upTo: 4 }],
    ['above the highest bound', [0, 0, 0, 3], 0.5, { value: 4, above: 4, upTo: Infinity }],
    ['of the least, with nothing in the first bucket', [0, 4, 4, 4], 0, { value: 1, above: 1, upTo: 2 }],
  ])('%s', (_, counts, q, expected) => {
    expect(quantileOf(buckets(counts), q)).toEqual(expected);
  });

  test('is undefined where nothing was observed', () => {
    expect(quantileOf(buckets([0, 0, 0, 0]), 0.5)).toBeUndefined();
    expect(quantileOf([], 0.5)).toBeUndefined();
  });

  test('bucketsBetween() of a counter that began anew is undefined', () => {
    expect(bucketsBetween(buckets([1, 2, 2, 3]), buckets([1, 4, 5, 6]))).toEqual(buckets([0, 2, 3, 3]));
    expect(bucketsBetween(buckets([1, 2, 2, 3]), buckets([0, 4, 5, 6]))).toBeUndefined();
  });
});
