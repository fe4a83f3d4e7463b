/**
 * What goes on while faults happen: clients of etcd's or Kubernetes' shape, watchers of everything through every member,
 * watchers that come and go at revisions around the present, and somebody who compacts all the while. And the verdict.
 */
import { setMaxListeners } from 'node:events';
import { sleep } from '../../src/base/clock.ts';
import type { Random } from '../../src/base/random.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { KV, Maintenance } from '../../src/proto/etcd.ts';
import { RpcCode, RpcError } from '../../src/proto/rpc.ts';
import { runLoad, type Traffic } from '../../src/verify/load.ts';
import type { Recording } from '../../src/verify/recorder.ts';
import { judge } from '../../src/verify/verify-store.ts';
import { WatchRecorder, type WatchOptions } from '../../src/verify/watch-recorder.ts';
import { type FaultyCluster, until } from './cluster.ts';

/** etcd's suite has six a member; at a pace that a busy machine keeps up with. */
const CLIENTS_PER_MEMBER = 4;
const THINK_MS = 60;
const REQUEST_TIMEOUT_MS = 1_000;
const LEASE_TTL_SECONDS = 2;
/** etcd's: 100 to 200 ms between compactions, revisions -100 to +100 for watches. */
const COMPACT_MS = [100, 200] as const;
const WATCH_OFFSET = 100;
const VISITOR_MS = [300, 1500] as const;
const VISITOR_PAUSE_MS = 250;
/** Below what somebody has seen of everything, so that the history stays known: lists in pages are under way. */
const COMPACT_BEHIND = [0, 40] as const;
const CATCH_UP_MS = 60_000;

export interface Verdict {
  readonly recording: Recording;
  readonly problems: readonly string[];
  readonly compactions: number;
  readonly watches: number;
  readonly visitors: number;
  readonly lastRevision: number;
  readonly hashRevision: number;
}

export class TrafficRun {
  readonly #cluster: FaultyCluster;
  readonly #over = new AbortController();
  readonly #watchersOver = new AbortController();
  readonly #whole: WatchRecorder[];
  readonly #visitors: WatchRecorder[] = [];
  readonly #load: Promise<Recording>;
  readonly #others: Promise<unknown>;
  #recording: Recording | undefined;
  #compactions = 0;
  #compacted = 0;

