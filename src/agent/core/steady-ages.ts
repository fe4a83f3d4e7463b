/**
 * How long ago something was that is written down by the wall clock, counted by the clock that does not jump: a wall clock
 * that is set must neither end a pod nor restart a container. From the first time that something is asked for, only the
 * monotonic clock counts; the first time the wall clock has to be believed, since what is asked for may be older than this
 * process. A machine, fed with both clocks.
 */
import type { Millis } from '../../base/clock.ts';

export class SteadyAges {
  /** Monotonic, by the name of what was. */
  readonly #since = new Map<string, Millis>();

  /** `atMs` by the wall clock. Of what lies ahead it says that it is just now. */
  of(what: string, atMs: Millis, now: { readonly wallMs: Millis; readonly monotonicMs: Millis }): Millis {
    const known = this.#since.get(what) ?? now.monotonicMs - Math.max(0, now.wallMs - atMs);
    this.#since.set(what, known);
    return now.monotonicMs - known;
  }

  forget(isGone: (what: string) => boolean): void {
    for (const what of [...this.#since.keys()]) if (isGone(what)) this.#since.delete(what);
  }
}
