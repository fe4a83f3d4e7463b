/**
 * The shell of the consensus core: it ticks it, feeds it what arrives, and does what its Readys say, in the order that
 * they demand. It knows nothing of keys and values: committed entries go to the `StateMachine` that it is handed.
 *
 *   propose / receive / tick ──► Raft ──► Ready ─┬─► messages ─────────────────────────► transport
 *                                               ├─► entries, hardState ─► WAL ─ synced ─► persisted(), messagesAfterSync
 *                                               ├─► committed ──► StateMachine.apply() ─► applied()
 *                                               └─► readStates ─► reads that waited
 *
 * Everything here runs in the event loop's turns, nothing in parallel; while the disk works, proposals gather in the core
 * and leave it as one batch (group commit).
 */
import { assert } from '../../base/assert.ts';
import { deferred, type Deferred } from '../../base/deferred.ts';
import type { Clock, Millis, Timer } from '../../base/clock.ts';
import { describeError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { Tasks } from '../../base/tasks.ts';
import type { FaultHooks } from '../faults/fault-hooks.ts';
import { StoreError, type StoreErrorCode } from '../rpc/errors.ts';
import { Raft, type ProposeConfChangeResult, type RaftStatus } from './core/raft.ts';
import type {
  ConfChange,
  ConfState,
  Entry,
  HardState,
  LogIndex,
  MemberId,
  Message,
  Ready,
  SnapshotMeta,
  SoftState,
  Term,
} from './core/types.ts';
import { decodeConfChange } from './core/confchange.ts';
import { sendToItsEnd } from './snapshot-sending.ts';
import type { ConnectionNumber, RaftReceiver, RaftTransport } from './transport.ts';

/** What the node needs of the write-ahead log. */
export interface NodeWal {
  /** Durable when it resolves; resolves in the order of the calls. */
  append(batch: {
    readonly entries: readonly Entry[];
    readonly hardState: HardState | undefined;
    readonly snapshot: SnapshotMeta | undefined;
    readonly mustSync: boolean;
  }): Promise<void>;
  /** To be durable with the next batch. Only while none is on its way, which it would overtake. */
  hint(hardState: HardState): void;
  /** Resolves once what was appended in this turn is on its way to the disk. */
  begun(): Promise<void>;
  /** Entries up to `index` are not needed any more. */
  release(index: LogIndex): Promise<void>;
}

export interface StateSnapshot {
  readonly index: LogIndex;
  readonly confState: ConfState;
  /** Its bytes from this one on; may be called again. */
  read(from: number): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/** What the node drives. `apply` is synchronous and deterministic. */
export interface StateMachine {
  /** A normal entry with data. */
  apply(entry: Entry): void;
  /** An entry that changes no data, a new leader's first: only the index moves on. */
  skip(index: LogIndex, term: Term): void;
  /** Calls `make` unless it refuses the change; answers the configuration that holds from here on. */
  changeConf(entry: Entry, change: ConfChange, make: () => ConfState): ConfState;
  /** All that was committed at once is applied. */
  applied(): void;
  /** Undefined: there is room for more. Else resolves when there is: a slow disk slows the log, it does not fill memory. */
  room(): Promise<void> | undefined;
  /** The log should be short: its disk is full. */
  isShortOfRoom?(): boolean;
  /** A restart would go on from here: nothing above it may be released from the log. */
  durableIndex(): LogIndex;
  /** The state at some recent durable index. */
  snapshot(): Promise<StateSnapshot>;
  /** Writes a peer's state to a place of its own; nothing changes until `activate`. */
  prepare(meta: SnapshotMeta, chunks: AsyncIterable<Uint8Array>): Promise<PreparedState>;
}

export interface PreparedState {
  /** Makes it the state, durably. */
  activate(): Promise<void>;
  discard(): Promise<void>;
}

/** Of the log in memory, which is compacted past `max`, however few its entries, and then keeps `catchUp`. */
export interface LogBytes {
  readonly max: number;
  readonly catchUp: number;
  /** In place of `max` while a peer is sent a snapshot: without the sequel it would need another. */
  readonly maxWhileSending: number;
}

export interface RaftNodeOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly raft: Raft;
  readonly wal: NodeWal;
  readonly transport: RaftTransport;
  readonly stateMachine: StateMachine;
  /** The configuration that the restored log begins with. */
  readonly confState: ConfState;
  /** The first read request; later ones count up. Never used by an earlier run of this member. */
  readonly firstReadRequest: bigint;
  readonly tickMs: Millis;
  readonly faults?: FaultHooks | undefined;
  /** The log is compacted when the durable state is so many entries ahead of its beginning … */
  readonly snapshotEntries: number;
  /** … and keeps so many for followers that are a little behind. */
  readonly catchUpEntries: number;
  /** LOG_BYTES if absent. */
  readonly logBytes?: LogBytes;
  readonly onSoftState: (state: SoftState) => void;
  /** A peer says that this member was removed. */
  readonly onRemoved: () => void;
  /** The member must stop: a sync failed, an invariant broke. Called once. */
  readonly onFatal: (error: unknown) => void;
}

/** All of the log lies in memory, and a restart reads it. What is kept is some seconds of a busy cluster. */
const MIB = 1024 * 1024;
const LOG_BYTES: LogBytes = { max: 64 * MIB, catchUp: 32 * MIB, maxWhileSending: 1024 * MIB };
/** Batches that may be on their way to the disk; proposals gather in the core meanwhile. */
const WAL_BATCHES_MAX = 2;
/** Proposals that wait for a leader or for the loop; one more is refused with `too-many-requests`. */
const PROPOSALS_MAX = 5_000;
/** Reads that wait; one more is refused with `too-many-requests`. */
const READS_MAX = 100_000;
/** A read request that got no answer is asked anew, under another number, after so long. */
const READ_RETRY_MS = 500;
/** Instead of what is kept for slow followers otherwise: they get a snapshot. */
const ENTRIES_SHORT_OF_ROOM = 50;
/** A commit index that only tells followers what to apply waits so long for entries to leave with, at most twice: half of
 *  all messages between members would carry nothing else. */
const COMMIT_HELD_MS = 2;
/** After a pause of the process, at most so many ticks are made up for: it shall hear its leader before it doubts it. */
const TICKS_AT_ONCE_MAX = 3;

export class RaftNode implements RaftReceiver {
  readonly #options: RaftNodeOptions;
  readonly #raft: Raft;
  readonly #tasks: Tasks;
  readonly #connections = new Map<MemberId, ConnectionNumber>();
  /** Of the connections that stand. */
  readonly #connectedSince = new Map<MemberId, Millis>();
  readonly #sendingSnapshot = new Set<MemberId>();
  /** Fires when the node stops. */
  readonly #abort = new AbortController();
  /** The first is drawn with the reads' numbers. */
  #nextSnapshot: bigint;
  /** Configurations by the index they were applied at, oldest first; compaction asks which one held at its index. */
  readonly #confStates: { readonly index: LogIndex; readonly confState: ConfState }[];
  #proposals: Uint8Array[] = [];
  /** Reads that no request covers yet, and those that the request under way covers. */
  #readsWaiting: Deferred<void>[] = [];
  #readsAsked: { readonly request: bigint; readonly reads: Deferred<void>[]; readonly askedAt: Millis } | undefined;
  /** Reads that know their index and wait for it to be applied. */
  #readsIndexed: { readonly index: LogIndex; readonly reads: readonly Deferred<void>[] }[] = [];
  #nextReadRequest: bigint;
  /** A peer's state that is written and waits for the core's word; `installed` tells its sender. */
  #prepared:
    | {
        readonly meta: SnapshotMeta;
        readonly state: PreparedState;
        readonly installed: Deferred<void>;
      }
    | undefined;
  #batchesOut = 0;
  /** Taken from the core, and not applied yet. */
  #committed: readonly Entry[] = [];
  /** A snapshot is being put in place: nothing is applied, so nothing is taken from the core. */
  #isInstalling = false;
  #isCompacting = false;
  #isWaitingForRoom = false;
  #isPumpDue = false;
  #isStopped = false;
  #softState: SoftState = { role: 'follower', leader: 0n };
  #tickTimer: Timer | undefined;
  #commitTimer: Timer | undefined;
  #tickDueAt: Millis = 0;
  #lastTickAt: Millis;
  #compactedTo: LogIndex;
  /** The durable index for which the log was weighed last: once for each is enough. */
  #weighedAt: LogIndex = 0;

  constructor(options: RaftNodeOptions) {
    this.#options = options;
    this.#raft = options.raft;
    this.#nextReadRequest = options.firstReadRequest;
    this.#nextSnapshot = options.firstReadRequest | 1n;
    this.#lastTickAt = options.clock.monotonic();
    this.#compactedTo = this.#raft.status().firstIndex - 1;
    this.#confStates = [{ index: this.#compactedTo, confState: options.confState }];
    this.#tasks = new Tasks((error) => this.#fatal(error));
  }

  async start(): Promise<void> {
    await this.#options.transport.start(this);
    this.#lastTickAt = this.#options.clock.monotonic();
    this.#armTick();
    this.#pumpSoon();
  }

  /** Nothing of it is sent or applied afterwards; what is being written is waited for. */
  async stop(): Promise<void> {
    if (this.#isStopped) return this.#tasks.idle();
    this.#isStopped = true;
    this.#abort.abort();
    this.#tickTimer?.cancel();
    this.#commitTimer?.cancel();
    this.#failReads('stopped');
    await this.#options.transport.close();
    await this.#tasks.idle();
  }

  get softState(): SoftState {
    return this.#softState;
  }

  status(): RaftStatus {
    return this.#raft.status();
  }

  get term(): Term {
    return this.#raft.term;
  }

  termAt(index: LogIndex): Term | undefined {
    return this.#raft.termAt(index);
  }

  /** Proposes once. Whether it happens, the state machine hears; nobody tells if it does not. */
  propose(data: Uint8Array): void {
    if (this.#isStopped) throw new StoreError('stopped');
    if (this.#proposals.length >= PROPOSALS_MAX) throw new StoreError('too-many-requests');
    if (this.#softState.leader === 0n) throw new StoreError('no-leader');
    this.#proposals.push(data);
    this.#pumpSoon();
  }

  /**
   * Whether this member leads now. Its `SoftState` may tell of that later: while the disk holds up the log, nothing of what
   * Raft has decided goes out.
   */
  leadsNow(): boolean {
    this.#catchUpTicks();
    return this.#raft.role === 'leader';
  }

  /** Proposes once, in this member's own leadership or not at all: what a leader decided by its clock no other may do. */
  proposeAsLeader(data: Uint8Array): void {
    if (this.#isStopped) throw new StoreError('stopped');
    const outcome = this.leadsNow() ? this.#raft.propose([data]) : undefined;
    this.#pumpSoon();
    if (outcome === undefined || (!outcome.ok && outcome.code === 'no-leader')) throw new StoreError('leader-changed');
    if (!outcome.ok) throw new StoreError('too-many-requests');
  }

  /** On the leader: `ok` promises nothing but the attempt. */
  proposeConfChange(change: ConfChange): ProposeConfChangeResult {
    if (this.#isStopped) throw new StoreError('stopped');
    this.#catchUpTicks();
    const outcome = this.#raft.proposeConfChange(change);
    this.#pumpSoon();
    return outcome;
  }

  /** Peers that a connection stands to, and for how long. */
  connectedForMs(): ReadonlyMap<MemberId, Millis> {
    const now = this.#options.clock.monotonic();
    return new Map([...this.#connectedSince].map(([peer, since]) => [peer, now - since]));
  }

  /** Resolves when the state machine has applied all that was committed when this was called (thesis §6.4). */
  linearizable(): Promise<void> {
    if (this.#isStopped) return Promise.reject(new StoreError('stopped'));
    const waiting = this.#readsWaiting.length + (this.#readsAsked?.reads.length ?? 0);
    if (waiting >= READS_MAX) return Promise.reject(new StoreError('too-many-requests'));
    const read = deferred<void>();
    this.#readsWaiting.push(read);
    this.#pumpSoon();
    return read.promise;
  }

  transferLeader(to: MemberId): boolean {
    this.#catchUpTicks();
    const outcome = this.#raft.transferLeader(to);
    this.#pumpSoon();
    return outcome.ok;
  }

  // ── From the transport ───────────────────────────────────────────────────────────────────────────────────────────

  receive(message: Message): void {
    if (this.#isStopped) return;
    this.#catchUpTicks();
    this.#raft.step(message);
    this.#pumpSoon();
  }

  opened(peer: MemberId, connection: ConnectionNumber): void {
    if (this.#isStopped || connection < (this.#connections.get(peer) ?? 0)) return;
    this.#connections.set(peer, connection);
    this.#connectedSince.set(peer, this.#options.clock.monotonic());
    this.#catchUpTicks();
    this.#raft.connectionOpened(peer);
    this.#pumpSoon();
  }

  closed(peer: MemberId, connection: ConnectionNumber): void {
    if (this.#isStopped || this.#connections.get(peer) !== connection) return;
    this.#connectedSince.delete(peer);
    this.#catchUpTicks();
    this.#raft.connectionClosed(peer);
    this.#pumpSoon();
  }

  removed(): void {
    if (!this.#isStopped) this.#options.onRemoved();
  }

  /** The state is written beside ours first; only when the core accepts the message does it take our state's place. */
  async receiveSnapshot(
    from: MemberId,
    meta: SnapshotMeta,
    message: Message,
    chunks: AsyncIterable<Uint8Array>,
  ): Promise<void> {
    if (this.#isStopped) throw new StoreError('stopped');
    if (this.#prepared !== undefined) throw new Error('another snapshot is being installed');
    const { log, stateMachine } = this.#options;
    log.info({ peer: from.toString(16), index: meta.index, term: meta.term }, 'raft: receiving snapshot');
    const state = await stateMachine.prepare(meta, chunks);
    if (this.#isStopped || this.#prepared !== undefined) {
      await state.discard();
      throw new Error('another snapshot is being installed');
    }
    const prepared = { meta, state, installed: deferred<void>() };
    this.#prepared = prepared;
    this.#raft.step(message);
    // Asked of the core, not of the next Ready: while the disk is behind, that is taken later (simulator, seed 5346).
    const isAccepted = this.#raft.hasPendingSnapshot;
    this.#pump();
    if (isAccepted) return prepared.installed.promise;
    this.#prepared = undefined;
    await state.discard();
  }

  // ── The loop ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Sleeps until a tick has something to do; whatever happens before catches up with the ticks that have passed. */
  #armTick(): void {
    if (this.#isStopped) return;
    const { clock, tickMs } = this.#options;
    const ticks =
      this.#readsAsked === undefined
        ? this.#raft.ticksToNextAct()
        : Math.min(this.#raft.ticksToNextAct(), READ_RETRY_MS / tickMs);
    const dueAt = this.#lastTickAt + ticks * tickMs;
    if (this.#tickTimer !== undefined && this.#tickDueAt <= dueAt) return;
    this.#tickTimer?.cancel();
    this.#tickDueAt = dueAt;
    this.#tickTimer = clock.setTimer(dueAt - clock.monotonic(), () => {
      this.#tickTimer = undefined;
      this.#catchUpTicks();
      this.#retryReads();
      this.#pump();
    });
  }

  #armCommit(): void {
    if (!this.#raft.holdsCommit || this.#commitTimer !== undefined || this.#isStopped) return;
    const held = this.#raft.commitIndex;
    this.#commitTimer = this.#options.clock.setTimer(COMMIT_HELD_MS, () => {
      this.#commitTimer = undefined;
      // Entries have left since, and told of it: what is held now is newer, and has waited for less.
      if (this.#raft.hasToldCommit(held)) return this.#armCommit();
      this.#raft.tellCommits();
      this.#pump();
    });
  }

  /** Before anything that resets a timer of the core: it must not count the past as if it came afterwards. */
  #catchUpTicks(): void {
    const { clock, tickMs } = this.#options;
    const now = clock.monotonic();
    const behind = Math.floor((now - this.#lastTickAt) / tickMs);
    if (behind <= 0) return;
    // Later than the timer was due by much: the process was paused or starved, and nobody knows what it missed. The time
    // until then it was there, and counts.
    const planned = Math.max(0, Math.ceil((this.#tickDueAt - this.#lastTickAt) / tickMs));
    const ticks = Math.min(behind, planned + TICKS_AT_ONCE_MAX);
    this.#lastTickAt = ticks < behind ? now : this.#lastTickAt + behind * tickMs;
    for (let tick = 0; tick < ticks; tick++) this.#raft.tick();
  }

  /** One pump for all that arrives in this turn of the event loop's microtasks. */
  #pumpSoon(): void {
    if (this.#isPumpDue || this.#isStopped) return;
    this.#isPumpDue = true;
    void Promise.resolve().then(() => {
      this.#isPumpDue = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#isStopped) return;
    try {
      this.#proposeWaiting();
      this.#askReads();
      while (!this.#isInstalling && this.#batchesOut < WAL_BATCHES_MAX && !this.#isStopped && this.#hasRoom()) {
        const ready = this.#raft.ready();
        if (ready === undefined) break;
        this.#handle(ready);
      }
      this.#compactIfDue();
      this.#armTick();
      this.#armCommit();
    } catch (error) {
      this.#fatal(error);
    }
  }

  #hasRoom(): boolean {
    if (this.#isWaitingForRoom) return false;
    const room = this.#options.stateMachine.room();
    if (room === undefined) return true;
    this.#isWaitingForRoom = true;
    this.#tasks.run(
      room.then(() => {
        this.#isWaitingForRoom = false;
        this.#pump();
      }),
    );
    return false;
  }

  #proposeWaiting(): void {
    if (this.#proposals.length === 0) return;
    const outcome = this.#raft.propose(this.#proposals);
    // No leader: these proposals are lost, which is one of the things that may happen to a proposal.
    if (outcome.ok || outcome.code === 'no-leader') this.#proposals = [];
  }

  #handle(ready: Ready): void {
    if (ready.softState !== undefined) this.#noteSoftState(ready.softState);
    if (ready.messages.length > 0 && this.#softState.role === 'leader') this.#options.faults?.block('raftBeforeLeaderSend');
    this.#applyCommitted();
    this.#send(ready.messages);
    this.#committed = ready.committed;
    // What others wait for goes first: a follower's answer waits for the disk, a client's for what is applied.
    const isWrittenFirst = ready.mustSync && this.#batchesOut === 0 && ready.committed.length > 0;
    if (!isWrittenFirst) this.#applyCommitted();
    if (ready.snapshot !== undefined) this.#isInstalling = true;
    for (const { request, index } of ready.readStates) this.#noteReadIndex(request, index);
    this.#serveReads();
    // The last, as it may hold up the loop.
    this.#persist(ready);
    if (isWrittenFirst) this.#tasks.run(this.#applyOnceWritten());
  }

  #persist(ready: Ready): void {
    const { wal, transport, faults } = this.#options;
    const { entries, hardState, snapshot, mustSync, number } = ready;
    if (!mustSync && this.#batchesOut === 0 && ready.messagesAfterSync.length === 0) {
      if (hardState !== undefined) wal.hint(hardState);
      this.#raft.persisted(number);
      return;
    }
    this.#batchesOut++;
    const persist = async () => {
      if (snapshot !== undefined && faults !== undefined) await faults.at('raftBeforeSaveSnap');
      await wal.append({ entries, hardState, snapshot, mustSync });
      if (snapshot !== undefined && faults !== undefined) await faults.at('raftAfterSaveSnap');
      if (snapshot !== undefined) await this.#install(snapshot);
      this.#batchesOut--;
      if (this.#isStopped) return;
      if (snapshot !== undefined) this.#serveReads();
      this.#raft.persisted(number);
      if (ready.messagesAfterSync.length > 0 && this.#softState.role === 'follower') faults?.block('raftBeforeFollowerSend');
      transport.send(ready.messagesAfterSync);
      this.#pump();
    };
    if (snapshot !== undefined) {
      assert(this.#prepared?.meta.index === snapshot.index, 'a snapshot is prepared before the core hears of it');
    }
    this.#tasks.run(persist());
  }

  async #install(snapshot: SnapshotMeta): Promise<void> {
    const prepared = this.#prepared;
    assert(prepared !== undefined, 'a snapshot is installed once');
    await prepared.state.activate();
    if (this.#options.faults !== undefined) await this.#options.faults.at('raftAfterApplySnap');
    this.#prepared = undefined;
    this.#isInstalling = false;
    this.#confStates.splice(0, Infinity, { index: snapshot.index, confState: snapshot.confState });
    this.#compactedTo = snapshot.index;
    this.#raft.applied(snapshot.index);
    this.#options.log.info({ index: snapshot.index, term: snapshot.term }, 'raft: snapshot installed');
    prepared.installed.resolve();
    // Behind everybody's back: the Readys after this one must not become durable before it does (simulator, seed 73).
    this.#tasks.run(this.#release(snapshot.index));
  }

  async #applyOnceWritten(): Promise<void> {
    await this.#options.wal.begun();
    if (this.#isStopped || this.#committed.length === 0) return;
    this.#applyCommitted();
    this.#serveReads();
    this.#pump();
  }

  #applyCommitted(): void {
    const entries = this.#committed;
    if (entries.length === 0) return;
    this.#committed = [];
    const { stateMachine, faults } = this.#options;
    for (const entry of entries) {
      faults?.block('beforeApply');
      if (entry.kind === 'conf-change') {
        const change = decodeConfChange(entry.data);
        assert(change !== undefined, 'a change of configuration in the log can be read');
        faults?.block('beforeApplyOneConfChange');
        const confState = stateMachine.changeConf(entry, change, () => this.#raft.appliedConfChange(change));
        this.#confStates.push({ index: entry.index, confState });
      } else if (entry.data.length === 0) {
        stateMachine.skip(entry.index, entry.term);
      } else {
        stateMachine.apply(entry);
      }
      faults?.block('afterApply');
    }
    this.#raft.applied(entries.at(-1)!.index);
    stateMachine.applied();
  }

  #send(messages: readonly Message[]): void {
    if (messages.length === 0) return;
    const plain = messages.filter((message) => message.type !== 'install-snapshot');
    this.#options.transport.send(plain);
    for (const message of messages)
      if (message.type === 'install-snapshot') this.#tasks.run(this.#sendSnapshot(message));
  }

  async #sendSnapshot(message: Extract<Message, { type: 'install-snapshot' }>): Promise<void> {
    const { clock, stateMachine, transport, log } = this.#options;
    const peer = message.to;
    if (this.#sendingSnapshot.has(peer)) return;
    this.#sendingSnapshot.add(peer);
    try {
      const { index, confState, read, close } = await stateMachine.snapshot();
      try {
        const term = this.#raft.termAt(index);
        if (term === undefined || index < message.snapshot.index)
          throw new Error('the state is not durable that far yet');
        log.info({ peer: peer.toString(16), index, term }, 'raft: sending snapshot');
        await sendToItsEnd({
          clock,
          transport,
          message: { ...message, snapshot: { index, term, confState } },
          source: { id: this.#nextSnapshot++, read },
          signal: this.#abort.signal,
          isOfUse: () => this.#leadsIn(message.term) && this.#raft.termAt(index) === term,
        });
        this.#raft.reportSnapshot(peer, true);
      } finally {
        await close();
      }
    } catch (error) {
      log.warn({ peer: peer.toString(16), error: describeError(error) }, 'raft: sending snapshot failed');
      this.#raft.reportSnapshot(peer, false);
    } finally {
      this.#sendingSnapshot.delete(peer);
      this.#pumpSoon();
    }
  }

  #leadsIn(term: Term): boolean {
    return !this.#isStopped && this.#softState.role === 'leader' && this.#raft.status().term === term;
  }

  #noteSoftState(state: SoftState): void {
    const { log, onSoftState } = this.#options;
    this.#softState = state;
    const term = this.#raft.status().term;
    log.info({ role: state.role, leader: state.leader.toString(16), term }, 'raft: role or leader changed');
    // A request to the old leader may never be answered; a read is asked again of the new one, under a new number.
    if (this.#readsAsked !== undefined) this.#askAgain();
    onSoftState(state);
  }

  // ── Reads ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #askReads(): void {
    if (this.#readsWaiting.length === 0 || this.#readsAsked !== undefined) return;
    const request = this.#nextReadRequest++;
    if (!this.#raft.readIndex(request).ok) return; // No leader: they wait for one, or for their callers' patience.
    this.#readsAsked = { request, reads: this.#readsWaiting, askedAt: this.#options.clock.monotonic() };
    this.#readsWaiting = [];
  }

  /** The leader has answered: the reads are served as soon as we have applied as much as it had committed. */
  #noteReadIndex(request: bigint, index: LogIndex): void {
    if (this.#readsAsked?.request !== request) return;
    this.#readsIndexed.push({ index, reads: this.#readsAsked.reads });
    this.#readsAsked = undefined;
    this.#pumpSoon();
  }

  #serveReads(): void {
    // The core counts a snapshot as applied when it takes it; the state machine shows it only once it is installed, and
    // until then a read would be answered from the state before (simulator, seed 5).
    if (this.#readsIndexed.length === 0 || this.#isInstalling) return;
    const applied = this.#raft.appliedIndex;
    const served = this.#readsIndexed.filter(({ index }) => index <= applied);
    this.#readsIndexed = this.#readsIndexed.filter(({ index }) => index > applied);
    for (const { reads } of served) for (const read of reads) read.resolve();
  }

  #retryReads(): void {
    const asked = this.#readsAsked;
    if (asked !== undefined && this.#options.clock.monotonic() - asked.askedAt >= READ_RETRY_MS) this.#askAgain();
  }

  #askAgain(): void {
    this.#readsWaiting = [...(this.#readsAsked?.reads ?? []), ...this.#readsWaiting];
    this.#readsAsked = undefined;
  }

  #failReads(code: StoreErrorCode): void {
    this.#askAgain();
    const indexed = this.#readsIndexed.splice(0).flatMap(({ reads }) => reads);
    for (const read of [...indexed, ...this.#readsWaiting.splice(0)]) read.reject(new StoreError(code));
  }

  // ── Compaction ───────────────────────────────────────────────────────────────────────────────────────────────────

  #compactIfDue(): void {
    if (this.#isCompacting) return;
    const durable = Math.min(this.#options.stateMachine.durableIndex(), this.#raft.appliedIndex);
    const index = this.#compactionIndex(durable);
    if (index <= this.#compactedTo) return;
    // The core's log begins behind a snapshot as soon as it has accepted one (simulator, seed 1789).
    if (this.#isInstalling || this.#raft.hasPendingSnapshot) return;
    this.#isCompacting = true;
    this.#tasks.run(this.#compact(index).finally(() => (this.#isCompacting = false)));
  }

  /** Up to where the log is to go now; the compaction point itself if nothing is due. */
  #compactionIndex(durable: LogIndex): LogIndex {
    const { logBytes = LOG_BYTES } = this.#options;
    const { snapshotEntries, catchUpEntries } = this.#entryLimits();
    const isLong = durable - this.#compactedTo >= snapshotEntries + catchUpEntries;
    const bytesMax = this.#sendingSnapshot.size > 0 ? logBytes.maxWhileSending : logBytes.max;
    if (this.#raft.logBytes <= bytesMax || durable === this.#weighedAt) return isLong ? durable - catchUpEntries : this.#compactedTo;
    // What is not durable yet is weighed again when it is.
    this.#weighedAt = durable;
    return Math.max(isLong ? durable - catchUpEntries : 0, Math.min(durable, this.#raft.indexBefore(logBytes.catchUp)));
  }

  /** A disk without room wants a short log. */
  #entryLimits(): Pick<RaftNodeOptions, 'snapshotEntries' | 'catchUpEntries'> {
    const { stateMachine, snapshotEntries, catchUpEntries } = this.#options;
    if (stateMachine.isShortOfRoom?.() !== true) return { snapshotEntries, catchUpEntries };
    return {
      snapshotEntries: Math.min(snapshotEntries, ENTRIES_SHORT_OF_ROOM),
      catchUpEntries: Math.min(catchUpEntries, ENTRIES_SHORT_OF_ROOM),
    };
  }

  async #compact(index: LogIndex): Promise<void> {
    const { wal, log } = this.#options;
    const term = this.#raft.termAt(index);
    assert(term !== undefined, 'only what is in the log is compacted');
    while (this.#confStates.length > 1 && this.#confStates[1]!.index <= index) this.#confStates.shift();
    const { confState } = this.#confStates[0]!;
    await wal.append({ entries: [], hardState: undefined, snapshot: { index, term, confState }, mustSync: true });
    if (this.#isStopped || index <= this.#compactedTo) return;
    this.#raft.compact(index, confState);
    this.#compactedTo = index;
    log.debug({ index }, 'raft: log compacted');
    await this.#release(index);
  }

  async #release(index: LogIndex): Promise<void> {
    const { wal, faults } = this.#options;
    await wal.release(index);
    if (faults !== undefined) await faults.at('raftAfterWALRelease');
  }

  #fatal(error: unknown): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#abort.abort();
    this.#tickTimer?.cancel();
    this.#commitTimer?.cancel();
    this.#failReads('stopped');
    this.#options.log.error(
      { error: describeError(error), stack: error instanceof Error ? error.stack : undefined },
      'raft: member stops',
    );
    this.#options.onFatal(error);
  }
}
