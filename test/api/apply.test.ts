/** Server-side apply and managed fields as the registry serves them: written, shared, refused, not written in vain. */
import { expect, test } from 'vitest';
import { cloneJson, type KubeObject } from '../../src/kube/types.ts';
import { configMap, deployment, ref, refusal, startServer } from './fixture.ts';

const by = (fieldManager: string) => ({ fieldManager });
const managers = ({ metadata }: KubeObject) => (metadata.managedFields ?? []).map(({ manager, operation, subresource = '' }) => `${manager}/${operation}${subresource === '' ? '' : `/${subresource}`}`);

test('apply creates what is not there, and changes what is', async () => {
  const { api } = await startServer();
  const created = await api.apply(ref('configmaps', 'x'), configMap('x', { a: '1', b: '2' }), by('one'));
  expect(created.object['data']).toEqual({ a: '1', b: '2' });
  expect(created.object.metadata.managedFields).toEqual([
    { manager: 'one', operation: 'Apply', apiVersion: 'v1', time: created.object.metadata.creationTimestamp, fieldsType: 'FieldsV1', fieldsV1: { 'f:data': { 'f:a': {}, 'f:b': {} } } },
  ]);
  const changed = await api.apply(ref('configmaps', 'x'), configMap('x', { b: '3' }), by('one'));
  expect(changed.object['data']).toEqual({ b: '3' });
  expect(changed.object.metadata.uid).toBe(created.object.metadata.uid);
});

test('an apply that changes nothing is not written', async () => {
  const { api, clock } = await startServer();
  const first = await api.apply(ref('deployments', 'web'), deployment('web'), by('one'));
  await clock.advance(5_000);
  const second = await api.apply(ref('deployments', 'web'), deployment('web'), by('one'));
  expect(second.object.metadata.resourceVersion).toBe(first.object.metadata.resourceVersion);
});

test('defaults that the server fills in belong to nobody who applies', async () => {
  const { api } = await startServer();
  const { object } = await api.apply(ref('deployments', 'web'), deployment('web'), by('one'));
  expect((object['spec'] as { replicas: number }).replicas).toBe(1);
  const fields = JSON.stringify(object.metadata.managedFields);
  expect(fields).not.toContain('f:replicas');
  const taken = await api.apply(ref('deployments', 'web'), { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' }, spec: { replicas: 3 } }, by('two'));
  expect((taken.object['spec'] as { replicas: number }).replicas).toBe(3);
  expect(managers(taken.object)).toEqual(['one/Apply', 'two/Apply']);
});

test('creates, updates, patches, scales and status writes each leave their writer', async () => {
  const { api } = await startServer();
  const { object: made } = await api.create(ref('deployments'), deployment('web'), by('kubectl-create'));
  await api.patch(ref('deployments', 'web'), { type: 'merge', body: { metadata: { labels: { x: '1' } } } }, by('kubectl-label'));
  await api.update(ref('deployments', 'web', 'default', 'status'), { ...cloneJson(made), metadata: { name: 'web' }, status: { observedGeneration: 1 } }, by('controller'));
  await api.patch(ref('deployments', 'web', 'default', 'scale'), { type: 'merge', body: { spec: { replicas: 4 } } }, by('kubectl'));
  const object = await api.get(ref('deployments', 'web'));
  expect(managers(object)).toEqual(['controller/Update/status', 'kubectl/Update/scale', 'kubectl-create/Update', 'kubectl-label/Update']);
  const create = object.metadata.managedFields!.find(({ manager }) => manager === 'kubectl-create')!;
  expect(JSON.stringify(create.fieldsV1)).not.toContain('f:replicas');
  const refused = await refusal(api.apply(ref('deployments', 'web'), deployment('web', { replicas: 2 }), by('one')));
  expect(refused).toBe('409 Conflict: Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" using apps/v1: .spec.replicas');
});

test('a scale is applied like its object', async () => {
  const { api } = await startServer();
  await api.create(ref('deployments'), deployment('web'), by('kubectl-create'));
  const scale = { apiVersion: 'autoscaling/v1', kind: 'Scale', metadata: { name: 'web', namespace: 'default' }, spec: { replicas: 7 } };
  expect(await refusal(api.apply(ref('deployments', 'web', 'default', 'scale'), scale, by('hpa')))).toContain('.spec.replicas');
  const { object } = await api.apply(ref('deployments', 'web', 'default', 'scale'), scale, { ...by('hpa'), force: true });
  expect(object['spec']).toEqual({ replicas: 7 });
});

test('what kubectl does to take over from client-side apply is honoured', async () => {
  const { api } = await startServer();
  await api.create(ref('configmaps'), configMap('x'), by('kubectl-client-side-apply'));
  const { object } = await api.patch(
    ref('configmaps', 'x'),
    { type: 'json', body: [{ op: 'replace', path: '/metadata/managedFields/0/manager', value: 'kubectl' }, { op: 'replace', path: '/metadata/managedFields/0/operation', value: 'Apply' }] },
    by('kubectl'),
  );
  expect(managers(object)).toEqual(['kubectl/Apply']);
  const applied = await api.apply(ref('configmaps', 'x'), configMap('x', { b: '1' }), by('kubectl'));
  expect(applied.object['data']).toEqual({ b: '1' });
});

test('dry run decides and writes nothing', async () => {
  const { api } = await startServer();
  const { object } = await api.apply(ref('configmaps', 'x'), configMap('x'), { ...by('one'), dryRun: true });
  expect(managers(object)).toEqual(['one/Apply']);
  expect(await refusal(api.get(ref('configmaps', 'x')))).toBe('404 NotFound: configmaps "x" not found');
});

test('what may not be applied is refused, and nothing is written', async () => {
  const { api } = await startServer();
  const apply = (body: object, options: object = by('one'), at = ref('configmaps', 'x')) => refusal(api.apply(at, body, options));
  expect(await apply(configMap('x'), {})).toBe('422 Invalid: PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch');
  expect(await apply(configMap('x'), by('x'.repeat(129)))).toContain('fieldManager: Too long: may not be more than 128 bytes');
  expect(await apply(configMap('x'), by('a\nb'))).toContain('should only contain printable characters');
  expect(await apply(configMap('x', {}, { managedFields: [] }))).toBe('400 BadRequest: metadata.managedFields must be nil');
  expect(await apply(configMap('y'))).toBe('400 BadRequest: the name of the object (y) does not match the name on the URL (x)');
  expect(await apply({ ...configMap('x'), nonsense: 1 })).toContain('400 BadRequest: failed to create typed patch object (/x; /v1, Kind=ConfigMap): .nonsense: field not declared in schema');
  expect(await apply(configMap('x', {}, { uid: 'u' }))).toMatch(/^409 Conflict/);
  expect(await apply(deployment('web'), by('one'), ref('deployments', 'web', 'default', 'status'))).toBe('404 NotFound: deployments.apps "web" not found');
  expect(await apply(deployment('web', { replicas: -1 }), by('one'), ref('deployments', 'web'))).toContain('spec.replicas: Invalid value: -1');
  for (const resource of ['configmaps', 'deployments']) expect((await api.list(ref(resource))).items).toEqual([]);
});

test('two who create by apply at once make one object', async () => {
  const { api } = await startServer();
  const both = await Promise.all(['one', 'two'].map((manager) => api.apply(ref('configmaps', 'x'), configMap('x', { [manager]: '1' }), by(manager))));
  expect(new Set(both.map(({ object }) => object.metadata.uid)).size).toBe(1);
  expect((await api.get(ref('configmaps', 'x')))['data']).toEqual({ one: '1', two: '1' });
});
