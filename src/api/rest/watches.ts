/**
 * Watches: lines of JSON until the client leaves, the time is over, or the client is too slow. Events that came together
 * leave together: a watch that has just written waits for the common tick, so that a thousand watchers of one kind cost a
 * write each and not one an event; the same events for the same shape are encoded once for all of them.
 */
import { EMPTY_BYTES, fromUtf8 } from '../../base/bytes.ts';
import type { Clock } from '../../base/clock.ts';
import { ApiError } from '../../kube/errors.ts';
import { apiVersionOf } from '../../kube/resources.ts';
import { bookmarkTable, columnDefinitionsOf, columnsOf, partialOf, rowOf, type IncludeObject } from '../core/table.ts';
import type { Kind } from '../kinds/kind.ts';
import type { CacheWatch } from '../watch-audience.ts';
import { bookmarkMeta, type Bookmark, type CacheEvent } from '../watch-cache.ts';
import type { Shape } from './core/negotiation.ts';
import type { RestLimits } from './limits.ts';
import type { Reply } from './reply.ts';

/** A tick for so many watches: a few go out at once; thousands take their time to write, and wait no longer than that. */
const WATCHES_A_TICK_MS = 20;
const TICK_MS_MAX = 50;
/** A tick of many watches falls into parts, between which the server reads what has come: to write to all takes tens of ms. */
const PART_MS = 5;

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

export async function writeWatch(reply: Reply, watch: CacheWatch, isSlow: () => boolean, encoder: EventEncoder, world: WatchWorld): Promise<WatchEnd> {
  const iterator = watch[Symbol.asyncIterator]();
  const place = world.ticks.place();
  try {
    for (;;) {
      // Most have something waiting when their turn comes.
      const waiting = watch.takeWaiting?.() ?? [];
      const next = waiting.length > 0 ? { done: false, value: waiting } : await iterator.next();
      if (reply.isOver) return 'gone';
      // What waits is let go: the client resumes behind what it has.
      if (isSlow()) return await endSlow(reply, world);
      if (next.done === true) return 'over';
      for (const bytes of encoder.chunks(next.value, world.limits.watchBufferBytesMax)) {
        const isTaken = taken(reply, bytes, world);
        if (isTaken !== true && !(await isTaken)) return reply.isOver ? 'gone' : endStalled(reply);
        if (isSlow()) return await endSlow(reply, world);
      }
      await world.ticks.next(place);
    }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return await writeExpired(reply, error);
  } finally {
    reply.end();
    await iterator.return?.();
  }
}

/** The last word of a watch that cannot go on, or could not begin. */
export async function writeExpired(reply: Reply, error: ApiError): Promise<WatchEnd> {
  await reply.write(errorFrame(error));
  reply.end();
  return 'expired';
}

/** False: the client has gone, or takes nothing. */
function taken(reply: Reply, bytes: Uint8Array, world: WatchWorld): boolean | Promise<boolean> {
  return reply.push(bytes) ? !reply.isOver : takenInTime(reply, world);
}

