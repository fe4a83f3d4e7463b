/**
 * The log as the state machine sees it. Everything above the compaction point is in memory (the shell bounds it by
 * compacting); storage is written behind it and never read back while running.
 *
 *     base        applied   handed out     stable      offered     last
 *      │ entries     │          │             │           │          │
 *   ───●─────────────●──────────●─────────────●───────────●──────────●
 *   compacted     applied    `committed`   durable     in a Ready  in memory
 *
 * `commit` lies anywhere between base and last. An entry is handed out for applying when it is committed *and* stable
 * here, so that the state machine on disk never runs ahead of the log on disk; it does not wait for what comes later.
 */
import { assert } from '../../../base/assert.ts';
import type { Entry, LogIndex, SnapshotMeta, Term } from './types.ts';

export interface RestoredLog {
  readonly snapshot: Pick<SnapshotMeta, 'index' | 'term'> | undefined;
  readonly entries: readonly Entry[];
  readonly commit: LogIndex;
  readonly applied: LogIndex;
}

/** What an entry costs in memory and on the wire beside its data, about. */
const ENTRY_OVERHEAD_BYTES = 16;

export function entryBytes(entry: Entry): number {
  return entry.data.length + ENTRY_OVERHEAD_BYTES;
}

function bytesOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, entry) => sum + entryBytes(entry), 0);
}

export class RaftLog {
  /** The last compacted entry: its index and term are still known, its data is not. */
  #baseIndex: LogIndex;
  #baseTerm: Term;
  /** `#entries[i]` has index `#baseIndex + 1 + i`. */
  #entries: Entry[];
  #commit: LogIndex;
  #stable: LogIndex;
  #offered: LogIndex;
  #handedOut: LogIndex;
  #applied: LogIndex;
  /** Per outstanding Ready, up to where the log is durable once it is. A truncation lowers it: what was overwritten in
   *  memory meanwhile is not what is durable, even where index and term come to be equal again. */
  #outstanding: { readonly ready: number; lastIndex: LogIndex }[] = [];

  #truncations = 0;
  /** Of `#entries`. */
  #bytes: number;

