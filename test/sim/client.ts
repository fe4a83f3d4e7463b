/**
 * The clients of a simulated cluster. Writers call one request after the other; one more compacts, one lives with
 * leases; one watches every key from revision 1 on, whatever breaks (the reference that histories are checked with), and
 * others watch ranges from somewhere. All that they asked and were told goes into the history.
 */
import { sleep, type Millis } from '../../src/base/clock.ts';
import { fromLatin1 } from '../../src/base/bytes.ts';
import type { Random } from '../../src/base/random.ts';
import { channelStoreClient } from '../../src/etcd/channel-store-client.ts';
import type { StoreClient } from '../../src/etcd/store-client.ts';
import { RpcCode, RpcError } from '../../src/proto/rpc.ts';
import type { StoreOperation } from '../../src/verify/core/revision-check.ts';
import type { StoreEvent, StoreRequest } from '../../src/verify/core/store-model.ts';
import type { SeenResponse, SeenWatch } from '../../src/verify/core/watch-promises.ts';
import { call, eventOf } from './requests.ts';
import type { Machine } from './machine.ts';
import type { World } from './world.ts';

const REQUEST_TIMEOUT_MS = 2_500;
const THINK_MS = { low: 30, high: 350 };
const WRITERS = 5;
const WATCHERS = 3;
/** Of the list of members that a client has; as many as there may be. */
const PLACES = [0, 1, 2, 3, 4];
const KEYS = ['k/a', 'k/b', 'k/c', 'k/d', 'k/e', 'k/f', 'k/g'];
const ALL_KEYS = { key: 'k/', rangeEnd: 'k0' };
/** So many revisions behind the newest that the reference has seen. */
const KEPT_REVISIONS = 40;
const STORM_EVERY_MS = { low: 50, high: 200 };

/** It certainly did not happen, or the answer is known. */
const REFUSED: ReadonlySet<RpcCode> = new Set([
  RpcCode.INVALID_ARGUMENT,
  RpcCode.NOT_FOUND,
  RpcCode.FAILED_PRECONDITION,
  RpcCode.OUT_OF_RANGE,
  RpcCode.RESOURCE_EXHAUSTED,
]);

interface MutableWatch extends SeenWatch {
  startRevision: number;
  readonly responses: SeenResponse[];
}

export class Clients {
  readonly operations: StoreOperation[] = [];
  readonly watches: SeenWatch[] = [];
  /** Every event there was, as the reference saw them. */
  readonly events: StoreEvent[] = [];
  /** The history up to here is told. */
  seenRevision = 1;
  /** The highest revision that a compaction was asked for: history up to here may be gone. */
  compactedTo = 0;
  readonly #world: World;
  readonly #random: Random;
  /** Where a lease's keys ended although it was kept: when they may end at the soonest. */
  readonly #leasesUntil = new Map<string, Millis>();
  #sequence = 0;
  #isOver = false;
  #isWatchingOver = false;
  #running = 0;

  constructor(world: World) {
    this.#world = world;
    this.#random = world.random.fork('clients');
  }

  start(): void {
    for (let writer = 1; writer <= WRITERS; writer++) this.#run(`writer/${writer}`, (random) => this.#write(writer, random));
    this.#run('compactor', (random) => this.#compact(random));
    this.#run('leases', (random) => this.#lease(random));
    for (let watcher = 1; watcher <= WATCHERS; watcher++) {
      this.#run(`watcher/${watcher}`, (random) => this.#watchSomewhere(`watcher ${watcher}`, random));
    }
    void this.#follow(this.#random.fork('reference'));
  }

  /** What is under way ends; nothing new is begun. The reference goes on. */
  stop(): void {
    this.#isOver = true;
  }

  stopWatching(): void {
    this.#isWatchingOver = true;
  }

  get isIdle(): boolean {
    return this.#running === 0;
  }

