/**
 * What locks and elections are made of: a queue of keys below `name/`, one a session, in the order in which they were
 * created; the first of them holds. A session is a lease, and its key is `name/<lease in hex>`: etcd's scheme, so that
 * clients that run the recipe themselves (etcdctl lock, etcdctl elect) stand in the same queue.
 *
 *   enter ──► key with the lowest create revision? ──► holds
 *                │ no                        ▲
 *                └─► watch the key before it ─┘ deleted
 *
 * It works through the KV and Lease handlers, as a client in the member, so that whatever guards those guards this too.
 * Used by lock.ts and election.ts.
 */
import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { concatBytes, fromUtf8, prefixEnd } from '../../base/bytes.ts';
import {
  CompareTarget,
  DeleteRangeRequest,
  DeleteRangeResponse,
  LeaseGrantResponse,
  RangeRequest,
  RangeResponse,
  SortOrder,
  SortTarget,
  TxnRequest,
  TxnResponse,
  type KV,
  type KeyValue,
  type Lease,
  type RequestOp,
  type ResponseHeader,
  type ResponseOp,
} from '../../proto/etcd.ts';
import { RpcCode, RpcError, type Answer, type CallContext, type Handlers } from '../../proto/rpc.ts';
import type { Init, MessageCodec } from '../../proto/wire.ts';
import type { Revision } from '../mvcc/core/revision.ts';
import { StoreError } from '../rpc/errors.ts';
import type { StoreCore } from './core.ts';
import { watchRange, type WatchedRange } from './watch-range.ts';

/** etcd's, of a session for which its client brought no lease. */
const SESSION_TTL_SECONDS = 60;

export interface KeyQueueOptions {
  readonly core: StoreCore;
  readonly clock: Clock;
  readonly kv: Handlers<typeof KV>;
  readonly lease: Handlers<typeof Lease>;
}

/** A session's place in the queue. */
export interface Place {
  readonly key: Uint8Array;
  /** Its create revision. */
  readonly revision: Revision;
  readonly lease: bigint;
  readonly header: ResponseHeader;
  /** What an earlier call of this session has left there; undefined: the key was made now. */
  readonly existing: KeyValue | undefined;
  /** It held already when it was taken. */
  readonly isFirst: boolean;
}

export class KeyQueue {
  readonly #options: KeyQueueOptions;
  readonly #context: CallContext;
  readonly prefix: Uint8Array;

  constructor(options: KeyQueueOptions, context: CallContext, name: Uint8Array) {
    this.#options = options;
    this.#context = context;
    this.prefix = concatBytes([name, fromUtf8('/')]);
  }

  /** Takes a place, or finds the one that this lease has. `lease` 0: a new one of a minute. */
  async enter(lease: bigint, value: Uint8Array): Promise<Place> {
    const session = await this.session(lease);
    const key = concatBytes([this.prefix, fromUtf8(session.toString(16))]);
    const oldest: Init<RequestOp> = { request: { case: 'requestRange', value: this.#oldest() } };
    const { header, succeeded, responses } = await this.#txn({
      compare: [{ key, target: CompareTarget.CREATE, targetUnion: { case: 'createRevision', value: 0 } }],
      success: [{ request: { case: 'requestPut', value: { key, value, lease: session } } }, oldest],
      failure: [{ request: { case: 'requestRange', value: { key } } }, oldest],
    });
    assert(header !== undefined, 'every answer has a header');
    const existing = succeeded ? undefined : firstOf(responses[0]);
    const revision = existing?.createRevision ?? header.revision;
    return { key, revision, lease: session, header, existing, isFirst: firstOf(responses[1])?.createRevision === revision };
  }

