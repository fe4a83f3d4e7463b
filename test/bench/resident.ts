/**
 * What a member keeps resident after a million keys were put: VmRSS of the largest member, ten seconds after the last put was
 * answered, with the settings that the launcher gives it. No garbage collection is forced, and no quiet is waited for. Each
 * round has a cluster of its own, the stores by turns.
 */
import { sleep } from '../../src/base/clock.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { untilServing } from '../processes.ts';
import { fill, SETTLE_MS, withCluster, type Peer } from './large.ts';
import { VALUE_BYTES } from './loads.ts';
import { rssOf } from './memory.ts';

const KEYS = 1_000_000;

export interface Resident {
  /** MiB, of each store all rounds. */
  readonly filled: readonly (readonly number[])[];
  /** The same after a restart, in the last of them. */
  readonly restarted: readonly (readonly number[])[];
}

export async function residentMemory(peers: readonly Peer[], rounds: number): Promise<Resident> {
  const filled = peers.map((): number[] => []);
  const restarted = peers.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [at, peer] of peers.entries()) {
      const { full, again } = await measured(peer, round === rounds - 1);
      filled[at]!.push(full);
      if (again !== undefined) restarted[at]!.push(again);
      process.stderr.write(`  ${peer.version}: a million keys: ${full.toFixed(0)} MiB\n`);
    }
  }
  return { filled, restarted };
}

function measured(peer: Peer, isRestarted: boolean): Promise<{ readonly full: number; readonly again: number | undefined }> {
  return withCluster(peer, async (cluster) => {
    const largest = () => Math.max(...cluster.members.map(({ pid }) => rssOf(pid!)));
    await fill(cluster, { from: 0, keys: KEYS, valueBytes: VALUE_BYTES });
    await sleep(systemClock, SETTLE_MS);
    const full = largest();
    if (!isRestarted) return { full, again: undefined };
    for (const member of cluster.members) await member.stop();
    for (const member of cluster.members) member.start();
    for (const [at, member] of cluster.members.entries()) await untilServing(cluster.clientOf(at), member);
    return { full, again: largest() };
  });
}
