/**
 * Reads recorded key-value histories, one event a line, as the linearizability checkers of ahorn and porcupine keep
 * them:
 *   {:process 3, :type :invoke, :f :append, :key "4", :value "x 3 0 y"}
 *   {:process 3, :type :ok, :f :append, :key "4", :value "x 3 0 y"}
 */
import type { KeyValueInput, KeyValueOperation } from './key-value-model.ts';

export type ParsedHistory =
  | { readonly ok: true; readonly operations: readonly KeyValueOperation[] }
  | { readonly ok: false; readonly line: number; readonly why: string };

const EVENT = /^\{:process (\d+), :type :(invoke|ok), :f :(get|put|append), :key "([^"]*)", :value (nil|"[^"]*")\}$/;

interface Pending {
  readonly input: KeyValueInput;
  readonly calledAt: number;
}

/** Time is the number of the line: the file is in real-time order. */
export function parseKeyValueHistory(text: string): ParsedHistory {
  const pending = new Map<number, Pending>();
  const operations: KeyValueOperation[] = [];
  const lines = text.split('\n');
  for (const [at, line] of lines.entries()) {
    if (line === '') continue;
    const match = EVENT.exec(line);
    if (match === null) return { ok: false, line: at + 1, why: 'not an event of a key-value history' };
    const [, process, type, kind, key, quoted] = match;
    const client = Number(process);
    const value = quoted === 'nil' ? '' : quoted!.slice(1, -1);
    if (type === 'invoke') {
      if (pending.has(client)) return { ok: false, line: at + 1, why: `client ${client} has a call under way` };
      pending.set(client, { input: toInput(kind!, key!, value), calledAt: at });
      continue;
    }
    const call = pending.get(client);
    if (call === undefined) return { ok: false, line: at + 1, why: `client ${client} has no call under way` };
    pending.delete(client);
    operations.push({ client, ...call, output: kind === 'get' ? value : '', answeredAt: at });
  }
  for (const [client, call] of pending) {
    operations.push({ client, ...call, output: undefined, answeredAt: lines.length });
  }
  return { ok: true, operations };
}

function toInput(kind: string, key: string, value: string): KeyValueInput {
  if (kind === 'get') return { kind, key };
  return { kind: kind === 'put' ? 'put' : 'append', key, value };
}
