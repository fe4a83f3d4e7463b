import { expect, test } from 'vitest';
import type { AgentContainerStatus, AgentPod } from '../../../src/agent/core/pod-spec.ts';
import { conditions, ended, plan, podOf, recordOf, ROOMY } from './plan-input.ts';

const asks = (cpu: string) => ({ requests: { cpu }, limits: { cpu } });
const given = (cpu: string): AgentContainerStatus => ({
  name: 'a', ready: true, restartCount: 0, image: 'i', imageID: 'i', containerID: 'process://u/a/0', state: { running: { startedAt: 'then' } }, lastState: {}, allocatedResources: { cpu }, resources: asks(cpu),
});
/** A pod that wants so much, and has been given another amount. */
const pod = (wanted: string, had: string): AgentPod => podOf({ containers: [{ name: 'a', image: 'i', resources: asks(wanted) }] }, {}, { phase: 'Running', containerStatuses: [given(had)] });
const limits = (milli: number) => ({ cpuRequestMilli: milli, cpuLimitMilli: milli, memoryLimitBytes: undefined });

test.each([
  ['a runtime that tells what limits a container', recordOf('a', { resources: limits(1_000) }), new Map()],
  ['a runtime that does not', recordOf('a'), new Map()],
])('%s is told of another amount, once', (_, record, applied) => {
  const first = plan({ pod: pod('2', '1'), containers: [record], resizing: { ...ROOMY, applied } });
  expect(first.actions).toEqual([{ kind: 'resize-container', id: 'u/a/0', resources: limits(2_000), needsMore: false }]);
  expect(first.status.containerStatuses![0]).toMatchObject({ allocatedResources: { cpu: '2' }, resources: asks('1') });
  expect(conditions(first)).toMatchObject({ PodResizeInProgress: 'True' });
  const told = record.resources === undefined ? record : { ...record, resources: limits(2_000) };
  const second = plan({ pod: pod('2', '1'), containers: [told], resizing: { ...ROOMY, applied: new Map([[record.id, limits(2_000)]]) } });
  expect([second.actions, second.status.containerStatuses![0]!.resources]).toEqual([[], asks('2')]);
  expect(conditions(second)).not.toHaveProperty('PodResizeInProgress');
});

test('what went wrong is said, and does not count as done', () => {
  const resizing = { ...ROOMY, failures: new Map([['u/a/0', 'the limit cannot be set']]) };
  const { status } = plan({ pod: pod('2', '1'), containers: [recordOf('a', { resources: limits(1_000) })], resizing });
  expect(status.conditions!.find(({ type }) => type === 'PodResizeInProgress')).toMatchObject({ status: 'True', reason: 'Error', message: 'a: the limit cannot be set' });
  expect(status.containerStatuses![0]!.resources).toEqual(asks('1'));
});

test.each([
  ['is too much for the node', {}, '5', 'Infeasible'],
  ['is too much beside the others', { others: () => ({ milliCpu: 3_500n, memoryBytes: 0n }) }, '2', 'Deferred'],
  ['cannot be given by the runtime', { canResize: false }, '2', 'Infeasible'],
])('what %s leaves the container what it had, also when it restarts', (_, node, wanted, reason) => {
  const input = { pod: pod(wanted, '1'), resizing: { ...ROOMY, ...node } };
  const runs = plan({ ...input, containers: [recordOf('a', { resources: limits(1_000) })] });
  expect([runs.actions, runs.status.containerStatuses![0]!.allocatedResources]).toEqual([[], { cpu: '1' }]);
  expect(runs.status.conditions!.find(({ type }) => type === 'PodResizePending')).toMatchObject({ status: 'True', reason });
  expect(runs.wakeInMs).toBe(reason === 'Deferred' ? 10_000 : undefined);
  const restarts = plan({ ...input, containers: [ended('a', 1, { resources: limits(1_000) })] });
  expect(restarts.actions).toMatchObject([{ kind: 'start-container', attempt: 1, resources: limits(1_000) }]);
});
