/** What the hub says (mvcc/core/watch-messages.ts) as etcd's WatchResponse; what many are told is encoded once. */
import { unreachable } from '../../base/assert.ts';
import { ResponseHeader, WatchResponse } from '../../proto/etcd.ts';
import type { StreamAnswer } from '../../proto/rpc.ts';
import { SharedAnswers } from '../../proto/shared-answers.ts';
import { varintSize, writeVarint } from '../mvcc/core/key-value-bytes.ts';
import type { Revision } from '../mvcc/core/revision.ts';
import type { SharedEvent } from '../mvcc/core/shared-event.ts';
import { ALL_WATCHERS, type CancelReason, type EventsMessage, type SharedMessage, type WatchMessage } from '../mvcc/core/watch-messages.ts';
import { storeErrorText } from '../rpc/errors.ts';
import { headerAt, type StoreCore } from './core.ts';

// Field number and wire type, of etcdserverpb.WatchResponse.
const HEADER = (1 << 3) | 2;
const WATCH_ID = 2 << 3;
const FRAGMENT = 7 << 3;
const EVENTS = (11 << 3) | 2;

interface EncodedEvents {
  readonly events: readonly SharedEvent[];
  readonly withPrevious: boolean;
  readonly bytes: Uint8Array;
}

export class WatchAnswers {
  readonly #core: StoreCore;
  readonly #fragmentBytesMax: number;
  /** The last that were encoded: who watches the same is told the same, one after the other. */
  #last: EncodedEvents | undefined;
  #header: { readonly revision: Revision; readonly term: number; readonly bytes: Uint8Array } | undefined;

  readonly #heads = new WeakMap<readonly number[], readonly Uint8Array[]>();

  constructor(core: StoreCore, fragmentBytesMax: number) {
    this.#core = core;
    this.#fragmentBytesMax = fragmentBytesMax;
  }

