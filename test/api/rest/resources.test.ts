/** The verbs, what is negotiated, and each refusal, over HTTP/2 on a real port. */
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { configMap, deployment, pod } from '../fixture.ts';
import { refusalOf, startRest } from './fixture.ts';

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';
const PODS = '/api/v1/namespaces/default/pods';
const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';
const TABLE = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json' };

test('an object is created, read, changed in each way, and deleted', async () => {
  const client = (await startRest()).client();
  const created = await client.request('POST', CONFIG_MAPS, { body: configMap('x') });
  expect([created.status, created.body.kind, created.body.metadata.namespace]).toEqual([201, 'ConfigMap', 'default']);
  expect(created.headers).toMatchObject({ 'content-type': 'application/json', 'cache-control': 'no-cache, private', 'audit-id': expect.stringMatching(/^[0-9a-f-]{36}$/) });
  expect((await client.get(`${CONFIG_MAPS}/x`)).body).toEqual(created.body);
  const put = await client.request('PUT', `${CONFIG_MAPS}/x`, { body: { ...created.body, data: { b: '2' } } });
  expect([put.status, put.body.data]).toEqual([200, { b: '2' }]);
  const patch = (type: string, body: unknown) => client.request('PATCH', `${CONFIG_MAPS}/x`, { type, body });
  expect((await patch('application/merge-patch+json', { data: { c: '3' } })).body.data).toEqual({ b: '2', c: '3' });
  expect((await patch('application/json-patch+json', [{ op: 'remove', path: '/data/b' }])).body.data).toEqual({ c: '3' });
  expect((await patch('application/strategic-merge-patch+json', { data: { c: null, d: '4' } })).body.data).toEqual({ d: '4' });
  const deleted = await client.request('DELETE', `${CONFIG_MAPS}/x`);
  expect(deleted.body).toEqual({
    kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success',
    details: { name: 'x', kind: 'configmaps', uid: created.body.metadata.uid },
  });
  expect(refusalOf(await client.get(`${CONFIG_MAPS}/x`))).toBe('404 NotFound: configmaps "x" not found');
});

test('a graceful deletion answers the object as it is now, and takes its options from the body', async () => {
  const client = (await startRest()).client();
  await client.request('POST', PODS, { body: pod('p', { nodeName: 'n1' }) });
  const options = { kind: 'DeleteOptions', apiVersion: 'v1', gracePeriodSeconds: 7 };
  const marked = await client.request('DELETE', `${PODS}/p`, { body: options });
  expect([marked.body.kind, marked.body.metadata.deletionGracePeriodSeconds]).toEqual(['Pod', 7]);
  expect((await client.request('DELETE', `${PODS}/p?gracePeriodSeconds=0`)).body.kind).toBe('Pod');
  expect((await client.get(PODS)).body.items).toEqual([]);
  expect(refusalOf(await client.request('DELETE', `${PODS}/p`, { body: { kind: 'Pod' } }))).toContain('400 BadRequest: the body of a deletion must be DeleteOptions');
});

test('a collection is deleted by its selector', async () => {
  const client = (await startRest()).client();
  for (const name of ['a', 'b', 'c']) await client.request('POST', CONFIG_MAPS, { body: configMap(name, {}, { labels: { tier: name === 'c' ? 'x' : 'y' } }) });
  const deleted = await client.request('DELETE', `${CONFIG_MAPS}?labelSelector=tier%3Dy`);
  expect(deleted.body.items.map(({ metadata }) => metadata.name)).toEqual(['a', 'b']);
  expect((await client.get(CONFIG_MAPS)).body.items.map(({ metadata }) => metadata.name)).toEqual(['c']);
});

