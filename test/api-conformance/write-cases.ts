/** Creating, replacing and patching: what is the server's, what is refused, and that a refusal leaves nothing behind. */
import { expect } from 'vitest';
import { refusal, refusedWith } from './api.ts';
import { configMap, deployment, pod } from './manifests.ts';
import type { Case, Subject } from './subject.ts';

const STALE = 'the object has been modified; please apply your changes to the latest version and try again';
const UID = '11111111-1111-1111-1111-111111111111';
const AT_ONCE = { gracePeriodSeconds: 0 };

/** The whole list, by which a case sees that nothing has changed. */
const stateOf = async ({ api, at }: Subject, resource: string) => (await api.list(at(resource))).items;

/** Refused requests and what is said of each; the list afterwards is the list before. */
async function refusesAll(subject: Subject, resource: string, requests: readonly (readonly [() => Promise<unknown>, string])[]): Promise<void> {
  const before = await stateOf(subject, resource);
  for (const [request, text] of requests) expect(await refusal(request())).toBe(text);
  expect(await stateOf(subject, resource)).toEqual(before);
}

const creating: readonly Case[] = [
  {
    name: 'create: what is the server\'s is set by the server',
    async run({ api, at, namespace }) {
      const sent = configMap('a', { k: 'v' }, { uid: UID, generation: 7, creationTimestamp: '2001-01-01T00:00:00Z', labels: { l: 'm' } });
      const { object } = await api.create(at('configmaps'), sent);
      expect(object).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap', data: { k: 'v' }, metadata: { name: 'a', namespace, labels: { l: 'm' } } });
      expect(object.metadata.uid).not.toBe(UID);
      expect(object.metadata.creationTimestamp).not.toContain('2001');
      expect(object.metadata.resourceVersion).toMatch(/^\d+$/);
      expect(await api.get(at('configmaps', 'a'))).toEqual(object);
    },
  },
  {
    name: 'create: a version, a second of a name, no name, another namespace',
    async run(subject) {
      const { api, at } = subject;
      await api.create(at('configmaps'), configMap('a'));
      await refusesAll(subject, 'configmaps', [
        [() => api.create(at('configmaps'), configMap('a', { b: '2' })), '409 AlreadyExists: configmaps "a" already exists'],
        [() => api.create(at('configmaps'), configMap('')), '422 Invalid: ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required'],
        [
          () => api.create(at('configmaps'), configMap('b', {}, { namespace: 'other' })),
          '400 BadRequest: the namespace of the provided object does not match the namespace sent on the request',
        ],
      ]);
      expect((await refusedWith(api.create(at('configmaps'), configMap('a')))).details).toEqual({ name: 'a', kind: 'configmaps' });
      expect(await refusal(api.create({ ...at('configmaps'), namespace: 'nowhere' }, configMap('b')))).toBe('404 NotFound: namespaces "nowhere" not found');
    },
  },
  {
    name: 'create: a version is refused',
    not: { 'kube-apiserver': 'answers 500 for what the client does wrong' },
    async run(subject) {
      const { api, at } = subject;
      const sent = configMap('a', {}, { resourceVersion: '5' });
      await refusesAll(subject, 'configmaps', [[() => api.create(at('configmaps'), sent), '400 BadRequest: resourceVersion should not be set on objects to be created']]);
    },
  },
  {
    name: 'create: a generated name begins with its prefix, and two never collide',
    async run({ api, at }) {
      const sent = { ...configMap(''), metadata: { generateName: 'made-' } };
      const names = (await Promise.all(Array.from({ length: 20 }, () => api.create(at('configmaps'), sent)))).map(({ object }) => object.metadata.name);
      for (const name of names) expect(name).toMatch(/^made-[a-z0-9]{5}$/);
      expect(new Set(names).size).toBe(20);
      const { object } = await api.create(at('configmaps'), { ...configMap('named'), metadata: { name: 'named', generateName: 'made-' } });
      expect(object.metadata.name).toBe('named');
    },
  },
  {
    name: 'create: several errors of an object in one answer',
    async run(subject) {
      const { api, at } = subject;
      const before = await stateOf(subject, 'deployments');
      const bad = deployment('A_b', { replicas: -1, minReadySeconds: -1, selector: { matchLabels: { app: 'other' } } }, { labels: { 'a b': 'c' } });
      const { code, reason, details } = await refusedWith(api.create(at('deployments'), bad));
      expect([code, reason]).toEqual([422, 'Invalid']);
      expect(details).toMatchObject({ name: 'A_b', group: 'apps', kind: 'Deployment' });
      expect(details?.causes?.map(({ field, reason: why }) => `${field} ${why}`).sort()).toEqual([
        'metadata.labels FieldValueInvalid',
        'metadata.name FieldValueInvalid',
        'spec.minReadySeconds FieldValueInvalid',
        'spec.replicas FieldValueInvalid',
        'spec.template.metadata.labels FieldValueInvalid',
      ]);
      expect(await stateOf(subject, 'deployments')).toEqual(before);
    },
  },
  {
    name: 'create: an event may be named after anything that has a name',
    async run({ api, at, namespace }) {
      const involvedObject = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', name: 'system:Reader', namespace };
      const event = { apiVersion: 'v1', kind: 'Event', metadata: { name: 'system:Reader.17f' }, involvedObject, reason: 'R', message: 'm', type: 'Normal' };
      expect((await api.create(at('events'), event)).object.metadata.name).toBe('system:Reader.17f');
    },
  },
  {
    name: 'create: without a spec each workload says what it needs',
    async run(subject) {
      const { api, at } = subject;
      for (const [resource, kind, apiVersion] of [['deployments', 'Deployment', 'apps/v1'], ['jobs', 'Job', 'batch/v1'], ['cronjobs', 'CronJob', 'batch/v1'], ['pods', 'Pod', 'v1']] as const) {
        for (const spec of [{}, { spec: null }, { spec: {} }]) {
          const { code, details } = await refusedWith(api.create(at(resource), { apiVersion, kind, metadata: { name: 'x' }, ...spec }));
          expect([kind, code, details?.causes?.some(({ field }) => field?.endsWith('spec.containers'))]).toEqual([kind, 422, true]);
        }
      }
    },
  },
];

