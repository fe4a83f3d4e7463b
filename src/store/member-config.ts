/** What a member is handed: the seams of its world, and how it shall behave. */
import type { Clock, Millis } from '../base/clock.ts';
import type { Disk } from '../base/disk.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Trace } from '../base/trace.ts';
import type { FaultHooks } from './faults/fault-hooks.ts';
import type { AutoCompactionOptions } from './maintenance/core/auto-compaction.ts';
import type { MemberInfo } from './membership/core/members.ts';
import type { BackendFactory } from './mvcc/backend.ts';
import type { MemberId } from './raft/core/types.ts';
import type { LogBytes } from './raft/node.ts';
import type { RaftTransport } from './raft/transport.ts';

export interface MemberWorld {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly disk: Disk;
  readonly backends: BackendFactory;
  readonly transport: RaftTransport;
  readonly trace?: Trace;
  /** Points at which it may be made to fail; see faults/core/points.ts. */
  readonly faults?: FaultHooks | undefined;
}

export interface MemberConfig {
  readonly clusterId: bigint;
  readonly id: MemberId;
  /** What the cluster begins with, or, of one that this member joins, began with; ignored by a member that has a log. */
  readonly initialMembers: readonly MemberInfo[];
  /** The members of the cluster that this one joins: by them it finds the others until its log tells. */
  readonly joined?: readonly MemberInfo[];
  /** Refuse changes of members that endanger the quorum (default true). */
  readonly strictReconfigCheck?: boolean;
  readonly tickMs?: Millis;
  readonly heartbeatMs?: Millis;
  readonly electionMs?: Millis;
  readonly snapshotEntries?: number;
  readonly catchUpEntries?: number;
  /** Of a snapshot on its way to another member. */
  readonly snapshotChunkBytes?: number;
  /** What the log may take in memory before it is compacted, however few its entries; see raft/node.ts. */
  readonly logBytes?: LogBytes;
  /** Of each file of the log, the first included. */
  readonly walSegmentBytes?: number;
  /** Within it a proposal or a read is answered, or fails. */
  readonly requestTimeoutMs?: Millis;
  /** Size of the backend past which this member raises NOSPACE. 0: etcd's default; negative: none. */
  readonly quotaBytes?: number;
  /** Kept on the disk for the day that it is full, beside a sixteenth of it for the log. 0, the default: none. */
  readonly reserveBytes?: number;
  /** What the cluster forgets by itself; of no effect unless all members have the same. */
  readonly autoCompaction?: AutoCompactionOptions;
  /** As leader it has what is left of long leases written down, for the next one (default true). */
  readonly leaseCheckpoints?: boolean;
  /** Hash what each compaction leaves, to be compared between members (default false). */
  readonly hashCompactions?: boolean;
  /** How many members may learn at a time; the leader's counts (default 1). */
  readonly learnersMax?: number;
  /** The member cannot go on; its process should end. */
  readonly onFatal: (error: unknown) => void;
}

/** Of the disk that a member is handed: its log, and the folders of its state. */
export const WAL_DIR = 'member/wal';
export const STATE_DIR = 'member';

export const MEMBER_DEFAULTS = {
  tickMs: 10,
  /** Longer than etcd’s 100: the end of a leader is told by its connections, and an idle cluster shall be idle. */
  heartbeatMs: 400,
  electionMs: 1000,
  snapshotEntries: 10_000,
  catchUpEntries: 5_000,
  /** etcd's: five seconds, and two elections. */
  requestTimeoutMs: 7_000,
} as const;
