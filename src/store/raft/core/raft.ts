/**
 * The consensus state machine of one member: Raft as in Ongaro's paper and thesis, with pre-vote, check-quorum, batched
 * ReadIndex, leadership transfer, learners and joint consensus. It decides; it does not send, store, wait or log.
 *
 *             election timeout,                majority of              majority of
 *             leader's connection closed       pre-votes                votes
 *   follower ─────────────────► pre-candidate ──────────► candidate ──────────► leader
 *      ▲                              │ higher term, a leader, or lost │          │ higher term, no quorum, removed
 *      └──────────────────────────────┴────────────────────────────────┴──────────┘
 *
 * One file, because one state is what every message, whatever the role, reads and changes; what can be told apart lies
 * beside it (log, progress, quorums, configurations).
 *
 * The shell (raft/node.ts) calls `step`, `tick`, `propose`, …, then takes every `ready()`, does what it says, and tells
 * `persisted` and `applied`. The contract is written on `Ready` in types.ts. Beside it:
 *  - Entries of a Ready that begin at or below the last index of the stored log replace it from there on.
 *  - An `install-snapshot` message is stepped when its bytes have arrived. If `hasPendingSnapshot` is false then, the log
 *    had it already, and the bytes are dropped. A snapshot may be newer than the one the leader's message named: the
 *    shell then rewrites the message to what it really sends.
 *  - A pending read is dropped, silently, when the term or the role changes: the shell asks again under a new request.
 *  - Delivery is at most once: a `propose` message that the network doubles would be appended twice.
 *
 * Longer than a file should be, because it is one machine: each rule reads and writes the same dozen fields, and to
 * split it would only hide that. What stands on its own is apart: log, progress, quorum, confchange, read-index.
 */
import { assert, unreachable } from '../../../base/assert.ts';
import { EMPTY_BYTES } from '../../../base/bytes.ts';
import type { Random } from '../../../base/random.ts';
import { type Trace, noTrace } from '../../../base/trace.ts';
import {
  type ConfChangeErrorCode,
  EMPTY_CONF_STATE,
  applyConfChange,
  encodeConfChange,
  isJoint,
  isVoter,
  membersOf,
} from './confchange.ts';
import { RaftLog, entryBytes } from './log.ts';
import { Progress, type ProgressState } from './progress.ts';
import { jointReached, jointVote } from './quorum.ts';
import { type PendingRead, ReadIndexRounds } from './read-index.ts';
import {
  type ConfChange,
  type ConfState,
  type Entry,
  type EntryKind,
  type HardState,
  type LogIndex,
  type MemberId,
  type Message,
  NO_MEMBER,
  type ReadState,
  type Ready,
  type Role,
  type SnapshotMeta,
  type SoftState,
  type Term,
} from './types.ts';

export interface RaftOptions {
  readonly id: MemberId;
  /** Without a leader's word for this long, up to twice as long at random, a follower campaigns. */
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  /** Ask before raising the term (thesis §9.6), so that a member that was cut off disturbs nobody. */
  readonly preVote: boolean;
  /** A leader that hears of no majority for an election timeout steps down (thesis §6.2). */
  readonly checkQuorum: boolean;
  readonly maxAppendBytes: number;
  readonly maxInflightMessages: number;
  readonly maxInflightBytes: number;
  /** Proposals are refused above this; one of any size is let through when nothing is uncommitted. */
  readonly maxUncommittedBytes: number;
  /** Entries to apply in one Ready. */
  readonly maxCommittedBytes?: number;
  readonly random: Random;
  readonly trace?: Trace;
  /** Follow `connectionClosed` and `connectionOpened` (default true). */
  readonly quickFailover?: boolean;
  /** A closed connection to the leader is followed by a pre-vote within this many ticks (default 3). */
  readonly quickDelayTicks?: number;
  /** A split quick round is tried again after a random number of ticks between these (default 3, 6). */
  readonly quickRetryTicks?: readonly [low: number, high: number];
  /** A commit index that nobody waits for leaves with the next entries, or when `tellCommits` says so (default false). */
  readonly holdsCommits?: boolean;
  /** Let `timeout-now` of a leader start an election here (default true). */
  readonly allowTransfer?: boolean;
}

/** What was durable. `snapshot` at index 0 holds the first configuration of a cluster. */
export interface RestoredState {
  readonly hardState: HardState;
  readonly snapshot: SnapshotMeta | undefined;
  readonly entries: readonly Entry[];
  /** Where the state machine stands, if beyond the snapshot, and the configuration it had applied by then. */
  readonly applied?: { readonly index: LogIndex; readonly confState: ConfState };
}

export type ProposeResult = { readonly ok: true } | { readonly ok: false; readonly code: ProposeErrorCode };
export type ProposeErrorCode = 'no-leader' | 'too-much-uncommitted';
export type ProposeConfChangeResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly code: 'not-leader' | 'conf-change-pending' | ConfChangeErrorCode };
export type ReadIndexResult = { readonly ok: true } | { readonly ok: false; readonly code: 'no-leader' | 'too-many-reads' };
export type TransferResult = { readonly ok: true } | { readonly ok: false; readonly code: 'not-leader' | 'not-voter' };

export interface PeerStatus {
  readonly member: MemberId;
  readonly state: ProgressState;
  readonly match: LogIndex;
  readonly next: LogIndex;
  readonly inflight: number;
  readonly recentActive: boolean;
}

export interface RaftStatus {
  readonly id: MemberId;
  readonly role: Role;
  readonly term: Term;
  readonly votedFor: MemberId;
  readonly leader: MemberId;
  readonly commit: LogIndex;
  readonly applied: LogIndex;
  readonly stable: LogIndex;
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  readonly confState: ConfState;
  readonly transferee: MemberId;
  /** Of a leader; empty otherwise. By member. */
  readonly peers: readonly PeerStatus[];
}

