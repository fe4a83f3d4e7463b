/** Who may not, and what he is told. */
import { expect } from 'vitest';
import { refusedWith, textOf, type Api } from './api.ts';
import { configMap } from './manifests.ts';
import { docOf, pathOf } from './rest-api.ts';
import type { Case } from './subject.ts';

const ONLY_REST = { grpc: 'whoever shows it no certificate has no connection' };

const KINDS: Readonly<Record<string, string>> = {
  selfsubjectaccessreviews: 'SelfSubjectAccessReview', subjectaccessreviews: 'SubjectAccessReview', localsubjectaccessreviews: 'LocalSubjectAccessReview',
  selfsubjectrulesreviews: 'SelfSubjectRulesReview', selfsubjectreviews: 'SelfSubjectReview', tokenreviews: 'TokenReview',
};
const MAY_NOT = { allowed: false };

export const accessCases: readonly Case[] = [
  {
    name: '403: what, by whom, and where',
    async run({ viewer, at, namespace }) {
      const inNamespace = `in API group "" in the namespace "${namespace}"`;
      for (const [run, message, details] of [
        [() => viewer.list(at('configmaps')), `configmaps is forbidden: User "viewer" cannot list resource "configmaps" ${inNamespace}`, { kind: 'configmaps' }],
        [() => viewer.get(at('configmaps', 'a')), `configmaps "a" is forbidden: User "viewer" cannot get resource "configmaps" ${inNamespace}`, { name: 'a', kind: 'configmaps' }],
        [() => viewer.create(at('configmaps'), configMap('a')), `configmaps is forbidden: User "viewer" cannot create resource "configmaps" ${inNamespace}`, { kind: 'configmaps' }],
        [() => viewer.list({ ...at('configmaps'), namespace: '' }), 'configmaps is forbidden: User "viewer" cannot list resource "configmaps" in API group "" at the cluster scope', { kind: 'configmaps' }],
        [() => viewer.get(at('nodes', 'x')), 'nodes "x" is forbidden: User "viewer" cannot get resource "nodes" in API group "" at the cluster scope', { name: 'x', kind: 'nodes' }],
        [
          () => viewer.get(at('deployments', 'x', 'scale')),
          `deployments.apps "x" is forbidden: User "viewer" cannot get resource "deployments/scale" in API group "apps" in the namespace "${namespace}"`,
          { name: 'x', group: 'apps', kind: 'deployments' },
        ],
        [() => viewer.delete(at('configmaps', 'a')), `configmaps "a" is forbidden: User "viewer" cannot delete resource "configmaps" ${inNamespace}`, { name: 'a', kind: 'configmaps' }],
        [() => viewer.deleteCollection(at('configmaps')), `configmaps is forbidden: User "viewer" cannot deletecollection resource "configmaps" ${inNamespace}`, { kind: 'configmaps' }],
        [() => viewer.patch(at('configmaps', 'a'), 'merge', {}), `configmaps "a" is forbidden: User "viewer" cannot patch resource "configmaps" ${inNamespace}`, { name: 'a', kind: 'configmaps' }],
      ] as const) {
        const status = await refusedWith(run());
        expect([textOf(status), status.details]).toEqual([`403 Forbidden: ${message}`, details]);
      }
      expect(await viewer.watch(at('configmaps')).refusal()).toBe(`403 Forbidden: configmaps is forbidden: User "viewer" cannot watch resource "configmaps" ${inNamespace}`);
    },
  },
  {
    name: '403: a path that is no resource',
    not: { grpc: 'it has no paths' },
    async run({ restAs }) {
      const status = await refusedWith(restAs('viewer-token').get('/metrics').then(docOf));
      expect([textOf(status), status.details]).toEqual(['403 Forbidden: forbidden: User "viewer" cannot get path "/metrics"', {}]);
      for (const path of ['/api', '/apis', '/version', '/healthz']) expect([path, (await restAs('viewer-token').get(path)).status]).toEqual([path, 200]);
    },
  },
  {
    name: '401: nobody, and a token that nobody gave',
    not: ONLY_REST,
    async run({ restAs, at }) {
      for (const token of [undefined, 'bad']) {
        for (const path of [pathOf(at('configmaps')), '/api']) {
          const status = await refusedWith(restAs(token).get(path).then(docOf));
          expect([token, textOf(status)]).toEqual([token, '401 Unauthorized: Unauthorized']);
        }
      }
    },
  },
  {
    name: 'reviews: who am I, may I, may he, and whose token is this',
    async run({ api, viewer, at, namespace }) {
      const ask = async (as: Api, resource: string, spec: object) => (await as.create(at(resource), { apiVersion: `${at(resource).group}/v1`, kind: KINDS[resource], spec })).object.status;
      expect(await ask(viewer, 'selfsubjectaccessreviews', { resourceAttributes: { verb: 'get', resource: 'pods', namespace } })).toMatchObject(MAY_NOT);
      const mayAdmin = await ask(api, 'selfsubjectaccessreviews', { resourceAttributes: { verb: 'get', resource: 'pods' }, nonResourceAttributes: null });
      expect(mayAdmin).toMatchObject({ allowed: true });
      expect(await ask(api, 'subjectaccessreviews', { user: 'viewer', groups: null, extra: null, resourceAttributes: { verb: 'get', resource: 'pods' } })).toMatchObject(MAY_NOT);
      expect(await ask(api, 'subjectaccessreviews', { groups: ['system:masters'], nonResourceAttributes: { verb: 'get', path: '/metrics' } })).toMatchObject({ allowed: true });
      expect(await ask(api, 'localsubjectaccessreviews', { user: 'viewer', resourceAttributes: { verb: 'get', resource: 'pods', namespace } })).toMatchObject(MAY_NOT);
      expect(await ask(api, 'selfsubjectreviews', {})).toMatchObject({ userInfo: { username: 'admin', groups: expect.arrayContaining(['system:masters', 'system:authenticated']) as string[] } });
      expect(await ask(api, 'tokenreviews', { token: 'viewer-token', audiences: null })).toMatchObject({ authenticated: true, user: { username: 'viewer', groups: ['viewers', 'system:authenticated'] } });
      expect(await ask(api, 'tokenreviews', { token: 'bad' })).toMatchObject({ user: {}, error: expect.stringContaining('invalid bearer token') as string });
      const rules = (await ask(api, 'selfsubjectrulesreviews', { namespace })) as { resourceRules: object[] }; // a SubjectRulesReviewStatus
      expect(rules.resourceRules).toContainEqual({ verbs: ['*'], apiGroups: ['*'], resources: ['*'] });
    },
  },
  {
    name: 'reviews: what is asked of nobody, of nothing, of two things, or elsewhere',
    async run({ api, at, namespace }) {
      const pods = { verb: 'get', resource: 'pods' };
      const ONE_OF = 'spec: exactly one of nonResourceAttributes or resourceAttributes must be specified';
      for (const [resource, sent, code, causes] of [
        ['selfsubjectaccessreviews', { spec: {} }, 422, [ONE_OF]],
        ['selfsubjectaccessreviews', { spec: { resourceAttributes: pods, nonResourceAttributes: { verb: 'get', path: '/x' } } }, 422, [ONE_OF]],
        ['selfsubjectaccessreviews', { metadata: { name: 'x' }, spec: { resourceAttributes: pods } }, 422, ['metadata: must be empty']],
        ['subjectaccessreviews', { spec: { resourceAttributes: pods } }, 422, ['spec.user: at least one of user or group must be specified']],
        ['localsubjectaccessreviews', { spec: { user: 'u', resourceAttributes: { ...pods, namespace: `${namespace}-other` } } }, 422, ['spec.resourceAttributes.namespace: must match metadata.namespace']],
        ['selfsubjectrulesreviews', { spec: {} }, 400, []],
        ['tokenreviews', { spec: {} }, 400, []],
        ['tokenreviews', { spec: { token: 7 } }, 400, []],
        ['tokenreviews', { apiVersion: 'v1', kind: 'Pod' }, 400, []],
      ] as const) {
        const body = { apiVersion: `${at(resource).group}/v1`, kind: KINDS[resource], ...sent };
        const status = await refusedWith(api.create(at(resource), body));
        const said = (status.details?.causes ?? []).map(({ field, message = '' }) => `${field}: ${message.slice(message.lastIndexOf(': ') + 2)}`);
        expect([resource, sent, status.code, said]).toEqual([resource, sent, code, causes]);
      }
      expect((await refusedWith(api.get(at('tokenreviews', 'x')))).code).toBeGreaterThanOrEqual(404);
    },
  },
];
