/** What objects may rely on from their creation to their end. */
import { beforeEach, expect, test } from 'vitest';
import type { Registry } from '../../src/api/registry.ts';
import type { KubeObject } from '../../src/kube/types.ts';
import { configMap, deployment, pod, ref, refusal, service, startServer, type Fixture } from './fixture.ts';

let fixture: Fixture;
let api: Registry;
beforeEach(async () => {
  fixture = await startServer();
  ({ api } = fixture);
});

const field = (object: KubeObject, ...path: (string | number)[]) => path.reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], object);
const bind = (name: string, node: string) =>
  api.create(ref('pods', name, 'default', 'binding'), { apiVersion: 'v1', kind: 'Binding', metadata: { name }, target: { kind: 'Node', name: node } });

test('create() sets identity, time and generation, and fills in the defaults of templates too', async () => {
  const { object } = await api.create(ref('deployments'), deployment('web'));
  expect(object.metadata).toMatchObject({ name: 'web', namespace: 'default', generation: 1, creationTimestamp: '2024-01-01T00:00:00Z' });
  expect(object.metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
  expect(Number(object.metadata.resourceVersion)).toBe(fixture.store.revision);
  expect(object['spec']).toMatchObject({
    replicas: 1,
    revisionHistoryLimit: 10,
    progressDeadlineSeconds: 600,
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
    template: { spec: { restartPolicy: 'Always', terminationGracePeriodSeconds: 30, containers: [{ imagePullPolicy: 'IfNotPresent' }] } },
  });
  expect(await api.get(ref('deployments', 'web'))).toEqual(object);
});

test('create() ignores status and server fields that a client sends', async () => {
  const sent = { ...pod('p'), status: { phase: 'Running' }, metadata: { name: 'p', uid: 'mine', creationTimestamp: '2001-01-01T00:00:00Z', generation: 9 } };
  const { object } = await api.create(ref('pods'), sent);
  expect(object['status']).toMatchObject({ phase: 'Pending', qosClass: 'BestEffort' });
  expect(object.metadata).toMatchObject({ generation: 1, creationTimestamp: '2024-01-01T00:00:00Z' });
  expect(object.metadata.uid).not.toBe('mine');
});

test('create() generates names that differ', async () => {
  const names = new Set<string>();
  for (let i = 0; i < 20; i++) {
    const { object } = await api.create(ref('configmaps'), { apiVersion: 'v1', kind: 'ConfigMap', metadata: { generateName: 'web-' } });
    expect(object.metadata.name).toMatch(/^web-[a-z0-9]{5}$/);
    names.add(object.metadata.name);
  }
  expect(names.size).toBe(20);
});

test('dry run answers what would be, and writes nothing', async () => {
  const before = fixture.store.revision;
  const { object } = await api.create(ref('configmaps'), configMap('x'), { dryRun: true });
  expect(object.metadata.uid).toBeDefined();
  expect(fixture.store.revision).toBe(before);
  await api.create(ref('configmaps'), configMap('x'));
  await api.delete(ref('configmaps', 'x'), { dryRun: true });
  expect((await api.get(ref('configmaps', 'x'))).metadata.name).toBe('x');
});

test('update() counts generations for changes of the spec only, and writes nothing when nothing changes', async () => {
  const { object } = await api.create(ref('deployments'), deployment('web'));
  const labelled = (await api.update(ref('deployments', 'web'), { ...object, metadata: { ...object.metadata, labels: { a: 'b' } } })).object;
  expect(labelled.metadata.generation).toBe(1);
  const scaled = (await api.patch(ref('deployments', 'web'), { type: 'merge', body: { spec: { replicas: 3 } } })).object;
  expect(scaled.metadata.generation).toBe(2);
  const before = fixture.store.revision;
  const same = (await api.update(ref('deployments', 'web'), scaled)).object;
  expect(same.metadata.resourceVersion).toBe(scaled.metadata.resourceVersion);
  expect(fixture.store.revision).toBe(before);
});

test('status and spec change apart', async () => {
  const { object } = await api.create(ref('deployments'), deployment('web'));
  const both = { ...object, spec: { ...(object['spec'] as object), replicas: 5 }, status: { replicas: 4, observedGeneration: 1 } };
  const status = (await api.update(ref('deployments', 'web', 'default', 'status'), both)).object;
  expect([field(status, 'spec', 'replicas'), field(status, 'status', 'replicas'), status.metadata.generation]).toEqual([1, 4, 1]);
  const spec = (await api.update(ref('deployments', 'web'), { ...both, metadata: { name: 'web' }, status: { replicas: 9 } })).object;
  expect([field(spec, 'spec', 'replicas'), field(spec, 'status', 'replicas'), spec.metadata.generation]).toEqual([5, 4, 2]);
});

test('scale reads and writes the number of replicas', async () => {
  await api.create(ref('deployments'), deployment('web'));
  const at = ref('deployments', 'web', 'default', 'scale');
  const scale = await api.get(at);
  expect(scale).toMatchObject({ apiVersion: 'autoscaling/v1', kind: 'Scale', spec: { replicas: 1 }, status: { selector: 'app=web' } });
  await api.update(at, { ...scale, spec: { replicas: 4 } });
  expect(field(await api.get(ref('deployments', 'web')), 'spec', 'replicas')).toBe(4);
  expect(await refusal(api.update(at, { ...scale, spec: { replicas: 2 } }))).toContain('409 Conflict');
  expect(await refusal(api.patch(at, { type: 'merge', body: { spec: { replicas: -1 } } }))).toContain('spec.replicas: Invalid value: -1');
});

test('patch() merges strategically by key, by RFC 7386, and by RFC 6902', async () => {
  await api.create(ref('deployments'), deployment('web', { template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'a', image: 'a:1' }, { name: 'b', image: 'b:1', env: [{ name: 'X', value: '1' }] }] } } }));
  const at = ref('deployments', 'web');
  const containers = async () => field(await api.get(at), 'spec', 'template', 'spec', 'containers') as { name: string; image: string; env?: unknown }[];
  await api.patch(at, { type: 'strategic', body: { spec: { template: { spec: { containers: [{ name: 'b', image: 'b:2', env: [{ name: 'Y', value: '2' }] }] } } } } });
  expect((await containers()).map(({ name, image }) => `${name}=${image}`)).toEqual(['a=a:1', 'b=b:2']);
  // What is new comes first where the patch does not say the order.
  expect((await containers())[1]!.env).toEqual([{ name: 'Y', value: '2' }, { name: 'X', value: '1' }]);
  await api.patch(at, { type: 'strategic', body: { spec: { template: { spec: { containers: [{ name: 'a', $patch: 'delete' }] } } } } });
  expect((await containers()).map(({ name }) => name)).toEqual(['b']);
  await api.patch(at, { type: 'json', body: [{ op: 'test', path: '/spec/replicas', value: 1 }, { op: 'replace', path: '/spec/template/spec/containers/0/image', value: 'b:3' }] });
  expect((await containers())[0]!.image).toBe('b:3');
  await api.patch(at, { type: 'merge', body: { metadata: { labels: { 'a/b': 'c' } } } });
  await api.patch(at, { type: 'merge', body: { metadata: { labels: { 'a/b': null } } } });
  expect((await api.get(at)).metadata.labels ?? {}).toEqual({});
  expect(await refusal(api.patch(at, { type: 'json', body: [{ op: 'test', path: '/spec/replicas', value: 7 }] }))).toContain('422 Invalid');
  expect(await refusal(api.patch(at, { type: 'merge', body: { metadata: { name: 'other' } } }))).toContain('does not match the name on the URL');
  expect(await refusal(api.patch(at, { type: 'merge', body: { metadata: { resourceVersion: '1' } } }))).toContain('409 Conflict');
});

