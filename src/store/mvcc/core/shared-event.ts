/**
 * What happened to a key, made once and shared by everybody who sees it: as the object that a caller reads, and as the
 * bytes of mvccpb.Event, each made when it is first asked for.
 */
import { EMPTY_BYTES, fromLatin1 } from '../../../base/bytes.ts';
import { Event, EventType } from '../../../proto/etcd.ts';
import { keyValueSize, varintSize, writeKeyValue, writeVarint } from './key-value-bytes.ts';
import type { Change, Mvcc } from './mvcc.ts';
import { isTombstone, NO_LEASE, type Revision, type Write } from './revision.ts';

// Field number and wire type, of mvccpb.Event.
const TYPE = 1 << 3;
const KV = (2 << 3) | 2;

/** What an event takes besides key and value, about. */
const OVERHEAD_BYTES = 64;

export class SharedEvent {
  readonly revision: Revision;
  readonly bytes: number;
  readonly #change: Change;
  readonly #mvcc: Mvcc;
  #plain: Event | undefined;
  #withPrevious: Event | undefined;
  #encodedPlain: Uint8Array | undefined;
  #encodedWithPrevious: Uint8Array | undefined;

  constructor(mvcc: Mvcc, change: Change) {
    this.#mvcc = mvcc;
    this.#change = change;
    const { write, value } = change;
    this.revision = write.main;
    this.bytes = write.key.length + value.length + OVERHEAD_BYTES;
  }

  get plain(): Event {
    const { write, value } = this.#change;
    this.#plain ??= {
      type: isTombstone(write) ? EventType.DELETE : EventType.PUT,
      kv: eventKeyValue(this.#mvcc, write, value),
      prevKv: undefined,
    };
    return this.#plain;
  }

  /** Taken early, while history and backend are there: a state machine may be replaced before the event is sent. */
  get withPrevious(): Event {
    this.#withPrevious ??= { ...this.plain, prevKv: this.#mvcc.before(this.#change.write) };
    return this.#withPrevious;
  }

  encoded(withPrevious: boolean): Uint8Array {
    if (withPrevious) return (this.#encodedWithPrevious ??= Event.encode(this.withPrevious));
    return (this.#encodedPlain ??= encodePlain(this.#change));
  }
}

/** A tombstone has nothing but its key and the revision of the delete. */
function eventKeyValue(mvcc: Mvcc, write: Write, value: Uint8Array): Event['kv'] {
  if (!isTombstone(write)) return mvcc.keyValue(write, value);
  return {
    key: fromLatin1(write.key),
    createRevision: 0,
    modRevision: write.main,
    version: 0,
    value: EMPTY_BYTES,
    lease: NO_LEASE,
  };
}

function encodePlain({ write, value }: Change): Uint8Array {
  const size = keyValueSize(write, value.length);
  const typeBytes = isTombstone(write) ? 2 : 0;
  const out = Buffer.allocUnsafe(typeBytes + 1 + varintSize(size) + size);
  if (typeBytes > 0) {
    out[0] = TYPE;
    out[1] = EventType.DELETE;
  }
  out[typeBytes] = KV;
  writeKeyValue(out, writeVarint(out, typeBytes + 1, size), write, value);
  return out;
}

/** Events that were made not long ago, so that watchers who fell behind together share them, too. */
export class RecentEvents {
  readonly #eventsMax: number;
  readonly #bytesMax: number;
  readonly #events = new Map<Write, SharedEvent>();
  #bytes = 0;

  constructor({ eventsMax, bytesMax }: { readonly eventsMax: number; readonly bytesMax: number }) {
    this.#eventsMax = eventsMax;
    this.#bytesMax = bytesMax;
  }

  /** The event of a change, made anew where it was not kept. */
  of(mvcc: Mvcc, write: Write, value: () => Uint8Array): SharedEvent {
    const known = this.#events.get(write);
    if (known !== undefined) return known;
    const event = new SharedEvent(mvcc, { write, value: value() });
    // All at once, as the oldest are as good as any: whoever is behind comes by them in order.
    if (this.#events.size >= this.#eventsMax || this.#bytes + event.bytes > this.#bytesMax) this.clear();
    if (event.bytes > this.#bytesMax) return event;
    this.#events.set(write, event);
    this.#bytes += event.bytes;
    return event;
  }

  clear(): void {
    this.#events.clear();
    this.#bytes = 0;
  }
}
