import { expect, test } from 'vitest';
import { parseServer, planKubernetesService, serverText, type KubernetesServiceState, type ServiceAction } from '../../../src/api/core/kubernetes-service.ts';
import type { KubeObject } from '../../../src/kube/types.ts';

const OPTIONS = { clusterIp: '10.96.0.1', targetPort: 6443 };
const A = { address: '10.0.0.1', port: 6443 };
const B = { address: '10.0.0.2', port: 6443 };
const ELSEWHERE = { address: '10.0.0.1', port: 16443 };
const OTHER = { address: '10.0.0.3', port: 16443 };

const nothing: KubernetesServiceState = { servers: [A], service: undefined, endpoints: undefined, slices: [] };
const plan = (state: Partial<KubernetesServiceState>) => planKubernetesService({ ...nothing, ...state }, OPTIONS);
const shown = (actions: readonly ServiceAction[]) => actions.map(({ verb, object }) => `${verb} ${object.kind} ${object.metadata.name}`);
const find = (actions: readonly ServiceAction[], kind: string) => actions.filter(({ object }) => object.kind === kind).map(({ object }) => object);

/** What is there once the actions are done, as a server stores it. */
function after(state: KubernetesServiceState): KubernetesServiceState {
  const actions = planKubernetesService(state, OPTIONS);
  const stored = (object: KubeObject): KubeObject => ({ ...object, metadata: { ...object.metadata, uid: 'u', resourceVersion: '7' } });
  const written = actions.filter(({ verb }) => verb !== 'delete').map(({ object }) => stored(object));
  const of = (kind: string) => written.filter((object) => object.kind === kind);
  const replaced = new Set(actions.filter(({ resource }) => resource === 'endpointslices').map(({ object }) => object.metadata.name));
  const slices = [...state.slices.filter(({ metadata }) => !replaced.has(metadata.name)), ...of('EndpointSlice')];
  return { ...state, service: of('Service')[0] ?? state.service, endpoints: of('Endpoints')[0] ?? state.endpoints, slices };
}

test('a first server makes the Service, its Endpoints and a slice, and then nothing more', () => {
  const actions = plan({});
  expect(shown(actions)).toEqual(['create Endpoints kubernetes', 'create EndpointSlice kubernetes', 'create Service kubernetes']);
  const [endpoints, slice, service] = actions.map(({ object }) => object);
  expect(service).toMatchObject({ metadata: { namespace: 'default', labels: { component: 'apiserver', provider: 'kubernetes' } }, spec: { clusterIP: '10.96.0.1', ports: [{ name: 'https', port: 443, targetPort: 6443, protocol: 'TCP' }] } });
  expect(service!['spec']).not.toHaveProperty('selector');
  expect(endpoints!['subsets']).toEqual([{ addresses: [{ ip: '10.0.0.1' }], ports: [{ name: 'https', port: 6443, protocol: 'TCP' }] }]);
  expect(endpoints!.metadata.labels).toEqual({ 'endpointslice.kubernetes.io/skip-mirror': 'true' });
  expect(slice).toMatchObject({ addressType: 'IPv4', metadata: { labels: { 'kubernetes.io/service-name': 'kubernetes' } }, endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready: true } }], ports: [{ name: 'https', port: 6443 }] });
  expect(shown(planKubernetesService(after(nothing), OPTIONS))).toEqual([]);
});

test('servers come and go: one slice for all that share a port, whoever looks and in whatever order', () => {
  const two = planKubernetesService({ ...after(nothing), servers: [B, A] }, OPTIONS);
  expect(shown(two)).toEqual(['update Endpoints kubernetes', 'update EndpointSlice kubernetes']);
  expect(find(two, 'EndpointSlice')[0]!['endpoints']).toMatchObject([{ addresses: ['10.0.0.1'] }, { addresses: ['10.0.0.2'] }]);
  // The writer saw a version: a rival's write is not overwritten.
  expect(two[0]!.object.metadata).toMatchObject({ uid: 'u', resourceVersion: '7' });
  const both = after({ ...after(nothing), servers: [B, A] });
  expect(shown(planKubernetesService({ ...both, servers: [A, B] }, OPTIONS))).toEqual([]);
  const left = planKubernetesService({ ...both, servers: [B] }, OPTIONS);
  expect(find(left, 'Endpoints')[0]!['subsets']).toMatchObject([{ addresses: [{ ip: '10.0.0.2' }] }]);
});

test('servers on one address have a slice for each port, and what is too much goes', () => {
  const two = after({ ...nothing, servers: [OTHER, ELSEWHERE, A] });
  expect(two.endpoints!['subsets']).toMatchObject([
    { addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 6443 }] },
    { addresses: [{ ip: '10.0.0.1' }, { ip: '10.0.0.3' }], ports: [{ port: 16443 }] },
  ]);
  expect(two.slices.map((slice) => slice['endpoints'])).toMatchObject([[{ addresses: ['10.0.0.1'] }], [{ addresses: ['10.0.0.1'] }, { addresses: ['10.0.0.3'] }]]);
  expect(two.slices.map((slice) => [slice.metadata.name, slice['ports']])).toEqual([
    ['kubernetes', [{ name: 'https', port: 6443, protocol: 'TCP' }]],
    ['kubernetes-2', [{ name: 'https', port: 16443, protocol: 'TCP' }]],
  ]);
  const left = planKubernetesService({ ...two, servers: [ELSEWHERE] }, OPTIONS);
  expect(shown(left)).toEqual(['update Endpoints kubernetes', 'update EndpointSlice kubernetes', 'delete EndpointSlice kubernetes-2']);
  expect(find(left, 'EndpointSlice')[0]!['ports']).toMatchObject([{ port: 16443 }]);
});

test('nobody at all is a mistake, and erases nothing', () => {
  expect(plan({ servers: [] })).toEqual([]);
  expect(planKubernetesService({ ...after(nothing), servers: [] }, OPTIONS)).toEqual([]);
});

test('what others have changed is put right, but for the Service, and labels of others stay', () => {
  const there = after(nothing);
  const service = { ...there.service!, spec: { type: 'ClusterIP', ports: [{ port: 1 }] } };
  const endpoints = { ...there.endpoints!, metadata: { ...there.endpoints!.metadata, labels: { mine: 'x' } } };
  const actions = planKubernetesService({ ...there, service, endpoints }, OPTIONS);
  expect(shown(actions)).toEqual(['update Endpoints kubernetes']);
  expect(actions[0]!.object.metadata.labels).toEqual({ mine: 'x', 'endpointslice.kubernetes.io/skip-mirror': 'true' });
  const stranger = { ...there.slices[0]!, metadata: { ...there.slices[0]!.metadata, name: 'stranger' } };
  expect(shown(planKubernetesService({ ...there, slices: [...there.slices, stranger] }, OPTIONS))).toEqual(['delete EndpointSlice stranger']);
  // Of another type: it cannot be changed, goes, and is made anew at the next look.
  const foreign = { ...there.slices[0]!, addressType: 'IPv6' };
  expect(shown(planKubernetesService({ ...there, slices: [foreign] }, OPTIONS))).toEqual(['delete EndpointSlice kubernetes']);
});

test('parseServer() reads what serverText() writes, and nothing else', () => {
  expect(parseServer(serverText(ELSEWHERE))).toEqual(ELSEWHERE);
  for (const text of ['', '10.0.0.1', '10.0.0.1:', ':6443', '[::1]:6443', '10.0.0.1:6443/x', 'host:6443']) expect(parseServer(text)).toBeUndefined();
});
