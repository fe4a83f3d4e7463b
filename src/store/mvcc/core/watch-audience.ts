/**
 * Watchers of one stream that are told the same: of the same range, with the same wishes, and synced. What happens is offered
 * to an audience, not to each of its watchers, so that a thousand of one key cost little more than one.
 */
import type { KeyRange } from './key-index.ts';
import type { Key, Revision, Write } from './revision.ts';
import type { SharedEvent } from './shared-event.ts';

export interface Watcher {
  readonly id: number;
  readonly range: KeyRange;
  /** Set where the range is one key. */
  readonly exact: Key | undefined;
  readonly noPut: boolean;
  readonly noDelete: boolean;
  readonly isWanted: (write: Write) => boolean;
  readonly prevKv: boolean;
  readonly progressNotify: boolean;
  readonly fragment: boolean;
  /** Events that are older are not owed. */
  readonly start: Revision;
  /** Nor is older progress (etcd's #20221): not before a start that was named, or the revision of the `created` answer. */
  readonly progressFrom: Revision;
  /** While unsynced: the revision that history is to be read from. */
  next: Revision;
  /** While synced, and only then. */
  audience: Audience | undefined;
  /** The number of the last message for it, as its stream counts them. */
  lastQueued: number;
  /** Nothing was sent since the last periodic progress. */
  isQuiet: boolean;
}

/** Of one revision, all that is for an audience. */
export interface Owed {
  readonly revision: Revision;
  readonly events: readonly SharedEvent[];
}

/** What an audience's stream does with it. */
export interface AudienceOwner {
  offer(audience: Audience, owed: Owed): void;
}

/** Who was in an audience when a message was made for it. */
export interface Listeners {
  readonly watchers: readonly Watcher[];
  readonly ids: readonly number[];
}

/** Waits in the queue: what happens until it is taken leaves with it, in one answer. */
export interface OpenMessage {
  readonly kind: 'open';
  readonly audience: Audience;
  readonly listeners: Listeners;
  revision: Revision;
  readonly events: SharedEvent[];
  bytes: number;
  /** The stream's count of what may not be overtaken, when it was queued. */
  readonly era: number;
  /** The stream's periodic progress before its last event. */
  tick: number;
  /** How many of the listeners have theirs. */
  taken: number;
}

export class Audience {
  readonly name: string;
  readonly stream: AudienceOwner;
  readonly range: KeyRange;
  readonly exact: Key | undefined;
  readonly isWanted: (write: Write) => boolean;
  readonly prevKv: boolean;
  readonly fragment: boolean;
  /** What is older is for none of them; 0 where that was so when they were synced. */
  readonly start: Revision;
  /** The last message for it, while later events may still be put into it. */
  open: OpenMessage | undefined;
  readonly #members = new Set<Watcher>();
  #listeners: Listeners | undefined;

  constructor(stream: AudienceOwner, name: string, watcher: Watcher, start: Revision) {
    this.stream = stream;
    this.name = name;
    this.range = watcher.range;
    this.exact = watcher.exact;
    this.isWanted = watcher.isWanted;
    this.prevKv = watcher.prevKv;
    this.fragment = watcher.fragment;
    this.start = start;
  }

  get size(): number {
    return this.#members.size;
  }

  /** Kept until somebody comes or goes, and by the messages that were made meanwhile. */
  get listeners(): Listeners {
    this.#listeners ??= { watchers: [...this.#members], ids: Array.from(this.#members, ({ id }) => id) };
    return this.#listeners;
  }

  add(watcher: Watcher): void {
    this.#members.add(watcher);
    watcher.audience = this;
    this.#changed();
  }

  delete(watcher: Watcher): void {
    this.#members.delete(watcher);
    watcher.audience = undefined;
    this.#changed();
  }

  #changed(): void {
    this.#listeners = undefined;
    this.open = undefined;
  }
}

/** Equal for those that are told the same. */
export function audienceName({ range, noPut, noDelete, prevKv, fragment }: Watcher, start: Revision): string {
  const wishes = (noPut ? 1 : 0) | (noDelete ? 2 : 0) | (prevKv ? 4 : 0) | (fragment ? 8 : 0) | (range.to === undefined ? 16 : 0);
  return `${wishes} ${start} ${range.from.length} ${range.from}${range.to ?? ''}`;
}