const MAX_COMMITTED_BYTES = 16 * 1024 * 1024;
/** A quick round is retried so often, then the election timeout decides: a partition must not be stormed. */
const QUICK_RETRIES = 3;

type Incoming<T extends Message['type']> = Extract<Message, { type: T }>;

export class Raft {
  readonly id: MemberId;
  readonly #options: RaftOptions;
  readonly #trace: Trace;
  readonly #log: RaftLog;
  readonly #reads = new ReadIndexRounds();

  /** Never decreases (Raft paper figure 2). */
  #term: Term;
  #votedFor: MemberId;
  #role: Role = 'follower';
  #leader: MemberId = NO_MEMBER;
  /** As of the last applied entry. */
  #conf: ConfState;
  /** As of the compaction point: what a snapshot from there says. */
  #snapshotConf: ConfState;

  /** Of a leader: every member of the configuration, itself included, in order of id. */
  #progress = new Map<MemberId, Progress>();
  /** Of a candidate or pre-candidate. */
  #votes = new Map<MemberId, boolean>();
  /** A vote for ourselves counts once it is durable, like any other: with the Ready of this number. */
  #selfVote: { readonly term: Term; ready: number | undefined } | undefined;
  #transferee: MemberId = NO_MEMBER;
  /** The newest change of configuration in the log may be here; none is proposed before it is applied. */
  #pendingConfIndex: LogIndex = 0;
  #holdsCommit = false;
  #tellsCommits = false;
  #uncommittedBytes = 0;

  #electionElapsed = 0;
  #heartbeatElapsed = 0;
  #electionTimeoutTicks = 0;
  /** A quick election is due in `ticks`, and may be tried `attempts` more times. */
  #quick: { ticks: number; attempts: number } | undefined;

  #messages: Message[] = [];
  #messagesAfterSync: Message[] = [];
  #readStates: ReadState[] = [];
  #snapshot: SnapshotMeta | undefined;
  #readyNumber = 0;
  #persistedReady = 0;
  #lastHardState: HardState;
  #lastSoftState: SoftState = { role: 'follower', leader: NO_MEMBER };

