/** What Kubernetes' API server does beside storing: looking up, parts of objects, warnings, refusals in its words. */
import { beforeEach, expect, test } from 'vitest';
import type { Registry } from '../../src/api/registry.ts';
import type { Ref } from '../../src/api/requests.ts';
import { cloneJson, type KubeObject } from '../../src/kube/types.ts';
import { configMap, deployment, pod, ref, refusal, startServer } from './fixture.ts';

let api: Registry;
beforeEach(async () => {
  ({ api } = await startServer());
});

const at = (group: string, resource: string, name = '', namespace = '', subresource = ''): Ref => ({ group, version: 'v1', resource, name, namespace, subresource });
const classRef = (name = '') => at('scheduling.k8s.io', 'priorityclasses', name);
const priorityClass = (name: string, value: number, fields: object = {}) => ({ apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata: { name }, value, ...fields });

test('the classes of system pods are there from the start', async () => {
  const values = (await api.list(classRef())).items.map((one) => [one.metadata.name, one['value']]);
  expect(values).toEqual([['system-cluster-critical', 2_000_000_000], ['system-node-critical', 2_000_001_000]]);
});

interface PriorityCase {
  readonly what: string;
  readonly spec: object;
  readonly is: object | string;
}

test.each<PriorityCase>([
  { what: 'no class', spec: {}, is: { priority: 0, preemptionPolicy: 'PreemptLowerPriority' } },
  { what: 'a class', spec: { priorityClassName: 'high' }, is: { priorityClassName: 'high', priority: 1000, preemptionPolicy: 'Never' } },
  { what: 'a class of the system', spec: { priorityClassName: 'system-node-critical' }, is: { priority: 2_000_001_000 } },
  { what: 'a class and its own number', spec: { priorityClassName: 'high', priority: 1000 }, is: { priority: 1000 } },
  { what: 'a class that is not there', spec: { priorityClassName: 'none' }, is: '403 Forbidden: pods "p" is forbidden: no PriorityClass with name none was found' },
  {
    what: 'another number',
    spec: { priorityClassName: 'high', priority: 7 },
    is: '403 Forbidden: pods "p" is forbidden: the integer value of priority (7) must not be provided in pod spec; priority admission controller computed 1000 from the given PriorityClass name',
  },
  {
    what: 'a service account that is not there',
    spec: { serviceAccountName: 'robot' },
    is: '403 Forbidden: pods "p" is forbidden: error looking up service account default/robot: serviceaccount "robot" not found',
  },
])('a pod with $what', async ({ spec, is }) => {
  await api.create(classRef(), priorityClass('high', 1000, { preemptionPolicy: 'Never' }));
  const creation = api.create(ref('pods'), pod('p', spec));
  if (typeof is === 'string') expect(await refusal(creation)).toBe(is);
  else expect((await creation).object['spec']).toMatchObject(is);
});

test('a class for all pods that name none: one, and no second', async () => {
  await api.create(classRef(), priorityClass('normal', 5, { globalDefault: true }));
  expect((await api.create(ref('pods'), pod('p'))).object['spec']).toMatchObject({ priorityClassName: 'normal', priority: 5 });
  expect(await refusal(api.create(classRef(), priorityClass('other', 6, { globalDefault: true })))).toBe(
    '403 Forbidden: priorityclasses.scheduling.k8s.io "other" is forbidden: PriorityClass normal is already marked as default. Only one default can exist',
  );
});

// --- ephemeral containers

const debugRef = ref('pods', 'p', 'default', 'ephemeralcontainers');
const debug = (name: string, fields: object = {}) => ({ name, image: 'debug:1', ...fields });
const withDebuggers = (...ephemeralContainers: object[]) => ({ type: 'strategic', body: { spec: { ephemeralContainers } } }) as const;

test('ephemeral containers are added through their subresource, and through no other', async () => {
  await api.create(ref('pods'), pod('p'));
  const { object } = await api.patch(debugRef, withDebuggers(debug('a', { targetContainerName: 'main' })));
  expect(object['spec']).toMatchObject({ ephemeralContainers: [{ name: 'a', terminationMessagePolicy: 'File' }], containers: [{ image: 'podium.dev/host' }] });
  const sent = cloneJson(object);
  const spec = sent['spec'] as { containers: { image: string }[]; ephemeralContainers: object[] };
  spec.containers[0]!.image = 'other';
  spec.ephemeralContainers.push(debug('b'));
  const updated = (await api.update(debugRef, sent)).object;
  expect(updated['spec']).toMatchObject({ containers: [{ image: 'podium.dev/host' }], ephemeralContainers: [{ name: 'a' }, { name: 'b' }] });
  expect(await api.get(debugRef)).toMatchObject({ kind: 'Pod', spec: { ephemeralContainers: [{ name: 'a' }, { name: 'b' }] } });
  expect(await refusal(api.patch(ref('pods', 'p'), withDebuggers(debug('c'))))).toMatch(/^422 Invalid: .*pod updates may not change fields other than/);
});

