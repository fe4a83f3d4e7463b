/** The controllers and the scheduler together, on a fake API and a driven clock; kubelets are a few lines. */
import { expect, test } from 'vitest';
import { formatTime } from '../../src/base/clock.ts';
import { DrivenClock, settle } from '../../src/base/driven-clock.ts';
import { silentLog, type Log } from '../../src/base/log.ts';
import { seededRandom } from '../../src/base/random.ts';
import { resources } from '../../src/client/api-client.ts';
import {
  conditionOf,
  type ApiObject,
  type Deployment,
  type Endpoints,
  type EndpointSlice,
  type Namespace,
  type Node,
  type Pod,
  type ReplicaSet,
  type Service,
} from '../../src/client/objects.ts';
import { ControllerManager } from '../../src/controllers/manager.ts';
import { SchedulerPart } from '../../src/scheduler/scheduler-part.ts';
import { FakeApi } from '../client/fake-api.ts';
import { FakeKubelet } from './fake-kubelet.ts';

const config = { rootCa: 'a certificate', nodeMonitorGraceMs: 4_000, podEvictionMs: 3_000, nodeMonitorPeriodMs: 1_000, podForceDeleteMs: 5_000 };

interface World {
  readonly api: FakeApi;
  readonly clock: DrivenClock;
  readonly kubelets: FakeKubelet[];
  readonly warnings: string[];
  readonly stop: AbortController;
  pods(): Pod[];
  deployment(): Deployment;
  update(change: (deployment: Deployment) => Deployment): Promise<void>;
  rolledOut(): Promise<void>;
}

const inDefault = <R extends object>(ref: R) => ({ ...ref, namespace: 'default' });

function namespace(name: string): Namespace {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name }, spec: { finalizers: ['kubernetes'] } };
}

function world(nodes: number): World {
  const clock = new DrivenClock();
  const api = new FakeApi(() => formatTime(clock.wall()));
  for (const name of ['default', 'kube-system', 'kube-node-lease']) api.put(resources.namespaces, namespace(name));
  const stop = new AbortController();
  const warnings: string[] = [];
  const log: Log = {
    ...silentLog,
    warn: (facts, message) => warnings.push(`${message} ${JSON.stringify(facts)}`),
    error: (facts, message) => warnings.push(`${message} ${JSON.stringify(facts)}`),
    child: () => log,
  };
  const kubelets = Array.from({ length: nodes }, (_, index) => new FakeKubelet(api, clock, `node-${index + 1}`));
  const seams = { client: api, clock, log, identity: 'a' };
  void new ControllerManager({ ...seams, random: seededRandom('controllers'), config }).run(stop.signal);
  void new SchedulerPart({ ...seams, random: seededRandom('scheduler') }).run(stop.signal);
  const deployment = () => api.find<Deployment>(inDefault(resources.deployments), 'web')!;
  return {
    api,
    clock,
    kubelets,
    warnings,
    stop,
    pods: () => api.all<Pod>(resources.pods),
    deployment,
    async update(change) {
      await api.update(inDefault(resources.deployments), change(deployment()));
    },
    async rolledOut() {
      await clock.advanceUntil(() => isRolledOut(deployment()), 120_000, 'roll-out');
    },
  };
}

function isRolledOut({ metadata, spec, status }: Deployment): boolean {
  return (
    status?.observedGeneration === metadata.generation &&
    status?.updatedReplicas === spec.replicas &&
    status?.replicas === spec.replicas &&
    status?.availableReplicas === spec.replicas
  );
}

function deploymentOf(image: string, replicas = 3): Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'web' } },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      progressDeadlineSeconds: 30,
      revisionHistoryLimit: 2,
      template: {
        metadata: { labels: { app: 'web' } },
        spec: { containers: [{ name: 'web', image, resources: { requests: { cpu: '100m' } } }] },
      },
    },
  };
}

const withImage = (image: string) => (deployment: Deployment): Deployment => ({
  ...deployment,
  spec: { ...deployment.spec, template: deploymentOf(image).spec.template },
});

const service: Service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'default' },
  spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] },
};

