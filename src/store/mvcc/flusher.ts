/**
 * Brings what the state machine applied to the backend: one batch in flight at a time, begun FLUSH_DELAY_MS after the
 * first change or as soon as FLUSH_WRITES writes wait. Between batches it gives back, slice by slice, the space of
 * compactions. The apply loop asks for room before each entry, so that a slow disk slows it instead of filling memory.
 */
import type { Clock, Timer } from '../../base/clock.ts';
import { deferred, type Deferred } from '../../base/deferred.ts';
import { BatchPoints } from '../faults/batch-points.ts';
import type { FaultHooks } from '../faults/fault-hooks.ts';
import type { LogIndex } from '../raft/core/types.ts';
import type { StateMachine } from '../state-machine.ts';
import type { Backend } from './backend.ts';

export const FLUSH_DELAY_MS = 100;
export const FLUSH_WRITES = 10_000;
/** Writes that may wait while a batch is in flight; past it {@link Flusher.room} makes its caller wait. */
export const PENDING_WRITES_MAX = 25_000;
/** A thousand keys, or what is forgotten in a millisecond (SCRUB_WRITES_MAX); then the others. etcd's pace is about this. */
const SCRUB_KEYS = 1000;
const SCRUB_PAUSE_MS = 3;

export interface FlusherOptions {
  readonly clock: Clock;
  readonly backend: Backend;
  readonly machine: StateMachine;
  readonly faults?: FaultHooks | undefined;
  /** A batch failed: nothing later is written, and the member must stop or reopen the backend. */
  readonly onFailure: (error: unknown) => void;
  /** The applied index that a crash now restarts from. */
  readonly onDurable?: (index: LogIndex) => void;
}

export class Flusher {
  readonly #options: FlusherOptions;
  readonly #points: BatchPoints | undefined;
  #timer: Timer | undefined;
  #scrubTimer: Timer | undefined;
  #inFlight: Promise<void> | undefined;
  #durableIndex: LogIndex;
  #failure: Error | undefined;
  #isStopped = false;
  #room: Deferred<void> | undefined;
  #scrubbed: Deferred<void> | undefined;

  constructor(options: FlusherOptions) {
    this.#options = options;
    this.#points = options.faults === undefined ? undefined : new BatchPoints(options.faults, options.machine.mvcc);
    this.#durableIndex = options.machine.applied.index;
    this.applied();
  }

  get durableIndex(): LogIndex {
    return this.#durableIndex;
  }

  /** To be called after entries were applied. */
  applied(): void {
    const { machine, clock } = this.#options;
    if (this.#isStopped || this.#failure !== undefined) return;
    if (machine.mvcc.isScrubbing && this.#scrubTimer === undefined) this.#scheduleScrub();
    if (!machine.isDirty) return;
    if (machine.pendingWrites >= FLUSH_WRITES) this.#begin();
    else this.#timer ??= clock.setTimer(FLUSH_DELAY_MS, () => this.#begin());
  }

  /** Undefined: there is room. Else resolves when there is. */
  room(): Promise<void> | undefined {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#options.machine.pendingWrites < PENDING_WRITES_MAX) return undefined;
    this.#room ??= deferred();
    return this.#room.promise;
  }

  /** Resolves when all that is applied now has landed; rejects when a batch failed. */
  async flush(): Promise<void> {
    // The one in flight may be older than the call; the next one, whoever began it, has everything.
    await this.#inFlight;
    if (this.#options.machine.isDirty) this.#begin();
    await this.#inFlight;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Resolves when the space of all compactions so far was given back, or when nothing more is written. */
  scrubbed(): Promise<void> {
    if (!this.#options.machine.mvcc.isScrubbing) return Promise.resolve();
    this.#scrubbed ??= deferred();
    return this.#scrubbed.promise;
  }

  /** Lands what is applied, unless a batch failed; afterwards nothing is written. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    if (this.#failure === undefined) await this.flush().catch(() => undefined);
    this.abandon();
  }

  /** Stops at once: what has not landed comes back from the log. A batch in flight may still land. */
  abandon(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#scrubTimer?.cancel();
    this.#room?.resolve();
    this.#scrubbed?.resolve();
  }

  #begin(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#inFlight !== undefined || this.#isStopped || this.#failure !== undefined) return;
    this.#inFlight = this.#write();
  }

  async #write(): Promise<void> {
    const { machine, backend, onDurable } = this.#options;
    if (this.#points !== undefined) await this.#points.beforeTake();
    const { ops, applied } = machine.takeBatch();
    this.#room?.resolve();
    this.#room = undefined;
    try {
      if (this.#points !== undefined) await this.#points.beforeWrite();
      await backend.batch(ops);
      if (this.#points !== undefined) await this.#points.afterWrite();
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    machine.batchLanded();
    this.#durableIndex = applied.index;
    this.#inFlight = undefined;
    onDurable?.(applied.index);
    this.applied();
  }

  #fail(failure: Error): void {
    this.#failure = failure;
    this.#inFlight = undefined;
    this.#room?.reject(failure);
    this.#scrubbed?.reject(failure);
    if (!this.#isStopped) this.#options.onFailure(failure);
  }

  #scheduleScrub(): void {
    this.#scrubTimer = this.#options.clock.setTimer(SCRUB_PAUSE_MS, () => {
      this.#scrubTimer = undefined;
      const { machine } = this.#options;
      // A disk that is behind gets no more to do, and no batch larger than need be: it is taken in one turn of the loop.
      // While one is in flight the backend may be closed, and blocks cannot be read.
      if (machine.pendingWrites < FLUSH_WRITES && this.#inFlight === undefined) {
        machine.scrub(SCRUB_KEYS);
        this.#points?.scrubbed();
      }
      if (!machine.mvcc.isScrubbing) {
        this.#scrubbed?.resolve();
        this.#scrubbed = undefined;
      }
      this.applied();
    });
  }
}
