/**
 * The store's state machine: what the Raft log does to MVCC and leases. Applying is synchronous and deterministic; every
 * replica that has applied the same entries answers the same and hashes the same. It writes to an overlay; the flusher
 * (mvcc/flusher.ts) takes batches from it, each carrying the applied index, so that a crash replays the log from there.
 *
 *   row m 'state'      mvcc/state-row.ts; the newest block has it, too
 *   row m 'alarms'     alarms that are raised           (etcdserverpb.AlarmResponse)
 *   row m 'downgrade'  the announced downgrade          (etcdserverpb.DowngradeInfo)
 *   row l <lease id>   granted seconds, and, behind them, those of a checkpoint if there is one
 *   rows c             membership/core/members.ts
 *   rows a             auth/core/auth-state.ts
 *   rows w             mvcc/core/block.ts: the writes, each block with many
 *
 * Rows w sort behind all others, and each batch's behind those of the batch before; for the others LevelDB merges tables,
 * for these it does not. So what changes with every batch lies in them.
 */
import { createHash } from 'node:crypto';
import { assert, unreachable } from '../base/assert.ts';
import { asBuffer, EMPTY_BYTES, fromLatin1 } from '../base/bytes.ts';
import type { AuthChange } from '../proto/auth.ts';
import {
  AlarmResponse,
  DowngradeAction,
  DowngradeInfo,
  type AlarmMember,
  type AlarmRequest,
  type DowngradeRequest,
  type LeaseCheckpointRequest,
  type PutRequest,
  type RangeRequest,
  type TxnRequest,
} from '../proto/etcd.ts';
import { Member, MemberChange, MemberRows } from '../proto/raft.ts';
import { AUTH_ROWS, AuthState, type AuthRefusal } from './auth/core/auth-state.ts';
import { needOfCommand, refuse } from './auth/core/needs.ts';
import { Lessor, type LeaseId, type LeaseRefusal } from './lease/core/lessor.ts';
import { Alarms, type AlarmRefusal } from './maintenance/core/alarms.ts';
import { NO_DOWNGRADE, type DowngradeState } from './maintenance/core/downgrade.ts';
import {
  idOfRow,
  INITIAL_ROW,
  MEMBER_ROWS,
  memberRowKey,
  Members,
  removedRowKey,
  type MemberInfo,
  type MemberRefusal,
} from './membership/core/members.ts';
import type { Backend, BackendBatch, BackendKey } from './mvcc/backend.ts';
import { decodeProposal, type Command } from './mvcc/command.ts';
import { Block, BLOCK_ROWS } from './mvcc/core/block.ts';
import { KvHashWalk } from './mvcc/core/kv-hash.ts';
import { Mvcc, type Change, type RevisionRefusal } from './mvcc/core/mvcc.ts';
import {
  FIRST_REVISION,
  isTombstone,
  LEASE_ROWS,
  NO_LEASE,
  type Revision,
} from './mvcc/core/revision.ts';
import {
  deleteRange,
  put,
  range,
  txn,
  type DeleteResult,
  type Outcome,
  type PutResult,
  selectRange,
  type RangeResult,
  type RangeSelection,
  type Refusal,
  type TxnResult,
} from './mvcc/core/txn.ts';
import { WatchHub } from './mvcc/core/watch-hub.ts';
import { Overlay } from './mvcc/overlay.ts';
import { joinPairedRows } from './mvcc/paired-rows.ts';
import { encodeState, readState } from './mvcc/state-row.ts';
import type { ConfChange, ConfState, LogIndex, MemberId, SnapshotMeta, Term } from './raft/core/types.ts';

export type CommandResult =
  | PutResult
  | DeleteResult
  | TxnResult
  | { readonly kind: 'compaction'; readonly revision: Revision }
  | { readonly kind: 'lease-grant'; readonly revision: Revision; readonly id: LeaseId; readonly ttlSeconds: number }
  | { readonly kind: 'lease-revoke'; readonly revision: Revision }
  | { readonly kind: 'lease-checkpoint'; readonly revision: Revision }
  | { readonly kind: 'auth'; readonly revision: Revision; readonly token: string }
  | { readonly kind: 'alarm'; readonly revision: Revision; readonly alarms: readonly AlarmMember[] }
  | { readonly kind: 'downgrade'; readonly revision: Revision }
  | { readonly kind: 'member-change'; readonly revision: Revision; readonly member: MemberInfo };

