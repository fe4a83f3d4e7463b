/**
 * A mixed load on a store, recorded so that it can be checked: puts, deletes, transactions over several keys, ranges
 * that are linearizable and such that are not, and leases that are revoked or expire. Knows no transport: it drives any
 * StoreClient, on any clock. Tests and `podium verify` call it; core/revision-check.ts judges what it recorded.
 *
 * The model knows no leases. A lease has keys of its own that nobody else writes, so that its end is one more deletion of
 * known keys: asked for (a revoke), or of nobody knows when (an expiry), which is how an unanswered operation is recorded.
 */
import type { Clock, Millis } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { StoreClient } from '../etcd/store-client.ts';
import { RpcCode, RpcError } from '../proto/rpc.ts';
import type { StoreAnswer, StoreRequest } from './core/store-model.ts';
import { KubernetesClient } from './kubernetes-load.ts';
import { isExpectedFailure, pause, Recorder, type Recording } from './recorder.ts';
import { perform, putWithLease, type TxnOf } from './requests.ts';

export const TRAFFICS = ['etcd', 'kubernetes', 'both'] as const;
export type Traffic = (typeof TRAFFICS)[number];

export interface LoadOptions {
  /** One load each; a client of the list has one request under way at a time. */
  readonly clients: readonly StoreClient[];
  readonly clock: Clock;
  readonly random: Random;
  /** Ends the load; requests that are under way are waited for. */
  readonly signal: AbortSignal;
  /** How many keys all clients share: the fewer, the more they meet. */
  readonly keys?: number;
  /** Before all keys, so that a load does not touch another's. */
  readonly prefix?: string;
  /** Mean pause between two requests of one client. */
  readonly thinkMs?: Millis;
  readonly leaseTtlSeconds?: number;
  /** For tests; OPERATIONS_MAX otherwise. */
  readonly operationsMax?: number;
  /** Whose requests to send; `both`: every other client sends Kubernetes'. */
  readonly traffic?: Traffic;
  /** Kubernetes' traffic compacts the store now and then, below this revision. Absent: it does not. */
  readonly compactBelow?: () => number;
  /** Is handed the recording that grows, for reports of progress. */
  readonly onRecorder?: (recording: Recording) => void;
}

/** Below the prefix of the load. */
export const ETCD_KEYS = 'key/';
const KEYS = 12;
const THINK_MS = 20;
/** The shortest that etcd grants with its default timeouts. */
const LEASE_TTL_SECONDS = 2;
/** All operations are kept in memory until they are judged, some 500 bytes each: a load that comes to so many ends. */
export const OPERATIONS_MAX = 1_000_000;
/** How long a client waits after a request that failed. */
const RETRY_MS = 20;

/** Rejects on an answer that no fault explains. */
export async function runLoad(options: LoadOptions): Promise<Recording> {
  const { clients, random, traffic = 'etcd' } = options;
  const recorder = new Recorder(options.clock);
  options.onRecorder?.(recorder);
  const runs = clients.map((client, id) => {
    const own = { ...options, client, id, random: random.fork(`client ${id}`), recorder };
    const isKubernetes = traffic === 'kubernetes' || (traffic === 'both' && id % 2 === 1);
    return drive(isKubernetes ? new KubernetesClient(own) : new EtcdClient(own), own);
  });
  await Promise.all(runs);
  return recorder;
}

/** One client of a load; has one request under way at a time. */
export interface LoadClient {
  next(): Promise<void>;
}

async function drive(client: LoadClient, options: LoadClientOptions): Promise<void> {
  const { signal, clock, random, recorder, thinkMs = THINK_MS, operationsMax = OPERATIONS_MAX } = options;
  while (!signal.aborted && recorder.operations.length < operationsMax) {
    try {
      await client.next();
    } catch (error) {
      if (!isExpectedFailure(error)) throw error;
      recorder.fail(error);
      await pause(clock, RETRY_MS, signal);
    }
    await pause(clock, random.float() * 2 * thinkMs, signal);
  }
}

export interface LoadClientOptions extends LoadOptions {
  readonly client: StoreClient;
  readonly id: number;
  readonly recorder: Recorder;
}

/** etcd's mix. */
class EtcdClient implements LoadClient {
  readonly #options: LoadClientOptions;
  readonly #keys: readonly string[];
  readonly #leasePrefix: string;
  readonly #everything: { readonly key: string; readonly rangeEnd: string };
  /** What this client saw last of each key, to compare transactions with. */
  readonly #seen = new Map<string, number>();
  #written = 0;

