import { expect, test } from 'vitest';
import { DrivenClock, settle } from '../../src/base/driven-clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { resources } from '../../src/client/api-client.ts';
import { Controller, DONE, type Outcome } from '../../src/client/controller.ts';
import { Informer } from '../../src/client/informer.ts';
import type { ApiObject } from '../../src/client/objects.ts';
import type { OwnWrites } from '../../src/client/own-writes.ts';
import { FakeApi } from './fake-api.ts';

const configMap = (name: string): ApiObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'default' },
});
const ref = { ...resources.configMaps, namespace: 'default' };

async function world(reconcile: (key: string, writes: OwnWrites, cached: number) => Promise<Outcome>) {
  const clock = new DrivenClock();
  const api = new FakeApi();
  const informer = new Informer<ApiObject>({ client: api, clock, log: silentLog, ref: resources.configMaps });
  const calls: string[] = [];
  const controller = new Controller({
    name: 'test',
    client: api,
    clock,
    log: silentLog,
    informers: [informer],
    reconcile: (key, writes) => {
      calls.push(`${clock.monotonic()} ${key}`);
      return reconcile(key, writes, informer.cache.size);
    },
  });
  const stop = new AbortController();
  void informer.run(stop.signal);
  await settle();
  const done = controller.run(stop.signal);
  return { clock, api, controller, calls, stop, done };
}

test('a failure is retried with back-off, a terminal one is not', async () => {
  const { clock, controller, calls } = await world(async (key) => {
    if (key === 'bad') throw new Error('no');
    return { kind: 'terminal', message: 'never' };
  });
  controller.enqueue('bad');
  controller.enqueue('worse');
  await clock.advance(75);
  expect(calls).toEqual(['0 bad', '0 worse', '10 bad', '30 bad', '70 bad']);
});

test('requeue comes back after its time', async () => {
  let left = 2;
  const { clock, controller, calls } = await world(async () => (left-- > 0 ? { kind: 'requeue', afterMs: 500 } : DONE));
  controller.enqueue('a');
  await clock.advance(5_000);
  expect(calls).toEqual(['0 a', '500 a', '1000 a']);
});

test('a key is not planned again before the cache has its own writes', async () => {
  const sizes: number[] = [];
  const { clock, api, controller, calls } = await world(async (_, writes, size) => {
    sizes.push(size);
    if (size === 0) await writes.create(ref, configMap('one'));
    return DONE;
  });
  api.hold();
  controller.enqueue('a');
  await settle();
  controller.enqueue('a');
  await clock.advance(1_000);
  expect(calls).toHaveLength(1);
  api.release();
  await settle();
  expect(sizes).toEqual([0, 1]);
  expect(api.all(resources.configMaps)).toHaveLength(1);
});

test('a deletion that the cache has not seen holds the key, too', async () => {
  let round = 0;
  const { api, controller } = await world(async (_, writes) => {
    if (round++ === 0) await writes.delete(ref, 'one');
    return DONE;
  });
  api.put(resources.configMaps, configMap('one'));
  await settle();
  api.hold();
  controller.enqueue('a');
  await settle();
  controller.enqueue('a');
  await settle();
  expect(round).toBe(1);
  api.release();
  await settle();
  expect(round).toBe(2);
});

test('stop waits for the work that runs', async () => {
  let finish = () => {};
  const { controller, stop, done } = await world(
    () => new Promise((resolve) => (finish = () => resolve(DONE))),
  );
  controller.enqueue('a');
  await settle();
  let isDone = false;
  void done.then(() => (isDone = true));
  stop.abort();
  await settle();
  expect(isDone).toBe(false);
  finish();
  await settle();
  expect(isDone).toBe(true);
});
