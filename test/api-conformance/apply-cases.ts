/** Server-side apply: who owns what, and what becomes of it. */
import { expect } from 'vitest';
import { refusal, refusedWith, type Doc } from './api.ts';
import { configMap, deployment } from './manifests.ts';
import type { Case, Subject } from './subject.ts';

const by = (fieldManager: string, more: object = {}) => ({ fieldManager, ...more });
const ownersOf = ({ metadata }: Doc) => (metadata.managedFields ?? []).map(({ manager, operation, subresource }) => [manager, operation, subresource].filter(Boolean).join(' ')).sort();
const ownedBy = ({ metadata }: Doc, manager: string) => metadata.managedFields.find((one) => one.manager === manager)?.fieldsV1;
const config = (name: string, spec: object) => ({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name }, spec });
const images = (object: Doc) => (object.spec['template'] as { spec: { containers: { name: string; image: string }[] } }).spec.containers.map(({ name, image }) => `${name} ${image}`);
const withContainers = (name: string, ...containers: object[]) => config(name, { selector: { matchLabels: { app: name } }, template: { metadata: { labels: { app: name } }, spec: { containers } } });

const settle = async ({ api, at }: Subject, name: string) => api.get(at('configmaps', name));

export const applyCases: readonly Case[] = [
  {
    name: 'apply: creates what is not there, and owns what it names',
    async run({ api, at }) {
      const { object } = await api.apply(at('configmaps', 'a'), configMap('a', { k: 'v' }), by('one'));
      expect(object.data).toEqual({ k: 'v' });
      expect(ownersOf(object)).toEqual(['one Apply']);
      expect(ownedBy(object, 'one')).toEqual({ 'f:data': { 'f:k': {} } });
      const again = await api.apply(at('configmaps', 'a'), configMap('a', { k: 'v' }), by('one'));
      expect(again.object.metadata.resourceVersion).toBe(object.metadata.resourceVersion);
    },
  },
  {
    name: 'apply: another\'s value is a conflict that names owner and field; force takes it',
    async run({ api, at }) {
      await api.apply(at('configmaps', 'a'), configMap('a', { k: 'v', mine: '1' }), by('one'));
      const before = await api.get(at('configmaps', 'a'));
      const refused = await refusedWith(api.apply(at('configmaps', 'a'), configMap('a', { k: 'w' }), by('two')));
      expect([refused.code, refused.reason, refused.message]).toEqual([409, 'Conflict', 'Apply failed with 1 conflict: conflict with "one": .data.k']);
      expect(refused.details?.causes).toEqual([{ reason: 'FieldManagerConflict', message: 'conflict with "one"', field: '.data.k' }]);
      expect(await api.get(at('configmaps', 'a'))).toEqual(before);
      const { object } = await api.apply(at('configmaps', 'a'), configMap('a', { k: 'w' }), by('two', { force: true }));
      expect(object.data).toEqual({ k: 'w', mine: '1' });
      expect(ownedBy(object, 'one')).toEqual({ 'f:data': { 'f:mine': {} } });
      expect(ownedBy(object, 'two')).toEqual({ 'f:data': { 'f:k': {} } });
    },
  },
  {
    name: 'apply: the same value is shared, and stays until the last owner lets go',
    async run(subject) {
      const { api, at } = subject;
      await api.apply(at('configmaps', 'a'), configMap('a', { k: 'v' }), by('one'));
      await api.apply(at('configmaps', 'a'), configMap('a', { k: 'v', two: '2' }), by('two'));
      await api.apply(at('configmaps', 'a'), configMap('a', {}), by('one'));
      expect((await settle(subject, 'a')).data).toEqual({ k: 'v', two: '2' });
      await api.apply(at('configmaps', 'a'), configMap('a', { two: '2' }), by('two'));
      expect((await settle(subject, 'a')).data).toEqual({ two: '2' });
    },
  },
  {
    name: 'apply: a field handed over to an updater is the updater\'s',
    async run(subject) {
      const { api, at } = subject;
      await api.apply(at('deployments', 'd'), { ...deployment('d', { replicas: 1 }) }, by('one'));
      await api.patch(at('deployments', 'd'), 'merge', { spec: { replicas: 5 } }, by('scaler'));
      expect(await refusal(api.apply(at('deployments', 'd'), deployment('d', { replicas: 2 }), by('one')))).toBe(
        '409 Conflict: Apply failed with 1 conflict: conflict with "scaler" using apps/v1: .spec.replicas',
      );
      // Who no longer speaks of it leaves it alone.
      const { object } = await api.apply(at('deployments', 'd'), deployment('d'), by('one'));
      expect(object.spec['replicas']).toBe(5);
    },
  },
  {
    name: 'apply: lists with keys merge by them, and keep the others\' items',
    async run({ api, at }) {
      await api.apply(at('deployments', 'd'), withContainers('d', { name: 'main', image: 'web:1' }), by('one'));
      const { object } = await api.apply(at('deployments', 'd'), withContainers('d', { name: 'side', image: 's:1' }), by('two'));
      expect(images(object).sort()).toEqual(['main web:1', 'side s:1']);
      const back = await api.apply(at('deployments', 'd'), withContainers('d', { name: 'main', image: 'web:2' }), by('one'));
      expect(images(back.object).sort()).toEqual(['main web:2', 'side s:1']);
    },
  },
  {
    name: 'apply: a set keeps everybody\'s members, an atomic list is one owner\'s',
    async run({ api, at }) {
      const marked = (...finalizers: string[]) => ({ ...configMap('a'), metadata: { name: 'a', finalizers } });
      await api.apply(at('configmaps', 'a'), marked('one.io/f'), by('one'));
      await api.apply(at('configmaps', 'a'), marked('two.io/f'), by('two'));
      expect([...(await api.get(at('configmaps', 'a'))).metadata.finalizers].sort()).toEqual(['one.io/f', 'two.io/f']);
      await api.apply(at('configmaps', 'a'), configMap('a'), by('one'));
      expect((await api.get(at('configmaps', 'a'))).metadata.finalizers).toEqual(['two.io/f']);
      await api.apply(at('deployments', 'd'), withContainers('d', { name: 'main', image: 'web:1', command: ['a', 'b'] }), by('one'));
      const other = withContainers('d', { name: 'main', command: ['c'] });
      expect(await refusal(api.apply(at('deployments', 'd'), other, by('two')))).toBe(
        '409 Conflict: Apply failed with 1 conflict: conflict with "one": .spec.template.spec.containers[name="main"].command',
      );
    },
  },
  {
    name: 'apply: the status is another\'s part',
    async run({ api, at }) {
      await api.apply(at('deployments', 'd'), deployment('d'), by('one'));
      const status = { observedGeneration: 1, conditions: [{ type: 'Available', status: 'True' }] };
      const { object } = await api.apply(at('deployments', 'd', 'status'), { ...config('d', {}), spec: { replicas: 9 }, status }, by('two'));
      expect(object.spec['replicas']).toBe(1);
      expect(object.status).toMatchObject(status);
      expect(ownersOf(object)).toEqual(['one Apply', 'two Apply status']);
      // Nor does a config of the object touch the status.
      const after = await api.apply(at('deployments', 'd'), { ...deployment('d'), status: { observedGeneration: 7 } }, by('one'));
      expect(after.object.status).toMatchObject(status);
    },
  },
  {
    name: 'apply: what was applied by a client is taken over without a conflict',
    async run({ api, at, namespace }) {
      const annotation = 'kubectl.kubernetes.io/last-applied-configuration';
      const before = configMap('a', { k: 'v', old: '1' });
      await api.create(at('configmaps'), { ...before, metadata: { name: 'a', annotations: { [annotation]: JSON.stringify(before) } } }, by('kubectl-client-side-apply'));
      const { object } = await api.apply(at('configmaps', 'a'), configMap('a', { k: 'w', old: '1' }), by('kubectl'));
      expect(object.data).toEqual({ k: 'w', old: '1' });
      expect(ownersOf(object)).toContain('kubectl Apply');
      // And what is applied is noted where the client looks for it, in its own spelling.
      const again = await api.apply(at('configmaps', 'a'), configMap('a', { old: '<1> & 2', k: 'w' }, { namespace }), by('kubectl'));
      const noted = `{"apiVersion":"v1","data":{"k":"w","old":"\\u003c1\\u003e \\u0026 2"},"kind":"ConfigMap","metadata":{"name":"a","namespace":"${namespace}"}}\n`;
      expect(again.object.metadata.annotations[annotation]).toBe(noted);
    },
  },
  {
    name: 'apply: a dry run tells the conflict and writes nothing',
    async run({ api, at }) {
      await api.apply(at('configmaps', 'a'), configMap('a', { k: 'v' }), by('one'));
      const before = await api.get(at('configmaps', 'a'));
      expect((await refusedWith(api.apply(at('configmaps', 'a'), configMap('a', { k: 'w' }), by('two', { dryRun: true })))).code).toBe(409);
      const { object } = await api.apply(at('configmaps', 'a'), configMap('a', { k: 'w' }), by('two', { dryRun: true, force: true }));
      expect(object.data).toEqual({ k: 'w' });
      expect(await api.get(at('configmaps', 'a'))).toEqual(before);
    },
  },
  {
    name: 'apply: refusals of the request itself',
    async run({ api, at }) {
      const { object } = await api.create(at('configmaps'), configMap('a'));
      const refused = await refusedWith(api.apply(at('configmaps', 'b'), configMap('b', {}, { managedFields: object.metadata.managedFields }), by('one')));
      expect([refused.code, refused.message]).toEqual([400, 'metadata.managedFields must be nil']);
      expect((await refusedWith(api.apply(at('configmaps', 'b'), configMap('b', {}, { uid: object.metadata.uid }), by('one')))).code).toBe(409);
      expect(await refusal(api.apply(at('configmaps', 'b'), configMap('c'), by('one')))).toContain('400 BadRequest: ');
      expect((await refusedWith(api.apply(at('configmaps', 'a'), configMap('a', {}, { resourceVersion: '1' }), by('one', { force: true })))).code).toBe(409);
      expect((await api.list(at('configmaps'))).items.some(({ metadata }) => metadata.name === 'b')).toBe(false);
    },
  },
  {
    name: 'apply: without a manager it is refused',
    not: { grpc: 'a case cannot leave it out' },
    async run({ rest, namespace }) {
      const sent = { body: configMap('a'), type: 'application/apply-patch+yaml' };
      const { status, body } = await rest.request('PATCH', `/api/v1/namespaces/${namespace}/configmaps/a`, sent);
      expect([status, body.message]).toEqual([422, 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch']);
    },
  },
];
