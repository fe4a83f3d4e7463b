/**
 * What was proposed here and waits to be applied here. Nobody proposes it again: a proposal is answered with its outcome,
 * or with an error that leaves open whether it happened.
 */
import type { Clock, Millis, Timer } from '../base/clock.ts';
import { deferred, type Deferred } from '../base/deferred.ts';
import type { Random } from '../base/random.ts';
import type { Term } from './raft/core/types.ts';
import { StoreError, type StoreErrorCode } from './rpc/errors.ts';
import type { CommandOutcome } from './state-machine.ts';

interface Pending {
  /** When it was proposed. */
  readonly term: Term;
  readonly outcome: Deferred<CommandOutcome>;
  readonly timer: Timer;
}

export interface Proposing {
  readonly term: Term;
  readonly timeoutMs: Millis;
  /** Asked when the time is over. */
  readonly timeoutCode: () => StoreErrorCode;
}

export class Proposals {
  readonly #clock: Clock;
  readonly #pending = new Map<bigint, Pending>();
  #next: bigint;
  #failed = 0;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    // Requests of an earlier run must not be taken for ours: numbers start anew at random, high enough never to meet.
    this.#next = random.uint64() >> 1n;
  }

  get pending(): number {
    return this.#pending.size;
  }

  /** Since the start. */
  get failed(): number {
    return this.#failed;
  }

  /** `send` hands it on under its number; what it throws was not proposed. */
  begin(send: (id: bigint) => void, { term, timeoutMs, timeoutCode }: Proposing): Promise<CommandOutcome> {
    const id = this.#next++;
    const outcome = deferred<CommandOutcome>();
    try {
      send(id);
    } catch (error) {
      this.#failed++;
      return Promise.reject(error);
    }
    const timer = this.#clock.setTimer(timeoutMs, () => {
      this.#pending.delete(id);
      this.#failed++;
      outcome.reject(new StoreError(timeoutCode()));
    });
    this.#pending.set(id, { term, outcome, timer });
    return outcome.promise;
  }

  /** It was applied; one that another member proposed is not known here. */
  answer(id: bigint, outcome: CommandOutcome): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    pending.timer.cancel();
    pending.outcome.resolve(outcome);
  }

  /**
   * A leader begins its term with an empty entry, behind everything that survived. What was proposed to an earlier leader
   * and is not applied by now was lost with it: better to say so than to let its caller wait out the timeout. It is no
   * promise that it never happens: the message may still be on its way.
   */
  failOlder(term: Term): void {
    for (const [id, pending] of this.#pending) {
      if (pending.term >= term) continue;
      this.#pending.delete(id);
      this.#failed++;
      pending.timer.cancel();
      pending.outcome.reject(new StoreError('leader-changed'));
    }
  }

  failAll(code: StoreErrorCode): void {
    for (const { outcome, timer } of this.#pending.values()) {
      timer.cancel();
      outcome.reject(new StoreError(code));
    }
    this.#pending.clear();
  }
}
