/**
 * The dumb twin of MVCC: the whole history as one array, every question answered by replaying it. Written from etcd's
 * description alone; it shares no code with what it checks, but for the messages.
 */
import type { Compare, DeleteRangeRequest, PutRequest, RangeRequest, TxnRequest } from '../../../src/proto/etcd.ts';

interface Step {
  readonly revision: number;
  readonly key: string;
  /** undefined: a delete. */
  readonly value: string | undefined;
  readonly lease: bigint;
}

export interface TwinKv {
  readonly key: string;
  readonly value: string;
  readonly create: number;
  readonly mod: number;
  readonly version: number;
  readonly lease: bigint;
}

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');

export class Twin {
  readonly history: Step[] = [];
  revision = 1;
  compacted = 0;

  stateAt(revision: number): Map<string, TwinKv> {
    const state = new Map<string, TwinKv>();
    for (const step of this.history) {
      if (step.revision > revision) break;
      const before = state.get(step.key);
      if (step.value === undefined) state.delete(step.key);
      else
        state.set(step.key, {
          key: step.key,
          value: step.value,
          create: before?.create ?? step.revision,
          mod: step.revision,
          version: (before?.version ?? 0) + 1,
          lease: step.lease,
        });
    }
    return state;
  }

  inRange(state: ReadonlyMap<string, TwinKv>, key: Uint8Array, rangeEnd: Uint8Array): TwinKv[] {
    const from = text(key);
    const to = text(rangeEnd);
    return [...state.values()]
      .filter((kv) => (to === '' ? kv.key === from : kv.key >= from && (to === '\0' || kv.key < to)))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  range(request: RangeRequest, present = this.revision): string | { kvs: TwinKv[]; more: boolean; count: number } {
    const revision = request.revision <= 0 ? present : request.revision;
    if (revision > present) return 'future-revision';
    if (revision < this.compacted) return 'compacted';
    const all = this.inRange(this.stateAt(revision), request.key, request.rangeEnd);
    if (request.countOnly) return { kvs: [], more: false, count: all.length };
    let kvs = all.filter(
      (kv) =>
        (!request.minModRevision || kv.mod >= request.minModRevision) &&
        (!request.maxModRevision || kv.mod <= request.maxModRevision) &&
        (!request.minCreateRevision || kv.create >= request.minCreateRevision) &&
        (!request.maxCreateRevision || kv.create <= request.maxCreateRevision),
    );
    const field = (['key', 'version', 'create', 'mod', 'value'] as const)[request.sortTarget]!;
    const sign = request.sortOrder === 2 ? -1 : 1;
    kvs.sort((a, b) => (a[field] === b[field] ? 0 : a[field] < b[field] ? -sign : sign));
    const more = request.limit > 0 && kvs.length > request.limit;
    if (more) kvs = kvs.slice(0, request.limit);
    if (request.keysOnly) kvs = kvs.map((kv) => ({ ...kv, value: '' }));
    return { kvs, more, count: all.length };
  }

  put(request: PutRequest): unknown {
    const before = this.#present().get(text(request.key));
    if ((request.ignoreValue || request.ignoreLease) && before === undefined) return 'key-not-found';
    const value = request.ignoreValue ? before!.value : text(request.value);
    const lease = request.ignoreLease ? before!.lease : request.lease;
    this.history.push({ revision: this.revision + 1, key: text(request.key), value, lease });
    return { prevKv: request.prevKv ? before : undefined };
  }

  deleteRange(request: DeleteRangeRequest): unknown {
    const doomed = this.inRange(this.#present(), request.key, request.rangeEnd);
    for (const { key } of doomed) this.history.push({ revision: this.revision + 1, key, value: undefined, lease: 0n });
    return { deleted: doomed.length, prevKvs: request.prevKv ? doomed : [] };
  }

  txn(request: TxnRequest): unknown {
    const refusal = this.#refusal(request, this.#present());
    if (refusal !== undefined) return refusal;
    return this.#run(request, this.#present());
  }

  commit(): void {
    if (this.history.some((step) => step.revision > this.revision)) this.revision++;
  }

  compact(revision: number): string | undefined {
    if (revision <= this.compacted) return 'compacted';
    if (revision > this.revision) return 'future-revision';
    this.compacted = revision;
    return undefined;
  }

  #present(): Map<string, TwinKv> {
    return this.stateAt(this.revision + 1);
  }

  #branch(request: TxnRequest, before: ReadonlyMap<string, TwinKv>) {
    return request.compare.every((compare) => this.#holds(compare, before)) ? request.success : request.failure;
  }

  #refusal(request: TxnRequest, before: ReadonlyMap<string, TwinKv>): string | undefined {
    for (const { request: op } of this.#branch(request, before)) {
      if (op?.case === 'requestRange' && op.value.revision > this.revision) return 'future-revision';
      if (op?.case === 'requestRange' && op.value.revision > 0 && op.value.revision < this.compacted)
        return 'compacted';
      if (op?.case === 'requestPut' && (op.value.ignoreValue || op.value.ignoreLease)) {
        if (!before.has(text(op.value.key))) return 'key-not-found';
      }
      const nested = op?.case === 'requestTxn' ? this.#refusal(op.value, before) : undefined;
      if (nested !== undefined) return nested;
    }
    return undefined;
  }

  #run(request: TxnRequest, before: ReadonlyMap<string, TwinKv>): unknown {
    const branch = this.#branch(request, before);
    const results = branch.map(({ request: op }) => {
      const wrote = this.history.some((step) => step.revision > this.revision);
      if (op?.case === 'requestRange') return this.range(op.value, this.revision + (wrote ? 1 : 0));
      if (op?.case === 'requestPut') return this.put(op.value);
      if (op?.case === 'requestDeleteRange') return this.deleteRange(op.value);
      return op?.case === 'requestTxn' ? this.#run(op.value, before) : undefined;
    });
    return { succeeded: branch === request.success && request.compare.every((c) => this.#holds(c, before)), results };
  }

  #holds(compare: Compare, state: ReadonlyMap<string, TwinKv>): boolean {
    const kvs = this.inRange(state, compare.key, compare.rangeEnd);
    if (kvs.length === 0) return compare.target === 3 ? false : this.#holdsFor(compare, undefined);
    return kvs.every((kv) => this.#holdsFor(compare, kv));
  }

  #holdsFor(compare: Compare, kv: TwinKv | undefined): boolean {
    const union = compare.targetUnion;
    const given = union?.value instanceof Uint8Array ? text(union.value) : union?.value;
    const pairs: [unknown, unknown][] = [
      [kv?.version ?? 0, given ?? 0],
      [kv?.create ?? 0, given ?? 0],
      [kv?.mod ?? 0, given ?? 0],
      [kv?.value ?? '', given ?? ''],
      [kv?.lease ?? 0n, given ?? 0n],
    ];
    const [actual, wanted] = pairs[compare.target] as [number, number];
    return [actual === wanted, actual > wanted, actual < wanted, actual !== wanted][compare.result]!;
  }
}
