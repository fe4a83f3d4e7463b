/**
 * A StoreClient on a sorted list in memory: range, put, delete, txn, compact and watch with etcd's revisions, no leases,
 * no nested txns. A dumb twin of the store, for tests of what stands above it. Requests and answers go through their
 * codecs, so that nothing is shared.
 */
import { compareBytes, fromLatin1, toLatin1 } from '../../src/base/bytes.ts';
import { Pipe } from '../../src/base/pipe.ts';
import type { StoreClient, StoreWatch } from '../../src/etcd/store-client.ts';
import {
  CompareResult,
  CompareTarget,
  EventType,
  RangeRequest,
  StatusResponse,
  TxnRequest,
  WatchCreateRequest,
  WatchResponse,
  type Compare,
  type Event,
  type KeyValue,
  type RequestOp,
  type RangeResponse,
  type ResponseOp,
} from '../../src/proto/etcd.ts';
import { RpcCode, RpcError } from '../../src/proto/rpc.ts';
import type { Init } from '../../src/proto/wire.ts';

interface Watcher {
  readonly from: string;
  readonly to: string;
  readonly pipe: Pipe<WatchResponse>;
}

const inRange = (key: string, from: string, to: string) => (to === '' ? key === from : key >= from && (to === '\0' || key < to));

export class MemoryStore implements StoreClient {
  revision = 1;
  compacted = 0;
  /** Set: every call fails with it, and the watches that run break. */
  failure: RpcError | undefined;
  /** Runs before each txn: a place for a rival's write. */
  beforeTxn: (() => Promise<void>) | undefined;
  readonly #events: { readonly revision: number; readonly events: readonly Event[] }[] = [];
  readonly #watchers = new Set<Watcher>();