const replacing: readonly Case[] = [
  {
    name: 'update: by the version that was seen, or by none; never by an older one',
    async run(subject) {
      const { api, at } = subject;
      const { object } = await api.create(at('configmaps'), configMap('a'));
      const second = await api.update(at('configmaps', 'a'), { ...object, data: { a: '2' } });
      expect(Number(second.object.metadata.resourceVersion)).toBeGreaterThan(Number(object.metadata.resourceVersion));
      await refusesAll(subject, 'configmaps', [
        [() => api.update(at('configmaps', 'a'), { ...object, data: { a: '3' } }), `409 Conflict: Operation cannot be fulfilled on configmaps "a": ${STALE}`],
      ]);
      const third = await api.update(at('configmaps', 'a'), configMap('a', { a: '4' }));
      expect(third.object).toMatchObject({ data: { a: '4' }, metadata: { uid: object.metadata.uid, creationTimestamp: object.metadata.creationTimestamp } });
    },
  },
  {
    name: 'update: what is equal writes nothing',
    async run({ api, at }) {
      const { object } = await api.create(at('configmaps'), configMap('a'));
      expect((await api.update(at('configmaps', 'a'), object)).object.metadata.resourceVersion).toBe(object.metadata.resourceVersion);
      expect((await api.patch(at('configmaps', 'a'), 'merge', { data: { a: '1' } })).object.metadata.resourceVersion).toBe(object.metadata.resourceVersion);
    },
  },
  {
    name: 'update: what is not there, another name, another uid, no name',
    async run(subject) {
      const { api, at } = subject;
      await api.create(at('configmaps'), configMap('a'));
      await refusesAll(subject, 'configmaps', [
        [() => api.update(at('configmaps', 'ghost'), configMap('ghost')), '404 NotFound: configmaps "ghost" not found'],
        [() => api.update(at('configmaps', 'a'), configMap('b')), '400 BadRequest: the name of the object (b) does not match the name on the URL (a)'],
        [() => api.update(at('configmaps', 'a'), configMap('')), '400 BadRequest: the name of the object (a based on URL) was undeterminable: name must be provided'],
      ]);
      const { code, reason, message } = await refusedWith(api.update(at('configmaps', 'a'), configMap('a', {}, { uid: UID })));
      expect([code, reason]).toEqual([409, 'Conflict']);
      expect(message).toContain(`Precondition failed: UID in precondition: ${UID}, UID in object meta:`);
    },
  },
  {
    name: 'update: kinds that are never replaced unseen want a version',
    async run(subject) {
      const { api, at } = subject;
      const lease = (holder: string) => ({ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'l' }, spec: { holderIdentity: holder } });
      await api.create(at('leases'), lease('a'));
      await refusesAll(subject, 'leases', [
        [() => api.update(at('leases', 'l'), lease('b')), '422 Invalid: leases.coordination.k8s.io "l" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update'],
      ]);
    },
  },
  {
    name: 'update: generation counts changes of what is wanted, and of nothing else',
    async run({ api, at }) {
      const { object } = await api.create(at('deployments'), deployment('d'));
      expect(object.metadata.generation).toBe(1);
      const labelled = await api.patch(at('deployments', 'd'), 'merge', { metadata: { labels: { a: 'b' } } });
      expect(labelled.object.metadata.generation).toBe(1);
      const scaled = await api.patch(at('deployments', 'd'), 'merge', { spec: { replicas: 3 } });
      expect(scaled.object.metadata.generation).toBe(2);
      const forged = await api.update(at('deployments', 'd'), { ...scaled.object, metadata: { ...scaled.object.metadata, generation: 99 }, status: { replicas: 9 } });
      expect([forged.object.metadata.generation, (forged.object.status as { replicas?: number }).replicas ?? 0]).toEqual([2, 0]);
    },
  },
  {
    name: 'update: immutable fields, each by its path',
    async run(subject) {
      const { api, at } = subject;
      await api.create(at('deployments'), deployment('d'));
      await api.create(at('configmaps'), { ...configMap('fixed'), immutable: true });
      await refusesAll(subject, 'deployments', [
        [
          () => api.patch(at('deployments', 'd'), 'merge', { spec: { selector: { matchLabels: { app: 'e' } }, template: { metadata: { labels: { app: 'e' } } } } }),
          '422 Invalid: Deployment.apps "d" is invalid: spec.selector: Invalid value: {"matchLabels":{"app":"e"}}: field is immutable',
        ],
      ]);
      await refusesAll(subject, 'configmaps', [
        [
          () => api.update(at('configmaps', 'fixed'), { ...configMap('fixed', { a: '2' }), immutable: true }),
          '422 Invalid: ConfigMap "fixed" is invalid: data: Forbidden: field is immutable when `immutable` is set',
        ],
      ]);
    },
  },
];