test.each<[string, object, RegExp]>([
  ['the name of a container', debug('main'), /spec\.ephemeralContainers\[0\]\.name: Duplicate value: "main"/],
  ['a port', debug('b', { ports: [{ containerPort: 80 }] }), /spec\.ephemeralContainers\[0\]\.ports: Forbidden: cannot be set for an Ephemeral Container/],
  ['a probe', debug('b', { livenessProbe: { exec: { command: ['true'] } } }), /livenessProbe: Forbidden/],
  ['no image', { name: 'b' }, /spec\.ephemeralContainers\[0\]\.image: Required value/],
  ['a target that is not there', debug('b', { targetContainerName: 'x' }), /targetContainerName: Not found: "x"/],
  ['another image than before', debug('a', { image: 'debug:2' }), /existing ephemeral containers "a" may not be changed/],
])('an ephemeral container with %s is refused', async (_what, container, message) => {
  await api.create(ref('pods'), pod('p'));
  await api.patch(debugRef, withDebuggers(debug('a')));
  expect(await refusal(api.patch(debugRef, withDebuggers(container)))).toMatch(message);
});

test('an ephemeral container is not taken away', async () => {
  await api.create(ref('pods'), pod('p'));
  const { object } = await api.patch(debugRef, withDebuggers(debug('a')));
  const sent = cloneJson(object);
  delete (sent['spec'] as { ephemeralContainers?: object[] }).ephemeralContainers;
  expect(await refusal(api.update(debugRef, sent))).toMatch(/existing ephemeral containers "a" may not be removed/);
});

// --- certificate signing requests

const csrRef = (subresource = '') => at('certificates.k8s.io', 'certificatesigningrequests', 'c', '', subresource);
const csr = { apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest', metadata: { name: 'c' }, spec: { request: Buffer.from('-----BEGIN CERTIFICATE REQUEST-----\nYQ==\n-----END CERTIFICATE REQUEST-----\n').toString('base64'), signerName: 'example.com/one', usages: ['client auth'], username: 'forged' } };
const verdict = (type: string, status = 'True') => ({ type: 'merge', body: { status: { conditions: [{ type, status, reason: 'r', message: 'm' }] } } }) as const;

test('who asks for a certificate is written by the server', async () => {
  const user = { name: 'alice', uid: '7', groups: ['staff'], extra: { scopes: ['x'] } };
  const { object } = await api.create({ ...csrRef(), name: '' }, csr, { user });
  expect(object['spec']).toMatchObject({ username: 'alice', uid: '7', groups: ['staff'], extra: { scopes: ['x'] } });
});

test('a certificate is approved or denied once, through approval alone', async () => {
  await api.create({ ...csrRef(), name: '' }, csr);
  expect(await refusal(api.patch(csrRef('status'), verdict('Approved')))).toMatch(/updates may not add a condition of type "Approved"/);
  expect(await refusal(api.patch(csrRef('approval'), verdict('Approved', 'False')))).toMatch(/status\.conditions\[0\]\.status: Unsupported value: "False": supported values: "True"/);
  const { object } = await api.patch(csrRef('approval'), verdict('Approved'));
  expect(object['status']).toMatchObject({ conditions: [{ type: 'Approved', status: 'True', lastUpdateTime: '2024-01-01T00:00:00Z' }] });
  expect(await refusal(api.patch(csrRef('approval'), verdict('Denied')))).toMatch(/updates may not remove a condition of type "Approved"/);
  const issued = (await api.patch(csrRef('status'), { type: 'merge', body: { status: { certificate: 'Yg==', conditions: [] } } })).object;
  expect(issued['status']).toMatchObject({ certificate: 'Yg==', conditions: [{ type: 'Approved' }] });
});

// --- scale

test.each<[string, object]>([
  ['statefulsets', { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name: 'w' }, spec: { serviceName: 's', ...templated({ matchLabels: { app: 'w' } }) } }],
  ['replicationcontrollers', { apiVersion: 'v1', kind: 'ReplicationController', metadata: { name: 'w' }, spec: templated({ app: 'w' }) }],
])('scale of %s', async (resource, body) => {
  const group = resource === 'statefulsets' ? 'apps' : '';
  await api.create(at(group, resource, '', 'default'), body);
  const scaleRef = at(group, resource, 'w', 'default', 'scale');
  const scale = await api.get(scaleRef);
  expect(scale).toMatchObject({ kind: 'Scale', spec: { replicas: 1 }, status: { selector: 'app=w' } });
  const { object } = await api.update(scaleRef, { ...scale, spec: { replicas: 4 } });
  expect(object['spec']).toEqual({ replicas: 4 });
  expect((await api.get(at(group, resource, 'w', 'default')))['spec']).toMatchObject({ replicas: 4 });
  expect(await refusal(api.update(scaleRef, { ...scale, spec: { replicas: 5 } }))).toMatch(/^409 Conflict/);
});

function templated(selector: object): object {
  return { selector, template: { metadata: { labels: { app: 'w' } }, spec: { containers: [{ name: 'c', image: 'i:1' }] } } };
}

// --- deletion

const job = { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'j' }, spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i:1' }] } } } };

