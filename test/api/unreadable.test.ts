/** What stands in the store and is no object: passed over, named, and in nobody's way. */
import { expect, test } from 'vitest';
import { fromUtf8 } from '../../src/base/bytes.ts';
import { settle } from '../../src/base/driven-clock.ts';
import type { Log } from '../../src/base/log.ts';
import { Storage } from '../../src/api/storage.ts';
import { configMap, pod, ref, refusal, startServer, take } from './fixture.ts';
import { MemoryStore } from './memory-store.ts';

const KEY = '/registry/core/configmaps/default/bad';
const GARBAGE: ReadonlyArray<readonly [what: string, value: Uint8Array]> = [
  ['no text', new Uint8Array([0xff, 0xfe, 0, 1])],
  ['no JSON', fromUtf8('k8s\0\n\u000f\n\u0002v1')],
  ['a list', fromUtf8('[1, 2]')],
  ['no metadata', fromUtf8('{"kind":"ConfigMap","apiVersion":"v1"}')],
  ['labels that are none', fromUtf8('{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"bad","labels":7}}')],
  ['a name that is none', fromUtf8('{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":{}}}')],
];

const put = (store: MemoryStore, key: string, value: Uint8Array) =>
  store.txn({ success: [{ request: { case: 'requestPut', value: { key: fromUtf8(key), value } } }] });
const names = (list: { items: readonly { metadata: { name: string } }[] }) => list.items.map(({ metadata }) => metadata.name);

test.each(GARBAGE)('a value with %s is named to whoever asks for it, and left out of every list', async (_what, value) => {
  const store = new MemoryStore();
  await put(store, KEY, value);
  const { api } = await startServer({ store });
  await api.create(ref('configmaps'), configMap('a'));
  await api.create(ref('configmaps'), configMap('z'));
  await settle();
  expect(names(await api.list(ref('configmaps')))).toEqual(['a', 'z']);
  expect(names(await api.list(ref('configmaps'), { resourceVersion: '0' }))).toEqual(['a', 'z']);
  const first = await api.list(ref('configmaps'), { limit: 1 });
  expect(names(first)).toEqual(['a']);
  expect(names(await api.list(ref('configmaps'), { limit: 1, continue: first.continue }))).toEqual(['z']);
  for (const asked of [api.get(ref('configmaps', 'bad')), api.create(ref('configmaps'), configMap('bad'))]) {
    expect(await refusal(asked)).toContain(`500 InternalError: what is stored under ${KEY} is not`);
  }
});

test('a page that is all garbage is walked over', async () => {
  const store = new MemoryStore();
  for (let n = 10; n < 16; n++) await put(store, `${KEY}-${n}`, fromUtf8('x'));
  const { api } = await startServer({ store });
  await api.create(ref('configmaps'), configMap('z'));
  expect(names(await api.list(ref('configmaps'), { limit: 2 }))).toEqual(['z']);
});

test('an object that is written over with garbage is deleted for those who watch; one in its place is new', async () => {
  const { api, store } = await startServer();
  await api.create(ref('configmaps'), configMap('bad'));
  await settle();
  const events = await api.watch(ref('configmaps'), { signal: new AbortController().signal });
  await put(store, KEY, fromUtf8('garbage'));
  await put(store, KEY, fromUtf8(JSON.stringify({ ...configMap('bad'), metadata: { name: 'bad', namespace: 'default' } })));
  const seen = await take(events, 3);
  expect(seen).toEqual(['ADDED bad', 'DELETED bad', 'ADDED bad']);
  // Kinds beside it never noticed.
  await api.create(ref('pods'), pod('p'));
  expect(names(await api.list(ref('pods')))).toEqual(['p']);
});

test('each bad value is logged once, by its key', async () => {
  const store = new MemoryStore();
  await put(store, KEY, fromUtf8('x'));
  const lines: unknown[] = [];
  const nothing = () => undefined;
  const log: Log = { debug: nothing, info: nothing, warn: nothing, error: (facts) => lines.push(facts), child: () => log };
  const storage = new Storage(store, log);
  for (let round = 0; round < 2; round++) expect((await storage.range({ prefix: '/registry/core/configmaps/' })).items).toEqual([]);
  expect(lines).toEqual([{ key: KEY, revision: 2, error: expect.stringContaining(`what is stored under ${KEY} is not JSON`) }]);
});
