import { describe, expect, test } from 'vitest';
import { humanDuration, parseDuration } from '../../../src/cli/core/duration.ts';
import { podStatus, renderRows } from '../../../src/cli/core/table.ts';
import type { View } from '../../../src/cli/core/view.ts';

test('humanDuration() is coarser the older', () => {
  const shown = [0, 59, 119, 120, 200, 599, 600, 3_600, 10_799, 10_800, 12_000, 30_000, 100_000, 200_000, 691_200, 63_072_000, 65_000_000];
  expect(shown.map((seconds) => humanDuration(seconds * 1000)).join(' ')).toBe(
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

describe('podStatus()', () => {
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
    ['Init:Error', pod({ phase: 'Pending', initContainerStatuses: [{ state: { terminated: { exitCode: 1, reason: 'Error' } } }] })],
    ['PodInitializing', pod({ phase: 'Pending', initContainerStatuses: [{ state: { terminated: { exitCode: 0 } } }], ...container({ waiting: { reason: 'PodInitializing' } }) })],
  ])('%s', (expected, one) => expect(podStatus(one)).toBe(expected));
});
