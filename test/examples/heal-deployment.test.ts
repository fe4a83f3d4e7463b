/**
 * An example to copy from: a test of your own against a whole cluster, in one thread and no real time.
 *
 * The first test lets a node die and watches a Deployment heal. The second runs a controller that is not part of
 * Podium and brings faults upon everything that it stands on. A test that fails here fails again with its seed.
 */
import { expect, test } from 'vitest';
import { inNamespace, resources, type ApiClient } from '../../src/client/api-client.ts';
import { isNotFound } from '../../src/client/api-error.ts';
import { Controller, DONE } from '../../src/client/controller.ts';
import { Informer } from '../../src/client/informer.ts';
import { conditionOf, type ApiObject, type Deployment, type Pod } from '../../src/client/objects.ts';
import { startCluster, type ControllerWorld, type TestCluster } from '../../src/testing/cluster.ts';

const deployments = inNamespace(resources.deployments, 'default');
const pods = inNamespace(resources.pods, 'default');
const configMaps = inNamespace(resources.configMaps, 'default');

/** No container runs: the nodes play what the kubelet would report. Any image will do. */
const web: Deployment = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    replicas: 3,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: { containers: [{ name: 'web', image: 'example.com/web:1' }] },
    },
  },
};

const isReady = (pod: Pod) => conditionOf(pod.status?.conditions, 'Ready')?.status === 'True';
const addressOf = (pod: Pod) => pod.status?.podIP ?? '';

async function readyPods(client: ApiClient): Promise<readonly Pod[]> {
  const { items } = await client.list<Pod>(pods, { labelSelector: 'app=web' });
  return items.filter(isReady);
}

test('a Deployment heals after the death of a node', async () => {
  const cluster = await startCluster({ members: 3, nodes: 3, seed: 1 });
  await cluster.client.create(deployments, web);
  await cluster.until('three pods to be ready', async () => (await readyPods(cluster.client)).length === 3);

  const [victim] = await readyPods(cluster.client);
  const lost = cluster.node(victim!.spec.nodeName!);
  const before = cluster.clock.wall();
  lost.kill({ withPods: true });

  await cluster.until('the pods to be replaced', async () => {
    const ready = await readyPods(cluster.client);
    return ready.length === 3 && ready.every(({ spec }) => spec.nodeName !== lost.name);
  });
  // In the cluster's time; a few hundred milliseconds of yours.
  expect(cluster.clock.wall() - before).toBeLessThan(20_000);

  await lost.restart();
  await cluster.until('the node to be ready', async () => {
    const node = await cluster.client.get<ApiObject & Pick<Pod, 'status'>>(resources.nodes, lost.name);
    return conditionOf(node.status?.conditions, 'Ready')?.status === 'True';
  });
  expect(cluster.errors).toEqual([]);
  await cluster.stop();
});

/**
 * A controller of your own: keeps the addresses of the ready pods in a ConfigMap. It is built from the same pieces as
 * Podium's: informers that list and watch, a queue of keys, and a function that brings one key up to date.
 */
async function rosterController({ client, clock, log, signal }: ControllerWorld): Promise<void> {
  const informer = new Informer<Pod>({ client, clock, log, ref: pods, labelSelector: 'app=web' });
  const controller = new Controller({
    name: 'roster',
    client,
    clock,
    log,
    informers: [informer],
    reconcile: async (_key, writes) => {
      const data = { addresses: informer.cache.list().filter(isReady).map(addressOf).sort().join(' ') };
      const roster = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'roster', namespace: 'default' }, data };
      // Failures, conflicts among them, are tried again with back-off by the queue.
      const current = await client.get<ApiObject>(configMaps, 'roster').catch(undefinedIfNotFound);
      if (current === undefined) await writes.create(configMaps, roster);
      else await writes.update(configMaps, { ...roster, metadata: current.metadata });
      return DONE;
    },
  });
  informer.listen({ changed: () => controller.enqueue('roster') });
  void informer.run(signal);
  await informer.synced(signal);
  await controller.run(signal);
}

function undefinedIfNotFound(error: unknown): undefined {
  if (!isNotFound(error)) throw error;
}

async function isRosterTrue({ client }: TestCluster): Promise<boolean> {
  const ready = await readyPods(client);
  const roster = await client.get<ApiObject & { readonly data?: { readonly addresses?: string } }>(configMaps, 'roster');
  return ready.length === 3 && roster.data?.addresses === ready.map(addressOf).sort().join(' ');
}

test.each([1, 2, 3])('a controller of your own is right in the end, whatever fails under it: seed %i', async (seed) => {
  const cluster = await startCluster({ members: 3, nodes: 3, seed });
  const controller = await cluster.runController(rosterController, { name: 'roster' });
  await cluster.client.create(deployments, web);
  await cluster.until('a first roster', () => isRosterTrue(cluster).catch((error) => undefinedIfNotFound(error) ?? false));

  // The store loses its leader, and the node of a pod dies, while the API server is away.
  const [victim] = await readyPods(cluster.client);
  const leader = await cluster.leader();
  cluster.apiServer.kill();
  leader.kill();
  cluster.node(victim!.spec.nodeName!).kill({ withPods: true });
  await cluster.clock.advance(3_000);
  await cluster.apiServer.restart();

  // The controller itself dies at a bad moment, and its next life cannot reach the API server for a while.
  controller.kill();
  await cluster.clock.advance(10_000);
  controller.partition(['apiserver']);
  await controller.restart();
  await cluster.clock.advance(5_000);
  controller.heal();

  await cluster.until('the roster to be true again', () => isRosterTrue(cluster));
  expect(cluster.errors).toEqual([]);
  await cluster.stop();
});
