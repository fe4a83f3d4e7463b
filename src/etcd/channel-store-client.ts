/**
 * A StoreClient over channels, one to each member. It stays with a member for as long as that one answers. On
 * Unavailable, a read goes on to the next member, and a write only if it never left (etcd's own rule: at most once).
 * After a timeout the next call begins elsewhere: the member may be frozen. Each member is tried once a call; who wants
 * to wait for the cluster to come back does so with back-off of its own.
 */
import { assert } from '../base/assert.ts';
import {
  Cluster,
  KV,
  Lease,
  Maintenance,
  Watch,
  type LeaseKeepAliveResponse,
  type RangeRequest,
  type RangeResponse,
  type WatchRequest,
  type WatchResponse,
} from '../proto/etcd.ts';
import { RpcCode, RpcError, type BidiCall, type CallOptions, type Channel } from '../proto/rpc.ts';
import type { Init, MethodDescriptor } from '../proto/wire.ts';
import type { StoreCallOptions, StoreClient, StoreWatch } from './store-client.ts';

export interface ChannelStoreClientOptions {
  /** One a member; closed with the client. */
  readonly channels: readonly Channel[];
  /** etcd's own limit is 7 s with its default election timeout; a little more leaves the server the last word. */
  readonly requestTimeoutMs?: number;
}

/** A call is either safe to send again, or it is not. */
type Kind = 'read' | 'write';

/** Makes a member without a leader refuse a watch, and end it when the leader is lost, rather than be silent. */
const REQUIRE_LEADER = { hasleader: 'true' } as const;

export function channelStoreClient({ channels, requestTimeoutMs = 8000 }: ChannelStoreClientOptions): StoreClient {
  assert(channels.length > 0, 'a store has a member');
  const members = new Members(channels);
  const call = <Q, S>(
    kind: Kind,
    method: MethodDescriptor<Q, S>,
    request: Init<Q>,
    options: StoreCallOptions = {},
  ): Promise<S> => {
    const callOptions: CallOptions = { signal: options.signal, timeoutMs: options.timeoutMs ?? requestTimeoutMs };
    return members.try(kind, callOptions.signal, (channel) => channel.unary(method, request, callOptions));
  };
  return {
    range: (request, options) => call('read', KV.methods.range, request, options),
    rangeStream: (request, options = {}) =>
      rangeStream(members, request, { signal: options.signal, timeoutMs: options.timeoutMs ?? requestTimeoutMs }),
    put: (request, options) => call('write', KV.methods.put, request, options),
    deleteRange: (request, options) => call('write', KV.methods.deleteRange, request, options),
    txn: (request, options) => call('write', KV.methods.txn, request, options),
    compact: (request, options) => call('write', KV.methods.compact, request, options),
    leaseGrant: (request, options) => call('write', Lease.methods.leaseGrant, request, options),
    leaseRevoke: (id, options) => call('write', Lease.methods.leaseRevoke, { id }, options),
    // Keeping alive twice is keeping alive: as safe to repeat as a read.
    leaseKeepAliveOnce: (id, options = {}) =>
      members.try('read', options.signal, (channel) =>
        keepAliveOnce(channel, id, { signal: options.signal, timeoutMs: options.timeoutMs ?? requestTimeoutMs }),
      ),
    leaseTimeToLive: (request, options) => call('read', Lease.methods.leaseTimeToLive, request, options),
    leaseLeases: (options) => call('read', Lease.methods.leaseLeases, {}, options),
    watch: (request, options = {}) =>
      new MemberWatch(members, { requestUnion: { case: 'createRequest', value: request } }, options.signal),
    status: (options) => call('read', Maintenance.methods.status, {}, options),
    memberList: (request = {}, options) => call('read', Cluster.methods.memberList, request, options),
    close: () => {
      for (const channel of channels) channel.close();
    },
  };
}

class Members {
  readonly #channels: readonly Channel[];
  #current = 0;

