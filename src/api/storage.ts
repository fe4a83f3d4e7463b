/**
 * Objects in the store: JSON under `/registry/<group or core>/<plural>/<namespace>/<name>`, one Txn a write that compares
 * what the writer saw. The resourceVersion is the store's revision and is not part of the stored bytes. Speaks plain
 * etcd v3 and knows no kind.
 */
import { fromUtf8, prefixEnd, toUtf8 } from '../base/bytes.ts';
import { describeError } from '../base/errors.ts';
import { silentLog, type Log } from '../base/log.ts';
import { ApiError, expired } from '../kube/errors.ts';
import { isRecord, type KubeObject } from '../kube/types.ts';
import type { ResourceInfo } from '../kube/resources.ts';
import { CompareResult, CompareTarget, type Compare, type KeyValue, type RangeResponse, type RequestOp } from '../proto/etcd.ts';
import { RpcCode, RpcError } from '../proto/rpc.ts';
import type { Init } from '../proto/wire.ts';
import { OrderedWatches } from '../etcd/ordered-watch.ts';
import type { StoreClient, StoreWatch } from '../etcd/store-client.ts';

const ROOT = '/registry';

/** As etcd limits a request; the object's bytes alone count here. */
export const OBJECT_BYTES_MAX = 1.5 * 1024 * 1024;

export interface Stored {
  readonly key: string;
  readonly object: KubeObject;
  readonly revision: number;
}

/** A key that belongs to an object beside its own, such as an address that a Service holds. */
export interface Claim {
  readonly key: string;
  readonly holder: string;
}

export interface Write {
  readonly key: string;
  /** What the writer saw under the key; 0: nothing. */
  readonly expectedRevision: number;
  /** The object by {@link encodeStored}; undefined: delete. */
  readonly bytes: Uint8Array | undefined;
  /** Must be free, and are taken in the same revision. */
  readonly claims?: readonly Claim[];
  readonly releases?: readonly string[];
  /** Another key that must still be as the writer saw it. */
  readonly unchanged?: { readonly key: string; readonly revision: number } | undefined;
}

export type WriteOutcome =
  | { readonly ok: true; readonly revision: number }
  | { readonly ok: false; readonly why: 'changed'; readonly current: Stored | undefined }
  | { readonly ok: false; readonly why: 'other-changed' | 'claim-taken' };

export interface Page {
  /** Without what cannot be read. */
  readonly items: readonly Stored[];
  /** Of the last value, readable or not: where the next page begins behind. */
  readonly lastKey: string | undefined;
  readonly revision: number;
  readonly hasMore: boolean;
  /** In the whole range. */
  readonly count: number;
}

export interface RangeOptions {
  readonly prefix: string;
  /** Where to go on, inclusive. */
  readonly from?: string;
  readonly limit?: number;
  /** 0: the newest. */
  readonly revision?: number;
  /** An object that is known already, to save parsing it. */
  readonly known?: (key: string, revision: number) => Stored | undefined;
}

/** Values told of, so that each is told of once; past it they may be told of again. */
const UNREADABLE_KEPT_MAX = 1_000;

export class Storage {
  readonly #client: StoreClient;
  readonly #log: Log;
  readonly #unreadable = new Set<string>();
  readonly #watches: OrderedWatches;

  constructor(client: StoreClient, log: Log = silentLog) {
    this.#client = client;
    this.#watches = new OrderedWatches(client);
    this.#log = log;
  }