test('bodies may be YAML or protobuf; answers are YAML for those who ask', async () => {
  const client = (await startRest()).client();
  const yaml = Buffer.from('apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: why\ndata:\n  a: "1"\n');
  expect((await client.request('POST', CONFIG_MAPS, { bytes: yaml, type: 'application/yaml' })).body.data).toEqual({ a: '1' });
  const sent = Buffer.from('azhzAAoPCgJ2MRIJQ29uZmlnTWFwEicKEgoCY20SABoAIgAqADIAOABCABIGCgFhEgExEgkKBWVtcHR5EgAaACIA', 'base64');
  const created = await client.request('POST', CONFIG_MAPS, { bytes: sent, type: 'application/vnd.kubernetes.protobuf', headers: { accept: 'application/vnd.kubernetes.protobuf,application/json' } });
  expect([created.status, created.body.data]).toEqual([201, { a: '1', empty: '' }]);
  const read = await client.get(`${CONFIG_MAPS}/why`, { accept: 'application/yaml' });
  expect(read.headers['content-type']).toBe('application/yaml');
  expect(parse(read.text)).toMatchObject({ kind: 'ConfigMap', data: { a: '1' } });
  expect(parse((await client.get(CONFIG_MAPS, { accept: 'application/yaml' })).text)).toMatchObject({ kind: 'ConfigMapList', items: [{}, {}] });
});

test('pretty is for who asks, and for programs that people type', async () => {
  const client = (await startRest()).client();
  for (const name of ['a', 'b']) await client.request('POST', CONFIG_MAPS, { body: configMap(name) });
  for (const path of [CONFIG_MAPS, `${CONFIG_MAPS}/a`, '/api/v1/namespaces/kube-system/configmaps']) {
    const [plain, asked, curl] = [await client.get(path), await client.get(`${path}?pretty=1`), await client.get(path, { 'user-agent': 'curl/8.5.0' })];
    expect(plain.text.trimEnd()).not.toContain('\n');
    expect(asked.text).toBe(`${JSON.stringify(plain.body, undefined, 2)}\n`);
    expect(curl.text).toBe(asked.text);
  }
});

