/** Parts of one watch of all keys, on a store that tells of its progress ahead of events, as etcd 3.4.23 does. */
import { describe, expect, test } from 'vitest';
import { deferred } from '../../src/base/deferred.ts';
import { Pipe } from '../../src/base/pipe.ts';
import { OrderedWatches } from '../../src/etcd/ordered-watch.ts';
import { channelStoreClient } from '../../src/etcd/channel-store-client.ts';
import type { StoreClient, StoreWatch } from '../../src/etcd/store-client.ts';
import { fromUtf8, prefixEnd, toUtf8 } from '../../src/base/bytes.ts';
import { WatchResponse } from '../../src/proto/etcd.ts';
import { RpcCode, RpcError } from '../../src/proto/rpc.ts';
import type { Init } from '../../src/proto/wire.ts';

const ROOM = 1_000;

/** A watch as the store sees it: what it is sent, and what it asked. */
interface Opened {
  readonly from: number;
  readonly isOfAll: boolean;
  readonly signal: AbortSignal | undefined;
  questions: number;
  say(init: Init<WatchResponse>): void;
  put(key: string, modRevision: number): void;
  end(error: Error): void;
}

class OldStore {
  readonly opened: Opened[] = [];
  readonly #more: (() => void)[] = [];
  readonly watches: OrderedWatches;

