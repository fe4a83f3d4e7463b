/** What clients find out about the server before they ask for anything. */
import { expect } from 'vitest';
import { docOf } from './rest-api.ts';
import type { Case, Subject } from './subject.ts';

const ONLY_REST = { grpc: 'its reflection is tested in test/grpc' };
const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

interface Resource {
  readonly name: string;
  readonly singularName: string;
  readonly namespaced: boolean;
  readonly group?: string;
  readonly version?: string;
  readonly kind: string;
  readonly verbs: readonly string[];
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
}

interface Group {
  readonly metadata: { readonly name?: string };
  readonly versions: readonly { readonly version: string; readonly resources: readonly { readonly resource: string; readonly scope: string; readonly singularResource: string; readonly responseKind: { readonly kind: string }; readonly verbs: readonly string[]; readonly shortNames?: readonly string[]; readonly subresources?: readonly { readonly subresource: string; readonly verbs: readonly string[] }[] }[] }[];
}

const resourcesAt = async ({ rest }: Subject, path: string) => docOf(await rest.get(path))['resources'] as readonly Resource[]; // an APIResourceList

export const discoveryCases: readonly Case[] = [
  {
    name: 'discovery: versions, groups and what is preferred',
    not: ONLY_REST,
    async run({ rest }) {
      expect(docOf(await rest.get('/api'))).toMatchObject({ kind: 'APIVersions', versions: ['v1'] });
      const { groups } = docOf(await rest.get('/apis')) as unknown as { groups: { name: string; versions: { version: string }[]; preferredVersion: { groupVersion: string } }[] }; // an APIGroupList
      const autoscaling = groups.find(({ name }) => name === 'autoscaling')!;
      expect([autoscaling.versions.map(({ version }) => version), autoscaling.preferredVersion.groupVersion]).toEqual([['v2', 'v1'], 'autoscaling/v2']);
      for (const name of ['apps', 'batch', 'policy', 'events.k8s.io', 'authorization.k8s.io', 'coordination.k8s.io']) expect(groups.map((group) => group.name)).toContain(name);
      expect(docOf(await rest.get('/apis/batch'))).toMatchObject({ kind: 'APIGroup', name: 'batch', preferredVersion: { groupVersion: 'batch/v1' } });
    },
  },
  {
    name: 'discovery: resources with their verbs, and subresources with the kinds that are sent to them',
    not: ONLY_REST,
    async run(subject) {
      const core = await resourcesAt(subject, '/api/v1');
      const named = (name: string) => core.find((one) => one.name === name);
      const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
      expect(named('pods')).toMatchObject({ singularName: 'pod', namespaced: true, kind: 'Pod', verbs, shortNames: ['po'], categories: ['all'] });
      expect(named('namespaces')).toMatchObject({ namespaced: false, verbs: verbs.filter((verb) => verb !== 'deletecollection') });
      expect(named('pods/eviction')).toMatchObject({ group: 'policy', version: 'v1', kind: 'Eviction', verbs: ['create'] });
      expect(named('pods/status')).toEqual({ name: 'pods/status', singularName: '', namespaced: true, kind: 'Pod', verbs: ['get', 'patch', 'update'] });
      expect(named('serviceaccounts/token')).toMatchObject({ group: 'authentication.k8s.io', kind: 'TokenRequest', verbs: ['create'] });
      const apps = await resourcesAt(subject, '/apis/apps/v1');
      expect(apps.find(({ name }) => name === 'deployments/scale')).toMatchObject({ group: 'autoscaling', version: 'v1', kind: 'Scale', verbs: ['get', 'patch', 'update'] });
    },
  },
  {
    name: 'discovery: the same in one answer each',
    not: ONLY_REST,
    async run({ rest }) {
      for (const [path, group, version, resource, wanted] of [
        ['/api', undefined, 'v1', 'pods', { scope: 'Namespaced', singularResource: 'pod', responseKind: { kind: 'Pod' }, shortNames: ['po'] }],
        ['/apis', 'apps', 'v1', 'deployments', { scope: 'Namespaced', singularResource: 'deployment', responseKind: { kind: 'Deployment' }, shortNames: ['deploy'] }],
      ] as const) {
        const answer = await rest.get(path, { accept: `${AGGREGATED},application/json` });
        expect(answer.headers['content-type']).toBe(AGGREGATED);
        const groups = docOf(answer)['items'] as readonly Group[]; // an APIGroupDiscoveryList
        const found = groups.find(({ metadata }) => (metadata.name ?? '') === (group ?? ''))!;
        const one = found.versions.find((each) => each.version === version)!.resources.find((each) => each.resource === resource)!;
        expect(one).toMatchObject(wanted);
        expect(one.subresources?.find(({ subresource }) => subresource === 'status')?.verbs).toEqual(['get', 'patch', 'update']);
      }
      // Who asks for nothing else is refused, and who takes either gets the old form.
      expect((await rest.get('/apis', { accept: AGGREGATED.replace('v=v2', 'v=v9') })).status).toBe(406);
      expect(docOf(await rest.get('/apis', { accept: `${AGGREGATED.replace('v=v2', 'v=v9')},application/json` })).kind).toBe('APIGroupList');
    },
  },
  {
    name: 'discovery: version and health',
    not: ONLY_REST,
    async run({ rest }) {
      expect(docOf(await rest.get('/version'))).toMatchObject({ major: '1', minor: expect.stringMatching(/^\d+$/), gitVersion: expect.stringMatching(/^v1\.\d+\.\d+/) });
      for (const path of ['/healthz', '/livez', '/readyz', '/livez/ping', '/readyz/ping']) {
        const { status, text } = await rest.get(path);
        expect([path, status, text]).toEqual([path, 200, 'ok']);
      }
      const { text } = await rest.get('/readyz?verbose');
      expect(text).toMatch(/^\[\+\]ping ok\n[^]*\nreadyz check passed\n$/);
    },
  },
];