test('a Deployment comes up, spread over the nodes, and its Service finds it', async () => {
  const { api, clock, pods, rolledOut, deployment, warnings } = world(2);
  await clock.advance(3_000);
  await api.create(inDefault(resources.services), service);
  await api.create<Deployment>(inDefault(resources.deployments), deploymentOf('v1', 4));
  await rolledOut();
  await clock.advance(1_000);
  const perNode = new Map<string, number>();
  for (const { spec } of pods()) perNode.set(spec.nodeName!, (perNode.get(spec.nodeName!) ?? 0) + 1);
  expect([...perNode.values()]).toEqual([2, 2]);
  const [slice] = api.all<EndpointSlice>(resources.endpointSlices);
  expect(slice!.endpoints.map(({ conditions }) => conditions!.ready)).toEqual([true, true, true, true]);
  expect(slice!.ports).toEqual([{ name: '', port: 8080, protocol: 'TCP' }]);
  const addresses = api.find<Endpoints>(inDefault(resources.endpoints), 'web')!.subsets![0]!.addresses!;
  expect(addresses.map(({ ip }) => ip).sort()).toEqual(pods().map(({ status }) => status!.podIP!).sort());
  expect(conditionOf(deployment().status?.conditions, 'Available')?.status).toBe('True');
  expect(conditionOf(deployment().status?.conditions, 'Progressing')?.reason).toBe('NewReplicaSetAvailable');
  expect(api.find(inDefault(resources.serviceAccounts), 'default')).toBeDefined();
  expect(warnings).toEqual([]);
});

test('every namespace has the certificate of the API, whatever becomes of it', async () => {
  const { api, clock, warnings } = world(0);
  const name = 'kube-root-ca.crt';
  const found = (namespace = 'default') => api.find<ApiObject & { data: object }>({ ...resources.configMaps, namespace }, name)?.data;
  const wanted = { 'ca.crt': 'a certificate' };
  await clock.advanceUntil(() => found() !== undefined && found('kube-system') !== undefined, 10_000, 'the certificate');
  expect([found(), found('kube-system')]).toEqual([wanted, wanted]);
  const stored = api.find(inDefault(resources.configMaps), name)!;
  api.put(inDefault(resources.configMaps), { ...stored, data: { 'ca.crt': 'another', more: '' } } as ApiObject);
  await clock.advanceUntil(() => JSON.stringify(found()) === JSON.stringify(wanted), 10_000, 'the right one');
  await api.delete(inDefault(resources.configMaps), name);
  await clock.advanceUntil(() => found() !== undefined, 10_000, 'another one');
  await api.create(resources.namespaces, namespace('late'));
  await clock.advanceUntil(() => found('late') !== undefined, 10_000, 'one in a new namespace');
  expect(warnings).toEqual([]);
});

test('a rolling update never has too few or too many, and undo brings the old set back', async () => {
  const { api, clock, pods, rolledOut, update, deployment, warnings } = world(2);
  await api.create<Deployment>(inDefault(resources.deployments), deploymentOf('v1'));
  await rolledOut();
  await clock.advance(1_000);
  const watch = () => {
    const living = pods().filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    const ready = living.filter(({ status }) => conditionOf(status?.conditions, 'Ready')?.status === 'True');
    expect(ready.length).toBeGreaterThanOrEqual(3);
    expect(living.length).toBeLessThanOrEqual(4);
  };
  for (const [image, revision] of [['v2', '2'], ['v3', '3'], ['v1', '4']] as const) {
    await update(withImage(image));
    await clock.advanceUntil(
      () => {
        watch();
        return isRolledOut(deployment());
      },
      60_000,
      `roll-out of ${image}`,
    );
    await clock.advance(2_000);
    expect(pods().map(({ spec }) => spec.containers[0]!.image)).toEqual([image, image, image]);
    expect(deployment().metadata.annotations!['deployment.kubernetes.io/revision']).toBe(revision);
  }
  const sets = api.all<ReplicaSet>(resources.replicaSets);
  expect(sets).toHaveLength(3);
  expect(warnings).toEqual([]);
});

test('a bad version stops the roll-out and says so after the deadline', async () => {
  const { api, clock, pods, rolledOut, update, deployment } = world(2);
  await api.create<Deployment>(inDefault(resources.deployments), deploymentOf('v1'));
  await rolledOut();
  await update(withImage('bad'));
  await clock.advance(60_000);
  const images = pods().map(({ spec }) => spec.containers[0]!.image).sort();
  expect(images).toEqual(['bad', 'v1', 'v1', 'v1']);
  const progress = conditionOf(deployment().status?.conditions, 'Progressing')!;
  expect([progress.status, progress.reason]).toEqual(['False', 'ProgressDeadlineExceeded']);
  await update(withImage('v1'));
  await rolledOut();
  await clock.advance(1_000);
  expect(pods().map(({ spec }) => spec.containers[0]!.image)).toEqual(['v1', 'v1', 'v1']);
});