  /** One write, acknowledged or not. */
  async probe(): Promise<boolean> {
    const client = this.#clientOf(this.#random.fork(`probe/${this.#sequence}`));
    const request: StoreRequest = { kind: 'put', key: 'probe', value: `${this.#sequence}` };
    return (await this.#operate({ client, number: 0, request, serializable: false })) !== undefined;
  }

  /** All of the history that is left, from one member, until it has told of `untilRevision`. */
  async readHistory(machine: Machine, untilRevision: number): Promise<void> {
    const random = this.#random.fork(`history/${machine.id}`);
    const client = this.#clientTo(machine, random);
    const from = this.compactedTo + 1;
    const watch = this.#newWatch(`history of ${machine.id}`, { key: '\0', rangeEnd: '\0' }, from);
    const abort = new AbortController();
    await this.#session(client, watch, abort, () => {
      if ((watch.responses.at(-1)?.events.at(-1)?.revision ?? 1) >= untilRevision) abort.abort();
    });
  }

  // ── Writers ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async #write(number: number, random: Random): Promise<void> {
    const client = this.#clientOf(random);
    const known = new Map<string, number>();
    for (let count = 1; !this.#isOver; count++) {
      await this.#think(random);
      const { request, serializable = false } = this.#draw(random, { number, count, known });
      if (request.kind === 'range' && !serializable && this.#world.leader() === undefined) {
        this.#world.counters.readsDuringElections++;
      }
      const answered = await this.#operate({ client, number, request, serializable });
      if (answered?.answer.kind !== 'range') continue;
      for (const { key, modRevision } of answered.answer.values) known.set(key, modRevision);
    }
  }

  #draw(
    random: Random,
    { number, count, known }: { readonly number: number; readonly count: number; readonly known: ReadonlyMap<string, number> },
  ): { readonly request: StoreRequest; readonly serializable?: boolean } {
    const value = `${number}-${count}`;
    const key = random.pick(KEYS);
    const kind = random.below(100);
    if (kind < 30) return { request: { kind: 'put', key, value } };
    if (kind < 36) return { request: { kind: 'delete', key } };
    if (kind < 39) return { request: { kind: 'delete', key: 'k/c', rangeEnd: 'k/f' } };
    if (kind < 55) return { request: { kind: 'range', key } };
    if (kind < 67) return { request: { kind: 'range', ...ALL_KEYS } };
    if (kind < 75) return { request: { kind: 'range', ...ALL_KEYS }, serializable: true };
    const [one, two, three] = random.shuffle(KEYS) as [string, string, string]; // there are seven
    const guess = (of: string) => (random.chance(0.3) ? 0 : (known.get(of) ?? 0));
    return {
      request: {
        kind: 'txn',
        ifModRevision: [one, two].slice(0, random.between(1, 2)).map((of) => ({ key: of, revision: guess(of) })),
        onSuccess: [
          { kind: 'put', key: one, value },
          { kind: 'put', key: two, value },
          { kind: 'delete', key: three },
        ],
        onFailure: random.chance(0.5)
          ? [{ kind: 'range', ...ALL_KEYS }]
          : [{ kind: 'range', key: one }, { kind: 'put', key: three, value }],
      },
    };
  }

  /** One request of somebody who is no writer; undefined where it was not answered. */
  request(request: StoreRequest, random: Random) {
    const client = this.#clientOf(random);
    return this.#operate({ client, number: WRITERS + 2, request, serializable: false });
  }

  async #operate({ client, number, request, serializable }: {
    readonly client: StoreClient;
    readonly number: number;
    readonly request: StoreRequest;
    readonly serializable: boolean;
  }) {
    const calledAt = ++this.#sequence;
    const { tracer, counters } = this.#world;
    counters.clientOperations++;
    tracer.add(`client ${number} call ${calledAt} ${JSON.stringify(request)}`);
    const told = await outcomeOf(call(client, request, serializable));
    const answeredAt = ++this.#sequence;
    tracer.add(`client ${number} told ${calledAt} ${JSON.stringify(told)}`);
    const operation = { client: number, request, serializable, calledAt, answeredAt };
    if (told.kind === 'answered') {
      this.operations.push({ ...operation, answered: told.value });
      return told.value;
    }
    if (told.kind === 'refused' && told.code === RpcCode.RESOURCE_EXHAUSTED) counters.spaceRefusals++;
    if (told.kind === 'unknown' && request.kind !== 'range') {
      counters.unknownOutcomes++;
      this.operations.push({ ...operation, answered: undefined });
    }
    return undefined;
  }

  async #compact(random: Random): Promise<void> {
    const client = this.#clientOf(random);
    while (!this.#isOver) {
      await sleep(this.#world.clock, random.between(800, 3000));
      const behind = random.between(KEPT_REVISIONS / 2, KEPT_REVISIONS);
      if (!this.#isOver) await this.#compactTo(client, this.seenRevision - behind, random.chance(0.2));
    }
  }

  /** Up to what was just seen, again and again. */
  async compactInStorm(untilMs: Millis, random: Random): Promise<void> {
    const client = this.#clientOf(random);
    const { clock } = this.#world;
    while (!this.#isOver && clock.monotonic() < untilMs) {
      await sleep(clock, random.between(STORM_EVERY_MS.low, STORM_EVERY_MS.high));
      await this.#compactTo(client, this.seenRevision - random.below(4), random.chance(0.3));
    }
  }

  /** True if it is done now, by this compaction or by one before. */
  compactTo(revision: number, random: Random): Promise<boolean> {
    return this.#askToCompact(this.#clientOf(random), revision, true);
  }

  async #compactTo(client: StoreClient, revision: number, physical: boolean): Promise<void> {
    if (revision > this.compactedTo) await this.#askToCompact(client, revision, physical);
  }

  async #askToCompact(client: StoreClient, revision: number, physical: boolean): Promise<boolean> {
    this.compactedTo = Math.max(this.compactedTo, revision);
    const told = await outcomeOf(client.compact({ revision, physical }));
    this.#world.tracer.add(`client compacts ${revision} ${told.kind}`);
    if (told.kind === 'answered') this.#world.counters.compactions++;
    return told.kind === 'answered' || told.code === RpcCode.OUT_OF_RANGE;
  }

  // ── Leases ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * The keys below `lease/<id>/` belong to the lease <id>, and nothing else does. So its end, by revoking or in time, is
   * a delete of that range, of which nobody is told; at most once.
   */
  async #lease(random: Random): Promise<void> {
    const client = this.#clientOf(random);
    const { clock, counters } = this.#world;
    for (let id = 1n; !this.#isOver; id++) {
      await this.#think(random);
      const calledAt = ++this.#sequence;
      const grantedAt = clock.monotonic();
      const granted = await outcomeOf(client.leaseGrant({ id, ttl: 2 }));
      counters.clientOperations++;
      if (granted.kind !== 'answered') continue;
      const range = { key: `lease/${id}/`, rangeEnd: `lease/${id}0` };
      const request: StoreRequest = { kind: 'delete', ...range };
      const end = { client: WRITERS + 1, request, calledAt, answered: undefined, answeredAt: Infinity };
      this.operations.push(end);
      const ttlMs = granted.value.ttl * 1000 * this.#world.leaseTolerance;
      this.#leasesUntil.set(range.key, grantedAt + ttlMs);
      for (let key = 0; key < random.between(1, 3); key++) await this.#putOnLease(client, id, `${range.key}${key}`);
      for (let rounds = random.below(4); rounds > 0 && !this.#isOver; rounds--) {
        await sleep(clock, 700);
        const askedAt = clock.monotonic();
        const kept = await outcomeOf(client.leaseKeepAliveOnce(id));
        if (kept.kind === 'answered' && kept.value.ttl > 0) this.#leasesUntil.set(range.key, askedAt + ttlMs);
      }
      if (random.chance(0.5)) await this.#revoke(client, id, range);
    }
  }

  async #putOnLease(client: StoreClient, id: bigint, key: string): Promise<void> {
    const request: StoreRequest = { kind: 'put', key, value: `of ${id}` };
    const calledAt = ++this.#sequence;
    const told = await outcomeOf(client.put({ key: fromLatin1(key), value: fromLatin1(request.value), lease: id }));
    const answeredAt = ++this.#sequence;
    this.#world.tracer.add(`client lease ${id} put ${told.kind}`);
    if (told.kind === 'refused') return;
    const answered =
      told.kind === 'unknown' ? undefined : { revision: told.value.header!.revision, answer: { kind: 'put' } as const };
    this.operations.push({ client: WRITERS + 1, request, calledAt, answered, answeredAt });
  }

  /** Once it is answered, nothing of the lease is left: as much as a read of its keys would say. */
  async #revoke(client: StoreClient, id: bigint, range: { readonly key: string; readonly rangeEnd: string }): Promise<void> {
    this.#leasesUntil.delete(range.key);
    const calledAt = ++this.#sequence;
    const told = await outcomeOf(client.leaseRevoke(id));
    const answeredAt = ++this.#sequence;
    this.#world.tracer.add(`client lease ${id} revoke ${told.kind}`);
    if (told.kind !== 'answered') return;
    const answered = { revision: told.value.header!.revision, answer: { kind: 'range' as const, values: [] } };
    this.operations.push({ client: WRITERS + 1, request: { kind: 'range', ...range }, calledAt, answered, answeredAt });
  }

  #checkLeaseEnd({ kind, key, revision }: StoreEvent): void {
    if (kind !== 'delete' || !key.startsWith('lease/')) return;
    const until = this.#leasesUntil.get(key.slice(0, key.lastIndexOf('/') + 1));
    if (until !== undefined && this.#world.clock.monotonic() < until) {
      this.#world.fail(`the lease of ${key} ended too soon, at revision ${revision}`);
    }
  }

  // ── Watchers ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Every key from revision 1 on. */
  async #follow(random: Random): Promise<void> {
    const client = this.#clientOf(random);
    while (!this.#isWatchingOver) {
      const watch = this.#newWatch('reference', { key: '\0', rangeEnd: '\0' }, this.seenRevision + 1);
      const abort = new AbortController();
      await this.#session(client, watch, abort, (response) => {
        for (const event of response.events) {
          // The checks of the promises tell if one comes again; the reference has it once.
          if (event.revision <= this.seenRevision) continue;
          this.events.push(event);
          this.#checkLeaseEnd(event);
        }
        if (response.kind === 'created') return;
        this.seenRevision = Math.max(this.seenRevision, response.events.at(-1)?.revision ?? response.revision);
      });
      await sleep(this.#world.clock, random.between(10, 200));
    }
  }

  async #watchSomewhere(name: string, random: Random): Promise<void> {
    const client = this.#clientOf(random);
    while (!this.#isOver) {
      const range = random.pick([{ key: 'k/b' }, { key: 'k/b', rangeEnd: 'k/e' }, ALL_KEYS, { key: '\0', rangeEnd: '\0' }]);
      const start = random.chance(0.3) ? 0 : this.seenRevision + 2 - random.below(KEPT_REVISIONS / 2);
      const watch = this.#newWatch(name, range, Math.max(start, 0));
      const abort = new AbortController();
      const timer = this.#world.clock.setTimer(random.between(500, 6000), () => abort.abort());
      await this.#session(client, watch, abort, () => {});
      timer.cancel();
      await this.#think(random);
    }
  }

  #newWatch(name: string, range: { readonly key: string; readonly rangeEnd?: string }, startRevision: number): MutableWatch {
    const watch = { name, ...range, startRevision, responses: [] };
    this.watches.push(watch);
    this.#world.counters.watchSessions++;
    return watch;
  }

  /** One watcher, until it breaks or is aborted; asks now and then how far it is. */
  async #session(
    client: StoreClient,
    watch: MutableWatch,
    abort: AbortController,
    onResponse: (response: SeenResponse) => void,
  ): Promise<void> {
    const { key, rangeEnd, startRevision } = watch;
    const { clock, tracer, counters } = this.#world;
    const asked = client.watch(
      {
        key: fromLatin1(key),
        ...(rangeEnd === undefined ? {} : { rangeEnd: fromLatin1(rangeEnd) }),
        startRevision,
      },
      { signal: abort.signal },
    );
    let isOver = false;
    const askProgress = () => {
      if (isOver) return;
      asked.requestProgress();
      clock.setTimer(700, askProgress);
    };
    clock.setTimer(350, askProgress);
    try {
      for await (const { header, created, canceled, events, compactRevision } of asked) {
        if (canceled) {
          tracer.add(`watch ${watch.name} cancelled, compacted to ${compactRevision}`);
          if (startRevision > this.compactedTo) this.#world.fail(`watch ${watch.name} from ${startRevision} was cancelled`);
          break;
        }
        const kind = created ? 'created' : events.length > 0 ? 'events' : 'progress';
        const response = { kind, revision: header!.revision, events: events.map(eventOf) } as const;
        tracer.add(`watch ${watch.name} ${kind} ${response.revision} ${response.events.map(({ revision }) => revision).join(' ')}`);
        // "From now on" is what the first response says.
        if (created && startRevision === 0) watch.startRevision = response.revision + 1;
        if (kind === 'progress') counters.watchProgress++;
        watch.responses.push(response);
        onResponse(response);
        if (abort.signal.aborted) break;
      }
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      tracer.add(`watch ${watch.name} broke: ${error.message}`);
    } finally {
      isOver = true;
    }
  }

  // ── Small change ─────────────────────────────────────────────────────────────────────────────────────────────────

  #run(label: string, body: (random: Random) => Promise<void>): void {
    this.#running++;
    body(this.#random.fork(label)).then(
      () => this.#running--,
      (error: unknown) => this.#world.fail(`${label}: ${error instanceof Error ? error.stack : String(error)}`),
    );
  }

  #think(random: Random): Promise<void> {
    return sleep(this.#world.clock, random.between(THINK_MS.low, THINK_MS.high));
  }

  /** Begins at any member, and goes on to others. */
  #clientOf(random: Random): StoreClient {
    const places = random.shuffle(PLACES);
    const channels = places.map((place) => this.#world.channelToPlace(place, random.fork(`to/${place}`)));
    return channelStoreClient({ channels, requestTimeoutMs: REQUEST_TIMEOUT_MS });
  }

  #clientTo(machine: Machine, random: Random): StoreClient {
    return channelStoreClient({ channels: [this.#world.channelTo(machine, random)], requestTimeoutMs: REQUEST_TIMEOUT_MS });
  }
}

type Told<T> =
  | { readonly kind: 'answered'; readonly value: T }
  | { readonly kind: 'refused'; readonly code: RpcCode; readonly why: string }
  | { readonly kind: 'unknown'; readonly code: RpcCode; readonly why: string };

async function outcomeOf<T>(asked: Promise<T>): Promise<Told<T>> {
  try {
    return { kind: 'answered', value: await asked };
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    const isRefused = error.notSent || REFUSED.has(error.code);
    return { kind: isRefused ? 'refused' : 'unknown', code: error.code, why: `${error.code} ${error.message}` };
  }
}
