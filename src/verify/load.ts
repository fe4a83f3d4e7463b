/**
 * A mixed load on a store, recorded so that it can be checked: puts, deletes, transactions over several keys, ranges
 * that are linearizable and such that are not, and leases that are revoked or expire. Knows no transport: it drives any
 * StoreClient, on any clock. Tests and `podium verify` call it; core/revision-check.ts judges what it recorded.
 *
 * The model knows no leases. A lease has keys of its own that nobody else writes, so that its end is one more deletion of
 * known keys: asked for (a revoke), or of nobody knows when (an expiry), which is how an unanswered operation is recorded.
 */
import { fromLatin1, toLatin1 } from '../base/bytes.ts';
import { type Clock, type Millis, sleep } from '../base/clock.ts';
import { AbortedError } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import type { StoreClient, StoreWatch } from '../etcd/store-client.ts';
import {
  CompareResult,
  CompareTarget,
  EventType,
  type Event,
  type RangeResponse,
  type RequestOp,
  type ResponseOp,
  type TxnRequest,
  type WatchResponse,
} from '../proto/etcd.ts';
import { RpcCode, RpcError } from '../proto/rpc.ts';
import type { Init } from '../proto/wire.ts';
import type { StoreOperation } from './core/revision-check.ts';
import type { StoreAnswer, StoreEvent, StoreRequest } from './core/store-model.ts';
import type { SeenResponse, SeenWatch } from './core/watch-promises.ts';

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
}

export interface Recording {
  readonly operations: readonly StoreOperation[];
  /** Requests answered and, by their gRPC code, failed. */
  readonly answered: number;
  readonly failed: ReadonlyMap<string, number>;
}

const KEYS = 12;
const THINK_MS = 20;
/** The shortest that etcd grants with its default timeouts. */
const LEASE_TTL_SECONDS = 2;
/** How long a client waits after a request that failed. */
const RETRY_MS = 20;

const PROGRESS_EVERY_MS = 250;

/** What a cluster in trouble may answer. Everything else is a bug, and ends the load. */
const EXPECTED_FAILURES: ReadonlySet<RpcCode> = new Set([
  RpcCode.UNAVAILABLE,
  RpcCode.DEADLINE_EXCEEDED,
  RpcCode.CANCELLED,
  RpcCode.RESOURCE_EXHAUSTED,
]);

/** Rejects on an answer that no fault explains. */
export async function runLoad(options: LoadOptions): Promise<Recording> {
  const { clients, random } = options;
  const recorder = new Recorder(options.clock);
  const runs = clients.map((client, at) =>
    new LoadClient({ ...options, client, id: at, random: random.fork(`client ${at}`), recorder }).run(),
  );
  await Promise.all(runs);
  return recorder;
}

class Recorder implements Recording {
  readonly operations: StoreOperation[] = [];
  readonly failed = new Map<string, number>();
  answered = 0;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get now(): Millis {
    return this.#clock.monotonic();
  }

  /** Of an unanswered operation nobody knows whether and when it happened. */
  unanswered(client: number, request: StoreRequest, calledAt: Millis): void {
    this.operations.push({ client, request, answered: undefined, calledAt, answeredAt: this.now });
  }

  fail(error: RpcError): void {
    const name = Object.entries(RpcCode).find(([, code]) => code === error.code)?.[0] ?? String(error.code);
    this.failed.set(name, (this.failed.get(name) ?? 0) + 1);
  }
}

interface Answered {
  readonly revision: number;
  readonly answer: StoreAnswer;
}

interface LoadClientOptions extends LoadOptions {
  readonly client: StoreClient;
  readonly id: number;
  readonly recorder: Recorder;
}