test('lists: pages at one revision, selectors, and metadata alone', async () => {
  const client = (await startRest()).client();
  for (const name of ['a', 'b', 'c']) await client.request('POST', CONFIG_MAPS, { body: configMap(name) });
  const first = await client.get(`${CONFIG_MAPS}?limit=2`);
  expect([first.body.kind, first.body.items.length, first.body.metadata.remainingItemCount]).toEqual(['ConfigMapList', 2, 1]);
  await client.request('POST', CONFIG_MAPS, { body: configMap('d') });
  const second = await client.get(`${CONFIG_MAPS}?limit=2&continue=${encodeURIComponent(first.body.metadata.continue)}`);
  expect(second.body.items.map(({ metadata }) => metadata.name)).toEqual(['c']);
  expect(second.body.metadata.resourceVersion).toBe(first.body.metadata.resourceVersion);
  const one = await client.get('/api/v1/configmaps?fieldSelector=metadata.name%3Db');
  expect(one.body.items.map(({ metadata }) => metadata.name)).toEqual(['b']);
  const partial = await client.get(CONFIG_MAPS, { accept: 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io' });
  expect([partial.body.kind, partial.body.items[0]]).toEqual(['PartialObjectMetadataList', { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: expect.objectContaining({ name: 'a' }) }]);
});

test('tables have their rows, with as much of the object as is asked for', async () => {
  const client = (await startRest()).client();
  await client.request('POST', DEPLOYMENTS, { body: deployment('web') });
  const { body } = await client.get(DEPLOYMENTS, TABLE);
  expect([body.kind, body.apiVersion, body.columnDefinitions?.[0]]).toEqual(['Table', 'meta.k8s.io/v1', { name: 'Name', type: 'string', format: 'name', description: '', priority: 0 }]);
  expect([body.rows[0]?.cells[0], body.rows[0]?.object?.kind]).toEqual(['web', 'PartialObjectMetadata']);
  const rows = async (include: string, path = DEPLOYMENTS) => (await client.get(`${path}?includeObject=${include}`, TABLE)).body.rows;
  expect((await rows('Object'))[0]?.object?.kind).toBe('Deployment');
  expect((await rows('None'))[0]?.object).toBeNull();
  expect((await rows('Metadata', `${DEPLOYMENTS}/web`)).length).toBe(1);
  const beta = await client.get(DEPLOYMENTS, { accept: 'application/json;as=Table;v=v1beta1;g=meta.k8s.io' });
  expect(beta.body.apiVersion).toBe('meta.k8s.io/v1beta1');
});

test('a large list is gzip for those who take it, and the same as without', async () => {
  const { client: connect, api } = await startRest();
  const client = connect();
  const at = { group: '', version: 'v1', resource: 'configmaps', namespace: 'default', name: '', subresource: '' };
  for (let n = 0; n < 40; n++) await api.create(at, configMap(`c${n}`, { text: String(n).repeat(8_000) }));
  for (const path of [CONFIG_MAPS, `${CONFIG_MAPS}?resourceVersion=0`]) {
    const [plain, packed] = [await client.get(path), await client.get(path, { 'accept-encoding': 'gzip' })];
    expect(plain.bytes.length).toBeGreaterThan(300_000);
    expect([packed.headers['content-encoding'], packed.bytes.length < plain.bytes.length / 10]).toEqual(['gzip', true]);
    expect(gunzipSync(packed.bytes).equals(plain.bytes)).toBe(true);
  }
  const small = await client.get(`${CONFIG_MAPS}/c1`, { 'accept-encoding': 'gzip' });
  expect(small.headers['content-encoding']).toBeUndefined();
});

test('subresources: status, scale, and an eviction', async () => {
  const client = (await startRest()).client();
  await client.request('POST', DEPLOYMENTS, { body: deployment('web') });
  const scale = await client.get(`${DEPLOYMENTS}/web/scale`);
  expect([scale.body.kind, scale.body.spec]).toEqual(['Scale', { replicas: 1 }]);
  const scaled = await client.request('PATCH', `${DEPLOYMENTS}/web/scale`, { type: 'application/merge-patch+json', body: { spec: { replicas: 4 } } });
  expect(scaled.body.spec).toEqual({ replicas: 4 });
  const status = await client.request('PATCH', `${DEPLOYMENTS}/web/status`, { type: 'application/merge-patch+json', body: { status: { replicas: 4 } } });
  expect(status.body.status).toMatchObject({ replicas: 4 });
  await client.request('POST', PODS, { body: pod('p') });
  const evicted = await client.request('POST', `${PODS}/p/eviction`, { body: { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'p' } } });
  expect([evicted.status, evicted.body.status]).toEqual([201, 'Success']);
});

test('unknown fields: refused, warned of, or passed over; dry run changes nothing', async () => {
  const client = (await startRest()).client();
  const create = (query: string, name: string) => client.request('POST', `${CONFIG_MAPS}?${query}`, { body: { ...configMap(name), extra: 1 } });
  expect(refusalOf(await create('fieldValidation=Strict', 'a'))).toContain('400 BadRequest: ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "extra"');
  const warned = await create('', 'b');
  expect([warned.status, warned.headers['warning']]).toEqual([201, '299 - "unknown field \\"extra\\""']);
  expect((await create('fieldValidation=Ignore', 'c')).headers['warning']).toBeUndefined();
  expect((await create('fieldValidation=Ignore&dryRun=All', 'd')).status).toBe(201);
  expect((await client.get(`${CONFIG_MAPS}/d`)).status).toBe(404);
});

test('each refusal has its code, reason and words', async () => {
  const { client: connect } = await startRest({ limits: { bodyBytesMax: 2_000 } });
  const client = connect();
  await client.request('POST', CONFIG_MAPS, { body: configMap('x') });
  const asked = async (...sent: Parameters<typeof client.request>) => refusalOf(await client.request(...sent));
  expect(await asked('GET', `${CONFIG_MAPS}?limit=abc`)).toBe('400 BadRequest: strconv.ParseInt: parsing "abc": invalid syntax');
  expect(await asked('GET', '/api/v1/pods?fieldSelector=foo%3Dbar')).toContain('400 BadRequest: field label not supported: foo');
  expect(await asked('GET', '/api/v1/%zz')).toContain('400 BadRequest');
  expect(await asked('POST', CONFIG_MAPS, { bytes: Buffer.from('{"a":') })).toContain('400 BadRequest: the object is not JSON');
  expect(await asked('POST', CONFIG_MAPS, {})).toBe('400 BadRequest: the body of the request is empty');
  expect(await asked('POST', CONFIG_MAPS, { body: pod('p') })).toContain('400 BadRequest: the object provided is unrecognized (must be of type ConfigMap in v1');
  expect(await asked('GET', '/api/v1/namespaces/default/things')).toBe('404 NotFound: the server could not find the requested resource');
  expect(await asked('GET', '/apis/nope.io/v1')).toBe('404 NotFound: the server could not find the requested resource');
  expect(await asked('GET', '/api/v1/namespaces/default/nodes')).toBe('404 NotFound: the server could not find the requested resource');
  expect(await asked('PUT', CONFIG_MAPS, { body: configMap('x') })).toContain('405 MethodNotAllowed');
  expect(await asked('POST', `${CONFIG_MAPS}/x`, { body: configMap('x') })).toContain('405 MethodNotAllowed');
  expect(await asked('POST', '/api/v1/configmaps', { body: configMap('x') })).toContain('405 MethodNotAllowed');
  expect(await asked('OPTIONS', CONFIG_MAPS)).toContain('405 MethodNotAllowed');
  expect(await asked('GET', CONFIG_MAPS, { headers: { accept: 'text/html' } })).toBe('406 NotAcceptable: only the following media types are accepted: application/json, application/yaml');
  expect(await asked('POST', CONFIG_MAPS, { body: configMap('x') })).toBe('409 AlreadyExists: configmaps "x" already exists');
  expect(await asked('PUT', `${CONFIG_MAPS}/x`, { body: configMap('x', {}, { resourceVersion: '1' }) })).toContain('409 Conflict: Operation cannot be fulfilled on configmaps "x": the object has been modified');
  expect(await asked('POST', CONFIG_MAPS, { body: configMap('y', { a: 'x'.repeat(3_000) }) })).toBe('413 RequestEntityTooLarge: Request entity too large: limit is 2000');
  expect(await asked('POST', CONFIG_MAPS, { body: {}, type: 'text/plain' })).toContain('415 UnsupportedMediaType: the body of the request was in an unknown format - accepted media types include: application/json');
  expect(await asked('PATCH', `${CONFIG_MAPS}/x`, { body: {} })).toContain('415 UnsupportedMediaType');
  const invalid = await client.request('POST', CONFIG_MAPS, { body: configMap('X_', { 'a b': '1' }) });
  expect(refusalOf(invalid)).toContain('422 Invalid: ConfigMap "X_" is invalid: [metadata.name: Invalid value: "X_"');
  expect(invalid.body.details).toMatchObject({ name: 'X_', kind: 'ConfigMap', causes: [{ reason: 'FieldValueInvalid', field: 'metadata.name' }, { reason: 'FieldValueInvalid', field: 'data[a b]' }] });
  expect(await asked('POST', `${CONFIG_MAPS}?dryRun=Some`, { body: configMap('z') })).toContain('422 Invalid: CreateOptions.meta.k8s.io "" is invalid: dryRun');
  expect(await asked('GET', `${PODS}/x/proxy/`)).toBe('404 NotFound: pods "x" not found');
  expect(await asked('GET', CONFIG_MAPS, { headers: { authorization: 'Bearer wrong' } })).toBe('401 Unauthorized: Unauthorized');
});

test('an expired continue token is 410', async () => {
  const { client: connect, store } = await startRest();
  const client = connect();
  for (const name of ['a', 'b']) await client.request('POST', CONFIG_MAPS, { body: configMap(name) });
  const first = await client.get(`${CONFIG_MAPS}?limit=1`);
  await client.request('POST', CONFIG_MAPS, { body: configMap('c') });
  await store.compact({ revision: Number((await client.get(CONFIG_MAPS)).body.metadata.resourceVersion) });
  const late = await client.get(`${CONFIG_MAPS}?limit=1&continue=${encodeURIComponent(first.body.metadata.continue)}`);
  expect(refusalOf(late)).toContain('410 Expired: The provided continue parameter is too old');
});
