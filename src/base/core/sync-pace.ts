/**
 * Whether the loop waits for a sync itself. To hand it to a thread and hear of its end costs more processor time than the
 * sync, and half as much again in waiting. So a loop that has time waits for a disk that is quick: what it was idle for
 * since the last sync says the one, how long the last ones took, on whatever way, the other.
 */
import type { Millis } from '../clock.ts';

/** Expected to take no more. A loop that is held up so long serves nobody meanwhile; heartbeats come every 100 ms. */
const HELD_UP_MS_MAX = 2;
/** One sync that the disk or the machine was busy for does not tell of the next: it counts as no more. */
const SPIKE_MS = 8;
/** Of the newest in what is expected. */
const WEIGHT = 1 / 8;
/** Of what is expected, that the loop must have had nothing to do for: a busy one is not held up. */
const IDLE_SHARE_MIN = 1 / 2;

export class SyncPace {
  /** Unknown until one was measured. */
  #expectedMs = Infinity;
  /** How long the loop had been idle in all when the last sync was over. */
  #idleBeforeMs = 0;

  /** `idleMs`: how long the loop was idle in all so far. */
  mayHoldUp(idleMs: Millis): boolean {
    return this.#expectedMs <= HELD_UP_MS_MAX && idleMs - this.#idleBeforeMs >= this.#expectedMs * IDLE_SHARE_MIN;
  }

  took(ms: Millis, idleMs: Millis): void {
    const counted = Math.min(ms, SPIKE_MS);
    this.#expectedMs = this.#expectedMs === Infinity ? counted : this.#expectedMs + (counted - this.#expectedMs) * WEIGHT;
    this.#idleBeforeMs = idleMs;
  }
}
