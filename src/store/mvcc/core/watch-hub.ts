/**
 * Who watches what, and what each is still owed. A watcher is *synced* while every event reaches it as it happens, and
 * *unsynced* while it reads history; the stream's owner pulls messages, so a slow one costs no more than its queue:
 *
 *            start in the past                  all history read
 *   create ───────────────────► unsynced ─────────────────────────► synced
 *      │                          ▲  │ history compacted                │
 *      │ start now or later       │  └─► cancelled, compact_revision    │ queue over its budget
 *      └──────────────────────────┼───────────────────────────────► ────┘
 *                                 └─────────────────────────────────────┘
 *
 * The promises, per watcher: events in the order of their revisions, none twice, none left out, those of one revision
 * together, and a progress message says revision r only after every event up to r. They hold because a watcher reads
 * history only while none of its messages wait in the queue, turns synced in the same turn in which it has read the last
 * revision, and the progress of all is said with the queue empty or at its end.
 */
import { assert } from '../../../base/assert.ts';
import { toLatin1 } from '../../../base/bytes.ts';
import { FilterType } from '../../../proto/etcd.ts';
import { IntervalIndex } from './interval-index.ts';
import type { KeyRange } from './key-index.ts';
import type { Change, Mvcc } from './mvcc.ts';
import { isTombstone, type Key, type Revision, type Write } from './revision.ts';
import { RecentEvents, type SharedEvent } from './shared-event.ts';
import { Audience, audienceName, type OpenMessage, type Owed, type Watcher } from './watch-audience.ts';
import { ALL_WATCHERS, type CancelReason, type SharedMessage, type WatchCreate, type WatchMessage } from './watch-messages.ts';
import { keyRange } from './txn.ts';

/** Events that wait in one stream's queue, for each audience anew, and their bytes; past either, watchers fall back to history. */
export const QUEUED_EVENTS_MAX = 16 * 1024;
export const QUEUED_BYTES_MAX = 4 * 1024 * 1024;
/** Events of the past that are kept for who falls back, and their bytes. */
const RECENT = { eventsMax: 1024, bytesMax: 4 * 1024 * 1024 };
/** Writes that one pull looks at in history before it answers, so that a narrow watcher of a long history yields. */
const HISTORY_WRITES_MAX = 1000;
const HISTORY_SLICES_MAX = 10;
/** Events and bytes of one answer; passed by at most one revision. */
const ANSWER_EVENTS_MAX = 1000;
const ANSWER_BYTES_MAX = 1024 * 1024;
/** One client's watchers on one stream; more are refused. */
export const WATCHERS_PER_STREAM_MAX = 65_536;

export class WatchHub {
  #mvcc: Mvcc;
  /** Of those that are synced, by what they watch. */
  readonly #exact = new Map<Key, Set<Audience>>();
  readonly #ranges = new IntervalIndex<Audience>();
  readonly #streams = new Set<WatchStream>();
  readonly #recent = new RecentEvents(RECENT);
  #recentSince: Revision = 0;
  /** Streams whose progress waits for the revision to move. */
  readonly #waiting = new Set<WatchStream>();
  #watchers = 0;

  /** Of each stream. */
  readonly queuedEventsMax: number;

  constructor(mvcc: Mvcc, queuedEventsMax = QUEUED_EVENTS_MAX) {
    this.#mvcc = mvcc;
    this.queuedEventsMax = queuedEventsMax;
  }

  get mvcc(): Mvcc {
    return this.#mvcc;
  }

  get watcherCount(): number {
    return this.#watchers;
  }

  /** `wake` is called when {@link WatchStream.next} may have something after it had nothing; it must not call back. */
  openStream(wake: () => void): WatchStream {
    const stream = new WatchStream(this, wake);
    this.#streams.add(stream);
    return stream;
  }

  /** Once for each write transaction, right after it committed. */
  notify(changes: readonly Change[]): void {
    const first = changes[0];
    if (first === undefined || this.#watchers === 0) return;
    if (changes.length === 1) this.#notifyOne(first);
    else this.#notifyAll(changes);
    for (const stream of this.#waiting) stream.wakeUp();
  }

  event(write: Write, value: () => Uint8Array): SharedEvent {
    // The state before an event is told only while history has it.
    if (this.#recentSince !== this.#mvcc.compactRevision) this.#recent.clear();
    this.#recentSince = this.#mvcc.compactRevision;
    return this.#recent.of(this.#mvcc, write, value);
  }

  #notifyOne(change: Change): void {
    let owed: Owed | undefined;
    const { write } = change;
    this.#visit(write, (audience) => {
      owed ??= { revision: write.main, events: [this.event(write, () => change.value)] };
      if (audience.prevKv) void owed.events[0]!.withPrevious;
      audience.stream.offer(audience, owed);
    });
  }