test.each<[string, object, readonly string[] | undefined]>([
  ['nothing, of a job', {}, ['orphan']],
  ['Background', { propagationPolicy: 'Background' }, undefined],
  ['Foreground', { propagationPolicy: 'Foreground' }, ['foregroundDeletion']],
  ['orphanDependents', { orphanDependents: true }, ['orphan']],
  ['no orphans', { orphanDependents: false }, undefined],
])('a deletion that says %s', async (_what, options, finalizers) => {
  await api.create(at('batch', 'jobs', '', 'default'), job);
  const gone = await api.delete(at('batch', 'jobs', 'j', 'default'), options);
  expect(gone.metadata.finalizers).toEqual(finalizers);
  expect(gone.metadata.deletionTimestamp !== undefined).toBe(finalizers !== undefined);
});

test.each<[object, string]>([
  [
    { propagationPolicy: 'Sideways' },
    '422 Invalid: DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "Sideways": supported values: "Foreground", "Background", "Orphan", "nil"',
  ],
  [
    { propagationPolicy: 'Orphan', orphanDependents: true },
    '422 Invalid: DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Invalid value: "Orphan": orphanDependents and deletionPropagation cannot be both set',
  ],
])('a deletion that says %j is refused', async (options, message) => {
  await api.create(ref('configmaps'), configMap('x'));
  expect(await refusal(api.delete(ref('configmaps', 'x'), options))).toBe(message);
});

test('a grace period is for pods: of other kinds it is ignored', async () => {
  await api.create(ref('configmaps'), configMap('x'));
  await api.delete(ref('configmaps', 'x'), { gracePeriodSeconds: 60 });
  expect(await refusal(api.get(ref('configmaps', 'x')))).toMatch(/^404 NotFound/);
});

// --- selectors

test.each<[Ref, string, string]>([
  [ref('pods'), 'spec.foo=x', '400 BadRequest: field label not supported: spec.foo'],
  [ref('deployments'), 'spec.replicas=1', '400 BadRequest: "spec.replicas" is not a known field selector: only "metadata.name", "metadata.namespace"'],
  [at('batch', 'jobs', '', 'default'), 'spec.x=1', '400 BadRequest: field label "spec.x" not supported for Job'],
  [classRef(), 'value=1', '400 BadRequest: "value" is not a known field selector: only "metadata.name", "metadata.namespace"'],
])('an unknown field selector', async (where, fieldSelector, message) => {
  expect(await refusal(api.list(where, { fieldSelector }))).toBe(message);
});

// --- warnings

const warned = (spec: object, container: object = {}) => ({ ...spec, containers: [{ name: 'main', image: 'i:1', ...container }] });

test.each<[string, object, readonly string[]]>([
  ['an old node label', warned({ nodeSelector: { 'beta.kubernetes.io/os': 'linux' } }), ['spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead']],
  [
    'a variable twice',
    warned({}, { env: [{ name: 'A', value: '1' }, { name: 'A', value: '2' }, { name: 'A', value: '$(A):3' }] }),
    ['spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply'],
  ],
  [
    'a fraction of a byte',
    warned({}, { resources: { requests: { memory: '100m', cpu: '100m' } } }),
    ['spec.containers[0].resources.requests[memory]: fractional byte value "100m" is invalid, must be an integer'],
  ],
  [
    'a port twice',
    warned({}, { ports: [{ containerPort: 80, name: 'a' }, { containerPort: 80, name: 'b' }] }),
    ['spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]'],
  ],
  ['nothing odd', warned({}), []],
])('a pod with %s', async (_what, spec, warnings) => {
  expect((await api.create(ref('pods'), pod('p', spec))).warnings).toEqual(warnings);
  const template = { metadata: { labels: { app: 'd' } }, spec };
  const of = warnings.map((text) => text.replaceAll('spec.', 'spec.template.spec.'));
  const created = await api.create(ref('deployments'), deployment('d', { selector: { matchLabels: { app: 'd' } }, template }));
  expect(created.warnings).toEqual(of);
  const scaled = await api.patch(ref('deployments', 'd'), { type: 'merge', body: { metadata: { labels: { a: 'b' } } } });
  expect(scaled.warnings).toEqual([]);
});

// --- lists

test('a list that is cut says how many are left, unless a selector leaves that unknown', async () => {
  for (const name of ['a', 'b', 'c', 'd', 'e']) await api.create(ref('configmaps'), configMap(name, {}, { labels: { x: 'y' } }));
  const first = await api.list(ref('configmaps'), { limit: 2 });
  expect([first.items.length, first.remainingItemCount]).toEqual([2, 3]);
  const second = await api.list(ref('configmaps'), { limit: 2, continue: first.continue });
  expect([second.items.map((one: KubeObject) => one.metadata.name), second.remainingItemCount, second.resourceVersion]).toEqual([['c', 'd'], 1, first.resourceVersion]);
  expect((await api.list(ref('configmaps'), { limit: 2, labelSelector: 'x=y' })).remainingItemCount).toBeUndefined();
});
