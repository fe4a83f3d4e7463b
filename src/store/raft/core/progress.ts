/**
 * What a leader knows of one follower, and how much it may send it.
 *
 *   probe ──accepted──► replicate      probe: one append at a time until the logs are known to meet
 *     ▲ ◄──refused, unreachable──┘     replicate: pipelined, `next` runs ahead, bounded by the in-flight window
 *     │ reported, or caught up         snapshot: nothing is sent until the state machine has arrived
 *   snapshot ◄── needs compacted entries
 */
import { assert } from '../../../base/assert.ts';
import type { LogIndex } from './types.ts';

export interface InflightLimits {
  readonly maxMessages: number;
  readonly maxBytes: number;
}

/** Appends sent and not answered, oldest first. Full when either limit is reached. */
export class Inflights {
  readonly #limits: InflightLimits;
  #sent: { readonly lastIndex: LogIndex; readonly bytes: number }[] = [];
  #bytes = 0;

  constructor(limits: InflightLimits) {
    this.#limits = limits;
  }

  get count(): number {
    return this.#sent.length;
  }

  get isFull(): boolean {
    return this.#sent.length >= this.#limits.maxMessages || this.#bytes >= this.#limits.maxBytes;
  }

  add(lastIndex: LogIndex, bytes: number): void {
    assert(!this.isFull, 'an append is sent only into an open window');
    this.#sent.push({ lastIndex, bytes });
    this.#bytes += bytes;
  }

  /** An answer up to `index` answers every append that ends at or below it. */
  freeTo(index: LogIndex): void {
    let freed = 0;
    while (freed < this.#sent.length && this.#sent[freed]!.lastIndex <= index) this.#bytes -= this.#sent[freed++]!.bytes;
    if (freed > 0) this.#sent.splice(0, freed);
  }

  reset(): void {
    this.#sent = [];
    this.#bytes = 0;
  }
}

export type ProgressState = 'probe' | 'replicate' | 'snapshot';

export class Progress {
  /** Known to match, and durable there. Never decreases within a leader's term. */
  match: LogIndex = 0;
  /** The first entry that was not yet sent. Always above `match`. */
  next: LogIndex;
  state: ProgressState = 'probe';
  /** In `probe`: an append is under way; the next waits for its answer, or for a heartbeat's. */
  probeSent = false;
  /** Heard of since the last check of the quorum. */
  recentActive = false;
  /** The highest commit index that an append has told it. */
  sentCommit: LogIndex = 0;
  /** The last index that somebody there waits to see committed: of what it proposed, or of a read. */
  awaited: LogIndex = 0;
  /** In `snapshot`: the index that was sent. */
  pendingSnapshot: LogIndex = 0;
  /** A periodic heartbeat left and its answer is awaited: that answer may move a stalled follower, others (of ReadIndex
   *  rounds, which come many a millisecond) may not. */
  heartbeatSent = false;
  readonly inflights: Inflights;

  constructor(next: LogIndex, limits: InflightLimits) {
    this.next = next;
    this.inflights = new Inflights(limits);
  }

  get isPaused(): boolean {
    if (this.state === 'probe') return this.probeSent;
    return this.state === 'snapshot' || this.inflights.isFull;
  }

  becomeProbe(): void {
    // After a snapshot the follower may have it although no answer came: begin behind it, and be refused if not.
    const afterSnapshot = this.state === 'snapshot' ? this.pendingSnapshot + 1 : 0;
    this.next = Math.max(this.match + 1, afterSnapshot);
    this.#become('probe');
  }

  becomeReplicate(): void {
    this.next = this.match + 1;
    this.#become('replicate');
  }

  becomeSnapshot(index: LogIndex): void {
    this.#become('snapshot');
    this.pendingSnapshot = index;
  }

  #become(state: ProgressState): void {
    this.state = state;
    this.probeSent = false;
    this.pendingSnapshot = 0;
    this.inflights.reset();
    this.sentCommit = Math.min(this.sentCommit, this.next - 1);
  }

  /** An append up to `lastIndex` left. */
  sent(lastIndex: LogIndex, bytes: number, commit: LogIndex): void {
    this.sentCommit = Math.max(this.sentCommit, Math.min(commit, lastIndex));
    if (this.state === 'probe') {
      this.probeSent = true;
      return;
    }
    assert(this.state === 'replicate', 'nothing is appended while a snapshot is under way');
    if (lastIndex >= this.next) {
      this.next = lastIndex + 1;
      this.inflights.add(lastIndex, bytes);
    }
  }

  /** Everything up to `index` matches. False if that was known: a repeated or late answer. */
  accepted(index: LogIndex): boolean {
    const isNews = index > this.match;
    this.match = Math.max(this.match, index);
    this.next = Math.max(this.next, this.match + 1);
    return isNews;
  }

  /**
   * The append at `refused` was refused; the logs may meet at `guess`. False for a late answer: one at or below what is
   * known to match, or in `probe` one that answers another append than the last.
   */
  refused(refused: LogIndex, guess: LogIndex): boolean {
    if (this.state === 'replicate') {
      if (refused <= this.match) return false;
      this.becomeProbe();
      return true;
    }
    if (this.state === 'snapshot' || this.next - 1 !== refused) return false;
    this.next = Math.max(Math.min(refused, guess + 1), this.match + 1);
    this.sentCommit = Math.min(this.sentCommit, this.next - 1);
    this.probeSent = false;
    return true;
  }
}