test('the pods of a dead node are replaced, and those on it removed in the end', async () => {
  const { api, clock, kubelets, pods, rolledOut, deployment } = world(2);
  await api.create(inDefault(resources.services), service);
  await api.create<Deployment>(inDefault(resources.deployments), deploymentOf('v1', 4));
  await rolledOut();
  await clock.advance(3_000);
  kubelets[1]!.stop.abort();
  await clock.advanceUntil(
    () => pods().filter(({ spec, status }) => spec.nodeName === 'node-1' && status?.phase === 'Running').length === 4,
    20_000,
    'replacement',
  );
  const node = api.find<Node>(resources.nodes, 'node-2')!;
  expect(conditionOf(node.status?.conditions, 'Ready')?.status).toBe('Unknown');
  expect(node.spec!.taints!.map(({ key, effect }) => `${key}:${effect}`)).toEqual([
    'node.kubernetes.io/unreachable:NoSchedule',
    'node.kubernetes.io/unreachable:NoExecute',
  ]);
  await clock.advance(15_000);
  expect(pods().map(({ spec }) => spec.nodeName)).toEqual(['node-1', 'node-1', 'node-1', 'node-1']);
  expect(deployment().status!.availableReplicas).toBe(4);
  const [slice] = api.all<EndpointSlice>(resources.endpointSlices);
  expect(slice!.endpoints).toHaveLength(4);
});

test('nobody is evicted while no node is heard', async () => {
  const { api, clock, kubelets, pods, rolledOut } = world(2);
  await api.create<Deployment>(inDefault(resources.deployments), deploymentOf('v1', 4));
  await rolledOut();
  const before = pods().map(({ metadata }) => metadata.uid);
  for (const kubelet of kubelets) kubelet.stop.abort();
  await clock.advance(60_000);
  expect(pods().map(({ metadata }) => metadata.uid)).toEqual(before);
});

test('deleting a Deployment takes its sets and pods with it, in the background and in the foreground', async () => {
  for (const propagationPolicy of ['Background', 'Foreground'] as const) {
    const { api, clock, pods, rolledOut, deployment } = world(1);
    await api.create<Deployment>(inDefault(resources.deployments), deploymentOf('v1'));
    await rolledOut();
    await api.delete(inDefault(resources.deployments), 'web', { propagationPolicy });
    if (propagationPolicy === 'Foreground') expect(deployment().metadata.deletionTimestamp).toBeDefined();
    await clock.advanceUntil(() => pods().length === 0 && deployment() === undefined, 30_000, 'collection');
    expect(api.all(resources.replicaSets)).toEqual([]);
  }
});

test('orphaned pods stay and are adopted by the next set that selects them', async () => {
  const { api, clock, pods, rolledOut } = world(1);
  await api.create<Deployment>(inDefault(resources.deployments), deploymentOf('v1'));
  await rolledOut();
  const before = pods().map(({ metadata }) => metadata.uid);
  await api.delete(inDefault(resources.deployments), 'web', { propagationPolicy: 'Orphan' });
  await clock.advanceUntil(() => api.all(resources.deployments).length === 0, 30_000, 'orphaning');
  await clock.advance(5_000);
  expect(pods().map(({ metadata }) => metadata.uid)).toEqual(before);
  await api.create<Deployment>(inDefault(resources.deployments), deploymentOf('v1'));
  await rolledOut();
  expect(pods().map(({ metadata }) => metadata.uid)).toEqual(before);
  expect(api.all(resources.replicaSets)).toHaveLength(1);
});

test('a namespace that is deleted is emptied and goes', async () => {
  const { api, clock } = world(1);
  api.put(resources.namespaces, namespace('team'));
  await clock.advance(3_000);
  await api.create<Deployment>({ ...resources.deployments, namespace: 'team' }, {
    ...deploymentOf('v1'),
    metadata: { name: 'web', namespace: 'team' },
  });
  await clock.advance(5_000);
  expect(api.all<Pod>(resources.pods)).toHaveLength(3);
  const team = api.find<Namespace>(resources.namespaces, 'team')!;
  // As the API server does it: the namespace's own finalizers stand in its spec.
  api.put(resources.namespaces, {
    ...team,
    metadata: { ...team.metadata, deletionTimestamp: formatTime(clock.wall()) },
  });
  await clock.advanceUntil(() => api.find(resources.namespaces, 'team') === undefined, 30_000, 'end of the namespace');
  expect(api.all<Pod>(resources.pods)).toEqual([]);
});

