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
import { describeError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Trace } from '../base/trace.ts';
import type { Credentials } from '../proto/auth.ts';
import { AlarmAction, AlarmType, type ResponseHeader } from '../proto/etcd.ts';
import { MemberChange } from '../proto/raft.ts';
import { Wal } from './disk/wal.ts';
import { Generations, type Generation } from './generations.ts';
import { AutoCompactor } from './maintenance/auto-compactor.ts';
import { costOf } from './maintenance/core/alarms.ts';
import type { AutoCompactionOptions } from './maintenance/core/auto-compaction.ts';
import { hashKv, hashWhole, type KvHash } from './maintenance/hash-kv.ts';
import { moveLeader } from './maintenance/move-leader.ts';
import { Quota } from './maintenance/quota.ts';
import { confChangeOf, type MemberInfo } from './membership/core/members.ts';
import { MemberRemovedError, Membership } from './membership/membership.ts';
import type { BackendFactory } from './mvcc/backend.ts';
import { AS_STORE, encodeProposal, type Command } from './mvcc/command.ts';
import type { Revision } from './mvcc/core/revision.ts';
import { Flusher } from './mvcc/flusher.ts';
import { openSnapshot, restoreSnapshot, type OpenSnapshot } from './mvcc/snapshot.ts';
import { Raft, type RaftStatus } from './raft/core/raft.ts';
import type { ConfChange, ConfState, Entry, LogIndex, MemberId, SnapshotMeta, SoftState, Term } from './raft/core/types.ts';
import { RaftNode, type LogBytes, type PreparedState, type StateSnapshot } from './raft/node.ts';
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
  /** What the log may take in memory before it is compacted, however few its entries; see raft/node.ts. */
  readonly logBytes?: LogBytes;
  /** Of each file of the log, the first included. */
  readonly walSegmentBytes?: number;
  /** Within it a proposal or a read is answered, or fails. */
  readonly requestTimeoutMs?: Millis;
  /** Size of the backend past which this member raises NOSPACE. 0: etcd's default; negative: none. */
  readonly quotaBytes?: number;
  /** What the cluster forgets by itself; of no effect unless all members have the same. */
  readonly autoCompaction?: AutoCompactionOptions;
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
/** Leases that have run out are looked for so often, and so many are ended at a time. */
const LEASE_SCAN_MS = 500;
const LEASES_AT_ONCE = 500;
const LEASE_RETRY_MS = 3_000;

