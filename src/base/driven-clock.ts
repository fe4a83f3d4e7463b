/**
 * A clock that moves only when told to. Between any two timers one macrotask passes, so that every promise that is
 * ready settles first: code under this clock is instantaneous in its time, and its timers fire in one fixed order
 * (by time, then by the order in which they were set).
 */
import { assert } from './assert.ts';
import type { Clock, Millis, Timer } from './clock.ts';
import { MinHeap } from './min-heap.ts';

interface Pending {
  readonly atMs: Millis;
  readonly sequence: number;
  readonly run: () => void;
  cancelled: boolean;
}

/** Lets every promise that is ready settle, however long the chain. The one use of a macrotask in simulated code. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export interface DrivenClockOptions {
  /** Wall time at monotonic zero, milliseconds since the epoch. */
  readonly wallAtStart?: Millis;
}

export class DrivenClock implements Clock {
  #nowMs: Millis = 0;
  #sequence = 0;
  readonly #heap = new MinHeap<Pending>((a, b) => a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence));
  readonly #wallAtStart: Millis;

  constructor({ wallAtStart = Date.UTC(2024, 0, 1) }: DrivenClockOptions = {}) {
    this.#wallAtStart = wallAtStart;
  }

  monotonic(): Millis {
    return this.#nowMs;
  }

  wall(): Millis {
    return this.#wallAtStart + this.#nowMs;
  }

  setTimer(delayMs: Millis, run: () => void): Timer {
    assert(!Number.isNaN(delayMs), 'a timer has a delay');
    const pending: Pending = {
      atMs: this.#nowMs + Math.max(0, delayMs),
      sequence: this.#sequence++,
      run,
      cancelled: false,
    };
    this.#heap.push(pending);
    return { cancel: () => (pending.cancelled = true) };
  }

  /** When the next timer is due, in monotonic milliseconds; undefined if none is set. */
  nextTimerAt(): Millis | undefined {
    while (this.#heap.peek()?.cancelled) this.#heap.pop();
    return this.#heap.peek()?.atMs;
  }

  /** Fires the next timer if it is due by `untilMs`; false if there is none. Synchronous: the caller settles. */
  fireNext(untilMs: Millis): boolean {
    const at = this.nextTimerAt();
    if (at === undefined || at > untilMs) return false;
    const pending = this.#heap.pop()!;
    assert(pending.atMs >= this.#nowMs, 'time does not go backwards');
    this.#nowMs = pending.atMs;
    pending.run();
    return true;
  }

  /** Moves time forward by `byMs`, firing on the way every timer that falls due, and lets the code settle. */
  async advance(byMs: Millis): Promise<void> {
    const untilMs = this.#nowMs + byMs;
    await settle();
    while (this.fireNext(untilMs)) await settle();
    this.#nowMs = untilMs;
  }

  /** Advances, timer by timer, until `isDone` holds; fails after `deadlineMs` of driven time, naming `what`. */
  async advanceUntil(isDone: () => boolean | Promise<boolean>, deadlineMs: Millis, what: string): Promise<void> {
    const untilMs = this.#nowMs + deadlineMs;
    await settle();
    while (!(await isDone())) {
      if (!this.fireNext(untilMs)) throw new Error(`${what}: not within ${deadlineMs} ms of driven time`);
      await settle();
    }
  }
}
