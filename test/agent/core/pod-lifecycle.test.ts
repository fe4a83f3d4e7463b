import { expect, test } from 'vitest';
import type { AgentContainer } from '../../../src/agent/core/pod-spec.ts';
import { BACKOFF_MAX_MS, BACKOFF_RESET_MS, restartDelayMs } from '../../../src/agent/core/restart.ts';
import { conditions, ended, kinds, NOW, plan, podOf, recordOf, sandbox, states, stopped } from './plan-input.ts';

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
  expect(conditions(result)).toEqual({ PodReadyToStartContainers: 'True', Initialized: 'True', Ready: 'True', ContainersReady: 'True', PodScheduled: 'True' });
});

test('planPod() keeps the time of a condition that did not change', () => {
  const before = [{ type: 'Ready', status: 'True', lastTransitionTime: '2020-01-01T00:00:00Z' }];
  const containers = [recordOf('a')];
  const of = (result: ReturnType<typeof plan>) => result.status.conditions?.find(({ type }) => type === 'Ready')?.lastTransitionTime;
  expect(of(plan({ pod: podOf({}, {}, { conditions: before }), containers }))).toBe('2020-01-01T00:00:00Z');
  expect(of(plan({ pod: podOf({}, {}, { conditions: before }), containers, health: new Map() }))).toBe('2026-01-01T00:00:00Z');
});

test('restartDelayMs() is nothing the first time, then 10 s doubling to 5 min, and afresh after a long run', () => {
  const delays = [0, 1, 2, 3, 4, 5, 6, 7, 50].map((backoffSteps) => restartDelayMs(ended('a', 1, { backoffSteps }), 2_000) / 1000);
  expect(delays).toEqual([0, 10, 20, 40, 80, 160, 300, 300, BACKOFF_MAX_MS / 1000]);
  expect(restartDelayMs(ended('a', 1, { backoffSteps: 5 }), BACKOFF_RESET_MS)).toBe(0);
});

