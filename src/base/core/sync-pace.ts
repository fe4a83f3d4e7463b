/**
 * Whether the loop waits for a sync itself. To hand it to a thread and hear of its end costs more processor time than the
 * sync, and half as much again in waiting. So a loop that has time waits for a disk that is quick: what it was idle for
 * since the last sync says the one, how long the last ones took, on whatever way, the other.
 */
import type { Millis } from '../clock.ts';

/** Expected to take no more. A loop that is held up so long serves nobody meanwhile; heartbeats come every 100 ms. */
const HELD_UP_MS_MAX = 1;
/** A sync that the disk or the machine was busy for counts as no more: only when every other one is, the disk is slow. */
const COUNTED_MS_MAX = 2;
/** Of the newest in what is expected. */
const WEIGHT = 1 / 8;
/**
 * Of a sync's time, that the loop has nothing to do for between two of them. One that is never idle has more to write by the
 * time that a thread is done, and writes it at once; one that is idle at all has heard everything.
 */
const IDLE_SHARE_MIN = 1 / 10;

export class SyncPace {
  /** Of one sync. */
  #expectedMs = COUNTED_MS_MAX;
  /** Of the loop, from the end of one sync to the next, and in all at the last one's end. */
  #expectedIdleMs = 0;
  #idleBeforeMs = 0;

  get mayHoldUp(): boolean {
    return this.#expectedMs <= HELD_UP_MS_MAX && this.#expectedIdleMs >= this.#expectedMs * IDLE_SHARE_MIN;
  }

  /** `idleMs`: how long the loop was idle in all, before a sync and after it. */
  took(ms: Millis, idleMs: { readonly before: Millis; readonly after: Millis }): void {
    this.#expectedMs += (Math.min(ms, COUNTED_MS_MAX) - this.#expectedMs) * WEIGHT;
    this.#expectedIdleMs += (Math.min(idleMs.before - this.#idleBeforeMs, COUNTED_MS_MAX) - this.#expectedIdleMs) * WEIGHT;
    this.#idleBeforeMs = idleMs.after;
  }
}
