/** Who may not, and what he is told. */
import { expect } from 'vitest';
import { refusedWith, textOf } from './api.ts';
import { configMap } from './manifests.ts';
import { docOf, pathOf } from './rest-api.ts';
import type { Case } from './subject.ts';

const ONLY_REST = { grpc: 'whoever shows it no certificate has no connection' };

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
];
