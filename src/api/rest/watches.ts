/**
 * Watches: lines of JSON until the client leaves, the time is over, or the client is too slow. Events that came together
 * leave together: a watch that has just written waits for the common tick, so that a thousand watchers of one kind cost a
 * write each and not one an event; the same events for the same shape are encoded once for all of them.
 */
import { fromUtf8 } from '../../base/bytes.ts';
import type { Clock } from '../../base/clock.ts';
import { ApiError } from '../../kube/errors.ts';
import { apiVersionOf } from '../../kube/resources.ts';
import { bookmarkTable, columnDefinitionsOf, columnsOf, partialOf } from '../core/table.ts';
import type { Kind } from '../kinds/kind.ts';
import { bookmarkMeta, type Bookmark, type CacheEvent, type CacheWatch } from '../watch-cache.ts';
import type { Shape } from './core/negotiation.ts';
import type { IncludeObject } from './core/query.ts';
import { rowOf } from './lists.ts';
import type { RestLimits } from './limits.ts';
import type { Reply } from './reply.ts';

/** A tick for so many watches: a few go out at once, thousands within a twentieth of a second. */
const WATCHES_A_TICK_MS = 20;
const TICK_MS_MAX = 50;
/** Batches that watchers of one kind are likely to share at one time. */
const BATCHES_KEPT = 8;

export interface WatchWorld {
  readonly clock: Clock;
  readonly limits: RestLimits;
  readonly ticks: Ticks;
}

export interface WatchShowing {
  readonly kind: Kind;
  readonly shape: Shape;
  readonly includeObject: IncludeObject;
}

/** How a watch ended, for the log. */
export type WatchEnd = 'over' | 'gone' | 'slow' | 'stalled' | 'expired';

export async function writeWatch(reply: Reply, events: CacheWatch, isSlow: () => boolean, encoder: EventEncoder, world: WatchWorld): Promise<WatchEnd> {
  const iterator = events[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await iterator.next();
      if (reply.isOver) return 'gone';
      // What waits is let go: the client resumes behind what it has.
      if (isSlow()) return await endSlow(reply, world);
      if (next.done === true) return 'over';
      for (const bytes of encoder.chunks([next.value, ...events.takeAll()], world.limits.watchBufferBytesMax)) {
        if (!(await taken(reply, bytes, world))) return reply.isOver ? 'gone' : endStalled(reply);
        if (isSlow()) return await endSlow(reply, world);
      }
      await world.ticks.next();
    }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    await reply.write(errorFrame(error));
    return 'expired';
  } finally {
    reply.end();
    await iterator.return?.();
  }
}

/** False: the client has gone, or takes nothing. */
async function taken(reply: Reply, bytes: Uint8Array, { clock, limits }: WatchWorld): Promise<boolean> {
  let isStalled = false;
  const written = reply.write(bytes);
  const stalled = new Promise<void>((resolve) => {
    const timer = clock.setTimer(limits.watchStallMs, () => {
      isStalled = true;
      resolve();
    });
    void written.then(() => timer.cancel());
  });
  await Promise.race([written, stalled]);
  return !isStalled && !reply.isOver;
}

async function endSlow(reply: Reply, world: WatchWorld): Promise<WatchEnd> {
  const message = 'the watch is closed: its client takes events more slowly than they happen; resume from the last resourceVersion that was received';
  const error = new ApiError('TooManyRequests', message, { details: { retryAfterSeconds: 1 } });
  if (!(await taken(reply, errorFrame(error), world))) reply.destroy();
  return 'slow';
}

function endStalled(reply: Reply): WatchEnd {
  reply.destroy();
  return 'stalled';
}

export function errorFrame(error: ApiError): Uint8Array {
  return fromUtf8(`${JSON.stringify({ type: 'ERROR', object: error.toStatus() })}\n`);
}

/** The common tick. It lasts longer the more watches there are. */
export class Ticks {
  readonly #clock: Clock;
  readonly #watches: () => number;
  #next: Promise<void> | undefined;

  constructor(clock: Clock, watches: () => number) {
    this.#clock = clock;
    this.#watches = watches;
  }

  next(): Promise<void> {
    const tickMs = Math.min(TICK_MS_MAX, this.#watches() / WATCHES_A_TICK_MS);
    if (tickMs < 1) return Promise.resolve();
    this.#next ??= new Promise((resolve) => {
      this.#clock.setTimer(tickMs, () => {
        this.#next = undefined;
        resolve();
      });
    });
    return this.#next;
  }
}

