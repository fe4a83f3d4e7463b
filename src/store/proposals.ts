/**
 * What was proposed here and waits to be applied here. Nobody proposes it again: a proposal is answered with its outcome,
 * or with an error that leaves open whether it happened.
 */
import type { Clock, Millis, Timer } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { Term } from './raft/core/types.ts';
import { StoreError, type StoreErrorCode } from './rpc/errors.ts';
import type { CommandOutcome } from './state-machine.ts';

interface Pending {
  /** When it was proposed. */
  readonly term: Term;
  readonly deadlineMs: Millis;
  readonly timeoutCode: () => StoreErrorCode;
  readonly resolve: (outcome: CommandOutcome) => void;
  readonly reject: (error: Error) => void;
}

export interface Proposing {
  readonly term: Term;
  /** By the monotonic clock. */
  readonly deadlineMs: Millis;
  /** Asked when the time is over. */
  readonly timeoutCode: () => StoreErrorCode;
}

export class Proposals {
  readonly #clock: Clock;
  readonly #pending = new Map<bigint, Pending>();
  /** For the earliest deadline there was when it was set: one for each proposal would cost more than the proposal. */
  #timer: Timer | undefined;
  #timerAtMs: Millis = Infinity;
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
  begin(send: (id: bigint) => void, { term, deadlineMs, timeoutCode }: Proposing): Promise<CommandOutcome> {
    const id = this.#next++;
    try {
      send(id);
    } catch (error) {
      this.#failed++;
      return Promise.reject(error);
    }
    if (deadlineMs < this.#timerAtMs) this.#arm(deadlineMs);
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { term, deadlineMs, timeoutCode, resolve, reject });
    });
  }

  /** It was applied; one that another member proposed is not known here. */
  answer(id: bigint, outcome: CommandOutcome): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    pending.resolve(outcome);
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
      pending.reject(new StoreError('leader-changed'));
    }
  }

  failAll(code: StoreErrorCode): void {
    this.#timer?.cancel();
    this.#timerAtMs = Infinity;
    for (const { reject } of this.#pending.values()) reject(new StoreError(code));
    this.#pending.clear();
  }

  #arm(atMs: Millis): void {
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    this.#timer = this.#clock.setTimer(Math.max(0, atMs - this.#clock.monotonic()), () => this.#expire());
  }

  #expire(): void {
    const now = this.#clock.monotonic();
    this.#timerAtMs = Infinity;
    let nextMs = Infinity;
    for (const [id, { deadlineMs, timeoutCode, reject }] of this.#pending) {
      if (deadlineMs > now) {
        nextMs = Math.min(nextMs, deadlineMs);
        continue;
      }
      this.#pending.delete(id);
      this.#failed++;
      reject(new StoreError(timeoutCode()));
    }
    if (nextMs < Infinity) this.#arm(nextMs);
  }
}
