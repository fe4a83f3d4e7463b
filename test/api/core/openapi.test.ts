/** The documents that kubectl reads: names, what a client looks for in them, and that nothing in them leads nowhere. */
import { expect, test } from 'vitest';
import { DESCRIPTIONS, HOMES } from '../../../src/api/core/descriptions.generated.ts';
import { bareName } from '../../../src/api/core/openapi-schemas.ts';
import { documentPath, groupVersionsOf, openApiDocument } from '../../../src/api/core/openapi.ts';
import type { DocumentedResource } from '../../../src/api/core/openapi-paths.ts';
import { OpenApiDocuments } from '../../../src/api/openapi.ts';
import { builtInKinds } from '../../../src/api/kinds/kinds.ts';
import { isRecord } from '../../../src/kube/types.ts';

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
const BODIES: Readonly<Record<string, { group: string; version: string; kind: string }>> = {
  scale: { group: 'autoscaling', version: 'v1', kind: 'Scale' },
  eviction: { group: 'policy', version: 'v1', kind: 'Eviction' },
  binding: { group: '', version: 'v1', kind: 'Binding' },
};

const served: readonly DocumentedResource[] = builtInKinds({ evictionTolerationSeconds: 300 }).map(({ info, subresources }) => ({
  info,
  verbs: VERBS,
  subresources: subresources.map((name) => ({
    name,
    body: BODIES[name] ?? info,
    verbs: name === 'binding' || name === 'eviction' ? ['create'] : ['get', 'patch', 'update'],
  })),
}));

const vocabulary = { homes: HOMES, descriptions: DESCRIPTIONS };
const documentOf = (group: string, version = 'v1') => openApiDocument({ served, groupVersion: { group, version }, vocabulary, serverVersion: 'v1.34.0' });

/** What stands at a path; slashes belong to names. */
function at(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((found, key) => (isRecord(found) ? found[key] : undefined), value);
}

const schema = (document: object, name: string) => at(document, 'components', 'schemas', name);
const operation = (document: object, path: string, method: string) => at(document, 'paths', path, method);

test('groupVersionsOf() names every group once', () => {
  const paths = groupVersionsOf(served).map(documentPath);
  expect(paths).toContain('api/v1');
  expect(paths).toContain('apis/apps/v1');
  expect(paths).toContain('apis/rbac.authorization.k8s.io/v1');
  expect(new Set(paths).size).toBe(paths.length);
});

test.each(groupVersionsOf(served).map((groupVersion) => [documentPath(groupVersion), groupVersion] as const))(
  'every reference of %s is to a schema that is there, and every schema is referred to',
  (_path, groupVersion) => {
    const document = openApiDocument({ served, groupVersion, vocabulary, serverVersion: 'v1.34.0' });
    const wanted = new Set([...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name!));
    const present = Object.keys(at(document, 'components', 'schemas') as object);
    expect([...wanted].sort()).toEqual([...present].sort());
    expect(present.length).toBeGreaterThan(10);
    const ids = [...JSON.stringify(document).matchAll(/"operationId":"(\w+)"/g)].map(([, id]) => id!);
    expect(new Set(ids).size).toBe(ids.length);
  },
);

test('every kind has a schema with its group, version and kind, and a PATCH that takes fieldValidation', () => {
  for (const { info } of served) {
    const { group, version, kind, resource, namespaced } = info;
    const document = documentOf(group, version);
    const gvk = { group, version, kind };
    const schemas = Object.values(at(document, 'components', 'schemas') as Record<string, Record<string, unknown>>);
    expect(schemas.filter((each) => JSON.stringify(each['x-kubernetes-group-version-kind']) === JSON.stringify([gvk])), kind).toHaveLength(1);
    const root = `/${documentPath(info)}/${namespaced ? 'namespaces/{namespace}/' : ''}${resource}`;
    const patch = operation(document, `${root}/{name}`, 'patch');
    expect(at(patch, 'x-kubernetes-group-version-kind'), kind).toEqual(gvk);
    expect(at(patch, 'parameters'), kind).toContainEqual(expect.objectContaining({ name: 'fieldValidation', in: 'query' }));
    expect(Object.keys(at(patch, 'requestBody', 'content') as object)).toContain('application/strategic-merge-patch+json');
    expect(at(operation(document, root, 'get'), 'x-kubernetes-action'), kind).toBe('list');
  }
});

