/** What is asked of places that there are none of, and of places where it is not done. */
import { expect } from 'vitest';
import { refusal, refusedWith, textOf, type At } from './api.ts';
import { configMap, pod } from './manifests.ts';
import { docOf } from './rest-api.ts';
import type { Case } from './subject.ts';

const UNKNOWN = '404 NotFound: the server could not find the requested resource';
const NOT_ALLOWED = '405 MethodNotAllowed: the server does not allow this method on the requested resource';
const ONLY_REST = { grpc: 'it has no paths and no methods' };

export const pathCases: readonly Case[] = [
  {
    name: 'unknown: a resource, a version and a group are not found, without a name',
    async run({ api, at, traits }) {
      const place: At = at('configmaps');
      const unknown: At[] = [{ ...place, resource: 'nope' }, { ...place, version: 'v2' }, { ...place, group: 'apps', resource: 'nope' }, at('deployments')].map(
        (one, index) => (index === 3 ? { ...one, group: '' } : one),
      );
      // Of a group that there is none of a kube-apiserver says `404 page not found`, as plain text.
      if (!traits.includes('kube-apiserver')) unknown.push({ ...place, group: 'nope.io' });
      for (const one of unknown) {
        const status = await refusedWith(api.list(one));
        expect([one, textOf(status), status.details]).toEqual([one, UNKNOWN, {}]);
        expect(await refusal(api.get({ ...one, name: 'x' }))).toBe(UNKNOWN);
        expect(await api.watch(one).refusal()).toBe(UNKNOWN);
        expect(await refusal(api.create(one, configMap('x')))).toBe(UNKNOWN);
      }
    },
  },
  {
    name: 'unknown: a subresource',
    async run({ api, at }) {
      await api.create(at('configmaps'), configMap('a'));
      for (const name of ['a', 'nope']) {
        for (const subresource of ['status', 'nope', 'scale']) {
          const one = at('configmaps', name, subresource);
          const status = await refusedWith(api.get(one));
          expect([name, subresource, textOf(status), status.details]).toEqual([name, subresource, UNKNOWN, {}]);
          expect(await refusal(api.update(one, configMap(name)))).toBe(UNKNOWN);
          expect(await refusal(api.patch(one, 'merge', {}))).toBe(UNKNOWN);
        }
      }
    },
  },
  {
    name: 'not allowed: verbs that a subresource does not have',
    async run({ api, at }) {
      await api.create(at('pods'), pod('p'));
      for (const name of ['p', 'nope']) {
        for (const subresource of ['binding', 'eviction']) {
          const status = await refusedWith(api.get(at('pods', name, subresource)));
          expect([textOf(status), status.details]).toEqual([NOT_ALLOWED, {}]);
          expect(await refusal(api.patch(at('pods', name, subresource), 'merge', {}))).toBe(NOT_ALLOWED);
        }
        expect(await refusal(api.create(at('pods', name, 'status'), pod(name)))).toBe(NOT_ALLOWED);
      }
    },
  },
  {
    name: 'not found: an object, and that of a subresource',
    async run({ api, at }) {
      for (const [one, message, details] of [
        [at('configmaps', 'nope'), 'configmaps "nope" not found', { name: 'nope', kind: 'configmaps' }],
        [at('deployments', 'nope'), 'deployments.apps "nope" not found', { name: 'nope', group: 'apps', kind: 'deployments' }],
        [at('deployments', 'nope', 'scale'), 'deployments.apps "nope" not found', { name: 'nope', group: 'apps', kind: 'deployments' }],
        [at('deployments', 'nope', 'status'), 'deployments.apps "nope" not found', { name: 'nope', group: 'apps', kind: 'deployments' }],
      ] as const) {
        expect(await refusedWith(api.get(one))).toMatchObject({ code: 404, reason: 'NotFound', message, details });
      }
    },
  },
  {
    name: 'not allowed: nobody deletes the objects of all namespaces at once, nor all namespaces',
    async run({ api, at }) {
      await api.create(at('configmaps'), configMap('a'));
      for (const one of [{ ...at('configmaps'), namespace: '' }, at('namespaces')]) {
        const status = await refusedWith(api.deleteCollection(one, { labelSelector: 'no=such' }));
        expect([textOf(status), status.details]).toEqual([NOT_ALLOWED, {}]);
      }
      expect((await api.get(at('configmaps', 'a'))).metadata.name).toBe('a');
    },
  },
  {
    name: 'paths: a cluster-scoped kind in a namespace, a namespaced object without one',
    not: ONLY_REST,
    async run({ rest, namespace }) {
      for (const [method, path, wanted] of [
        ['GET', `/api/v1/namespaces/${namespace}/nodes`, UNKNOWN],
        ['GET', `/api/v1/namespaces/${namespace}/nodes/x`, UNKNOWN],
        ['POST', `/api/v1/namespaces/${namespace}/namespaces`, UNKNOWN],
        ['GET', '/api/v1/configmaps/a', UNKNOWN],
        ['DELETE', '/api/v1/configmaps/a', UNKNOWN],
        ['POST', '/api/v1/configmaps', NOT_ALLOWED],
        ['PUT', '/api/v1/configmaps', NOT_ALLOWED],
        ['GET', `/api/v1/namespaces/${namespace}/configmaps/a/b/c`, UNKNOWN],
        ['GET', '/api/v2', UNKNOWN],
        ['GET', '/apis/apps/v9', UNKNOWN],
        ['GET', '/api/v1/watch/nope', UNKNOWN],
      ] as const) {
        const answer = rest.request(method, path, method === 'GET' || method === 'DELETE' ? {} : { body: configMap('a') });
        expect([method, path, await refusal(answer.then(docOf))]).toEqual([method, path, wanted]);
      }
    },
  },
  {
    name: 'methods: those that a collection, an object or a document does not know',
    not: ONLY_REST,
    async run({ rest, api, at, namespace }) {
      await api.create(at('configmaps'), configMap('a'));
      const maps = `/api/v1/namespaces/${namespace}/configmaps`;
      for (const [method, path] of [
        ['PUT', maps], ['PATCH', maps], ['POST', `${maps}/a`], ['OPTIONS', maps], ['TRACE', maps], ['FOO', maps], ['OPTIONS', `${maps}/a`],
        ['POST', '/version'], ['POST', '/api'], ['DELETE', `/api/v1/namespaces/${namespace}/pods/x/log`], ['POST', '/api/v1/watch/configmaps'],
      ] as const) {
        const body = method === 'PUT' || method === 'PATCH' || method === 'POST' ? { body: configMap('a') } : {};
        const status = await refusedWith(rest.request(method, path, body).then(docOf));
        expect([method, path, textOf(status), status.details]).toEqual([method, path, NOT_ALLOWED, {}]);
      }
      // The head of a refusal, and no body.
      for (const path of [maps, `${maps}/a`]) {
        const { status, text } = await rest.request('HEAD', path);
        expect([status, text]).toEqual([405, '']);
      }
    },
  },
];
