import { expect, test } from 'vitest';
import { aggregatedDiscovery, apiGroup, apiGroupList, apiResourceList, servedResources } from '../../../src/api/core/discovery.ts';
import { builtInKinds } from '../../../src/api/kinds/kinds.ts';

const served = servedResources(builtInKinds({ evictionTolerationSeconds: 300 }), []);

test('subresources say what is sent to them: drain looks for policy/v1 Eviction below pods', () => {
  const list = apiResourceList(served, '', 'v1') as { resources: { name: string; kind: string; group?: string; version?: string; verbs: string[] }[] };
  const row = (name: string) => list.resources.find((one) => one.name === name);
  expect(row('pods')).toMatchObject({ kind: 'Pod', namespaced: true, singularName: 'pod', shortNames: ['po'], categories: ['all'] });
  expect(row('pods')?.verbs).toEqual(['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']);
  expect(row('pods/eviction')).toMatchObject({ group: 'policy', version: 'v1', kind: 'Eviction', verbs: ['create'] });
  expect(row('pods/binding')).toEqual({ name: 'pods/binding', singularName: '', namespaced: true, kind: 'Binding', verbs: ['create'] });
  expect(row('pods/log')).toMatchObject({ kind: 'Pod', verbs: ['get'] });
  expect(row('serviceaccounts/token')).toMatchObject({ group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' });
  const apps = apiResourceList(served, 'apps', 'v1') as typeof list;
  expect(apps.resources.find(({ name }) => name === 'deployments/scale')).toMatchObject({ group: 'autoscaling', version: 'v1', kind: 'Scale' });
});

test('both forms tell of the same resources', () => {
  const names = (of: 'core' | 'groups') => {
    const { items } = aggregatedDiscovery(served, of, 'v2') as {
      items: { metadata: { name: string }; versions: { version: string; resources: { resource: string; subresources?: { subresource: string }[] }[] }[] }[];
    };
    return items.flatMap(({ metadata, versions }) =>
      versions.flatMap(({ version, resources }) =>
        resources.flatMap(({ resource, subresources = [] }) =>
          [resource, ...subresources.map((sub) => `${resource}/${sub.subresource}`)].map((name) => `${metadata.name}/${version} ${name}`),
        ),
      ),
    );
  };
  const versions = [...new Set(served.map(({ info: { group, version } }) => `${group}/${version}`))];
  const plain = versions.flatMap((groupVersion) => {
    const [group = '', version = ''] = groupVersion.split('/');
    const { resources } = apiResourceList(served, group, version) as { resources: { name: string }[] };
    return resources.map(({ name }) => `${groupVersion} ${name}`);
  });
  expect([...names('core'), ...names('groups')].sort()).toEqual(plain.sort());
});

test('groups: all but the core, and none that is not there', () => {
  const { groups } = apiGroupList(served) as { groups: { name: string; preferredVersion: unknown }[] };
  expect(groups.map(({ name }) => name)).toEqual(['apps', 'events.k8s.io', ...[...new Set(served.map(({ info }) => info.group))].filter((group) => !['', 'apps', 'events.k8s.io'].includes(group)).sort()]);
  expect(groups[0]?.preferredVersion).toEqual({ groupVersion: 'apps/v1', version: 'v1' });
  expect(apiGroup(served, 'apps')).toMatchObject({ kind: 'APIGroup', name: 'apps' });
  expect([apiGroup(served, 'nope'), apiGroup(served, ''), apiResourceList(served, 'apps', 'v2')]).toEqual([undefined, undefined, undefined]);
});