async function takenInTime(reply: Reply, { clock, limits }: WatchWorld): Promise<boolean> {
  let isStalled = false;
  const written = reply.drained();
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

/** The common tick. It lasts longer the more watches there are, and each watch has a place in it. */
export class Ticks {
  readonly #clock: Clock;
  readonly #watches: () => number;
  /** Of the parts that somebody waits for. */
  readonly #waiting = new Map<number, Promise<void>>();
  #places = 0;

  constructor(clock: Clock, watches: () => number) {
    this.#clock = clock;
    this.#watches = watches;
  }

  /** For a new watch. */
  place(): number {
    return this.#places++;
  }

  /** Resolves when the part of the tick comes that has this place. */
  next(place: number): Promise<void> {
    const tickMs = Math.min(TICK_MS_MAX, this.#watches() / WATCHES_A_TICK_MS);
    if (tickMs < 1) return Promise.resolve();
    const parts = Math.max(1, Math.floor(tickMs / PART_MS));
    const part = place % parts;
    const known = this.#waiting.get(part);
    if (known !== undefined) return known;
    const sinceMs = (this.#clock.monotonic() + ((parts - part) * tickMs) / parts) % tickMs;
    const waiting = new Promise<void>((resolve) => {
      this.#clock.setTimer(tickMs - sinceMs, () => {
        this.#waiting.delete(part);
        resolve();
      });
    });
    this.#waiting.set(part, waiting);
    return waiting;
  }
}

/** Lines of one watch. Encoders of one kind and shape share what they have made, where they can. */
export interface EventEncoder {
  chunks(events: readonly CacheEvent[], bytesMax: number): Iterable<Uint8Array>;
}

/** What watches of one kind and shape write of events that came together. */
interface Written {
  /** As ages are told. */
  readonly second: number;
  readonly chunks: readonly Uint8Array[];
}

type Line = (event: CacheEvent) => readonly Uint8Array[];

export class EventEncoders {
  readonly #clock: Clock;
  /** Watchers with one interest are handed the same array of events. */
  readonly #written = new WeakMap<readonly CacheEvent[], Map<Line, Written>>();
  /** By kind, shape and what a row includes. */
  readonly #lines = new Map<string, Line>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  for(showing: WatchShowing): EventEncoder {
    const line = this.#lineOf(showing);
    const bookmark = bookmarkLine(showing);
    // Clients keep the columns of the first table.
    let isFirst = showing.shape.as === 'table';
    const parts: Line = (event) => {
      if (event.type === 'BOOKMARK') return bookmark(event);
      if (!isFirst) return line(event);
      isFirst = false;
      return [firstRow(showing, this.#clock, event)];
    };
    return {
      chunks: (events, bytesMax) => {
        return !isFirst && areShareable(events) ? this.#shared(line, events, bytesMax) : inChunks(events, parts, bytesMax);
      },
    };
  }

  #lineOf(showing: WatchShowing): Line {
    const { kind, shape, includeObject } = showing;
    if (shape.as === 'object') return objectLine;
    const { group, version, resource } = kind.info;
    const name = [group, version, resource, shape.as, shape.version, includeObject].join('/');
    const known = this.#lines.get(name) ?? shapedLine(showing, this.#clock);
    this.#lines.set(name, known);
    return known;
  }

  #shared(line: Line, events: readonly CacheEvent[], bytesMax: number): Iterable<Uint8Array> {
    const second = secondOf(this.#clock);
    const ofEvents = this.#written.get(events) ?? new Map<Line, Written>();
    const known = ofEvents.get(line);
    if (known !== undefined && (line === objectLine || known.second === second)) return known.chunks;
    const all = inChunks(events, line, bytesMax);
    const chunks: Uint8Array[] = [];
    for (let next = all.next(); next.done !== true; next = all.next()) {
      chunks.push(next.value);
      // So much is rather a state to begin with, which each watcher has of its own, and takes piece by piece.
      if (chunks.length > CHUNKS_KEPT_MAX) return followedBy(chunks, all);
    }
    this.#written.set(events, ofEvents.set(line, { second, chunks }));
    return chunks;
  }
}

function* followedBy(first: readonly Uint8Array[], rest: Generator<Uint8Array>): Generator<Uint8Array> {
  yield* first;
  yield* rest;
}

function secondOf(clock: Clock): number {
  return Math.floor(clock.wall() / 1000);
}

/** A server that is behind has much to say to each of its watchers: that is when they must share it. */
const SHARED_EVENTS_MAX = 1_000;
/** Of a batch that is kept. */
const CHUNKS_KEPT_MAX = 4;

function areShareable(events: readonly CacheEvent[]): boolean {
  return events.length <= SHARED_EVENTS_MAX && events.every(({ type }) => type !== 'BOOKMARK');
}

const OPEN: Readonly<Record<string, Uint8Array>> = Object.fromEntries(
  ['ADDED', 'MODIFIED', 'DELETED'].map((type) => [type, fromUtf8(`{"type":"${type}","object":`)]),
);
const CLOSE = fromUtf8('}\n');

function objectLine(event: CacheEvent): Uint8Array[] {
  return event.type === 'BOOKMARK' ? [] : [OPEN[event.type]!, event.cached.json(), CLOSE];
}

function* inChunks(events: readonly CacheEvent[], line: Line, bytesMax: number): Generator<Uint8Array> {
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

/** Made once for all watches, as long as no age in it can have changed. */
function shapedLine(showing: WatchShowing, clock: Clock): Line {
  const made = new WeakMap<CacheEvent, { readonly second: number; readonly line: readonly Uint8Array[] }>();
  return (event) => {
    const second = secondOf(clock);
    const known = made.get(event);
    if (known?.second === second) return known.line;
    const line = [shapedFrame(showing, clock, event, null)];
    made.set(event, { second, line });
    return line;
  };
}

function firstRow(showing: WatchShowing, clock: Clock, event: CacheEvent): Uint8Array {
  return shapedFrame(showing, clock, event, columnDefinitionsOf(columnsOf(showing.kind)));
}

function shapedFrame({ kind, shape, includeObject }: WatchShowing, clock: Clock, event: CacheEvent, columnDefinitions: unknown): Uint8Array {
  if (event.type === 'BOOKMARK' || shape.as === 'object') return EMPTY_BYTES;
  const { object } = event.cached;
  if (shape.as === 'partial') return frame(event.type, partialOf(object, shape.version));
  const row = rowOf(columnsOf(kind), { wallMs: clock.wall(), include: includeObject, version: shape.version })(object);
  const metadata = { resourceVersion: String(event.revision) };
  return frame(event.type, { kind: 'Table', apiVersion: `meta.k8s.io/${shape.version}`, metadata, columnDefinitions, rows: [row] });
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
