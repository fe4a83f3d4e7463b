/**
 * The vocabulary of the consensus core, shared with its shell (WAL, transport, member). Words and meanings are the Raft
 * paper's and etcd-io/raft's. All of it is plain data: the transport and the WAL encode it, nobody shares an object.
 */

/** A Raft term. 0 before the first election. */
export type Term = number;
/** A position in the Raft log. The first entry has index 1; 0 means "before the log". */
export type LogIndex = number;
/** Identity of a store member: an unsigned 64-bit number, never 0. */
export type MemberId = bigint;

/** No member: "no leader is known", "no vote was given". */
export const NO_MEMBER: MemberId = 0n;

export type EntryKind = 'normal' | 'conf-change';

export interface Entry {
  readonly term: Term;
  readonly index: LogIndex;
  readonly kind: EntryKind;
  /** The proposal. Empty for the entry that a new leader commits first (Raft thesis §6.4). */
  readonly data: Uint8Array;
}

/** What a member must never forget (Raft paper figure 2, "persistent state"); `commit` is a hint that saves work. */
export interface HardState {
  readonly term: Term;
  readonly votedFor: MemberId;
  readonly commit: LogIndex;
}

/** Who takes part. `votersOutgoing` is empty except during joint consensus (Raft paper §6). Sorted, without repeats. */
export interface ConfState {
  readonly voters: readonly MemberId[];
  readonly votersOutgoing: readonly MemberId[];
  readonly learners: readonly MemberId[];
  /** Learners once the joint configuration is left: they are still outgoing voters. */
  readonly learnersNext: readonly MemberId[];
  /** Leave the joint configuration by itself as soon as it is applied. */
  readonly autoLeave: boolean;
}

/** Identifies a snapshot of the state machine; its bytes are moved by the shell, never by the core. */
export interface SnapshotMeta {
  readonly index: LogIndex;
  readonly term: Term;
  readonly confState: ConfState;
}

interface Envelope {
  readonly from: MemberId;
  readonly to: MemberId;
  readonly term: Term;
}

export type Message =
  /** Pre-vote (thesis §9.6) carries the term that the election would have; nobody's term changes by it. */
  | (Envelope & {
      readonly type: 'request-vote';
      readonly preVote: boolean;
      readonly lastIndex: LogIndex;
      readonly lastTerm: Term;
      /** Leadership transfer: vote although a leader was heard of lately (thesis §4.2.3). */
      readonly transfer: boolean;
      /** What the candidate knows to be committed, if anything; see `vote`. */
      readonly commit?: LogIndex;
      readonly commitTerm?: Term;
    })
  /** Request and refusal say what is known to be committed, if anything: two members that wait for each other because one
   *  missed the last change of configuration so learn of it. Without the two fields only that remedy is lost. */
  | (Envelope & {
      readonly type: 'vote';
      readonly preVote: boolean;
      readonly granted: boolean;
      readonly commit?: LogIndex;
      readonly commitTerm?: Term;
    })
  | (Envelope & {
      readonly type: 'append';
      readonly prevIndex: LogIndex;
      readonly prevTerm: Term;
      readonly entries: readonly Entry[];
      readonly commit: LogIndex;
      /** It tells the commit index alone: accepted, it is not answered. */
      readonly unanswered?: boolean;
    })
  /** On refusal `index` is the refused prevIndex and (`hintIndex`, `hintTerm`) the follower's best guess where the logs
   *  meet; on success `index` is the last index now known to match and durable. */
  | (Envelope & {
      readonly type: 'append-answer';
      readonly accepted: boolean;
      readonly index: LogIndex;
      readonly hintIndex: LogIndex;
      readonly hintTerm: Term;
    })
  /** `round` is the latest ReadIndex round that this heartbeat confirms, 0 for none; never used twice in a term. */
  | (Envelope & { readonly type: 'heartbeat'; readonly commit: LogIndex; readonly round: number })
  | (Envelope & { readonly type: 'heartbeat-answer'; readonly round: number })
  /** The shell sends the state machine's bytes along, on a way of its own. */
  | (Envelope & { readonly type: 'install-snapshot'; readonly snapshot: SnapshotMeta })
  | (Envelope & { readonly type: 'timeout-now' })
  /** A follower forwards a proposal; the leader appends it or drops it, nobody sends it again. */
  | (Envelope & { readonly type: 'propose'; readonly data: readonly Uint8Array[] })
  /** A follower asks for a read index. `request` names the follower's batch of reads and is never used again. */
  | (Envelope & { readonly type: 'read-index'; readonly request: bigint })
  | (Envelope & { readonly type: 'read-index-answer'; readonly request: bigint; readonly index: LogIndex });

export type MessageType = Message['type'];

/** A read may be served once the state machine has applied `index`. */
export interface ReadState {
  readonly request: bigint;
  readonly index: LogIndex;
}

export type Role = 'follower' | 'pre-candidate' | 'candidate' | 'leader';

export interface SoftState {
  readonly role: Role;
  readonly leader: MemberId;
}

/**
 * What the shell owes the core.
 *  - `messages` may leave at once: a leader's appends and heartbeats promise nothing of its own disk.
 *  - `snapshot`, `entries`, then `hardState` become durable in the order of the Readys, several of which may be
 *    outstanding; the shell then calls `persisted` with this Ready's `number`, and only then `messagesAfterSync` leave:
 *    a vote or an acknowledgement is a promise of durability (Raft thesis §3.8), and a vote request claims a log that a
 *    crash must not shorten.
 *  - `committed` is applied in order, whatever is still being synced behind it; then `applied(index)` is called.
 *  - `readStates` may be answered once their index is applied.
 */
export interface Ready {
  /** Counts up by one; names this Ready in `persisted`. */
  readonly number: number;
  readonly entries: readonly Entry[];
  /** Set when term, vote or commit changed. */
  readonly hardState: HardState | undefined;
  /** False where only the commit hint changed: written with the next batch, no sync is owed for it. */
  readonly mustSync: boolean;
  readonly snapshot: SnapshotMeta | undefined;
  readonly messages: readonly Message[];
  readonly messagesAfterSync: readonly Message[];
  readonly committed: readonly Entry[];
  readonly readStates: readonly ReadState[];
  /** Set when role or leader changed. */
  readonly softState: SoftState | undefined;
}

export type ConfChangeKind = 'add-voter' | 'add-learner' | 'remove';

/** A change of configuration; more than one change, or `joint`, goes through joint consensus (Raft paper §6). */
export interface ConfChange {
  readonly changes: readonly { readonly kind: ConfChangeKind; readonly member: MemberId }[];
  /** An empty list of changes leaves the joint configuration. */
  readonly joint: boolean;
  /** Travels with the change; the core does not look at it. Absent rather than empty. */
  readonly context?: Uint8Array;
}