class LoadClient {
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
    this.#keys = Array.from({ length: keys }, (_, at) => `${prefix}key/${String(at).padStart(3, '0')}`);
    this.#leasePrefix = `${prefix}lease/${options.id}/`;
    this.#everything = { key: `${prefix}key/`, rangeEnd: `${prefix}lease0` };
  }

  async run(): Promise<void> {
    const { signal, clock, random, recorder, thinkMs = THINK_MS } = this.#options;
    while (!signal.aborted) {
      try {
        await this.#next();
      } catch (error) {
        if (!(error instanceof RpcError) || !EXPECTED_FAILURES.has(error.code)) throw error;
        recorder.fail(error);
        await pause(clock, RETRY_MS, signal);
      }
      await pause(clock, random.float() * 2 * thinkMs, signal);
    }
  }

  #next(): Promise<void> {
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
    const calledAt = recorder.now;
    const answered = await this.#recordFailure(request, calledAt, () => perform(client, request, serializable));
    recorder.answered++;
    const operation = { client: id, request, answered, calledAt, answeredAt: recorder.now };
    recorder.operations.push(serializable ? { ...operation, serializable } : operation);
    this.#learn(answered.answer);
  }

  /** A write that failed may have happened, unless it never left; a read that failed says nothing. */
  async #recordFailure<T>(request: StoreRequest, calledAt: Millis, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      const mayHaveHappened = request.kind !== 'range' && !(error instanceof RpcError && error.notSent);
      if (mayHaveHappened) this.#options.recorder.unanswered(this.#options.id, request, calledAt);
      throw error;
    }
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
    const puts: StoreRequest = {
      kind: 'txn',
      ifModRevision: [],
      onSuccess: keys.map((key) => ({ kind: 'put', key, value })),
      onFailure: [],
    };
    const end: StoreRequest = {
      kind: 'txn',
      ifModRevision: [],
      onSuccess: keys.map((key) => ({ kind: 'delete', key })),
      onFailure: [],
    };
    const calledAt = recorder.now;
    recorder.unanswered(id, end, calledAt);
    const written = await this.#recordFailure(puts, calledAt, () => putWithLease(client, puts, lease)).catch(
      (error: unknown) => {
        // The lease ended before its keys were put: the cluster was away for that long.
        if (error instanceof RpcError && error.code === RpcCode.NOT_FOUND) return undefined;
        throw error;
      },
    );
    recorder.answered++;
    if (written === undefined) return;
    recorder.operations.push({ client: id, request: puts, answered: written, calledAt, answeredAt: recorder.now });
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

function putWithLease(client: StoreClient, request: StoreRequest, lease: bigint): Promise<Answered> {
  const txn = encodeTxn(request as Extract<StoreRequest, { kind: 'txn' }>, lease);
  return client.txn(txn).then((response) => ({ revision: response.header?.revision ?? 0, answer: txnAnswer(response) }));
}

/** One request of the model, as calls of a store. */
export async function perform(client: StoreClient, request: StoreRequest, serializable = false): Promise<Answered> {
  switch (request.kind) {
    case 'range': {
      const response = await client.range({ ...rangeOf(request), serializable });
      return { revision: response.header?.revision ?? 0, answer: rangeAnswer(response) };
    }
    case 'put': {
      const { header } = await client.put({ key: fromLatin1(request.key), value: fromLatin1(request.value) });
      return { revision: header?.revision ?? 0, answer: { kind: 'put' } };
    }
    case 'delete': {
      const { header, deleted } = await client.deleteRange(rangeOf(request));
      return { revision: header?.revision ?? 0, answer: { kind: 'delete', deleted } };
    }
    case 'txn': {
      const response = await client.txn(encodeTxn(request, 0n));
      return { revision: response.header?.revision ?? 0, answer: txnAnswer(response) };
    }
  }
}

function rangeOf({ key, rangeEnd }: { readonly key: string; readonly rangeEnd?: string }) {
  return rangeEnd === undefined
    ? { key: fromLatin1(key) }
    : { key: fromLatin1(key), rangeEnd: fromLatin1(rangeEnd) };
}

function encodeTxn(request: Extract<StoreRequest, { kind: 'txn' }>, lease: bigint): Init<TxnRequest> {
  return {
    compare: request.ifModRevision.map(({ key, revision }) => ({
      result: CompareResult.EQUAL,
      target: CompareTarget.MOD,
      key: fromLatin1(key),
      targetUnion: { case: 'modRevision' as const, value: revision },
    })),
    success: request.onSuccess.map((operation) => encodeOp(operation, lease)),
    failure: request.onFailure.map((operation) => encodeOp(operation, lease)),
  };
}

