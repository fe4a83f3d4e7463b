/** Watches over HTTP/2: frames, resuming, bookmarks, the state to begin with, and the clients that are too slow. */
import { expect, test } from 'vitest';
import { settle } from '../../../src/base/driven-clock.ts';
import { until } from '../../until.ts';
import { configMap } from '../fixture.ts';
import { VIEWER_TOKEN, refusalOf, startRest, type Frame, type RestFixture } from './fixture.ts';

const PATH = '/api/v1/namespaces/default/configmaps';
const at = (name = '') => ({ group: '', version: 'v1', resource: 'configmaps', namespace: 'default', name, subresource: '' });
const create = ({ api }: RestFixture, name: string, data: object = { a: '1' }) => api.create(at(), configMap(name, data));

test('changes come as lines, as they happened, and a watch resumes behind what it has', async () => {
  const rest = await startRest();
  await create(rest, 'a');
  const client = rest.client();
  const { resourceVersion } = (await client.get(PATH)).body.metadata;
  const watch = client.watch(`${PATH}?watch=1&resourceVersion=${resourceVersion}`);
  expect(await watch.open()).toBe(200);
  await create(rest, 'b');
  await rest.api.patch(at('a'), { type: 'merge', body: { data: { a: '2' } } });
  await rest.api.delete(at('b'));
  const frames = [await watch.next(), await watch.next(), await watch.next()] as Frame[];
  expect(frames.map(({ type, object }) => `${type} ${object.metadata.name}`)).toEqual(['ADDED b', 'MODIFIED a', 'DELETED b']);
  const resumed = client.watch(`${PATH}?watch=true&resourceVersion=${frames[0]!.object.metadata.resourceVersion}`);
  expect(await resumed.take(2)).toEqual(['MODIFIED a', 'DELETED b']);
  watch.close();
  resumed.close();
});

test('without a version, at 0 and on the old path it begins with what is there', async () => {
  const rest = await startRest();
  await create(rest, 'a');
  await create(rest, 'b');
  const client = rest.client();
  for (const query of ['?watch=1', '?watch=1&resourceVersion=0']) expect(await client.watch(PATH + query).take(2)).toEqual(['ADDED a', 'ADDED b']);
  expect(await client.watch('/api/v1/watch/namespaces/default/configmaps/b').take(1)).toEqual(['ADDED b']);
  expect(await client.watch(`${PATH}?watch=1&fieldSelector=metadata.name%3Da`).take(1)).toEqual(['ADDED a']);
});

test('the state to begin with ends with its bookmark', async () => {
  const rest = await startRest();
  await create(rest, 'a');
  const query = '?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
  const watch = rest.client().watch(PATH + query);
  expect(await watch.take(1)).toEqual(['ADDED a']);
  const mark = await watch.next();
  expect(mark).toMatchObject({ type: 'BOOKMARK', object: { kind: 'ConfigMap', apiVersion: 'v1', metadata: { annotations: { 'k8s.io/initial-events-end': 'true' } } } });
  await create(rest, 'b');
  expect(await watch.take(1)).toEqual(['ADDED b']);
  const refused = await rest.client().get(`${PATH}?watch=1&sendInitialEvents=true`);
  expect(refusalOf(refused)).toContain('422 Invalid: ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden');
});

test('a watch ends after its time, with a last bookmark for who wants them', async () => {
  const rest = await startRest();
  await create(rest, 'a');
  const client = rest.client();
  const { resourceVersion } = (await client.get(PATH)).body.metadata;
  const [marked, plain] = ['&allowWatchBookmarks=true', ''].map((more) => client.watch(`${PATH}?watch=1&timeoutSeconds=5&resourceVersion=${resourceVersion}${more}`));
  await Promise.all([marked!.open(), plain!.open()]);
  await rest.clock.advance(5_001);
  expect([await marked!.rest(), await plain!.rest()]).toEqual([['BOOKMARK'], []]);
});

