/** Lists, pages, watches and what they promise about resourceVersions. */
import { beforeEach, expect, test } from 'vitest';
import { settle } from '../../src/base/driven-clock.ts';
import type { CacheWatch } from '../../src/api/watch-audience.ts';
import { WatchCache, BOOKMARK_MS, type CacheEvent } from '../../src/api/watch-cache.ts';
import { Storage, prefixOf } from '../../src/api/storage.ts';
import type { Registry } from '../../src/api/registry.ts';
import type { WatchQuery } from '../../src/api/requests.ts';
import { infoOf } from '../../src/api/kinds/info.ts';
import { configMap, pod, quiet, ref, refusal, startServer, take, waiting, type Fixture } from './fixture.ts';

let fixture: Fixture;
let api: Registry;
beforeEach(async () => {
  fixture = await startServer();
  ({ api } = fixture);
});

const make = async (...names: string[]) => {
  for (const name of names) await api.create(ref('configmaps'), configMap(name, {}, { labels: { name } }));
  await settle();
};
const names = (list: { items: readonly { metadata: { name: string } }[] }) => list.items.map(({ metadata }) => metadata.name);
const nameOf = (event: CacheEvent) => (event.type === 'BOOKMARK' ? '' : event.cached.object.metadata.name);
const watch = (query: Omit<WatchQuery, 'signal'> = {}, resource = 'configmaps') => api.watch(ref(resource), { signal: new AbortController().signal, ...query });

test('list() answers in key order, by namespace, and by selectors', async () => {
  await make('c', 'a', 'b');
  await api.create(ref('configmaps', '', 'kube-system'), configMap('z'));
  expect(names(await api.list(ref('configmaps')))).toEqual(['a', 'b', 'c']);
  expect(names(await api.list(ref('configmaps', '', '')))).toEqual(['a', 'b', 'c', 'z']);
  expect(names(await api.list(ref('configmaps'), { labelSelector: 'name in (a,c)' }))).toEqual(['a', 'c']);
  expect(names(await api.list(ref('configmaps'), { labelSelector: 'name!=a' }))).toEqual(['b', 'c']);
  expect(names(await api.list(ref('configmaps'), { fieldSelector: 'metadata.name!=a' }))).toEqual(['b', 'c']);
  expect(names(await api.list(ref('configmaps'), { resourceVersion: '0', labelSelector: 'name=b' }))).toEqual(['b']);
});

test('pages show one moment, whatever happens between them', async () => {
  await make('a', 'b', 'c', 'd', 'e');
  const first = await api.list(ref('configmaps'), { limit: 2 });
  expect([names(first), first.remainingItemCount]).toEqual([['a', 'b'], 3]);
  await api.delete(ref('configmaps', 'd'));
  await make('cc');
  const second = await api.list(ref('configmaps'), { limit: 2, continue: first.continue });
  const third = await api.list(ref('configmaps'), { limit: 2, continue: second.continue });
  expect([...names(second), ...names(third)]).toEqual(['c', 'd', 'e']);
  expect([third.continue, second.resourceVersion]).toEqual(['', first.resourceVersion]);
  const selected = await api.list(ref('configmaps'), { limit: 1, labelSelector: 'name in (b,e)' });
  expect(names(selected)).toEqual(['b']);
  expect(names(await api.list(ref('configmaps'), { limit: 1, labelSelector: 'name in (b,e)', continue: selected.continue }))).toEqual(['e']);
});

test('a page of a moment that the store has compacted is Expired', async () => {
  await make('a', 'b', 'c');
  const { continue: token } = await api.list(ref('configmaps'), { limit: 1 });
  await make('d', 'e');
  await fixture.store.compact({ revision: fixture.store.revision });
  expect(await refusal(api.list(ref('configmaps'), { limit: 1, continue: token }))).toContain('410 Expired: The provided continue parameter is too old');
});

