/**
 * How a member comes up: what its disk holds is opened and made one, or a cluster is begun. A crash at any point of it
 * leaves a directory that comes up again.
 */
import { isNoSpace } from '../base/errors.ts';
import { DiskFullError, Reserve } from './disk/room.ts';
import { Wal } from './disk/wal.ts';
import { Generations, type Generation } from './generations.ts';
import { FullDisk } from './maintenance/full-disk.ts';
import { MEMBER_DEFAULTS, STATE_DIR, WAL_DIR, type MemberConfig, type MemberWorld } from './member-config.ts';
import { Raft } from './raft/core/raft.ts';
import type { ConfState, Entry, LogIndex, MemberId, SnapshotMeta } from './raft/core/types.ts';
import { StateMachine } from './state-machine.ts';

const APPEND_BYTES_MAX = 1024 * 1024;
const INFLIGHT_MESSAGES_MAX = 256;
const INFLIGHT_BYTES_MAX = 16 * 1024 * 1024;
const UNCOMMITTED_BYTES_MAX = 256 * 1024 * 1024;
/** Of the reserve, for the log. */
const RESERVE_SHARE_OF_LOG = 16;
const REPLACE = 'remove this member from the cluster, delete its data directory, and add it again';

/** What a member goes on from. */
export interface Boot {
  readonly fullDisk: FullDisk;
  readonly generations: Generations;
  readonly generation: Generation;
  readonly machine: StateMachine;
  readonly wal: Wal;
  readonly snapshot: SnapshotMeta;
  readonly hardState: { readonly term: number; readonly votedFor: MemberId; readonly commit: LogIndex };
  readonly entries: readonly Entry[];
}

export async function boot(world: MemberWorld, config: MemberConfig): Promise<Boot> {
  try {
    return await bootWith(world, config, fullDiskOf(world, config));
  } catch (error) {
    throw isNoSpace(error) && !(error instanceof DiskFullError) ? new DiskFullError(error) : error;
  }
}

function fullDiskOf({ disk, clock, log }: MemberWorld, { reserveBytes = 0 }: MemberConfig): FullDisk {
  const reserve = new Reserve(disk, [
    { dir: STATE_DIR, bytes: reserveBytes },
    { dir: WAL_DIR, bytes: Math.ceil(reserveBytes / RESERVE_SHARE_OF_LOG) },
  ]);
  return new FullDisk({ clock, log, reserve });
}

async function bootWith(world: MemberWorld, config: MemberConfig, fullDisk: FullDisk): Promise<Boot> {
  const { disk, backends } = world;
  await disk.makeDir(STATE_DIR);
  // Else a power cut takes the folder, and with it every promise in the log (simulator, seed 3).
  await disk.syncDir('');
  const generations = new Generations(disk, backends, STATE_DIR, fullDisk.makeRoom);
  const options = walOptions(world, config, fullDisk);
  const hasLog = (await disk.list(WAL_DIR)).length > 0;
  // The state first: a second process on the same folder fails at its lock, before it takes the end of a log that the
  // first one is just writing for a torn one, and cuts it.
  const current = await generations.openCurrent();
  const opening = hasLog ? Wal.open(options) : Promise.resolve(undefined);
  const opened = await opening.catch(async (error: unknown) => {
    await current?.backend.close();
    throw error;
  });
  if (opened !== undefined) {
    const resumed = await resume(world, generations, current, opened).catch(async (error: unknown) => {
      await opened.wal.close();
      await current?.backend.close();
      throw error;
    });
    const { machine } = resumed;
    if (machine.members.list().length === 0) machine.seedMembers({ initial: config.initialMembers, members: [] });
    return { fullDisk, ...resumed };
  }
  if (current !== undefined) await requireUnused(current);
  return { fullDisk, ...(await beginCluster(world, config, { generations, fullDisk })) };
}

/** Without a log a member begins anew, and forgets its votes: never one that has applied anything. Closes the state. */
async function requireUnused({ backend }: Generation): Promise<void> {
  const { index } = (await StateMachine.open(backend)).applied;
  await backend.close();
  if (index > 0) throw new Error(`${WAL_DIR}: the log is gone, and the state has applied ${index} entries of it: ${REPLACE}`);
}