export const WAL_DIR = 'member/wal';
export const STATE_DIR = 'member';
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
  readonly membership: Membership;
  #generation: Generation;
  #machine: StateMachine;
  #flusher: Flusher;
  #nextProposal: bigint;
  readonly #quota: Quota;
  readonly #compactor: AutoCompactor | undefined;
  #leaseTimer: Timer | undefined;
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
    this.#flusher = this.#newFlusher();
    // Requests of an earlier run must not be taken for ours: numbers start anew at random, high enough never to meet.
    const random = world.random.fork('requests');
    this.#nextProposal = random.uint64() >> 1n;
    this.#quota = new Quota({
      quotaBytes: config.quotaBytes,
      measure: async () => {
        await this.#flusher.flush();
        return this.sizeBytes();
      },
      raise: () => this.#raiseNoSpace(),
    });
    this.#compactor = this.#newCompactor(config.autoCompaction);
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
        room: () => this.#flusher.room(),
        durableIndex: () => this.#flusher.durableIndex,
        snapshot: () => this.#snapshot(),
        prepare: (meta, chunks) => this.#prepare(meta, chunks),
      },
      confState: boot.snapshot.confState,
      firstReadRequest: random.uint64() >> 1n,
      tickMs: config.tickMs ?? TICK_MS,
      snapshotEntries: config.snapshotEntries ?? SNAPSHOT_ENTRIES,
      catchUpEntries: config.catchUpEntries ?? CATCH_UP_ENTRIES,
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
    this.#scheduleLeaseScan();
    this.#compactor?.start();
    this.#quota.start();
  }

  /** Flushes and closes. What is under way fails with `stopped`; it may have happened. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#leaseTimer?.cancel();
    this.#compactor?.stop();
    this.membership.stop();
    this.#failPending('stopped');
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
  renewHere(lease: bigint): number | undefined {
    const { leases } = this.#machine;
    return leases.isLeading ? leases.renew(lease, this.#world.clock.monotonic()) : undefined;
  }

  remainingHere(lease: bigint): number | undefined {
    return this.#machine.leases.remainingSeconds(lease, this.#world.clock.monotonic());
  }

  /** Resolves when the space of all compactions so far was given back. */
  scrubbed(): Promise<void> {
    return this.#flusher.scrubbed();
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
    await this.#flusher.flush();
    await this.#generation.backend.compact?.();
  }

  /** All that is applied, as one view. To be closed. */
  async openSnapshot(): Promise<OpenSnapshot> {
    await this.#flusher.flush();
    const open = await openSnapshot(this.#generation.backend);
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
    return { clusterId, memberId: id, revision: this.#machine.revision, raftTerm: this.#node.status().term };
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
   * Puts a command through the log, once, and answers what it did when this member has applied it. A `StoreError` with
   * `timeout` leaves open whether it happened.
   */
  propose(command: Command, credentials?: Credentials): Promise<CommandOutcome> {
    if (this.#isStopped) return Promise.reject(new StoreError('stopped'));
    const refusal = this.#machine.alarms.refusalOf(command);
    if (refusal !== undefined) return Promise.resolve(refusal);
    const send = () => this.#begin((id) => this.#node.propose(encodeProposal({ id, command, credentials })));
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

  #begin(send: (id: bigint) => void): Promise<CommandOutcome> {
    if (this.#isStopped) return Promise.reject(new StoreError('stopped'));
    const id = this.#nextProposal++;
    const outcome = deferred<CommandOutcome>();
    try {
      send(id);
    } catch (error) {
      this.#failedProposals++;
      return Promise.reject(error);
    }
    const timer = this.#world.clock.setTimer(this.requestTimeoutMs, () => {
      this.#pending.delete(id);
      this.#failedProposals++;
      outcome.reject(new StoreError(this.leader === 0n ? 'timeout-leader-failure' : 'timeout'));
    });
    this.#pending.set(id, { term: this.#node.status().term, outcome, timer });
    return outcome.promise;
  }

  /** Resolves when the state machine shows all that was acknowledged before the call; fails like `propose`. */
  linearizable(): Promise<void> {
    const read = this.#node.linearizable();
    return new Promise((resolve, reject) => {
      const timer = this.#world.clock.setTimer(this.requestTimeoutMs, () =>
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
  }

  async #snapshot(): Promise<StateSnapshot> {
    const { meta, chunks, close } = await this.openSnapshot();
    return { index: meta.index, confState: meta.confState, chunks, close };
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
      throw error;
    }
    return {
      activate: () => this.#activate(generation),
      discard: () => this.#generations.discard(generation),
    };
  }

  async #activate(generation: Generation): Promise<void> {
    const old = this.#generation;
    this.#flusher.abandon();
    const machine = await StateMachine.open(generation.backend, this.#machine.hub);
    await this.#generations.makeCurrent(generation);
    this.#generation = generation;
    this.#machine = machine;
    this.#flusher = this.#newFlusher();
    this.membership.follow();
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
      onFailure: (error) => this.#fatal(error),
    });
  }

  // ── Leadership and leases ────────────────────────────────────────────────────────────────────────────────────────

  #onSoftState(state: SoftState): void {
    const { clock } = this.#world;
    const leads = state.role === 'leader';
    if (leads && !this.#machine.leases.isLeading) this.#machine.leases.promote(clock.monotonic());
    if (!leads && this.#machine.leases.isLeading) this.#machine.leases.demote();
    if (state.leader !== 0n) this.membership.onLeader();
    for (const listener of this.#roleListeners) listener(state);
  }

  #scheduleLeaseScan(): void {
    const { clock } = this.#world;
    this.#leaseTimer = clock.setTimer(LEASE_SCAN_MS, () => {
      if (this.#isStopped) return;
      this.#scheduleLeaseScan();
      const { leases } = this.#machine;
      if (!this.isLeader || !leases.isLeading) return;
      for (const id of leases.expired(clock.monotonic(), { max: LEASES_AT_ONCE, retryMs: LEASE_RETRY_MS })) {
        // Lost ones are named again.
        this.propose({ kind: 'lease-revoke', request: { id } }, AS_STORE).catch((error: unknown) => {
          this.#world.log.debug({ lease: id.toString(16), error: describeError(error) }, 'lease: revoke not done');
        });
      }
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

  async #raiseNoSpace(): Promise<void> {
    const { id: memberId } = this.#config;
    if (this.#machine.alarms.has(AlarmType.NOSPACE, memberId)) return;
    this.#world.log.warn({ member: memberId.toString(16) }, 'store: past its quota; compact, defragment, disarm the alarm');
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
    this.#leaseTimer?.cancel();
    this.#compactor?.stop();
    this.membership.stop();
    this.#failPending('stopped');
    this.#flusher.abandon();
    void this.#node.stop();
    this.#config.onFatal(error);
  }
}

// ── Boot ───────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Boot {
  readonly generations: Generations;
  readonly generation: Generation;
  readonly machine: StateMachine;
  readonly wal: Wal;
  readonly snapshot: SnapshotMeta;
  readonly hardState: { readonly term: number; readonly votedFor: MemberId; readonly commit: LogIndex };
  readonly entries: readonly Entry[];
}

async function boot(world: MemberWorld, config: MemberConfig): Promise<Boot> {
  const { disk, backends } = world;
  await disk.makeDir(STATE_DIR);
  // Else a power cut takes the folder, and with it every promise in the log (simulator, seed 3).
  await disk.syncDir('');
  const generations = new Generations(disk, backends, STATE_DIR);
  const options = walOptions(world, config);
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
    return resumed;
  }
  if (current !== undefined) await requireUnused(current);
  return beginCluster(world, config, generations);
}

/** Without a log a member begins anew, and forgets its votes: never one that has applied anything. Closes the state. */
async function requireUnused({ backend }: Generation): Promise<void> {
  const { index } = (await StateMachine.open(backend)).applied;
  await backend.close();
  if (index > 0) throw new Error(`${WAL_DIR}: the log is gone, and the state has applied ${index} entries of it: ${REPLACE}`);
}

function walOptions({ disk, log }: MemberWorld, { clusterId, id, walSegmentBytes: bytes }: MemberConfig) {
  const sizes = bytes === undefined ? {} : { segmentBytes: bytes, firstSegmentBytes: bytes };
  return { disk, dir: WAL_DIR, identity: { clusterId, memberId: id }, log, ...sizes };
}

/** The log is made last: a member without one has promised nothing, and begins anew. */
async function beginCluster(world: MemberWorld, config: MemberConfig, generations: Generations): Promise<Boot> {
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
  const wal = await Wal.create({ ...walOptions(world, config), hardState, snapshot });
  return { generations, generation, machine, wal, snapshot, hardState, entries: [] };
}

async function resume(
  world: MemberWorld,
  generations: Generations,
  current: Generation | undefined,
  { wal, restored }: NonNullable<Awaited<ReturnType<typeof Wal.open>>>,
): Promise<Boot> {
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
