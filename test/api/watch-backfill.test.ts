/** Watchers that come back to a server that has just started, after others have asked it: nobody has to list anew. */
import { expect, test } from 'vitest';
import { settle } from '../../src/base/driven-clock.ts';
import { seededRandom } from '../../src/base/random.ts';
import type { CacheEvent, WatchLimits } from '../../src/api/watch-cache.ts';
import { configMap, ref, refusal, startServer, take, waiting, type Fixture } from './fixture.ts';
import { Pipe } from '../../src/base/pipe.ts';
import { StatusResponse, type WatchResponse } from '../../src/proto/etcd.ts';
import { MemoryStore } from './memory-store.ts';

const maps = ref('configmaps');
/** Nobody ends them. */
const open = () => new AbortController().signal;
const NAMES = ['a', 'b', 'c', 'd'];

/** A server on the same store, whose cache of the kind begins with what is newest. */
async function freshServer(store: MemoryStore, watchLimits: WatchLimits = {}): Promise<Fixture> {
  const fixture = await startServer({ store, watchLimits });
  await fixture.api.list(maps, { resourceVersion: '0' });
  return fixture;
}

/** Creates, changes and deletes at random; answers the versions on the way. */
async function write({ api }: Fixture, seed: number, count: number): Promise<number[]> {
  const random = seededRandom(seed);
  const versions: number[] = [];
  const there = new Set<string>();
  for (let n = 0; n < count; n++) {
    const name = NAMES[random.below(NAMES.length)]!;
    const labels = { x: String(random.below(2)) };
    if (!there.has(name)) await api.create(maps, configMap(name, { n: String(n) }, { labels }));
    else if (random.below(3) === 0) await api.delete(ref('configmaps', name));
    else await api.patch(ref('configmaps', name), { type: 'merge', body: { metadata: { labels }, data: { n: String(n) } } });
    if ((await api.list(maps)).items.some(({ metadata }) => metadata.name === name)) there.add(name);
    else there.delete(name);
    versions.push(Number((await api.list(maps)).resourceVersion));
  }
  return versions;
}

const lineOf = (event: CacheEvent) => (event.type === 'BOOKMARK' ? 'BOOKMARK' : `${event.type} ${event.cached.object.metadata.name}@${event.revision} ${JSON.stringify(event.cached.object)}`);

async function seen({ api }: Fixture, resourceVersion: string, labelSelector: string): Promise<string[]> {
  const controller = new AbortController();
  const events = await api.watch(maps, { resourceVersion, labelSelector, signal: controller.signal });
  const lines = (await waiting(events)).map(lineOf);
  controller.abort();
  return lines;
}

test('from any version and through any selector they see what those have seen who never left', async () => {
  for (const seed of [1, 2]) {
    const old = await startServer();
    const from = (await old.api.list(maps)).resourceVersion;
    await seen(old, from, '');
    const versions = await write(old, seed, 24);
    for (const version of [Number(from), ...versions.filter((_, n) => n % 6 === 5)]) {
      for (const selector of ['', 'x=1', 'x=0']) {
        const fresh = await freshServer(old.store);
        expect([seed, version, selector, await seen(fresh, String(version), selector)]).toEqual([seed, version, selector, await seen(old, String(version), selector)]);
        await fresh.server.stop();
      }
    }
    await old.server.stop();
  }
});

test('one after another and many at a time, further and further back, and what happens meanwhile', async () => {
  const old = await startServer();
  const versions = await write(old, 7, 20);
  const fresh = await freshServer(old.store);
  const wanted = versions.map((version) => versions.filter((one) => one > version).length);
  const watches = await Promise.all(versions.toReversed().map((version) => fresh.api.watch(maps, { resourceVersion: String(version), signal: open() })));
  const created = take(watches[0]!, 1);
  await fresh.api.create(maps, configMap('late'));
  expect(await created).toEqual(['ADDED late']);
  const counts = await Promise.all(watches.slice(1).map(async (watch) => (await waiting(watch)).length));
  expect(counts).toEqual(wanted.toReversed().slice(1).map((count) => count + 1));
});

test('what the store has forgotten, or more than is remembered, is Expired', async () => {
  const old = await startServer();
  const versions = await write(old, 9, 30);
  const [first, later] = [versions[2]!, versions[20]!];
  const small = await freshServer(old.store, { historyMax: 10 });
  expect(await refusal(small.api.watch(maps, { resourceVersion: String(first), signal: open() }))).toContain('410 Expired: too old resource version');
  expect((await waiting(await small.api.watch(maps, { resourceVersion: String(later), signal: open() }))).length).toBe(versions.filter((one) => one > later).length);
  await old.store.compact({ revision: later });
  const fresh = await freshServer(old.store);
  expect(await refusal(fresh.api.watch(maps, { resourceVersion: String(first), signal: open() }))).toContain('410 Expired: too old resource version');
  expect((await waiting(await fresh.api.watch(maps, { resourceVersion: String(later), signal: open() }))).length).toBe(versions.filter((one) => one > later).length);
});

/** As etcd was before 3.4.25: it answers how far a watch is ahead of events that are still to come. */
class EarlyStore extends MemoryStore {
  isHolding = false;
  readonly #held: (() => void)[] = [];

  override status = () => Promise.resolve(StatusResponse.create({ version: '3.4.23' }));

  override watch(...args: Parameters<MemoryStore['watch']>): ReturnType<MemoryStore['watch']> {
    const inner = super.watch(...args);
    const pipe = new Pipe<WatchResponse>(1_000);
    const carry = async () => {
      for await (const response of inner) {
        if (this.isHolding && response.events.length > 0) this.#held.push(() => pipe.push(response));
        else pipe.push(response);
      }
    };
    carry().then(() => pipe.end(), (error: unknown) => pipe.end(error instanceof Error ? error : new Error(String(error))));
    return { requestProgress: () => inner.requestProgress(), [Symbol.asyncIterator]: () => pipe[Symbol.asyncIterator]() };
  }

  release(): void {
    this.isHolding = false;
    for (const push of this.#held.splice(0)) push();
  }
}

test('an old etcd that tells of its progress too early costs no event: nothing counts as seen that has not come', async () => {
  const store = new EarlyStore();
  const fixture = await freshServer(store);
  const before = (await fixture.api.list(maps)).resourceVersion;
  const watch = await fixture.api.watch(maps, { resourceVersion: before, signal: open() });
  store.isHolding = true;
  const { object } = await fixture.api.create(maps, configMap('a'));
  // The cache asks how far it is, and is told that it has seen what it has not.
  let isListed = false;
  const listed = fixture.api.list(maps, { resourceVersion: object.metadata.resourceVersion! }).finally(() => (isListed = true));
  await settle();
  expect(isListed).toBe(false);
  store.release();
  expect((await listed).items.map(({ metadata }) => metadata.name)).toEqual(['a']);
  expect(await take(watch, 1)).toEqual(['ADDED a']);
  const fresh = await freshServer(store);
  const later = await fresh.api.watch(maps, { resourceVersion: before, signal: open() });
  expect(await take(later, 1)).toEqual(['ADDED a']);
});
