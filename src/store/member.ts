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
import type { ResponseHeader } from '../proto/etcd.ts';
import { Wal } from './disk/wal.ts';
import { Generations, type Generation } from './generations.ts';
import type { BackendFactory } from './mvcc/backend.ts';
import { encodeProposal, type Command } from './mvcc/command.ts';
import { Flusher } from './mvcc/flusher.ts';
import { openSnapshot, restoreSnapshot } from './mvcc/snapshot.ts';
import { Raft, type RaftStatus } from './raft/core/raft.ts';
import type { ConfState, Entry, LogIndex, MemberId, SnapshotMeta, SoftState, Term } from './raft/core/types.ts';
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
}

export interface MemberConfig {
  readonly clusterId: bigint;
  readonly id: MemberId;
  /** All voters of a cluster that begins; ignored by a member that has a log. */
  readonly voters: readonly MemberId[];
  readonly tickMs?: Millis;
  readonly heartbeatMs?: Millis;
  readonly electionMs?: Millis;
  readonly snapshotEntries?: number;
  readonly catchUpEntries?: number;
  /** Of each file of the log, the first included. */
  readonly walSegmentBytes?: number;
  /** Within it a proposal or a read is answered, or fails. */
  readonly requestTimeoutMs?: Millis;
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

const WAL_DIR = 'member/wal';
const DIR = 'member';
const REPLACE = 'remove this member from the cluster, delete its data directory, and add it again';

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
  #generation: Generation;
  #machine: StateMachine;
  #flusher: Flusher;
  #nextProposal: bigint;
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
    this.#node = new RaftNode({
      clock: world.clock,
      log: world.log,
      raft: newRaft(world, config, boot),
      wal: boot.wal,
      transport: world.transport,
      stateMachine: {
        apply: (entry) => this.#apply(entry),
        skip: (index, term, confState) => this.#skip({ index, term, confState }),
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
      onSoftState: (state) => this.#onSoftState(state),
      onFatal: (error) => this.#fatal(error),
    });
  }

  /** Restores what the disk holds, or begins a cluster; it takes part once `start` is called. */
  static async open(world: MemberWorld, config: MemberConfig): Promise<Member> {
    return new Member(world, config, await boot(world, config));
  }

  async start(): Promise<void> {
    await this.#node.start();
    this.#scheduleLeaseScan();
  }

  /** Flushes and closes. What is under way fails with `stopped`; it may have happened. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#leaseTimer?.cancel();
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
  propose(command: Command): Promise<CommandOutcome> {
    if (this.#isStopped) return Promise.reject(new StoreError('stopped'));
    const id = this.#nextProposal++;
    const outcome = deferred<CommandOutcome>();
    try {
      this.#node.propose(encodeProposal({ id, command }));
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
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    pending.timer.cancel();
    pending.outcome.resolve(outcome);
  }

  #skip({ index, term, confState }: { index: LogIndex; term: number; confState: ConfState | undefined }): void {
    if (confState === undefined) {
      this.#machine.applyEmpty(index, term);
      this.#failOlder(term);
    } else this.#machine.applyConfState({ index, term, confState });
  }

  async #snapshot(): Promise<StateSnapshot> {
    await this.#flusher.flush();
    const open = await openSnapshot(this.#generation.backend);
    assert(open !== undefined, 'what was flushed is there');
    const { meta, chunks, close } = open;
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
    await this.#generations.discard(old);
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
        this.propose({ kind: 'lease-revoke', request: { id } }).catch((error: unknown) => {
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
  await disk.makeDir(DIR);
  // Else a power cut takes the folder, and with it every promise in the log (simulator, seed 3).
  await disk.syncDir('');
  const generations = new Generations(disk, backends, DIR);
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
  if (opened !== undefined) return resume(world, generations, current, opened);
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
    voters: [...config.voters].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)),
    votersOutgoing: [],
    learners: [],
    learnersNext: [],
    autoLeave: false,
  };
  const generation = await generations.create();
  const machine = await StateMachine.open(generation.backend);
  machine.bootstrap(confState);
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
  if (generation === undefined) throw new Error(`${DIR}: there is a log but no state: replace this member`);
  let machine = await StateMachine.open(generation.backend);
  if (machine.applied.index < snapshot.index) {
    // The log knows of a peer's snapshot whose folder was about to become the current one.
    const [whole] = await generations.openWhole(generation.number);
    if (whole === undefined)
      throw new Error(
        `${DIR}: the state ends at ${machine.applied.index}, the log begins at ${snapshot.index}: replace this member`,
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