test('pods of a node that is gone are removed', async () => {
  const { api, clock, kubelets, pods, rolledOut } = world(2);
  await api.create<Deployment>(inDefault(resources.deployments), deploymentOf('v1', 4));
  await rolledOut();
  kubelets[1]!.stop.abort();
  await api.delete(resources.nodes, 'node-2');
  await clock.advance(40_000);
  expect(pods().map(({ spec }) => spec.nodeName)).toEqual(['node-1', 'node-1', 'node-1', 'node-1']);
});

test('Recreate has no two versions at once', async () => {
  const { api, clock, pods, rolledOut, update, deployment } = world(1);
  const recreate = deploymentOf('v1');
  await api.create<Deployment>(inDefault(resources.deployments), { ...recreate, spec: { ...recreate.spec, strategy: { type: 'Recreate' } } });
  await rolledOut();
  await update(withImage('v2'));
  await clock.advanceUntil(
    () => {
      expect(new Set(pods().map(({ spec }) => spec.containers[0]!.image)).size).toBeLessThanOrEqual(1);
      return isRolledOut(deployment());
    },
    60_000,
    'recreation',
  );
  expect(pods().map(({ spec }) => spec.containers[0]!.image)).toEqual(['v2', 'v2', 'v2']);
});

test('a paused Deployment keeps its version, but can be scaled', async () => {
  const { api, clock, pods, rolledOut, update } = world(1);
  await api.create<Deployment>(inDefault(resources.deployments), deploymentOf('v1'));
  await rolledOut();
  await update((each) => withImage('v2')({ ...each, spec: { ...each.spec, paused: true, replicas: 5 } }));
  await clock.advance(10_000);
  expect(pods().map(({ spec }) => spec.containers[0]!.image)).toEqual(['v1', 'v1', 'v1', 'v1', 'v1']);
  await update((each) => ({ ...each, spec: { ...each.spec, paused: false } }));
  await rolledOut();
  await clock.advance(1_000);
  expect(new Set(pods().map(({ spec }) => spec.containers[0]!.image))).toEqual(new Set(['v2']));
});

test('what does not fit is told why, and placed when there is room', async () => {
  const { api, clock, pods } = world(1);
  const big = deploymentOf('v1', 1);
  const template = {
    ...big.spec.template,
    spec: { containers: [{ name: 'web', image: 'v1', resources: { requests: { cpu: '8' } } }] },
  };
  await api.create<Deployment>(inDefault(resources.deployments), { ...big, spec: { ...big.spec, template } });
  await clock.advance(5_000);
  const scheduled = conditionOf(pods()[0]!.status?.conditions, 'PodScheduled')!;
  expect([scheduled.status, scheduled.reason]).toEqual(['False', 'Unschedulable']);
  expect(scheduled.message).toBe('0/1 nodes are available: 1 Insufficient cpu.');
  const events = api.all<{ reason: string } & Pod>(resources.events).filter(({ reason }) => reason === 'FailedScheduling');
  expect(events).toHaveLength(1);
  const node = api.find<Node>(resources.nodes, 'node-1')!;
  api.put(resources.nodes, { ...node, status: { ...node.status, allocatable: { cpu: '16', memory: '4Gi', pods: '20' } } } as Node);
  await clock.advance(15_000);
  expect(pods()[0]!.spec.nodeName).toBe('node-1');
});

test('a cluster at rest writes nothing but its heartbeats', async () => {
  const { api, clock, rolledOut } = world(2);
  await api.create(inDefault(resources.services), service);
  await api.create<Deployment>(inDefault(resources.deployments), deploymentOf('v1'));
  await rolledOut();
  await clock.advance(10_000);
  await settle();
  const start = api.calls.length;
  await clock.advance(60_000);
  const writes = api.calls.slice(start).filter(({ verb, ref }) => !['get', 'list', 'watch'].includes(verb) && ref.resource !== 'leases');
  expect(writes).toEqual([]);
});
