/**
 * What each of the last compactions left, as a hash: members that compacted to the same revision have the same, whatever
 * was written since. It is read right after the compaction, for the next one takes it away (etcd's compact hash check).
 */
import type { Clock } from '../../base/clock.ts';
import { describeError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { StoreError } from '../rpc/errors.ts';
import type { StateMachine } from '../state-machine.ts';
import type { Revision } from '../mvcc/core/revision.ts';
import { hashKv, type KvHash } from './hash-kv.ts';

/** etcd's: older ones are forgotten. */
const KEPT_MAX = 10;

export interface CompactionHashesOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Asked anew each time: an installed snapshot replaces it. */
  readonly machine: () => StateMachine;
  /** Hashes each compaction as it comes; otherwise only what it is asked for while it can. */
  readonly isEager: boolean;
}

export class CompactionHashes {
  readonly #options: CompactionHashesOptions;
  /** By revision, oldest first. */
  readonly #kept = new Map<Revision, KvHash>();
  #isHashing = false;
  #isStopped = false;

  constructor(options: CompactionHashesOptions) {
    this.#options = options;
  }

  /** Newest first. */
  list(): readonly KvHash[] {
    return [...this.#kept.values()].reverse();
  }

  /** Before the backend is closed. */
  stop(): void {
    this.#isStopped = true;
  }

  /** A compaction was applied. */
  compacted(): void {
    if (!this.#options.isEager || this.#isHashing) return;
    this.#isHashing = true;
    void this.#hashAll().finally(() => (this.#isHashing = false));
  }

  /** Fails with a `StoreError` where this member has not compacted so far yet, or further. */
  async at(revision: Revision): Promise<KvHash> {
    const { clock, machine } = this.#options;
    const kept = this.#kept.get(revision);
    if (kept !== undefined) return kept;
    const { compactRevision } = machine().mvcc;
    if (compactRevision !== revision) throw new StoreError(compactRevision > revision ? 'compacted' : 'future-revision');
    const hash = await hashKv(machine, clock, revision);
    this.#kept.set(revision, hash);
    for (const oldest of this.#kept.keys()) if (this.#kept.size > KEPT_MAX) this.#kept.delete(oldest);
    return hash;
  }

  /** Until it has caught up: another compaction may overtake the hash of one, which is then left out. */
  async #hashAll(): Promise<void> {
    const { machine, log } = this.#options;
    for (let last: Revision | undefined; last !== machine().mvcc.compactRevision && !this.#isStopped; ) {
      last = machine().mvcc.compactRevision;
      await this.at(last).catch((error: unknown) => {
        if (!this.#isStopped) log.debug({ error: describeError(error) }, 'store: compaction not hashed');
      });
    }
  }
}
