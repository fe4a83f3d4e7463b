/**
 * What a member does when its disk has no room: it gives up its reserve, and raises NOSPACE for the whole cluster, as a
 * member past its quota does. Then what takes space is refused, while reads, deletes, compactions and everything else go
 * on, until somebody has made room and disarms the alarm. That is when the reserve is made anew; where there is no room
 * for it, the alarm is raised again.
 *
 *   well ── a write finds no room ──► full (reserve given up) ── alarm disarmed ──► well, if the reserve can be made
 *     ▲                                 ▲                                            │
 *     └─────────────────────────────────┴──────────────── it cannot ◄────────────────┘
 */
import type { Clock, Millis, Timer } from '../../base/clock.ts';
import { describeError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Reserve } from '../disk/room.ts';

/** An alarm that found no leader, or no quorum, is raised again so often. */
const RAISE_AGAIN_MS: Millis = 1_000;

export interface FullDiskOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly reserve: Reserve;
}

export class FullDisk {
  readonly #options: FullDiskOptions;
  #isFull = false;
  /** As the log says. */
  #isAlarmed = false;
  #raise: (() => Promise<void>) | undefined;
  #isRaising = false;
  #timer: Timer | undefined;

  constructor(options: FullDiskOptions) {
    this.#options = options;
  }

  /** Nothing more is taken in that takes space, alarm or not. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** For a write that found no room. Answers whether trying again has a new chance. */
  readonly makeRoom = async (cause: unknown): Promise<boolean> => {
    this.found(cause);
    const isFreed = await this.#options.reserve.free();
    if (isFreed) this.#options.log.warn({}, 'store: the reserve on the disk is given up');
    return isFreed;
  };

  /** The same where the work is given up, and the reserve is not worth it. */
  found(cause: unknown): void {
    if (!this.#isFull) {
      this.#options.log.error({ error: describeError(cause) }, 'store: the disk is full: make room, then disarm the alarm');
    }
    this.#isFull = true;
    this.#raiseSoon();
  }

  /** From here on alarms can be raised; the reserve is made in the background. */
  start(raise: () => Promise<void>, isAlarmed: boolean): void {
    this.#raise = raise;
    this.#isAlarmed = isAlarmed;
    if (this.#isFull) this.#raiseSoon();
    else void this.#makeReserve();
  }

  /** Whether this member's alarm is raised, after each change of alarms. */
  alarmed(isAlarmed: boolean): void {
    const isDisarmed = this.#isAlarmed && !isAlarmed;
    this.#isAlarmed = isAlarmed;
    if (!isDisarmed) return;
    // Who disarms says that there is room; what is asked next shall not be refused for our doubts.
    this.#isFull = false;
    void this.#makeReserve();
  }

  stop(): void {
    this.#raise = undefined;
    this.#timer?.cancel();
  }

  async #makeReserve(): Promise<void> {
    try {
      if (await this.#options.reserve.make()) return;
      this.found('there is no room for the reserve');
    } catch (error) {
      // It is no more than a precaution: whoever needs the disk next tells what is wrong with it.
      this.#options.log.warn({ error: describeError(error) }, 'store: no reserve on the disk');
    }
  }

  #raiseSoon(): void {
    const raise = this.#raise;
    if (raise === undefined || this.#isRaising || this.#isAlarmed || !this.#isFull) return;
    this.#isRaising = true;
    raise()
      .catch((error: unknown) => {
        this.#options.log.debug({ error: describeError(error) }, 'store: alarm not raised yet');
      })
      .finally(() => {
        this.#isRaising = false;
        if (this.#raise === undefined) return;
        this.#timer = this.#options.clock.setTimer(RAISE_AGAIN_MS, () => this.#raiseSoon());
      });
  }
}