  constructor(options: RaftOptions, restored: RestoredState) {
    assert(options.id !== NO_MEMBER, 'a member has an id');
    assert(options.electionTicks > options.heartbeatTicks, 'heartbeats are more frequent than elections');
    const { hardState, snapshot, entries, applied } = restored;
    this.id = options.id;
    this.#options = options;
    this.#trace = options.trace ?? noTrace;
    this.#log = new RaftLog({ snapshot, entries, commit: hardState.commit, applied: applied?.index ?? 0 });
    this.#term = hardState.term;
    this.#votedFor = hardState.votedFor;
    this.#lastHardState = hardState;
    this.#conf = applied?.confState ?? snapshot?.confState ?? EMPTY_CONF_STATE;
    this.#snapshotConf = snapshot?.confState ?? EMPTY_CONF_STATE;
    assert(this.#log.lastTerm <= this.#term, 'no entry is of a later term than the member');
    this.#drawElectionTimeout();
    // Nobody can be disturbed by a member that has just started: it asks for pre-votes first, and those who hear of a
    // leader refuse. So it need not wait out a whole timeout. Without pre-vote only a fresh member may hurry.
    if (options.preVote || this.#term === 0) this.#electionElapsed = options.electionTicks - 1;
  }

  // ── What the shell asks ──────────────────────────────────────────────────────────────────────────────────────────

  /** One unit of time has passed. */
  tick(): void {
    if (this.#role === 'leader') return this.#tickLeader();
    this.#electionElapsed++;
    if (this.#quick !== undefined && --this.#quick.ticks <= 0) this.#quickRound(this.#quick);
    if (this.#electionElapsed >= this.#electionTimeoutTicks) this.campaign();
  }

  /** So many ticks from now, at the soonest, a tick does more than count: the shell may sleep until then. At least 1. */
  ticksToNextAct(): number {
    const { heartbeatTicks, electionTicks } = this.#options;
    const due =
      this.#role === 'leader'
        ? Math.min(heartbeatTicks - this.#heartbeatElapsed, electionTicks - this.#electionElapsed)
        : Math.min(this.#electionTimeoutTicks - this.#electionElapsed, this.#quick?.ticks ?? Infinity);
    return Math.max(1, due);
  }

  /** Campaigns now (with a pre-vote, if that is on). Nothing happens on a leader or where no vote counts. */
  campaign(): void {
    if (this.#role === 'leader') return;
    this.#electionElapsed = 0;
    // Whoever may not campaign has no leader either by now, and shall not refuse those who may.
    if (!this.#mayCampaign()) return this.forgetLeader();
    if (this.#options.preVote) this.#becomePreCandidate();
    else this.#becomeCandidate(false);
  }

  /** Proposes one entry per element, all or none. A follower forwards, once. `ok` promises nothing but the attempt. */
  propose(data: readonly Uint8Array[]): ProposeResult {
    if (this.#role === 'leader') return this.#proposeAsLeader(data);
    if (this.#leader === NO_MEMBER) return { ok: false, code: 'no-leader' };
    this.#messages.push({ type: 'propose', ...this.#envelope(this.#leader), data });
    return { ok: true };
  }

  /** On a leader only. One change at a time: the next may be proposed when this one is applied. */
  proposeConfChange(change: ConfChange): ProposeConfChangeResult {
    if (this.#role !== 'leader' || this.#transferee !== NO_MEMBER) return { ok: false, code: 'not-leader' };
    if (this.#pendingConfIndex > this.#log.applied) return { ok: false, code: 'conf-change-pending' };
    const outcome = applyConfChange(this.#conf, change);
    if (!outcome.ok) return outcome;
    this.#appendConfChange(change);
    return { ok: true };
  }

  /** Asks for an index to read at; it comes in `Ready.readStates`, or never. `request` is never used again. */
  readIndex(request: bigint): ReadIndexResult {
    if (this.#role === 'leader') {
      return this.#reads.add({ request, from: this.id }) ? { ok: true } : { ok: false, code: 'too-many-reads' };
    }
    if (this.#leader === NO_MEMBER) return { ok: false, code: 'no-leader' };
    this.#messages.push({ type: 'read-index', ...this.#envelope(this.#leader), request });
    return { ok: true };
  }

  /** Hands leadership to a voter as soon as it has the whole log; given up after an election timeout. */
  transferLeader(to: MemberId): TransferResult {
    if (this.#role !== 'leader') return { ok: false, code: 'not-leader' };
    const progress = this.#progress.get(to);
    if (progress === undefined || !isVoter(this.#conf, to)) return { ok: false, code: 'not-voter' };
    if (to === this.id || to === this.#transferee) return { ok: true };
    this.#electionElapsed = 0;
    this.#transferee = to;
    this.#trace({ type: 'raft: transfers leadership', term: this.#term, to });
    if (progress.match === this.#log.lastIndex) this.#sendTimeoutNow(to);
    else progress.probeSent = false;
    return { ok: true };
  }

  /** A follower no longer believes in its leader, so that it grants pre-votes; its term and vote stay. */
  forgetLeader(): void {
    if (this.#role === 'follower') this.#leader = NO_MEMBER;
  }

  /**
   * The current connection to `peer` ended. If it led, it is probably dead (a pause or a partition closes nothing):
   * waiting for the election timeout would only cost time.
   */
  connectionClosed(peer: MemberId): void {
    if (this.#role === 'leader') return this.reportUnreachable(peer);
    if (this.#options.quickFailover === false || this.#role !== 'follower' || this.#leader !== peer) return;
    this.#trace({ type: 'raft: leader closed its connection', term: this.#term, leader: peer });
    this.forgetLeader();
    this.#startQuick();
  }

  /** A peer can be reached (again). Without a leader this may be the one that makes the majority. */
  connectionOpened(peer: MemberId): void {
    if (this.#options.quickFailover === false || !this.#options.preVote) return;
    if (this.#role === 'leader' || this.#role === 'candidate' || this.#leader !== NO_MEMBER) return;
    if (isVoter(this.#conf, peer) && this.#quick === undefined) this.#startQuick();
  }

  /** What was sent to `peer` is probably lost. */
  reportUnreachable(peer: MemberId): void {
    const progress = this.#progress.get(peer);
    if (this.#role === 'leader' && progress?.state === 'replicate' && peer !== this.id) progress.becomeProbe();
  }

  /** The state machine that an `install-snapshot` asked for was moved, or was not. */
  reportSnapshot(peer: MemberId, ok: boolean): void {
    const progress = this.#progress.get(peer);
    if (this.#role !== 'leader' || progress?.state !== 'snapshot') return;
    if (!ok) progress.pendingSnapshot = 0;
    progress.becomeProbe();
    progress.probeSent = true; // Its answer, or one to a heartbeat, lets the next append go.
  }

  /** A commit index waits for entries to leave with. */
  get holdsCommit(): boolean {
    return this.#role === 'leader' && this.#holdsCommit;
  }

  /** Whether a commit index was sent to all who take entries as they come, or a higher one. */
  hasToldCommit(index: LogIndex): boolean {
    for (const [member, progress] of this.#progress) {
      if (member !== this.id && progress.state === 'replicate' && progress.sentCommit < index) return false;
    }
    return true;
  }

  /** The next `ready` tells the commit index to all who do not know it. */
  tellCommits(): void {
    this.#tellsCommits = true;
  }

  // ── What the shell takes, and reports ────────────────────────────────────────────────────────────────────────────

  /** What is to be done, or undefined. To be called until it is undefined after every batch of input. */
  ready(): Ready | undefined {
    if (this.#role === 'leader') {
      this.#beginReadRound();
      this.#sendAppends();
    }
    const hardState = this.#changedHardState();
    const softState = this.#changedSoftState();
    if (!this.#hasWork() && hardState === undefined && softState === undefined) return undefined;

    const number = ++this.#readyNumber;
    const entries = this.#log.takeUnstable();
    const committed = this.#log.takeCommitted(this.#options.maxCommittedBytes ?? MAX_COMMITTED_BYTES);
    for (const entry of committed) this.#uncommittedBytes = Math.max(0, this.#uncommittedBytes - entryBytes(entry));
    const termOrVoteChanged =
      hardState !== undefined &&
      (hardState.term !== this.#lastHardState.term || hardState.votedFor !== this.#lastHardState.votedFor);
    const ready: Ready = {
      number,
      entries,
      hardState,
      mustSync: entries.length > 0 || termOrVoteChanged || this.#snapshot !== undefined,
      snapshot: this.#snapshot,
      messages: this.#messages,
      messagesAfterSync: this.#messagesAfterSync,
      committed,
      readStates: this.#readStates,
      softState,
    };
    this.#log.readyOut(number);
    if (this.#selfVote !== undefined) this.#selfVote.ready ??= number;
    if (hardState !== undefined) this.#lastHardState = hardState;
    if (softState !== undefined) this.#lastSoftState = softState;
    this.#snapshot = undefined;
    this.#messages = [];
    this.#messagesAfterSync = [];
    this.#readStates = [];
    return ready;
  }

  /** An `install-snapshot` message was accepted: the next Ready has a snapshot. */
  get hasPendingSnapshot(): boolean {
    return this.#snapshot !== undefined;
  }

  /** The Ready of this number and all before it are durable. */
  persisted(readyNumber: number): void {
    assert(readyNumber <= this.#readyNumber, 'only a Ready that was taken becomes durable');
    assert(readyNumber > this.#persistedReady, 'Readys become durable in order');
    this.#persistedReady = readyNumber;
    this.#log.persisted(readyNumber);
    if (this.#role === 'leader') this.#countOwnMatch();
    const vote = this.#selfVote;
    if (vote?.ready === undefined || vote.ready > readyNumber) return;
    this.#selfVote = undefined;
    if (this.#role === 'candidate' && this.#term === vote.term) this.#countVote(this.id, true);
  }

  /** The state machine has applied everything up to `index`. */
  applied(index: LogIndex): void {
    this.#log.appliedTo(index);
    const mayLeave = this.#role === 'leader' && isJoint(this.#conf) && this.#conf.autoLeave;
    if (mayLeave && this.#log.applied >= this.#pendingConfIndex) this.#appendConfChange({ changes: [], joint: false });
  }

  /** A committed change of configuration is applied: from here on it counts. Before `applied` of its index. */
  appliedConfChange(change: ConfChange): ConfState {
    const outcome = applyConfChange(this.#conf, change);
    assert(outcome.ok, 'a change of configuration is checked before it is proposed');
    this.#useConf(outcome.confState);
    return outcome.confState;
  }

  /** What the entries above the compaction point take in memory, about. */
  get logBytes(): number {
    return this.#log.bytes;
  }

  /** The lowest index behind which entries of no more than `bytesMax` lie. */
  indexBefore(bytesMax: number): LogIndex {
    return this.#log.indexBefore(bytesMax);
  }

  /** Forgets the log up to `index`, which a durable snapshot of the state machine covers. */
  compact(index: LogIndex, confState: ConfState): void {
    if (this.#log.compact(index)) this.#snapshotConf = confState;
  }

  /** Of what is asked for with every message; `status` makes lists. */
  get role(): Role {
    return this.#role;
  }

  get term(): Term {
    return this.#term;
  }

  get commitIndex(): LogIndex {
    return this.#log.commit;
  }

  get appliedIndex(): LogIndex {
    return this.#log.applied;
  }

  status(): RaftStatus {
    const log = this.#log;
    const peers = [...this.#progress].map(([member, progress]) => ({
      member,
      state: progress.state,
      match: progress.match,
      next: progress.next,
      inflight: progress.inflights.count,
      recentActive: progress.recentActive,
    }));
    return {
      id: this.id,
      role: this.#role,
      term: this.#term,
      votedFor: this.#votedFor,
      leader: this.#leader,
      commit: log.commit,
      applied: log.applied,
      stable: log.stable,
      firstIndex: log.baseIndex + 1,
      lastIndex: log.lastIndex,
      lastTerm: log.lastTerm,
      confState: this.#conf,
      transferee: this.#transferee,
      peers,
    };
  }

  /** The term of an entry in memory, for checkers. */
  termAt(index: LogIndex): Term | undefined {
    return this.#log.term(index);
  }

  // ── Messages ─────────────────────────────────────────────────────────────────────────────────────────────────────

  step(message: Message): void {
    if (message.to !== this.id || message.from === this.id) return; // Misrouted: it is not for us to judge.
    if (!this.#admitsTerm(message)) return;
    switch (message.type) {
      case 'request-vote':
        return this.#onRequestVote(message);
      case 'vote':
        return this.#onVote(message);
      case 'append':
        return this.#onAppend(message);
      case 'append-answer':
        return this.#onAppendAnswer(message);
      case 'heartbeat':
        return this.#onHeartbeat(message);
      case 'heartbeat-answer':
        return this.#onHeartbeatAnswer(message);
      case 'install-snapshot':
        return this.#onInstallSnapshot(message);
      case 'timeout-now':
        return this.#onTimeoutNow();
      case 'propose':
        if (this.#role === 'leader' && this.#proposeAsLeader(message.data).ok) this.#noteAwaited(message.from, this.#log.lastIndex);
        return; // Nobody forwards twice: a proposal is sent once by its origin, and here it ends.
      case 'read-index':
        if (this.#role === 'leader') this.#reads.add({ request: message.request, from: message.from });
        return;
      case 'read-index-answer':
        this.#readStates.push({ request: message.request, index: message.index });
        return;
      default:
        unreachable(message);
    }
  }

  /** Raft paper §5.1: a later term makes a follower, an earlier one is refused. False if the message ends here. */
  #admitsTerm(message: Message): boolean {
    // What a client asked through a follower is independent of terms.
    if (message.type === 'propose' || message.type === 'read-index') return true;
    if (message.term > this.#term) return this.#admitsLaterTerm(message);
    if (message.term === this.#term) return true;
    this.#answerEarlierTerm(message);
    return false;
  }

  #admitsLaterTerm(message: Message): boolean {
    if (message.type === 'request-vote') {
      // Thesis §4.2.3: who hears of a leader does not help to depose it, unless the leader asked for it.
      if (this.#hearsOfLeader() && !message.transfer) return false;
      if (message.preVote) return true;
    }
    // A granted pre-vote bears the term that we would have.
    if (message.type === 'vote' && message.preVote && message.granted) return true;
    const isFromLeader =
      message.type === 'append' || message.type === 'heartbeat' || message.type === 'install-snapshot';
    this.#becomeFollower(message.term, isFromLeader ? message.from : NO_MEMBER);
    return true;
  }

  /** Tells a deposed leader or a late pre-candidate our term; else it would go on for as long as it is not heard. */
  #answerEarlierTerm(message: Message): void {
    const { from, type } = message;
    if (type === 'append' || type === 'heartbeat' || type === 'install-snapshot') {
      this.#answerAppend(from, { accepted: false, index: 0, hintIndex: 0, hintTerm: 0 });
    } else if (type === 'request-vote' && message.preVote) {
      this.#messagesAfterSync.push({ type: 'vote', ...this.#envelope(from), preVote: true, granted: false });
    }
  }

  #hearsOfLeader(): boolean {
    const { checkQuorum, preVote, electionTicks } = this.#options;
    return (checkQuorum || preVote) && this.#leader !== NO_MEMBER && this.#electionElapsed < electionTicks;
  }

  #onRequestVote(message: Incoming<'request-vote'>): void {
    const { from, preVote, lastIndex, lastTerm, term } = message;
    const isFree =
      this.#votedFor === from ||
      (this.#votedFor === NO_MEMBER && this.#leader === NO_MEMBER) ||
      (preVote && term > this.#term);
    const granted = isFree && this.#log.isUpToDate(lastIndex, lastTerm) && this.#givesWayTo(message);
    if (granted && !preVote) {
      this.#electionElapsed = 0;
      this.#votedFor = from;
    }
    // Whom we just helped shall not be crossed by a quick round of our own.
    if (granted && this.#quick !== undefined) this.#quick.ticks = this.#quickRetryTicks();
    // A pre-vote promises nothing and changes nothing; granted, it bears the term it was asked for.
    const answerTerm = granted ? term : this.#term;
    const known = granted ? {} : this.#knownCommit();
    this.#messagesAfterSync.push({ type: 'vote', from: this.id, to: from, term: answerTerm, preVote, granted, ...known });
    this.#learnCommit(message);
  }

  /**
   * Two members that lost their leader at once ask at once, grant each other the pre-vote, and split the vote. So between
   * equal logs the lower id gives way. Only in quick rounds that are not the last: where links are cut so that only the
   * lower one could win, the last round and the election timeout let it.
   */
  #givesWayTo({ from, preVote, term, lastIndex, lastTerm }: Incoming<'request-vote'>): boolean {
    if (!preVote || this.#role !== 'pre-candidate' || term !== this.#term + 1) return true;
    if (this.#quick === undefined || this.#quick.attempts === 0) return true;
    const isEqual = lastIndex === this.#log.lastIndex && lastTerm === this.#log.lastTerm;
    if (isEqual && from < this.id) return false;
    this.#becomeFollower(this.#term, NO_MEMBER);
    return true;
  }

  #knownCommit(): { commit: LogIndex; commitTerm: Term } | Record<string, never> {
    const { commit } = this.#log;
    return commit === 0 ? {} : { commit, commitTerm: this.#log.term(commit)! };
  }

  /**
   * What another knows to be committed is, and where it is in our log too we may know it. Both directions were found by
   * the random network: a leader that removed itself and others stepped down before the rest heard that the removal was
   * committed, and the removed, with longer logs, neither campaigned nor voted for those who still asked them; and a
   * candidate with the shorter log waited for one that did not know yet that it was a voter.
   */
  #learnCommit({ commit, commitTerm }: { readonly commit?: LogIndex; readonly commitTerm?: Term }): void {
    if (commit === undefined || commitTerm === undefined || commit <= this.#log.commit) return;
    if (this.#log.term(commit) === commitTerm) this.#log.commitTo(commit);
  }

  #onVote(message: Incoming<'vote'>): void {
    this.#learnCommit(message);
    if (message.preVote) {
      if (this.#role !== 'pre-candidate') return;
      if (message.granted && message.term !== this.#term + 1) return; // Of an earlier round.
    } else if (this.#role !== 'candidate') return;
    this.#countVote(message.from, message.granted);
  }

  #onAppend(message: Incoming<'append'>): void {
    this.#follow(message.from);
    const { from, prevIndex, prevTerm, entries, commit } = message;
    if (prevIndex < this.#log.commit) {
      // Everything up to the commit index matches by log matching; a late append has nothing to add.
      return this.#answerAppend(from, { accepted: true, index: this.#log.commit, hintIndex: 0, hintTerm: 0 });
    }
    const { lastIndex: lastBefore, truncations: truncationsBefore } = this.#log;
    const matched = this.#log.tryAppend(prevIndex, prevTerm, entries);
    if (matched !== undefined) {
      if (this.#log.truncations > truncationsBefore) {
        this.#trace({ type: 'raft: replaced conflicting entries', term: this.#term, lastBefore, matched });
      }
      this.#log.commitTo(Math.min(commit, matched));
      if (message.unanswered === true) return;
      return this.#answerAppend(from, { accepted: true, index: matched, hintIndex: 0, hintTerm: 0 });
    }
    // Raft paper §5.3, last paragraph: skip all entries that cannot match, rather than one a round trip.
    const hint = this.#log.lastNotAfter(prevIndex, prevTerm);
    this.#answerAppend(from, { accepted: false, index: prevIndex, hintIndex: hint.index, hintTerm: hint.term });
  }

  #onHeartbeat(message: Incoming<'heartbeat'>): void {
    this.#follow(message.from);
    this.#log.commitTo(message.commit);
    this.#messages.push({ type: 'heartbeat-answer', ...this.#envelope(message.from), round: message.round });
  }

  #onInstallSnapshot({ from, snapshot }: Incoming<'install-snapshot'>): void {
    this.#follow(from);
    this.#takeSnapshot(snapshot);
    this.#answerAppend(from, { accepted: true, index: this.#log.commit, hintIndex: 0, hintTerm: 0 });
  }

  #takeSnapshot(snapshot: SnapshotMeta): void {
    if (snapshot.index <= this.#log.commit) return;
    if (this.#log.term(snapshot.index) === snapshot.term) {
      this.#log.commitTo(snapshot.index); // The log has all of it: applying it is cheaper than starting anew.
      return;
    }
    this.#trace({ type: 'raft: takes a snapshot', term: this.#term, index: snapshot.index });
    this.#log.restore(snapshot);
    this.#snapshot = snapshot;
    this.#snapshotConf = snapshot.confState;
    this.#useConf(snapshot.confState);
  }

  #onTimeoutNow(): void {
    if (this.#options.allowTransfer === false || this.#role === 'leader' || !this.#mayCampaign()) return;
    // The leader itself asked: no pre-vote, and voters are told so (thesis §3.10).
    this.#becomeCandidate(true);
  }

  // ── A leader's side ──────────────────────────────────────────────────────────────────────────────────────────────

  #onAppendAnswer(message: Incoming<'append-answer'>): void {
    const progress = this.#progress.get(message.from);
    if (this.#role !== 'leader' || progress === undefined) return;
    progress.recentActive = true;
    if (!message.accepted) {
      const { index, hintIndex, hintTerm } = message;
      // Our own entries of a later term than the follower's at the hint cannot match there either.
      const guess = hintTerm > 0 ? this.#log.lastNotAfter(hintIndex, hintTerm).index : hintIndex;
      progress.refused(index, guess);
      return;
    }
    if (message.index > this.#log.lastIndex) return; // No honest answer in our term claims more than we have.
    const isNews = progress.accepted(message.index);
    this.#moveProgress(progress, message.index);
    if (!isNews) return;
    this.#countCommit();
    if (message.from === this.#transferee && progress.match === this.#log.lastIndex) this.#sendTimeoutNow(message.from);
  }

  #moveProgress(progress: Progress, index: LogIndex): void {
    switch (progress.state) {
      case 'probe':
        if (index === progress.match) progress.becomeReplicate();
        return;
      case 'replicate':
        return progress.inflights.freeTo(index);
      case 'snapshot':
        // Any snapshot will do that lets the log go on, also one that was not ours or newer than asked for.
        if (progress.match >= this.#log.baseIndex) progress.becomeReplicate();
        return;
      default:
        unreachable(progress.state);
    }
  }

  #onHeartbeatAnswer({ from, round }: Incoming<'heartbeat-answer'>): void {
    const progress = this.#progress.get(from);
    if (this.#role !== 'leader' || progress === undefined) return;
    progress.recentActive = true;
    if (round > 0) {
      this.#reads.answered(from, round);
      this.#serveReads();
    }
    if (!progress.heartbeatSent) return;
    progress.heartbeatSent = false;
    if (progress.match >= this.#log.lastIndex && progress.state !== 'probe') return;
    // It is alive and behind: what was sent may be lost. In `replicate` an empty append finds out.
    if (progress.state === 'replicate') this.#sendAppend(from, progress, true);
    else progress.probeSent = false;
  }

  #tickLeader(): void {
    this.#electionElapsed++;
    if (this.#electionElapsed >= this.#options.electionTicks) {
      this.#electionElapsed = 0;
      if (this.#options.checkQuorum && !this.#hearsOfQuorum()) {
        this.#trace({ type: 'raft: leader hears of no quorum', term: this.#term });
        return this.#becomeFollower(this.#term, NO_MEMBER);
      }
      this.#transferee = NO_MEMBER; // Thesis §3.10: a target that does not take over in time is given up.
    }
    if (++this.#heartbeatElapsed < this.#options.heartbeatTicks) return;
    this.#heartbeatElapsed = 0;
    for (const progress of this.#progress.values()) progress.heartbeatSent = true;
    // Not the number of an open round: an answer to it may be under way still (cf. etcd's issue 20418).
    this.#broadcastHeartbeat(this.#reads.retry());
  }

  #hearsOfQuorum(): boolean {
    const active = new Map<MemberId, boolean>();
    for (const [member, progress] of this.#progress) {
      active.set(member, member === this.id || progress.recentActive);
      progress.recentActive = false;
    }
    return jointVote(this.#conf, active) === 'won';
  }

  #proposeAsLeader(data: readonly Uint8Array[]): ProposeResult {
    // While leadership moves nothing is added, or the target would never have the whole log.
    if (this.#transferee !== NO_MEMBER) return { ok: false, code: 'no-leader' };
    const entries = data.map((bytes, i) => this.#newEntry('normal', bytes, i));
    const bytes = entries.reduce((sum, entry) => sum + entryBytes(entry), 0);
    if (this.#uncommittedBytes > 0 && this.#uncommittedBytes + bytes > this.#options.maxUncommittedBytes) {
      return { ok: false, code: 'too-much-uncommitted' };
    }
    this.#uncommittedBytes += bytes;
    this.#log.append(entries);
    return { ok: true };
  }

  #appendConfChange(change: ConfChange): void {
    const entry = this.#newEntry('conf-change', encodeConfChange(change), 0);
    this.#log.append([entry]);
    this.#pendingConfIndex = entry.index;
  }

  #newEntry(kind: EntryKind, data: Uint8Array, offset: number): Entry {
    return { term: this.#term, index: this.#log.lastIndex + 1 + offset, kind, data };
  }

  /** A leader writes its disk like every follower, and counts it only then (thesis §10.2.1). */
  #countOwnMatch(): void {
    const own = this.#progress.get(this.id);
    if (own !== undefined && own.accepted(this.#log.stable)) this.#countCommit();
  }

  /** Raft paper §5.4.2: only entries of the own term are committed by counting; earlier ones are with them. */
  #countCommit(): void {
    const index = jointReached(this.#conf, (voter) => this.#progress.get(voter)?.match ?? 0);
    if (index <= this.#log.commit || this.#log.term(index) !== this.#term) return;
    this.#log.commitTo(index);
  }

  /** Per `ready`, not per proposal: what arrived since the last one travels in one append. */
  #sendAppends(): void {
    this.#holdsCommit = false;
    for (const [member, progress] of this.#progress) {
      if (member === this.id) continue;
      while (this.#sendAppend(member, progress, false));
    }
    this.#tellsCommits = false;
  }

  /** What nobody there waits for; a change of configuration concerns everybody, above all those that it removes. */
  #mayHoldCommit(progress: Progress): boolean {
    if (this.#options.holdsCommits !== true || this.#tellsCommits) return false;
    return Math.max(progress.awaited, this.#pendingConfIndex) <= progress.sentCommit;
  }

  #noteAwaited(member: MemberId, index: LogIndex): void {
    const progress = this.#progress.get(member);
    if (progress !== undefined) progress.awaited = Math.max(progress.awaited, index);
  }

  /** True if something was sent and more may be. `evenIfEmpty` sends into a full window too, but no entries then. */
  #sendAppend(member: MemberId, progress: Progress, evenIfEmpty: boolean): boolean {
    const log = this.#log;
    const isOpen = !progress.isPaused;
    const hasEntries = isOpen && progress.next <= log.lastIndex;
    const owesCommit =
      progress.state === 'replicate' && Math.min(log.commit, progress.next - 1) > progress.sentCommit;
    const isProbe = isOpen && progress.state === 'probe';
    const isCommitOnly = !hasEntries && !isProbe && !evenIfEmpty;
    if (isCommitOnly && !owesCommit) return false;
    if (isCommitOnly && this.#mayHoldCommit(progress)) {
      this.#holdsCommit = true;
      return false;
    }
    const prevTerm = log.term(progress.next - 1);
    if (prevTerm === undefined) return this.#sendSnapshot(member, progress);
    const entries = hasEntries ? log.slice(progress.next, this.#options.maxAppendBytes) : [];
    const prevIndex = progress.next - 1;
    this.#messages.push({
      type: 'append',
      ...this.#envelope(member),
      prevIndex,
      prevTerm,
      entries,
      commit: log.commit,
      ...(isCommitOnly && this.#options.holdsCommits === true ? { unanswered: true } : {}),
    });
    progress.sent(
      prevIndex + entries.length,
      entries.reduce((sum, entry) => sum + entryBytes(entry), 0),
      log.commit,
    );
    return !evenIfEmpty;
  }

  #sendSnapshot(member: MemberId, progress: Progress): false {
    if (!progress.recentActive) return false; // A dead member's snapshot would be made for nothing.
    const { baseIndex: index, baseTerm: term } = this.#log;
    const snapshot = { index, term, confState: this.#snapshotConf };
    this.#trace({ type: 'raft: sends a snapshot', term: this.#term, to: member, index });
    progress.becomeSnapshot(index);
    this.#messages.push({ type: 'install-snapshot', ...this.#envelope(member), snapshot });
    return false;
  }

  #sendTimeoutNow(member: MemberId): void {
    this.#messages.push({ type: 'timeout-now', ...this.#envelope(member) });
  }

  #broadcastHeartbeat(round: number): void {
    for (const [member, progress] of this.#progress) {
      if (member === this.id) continue;
      // No further than it matches: it may not have the rest, or something else in its place.
      const commit = Math.min(progress.match, this.#log.commit);
      this.#messages.push({ type: 'heartbeat', ...this.#envelope(member), commit, round });
    }
  }

  #beginReadRound(): void {
    // Thesis §6.4: before an entry of its own term is committed, a leader does not know what is committed.
    if (this.#log.term(this.#log.commit) !== this.#term) return;
    const round = this.#reads.begin(this.#log.commit);
    if (round === 0) return;
    this.#broadcastHeartbeat(round);
    this.#serveReads(); // A single voter confirms itself.
  }

  #serveReads(): void {
    for (const { index, reads } of this.#reads.takeConfirmed(this.#conf, this.id)) {
      for (const read of reads) this.#serveRead(read, index);
    }
  }

  #serveRead({ request, from }: PendingRead, index: LogIndex): void {
    if (from === this.id) {
      this.#readStates.push({ request, index });
      return;
    }
    this.#noteAwaited(from, index);
    this.#messages.push({ type: 'read-index-answer', ...this.#envelope(from), request, index });
  }

  // ── Roles and elections ──────────────────────────────────────────────────────────────────────────────────────────

  /** A message of this term's leader arrived. */
  #follow(leader: MemberId): void {
    assert(this.#role !== 'leader', 'one leader a term');
    assert(this.#leader === NO_MEMBER || this.#leader === leader, 'one leader a term');
    if (this.#role !== 'follower') this.#becomeFollower(this.#term, leader);
    this.#leader = leader;
    this.#electionElapsed = 0;
    this.#quick = undefined;
  }

  #mayCampaign(): boolean {
    if (this.#role === 'leader' || !isVoter(this.#conf, this.id)) return false;
    // A committed change that is not applied may have made us, or others, no voter.
    return !this.#log.hasUnappliedConfChange();
  }

  #becomeFollower(term: Term, leader: MemberId): void {
    const before = this.#role;
    this.#reset(term);
    this.#role = 'follower';
    this.#leader = leader;
    if (before !== 'follower') this.#trace({ type: 'raft: became follower', term, leader });
  }

  #becomePreCandidate(): void {
    this.#role = 'pre-candidate';
    this.#leader = NO_MEMBER;
    this.#votes = new Map();
    this.#drawElectionTimeout();
    this.#trace({ type: 'raft: became pre-candidate', term: this.#term });
    this.#requestVotes({ preVote: true, term: this.#term + 1, transfer: false });
    this.#countVote(this.id, true); // A pre-vote promises nothing, so nothing need be durable.
  }

  #becomeCandidate(transfer: boolean): void {
    this.#reset(this.#term + 1);
    this.#role = 'candidate';
    this.#votedFor = this.id;
    this.#selfVote = { term: this.#term, ready: undefined };
    this.#trace({ type: 'raft: became candidate', term: this.#term });
    this.#requestVotes({ preVote: false, term: this.#term, transfer });
  }

  #requestVotes(ask: { readonly preVote: boolean; readonly term: Term; readonly transfer: boolean }): void {
    const { lastIndex, lastTerm } = this.#log;
    const known = this.#knownCommit();
    for (const member of membersOf(this.#conf)) {
      if (member === this.id || !isVoter(this.#conf, member)) continue;
      // After the sync, pre-votes too: they claim a log that a crash must not shorten.
      this.#messagesAfterSync.push({ type: 'request-vote', from: this.id, to: member, ...ask, lastIndex, lastTerm, ...known });
    }
  }

  #countVote(member: MemberId, granted: boolean): void {
    if (!this.#votes.has(member)) this.#votes.set(member, granted);
    const result = jointVote(this.#conf, this.#votes);
    if (result === 'pending') return;
    if (result === 'lost') return this.#becomeFollower(this.#term, NO_MEMBER);
    if (this.#role === 'pre-candidate') this.#becomeCandidate(false);
    else this.#becomeLeader();
  }

  #becomeLeader(): void {
    assert(this.#role === 'candidate', 'a leader was elected');
    assert(this.#votedFor === this.id, 'a leader voted for itself');
    this.#reset(this.#term);
    this.#role = 'leader';
    this.#leader = this.id;
    this.#quick = undefined;
    this.#trace({ type: 'raft: became leader', term: this.#term, lastIndex: this.#log.lastIndex });
    this.#progress = new Map();
    this.#trackMembers();
    // Whatever the log holds beyond the commit index may contain a change; none is proposed before all is applied.
    this.#pendingConfIndex = this.#log.lastIndex;
    this.#uncommittedBytes = 0;
    this.#log.append([this.#newEntry('normal', EMPTY_BYTES, 0)]);
    this.#countOwnMatch();
  }

  #reset(term: Term): void {
    assert(term >= this.#term, 'the term never decreases');
    // A change of term drops all reads, and so does the end of a leadership in the same term.
    if (term !== this.#term || this.#role === 'leader') this.#reads.drop();
    if (term !== this.#term) {
      this.#term = term;
      this.#votedFor = NO_MEMBER;
    }
    this.#leader = NO_MEMBER;
    this.#votes = new Map();
    this.#progress = new Map();
    this.#transferee = NO_MEMBER;
    this.#electionElapsed = 0;
    this.#heartbeatElapsed = 0;
    this.#drawElectionTimeout();
  }

  #drawElectionTimeout(): void {
    this.#electionTimeoutTicks = this.#options.electionTicks + this.#options.random.below(this.#options.electionTicks);
  }

  #startQuick(): void {
    const ticks = this.#options.random.between(1, this.#options.quickDelayTicks ?? 3);
    this.#quick = { ticks, attempts: 1 + QUICK_RETRIES };
  }

  #quickRetryTicks(): number {
    const [low, high] = this.#options.quickRetryTicks ?? [3, 6];
    return this.#options.random.between(low, high);
  }

  #quickRound(quick: { ticks: number; attempts: number }): void {
    if (this.#leader !== NO_MEMBER || quick.attempts === 0) {
      this.#quick = undefined;
      return;
    }
    quick.ticks = this.#quickRetryTicks();
    // Our own vote is still on its way to a slow disk: the round has not split, it has hardly begun.
    if (this.#selfVote !== undefined) return;
    quick.attempts--;
    this.campaign();
  }

  // ── Configuration ────────────────────────────────────────────────────────────────────────────────────────────────

  #useConf(conf: ConfState): void {
    this.#conf = conf;
    this.#trace({ type: 'raft: configuration', term: this.#term, conf });
    if (this.#role !== 'leader') return;
    if (!isVoter(conf, this.id)) {
      // Removed or demoted: what it led to is committed, and another shall lead (thesis §4.2.2).
      return this.#becomeFollower(this.#term, NO_MEMBER);
    }
    this.#trackMembers();
    this.#countCommit(); // A smaller majority may have been reached already.
    this.#serveReads();
    if (this.#transferee !== NO_MEMBER && !isVoter(conf, this.#transferee)) this.#transferee = NO_MEMBER;
  }

  /** Progress for exactly the members of the configuration, in order of id. */
  #trackMembers(): void {
    const limits = { maxMessages: this.#options.maxInflightMessages, maxBytes: this.#options.maxInflightBytes };
    const before = this.#progress;
    this.#progress = new Map();
    for (const member of membersOf(this.#conf)) {
      const known = before.get(member);
      const progress = known ?? new Progress(this.#log.lastIndex + 1, limits);
      // A newcomer counts as active until the next check, or it could depose the leader before it has answered once.
      if (known === undefined) progress.recentActive = true;
      this.#progress.set(member, progress);
    }
    this.#progress.get(this.id)?.accepted(this.#log.stable);
  }

  // ── Small change ─────────────────────────────────────────────────────────────────────────────────────────────────

  #answerAppend(
    to: MemberId,
    answer: Pick<Incoming<'append-answer'>, 'accepted' | 'index' | 'hintIndex' | 'hintTerm'>,
  ): void {
    this.#messagesAfterSync.push({ type: 'append-answer', ...this.#envelope(to), ...answer });
  }

  #envelope(to: MemberId): { from: MemberId; to: MemberId; term: Term } {
    return { from: this.id, to, term: this.#term };
  }

  #hasWork(): boolean {
    return (
      this.#messages.length > 0 ||
      this.#messagesAfterSync.length > 0 ||
      this.#readStates.length > 0 ||
      this.#snapshot !== undefined ||
      this.#log.hasUnstable() ||
      this.#log.hasCommitted()
    );
  }

  #changedHardState(): HardState | undefined {
    const { term, votedFor, commit } = this.#lastHardState;
    const now = { term: this.#term, votedFor: this.#votedFor, commit: this.#log.commit };
    assert(now.term >= term, 'the term never decreases');
    assert(now.commit >= commit, 'the commit index never decreases');
    return now.term === term && now.votedFor === votedFor && now.commit === commit ? undefined : now;
  }

  #changedSoftState(): SoftState | undefined {
    const { role, leader } = this.#lastSoftState;
    if (role === this.#role && leader === this.#leader) return undefined;
    return { role: this.#role, leader: this.#leader };
  }
}
