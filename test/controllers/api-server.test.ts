/** The controllers and the scheduler against the API server itself, through encoded messages, on a driven clock. */
import { expect, test } from 'vitest';
import { silentLog, type Log } from '../../src/base/log.ts';
import { seededRandom } from '../../src/base/random.ts';
import { resources, type ApiClient, type ResourceRef } from '../../src/client/api-client.ts';
import { isNotFound } from '../../src/client/api-error.ts';
import { ChannelApiClient } from '../../src/client/channel-api-client.ts';
import {
  conditionOf,
  type ApiObject,
  type Deployment,
  type Endpoints,
  type EndpointSlice,
  type KubeEvent,
  type Namespace,
  type Pod,
  type PodDisruptionBudget,
  type Service,
} from '../../src/client/objects.ts';
import { ControllerManager } from '../../src/controllers/manager.ts';
import { directChannel } from '../../src/proto/direct-channel.ts';
import { SchedulerPart } from '../../src/scheduler/scheduler-part.ts';
import { startServer } from '../api/fixture.ts';
import { FakeKubelet } from './fake-kubelet.ts';

const config = { nodeMonitorGraceMs: 4_000, podEvictionMs: 3_000, nodeMonitorPeriodMs: 1_000, podForceDeleteMs: 5_000 };
const inDefault = (ref: ResourceRef): ResourceRef => ({ ...ref, namespace: 'default' });

async function world(nodes: number) {
  const { clock, server } = await startServer({ config: { evictionTolerationSeconds: 3 } });
  const client: ApiClient = new ChannelApiClient({
    channel: directChannel({ services: server.services, clock, log: silentLog }),
  });
  const stop = new AbortController();
  const warnings: string[] = [];
  const warn = (facts: object, message: string) => warnings.push(`${message} ${JSON.stringify(facts)}`);
  const log: Log = { ...silentLog, warn, error: warn, child: () => log };
  const kubelets = Array.from({ length: nodes }, (_, index) => new FakeKubelet(client, clock, `node-${index + 1}`));
  const seams = { client, clock, log, identity: 'a' };
  void new ControllerManager({ ...seams, random: seededRandom('controllers'), config }).run(stop.signal);
  void new SchedulerPart({ ...seams, random: seededRandom('scheduler') }).run(stop.signal);
  await clock.advance(3_000);
  const all = async <T extends ApiObject>(ref: ResourceRef) => (await client.list<T>(ref)).items;
  const deployment = () => client.get<Deployment>(inDefault(resources.deployments), 'web');
  return {
    client,
    clock,
    kubelets,
    warnings,
    all,
    deployment,
    pods: () => all<Pod>(resources.pods),
    update: async (change: (deployment: Deployment) => Deployment) => {
      await client.update(inDefault(resources.deployments), change(await deployment()));
    },
    rolledOut: () => clock.advanceUntil(async () => isRolledOut(await deployment()), 120_000, 'roll-out'),
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

function templateOf(image: string): Deployment['spec']['template'] {
  return { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image }] } };
}

function deploymentOf(image: string, replicas: number, namespace = 'default'): Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'web' } },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      template: templateOf(image),
    },
  };
}

const service: Service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'default' },
  spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] },
};

const imagesOf = (pods: readonly Pod[]) => pods.map(({ spec }) => spec.containers[0]!.image);

test('a Deployment comes up, rolls, and is undone', async () => {
  const { client, clock, all, pods, deployment, update, rolledOut, warnings } = await world(2);
  await client.create<Service>(inDefault(resources.services), service);
  await client.create<Deployment>(inDefault(resources.deployments), deploymentOf('v1', 4));
  await rolledOut();
  await clock.advance(1_000);
  const perNode = (await pods()).map(({ spec }) => spec.nodeName).sort();
  expect(perNode).toEqual(['node-1', 'node-1', 'node-2', 'node-2']);
  const [slice] = await all<EndpointSlice>(resources.endpointSlices);
  expect(slice!.endpoints.map(({ conditions }) => conditions!.ready)).toEqual([true, true, true, true]);
  const [addresses] = await all<Endpoints>(resources.endpoints);
  expect(addresses!.subsets![0]!.addresses).toHaveLength(4);
  expect(conditionOf((await deployment()).status?.conditions, 'Available')?.status).toBe('True');
  for (const [image, revision] of [['v2', '2'], ['v1', '3']] as const) {
    await update((each) => ({ ...each, spec: { ...each.spec, template: templateOf(image) } }));
    await rolledOut();
    await clock.advance(2_000);
    expect(imagesOf(await pods())).toEqual([image, image, image, image]);
    expect((await deployment()).metadata.annotations!['deployment.kubernetes.io/revision']).toBe(revision);
  }
  expect(await all(resources.replicaSets)).toHaveLength(2);
  expect(warnings).toEqual([]);
});