  #notifyAll(changes: readonly Change[]): void {
    const revision = changes[0]!.write.main;
    const owed = new Map<Audience, SharedEvent[]>();
    for (const { write, value } of changes) {
      this.#visit(write, (audience) => {
        const event = this.event(write, () => value);
        if (audience.prevKv) void event.withPrevious;
        const events = owed.get(audience);
        if (events === undefined) owed.set(audience, [event]);
        else events.push(event);
      });
    }
    for (const [audience, events] of owed) audience.stream.offer(audience, { revision, events });
  }

  /** Those that are to hear of it now. */
  #visit(write: Write, visit: (audience: Audience) => void): void {
    const look = (audience: Audience): void => {
      if (audience.start <= write.main && audience.isWanted(write)) visit(audience);
    };
    this.#exact.get(write.key)?.forEach(look);
    this.#ranges.visit(write.key, look);
  }

  /** A snapshot took the state machine's place. Everybody reads on in its history from where he was. */
  replace(mvcc: Mvcc): void {
    const seen = this.#mvcc.revision;
    this.#mvcc = mvcc;
    this.#recent.clear();
    for (const stream of this.#streams) stream.rewind(seen + 1);
  }

  counted(change: 1 | -1): void {
    this.#watchers += change;
  }

  add(audience: Audience): void {
    if (audience.exact === undefined) return this.#ranges.add(audience.range, audience);
    const sharers = this.#exact.get(audience.exact);
    if (sharers === undefined) this.#exact.set(audience.exact, new Set([audience]));
    else sharers.add(audience);
  }

  remove(audience: Audience): void {
    if (audience.exact === undefined) return this.#ranges.remove(audience.range, audience);
    const sharers = this.#exact.get(audience.exact)!;
    sharers.delete(audience);
    if (sharers.size === 0) this.#exact.delete(audience.exact);
  }

  forget(stream: WatchStream): void {
    this.#streams.delete(stream);
    this.#waiting.delete(stream);
  }

  /** Progress that was asked for too early may be due as soon as the revision moves. */
  awaitRevision(stream: WatchStream, isWaiting: boolean): void {
    if (isWaiting) this.#waiting.add(stream);
    else this.#waiting.delete(stream);
  }
}

export class WatchStream {
  readonly #hub: WatchHub;
  readonly #wake: () => void;
  readonly #watchers = new Map<number, Watcher>();
  /** Of the synced ones, by name. */
  readonly #audiences = new Map<string, Audience>();
  /** Insertion order is whose turn it is. */
  readonly #unsynced = new Set<Watcher>();
  #queue: (WatchMessage | OpenMessage)[] = [];
  #head = 0;
  /** Of all messages ever, those that have left the queue. */
  #gone = 0;
  #queuedEvents = 0;
  #queuedBytes = 0;
  #nextId = 0;
  /** Counts the messages to all watchers: what is owed after one must not leave before it. */
  #era = 0;
  /** Of periodic progress. */
  #ticks = 0;
  #isClosed = false;
  #isProgressPending = false;
  #isHistorysTurn = false;

  constructor(hub: WatchHub, wake: () => void) {
    this.#hub = hub;
    this.#wake = wake;
  }

  /** Messages that wait; whoever takes requests from the client stops while it is long. */
  get queued(): number {
    return this.#queue.length - this.#head;
  }

  get watcherCount(): number {
    return this.#watchers.size;
  }

  get isSynced(): boolean {
    return this.#unsynced.size === 0;
  }

  /** A watcher that was refused before it came here; `text` is what its client is told. */
  refuse(text: string): void {
    this.#push({ kind: 'refused', revision: this.#hub.mvcc.revision, reason: 'not-permitted', text });
  }

