/**
 * A map of text to text with get, put and append, as the recorded key-value histories use it. Its operations touch one
 * key each, so a history is checked key by key (Herlihy and Wing: linearizability is local).
 */
import type { Model, Operation } from './search.ts';

export type KeyValueInput =
  | { readonly kind: 'get'; readonly key: string }
  | { readonly kind: 'put'; readonly key: string; readonly value: string }
  | { readonly kind: 'append'; readonly key: string; readonly value: string };

/** What a get returned; the empty text for writes and for a missing key. */
export type KeyValueOutput = string;

export type KeyValueOperation = Operation<KeyValueInput, KeyValueOutput>;

/** The state is the value of the one key. */
export const keyValueModel: Model<string, KeyValueInput, KeyValueOutput> = {
  initial: '',
  step(state, input, output) {
    switch (input.kind) {
      case 'get':
        return output === undefined || output === state ? state : undefined;
      case 'put':
        return input.value;
      case 'append':
        return state + input.value;
    }
  },
  keyOf: (state) => state,
};

/** One history a key, in the order of the keys. */
export function partitionByKey(history: readonly KeyValueOperation[]): ReadonlyArray<readonly KeyValueOperation[]> {
  const byKey = new Map<string, KeyValueOperation[]>();
  for (const operation of history) {
    const part = byKey.get(operation.input.key) ?? [];
    byKey.set(operation.input.key, part);
    part.push(operation);
  }
  return [...byKey.keys()].sort().map((key) => byKey.get(key)!);
}
