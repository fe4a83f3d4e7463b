/**
 * Objects in the store: JSON under `/registry/<group or core>/<plural>/<namespace>/<name>`, one Txn a write that compares
 * what the writer saw. The resourceVersion is the store's revision and is not part of the stored bytes. Speaks plain
 * etcd v3 and knows no kind.
 */
import { fromUtf8, prefixEnd, toUtf8 } from '../base/bytes.ts';
import { ApiError, expired } from '../kube/errors.ts';
import { isRecord, type KubeObject } from '../kube/types.ts';
import type { ResourceInfo } from '../kube/resources.ts';
import { CompareResult, CompareTarget, type Compare, type KeyValue, type RangeResponse, type RequestOp } from '../proto/etcd.ts';
import { RpcCode, RpcError } from '../proto/rpc.ts';
import type { Init } from '../proto/wire.ts';
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
  /** undefined: delete. */
  readonly object: KubeObject | undefined;
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
  readonly items: readonly Stored[];
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

export class Storage {
  readonly #client: StoreClient;
  #progressIsInOrder: boolean | undefined;

  constructor(client: StoreClient) {
    this.#client = client;
  }

  async get(key: string, revision = 0): Promise<{ readonly stored: Stored | undefined; readonly revision: number }> {
    const response = await this.#call(() => this.#client.range({ key: fromUtf8(key), revision }));
    const kv = response.kvs[0];
    return { stored: kv === undefined ? undefined : decodeStored(kv), revision: revisionOf(response) };
  }

  async range({ prefix, from = prefix, limit = 0, revision = 0, known }: RangeOptions): Promise<Page> {
    const response = await this.#call(() =>
      this.#client.range({ key: fromUtf8(from), rangeEnd: prefixEnd(fromUtf8(prefix)), limit, revision }),
    );
    const items = response.kvs.map((kv) => known?.(toUtf8(kv.key), kv.modRevision) ?? decodeStored(kv));
    return { items, revision: revision || revisionOf(response), hasMore: response.more, count: response.count };
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

  /**
   * Whether an answer to a question about a watch's progress comes behind the events that it speaks of. etcd before
   * 3.4.25 and 3.5.8 sent it ahead of those that were still to come (etcd #15220).
   */
  async progressIsInOrder(): Promise<boolean> {
    this.#progressIsInOrder ??= orderedProgress((await this.#call(() => this.#client.status())).version);
    return this.#progressIsInOrder;
  }

  async write(write: Write): Promise<WriteOutcome> {
    const { key, expectedRevision, object, claims = [], releases = [], unchanged } = write;
    const compare: Init<Compare>[] = [
      modRevisionIs(key, expectedRevision),
      ...claims.map((claim) => modRevisionIs(claim.key, 0)),
      ...(unchanged === undefined ? [] : [modRevisionIs(unchanged.key, unchanged.revision)]),
    ];
    const success: Init<RequestOp>[] = [
      object === undefined ? remove(key) : put(key, encodeStored(object)),
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

  watch(prefix: string, startRevision: number, signal: AbortSignal): StoreWatch {
    const request = { key: fromUtf8(prefix), rangeEnd: prefixEnd(fromUtf8(prefix)), startRevision, progressNotify: true };
    return this.#client.watch(request, { signal });
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
  if (!isRecord(object) || !isRecord(object['metadata'])) {
    throw new ApiError('InternalError', `what is stored under ${key} is not an object`);
  }
  return object as unknown as KubeObject; // written by us, or by whoever may write into the store
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

function orderedProgress(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split(/[.+-]/).map(Number);
  if (major !== 3 || minor > 5) return major >= 3;
  return (minor === 5 && patch >= 8) || (minor === 4 && patch >= 25);
}

function revisionOf(response: RangeResponse): number {
  return response.header?.revision ?? 0;
}