  constructor(options: LoadClientOptions) {
    const { keys = KEYS, prefix = '' } = options;
    this.#options = options;
    this.#keys = Array.from({ length: keys }, (_, at) => `${prefix}${ETCD_KEYS}${String(at).padStart(3, '0')}`);
    this.#leasePrefix = `${prefix}lease/${options.id}/`;
    this.#everything = { key: `${prefix}${ETCD_KEYS}`, rangeEnd: `${prefix}lease0` };
  }

  next(): Promise<void> {
    const { random } = this.#options;
    const draw = random.below(100);
    if (draw < 30) return this.#ask({ kind: 'put', key: this.#key(), value: this.#value() });
    if (draw < 40) return this.#ask({ kind: 'delete', key: this.#key() });
    if (draw < 43) return this.#ask({ kind: 'delete', ...this.#span() });
    if (draw < 60) return this.#ask(this.#transaction());
    if (draw < 75) return this.#ask({ kind: 'range', key: this.#key() });
    if (draw < 85) return this.#ask({ kind: 'range', ...this.#everything });
    if (draw < 95) return this.#ask({ kind: 'range', ...this.#everything }, true);
    return this.#lease();
  }

  #key(): string {
    return this.#options.random.pick(this.#keys);
  }

  /** No value is ever written twice: an event tells which request it came from. */
  #value(): string {
    return `${this.#options.id}.${++this.#written}`;
  }

  #span(): { readonly key: string; readonly rangeEnd: string } {
    const from = this.#options.random.below(this.#keys.length - 1);
    return { key: this.#keys[from]!, rangeEnd: this.#keys[Math.min(from + 2, this.#keys.length - 1)]! };
  }

  /** Moves two keys together if both are as they were seen last; else reads them. */
  #transaction(): StoreRequest {
    const [first, second] = this.#options.random.shuffle(this.#keys) as [string, string];
    const value = this.#value();
    return {
      kind: 'txn',
      ifModRevision: [first, second].map((key) => ({ key, revision: this.#seen.get(key) ?? 0 })),
      onSuccess: [
        { kind: 'put', key: first, value },
        { kind: 'range', key: first },
        this.#options.random.chance(0.3) ? { kind: 'delete', key: second } : { kind: 'put', key: second, value },
      ],
      onFailure: [
        { kind: 'range', key: first },
        { kind: 'range', key: second },
      ],
    };
  }

  async #ask(request: StoreRequest, serializable = false): Promise<void> {
    const { recorder, id, client } = this.#options;
    const answered = await recorder.ask(id, request, () => perform(client, request, serializable), serializable);
    this.#learn(answered.answer);
  }

  #learn(answer: StoreAnswer): void {
    if (answer.kind === 'range') for (const { key, modRevision } of answer.values) this.#seen.set(key, modRevision);
    if (answer.kind === 'txn') for (const part of answer.answers) this.#learn(part);
  }

  /** A lease with two keys, put in one transaction; then it is revoked, or left to expire. */
  async #lease(): Promise<void> {
    const { client, random, recorder, id, leaseTtlSeconds = LEASE_TTL_SECONDS } = this.#options;
    const { id: lease } = await client.leaseGrant({ ttl: leaseTtlSeconds });
    const value = this.#value();
    const keys = ['a', 'b'].map((end) => `${this.#leasePrefix}${value}/${end}`);
    const all = (onSuccess: readonly StoreRequest[]): TxnOf => ({ kind: 'txn', ifModRevision: [], onSuccess, onFailure: [] });
    const puts = all(keys.map((key) => ({ kind: 'put', key, value })));
    const end = all(keys.map((key) => ({ kind: 'delete', key })));
    recorder.unanswered(id, end, recorder.now);
    const written = await recorder.ask(id, puts, () => putWithLease(client, puts, lease)).catch((error: unknown) => {
      // The lease ended before its keys were put: the cluster was away for that long.
      if (error instanceof RpcError && error.code === RpcCode.NOT_FOUND) return undefined;
      throw error;
    });
    if (written === undefined) return;
    if (random.chance(0.5)) await this.#revoke(lease, end);
  }

  async #revoke(lease: bigint, end: StoreRequest): Promise<void> {
    const { client, recorder, id } = this.#options;
    const calledAt = recorder.now;
    try {
      const { header } = await client.leaseRevoke(lease);
      const answer: StoreAnswer = {
        kind: 'txn',
        succeeded: true,
        answers: [
          { kind: 'delete', deleted: 1 },
          { kind: 'delete', deleted: 1 },
        ],
      };
      const answered = { revision: header?.revision ?? 0, answer };
      recorder.operations.push({ client: id, request: end, answered, calledAt, answeredAt: recorder.now });
    } catch (error) {
      // Not found: it expired first. Otherwise the end recorded with the grant stands for this one, too.
      if (!(error instanceof RpcError) || error.code !== RpcCode.NOT_FOUND) throw error;
    }
  }
}
