/** Evictions and the budgets that they ask. The statuses of budgets are written by hand, as their controller writes them. */
import { beforeEach, expect, test } from 'vitest';
import type { Registry } from '../../src/api/registry.ts';
import type { Ref } from '../../src/api/requests.ts';
import { ApiError } from '../../src/kube/errors.ts';
import type { KubeObject } from '../../src/kube/types.ts';
import { pod, ref, refusal, startServer } from './fixture.ts';

let api: Registry;
beforeEach(async () => {
  ({ api } = await startServer());
});

const budgetRef = (name: string, subresource = ''): Ref => ({ group: 'policy', version: 'v1', resource: 'poddisruptionbudgets', namespace: 'default', name, subresource });

interface BudgetStatus {
  readonly allowed: number;
  readonly healthy?: number;
  readonly desired?: number;
  readonly observed?: number;
  readonly conditions?: readonly object[];
}

async function budget(name: string, { allowed, healthy = 3, desired = 2, observed = 1, conditions }: BudgetStatus, spec: object = {}): Promise<void> {
  const selector = { matchLabels: { app: 'web' } };
  const body = { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata: { name }, spec: { minAvailable: 2, selector, ...spec } };
  const { object } = await api.create(budgetRef(name), body);
  const status = { disruptionsAllowed: allowed, currentHealthy: healthy, desiredHealthy: desired, expectedPods: 3, observedGeneration: observed, ...(conditions === undefined ? {} : { conditions }) };
  await api.update(budgetRef(name, 'status'), { ...object, status });
}

async function runningPod(name: string, { phase = 'Running', isReady = true, labels = { app: 'web' } as Record<string, string> } = {}): Promise<void> {
  await api.create(ref('pods'), pod(name, { nodeName: 'n1' }, { labels }));
  const conditions = [{ type: 'Ready', status: isReady ? 'True' : 'False' }];
  await api.patch(ref('pods', name, 'default', 'status'), { type: 'merge', body: { status: { phase, conditions } } });
}

const evict = (name: string, deleteOptions?: object, options: { dryRun?: boolean } = {}) =>
  api.create(
    ref('pods', name, 'default', 'eviction'),
    { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name }, ...(deleteOptions === undefined ? {} : { deleteOptions }) },
    options,
  );
const isEnding = async (name: string) => (await api.get(ref('pods', name))).metadata.deletionTimestamp !== undefined;
const statusOf = async (name: string) => (await api.get(budgetRef(name)))['status'] as Record<string, unknown>;

async function detailsOf(run: Promise<unknown>) {
  return run.then(
    () => undefined,
    (error: unknown) => (error instanceof ApiError ? error.details : undefined),
  );
}

const REFUSED = "429 TooManyRequests: Cannot evict pod as it would violate the pod's disruption budget.";