test('a cluster at rest writes nothing but its heartbeats', async () => {
  const { client, clock, all, rolledOut } = await world(2);
  await client.create<Service>(inDefault(resources.services), service);
  await client.create<Deployment>(inDefault(resources.deployments), deploymentOf('v1', 3));
  await rolledOut();
  await clock.advance(10_000);
  const refs = Object.values(resources).filter(({ resource }) => resource !== 'leases');
  const versions = async () =>
    (await Promise.all(refs.map((ref) => all(ref)))).flat().map(({ kind, metadata }) => [kind, metadata.name, metadata.resourceVersion]);
  const before = await versions();
  await clock.advance(60_000);
  expect(await versions()).toEqual(before);
});

test('the pods of a dead node are replaced', async () => {
  const { client, clock, kubelets, pods, deployment, rolledOut } = await world(2);
  await client.create<Deployment>(inDefault(resources.deployments), deploymentOf('v1', 4));
  await rolledOut();
  kubelets[1]!.stop.abort();
  await clock.advance(12_000);
  expect((await deployment()).status!.availableReplicas).toBe(4);
  // Nobody on the dead node says that its pods have ended: their grace period, and then some, is waited for.
  await clock.advance(40_000);
  expect((await pods()).map(({ spec }) => spec.nodeName)).toEqual(['node-1', 'node-1', 'node-1', 'node-1']);
});

test.each(['Background', 'Foreground'] as const)('deleting a Deployment takes all with it: %s', async (propagationPolicy) => {
  const { client, clock, all, rolledOut } = await world(1);
  await client.create<Deployment>(inDefault(resources.deployments), deploymentOf('v1', 3));
  await rolledOut();
  await client.delete(inDefault(resources.deployments), 'web', { propagationPolicy });
  const left = async () =>
    (await Promise.all([resources.deployments, resources.replicaSets, resources.pods].map((ref) => all(ref)))).flat().length;
  await clock.advanceUntil(async () => (await left()) === 0, 30_000, 'collection');
});

test('orphans stay', async () => {
  const { client, clock, all, pods, rolledOut } = await world(1);
  await client.create<Deployment>(inDefault(resources.deployments), deploymentOf('v1', 2));
  await rolledOut();
  await client.delete(inDefault(resources.deployments), 'web', { propagationPolicy: 'Orphan' });
  await clock.advance(10_000);
  expect(await all(resources.deployments)).toEqual([]);
  expect(await pods()).toHaveLength(2);
  expect((await all(resources.replicaSets))[0]!.metadata.ownerReferences ?? []).toEqual([]);
});

test('a namespace that is deleted is emptied and goes', async () => {
  const { client, clock, pods } = await world(1);
  const namespace: Namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'team' } };
  await client.create<Namespace>(resources.namespaces, namespace);
  await client.create<Deployment>({ ...resources.deployments, namespace: 'team' }, deploymentOf('v1', 3, 'team'));
  await clock.advance(5_000);
  expect(await pods()).toHaveLength(3);
  await client.delete(resources.namespaces, 'team');
  const isGone = () => client.get(resources.namespaces, 'team').then(() => false, isNotFound);
  await clock.advanceUntil(isGone, 60_000, 'end of the namespace');
  expect(await pods()).toEqual([]);
});

test('a namespace says what it waits for', async () => {
  const { client, clock } = await world(1);
  await client.create<Namespace>(resources.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'team' } });
  const configMaps = { ...resources.configMaps, namespace: 'team' };
  const held: ApiObject = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'held', namespace: 'team', finalizers: ['example.com/mine'] } };
  await client.create<ApiObject>(configMaps, held);
  await client.create<ApiObject>({ group: 'batch', version: 'v1', resource: 'jobs', namespace: 'team' }, jobOf('j', 'team'));
  await client.delete(resources.namespaces, 'team');
  await clock.advance(5_000);
  const { status } = await client.get<Namespace>(resources.namespaces, 'team');
  expect(status?.phase).toBe('Terminating');
  expect(status?.conditions?.map(({ type, status: is, reason, message }) => [type, is, reason, message])).toEqual([
    ['NamespaceDeletionDiscoveryFailure', 'False', 'ResourcesDiscovered', 'All resources successfully discovered'],
    ['NamespaceDeletionGroupVersionParsingFailure', 'False', 'ParsedGroupVersions', 'All legacy kube types successfully parsed'],
    ['NamespaceDeletionContentFailure', 'False', 'ContentDeleted', 'All content successfully deleted, may be waiting on finalization'],
    ['NamespaceContentRemaining', 'True', 'SomeResourcesRemain', 'Some resources are remaining: configmaps. has 1 resource instances'],
    ['NamespaceFinalizersRemaining', 'True', 'SomeFinalizersRemain', 'Some content in the namespace has finalizers remaining: example.com/mine in 1 resource instances'],
  ]);
  await client.patch(configMaps, 'held', { type: 'merge', patch: { metadata: { finalizers: null } } });
  const isGone = () => client.get(resources.namespaces, 'team').then(() => false, isNotFound);
  await clock.advanceUntil(isGone, 10_000, 'end of the namespace');
});