export type CommandOutcome =
  | { readonly ok: true; readonly result: CommandResult }
  | Refusal
  | LeaseRefusal
  | AlarmRefusal
  | MemberRefusal
  | AuthRefusal;

export interface Applied {
  /** The proposal's; 0 for an entry that carries none. */
  readonly id: bigint;
  readonly outcome: CommandOutcome;
}

export interface AppliedConfChange {
  readonly id: bigint;
  /** Undefined where the entry is Raft's own. */
  readonly outcome: CommandOutcome | undefined;
  /** That holds from here on. */
  readonly confState: ConfState;
}

export interface AppliedEntry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly data: Uint8Array;
}

export interface StateHash {
  readonly hash: string;
  readonly revision: Revision;
  /** Hashes compare only between replicas that have compacted to the same revision. */
  readonly compactRevision: Revision;
}

const ALARMS_ROW: BackendKey = 'malarms';
const DOWNGRADE_ROW: BackendKey = 'mdowngrade';

const NO_MEMBERS: ConfState = { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };

export class StateMachine {
  readonly mvcc: Mvcc;
  readonly leases = new Lessor();
  readonly alarms = new Alarms();
  #downgrade: DowngradeState = NO_DOWNGRADE;
  readonly members = new Members();
  readonly auth: AuthState;
  /** Since this state machine was opened, for metrics: not replicated, not in any hash. */
  readonly counts = { put: 0, delete: 0, txn: 0, range: 0 };
  readonly #overlay: Overlay;
  readonly #hub: WatchHub;
  /** What was applied last. Apart, as two of them change with each entry. */
  #index: LogIndex = 0;
  #term: Term = 0;
  #confState: ConfState = NO_MEMBERS;
  #isDirty = false;

  private constructor(overlay: Overlay, hub: WatchHub | undefined) {
    this.#overlay = overlay;
    this.mvcc = new Mvcc(overlay);
    this.auth = new AuthState(overlay);
    this.#hub = hub ?? new WatchHub(this.mvcc);
  }

  /**
   * Reads blocks, leases and the applied index; values pass by and are not kept. `hub` is the one of a state machine that this one, from
   * an installed snapshot, takes the place of: its watchers read on from here.
   */
  static async open(backend: Backend, hub?: WatchHub): Promise<StateMachine> {
    const machine = new StateMachine(new Overlay(backend), hub);
    await machine.#load(backend);
    hub?.replace(machine.mvcc);
    return machine;
  }

  get hub(): WatchHub {
    return this.#hub;
  }

  get revision(): Revision {
    return this.mvcc.revision;
  }

