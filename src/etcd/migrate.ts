/**
 * Copies one store's keys into another and follows it, by etcd's API only, whichever of them is an etcd.
 *
 *   copy     all keys as of one revision, one write for each revision that any of them was last written at, in that
 *            order: of two keys the later one stays the later one, and keys of one transaction stay together
 *   follow   a watch from the revision after that; each revision is one transaction, repeated until it is answered.
 *            Nobody else may write to the target, so that doing it twice is doing it once. Every revision has an event of
 *            some key, so that the last event tells how far the target is, without the progress that an etcd before 3.4.25
 *            tells ahead of events (etcd #15220)
 *   compare  count and hash of all pairs, of the source at the revision that was reached
 *
 * Kept: keys, values, the order of modifications, leases by id with the time that they had left. Not kept: the numbers
 * of revisions and versions, and what was before the copy.
 */
import { createHash } from 'node:crypto';
import { compareBytes } from '../base/bytes.ts';
import { type Clock, sleep } from '../base/clock.ts';
import { AbortedError, UserError } from '../base/errors.ts';
import { type Event, EventType, type KeyValue, type RequestOp } from '../proto/etcd.ts';
import { RpcCode, RpcError } from '../proto/rpc.ts';
import type { Init } from '../proto/wire.ts';
import type { StoreClient } from './store-client.ts';

export interface MigrateOptions {
  readonly source: StoreClient;
  readonly target: StoreClient;
  readonly clock: Clock;
  /** Ends it: what was begun is completed, and then compared. */
  readonly signal: AbortSignal;
  /** Writes over keys of a target that is not empty; its other keys stay. */
  readonly overwrite: boolean;
  /** Ends by itself once nothing is left to do. */
  readonly untilSynced: boolean;
  readonly onProgress: (progress: MigrateProgress) => void;
}

export type MigrateProgress =
  | { readonly kind: 'copying'; readonly copied: number; readonly keys: number; readonly revision: number }
  /** `behind`: revisions of the source that the target does not have yet. */
  | { readonly kind: 'following'; readonly applied: number; readonly behind: number };

export interface Contents {
  readonly count: number;
  /** SHA-256 of every key and value in order, each with its length. */
  readonly hash: string;
}

export interface MigrateResult {
  readonly keys: number;
  readonly leases: number;
  /** The source's revision that the target was brought to. */
  readonly revision: number;
  readonly source: Contents;
  readonly target: Contents;
}

/** Keys read at once, and values: a page fits a response though every value is as large as they may be. */
const KEYS_PAGE = 1000;
const VALUES_PAGE = 50;
/** etcd's --max-txn-ops. */
const TXN_OPS_MAX = 128;
const RETRY_MS = 100;
const PROGRESS_EVERY_MS = 500;
/** A lease has two seconds at least. */
const KEEP_LEASES_EVERY_MS = 500;

const EVERYTHING = { key: Uint8Array.of(0), rangeEnd: Uint8Array.of(0) };

export async function migrate(options: MigrateOptions): Promise<MigrateResult> {
  const { source, target, overwrite } = options;
  const there = await target.range({ ...EVERYTHING, countOnly: true });
  if (there.count > 0 && !overwrite) {
    throw new UserError(`the target holds ${there.count} keys: migrate into an empty store, or say --overwrite to write over those that the source has, too`);
  }
  const run = new Migration(options);
  const copied = await run.copy();
  const revision = await run.follow(copied.revision);
  return {
    keys: copied.keys,
    leases: run.leases,
    revision,
    source: await contentsOf(source, revision),
    target: await contentsOf(target, 0),
  };
}

/** All pairs of a store, as of a revision; 0: the present one. */
export async function contentsOf(store: StoreClient, revision: number): Promise<Contents> {
  const hash = createHash('sha256');
  let count = 0;
  for await (const { key, value } of pages(store, { revision, keysOnly: false, limit: VALUES_PAGE })) {
    for (const part of [key, value]) hash.update(String(part.length)).update(':').update(part);
    count++;
  }
  return { count, hash: hash.digest('hex') };
}

interface PagesOptions {
  readonly revision: number;
  readonly keysOnly: boolean;
  readonly limit: number;
}