const jobsRef = { group: 'batch', version: 'v1', resource: 'jobs', namespace: 'default' };

function jobOf(name: string, namespace = 'default'): ApiObject {
  const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i:1' }] } };
  const job = { apiVersion: 'batch/v1', kind: 'Job', metadata: { name, namespace }, spec: { template } };
  return job;
}

test.each(['Background', 'Foreground', 'Orphan'] as const)('dependents of a kind that no controller acts on: %s', async (propagationPolicy) => {
  const { client, clock, all } = await world(1);
  const owner = await client.create<ApiObject>(jobsRef, jobOf('j'));
  const ownerReferences = [{ apiVersion: 'batch/v1', kind: 'Job', name: 'j', uid: owner.metadata.uid!, controller: true, blockOwnerDeletion: true }];
  const claimsRef = { group: '', version: 'v1', resource: 'persistentvolumeclaims' };
  const claim = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name: 'own', namespace: 'default', ownerReferences }, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } };
  await client.create<ApiObject>(inDefault(claimsRef), claim);
  await clock.advance(12_000);
  await client.delete(jobsRef, 'j', { propagationPolicy });
  await clock.advanceUntil(async () => (await all(jobsRef)).length === 0, 15_000, 'end of the job');
  if (propagationPolicy !== 'Orphan') return clock.advanceUntil(async () => (await all(claimsRef)).length === 0, 15_000, 'end of the claim');
  await clock.advance(15_000);
  expect((await all(claimsRef)).map(({ metadata }) => metadata.ownerReferences ?? [])).toEqual([[]]);
});

test('a budget is worked out from the deployment, and evictions keep to it', async () => {
  const { client, clock, pods, rolledOut } = await world(2);
  const budgets = inDefault(resources.podDisruptionBudgets);
  const budget: PodDisruptionBudget = { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata: { name: 'web', namespace: 'default' }, spec: { maxUnavailable: 1, selector: { matchLabels: { app: 'web' } } } };
  await client.create<PodDisruptionBudget>(budgets, budget);
  await client.create<Deployment>(inDefault(resources.deployments), deploymentOf('v1', 3));
  await rolledOut();
  const statusOf = async () => (await client.get<PodDisruptionBudget>(budgets, 'web')).status;
  await clock.advanceUntil(async () => (await statusOf())?.disruptionsAllowed === 1, 5_000, 'the budget');
  expect(await statusOf()).toMatchObject({ expectedPods: 3, desiredHealthy: 2, currentHealthy: 3, observedGeneration: 1 });
  const [first, second] = (await pods()).map(({ metadata }) => metadata.name);
  const evict = (name: string) => client.create(inDefault(resources.pods), { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace: 'default' } }, { name, subresource: 'eviction' });
  await evict(first!);
  await expect(evict(second!)).rejects.toMatchObject({ reason: 'TooManyRequests' });
  await clock.advanceUntil(async () => (await statusOf())?.disruptionsAllowed === 1, 60_000, 'a new pod in place of the evicted one');
  expect((await statusOf())?.disruptedPods).toBeUndefined();
  await evict(second!);
});

test('what does not fit is told why', async () => {
  const { client, clock, all, pods } = await world(1);
  const big = deploymentOf('v1', 1);
  const container = { name: 'web', image: 'v1', resources: { requests: { cpu: '8' } } };
  const template = { ...big.spec.template, spec: { containers: [container] } };
  await client.create<Deployment>(inDefault(resources.deployments), { ...big, spec: { ...big.spec, template } });
  await clock.advance(5_000);
  const condition = conditionOf((await pods())[0]!.status?.conditions, 'PodScheduled')!;
  const message = '0/1 nodes are available: 1 Insufficient cpu.';
  expect([condition.status, condition.reason, condition.message]).toEqual(['False', 'Unschedulable', message]);
  const events = (await all<KubeEvent>(resources.events)).filter(({ reason }) => reason === 'FailedScheduling');
  expect(events.map((event) => [event.type, event.message, event.involvedObject.kind])).toEqual([['Warning', message, 'Pod']]);
});