test('concurrent patches of one object are all kept', async () => {
  await api.create(ref('configmaps'), configMap('shared', {}));
  await Promise.all(Array.from({ length: 10 }, (_, i) => api.patch(ref('configmaps', 'shared'), { type: 'merge', body: { data: { [`k${i}`]: '1' } } })));
  expect(Object.keys((await api.get(ref('configmaps', 'shared')))['data'] as object)).toHaveLength(10);
});

test('a pod is bound once, and only while it lives', async () => {
  await api.create(ref('pods'), pod('p'));
  await bind('p', 'node-1');
  const bound = await api.get(ref('pods', 'p'));
  expect(field(bound, 'spec', 'nodeName')).toBe('node-1');
  expect(field(bound, 'status', 'conditions')).toMatchObject([{ type: 'PodScheduled', status: 'True' }]);
  expect(await refusal(bind('p', 'node-2'))).toContain('pod p is already assigned to node "node-1"');
  await api.delete(ref('pods', 'p'));
  expect(await refusal(bind('p', 'node-2'))).toContain('pod p is being deleted');
});

test('a pod may change its image and nothing of its place', async () => {
  await api.create(ref('pods'), pod('p'));
  const image = { spec: { containers: [{ name: 'main', image: 'other:2' }] } };
  expect(field((await api.patch(ref('pods', 'p'), { type: 'strategic', body: image })).object, 'spec', 'containers', 0, 'image')).toBe('other:2');
  expect(await refusal(api.patch(ref('pods', 'p'), { type: 'merge', body: { spec: { nodeName: 'n' } } }))).toContain('spec: Forbidden: pod updates may not change fields other than');
});

