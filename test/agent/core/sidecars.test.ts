/** Init containers that go on beside the others: when they start, hold up, count, and end. */
import { describe, expect, test } from 'vitest';
import { conditions, ended, kinds, NOW, plan, podOf, recordOf, states } from './plan-input.ts';
import { requestsOf } from '../../../src/agent/core/admission.ts';
import type { AgentContainer } from '../../../src/agent/core/pod-spec.ts';

const side = (name: string, extra: Partial<AgentContainer> = {}): AgentContainer => ({ name, image: 'i', restartPolicy: 'Always', ...extra });
const init = (name: string): AgentContainer => ({ name, image: 'i' });
const pod = (spec: Parameters<typeof podOf>[0] = {}, metadata = {}, status = {}) => podOf({ initContainers: [side('s1'), init('x'), side('s2')], ...spec }, metadata, status);
const notStarted = (id: string) => new Map([[id, { isStarted: false, isReady: false }]]);
const notReady = (id: string) => new Map([[id, { isStarted: true, isReady: false }]]);

describe('start', () => {
  test.each([
    { when: 'nothing runs', containers: [], health: undefined, actions: ['start-container s1'] },
    { when: 'the first has not started', containers: [recordOf('s1')], health: notStarted('u/s1/0'), actions: [] },
    { when: 'the first has started and is not ready', containers: [recordOf('s1')], health: notReady('u/s1/0'), actions: ['start-container x'] },
    { when: 'one before the others has ended well', containers: [recordOf('s1'), ended('x', 0)], health: undefined, actions: ['start-container s2'] },
    { when: 'all have started', containers: [recordOf('s1'), ended('x', 0), recordOf('s2')], health: undefined, actions: ['start-container a'] },
    { when: 'one is restarted while the next is at it', containers: [ended('s1', 1, { finishedAtMs: NOW - 1 }), recordOf('x')], health: undefined, actions: ['start-container s1'] },
    { when: 'one is restarted while all the others run', containers: [ended('s1', 1), ended('x', 0), recordOf('s2'), recordOf('a')], health: undefined, actions: ['start-container s1'] },
    { when: 'one that was restarted has not started again', containers: [recordOf('s1', { attempt: 1 }), ended('x', 0), recordOf('s2')], health: undefined, actions: ['start-container a'] },
  ])('$when', ({ containers, health, actions }) => {
    expect(kinds(plan({ pod: pod(), containers, ...(health === undefined ? {} : { health }) }))).toEqual(actions);
  });

  test('a hook of it that has not answered holds up the next', () => {
    const initContainers = [side('s1', { lifecycle: { postStart: { exec: {} } } })];
    const input = { pod: podOf({ initContainers }), containers: [recordOf('s1')] };
    expect(kinds(plan({ ...input, starting: new Set(['u/s1/0']) }))).toEqual([]);
    expect(kinds(plan(input))).toEqual(['start-container a']);
  });

  test('it is restarted though the pod never restarts, also after it has ended well', () => {
    const containers = [ended('s1', 0, { finishedAtMs: NOW - 1 }), ended('x', 0), recordOf('s2'), recordOf('a')];
    expect(kinds(plan({ pod: pod({ restartPolicy: 'Never' }), containers }))).toEqual(['start-container s1']);
  });
});

describe('what is said', () => {
  const all = [recordOf('s1'), ended('x', 0), recordOf('s2'), recordOf('a')];

  test('a pod is ready when its side cars are, too', () => {
    const health = new Map(['s1', 's2', 'a'].map((name) => [`u/${name}/0`, { isStarted: true, isReady: name !== 's2' }]));
    const result = plan({ pod: pod(), containers: all, health });
    expect(conditions(result)).toMatchObject({ Initialized: 'True', ContainersReady: 'False', Ready: 'False' });
    expect(result.status.conditions!.find(({ type }) => type === 'Ready')!.message).toBe('containers with unready status: [s2]');
    expect(conditions(plan({ pod: pod(), containers: all })).Ready).toBe('True');
  });

  test('a pod is initialized when they have started and the others are done', () => {
    const of = (containers: typeof all, health?: ReturnType<typeof notStarted>) => conditions(plan({ pod: pod(), containers, ...(health === undefined ? {} : { health }) })).Initialized;
    expect(of([recordOf('s1')])).toBe('False');
    expect(of([recordOf('s1'), recordOf('x')])).toBe('False');
    expect(of([recordOf('s1'), ended('x', 0), recordOf('s2')])).toBe('True');
  });
});