  constructor(version = '3.4.23') {
    const unused: StoreClient = channelStoreClient({ channels: [{ unary: refuse, clientStream: refuse, serverStream: refuse, bidi: refuse, close: () => {} }] });
    const status: StoreClient['status'] = () => Promise.resolve({ version } as Awaited<ReturnType<StoreClient['status']>>); // nothing else is read
    this.watches = new OrderedWatches({ ...unused, status, watch: (request, options) => this.#watch(request, options?.signal) });
  }

  /** The watches of the store that are asked for lazily, as a real client's are: when they are iterated. */
  async at(index: number): Promise<Opened> {
    while (this.opened.length <= index) {
      const { promise, resolve } = deferred<void>();
      this.#more.push(resolve);
      await promise;
    }
    return this.opened[index]!;
  }

  #watch({ key, startRevision = 0 }: Parameters<StoreClient['watch']>[0], signal: AbortSignal | undefined): StoreWatch {
    const pipe = new Pipe<WatchResponse>(ROOM);
    const say = (init: Init<WatchResponse>) => pipe.push(WatchResponse.decode(WatchResponse.encode(init)));
    const opened: Opened = {
      from: startRevision,
      isOfAll: key?.length === 1 && key[0] === 0,
      signal,
      questions: 0,
      say,
      put: (name, modRevision) => say({ header: { revision: modRevision }, events: [{ kv: { key: fromUtf8(name), modRevision } }] }),
      end: (error) => pipe.end(error),
    };
    signal?.addEventListener('abort', () => pipe.end(new RpcError(RpcCode.CANCELLED, 'cancelled')));
    return {
      requestProgress: () => opened.questions++,
      [Symbol.asyncIterator]: () => {
        this.opened.push(opened);
        for (const tell of this.#more.splice(0)) tell();
        return pipe[Symbol.asyncIterator]();
      },
    };
  }

  part(prefix: string, startRevision: number): Reader {
    return new Reader(this.watches, prefix, startRevision);
  }
}

function refuse(): never {
  throw new Error('not asked here');
}

class Reader {
  readonly #controller = new AbortController();
  readonly watch: StoreWatch;
  readonly #iterator: AsyncIterator<WatchResponse>;

  constructor(watches: OrderedWatches, prefix: string, startRevision: number) {
    this.watch = watches.watch({ key: fromUtf8(prefix), rangeEnd: prefixEnd(fromUtf8(prefix)), startRevision }, this.#controller.signal);
    this.#iterator = this.watch[Symbol.asyncIterator]();
  }

  /** `created 7`, `/a/x@8`, `seen 9`, `compacted 5`, `end`. */
  async next(): Promise<string> {
    const { done, value } = await this.#iterator.next();
    if (done === true) return 'end';
    if (value.canceled) return `compacted ${value.compactRevision}`;
    if (value.events.length > 0) return value.events.map(({ kv }) => `${toUtf8(kv!.key)}@${kv!.modRevision}`).join(' ');
    return `${value.created ? 'created' : 'seen'} ${value.header?.revision}`;
  }

  async leave(): Promise<void> {
    await this.#iterator.return?.();
  }
}

async function begun(store: OldStore, prefix: string, startRevision: number): Promise<{ reader: Reader; whole: Opened }> {
  const reader = store.part(prefix, startRevision);
  const created = reader.next();
  const whole = await store.at(0);
  whole.say({ created: true, header: { revision: startRevision - 1 } });
  expect(await created).toBe(`created ${startRevision - 1}`);
  return { reader, whole };
}

describe('on an etcd that tells of its progress ahead of events', () => {
  test('a part has its keys alone, and is told of its progress behind the events that the answer speaks of', async () => {
    const store = new OldStore();
    const { reader, whole } = await begun(store, '/a/', 8);
    expect(whole.isOfAll).toBe(true);
    whole.put('/b/x', 8);
    reader.watch.requestProgress();
    expect(whole.questions).toBe(1);
    // Ahead of the events of 9 and 10.
    whole.say({ watchId: -1, header: { revision: 10 } });
    whole.put('/a/x', 9);
    expect(await reader.next()).toBe('/a/x@9');
    whole.put('/b/y', 10);
    expect(await reader.next()).toBe('seen 10');
  });

  test('nothing is told before the store has answered, and the answer counts for who asked before it', async () => {
    const store = new OldStore();
    const { reader, whole } = await begun(store, '/a/', 8);
    reader.watch.requestProgress();
    reader.watch.requestProgress();
    whole.put('/b/x', 8);
    whole.put('/a/x', 9);
    expect(await reader.next()).toBe('/a/x@9');
    whole.say({ watchId: -1, header: { revision: 9 } });
    expect(await reader.next()).toBe('seen 9');
    whole.put('/b/x', 10);
    whole.say({ watchId: -1, header: { revision: 10 } });
    expect(await reader.next()).toBe('seen 10');
  });

  test('a part that begins further back reads the past for itself, up to where the whole was', async () => {
    const store = new OldStore();
    const { reader, whole } = await begun(store, '/a/', 8);
    const late = store.part('/b/', 5);
    expect(await late.next()).toBe('created 7');
    const read = late.next();
    const past = await store.at(1);
    expect([past.isOfAll, past.from]).toEqual([true, 5]);
    whole.put('/b/z', 8);
    past.put('/b/x', 5);
    expect(await read).toBe('/b/x@5');
    // The store's answers go on beyond it: that is the whole's to tell.
    past.say({ header: { revision: 8 }, events: [6, 7, 8].map((modRevision) => ({ kv: { key: fromUtf8(modRevision === 6 ? '/a/y' : '/b/y'), modRevision } })) });
    expect(await late.next()).toBe('/b/y@7');
    expect(await late.next()).toBe('/b/z@8');
    await reader.leave();
  });

  test('a past that is compacted is said to be', async () => {
    const store = new OldStore();
    await begun(store, '/a/', 8);
    const late = store.part('/b/', 3);
    expect(await late.next()).toBe('created 7');
    const read = late.next();
    (await store.at(1)).say({ created: true, canceled: true, compactRevision: 6 });
    expect([await read, await late.next()]).toEqual(['compacted 6', 'end']);
  });

  test('it breaks for all of its parts, and the next one begins it anew', async () => {
    const store = new OldStore();
    const { reader, whole } = await begun(store, '/a/', 8);
    whole.end(new RpcError(RpcCode.UNAVAILABLE, 'gone'));
    await expect(reader.next()).rejects.toThrow('gone');
    const again = store.part('/a/', 8);
    const created = again.next();
    (await store.at(1)).say({ created: true, header: { revision: 7 } });
    expect(await created).toBe('created 7');
  });

  test('a reader that takes nothing breaks, and nobody else does', async () => {
    const store = new OldStore();
    const { reader, whole } = await begun(store, '/a/', 8);
    const other = store.part('/b/', 8);
    expect(await other.next()).toBe('created 7');
    for (let revision = 8; revision < 10_100; revision++) {
      whole.put('/a/x', revision);
      if (revision % 500 === 0) await new Promise(setImmediate);
    }
    whole.put('/b/x', 10_100);
    expect(await other.next()).toBe('/b/x@10100');
    const taken = async () => {
      for (;;) await reader.next();
    };
    await expect(taken()).rejects.toThrow('too slow');
  });

  test('it ends with its last reader', async () => {
    const store = new OldStore();
    const { reader, whole } = await begun(store, '/a/', 8);
    const other = store.part('/b/', 8);
    expect(await other.next()).toBe('created 7');
    await reader.leave();
    expect(whole.signal?.aborted).toBe(false);
    await other.leave();
    expect(whole.signal?.aborted).toBe(true);
  });
});

test.each([
  ['3.4.24', true],
  ['3.5.7', true],
  ['3.4.25', false],
  ['3.5.8', false],
  ['3.6.0', false],
  ['4.0.0', false],
])('etcd %s is read as a whole: %s', async (version, isWhole) => {
  const store = new OldStore(version);
  void store.part('/a/', 8).next();
  expect((await store.at(0)).isOfAll).toBe(isWhole);
});
