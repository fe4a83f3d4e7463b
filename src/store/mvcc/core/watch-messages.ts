/** What a watch stream is asked for, and what it answers, in the hub's own words; the wire's are in kv-service/watch-answers.ts. */
import type { Revision } from './revision.ts';
import type { SharedEvent } from './shared-event.ts';

export type CancelReason =
  | 'duplicate-watch-id'
  | 'empty-range'
  | 'compacted-start'
  | 'too-many-watchers'
  | 'compacted'
  | 'requested'
  | 'not-permitted';

/** `revision` is what the response's header says: all that the watcher was owed up to it has been delivered. */
export type WatchMessage =
  | { readonly kind: 'created'; readonly watchId: number; readonly revision: Revision }
  | {
      readonly kind: 'refused';
      readonly revision: Revision;
      readonly reason: CancelReason;
      /** Of what was refused outside: the hub knows no permissions. */
      readonly text?: string;
    }
  | EventsMessage
  | { readonly kind: 'progress'; readonly watchId: number; readonly revision: Revision }
  | {
      readonly kind: 'canceled';
      readonly watchId: number;
      readonly revision: Revision;
      readonly compactRevision: Revision;
      readonly reason: CancelReason;
    };

export interface EventsMessage {
  readonly kind: 'events';
  readonly watchId: number;
  readonly revision: Revision;
  readonly events: readonly SharedEvent[];
  readonly withPrevious: boolean;
  readonly fragment: boolean;
}

/** An {@link EventsMessage} for each of several watchers. */
export interface SharedMessage extends Omit<EventsMessage, 'kind' | 'watchId'> {
  readonly kind: 'shared';
  /** The same object for the same watchers, as a rule: what is made of it is worth keeping. */
  readonly watchIds: readonly number[];
}

export interface WatchCreate {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly startRevision: Revision;
  readonly progressNotify: boolean;
  readonly filters: readonly number[];
  readonly prevKv: boolean;
  readonly watchId: number;
  readonly fragment: boolean;
}

/** etcd's id of "all watchers of the stream", and of a watcher that was never made. */
export const ALL_WATCHERS = -1;
