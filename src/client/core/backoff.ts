/** Exponential back-off, one count of failures per key. The delays are exact: who wants jitter adds it outside. */
import type { Millis } from '../../base/clock.ts';

export interface BackoffOptions {
  readonly firstMs: Millis;
  readonly maxMs: Millis;
  /** What each failure multiplies the delay by. */
  readonly factor?: number;
}

export class Backoff {
  readonly #options: BackoffOptions;
  readonly #failures = new Map<string, number>();

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** Counts a failure and answers how long to wait after it. */
  next(key: string): Millis {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    const { firstMs, maxMs, factor = 2 } = this.#options;
    return Math.min(maxMs, firstMs * factor ** failures);
  }

  failures(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  forget(key: string): void {
    this.#failures.delete(key);
  }
}