/** All keys of one revision, the first page's where none is given. */
async function* pages(store: StoreClient, { revision, keysOnly, limit }: PagesOptions): AsyncGenerator<KeyValue & { readonly at: number }> {
  let { key } = EVERYTHING;
  let at = revision;
  for (;;) {
    const page = await store.range({ ...EVERYTHING, key, limit, keysOnly, revision: at });
    if (at === 0) at = page.header?.revision ?? 0;
    for (const kv of page.kvs) yield { ...kv, at };
    const last = page.kvs.at(-1);
    if (last === undefined || !page.more) return;
    key = Buffer.concat([last.key, Uint8Array.of(0)]);
  }
}

class Migration {
  readonly #options: MigrateOptions;
  /** Leases that the target has, too. */
  readonly #leases = new Set<bigint>();
  #keepAt = 0;

  constructor(options: MigrateOptions) {
    this.#options = options;
  }

  get leases(): number {
    return this.#leases.size;
  }

  /** Answers how many keys there were, and as of which revision. */
  async copy(): Promise<{ readonly keys: number; readonly revision: number }> {
    const { source, onProgress } = this.#options;
    const { header } = await source.range({ ...EVERYTHING, limit: 1, keysOnly: true });
    const revision = header?.revision ?? 0;
    const found: KeyValue[] = [];
    for await (const kv of pages(source, { revision, keysOnly: true, limit: KEYS_PAGE })) found.push(kv);
    // Without their values all keys fit into memory; sorted here, for a server would sort all of them for each page.
    found.sort((a, b) => a.modRevision - b.modRevision || compareBytes(a.key, b.key));
    for (const { id } of (await source.leaseLeases()).leases) await this.#grant(id);
    let copied = 0;
    while (copied < found.length) {
      let end = Math.min(copied + VALUES_PAGE, found.length);
      // Keys of one revision are written together.
      while (end < found.length && found[end]!.modRevision === found[end - 1]!.modRevision) end++;
      const whole = await this.#valuesOf(found.slice(copied, end), revision);
      for (const group of groupByRevision(whole)) await this.#apply(group.map((kv) => ({ type: EventType.PUT, kv, prevKv: undefined })));
      copied = end;
      await this.#keepLeases();
      onProgress({ kind: 'copying', copied, keys: found.length, revision });
      if (this.#options.signal.aborted) throw new UserError(`ended after ${copied} of ${found.length} keys: the target is not complete`);
    }
    return { keys: found.length, revision };
  }

  async #valuesOf(keys: readonly KeyValue[], revision: number): Promise<KeyValue[]> {
    const values: KeyValue[] = [];
    for (let from = 0; from < keys.length; from += VALUES_PAGE) {
      const gets = keys.slice(from, from + VALUES_PAGE).map(({ key }) => ({ request: { case: 'requestRange' as const, value: { key, revision } } }));
      const { responses } = await this.#options.source.txn({ success: gets });
      for (const { response } of responses) if (response?.case === 'responseRange') values.push(...response.value.kvs);
    }
    return values;
  }

  /** Until the signal or, if so asked, until nothing is left; answers the last revision that the target has. */
  async follow(from: number): Promise<number> {
    const { source, clock, onProgress, untilSynced, signal } = this.#options;
    const over = new AbortController();
    const state = { applied: from };
    const following = this.#followEvents(state, over.signal);
    following.catch(() => over.abort());
    let goal = Infinity;
    for (;;) {
      const newest = await this.#retry(() => source.range({ ...EVERYTHING, limit: 1, keysOnly: true }));
      const revision = newest.header?.revision ?? 0;
      // What the source had when the end was asked for is still brought over.
      if (goal === Infinity && (untilSynced || signal.aborted)) goal = revision;
      onProgress({ kind: 'following', applied: state.applied, behind: Math.max(0, revision - state.applied) });
      if (state.applied >= goal || over.signal.aborted) break;
      await this.#keepLeases();
      await pause(clock, PROGRESS_EVERY_MS, goal === Infinity ? signal : over.signal);
    }
    over.abort();
    await following;
    return state.applied;
  }

