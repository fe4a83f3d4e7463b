import { expect, test } from 'vitest';
import { formatTime } from '../../src/base/clock.ts';
import type { Pod, PodStatus, ReplicaSet } from '../../src/client/objects.ts';
import { inDeletionOrder, planReplicaSet, type ReplicaSetAction } from '../../src/controllers/replicaset/plan.ts';
import { fc } from '../base/property.ts';

const NOW = Date.UTC(2024, 0, 1, 12);
const ago = (seconds: number) => formatTime(NOW - seconds * 1000);

function setOf(replicas: number, minReadySeconds = 0): ReplicaSet {
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name: 'web', namespace: 'default', uid: 'rs', generation: 1 },
    spec: {
      replicas,
      minReadySeconds,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [] } },
    },
  };
}

interface Like {
  readonly phase?: string;
  readonly readyFor?: number;
  readonly node?: string;
  readonly age?: number;
  readonly restarts?: number;
  readonly cost?: number;
  readonly owner?: string | undefined;
  readonly labels?: Record<string, string>;
  readonly failures?: number;
  readonly endedAgo?: number;
}

function podOf(name: string, like: Like = {}): Pod {
  const { phase = 'Running', readyFor, node = 'n1', age = 100, restarts = 0, cost, labels = { app: 'web' } } = like;
  const owner = 'owner' in like ? like.owner : 'rs';
  const since = like.endedAgo ?? readyFor;
  const ready = { type: 'Ready', status: readyFor === undefined ? 'False' : 'True' };
  const status: PodStatus = {
    phase,
    conditions: [since === undefined ? ready : { ...ready, lastTransitionTime: ago(since) }],
    containerStatuses: [{ name: 'c', ready: readyFor !== undefined, restartCount: restarts }],
  };
  const annotations = {
    ...(cost === undefined ? {} : { 'controller.kubernetes.io/pod-deletion-cost': String(cost) }),
    ...(like.failures === undefined ? {} : { 'podium.dev/failures-before': String(like.failures) }),
  };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'default',
      uid: name,
      creationTimestamp: ago(age),
      labels,
      annotations,
      ...(owner === undefined
        ? {}
        : { ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: owner, controller: true }] }),
    },
    spec: { containers: [], ...(node === '' ? {} : { nodeName: node }) },
    status,
  };
}

const order = (pods: readonly Pod[]) => inDeletionOrder(pods).map(({ metadata }) => metadata.name);

test.each<[string, Like, Like]>([
  ['not on a node before on one', { node: '' }, { node: 'n1' }],
  ['pending before running', { phase: 'Pending' }, { phase: 'Running' }],
  ['not ready before ready', {}, { readyFor: 10 }],
  ['the lower deletion cost first', { readyFor: 10, cost: -5 }, { readyFor: 10 }],
  ['ready for a shorter time first', { readyFor: 5 }, { readyFor: 50 }],
  ['more restarts first', { readyFor: 5, restarts: 3 }, { readyFor: 5 }],
  ['the younger first', { readyFor: 5, age: 10 }, { readyFor: 5, age: 90 }],
])('inDeletionOrder() %s', (_, first, second) => {
  expect(order([podOf('b', second), podOf('a', first)])).toEqual(['a', 'b']);
  expect(order([podOf('a', second), podOf('b', first)])).toEqual(['b', 'a']);
});

test('inDeletionOrder() the node with more of them first', () => {
  const pods = [podOf('a', { node: 'n1' }), podOf('b', { node: 'n2' }), podOf('c', { node: 'n2' })];
  expect(order(pods)).toEqual(['b', 'c', 'a']);
});

function apply(pods: readonly Pod[], actions: readonly ReplicaSetAction[]): Pod[] {
  const next = new Map(pods.map((pod) => [pod.metadata.name, pod]));
  for (const action of actions) {
    if (action.kind === 'create-pod') {
      const { name } = action.pod.metadata;
      expect(next.has(name)).toBe(false);
      next.set(name, { ...action.pod, metadata: { ...action.pod.metadata, uid: name }, status: { phase: 'Pending' } });
    } else if (action.kind === 'delete-pod') next.delete(action.pod.metadata.name);
  }
  return [...next.values()];
}