const PATCHED_POD = { metadata: { labels: { new: '1' } } };

const patching: readonly Case[] = [
  {
    name: 'patch: a merge patch sets, adds and takes away, and replaces lists whole',
    async run({ api, at }) {
      await api.create(at('deployments'), deployment('d', {}, { labels: { a: '1', b: '2' } }));
      const { object } = await api.patch(at('deployments', 'd'), 'merge', {
        metadata: { labels: { a: null, c: '3' } },
        spec: { template: { spec: { containers: [{ name: 'other', image: 'x' }] } } },
      });
      expect(object.metadata.labels).toEqual({ b: '2', c: '3' });
      expect(object.spec['template']).toMatchObject({ spec: { containers: [{ name: 'other' }] } });
    },
  },
  {
    name: 'patch: a strategic patch merges lists by their keys, and follows directives',
    async run({ api, at }) {
      await api.create(at('deployments'), deployment('d'));
      const patched = async (spec: object) =>
        (await api.patch(at('deployments', 'd'), 'strategic', { spec: { template: { spec } } })).object.spec['template'] as { spec: { containers: { name: string; image: string; env?: object[] }[] } };
      const added = await patched({ containers: [{ name: 'side', image: 's:1' }] });
      expect(added.spec.containers.map(({ name, image }) => `${name} ${image}`).sort()).toEqual(['main web:1', 'side s:1']);
      const changed = await patched({ containers: [{ name: 'main', image: 'web:2' }, { name: 'side', $patch: 'delete' }] });
      expect(changed.spec.containers.map(({ name, image }) => `${name} ${image}`)).toEqual(['main web:2']);
      const whole = await patched({ containers: [{ $patch: 'replace' }, { name: 'only', image: 'o:1' }] });
      expect(whole.spec.containers.map(({ name }) => name)).toEqual(['only']);
    },
  },
  {
    name: 'patch: a JSON patch is done whole or not at all',
    async run(subject) {
      const { api, at } = subject;
      await api.create(at('configmaps'), configMap('a', { a: '1', b: '2' }));
      const { object } = await api.patch(at('configmaps', 'a'), 'json', [
        { op: 'test', path: '/data/a', value: '1' }, { op: 'replace', path: '/data/a', value: '9' }, { op: 'remove', path: '/data/b' }, { op: 'add', path: '/data/c', value: '3' },
        { op: 'copy', from: '/data/c', path: '/data/d' }, { op: 'move', from: '/data/d', path: '/data/e' },
      ]);
      expect(object.data).toEqual({ a: '9', c: '3', e: '3' });
      const before = await stateOf(subject, 'configmaps');
      const failed = [{ op: 'replace', path: '/data/a', value: '0' }, { op: 'test', path: '/data/c', value: 'other' }];
      expect((await refusedWith(api.patch(at('configmaps', 'a'), 'json', failed))).code).toBe(422);
      expect(await stateOf(subject, 'configmaps')).toEqual(before);
    },
  },
  {
    name: 'patch: with a version it is a condition; without one it is none',
    async run(subject) {
      const { api, at } = subject;
      const { object } = await api.create(at('configmaps'), configMap('a'));
      await api.patch(at('configmaps', 'a'), 'merge', { data: { b: '2' } });
      await refusesAll(subject, 'configmaps', [
        [
          () => api.patch(at('configmaps', 'a'), 'merge', { metadata: { resourceVersion: object.metadata.resourceVersion }, data: { c: '3' } }),
          `409 Conflict: Operation cannot be fulfilled on configmaps "a": ${STALE}`,
        ],
        [() => api.patch(at('configmaps', 'ghost'), 'merge', {}), '404 NotFound: configmaps "ghost" not found'],
        [() => api.patch(at('configmaps', 'a'), 'merge', { metadata: { name: 'b' } }), '400 BadRequest: the name of the object (b) does not match the name on the URL (a)'],
      ]);
    },
  },
  {
    name: 'patch: what does not fit is the patch\'s fault, and leaves nothing behind',
    async run(subject) {
      const { api, at } = subject;
      await api.create(at('deployments'), deployment('d'));
      const before = await stateOf(subject, 'deployments');
      for (const type of ['merge', 'strategic'] as const) {
        const { code, details } = await refusedWith(api.patch(at('deployments', 'd'), type, { spec: { replicas: 'many' } }));
        expect([code, details?.causes?.map(({ field, reason }) => `${field} ${reason}`)]).toEqual([422, ['patch FieldValueInvalid']]);
        expect(await refusal(api.patch(at('deployments', 'd'), type, { spec: { replicas: -1 } }))).toBe(
          '422 Invalid: Deployment.apps "d" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0',
        );
      }
      expect(await stateOf(subject, 'deployments')).toEqual(before);
    },
  },
  {
    name: 'patch: of concurrent ones none is lost',
    async run({ api, at }) {
      await api.create(at('configmaps'), configMap('a', {}));
      await Promise.all(Array.from({ length: 10 }, (_none, index) => api.patch(at('configmaps', 'a'), 'merge', { data: { [`k${index}`]: 'v' } })));
      expect(Object.keys((await api.get(at('configmaps', 'a'))).data)).toHaveLength(10);
    },
  },
];