test('tables in a watch: the columns come once', async () => {
  const rest = await startRest();
  await create(rest, 'a');
  await create(rest, 'b');
  const watch = rest.client().watch(`${PATH}?watch=1`, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' });
  const [first, second] = [await watch.next(), await watch.next()];
  expect(first?.object).toMatchObject({ kind: 'Table', columnDefinitions: [{ name: 'Name' }, { name: 'Data' }, { name: 'Age' }], rows: [{ cells: ['a', 1, '0s'], object: { kind: 'PartialObjectMetadata' } }] });
  expect(second?.object).toMatchObject({ kind: 'Table', columnDefinitions: null, rows: [{ cells: ['b', 1, '0s'] }] });
  const partial = rest.client().watch(`${PATH}?watch=1`, { accept: 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io' });
  expect((await partial.next())?.object).toMatchObject({ kind: 'PartialObjectMetadata', metadata: { name: 'a' } });
});

test('tables in many watches: the columns come to each, rows are shared, and ages are told as they are', async () => {
  const rest = await startRest();
  const client = rest.client();
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
  await create(rest, 'a');
  const { resourceVersion } = (await client.get(PATH)).body.metadata;
  const open = () => client.watch(`${PATH}?watch=1&resourceVersion=${resourceVersion}`, { accept });
  const rows = async (watch: ReturnType<typeof open>, count: number) => {
    const cells: unknown[] = [];
    for (let at = 0; at < count; at++) {
      const { object } = (await watch.next())!;
      cells.push([object.columnDefinitions?.length ?? null, ...object.rows.map((row) => row.cells)]);
    }
    return cells;
  };
  const watches = [open(), open()];
  for (const watch of watches) await watch.open();
  await create(rest, 'b');
  await create(rest, 'c');
  const now = [[3, ['b', 1, '0s']], [null, ['c', 1, '0s']]];
  expect(await Promise.all(watches.map((watch) => rows(watch, 2)))).toEqual([now, now]);
  await rest.clock.advance(5_000);
  expect(await rows(open(), 2)).toEqual([[3, ['b', 1, '5s']], [null, ['c', 1, '5s']]]);
});

test('a version that the store no longer knows is 410 in the stream, from its beginning or later', async () => {
  const rest = await startRest();
  await create(rest, 'a');
  const client = rest.client();
  expect(refusalOf(await client.get(`${PATH}?watch=1&resourceVersion=x`))).toContain('400 BadRequest: resourceVersion: Invalid value: "x"');
  const watch = client.watch(`${PATH}?watch=1&resourceVersion=${(await client.get(PATH)).body.metadata.resourceVersion}`);
  await watch.open();
  rest.store.breakWatches();
  await create(rest, 'b');
  const { resourceVersion } = (await client.get(PATH)).body.metadata;
  await rest.store.compact({ revision: Number(resourceVersion) });
  const next = watch.next();
  await rest.clock.advance(3_000);
  expect(await next).toMatchObject({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } });
  expect(await watch.next()).toBeUndefined();
  await rest.clock.advance(3_000);
  const late = client.watch(`${PATH}?watch=1&resourceVersion=1`);
  expect(await late.next()).toMatchObject({ type: 'ERROR', object: { code: 410, reason: 'Expired', message: expect.stringContaining('too old resource version: 1') } });
  expect(await late.next()).toBeUndefined();
});

test('more watches than are allowed are 429 and told to come again', async () => {
  const rest = await startRest({ limits: { watchesMax: 2 } });
  const client = rest.client();
  const open = [client.watch(`${PATH}?watch=1`), client.watch(`${PATH}?watch=1`)];
  await Promise.all(open.map((watch) => watch.open()));
  const viewer = rest.client({ token: VIEWER_TOKEN });
  const third = await viewer.get(`${PATH}?watch=1`);
  expect([refusalOf(third), third.headers['retry-after']]).toEqual(['429 TooManyRequests: 2 watches are open on this server', '1']);
  open[0]!.close();
  await until('the server has noticed that a watch was closed', () => rest.api.watchers === 1);
  expect((await viewer.get(`${PATH}?watch=1`)).status).toBe(403);
});

test('a client that takes nothing is let go, and costs no more than its buffer until then', async () => {
  const rest = await startRest({ limits: { watchStallMs: 10_000, watchBufferBytesMax: 64 * 1024 } });
  const client = rest.client();
  const watch = client.watch(`${PATH}?watch=1`);
  await watch.open();
  watch.stream.pause();
  const text = 'x'.repeat(100_000);
  for (let n = 0; n < 60; n++) await create(rest, `c${n}`, { text });
  await settle();
  expect(rest.api.watchers).toBe(1);
  await rest.clock.advance(10_001);
  await until('the stalled watch is let go', () => rest.api.watchers === 0);
  watch.stream.resume();
  expect((await watch.rest()).length).toBeLessThan(60);
  expect(await rest.face.metrics.registry.text()).toMatch(/apiserver_longrunning_requests\{verb="WATCH",[^}]*\} 0/);
});

test('a client that is too slow is told so, and resumes behind what it has', async () => {
  const rest = await startRest({ watchLimits: { watcherMax: 60 } });
  const client = rest.client();
  const watch = client.watch(`${PATH}?watch=1`);
  await watch.open();
  watch.stream.pause();
  for (let n = 0; n < 40; n++) await create(rest, `c${n}`, { text: 'x'.repeat(100_000) });
  await create(rest, 'busy');
  for (let n = 0; n < 100; n++) await rest.api.patch(at('busy'), { type: 'merge', body: { data: { n: String(n) } } });
  expect(rest.api.watchers).toBe(0);
  watch.stream.resume();
  let [last, version, count] = ['', '', 0];
  for (let frame = await watch.next(); frame !== undefined; frame = await watch.next()) {
    last = frame.type === 'ERROR' ? `ERROR ${frame.object.code} ${frame.object.reason}` : frame.type;
    if (frame.type !== 'ERROR') version = frame.object.metadata.resourceVersion;
    count++;
  }
  expect([last, count < 140]).toEqual(['ERROR 429 TooManyRequests', true]);
  // What it missed is more than may wait for one that is behind, and all the same it comes.
  const resumed = await client.watch(`${PATH}?watch=1&resourceVersion=${version}`).take(120);
  expect([resumed[0]?.split(' ')[0], resumed.filter((line) => line === 'MODIFIED busy').length > 70]).toEqual(['ADDED', true]);
});

test('watchers of one kind are told the same bytes, however many there are', async () => {
  const rest = await startRest();
  const clients = [rest.client(), rest.client()];
  const watches = Array.from({ length: 30 }, (_, n) => clients[n % 2]!.watch(`${PATH}?watch=1`));
  await Promise.all(watches.map((watch) => watch.open()));
  for (let n = 0; n < 20; n++) await create(rest, `c${n}`);
  const wanted = Array.from({ length: 20 }, (_, n) => `ADDED c${n}`);
  const all = Promise.all(watches.map((watch) => watch.take(20)));
  // Ticks are of the driven clock.
  const driver = rest.clock.advance(1_000);
  expect(await all).toEqual(watches.map(() => wanted));
  await driver;
});

test('a server that stops ends its watches cleanly', async () => {
  const rest = await startRest();
  await create(rest, 'a');
  const client = rest.client();
  const watch = client.watch(`${PATH}?watch=1`);
  expect(await watch.take(1)).toEqual(['ADDED a']);
  let goaway = false;
  client.session.on('goaway', () => (goaway = true));
  await rest.face.stop();
  expect(await watch.next()).toBeUndefined();
  expect([watch.stream.rstCode, goaway]).toEqual([0, true]);
});