  /** Index, term and configuration of what was applied last; in memory, and a batch behind on disk. */
  get applied(): SnapshotMeta {
    return { index: this.#index, term: this.#term, confState: this.#confState };
  }

  get downgrade(): DowngradeState {
    return this.#downgrade;
  }

  /** Writes and other rows that wait to be flushed. */
  get pendingWrites(): number {
    return this.#overlay.pending;
  }

  /** Something was applied that no batch carries yet. */
  get isDirty(): boolean {
    return this.#isDirty;
  }

  /**
   * The next entry of the log. `now` is the leader's monotonic clock, undefined elsewhere: it starts a new lease's time
   * and touches nothing that is replicated.
   */
  apply(entry: AppliedEntry, now?: number): Applied {
    this.#advance(entry.index, entry.term);
    const { id, command, credentials } = decodeProposal(entry.data);
    const refused = this.auth.enabled ? refuse(this.auth, credentials, needOfCommand(command, this.leaseKeys)) : undefined;
    return { id, outcome: refused ?? this.#run(command, now) };
  }

  /** An entry without a command: the one that a new leader begins its term with. */
  applyEmpty(index: LogIndex, term: Term): void {
    this.#advance(index, term);
  }

  /**
   * An entry that changes the configuration: `make` tells Raft to, unless the members refuse what it says of them. One
   * without a word of them (the end of a joint configuration) is Raft's own.
   */
  applyConfChange(entry: AppliedEntry, change: ConfChange, make: () => ConfState): AppliedConfChange {
    this.#advance(entry.index, entry.term);
    const request = change.context === undefined ? undefined : MemberChange.decode(change.context);
    const outcome = request === undefined ? undefined : this.#changeMember(request);
    const confState = outcome?.ok === false ? this.#confState : make();
    this.#confState = confState;
    return { id: request?.proposal ?? 0n, outcome, confState };
  }

  /** What the log begins with, before the first entry; `members`, of a cluster that has changed since, for its addresses. */
  bootstrap(confState: ConfState, rows: { readonly initial: readonly MemberInfo[]; readonly members: readonly MemberInfo[] }): void {
    assert(this.#index === 0, 'a cluster begins once');
    this.#beginWith(confState, rows);
  }

  /** A new cluster goes on from another one's state: of the members that knew nothing is left. */
  beginAnew(confState: ConfState, initial: readonly MemberInfo[]): void {
    for (const { id } of this.members.list()) this.#overlay.delete(memberRowKey(id));
    for (const id of this.members.removed()) this.#overlay.delete(removedRowKey(id));
    this.members.clear();
    this.#beginWith(confState, { initial, members: [] });
  }

  #beginWith(confState: ConfState, rows: { readonly initial: readonly MemberInfo[]; readonly members: readonly MemberInfo[] }): void {
    this.#confState = confState;
    this.seedMembers(rows);
  }

  /** Of a cluster from before members were rows, whose flags say on each member the same: as it would have begun. */
  seedMembers({ initial, members }: { readonly initial: readonly MemberInfo[]; readonly members: readonly MemberInfo[] }): void {
    assert(this.members.list().length === 0, 'members are rows from the beginning');
    this.#overlay.put(INITIAL_ROW, MemberRows.encode({ initial: [...initial], members: [...members] }));
    for (const member of initial) this.#putMember(member);
    this.#isDirty = true;
  }

  /** What the log of a new member must begin with, and, of a member that joined, whom it then knew. */
  get bootstrapRows(): MemberRows {
    const row = this.#overlay.get(INITIAL_ROW);
    return row === undefined ? { initial: [], members: [] } : MemberRows.decode(row);
  }

  /** By hand, where a quorum is lost for good: the one member that is left. Nothing in the log says so. */
  forceMember(self: MemberInfo, confState: ConfState): readonly MemberId[] {
    const others = this.members.list().filter(({ id }) => id !== self.id);
    for (const { id } of others) this.#removeMember(id);
    this.#putMember({ ...self, isLearner: false });
    this.#confState = confState;
    this.#isDirty = true;
    return others.map(({ id }) => id);
  }

  range(request: RangeRequest): Outcome<RangeResult> {
    this.counts.range++;
    return range(this.mvcc, request);
  }

  /** The same for who makes the answer's bytes. */
  selectRange(request: RangeRequest): Outcome<RangeSelection> {
    this.counts.range++;
    return selectRange(this.mvcc, request);
  }

  /** A transaction none of whose branches writes: it needs no log. */
  readTxn(request: TxnRequest): Outcome<TxnResult> {
    return txn(this.mvcc, this.leases, request);
  }

  /** Latin1 strings of the keys that hang on a lease. */
  readonly leaseKeys = (lease: LeaseId): readonly string[] => this.leases.state(lease)?.keys ?? [];

  /** One slice of what compactions give back; false when nothing is left. */
  scrub(keysMax: number): boolean {
    if (!this.mvcc.isScrubbing) return false;
    this.#isDirty = true;
    return this.mvcc.scrub(keysMax);
  }

  /** Everything since the last batch, with the applied index that it amounts to. */
  takeBatch(): { readonly ops: BackendBatch; readonly applied: SnapshotMeta } {
    const { applied } = this;
    const { revision, compactRevision } = this.mvcc;
    this.#isDirty = false;
    return { ops: this.#overlay.take(encodeState({ applied, revision, compactRevision })), applied };
  }

  batchLanded(): void {
    this.#overlay.landed();
  }

  /** Of all keys and their history up to `revision`, whatever was scrubbed so far. */
  hash(revision: Revision = this.mvcc.revision): StateHash {
    const hash = createHash('sha256');
    const { compactRevision } = this.mvcc;
    const walk = new KvHashWalk(this.mvcc, revision, (part) => hash.update(part));
    while (walk.step(1000));
    return { hash: hash.digest('hex'), revision, compactRevision };
  }

  /** Of everything that is replicated, at the applied index: equal on every replica that has applied as much. */
  hashAll(): string {
    const hash = createHash('sha256').update(this.hash().hash);
    hash.update(
      JSON.stringify([this.#index, this.#term, this.mvcc.revision, this.mvcc.compactRevision]),
    );
    for (const id of this.leases.list()) {
      const { grantedTtlSeconds, checkpointSeconds, keys } = this.leases.state(id)!;
      hash.update(JSON.stringify([String(id), grantedTtlSeconds, checkpointSeconds, keys]));
    }
    for (const { memberId, alarm } of this.alarms.list()) hash.update(JSON.stringify([String(memberId), alarm]));
    hash.update(JSON.stringify(this.#downgrade));
    for (const member of this.members.list()) hash.update(Member.encode(member));
    for (const id of this.members.removed()) hash.update(String(id));
    hash.update(JSON.stringify(this.auth.snapshot()));
    return hash.digest('hex');
  }

  #advance(index: LogIndex, term: Term): void {
    assert(index === this.#index + 1, 'entries are applied in order, each once');
    assert(term >= this.#term, 'terms do not fall along the log');
    this.#index = index;
    this.#term = term;
    this.#isDirty = true;
  }

  #run(command: Command, now: number | undefined): CommandOutcome {
    const refusal = this.alarms.refusalOf(command);
    if (refusal !== undefined) return refusal;
    switch (command.kind) {
      case 'put':
        return this.#put(command.request);
      case 'delete-range':
        return this.#write(() => ({ ok: true, result: deleteRange(this.mvcc, this.leases, command.request) }));
      case 'txn':
        this.counts.txn++;
        return this.#write(() => txn(this.mvcc, this.leases, command.request));
      case 'compaction':
        return this.#compact(command.request.revision);
      case 'lease-grant':
        return this.#grant(command.request.id, command.request.ttl, now);
      case 'lease-revoke':
        return this.#revoke(command.request.id);
      case 'lease-checkpoint':
        return this.#checkpoint(command.request);
      case 'alarm':
        return this.#alarm(command.request);
      case 'downgrade':
        return this.#setDowngrade(command.request);
      case 'member-change':
        return this.#changeMember(command.request);
      case 'auth':
        return this.#changeAuth(command.request);
      default:
        return unreachable(command);
    }
  }

  /** As {@link #write}, without a function for each. */
  #put(request: PutRequest): Outcome<PutResult> {
    this.mvcc.begin();
    const outcome = put(this.mvcc, this.leases, request);
    this.#commit();
    return outcome;
  }

  #write<R extends CommandResult>(run: () => Outcome<R>): Outcome<R> {
    this.mvcc.begin();
    const outcome = run();
    this.#commit();
    return outcome;
  }

  #commit(): readonly Change[] {
    const changes = this.mvcc.commit();
    for (const { write } of changes) this.counts[isTombstone(write) ? 'delete' : 'put']++;
    this.#hub.notify(changes);
    return changes;
  }

  #compact(revision: Revision): CommandOutcome | RevisionRefusal {
    const outcome = this.mvcc.compact(revision);
    if (!outcome.ok) return outcome;
    return { ok: true, result: { kind: 'compaction', revision: this.mvcc.revision } };
  }

  #grant(id: LeaseId, ttlSeconds: number, now: number | undefined): CommandOutcome {
    const outcome = this.leases.grant(id, ttlSeconds, now);
    if (!outcome.ok) return outcome;
    this.#overlay.put(leaseRowKey(id), encodeLease(outcome.ttlSeconds, 0));
    return {
      ok: true,
      result: { kind: 'lease-grant', revision: this.mvcc.revision, id, ttlSeconds: outcome.ttlSeconds },
    };
  }

  #changeMember(request: MemberChange): CommandOutcome {
    const code = this.members.check(request);
    if (code !== undefined) return { ok: false, code };
    const member = this.members.apply(request);
    if (this.members.isRemoved(member.id)) this.#removeMember(member.id);
    else this.#putMember(member);
    return { ok: true, result: { kind: 'member-change', revision: this.mvcc.revision, member } };
  }

  #putMember(member: MemberInfo): void {
    this.members.load(member);
    this.#overlay.put(memberRowKey(member.id), Member.encode(member));
  }

