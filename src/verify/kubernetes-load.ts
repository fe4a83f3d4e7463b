/**
 * Requests of Kubernetes' shape: what an API server asks of its store, and nothing else. Objects are created where their
 * key has mod revision 0, changed and deleted where it still has the one that was read; all are listed in pages of one
 * revision, or as a stream where the server has it; one client now and then claims the compactor's key, and compacts.
 */
import { prefixEnd, fromLatin1, toLatin1 } from '../base/bytes.ts';
import type { KeyValue } from '../proto/etcd.ts';
import { RpcCode, RpcError } from '../proto/rpc.ts';
import type { StoreAnswer, StoreRequest } from './core/store-model.ts';
import type { LoadClient, LoadClientOptions } from './load.ts';
import { type Answered, perform, rangeAnswer } from './requests.ts';

/** Below the prefix of the load. */
export const KUBERNETES_KEYS = 'registry/pods/';
const OBJECTS = 12;
/** So that a list of all objects takes several pages. */
const PAGE = 5;

export class KubernetesClient implements LoadClient {
  readonly #options: LoadClientOptions;
  readonly #keys: readonly string[];
  readonly #compactorKey: string;
  /** What this client saw last of each key: 0 for one that is not there. */
  readonly #seen = new Map<string, number>();
  #written = 0;
  #mayStream = true;

  constructor(options: LoadClientOptions) {
    const { keys = OBJECTS, prefix = '' } = options;
    this.#options = options;
    this.#keys = Array.from({ length: keys }, (_, at) => `${prefix}${KUBERNETES_KEYS}${String(at).padStart(3, '0')}`);
    this.#compactorKey = `${prefix}compact_rev_key`;
  }

  /** etcd's robustness suite: many updates, few creations and deletions, lists all the while. */
  next(): Promise<void> {
    const { random } = this.#options;
    const key = random.pick(this.#keys);
    const draw = random.below(100);
    if (draw < 45) return this.#ask(this.#write(key));
    if (draw < 60) return this.#ask(this.#remove(key));
    if (draw < 75) return this.#ask({ kind: 'range', key });
    if (draw < 96) return this.#list();
    return this.#compact();
  }

  /** A creation where the key was not there, an update where it was; else the object is read. */
  #write(key: string): StoreRequest {
    const value = `k${this.#options.id}.${++this.#written}`;
    return this.#optimistic(key, { kind: 'put', key, value });
  }

  #remove(key: string): StoreRequest {
    return this.#optimistic(key, { kind: 'delete', key });
  }

  #optimistic(key: string, change: StoreRequest): StoreRequest {
    const revision = this.#seen.get(key) ?? 0;
    return { kind: 'txn', ifModRevision: [{ key, revision }], onSuccess: [change], onFailure: [{ kind: 'range', key }] };
  }

  async #ask(request: StoreRequest): Promise<void> {
    const { recorder, id, client } = this.#options;
    const answered = await recorder.ask(id, request, () => perform(client, request));
    this.#learn(request, answered);
  }

  #learn(request: StoreRequest, { revision, answer }: Answered): void {
    if (answer.kind === 'range') {
      if (request.kind === 'range') this.#seen.set(request.key, 0);
      for (const { key, modRevision } of answer.values) this.#seen.set(key, modRevision);
    }
    if (request.kind !== 'txn' || answer.kind !== 'txn') return;
    const [change] = answer.succeeded ? request.onSuccess : request.onFailure;
    const [done] = answer.answers;
    if (change === undefined || done === undefined) return;
    if (change.kind === 'put') this.#seen.set(change.key, revision);
    else if (change.kind === 'delete') this.#seen.set(change.key, 0);
    else this.#learn(change, { revision, answer: done });
  }

  /** A list is one read of one revision, however many pages it takes. */
  async #list(): Promise<void> {
    const { recorder, id, random, prefix = '' } = this.#options;
    const key = `${prefix}${KUBERNETES_KEYS}`;
    const request: StoreRequest = { kind: 'range', key, rangeEnd: toLatin1(prefixEnd(fromLatin1(key))) };
    const isStreamed = this.#mayStream && random.chance(0.5);
    const list = () => (isStreamed ? this.#stream(request) : this.#pages(request));
    try {
      // Later pages are of the first one's revision, so that only the first had to be as new as the call.
      const { answer } = await recorder.ask(id, request, list);
      if (answer.kind === 'range') for (const value of answer.values) this.#seen.set(value.key, value.modRevision);
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      if (error.code === RpcCode.UNIMPLEMENTED && isStreamed) this.#mayStream = false;
      // Compacted between two pages: Kubernetes begins the list anew, and so does this client.
      else if (error.code !== RpcCode.OUT_OF_RANGE) throw error;
    }
  }

  async #pages({ key, rangeEnd }: RangeOf): Promise<Answered> {
    const { client } = this.#options;
    const kvs: KeyValue[] = [];
    let from = fromLatin1(key);
    let revision = 0;
    for (;;) {
      const page = await client.range({ key: from, rangeEnd: fromLatin1(rangeEnd ?? ''), limit: PAGE, revision });
      kvs.push(...page.kvs);
      if (revision === 0) revision = page.header?.revision ?? 0;
      const last = page.kvs.at(-1);
      if (last === undefined || page.count <= page.kvs.length) return { revision, answer: rangeAnswer({ ...page, kvs }) };
      from = Buffer.concat([last.key, Uint8Array.of(0)]);
    }
  }

  async #stream({ key, rangeEnd }: RangeOf): Promise<Answered> {
    const kvs: KeyValue[] = [];
    let answer: StoreAnswer | undefined;
    let revision = 0;
    for await (const part of this.#options.client.rangeStream({ key: fromLatin1(key), rangeEnd: fromLatin1(rangeEnd ?? '') })) {
      kvs.push(...part.kvs);
      // The header comes with the last part.
      if (part.header !== undefined) revision = part.header.revision;
      answer = rangeAnswer({ ...part, kvs });
    }
    if (answer === undefined || revision === 0) throw new RpcError(RpcCode.UNAVAILABLE, 'the stream ended early');
    return { revision, answer };
  }

  /** As an API server does each five minutes: whoever moves the key compacts, so that one of many does. */
  async #compact(): Promise<void> {
    const { compactBelow, client, recorder, id } = this.#options;
    if (compactBelow === undefined || id > 1) return;
    const revision = compactBelow();
    const key = this.#compactorKey;
    const value = `k${id}.${++this.#written}`;
    const request = this.#optimistic(key, { kind: 'put', key, value });
    const answered = await recorder.ask(id, request, () => perform(client, request));
    this.#learn(request, answered);
    if (answered.answer.kind !== 'txn' || !answered.answer.succeeded || revision <= 0) return;
    await client.compact({ revision }).catch((error: unknown) => {
      // Compacted before: by another, or by this call if the first try of it was not answered.
      if (!(error instanceof RpcError) || error.code !== RpcCode.OUT_OF_RANGE) throw error;
    });
  }
}

type RangeOf = Extract<StoreRequest, { kind: 'range' }>;