  constructor({ snapshot, entries, commit, applied }: RestoredLog) {
    this.#baseIndex = snapshot?.index ?? 0;
    this.#baseTerm = snapshot?.term ?? 0;
    this.#entries = [...entries];
    this.#bytes = bytesOf(entries);
    this.#entries.forEach((entry, i) => {
      assert(entry.index === this.#baseIndex + 1 + i, 'restored entries follow the snapshot without a gap');
      assert(entry.term >= (this.#entries[i - 1]?.term ?? this.#baseTerm), 'terms in the log never decrease');
    });
    this.#commit = Math.max(commit, this.#baseIndex);
    this.#stable = this.lastIndex;
    this.#offered = this.lastIndex;
    this.#applied = Math.max(applied, this.#baseIndex);
    this.#handedOut = this.#applied;
    assert(this.#commit <= this.lastIndex, 'no restored commit index lies behind the restored log');
    assert(this.#applied <= this.lastIndex, 'nothing was applied that the restored log does not have');
    // What was applied was committed; the commit index on disk is a hint and may lag.
    this.#commit = Math.max(this.#commit, this.#applied);
  }

  get baseIndex(): LogIndex {
    return this.#baseIndex;
  }

  get baseTerm(): Term {
    return this.#baseTerm;
  }

  get lastIndex(): LogIndex {
    return this.#baseIndex + this.#entries.length;
  }

  get lastTerm(): Term {
    return this.#entries.at(-1)?.term ?? this.#baseTerm;
  }

  get commit(): LogIndex {
    return this.#commit;
  }

  get applied(): LogIndex {
    return this.#applied;
  }

  get stable(): LogIndex {
    return this.#stable;
  }

  /** What its entries take in memory, about. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The lowest index behind which entries of no more than `bytesMax` lie. */
  indexBefore(bytesMax: number): LogIndex {
    let at = this.#entries.length;
    for (let bytes = 0; at > 0; at--) {
      bytes += entryBytes(this.#entries[at - 1]!);
      if (bytes > bytesMax) break;
    }
    return this.#baseIndex + at;
  }

  /** How often uncommitted entries gave way to a leader's. */
  get truncations(): number {
    return this.#truncations;
  }

  /** The term of an entry; undefined if it is compacted away or not there yet. */
  term(index: LogIndex): Term | undefined {
    if (index === this.#baseIndex) return this.#baseTerm;
    return this.#entries[index - this.#baseIndex - 1]?.term;
  }

  /** Raft paper §5.4.1: the later last term wins, then the longer log. */
  isUpToDate(lastIndex: LogIndex, lastTerm: Term): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex);
  }

  /** Entries from `from` on, up to `maxBytes` but at least one; empty behind the end. */
  slice(from: LogIndex, maxBytes: number, to: LogIndex = this.lastIndex): Entry[] {
    assert(from > this.#baseIndex, 'only entries above the compaction point are read');
    const start = from - this.#baseIndex - 1;
    const stop = to - this.#baseIndex;
    let bytes = 0;
    let end = start;
    while (end < stop) {
      bytes += entryBytes(this.#entries[end]!);
      if (bytes > maxBytes && end > start) break;
      end++;
    }
    return this.#entries.slice(start, end);
  }

  /** A leader's own entries, at the end. */
  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      assert(entry.index === this.lastIndex + 1, 'entries are appended without a gap');
      assert(entry.term >= this.lastTerm, 'terms in the log never decrease');
      this.#entries.push(entry);
      this.#bytes += entryBytes(entry);
    }
  }

  /**
   * A leader's entries behind (`prevIndex`, `prevTerm`), Raft paper §5.3: undefined if the logs do not meet there, else
   * the last index that now matches. Entries that are there already stay: a late append must not cut what came after.
   */
  tryAppend(prevIndex: LogIndex, prevTerm: Term, entries: readonly Entry[]): LogIndex | undefined {
    if (this.term(prevIndex) !== prevTerm) return undefined;
    const fresh = entries.findIndex((entry) => this.term(entry.index) !== entry.term);
    if (fresh >= 0) {
      const first = entries[fresh]!;
      if (first.index <= this.lastIndex) this.#truncateFrom(first.index);
      this.append(fresh === 0 ? entries : entries.slice(fresh));
    }
    return prevIndex + entries.length;
  }

  /** The highest index ≤ `index` whose term is ≤ `term`: nothing between can match an entry of that term. */
  lastNotAfter(index: LogIndex, term: Term): { index: LogIndex; term: Term } {
    for (let at = Math.min(index, this.lastIndex); at >= this.#baseIndex; at--) {
      const own = this.term(at)!;
      if (own <= term) return { index: at, term: own };
    }
    return { index: Math.min(index, this.#baseIndex), term: 0 };
  }

  commitTo(index: LogIndex): boolean {
    if (index <= this.#commit) return false;
    assert(index <= this.lastIndex, 'what is committed is in the log (was a disk lost or rolled back?)');
    this.#commit = index;
    return true;
  }

  /** The state machine comes from a snapshot: the log begins anew behind it. */
  restore(snapshot: SnapshotMeta): void {
    assert(snapshot.index > this.#commit, 'a snapshot never takes the commit index back');
    for (const ready of this.#outstanding) ready.lastIndex = Math.min(ready.lastIndex, snapshot.index);
    this.#baseIndex = snapshot.index;
    this.#baseTerm = snapshot.term;
    this.#entries = [];
    this.#bytes = 0;
    this.#commit = snapshot.index;
    // Not yet durable, but every later entry becomes stable only with a later Ready, in order.
    this.#stable = snapshot.index;
    this.#offered = snapshot.index;
    this.#handedOut = snapshot.index;
    this.#applied = snapshot.index;
  }

  hasUnstable(): boolean {
    return this.#offered < this.lastIndex;
  }

  /** Entries for the next Ready, to be made durable. */
  takeUnstable(): Entry[] {
    const entries = this.#entries.slice(this.#offered - this.#baseIndex);
    this.#offered = this.lastIndex;
    return entries;
  }

  /** A Ready went out; with it and those before, the log is durable up to what was offered. */
  readyOut(ready: number): void {
    this.#outstanding.push({ ready, lastIndex: this.#offered });
  }

  persisted(ready: number): void {
    while (this.#outstanding.length > 0 && this.#outstanding[0]!.ready <= ready) {
      this.#stable = Math.max(this.#stable, this.#outstanding.shift()!.lastIndex);
    }
    assert(this.#stable <= this.#offered, 'only what was handed out becomes durable');
  }

  hasCommitted(): boolean {
    return this.#handedOut < Math.min(this.#commit, this.#stable);
  }

  /** Committed and durable entries that were not handed out yet, in order, up to `maxBytes` but at least one. */
  takeCommitted(maxBytes: number): Entry[] {
    if (!this.hasCommitted()) return [];
    const entries = this.slice(this.#handedOut + 1, maxBytes, Math.min(this.#commit, this.#stable));
    this.#handedOut += entries.length;
    return entries;
  }

  /** True if a change of configuration is committed and not applied: its outcome is not ours to act on yet. */
  hasUnappliedConfChange(): boolean {
    for (let at = this.#applied + 1; at <= this.#commit; at++) {
      if (this.#entries[at - this.#baseIndex - 1]!.kind === 'conf-change') return true;
    }
    return false;
  }

  appliedTo(index: LogIndex): void {
    assert(index <= this.#handedOut, 'only what was handed out is applied');
    if (index > this.#applied) this.#applied = index; // Else it was overtaken by a snapshot.
  }

  /** Forgets entries up to `index`. False if they are gone already. */
  compact(index: LogIndex): boolean {
    if (index <= this.#baseIndex) return false;
    assert(index <= this.#applied, 'only what is applied is compacted');
    const term = this.term(index)!;
    this.#bytes -= bytesOf(this.#entries.splice(0, index - this.#baseIndex));
    this.#baseIndex = index;
    this.#baseTerm = term;
    return true;
  }

  #truncateFrom(index: LogIndex): void {
    assert(index > this.#commit, 'log matching: a committed entry is never overwritten');
    this.#truncations++;
    this.#bytes -= bytesOf(this.#entries.splice(index - this.#baseIndex - 1));
    this.#stable = Math.min(this.#stable, index - 1);
    this.#offered = Math.min(this.#offered, index - 1);
    for (const ready of this.#outstanding) ready.lastIndex = Math.min(ready.lastIndex, index - 1);
  }
}
