/** Parts of an object that are written by a way of their own: status, scale, binding, eviction, containers for debugging. */
import { expect } from 'vitest';
import { refusal, refusedWith } from './api.ts';
import { deployment, pod } from './manifests.ts';
import { docOf } from './rest-api.ts';
import type { Case, Subject } from './subject.ts';

const scale = (name: string, replicas: number, metadata: object = {}) => ({ apiVersion: 'autoscaling/v1', kind: 'Scale', metadata: { name, ...metadata }, spec: { replicas } });
const eviction = (name: string, more: object = {}) => ({ apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name }, ...more });
const READY = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };

/** A pod that runs, and a budget that has so much left. */
async function guarded({ api, at }: Subject, disruptionsAllowed: number): Promise<void> {
  await api.create(at('pods'), pod('p', { nodeName: 'n' }, { labels: { app: 'g' } }));
  await api.patch(at('pods', 'p', 'status'), 'merge', { status: READY });
  const budget = { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata: { name: 'b' }, spec: { minAvailable: 1, selector: { matchLabels: { app: 'g' } } } };
  await api.create(at('poddisruptionbudgets'), budget);
  const status = { disruptionsAllowed, currentHealthy: 1 + disruptionsAllowed, desiredHealthy: 1, expectedPods: 1 + disruptionsAllowed, observedGeneration: 1 };
  await api.patch(at('poddisruptionbudgets', 'b', 'status'), 'merge', { status });
}

