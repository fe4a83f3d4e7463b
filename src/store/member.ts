/**
 * A store member, but for its servers: log, consensus, state machine and what is under way, put together from the seams
 * that it is handed. The same class runs in a process, in a test, and in the simulator.
 *
 *   kv-service handlers ─ propose(), linearizable() ─► Member ─► RaftNode ─► Wal, RaftTransport
 *                       ◄─ outcome ── StateMachine.apply() ◄───────┘
 *                                         └─► Flusher ─► Backend (a generation)
 */
import { assert } from '../base/assert.ts';
import type { Millis } from '../base/clock.ts';
import { isNoSpace } from '../base/errors.ts';
import type { Credentials } from '../proto/auth.ts';
import { AlarmAction, AlarmType, type ResponseHeader } from '../proto/etcd.ts';
import { MemberChange } from '../proto/raft.ts';
import { Wal } from './disk/wal.ts';
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
import { confChangeOf, LEARNERS_MAX } from './membership/core/members.ts';
import { boot, newRaft, type Boot } from './member-boot.ts';
import { MEMBER_DEFAULTS, type MemberConfig, type MemberWorld } from './member-config.ts';
import { MemberRemovedError, Membership } from './membership/membership.ts';
import { AS_STORE, encodeProposal, type Command } from './mvcc/command.ts';
import type { Revision } from './mvcc/core/revision.ts';
import type { OpResult } from './mvcc/core/txn.ts';
import { Flusher } from './mvcc/flusher.ts';
import { openSnapshot, restoreSnapshot, type OpenSnapshot } from './mvcc/snapshot.ts';
import { type RaftStatus } from './raft/core/raft.ts';
import type { ConfChange, ConfState, Entry, LogIndex, MemberId, SnapshotMeta, SoftState, Term } from './raft/core/types.ts';
import { Proposals } from './proposals.ts';
import { RaftNode, type PreparedState, type StateSnapshot } from './raft/node.ts';
import { StoreError, type StoreErrorCode } from './rpc/errors.ts';
import { StateMachine, type CommandOutcome, type CommandResult } from './state-machine.ts';

const REFUSED_BY_RAFT = {
  'not-leader': 'not-leader',
  'conf-change-pending': 'too-many-requests',
  'already-joint': 'too-many-requests',
  'not-joint': 'too-many-requests',
  'no-voters': 'not-enough-started-members',
  'bad-member': 'member-not-found',
} as const;

export class Member {
  readonly #world: MemberWorld;
  readonly #config: MemberConfig;
  readonly #generations: Generations;
  readonly #wal: Wal;
  readonly #node: RaftNode;
  readonly #proposals: Proposals;
  readonly #leaderWait: LeaderWait;
  readonly membership: Membership;
  readonly compactionHashes: CompactionHashes;
  #generation: Generation;
  #machine: StateMachine;
  #flusher: Flusher;
  readonly #quota: Quota;
  readonly #fullDisk: FullDisk;
  readonly #compactor: AutoCompactor | undefined;
  readonly #leases: LeaseKeeper;
  #isStopped = false;
  readonly #timeoutCode = (): StoreErrorCode => (this.leader === 0n ? 'timeout-leader-failure' : 'timeout');
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
    const random = world.random.fork('requests');
    this.#proposals = new Proposals(world.clock, random);
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
      tickMs: config.tickMs ?? MEMBER_DEFAULTS.tickMs,
      faults: world.faults,
      snapshotEntries: config.snapshotEntries ?? MEMBER_DEFAULTS.snapshotEntries,
      catchUpEntries: config.catchUpEntries ?? MEMBER_DEFAULTS.catchUpEntries,
      ...(config.logBytes === undefined ? {} : { logBytes: config.logBytes }),
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
    this.#proposals.failAll('stopped');
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
    return this.#config.requestTimeoutMs ?? MEMBER_DEFAULTS.requestTimeoutMs;
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
    return this.#proposals;
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

