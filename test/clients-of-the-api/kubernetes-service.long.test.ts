/**
 * The Service `kubernetes` where two API servers are real processes on a real etcd: one that is told to end leaves the
 * endpoints at once, one that is killed when its lease has ended.
 */
import { expect, onTestFinished, test } from 'vitest';
import { sleep } from '../../src/base/clock.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { requireTool } from '../processes.ts';
import { ApiServers, bounded } from './api-servers.ts';

const SLICES = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io/service-name=kubernetes';
/** A lease is 15 s, and an API server looks every 10 s; the rest is for a busy machine. */
const DROPPED_MS = 40_000;

interface Slice {
  readonly endpoints: readonly { readonly addresses: readonly string[] }[];
  readonly ports: readonly { readonly port: number }[];
}

test('endpoints are the API servers that live', { timeout: 120_000 }, async ({ skip }) => {
  requireTool('etcd', skip);
  const api = await ApiServers.start({ count: 2, store: 'etcd' });
  onTestFinished(() => api.stop());
  const [first, second] = api.servers;
  const client = api.client(first);
  const endpoints = async () => {
    const { body } = await bounded(client.get(SLICES), client);
    const slices = body.items as unknown as readonly Slice[];
    return slices.flatMap((slice) => slice.endpoints.flatMap(({ addresses }) => addresses.map((address) => `${address}:${slice.ports[0]?.port}`))).sort();
  };
  const until = async (wanted: readonly string[], deadlineMs: number): Promise<number> => {
    const startMs = systemClock.monotonic();
    for (let found = await endpoints(); found.join() !== wanted.join(); found = await endpoints()) {
      if (systemClock.monotonic() - startMs > deadlineMs) throw new Error(`endpoints: not ${wanted.join()} within ${deadlineMs} ms, but ${found.join()}`);
      await sleep(systemClock, 50);
    }
    return systemClock.monotonic() - startMs;
  };
  const one = [first!.clientAddress];
  const both = [first!.clientAddress, second!.clientAddress].sort();
  await until(both, 15_000);
  const { body } = await client.get('/api/v1/namespaces/default/services/kubernetes');
  expect(body.spec).toMatchObject({ clusterIP: '10.96.0.1', ports: [{ name: 'https', port: 443 }] });

  await second!.stop();
  // It has said so before it ended.
  expect(await endpoints()).toEqual(one);

  second!.start();
  await api.untilReady(second!);
  await until(both, 15_000);
  await second!.kill();
  expect(await endpoints()).toEqual(both);
  expect(await until(one, DROPPED_MS)).toBeGreaterThan(5_000);
});