describe('end', () => {
  const deleted = { deletionTimestamp: 'now', deletionGracePeriodSeconds: 10 };
  const three = [recordOf('s1'), ended('x', 0), recordOf('s2'), recordOf('a')];
  const ending = (containers: typeof three, endingForMs = 0) => plan({ pod: pod({}, deleted, { phase: 'Running' }), containers, endingForMs });

  test('after the others, in reverse order, each with what is left of the grace', () => {
    const first = ending(three);
    expect(first.actions).toMatchObject([{ kind: 'stop-container', name: 'a', graceMs: 10_000 }]);
    expect(first.wakeInMs).toBe(10_000);
    expect(ending([recordOf('s1'), recordOf('s2'), ended('a', 0)], 4_000).actions).toMatchObject([{ name: 's2', graceMs: 6_000 }]);
    expect(ending([recordOf('s1'), ended('s2', 0), ended('a', 0)], 9_500).actions).toMatchObject([{ name: 's1', graceMs: 2_000 }]);
    expect(kinds(ending([ended('s1', 143), ended('s2', 0), ended('a', 0)]))).toEqual(['stop-sandbox', 'delete-pod']);
  });

  test('all together when the grace is over', () => {
    expect(ending(three, 10_000).actions).toMatchObject([{ name: 'a', graceMs: 2_000 }, { name: 's1', graceMs: 2_000 }, { name: 's2', graceMs: 2_000 }]);
  });

  test('at once where no grace is given', () => {
    const result = plan({ pod: pod({}, { ...deleted, deletionGracePeriodSeconds: 0 }), containers: three });
    expect(result.actions).toMatchObject([{ name: 'a', graceMs: 0 }, { name: 's1', graceMs: 0 }, { name: 's2', graceMs: 0 }]);
  });

  test.each([[0, 'Succeeded'], [1, 'Failed']])('a pod whose containers ended with %i is over with its side cars, however they end: %s', (exitCode, phase) => {
    const spec = { restartPolicy: 'Never' };
    const still = plan({ pod: pod(spec, {}, { phase: 'Running' }), containers: [recordOf('s1'), ended('x', 0), recordOf('s2'), ended('a', exitCode)] });
    expect([kinds(still), still.status.phase]).toEqual([['stop-container s2'], 'Running']);
    const over = plan({ pod: pod(spec, {}, { phase: 'Running' }), containers: [ended('s1', 137), ended('x', 0), ended('s2', 143), ended('a', exitCode)] });
    expect([kinds(over), over.status.phase]).toEqual([['stop-sandbox'], phase]);
  });

  test('one that gives up before the others fails nothing, an init container that does ends all', () => {
    const result = plan({ pod: pod({ restartPolicy: 'Never' }), containers: [recordOf('s1'), ended('x', 3)] });
    expect([kinds(result), states(result)['x']]).toEqual([['stop-container s1'], 'Error']);
  });
});

test('requestsOf() counts them beside those that come after them', () => {
  const asks = (cpu: string) => ({ resources: { requests: { cpu } } });
  const initContainers = [side('s1', asks('100m')), { ...init('x'), ...asks('800m') }, side('s2', asks('50m'))];
  expect(requestsOf(podOf({ initContainers, containers: [{ name: 'a', image: 'i', ...asks('300m') }] })).milliCpu).toBe(900n);
  expect(requestsOf(podOf({ initContainers, containers: [{ name: 'a', image: 'i', ...asks('1') }], overhead: { cpu: '10m' } })).milliCpu).toBe(1_160n);
});
