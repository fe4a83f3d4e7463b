/**
 * API servers that keep the Service `kubernetes` together, on a member of the store with its leases, on a driven clock:
 * they come, stop, die, and lose their lease.
 */
import { expect, test } from 'vitest';
import { ApiServer } from '../../src/api/server.ts';
import { seededRandom } from '../../src/base/random.ts';
import { channelStoreClient } from '../../src/etcd/channel-store-client.ts';
import type { StoreClient } from '../../src/etcd/store-client.ts';
import { startCluster, type TestCluster } from '../../src/testing/cluster.ts';
import { quiet, ref } from './fixture.ts';

const PREFIX = Buffer.from('/registry/masterleases/');
const END = Buffer.from('/registry/masterleases0');

interface Server {
  readonly api: ApiServer;
  /** Nothing of it reaches the store any more. */
  kill(): void;
}

/** A client whose calls never end once its process is dead. */
function mortal(client: StoreClient): { readonly client: StoreClient; kill(): void } {
  let isDead = false;
  const proxy = new Proxy(client, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      return typeof value !== 'function' ? value : (...args: unknown[]) => (isDead ? new Promise(() => {}) : Reflect.apply(value, target, args) as unknown);
    },
  });
  return { client: proxy, kill: () => (isDead = true) };
}

async function startServer(cluster: TestCluster, port: number, address = '127.0.0.1'): Promise<Server> {
  const { client, kill } = mortal(channelStoreClient({ channels: [cluster.channel('store-1')] }));
  const api = new ApiServer({
    clock: cluster.clock,
    random: seededRandom(`api ${address}:${port}`),
    log: quiet,
    storeClient: client,
    connectToNode: () => {
      throw new Error('no node in this test');
    },
    advertised: { address, port },
  });
  api.start();
  await cluster.clock.drive(api.ready(), { what: 'the API server to be ready' });
  return { api, kill };
}

const start = () => startCluster({ members: 1, nodes: 0 });

async function endpointsOf(cluster: TestCluster, { api }: Server): Promise<string[]> {
  const object = await cluster.clock.drive(api.registry.get(ref('endpoints', 'kubernetes')), { what: 'the endpoints' }).catch(() => undefined);
  const subsets = (object?.['subsets'] ?? []) as { addresses: { ip: string }[]; ports: { port: number }[] }[];
  return subsets.flatMap(({ addresses, ports }) => addresses.map(({ ip }) => `${ip}:${ports[0]?.port}`));
}

async function slicesOf(cluster: TestCluster, { api }: Server): Promise<unknown[]> {
  const { items } = await cluster.clock.drive(api.registry.list(ref('endpointslices')), { what: 'the slices' });
  return items.map((slice) => [slice.metadata.name, ...(slice['endpoints'] as { addresses: string[] }[]).flatMap(({ addresses }) => addresses), ...(slice['ports'] as { port: number }[]).map(({ port }) => port)]);
}

const until = (cluster: TestCluster, server: Server, wanted: readonly string[], deadlineMs: number) =>
  cluster.until(`endpoints ${wanted.join(' ')}`, async () => (await endpointsOf(cluster, server)).join() === wanted.join(), deadlineMs);

test('one server: the Service has the first address, whatever other Services there are', async () => {
  const cluster = await start();
  const one = await startServer(cluster, 6443);
  await until(cluster, one, ['127.0.0.1:6443'], 2_000);
  const service = await cluster.clock.drive(one.api.registry.get(ref('services', 'kubernetes')), { what: 'the Service' });
  expect(service['spec']).toMatchObject({ clusterIP: '10.96.0.1', type: 'ClusterIP', ports: [{ name: 'https', port: 443, targetPort: 6443 }] });
  expect(service['spec']).not.toHaveProperty('selector');
  expect(await slicesOf(cluster, one)).toEqual([['kubernetes', '127.0.0.1', 6443]]);
  // Whoever deletes it gets it back.
  await cluster.clock.drive(one.api.registry.delete(ref('services', 'kubernetes')), { what: 'the deletion' });
  await cluster.until('the Service is there again', async () => (await cluster.clock.drive(one.api.registry.list(ref('services')), { what: 'Services' })).items.length === 1, 15_000);
  await cluster.stop();
});