const trying: readonly Case[] = [
  {
    name: 'dry run: answers as if it were done, and nothing is written nor seen by a watch',
    async run(subject) {
      const { api, at } = subject;
      const { object } = await api.create(at('configmaps'), configMap('a'));
      await api.create(at('pods'), pod('p'));
      const before = [await stateOf(subject, 'configmaps'), await stateOf(subject, 'pods')];
      const watch = api.watch(at('configmaps'), { resourceVersion: object.metadata.resourceVersion });
      const dryRun = true;
      expect((await api.create(at('configmaps'), configMap('b'), { dryRun })).object.metadata).toMatchObject({ name: 'b' });
      expect((await api.update(at('configmaps', 'a'), configMap('a', { a: '2' }), { dryRun })).object.data).toEqual({ a: '2' });
      expect((await api.patch(at('configmaps', 'a'), 'merge', { data: { b: '3' } }, { dryRun })).object.data).toEqual({ a: '1', b: '3' });
      expect((await api.patch(at('pods', 'p'), 'merge', PATCHED_POD, { dryRun })).object.metadata.labels).toEqual({ new: '1' });
      await api.apply(at('configmaps', 'c'), configMap('c'), { fieldManager: 'm', dryRun });
      await api.delete(at('configmaps', 'a'), { dryRun });
      await api.deleteCollection(at('configmaps'), { dryRun });
      await api.delete(at('pods', 'p'), { ...AT_ONCE, dryRun });
      expect([await stateOf(subject, 'configmaps'), await stateOf(subject, 'pods')]).toEqual(before);
      // The first event that the watch sees is the one of the write that is no dry run.
      await api.create(at('configmaps'), configMap('real'));
      expect(await watch.take(1)).toEqual(['ADDED real']);
      watch.close();
    },
  },
  {
    name: 'dry run: what would be refused is refused',
    async run(subject) {
      const { api, at } = subject;
      await api.create(at('configmaps'), configMap('a'));
      const dryRun = true;
      await refusesAll(subject, 'configmaps', [
        [() => api.create(at('configmaps'), configMap('a'), { dryRun }), '409 AlreadyExists: configmaps "a" already exists'],
        [() => api.update(at('configmaps', 'ghost'), configMap('ghost'), { dryRun }), '404 NotFound: configmaps "ghost" not found'],
        [() => api.delete(at('configmaps', 'ghost'), { dryRun }), '404 NotFound: configmaps "ghost" not found'],
      ]);
    },
  },
  {
    name: 'fields: an unknown one is refused, told of, or passed over',
    async run(subject) {
      const { api, at } = subject;
      const sent = { ...configMap('a', { k: 'v' }, { shape: 'round' }), colour: 'red' };
      const unknown = ['unknown field "colour"', 'unknown field "metadata.shape"'];
      const { code, message } = await refusedWith(api.create(at('configmaps'), sent, { fieldValidation: 'Strict' }));
      expect(code).toBe(400);
      expect(message).toMatch(/^ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: /);
      for (const one of unknown) expect(message).toContain(one);
      const before = await stateOf(subject, 'configmaps');
      expect(before.map(({ metadata }) => metadata.name).filter((name) => name === 'a')).toEqual([]);
      const warned = await api.create(at('configmaps'), sent, { fieldValidation: 'Warn' });
      expect([...warned.warnings].sort()).toEqual(unknown);
      expect(warned.object).not.toHaveProperty('colour');
      const ignored = await api.update(at('configmaps', 'a'), sent, { fieldValidation: 'Ignore' });
      expect(ignored.warnings).toEqual([]);
      const patched = await api.patch(at('configmaps', 'a'), 'merge', { colour: 'red' }, { fieldValidation: 'Warn' });
      expect(patched.warnings).toEqual(['unknown field "colour"']);
    },
  },
  {
    name: 'fields: one that is there twice is refused, or told of (REST)',
    not: { grpc: 'the documents of a case are parsed already' },
    async run({ rest, namespace, at, api }) {
      const path = `/api/v1/namespaces/${namespace}/configmaps`;
      const bytes = Buffer.from('{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","labels":{"l":"1","l":"2"}},"data":{"a":"1"},"data":{"b":"2"}}');
      const said = ['duplicate field "metadata.labels.l"', 'duplicate field "data"'];
      const strict = await rest.request('POST', `${path}?fieldValidation=Strict`, { bytes });
      expect([strict.status, strict.body.message]).toEqual([400, `ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: ${said.join(', ')}`]);
      const warned = await rest.request('POST', `${path}?fieldValidation=Warn`, { bytes });
      expect(warned.status).toBe(201);
      for (const one of said) expect(String(warned.headers['warning'])).toContain(`299 - "${one.replaceAll('"', '\\"')}"`);
      expect((await api.get(at('configmaps', 'a'))).metadata.labels).toEqual({ l: '2' });
    },
  },
];

export const writeCases: readonly Case[] = [...creating, ...replacing, ...patching, ...trying];
