/**
 * Pods that wait for a node: a machine, driven by `scheduler.ts`.
 *
 *     add ──► active ──take──► (decided) ──unschedulable──► parked ──something changed──► backing off ──► active
 *                                        └─failed─────────────────────────────────────────────┘
 *
 * The highest priority goes first, among equals the first that came. A pod is in one place at a time. The length is
 * bounded by the number of pods without a node.
 */
import type { Millis } from '../../base/clock.ts';
import { Backoff } from '../../client/core/backoff.ts';
import { TimedQueue } from '../../client/core/timed-queue.ts';

const BACKOFF_FIRST_MS = 1_000;
const BACKOFF_MAX_MS = 10_000;
/** A parked pod is tried again after this even if nothing seems to have changed: the last resort against a lost cue. */
const PARKED_MAX_MS = 300_000;

type Place =
  | { readonly at: 'active' }
  | { readonly at: 'backing-off'; readonly untilMs: Millis }
  | { readonly at: 'parked'; readonly readyAtMs: Millis; readonly untilMs: Millis };

interface Waiting {
  readonly priority: number;
  place: Place;
}

export class SchedulingQueue {
  readonly #pods = new Map<string, Waiting>();
  readonly #active = new TimedQueue<{ readonly key: string; readonly waiting: Waiting }>();
  readonly #delayed = new TimedQueue<{ readonly key: string; readonly waiting: Waiting; readonly place: Place }>();
  readonly #backoff = new Backoff({ firstMs: BACKOFF_FIRST_MS, maxMs: BACKOFF_MAX_MS });

  get length(): number {
    return this.#pods.size;
  }

  /** New, or changed so that it may fit now: at once, wherever it was. */
  add(key: string, priority: number): void {
    const known = this.#pods.get(key);
    if (known?.place.at === 'active' && known.priority === priority) return;
    const waiting: Waiting = { priority, place: { at: 'active' } };
    this.#pods.set(key, waiting);
    this.#active.push(-priority, { key, waiting });
  }

  /** The pod is bound or gone. */
  remove(key: string): void {
    this.#pods.delete(key);
    this.#backoff.forget(key);
  }

  take(): string | undefined {
    for (let top = this.#active.pop(); top !== undefined; top = this.#active.pop()) {
      const { key, waiting } = top.item;
      if (this.#pods.get(key) !== waiting || waiting.place.at !== 'active') continue;
      this.#pods.delete(key);
      return key;
    }
    return undefined;
  }

  /** No node will do: it waits for a change. */
  park(key: string, priority: number, nowMs: Millis): void {
    const readyAtMs = nowMs + this.#backoff.next(key);
    this.#delay(key, { priority, place: { at: 'parked', readyAtMs, untilMs: nowMs + PARKED_MAX_MS } });
  }

  /** It went wrong for a reason that has nothing to do with the nodes: again after a while. */
  retry(key: string, priority: number, nowMs: Millis): void {
    this.#delay(key, { priority, place: { at: 'backing-off', untilMs: nowMs + this.#backoff.next(key) } });
  }

  /** Something changed that may make room: parked pods are tried again, each after its own back-off. */
  unpark(nowMs: Millis): void {
    for (const [key, waiting] of this.#pods) {
      if (waiting.place.at !== 'parked') continue;
      const untilMs = waiting.place.readyAtMs;
      if (untilMs <= nowMs) this.add(key, waiting.priority);
      else this.#delay(key, { priority: waiting.priority, place: { at: 'backing-off', untilMs } });
    }
  }

  /** Lets go on what is due by `nowMs`. */
  promote(nowMs: Millis): void {
    for (let top = this.#delayed.peek(); top !== undefined && top.at <= nowMs; top = this.#delayed.peek()) {
      this.#delayed.pop();
      const { key, waiting, place } = top.item;
      if (this.#pods.get(key) === waiting && waiting.place === place) this.add(key, waiting.priority);
    }
  }

  nextDeadline(): Millis | undefined {
    for (let top = this.#delayed.peek(); top !== undefined; top = this.#delayed.peek()) {
      const { key, waiting, place } = top.item;
      if (this.#pods.get(key) === waiting && waiting.place === place) return top.at;
      this.#delayed.pop();
    }
    return undefined;
  }

  #delay(key: string, waiting: Waiting & { place: Exclude<Place, { at: 'active' }> }): void {
    this.#pods.set(key, waiting);
    this.#delayed.push(waiting.place.untilMs, { key, waiting, place: waiting.place });
  }
}
