/**
 * What the leader does about leases by its clock: it ends those whose time is over, and has what is left of long ones
 * written to the log, so that the next leader goes on from there (core/lessor.ts). On other members it does nothing.
 */
import type { Clock, Millis, Timer } from '../../base/clock.ts';
import { describeError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Command } from '../mvcc/command.ts';
import { StoreError } from '../rpc/errors.ts';
import type { CommandOutcome } from '../state-machine.ts';
import type { LeaseCheckpointed, LeaseId, Lessor } from './core/lessor.ts';

/** Leases that have run out are looked for so often, and so many are ended at a time. */
const SCAN_MS = 500;
const LEASES_AT_ONCE = 500;
const RETRY_MS = 3_000;
/** Of one entry, etcd's; and one entry is under way at a time. */
const CHECKPOINTS_AT_ONCE = 1_000;

export interface LeaseKeeperOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Asked anew each time: an installed snapshot replaces it. */
  readonly leases: () => Lessor;
  /** What a new leader adds to every lease: its clients could reach nobody. */
  readonly extendMs: Millis;
  /** etcd's --enable-lease-checkpoint. */
  readonly writesCheckpoints: boolean;
  /**
   * By Raft, not by what has been told of it: a leader whose disk hangs is told late that another one leads. Its clock must
   * neither end a lease nor prolong one any more (etcd-io/etcd#15247).
   */
  readonly leadsNow: () => boolean;
  /** Once through the log, in the store's own name, if this member still leads. */
  readonly propose: (command: Command) => Promise<CommandOutcome>;
}

export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  #timer: Timer | undefined;
  #isWriting = false;

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = this.#options.clock.setTimer(SCAN_MS, () => {
      this.start();
      if (!this.#leads()) return;
      this.#endExpired();
      if (this.#options.writesCheckpoints && !this.#isWriting) this.#writeDue();
    });
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** Not before all of the earlier leaders' log is applied: their last checkpoint may be the end of it. */
  lead(): void {
    const { clock, leases, extendMs } = this.#options;
    if (!leases().isLeading) leases().promote(clock.monotonic(), extendMs);
  }

  follow(): void {
    if (this.#options.leases().isLeading) this.#options.leases().demote();
  }

  /** Seconds that the lease has from now; undefined if there is none, or its time is over. */
  async renew(id: LeaseId): Promise<number | undefined> {
    const { clock, leases } = this.#options;
    if (!this.#leads()) throw new StoreError('leader-changed');
    const seconds = leases().renew(id, clock.monotonic());
    if (seconds === undefined || !leases().isCheckpointed(id)) return seconds;
    const outcome = await this.#write([{ id, remainingSeconds: 0 }]);
    if (!outcome.ok) throw new StoreError(outcome.code);
    return leases().has(id) ? seconds : undefined;
  }

  #leads(): boolean {
    return this.#options.leases().isLeading && this.#options.leadsNow();
  }

  #endExpired(): void {
    const { clock, leases, propose, log } = this.#options;
    for (const id of leases().expired(clock.monotonic(), { max: LEASES_AT_ONCE, retryMs: RETRY_MS })) {
      // Lost ones are named again.
      propose({ kind: 'lease-revoke', request: { id } }).catch((error: unknown) => {
        log.debug({ lease: id.toString(16), error: describeError(error) }, 'lease: revoke not done');
      });
    }
  }

  #writeDue(): void {
    const { clock, leases, log } = this.#options;
    const due = leases().dueCheckpoints(clock.monotonic(), CHECKPOINTS_AT_ONCE);
    if (due.length === 0) return;
    this.#isWriting = true;
    this.#write(due)
      .catch((error: unknown) => log.debug({ error: describeError(error) }, 'lease: checkpoint not done'))
      .finally(() => (this.#isWriting = false));
  }

  #write(checkpoints: readonly LeaseCheckpointed[]): Promise<CommandOutcome> {
    const request = { checkpoints: checkpoints.map(({ id, remainingSeconds }) => ({ id, remainingTtl: remainingSeconds })) };
    return this.#options.propose({ kind: 'lease-checkpoint', request });
  }
}