  breakWatches(): void {
    for (const { pipe } of this.#watchers) pipe.end(new RpcError(RpcCode.UNAVAILABLE, 'the connection broke'));
    this.#watchers.clear();
  }

  async range(init: Init<RangeRequest>): Promise<RangeResponse> {
    await this.#turn();
    return this.#range(RangeRequest.decode(RangeRequest.encode(init)));
  }

  async *rangeStream(init: Init<RangeRequest>) {
    yield await this.range(init);
  }

  async txn(init: Init<TxnRequest>) {
    await this.#turn();
    await this.beforeTxn?.();
    const request = TxnRequest.decode(TxnRequest.encode(init));
    const succeeded = request.compare.every((compare) => this.#holds(compare));
    const ops = succeeded ? request.success : request.failure;
    const events: Event[] = [];
    const responses = ops.map((op) => this.#apply(op, events));
    this.#commit(events);
    return { header: this.#header(), succeeded, responses };
  }

  async put(init: Parameters<StoreClient['put']>[0]) {
    const op = { request: { case: 'requestPut' as const, value: init } };
    await this.txn({ success: [op] });
    return { header: this.#header(), prevKv: undefined };
  }

  async deleteRange(init: Parameters<StoreClient['deleteRange']>[0]) {
    const { responses } = await this.txn({ success: [{ request: { case: 'requestDeleteRange', value: init } }] });
    const answer = responses[0]?.response;
    return { header: this.#header(), deleted: answer?.case === 'responseDeleteRange' ? answer.value.deleted : 0, prevKvs: [] };
  }

  compact({ revision = 0 }: { readonly revision?: number | undefined }) {
    this.compacted = revision;
    return Promise.resolve({ header: this.#header() });
  }

  watch(init: Init<WatchCreateRequest>, options: { readonly signal?: AbortSignal | undefined } = {}): StoreWatch {
    const request = WatchCreateRequest.decode(WatchCreateRequest.encode(init));
    const pipe = new Pipe<WatchResponse>(1_000_000, { return: () => this.#watchers.delete(watcher) });
    const watcher: Watcher = { from: toLatin1(request.key), to: toLatin1(request.rangeEnd), pipe };
    options.signal?.addEventListener('abort', () => pipe.end(new RpcError(RpcCode.CANCELLED, 'cancelled')), { once: true });
    const answer = (fields: Init<WatchResponse>) => pipe.push(WatchResponse.decode(WatchResponse.encode({ header: this.#header(), ...fields })));
    if (this.failure !== undefined) pipe.end(this.failure);
    else if (request.startRevision > 0 && request.startRevision <= this.compacted) {
      answer({ created: true });
      answer({ canceled: true, compactRevision: this.compacted });
      pipe.end();
    } else {
      answer({ created: true });
      for (const { revision, events } of this.#events) {
        const wanted = events.filter(({ kv }) => inRange(toLatin1(kv!.key), watcher.from, watcher.to));
        if (request.startRevision > 0 && revision >= request.startRevision && wanted.length > 0) answer({ events: wanted });
      }
      this.#watchers.add(watcher);
    }
    return { requestProgress: () => answer({}), [Symbol.asyncIterator]: () => pipe[Symbol.asyncIterator]() };
  }

  leaseGrant = unimplemented;
  leaseRevoke = unimplemented;
  leaseKeepAliveOnce = unimplemented;
  leaseTimeToLive = unimplemented;
  leaseLeases = unimplemented;
  status = () => Promise.resolve(StatusResponse.create({ header: this.#header(), version: '3.6.0' }));
  memberList = unimplemented;
  close(): void {
    this.breakWatches();
  }

  async #turn(): Promise<void> {
    await Promise.resolve();
    if (this.failure !== undefined) throw this.failure;
  }

  #header() {
    return { clusterId: 1n, memberId: 1n, revision: this.revision, raftTerm: 1 };
  }

  /** The state at a revision, by playing all events: slow, and obviously right. */
  #stateAt(revision: number, pending: readonly Event[] = []): Map<string, KeyValue> {
    const state = new Map<string, KeyValue>();
    const play = ({ type, kv }: Event) => {
      if (type === EventType.PUT) state.set(toLatin1(kv!.key), kv!);
      else state.delete(toLatin1(kv!.key));
    };
    for (const entry of this.#events) if (entry.revision <= revision) entry.events.forEach(play);
    pending.forEach(play);
    return state;
  }

  #range(request: RangeRequest, pending: readonly Event[] = []): RangeResponse {
    const { revision } = request;
    if (revision > this.revision) throw new RpcError(RpcCode.OUT_OF_RANGE, 'etcdserver: mvcc: required revision is a future revision');
    if (revision > 0 && revision < this.compacted) {
      throw new RpcError(RpcCode.OUT_OF_RANGE, 'etcdserver: mvcc: required revision has been compacted');
    }
    const [from, to] = [toLatin1(request.key), toLatin1(request.rangeEnd)];
    const all = [...this.#stateAt(revision || this.revision, pending).values()]
      .filter(({ key }) => inRange(toLatin1(key), from, to))
      .sort((a, b) => compareBytes(a.key, b.key));
    const shown = request.limit > 0 ? all.slice(0, request.limit) : all;
    const kvs = request.countOnly ? [] : shown.map((kv) => ({ ...kv, value: request.keysOnly ? new Uint8Array(0) : Uint8Array.from(kv.value) }));
    return { header: this.#header(), kvs, more: shown.length < all.length, count: all.length };
  }

  #holds({ key, target, targetUnion, result }: Compare): boolean {
    const kv = this.#stateAt(this.revision).get(toLatin1(key));
    if (targetUnion?.case === 'value' || targetUnion?.case === 'lease' || result !== CompareResult.EQUAL) throw new Error('not in this twin');
    const actual = target === CompareTarget.MOD ? kv?.modRevision : target === CompareTarget.CREATE ? kv?.createRevision : kv?.version;
    return (actual ?? 0) === (targetUnion?.value ?? 0);
  }

  #apply({ request }: RequestOp, events: Event[]): ResponseOp {
    if (request?.case === 'requestRange') {
      return { response: { case: 'responseRange', value: this.#range(request.value, events) } };
    }
    const state = this.#stateAt(this.revision, events);
    const modRevision = this.revision + 1;
    if (request?.case === 'requestPut') {
      const { key, value } = request.value;
      const old = state.get(toLatin1(key));
      const kv = { key, value, modRevision, createRevision: old?.createRevision ?? modRevision, version: (old?.version ?? 0) + 1, lease: 0n };
      events.push({ type: EventType.PUT, kv, prevKv: undefined });
      return { response: { case: 'responsePut', value: { header: undefined, prevKv: undefined } } };
    }
    if (request?.case !== 'requestDeleteRange') throw new Error('not in this twin');
    const [from, to] = [toLatin1(request.value.key), toLatin1(request.value.rangeEnd)];
    const keys = [...state.keys()].filter((key) => inRange(key, from, to));
    for (const key of keys) {
      const kv = { key: fromLatin1(key), value: new Uint8Array(0), modRevision, createRevision: 0, version: 0, lease: 0n };
      events.push({ type: EventType.DELETE, kv, prevKv: undefined });
    }
    return { response: { case: 'responseDeleteRange', value: { header: undefined, deleted: keys.length, prevKvs: [] } } };
  }

  #commit(events: readonly Event[]): void {
    if (events.length === 0) return;
    this.revision++;
    this.#events.push({ revision: this.revision, events });
    for (const { from, to, pipe } of this.#watchers) {
      const wanted = events.filter(({ kv }) => inRange(toLatin1(kv!.key), from, to));
      if (wanted.length > 0) pipe.push(WatchResponse.decode(WatchResponse.encode({ header: this.#header(), events: wanted })));
    }
  }
}

function unimplemented(): Promise<never> {
  return Promise.reject(new RpcError(RpcCode.UNIMPLEMENTED, 'not in this twin'));
}