  constructor(channels: readonly Channel[]) {
    this.#channels = channels;
  }

  get count(): number {
    return this.#channels.length;
  }

  current(): { readonly index: number; readonly channel: Channel } {
    return { index: this.#current, channel: this.#channels[this.#current]! };
  }

  /** Away from a member that failed, unless another call has already moved on. */
  leave(index: number): void {
    if (this.#current === index) this.#current = (index + 1) % this.#channels.length;
  }

  async try<S>(kind: Kind, signal: AbortSignal | undefined, run: (channel: Channel) => Promise<S>): Promise<S> {
    for (let attempt = 1; ; attempt++) {
      const { index, channel } = this.current();
      try {
        return await run(channel);
      } catch (error) {
        if (!(error instanceof RpcError)) throw error;
        if (shouldLeave(error)) this.leave(index);
        const mayRepeat = error.code === RpcCode.UNAVAILABLE && (kind === 'read' || error.notSent);
        if (!mayRepeat || attempt >= this.count || signal?.aborted) throw error;
      }
    }
  }
}

function shouldLeave(error: RpcError): boolean {
  return (
    error.code === RpcCode.UNAVAILABLE || error.code === RpcCode.DEADLINE_EXCEEDED || error.code === RpcCode.DATA_LOSS
  );
}

/** Of one member: parts that were given out cannot be taken back, so that a stream that breaks is the caller's to repeat. */
async function* rangeStream(members: Members, request: Init<RangeRequest>, options: CallOptions): AsyncGenerator<RangeResponse> {
  const { index, channel } = members.current();
  try {
    for await (const { rangeResponse } of channel.serverStream(KV.methods.rangeStream, request, options)) {
      if (rangeResponse !== undefined) yield rangeResponse;
    }
  } catch (error) {
    if (error instanceof RpcError && shouldLeave(error)) members.leave(index);
    throw error;
  }
}

async function keepAliveOnce(channel: Channel, id: bigint, options: CallOptions): Promise<LeaseKeepAliveResponse> {
  const call = channel.bidi(Lease.methods.leaseKeepAlive, options);
  call.send({ id });
  for await (const response of call.responses) {
    return response;
  }
  throw new RpcError(RpcCode.UNAVAILABLE, 'the stream ended without an answer');
}

class MemberWatch implements StoreWatch {
  readonly #members: Members;
  readonly #request: Init<WatchRequest>;
  readonly #signal: AbortSignal | undefined;
  #call: BidiCall<WatchRequest, WatchResponse> | undefined;

  constructor(members: Members, request: Init<WatchRequest>, signal: AbortSignal | undefined) {
    this.#members = members;
    this.#request = request;
    this.#signal = signal;
  }

  requestProgress(): void {
    this.#call?.send({ requestUnion: { case: 'progressRequest', value: {} } });
  }

  async *[Symbol.asyncIterator](): AsyncIterator<WatchResponse, undefined> {
    for (let attempt = 1; ; attempt++) {
      const { index, channel } = this.#members.current();
      const call = channel.bidi(Watch.methods.watch, { signal: this.#signal, metadata: REQUIRE_LEADER });
      this.#call = call;
      call.send(this.#request);
      let isCreated = false;
      try {
        for await (const response of call.responses) {
          isCreated = true;
          yield response;
          if (response.canceled) return undefined;
        }
        throw new RpcError(RpcCode.UNAVAILABLE, 'the watch stream ended');
      } catch (error) {
        if (!(error instanceof RpcError)) throw error;
        if (shouldLeave(error)) this.#members.leave(index);
        // Before the first response nothing was promised: another member may do as well.
        const mayRepeat = error.code === RpcCode.UNAVAILABLE && !isCreated && !this.#signal?.aborted;
        if (!mayRepeat || attempt >= this.#members.count) throw error;
      } finally {
        call.cancel();
      }
    }
  }
}
