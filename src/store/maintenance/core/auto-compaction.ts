/**
 * When to forget history by itself, in etcd's two ways. Every member keeps the records, so that one that begins to lead
 * knows how old a revision is; only the leader acts on the answer.
 *
 *   periodic   keeps what is younger than the retention: a revision is noted every tenth of it (of an hour, if it is
 *              longer), and the oldest note is compacted once it has reached the age
 *   revision   keeps the last so many revisions; looked at every five minutes
 */
import { unreachable } from '../../../base/assert.ts';
import type { Millis } from '../../../base/clock.ts';
import type { Revision } from '../../mvcc/core/revision.ts';

export interface AutoCompactionOptions {
  readonly mode: 'periodic' | 'revision';
  /** Milliseconds, or revisions. 0: off. */
  readonly retention: number;
}

const HOUR_MS = 3_600_000;
const NOTES_PER_INTERVAL = 10;
const REVISION_INTERVAL_MS = 300_000;

export class AutoCompaction {
  /** Between two calls of `look`. */
  readonly intervalMs: Millis;
  readonly #options: AutoCompactionOptions;
  /** Periodic: oldest first, one for each look. */
  #notes: Revision[] = [];
  /** The last one that was compacted. */
  #compacted: Revision = 0;
  #nextAtMs: Millis;

  constructor(options: AutoCompactionOptions, now: Millis) {
    this.#options = options;
    const { mode, retention } = options;
    this.intervalMs = mode === 'revision' ? REVISION_INTERVAL_MS : Math.min(retention, HOUR_MS) / NOTES_PER_INTERVAL;
    this.#nextAtMs = now + (mode === 'revision' ? 0 : retention);
  }

  /** To be called every interval; the revision to compact to, if it is time. */
  look(now: Millis, revision: Revision): Revision | undefined {
    const { mode, retention } = this.#options;
    switch (mode) {
      case 'revision':
        return this.#ifNew(revision - retention);
      case 'periodic': {
        this.#notes.push(revision);
        // The oldest note is as old as the retention, not older.
        while (this.#notes.length > Math.floor(retention / this.intervalMs) + 1) this.#notes.shift();
        return now < this.#nextAtMs ? undefined : this.#ifNew(this.#notes[0]!);
      }
      default:
        return unreachable(mode);
    }
  }

  /** It was compacted, by us or by somebody else; without this the next look asks again. */
  compacted(now: Millis, revision: Revision): void {
    this.#compacted = revision;
    this.#nextAtMs = now + Math.min(this.#options.retention, HOUR_MS);
  }

  #ifNew(revision: Revision): Revision | undefined {
    return revision > this.#compacted ? revision : undefined;
  }
}
