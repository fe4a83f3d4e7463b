import { describe, expect, test } from 'vitest';
import { parseDuration } from '../../../src/cli/core/duration.ts';
import { sortedBy } from '../../../src/cli/core/sort-by.ts';
import { renderRows } from '../../../src/cli/core/table.ts';
import { formatDuration } from '../../../src/kube/age.ts';
import { podReason } from '../../../src/kube/pod-reason.ts';
import type { View } from '../../../src/cli/core/view.ts';

test('formatDuration() is coarser the older', () => {
  const shown = [0, 59, 119, 120, 200, 599, 600, 3_600, 10_799, 10_800, 12_000, 30_000, 100_000, 200_000, 691_200, 63_072_000, 65_000_000];
  expect(shown.map((seconds) => formatDuration(seconds * 1000)).join(' ')).toBe(
    '0s 59s 119s 2m 3m20s 9m59s 10m 60m 179m 3h 3h20m 8h 27h 2d7h 8d 2y 2y22d',
  );
});

test('parseDuration() takes Go durations and bare seconds', () => {
  expect(['5', '5s', '1m30s', '500ms', '1.5h', '0', '', 'x', '5 s', '-1s'].map(parseDuration)).toEqual([
    5_000, 5_000, 90_000, 500, 5_400_000, 0, undefined, undefined, undefined, undefined,
  ]);
});

test('renderRows() keeps three spaces, and the columns of a table that grows', () => {
  const widths: number[] = [];
  expect(renderRows([['NAME', 'AGE'], ['a', '1s']], widths)).toBe('NAME   AGE\na      1s\n');
  expect(renderRows([['a-long-name', '2s']], widths)).toBe('a-long-name   2s\n');
  expect(renderRows([['b', '3s']], widths)).toBe('b             3s\n');
});

describe('podReason()', () => {
  const pod = (status: object, metadata: object = {}, spec: object = {}): View => {
    return { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', ...metadata }, spec, status };
  };
  const container = (state: object, ready = false) => ({ containerStatuses: [{ state, ready }] });

  test.each([
    ['Pending', pod({ phase: 'Pending' })],
    ['Running', pod({ phase: 'Running', ...container({ running: {} }, true) })],
    ['CrashLoopBackOff', pod({ phase: 'Running', ...container({ waiting: { reason: 'CrashLoopBackOff' } }) })],
    ['Error', pod({ phase: 'Failed', ...container({ terminated: { exitCode: 1, reason: 'Error' } }) })],
    ['ExitCode:3', pod({ phase: 'Failed', ...container({ terminated: { exitCode: 3 } }) })],
    ['Signal:9', pod({ phase: 'Failed', ...container({ terminated: { exitCode: 137, signal: 9 } }) })],
    ['Evicted', pod({ phase: 'Failed', reason: 'Evicted' })],
    ['Terminating', pod({ phase: 'Running' }, { deletionTimestamp: '2024-01-01T00:00:00Z' })],
    ['Init:0/2', pod({ phase: 'Pending', initContainerStatuses: [{ state: { running: {} } }] }, {}, { initContainers: [{}, {}] })],
    ['Running', pod({ phase: 'Running', initContainerStatuses: [{ name: 'side', started: true, state: { running: {} } }] }, {}, { initContainers: [{ name: 'side', restartPolicy: 'Always' }] })],
    ['Running', pod({ phase: 'Running', conditions: [{ type: 'Initialized', status: 'True' }], initContainerStatuses: [{ name: 'side', state: { waiting: { reason: 'CrashLoopBackOff' } } }] })],
    ['Init:Error', pod({ phase: 'Pending', initContainerStatuses: [{ state: { terminated: { exitCode: 1, reason: 'Error' } } }] })],
    ['PodInitializing', pod({ phase: 'Pending', initContainerStatuses: [{ state: { terminated: { exitCode: 0 } } }], ...container({ waiting: { reason: 'PodInitializing' } }) })],
  ])('%s', (expected, one) => expect(podReason(one)).toBe(expected));
});

test('sortedBy() compares as kubectl does: quantities, numbers, names with numbers in them; a missing field first', () => {
  const sorted = (values: readonly unknown[], path = '.spec.x') => sortedBy(values, (value) => (value === undefined ? {} : { spec: { x: value } }), path);
  expect(sorted(['pod-10', 'pod-9', undefined, 'pod-1'])).toEqual([undefined, 'pod-1', 'pod-9', 'pod-10']);
  expect(sorted(['1Gi', '500M', '2k'])).toEqual(['2k', '500M', '1Gi']);
  expect(sorted([10, 9, 1], '{.spec.x}')).toEqual([1, 9, 10]);
  expect(sortedBy([{ a: [{ b: 2 }] }, { a: [{ b: 1 }] }], (item) => item, 'a[0].b')).toEqual([{ a: [{ b: 1 }] }, { a: [{ b: 2 }] }]);
  expect(sortedBy([{ m: { 'a.b/c': 'y' } }, { m: { 'a.b/c': 'x' } }], (item) => item, '{.m.a\\.b/c}').map(({ m }) => m['a.b/c'])).toEqual(['x', 'y']);
  expect(() => sorted([1], '.spec.y')).toThrow("couldn't find any field with path");
  expect(() => sorted([1], '.spec[x')).toThrow('--sort-by takes a path');
});