test('schemas carry what a strategic merge patch asks for', () => {
  const core = documentOf('');
  const podSpec = schema(core, 'io.k8s.api.core.v1.PodSpec');
  expect(at(podSpec, 'required')).toEqual(['containers']);
  expect(at(podSpec, 'properties', 'containers')).toMatchObject({
    type: 'array',
    items: { $ref: '#/components/schemas/io.k8s.api.core.v1.Container' },
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['name'],
    'x-kubernetes-patch-merge-key': 'name',
    'x-kubernetes-patch-strategy': 'merge',
  });
  expect(at(podSpec, 'properties', 'volumes')).toMatchObject({ 'x-kubernetes-patch-strategy': 'merge,retainKeys' });
  expect(at(podSpec, 'properties', 'nodeSelector')).toMatchObject({ additionalProperties: { type: 'string' }, 'x-kubernetes-map-type': 'atomic' });
  expect(at(schema(core, 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'), 'properties', 'finalizers')).toMatchObject({ 'x-kubernetes-list-type': 'set', 'x-kubernetes-patch-strategy': 'merge' });
  expect(schema(core, 'io.k8s.api.core.v1.ObjectReference')).toMatchObject({ 'x-kubernetes-map-type': 'atomic' });
  const port = at(schema(core, 'io.k8s.api.core.v1.ContainerPort'), 'properties');
  expect(at(port, 'protocol')).toMatchObject({ type: 'string', default: 'TCP' });
  expect(at(port, 'containerPort')).toMatchObject({ type: 'integer', format: 'int32' });
  expect(at(schema(documentOf('apps'), 'io.k8s.api.apps.v1.DeploymentSpec'), 'properties', 'strategy')).toMatchObject({ 'x-kubernetes-patch-strategy': 'retainKeys' });
});

test('types that are no models have the names that Kubernetes gives them', () => {
  const core = documentOf('');
  const quantities = at(schema(core, 'io.k8s.api.core.v1.ResourceRequirements'), 'properties', 'limits', 'additionalProperties');
  expect(quantities).toEqual({ $ref: '#/components/schemas/io.k8s.apimachinery.pkg.api.resource.Quantity' });
  expect(at(schema(core, 'io.k8s.api.core.v1.HTTPGetAction'), 'properties', 'port')).toMatchObject({
    allOf: [{ $ref: '#/components/schemas/io.k8s.apimachinery.pkg.util.intstr.IntOrString' }],
  });
  expect(at(schema(core, 'io.k8s.api.core.v1.Secret'), 'properties', 'data', 'additionalProperties')).toEqual({ type: 'string', format: 'byte' });
});

test('lists, subresources and descriptions', () => {
  const apps = documentOf('apps');
  expect(schema(apps, 'io.k8s.api.apps.v1.DeploymentList')).toMatchObject({
    required: ['items'],
    properties: { items: { items: { $ref: '#/components/schemas/io.k8s.api.apps.v1.Deployment' } } },
    'x-kubernetes-group-version-kind': [{ group: 'apps', version: 'v1', kind: 'DeploymentList' }],
  });
  const scale = operation(apps, '/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale', 'patch');
  expect(scale).toMatchObject({ operationId: 'patchAppsV1NamespacedDeploymentScale', 'x-kubernetes-group-version-kind': { group: 'autoscaling', version: 'v1', kind: 'Scale' } });
  expect(operation(documentOf(''), '/api/v1/namespaces/{namespace}/pods/{name}/eviction', 'post')).toMatchObject({ 'x-kubernetes-action': 'post' });
  expect(at(schema(apps, 'io.k8s.api.apps.v1.DeploymentSpec'), 'properties', 'replicas', 'description')).toMatch(/^Number of desired pods/);
});

test('bareName() takes off what the models carry before their own names', () => {
  expect(['V1Pod', 'CoreV1Event', 'V2HPAScalingRules', 'V1VsphereVirtualDiskVolumeSource', 'V1CSIDriver'].map(bareName)).toEqual([
    'Pod', 'Event', 'HPAScalingRules', 'VsphereVirtualDiskVolumeSource', 'CSIDriver',
  ]);
});

test('OpenApiDocuments keeps what it has made, and tells of other content by other hashes', async () => {
  let now = served;
  const documents = new OpenApiDocuments({ served: () => now, serverVersion: 'v1.34.0' });
  const index = await documents.index();
  expect(at(index, 'paths', 'apis/apps/v1', 'serverRelativeURL')).toMatch(/^\/openapi\/v3\/apis\/apps\/v1\?hash=[0-9A-F]{32}$/);
  expect(await documents.document('apis/apps/v1')).toBe(await documents.document('apis/apps/v1'));
  expect(await documents.document('apis/nothing/v1')).toBeUndefined();
  now = served.filter(({ info }) => info.resource !== 'deployments');
  const other = await documents.index();
  expect(at(other, 'paths', 'apis/apps/v1')).not.toEqual(at(index, 'paths', 'apis/apps/v1'));
  expect(at(other, 'paths', 'api/v1')).toEqual(at(index, 'paths', 'api/v1'));
});
