/**
 * Is a live store what it promises to be? A load of many clients below a prefix of its own, watchers that live through
 * whatever happens, and a verdict over what all of them were told. Knows no transport and no terminal; `podium verify`
 * and tests call it.
 *
 * History is the union of what the watchers of everything were sent, one each endpoint: what one was not sent, another
 * was, and what none was sent, the answers of those who wrote it betray.
 */
import { fromLatin1, prefixEnd, toLatin1 } from '../base/bytes.ts';
import { sleep, type Clock, type Millis } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { StoreClient } from '../etcd/store-client.ts';
import { RpcError } from '../proto/rpc.ts';
import { type Counterexample, minimalCounterexample } from './core/counterexample.ts';
import { checkByRevision, type RevisionCheckOptions, type Violation } from './core/revision-check.ts';
import type { StoreEvent } from './core/store-model.ts';
import { checkWatchPromises, type SeenWatch, type WatchViolation } from './core/watch-promises.ts';
import { KUBERNETES_KEYS } from './kubernetes-load.ts';
import { ETCD_KEYS, runLoad, type Traffic } from './load.ts';
import type { Recording } from './recorder.ts';
import { WatchRecorder, type WatchOptions } from './watch-recorder.ts';

export interface VerifyOptions {
  /** One a client of the load. */
  readonly clients: readonly StoreClient[];
  /** One an endpoint: each is watched through. */
  readonly endpoints: readonly StoreClient[];
  readonly clock: Clock;
  readonly random: Random;
  /** Ends the load; then what there is is judged. */
  readonly signal: AbortSignal;
  readonly prefix: string;
  readonly traffic?: Traffic;
  /** Compacts the whole store's history as it goes, which others may want to read. */
  readonly compacts?: boolean;
  readonly thinkMs?: Millis;
  readonly onPhase?: (phase: 'load' | 'watches' | 'judging' | 'cleaning') => void;
  /** Is handed the recording that grows. */
  readonly onRecorder?: (recording: Recording) => void;
}

export interface VerifyReport {
  readonly recording: Recording;
  readonly unknown: number;
  readonly events: readonly StoreEvent[];
  readonly watches: readonly SeenWatch[];
  /** The store's when it began, and when the load was over. */
  readonly firstRevision: number;
  readonly lastRevision: number;
  readonly violations: readonly Violation[];
  readonly watchViolations: readonly WatchViolation[];
  readonly counterexample: Counterexample | undefined;
  /** Why nothing can be said though nothing was found wrong. */
  readonly inconclusive: readonly string[];
  readonly startedAt: Millis;
  /** Keys under the prefix could not be removed. */
  readonly leftBehind: string | undefined;
}

const CATCH_UP_MS = 30_000;
const POLL_MS = 50;
/** Revisions before the slowest watcher that the compactor leaves, for lists that are under way. */
const COMPACT_BEHIND = 20;
const CLEAN_TIMEOUT_MS = 10_000;

export async function verifyStore(options: VerifyOptions): Promise<VerifyReport> {
  const { clients, clock, random, signal, prefix, compacts = false, onPhase } = options;
  const [asked] = options.endpoints;
  if (asked === undefined) throw new Error('a store has an endpoint');
  const firstRevision = await revisionOf(clients[0] ?? asked, prefix);
  const startedAt = clock.monotonic();
  const { whole, parts } = watchersOf(options, firstRevision);
  const watchers = [...whole, ...parts];
  const over = new AbortController();
  const watching = Promise.all(watchers.map((watcher) => watcher.run(over.signal)));
  watching.catch(() => undefined); // Heard where it is awaited.
  const reached = () => Math.min(...watchers.map((watcher) => watcher.reached));
  try {
    onPhase?.('load');
    const recording = await runLoad({
      clients,
      clock,
      random,
      signal,
      prefix,
      traffic: options.traffic ?? 'etcd',
      ...(options.thinkMs === undefined ? {} : { thinkMs: options.thinkMs }),
      ...(compacts ? { compactBelow: () => reached() - COMPACT_BEHIND } : {}),
      ...(options.onRecorder === undefined ? {} : { onRecorder: options.onRecorder }),
    });
    onPhase?.('watches');
    const lastRevision = await untilAnswered(() => revisionOf(clients[0] ?? asked, prefix), { clock, withinMs: CATCH_UP_MS });
    const isCaughtUp = await until(clock, () => reached() >= lastRevision);
    over.abort();
    await watching;
    onPhase?.('judging');
    const late = isCaughtUp ? [] : [`a watcher did not reach revision ${lastRevision} within ${CATCH_UP_MS / 1000} s, only ${reached()}`];
    const judged = judge({ recording, whole, parts }, { isShared: true, start: { revision: firstRevision, values: new Map() } });
    const unknown = recording.operations.filter(({ answered }) => answered === undefined).length;
    const inconclusive = [...late, ...judged.inconclusive];
    return { recording, unknown, firstRevision, lastRevision, startedAt, ...judged, inconclusive, leftBehind: await clean(options) };
  } catch (error) {
    over.abort();
    await clean(options);
    throw error;
  }
}

export interface Watchers {
  /** Of everything that the recording is about, one an endpoint. */
  readonly whole: readonly WatchRecorder[];
  readonly parts: readonly WatchRecorder[];
}