  to(message: WatchMessage | SharedMessage): readonly StreamAnswer<WatchResponse>[] {
    if (message.kind === 'events') return this.#events(message);
    if (message.kind === 'shared') return this.#shared(message);
    const header = headerAt(this.#core, message.revision);
    switch (message.kind) {
      case 'created':
        return [{ header, watchId: message.watchId, created: true }];
      case 'refused': {
        const cancelReason = message.text ?? reasonText(message.reason);
        return [{ header, watchId: ALL_WATCHERS, created: true, canceled: true, cancelReason }];
      }
      case 'progress':
        return [{ header, watchId: message.watchId }];
      case 'canceled': {
        const { watchId, compactRevision, reason } = message;
        const cancelReason = reason === 'requested' ? '' : reasonText(reason);
        return [{ header, watchId, canceled: true, compactRevision, cancelReason }];
      }
      default:
        return unreachable(message);
    }
  }

  #events({ watchId, revision, events, withPrevious, fragment }: EventsMessage): Uint8Array[] {
    if (!fragment) return [this.#response({ watchId, revision, isFragment: false }, this.#encoded(events, withPrevious))];
    const parts = fragments(events, withPrevious, this.#fragmentBytesMax);
    return parts.map((part, at) => {
      const isFragment = at < parts.length - 1;
      return this.#response({ watchId, revision, isFragment }, encodeEvents(part, withPrevious));
    });
  }

  #shared({ watchIds, ...message }: SharedMessage): readonly StreamAnswer<WatchResponse>[] {
    if (message.fragment || watchIds.length === 1) return watchIds.flatMap((watchId) => this.#events({ ...message, kind: 'events', watchId }));
    const header = this.#headerAt(message.revision);
    const events = this.#encoded(message.events, message.withPrevious);
    return [new SharedAnswers(this.#headsOf(watchIds), Buffer.concat([header, events]))];
  }

  /** The id before all other fields: any order means the same. */
  #headsOf(watchIds: readonly number[]): readonly Uint8Array[] {
    const known = this.#heads.get(watchIds);
    if (known !== undefined) return known;
    const heads = watchIds.map((watchId) => (watchId === 0 ? Uint8Array.of(WATCH_ID, 0) : WatchResponse.encode({ watchId })));
    this.#heads.set(watchIds, heads);
    return heads;
  }

  #response({ watchId, revision, isFragment }: Head, events: Uint8Array): Uint8Array {
    // Only a client chooses such an id, and seldom.
    if (watchId < 0) {
      const head = WatchResponse.encode({ header: headerAt(this.#core, revision), watchId, fragment: isFragment });
      return Buffer.concat([head, events]);
    }
    const header = this.#headerAt(revision);
    const idSize = watchId === 0 ? 0 : 1 + varintSize(watchId);
    const out = Buffer.allocUnsafe(header.length + idSize + (isFragment ? 2 : 0) + events.length);
    out.set(header, 0);
    let at = header.length;
    if (watchId !== 0) {
      out[at++] = WATCH_ID;
      at = writeVarint(out, at, watchId);
    }
    if (isFragment) {
      out[at++] = FRAGMENT;
      out[at++] = 1;
    }
    out.set(events, at);
    return out;
  }

  /** The field, with its tag. */
  #headerAt(revision: Revision): Uint8Array {
    const header = headerAt(this.#core, revision);
    if (this.#header?.revision === revision && this.#header.term === header.raftTerm) return this.#header.bytes;
    const encoded = ResponseHeader.encode(header);
    const bytes = Buffer.concat([Buffer.of(HEADER, encoded.length), encoded]);
    this.#header = { revision, term: header.raftTerm, bytes };
    return bytes;
  }

  #encoded(events: readonly SharedEvent[], withPrevious: boolean): Uint8Array {
    const last = this.#last;
    if (last !== undefined && last.withPrevious === withPrevious && isSame(last.events, events)) return last.bytes;
    const bytes = encodeEvents(events, withPrevious);
    this.#last = { events, withPrevious, bytes };
    return bytes;
  }
}

interface Head {
  readonly watchId: number;
  readonly revision: Revision;
  readonly isFragment: boolean;
}

function isSame(a: readonly SharedEvent[], b: readonly SharedEvent[]): boolean {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}

function encodeEvents(events: readonly SharedEvent[], withPrevious: boolean): Uint8Array {
  let size = 0;
  for (const event of events) {
    const { length } = event.encoded(withPrevious);
    size += 1 + varintSize(length) + length;
  }
  const out = Buffer.allocUnsafe(size);
  let at = 0;
  for (const event of events) {
    const bytes = event.encoded(withPrevious);
    out[at++] = EVENTS;
    at = writeVarint(out, at, bytes.length);
    out.set(bytes, at);
    at += bytes.length;
  }
  return out;
}

/** At least one event each, and no more bytes than fit while there are more. */
function fragments(events: readonly SharedEvent[], withPrevious: boolean, bytesMax: number): SharedEvent[][] {
  const parts: SharedEvent[][] = [[]];
  let bytes = 0;
  for (const event of events) {
    const { length } = event.encoded(withPrevious);
    if (bytes > 0 && bytes + length > bytesMax) {
      parts.push([]);
      bytes = 0;
    }
    parts[parts.length - 1]!.push(event);
    bytes += length;
  }
  return parts;
}

function reasonText(reason: CancelReason): string {
  switch (reason) {
    case 'duplicate-watch-id':
      return 'mvcc: duplicate watch ID provided on the WatchStream';
    case 'empty-range':
      return 'mvcc: watcher range is empty';
    case 'compacted':
    case 'compacted-start':
      return storeErrorText('compacted').replace('etcdserver: ', '');
    case 'too-many-watchers':
      return 'mvcc: too many watchers on the stream';
    case 'requested':
    case 'not-permitted':
      return '';
    default:
      return unreachable(reason);
  }
}
