/** A way to a store on which watches can be cut off for a while, as by a broken connection; everything else goes through. */
import type { StoreClient } from '../../src/etcd/store-client.ts';
import type { WatchResponse } from '../../src/proto/etcd.ts';
import { RpcCode, RpcError } from '../../src/proto/rpc.ts';

export interface SeverableStore {
  readonly client: StoreClient;
  /** Watches that run break, and none begins before `work` is done. */
  severed<T>(work: () => Promise<T>): Promise<T>;
}

export function severable(store: StoreClient): SeverableStore {
  let cut = new AbortController();
  let isSevered = false;
  const broken = () => new RpcError(RpcCode.UNAVAILABLE, 'the way to the store is cut');

  const watch: StoreClient['watch'] = (request, options = {}) => {
    const { signal } = cut;
    const inner = store.watch(request, { signal: options.signal === undefined ? signal : AbortSignal.any([options.signal, signal]) });
    async function* events(): AsyncGenerator<WatchResponse> {
      if (isSevered) throw broken();
      try {
        yield* inner;
      } catch (error) {
        if (!signal.aborted) throw error;
      }
      // However the inner one takes its end, this one broke.
      if (signal.aborted) throw broken();
    }
    return { [Symbol.asyncIterator]: events, requestProgress: () => inner.requestProgress() };
  };

  return {
    client: { ...store, watch },
    severed: async (work) => {
      isSevered = true;
      cut.abort();
      try {
        return await work();
      } finally {
        isSevered = false;
        cut = new AbortController();
      }
    },
  };
}