  async #followEvents(state: { applied: number }, signal: AbortSignal): Promise<void> {
    const { source, clock } = this.#options;
    while (!signal.aborted) {
      const watch = source.watch({ ...EVERYTHING, startRevision: state.applied + 1 }, { signal });
      try {
        for await (const response of watch) {
          if (response.canceled && response.compactRevision > 0) {
            throw new UserError(`the source compacted revision ${state.applied + 1} before it was copied: begin again with an empty target, and let the source compact less often meanwhile`);
          }
          for (const group of groupByRevision(response.events)) {
            await this.#apply(group);
            state.applied = Math.max(state.applied, revisionOf(group[0]!));
          }
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!isPassing(error)) throw error;
      }
      await pause(clock, RETRY_MS, signal);
    }
  }

  /** The events of one revision, in one transaction where the target allows it. */
  async #apply(events: readonly Event[]): Promise<void> {
    for (let from = 0; from < events.length; from += TXN_OPS_MAX) {
      const part = events.slice(from, from + TXN_OPS_MAX);
      try {
        await this.#write(part);
      } catch (error) {
        // A lease ended at the target before its keys were written: granted anew if it lives at the source.
        if (!(error instanceof RpcError) || error.code !== RpcCode.NOT_FOUND) throw error;
        for (const { kv } of part) this.#leases.delete(kv?.lease ?? 0n);
        await this.#write(part);
      }
    }
  }

  async #write(events: readonly Event[]): Promise<void> {
    const success: Init<RequestOp>[] = [];
    for (const { type, kv } of events) {
      if (kv === undefined) continue;
      if (type === EventType.DELETE) success.push({ request: { case: 'requestDeleteRange', value: { key: kv.key } } });
      else {
        const lease = kv.lease !== 0n && (await this.#grant(kv.lease)) ? kv.lease : 0n;
        success.push({ request: { case: 'requestPut', value: { key: kv.key, value: kv.value, lease } } });
      }
    }
    await this.#retry(() => this.#options.target.txn({ success }));
  }

  /** Whether the target has the lease; false if it ended at the source: the deletion of its keys is on its way. */
  async #grant(id: bigint): Promise<boolean> {
    if (this.#leases.has(id)) return true;
    const { source, target } = this.#options;
    const { ttl } = await this.#retry(() => source.leaseTimeToLive({ id }));
    if (ttl <= 0) return false;
    await this.#retry(() => target.leaseGrant({ id, ttl })).catch((error: unknown) => {
      // There already: an earlier try, of which the answer was lost, or an earlier migration.
      if (!(error instanceof RpcError) || error.code !== RpcCode.FAILED_PRECONDITION) throw error;
    });
    this.#leases.add(id);
    return true;
  }

  /** What lives at the source must not end at the target meanwhile; what ended there is ended here by its keys' deletion. */
  async #keepLeases(): Promise<void> {
    const { source, target } = this.#options;
    const now = this.#options.clock.monotonic();
    if (this.#leases.size === 0 || now < this.#keepAt) return;
    this.#keepAt = now + KEEP_LEASES_EVERY_MS;
    const alive = new Set((await this.#retry(() => source.leaseLeases())).leases.map(({ id }) => id));
    for (const id of this.#leases) {
      if (alive.has(id)) await this.#retry(() => target.leaseKeepAliveOnce(id));
      else this.#leases.delete(id);
    }
  }

  /** Everything that is asked of either store may be asked again. */
  async #retry<T>(call: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await call();
      } catch (error) {
        if (!isPassing(error) || this.#options.signal.aborted) throw error;
        await sleep(this.#options.clock, RETRY_MS);
      }
    }
  }
}

function isPassing(error: unknown): boolean {
  if (!(error instanceof RpcError)) return false;
  return error.code === RpcCode.UNAVAILABLE || error.code === RpcCode.DEADLINE_EXCEEDED || error.code === RpcCode.CANCELLED;
}

const revisionOf = (item: Event | KeyValue) => ('kv' in item ? (item.kv?.modRevision ?? 0) : item.modRevision);

/** Neighbours of one revision. */
function groupByRevision<T extends Event | KeyValue>(items: readonly T[]): T[][] {
  const groups: T[][] = [];
  for (const item of items) {
    const last = groups.at(-1);
    if (last !== undefined && revisionOf(last[0]!) === revisionOf(item)) last.push(item);
    else groups.push([item]);
  }
  return groups;
}

async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  await sleep(clock, ms, signal).catch((error: unknown) => {
    if (!(error instanceof AbortedError)) throw error;
  });
}