export const partCases: readonly Case[] = [
  {
    name: 'status: what is written there changes nothing else, and nothing else changes it',
    async run({ api, at }) {
      const { object } = await api.create(at('deployments'), deployment('d'));
      const sent = { ...object, metadata: { ...object.metadata, labels: { a: 'b' } }, spec: { ...object.spec, replicas: 9 }, status: { observedGeneration: 1, replicas: 1 } };
      const written = (await api.update(at('deployments', 'd', 'status'), sent)).object;
      expect(written.spec['replicas']).toBe(1);
      expect(written.status).toMatchObject({ observedGeneration: 1, replicas: 1 });
      expect(written.metadata.generation).toBe(1);
      const after = (await api.update(at('deployments', 'd'), { ...written, status: {} })).object;
      expect(after.status).toMatchObject({ observedGeneration: 1, replicas: 1 });
      expect(await refusal(api.update(at('deployments', 'd', 'status'), { ...object, status: {} }))).toContain('409 Conflict: Operation cannot be fulfilled on deployments.apps "d"');
    },
  },
  {
    name: 'status: where there is none, the path leads nowhere',
    async run({ api, at }) {
      await api.create(at('configmaps'), { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } });
      expect((await refusedWith(api.patch(at('configmaps', 'a', 'status'), 'merge', {}))).code).toBe(404);
    },
  },
  {
    name: 'scale: is read, replaced and patched, by its version',
    async run({ api, at }) {
      const { object } = await api.create(at('deployments'), deployment('d', { replicas: 2 }));
      const read = await api.get(at('deployments', 'd', 'scale'));
      expect(read).toMatchObject({ apiVersion: 'autoscaling/v1', kind: 'Scale', spec: { replicas: 2 }, status: { selector: 'app=d' }, metadata: { resourceVersion: object.metadata.resourceVersion } });
      const written = await api.update(at('deployments', 'd', 'scale'), scale('d', 4));
      expect([written.object.kind, written.object.spec['replicas']]).toEqual(['Scale', 4]);
      await api.patch(at('deployments', 'd', 'scale'), 'merge', { spec: { replicas: 5 } });
      const now = await api.get(at('deployments', 'd'));
      expect([now.spec['replicas'], now.metadata.generation]).toEqual([5, 3]);
      expect((await refusedWith(api.update(at('deployments', 'd', 'scale'), scale('d', 6, { resourceVersion: object.metadata.resourceVersion })))).code).toBe(409);
      const { code, details } = await refusedWith(api.update(at('deployments', 'd', 'scale'), scale('d', -1)));
      expect([code, details?.causes?.map(({ field }) => field)]).toEqual([422, ['spec.replicas']]);
      expect((await api.get(at('deployments', 'd'))).spec['replicas']).toBe(5);
    },
  },
  {
    name: 'binding: puts a pod on a node, once',
    async run({ api, at }) {
      await api.create(at('pods'), pod('p'));
      const binding = (node: string) => ({ apiVersion: 'v1', kind: 'Binding', metadata: { name: 'p' }, target: { apiVersion: 'v1', kind: 'Node', name: node } });
      await api.create(at('pods', 'p', 'binding'), binding('n1'), { dryRun: true });
      expect((await api.get(at('pods', 'p'))).spec['nodeName'] ?? '').toBe('');
      await api.create(at('pods', 'p', 'binding'), binding('n1'));
      const bound = await api.get(at('pods', 'p'));
      expect(bound.spec['nodeName']).toBe('n1');
      expect(bound.status).toMatchObject({ conditions: [{ type: 'PodScheduled', status: 'True' }] });
      expect(await refusal(api.create(at('pods', 'p', 'binding'), binding('n2')))).toBe(
        '409 Conflict: Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "n1"',
      );
      expect((await refusedWith(api.create(at('pods', 'ghost', 'binding'), { ...binding('n1'), metadata: { name: 'ghost' } }))).code).toBe(404);
    },
  },
  {
    name: 'binding: also by itself, beside the pod that it names',
    async run({ api, at, namespace }) {
      await api.create(at('pods'), pod('p'));
      const binding = (name: string, metadata: object = {}) => ({ apiVersion: 'v1', kind: 'Binding', metadata: { name, ...metadata }, target: { kind: 'Node', name: 'n1' } });
      await api.create(at('bindings'), binding('p'), { dryRun: true });
      expect((await api.get(at('pods', 'p'))).spec['nodeName'] ?? '').toBe('');
      const { object } = await api.create(at('bindings'), binding('p', { annotations: { a: 'b' } }));
      expect(object).toMatchObject({ kind: 'Status', status: 'Success', code: 201 });
      const bound = await api.get(at('pods', 'p'));
      expect([bound.spec['nodeName'], bound.metadata.annotations]).toEqual(['n1', { a: 'b' }]);
      expect(bound.status).toMatchObject({ conditions: [{ type: 'PodScheduled', status: 'True' }] });
      for (const [sent, message] of [
        [binding('p'), '409 Conflict: Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "n1"'],
        [binding('ghost'), '404 NotFound: pods "ghost" not found'],
        [binding(''), '400 BadRequest: Name parameter required.'],
        [binding('p', { namespace: `${namespace}-other` }), '400 BadRequest: the namespace of the provided object does not match the namespace sent on the request'],
      ] as const) {
        expect(await refusal(api.create(at('bindings'), sent))).toBe(message);
      }
      expect(await refusal(api.create(at('pods', 'p', 'binding'), binding('q')))).toBe('400 BadRequest: name in URL does not match name in Binding object');
      for (const run of [api.list(at('bindings')), api.update(at('bindings'), binding('p')), api.deleteCollection(at('bindings'))]) {
        expect((await refusedWith(run)).code).toBe(405);
      }
      expect((await api.watch(at('bindings')).refused()).code).toBe(405);
    },
  },
  {
    name: 'binding: its one path, and what discovery and the schemas say of it',
    not: { grpc: 'it has no paths' },
    async run({ rest, namespace }) {
      const path = `/api/v1/namespaces/${namespace}/bindings`;
      const body = { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'p' }, target: { name: 'n1' } };
      for (const [method, at, code] of [
        ['GET', path, 405], ['PATCH', path, 405], ['DELETE', path, 405], ['GET', `${path}/p`, 404], ['POST', `${path}/p`, 404], ['PUT', `${path}/p`, 404],
        ['POST', '/api/v1/bindings', 404], ['GET', '/api/v1/bindings', 404], ['GET', `/api/v1/watch/namespaces/${namespace}/bindings`, 404],
      ] as const) {
        expect([method, at, (await rest.request(method, at, method === 'GET' ? {} : { body })).status]).toEqual([method, at, code]);
      }
      const resources = docOf(await rest.get('/api/v1'))['resources'] as readonly { readonly name: string }[]; // an APIResourceList
      expect(resources.find(({ name }) => name === 'bindings')).toEqual({ name: 'bindings', singularName: 'binding', namespaced: true, kind: 'Binding', verbs: ['create'] });
      const { paths } = JSON.parse((await rest.get('/openapi/v3/api/v1')).text) as { paths: Readonly<Record<string, Readonly<Record<string, unknown>>>> };
      expect(Object.keys(paths['/api/v1/namespaces/{namespace}/bindings']!).sort()).toEqual(['parameters', 'post']);
    },
  },
  {
    name: 'eviction: deletes a pod that nobody guards',
    async run({ api, at }) {
      await api.create(at('pods'), pod('p'));
      await api.create(at('pods', 'p', 'eviction'), eviction('p', { deleteOptions: { dryRun: ['All'] } }));
      expect((await api.get(at('pods', 'p'))).metadata.name).toBe('p');
      await api.create(at('pods', 'p', 'eviction'), eviction('p'));
      expect((await refusedWith(api.get(at('pods', 'p')))).code).toBe(404);
      expect(await refusal(api.create(at('pods', 'p', 'eviction'), eviction('p')))).toBe('404 NotFound: pods "p" not found');
    },
  },
  {
    name: 'eviction: a budget that has nothing left answers 429 and why',
    async run(subject) {
      const { api, at } = subject;
      await guarded(subject, 0);
      const { code, reason, message, details } = await refusedWith(api.create(at('pods', 'p', 'eviction'), eviction('p')));
      expect([code, reason, message]).toEqual([429, 'TooManyRequests', "Cannot evict pod as it would violate the pod's disruption budget."]);
      expect(details?.causes).toEqual([{ reason: 'DisruptionBudget', message: 'The disruption budget b needs 1 healthy pods and has 1 currently' }]);
      expect((await api.get(at('pods', 'p'))).metadata.deletionTimestamp).toBeUndefined();
    },
  },
  {
    name: 'eviction: a budget that has some left is charged with it',
    async run(subject) {
      const { api, at } = subject;
      await guarded(subject, 1);
      await api.create(at('pods', 'p', 'eviction'), eviction('p'));
      expect((await api.get(at('pods', 'p'))).metadata.deletionTimestamp).toMatch(/^\d{4}-/);
      expect((await api.get(at('poddisruptionbudgets', 'b'))).status).toMatchObject({ disruptionsAllowed: 0, disruptedPods: { p: expect.stringMatching(/^\d{4}-/) } });
    },
  },
  {
    name: 'ephemeral containers: are added through their own way alone, and stay',
    async run({ api, at }) {
      await api.create(at('pods'), pod('p'));
      const debug = { name: 'debug', image: 'tools:1', targetContainerName: 'main' };
      const { object } = await api.patch(at('pods', 'p', 'ephemeralcontainers'), 'strategic', { spec: { ephemeralContainers: [debug], activeDeadlineSeconds: 5 } });
      expect(object.spec).toMatchObject({ ephemeralContainers: [debug] });
      expect(object.spec['activeDeadlineSeconds']).toBeUndefined();
      const removed = await refusedWith(api.update(at('pods', 'p', 'ephemeralcontainers'), { ...object, spec: { ...object.spec, ephemeralContainers: [] } }));
      expect([removed.code, removed.details?.causes?.map(({ field, reason }) => `${field} ${reason}`)]).toEqual([422, ['spec.ephemeralContainers FieldValueForbidden']]);
      const taken = { spec: { ephemeralContainers: [{ name: 'main', image: 'x' }] } };
      expect((await refusedWith(api.patch(at('pods', 'p', 'ephemeralcontainers'), 'strategic', taken))).code).toBe(422);
      expect((await refusedWith(api.create(at('pods'), pod('q', { ephemeralContainers: [debug] })))).code).toBe(422);
    },
  },
];