test('an eviction that the budget allows spends from it and deletes the pod', async () => {
  await budget('b', { allowed: 1, conditions: [{ type: 'DisruptionAllowed', status: 'True', reason: 'SufficientPods', message: '', lastTransitionTime: '2024-01-01T00:00:00Z', observedGeneration: 1 }] });
  await runningPod('p');
  const { object } = await evict('p');
  expect(object).toMatchObject({ kind: 'Status', status: 'Success' });
  expect(await isEnding('p')).toBe(true);
  const status = await statusOf('b');
  expect(status).toMatchObject({ disruptionsAllowed: 0, conditions: [{ type: 'DisruptionAllowed', status: 'False', reason: 'InsufficientPods' }] });
  expect(Object.keys(status['disruptedPods'] as object)).toEqual(['p']);
  const conditions = ((await api.get(ref('pods', 'p')))['status'] as { conditions: { type: string }[] }).conditions;
  expect(conditions).toContainEqual(expect.objectContaining({ type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI' }));
});

test('a budget that is used up refuses, says why, and names no time', async () => {
  await budget('b', { allowed: 0, healthy: 2, desired: 2 });
  await runningPod('p');
  expect(await refusal(evict('p'))).toBe(REFUSED);
  expect(await detailsOf(evict('p'))).toEqual({ causes: [{ reason: 'DisruptionBudget', message: 'The disruption budget b needs 2 healthy pods and has 2 currently' }] });
  expect(await isEnding('p')).toBe(false);
});

test.each<[string, BudgetStatus, string]>([
  ['has not been looked at since it changed', { allowed: 1, observed: 0 }, 'The disruption budget b is still being processed by the server.'],
  [
    'could not be worked out',
    { allowed: 0, conditions: [{ type: 'DisruptionAllowed', status: 'False', reason: 'SyncFailed', message: 'no scale', lastTransitionTime: '2024-01-01T00:00:00Z' }] },
    'The disruption budget b does not allow evicting pods currently because it failed sync: no scale',
  ],
  ['allows nothing though enough are healthy', { allowed: 0, healthy: 3, desired: 2 }, 'The disruption budget b does not allow evicting pods currently'],
])('a budget that %s refuses', async (_what, status, message) => {
  await budget('b', status);
  await runningPod('p');
  expect(await detailsOf(evict('p'))).toMatchObject({ causes: [{ reason: 'DisruptionBudget', message }] });
  expect((await detailsOf(evict('p')))?.retryAfterSeconds).toBe(status.observed === 0 ? 10 : undefined);
});

test('more budgets than one are more than an eviction can ask', async () => {
  await budget('a', { allowed: 1 });
  await budget('b', { allowed: 1 });
  await runningPod('p');
  expect(await refusal(evict('p'))).toBe('500 InternalError: This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.');
});

interface FreePod {
  readonly what: string;
  readonly phase?: string;
  readonly isReady?: boolean;
  readonly labels?: Record<string, string>;
  readonly spec?: object;
  readonly status?: BudgetStatus;
  readonly isFree: boolean;
}

const none: BudgetStatus = { allowed: 0, healthy: 2, desired: 2 };

test.each<FreePod>([
  { what: 'has failed', phase: 'Failed', isFree: true },
  { what: 'has succeeded', phase: 'Succeeded', isFree: true },
  { what: 'is pending', phase: 'Pending', isFree: true },
  { what: 'no budget selects', labels: { app: 'other' }, isFree: true },
  { what: 'works', isFree: false },
  { what: 'is not ready while enough others are', isReady: false, isFree: true },
  { what: 'is not ready while too few others are', isReady: false, status: { allowed: 0, healthy: 1, desired: 2 }, isFree: false },
  { what: 'is not ready under AlwaysAllow', isReady: false, status: { allowed: 0, healthy: 1, desired: 2 }, spec: { unhealthyPodEvictionPolicy: 'AlwaysAllow' }, isFree: true },
  { what: 'is not ready where nothing need be healthy', isReady: false, status: { allowed: 0, healthy: 0, desired: 0 }, isFree: false },
])('a pod that $what: goes without the budget: $isFree', async ({ phase, isReady, labels, spec = {}, status = none, isFree }) => {
  await budget('b', status, spec);
  await runningPod('p', { ...(phase === undefined ? {} : { phase }), ...(isReady === undefined ? {} : { isReady }), ...(labels === undefined ? {} : { labels }) });
  if (!isFree) return expect(await refusal(evict('p'))).toBe(REFUSED);
  await evict('p');
  const left = await api.list(ref('pods'));
  expect(left.items.every(({ metadata }) => metadata.deletionTimestamp !== undefined)).toBe(true);
  expect((await statusOf('b'))['disruptedPods']).toBeUndefined();
});

test('dry run spends nothing and deletes nothing, and is refused as the real one would be', async () => {
  await budget('b', { allowed: 1 });
  await runningPod('p');
  await evict('p', undefined, { dryRun: true });
  await evict('p', { dryRun: ['All'] });
  expect(await isEnding('p')).toBe(false);
  expect(await statusOf('b')).toMatchObject({ disruptionsAllowed: 1 });
  await api.patch(budgetRef('b', 'status'), { type: 'merge', body: { status: { disruptionsAllowed: 0 } } });
  expect(await refusal(evict('p', undefined, { dryRun: true }))).toBe(REFUSED);
});

test('two evictions at once cannot spend the same disruption', async () => {
  await budget('b', { allowed: 1 });
  for (const name of ['p', 'q', 'r']) await runningPod(name);
  const outcomes = await Promise.allSettled(['p', 'q', 'r'].map((name) => evict(name)));
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  const ending = await Promise.all(['p', 'q', 'r'].map(isEnding));
  expect(ending.filter(Boolean)).toHaveLength(1);
  expect(await statusOf('b')).toMatchObject({ disruptionsAllowed: 0 });
});

test.each<[string, object, string]>([
  ['a name that is not the path’s', { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'other' } }, '400 BadRequest: name in URL does not match name in Eviction object'],
  ['another kind', { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' } }, '400 BadRequest: the object provided is unrecognized (must be of type Eviction in policy/v1, not v1, Kind=Pod)'],
  ['an unknown field', { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'p' }, spec: {} }, '400 BadRequest: Eviction in version "v1" cannot be handled as a Eviction: strict decoding error: unknown field "spec"'],
])('refuses %s', async (_what, body, message) => {
  await runningPod('p');
  expect(await refusal(api.create(ref('pods', 'p', 'default', 'eviction'), body))).toBe(message);
});

test('preconditions of the eviction are those of the deletion', async () => {
  await runningPod('p');
  expect(await refusal(evict('p', { preconditions: { uid: 'another' } }))).toMatch(/^409 Conflict: .*Precondition failed: UID in precondition: another/);
  const { metadata } = await api.get(ref('pods', 'p'));
  await evict('p', { preconditions: { uid: metadata.uid, resourceVersion: metadata.resourceVersion }, gracePeriodSeconds: 7 });
  const ending: KubeObject = await api.get(ref('pods', 'p'));
  expect(ending.metadata.deletionGracePeriodSeconds).toBe(7);
});