function encodeOp(request: StoreRequest, lease: bigint): Init<RequestOp> {
  switch (request.kind) {
    case 'range':
      return { request: { case: 'requestRange', value: rangeOf(request) } };
    case 'put': {
      const value = { key: fromLatin1(request.key), value: fromLatin1(request.value), lease };
      return { request: { case: 'requestPut', value } };
    }
    case 'delete':
      return { request: { case: 'requestDeleteRange', value: rangeOf(request) } };
    case 'txn':
      return { request: { case: 'requestTxn', value: encodeTxn(request, lease) } };
  }
}

function rangeAnswer({ kvs }: RangeResponse): StoreAnswer {
  return {
    kind: 'range',
    values: kvs.map(({ key, value, createRevision, modRevision, version }) => ({
      key: toLatin1(key),
      value: toLatin1(value),
      createRevision,
      modRevision,
      version,
    })),
  };
}

function txnAnswer({ succeeded, responses }: { readonly succeeded: boolean; readonly responses: readonly ResponseOp[] }): StoreAnswer {
  return { kind: 'txn', succeeded, answers: responses.map(opAnswer) };
}

function opAnswer({ response }: ResponseOp): StoreAnswer {
  switch (response?.case) {
    case 'responseRange':
      return rangeAnswer(response.value);
    case 'responsePut':
      return { kind: 'put' };
    case 'responseDeleteRange':
      return { kind: 'delete', deleted: response.value.deleted };
    case 'responseTxn':
      return txnAnswer(response.value);
    case undefined:
      throw new RpcError(RpcCode.INTERNAL, 'an operation of a transaction was not answered');
  }
}

export interface WatchOptions {
  readonly client: StoreClient;
  readonly clock: Clock;
  readonly name: string;
  readonly key: string;
  readonly rangeEnd?: string;
}

/**
 * Watches through whatever happens, from revision 1 on, and asks for progress now and then; begins again behind what it
 * has seen when the way to the store breaks. core/watch-promises.ts judges each watch of `watches`.
 */
export class WatchRecorder {
  readonly watches: SeenWatch[] = [];
  readonly #options: WatchOptions;
  #reached = 0;

  constructor(options: WatchOptions) {
    this.#options = options;
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
        if (!(error instanceof RpcError) || !EXPECTED_FAILURES.has(error.code)) throw error;
      }
      await pause(clock, RETRY_MS, signal);
    }
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { client, clock, name, key, rangeEnd } = this.#options;
    const responses: SeenResponse[] = [];
    const startRevision = this.#reached + 1;
    const range = rangeEnd === undefined ? { key } : { key, rangeEnd };
    this.watches.push({ name: `${name}, watch ${this.watches.length + 1}`, ...range, startRevision, responses });
    const watch = client.watch({ ...rangeOf(range), startRevision }, { signal });
    const over = new AbortController();
    const asking = this.#askProgress(watch, over.signal, clock);
    try {
      for await (const response of watch) {
        if (response.canceled) throw new RpcError(RpcCode.UNAVAILABLE, `cancelled: ${response.cancelReason}`);
        const seen = seenResponse(response);
        responses.push(seen);
        if (seen.kind === 'progress') this.#reached = Math.max(this.#reached, seen.revision);
        for (const { revision } of seen.events) this.#reached = Math.max(this.#reached, revision);
      }
    } finally {
      over.abort();
      await asking;
    }
  }

  async #askProgress(watch: StoreWatch, signal: AbortSignal, clock: Clock): Promise<void> {
    while (!signal.aborted) {
      await pause(clock, PROGRESS_EVERY_MS, signal);
      if (!signal.aborted) watch.requestProgress();
    }
  }
}

function seenResponse({ created, header, events }: WatchResponse): SeenResponse {
  const kind = created ? 'created' : events.length > 0 ? 'events' : 'progress';
  return { kind, revision: header?.revision ?? 0, events: events.map(toStoreEvent) };
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

/** A pause that the end of the load cuts short. */
async function pause(clock: Clock, ms: Millis, signal: AbortSignal): Promise<void> {
  await sleep(clock, ms, signal).catch((error: unknown) => {
    if (!(error instanceof AbortedError)) throw error;
  });
}
