/** A whole cluster in one thread: that it runs, what it survives, and that a seed says everything. */
import { expect, test } from 'vitest';
import { fromUtf8, toUtf8 } from '../../src/base/bytes.ts';
import { resources } from '../../src/client/api-client.ts';
import { startCluster, type TestCluster } from '../../src/testing/cluster.ts';

const key = (text: string) => fromUtf8(text);

test('startCluster() is ready: every node registered', async () => {
  const cluster = await startCluster();
  const { items } = await cluster.client.list(resources.nodes);
  expect(items.map(({ metadata }) => metadata.name)).toEqual(['node-1', 'node-2']);
  expect(cluster.errors).toEqual([]);
  await cluster.stop();
});

test('store put and range through any member', async () => {
  const cluster = await startCluster({ nodes: 0 });
  await cluster.store.put({ key: key('a'), value: key('1') });
  const { kvs } = await cluster.store.range({ key: key('a') });
  expect(toUtf8(kvs[0]!.value)).toBe('1');
});