/** Lines of one watch. Encoders of one kind and shape share what they have made, where they can. */
export interface EventEncoder {
  chunks(events: readonly CacheEvent[], bytesMax: number): Iterable<Uint8Array>;
}

export class EventEncoders {
  readonly #clock: Clock;
  readonly #recent: { readonly events: readonly CacheEvent[]; readonly bytes: Uint8Array }[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  for(showing: WatchShowing): EventEncoder {
    const line = showing.shape.as === 'object' ? objectLine : shapedLine(showing, this.#clock);
    const bookmark = bookmarkLine(showing);
    const parts = (event: CacheEvent) => (event.type === 'BOOKMARK' ? bookmark(event) : line(event));
    const isShared = showing.shape.as === 'object';
    return {
      chunks: (events, bytesMax) =>
        isShared && areShareable(events, bytesMax) ? [this.#shared(events)] : inChunks(events, parts, bytesMax),
    };
  }

  #shared(events: readonly CacheEvent[]): Uint8Array {
    const known = this.#recent.find((batch) => batch.events.length === events.length && batch.events.every((event, at) => event === events[at]));
    if (known !== undefined) return known.bytes;
    const bytes = Buffer.concat(events.flatMap(objectLine));
    if (this.#recent.push({ events, bytes }) > BATCHES_KEPT) this.#recent.shift();
    return bytes;
  }
}

/** A batch that is larger is a state to begin with, which each watcher has of its own. */
const SHARED_EVENTS_MAX = 64;

function areShareable(events: readonly CacheEvent[], bytesMax: number): boolean {
  if (events.length > SHARED_EVENTS_MAX) return false;
  let size = 0;
  for (const event of events) {
    if (event.type === 'BOOKMARK') return false;
    size += event.cached.json().length;
  }
  return size <= bytesMax;
}

const OPEN: Readonly<Record<string, Uint8Array>> = Object.fromEntries(
  ['ADDED', 'MODIFIED', 'DELETED'].map((type) => [type, fromUtf8(`{"type":"${type}","object":`)]),
);
const CLOSE = fromUtf8('}\n');

function objectLine(event: CacheEvent): Uint8Array[] {
  return event.type === 'BOOKMARK' ? [] : [OPEN[event.type]!, event.cached.json(), CLOSE];
}

function* inChunks(events: readonly CacheEvent[], line: (event: CacheEvent) => readonly Uint8Array[], bytesMax: number): Generator<Uint8Array> {
  let parts: Uint8Array[] = [];
  let size = 0;
  for (const event of events) {
    for (const bytes of line(event)) {
      parts.push(bytes);
      size += bytes.length;
    }
    if (size < bytesMax) continue;
    yield Buffer.concat(parts);
    parts = [];
    size = 0;
  }
  if (size > 0) yield Buffer.concat(parts);
}

function shapedLine({ kind, shape, includeObject }: WatchShowing, clock: Clock): (event: CacheEvent) => Uint8Array[] {
  const columns = columnsOf(kind);
  // Clients keep the columns of the first table.
  let definitions: unknown = columnDefinitionsOf(columns);
  return (event) => {
    if (event.type === 'BOOKMARK' || shape.as === 'object') return [];
    const { object } = event.cached;
    if (shape.as === 'partial') return [frame(event.type, partialOf(object, shape.version))];
    const row = rowOf(columns, includeObject, { wallMs: clock.wall(), version: shape.version })(object);
    const metadata = { resourceVersion: String(event.revision) };
    const table = { kind: 'Table', apiVersion: `meta.k8s.io/${shape.version}`, metadata, columnDefinitions: definitions, rows: [row] };
    definitions = null;
    return [frame(event.type, table)];
  };
}

function bookmarkLine({ kind, shape, includeObject }: WatchShowing): (bookmark: Bookmark) => Uint8Array[] {
  const whole = (metadata: object) => ({ kind: kind.info.kind, apiVersion: apiVersionOf(kind.info), metadata });
  return (bookmark) => {
    const metadata = bookmarkMeta(bookmark);
    if (shape.as === 'object') return [frame('BOOKMARK', whole(metadata))];
    const { version } = shape;
    const partial = partialOf({ metadata }, version);
    if (shape.as === 'partial') return [frame('BOOKMARK', partial)];
    const object = includeObject === 'None' ? null : includeObject === 'Object' ? whole(metadata) : partial;
    return [frame('BOOKMARK', bookmarkTable(columnsOf(kind), { version, metadata, object }))];
  };
}

function frame(type: string, object: object): Uint8Array {
  return fromUtf8(`${JSON.stringify({ type, object })}\n`);
}
