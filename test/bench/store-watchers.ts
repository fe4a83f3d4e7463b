/** A thousand watchers and the puts that they see, by test/clients/store-watchers; each event is counted there, and in order. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { findTool } from '../processes.ts';

export interface WatchRound {
  /** The members; puts go to the first. */
  readonly addresses: readonly string[];
  readonly keys: number;
  /** A multiple of the keys. */
  readonly puts: number;
}

/** Events per second; undefined: not installed. */
export async function storeWatchers({ addresses, keys, puts }: WatchRound): Promise<number | undefined> {
  const program = findTool('store-watchers');
  if (program === undefined) return undefined;
  const { stdout } = await promisify(execFile)(program, ['--endpoints', addresses.join(','), '--keys', String(keys), '--puts', String(puts)]);
  const { events, seconds } = JSON.parse(stdout) as { readonly events: number; readonly seconds: number }; // its own program writes no other
  return events / seconds;
}
