/**
 * A data directory from a snapshot file, for the first start of a new cluster. Every member of it is restored from the
 * same file with the same list of members, so that all begin with one state at one index; what the old cluster did after
 * the snapshot is lost, and its members must not run any more.
 */
import type { Disk } from '../base/disk.ts';
import { UserError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { Wal } from './disk/wal.ts';
import { Generations } from './generations.ts';
import { STATE_DIR, WAL_DIR } from './member-config.ts';
import type { MemberInfo } from './membership/core/members.ts';
import type { Backend, BackendFactory } from './mvcc/backend.ts';
import { restoreSnapshot } from './mvcc/snapshot.ts';
import type { ConfState, MemberId } from './raft/core/types.ts';
import { checkSnapshotFile, snapshotBody, type SnapshotHeader, type SnapshotSource } from './snapshot-file.ts';
import { StateMachine } from './state-machine.ts';

export interface RestoreOptions {
  readonly disk: Disk;
  readonly backends: BackendFactory;
  readonly clusterId: bigint;
  readonly id: MemberId;
  /** All of the new cluster, as its flags name them. */
  readonly members: readonly MemberInfo[];
}

/** Throws a `UserError` where there is something already, or the file is not whole. */
export async function restoreDataDir(source: SnapshotSource, options: RestoreOptions): Promise<SnapshotHeader> {
  const { disk, backends, clusterId, id, members } = options;
  const header = await checkSnapshotFile(source);
  await disk.makeDir(STATE_DIR);
  if ((await disk.list(STATE_DIR)).length > 0) {
    throw new UserError('the data directory holds a member already: name another one with --data-dir, or delete it');
  }
  await disk.syncDir('');
  const generations = new Generations(disk, backends, STATE_DIR);
  const generation = await generations.create();
  try {
    const { index, term } = await restoreSnapshot(generation.backend, snapshotBody(source, header));
    const confState: ConfState = {
      voters: members.map((member) => member.id).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)),
      votersOutgoing: [],
      learners: [],
      learnersNext: [],
      autoLeave: false,
    };
    const snapshot = { index, term, confState };
    const machine = await StateMachine.open(generation.backend);
    machine.beginAnew(confState, members);
    await generation.backend.batch(machine.takeBatch().ops);
    machine.batchLanded();
    await generations.makeCurrent(generation);
    // Last, as where a cluster begins: a directory without a log that has applied something is refused at start.
    const hardState = { term, votedFor: 0n, commit: index };
    const identity = { clusterId, memberId: id };
    const wal = await Wal.create({ disk, dir: WAL_DIR, identity, log: silentLog, hardState, snapshot });
    await wal.close();
  } finally {
    await generation.backend.close();
  }
  return header;
}

export interface SnapshotStatus {
  /** Of keys and history; not the value of HashKV, and not bbolt's. */
  readonly hash: number;
  readonly revision: number;
  readonly totalKeys: number;
  readonly totalSize: number;
}

/** Reads the rows into `scratch`, an empty backend, and counts. */
export async function snapshotStatus(source: SnapshotSource, scratch: Backend): Promise<SnapshotStatus> {
  const header = await checkSnapshotFile(source);
  await restoreSnapshot(scratch, snapshotBody(source, header));
  const machine = await StateMachine.open(scratch);
  return {
    hash: Number.parseInt(machine.hash().hash.slice(0, 8), 16),
    revision: machine.revision,
    totalKeys: machine.mvcc.index.size,
    totalSize: source.sizeBytes,
  };
}