  /** The lease that was named, unless it is 0. Whether it exists is told by the put that it is attached to. */
  async session(lease: bigint): Promise<bigint> {
    if (lease !== 0n) return lease;
    const grant = this.#options.lease.leaseGrant;
    assert(grant !== undefined, 'a member grants leases');
    const { id } = await asClient(LeaseGrantResponse, () => grant({ id: 0n, ttl: SESSION_TTL_SECONDS }, this.#context));
    return id;
  }

  /** Resolves when no key below the prefix is older than `place`; the header says at which revision. */
  async first(place: Pick<Place, 'revision'>): Promise<ResponseHeader> {
    for (;;) {
      const { header, kvs } = await this.range({
        ...this.#whole(),
        sortTarget: SortTarget.CREATE,
        sortOrder: SortOrder.DESCEND,
        maxCreateRevision: place.revision - 1,
        limit: 1,
      });
      assert(header !== undefined, 'every answer has a header');
      const [before] = kvs;
      if (before === undefined) return header;
      await this.#deleted(before.key, header.revision + 1);
    }
  }

  /** The key that holds, if any. */
  async holder(): Promise<{ readonly header: ResponseHeader; readonly kv: KeyValue | undefined }> {
    const { header, kvs } = await this.range(this.#oldest());
    assert(header !== undefined, 'every answer has a header');
    return { header, kv: kvs[0] };
  }

  /** Runs `op` if `key` is still the one that was created at `revision`. */
  async ifStill(
    key: Uint8Array,
    revision: Revision,
    op: Init<RequestOp>,
  ): Promise<{ readonly header: ResponseHeader; readonly succeeded: boolean }> {
    const { header, succeeded } = await this.#txn(onlyIf(key, revision, op));
    assert(header !== undefined, 'every answer has a header');
    return { header, succeeded };
  }

  /** Gives a place up after a wait that failed; also for a caller who has gone. A lost store ends it with its lease. */
  async leave({ key, revision }: Pick<Place, 'key' | 'revision'>): Promise<void> {
    await this.#txn(onlyIf(key, revision, { request: { case: 'requestDeleteRange', value: { key } } }), {
      ...NOBODY,
      metadata: this.#context.metadata,
      peer: this.#context.peer,
      identity: this.#context.identity,
    }).catch(() => undefined);
  }

  watch(range: { readonly key: Uint8Array; readonly isPrefix: boolean; readonly from: Revision }): WatchedRange {
    const { core, clock } = this.#options;
    const rangeEnd = range.isPrefix ? prefixEnd(range.key) : new Uint8Array(0);
    return watchRange(core, clock, this.#context.signal, { key: range.key, rangeEnd, startRevision: range.from });
  }

  async range(init: Init<RangeRequest>): Promise<RangeResponse> {
    const { range } = this.#options.kv;
    assert(range !== undefined, 'a member serves ranges');
    return asClient(RangeResponse, () => range(RangeRequest.create(init), this.#context));
  }

  async delete(init: Init<DeleteRangeRequest>): Promise<DeleteRangeResponse> {
    const { deleteRange } = this.#options.kv;
    assert(deleteRange !== undefined, 'a member serves deletes');
    return asClient(DeleteRangeResponse, () => deleteRange(DeleteRangeRequest.create(init), this.#context));
  }

  async #txn(init: Init<TxnRequest>, context = this.#context): Promise<TxnResponse> {
    const { txn } = this.#options.kv;
    assert(txn !== undefined, 'a member serves transactions');
    return asClient(TxnResponse, () => txn(TxnRequest.create(init), context));
  }

  async #deleted(key: Uint8Array, from: Revision): Promise<void> {
    const watched = this.watch({ key, isPrefix: false, from });
    try {
      for (;;) {
        const batch = await watched.next();
        // The history that was to be read is gone: whoever asks looks at the present again.
        if (batch === 'compacted' || batch.some(({ isDelete }) => isDelete)) return;
      }
    } finally {
      watched.close();
    }
  }

  #whole() {
    return { key: this.prefix, rangeEnd: prefixEnd(this.prefix) };
  }

  #oldest() {
    return { ...this.#whole(), sortTarget: SortTarget.CREATE, sortOrder: SortOrder.ASCEND, limit: 1 };
  }
}

function onlyIf(key: Uint8Array, revision: Revision, op: Init<RequestOp>): Init<TxnRequest> {
  const targetUnion = { case: 'createRevision', value: revision } as const;
  return { compare: [{ key, target: CompareTarget.CREATE, targetUnion }], success: [op] };
}

function firstOf(op: ResponseOp | undefined): KeyValue | undefined {
  return op?.response?.case === 'responseRange' ? op.response.value.kvs[0] : undefined;
}

/**
 * Calls a handler as a client does. In etcd what such a call fails with keeps its text and loses its code on the way
 * through the client inside the member, and so it does here.
 */
async function asClient<T>(codec: MessageCodec<T>, call: () => Answer<NoInfer<T>> | Promise<Answer<NoInfer<T>>>): Promise<T> {
  try {
    const answer = await call();
    // Handlers may answer with bytes that they encoded before.
    return answer instanceof Uint8Array ? codec.decode(answer) : codec.create(answer);
  } catch (error) {
    if (error instanceof StoreError) throw unknown(error.message, error);
    throw error;
  }
}

/** With a caller's rights, but nobody who could go away: what is to be undone must not be cancelled with the call. */
const NOBODY = { signal: new AbortController().signal, deadlineMs: undefined };

/** A failure that etcd tells without a code of its own: its locks and elections run on a client inside the member. */
export function unknown(text: string, cause?: unknown): RpcError {
  return new RpcError(RpcCode.UNKNOWN, text, cause === undefined ? {} : { cause });
}
