/**
 * What happened to the objects of a namespace, by the store's own watch, and whether what a watcher saw is that: every
 * replacement is the state at its version, and what follows it is what happened next, each once and in order. Pure, but
 * for the one function that reads the store.
 */
import { toUtf8 } from '../../src/base/bytes.ts';
import { prefixEnd } from '../../src/base/bytes.ts';
import type { StoreClient } from '../../src/etcd/store-client.ts';
import { EventType } from '../../src/proto/etcd.ts';

export interface Change {
  readonly revision: number;
  readonly name: string;
  readonly isDeleted: boolean;
}

/** What one watcher was told. */
export type Seen =
  | { readonly type: 'replace'; readonly version: string; readonly items: Readonly<Record<string, string>> }
  | { readonly type: 'add' | 'update' | 'delete'; readonly version: string; readonly name: string };

/** Names to versions. */
export type State = ReadonlyMap<string, string>;

/** Everything that happened below the prefix from revision 1 up to `upTo`. */
export async function historyOf(store: StoreClient, prefix: string, upTo: number): Promise<Change[]> {
  const changes: Change[] = [];
  const key = Buffer.from(prefix);
  const watch = store.watch({ key, rangeEnd: prefixEnd(key), startRevision: 1, progressNotify: true }, { signal: AbortSignal.timeout(30_000) });
  for await (const { canceled, events, cancelReason } of watch) {
    if (canceled) throw new Error(`the store ended the watch of its history: ${cancelReason}`);
    for (const { kv, type } of events) {
      if (kv === undefined) continue;
      if (kv.modRevision > upTo) return changes;
      changes.push({ revision: kv.modRevision, name: toUtf8(kv.key).slice(prefix.length), isDeleted: type === EventType.DELETE });
      if (kv.modRevision === upTo) return changes;
    }
  }
  throw new Error(`the watch of the store ended before revision ${upTo}`);
}

export function stateAt(history: readonly Change[], revision: number): State {
  const state = new Map<string, string>();
  for (const change of history) {
    if (change.revision > revision) break;
    if (change.isDeleted) state.delete(change.name);
    else state.set(change.name, String(change.revision));
  }
  return state;
}

/** The first thing that is wrong with a view; undefined: it is what happened, to the end. */
export function problemOf(seen: readonly Seen[], history: readonly Change[]): string | undefined {
  let next = -1;
  let current: Map<string, string> = new Map();
  for (const [at, one] of seen.entries()) {
    const place = `entry ${at} of ${seen.length}, ${one.type} ${one.type === 'replace' ? '' : one.name} at ${one.version}`;
    if (one.type === 'replace') {
      const revision = Number(one.version);
      const wanted = stateAt(history, revision);
      const difference = differenceOf(new Map(Object.entries(one.items)), wanted);
      if (difference !== undefined) return `${place}: not the state: ${difference}`;
      if (next > 0 && history[next - 1]!.revision > revision) return `${place}: older than what was seen before, ${history[next - 1]!.revision}`;
      next = history.findIndex((change) => change.revision > revision);
      if (next < 0) next = history.length;
      current = new Map(wanted);
      continue;
    }
    if (next < 0) return `${place}: before any state`;
    const change = history[next];
    if (change === undefined) return `${place}: more than happened`;
    const type = change.isDeleted ? 'delete' : current.has(change.name) ? 'update' : 'add';
    if (String(change.revision) !== one.version || change.name !== one.name || type !== one.type) {
      return `${place}: ${type} ${change.name} at ${change.revision} was to come`;
    }
    if (change.isDeleted) current.delete(change.name);
    else current.set(change.name, one.version);
    next++;
  }
  if (next < history.length) return `after ${seen.length} entries: ${history.length - Math.max(next, 0)} changes are missing, the first at ${history[Math.max(next, 0)]!.revision}`;
  return undefined;
}

export function differenceOf(found: State, wanted: State): string | undefined {
  for (const [name, version] of wanted) if (found.get(name) !== version) return `${name} is ${found.get(name) ?? 'missing'}, and should be ${version}`;
  for (const name of found.keys()) if (!wanted.has(name)) return `${name} should not be there`;
  return undefined;
}
