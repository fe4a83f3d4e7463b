/**
 * Whether a change of members would leave the cluster able to go on (etcd's `--strict-reconfig-check`). The rules are those
 * of etcd 3.7 (server/etcdserver/server.go, `may…Member`, and api/membership/cluster.go, `IsReadyTo…`): a change is refused
 * where the members afterwards would need more for a quorum than have started, or than this member has been connected
 * with for a while. Whoever joins counts as away. (Up to 3.6 one may be added only while all are connected.)
 */
import { MemberChange_Kind, type MemberChange } from '../../../proto/raft.ts';
import type { LogIndex, MemberId } from '../../raft/core/types.ts';
import type { MemberInfo } from './members.ts';

/** A learner is ready from so much of the leader's log on: it then catches up sooner than it would be missed. */
const READY_SHARE = 0.9;

export interface ClusterHealth {
  readonly self: MemberId;
  readonly members: readonly MemberInfo[];
  /** The other members that this one has been connected with for a while, without a break, and those at all. */
  readonly steady: ReadonlySet<MemberId>;
  readonly connected: ReadonlySet<MemberId>;
}

export type ReconfigureRefusal = 'not-enough-started-members' | 'unhealthy';

export function checkReconfiguration(change: MemberChange, health: ClusterHealth): ReconfigureRefusal | undefined {
  switch (change.kind) {
    case MemberChange_Kind.ADD:
      return checkAdd(change.member!.isLearner, health);
    case MemberChange_Kind.REMOVE:
      return checkRemove(change.member!.id, health);
    case MemberChange_Kind.PROMOTE:
      return checkPromote(health);
    default:
      return undefined;
  }
}

function checkAdd(isLearner: boolean, health: ClusterHealth): ReconfigureRefusal | undefined {
  const voters = votersOf(health);
  const more = voters.length + 1;
  const started = startedOf(voters);
  // The first that a single one takes in is let pass: or a cluster that is restored from one member could not grow.
  const isSingle = voters.length === 1;
  if (!isLearner && !(isSingle && started === 1) && started < quorumOf(more)) return 'not-enough-started-members';
  return isSingle || steadyOf(voters, health) >= quorumOf(more) ? undefined : 'unhealthy';
}

function checkRemove(id: MemberId, health: ClusterHealth): ReconfigureRefusal | undefined {
  if (health.members.find((member) => member.id === id)?.isLearner === true) return undefined;
  const voters = votersOf(health);
  const rest = voters.filter((voter) => voter.id !== id);
  if (startedOf(rest) < quorumOf(rest.length)) return 'not-enough-started-members';
  // One that is away, or none, is no part of the quorum that is there, and may go.
  const isThere = id === health.self || health.connected.has(id);
  if (rest.length === voters.length || !isThere) return undefined;
  return steadyOf(voters, health) - 1 < 1 + Math.floor((voters.length - 1) / 2) ? 'unhealthy' : undefined;
}

/** Whoever is promoted counts as started. */
function checkPromote(health: ClusterHealth): ReconfigureRefusal | undefined {
  const voters = votersOf(health);
  return startedOf(voters) + 1 < quorumOf(voters.length + 1) ? 'not-enough-started-members' : undefined;
}

function quorumOf(members: number): number {
  return Math.floor(members / 2) + 1;
}

function votersOf({ members }: ClusterHealth): readonly MemberInfo[] {
  return members.filter(({ isLearner }) => !isLearner);
}

/** Those that have told their name through the log. */
function startedOf(members: readonly MemberInfo[]): number {
  return members.filter(({ name }) => name !== '').length;
}

function steadyOf(members: readonly MemberInfo[], { self, steady }: ClusterHealth): number {
  return members.filter(({ id }) => id === self || steady.has(id)).length;
}

export function isLearnerReady(match: LogIndex | undefined, leaderMatch: LogIndex): boolean {
  return match !== undefined && match >= leaderMatch * READY_SHARE;
}
