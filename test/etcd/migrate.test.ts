/** A migration from stores that tell of their progress ahead of events, as etcd 3.4.23 does, and whose watches break then. */
import { expect, test } from 'vitest';
import { fromUtf8 } from '../../src/base/bytes.ts';
import { contentsOf, migrate } from '../../src/etcd/migrate.ts';
import type { StoreClient } from '../../src/etcd/store-client.ts';
import { WatchResponse } from '../../src/proto/etcd.ts';
import { RpcCode, RpcError } from '../../src/proto/rpc.ts';
import { TestClock } from '../../src/testing/test-clock.ts';
import { MemoryStore } from '../api/memory-store.ts';

class Store extends MemoryStore {
  override leaseLeases = () => Promise.resolve({ header: undefined, leases: [] }) as never;
}

/** Before the first events of a watch comes the store's newest revision; of the first watch, nothing after it. */
function hasty(store: Store): StoreClient {
  let watches = 0;
  const watch: StoreClient['watch'] = (request, options) => {
    const inner = store.watch(request, options);
    const isFirst = watches++ === 0;
    return {
      requestProgress: () => inner.requestProgress(),
      async *[Symbol.asyncIterator]() {
        for await (const response of inner) {
          if (response.events.length > 0) {
            yield WatchResponse.decode(WatchResponse.encode({ watchId: -1, header: { revision: store.revision } }));
            if (isFirst) throw new RpcError(RpcCode.UNAVAILABLE, 'the connection broke');
          }
          yield response;
        }
        return undefined;
      },
    };
  };
  return new Proxy<StoreClient>(store, {
    get: (target, name) => {
      const value: unknown = name === 'watch' ? watch : Reflect.get(target, name);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

test('migrate() follows events, not the progress that runs ahead of them', async () => {
  const clock = new TestClock();
  const [source, target] = [new Store(), new Store()];
  await source.put({ key: fromUtf8('copied'), value: fromUtf8('1') });
  const ended = new AbortController();
  const migrating = migrate({
    source: hasty(source), target, clock, signal: ended.signal, overwrite: false, untilSynced: false,
    onProgress: ({ kind }) => {
      if (kind !== 'following' || ended.signal.aborted) return;
      void Promise.all([1, 2, 3].map((at) => source.put({ key: fromUtf8(`followed/${at}`), value: fromUtf8('2') }))).then(() => ended.abort());
    },
  });
  const result = await clock.drive(migrating, { what: 'the migration' });
  expect(result.source.count).toBe(4);
  expect(result.target).toEqual(result.source);
  expect(await contentsOf(target, 0)).toEqual(result.source);
  expect(result.revision).toBe(5);
});
