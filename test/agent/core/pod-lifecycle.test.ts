import { expect, test } from 'vitest';
import {
  BACKOFF_MAX_MS,
  BACKOFF_RESET_MS,
  planPod,
  restartDelayMs,
  type PodInput,
} from '../../../src/agent/core/pod-lifecycle.ts';
import type { AgentContainer, AgentPod } from '../../../src/agent/core/pod-spec.ts';
import type { ContainerRecord, Sandbox } from '../../../src/agent/runtime/runtime.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const sandbox: Sandbox = { id: 'u', namespace: 'ns', name: 'p', ip: '127.9.0.1', createdAtMs: NOW - 1_000, state: 'ready' };

function podOf(spec: Partial<AgentPod['spec']> = {}, metadata: Partial<AgentPod['metadata']> = {}, status?: AgentPod['status']): AgentPod {
  const pod: AgentPod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'ns', uid: 'u', ...metadata },
    spec: { containers: [{ name: 'a', image: 'i' }], ...spec },
  };
  return status === undefined ? pod : { ...pod, status };
}

function recordOf(name: string, facts: Partial<ContainerRecord> = {}): ContainerRecord {
  const attempt = facts.attempt ?? 0;
  return {
    id: `u/${name}/${attempt}`,
    sandboxId: 'u',
    name,
    attempt,
    backoffSteps: 0,
    init: false,
    state: 'running',
    createdAtMs: NOW - 1_000,
    startedAtMs: NOW - 1_000,
    ...facts,
  };
}

const ended = (name: string, exitCode: number, facts: Partial<ContainerRecord> = {}) =>
  recordOf(name, { state: 'exited', exitCode, startedAtMs: NOW - 2_000, finishedAtMs: NOW, ...facts });

function plan(input: Partial<PodInput> & { pod: AgentPod }) {
  const health = new Map((input.containers ?? []).filter(({ state }) => state === 'running').map(({ id }) => [id, { isStarted: true, isReady: true }]));
  return planPod({
    nodeIp: '127.0.0.1',
    runtimeName: 'process',
    sandbox,
    containers: [],
    health,
    waiting: new Map(),
    onContainerFailure: 'restart',
    nowMs: NOW,
    ...input,
  });
}

const kinds = (result: ReturnType<typeof plan>) => result.actions.map((action) => ('name' in action ? `${action.kind} ${action.name}` : action.kind));
const conditions = (result: ReturnType<typeof plan>) =>
  Object.fromEntries((result.status.conditions ?? []).map(({ type, status }) => [type, status]));

test('planPod() makes a sandbox first, then the containers', () => {
  const first = plan({ pod: podOf(), sandbox: undefined });
  expect(kinds(first)).toEqual(['run-sandbox']);
  expect(first.status.phase).toBe('Pending');
  const second = plan({ pod: podOf() });
  expect(second.actions).toEqual([{ kind: 'start-container', name: 'a', attempt: 0, backoffSteps: 0 }]);
  expect(second.status.containerStatuses?.[0]?.state).toEqual({ waiting: { reason: 'ContainerCreating' } });
});

test('planPod() says Running and Ready when all containers are', () => {
  const result = plan({ pod: podOf(), containers: [recordOf('a')] });
  expect(result.actions).toEqual([]);
  expect(result.status).toMatchObject({ phase: 'Running', podIP: '127.9.0.1', hostIP: '127.0.0.1', qosClass: 'BestEffort' });
  expect(conditions(result)).toEqual({ Initialized: 'True', Ready: 'True', ContainersReady: 'True', PodScheduled: 'True' });
});

test('planPod() keeps the time of a condition that did not change', () => {
  const before = [{ type: 'Ready', status: 'True', lastTransitionTime: '2020-01-01T00:00:00Z' }];
  const containers = [recordOf('a')];
  const of = (result: ReturnType<typeof plan>) => result.status.conditions?.find(({ type }) => type === 'Ready')?.lastTransitionTime;
  expect(of(plan({ pod: podOf({}, {}, { conditions: before }), containers }))).toBe('2020-01-01T00:00:00Z');
  expect(of(plan({ pod: podOf({}, {}, { conditions: before }), containers, health: new Map() }))).toBe('2026-01-01T00:00:00Z');
});

test('restartDelayMs() is nothing the first time, then 10 s doubling to 5 min, and afresh after a long run', () => {
  const delays = [0, 1, 2, 3, 4, 5, 6, 7, 50].map((backoffSteps) => restartDelayMs(ended('a', 1, { backoffSteps })) / 1000);
  expect(delays).toEqual([0, 10, 20, 40, 80, 160, 300, 300, BACKOFF_MAX_MS / 1000]);
  expect(restartDelayMs(ended('a', 1, { backoffSteps: 5, startedAtMs: NOW - BACKOFF_RESET_MS }))).toBe(0);
});

