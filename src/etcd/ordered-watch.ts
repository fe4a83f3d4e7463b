/**
 * Watches whose answers about their progress come behind the events that they speak of, whichever etcd it is. Before
 * 3.4.25 and 3.5.8 etcd sent such an answer ahead of events that were still to come (etcd #15220), so that a watch of few
 * keys there can tell nobody how far it has seen.
 *
 * What can be trusted there is that the events of one watcher come in order, and that every revision is an event of some
 * key. So all watches of such a store are parts of one watch of all its keys: what it has come to, each part has seen.
 *
 *   store ──all keys──► WholeWatch, position ──its keys──► Part, Part, …
 *                            a Part that begins further back ──all keys, up to that position──► itself
 *
 * Other stores are asked directly. It costs a reader the events of kinds that he did not want, and a user of etcd's who
 * may not read all keys is refused.
 */
import { assert } from '../base/assert.ts';
import { toLatin1 } from '../base/bytes.ts';
import { deferred } from '../base/deferred.ts';
import { Pipe } from '../base/pipe.ts';
import type { Event, WatchCreateRequest, WatchResponse } from '../proto/etcd.ts';
import { RpcCode, RpcError } from '../proto/rpc.ts';
import type { Init } from '../proto/wire.ts';
import type { StoreClient, StoreWatch } from './store-client.ts';

/** Responses that wait for a part; past it the part breaks, and its reader begins again where he was. */
const PART_RESPONSES_MAX = 10_000;
const ALL_KEYS = { key: Uint8Array.of(0), rangeEnd: Uint8Array.of(0) } as const;

export interface WatchedRange {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  /** At least 1. */
  readonly startRevision: number;
}

export class OrderedWatches {
  readonly #client: StoreClient;
  readonly #whole: WholeWatch;
  #isOrdered: boolean | undefined;

  constructor(client: StoreClient) {
    this.#client = client;
    this.#whole = new WholeWatch(client);
  }

  watch(range: WatchedRange, signal: AbortSignal): StoreWatch {
    const direct = this.#client.watch({ ...range, progressNotify: true } satisfies Init<WatchCreateRequest>, { signal });
    const part = new Part(this.#client, this.#whole, range, signal);
    const isOrdered = () => this.#areOrdered();
    let chosen: StoreWatch | undefined;
    return {
      requestProgress: () => chosen?.requestProgress(),
      async *[Symbol.asyncIterator]() {
        chosen = (await isOrdered()) ? direct : part;
        yield* chosen;
        return undefined;
      },
    };
  }

  async #areOrdered(): Promise<boolean> {
    this.#isOrdered ??= orderedProgress((await this.#client.status()).version);
    return this.#isOrdered;
  }
}

function orderedProgress(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split(/[.+-]/).map(Number);
  if (major !== 3 || minor > 5) return major >= 3;
  return (minor === 5 && patch >= 8) || (minor === 4 && patch >= 25);
}

/** One reader's keys of it all. */
class Part implements StoreWatch {
  readonly #client: StoreClient;
  readonly #whole: WholeWatch;
  readonly #range: WatchedRange;
  readonly #signal: AbortSignal;
  readonly #from: string;
  readonly #to: string;
  readonly pipe = new Pipe<WatchResponse>(PART_RESPONSES_MAX);

