/**
 * Maintenance.HashKV: a CRC-32 over keys and history (mvcc/core/kv-hash.ts), in slices between which the member serves.
 * Members of equal state answer equally, whatever they have scrubbed; the value is not the one that etcd would compute
 * over its bbolt pages, and the two are never to be compared.
 */
import { crc32 } from 'node:zlib';
import { sleep, type Clock } from '../../base/clock.ts';
import { KvHashWalk } from '../mvcc/core/kv-hash.ts';
import type { Revision } from '../mvcc/core/revision.ts';
import { StoreError } from '../rpc/errors.ts';
import type { StateMachine } from '../state-machine.ts';

export interface KvHash {
  readonly hash: number;
  /** The last revision that is in it. */
  readonly hashRevision: Revision;
  /** Hashes compare only between members that have compacted to the same revision. */
  readonly compactRevision: Revision;
}

/** A slice is a millisecond or two: it reads the values of so many writes. */
const SLICE_WRITES = 250;
/** A compaction each minute cannot starve a hash; one that comes several times during it is somebody's loop. */
const ATTEMPTS_MAX = 5;

/** `machine` is asked anew, for an installed snapshot replaces it. A revision of 0 or less is the present. */
export async function hashKv(machine: () => StateMachine, clock: Clock, asked: Revision): Promise<KvHash> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const { mvcc } = machine();
    const at = mvcc.resolve(asked);
    if (!at.ok) throw new StoreError(at.code);
    let hash = 0;
    const walk = new KvHashWalk(mvcc, at.revision, (part) => (hash = extended(hash, part)));
    const isVoid = () => walk.isVoid || machine().mvcc !== mvcc;
    while (!isVoid() && walk.step(SLICE_WRITES)) await sleep(clock, 0);
    if (!isVoid()) return { hash, hashRevision: at.revision, compactRevision: walk.compactRevision };
  }
  throw new StoreError('timeout');
}

/** zlib takes an empty buffer that has no address for the wish to begin anew, and answers 0. */
function extended(hash: number, part: string | Uint8Array): number {
  return part.length === 0 ? hash : crc32(part, hash);
}

/** Maintenance.Hash: of everything that is replicated, leases and alarms among it, at the present revision. */
export async function hashWhole(machine: () => StateMachine, clock: Clock): Promise<number> {
  const { hash, hashRevision, compactRevision } = await hashKv(machine, clock, 0);
  const { leases, alarms } = machine();
  const rest = {
    revisions: [hashRevision, compactRevision],
    leases: leases.list().map((id) => [String(id), leases.state(id)?.grantedTtlSeconds, leases.state(id)?.checkpointSeconds]),
    alarms: alarms.list().map(({ memberId, alarm }) => [String(memberId), alarm]),
  };
  return crc32(JSON.stringify(rest), hash);
}