test('planPod() restarts, backs off with the words of the kubelet, and wakes when it is time', () => {
  expect(plan({ pod: podOf(), containers: [ended('a', 0)] }).actions).toEqual([
    { kind: 'start-container', name: 'a', attempt: 1, backoffSteps: 1 },
  ]);
  const waits = plan({ pod: podOf(), containers: [ended('a', 3, { attempt: 4, backoffSteps: 2 })] });
  expect(waits.actions).toEqual([]);
  expect(waits.wakeAtMs).toBe(NOW + 20_000);
  expect(waits.status.phase).toBe('Running');
  expect(waits.status.containerStatuses?.[0]).toMatchObject({
    restartCount: 4,
    state: { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 20s restarting failed container=a pod=p_ns(u)' } },
    lastState: { terminated: { exitCode: 3, reason: 'Error' } },
  });
  expect(plan({ pod: podOf(), containers: [ended('a', 3, { backoffSteps: 2 })], nowMs: NOW + 20_000 }).actions).toMatchObject([
    { kind: 'start-container', attempt: 1, backoffSteps: 3 },
  ]);
});

test('planPod() keeps the last attempt and the one before', () => {
  const containers = [0, 1, 2].map((attempt) => ended('a', 1, { attempt, backoffSteps: 1 }));
  expect(plan({ pod: podOf(), containers }).actions).toEqual([{ kind: 'remove-container', id: 'u/a/0' }]);
});

test.each([
  ['Never', 0, 'Succeeded'],
  ['Never', 1, 'Failed'],
  ['OnFailure', 0, 'Succeeded'],
])('planPod() ends a pod of restartPolicy %s whose container ended with %i as %s', (restartPolicy, exitCode, phase) => {
  const pod = podOf({ restartPolicy });
  const result = plan({ pod, containers: [ended('a', exitCode)] });
  expect(kinds(result)).toEqual(['stop-sandbox']);
  expect(result.status.phase).toBe(phase);
  const after = plan({ pod, containers: [ended('a', exitCode)], sandbox: { ...sandbox, state: 'stopped' } });
  expect(after.actions).toEqual([]);
  expect(after.status).toMatchObject({ phase });
  expect(after.status.reason).toBeUndefined();
});

test('planPod() fails a pod whose sandbox ended under it', () => {
  const result = plan({ pod: podOf(), containers: [ended('a', 137)], sandbox: { ...sandbox, state: 'stopped' } });
  expect(result.status).toMatchObject({ phase: 'Failed', reason: 'SandboxStopped' });
  expect(result.actions).toEqual([]);
});

test('planPod() runs init containers one by one, and the others after them', () => {
  const init = (name: string): AgentContainer => ({ name, image: 'i' });
  const pod = podOf({ initContainers: [init('x'), init('y')] });
  expect(kinds(plan({ pod }))).toEqual(['start-container x']);
  expect(plan({ pod }).status.containerStatuses?.[0]?.state).toEqual({ waiting: { reason: 'PodInitializing' } });
  expect(kinds(plan({ pod, containers: [recordOf('x', { init: true })] }))).toEqual([]);
  expect(kinds(plan({ pod, containers: [ended('x', 0, { init: true })] }))).toEqual(['start-container y']);
  const done = [ended('x', 0, { init: true }), ended('y', 0, { init: true })];
  expect(kinds(plan({ pod, containers: done }))).toEqual(['start-container a']);
  expect(conditions(plan({ pod, containers: done })).Initialized).toBe('True');
  expect(kinds(plan({ pod, containers: [ended('x', 1, { init: true })] }))).toEqual(['start-container x']);
  const failed = plan({ pod: { ...pod, spec: { ...pod.spec, restartPolicy: 'Never' } }, containers: [ended('x', 1, { init: true })] });
  expect(failed.status.phase).toBe('Failed');
});

test('planPod() goes on beside a side car once it has started', () => {
  const pod = podOf({ initContainers: [{ name: 'side', image: 'i', restartPolicy: 'Always' }] });
  const side = recordOf('side', { init: true });
  expect(kinds(plan({ pod, containers: [side], health: new Map([[side.id, { isStarted: false, isReady: false }]]) }))).toEqual([]);
  expect(kinds(plan({ pod, containers: [side] }))).toEqual(['start-container a']);
});

test('planPod() restarts what its liveness probe gave up', () => {
  const containers = [recordOf('a')];
  const health = new Map([['u/a/0', { isStarted: true, isReady: true, unhealthy: 'liveness' }]]);
  expect(plan({ pod: podOf({ terminationGracePeriodSeconds: 7 }), containers, health }).actions).toEqual([
    { kind: 'stop-container', id: 'u/a/0', name: 'a', graceMs: 7_000, why: 'Container a failed liveness probe, will be restarted' },
  ]);
});

test('planPod() ends a deleted pod: containers with their grace, then the sandbox, then the object', () => {
  const pod = podOf({}, { deletionTimestamp: 'now', deletionGracePeriodSeconds: 9 }, { phase: 'Running' });
  const first = plan({ pod, containers: [recordOf('a')] });
  expect(first.actions).toMatchObject([{ kind: 'stop-container', graceMs: 9_000 }]);
  expect(first.status.phase).toBe('Running');
  expect(conditions(first).Ready).toBe('False');
  const second = plan({ pod, containers: [ended('a', 0)] });
  expect(kinds(second)).toEqual(['stop-sandbox', 'delete-pod']);
  expect(second.status.phase).toBe('Succeeded');
  expect(plan({ pod, containers: [ended('a', 143)] }).status.phase).toBe('Failed');
});

test('planPod() replaces a pod with an owner, and restarts one without', () => {
  const ownerReferences = [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'r', uid: 'r', controller: true }];
  const annotations = { 'podium.dev/on-container-failure': 'replace-pod' };
  const two = { containers: [{ name: 'a', image: 'i' }, { name: 'b', image: 'i' }] };
  const containers = [ended('a', 1), recordOf('b')];
  const owned = plan({ pod: podOf(two, { ownerReferences, annotations }), containers });
  expect(kinds(owned)).toEqual(['stop-container b']);
  const after = plan({ pod: podOf(two, { ownerReferences, annotations }), containers: [ended('a', 1), ended('b', 0)] });
  expect(after.status).toMatchObject({ phase: 'Failed', reason: 'ContainerFailed' });
  expect(kinds(plan({ pod: podOf(two, { annotations }), containers }))).toEqual(['start-container a']);
  expect(kinds(plan({ pod: podOf(two, { ownerReferences }), containers, onContainerFailure: 'replace-pod' }))).toEqual(['stop-container b']);
  const opted = { 'podium.dev/on-container-failure': 'restart' };
  const restarted = plan({ pod: podOf(two, { ownerReferences, annotations: opted }), containers, onContainerFailure: 'replace-pod' });
  expect(kinds(restarted)).toEqual(['start-container a']);
});

