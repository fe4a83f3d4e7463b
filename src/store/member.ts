/**
 * A store member, but for its servers: log, consensus, state machine and what is under way, put together from the seams
 * that it is handed. The same class runs in a process, in a test, and in the simulator.
 *
 *   kv-service handlers ─ propose(), linearizable() ─► Member ─► RaftNode ─► Wal, RaftTransport
 *                       ◄─ outcome ── StateMachine.apply() ◄───────┘
 *                                         └─► Flusher ─► Backend (a generation)
 */
import { assert } from '../base/assert.ts';
import type { Clock, Millis, Timer } from '../base/clock.ts';
import { deferred, type Deferred } from '../base/deferred.ts';
import type { Disk } from '../base/disk.ts';
import { isNoSpace } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Trace } from '../base/trace.ts';
import type { Credentials } from '../proto/auth.ts';
import { AlarmAction, AlarmType, type ResponseHeader } from '../proto/etcd.ts';
import { MemberChange } from '../proto/raft.ts';
import { DiskFullError, Reserve } from './disk/room.ts';
import { Wal } from './disk/wal.ts';
import type { FaultHooks } from './faults/fault-hooks.ts';
import { Generations, type Generation } from './generations.ts';
import { LeaderWait } from './leader-wait.ts';
import { LeaseKeeper } from './lease/lease-keeper.ts';
import { AutoCompactor } from './maintenance/auto-compactor.ts';
import { CompactionHashes } from './maintenance/compaction-hashes.ts';
import { costOf } from './maintenance/core/alarms.ts';
import type { AutoCompactionOptions } from './maintenance/core/auto-compaction.ts';
import { FullDisk } from './maintenance/full-disk.ts';
import { hashKv, hashWhole, type KvHash } from './maintenance/hash-kv.ts';
import { moveLeader } from './maintenance/move-leader.ts';
import { Quota } from './maintenance/quota.ts';
import { confChangeOf, LEARNERS_MAX, type MemberInfo } from './membership/core/members.ts';
import { MemberRemovedError, Membership } from './membership/membership.ts';
import type { BackendFactory } from './mvcc/backend.ts';
import { AS_STORE, encodeProposal, type Command } from './mvcc/command.ts';
import type { Revision } from './mvcc/core/revision.ts';
import { Flusher } from './mvcc/flusher.ts';
import { openSnapshot, restoreSnapshot, type OpenSnapshot } from './mvcc/snapshot.ts';
import { Raft, type RaftStatus } from './raft/core/raft.ts';
import type { ConfChange, ConfState, Entry, LogIndex, MemberId, SnapshotMeta, SoftState, Term } from './raft/core/types.ts';
import { RaftNode, type PreparedState, type StateSnapshot } from './raft/node.ts';
import type { RaftTransport } from './raft/transport.ts';
import { StoreError } from './rpc/errors.ts';
import { StateMachine, type CommandOutcome } from './state-machine.ts';

export interface MemberWorld {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly disk: Disk;
  readonly backends: BackendFactory;
  readonly transport: RaftTransport;
  readonly trace?: Trace;
  /** Points at which it may be made to fail; see faults/core/points.ts. */
  readonly faults?: FaultHooks | undefined;
}

