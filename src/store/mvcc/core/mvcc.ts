/**
 * The multi-version map: the key index, the log of writes in the order of their revisions, and the values, which lie in
 * rows that a `Rows` reads and collects. A read takes a revision; a write transaction makes the next one, its writes
 * numbered from 0 inside it.
 *
 * What it is not: it checks no request (kv-service/validate.ts) and decides no transaction (txn.ts). It is driven by the
 * state machine alone, so every replica makes the same revisions.
 */
import { assert } from '../../../base/assert.ts';
import { EMPTY_BYTES, fromLatin1 } from '../../../base/bytes.ts';
import type { KeyValue } from '../../../proto/etcd.ts';
import { comparePositions, type Position, type WriteRun } from './block.ts';
import { isStateDropped, Scrub } from './compaction.ts';
import { KeyIndex, type KeyRange } from './key-index.ts';
import {
  FIRST_REVISION,
  integer,
  isTombstone,
  lowerBound,
  NO_LEASE,
  NOT_CACHED,
  withKey,
  type Key,
  type Revision,
  type Write,
} from './revision.ts';
import { ValueCache } from './value-cache.ts';
import { WriteLog } from './write-log.ts';

/** The rows of writes: the backend with what is not yet flushed to it on top. */
export interface Rows {
  /** Undefined where it has none, or an empty one. */
  valueOf(write: Write): Uint8Array | undefined;
  /** Writes with their values from a position on, in order, at most so many, also of those that were dropped; empty: there is none behind it. */
  runFrom(from: Position, writesMax: number): WriteRun;
  putWrite(write: Write, value: Uint8Array): void;
  /** Nobody reads it any more. A key's writes are dropped oldest first. */
  dropWrite(write: Write): void;
  /** One slice of the space of what was dropped; false when nothing is left. */
  reclaim(): boolean;
}

/** So many writes of a compaction are remembered until their rows are rewritten, some 100 bytes each. */
const DROPPED_MAX = 100_000;

/** A write as it happens, its value at hand. */
export interface Change {
  readonly write: Write;
  readonly value: Uint8Array;
}

export type RevisionRefusal =
  | { readonly ok: false; readonly code: 'compacted'; readonly compactRevision: Revision }
  | { readonly ok: false; readonly code: 'future-revision' };

export class Mvcc {
  readonly index = new KeyIndex();
  readonly #rows: Rows;
  readonly #values: ValueCache;
  #revision: Revision = FIRST_REVISION;
  #compactRevision: Revision = 0;
  /** Every write with main >= compactRevision. */
  readonly #log = new WriteLog();
  #changes: Change[] | undefined;
  #scrub: Scrub | undefined;
  /** Of the walk under way; rows are rewritten behind it, so that each is once. */
  #dropped = 0;
  #isReclaiming = false;

  constructor(rows: Rows, values = new ValueCache()) {
    this.#rows = rows;
    this.#values = values;
  }

  /** The revision of the last write transaction. */
  get revision(): Revision {
    return this.#revision;
  }

  /** Reads below it are refused; 0 before the first compaction. */
  get compactRevision(): Revision {
    return this.#compactRevision;
  }

  /** What a read sees as the present: inside a transaction that has written, its own revision. */
  get readRevision(): Revision {
    return this.#changes !== undefined && this.#changes.length > 0 ? this.#revision + 1 : this.#revision;
  }

