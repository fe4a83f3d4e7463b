/**
 * Runs one reconciler: level-triggered workers over a queue of keys. A reconcile ends in one of three ways: done, again
 * after a while, or a failure that is retried with back-off; besides, `terminal` is reported and not retried. A key is
 * not worked on again before the caches have seen what its last work wrote.
 */
import type { Clock, Millis, Timer } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { Tasks } from '../base/tasks.ts';
import type { ApiClient, ResourceRef } from './api-client.ts';
import { isConflict } from './api-error.ts';
import { Backoff } from './core/backoff.ts';
import { WorkQueue } from './core/work-queue.ts';
import { resourceName } from './informer.ts';
import { OwnWrites, type SeenCache, type WatchedCaches } from './own-writes.ts';

export type Outcome =
  | { readonly kind: 'done' }
  /** Not an error: there is something to look at later. */
  | { readonly kind: 'requeue'; readonly afterMs: Millis }
  | { readonly kind: 'failure'; readonly error: unknown }
  /** No retry will help before the object changes. */
  | { readonly kind: 'terminal'; readonly message: string };

export const DONE: Outcome = { kind: 'done' };

/** Done, or again after a while if there is a while. */
export function requeueAfter(afterMs: Millis | undefined): Outcome {
  return afterMs === undefined ? DONE : { kind: 'requeue', afterMs };
}

/** What a controller needs of an informer of whatever kind. */
export interface WatchedInformer {
  readonly ref: ResourceRef;
  readonly cache: SeenCache;
  listen(listener: { progressed(): void }): void;
}

export interface ControllerOptions {
  readonly name: string;
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly log: Log;
  /** What the reconciler plans from. They are run by whoever made them. */
  readonly informers: readonly WatchedInformer[];
  reconcile(key: string, writes: OwnWrites): Promise<Outcome>;
  readonly workersMax?: number;
}

const WORKERS_MAX = 4;
const RETRY_FIRST_MS = 10;
const RETRY_MAX_MS = 30_000;
/** How long a key waits for the caches; then something is wrong with the watch, and standing still would be worse. */
const CATCH_UP_MAX_MS = 60_000;

interface Pending {
  readonly writes: OwnWrites;
  readonly untilMs: Millis;
}

export class Controller {
  readonly #options: ControllerOptions;
  readonly #queue = new WorkQueue();
  readonly #backoff = new Backoff({ firstMs: RETRY_FIRST_MS, maxMs: RETRY_MAX_MS });
  readonly #caches: WatchedCaches;
  /** What keys have written and the caches have not seen yet. */
  readonly #pending = new Map<string, Pending>();
  /** Keys that are due but for what is pending. */
  readonly #parked = new Set<string>();
  readonly #tasks: Tasks;
  #working = 0;
  #isRunning = false;
  #timer: Timer | undefined;

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#caches = new Map(options.informers.map((informer) => [resourceName(informer.ref), informer.cache]));
    for (const informer of options.informers) informer.listen({ progressed: () => this.#unpark() });
    this.#tasks = new Tasks((error) => this.#log('error', '', error));
  }

  /** Work that waits or runs. */
  get length(): number {
    return this.#queue.length + this.#working + this.#parked.size;
  }

  enqueue(key: string): void {
    this.#queue.add(key);
    this.#dispatch();
  }

  enqueueAfter(key: string, afterMs: Millis): void {
    this.#queue.addAt(key, this.#options.clock.monotonic() + afterMs);
    this.#arm();
  }

  /** Works until `signal` fires, then lets what runs come to its end. To be called when the informers have synced. */
  async run(signal: AbortSignal): Promise<void> {
    this.#isRunning = !signal.aborted;
    this.#dispatch();
    if (!signal.aborted) {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    }
    this.#isRunning = false;
    this.#timer?.cancel();
    await this.#tasks.idle();
  }

  #dispatch(): void {
    if (!this.#isRunning) return;
    this.#queue.promote(this.#options.clock.monotonic());
    while (this.#working < (this.#options.workersMax ?? WORKERS_MAX)) {
      const key = this.#queue.take();
      if (key === undefined) break;
      if (this.#mustWait(key)) {
        this.#queue.done(key);
        this.#parked.add(key);
        this.#queue.addAt(key, this.#pending.get(key)!.untilMs);
        continue;
      }
      this.#working++;
      this.#tasks.run(this.#work(key));
    }
    this.#arm();
  }

  #mustWait(key: string): boolean {
    const pending = this.#pending.get(key);
    if (pending === undefined) return false;
    const isOverdue = this.#options.clock.monotonic() >= pending.untilMs;
    if (!pending.writes.isSeen(this.#caches) && !isOverdue) return true;
    if (isOverdue) this.#log('warn', key, 'the caches have not caught up');
    this.#pending.delete(key);
    this.#parked.delete(key);
    return false;
  }

  async #work(key: string): Promise<void> {
    const writes = new OwnWrites(this.#options.client);
    let outcome: Outcome;
    try {
      outcome = await this.#options.reconcile(key, writes);
    } catch (error) {
      outcome = { kind: 'failure', error };
    }
    if (!writes.isSeen(this.#caches)) {
      this.#pending.set(key, { writes, untilMs: this.#options.clock.monotonic() + CATCH_UP_MAX_MS });
    }
    this.#working--;
    this.#queue.done(key);
    this.#settle(key, outcome);
    this.#dispatch();
  }

  #settle(key: string, outcome: Outcome): void {
    const nowMs = this.#options.clock.monotonic();
    if (outcome.kind === 'failure') {
      const afterMs = this.#backoff.next(key);
      // A conflict says that the cache was behind: expected, and cured by the next try.
      this.#log(isConflict(outcome.error) || !this.#isRunning ? 'debug' : 'warn', key, outcome.error);
      this.#queue.addAt(key, nowMs + afterMs);
      return;
    }
    this.#backoff.forget(key);
    if (outcome.kind === 'requeue') this.#queue.addAt(key, nowMs + outcome.afterMs);
    if (outcome.kind === 'terminal') this.#log('warn', key, outcome.message);
  }

  /** A cache has read further: what waited for that may go on. */
  #unpark(): void {
    for (const key of this.#parked) {
      if (this.#pending.get(key)?.writes.isSeen(this.#caches) === false) continue;
      this.#parked.delete(key);
      this.#queue.add(key);
    }
    this.#dispatch();
  }

  #arm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const at = this.#queue.nextDeadline();
    if (at === undefined || !this.#isRunning) return;
    const clock = this.#options.clock;
    this.#timer = clock.setTimer(at - clock.monotonic(), () => this.#dispatch());
  }

  #log(level: 'debug' | 'warn' | 'error', key: string, error: unknown): void {
    this.#options.log[level]({ controller: this.#options.name, key, error: describeError(error) }, 'controller: not done');
  }
}