test('a pod without a node is deleted at once; one on a node when its agent says so', async () => {
  await api.create(ref('pods'), pod('free'));
  await api.delete(ref('pods', 'free'));
  expect(await refusal(api.get(ref('pods', 'free')))).toContain('404');

  await api.create(ref('pods'), pod('placed'));
  await bind('placed', 'node-1');
  const marked = await api.delete(ref('pods', 'placed'));
  expect(marked.metadata).toMatchObject({ deletionTimestamp: '2024-01-01T00:00:30Z', deletionGracePeriodSeconds: 30 });
  const again = await api.delete(ref('pods', 'placed'));
  expect(again.metadata.resourceVersion).toBe(marked.metadata.resourceVersion);
  const sooner = await api.delete(ref('pods', 'placed'), { gracePeriodSeconds: 5 });
  expect(sooner.metadata).toMatchObject({ deletionTimestamp: '2024-01-01T00:00:05Z', deletionGracePeriodSeconds: 5 });
  await api.delete(ref('pods', 'placed'), { gracePeriodSeconds: 0, preconditions: { uid: marked.metadata.uid } });
  expect(await refusal(api.get(ref('pods', 'placed')))).toContain('404');
});

test('a delete with another uid or version is a Conflict', async () => {
  const { object } = await api.create(ref('configmaps'), configMap('x'));
  expect(await refusal(api.delete(ref('configmaps', 'x'), { preconditions: { uid: 'other' } }))).toBe(
    `409 Conflict: Operation cannot be fulfilled on ConfigMap "x": the UID in the precondition (other) does not match the UID in record (${object.metadata.uid}). The object might have been deleted and then recreated`,
  );
  expect(await refusal(api.delete(ref('configmaps', 'x'), { preconditions: { resourceVersion: '1' } }))).toContain('409 Conflict');
});

test('finalizers hold a deleted object until the last is gone', async () => {
  await api.create(ref('configmaps'), configMap('held', {}, { finalizers: ['example.com/a', 'example.com/b'] }));
  const at = ref('configmaps', 'held');
  expect((await api.delete(at)).metadata.deletionTimestamp).toBe('2024-01-01T00:00:00Z');
  await api.patch(at, { type: 'merge', body: { metadata: { finalizers: ['example.com/b'] } } });
  expect(await refusal(api.patch(at, { type: 'merge', body: { metadata: { finalizers: ['example.com/b', 'example.com/c'] } } }))).toContain('no new finalizers can be added');
  expect((await api.get(at)).metadata.finalizers).toEqual(['example.com/b']);
  await api.patch(at, { type: 'merge', body: { metadata: { finalizers: null } } });
  expect(await refusal(api.get(at))).toContain('404');
});

