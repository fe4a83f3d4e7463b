/**
 * Deadlines of calls by one timer for all of them: a timer for each would cost more than the call. Most calls end long
 * before, so that who is added and taken away costs an entry of a map, and only when the earliest is due are they looked
 * through.
 */
export interface Expiring {
  onDeadline(): void;
}

/** A deadline is met that late at worst, so that many of them are met at once. */
const STEP_MS = 5;
/** Of Node.js: a longer one fires at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export class Deadlines {
  readonly #atMs = new Map<Expiring, number>();
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = Infinity;

  add(call: Expiring, afterMs: number): void {
    const atMs = performance.now() + afterMs;
    this.#atMs.set(call, atMs);
    if (atMs < this.#timerAtMs) this.#arm(atMs);
  }

  delete(call: Expiring): void {
    this.#atMs.delete(call);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timerAtMs = -Infinity;
  }

  #arm(atMs: number): void {
    clearTimeout(this.#timer);
    this.#timerAtMs = atMs;
    const afterMs = Math.min(TIMER_MS_MAX, Math.max(STEP_MS, Math.ceil(atMs - performance.now())));
    this.#timer = setTimeout(() => this.#look(), afterMs).unref();
  }

  #look(): void {
    const now = performance.now();
    this.#timerAtMs = Infinity;
    let nextMs = Infinity;
    const due: Expiring[] = [];
    for (const [call, atMs] of this.#atMs) {
      if (atMs <= now) due.push(call);
      else nextMs = Math.min(nextMs, atMs);
    }
    for (const call of due) {
      this.#atMs.delete(call);
      call.onDeadline();
    }
    if (nextMs < this.#timerAtMs) this.#arm(nextMs);
  }
}