export interface MemberConfig {
  readonly clusterId: bigint;
  readonly id: MemberId;
  /** What the cluster begins with, or, of one that this member joins, began with; ignored by a member that has a log. */
  readonly initialMembers: readonly MemberInfo[];
  /** The members of the cluster that this one joins: by them it finds the others until its log tells. */
  readonly joined?: readonly MemberInfo[];
  /** Refuse changes of members that endanger the quorum (default true). */
  readonly strictReconfigCheck?: boolean;
  readonly tickMs?: Millis;
  readonly heartbeatMs?: Millis;
  readonly electionMs?: Millis;
  readonly snapshotEntries?: number;
  readonly catchUpEntries?: number;
  /** Of a snapshot on its way to another member. */
  readonly snapshotChunkBytes?: number;
  /** Of each file of the log, the first included. */
  readonly walSegmentBytes?: number;
  /** Within it a proposal or a read is answered, or fails. */
  readonly requestTimeoutMs?: Millis;
  /** Size of the backend past which this member raises NOSPACE. 0: etcd's default; negative: none. */
  readonly quotaBytes?: number;
  /** Kept on the disk for the day that it is full, beside a sixteenth of it for the log. 0, the default: none. */
  readonly reserveBytes?: number;
  /** What the cluster forgets by itself; of no effect unless all members have the same. */
  readonly autoCompaction?: AutoCompactionOptions;
  /** As leader it has what is left of long leases written down, for the next one (default true). */
  readonly leaseCheckpoints?: boolean;
  /** Hash what each compaction leaves, to be compared between members (default false). */
  readonly hashCompactions?: boolean;
  /** How many members may learn at a time; the leader's counts (default 1). */
  readonly learnersMax?: number;
  /** The member cannot go on; its process should end. */
  readonly onFatal: (error: unknown) => void;
}

const TICK_MS = 10;
/** Longer than etcd’s 100: the end of a leader is told by its connections, and an idle cluster shall be idle. */
const HEARTBEAT_MS = 400;
const ELECTION_MS = 1000;
const SNAPSHOT_ENTRIES = 10_000;
const CATCH_UP_ENTRIES = 5_000;
/** etcd's: five seconds, and two elections. */
const REQUEST_TIMEOUT_MS = 7_000;
const APPEND_BYTES_MAX = 1024 * 1024;
const INFLIGHT_MESSAGES_MAX = 256;
const INFLIGHT_BYTES_MAX = 16 * 1024 * 1024;
const UNCOMMITTED_BYTES_MAX = 256 * 1024 * 1024;

export const WAL_DIR = 'member/wal';
export const STATE_DIR = 'member';
/** Of the reserve, for the log. */
const RESERVE_SHARE_OF_LOG = 16;
const REPLACE = 'remove this member from the cluster, delete its data directory, and add it again';

const REFUSED_BY_RAFT = {
  'not-leader': 'not-leader',
  'conf-change-pending': 'too-many-requests',
  'already-joint': 'too-many-requests',
  'not-joint': 'too-many-requests',
  'no-voters': 'not-enough-started-members',
  'bad-member': 'member-not-found',
} as const;

interface Pending {
  /** When it was proposed. */
  readonly term: Term;
  readonly outcome: Deferred<CommandOutcome>;
  readonly timer: Timer;
}

export class Member {
  readonly #world: MemberWorld;
  readonly #config: MemberConfig;
  readonly #generations: Generations;
  readonly #wal: Wal;
  readonly #node: RaftNode;
  readonly #pending = new Map<bigint, Pending>();
  readonly #leaderWait: LeaderWait;
  readonly membership: Membership;
  readonly compactionHashes: CompactionHashes;
  #generation: Generation;
  #machine: StateMachine;
  #flusher: Flusher;
  #nextProposal: bigint;
  readonly #quota: Quota;
  readonly #fullDisk: FullDisk;
  readonly #compactor: AutoCompactor | undefined;
  readonly #leases: LeaseKeeper;
  #isStopped = false;
  #failedProposals = 0;
  /** What else wants to hear of a new role or leader. */
  readonly #roleListeners = new Set<(state: SoftState) => void>();