function walOptions({ disk, log, faults }: MemberWorld, { clusterId, id, walSegmentBytes: bytes }: MemberConfig, fullDisk: FullDisk) {
  const sizes = bytes === undefined ? {} : { segmentBytes: bytes, firstSegmentBytes: bytes };
  const room = { makeRoom: fullDisk.makeRoom, isFull: () => fullDisk.isFull };
  return { disk, dir: WAL_DIR, identity: { clusterId, memberId: id }, log, faults, ...room, ...sizes };
}

/** The log is made last: a member without one has promised nothing, and begins anew. */
async function beginCluster(
  world: MemberWorld,
  config: MemberConfig,
  { generations, fullDisk }: Pick<Boot, 'generations' | 'fullDisk'>,
): Promise<Omit<Boot, 'fullDisk'>> {
  const confState: ConfState = {
    voters: config.initialMembers.map(({ id }) => id).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)),
    votersOutgoing: [],
    learners: [],
    learnersNext: [],
    autoLeave: false,
  };
  const generation = await generations.create();
  const machine = await StateMachine.open(generation.backend);
  machine.bootstrap(confState, { initial: config.initialMembers, members: config.joined ?? [] });
  await generation.backend.batch(machine.takeBatch().ops);
  machine.batchLanded();
  await generations.makeCurrent(generation);
  await generations.cleanUp(generation.number);
  const snapshot: SnapshotMeta = { index: 0, term: 0, confState };
  const hardState = { term: 0, votedFor: 0n, commit: 0 };
  const wal = await Wal.create({ ...walOptions(world, config, fullDisk), hardState, snapshot });
  return { generations, generation, machine, wal, snapshot, hardState, entries: [] };
}

async function resume(
  world: MemberWorld,
  generations: Generations,
  current: Generation | undefined,
  { wal, restored }: NonNullable<Awaited<ReturnType<typeof Wal.open>>>,
): Promise<Omit<Boot, 'fullDisk'>> {
  const { hardState, snapshot, entries } = restored;
  let generation = current;
  if (generation === undefined) throw new Error(`${STATE_DIR}: there is a log but no state: replace this member`);
  let machine = await StateMachine.open(generation.backend);
  if (machine.applied.index < snapshot.index) {
    // The log knows of a peer's snapshot whose folder was about to become the current one.
    const [whole] = await generations.openWhole(generation.number);
    if (whole === undefined)
      throw new Error(
        `${STATE_DIR}: the state ends at ${machine.applied.index}, the log begins at ${snapshot.index}: replace this member`,
      );
    await generation.backend.close();
    generation = whole;
    machine = await StateMachine.open(generation.backend);
    await generations.makeCurrent(generation);
  }
  await generations.cleanUp(generation.number);
  world.log.info(
    { index: machine.applied.index, revision: machine.revision, entries: entries.length },
    'store: state restored',
  );
  return { generations, generation, machine, wal, snapshot, hardState, entries };
}

export function newRaft(world: MemberWorld, config: MemberConfig, { hardState, snapshot, entries, machine }: Boot): Raft {
  const tickMs = config.tickMs ?? MEMBER_DEFAULTS.tickMs;
  return new Raft(
    {
      id: config.id,
      electionTicks: Math.round((config.electionMs ?? MEMBER_DEFAULTS.electionMs) / tickMs),
      heartbeatTicks: Math.round((config.heartbeatMs ?? MEMBER_DEFAULTS.heartbeatMs) / tickMs),
      preVote: true,
      checkQuorum: true,
      holdsCommits: true,
      maxAppendBytes: APPEND_BYTES_MAX,
      maxInflightMessages: INFLIGHT_MESSAGES_MAX,
      maxInflightBytes: INFLIGHT_BYTES_MAX,
      maxUncommittedBytes: UNCOMMITTED_BYTES_MAX,
      random: world.random.fork('raft'),
      ...(world.trace === undefined ? {} : { trace: world.trace }),
    },
    { hardState, snapshot, entries, applied: machine.applied },
  );
}
