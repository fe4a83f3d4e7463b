/** A whole cluster in one thread: that it runs, what it survives, and that a seed says everything. */
import { afterEach, expect, test } from 'vitest';
import { fromUtf8, toUtf8 } from '../../src/base/bytes.ts';
import { resources, inNamespace } from '../../src/client/api-client.ts';
import { isNotFound } from '../../src/client/api-error.ts';
import type { ApiObject, Deployment, Lease, Pod } from '../../src/client/objects.ts';
import { startCluster, type ClusterOptions, type TestCluster } from '../../src/testing/cluster.ts';

const started: TestCluster[] = [];

async function start(options?: ClusterOptions): Promise<TestCluster> {
  const cluster = await startCluster(options);
  started.push(cluster);
  return cluster;
}

/** Whatever a test did to it: no part met an error that it did not expect. */
afterEach(async () => {
  for (const cluster of started.splice(0)) {
    await cluster.stop();
    expect(cluster.errors).toEqual([]);
  }
});

const key = fromUtf8('k');
const configMaps = inNamespace(resources.configMaps, 'default');
const deployments = inNamespace(resources.deployments, 'default');

async function put(cluster: TestCluster, text: string): Promise<number> {
  return (await cluster.store.put({ key, value: fromUtf8(text) })).header!.revision;
}

async function read(cluster: TestCluster): Promise<string | undefined> {
  const { kvs } = await cluster.store.range({ key });
  return kvs[0] === undefined ? undefined : toUtf8(kvs[0].value);
}

/** Until it is acknowledged; an attempt that was not may have been done, which a put of one value does not mind. */
async function putInTheEnd(cluster: TestCluster, text: string, deadlineMs?: number): Promise<void> {
  await cluster.until(`the put of ${text}`, async () => (await put(cluster, text)) > 0, deadlineMs);
}

function configMap(name: string): ApiObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' } };
}

function deployment(name: string, replicas: number): Deployment {
  const labels = { app: name };
  const template = { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'any' }] } };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'default' },
    spec: { replicas, selector: { matchLabels: labels }, template },
  };
}

async function available(cluster: TestCluster, name: string): Promise<number> {
  return (await cluster.client.get<Deployment>(deployments, name)).status?.availableReplicas ?? 0;
}

test('startCluster() answers when nodes are registered and somebody schedules', async () => {
  const cluster = await start();
  const { items } = await cluster.client.list(resources.nodes);
  expect(items.map(({ metadata }) => metadata.name)).toEqual(['node-1', 'node-2']);
  expect(cluster.clock.monotonic()).toBeLessThan(2_000);
});

test('store: what was put is read, through whichever member', async () => {
  const cluster = await start({ nodes: 0 });
  await put(cluster, '1');
  for (const member of cluster.members) {
    for (const other of cluster.members) if (other !== member) other.partition(['test']);
    await cluster.until(`a read from ${member.name}`, async () => (await read(cluster)) === '1');
    for (const other of cluster.members) other.heal();
  }
});

test('member.kill() of the leader: writes go on within half a second', async () => {
  const cluster = await start({ nodes: 0 });
  await put(cluster, '1');
  const leader = await cluster.leader();
  leader.kill();
  const killedAtMs = cluster.clock.monotonic();
  await putInTheEnd(cluster, '2', 500);
  expect(cluster.clock.monotonic() - killedAtMs).toBeLessThan(500);
  expect(await read(cluster)).toBe('2');
});

test('member.restart() finds on its disk what it knew, and catches up with the rest', async () => {
  const cluster = await start({ nodes: 0 });
  const [first, second, third] = cluster.members;
  await put(cluster, '1');
  second!.kill();
  await putInTheEnd(cluster, '2');
  await second!.restart();
  // Now the two that are left must know everything, so the one that was away must have caught up.
  first!.kill();
  await putInTheEnd(cluster, '3');
  await first!.restart();
  third!.kill();
  await cluster.until('a read', async () => (await read(cluster)) === '3');
});

test('a power cut of all members at once loses nothing acknowledged', async () => {
  const cluster = await start({ nodes: 0 });
  for (let count = 1; count <= 20; count++) await put(cluster, String(count));
  for (const member of cluster.members) member.powerCut();
  await Promise.all(cluster.members.map((member) => member.restart()));
  await cluster.until('a read', async () => (await read(cluster)) === '20');
});

test('without a quorum a write fails as Unavailable, in time; with it again, writes go on', async () => {
  const cluster = await start({ nodes: 0 });
  cluster.member(1).kill();
  cluster.member(2).kill();
  const sentAtMs = cluster.clock.monotonic();
  await expect(put(cluster, '1')).rejects.toMatchObject({ code: expect.toSatisfy((code) => code === 14 || code === 4) });
  expect(cluster.clock.monotonic() - sentAtMs).toBeLessThanOrEqual(8_000);
  await cluster.member(1).restart();
  await putInTheEnd(cluster, '2');
});

test.each(['pause', 'partition'] as const)('member.%s() of the leader: another leads; afterwards it follows', async (fault) => {
  const cluster = await start({ nodes: 0 });
  const old = await cluster.leader();
  old[fault]();
  await cluster.until('another leader', () => cluster.members.some((member) => member !== old && member.isLeader));
  await putInTheEnd(cluster, '1');
  if (fault === 'pause') old.resume();
  else old.heal();
  await cluster.until('the old leader to follow', () => !old.isLeader && old.member.leader !== 0n);
  await cluster.until('it to catch up', () => old.member.machine.revision === cluster.members.find((one) => one !== old)!.member.machine.revision);
});