  constructor(client: StoreClient, whole: WholeWatch, range: WatchedRange, signal: AbortSignal) {
    assert(range.rangeEnd.length > 0 && range.startRevision > 0, 'a part is a range, from a revision on');
    this.#client = client;
    this.#whole = whole;
    this.#range = range;
    this.#signal = signal;
    [this.#from, this.#to] = [toLatin1(range.key), toLatin1(range.rangeEnd)];
  }

  requestProgress(): void {
    this.#whole.ask(this);
  }

  async *[Symbol.asyncIterator](): AsyncIterator<WatchResponse, undefined> {
    const { startRevision } = this.#range;
    const position = await this.#whole.join(this);
    const stop = () => this.pipe.end(new RpcError(RpcCode.CANCELLED, 'the watch was cancelled'));
    this.#signal.addEventListener('abort', stop, { once: true });
    if (this.#signal.aborted) stop();
    try {
      yield response({ revision: position, created: true });
      if (startRevision <= position && (yield* this.#past(position)) === 'cancelled') return undefined;
      yield* this.pipe;
      return undefined;
    } finally {
      this.#signal.removeEventListener('abort', stop);
      this.#whole.leave(this);
    }
  }

  /** What happened before the whole watch was joined: until an event says that it has come as far. */
  async *#past(position: number): AsyncGenerator<WatchResponse, 'complete' | 'cancelled'> {
    const { startRevision } = this.#range;
    for await (const all of this.#client.watch({ ...ALL_KEYS, startRevision }, { signal: this.#signal })) {
      const last = all.events.at(-1)?.kv?.modRevision ?? 0;
      const events = this.of(all.events).filter(({ kv }) => kv !== undefined && kv.modRevision <= position);
      if (events.length > 0 || all.canceled) yield { ...all, created: false, events };
      if (all.canceled) return 'cancelled';
      if (last >= position) return 'complete';
    }
    throw broken('the watch of the past ended');
  }

  of(events: readonly Event[]): Event[] {
    return events.filter(({ kv }) => {
      if (kv === undefined || kv.modRevision < this.#range.startRevision) return false;
      const key = toLatin1(kv.key);
      return key >= this.#from && key < this.#to;
    });
  }
}

interface Question {
  readonly part: Part;
  /** What the store said it had come to; undefined: it has not answered yet. */
  revision: number | undefined;
}

/** Runs while somebody reads a part of it, from the moment at which the first one came. */
class WholeWatch {
  readonly #client: StoreClient;
  #run: WholeRun | undefined;

  constructor(client: StoreClient) {
    this.#client = client;
  }

  /** Resolves with the revision behind which the part's events come through its pipe. */
  async join(part: Part): Promise<number> {
    this.#run ??= new WholeRun(this.#client, (run) => this.#forget(run));
    return await this.#run.join(part);
  }

  leave(part: Part): void {
    this.#run?.leave(part);
  }

  ask(part: Part): void {
    this.#run?.ask(part);
  }

  #forget(run: WholeRun): void {
    if (this.#run === run) this.#run = undefined;
  }
}

class WholeRun {
  readonly #parts = new Set<Part>();
  /** In the order in which they were asked, which is that of the answers. */
  #questions: Question[] = [];
  readonly #began = deferred<void>();
  readonly #controller = new AbortController();
  readonly #watch: StoreWatch;
  /** All up to it has been handed on. */
  #position = 0;
  #joining = 0;
  #error: Error | undefined;

  constructor(client: StoreClient, onEnd: (run: WholeRun) => void) {
    this.#watch = client.watch(ALL_KEYS, { signal: this.#controller.signal });
    this.#began.promise.catch(() => undefined);
    void this.#follow().catch((error: unknown) => {
      onEnd(this);
      this.#fail(error instanceof Error ? error : broken(String(error)));
    });
    this.#controller.signal.addEventListener('abort', () => onEnd(this), { once: true });
  }

  async join(part: Part): Promise<number> {
    this.#joining++;
    try {
      await this.#began.promise;
    } finally {
      this.#joining--;
    }
    if (this.#error !== undefined) throw this.#error;
    this.#parts.add(part);
    return this.#position;
  }

  leave(part: Part): void {
    this.#parts.delete(part);
    this.#questions = this.#questions.filter((question) => question.part !== part || question.revision === undefined);
    if (this.#parts.size === 0 && this.#joining === 0) this.#controller.abort();
  }

  ask(part: Part): void {
    if (!this.#parts.has(part)) return;
    this.#questions.push({ part, revision: undefined });
    this.#watch.requestProgress();
  }

  async #follow(): Promise<never> {
    for await (const all of this.#watch) {
      if (all.canceled) throw broken(`the watch of all keys was cancelled: ${all.cancelReason}`);
      // It begins behind the revision that it was created at.
      if (all.created) {
        this.#position = all.header?.revision ?? 0;
        this.#began.resolve();
      } else if (all.events.length > 0) this.#take(all);
      else this.#answered(all.header?.revision ?? 0);
      this.#answer();
    }
    throw broken('the watch of all keys ended');
  }

  #take(all: WatchResponse): void {
    for (const part of this.#parts) {
      const events = part.of(all.events);
      if (events.length === 0 || part.pipe.push({ ...all, events })) continue;
      this.#parts.delete(part);
      part.pipe.end(broken('the reader of a watch is too slow'));
    }
    this.#position = Math.max(this.#position, all.events.at(-1)?.kv?.modRevision ?? 0);
  }

  #answered(revision: number): void {
    const first = this.#questions.find((question) => question.revision === undefined);
    if (first !== undefined) first.revision = revision;
  }

  /** Every revision is an event, so that the position comes to whatever the store has said. */
  #answer(): void {
    if (this.#questions.length === 0) return;
    const isDue = ({ revision }: Question) => revision !== undefined && revision <= this.#position;
    const due = this.#questions.filter(isDue);
    this.#questions = this.#questions.filter((question) => !isDue(question));
    for (const part of new Set(due.map((question) => question.part))) part.pipe.push(response({ revision: this.#position }));
  }

  #fail(error: Error): void {
    this.#error = error;
    this.#began.reject(error);
    for (const { pipe } of this.#parts) pipe.end(error);
    this.#parts.clear();
  }
}

function response({ revision, created = false }: { readonly revision: number; readonly created?: boolean }): WatchResponse {
  const header = { clusterId: 0n, memberId: 0n, revision, raftTerm: 0 };
  return { header, watchId: 0, created, canceled: false, compactRevision: 0, cancelReason: '', fragment: false, events: [] };
}

function broken(why: string): RpcError {
  return new RpcError(RpcCode.UNAVAILABLE, why);
}
