import { expect, test } from 'vitest';
import { DrivenClock, settle } from '../../src/base/driven-clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { resources } from '../../src/client/api-client.ts';
import { apiError } from '../../src/client/api-error.ts';
import { Informer } from '../../src/client/informer.ts';
import type { Pod } from '../../src/client/objects.ts';
import { FakeApi } from './fake-api.ts';

const pod = (name: string, nodeName?: string): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default' },
  spec: { containers: [], ...(nodeName === undefined ? {} : { nodeName }) },
});

function world() {
  const api = new FakeApi();
  const clock = new DrivenClock();
  const informer = new Informer<Pod>({
    client: api,
    clock,
    log: silentLog,
    ref: resources.pods,
    indexes: { node: (each) => (each.spec.nodeName === undefined ? [] : [each.spec.nodeName]) },
  });
  const changes: string[] = [];
  informer.listen({ changed: ({ key, before, after }) => changes.push(`${key} ${before ? 1 : 0}${after ? 1 : 0}`) });
  const stop = new AbortController();
  const done = informer.run(stop.signal);
  const names = () => informer.cache.list().map((each) => each.metadata.name);
  const lists = () => api.calls.filter(({ verb }) => verb === 'list').length;
  return { api, clock, informer, changes, stop, done, names, lists };
}

test('an informer lists, then follows the watch', async () => {
  const { api, informer, changes, stop, done, names } = world();
  api.put(resources.pods, pod('a', 'n1'));
  await settle();
  expect(informer.isSynced).toBe(true);
  api.put(resources.pods, pod('b', 'n1'));
  api.put(resources.pods, pod('a', 'n2'));
  await settle();
  await api.delete({ ...resources.pods, namespace: 'default' }, 'b', { gracePeriodSeconds: 0 });
  await settle();
  expect(changes).toEqual(['default/a 01', 'default/b 01', 'default/a 11', 'default/b 10']);
  expect(names()).toEqual(['a']);
  expect(informer.cache.by('node', 'n1')).toEqual([]);
  expect(informer.cache.by('node', 'n2')).toHaveLength(1);
  expect(informer.cache.resourceVersion).toBe(api.version);
  stop.abort();
  await done;
});

test('a watch that breaks off is resumed where it was, without a list', async () => {
  const { api, clock, names, lists, stop } = world();
  await settle();
  api.endWatches(apiError('ServiceUnavailable', 'gone'));
  api.put(resources.pods, pod('a'));
  await settle();
  expect(names()).toEqual([]);
  await clock.advance(10_000);
  expect(names()).toEqual(['a']);
  expect(lists()).toBe(1);
  stop.abort();
});

test('a version that expired is listed anew, and what went meanwhile is told as deleted', async () => {
  const { api, clock, names, lists, changes, stop } = world();
  api.put(resources.pods, pod('a'));
  await settle();
  api.endWatches(apiError('ServiceUnavailable', 'gone'));
  await api.delete({ ...resources.pods, namespace: 'default' }, 'a', { gracePeriodSeconds: 0 });
  api.put(resources.pods, pod('b'));
  api.expire();
  await clock.advance(10_000);
  expect(names()).toEqual(['b']);
  expect(lists()).toBe(2);
  expect(changes).toEqual(['default/a 01', 'default/a 10', 'default/b 01']);
  stop.abort();
});

test('while the server fails it is asked less and less often', async () => {
  const { api, clock, names, stop } = world();
  await settle();
  api.fail = () => apiError('ServiceUnavailable', 'down');
  api.endWatches();
  api.put(resources.pods, pod('a'));
  await clock.advance(60_000);
  const inFirstMinute = api.calls.length;
  await clock.advance(60_000);
  expect(inFirstMinute).toBeLessThan(25);
  expect(api.calls.length - inFirstMinute).toBeLessThanOrEqual(12);
  expect(names()).toEqual([]);
  api.fail = undefined;
  await clock.advance(6_000);
  expect(names()).toEqual(['a']);
  stop.abort();
});