test('list() of an exact version, of one not older, and of one in the future', async () => {
  await make('a');
  const { resourceVersion } = await api.list(ref('configmaps'));
  await make('b');
  expect(names(await api.list(ref('configmaps'), { resourceVersion, resourceVersionMatch: 'Exact' }))).toEqual(['a']);
  expect(names(await api.list(ref('configmaps'), { resourceVersion, resourceVersionMatch: 'NotOlderThan' }))).toEqual(['a', 'b']);
  const future = refusal(api.list(ref('configmaps'), { resourceVersion: '99999', resourceVersionMatch: 'NotOlderThan' }));
  await fixture.clock.advance(3_000);
  expect(await future).toContain('504 Timeout: Timeout: Too large resource version: 99999');
});

test('watch() begins with the state, or behind a version, and misses nothing', async () => {
  await make('a', 'b');
  const { resourceVersion } = await api.list(ref('configmaps'));
  const fromState = await watch({ resourceVersion: '0' });
  const fromNow = await watch({ resourceVersion });
  await make('c');
  await api.patch(ref('configmaps', 'a'), { type: 'merge', body: { data: { x: '1' } } });
  await api.delete(ref('configmaps', 'b'));
  const later = await watch({ resourceVersion });
  expect(await take(fromState, 5)).toEqual(['ADDED a', 'ADDED b', 'ADDED c', 'MODIFIED a', 'DELETED b']);
  expect(await take(fromNow, 3)).toEqual(['ADDED c', 'MODIFIED a', 'DELETED b']);
  expect(await take(later, 3)).toEqual(['ADDED c', 'MODIFIED a', 'DELETED b']);
});

test('events carry rising versions, and a deletion the version of its own', async () => {
  const events = await watch({ resourceVersion: '0' });
  await make('a');
  await api.delete(ref('configmaps', 'a'));
  await settle();
  const seen = await waiting(events);
  expect(seen[1]!.revision).toBe(fixture.store.revision);
  expect(seen[0]!.revision).toBeLessThan(seen[1]!.revision);
  const last = seen[1]!;
  expect(last.type !== 'BOOKMARK' && last.cached.object.metadata.resourceVersion).toBe(String(last.revision));
});

test('what enters a selection is ADDED, what leaves it DELETED', async () => {
  await make('a');
  const events = await watch({ resourceVersion: '0', labelSelector: 'colour=red' });
  const paint = (colour: string | null) => api.patch(ref('configmaps', 'a'), { type: 'merge', body: { metadata: { labels: { colour } } } });
  await paint('red');
  await paint('blue');
  await paint('red');
  await api.delete(ref('configmaps', 'a'));
  expect(await take(events, 4)).toEqual(['ADDED a', 'DELETED a', 'ADDED a', 'DELETED a']);
});

test('a node agent sees the pods of its node only', async () => {
  const events = await watch({ resourceVersion: '0', fieldSelector: 'spec.nodeName=n1' }, 'pods');
  for (const [name, node] of [['p1', 'n1'], ['p2', 'n2'], ['p3', 'n1']] as const) {
    await api.create(ref('pods'), pod(name));
    await api.create(ref('pods', name, 'default', 'binding'), { metadata: { name }, target: { name: node } });
  }
  await api.delete(ref('pods', 'p2'), { gracePeriodSeconds: 0 });
  await api.delete(ref('pods', 'p1'), { gracePeriodSeconds: 0 });
  expect(await take(events, 3)).toEqual(['ADDED p1', 'ADDED p3', 'DELETED p1']);
});

test('bookmarks tell how far an idle kind has been seen', async () => {
  const events = await watch({ resourceVersion: String(fixture.store.revision), allowWatchBookmarks: true });
  for (let i = 0; i < 3; i++) await api.create(ref('secrets'), { apiVersion: 'v1', kind: 'Secret', metadata: { name: `s${i}` } });
  await fixture.clock.advance(BOOKMARK_MS + 1_000);
  expect(await waiting(events)).toEqual([{ type: 'BOOKMARK', revision: fixture.store.revision }]);
});