test('planPod() keeps to the active deadline, to a refusal, and to a final phase', () => {
  const pod = podOf({ activeDeadlineSeconds: 60 }, {}, { startTime: '2026-01-01T00:00:00Z' });
  expect(plan({ pod, containers: [recordOf('a')] }).wakeAtMs).toBe(NOW + 60_000);
  expect(kinds(plan({ pod, containers: [recordOf('a')], nowMs: NOW + 60_000 }))).toEqual(['stop-container a']);
  expect(plan({ pod, containers: [ended('a', 0)], nowMs: NOW + 60_000 }).status.reason).toBe('DeadlineExceeded');
  const refused = plan({ pod: podOf(), sandbox: undefined, refusal: { reason: 'OutOfcpu', message: 'm' } });
  expect(refused).toMatchObject({ actions: [], status: { phase: 'Failed', reason: 'OutOfcpu' } });
  const evicted = podOf({}, {}, { phase: 'Failed', reason: 'Evicted' });
  expect(plan({ pod: evicted, sandbox: undefined })).toMatchObject({ actions: [], status: { phase: 'Failed', reason: 'Evicted' } });
});

test('a container that cannot start says why, in the fields of a status and no others', () => {
  const kept = { reason: 'CreateContainerConfigError', message: 'configmap "x" not found', retryAtMs: NOW + 1, tries: 1 };
  const { status } = plan({ pod: podOf(), waiting: new Map([['a', kept]]) });
  const { reason, message } = kept;
  expect(status!.containerStatuses![0]!.state).toEqual({ waiting: { reason, message } });
});

test('a container for debugging is begun once, beside the others, and counts for nothing', () => {
  const pod = podOf({ ephemeralContainers: [{ name: 'debugger', image: 'i' }] });
  const first = plan({ pod, containers: [recordOf('a')] });
  expect(first.actions).toEqual([{ kind: 'start-container', name: 'debugger', attempt: 0, backoffSteps: 0 }]);
  const failed = plan({ pod, containers: [recordOf('a'), ended('debugger', 4)] });
  expect(kinds(failed)).toEqual([]);
  expect(failed.status).toMatchObject({ phase: 'Running', ephemeralContainerStatuses: [{ name: 'debugger', ready: false, state: { terminated: { exitCode: 4 } } }] });
  // Of one that the machine has forgotten, only the status knows that it has run.
  const forgotten = plan({ pod: { ...pod, status: failed.status }, containers: [recordOf('a')] });
  expect(kinds(forgotten)).toEqual([]);
});