test('of two servers the one that dies is dropped when its lease has ended, not before', async () => {
  const cluster = await start();
  const first = await startServer(cluster, 6443);
  const second = await startServer(cluster, 16_443);
  await until(cluster, first, ['127.0.0.1:6443', '127.0.0.1:16443'], 15_000);
  expect(await slicesOf(cluster, first)).toEqual([['kubernetes', '127.0.0.1', 6443], ['kubernetes-2', '127.0.0.1', 16_443]]);
  first.kill();
  const diedAtMs = cluster.clock.monotonic();
  await cluster.clock.advance(4_000);
  expect(await endpointsOf(cluster, second)).toEqual(['127.0.0.1:6443', '127.0.0.1:16443']);
  await until(cluster, second, ['127.0.0.1:16443'], 30_000);
  expect(cluster.clock.monotonic() - diedAtMs).toBeLessThan(27_000);
  expect(await slicesOf(cluster, second)).toEqual([['kubernetes', '127.0.0.1', 16_443]]);
  await cluster.stop();
});

test('a server that stops is gone at once, and the last one leaves what is there', async () => {
  const cluster = await start();
  const first = await startServer(cluster, 6443, '10.0.0.1');
  const second = await startServer(cluster, 6443, '10.0.0.2');
  await until(cluster, first, ['10.0.0.1:6443', '10.0.0.2:6443'], 15_000);
  expect(await slicesOf(cluster, first)).toEqual([['kubernetes', '10.0.0.1', '10.0.0.2', 6443]]);
  const stoppedAtMs = cluster.clock.monotonic();
  await cluster.clock.drive(first.api.stop(), { what: 'the first to stop' });
  expect(await endpointsOf(cluster, second)).toEqual(['10.0.0.2:6443']);
  expect(cluster.clock.monotonic() - stoppedAtMs).toBeLessThan(1_000);
  const keys = async () => (await cluster.store.range({ key: PREFIX, rangeEnd: END })).kvs.map(({ key }) => Buffer.from(key).toString().slice(PREFIX.length));
  expect(await keys()).toEqual(['10.0.0.2:6443']);
  await cluster.clock.drive(second.api.stop(), { what: 'the second to stop' });
  expect(await keys()).toEqual([]);
  const stored = await cluster.store.range({ key: Buffer.from('/registry/core/endpoints/default/kubernetes') });
  expect(Buffer.from(stored.kvs[0]!.value).toString()).toContain('10.0.0.2');
  await cluster.stop();
});

test('where the address is another Service\'s, the endpoints are kept all the same', async () => {
  const cluster = await start();
  const body = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'old', namespace: 'default' }, spec: { clusterIP: '10.96.0.1', ports: [{ port: 80 }] } };
  await cluster.client.create({ group: '', version: 'v1', resource: 'services', namespace: 'default' }, body);
  const one = await startServer(cluster, 6443);
  await until(cluster, one, ['127.0.0.1:6443'], 2_000);
  await cluster.client.delete({ group: '', version: 'v1', resource: 'services', namespace: 'default' }, 'old');
  await cluster.until('the Service', async () => (await cluster.clock.drive(one.api.registry.list(ref('services')), { what: 'Services' })).items[0]?.metadata.name === 'kubernetes', 15_000);
  await cluster.stop();
});

test('a lease that was lost, and a key that somebody removed, come back', async () => {
  const cluster = await start();
  const one = await startServer(cluster, 6443);
  const other = await startServer(cluster, 6444);
  const both = ['127.0.0.1:6443', '127.0.0.1:6444'];
  await until(cluster, one, both, 15_000);
  const leaseOf = async (port: number) => (await cluster.store.range({ key: Buffer.from(`${PREFIX.toString()}127.0.0.1:${port}`) })).kvs[0]?.lease;
  const lost = await leaseOf(6443);
  await cluster.store.leaseRevoke(lost!);
  await cluster.until('another lease', async () => ![undefined, lost].includes(await leaseOf(6443)), 15_000);
  await cluster.store.deleteRange({ key: PREFIX, rangeEnd: END });
  await cluster.until('both keys', async () => (await leaseOf(6443)) !== undefined && (await leaseOf(6444)) !== undefined, 15_000);
  await until(cluster, other, both, 15_000);
  await cluster.stop();
});

test('without a store a stop takes a second, and no more', async () => {
  const cluster = await start();
  const one = await startServer(cluster, 6443);
  await until(cluster, one, ['127.0.0.1:6443'], 2_000);
  cluster.member(1).kill();
  const atMs = cluster.clock.monotonic();
  await cluster.clock.drive(one.api.leave(), { what: 'it to leave' });
  expect(cluster.clock.monotonic() - atMs).toBeLessThanOrEqual(1_000);
  await cluster.stop();
});