test('a watch list ends its state with a bookmark', async () => {
  await make('a');
  const query = { sendInitialEvents: true, allowWatchBookmarks: true };
  expect(await take(await watch({ ...query, resourceVersionMatch: 'NotOlderThan' }), 2)).toEqual(['ADDED a', 'BOOKMARK']);
  expect(await refusal(watch(query))).toContain('sendInitialEvents requires setting resourceVersionMatch to NotOlderThan');
});

test('a broken way to the store is not seen by watchers', async () => {
  const events = await watch({ resourceVersion: '0' });
  await make('a');
  fixture.store.breakWatches();
  await make('b');
  await fixture.clock.advance(5_000);
  await make('c');
  expect(await take(events, 3)).toEqual(['ADDED a', 'ADDED b', 'ADDED c']);
});

test('when the store has compacted what was missed, watchers end with Expired and the next list is right', async () => {
  await make('a', 'gone');
  const events = await watch({ resourceVersion: '0' });
  expect(await take(events, 0)).toEqual([]);
  const failure = (async () => {
    for await (const event of events) void event;
  })();
  fixture.store.breakWatches();
  await api.delete(ref('configmaps', 'gone'));
  await make('b');
  await fixture.store.compact({ revision: fixture.store.revision });
  const ended = refusal(failure);
  await fixture.clock.advance(10_000);
  expect(await ended).toContain('410 Expired');
  expect(names(await api.list(ref('configmaps'), { resourceVersion: '0' }))).toEqual(['a', 'b']);
});

test('history and a slow watcher are bounded', async () => {
  const { store, clock } = fixture;
  const prefix = prefixOf(infoOf('configmaps'));
  const cache = new WatchCache({ storage: new Storage(store), prefix, clock, log: quiet, historyMax: 4, watcherMax: 3 });
  cache.start();
  await cache.fresh(0);
  const start = cache.revision;
  const options = { prefix, matches: () => true, indexed: undefined, bookmarks: false, signal: new AbortController().signal };
  const slow = cache.watch({ ...options, after: start });
  await make('a', 'b', 'c', 'd', 'e', 'f', 'g');
  expect(() => cache.watch({ ...options, after: start })).toThrow(/too old resource version/);
  // It gets what was waiting, in order, and then the end, to resume behind what it has seen.
  const seen: string[] = [];
  for await (const events of slow) seen.push(...events.map(nameOf));
  expect(seen).toEqual(['a', 'b', 'c']);
  expect(cache.watcherCount).toBe(0);
  await cache.stop();
});

test('watchers of one interest each begin behind their own version, and one that leaves takes nobody along', async () => {
  const { store, clock } = fixture;
  const prefix = prefixOf(infoOf('configmaps'));
  const cache = new WatchCache({ storage: new Storage(store), prefix, clock, log: quiet });
  cache.start();
  await cache.fresh(0);
  const start = cache.revision;
  const leaving = new AbortController();
  const open = (after: number, signal = new AbortController().signal) =>
    cache.watch({ prefix, matches: () => true, indexed: undefined, name: 'all', bookmarks: false, after, signal });
  const [first, ahead, gone] = [open(start), open(start + 2), open(start, leaving.signal)];
  leaving.abort();
  await make('a', 'b', 'c');
  const seen = async (watch: CacheWatch) => (await waiting(watch)).map(nameOf);
  // Of one that comes from a server that had seen more, what it has seen is not repeated.
  expect([await seen(first), await seen(ahead), await seen(gone)]).toEqual([['a', 'b', 'c'], ['c'], []]);
  expect(cache.watcherCount).toBe(2);
  await cache.stop();
  expect(cache.watcherCount).toBe(0);
});

test('watchers leave nothing behind', async () => {
  const controller = new AbortController();
  const events = await api.watch(ref('configmaps'), { resourceVersion: '0', signal: controller.signal });
  const ended = (async () => {
    for await (const event of events) void event;
  })();
  controller.abort();
  await ended;
});