  /**
   * Undefined: what stands there is no object. Anybody may write into a store; one bad value must not take its kind with
   * it, so it counts as not there, and is named in the log.
   */
  readable(kv: KeyValue): Stored | undefined {
    try {
      return decodeStored(kv);
    } catch (error) {
      const key = toUtf8(kv.key);
      const id = `${key} ${kv.modRevision}`;
      if (!this.#unreadable.has(id)) this.#log.error({ key, revision: kv.modRevision, error: describeError(error) }, 'storage: a value is no object, and is passed over');
      if (this.#unreadable.size >= UNREADABLE_KEPT_MAX) this.#unreadable.clear();
      this.#unreadable.add(id);
      return undefined;
    }
  }

  /** What is stored now; `known`, to save parsing it, where that is the same. */
  async get(key: string, known?: Stored): Promise<{ readonly stored: Stored | undefined; readonly revision: number }> {
    const response = await this.#call(() => this.#client.range({ key: fromUtf8(key) }));
    const kv = response.kvs[0];
    const isKnown = kv !== undefined && known?.revision === kv.modRevision;
    return { stored: kv === undefined ? undefined : isKnown ? known : decodeStored(kv), revision: revisionOf(response) };
  }

  async range({ prefix, from = prefix, limit = 0, revision = 0, known }: RangeOptions): Promise<Page> {
    const response = await this.#call(() =>
      this.#client.range({ key: fromUtf8(from), rangeEnd: prefixEnd(fromUtf8(prefix)), limit, revision }),
    );
    const items = response.kvs.flatMap((kv) => known?.(toUtf8(kv.key), kv.modRevision) ?? this.readable(kv) ?? []);
    const last = response.kvs.at(-1);
    return { items, lastKey: last === undefined ? undefined : toUtf8(last.key), revision: revision || revisionOf(response), hasMore: response.more, count: response.count };
  }

  /** Keys below a prefix, without what stands there. */
  async keys(prefix: string): Promise<string[]> {
    const end = prefixEnd(fromUtf8(prefix));
    const response = await this.#call(() => this.#client.range({ key: fromUtf8(prefix), rangeEnd: end, keysOnly: true }));
    return response.kvs.map(({ key }) => toUtf8(key));
  }

  /** The newest revision, by a quorum. */
  async currentRevision(): Promise<number> {
    return revisionOf(await this.#call(() => this.#client.range({ key: fromUtf8(`${ROOT}/`), countOnly: true })));
  }

  async write(write: Write): Promise<WriteOutcome> {
    const { key, expectedRevision, bytes, claims = [], releases = [], unchanged } = write;
    const compare: Init<Compare>[] = [
      modRevisionIs(key, expectedRevision),
      ...claims.map((claim) => modRevisionIs(claim.key, 0)),
      ...(unchanged === undefined ? [] : [modRevisionIs(unchanged.key, unchanged.revision)]),
    ];
    const success: Init<RequestOp>[] = [
      bytes === undefined ? remove(key) : put(key, bytes),
      ...claims.map(({ key: claimed, holder }) => put(claimed, fromUtf8(holder))),
      ...releases.map(remove),
    ];
    const failure = [read(key), ...(unchanged === undefined ? [] : [read(unchanged.key)])];
    const response = await this.#call(() => this.#client.txn({ compare, success, failure }));
    if (response.succeeded) return { ok: true, revision: response.header?.revision ?? 0 };
    const kvAt = (index: number) => {
      const answer = response.responses[index]?.response;
      return answer?.case === 'responseRange' ? answer.value.kvs[0] : undefined;
    };
    const kv = kvAt(0);
    if ((kv?.modRevision ?? 0) !== expectedRevision) {
      return { ok: false, why: 'changed', current: kv === undefined ? undefined : decodeStored(kv) };
    }
    const otherChanged = unchanged !== undefined && (kvAt(1)?.modRevision ?? 0) !== unchanged.revision;
    return { ok: false, why: otherChanged ? 'other-changed' : 'claim-taken' };
  }

  /** An answer to a question about its progress comes behind the events that it speaks of. */
  watch(prefix: string, startRevision: number, signal: AbortSignal): StoreWatch {
    return this.#watches.watch({ key: fromUtf8(prefix), rangeEnd: prefixEnd(fromUtf8(prefix)), startRevision }, signal);
  }

  async #call<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw fromStoreError(error);
    }
  }
}

/** Where objects of a kind stand; with a namespace, those of it. */
export function prefixOf({ group, resource }: ResourceInfo, namespace = ''): string {
  const base = `${ROOT}/${group === '' ? 'core' : group}/${resource}/`;
  return namespace === '' ? base : `${base}${namespace}/`;
}