  /** At boot, in the order of the rows. */
  load(write: Write): void {
    assert(write.main >= this.#revision, 'rows are read in order');
    const known = this.index.writeAt(write.key, write.main)?.key;
    // All writes of a key share one string.
    const shared = known === undefined ? write : withKey(write, known);
    this.index.append(shared);
    this.#log.push(shared);
    this.#revision = shared.main;
  }

  /** At boot, after the writes: a crash may have left the scrub of the last compaction half done. */
  finishLoad(facts: { readonly revision: Revision; readonly compactRevision: Revision }): void {
    assert(facts.revision >= this.#revision, 'no row is newer than the revision');
    this.#revision = integer(facts.revision);
    this.#startCompaction(facts.compactRevision);
  }

  /** Which revision a read asks for: 0 or less is the present. */
  resolve(asked: Revision): { readonly ok: true; readonly revision: Revision } | RevisionRefusal {
    const present = this.readRevision;
    const revision = asked <= 0 ? present : asked;
    if (revision > present) return { ok: false, code: 'future-revision' };
    if (revision < this.#compactRevision) {
      return { ok: false, code: 'compacted', compactRevision: this.#compactRevision };
    }
    return { ok: true, revision };
  }

  /** The living state of a key. */
  get(key: Key, revision: Revision = this.readRevision): Write | undefined {
    const write = this.index.writeAt(key, revision);
    return write === undefined || isTombstone(write) ? undefined : write;
  }

  value(write: Write): Uint8Array {
    if (isTombstone(write)) return EMPTY_BYTES;
    const known = this.#values.get(write);
    if (known !== undefined) return known;
    const value = this.storedValue(write);
    this.#values.put(write, value);
    return value;
  }

  /** As its row has it. */
  storedValue(write: Write): Uint8Array {
    if (isTombstone(write)) return EMPTY_BYTES;
    return this.#rows.valueOf(write) ?? EMPTY_BYTES;
  }

  /** Of many. What is not in memory is read in the order in which it lies in the backend: neighbours are read together. */
  values(writes: readonly Write[]): Uint8Array[] {
    const values: Uint8Array[] = [];
    let missing: number[] | undefined;
    for (let at = 0; at < writes.length; at++) {
      const write = writes[at]!;
      const known = isTombstone(write) ? EMPTY_BYTES : this.#values.get(write);
      if (known === undefined) (missing ??= []).push(at);
      values.push(known ?? EMPTY_BYTES);
    }
    missing?.sort((a, b) => comparePositions(writes[a]!, writes[b]!));
    for (const at of missing ?? []) values[at] = this.value(writes[at]!);
    return values;
  }

  /**
   * All writes that a compaction at {@link compactRevision} keeps, from a position on, in order, each with the value that its
   * row has. One slice: of `looked` writes, at most so many; `next` is where to go on, undefined where nothing is behind.
   */
  storedFrom(from: Position, writesMax: number): { readonly changes: readonly Change[]; readonly looked: number; readonly next: Position | undefined } {
    const { writes, values } = this.#rows.runFrom(from, writesMax);
    const changes: Change[] = [];
    for (const [at, { key, main, sub }] of writes.entries()) {
      const write = this.#keptAt(key, { main, sub });
      if (write !== undefined) changes.push({ write, value: values[at]! });
    }
    const last = writes.at(-1);
    return { changes, looked: writes.length, next: last && { main: last.main, sub: last.sub + 1 } };
  }

  keyValue(write: Write, value: Uint8Array = this.value(write)): KeyValue {
    return {
      key: fromLatin1(write.key),
      createRevision: write.create,
      modRevision: write.main,
      version: write.version,
      value,
      lease: write.lease,
    };
  }

  /** Opens the write transaction. Nothing else runs before {@link commit}. */
  begin(): void {
    assert(this.#changes === undefined, 'one write transaction at a time');
    this.#changes = [];
  }

  /** The state of the key before, if it lived. */
  put(key: Key, value: Uint8Array, lease: bigint): Write | undefined {
    const previous = this.get(key);
    const write: Write = {
      key: previous?.key ?? key,
      main: this.#revision + 1,
      sub: this.#changesSoFar(),
      create: previous?.create ?? this.#revision + 1,
      version: (previous?.version ?? 0) + 1,
      lease,
      cachedAt: NOT_CACHED,
    };
    this.#append(write, value);
    return previous;
  }

  /** Deletes the living keys of the range; answers their states before, in key order. */
  deleteRange(range: KeyRange): Write[] {
    const doomed: Write[] = [];
    this.index.visit(range, this.readRevision, (write) => doomed.push(write) > 0);
    for (const { key } of doomed) this.deleteKey(key);
    return doomed;
  }

  deleteKey(key: Key): void {
    assert(this.get(key) !== undefined, 'a key that is deleted lives');
    const main = this.#revision + 1;
    const sub = this.#changesSoFar();
    this.#append({ key, main, sub, create: 0, version: 0, lease: NO_LEASE, cachedAt: NOT_CACHED }, EMPTY_BYTES);
  }

  /** Ends the write transaction. Without a write the revision stays. */
  commit(): readonly Change[] {
    const changes = this.#changes;
    assert(changes !== undefined, 'a write transaction is open');
    this.#changes = undefined;
    if (changes.length > 0) this.#revision++;
    return changes;
  }

  /** Makes reads below `revision` impossible at once; {@link scrub} then gives the space back. */
  compact(revision: Revision): { readonly ok: true } | RevisionRefusal {
    assert(this.#changes === undefined, 'no compaction inside a transaction');
    if (revision <= this.#compactRevision) {
      return { ok: false, code: 'compacted', compactRevision: this.#compactRevision };
    }
    if (revision > this.#revision) return { ok: false, code: 'future-revision' };
    this.#startCompaction(revision);
    return { ok: true };
  }

  get isScrubbing(): boolean {
    return this.#scrub !== undefined || this.#isReclaiming;
  }

  /** One slice of the space that a compaction gives back; false when nothing is left to do. */
  scrub(keysMax: number): boolean {
    if (this.#isReclaiming) this.#isReclaiming = this.#rows.reclaim();
    else if (this.#scrub !== undefined) this.#walk(this.#scrub, keysMax);
    return this.isScrubbing;
  }

  /**
   * Writes from revision `from` on, in order, at most `writesMax` and then to the end of their revision: half a
   * revision is never answered. `next` is the revision to go on from.
   */
  history(from: Revision, writesMax: number): { readonly writes: readonly Write[]; readonly next: Revision } {
    assert(from >= this.#compactRevision, 'history is read from where it begins');
    const { writes, next } = this.#log.read(from, writesMax);
    // Only at the compacted revision itself there may be writes that are not kept.
    const kept = from > this.#compactRevision ? writes : writes.filter((write) => this.#isKept(write));
    return { writes: kept, next: next ?? this.#revision + 1 };
  }

  /** The history of one key from `from` on, without a walk over everybody's. */
  historyOf(key: Key, from: Revision): readonly Write[] {
    const writes = this.index.historyOf(key);
    return writes.slice(lowerBound(writes, from)).filter((write) => this.#isKept(write));
  }

  /** The key's state just before `write`, if it lived and history still knows. */
  before(write: Write): KeyValue | undefined {
    if (write.main - 1 < this.#compactRevision) return undefined;
    const previous = this.get(write.key, write.main - 1);
    if (previous === undefined) return undefined;
    const value = this.value(previous);
    // Whoever asks may keep it for long: then not with what lies around it.
    return this.keyValue(previous, value.length * 2 < value.buffer.byteLength ? value.slice() : value);
  }

  #walk(scrub: Scrub, keysMax: number): void {
    for (const write of scrub.step(this.index, keysMax)) {
      this.#rows.dropWrite(write);
      this.#dropped++;
    }
    if (scrub.done) this.#scrub = undefined;
    if (!scrub.done && this.#dropped < DROPPED_MAX) return;
    this.#dropped = 0;
    this.#isReclaiming = true;
  }

  #changesSoFar(): number {
    assert(this.#changes !== undefined, 'a write happens inside a transaction');
    return this.#changes.length;
  }

  #append(write: Write, value: Uint8Array): void {
    this.index.append(write);
    this.#log.push(write);
    this.#changes!.push({ write, value });
    this.#rows.putWrite(write, value);
    if (!isTombstone(write)) this.#values.put(write, value);
  }

  /** At the compacted revision itself only a key's last write is left: a transaction may put and then delete it. */
  #isKept(write: Write): boolean {
    return write.main > this.#compactRevision || this.index.writeAt(write.key, write.main) === write;
  }

  /** The write of the key at a position, unless a compaction has dropped it, or will (compaction.ts). */
  #keptAt(key: Key, { main, sub }: Position): Write | undefined {
    const last = this.index.writeAt(key, main);
    if (last === undefined || last.main !== main) return undefined;
    if (main > this.#compactRevision) {
      // A transaction may write a key twice.
      return last.sub === sub ? last : this.index.historyOf(key).findLast((write) => write.main === main && write.sub === sub);
    }
    if (last.sub !== sub || this.index.writeAt(key, this.#compactRevision) !== last) return undefined;
    return isStateDropped(last, this.#compactRevision) ? undefined : last;
  }

  #startCompaction(revision: Revision): void {
    this.#compactRevision = revision;
    if (revision === 0) return;
    this.#log.forgetBefore(revision);
    // A scrub that was under way is overtaken: the new one starts over and drops at least as much.
    this.#scrub = new Scrub(revision);
  }
}