test('planReplicaSet() converges in one round, and then has nothing more to do', () => {
  const like = fc.record({
    phase: fc.constantFrom('Pending', 'Running', 'Succeeded'),
    node: fc.constantFrom('', 'n1', 'n2'),
    readyFor: fc.constantFrom(undefined, 1, 60),
    owner: fc.constantFrom('rs', 'other'),
  });
  fc.assert(
    fc.property(fc.array(like, { maxLength: 12 }), fc.integer({ min: 0, max: 12 }), (likes, replicas) => {
      const pods = likes.map((each, index) => {
        const { readyFor, ...rest } = each;
        return podOf(`p${index}`, readyFor === undefined ? rest : { ...rest, readyFor });
      });
      const replicaSet = setOf(replicas);
      const { actions } = planReplicaSet({ replicaSet, pods }, NOW);
      // The same question has the same answer.
      expect(planReplicaSet({ replicaSet, pods: [...pods] }, NOW).actions).toEqual(actions);
      const after = apply(pods, actions);
      const mine = after.filter(
        ({ metadata, status }) => metadata.ownerReferences?.[0]?.uid === 'rs' && status?.phase !== 'Succeeded',
      );
      expect(mine).toHaveLength(replicas);
      const again = planReplicaSet({ replicaSet, pods: after }, NOW).actions;
      expect(again.filter(({ kind }) => kind !== 'set-status')).toEqual([]);
      // Nothing of another owner's was touched.
      const others = (each: readonly Pod[]) => each.filter(({ metadata }) => metadata.ownerReferences?.[0]?.uid === 'other');
      expect(others(after)).toEqual(others(pods));
    }),
  );
});

test('a failed pod is replaced after 10 s, later after each further failure', () => {
  const creates = (pods: readonly Pod[]) => {
    const { actions, requeueAfterMs } = planReplicaSet({ replicaSet: setOf(1), pods }, NOW);
    const created = actions.filter((action) => action.kind === 'create-pod');
    return { annotations: created.map(({ pod }) => pod.metadata.annotations?.['podium.dev/failures-before']), requeueAfterMs };
  };
  expect(creates([podOf('a', { phase: 'Failed', endedAgo: 4 })])).toEqual({ annotations: [], requeueAfterMs: 6_000 });
  expect(creates([podOf('a', { phase: 'Failed', endedAgo: 10 })])).toEqual({ annotations: ['1'] });
  const third = [podOf('a', { phase: 'Failed', endedAgo: 90, failures: 1 }), podOf('b', { phase: 'Failed', endedAgo: 30, failures: 2 })];
  expect(creates(third)).toEqual({ annotations: [], requeueAfterMs: 10_000 });
  expect(creates([podOf('a', { phase: 'Failed', endedAgo: 100, failures: 9 })]).requeueAfterMs).toBe(200_000);
});

test('the last three failed pods are kept', () => {
  const pods = [1, 2, 3, 4, 5].map((n) => podOf(`f${n}`, { phase: 'Failed', endedAgo: n * 100 }));
  const { actions } = planReplicaSet({ replicaSet: setOf(0), pods }, NOW);
  const deleted = actions.filter((action) => action.kind === 'delete-pod').map(({ pod }) => pod.metadata.name);
  expect(deleted).toEqual(['f4', 'f5']);
});

test('orphans that match are adopted, own pods that no longer match are released', () => {
  const pods = [podOf('orphan', { owner: undefined }), podOf('stray', { labels: { app: 'other' } })];
  const { actions } = planReplicaSet({ replicaSet: setOf(1), pods }, NOW);
  expect(actions.map(({ kind }) => kind)).toEqual(['adopt-pod', 'release-pod', 'set-status']);
});

test('availability waits for minReadySeconds, and asks to be looked at then', () => {
  const pods = [podOf('a', { readyFor: 60 }), podOf('b', { readyFor: 10 })];
  const { actions, requeueAfterMs } = planReplicaSet({ replicaSet: setOf(2, 30), pods }, NOW);
  const [status] = actions.filter((action) => action.kind === 'set-status');
  expect(status!.status).toEqual({
    replicas: 2,
    fullyLabeledReplicas: 2,
    readyReplicas: 2,
    availableReplicas: 1,
    observedGeneration: 1,
  });
  expect(requeueAfterMs).toBe(20_000);
});