  private constructor(world: MemberWorld, config: MemberConfig, boot: Boot) {
    this.#world = world;
    this.#config = config;
    this.#generations = boot.generations;
    this.#generation = boot.generation;
    this.#machine = boot.machine;
    this.#wal = boot.wal;
    this.#fullDisk = boot.fullDisk;
    this.#flusher = this.#newFlusher();
    this.#leaderWait = new LeaderWait(world.clock);
    // Requests of an earlier run must not be taken for ours: numbers start anew at random, high enough never to meet.
    const random = world.random.fork('requests');
    this.#nextProposal = random.uint64() >> 1n;
    this.#quota = new Quota({
      quotaBytes: config.quotaBytes,
      measure: async () => {
        await this.#flusher.flush();
        return this.sizeBytes();
      },
      raise: () => this.#raiseNoSpace('store: past its quota; compact, defragment, disarm the alarm'),
    });
    this.#compactor = this.#newCompactor(config.autoCompaction);
    this.#leases = this.#newLeaseKeeper();
    const isEager = config.hashCompactions ?? false;
    this.compactionHashes = new CompactionHashes({ ...world, machine: () => this.#machine, isEager });
    this.#node = new RaftNode({
      clock: world.clock,
      log: world.log,
      raft: newRaft(world, config, boot),
      wal: boot.wal,
      transport: world.transport,
      stateMachine: {
        apply: (entry) => this.#apply(entry),
        skip: (index, term) => this.#skip(index, term),
        changeConf: (entry, change, make) => this.#changeConf(entry, change, make),
        applied: () => this.#flusher.applied(),
        room: () => this.#generation.backend.reopening ?? this.#flusher.room(),
        isShortOfRoom: () => this.#fullDisk.isFull,
        durableIndex: () => this.#flusher.durableIndex,
        snapshot: () => this.#snapshot(),
        prepare: (meta, chunks) => this.#prepare(meta, chunks),
      },
      confState: boot.snapshot.confState,
      firstReadRequest: random.uint64() >> 1n,
      tickMs: config.tickMs ?? TICK_MS,
      faults: world.faults,
      snapshotEntries: config.snapshotEntries ?? SNAPSHOT_ENTRIES,
      catchUpEntries: config.catchUpEntries ?? CATCH_UP_ENTRIES,
      onSoftState: (state) => this.#onSoftState(state),
      onRemoved: () => this.membership.removed(),
      onFatal: (error) => this.#fatal(error),
    });
    this.membership = this.#newMembership();
  }

  /** Restores what the disk holds, or begins a cluster; it takes part once `start` is called. */
  static async open(world: MemberWorld, config: MemberConfig): Promise<Member> {
    const restored = await boot(world, config);
    if (!restored.machine.members.isRemoved(config.id)) return new Member(world, config, restored);
    await restored.wal.close();
    await restored.generation.backend.close();
    throw new MemberRemovedError(config.id);
  }

  async start(): Promise<void> {
    this.membership.follow();
    await this.#node.start();
    this.#leases.start();
    this.#compactor?.start();
    this.#quota.start();
    this.#fullDisk.start(() => this.#raiseNoSpace('store: its disk is full; make room, compact, defragment, disarm the alarm'), this.#hasNoSpaceAlarm());
  }

  /** Flushes and closes. What is under way fails with `stopped`; it may have happened. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#leases.stop();
    this.#compactor?.stop();
    this.compactionHashes.stop();
    this.#fullDisk.stop();
    this.membership.stop();
    this.#failPending('stopped');
    this.#leaderWait.rejectAll(new StoreError('stopped'));
    await this.#node.stop();
    await this.#flusher.stop();
    await this.#wal.close();
    await this.#generation.backend.close();
  }

  get id(): MemberId {
    return this.#config.id;
  }

  get clusterId(): bigint {
    return this.#config.clusterId;
  }

  /** Ask anew each time: an installed snapshot replaces it. */
  get machine(): StateMachine {
    return this.#machine;
  }

  get requestTimeoutMs(): Millis {
    return this.#config.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
  }

  get isLeader(): boolean {
    return this.#node.softState.role === 'leader';
  }

  get leader(): MemberId {
    return this.#node.softState.leader;
  }

  /** False for the moment that a full disk needs: the state cannot be read. */
  get isReadable(): boolean {
    return this.#generation.backend.reopening === undefined;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Those that wait for their entry to be applied, and those that failed since the start. */
  get proposals(): { readonly pending: number; readonly failed: number } {
    return { pending: this.#pending.size, failed: this.#failedProposals };
  }

  status(): RaftStatus {
    return this.#node.status();
  }

  /** Of an entry that the log in memory still holds, for checkers. */
  termAt(index: LogIndex): Term | undefined {
    return this.#node.termAt(index);
  }

  /** On the leader: seconds that the lease has from now; undefined if there is none, or its time is over. */
  renewHere(lease: bigint): Promise<number | undefined> {
    return this.#leases.renew(lease);
  }

  remainingHere(lease: bigint): number | undefined {
    return this.#machine.leases.remainingSeconds(lease, this.#world.clock.monotonic());
  }

  /** Resolves when the space of all compactions so far was given back; fails where the member ends before. */
  async scrubbed(): Promise<void> {
    await this.#flusher.scrubbed();
    if (this.#isStopped) throw new StoreError('stopped');
  }

  sizeBytes(): Promise<number> {
    return this.#generation.backend.sizeBytes();
  }

  /** 0: none. */
  get quotaBytes(): number {
    return this.#quota.bytes;
  }

  /** Of keys and history up to `revision`, in slices; see maintenance/hash-kv.ts. */
  hashKv(revision: Revision): Promise<KvHash> {
    return hashKv(() => this.#machine, this.#world.clock, revision);
  }

  hashWhole(): Promise<number> {
    return hashWhole(() => this.#machine, this.#world.clock);
  }

  /** Gives back the space of what was deleted and compacted, while everything goes on. */
  async defragment(): Promise<void> {
    const { faults } = this.#world;
    await this.#flusher.flush();
    if (faults !== undefined) await faults.at('defragBeforeCopy');
    await this.#generation.backend.compact?.();
    if (faults !== undefined) await faults.at('defragAfterCopy');
  }

  /** All that is applied, as one view. To be closed. */
  async openSnapshot(): Promise<OpenSnapshot> {
    await this.#flusher.flush();
    const open = await openSnapshot(this.#generation.backend, this.#config.snapshotChunkBytes);
    assert(open !== undefined, 'what was flushed is there');
    return open;
  }

  /** Resolves when another member leads; fails where this one does not, or `to` cannot. */
  moveLeader(to: MemberId): Promise<void> {
    return moveLeader(this, { to, clock: this.#world.clock });
  }

  /** For what people read, and for ids that shall differ from time to time. */
  wallMs(): Millis {
    return this.#world.clock.wall();
  }

  header(): ResponseHeader {
    const { clusterId, id } = this.#config;
    return { clusterId, memberId: id, revision: this.#machine.revision, raftTerm: this.#node.term };
  }

  /** Calls `listener` on every change of role or leader; answers what takes it off again. */
  onRole(listener: (state: SoftState) => void): () => void {
    this.#roleListeners.add(listener);
    return () => this.#roleListeners.delete(listener);
  }

  transferLeader(to: MemberId): boolean {
    return this.#node.transferLeader(to);
  }

  /**
   * On the leader: several changes of who counts at once, through a joint configuration. No service offers it, as in etcd,
   * and it says nothing of what the members are: their rows are brought in line by changes of one member each.
   */
  proposeJointly(changes: ConfChange['changes']): boolean {
    return this.#node.proposeConfChange({ changes, joint: true }).ok;
  }

  /**
   * Puts a command through the log, once, and answers what it did when this member has applied it. A `StoreError` with
   * `timeout` leaves open whether it happened.
   */
  propose(command: Command, credentials?: Credentials): Promise<CommandOutcome> {
    return this.#propose(command, credentials, this.#world.clock.monotonic() + this.requestTimeoutMs);
  }

  #propose(command: Command, credentials: Credentials | undefined, deadlineMs: Millis): Promise<CommandOutcome> {
    if (this.#isStopped) return Promise.reject(new StoreError('stopped'));
    const refusal = this.#machine.alarms.refusalOf(command);
    if (refusal !== undefined) return Promise.resolve(refusal);
    // The alarm is on its way; until it is there, at least nothing more comes in here.
    if (this.#fullDisk.isFull && costOf(command) > 0) return Promise.resolve({ ok: false, code: 'no-space' });
    const timeoutMs = () => Math.max(0, deadlineMs - this.#world.clock.monotonic());
    if (this.leader === 0n) {
      return this.#leaderWait.wait(timeoutMs()).then(() => this.#propose(command, credentials, deadlineMs));
    }
    const send = () =>
      this.#begin((id) => this.#node.propose(encodeProposal({ id, command, credentials })), timeoutMs());
    const room = this.#quota.admit(costOf(command));
    return room === undefined ? send() : room.then(send);
  }

  /** What does not change the configuration is a command like others; what does, only a leader can propose. */
  #proposeMemberChange(change: MemberChange): Promise<CommandOutcome> {
    const confChange = confChangeOf(change);
    if (confChange === undefined) return this.propose({ kind: 'member-change', request: change }, AS_STORE);
    return this.#begin((proposal) => {
      const context = MemberChange.encode({ ...change, proposal });
      const outcome = this.#node.proposeConfChange({ ...confChange, context });
      if (!outcome.ok) throw new StoreError(REFUSED_BY_RAFT[outcome.code]);
    });
  }

  #begin(send: (id: bigint) => void, timeoutMs = this.requestTimeoutMs): Promise<CommandOutcome> {
    if (this.#isStopped) return Promise.reject(new StoreError('stopped'));
    const id = this.#nextProposal++;
    const outcome = deferred<CommandOutcome>();
    try {
      send(id);
    } catch (error) {
      this.#failedProposals++;
      return Promise.reject(error);
    }
    const timer = this.#world.clock.setTimer(timeoutMs, () => {
      this.#pending.delete(id);
      this.#failedProposals++;
      outcome.reject(new StoreError(this.leader === 0n ? 'timeout-leader-failure' : 'timeout'));
    });
    this.#pending.set(id, { term: this.#node.term, outcome, timer });
    return outcome.promise;
  }

  /** Resolves when the state machine shows all that was acknowledged before the call; fails like `propose`. */
  linearizable(): Promise<void> {
    return this.#linearizable(this.requestTimeoutMs);
  }

  /** Whether it shows all that was acknowledged before the call, by a majority's word; false without one in time. */
  isCurrent(withinMs: Millis): Promise<boolean> {
    return this.#linearizable(withinMs).then(
      () => true,
      () => false,
    );
  }

  #linearizable(timeoutMs: Millis): Promise<void> {
    const read = this.#node.linearizable();
    return new Promise((resolve, reject) => {
      const timer = this.#world.clock.setTimer(timeoutMs, () =>
        reject(new StoreError(this.leader === 0n ? 'no-leader' : 'timeout')),
      );
      read.then(resolve, reject).finally(() => timer.cancel());
    });
  }

  // ── The state machine, as the node drives it ─────────────────────────────────────────────────────────────────────

  #apply(entry: Entry): void {
    const now = this.isLeader ? this.#world.clock.monotonic() : undefined;
    const { id, outcome } = this.#machine.apply(entry, now);
    this.#quota.wrote(entry.data.length);
    if (outcome.ok && outcome.result.kind === 'member-change') this.membership.follow();
    if (outcome.ok && outcome.result.kind === 'compaction') this.compactionHashes.compacted();
    if (outcome.ok && outcome.result.kind === 'alarm') this.#fullDisk.alarmed(this.#hasNoSpaceAlarm());
    this.#answer(id, outcome);
  }

  #changeConf(entry: Entry, change: ConfChange, make: () => ConfState): ConfState {
    const { id, outcome, confState } = this.#machine.applyConfChange(entry, change, make);
    this.membership.follow();
    if (outcome !== undefined) this.#answer(id, outcome);
    return confState;
  }

  #answer(id: bigint, outcome: CommandOutcome): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    pending.timer.cancel();
    pending.outcome.resolve(outcome);
  }

  #skip(index: LogIndex, term: Term): void {
    this.#machine.applyEmpty(index, term);
    this.#failOlder(term);
    if (this.isLeader && term === this.#node.status().term) this.#leases.lead();
  }

  async #snapshot(): Promise<StateSnapshot> {
    const { meta, read, close } = await this.openSnapshot();
    return { index: meta.index, confState: meta.confState, read, close };
  }

  async #prepare(meta: SnapshotMeta, chunks: AsyncIterable<Uint8Array>): Promise<PreparedState> {
    const generation = await this.#generations.create();
    try {
      const restored = await restoreSnapshot(generation.backend, chunks);
      if (restored.index !== meta.index || restored.term !== meta.term)
        throw new Error('a snapshot of another index than announced');
      await this.#generations.markWhole(generation);
    } catch (error) {
      await this.#generations.discard(generation);
      // With it, what it had filled is given back; whether that is enough for all else, an operator should see.
      if (isNoSpace(error)) this.#fullDisk.found(error);
      throw error;
    }
    return {
      activate: () => this.#activate(generation),
      discard: () => this.#generations.discard(generation),
    };
  }

  async #activate(generation: Generation): Promise<void> {
    const old = this.#generation;
    const { faults } = this.#world;
    this.#flusher.abandon();
    if (faults !== undefined) await faults.at('applyBeforeOpenSnapshot');
    const machine = await StateMachine.open(generation.backend, this.#machine.hub);
    if (faults !== undefined) await faults.at('raftBeforeApplySnap');
    await this.#generations.makeCurrent(generation);
    this.#generation = generation;
    this.#machine = machine;
    this.#flusher = this.#newFlusher();
    this.membership.follow();
    this.#fullDisk.alarmed(this.#hasNoSpaceAlarm());
    await this.#generations.discard(old);
  }

  #newMembership(): Membership {
    const { clock, log, transport } = this.#world;
    return new Membership({
      self: this.id,
      clock,
      log,
      transport,
      strictReconfigCheck: this.#config.strictReconfigCheck ?? true,
      learnersMax: this.#config.learnersMax ?? LEARNERS_MAX,
      members: () => this.#machine.members,
      bootstrapRows: () => this.#machine.bootstrapRows,
      status: () => this.#node.status(),
      connectedForMs: () => this.#node.connectedForMs(),
      propose: (change) => this.#proposeMemberChange(change),
      linearizable: () => this.linearizable(),
      onRemoved: (error) => this.#fatal(error),
    });
  }

  #newFlusher(): Flusher {
    const { clock } = this.#world;
    return new Flusher({
      clock,
      backend: this.#generation.backend,
      machine: this.#machine,
      faults: this.#world.faults,
      onFailure: (error) => this.#fatal(error),
    });
  }

  // ── Leadership and leases ────────────────────────────────────────────────────────────────────────────────────────

  #onSoftState(state: SoftState): void {
    if (state.role !== 'leader') this.#leases.follow();
    if (state.leader !== 0n) {
      this.membership.onLeader();
      this.#leaderWait.resolveAll();
    }
    for (const listener of this.#roleListeners) listener(state);
  }

  #newLeaseKeeper(): LeaseKeeper {
    return new LeaseKeeper({
      clock: this.#world.clock,
      log: this.#world.log,
      leases: () => this.#machine.leases,
      extendMs: this.#config.electionMs ?? ELECTION_MS,
      writesCheckpoints: this.#config.leaseCheckpoints ?? true,
      propose: (command) => this.propose(command, AS_STORE),
    });
  }

  /**
   * A leader begins its term with an empty entry, behind everything that survived. What was proposed to an earlier leader
   * and is not applied by now was lost with it: better to say so than to let its caller wait out the timeout. It is no
   * promise that it never happens: the message may still be on its way.
   */
  #failOlder(term: Term): void {
    for (const [id, pending] of this.#pending) {
      if (pending.term >= term) continue;
      this.#pending.delete(id);
      this.#failedProposals++;
      pending.timer.cancel();
      pending.outcome.reject(new StoreError('leader-changed'));
    }
  }

  // ── Maintenance ──────────────────────────────────────────────────────────────────────────────────────────────────

  #hasNoSpaceAlarm(): boolean {
    return this.#machine.alarms.has(AlarmType.NOSPACE, this.id);
  }

  async #raiseNoSpace(message: string): Promise<void> {
    const { id: memberId } = this.#config;
    if (this.#hasNoSpaceAlarm()) return;
    this.#world.log.warn({ member: memberId.toString(16) }, message);
    const request = { action: AlarmAction.ACTIVATE, memberId, alarm: AlarmType.NOSPACE };
    await this.propose({ kind: 'alarm', request }, AS_STORE);
  }

  #newCompactor(options: AutoCompactionOptions | undefined): AutoCompactor | undefined {
    if (options === undefined || options.retention <= 0) return undefined;
    const isLeader = () => this.isLeader;
    const revision = () => this.#machine.revision;
    return new AutoCompactor(options, this.#world, {
      get isLeader() {
        return isLeader();
      },
      get revision() {
        return revision();
      },
      compact: async (to) => {
        const outcome = await this.propose({ kind: 'compaction', request: { revision: to, physical: false } }, AS_STORE);
        if (!outcome.ok && outcome.code !== 'compacted') throw new StoreError(outcome.code);
      },
    });
  }

  #failPending(code: 'stopped'): void {
    for (const { outcome, timer } of this.#pending.values()) {
      timer.cancel();
      outcome.reject(new StoreError(code));
    }
    this.#pending.clear();
  }

  #fatal(error: unknown): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#leases.stop();
    this.#compactor?.stop();
    this.compactionHashes.stop();
    this.#fullDisk.stop();
    this.membership.stop();
    this.#failPending('stopped');
    this.#leaderWait.rejectAll(new StoreError('stopped'));
    this.#flusher.abandon();
    void this.#node.stop();
    this.#config.onFatal(error);
  }
}

