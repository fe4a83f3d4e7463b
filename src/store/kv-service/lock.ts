/**
 * v3lockpb.Lock: a queue of keys in which the oldest holds.
 *
 * It is no mutual exclusion in an asynchronous network. A holder that is paused or cut off keeps on believing that it
 * holds after its lease has ended and another one holds (Jepsen, etcd 3.4.3: two processes in one critical section).
 * A lock saves work; what must not happen twice belongs into a transaction that compares the create revision of the key
 * which Lock answered, so that the store itself refuses the late one.
 */
import { EMPTY_BYTES } from '../../base/bytes.ts';
import type { Lock } from '../../proto/etcd.ts';
import type { Handlers } from '../../proto/rpc.ts';
import { requireLeader } from './core.ts';
import { KeyQueue, unknown, type KeyQueueOptions } from './key-queue.ts';

export function lockHandlers(options: KeyQueueOptions): Handlers<typeof Lock> {
  return {
    async lock({ name, lease }, context) {
      requireLeader(options.core, context);
      const queue = new KeyQueue(options, context, name);
      const place = await queue.enter(lease, EMPTY_BYTES);
      if (place.isFirst) return { header: place.header, key: place.key };
      let kept;
      try {
        await queue.first(place);
        // The lease may have ended while its key stood in the queue.
        kept = await queue.range({ key: place.key });
      } catch (error) {
        await queue.leave(place);
        throw error;
      }
      if (kept.kvs[0]?.createRevision !== place.revision) throw unknown('mutex: session is expired');
      return { header: kept.header, key: place.key };
    },
    async unlock({ key }, context) {
      requireLeader(options.core, context);
      const { header } = await new KeyQueue(options, context, EMPTY_BYTES).delete({ key });
      return { header };
    },
  };
}
