/** A watch of one range for code inside the member: what a lock waits for and what an observer of an election is told. */
import { assert } from '../../base/assert.ts';
import { EMPTY_BYTES } from '../../base/bytes.ts';
import type { Clock } from '../../base/clock.ts';
import { deferred, type Deferred } from '../../base/deferred.ts';
import { EventType, type KeyValue } from '../../proto/etcd.ts';
import { CALL_OVER } from '../../proto/rpc.ts';
import type { Revision } from '../mvcc/core/revision.ts';
import type { StoreCore } from './core.ts';

export interface RangeEvent {
  readonly isDelete: boolean;
  readonly kv: KeyValue;
}

export interface WatchedRange {
  /** Events in order, at least one; `compacted`: what was owed is gone. Throws once the signal fires. */
  next(): Promise<readonly RangeEvent[] | 'compacted'>;
  close(): void;
}

export interface WatchedRangeRequest {
  readonly key: Uint8Array;
  /** Empty: the one key. */
  readonly rangeEnd: Uint8Array;
  readonly startRevision: Revision;
}

export function watchRange(
  core: StoreCore,
  clock: Clock,
  signal: AbortSignal,
  request: WatchedRangeRequest,
): WatchedRange {
  let isAwake = false;
  let sleeper: Deferred<void> | undefined;
  const wake = (): void => {
    isAwake = true;
    sleeper?.resolve();
    sleeper = undefined;
  };
  const stream = core.machine.hub.openStream(wake);
  signal.addEventListener('abort', wake, { once: true });
  stream.create({ ...request, rangeEnd: request.rangeEnd ?? EMPTY_BYTES, ...PLAIN });
  const next = async (): Promise<readonly RangeEvent[] | 'compacted'> => {
    for (;;) {
      if (signal.aborted) throw CALL_OVER;
      isAwake = false;
      const message = stream.next();
      if (message === undefined) {
        if (isAwake) continue;
        sleeper = deferred();
        await sleeper.promise;
      } else if (message === 'pause') {
        await new Promise<void>((resolve) => clock.setTimer(0, resolve));
      } else if (message.kind === 'events') {
        return message.events.map(({ plain }) => {
          assert(plain.kv !== undefined, 'an event has a key');
          return { isDelete: plain.type === EventType.DELETE, kv: plain.kv };
        });
      } else if (message.kind === 'canceled' || message.kind === 'refused') return 'compacted';
    }
  };
  return {
    next,
    close: () => {
      signal.removeEventListener('abort', wake);
      stream.close();
    },
  };
}

const PLAIN = { progressNotify: false, filters: [], prevKv: false, watchId: 0, fragment: false } as const;
