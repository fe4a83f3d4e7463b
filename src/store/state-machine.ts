/**
 * The store's state machine: what the Raft log does to MVCC and leases. Applying is synchronous and deterministic; every
 * replica that has applied the same entries answers the same and hashes the same. It writes to an overlay; the flusher
 * (mvcc/flusher.ts) takes batches from it, each carrying the applied index, so that a crash replays the log from there.
 *
 *   row m 'applied'    index, term and configuration    (podium.raft.v1.SnapshotMeta)
 *   row m 'revision'   revision and compacted revision  (the newest revision may have no row left after a compaction)
 *   row l <lease id>   granted seconds
 *   rows i, v          core/revision.ts
 */
import { createHash, type Hash } from 'node:crypto';
import { assert, unreachable } from '../base/assert.ts';
import { asBuffer, fromLatin1 } from '../base/bytes.ts';
import type { RangeRequest, TxnRequest } from '../proto/etcd.ts';
import { SnapshotMeta as SnapshotMetaCodec } from '../proto/raft.ts';
import { Lessor, type LeaseId, type LeaseRefusal } from './lease/core/lessor.ts';
import type { Backend, BackendKey, BackendOp } from './mvcc/backend.ts';
import { decodeProposal, type Command } from './mvcc/command.ts';
import { droppedBy } from './mvcc/core/compaction.ts';
import { Mvcc, type Change, type RevisionRefusal } from './mvcc/core/mvcc.ts';
import {
  decodeIndexRow,
  FIRST_REVISION,
  INDEX_ROWS,
  isTombstone,
  LEASE_ROWS,
  NO_LEASE,
  type Revision,
  type Write,
} from './mvcc/core/revision.ts';
import {
  deleteRange,
  put,
  range,
  txn,
  type DeleteResult,
  type Outcome,
  type PutResult,
  type RangeResult,
  type Refusal,
  type TxnResult,
} from './mvcc/core/txn.ts';
import { WatchHub } from './mvcc/core/watch-hub.ts';
import { Overlay } from './mvcc/overlay.ts';
import type { ConfState, LogIndex, SnapshotMeta, Term } from './raft/core/types.ts';

export type CommandResult =
  | PutResult
  | DeleteResult
  | TxnResult
  | { readonly kind: 'compaction'; readonly revision: Revision }
  | { readonly kind: 'lease-grant'; readonly revision: Revision; readonly id: LeaseId; readonly ttlSeconds: number }
  | { readonly kind: 'lease-revoke'; readonly revision: Revision };

export type CommandOutcome = { readonly ok: true; readonly result: CommandResult } | Refusal | LeaseRefusal;

export interface Applied {
  /** The proposal's; 0 for an entry that carries none. */
  readonly id: bigint;
  readonly outcome: CommandOutcome;
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

export const APPLIED_ROW: BackendKey = 'mapplied';
export const REVISION_ROW: BackendKey = 'mrevision';

const NO_MEMBERS: ConfState = { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };

export class StateMachine {
  readonly mvcc: Mvcc;
  readonly leases = new Lessor();
  /** Since this state machine was opened, for metrics: not replicated, not in any hash. */
  readonly counts = { put: 0, delete: 0, txn: 0, range: 0 };
  readonly #overlay: Overlay;
  readonly #hub: WatchHub;
  #applied: SnapshotMeta = { index: 0, term: 0, confState: NO_MEMBERS };
  #isDirty = false;

  private constructor(overlay: Overlay, hub: WatchHub | undefined) {
    this.#overlay = overlay;
    this.mvcc = new Mvcc(overlay);
    this.#hub = hub ?? new WatchHub(this.mvcc);
  }

