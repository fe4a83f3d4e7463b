/** How the parts of the control plane are, as `kubectl get componentstatuses` asks. */
import { expect, test } from 'vitest';
import { RpcCode, RpcError } from '../../../src/proto/rpc.ts';
import { MemoryStore } from '../memory-store.ts';
import { refusalOf, startRest, type RestFixture } from './fixture.ts';

const STATUSES = '/api/v1/componentstatuses';
const LEASES = '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases';
const TABLE = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
const DEPRECATED = '299 - "v1 ComponentStatus is deprecated in v1.19+"';

async function world(): Promise<RestFixture & { readonly second: MemoryStore }> {
  const [store, second] = [new MemoryStore(), new MemoryStore()];
  return { ...(await startRest({ store, stores: [store, second] })), second };
}

function lease(name: string, { clock }: RestFixture, agoSeconds: number): object {
  const renewTime = new Date(clock.wall() - agoSeconds * 1_000).toISOString().replace('Z', '000Z');
  return { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name }, spec: { holderIdentity: 'one', leaseDurationSeconds: 15, renewTime } };
}

const shown = async ({ client }: RestFixture) => (await client().get(STATUSES, TABLE)).body.rows.map(({ cells }) => cells);

test('who leads is healthy, who does not renew his lease or has none is not, nor is a member that does not answer', async () => {
  const fixture = await world();
  const client = fixture.client();
  await client.request('POST', LEASES, { body: lease('podium-scheduler', fixture, 10) });
  expect(await shown(fixture)).toEqual([
    ['controller-manager', 'Unhealthy', 'nobody leads', ''],
    ['scheduler', 'Healthy', 'ok', ''],
    ['etcd-0', 'Healthy', 'ok', ''],
    ['etcd-1', 'Healthy', 'ok', ''],
  ]);
  await client.request('POST', LEASES, { body: lease('podium-controllers', fixture, 16) });
  fixture.second.failure = new RpcError(RpcCode.UNAVAILABLE, 'etcdserver: no leader');
  const [controllers, , , member] = await shown(fixture);
  expect(controllers?.slice(0, 2)).toEqual(['controller-manager', 'Unhealthy']);
  expect(controllers?.[2]).toMatch(/^nobody leads: the lease kube-system\/podium-controllers was last renewed at \d{4}-/);
  expect(member).toEqual(['etcd-1', 'Unhealthy', expect.stringContaining('etcdserver: no leader') as string, '']);
});

test('one and several of them, each with the warning that it is deprecated, and without what reads nothing', async () => {
  const { client: connect } = await world();
  const client = connect();
  const one = await client.get(`${STATUSES}/etcd-1`);
  expect([one.status, one.headers['warning']]).toEqual([200, DEPRECATED]);
  expect(one.body).toEqual({ kind: 'ComponentStatus', apiVersion: 'v1', metadata: { name: 'etcd-1' }, conditions: [{ type: 'Healthy', status: 'True', message: 'ok' }] });
  const { body, headers } = await client.get(`${STATUSES}?fieldSelector=metadata.name%3Dscheduler`);
  expect([body.kind, body.items.map(({ metadata }) => metadata.name), headers['warning']]).toEqual(['ComponentStatusList', ['scheduler'], DEPRECATED]);
  expect((await client.get(`${STATUSES}?labelSelector=a%3Db`)).body.items).toEqual([]);
  const missing = await client.get(`${STATUSES}/nope`);
  expect([refusalOf(missing), missing.headers['warning']]).toEqual(['404 NotFound: componentstatus "nope" not found', DEPRECATED]);
  expect(refusalOf(await client.get(`${STATUSES}?watch=1`))).toBe('405 MethodNotAllowed: watch is not supported on resources of kind "componentstatuses"');
  for (const method of ['POST', 'DELETE']) expect(refusalOf(await client.request(method, STATUSES))).toContain('405 MethodNotAllowed');
  const { resources } = (await client.get('/api/v1')).body as unknown as { resources: readonly { name: string }[] };
  expect(resources.find(({ name }) => name === 'componentstatuses')).toEqual({
    name: 'componentstatuses', singularName: 'componentstatus', namespaced: false, kind: 'ComponentStatus', verbs: ['get', 'list'], shortNames: ['cs'],
  });
});

test('endpoints are deprecated as well, whatever comes of the question', async () => {
  const client = (await startRest()).client();
  for (const path of ['endpoints', 'endpoints/nope']) {
    const { headers } = await client.get(`/api/v1/namespaces/default/${path}`);
    expect(headers['warning']).toBe('299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"');
  }
  expect((await client.get('/api/v1/namespaces/default/services')).headers['warning']).toBeUndefined();
});
