/**
 * What was proposed here and waits to be applied here. Nobody proposes it again: a proposal is answered with its outcome,
 * or with an error that leaves open whether it happened.
 */
import type { Clock, Millis, Timer } from '../base/clock.ts';
import { Later } from '../base/later.ts';
import type { Random } from '../base/random.ts';
import type { Term } from './raft/core/types.ts';
import { StoreError, type StoreErrorCode } from './rpc/errors.ts';
import type { CommandOutcome } from './state-machine.ts';

export interface Proposing {
  /** When it was proposed. */
  readonly term: Term;
  /** By the monotonic clock. */
  readonly deadlineMs: Millis;
  /** Asked when the time is over. */
  readonly timeoutCode: () => StoreErrorCode;
}

/** Its answer is told to the call that waits for it within the apply: none of what follows comes back here. */
class Pending extends Later<CommandOutcome> {
  readonly id: bigint;
  readonly proposing: Proposing;

  constructor(id: bigint, proposing: Proposing) {
    super();
    this.id = id;
    this.proposing = proposing;
  }
}

/** A map finds a small number in a tenth of the time that it takes for a bigint: by the lower half, which counts up. */
const whole = new BigUint64Array(1);
const halves = new Int32Array(whole.buffer);
const LOW = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 0 : 1;

function placeOf(id: bigint): number {
  whole[0] = id;
  return halves[LOW]!;
}

export class Proposals {
  readonly #clock: Clock;
  /** By {@link placeOf}; another member's proposal may have the same. */
  readonly #pending = new Map<number, Pending>();
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
  begin(send: (id: bigint) => void, proposing: Proposing): Promise<CommandOutcome> {
    const id = this.next();
    try {
      send(id);
    } catch (error) {
      return this.refused(error);
    }
    return this.wait(id, proposing);
  }

  /** The same in steps, for who would make a function for each proposal: its number, */
  next(): bigint {
    return this.#next++;
  }

  /** where it was not proposed, */
  refused(error: unknown): Promise<never> {
    this.#failed++;
    return Promise.reject(error);
  }

  /** and where it was. */
  wait(id: bigint, proposing: Proposing): Promise<CommandOutcome> {
    if (proposing.deadlineMs < this.#timerAtMs) this.#arm(proposing.deadlineMs);
    const pending = new Pending(id, proposing);
    this.#pending.set(placeOf(id), pending);
    return pending;
  }

  /** It was applied; one that another member proposed is not known here. */
  answer(id: bigint, outcome: CommandOutcome): void {
    const place = placeOf(id);
    const pending = this.#pending.get(place);
    if (pending === undefined || pending.id !== id) return;
    this.#pending.delete(place);
    pending.settle(outcome);
  }

  /**
   * A leader begins its term with an empty entry, behind everything that survived. What was proposed to an earlier leader
   * and is not applied by now was lost with it: better to say so than to let its caller wait out the timeout. It is no
   * promise that it never happens: the message may still be on its way.
   */
  failOlder(term: Term): void {
    for (const [place, pending] of this.#pending) {
      if (pending.proposing.term >= term) continue;
      this.#pending.delete(place);
      this.#failed++;
      pending.fail(new StoreError('leader-changed'));
    }
  }

  failAll(code: StoreErrorCode): void {
    this.#timer?.cancel();
    this.#timerAtMs = Infinity;
    const all = [...this.#pending.values()];
    this.#pending.clear();
    for (const pending of all) pending.fail(new StoreError(code));
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
    for (const [place, pending] of this.#pending) {
      const { deadlineMs, timeoutCode } = pending.proposing;
      if (deadlineMs > now) {
        nextMs = Math.min(nextMs, deadlineMs);
        continue;
      }
      this.#pending.delete(place);
      this.#failed++;
      pending.fail(new StoreError(timeoutCode()));
    }
    if (nextMs < Infinity) this.#arm(nextMs);
  }
}