test('propagation policies become finalizers', async () => {
  for (const [propagationPolicy, finalizer] of [['Foreground', 'foregroundDeletion'], ['Orphan', 'orphan']] as const) {
    await api.create(ref('deployments'), deployment('web'));
    const marked = await api.delete(ref('deployments', 'web'), { propagationPolicy });
    expect(marked.metadata.finalizers).toEqual([finalizer]);
    await api.delete(ref('deployments', 'web'), { propagationPolicy: 'Background' });
    expect(await refusal(api.get(ref('deployments', 'web')))).toContain('404');
  }
  expect(await refusal(api.delete(ref('deployments', 'web'), { propagationPolicy: 'Sideways' }))).toContain('propagationPolicy: Unsupported value');
});

test('a namespace ends in two steps, and takes in nothing new meanwhile', async () => {
  await api.create(ref('namespaces'), { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'team' } });
  await api.create(ref('configmaps', '', 'team'), configMap('inside'));
  const ending = await api.delete(ref('namespaces', 'team'));
  expect(field(ending, 'status', 'phase')).toBe('Terminating');
  expect(await refusal(api.create(ref('configmaps', '', 'team'), configMap('late')))).toBe(
    '403 Forbidden: configmaps "late" is forbidden: unable to create new content in namespace team because it is being terminated',
  );
  await api.deleteCollection(ref('configmaps', '', 'team'));
  await api.update(ref('namespaces', 'team', '', 'finalize'), { ...ending, spec: { finalizers: [] } });
  expect(await refusal(api.get(ref('namespaces', 'team')))).toContain('404');
});

test('an object cannot slip into a namespace that ends at the same moment', async () => {
  await api.create(ref('namespaces'), { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'team' } });
  fixture.store.beforeTxn = async () => {
    fixture.store.beforeTxn = undefined;
    await api.delete(ref('namespaces', 'team'));
  };
  expect(await refusal(api.create(ref('configmaps', '', 'team'), configMap('late')))).toContain('because it is being terminated');
});

test('secrets keep what was written as stringData, and immutable ones keep everything', async () => {
  const { object } = await api.create(ref('secrets'), { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, stringData: { key: 'value' }, immutable: true });
  expect([object['data'], object['stringData'], object['type']]).toEqual([{ key: 'dmFsdWU=' }, undefined, 'Opaque']);
  expect(await refusal(api.patch(ref('secrets', 's'), { type: 'merge', body: { data: { key: 'eA==' } } }))).toContain('data: Forbidden: field is immutable when `immutable` is set');
});

test('services get an address and a port that nobody else has, and give them back', async () => {
  const create = async (name: string, spec: object = {}) => (await api.create(ref('services'), service(name, spec))).object;
  const seen = new Set<unknown>();
  for (let i = 0; i < 10; i++) {
    const object = await create(`s${i}`, { type: 'NodePort' });
    seen.add(field(object, 'spec', 'clusterIP')).add(field(object, 'spec', 'ports', 0, 'nodePort'));
  }
  expect(seen.size).toBe(20);
  const fixed = await create('fixed', { type: 'NodePort', clusterIP: '10.96.7.7', ports: [{ port: 80, nodePort: 30_080 }] });
  expect(fixed['spec']).toMatchObject({ clusterIP: '10.96.7.7', clusterIPs: ['10.96.7.7'], ports: [{ nodePort: 30_080, targetPort: 80 }] });
  expect(await refusal(api.create(ref('services'), service('other', { clusterIP: '10.96.7.7' })))).toContain('failed to allocate IP 10.96.7.7: provided IP is already allocated');
  expect(await refusal(api.create(ref('services'), service('other', { type: 'NodePort', ports: [{ port: 80, nodePort: 30_080 }] })))).toContain('spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated');
  expect(await refusal(api.create(ref('services'), service('other', { type: 'NodePort', ports: [{ port: 80, nodePort: 80 }] })))).toContain('The range of valid ports is 30000-32767');
  const kept = (await api.update(ref('services', 'fixed'), service('fixed', { type: 'NodePort' }))).object;
  expect(kept['spec']).toMatchObject({ clusterIP: '10.96.7.7', ports: [{ nodePort: 30_080 }] });
  await api.delete(ref('services', 'fixed'));
  expect(field(await create('again', { type: 'NodePort', clusterIP: '10.96.7.7', ports: [{ port: 80, nodePort: 30_080 }] }), 'spec', 'clusterIP')).toBe('10.96.7.7');
  expect(field(await create('headless', { clusterIP: 'None' }), 'spec', 'clusterIP')).toBe('None');
});

