/** Whose state is wrong, by the hashes that members gave of one revision. */
import type { Revision } from '../../mvcc/core/revision.ts';
import type { MemberId } from '../../raft/core/types.ts';

export interface MemberHash {
  readonly member: MemberId;
  readonly hash: number;
  /** Lower than the one that was asked for: it has applied all that the leader has, and does not come to as much. */
  readonly hashRevision: Revision;
  readonly compactRevision: Revision;
}

/**
 * Members that differ from the majority of the whole cluster; where no hash has a majority, those that differ from
 * `own`, the leader's. Only hashes of the same compacted revision are compared: a member may be about to compact.
 * Sorted by id.
 */
export function corruptMembers(own: MemberHash, others: readonly MemberHash[], clusterSize: number): MemberId[] {
  const comparable = [own, ...others.filter(({ compactRevision }) => compactRevision === own.compactRevision)];
  const votes = new Map<string, number>();
  for (const member of comparable) votes.set(stateOf(member), (votes.get(stateOf(member)) ?? 0) + 1);
  const [right = stateOf(own)] = [...votes].filter(([, count]) => count * 2 > clusterSize).map(([state]) => state);
  return comparable
    .filter((member) => stateOf(member) !== right)
    .map(({ member }) => member)
    .sort((a, b) => (a < b ? -1 : 1));
}

export function stateOf({ hash, hashRevision }: MemberHash): string {
  return `${hashRevision} ${hash}`;
}