// ── Boot ───────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Boot {
  readonly fullDisk: FullDisk;
  readonly generations: Generations;
  readonly generation: Generation;
  readonly machine: StateMachine;
  readonly wal: Wal;
  readonly snapshot: SnapshotMeta;
  readonly hardState: { readonly term: number; readonly votedFor: MemberId; readonly commit: LogIndex };
  readonly entries: readonly Entry[];
}

async function boot(world: MemberWorld, config: MemberConfig): Promise<Boot> {
  try {
    return await bootWith(world, config, fullDiskOf(world, config));
  } catch (error) {
    throw isNoSpace(error) && !(error instanceof DiskFullError) ? new DiskFullError(error) : error;
  }
}

function fullDiskOf({ disk, clock, log }: MemberWorld, { reserveBytes = 0 }: MemberConfig): FullDisk {
  const reserve = new Reserve(disk, [
    { dir: STATE_DIR, bytes: reserveBytes },
    { dir: WAL_DIR, bytes: Math.ceil(reserveBytes / RESERVE_SHARE_OF_LOG) },
  ]);
  return new FullDisk({ clock, log, reserve });
}

async function bootWith(world: MemberWorld, config: MemberConfig, fullDisk: FullDisk): Promise<Boot> {
  const { disk, backends } = world;
  await disk.makeDir(STATE_DIR);
  // Else a power cut takes the folder, and with it every promise in the log (simulator, seed 3).
  await disk.syncDir('');
  const generations = new Generations(disk, backends, STATE_DIR, fullDisk.makeRoom);
  const options = walOptions(world, config, fullDisk);
  const hasLog = (await disk.list(WAL_DIR)).length > 0;
  // The state first: a second process on the same folder fails at its lock, before it takes the end of a log that the
  // first one is just writing for a torn one, and cuts it.
  const current = await generations.openCurrent();
  const opening = hasLog ? Wal.open(options) : Promise.resolve(undefined);
  const opened = await opening.catch(async (error: unknown) => {
    await current?.backend.close();
    throw error;
  });
  if (opened !== undefined) {
    const resumed = await resume(world, generations, current, opened).catch(async (error: unknown) => {
      await opened.wal.close();
      await current?.backend.close();
      throw error;
    });
    const { machine } = resumed;
    if (machine.members.list().length === 0) machine.seedMembers({ initial: config.initialMembers, members: [] });
    return { fullDisk, ...resumed };
  }
  if (current !== undefined) await requireUnused(current);
  return { fullDisk, ...(await beginCluster(world, config, { generations, fullDisk })) };
}

