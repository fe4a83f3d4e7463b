/**
 * The points around a batch for the backend. A compaction has no batches of its own: what it marks and what it deletes
 * goes with everything else that waits, so that one batch may be the first, the only and the last one of a compaction.
 */
import type { AwaitedPoint } from './core/points.ts';
import type { FaultHooks } from './fault-hooks.ts';

/** Of the MVCC store. */
export interface Compacting {
  readonly compactRevision: number;
  readonly isScrubbing: boolean;
}

export class BatchPoints {
  readonly #faults: FaultHooks;
  readonly #mvcc: Compacting;
  #compactRevision: number;
  #hasScrubbed = false;
  /** What the batch under way is of a compaction. */
  #parts: readonly ('CommitScheduledCompact' | 'CommitBatch' | 'SetFinishedCompact')[] = [];

  constructor(faults: FaultHooks, mvcc: Compacting) {
    this.#faults = faults;
    this.#mvcc = mvcc;
    this.#compactRevision = mvcc.compactRevision;
  }

  /** A slice of a compaction was given back. */
  scrubbed(): void {
    this.#hasScrubbed = true;
  }

  async beforeTake(): Promise<void> {
    await this.#faults.at('commitBeforePreCommitHook');
  }

  /** To be called in the same turn in which the batch was taken. */
  async beforeWrite(): Promise<void> {
    const { compactRevision, isScrubbing } = this.#mvcc;
    this.#parts = [
      ...(compactRevision === this.#compactRevision ? [] : (['CommitScheduledCompact'] as const)),
      ...(this.#hasScrubbed ? (['CommitBatch'] as const) : []),
      ...(this.#hasScrubbed && !isScrubbing ? (['SetFinishedCompact'] as const) : []),
    ];
    this.#compactRevision = compactRevision;
    this.#hasScrubbed = false;
    await this.#faults.at('commitAfterPreCommitHook');
    await this.#all(this.#parts.map((part) => `compactBefore${part}` as const));
    await this.#faults.at('beforeCommit');
  }

  async afterWrite(): Promise<void> {
    await this.#faults.at('afterCommit');
    await this.#all(this.#parts.map((part) => `compactAfter${part}` as const));
  }

  async #all(points: readonly AwaitedPoint[]): Promise<void> {
    for (const point of points) await this.#faults.at(point);
  }
}
