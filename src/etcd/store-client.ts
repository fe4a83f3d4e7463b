/**
 * The store as its clients see it: etcd v3 by calls and messages, whatever carries them. Everybody who needs a store
 * (API server, CLI, verifier) takes this interface, so that Podium's store and a real etcd can be exchanged.
 *
 * Every failure is an RpcError with etcd's code and text. Nothing is sent again that may have been done: a write that
 * fails with Unavailable or DeadlineExceeded may or may not have happened, unless the error says `notSent`.
 */
import type {
  CompactionRequest,
  CompactionResponse,
  DeleteRangeRequest,
  DeleteRangeResponse,
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseKeepAliveResponse,
  LeaseLeasesResponse,
  LeaseRevokeResponse,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
  MemberListRequest,
  MemberListResponse,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  StatusResponse,
  TxnRequest,
  TxnResponse,
  WatchCreateRequest,
  WatchResponse,
} from '../proto/etcd.ts';
import type { Init } from '../proto/wire.ts';

export interface StoreCallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Instead of the client's own. */
  readonly timeoutMs?: number | undefined;
}

/**
 * One watcher. The first response says `created`; one that says `canceled` is the last. When the way to the store
 * breaks the loop throws, and the caller watches again from the revision after the last it has seen. Leaving the loop,
 * or the signal, cancels the watcher. To be iterated once.
 */
export interface StoreWatch extends AsyncIterable<WatchResponse> {
  /** Asks for an empty response that tells how far this watcher has seen. */
  requestProgress(): void;
}

export interface StoreClient {
  range(request: Init<RangeRequest>, options?: StoreCallOptions): Promise<RangeResponse>;
  /** In parts, each of its own keys, all of one revision; the last one has the header. etcd has it from 3.7 on. */
  rangeStream(request: Init<RangeRequest>, options?: StoreCallOptions): AsyncIterable<RangeResponse>;
  put(request: Init<PutRequest>, options?: StoreCallOptions): Promise<PutResponse>;
  deleteRange(request: Init<DeleteRangeRequest>, options?: StoreCallOptions): Promise<DeleteRangeResponse>;
  txn(request: Init<TxnRequest>, options?: StoreCallOptions): Promise<TxnResponse>;
  compact(request: Init<CompactionRequest>, options?: StoreCallOptions): Promise<CompactionResponse>;

  leaseGrant(request: Init<LeaseGrantRequest>, options?: StoreCallOptions): Promise<LeaseGrantResponse>;
  leaseRevoke(id: bigint, options?: StoreCallOptions): Promise<LeaseRevokeResponse>;
  /** A response with TTL 0 says that there is no such lease. */
  leaseKeepAliveOnce(id: bigint, options?: StoreCallOptions): Promise<LeaseKeepAliveResponse>;
  leaseTimeToLive(request: Init<LeaseTimeToLiveRequest>, options?: StoreCallOptions): Promise<LeaseTimeToLiveResponse>;
  leaseLeases(options?: StoreCallOptions): Promise<LeaseLeasesResponse>;

  watch(request: Init<WatchCreateRequest>, options?: { readonly signal?: AbortSignal | undefined }): StoreWatch;

  /** Of the member that the client currently speaks to. */
  status(options?: StoreCallOptions): Promise<StatusResponse>;
  memberList(request?: Init<MemberListRequest>, options?: StoreCallOptions): Promise<MemberListResponse>;

  /** Calls and watches that run are cancelled. */
  close(): void;
}
