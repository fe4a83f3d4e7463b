import { expect, test } from 'vitest';
import { logTarget } from '../../../src/agent/core/log-target.ts';
import type { AgentPod, ContainerStateStatus } from '../../../src/agent/core/pod-spec.ts';
import type { ContainerRecord } from '../../../src/agent/runtime/runtime.ts';

const run = (attempt: number, state: ContainerRecord['state']): ContainerRecord => ({
  id: `u/c/${attempt}`,
  sandboxId: 'u',
  name: 'c',
  attempt,
  backoffSteps: 0,
  init: false,
  state,
  createdAtMs: 0,
});

function podIn(state: ContainerStateStatus | undefined): AgentPod {
  const status = state === undefined ? {} : { containerStatuses: [{ name: 'c', ready: false, restartCount: 0, image: 'i', imageID: '', state, lastState: {} }] };
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec: { containers: [{ name: 'c', image: 'i' }] }, status };
}

function idOf(records: readonly ContainerRecord[], state: ContainerStateStatus | undefined, previous = false): string {
  const target = logTarget(records, { pod: podIn(state), container: 'c', previous });
  return target.ok ? target.record.id : target.message;
}

const RUNNING = { running: { startedAt: '' } };
const waits = (reason: string) => ({ waiting: { reason } });

test('logTarget() is the last run, also while the next one waits', () => {
  expect(idOf([run(0, 'exited'), run(1, 'running')], RUNNING)).toBe('u/c/1');
  expect(idOf([run(0, 'exited'), run(1, 'exited')], waits('CrashLoopBackOff'))).toBe('u/c/1');
  expect(idOf([run(0, 'exited'), run(1, 'created')], waits('ContainerCreating'))).toBe('u/c/0');
});

test('logTarget() of the previous run is the one before that which runs or has ended for good, and the last one of a container that waits', () => {
  expect(idOf([run(0, 'exited'), run(1, 'running')], RUNNING, true)).toBe('u/c/0');
  expect(idOf([run(0, 'exited'), run(1, 'exited')], waits('CrashLoopBackOff'), true)).toBe('u/c/1');
  expect(idOf([run(0, 'exited'), run(1, 'exited')], { terminated: { exitCode: 1, reason: 'Error' } }, true)).toBe('u/c/0');
  expect(idOf([run(0, 'running')], RUNNING, true)).toBe('previous terminated container "c" in pod "p" not found');
});

test('logTarget() says what a container waits for', () => {
  const said = (reason: string) => idOf([], waits(reason)).replace('container "c" in pod "p" is waiting to start: ', '');
  expect(said('PodInitializing')).toBe('PodInitializing');
  expect(said('CreateContainerConfigError')).toBe('CreateContainerConfigError');
  expect(said('ErrImagePull')).toBe("image can't be pulled");
  expect(said('ImagePullBackOff')).toBe('trying and failing to pull image');
  expect(idOf([], undefined)).toBe('container "c" in pod "p" is waiting to start - no logs yet');
});
