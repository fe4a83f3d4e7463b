/**
 * Linearizable reads without the log (Raft thesis §6.4): the leader notes its commit index, then makes sure by a round
 * of heartbeats that it still led when they were answered. Owned by the state machine, which sends the heartbeats.
 *
 *  - A round's number names one broadcast and is never used again, not on a retry either: a retry gets a number of its
 *    own. An answer to number n was caused by a heartbeat that left after every round ≤ n was begun, so it confirms all.
 *  - A read joins the round that begins after its arrival, never one whose heartbeats have left.
 *  - Numbers go on for the life of the process, so they do not repeat within a term either: a member leads a term at
 *    most once, and not across a restart.
 */
import { type Voters, jointReached } from './quorum.ts';
import type { LogIndex, MemberId } from './types.ts';

export interface PendingRead {
  readonly request: bigint;
  /** Who asked: ourselves, or the follower that is to be answered. */
  readonly from: MemberId;
}

interface Round {
  readonly number: number;
  readonly index: LogIndex;
  readonly reads: readonly PendingRead[];
}

/** Rounds under way; at it, reads wait and join the next: more rounds than that answer nothing sooner. */
const OPEN_ROUNDS_MAX = 8;
/** Reads that wait or are in a round; at it a read is refused, for a leader that nobody answers must not grow. */
const PENDING_READS_MAX = 100_000;

export class ReadIndexRounds {
  #lastNumber = 0;
  #waiting: PendingRead[] = [];
  #rounds: Round[] = [];
  #pendingReads = 0;
  /** The highest round that each member has answered. */
  readonly #answered = new Map<MemberId, number>();

  /** False if too many reads are pending. */
  add(read: PendingRead): boolean {
    if (this.#pendingReads >= PENDING_READS_MAX) return false;
    this.#waiting.push(read);
    this.#pendingReads++;
    return true;
  }

  /** Begins a round for the reads that wait: the number for its heartbeats, or 0 if there is nothing to begin. */
  begin(commit: LogIndex): number {
    if (this.#waiting.length === 0 || this.#rounds.length >= OPEN_ROUNDS_MAX) return 0;
    const number = ++this.#lastNumber;
    this.#rounds.push({ number, index: commit, reads: this.#waiting });
    this.#waiting = [];
    return number;
  }

  /** A new number for a further broadcast on behalf of the open rounds, or 0 if there are none. */
  retry(): number {
    return this.#rounds.length === 0 ? 0 : ++this.#lastNumber;
  }

  answered(member: MemberId, round: number): void {
    if (round > this.#lastNumber) return; // Not ours: an answer comes from the wire, and is not trusted.
    if (round > (this.#answered.get(member) ?? 0)) this.#answered.set(member, round);
  }

  /** Takes the rounds that a quorum has confirmed. The leader agrees with itself. */
  takeConfirmed(config: Voters, self: MemberId): readonly { index: LogIndex; reads: readonly PendingRead[] }[] {
    if (this.#rounds.length === 0) return [];
    const confirmed = jointReached(config, (voter) =>
      voter === self ? this.#lastNumber : (this.#answered.get(voter) ?? 0),
    );
    const done: Round[] = [];
    while (this.#rounds.length > 0 && this.#rounds[0]!.number <= confirmed) done.push(this.#rounds.shift()!);
    for (const round of done) this.#pendingReads -= round.reads.length;
    return done;
  }

  /** Another term, or no leader any more: nothing that was asked is answered. Numbers are not taken back. */
  drop(): void {
    this.#waiting = [];
    this.#rounds = [];
    this.#pendingReads = 0;
    this.#answered.clear();
  }
}