test('planPod() restarts, backs off with the words of the kubelet, and wakes when it is time', () => {
  expect(plan({ pod: podOf(), containers: [ended('a', 0)] }).actions).toEqual([
    { kind: 'start-container', name: 'a', attempt: 1, backoffSteps: 1 },
  ]);
  const waits = plan({ pod: podOf(), containers: [ended('a', 3, { attempt: 4, backoffSteps: 2, finishedAtMs: NOW - 5_000 })] });
  expect(waits.actions).toEqual([]);
  expect(waits.wakeInMs).toBe(15_000);
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

test.each([
  { why: 'restarts always', spec: {}, containers: [ended('a', 137)], actions: ['run-sandbox'], phase: 'Running' },
  { why: 'restarts always, though all went well', spec: {}, containers: [ended('a', 0)], actions: ['run-sandbox'], phase: 'Running' },
  { why: 'restarts on failure', spec: { restartPolicy: 'OnFailure' }, containers: [ended('a', 137)], actions: ['run-sandbox'], phase: 'Running' },
  { why: 'restarts on failure and had none', spec: { restartPolicy: 'OnFailure' }, containers: [ended('a', 0)], actions: [], phase: 'Succeeded' },
  { why: 'never restarts', spec: { restartPolicy: 'Never' }, containers: [ended('a', 137)], actions: [], phase: 'Failed' },
  { why: 'never restarts and was done', spec: { restartPolicy: 'Never' }, containers: [ended('a', 0)], actions: [], phase: 'Succeeded' },
  { why: 'never restarts, but has not begun', spec: { restartPolicy: 'Never' }, containers: [], actions: ['run-sandbox'], phase: 'Pending' },
  { why: 'still has what the runtime is ending', spec: {}, containers: [recordOf('a')], actions: [], phase: 'Running' },
])('a pod whose sandbox has died and that $why', ({ spec, containers, actions, phase }) => {
  const result = plan({ pod: podOf(spec), containers, sandbox: stopped });
  expect([kinds(result), result.status.phase]).toEqual([actions, phase]);
  expect(conditions(result).PodReadyToStartContainers).toBe('False');
});

test('a pod that shall be replaced is not begun anew when its sandbox has died', () => {
  const ownerReferences = [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'r', uid: 'r', controller: true }];
  const result = plan({ pod: podOf({}, { ownerReferences }), containers: [ended('a', 137)], sandbox: stopped, onContainerFailure: 'replace-pod' });
  expect([kinds(result), result.status.phase, result.status.reason]).toEqual([[], 'Failed', 'SandboxStopped']);
});

test('in another sandbox init containers run once more, in order, and what went well under OnFailure does not', () => {
  const initContainers = [{ name: 'x', image: 'i' }, { name: 'side', image: 'i', restartPolicy: 'Always' }];
  const containers = [{ name: 'a', image: 'i' }, { name: 'done', image: 'i' }];
  const pod = podOf({ restartPolicy: 'OnFailure', initContainers, containers });
  const second = { ...sandbox, attempt: 1 };
  const old = [ended('x', 0), ended('side', 137), ended('a', 137), ended('done', 0)];
  const first = plan({ pod, containers: old, sandbox: second });
  expect(first.actions).toEqual([{ kind: 'start-container', name: 'x', attempt: 1, backoffSteps: 0 }]);
  expect([first.status.phase, conditions(first).Initialized]).toEqual(['Running', 'True']);
  const x = ended('x', 0, { attempt: 1, sandboxAttempt: 1 });
  expect(kinds(plan({ pod, containers: [...old, x], sandbox: second }))).toEqual(['start-container side']);
  const side = recordOf('side', { attempt: 1, sandboxAttempt: 1 });
  expect(kinds(plan({ pod, containers: [...old, x, side], sandbox: second }))).toEqual(['start-container a']);
});

test('a machine that has forgotten what was to run once does not run it twice', () => {
  const known = { name: 'a', ready: true, restartCount: 2, image: 'i', imageID: 'i', containerID: 'process://u/a/2', state: { running: { startedAt: 'then' } }, lastState: {} };
  const status = { phase: 'Running', containerStatuses: [known] };
  const once = plan({ pod: podOf({ restartPolicy: 'Never' }, {}, status), sandbox: undefined });
  expect([kinds(once), once.status.phase, states(once)]).toEqual([[], 'Failed', { a: 'ContainerStatusUnknown' }]);
  const again = plan({ pod: podOf({}, {}, status) });
  expect(again.actions).toEqual([{ kind: 'start-container', name: 'a', attempt: 3, backoffSteps: 0 }]);
  expect(again.status.containerStatuses![0]!.lastState).toMatchObject({ terminated: { exitCode: 137, reason: 'ContainerStatusUnknown' } });
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
  const health = new Map([['u/a/0', { isStarted: true, isReady: true, unhealthy: 'liveness' as const }]]);
  expect(plan({ pod: podOf({ terminationGracePeriodSeconds: 7 }), containers, health }).actions).toEqual([
    { kind: 'stop-container', id: 'u/a/0', name: 'a', graceMs: 7_000, why: 'Container a failed liveness probe, will be restarted' },
  ]);
});

test('planPod() ends a deleted pod: containers with their grace, then the sandbox, then the object', () => {
  const pod = podOf({}, { deletionTimestamp: 'now', deletionGracePeriodSeconds: 9 }, { phase: 'Running' });
  const first = plan({ pod, containers: [recordOf('a')] });
  expect(first.actions).toMatchObject([{ kind: 'stop-container', graceMs: 9_000 }]);
  expect(first.status.phase).toBe('Running');
  // Whoever serves goes on serving to its end; that it ends is known from its deletion.
  expect(conditions(first).Ready).toBe('True');
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
  expect(plan({ pod, containers: [recordOf('a')] }).wakeInMs).toBe(60_000);
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

test('what cannot be started says why for a while, then it backs off; its last state keeps the reason', () => {
  const record = (agoMs: number) => ended('a', 128, { reason: 'StartError', message: 'no such program', backoffSteps: 1, attempt: 1, finishedAtMs: NOW - agoMs });
  const early = plan({ pod: podOf(), containers: [record(1_000)] });
  expect(early.status.containerStatuses![0]!.state).toEqual({ waiting: { reason: 'RunContainerError', message: 'no such program' } });
  expect(early.wakeInMs).toBe(2_000);
  const later = plan({ pod: podOf(), containers: [record(4_000)] });
  expect(later.status.containerStatuses![0]).toMatchObject({ state: { waiting: { reason: 'CrashLoopBackOff' } }, lastState: { terminated: { reason: 'StartError', message: 'no such program' } } });
  const never = plan({ pod: podOf({ restartPolicy: 'Never' }), containers: [record(1_000)] });
  expect([never.status.phase, states(never)]).toEqual(['Failed', { a: 'StartError' }]);
});

test.each(['startup', 'liveness'] as const)('the grace of the %s probe goes before the pod s own', (probe) => {
  const container = { name: 'a', image: 'i', [`${probe}Probe`]: { terminationGracePeriodSeconds: 3 }, [probe === 'startup' ? 'livenessProbe' : 'startupProbe']: { terminationGracePeriodSeconds: 8 } };
  const health = new Map([['u/a/0', { isStarted: true, isReady: true, unhealthy: probe }]]);
  const result = plan({ pod: podOf({ containers: [container] }), containers: [recordOf('a')], health });
  expect(result.actions).toMatchObject([{ kind: 'stop-container', graceMs: 3_000, why: `Container a failed ${probe} probe, will be restarted` }]);
});

test('while a postStart hook is under way its container is being made, and the next one waits', () => {
  const containers: AgentContainer[] = [{ name: 'a', image: 'i', lifecycle: { postStart: { exec: {} } } }, { name: 'b', image: 'i' }];
  const pod = podOf({ containers });
  expect(kinds(plan({ pod }))).toEqual(['start-container a']);
  const under = plan({ pod, containers: [recordOf('a')], starting: new Set(['u/a/0']) });
  expect([kinds(under), states(under), under.status.phase]).toEqual([[], { a: 'ContainerCreating', b: 'ContainerCreating' }, 'Pending']);
  expect(kinds(plan({ pod, containers: [recordOf('a')] }))).toEqual(['start-container b']);
});

test('the status says which generation of the pod it is of', () => {
  const { status } = plan({ pod: podOf({}, { generation: 4 }), containers: [recordOf('a')] });
  expect([status.observedGeneration, ...status.conditions!.map(({ observedGeneration }) => observedGeneration)]).toEqual([4, 4, 4, 4, 4, 4]);
});

test('a container of another image than the pod names now is restarted at once, whatever became of it', () => {
  const pod = podOf({ restartPolicy: 'Never', containers: [{ name: 'a', image: 'new' }] });
  expect(plan({ pod, containers: [recordOf('a', { image: 'old' })] }).actions).toMatchObject([{ kind: 'stop-container', why: 'Container a definition changed, will be restarted' }]);
  const after = plan({ pod, containers: [ended('a', 1, { image: 'old', backoffSteps: 5 })] });
  expect(after.actions).toEqual([{ kind: 'start-container', name: 'a', attempt: 1, backoffSteps: 0 }]);
  expect(kinds(plan({ pod, containers: [recordOf('a', { image: 'new' })] }))).toEqual([]);
});

test('others speak by conditions of their own, and are left to speak', () => {
  const disrupted = { type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI', lastTransitionTime: 'then' };
  const pod = podOf({ readinessGates: [{ conditionType: 'gate' }] }, {}, { conditions: [disrupted, { type: 'gate', status: 'False' }, { type: 'PodResizePending', status: 'True' }] });
  const { status } = plan({ pod, containers: [recordOf('a')] });
  expect(status.conditions!.find(({ type }) => type === 'Ready')).toMatchObject({ status: 'False', reason: 'ReadinessGatesNotReady', message: 'readiness gates not ready: [gate]' });
  expect(status.conditions).toContainEqual(disrupted);
  expect(status.conditions!.some(({ type }) => type === 'PodResizePending')).toBe(false);
});