  create(request: WatchCreate): void {
    assert(!this.#isClosed, 'a closed stream is not used');
    const { revision } = this.#hub.mvcc;
    const refusal = this.#refuse(request);
    if (refusal !== undefined) return this.#push({ kind: 'refused', revision, reason: refusal });
    const watcher = this.#watcher(request, revision);
    this.#watchers.set(watcher.id, watcher);
    this.#hub.counted(1);
    if (watcher.start > revision) this.#sync(watcher);
    else this.#unsynced.add(watcher);
    this.#push({ kind: 'created', watchId: watcher.id, revision }, watcher);
  }

  /** An id that is not watched is no error, and is not answered. */
  cancel(watchId: number): void {
    const watcher = this.#watchers.get(watchId);
    if (watcher === undefined) return;
    this.#drop(watcher);
    this.#push({
      kind: 'canceled',
      watchId,
      revision: this.#hub.mvcc.revision,
      compactRevision: 0,
      reason: 'requested',
    });
  }

  /** A client's request: answered once, for all watchers together, as soon as all are synced. */
  requestProgress(): void {
    if (this.#watchers.size === 0) return;
    if (this.#isProgressDue()) {
      this.#push({ kind: 'progress', watchId: ALL_WATCHERS, revision: this.#hub.mvcc.revision });
    } else this.#setProgressPending(true);
  }

  /** The periodic progress of those that asked for it and have heard nothing since the last time. */
  progressTick(): void {
    const { revision } = this.#hub.mvcc;
    for (const watcher of this.#watchers.values()) {
      if (!watcher.progressNotify) continue;
      // A watcher whose last message still waits is not quiet: progress adds nothing for it, and would pile up.
      const isDue =
        watcher.isQuiet && watcher.audience !== undefined && watcher.progressFrom <= revision && this.queued < this.#hub.queuedEventsMax;
      if (isDue) this.#push({ kind: 'progress', watchId: watcher.id, revision }, watcher);
      watcher.isQuiet = true;
    }
    this.#ticks++;
  }

  /** What to send next; `pause` when there is more to look through but somebody else should have a turn first. */
  next(): WatchMessage | 'pause' | undefined {
    const message = this.#take(1);
    if (typeof message !== 'object' || message.kind !== 'shared') return message;
    const { watchIds, revision, events, withPrevious, fragment } = message;
    return { kind: 'events', watchId: watchIds[0]!, revision, events, withPrevious, fragment };
  }

  /** The same, and where several watchers are told the same, that of all of them. */
  nextOfAll(): WatchMessage | SharedMessage | 'pause' | undefined {
    return this.#take(Infinity);
  }

  #take(watchersMax: number): WatchMessage | SharedMessage | 'pause' | undefined {
    // Queue and history take turns: a stream that is never idle must not keep a watcher from its past (etcd's #17529).
    this.#isHistorysTurn = !this.#isHistorysTurn;
    if (this.queued > 0 && !this.#isHistorysTurn) return this.#shift(watchersMax);
    for (let slice = 0; slice < HISTORY_SLICES_MAX; slice++) {
      const [watcher] = this.#unsynced;
      if (watcher === undefined || this.#isQueued(watcher)) break;
      const message = this.#readHistory(watcher);
      if (message !== undefined) return message;
    }
    if (this.queued > 0) return this.#shift(watchersMax);
    return this.#unsynced.size > 0 ? 'pause' : this.#pendingProgress();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const watcher of [...this.#watchers.values()]) this.#drop(watcher);
    this.#queue = [];
    this.#head = 0;
    this.#hub.forget(this);
  }

  /** Called by the hub. */
  offer(audience: Audience, { revision, events }: Owed): void {
    let bytes = 0;
    for (const event of events) bytes += event.bytes;
    const isOver =
      this.#queuedEvents + events.length > this.#hub.queuedEventsMax || this.#queuedBytes + bytes > QUEUED_BYTES_MAX;
    // A single revision past the budget is let through an empty queue: history could not split it either.
    if (isOver && this.#queuedEvents > 0) return this.#fallBackAll(audience, revision);
    this.#queuedEvents += events.length;
    this.#queuedBytes += bytes;
    const { open } = audience;
    const isRoom = open !== undefined && open.bytes + bytes <= ANSWER_BYTES_MAX && open.events.length + events.length <= ANSWER_EVENTS_MAX;
    if (!isRoom || open.era !== this.#era) return this.#open(audience, { revision, events: [...events], bytes });
    open.revision = revision;
    open.bytes += bytes;
    for (const event of events) open.events.push(event);
    if (open.tick !== this.#ticks) this.#heard(open);
  }

  /** Called by the hub when history was exchanged: what was queued stays true, what follows is read again. */
  rewind(next: Revision): void {
    for (const watcher of this.#watchers.values()) {
      if (watcher.audience !== undefined) this.#fallBack(watcher, Math.max(next, watcher.start));
    }
  }

  wakeUp(): void {
    this.#wake();
  }

  #refuse(request: WatchCreate): CancelReason | undefined {
    if (request.startRevision < 0) return 'compacted-start';
    const { from, to } = watchRange(request);
    if (to !== undefined && from >= to) return 'empty-range';
    if (request.watchId !== 0 && this.#watchers.has(request.watchId)) return 'duplicate-watch-id';
    return this.#watchers.size >= WATCHERS_PER_STREAM_MAX ? 'too-many-watchers' : undefined;
  }

  #watcher(request: WatchCreate, revision: Revision): Watcher {
    const start = request.startRevision === 0 ? revision + 1 : request.startRevision;
    const noPut = request.filters.includes(FilterType.NOPUT);
    const noDelete = request.filters.includes(FilterType.NODELETE);
    return {
      id: request.watchId === 0 ? this.#freeId() : request.watchId,
      range: watchRange(request),
      exact: request.rangeEnd.length === 0 ? toLatin1(watchKey(request)) : undefined,
      noPut,
      noDelete,
      isWanted: (write) => (isTombstone(write) ? !noDelete : !noPut),
      prevKv: request.prevKv,
      progressNotify: request.progressNotify,
      fragment: request.fragment,
      start,
      progressFrom: request.startRevision === 0 ? revision : start,
      next: start,
      audience: undefined,
      lastQueued: 0,
      isQuiet: true,
    };
  }

  #freeId(): number {
    while (this.#watchers.has(this.#nextId)) this.#nextId++;
    return this.#nextId++;
  }

  /** Behind all that has happened, or before a start that is still to come. */
  #sync(watcher: Watcher): void {
    const start = watcher.start > this.#hub.mvcc.revision + 1 ? watcher.start : 0;
    const name = audienceName(watcher, start);
    let audience = this.#audiences.get(name);
    if (audience === undefined) {
      audience = new Audience(this, name, watcher, start);
      this.#audiences.set(name, audience);
      this.#hub.add(audience);
    }
    audience.add(watcher);
  }

  #unsync(watcher: Watcher): void {
    const { audience } = watcher;
    if (audience === undefined) return;
    audience.delete(watcher);
    if (audience.size > 0) return;
    this.#audiences.delete(audience.name);
    this.#hub.remove(audience);
  }

  #fallBackAll(audience: Audience, next: Revision): void {
    for (const watcher of audience.listeners.watchers) this.#fallBack(watcher, next);
  }

  #fallBack(watcher: Watcher, next: Revision): void {
    this.#unsync(watcher);
    watcher.next = next;
    this.#unsynced.add(watcher);
    this.#wake();
  }

  #drop(watcher: Watcher): void {
    this.#watchers.delete(watcher.id);
    this.#unsynced.delete(watcher);
    this.#unsync(watcher);
    this.#hub.counted(-1);
  }

  #open(audience: Audience, { revision, events, bytes }: { revision: Revision; events: SharedEvent[]; bytes: number }): void {
    const { listeners } = audience;
    const message: OpenMessage = { kind: 'open', audience, listeners, revision, events, bytes, era: this.#era, tick: 0, taken: 0 };
    this.#enqueue(message);
    for (const watcher of listeners.watchers) watcher.lastQueued = this.#gone + this.queued;
    this.#heard(message);
    audience.open = message;
  }

  #heard(message: OpenMessage): void {
    message.tick = this.#ticks;
    for (const watcher of message.listeners.watchers) watcher.isQuiet = false;
  }

  #push(message: WatchMessage, watcher?: Watcher): void {
    this.#enqueue(message);
    if (watcher === undefined) this.#era++;
    else {
      watcher.lastQueued = this.#gone + this.queued;
      if (watcher.audience !== undefined) watcher.audience.open = undefined;
    }
  }

  #enqueue(message: WatchMessage | OpenMessage): void {
    this.#queue.push(message);
    this.#wake();
  }

  #isQueued(watcher: Watcher): boolean {
    return watcher.lastQueued > this.#gone;
  }

  #setProgressPending(isPending: boolean): void {
    if (this.#isProgressPending === isPending) return;
    this.#isProgressPending = isPending;
    this.#hub.awaitRevision(this, isPending);
  }

  #shift(watchersMax: number): WatchMessage | SharedMessage {
    const message = this.#queue[this.#head]!;
    if (message.kind !== 'open') {
      this.#dequeue();
      return message;
    }
    const { audience, listeners, revision, events, bytes, taken } = message;
    const { ids } = listeners;
    const count = Math.min(watchersMax, ids.length - taken);
    message.taken += count;
    if (audience.open === message) audience.open = undefined;
    if (message.taken === ids.length) {
      this.#dequeue();
      this.#queuedEvents -= events.length;
      this.#queuedBytes -= bytes;
    }
    const watchIds = count === ids.length ? ids : ids.slice(taken, taken + count);
    return { kind: 'shared', watchIds, revision, events, withPrevious: audience.prevKv, fragment: audience.fragment };
  }

  #dequeue(): void {
    this.#head++;
    this.#gone++;
    if (this.#head < this.#queue.length) return;
    this.#queue = [];
    this.#head = 0;
  }

  #isProgressDue(): boolean {
    if (this.#unsynced.size > 0) return false;
    for (const { progressFrom } of this.#watchers.values()) if (progressFrom > this.#hub.mvcc.revision) return false;
    return true;
  }

  #pendingProgress(): WatchMessage | undefined {
    if (this.#watchers.size === 0) this.#setProgressPending(false);
    if (!this.#isProgressPending || !this.#isProgressDue()) return undefined;
    this.#setProgressPending(false);
    return { kind: 'progress', watchId: ALL_WATCHERS, revision: this.#hub.mvcc.revision };
  }

  /** One slice of a watcher's past; undefined if nothing in it was for him. */
  #readHistory(watcher: Watcher): WatchMessage | undefined {
    const { mvcc } = this.#hub;
    this.#unsynced.delete(watcher);
    const { compactRevision } = mvcc;
    if (watcher.next < compactRevision) {
      this.#drop(watcher);
      return { kind: 'canceled', watchId: watcher.id, revision: mvcc.revision, compactRevision, reason: 'compacted' };
    }
    const { events, next } = this.#historySlice(watcher);
    watcher.next = next;
    if (next > mvcc.revision) this.#sync(watcher);
    else this.#unsynced.add(watcher);
    if (events.length === 0) return undefined;
    watcher.isQuiet = false;
    return eventsMessage(watcher, { revision: next - 1, events });
  }

  #historySlice(watcher: Watcher): { readonly events: SharedEvent[]; readonly next: Revision } {
    const { mvcc } = this.#hub;
    // A restored state machine may be behind what the watcher has seen of the one before.
    if (watcher.next > mvcc.revision) return { events: [], next: watcher.next };
    const slice =
      watcher.exact === undefined
        ? mvcc.history(watcher.next, HISTORY_WRITES_MAX)
        : { writes: mvcc.historyOf(watcher.exact, watcher.next), next: mvcc.revision + 1 };
    const events: SharedEvent[] = [];
    let bytes = 0;
    for (const write of slice.writes) {
      const isNewRevision = events.length > 0 && events[events.length - 1]!.revision !== write.main;
      const isFull = bytes >= ANSWER_BYTES_MAX || events.length >= ANSWER_EVENTS_MAX;
      if (isNewRevision && isFull) return { events, next: write.main };
      if (!contains(watcher.range, write.key) || !watcher.isWanted(write)) continue;
      const event = this.#hub.event(write, () => mvcc.value(write));
      if (watcher.prevKv) void event.withPrevious;
      bytes += event.bytes;
      events.push(event);
    }
    return { events, next: slice.next };
  }
}

function eventsMessage(
  watcher: Watcher,
  { revision, events }: { readonly revision: Revision; readonly events: readonly SharedEvent[] },
): WatchMessage {
  const { id, prevKv, fragment } = watcher;
  return { kind: 'events', watchId: id, revision, events, withPrevious: prevKv, fragment };
}

/** An empty key means the first possible one. */
function watchKey(request: WatchCreate): Uint8Array {
  return request.key.length === 0 ? Uint8Array.of(0) : request.key;
}

function watchRange(request: WatchCreate): KeyRange {
  return keyRange(watchKey(request), request.rangeEnd);
}

function contains(range: KeyRange, key: Key): boolean {
  return key >= range.from && (range.to === undefined || key < range.to);
}