test('a balancer whose traffic stays on its node has a port for health checks, of the same range as the others', async () => {
  const create = async (name: string, spec: object = {}) => (await api.create(ref('services'), service(name, { type: 'LoadBalancer', ...spec }))).object;
  const own = await create('own', { externalTrafficPolicy: 'Local' });
  const port = Number(field(own, 'spec', 'healthCheckNodePort'));
  expect(port).toBeGreaterThanOrEqual(30_000);
  expect(port).not.toBe(field(own, 'spec', 'ports', 0, 'nodePort'));
  const taken = `spec.healthCheckNodePort: Invalid value: ${port}: provided port is already allocated`;
  expect(await refusal(create('other', { externalTrafficPolicy: 'Local', healthCheckNodePort: port }))).toContain(taken);
  const kept = (await api.update(ref('services', 'own'), service('own', { type: 'LoadBalancer', externalTrafficPolicy: 'Local' }))).object;
  expect(field(kept, 'spec', 'healthCheckNodePort')).toBe(port);
  const opened = (await api.patch(ref('services', 'own'), { type: 'merge', body: { spec: { externalTrafficPolicy: 'Cluster', healthCheckNodePort: null } } })).object;
  expect(field(opened, 'spec', 'healthCheckNodePort')).toBeUndefined();
  expect(field(await create('again', { externalTrafficPolicy: 'Local', healthCheckNodePort: port }), 'spec', 'healthCheckNodePort')).toBe(port);
});

test('two API servers on one store never give out one address twice', async () => {
  const config = { serviceCidr: '10.96.0.0/28' };
  const first = await startServer({ config });
  const second = await startServer({ config, store: first.store });
  const made = await Promise.all(
    Array.from({ length: 14 }, (_, i) => (i % 2 === 0 ? first : second).api.create(ref('services'), service(`s${i}`))),
  );
  expect(new Set(made.map(({ object }) => field(object, 'spec', 'clusterIP'))).size).toBe(14);
  expect(await refusal(first.api.create(ref('services'), service('full')))).toContain('range 10.96.0.0/28 is full');
});

test('owner references and eviction', async () => {
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'rs', uid: 'u1', controller: true };
  const { object } = await api.create(ref('pods'), pod('owned', {}, { ownerReferences: [owner] }));
  expect(object.metadata.ownerReferences).toEqual([owner]);
  await api.create(ref('pods', 'owned', 'default', 'eviction'), { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'owned' } });
  expect(await refusal(api.get(ref('pods', 'owned')))).toContain('404');
});

test('the store being away is ServiceUnavailable, not a crash', async () => {
  const { RpcCode, RpcError } = await import('../../src/proto/rpc.ts');
  fixture.store.failure = new RpcError(RpcCode.UNAVAILABLE, 'no leader');
  expect(await refusal(api.create(ref('configmaps'), configMap('x')))).toContain('503 ServiceUnavailable: the store is not available: no leader');
  fixture.store.failure = undefined;
  await api.create(ref('configmaps'), configMap('x'));
});
