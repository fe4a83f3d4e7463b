/**
 * Writes that arrive while no leader is known wait for one, as etcd's do, for as long as a request may take: a change of
 * the leader then costs a client time and not an error, which it could not repeat safely. They have not been proposed:
 * whoever is told `no-leader` knows that nothing happened.
 */
import type { Clock, Millis } from '../base/clock.ts';
import { deferred, type Deferred } from '../base/deferred.ts';
import { StoreError } from './rpc/errors.ts';

/** As many as the node takes proposals. */
const WAITING_MAX = 5_000;

export class LeaderWait {
  readonly #clock: Clock;
  readonly #waiting = new Set<Deferred<void>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves with the next leader. */
  wait(timeoutMs: Millis): Promise<void> {
    if (this.#waiting.size >= WAITING_MAX) return Promise.reject(new StoreError('too-many-requests'));
    const waiter = deferred<void>();
    this.#waiting.add(waiter);
    const timer = this.#clock.setTimer(timeoutMs, () => waiter.reject(new StoreError('no-leader')));
    return waiter.promise.finally(() => {
      timer.cancel();
      this.#waiting.delete(waiter);
    });
  }

  resolveAll(): void {
    for (const waiter of this.#waiting) waiter.resolve();
  }

  rejectAll(error: StoreError): void {
    for (const waiter of this.#waiting) waiter.reject(error);
  }
}
