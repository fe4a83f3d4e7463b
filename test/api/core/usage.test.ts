import { expect, test } from 'vitest';
import { formatDuration, nodeMetricsOf, podMetricsOf } from '../../../src/api/core/usage.ts';
import type { Usage } from '../../../src/proto/node.ts';

const AT = Date.UTC(2024, 0, 1);
const usage = (extra: Partial<Usage> = {}): Usage => ({ atMs: AT, windowMs: 15_040, cpuNanoCores: 123_456_789, memoryBytes: 5 * 1024 * 1024, ...extra });
const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'default', uid: 'u1', labels: { app: 'x' } } };

test('formatDuration() as Go prints one', () => {
  const texts = [0, 250, 1_000, 15_040, 60_000, 61_500, 3_600_000, 3_723_004].map(formatDuration);
  expect(texts).toEqual(['0s', '250ms', '1s', '15.04s', '1m0s', '1m1.5s', '1h0m0s', '1h2m3.004s']);
});

test('amounts are the shortest texts that lose nothing', () => {
  const of = (extra: Partial<Usage>) => nodeMetricsOf({ ...pod, kind: 'Node', metadata: { name: 'n' } }, usage(extra), AT)['usage'];
  expect(of({})).toEqual({ cpu: '123456789n', memory: '5Mi' });
  expect(of({ cpuNanoCores: 250_000_000, memoryBytes: 1_532 * 1024 })).toEqual({ cpu: '250m', memory: '1532Ki' });
  expect(of({ cpuNanoCores: 0, memoryBytes: 1_001 })).toEqual({ cpu: '0', memory: '1001' });
  expect(of({ cpuNanoCores: 2_000_000_000, memoryBytes: 0 })).toEqual({ cpu: '2', memory: '0' });
});

test('podMetricsOf() has the span of the container that was measured first', () => {
  const containers = [
    { name: 'late', usage: usage({ atMs: AT + 5_000, windowMs: 1_000 }) },
    { name: 'early', usage: usage({ atMs: AT + 1_000 }) },
    { name: 'unknown', usage: undefined },
  ];
  const stats = { namespace: 'default', name: 'p', uid: 'u1', containers };
  expect(podMetricsOf(pod, stats, AT + 9_000)).toEqual({
    kind: 'PodMetrics',
    apiVersion: 'metrics.k8s.io/v1beta1',
    metadata: { name: 'p', namespace: 'default', creationTimestamp: '2024-01-01T00:00:09Z', labels: { app: 'x' } },
    timestamp: '2024-01-01T00:00:01Z',
    window: '15.04s',
    containers: ['late', 'early'].map((name) => ({ name, usage: { cpu: '123456789n', memory: '5Mi' } })),
  });
  expect(podMetricsOf(pod, { ...stats, uid: 'another of its name' }, AT)).toBeUndefined();
  expect(podMetricsOf(pod, { ...stats, containers: [] }, AT)).toBeUndefined();
  expect(podMetricsOf(pod, undefined, AT)).toBeUndefined();
});