export function keyOf(info: ResourceInfo, namespace: string, name: string): string {
  return prefixOf(info, info.namespaced ? namespace : '') + name;
}

/** Not below any kind's prefix: no group is called so. */
export function claimPrefix(what: string): string {
  return `${ROOT}/ranges/${what}/`;
}

/** What the store answers, as the API server says it. Whether a write without an answer was done, nobody knows. */
export function fromStoreError(error: unknown): unknown {
  if (!(error instanceof RpcError)) return error;
  switch (error.code) {
    case RpcCode.OUT_OF_RANGE:
      return expired('The provided continue parameter or resourceVersion is too old: the store has compacted it');
    case RpcCode.UNAVAILABLE:
      return new ApiError('ServiceUnavailable', `the store is not available: ${error.message}`, { cause: error });
    case RpcCode.DEADLINE_EXCEEDED:
      return new ApiError('Timeout', 'the store did not answer in time; a write may have been done', { cause: error });
    case RpcCode.RESOURCE_EXHAUSTED:
      return new ApiError('TooManyRequests', `the store refuses: ${error.message}`, { cause: error });
    case RpcCode.INVALID_ARGUMENT:
      return new ApiError('BadRequest', `the store refuses: ${error.message}`, { cause: error });
    default:
      return new ApiError('InternalError', `the store failed: ${error.message}`, { cause: error });
  }
}

export function decodeStored(kv: KeyValue): Stored {
  const key = toUtf8(kv.key);
  const object = parseObject(key, toUtf8(kv.value));
  object.metadata.resourceVersion = String(kv.modRevision);
  return { key, object, revision: kv.modRevision };
}

function parseObject(key: string, text: string): KubeObject {
  let object: unknown;
  try {
    object = JSON.parse(text);
  } catch (cause) {
    throw new ApiError('InternalError', `what is stored under ${key} is not JSON`, { cause });
  }
  if (!isRecord(object) || !isEnvelope(object)) throw new ApiError('InternalError', `what is stored under ${key} is not an object`);
  return object as unknown as KubeObject; // written by us, or by whoever may write into the store
}

/** What is looked at without knowing the kind must be what it is taken for. */
function isEnvelope({ apiVersion, kind, metadata }: Record<string, unknown>): boolean {
  if (typeof apiVersion !== 'string' || typeof kind !== 'string' || !isRecord(metadata)) return false;
  const { name, namespace = '', uid = '', labels = {}, annotations = {}, finalizers = [], ownerReferences = [] } = metadata;
  const areTexts = [name, namespace, uid].every((text) => typeof text === 'string');
  const areMaps = [labels, annotations].every((map) => isRecord(map) && Object.values(map).every((value) => typeof value === 'string'));
  const areOwners = Array.isArray(ownerReferences) && ownerReferences.every(isRecord);
  return areTexts && areMaps && areOwners && Array.isArray(finalizers) && finalizers.every((value) => typeof value === 'string');
}

export function encodeStored(object: KubeObject): Uint8Array {
  const { resourceVersion: _, ...metadata } = object.metadata;
  return fromUtf8(JSON.stringify({ ...object, metadata }));
}

const modRevisionIs = (key: string, revision: number): Init<Compare> => ({
  key: fromUtf8(key),
  target: CompareTarget.MOD,
  result: CompareResult.EQUAL,
  targetUnion: { case: 'modRevision', value: revision },
});

const put = (key: string, value: Uint8Array): Init<RequestOp> => ({
  request: { case: 'requestPut', value: { key: fromUtf8(key), value } },
});

const remove = (key: string): Init<RequestOp> => ({
  request: { case: 'requestDeleteRange', value: { key: fromUtf8(key) } },
});

const read = (key: string): Init<RequestOp> => ({
  request: { case: 'requestRange', value: { key: fromUtf8(key) } },
});

function revisionOf(response: RangeResponse): number {
  return response.header?.revision ?? 0;
}
