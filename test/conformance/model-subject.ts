/** The pure model as a client of a store, for the cases that concern keys and values; see etcd-model.ts. */
import {
  CompactionRequest,
  CompactionResponse,
  DeleteRangeRequest,
  LeaseGrantResponse,
  LeaseKeepAliveResponse,
  LeaseLeasesResponse,
  LeaseRevokeResponse,
  LeaseTimeToLiveResponse,
  PutRequest,
  RangeRequest,
  ResponseHeader,
  TxnRequest,
} from '../../src/proto/etcd.ts';
import type { StoreClient } from '../../src/etcd/store-client.ts';
import { mapStoreError, StoreError, type StoreErrorCode } from '../../src/store/rpc/errors.ts';
import * as model from './etcd-model.ts';

/** etcd's. */
const TTL_MAX = 9_000_000_000;
const TTL_MIN = 2;

export class ModelSubject {
  #state: model.ModelState;
  readonly #ttls = new Map<bigint, number>();

  readonly client: Pick<StoreClient, (typeof CALLS)[number]> = {
    range: async (request) => this.#answer(model.range(this.#state, RangeRequest.create(request))),
    put: async (request) => this.#answer(model.put(this.#state, PutRequest.create(request))),
    deleteRange: async (request) => this.#answer(model.deleteRange(this.#state, DeleteRangeRequest.create(request))),
    txn: async (request) => this.#answer(model.txn(this.#state, TxnRequest.create(request))),
    compact: async (request) => {
      this.#step(model.compact(this.#state, CompactionRequest.create(request).revision));
      return CompactionResponse.create({ header: this.#header() });
    },
    leaseGrant: async ({ id = 0n, ttl = 0 }) => {
      if (ttl > TTL_MAX) throw refusal('lease-ttl-too-large');
      if (this.#ttls.has(id)) throw refusal('lease-exists');
      const own = id === 0n ? BigInt(this.#ttls.size + 1) : id;
      this.#ttls.set(own, Math.max(ttl, TTL_MIN));
      this.#state = model.grant(this.#state, own);
      return LeaseGrantResponse.create({ header: this.#header(), id: own, ttl: this.#ttls.get(own)! });
    },
    leaseRevoke: async (id) => {
      this.#step(model.revoke(this.#state, id));
      this.#ttls.delete(id);
      return LeaseRevokeResponse.create({ header: this.#header() });
    },
    leaseKeepAliveOnce: async (id) => LeaseKeepAliveResponse.create({ header: this.#header(), id, ttl: this.#ttls.get(id) ?? 0 }),
    leaseTimeToLive: async ({ id = 0n }) => {
      const ttl = this.#ttls.get(id);
      const keys = [...model.valuesOf(this.#state).values()].filter((kv) => kv.lease === id).map(({ key }) => key);
      return LeaseTimeToLiveResponse.create({ header: this.#header(), id, ttl: ttl ?? -1, grantedTtl: ttl ?? 0, keys });
    },
    leaseLeases: async () => LeaseLeasesResponse.create({ header: this.#header(), leases: [...this.#ttls.keys()].map((id) => ({ id })) }),
  };

  /** Empty, as after `revision` of others. */
  constructor(revision = 1) {
    this.#state = model.emptyModel(revision);
  }

  get state(): model.ModelState {
    return this.#state;
  }

  #header(): ResponseHeader {
    return ResponseHeader.create({ revision: this.#state.revision });
  }

  #step<T>(outcome: model.Outcome<T>): T {
    if (!outcome.ok) throw refusal(outcome.code);
    this.#state = outcome.state;
    return outcome.answer;
  }

  #answer<T extends { header: ResponseHeader | undefined }>(outcome: model.Outcome<T>): T {
    const answer = this.#step(outcome);
    return { ...answer, header: this.#header() };
  }
}

export const CALLS = [
  'range', 'put', 'deleteRange', 'txn', 'compact',
  'leaseGrant', 'leaseRevoke', 'leaseKeepAliveOnce', 'leaseTimeToLive', 'leaseLeases',
] as const;

function refusal(code: StoreErrorCode): Error {
  return mapStoreError(new StoreError(code)) ?? new Error(code);
}