  constructor(cluster: FaultyCluster, { random, traffic }: { readonly random: Random; readonly traffic: Traffic }) {
    this.#cluster = cluster;
    this.#whole = cluster.members.map(({ client, name }) => {
      const options = { client, name: `everything at ${name}`, key: '\0', rangeEnd: '\0' };
      return this.#watcher(options);
    });
    const clients = Array.from({ length: CLIENTS_PER_MEMBER * cluster.members.length }, (_, first) =>
      cluster.client({ first, requestTimeoutMs: REQUEST_TIMEOUT_MS }),
    );
    const { signal } = this.#over;
    setMaxListeners(0, signal, this.#watchersOver.signal);
    const onRecorder = (recording: Recording) => (this.#recording = recording);
    const settings = { thinkMs: THINK_MS, leaseTtlSeconds: LEASE_TTL_SECONDS, onRecorder };
    this.#load = runLoad({ clients, clock: systemClock, random: random.fork('load'), signal, traffic, ...settings });
    const watching = this.#whole.map((watcher) => watcher.run(this.#watchersOver.signal));
    this.#others = Promise.all([...watching, this.#compact(random.fork('compactions')), this.#visit(random.fork('visitors'))]);
  }

  /** Rejects as soon as somebody was answered what no fault explains. */
  get failure(): Promise<never> {
    return Promise.all([this.#load, this.#others]).then(() => new Promise<never>(() => undefined));
  }

  /** Requests answered so far. */
  get answered(): number {
    return this.#recording?.answered ?? 0;
  }

  /** Without a verdict. */
  async abandon(): Promise<void> {
    this.#over.abort();
    this.#watchersOver.abort();
    await Promise.allSettled([this.#load, this.#others]);
  }

  /** Ends the load, waits for everybody to have seen everything, and judges. */
  async finish(): Promise<Verdict> {
    this.#over.abort();
    const recording = await this.#load;
    await this.#cluster.untilAllServe();
    const [reader] = this.#cluster.members;
    await until('expired leases leave no key', async () => (await leasedKeys(reader!.channel)) === 0, CATCH_UP_MS);
    const lastRevision = await revisionOf(reader!.channel);
    const behind = () => this.#whole.filter(({ reached }) => reached < lastRevision).map(({ reached }) => reached);
    await until(() => `watchers reach ${lastRevision}: ${behind().join()}`, () => behind().length === 0, CATCH_UP_MS);
    const hashRevision = await this.#untilHashesAreEqual();
    this.#watchersOver.abort();
    await this.#others;
    const { events, violations, watchViolations, inconclusive, counterexample } = judge({ recording, whole: this.#whole, parts: this.#visitors }, {});
    const problems = [
      ...violations.map(({ rule, revision, why }) => `${rule} at ${revision}: ${why}`),
      ...(counterexample === undefined ? [] : [JSON.stringify(counterexample).slice(0, 2000)]),
      ...watchViolations.map((violation) => JSON.stringify(violation)),
      ...inconclusive,
      ...(events.length === 0 ? ['nobody was told of anything'] : []),
    ];
    const watches = this.#whole.reduce((sum, watcher) => sum + watcher.watches.length, 0);
    return { recording, problems, compactions: this.#compactions, watches, visitors: this.#visitors.length, lastRevision, hashRevision };
  }

  #watcher(options: Omit<WatchOptions, 'clock'>): WatchRecorder {
    return new WatchRecorder({ clock: systemClock, prevKv: true, mayLackPrevious: true, ...options });
  }

  /** Nothing that no watcher of everything has seen yet. */
  async #compact(random: Random): Promise<void> {
    const clients = this.#cluster.members.map((_, first) => this.#cluster.client({ first, requestTimeoutMs: REQUEST_TIMEOUT_MS }));
    while (!this.#over.signal.aborted) {
      await sleep(systemClock, random.between(...COMPACT_MS));
      const revision = Math.max(...this.#whole.map(({ reached }) => reached)) - random.between(...COMPACT_BEHIND);
      if (revision <= this.#compacted) continue;
      try {
        await random.pick(clients).compact({ revision });
        this.#compactions++;
        this.#compacted = revision;
      } catch (error) {
        if (!(error instanceof RpcError)) throw error;
        // A compaction that was not answered may have happened.
        if (error.code === RpcCode.OUT_OF_RANGE) this.#compacted = revision;
      }
    }
  }

  /** Short watches that begin in the past, now, or in the future. */
  async #visit(random: Random): Promise<void> {
    const running: Promise<void>[] = [];
    while (!this.#over.signal.aborted) {
      await sleep(systemClock, 2 * random.float() * VISITOR_PAUSE_MS);
      const present = Math.max(...this.#whole.map(({ reached }) => reached));
      const startRevision = Math.max(1, present + random.between(0, 2 * WATCH_OFFSET) - WATCH_OFFSET);
      const { client, name } = random.pick(this.#cluster.members);
      const range = random.pick([{ key: '\0', rangeEnd: '\0' }, { key: 'key/', rangeEnd: 'key0' }, { key: 'registry/', rangeEnd: 'registry0' }, { key: 'key/003' }]);
      const visitor = this.#watcher({ client, name: `visitor ${this.#visitors.length + 1} at ${name}`, startRevision, ...range });
      this.#visitors.push(visitor);
      running.push(visitor.run(AbortSignal.timeout(random.between(...VISITOR_MS))));
    }
    await Promise.all(running);
  }

  /** By HashKV at one revision, of members that have compacted to the same one. */
  async #untilHashesAreEqual(): Promise<number> {
    let seen: readonly string[] = [];
    let hashRevision = 0;
    await until(
      () => `all members have one hash: ${seen.join(' | ')}`,
      async () => {
        const revision = await revisionOf(this.#cluster.members[0]!.channel);
        const hashes = await Promise.all(
          this.#cluster.members.map(({ channel }) => channel.unary(Maintenance.methods.hashKV, { revision }, { timeoutMs: 5_000 }).catch(() => undefined)),
        );
        seen = hashes.map((hash) => (hash === undefined ? 'none' : `${hash.hash} at ${hash.hashRevision}, compacted ${hash.compactRevision}`));
        hashRevision = hashes[0]?.hashRevision ?? 0;
        return hashes.every((hash) => hash !== undefined) && new Set(seen).size === 1;
      },
    );
    return hashRevision;
  }
}

type Channel = FaultyCluster['members'][number]['channel'];

async function revisionOf(channel: Channel): Promise<number> {
  const { header } = await channel.unary(KV.methods.range, { key: Buffer.from('k') }, { timeoutMs: 5_000 });
  return header?.revision ?? 0;
}

async function leasedKeys(channel: Channel): Promise<number> {
  const prefix = { key: Buffer.from('lease/'), rangeEnd: Buffer.from('lease0'), countOnly: true };
  return channel.unary(KV.methods.range, prefix, { timeoutMs: 2_000 }).then(({ count }) => count, () => -1);
}