  monotonicMs(): Millis {
    return this.#world.clock.monotonic();
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
    if (this.leader === 0n) {
      const timeoutMs = Math.max(0, deadlineMs - this.#world.clock.monotonic());
      return this.#leaderWait.wait(timeoutMs).then(() => this.#propose(command, credentials, deadlineMs));
    }
    const room = this.#quota.admit(costOf(command));
    if (room === undefined) return this.#send(command, credentials, deadlineMs);
    return room.then(() => this.#send(command, credentials, deadlineMs));
  }

  /** What {@link Proposals.begin} does, without a function for each put. */
  #send(command: Command, credentials: Credentials | undefined, deadlineMs: Millis): Promise<CommandOutcome> {
    if (this.#isStopped) return Promise.reject(new StoreError('stopped'));
    const id = this.#proposals.next();
    try {
      this.#node.propose(encodeProposal({ id, command, credentials }));
    } catch (error) {
      return this.#proposals.refused(error);
    }
    return this.#proposals.wait(id, { term: this.#node.term, deadlineMs, timeoutCode: this.#timeoutCode });
  }

  /** What does not change the configuration is a command like others; what does, only a leader can propose. */
  #proposeMemberChange(change: MemberChange, timeoutMs: Millis): Promise<CommandOutcome> {
    const confChange = confChangeOf(change);
    const deadlineMs = this.#world.clock.monotonic() + timeoutMs;
    if (confChange === undefined) return this.#propose({ kind: 'member-change', request: change }, AS_STORE, deadlineMs);
    const send = (proposal: bigint) => {
      const context = MemberChange.encode({ ...change, proposal });
      const outcome = this.#node.proposeConfChange({ ...confChange, context });
      if (!outcome.ok) throw new StoreError(REFUSED_BY_RAFT[outcome.code]);
    };
    return this.#begin(send, deadlineMs);
  }

  #begin(
    send: (id: bigint) => void,
    deadlineMs = this.#world.clock.monotonic() + this.requestTimeoutMs,
  ): Promise<CommandOutcome> {
    if (this.#isStopped) return Promise.reject(new StoreError('stopped'));
    return this.#proposals.begin(send, { term: this.#node.term, deadlineMs, timeoutCode: this.#timeoutCode });
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
    this.#quota.wrote(entry.data.length, outcome.ok && takesSpace(outcome.result));
    if (outcome.ok && outcome.result.kind === 'member-change') this.membership.follow();
    if (outcome.ok && outcome.result.kind === 'compaction') this.compactionHashes.compacted();
    if (outcome.ok && outcome.result.kind === 'alarm') this.#fullDisk.alarmed(this.#hasNoSpaceAlarm());
    this.#proposals.answer(id, outcome);
  }

  #changeConf(entry: Entry, change: ConfChange, make: () => ConfState): ConfState {
    const { id, outcome, confState } = this.#machine.applyConfChange(entry, change, make);
    this.membership.follow();
    if (outcome !== undefined) this.#proposals.answer(id, outcome);
    return confState;
  }

  #skip(index: LogIndex, term: Term): void {
    this.#machine.applyEmpty(index, term);
    this.#proposals.failOlder(term);
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
      propose: (change, timeoutMs = this.requestTimeoutMs) => this.#proposeMemberChange(change, timeoutMs),
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
      extendMs: this.#config.electionMs ?? MEMBER_DEFAULTS.electionMs,
      writesCheckpoints: this.#config.leaseCheckpoints ?? true,
      leadsNow: () => this.#node.leadsNow(),
      propose: (command) => this.#begin((id) => this.#node.proposeAsLeader(encodeProposal({ id, command, credentials: AS_STORE }))),
    });
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

  #fatal(error: unknown): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#leases.stop();
    this.#compactor?.stop();
    this.compactionHashes.stop();
    this.#fullDisk.stop();
    this.membership.stop();
    this.#proposals.failAll('stopped');
    this.#leaderWait.rejectAll(new StoreError('stopped'));
    this.#flusher.abandon();
    void this.#node.stop();
    this.#config.onFatal(error);
  }
}

/** As the quota sees it: whether the state is larger for it by what a client sent. */
function takesSpace(result: CommandResult | OpResult): boolean {
  if (result.kind === 'txn') return result.results.some(takesSpace);
  return result.kind === 'put' || result.kind === 'lease-grant';
}
