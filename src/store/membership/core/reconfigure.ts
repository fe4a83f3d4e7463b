/**
 * Whether a change of members would leave the cluster able to go on (etcd's `--strict-reconfig-check`). The rules are
 * etcd's (server/etcdserver/api/membership/cluster.go, `IsReadyTo…`): a change is refused where it would need a quorum
 * of members that have never started or are not connected.
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
      return isQuorumStarted(votersOf(health), 1) ? undefined : 'not-enough-started-members';
    default:
      return undefined;
  }
}

function checkAdd(isLearner: boolean, health: ClusterHealth): ReconfigureRefusal | undefined {
  const voters = votersOf(health);
  const started = voters.filter(isStarted).length;
  // Two of which one never started: another may come, or a cluster that is restored from one member could not grow.
  const isRestoring = started === 1 && voters.length === 2;
  if (!isLearner && !isRestoring && !isQuorumStarted(voters)) return 'not-enough-started-members';
  return voters.every(({ id }) => isSteady(id, health)) ? undefined : 'unhealthy';
}

function checkRemove(id: MemberId, health: ClusterHealth): ReconfigureRefusal | undefined {
  if (health.members.find((member) => member.id === id)?.isLearner === true) return undefined;
  const voters = votersOf(health);
  const rest = voters.filter((voter) => voter.id !== id);
  if (!isQuorumStarted(rest)) return 'not-enough-started-members';
  // One that is away is no part of the quorum that is there, and may go.
  if (id !== health.self && !health.connected.has(id)) return undefined;
  const active = voters.filter((voter) => isSteady(voter.id, health)).length;
  return active - 1 < 1 + Math.floor((voters.length - 1) / 2) ? 'unhealthy' : undefined;
}

/** `more`: who has started and is no voter yet. */
function isQuorumStarted(voters: readonly MemberInfo[], more = 0): boolean {
  return voters.filter(isStarted).length + more >= Math.floor(voters.length / 2) + 1;
}

function votersOf({ members }: ClusterHealth): readonly MemberInfo[] {
  return members.filter(({ isLearner }) => !isLearner);
}

/** It has told its name through the log. */
function isStarted({ name }: MemberInfo): boolean {
  return name !== '';
}

function isSteady(id: MemberId, { self, steady }: ClusterHealth): boolean {
  return id === self || steady.has(id);
}

export function isLearnerReady(match: LogIndex | undefined, leaderMatch: LogIndex): boolean {
  return match !== undefined && match >= leaderMatch * READY_SHARE;
}
