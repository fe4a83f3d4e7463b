/**
 * The store as a pure function: what etcd's KV calls do to a map of keys, one revision a write. It is the oracle that
 * histories are checked against, so it is written to be read, not to be fast: the whole state is copied on a write.
 */
import { unreachable } from '../../base/assert.ts';

/** Keys and values are latin1 strings of their bytes, whose order is byte order. */
export interface StoredValue {
  readonly value: string;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
}

export interface StoreState {
  /** 1 for a new store. */
  readonly revision: number;
  readonly values: ReadonlyMap<string, StoredValue>;
}

export type StoreRequest =
  | { readonly kind: 'range'; readonly key: string; readonly rangeEnd?: string }
  | { readonly kind: 'put'; readonly key: string; readonly value: string }
  | { readonly kind: 'delete'; readonly key: string; readonly rangeEnd?: string }
  | {
      readonly kind: 'txn';
      /** All must hold; 0 stands for a key that does not exist. */
      readonly ifModRevision: ReadonlyArray<{ readonly key: string; readonly revision: number }>;
      readonly onSuccess: readonly StoreRequest[];
      readonly onFailure: readonly StoreRequest[];
    };

export type StoreAnswer =
  | { readonly kind: 'range'; readonly values: ReadonlyArray<{ readonly key: string } & StoredValue> }
  | { readonly kind: 'put' }
  | { readonly kind: 'delete'; readonly deleted: number }
  | { readonly kind: 'txn'; readonly succeeded: boolean; readonly answers: readonly StoreAnswer[] };

export interface StoreEvent {
  readonly revision: number;
  readonly kind: 'put' | 'delete';
  readonly key: string;
  /** Empty for a delete. */
  readonly value: string;
}

export const EMPTY_STORE: StoreState = { revision: 1, values: new Map() };

export interface Stepped {
  readonly state: StoreState;
  readonly answer: StoreAnswer;
  /** What a watch of everything would see, in order; all of one revision. */
  readonly events: readonly StoreEvent[];
}

/** One request, atomically: all its writes share one revision, and a request that writes nothing keeps the revision. */
export function stepStore(state: StoreState, request: StoreRequest): Stepped {
  const values = new Map(state.values);
  const events: StoreEvent[] = [];
  const answer = run(request, { values, events, revision: state.revision + 1 });
  return events.length === 0 ? { state, answer, events } : { state: { revision: state.revision + 1, values }, answer, events };
}

/** What a watch told of one revision, taken as it is. */
export function applyEvents(state: StoreState, events: readonly StoreEvent[]): StoreState {
  const values = new Map(state.values);
  let { revision } = state;
  for (const event of events) {
    ({ revision } = event);
    const before = values.get(event.key);
    const { value } = event;
    const createRevision = before?.createRevision ?? revision;
    if (event.kind === 'delete') values.delete(event.key);
    else values.set(event.key, { value, createRevision, modRevision: revision, version: (before?.version ?? 0) + 1 });
  }
  return { revision, values };
}

interface Draft {
  readonly values: Map<string, StoredValue>;
  readonly events: StoreEvent[];
  readonly revision: number;
}

function run(request: StoreRequest, draft: Draft): StoreAnswer {
  const { values, events, revision } = draft;
  switch (request.kind) {
    case 'range':
      return { kind: 'range', values: keysIn(values, request).map((key) => ({ key, ...values.get(key)! })) };
    case 'put': {
      const { key, value } = request;
      const before = values.get(key);
      const createRevision = before?.createRevision ?? revision;
      values.set(key, { value, createRevision, modRevision: revision, version: (before?.version ?? 0) + 1 });
      events.push({ revision, kind: 'put', key, value });
      return { kind: 'put' };
    }
    case 'delete': {
      const keys = keysIn(values, request);
      for (const key of keys) {
        values.delete(key);
        events.push({ revision, kind: 'delete', key, value: '' });
      }
      return { kind: 'delete', deleted: keys.length };
    }
    case 'txn': {
      const succeeded = request.ifModRevision.every(({ key, revision }) => (values.get(key)?.modRevision ?? 0) === revision);
      const branch = succeeded ? request.onSuccess : request.onFailure;
      return { kind: 'txn', succeeded, answers: branch.map((operation) => run(operation, draft)) };
    }
    default:
      return unreachable(request);
  }
}

/** The keys that a request names, sorted: one key, or [key, rangeEnd); a rangeEnd of `\0` has no upper end. */
function keysIn(values: ReadonlyMap<string, StoredValue>, range: { readonly key: string; readonly rangeEnd?: string }): string[] {
  const { key, rangeEnd } = range;
  if (rangeEnd === undefined || rangeEnd === '') return values.has(key) ? [key] : [];
  return [...values.keys()].filter((other) => other >= key && (rangeEnd === '\0' || other < rangeEnd)).sort();
}