  #removeMember(id: MemberId): void {
    this.members.remove(id);
    this.#overlay.delete(memberRowKey(id));
    this.#overlay.put(removedRowKey(id), EMPTY_BYTES);
  }

  /** All of its keys go in one revision. */
  #revoke(id: LeaseId): CommandOutcome {
    const outcome = this.leases.revoke(id);
    if (!outcome.ok) return outcome;
    this.#overlay.delete(leaseRowKey(id));
    this.mvcc.begin();
    for (const key of outcome.keys) this.mvcc.deleteKey(key);
    this.#commit();
    return { ok: true, result: { kind: 'lease-revoke', revision: this.mvcc.revision } };
  }

  #checkpoint({ checkpoints }: LeaseCheckpointRequest): CommandOutcome {
    for (const { id, remainingTtl } of checkpoints) {
      const grantedSeconds = this.leases.checkpoint({ id, remainingSeconds: remainingTtl });
      if (grantedSeconds !== undefined) this.#overlay.put(leaseRowKey(id), encodeLease(grantedSeconds, remainingTtl));
    }
    return { ok: true, result: { kind: 'lease-checkpoint', revision: this.mvcc.revision } };
  }

  #alarm(request: AlarmRequest): CommandOutcome {
    const alarms = this.alarms.apply(request);
    this.#overlay.put(ALARMS_ROW, AlarmResponse.encode({ alarms: [...this.alarms.list()] }));
    return { ok: true, result: { kind: 'alarm', revision: this.mvcc.revision, alarms } };
  }

  #setDowngrade({ action, version }: DowngradeRequest): CommandOutcome {
    this.#downgrade = action === DowngradeAction.ENABLE ? { enabled: true, targetVersion: version } : NO_DOWNGRADE;
    this.#overlay.put(DOWNGRADE_ROW, DowngradeInfo.encode(this.#downgrade));
    return { ok: true, result: { kind: 'downgrade', revision: this.mvcc.revision } };
  }

  #changeAuth({ change }: AuthChange): CommandOutcome {
    assert(change !== undefined, 'a change that says nothing does not decode');
    const outcome = this.auth.apply(change, this.#index);
    if (!outcome.ok) return outcome;
    return { ok: true, result: { kind: 'auth', revision: this.mvcc.revision, token: outcome.token ?? '' } };
  }

  #loadLease(id: LeaseId, row: Buffer): void {
    this.leases.grant(id, row.readDoubleBE(0), undefined);
    if (row.length > 8) this.leases.checkpoint({ id, remainingSeconds: row.readDoubleBE(8) });
  }

  async #load(backend: Backend): Promise<void> {
    await joinPairedRows(backend);
    const state = await readState(backend);
    if (state !== undefined) ({ index: this.#index, term: this.#term, confState: this.#confState } = state.applied);
    const alarms = backend.get(ALARMS_ROW);
    if (alarms !== undefined) this.alarms.load(AlarmResponse.decode(alarms).alarms);
    const downgrade = backend.get(DOWNGRADE_ROW);
    if (downgrade !== undefined) this.#downgrade = DowngradeInfo.decode(downgrade);
    for await (const rows of backend.scan(AUTH_ROWS)) for (const row of rows) this.auth.load(row);
    for await (const rows of backend.scan(LEASE_ROWS)) {
      for (const { key, value } of rows) this.#loadLease(leaseIdOf(key), asBuffer(value));
    }
    for await (const rows of backend.scan(MEMBER_ROWS)) {
      for (const { key, value } of rows) {
        if (key.startsWith('cm')) this.members.load(Member.decode(value));
        if (key.startsWith('cr')) this.members.remove(idOfRow(key));
      }
    }
    for await (const rows of backend.scan(BLOCK_ROWS)) {
      for (const { key, value } of rows) {
        const block = new Block(key, value);
        this.#overlay.loadBlock(key, block);
        for (let at = 0; at < block.count; at++) this.mvcc.load(block.write(at));
      }
    }
    this.mvcc.finishLoad(state ?? { revision: FIRST_REVISION, compactRevision: 0 });
    this.mvcc.index.visit({ from: '', to: undefined }, this.mvcc.revision, (write) => {
      if (write.lease !== NO_LEASE) this.leases.attach(write.lease, write.key);
      return true;
    });
  }
}

function encodeLease(ttlSeconds: number, checkpointSeconds: number): Uint8Array {
  const row = Buffer.alloc(checkpointSeconds > 0 ? 16 : 8);
  row.writeDoubleBE(ttlSeconds, 0);
  if (checkpointSeconds > 0) row.writeDoubleBE(checkpointSeconds, 8);
  return row;
}

function leaseRowKey(id: LeaseId): BackendKey {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt.asUintN(64, id));
  return 'l' + bytes.toString('latin1');
}

function leaseIdOf(key: BackendKey): LeaseId {
  return asBuffer(fromLatin1(key)).readBigInt64BE(1);
}