/** What is wrong with a recording and its watches. */
export function judge({ recording, whole, parts }: Watchers & { readonly recording: Recording }, options: RevisionCheckOptions) {
  const { operations } = recording;
  const { events, conflicts } = unionOf(whole.flatMap(({ watches }) => watches));
  const inconclusive = gapsOf(whole).map(({ from, to }) => `revisions ${from} to ${to} were compacted before any watcher was told of them`);
  const violations = inconclusive.length > 0 ? [] : [...conflicts, ...checkByRevision(operations, events, options)];
  const watches = [...whole, ...parts].flatMap((watcher) => watcher.watches);
  const watchViolations = watches.flatMap((watch) => checkWatchPromises(watch, events));
  const [first] = violations;
  const counterexample = first === undefined ? undefined : minimalCounterexample({ operations, events, options }, first);
  return { events, watches, violations, watchViolations, counterexample, inconclusive };
}

/** Through every endpoint all of the prefix; and a part, and one key, somewhere. */
function watchersOf({ endpoints, clock, prefix, traffic, compacts = false }: VerifyOptions, firstRevision: number): Watchers {
  const end = (key: string) => toLatin1(prefixEnd(fromLatin1(key)));
  const keys = `${prefix}${traffic === 'kubernetes' ? KUBERNETES_KEYS : ETCD_KEYS}`;
  const common = { clock, startRevision: firstRevision + 1, prevKv: true, mayLackPrevious: compacts, mayLagBookmark: true };
  const all = endpoints.map((client, at) => ({ client, name: `everything at endpoint ${at + 1}`, key: prefix, rangeEnd: end(prefix) }));
  const parts = [
    { client: endpoints.at(-1)!, name: 'a part', key: keys, rangeEnd: end(keys) },
    { client: endpoints[0]!, name: 'one key', key: `${keys}003` },
  ];
  const recorders = (ranges: readonly Pick<WatchOptions, 'client' | 'name' | 'key' | 'rangeEnd'>[]) => ranges.map((one) => new WatchRecorder({ ...common, ...one }));
  return { whole: recorders(all), parts: recorders(parts) };
}

/** Everything that anybody was told; two who were told otherwise of one key at one revision are a violation. */
function unionOf(watches: readonly SeenWatch[]): { readonly events: StoreEvent[]; readonly conflicts: Violation[] } {
  const found = new Map<string, StoreEvent>();
  const conflicts: Violation[] = [];
  for (const event of watches.flatMap(({ responses }) => responses.flatMap(({ events }) => events))) {
    const { revision, key } = event;
    const earlier = found.get(`${revision} ${key}`);
    if (earlier === undefined) found.set(`${revision} ${key}`, event);
    else if (earlier.kind !== event.kind || earlier.value !== event.value) {
      const why = `one watch was told ${JSON.stringify(earlier)}, another ${JSON.stringify(event)}`;
      conflicts.push({ rule: 'write order', revision, why });
    }
  }
  return { events: inOrder([...found.values()], watches), conflicts };
}

/**
 * By revision; within one revision in the order in which they were told, which is the order of the transaction. A watch
 * that was told only some of them cannot say it, so the longest telling of each revision counts.
 */
function inOrder(events: readonly StoreEvent[], watches: readonly SeenWatch[]): StoreEvent[] {
  const told = new Map<number, readonly StoreEvent[]>();
  for (const { events: together } of watches.flatMap(({ responses }) => responses)) {
    const parts = new Map<number, StoreEvent[]>();
    for (const event of together) {
      const part = parts.get(event.revision) ?? [];
      parts.set(event.revision, part);
      part.push(event);
    }
    for (const [revision, part] of parts) if (part.length > (told.get(revision)?.length ?? 0)) told.set(revision, part);
  }
  const position = new Map([...told.values()].flatMap((part) => part.map((event, at) => [`${event.revision} ${event.key}`, at] as const)));
  const placeOf = ({ revision, key }: StoreEvent) => position.get(`${revision} ${key}`) ?? Infinity;
  return [...events].sort((a, b) => a.revision - b.revision || placeOf(a) - placeOf(b));
}

/** What no watcher was told of: the overlap of all their gaps. */
function gapsOf(watchers: readonly WatchRecorder[]) {
  const [first, ...others] = watchers;
  return others.reduce(
    (gaps, { gaps: theirs }) =>
      gaps.flatMap((gap) => theirs.map((their) => ({ from: Math.max(gap.from, their.from), to: Math.min(gap.to, their.to) }))).filter(({ from, to }) => from <= to),
    [...(first?.gaps ?? [])],
  );
}

async function revisionOf(client: StoreClient, prefix: string): Promise<number> {
  const { header } = await client.range({ key: fromLatin1(prefix), limit: 1 });
  return header?.revision ?? 0;
}

async function until(clock: Clock, isSo: () => boolean): Promise<boolean> {
  const deadline = clock.monotonic() + CATCH_UP_MS;
  while (!isSo()) {
    if (clock.monotonic() > deadline) return false;
    await sleep(clock, POLL_MS);
  }
  return true;
}

/** A store that was just broken may need a moment. */
async function untilAnswered<T>(ask: () => Promise<T>, { clock, withinMs }: { readonly clock: Clock; readonly withinMs: Millis }): Promise<T> {
  const deadline = clock.monotonic() + withinMs;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof RpcError) || clock.monotonic() > deadline) throw error;
      await sleep(clock, POLL_MS);
    }
  }
}

/** Leases of the load that still run end by themselves, without keys. */
async function clean({ clients, endpoints, clock, prefix, onPhase }: VerifyOptions): Promise<string | undefined> {
  onPhase?.('cleaning');
  const client = clients[0] ?? endpoints[0]!;
  const range = { key: fromLatin1(prefix), rangeEnd: prefixEnd(fromLatin1(prefix)) };
  try {
    await untilAnswered(() => client.deleteRange(range, { timeoutMs: 2000 }), { clock, withinMs: CLEAN_TIMEOUT_MS });
    return undefined;
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    return error.message;
  }
}
