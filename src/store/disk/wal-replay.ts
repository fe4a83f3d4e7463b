/** What a log says, record by record: the state that a restart begins with. */
import type { Entry, HardState, LogIndex, SnapshotMeta } from '../raft/core/types.ts';
import type { WalRecord } from './wal-record.ts';

export interface RestoredWal {
  readonly hardState: HardState;
  /** The log begins behind it. */
  readonly snapshot: SnapshotMeta;
  /** Without a gap, from `snapshot.index + 1`. */
  readonly entries: readonly Entry[];
}

export class WalReplay {
  #hardState: HardState = { term: 0, votedFor: 0n, commit: 0 };
  #snapshot: SnapshotMeta | undefined;
  #entries: Entry[] = [];

  get lastIndex(): LogIndex {
    return this.#entries.at(-1)?.index ?? this.#snapshot?.index ?? 0;
  }

  /** False: the record does not fit to those before it. */
  add(record: WalRecord): boolean {
    switch (record.type) {
      case 'header':
        return true;
      case 'hard-state':
        this.#hardState = record.hardState;
        return true;
      case 'snapshot':
        this.#takeSnapshot(record.snapshot);
        return true;
      case 'entry':
        return this.#append(record.entry);
    }
  }

  /** Undefined where the entries do not begin where the log does. */
  finish(): RestoredWal | undefined {
    if (this.#snapshot === undefined) return undefined;
    const first = this.#entries[0];
    if (first !== undefined && first.index !== this.#snapshot.index + 1) return undefined;
    return { hardState: this.#hardState, snapshot: this.#snapshot, entries: this.#entries };
  }

  #append(entry: Entry): boolean {
    if (entry.index <= (this.#snapshot?.index ?? 0)) return true;
    const first = this.#entries[0];
    if (first === undefined) {
      this.#entries.push(entry);
      return true;
    }
    const keep = entry.index - first.index;
    if (keep > this.#entries.length) return false;
    // A later leader's entry replaces what it conflicts with, and all behind it. Where it lies below the first one, the
    // segment of those between was released: a compaction above them follows.
    this.#entries.length = Math.max(0, keep);
    this.#entries.push(entry);
    return true;
  }

  /** A compaction keeps what comes behind it; a peer's snapshot, which our log does not contain, replaces all. */
  #takeSnapshot(snapshot: SnapshotMeta): void {
    if (snapshot.index < (this.#snapshot?.index ?? 0)) return;
    const first = this.#entries[0];
    const known = this.#entries.find((entry) => entry.index === snapshot.index);
    // Where the log begins behind it, the segment that held it was released.
    const isKnown = known?.term === snapshot.term || (first !== undefined && first.index > snapshot.index);
    this.#entries = isKnown ? this.#entries.filter((entry) => entry.index > snapshot.index) : [];
    this.#snapshot = snapshot;
  }
}