  /**
   * Reads index rows, leases and the applied index; no values. `hub` is the one of a state machine that this one, from
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
    return this.#applied;
  }

  /** Rows that wait to be flushed. */
  get pendingRows(): number {
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
    const { id, command } = decodeProposal(entry.data);
    return { id, outcome: this.#run(command, now) };
  }

  /** An entry without a command: the one that a new leader begins its term with. */
  applyEmpty(index: LogIndex, term: Term): void {
    this.#advance(index, term);
  }

  /** An entry that changed the configuration, and what it made of it. */
  applyConfState({ index, term, confState }: SnapshotMeta): void {
    this.#advance(index, term);
    this.#applied = { ...this.#applied, confState };
  }

  /** The configuration that a cluster begins with, before the first entry. */
  bootstrap(confState: ConfState): void {
    assert(this.#applied.index === 0, 'a cluster begins once');
    this.#applied = { ...this.#applied, confState };
    this.#isDirty = true;
  }

  range(request: RangeRequest): Outcome<RangeResult> {
    this.counts.range++;
    return range(this.mvcc, request);
  }

  /** A transaction none of whose branches writes: it needs no log. */
  readTxn(request: TxnRequest): Outcome<TxnResult> {
    return txn(this.mvcc, this.leases, request);
  }

  /** One slice of what compactions give back; false when nothing is left. */
  scrub(keysMax: number): boolean {
    if (!this.mvcc.isScrubbing) return false;
    this.#isDirty = true;
    return this.mvcc.scrub(keysMax);
  }

  /** Everything since the last batch, with the applied index that it amounts to. */
  takeBatch(): { readonly ops: readonly BackendOp[]; readonly applied: SnapshotMeta } {
    this.#overlay.put(APPLIED_ROW, SnapshotMetaCodec.encode(this.#applied));
    this.#overlay.put(REVISION_ROW, encodeRevisions(this.mvcc));
    this.#isDirty = false;
    return { ops: this.#overlay.take(), applied: this.#applied };
  }

  batchLanded(): void {
    this.#overlay.landed();
  }

  /** Of all keys and their history up to `revision`, whatever was scrubbed so far. */
  hash(revision: Revision = this.mvcc.revision): StateHash {
    const hash = createHash('sha256');
    const { compactRevision } = this.mvcc;
    let from = '';
    for (;;) {
      const entries = this.mvcc.entries(from, 1000);
      for (const { writes } of entries) {
        for (const write of writes.slice(droppedBy(writes, compactRevision))) {
          if (write.main <= revision) hashWrite(hash, { write, value: this.mvcc.value(write) });
        }
      }
      if (entries.length < 1000) break;
      from = entries[entries.length - 1]!.key + '\0';
    }
    return { hash: hash.digest('hex'), revision, compactRevision };
  }

  /** Of everything that is replicated, at the applied index: equal on every replica that has applied as much. */
  hashAll(): string {
    const hash = createHash('sha256').update(this.hash().hash);
    hash.update(
      JSON.stringify([this.#applied.index, this.#applied.term, this.mvcc.revision, this.mvcc.compactRevision]),
    );
    for (const id of this.leases.list()) {
      const { grantedTtlSeconds, keys } = this.leases.state(id)!;
      hash.update(JSON.stringify([String(id), grantedTtlSeconds, keys]));
    }
    return hash.digest('hex');
  }

  #advance(index: LogIndex, term: Term): void {
    assert(index === this.#applied.index + 1, 'entries are applied in order, each once');
    assert(term >= this.#applied.term, 'terms do not fall along the log');
    this.#applied = { ...this.#applied, index, term };
    this.#isDirty = true;
  }

  #run(command: Command, now: number | undefined): CommandOutcome {
    switch (command.kind) {
      case 'put':
        return this.#write(() => put(this.mvcc, this.leases, command.request));
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
      default:
        return unreachable(command);
    }
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
    const row = Buffer.alloc(8);
    row.writeDoubleBE(outcome.ttlSeconds);
    this.#overlay.put(leaseRowKey(id), row);
    return {
      ok: true,
      result: { kind: 'lease-grant', revision: this.mvcc.revision, id, ttlSeconds: outcome.ttlSeconds },
    };
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

  async #load(backend: Backend): Promise<void> {
    const applied = backend.get(APPLIED_ROW);
    if (applied !== undefined) this.#applied = decodeApplied(applied);
    for await (const rows of backend.scan(LEASE_ROWS)) {
      for (const { key, value } of rows) this.leases.grant(leaseIdOf(key), asBuffer(value).readDoubleBE(0), undefined);
    }
    for await (const rows of backend.scan(INDEX_ROWS)) {
      for (const { key, value } of rows) this.mvcc.load(decodeIndexRow(key, value));
    }
    this.mvcc.finishLoad(decodeRevisions(backend.get(REVISION_ROW)));
    this.mvcc.index.visit({ from: '', to: undefined }, this.mvcc.revision, (write) => {
      if (write.lease !== NO_LEASE) this.leases.attach(write.lease, write.key);
      return true;
    });
  }
}

/** Index, term and configuration that the rows of a backend amount to. */
export function decodeApplied(row: Uint8Array): SnapshotMeta {
  const { index, term, confState } = SnapshotMetaCodec.decode(row);
  return { index, term, confState: confState ?? NO_MEMBERS };
}

function encodeRevisions({ revision, compactRevision }: Mvcc): Uint8Array {
  const row = Buffer.alloc(16);
  row.writeDoubleBE(revision, 0);
  row.writeDoubleBE(compactRevision, 8);
  return row;
}

function decodeRevisions(row: Uint8Array | undefined): { revision: Revision; compactRevision: Revision } {
  if (row === undefined) return { revision: FIRST_REVISION, compactRevision: 0 };
  return { revision: asBuffer(row).readDoubleBE(0), compactRevision: asBuffer(row).readDoubleBE(8) };
}

function leaseRowKey(id: LeaseId): BackendKey {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt.asUintN(64, id));
  return 'l' + bytes.toString('latin1');
}

function leaseIdOf(key: BackendKey): LeaseId {
  return asBuffer(fromLatin1(key)).readBigInt64BE(1);
}

function hashWrite(hash: Hash, { write, value }: { readonly write: Write; readonly value: Uint8Array }): void {
  const { key, main, sub, create, version, lease } = write;
  hash.update(JSON.stringify([key, main, sub, create, version, String(lease), value.length])).update(value);
}
