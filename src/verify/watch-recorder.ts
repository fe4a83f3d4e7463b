/** A watcher that lives through faults and keeps what it was sent, as core/watch-promises.ts judges it. */
import { toLatin1 } from '../base/bytes.ts';
import type { Clock } from '../base/clock.ts';
import type { StoreClient, StoreWatch } from '../etcd/store-client.ts';
import { type Event, EventType, type KeyValue, type WatchResponse } from '../proto/etcd.ts';
import { RpcCode, RpcError } from '../proto/rpc.ts';
import type { StoreEvent } from './core/store-model.ts';
import type { Previous, SeenResponse, SeenWatch } from './core/watch-promises.ts';
import { isExpectedFailure, pause } from './recorder.ts';
import { rangeOf } from './requests.ts';

const PROGRESS_EVERY_MS = 250;
/** How long a watcher waits after its watch broke. */
const RETRY_MS = 20;

export interface WatchOptions {
  readonly client: StoreClient;
  readonly clock: Clock;
  readonly name: string;
  readonly key: string;
  readonly rangeEnd?: string;
  /** The first revision to watch from; 1 if absent. */
  readonly startRevision?: number;
  /** Asks for the values before, and records them. */
  readonly prevKv?: boolean;
  /** Somebody compacts meanwhile: a value before may be gone. */
  readonly mayLackPrevious?: boolean;
  /** See SeenWatch. */
  readonly mayLagBookmark?: boolean;
}

/** Revisions that a watcher could not be told of any more: it was away while they were compacted. */
export interface Gap {
  readonly from: number;
  readonly to: number;
}

/**
 * Watches through whatever happens, from its first revision on, and asks for progress now and then; begins again behind what it
 * has seen when the way to the store breaks. core/watch-promises.ts judges each watch of `watches`.
 */
export class WatchRecorder {
  readonly watches: SeenWatch[] = [];
  readonly gaps: Gap[] = [];
  readonly #options: WatchOptions;
  #reached: number;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#reached = (options.startRevision ?? 1) - 1;
  }

  /** Everything up to this revision has been seen, by the last event or the last progress response. */
  get reached(): number {
    return this.#reached;
  }

  /** Until `signal` fires; rejects on a failure that no fault explains. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      try {
        await this.#watch(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!isExpectedFailure(error)) throw error;
      }
      await pause(clock, RETRY_MS, signal);
    }
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { client, clock, name, key, rangeEnd, prevKv = false, mayLackPrevious = false, mayLagBookmark = false } = this.#options;
    const responses: SeenResponse[] = [];
    const startRevision = this.#reached + 1;
    const range = rangeEnd === undefined ? { key } : { key, rangeEnd };
    this.watches.push({ name: `${name}, watch ${this.watches.length + 1}`, ...range, startRevision, mayLackPrevious, mayLagBookmark, responses });
    const watch = client.watch({ ...rangeOf(range), startRevision, prevKv, progressNotify: true }, { signal });
    const over = new AbortController();
    const asking = this.#askProgress(watch, over.signal, clock);
    try {
      for await (const response of watch) {
        if (response.compactRevision > startRevision) return this.#skip(startRevision, response.compactRevision);
        if (response.canceled) throw new RpcError(RpcCode.UNAVAILABLE, `cancelled: ${response.cancelReason}`);
        const seen = seenResponse(response, prevKv);
        responses.push(seen);
        if (seen.kind === 'progress') this.#reached = Math.max(this.#reached, seen.revision);
        for (const { revision } of seen.events) this.#reached = Math.max(this.#reached, revision);
      }
    } finally {
      over.abort();
      await asking;
    }
  }

  #skip(from: number, compactRevision: number): void {
    this.gaps.push({ from, to: compactRevision - 1 });
    this.#reached = Math.max(this.#reached, compactRevision - 1);
  }

  async #askProgress(watch: StoreWatch, signal: AbortSignal, clock: Clock): Promise<void> {
    while (!signal.aborted) {
      await pause(clock, PROGRESS_EVERY_MS, signal);
      if (!signal.aborted) watch.requestProgress();
    }
  }
}

function seenResponse({ created, header, events }: WatchResponse, prevKv: boolean): SeenResponse {
  const kind = created ? 'created' : events.length > 0 ? 'events' : 'progress';
  const seen = { kind, revision: header?.revision ?? 0, events: events.map(toStoreEvent) } as const;
  return prevKv ? { ...seen, previous: events.map(({ prevKv: before }) => toPrevious(before)) } : seen;
}

function toPrevious(before: KeyValue | undefined): Previous | undefined {
  return before === undefined ? undefined : { modRevision: before.modRevision, value: toLatin1(before.value) };
}

function toStoreEvent({ type, kv }: Event): StoreEvent {
  if (kv === undefined) throw new RpcError(RpcCode.INTERNAL, 'an event without its key');
  const kind = type === EventType.DELETE ? 'delete' : 'put';
  return { revision: kv.modRevision, kind, key: toLatin1(kv.key), value: toLatin1(kv.value) };
}

/** Everything that was written from revision 1 up to `toRevision`, as one watch tells it. Nothing may be compacted. */
export async function readEvents(client: StoreClient, toRevision: number, signal?: AbortSignal): Promise<StoreEvent[]> {
  const events: StoreEvent[] = [];
  const all = Uint8Array.of(0);
  const watch = client.watch({ key: all, rangeEnd: all, startRevision: 1 }, { signal });
  for await (const response of watch) {
    if (response.canceled) throw new RpcError(RpcCode.OUT_OF_RANGE, `the watch was cancelled: ${response.cancelReason}`);
    events.push(...response.events.map(toStoreEvent));
    if ((events.at(-1)?.revision ?? 1) >= toRevision) break;
  }
  return events;
}
