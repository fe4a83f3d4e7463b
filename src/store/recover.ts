/**
 * The way back from a quorum that is lost for good (etcd's `--force-new-cluster`): one member's data become a cluster of
 * one. Everything in its log is kept, also what it does not know to be committed: that is never less than was
 * acknowledged to it, and what was not acknowledged may have happened. It runs on a member that is stopped.
 *
 * First the state, then the log: a crash between leaves data on which it can be run again.
 */
import type { Disk } from '../base/disk.ts';
import { UserError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { Wal } from './disk/wal.ts';
import { Generations } from './generations.ts';
import { STATE_DIR, WAL_DIR } from './member-config.ts';
import type { BackendFactory } from './mvcc/backend.ts';
import { applyConfChange, decodeConfChange } from './raft/core/confchange.ts';
import type { ConfState, Entry, MemberId } from './raft/core/types.ts';
import { StateMachine } from './state-machine.ts';

export interface Recovery {
  readonly id: MemberId;
  readonly name: string;
  readonly removed: readonly MemberId[];
  readonly index: number;
  readonly term: number;
  readonly revision: number;
  /** Entries of the log that were kept without being known to be committed. */
  readonly uncertain: number;
}

export async function recover(world: { disk: Disk; backends: BackendFactory; log: Log }): Promise<Recovery> {
  const identity = await Wal.identityOf(world.disk, WAL_DIR);
  if (identity === undefined) throw new UserError(`there is no log in ${WAL_DIR}: name the data directory of a member`);
  const generations = new Generations(world.disk, world.backends, STATE_DIR);
  const current = await generations.openCurrent();
  if (current === undefined) throw new UserError(`there is no state in ${STATE_DIR}: this member has nothing to go on from`);
  const { backend } = current;
  const opened = await Wal.open({ disk: world.disk, dir: WAL_DIR, identity, log: world.log });
  try {
    if (opened === undefined) throw new UserError(`the log in ${WAL_DIR} has no beginning`);
    const { wal, restored } = opened;
    const machine = await StateMachine.open(backend);
    if (machine.applied.index < restored.snapshot.index)
      throw new UserError('a snapshot was being installed: start this member once, so that it is completed, then stop it');
    for (const entry of restored.entries) if (entry.index > machine.applied.index) applyEntry(machine, entry);
    const id = identity.memberId;
    const confState: ConfState = { voters: [id], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
    const known = machine.members.get(id);
    if (known === undefined) throw new UserError('this member is none of the cluster by its own data: it has nothing to go on from');
    const removed = machine.forceMember(known, confState);
    await backend.batch(machine.takeBatch().ops);
    machine.batchLanded();
    const { index, term } = machine.applied;
    const hardState = { ...restored.hardState, commit: index };
    await wal.append({ entries: [], hardState, snapshot: { index, term, confState }, mustSync: true });
    await wal.release(index);
    const uncertain = Math.max(0, index - Math.max(restored.hardState.commit, restored.snapshot.index));
    return { id, name: known.name, removed, index, term, revision: machine.revision, uncertain };
  } finally {
    await opened?.wal.close();
    await backend.close();
  }
}

function applyEntry(machine: StateMachine, entry: Entry): void {
  if (entry.kind === 'conf-change') {
    const change = decodeConfChange(entry.data);
    if (change === undefined) throw new Error(`entry ${entry.index} cannot be read`);
    machine.applyConfChange(entry, change, () => {
      const outcome = applyConfChange(machine.applied.confState, change);
      if (!outcome.ok) throw new Error(`entry ${entry.index}: ${outcome.code}`);
      return outcome.confState;
    });
  } else if (entry.data.length === 0) machine.applyEmpty(entry.index, entry.term);
  else machine.apply(entry);
}

/** For people: exactly what there is, and what may be gone. */
export function describeRecovery({ id, name, removed, index, term, revision, uncertain }: Recovery): string {
  return [
    `Member ${id.toString(16)}${name === '' ? '' : ` (${name})`} is now a cluster of one, at revision ${revision} (log index ${index}, term ${term}).`,
    removed.length === 0
      ? 'No other member was known.'
      : `Removed for good: ${removed.map((other) => other.toString(16)).join(', ')}. Do not start them again; delete their data.`,
    `Lost: every write after revision ${revision}. Such a write may have been acknowledged, if this member had not received it yet.`,
    uncertain === 0
      ? 'Everything kept was known here to be committed.'
      : `Kept: the last ${uncertain} log entries, which this member did not know to be committed. Their writes may never have been acknowledged.`,
    'Watches and caches that have seen a later revision must begin anew. Leases run again for their full time, or for what their last checkpoint left.',
    'Next: start this member as before, with --initial-cluster-state=existing; then add the others as new members (etcdctl member add).',
    '',
  ].join('\n');
}