/** Without a log a member begins anew, and forgets its votes: never one that has applied anything. Closes the state. */
async function requireUnused({ backend }: Generation): Promise<void> {
  const { index } = (await StateMachine.open(backend)).applied;
  await backend.close();
  if (index > 0) throw new Error(`${WAL_DIR}: the log is gone, and the state has applied ${index} entries of it: ${REPLACE}`);
}

function walOptions({ disk, log, faults }: MemberWorld, { clusterId, id, walSegmentBytes: bytes }: MemberConfig, fullDisk: FullDisk) {
  const sizes = bytes === undefined ? {} : { segmentBytes: bytes, firstSegmentBytes: bytes };
  const room = { makeRoom: fullDisk.makeRoom, isFull: () => fullDisk.isFull };
  return { disk, dir: WAL_DIR, identity: { clusterId, memberId: id }, log, faults, ...room, ...sizes };
}

/** The log is made last: a member without one has promised nothing, and begins anew. */
async function beginCluster(
  world: MemberWorld,
  config: MemberConfig,
  { generations, fullDisk }: Pick<Boot, 'generations' | 'fullDisk'>,
): Promise<Omit<Boot, 'fullDisk'>> {
  const confState: ConfState = {
    voters: config.initialMembers.map(({ id }) => id).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)),
    votersOutgoing: [],
    learners: [],
    learnersNext: [],
    autoLeave: false,
  };
  const generation = await generations.create();
  const machine = await StateMachine.open(generation.backend);
  machine.bootstrap(confState, { initial: config.initialMembers, members: config.joined ?? [] });
  await generation.backend.batch(machine.takeBatch().ops);
  machine.batchLanded();
  await generations.makeCurrent(generation);
  await generations.cleanUp(generation.number);
  const snapshot: SnapshotMeta = { index: 0, term: 0, confState };
  const hardState = { term: 0, votedFor: 0n, commit: 0 };
  const wal = await Wal.create({ ...walOptions(world, config, fullDisk), hardState, snapshot });
  return { generations, generation, machine, wal, snapshot, hardState, entries: [] };
}

