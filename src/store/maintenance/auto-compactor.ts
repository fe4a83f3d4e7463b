/** Drives core/auto-compaction.ts by the clock, and proposes what it says where this member leads. */
import type { Clock, Timer } from '../../base/clock.ts';
import { describeError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Revision } from '../mvcc/core/revision.ts';
import { AutoCompaction, type AutoCompactionOptions } from './core/auto-compaction.ts';

export interface CompactingMember {
  readonly isLeader: boolean;
  readonly revision: Revision;
  /** Puts the compaction through the log; a refusal because it was compacted already is no failure. */
  compact(revision: Revision): Promise<void>;
}

export class AutoCompactor {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #member: CompactingMember;
  readonly #core: AutoCompaction;
  #timer: Timer | undefined;

  constructor(options: AutoCompactionOptions, world: { readonly clock: Clock; readonly log: Log }, member: CompactingMember) {
    this.#clock = world.clock;
    this.#log = world.log;
    this.#member = member;
    this.#core = new AutoCompaction(options, world.clock.monotonic());
  }

  start(): void {
    this.#timer = this.#clock.setTimer(this.#core.intervalMs, () => {
      this.start();
      void this.#look();
    });
  }

  stop(): void {
    this.#timer?.cancel();
  }

  async #look(): Promise<void> {
    const revision = this.#core.look(this.#clock.monotonic(), this.#member.revision);
    if (revision === undefined || !this.#member.isLeader) return;
    try {
      await this.#member.compact(revision);
      this.#core.compacted(this.#clock.monotonic(), revision);
      this.#log.info({ revision }, 'store: history compacted by itself');
    } catch (error) {
      this.#log.warn({ revision, error: describeError(error) }, 'store: history not compacted; tried again');
    }
  }
}
