/**
 * Whether the loop waits for a sync itself. To hand it to a thread and hear of its end costs more processor time than the
 * sync, and half as much again in waiting; so a disk that is quick is waited for, and one that is slow never for long: the
 * syncs that just were, on whatever way, say what the next one will take.
 */
import type { Millis } from '../clock.ts';

/** Expected to take no more. A loop that is held up so long serves nobody meanwhile, heartbeats come every 100 ms. */
const HELD_UP_MS_MAX = 2;
/** One sync that the disk or the machine was busy for does not tell of the next: it counts as no more. */
const SPIKE_MS = 8;
/** Of the newest in what is expected. */
const WEIGHT = 1 / 8;

export class SyncPace {
  /** Unknown until one was measured. */
  #expectedMs = Infinity;

  get mayHoldUp(): boolean {
    return this.#expectedMs <= HELD_UP_MS_MAX;
  }

  took(ms: Millis): void {
    const counted = Math.min(ms, SPIKE_MS);
    this.#expectedMs = this.#expectedMs === Infinity ? counted : this.#expectedMs + (counted - this.#expectedMs) * WEIGHT;
  }
}