async function resume(
  world: MemberWorld,
  generations: Generations,
  current: Generation | undefined,
  { wal, restored }: NonNullable<Awaited<ReturnType<typeof Wal.open>>>,
): Promise<Omit<Boot, 'fullDisk'>> {
  const { hardState, snapshot, entries } = restored;
  let generation = current;
  if (generation === undefined) throw new Error(`${STATE_DIR}: there is a log but no state: replace this member`);
  let machine = await StateMachine.open(generation.backend);
  if (machine.applied.index < snapshot.index) {
    // The log knows of a peer's snapshot whose folder was about to become the current one.
    const [whole] = await generations.openWhole(generation.number);
    if (whole === undefined)
      throw new Error(
        `${STATE_DIR}: the state ends at ${machine.applied.index}, the log begins at ${snapshot.index}: replace this member`,
      );
    await generation.backend.close();
    generation = whole;
    machine = await StateMachine.open(generation.backend);
    await generations.makeCurrent(generation);
  }
  await generations.cleanUp(generation.number);
  world.log.info(
    { index: machine.applied.index, revision: machine.revision, entries: entries.length },
    'store: state restored',
  );
  return { generations, generation, machine, wal, snapshot, hardState, entries };
}

function newRaft(world: MemberWorld, config: MemberConfig, { hardState, snapshot, entries, machine }: Boot): Raft {
  const tickMs = config.tickMs ?? TICK_MS;
  return new Raft(
    {
      id: config.id,
      electionTicks: Math.round((config.electionMs ?? ELECTION_MS) / tickMs),
      heartbeatTicks: Math.round((config.heartbeatMs ?? HEARTBEAT_MS) / tickMs),
      preVote: true,
      checkQuorum: true,
      maxAppendBytes: APPEND_BYTES_MAX,
      maxInflightMessages: INFLIGHT_MESSAGES_MAX,
      maxInflightBytes: INFLIGHT_BYTES_MAX,
      maxUncommittedBytes: UNCOMMITTED_BYTES_MAX,
      random: world.random.fork('raft'),
      ...(world.trace === undefined ? {} : { trace: world.trace }),
    },
    { hardState, snapshot, entries, applied: machine.applied },
  );
}