test('apiServer.kill(): calls fail as unavailable; restarted it knows everything, and all parts carry on', async () => {
  const cluster = await start();
  await cluster.client.create(configMaps, configMap('before'));
  cluster.apiServer.kill();
  await expect(cluster.client.get(configMaps, 'before')).rejects.toMatchObject({ reason: 'ServiceUnavailable' });
  await cluster.clock.advance(3_000);
  await cluster.apiServer.restart();
  await cluster.client.get(configMaps, 'before');
  await cluster.client.create(deployments, deployment('web', 2));
  await cluster.until('the pods', async () => (await available(cluster, 'web')) === 2, 20_000);
});

test('scheduler and controllers are killed and restarted: another life takes the lead over', async () => {
  const cluster = await start();
  cluster.scheduler.kill();
  cluster.controllers.kill();
  await cluster.client.create(deployments, deployment('web', 2));
  await cluster.clock.advance(1_000);
  expect((await cluster.client.list(resources.pods)).items).toEqual([]);
  await Promise.all([cluster.scheduler.restart(), cluster.controllers.restart()]);
  await cluster.until('the pods', async () => (await available(cluster, 'web')) === 2, 20_000);
  const lease = await cluster.client.get<Lease>(inNamespace(resources.leases, 'kube-system'), 'podium-scheduler');
  expect(lease.spec?.holderIdentity).toBe('scheduler_2');
});

test('node.kill() ends the agent only: its pods go on, and its next life finds them', async () => {
  const cluster = await start({ nodes: 1 });
  await cluster.client.create(deployments, deployment('web', 2));
  await cluster.until('the pods', async () => (await available(cluster, 'web')) === 2);
  const node = cluster.node('node-1');
  const before = await node.runtime.listContainers();
  node.kill();
  await cluster.clock.advance(1_000);
  await node.restart();
  await cluster.clock.advance(5_000);
  expect(await node.runtime.listContainers()).toEqual(before);
  expect(await available(cluster, 'web')).toBe(2);
});

test('an agent that was away for long ends the pods that were replaced meanwhile', async () => {
  const cluster = await start();
  await cluster.client.create(deployments, deployment('web', 2));
  await cluster.until('the pods', async () => (await available(cluster, 'web')) === 2);
  const node = cluster.node('node-2');
  expect(await node.runtime.listPodSandboxes()).toHaveLength(1);
  node.kill();
  const nodesOf = async () => (await cluster.client.list<Pod>(resources.pods)).items.map(({ spec }) => spec.nodeName);
  await cluster.until('both pods on the other node', async () => (await nodesOf()).join() === 'node-1,node-1', 90_000);
  expect(await node.runtime.listPodSandboxes()).toHaveLength(1);
  await node.restart();
  await cluster.until('the old pod to end', async () => (await node.runtime.listPodSandboxes()).length === 0);
});

test('runController(): a part of its own, that starts anew with each life', async () => {
  const cluster = await start({ nodes: 0 });
  let lives = 0;
  const controller = await cluster.runController(async ({ client }) => {
    await client.create(configMaps, configMap(`life-${++lives}`));
  });
  await cluster.clock.advance(10);
  await controller.restart();
  await cluster.until('the second life', () => cluster.client.get(configMaps, 'life-2').then(() => true, isNotFoundAsFalse));
  await cluster.client.get(configMaps, 'life-1');
});

function isNotFoundAsFalse(error: unknown): boolean {
  if (isNotFound(error)) return false;
  throw error;
}

/** Everything that a store holds after a while full of faults, down to uids and times. */
async function story(seed: number): Promise<string[]> {
  const cluster = await start({ seed });
  await cluster.client.create(deployments, deployment('web', 3));
  await cluster.clock.advance(500);
  (await cluster.leader()).kill();
  await cluster.until('the pods', async () => (await available(cluster, 'web')) === 3);
  cluster.node('node-2').kill({ withPods: true });
  await cluster.clock.advance(20_000);
  const all = { key: fromUtf8('/'), rangeEnd: fromUtf8('0') };
  const { kvs, header } = await cluster.store.range(all);
  const rows = kvs.map((kv) => `${toUtf8(kv.key)} ${kv.modRevision} ${toUtf8(kv.value)}`);
  return [`revision ${header!.revision} at ${cluster.clock.monotonic()}`, ...rows];
}

test('the same seed gives the same story, another seed another', async () => {
  const first = await story(7);
  expect(await story(7)).toEqual(first);
  expect(await story(8)).not.toEqual(first);
});

test('pods of a cluster are real objects: bound, running, with an address', async () => {
  const cluster = await start();
  await cluster.client.create(deployments, deployment('web', 4));
  await cluster.until('the pods', async () => (await available(cluster, 'web')) === 4);
  const { items } = await cluster.client.list<Pod>(resources.pods);
  expect(items.map(({ spec }) => spec.nodeName).sort()).toEqual(['node-1', 'node-1', 'node-2', 'node-2']);
  expect(new Set(items.map(({ status }) => status?.podIP)).size).toBe(4);
});
