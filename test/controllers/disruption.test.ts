/** What a budget allows, from what it says and the pods that there are. */
import { expect, test } from 'vitest';
import { formatTime } from '../../src/base/clock.ts';
import { conditionOf, type Pod, type PodDisruptionBudget, type PodDisruptionBudgetStatus } from '../../src/client/objects.ts';
import { planDisruption, type ExpectedScale } from '../../src/controllers/disruption/plan.ts';

const NOW = Date.UTC(2024, 0, 1, 12);
const ago = (seconds: number) => formatTime(NOW - seconds * 1000);

function budgetOf(spec: Omit<NonNullable<PodDisruptionBudget['spec']>, 'selector'>, status?: PodDisruptionBudgetStatus): PodDisruptionBudget {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name: 'web', namespace: 'default', uid: 'b', generation: 2 },
    spec: { selector: { matchLabels: { app: 'web' } }, ...spec },
    ...(status === undefined ? {} : { status }),
  };
}

function podOf(name: string, isReady = true, isDeleting = false): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', uid: name, labels: { app: 'web' }, ...(isDeleting ? { deletionTimestamp: ago(1) } : {}) },
    spec: { containers: [] },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: isReady ? 'True' : 'False' }] },
  };
}

const scaled = (replicas: number): ExpectedScale => ({ ok: true, replicas, unmanaged: [] });
const ready = (count: number) => Array.from({ length: count }, (_, index) => podOf(`p${index}`));

function statusOf(budget: PodDisruptionBudget, pods: readonly Pod[], scale: ExpectedScale): PodDisruptionBudgetStatus {
  const [first] = planDisruption({ budget, pods, scale }, NOW).actions;
  if (first?.kind !== 'set-status') throw new Error(`no status in ${JSON.stringify(first)}`);
  return first.status;
}

interface Case {
  readonly spec: Parameters<typeof budgetOf>[0];
  readonly ready: number;
  readonly notReady?: number;
  readonly replicas?: number;
  /** expected, desired, healthy, allowed. */
  readonly is: readonly [number, number, number, number];
}

test.each<Case>([
  { spec: { minAvailable: 2 }, ready: 3, is: [3, 2, 3, 1] },
  { spec: { minAvailable: 2 }, ready: 2, is: [2, 2, 2, 0] },
  { spec: { minAvailable: 2 }, ready: 1, notReady: 2, is: [3, 2, 1, 0] },
  { spec: { minAvailable: 0 }, ready: 2, is: [2, 0, 2, 2] },
  { spec: { minAvailable: 1 }, ready: 0, is: [0, 1, 0, 0] },
  { spec: { minAvailable: '50%' }, ready: 3, replicas: 3, is: [3, 2, 3, 1] },
  { spec: { minAvailable: '100%' }, ready: 3, replicas: 3, is: [3, 3, 3, 0] },
  { spec: { minAvailable: '50%' }, ready: 2, replicas: 10, is: [10, 5, 2, 0] },
  { spec: { maxUnavailable: 1 }, ready: 3, replicas: 3, is: [3, 2, 3, 1] },
  { spec: { maxUnavailable: 1 }, ready: 2, notReady: 1, replicas: 3, is: [3, 2, 2, 0] },
  { spec: { maxUnavailable: '30%' }, ready: 4, replicas: 4, is: [4, 2, 4, 2] },
  { spec: { maxUnavailable: 5 }, ready: 2, replicas: 2, is: [2, 0, 2, 2] },
  { spec: {}, ready: 2, is: [0, 0, 2, 0] },
])('planDisruption() $spec of $ready ready and $notReady others', ({ spec, ready: count, notReady = 0, replicas = 0, is }) => {
  const pods = [...ready(count), ...Array.from({ length: notReady }, (_, index) => podOf(`bad${index}`, false))];
  const status = statusOf(budgetOf(spec), pods, scaled(replicas));
  expect([status.expectedPods, status.desiredHealthy, status.currentHealthy, status.disruptionsAllowed]).toEqual(is);
  expect(status.observedGeneration).toBe(2);
  const [, , , allowed] = is;
  expect(conditionOf(status.conditions, 'DisruptionAllowed')).toMatchObject({
    status: allowed > 0 ? 'True' : 'False',
    reason: allowed > 0 ? 'SufficientPods' : 'InsufficientPods',
    observedGeneration: 2,
  });
});

test('a pod that is on its way out is not counted, whether it is deleted already or only evicted', () => {
  const before = { ...statusOf(budgetOf({ minAvailable: 1 }), ready(3), scaled(0)), disruptedPods: { p0: ago(10), gone: ago(10) } };
  const budget = budgetOf({ minAvailable: 1 }, before);
  const { actions, requeueAfterMs } = planDisruption({ budget, pods: [...ready(3), podOf('ending', true, true)], scale: scaled(0) }, NOW);
  expect(actions).toMatchObject([{ kind: 'set-status', status: { currentHealthy: 2, disruptionsAllowed: 1, disruptedPods: { p0: ago(10) } } }]);
  expect(requeueAfterMs).toBe(110_001);
});

test('a pod that was evicted and stays is counted again after two minutes, and told of', () => {
  const before = { ...statusOf(budgetOf({ minAvailable: 1 }), ready(2), scaled(0)), disruptedPods: { p0: ago(121) } };
  const { actions } = planDisruption({ budget: budgetOf({ minAvailable: 1 }, before), pods: ready(2), scale: scaled(0) }, NOW);
  expect(actions).toMatchObject([
    { kind: 'set-status', status: { currentHealthy: 2, disruptionsAllowed: 1 } },
    { kind: 'tell', type: 'Warning', reason: 'NotDeleted' },
  ]);
  const [first] = actions;
  expect(first?.kind === 'set-status' && first.status.disruptedPods).toBeUndefined();
});

test('nothing is written when nothing has changed', () => {
  const status = statusOf(budgetOf({ minAvailable: 1 }), ready(2), scaled(0));
  expect(planDisruption({ budget: budgetOf({ minAvailable: 1 }, status), pods: ready(2), scale: scaled(0) }, NOW + 60_000).actions).toEqual([]);
});

test('where the scale cannot be told nothing may be evicted', () => {
  const scale: ExpectedScale = { ok: false, message: 'found no controllers for pod "p0"' };
  const status = statusOf(budgetOf({ maxUnavailable: 1 }), ready(2), scale);
  expect(status).toMatchObject({ disruptionsAllowed: 0, observedGeneration: 2 });
  expect(conditionOf(status.conditions, 'DisruptionAllowed')).toMatchObject({ status: 'False', reason: 'SyncFailed', message: 'found no controllers for pod "p0"' });
  // A number of pods needs no scale.
  expect(statusOf(budgetOf({ minAvailable: 1 }), ready(2), scale).disruptionsAllowed).toBe(1);
});
