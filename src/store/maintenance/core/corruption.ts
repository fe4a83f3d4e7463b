/** Whose state is wrong, by the hashes that members gave of one revision. */
import type { Revision } from '../../mvcc/core/revision.ts';
import type { MemberId } from '../../raft/core/types.ts';

export interface MemberHash {
  readonly member: MemberId;
  readonly hash: number;
  readonly compactRevision: Revision;
}

/**
 * Members that differ from the majority of the whole cluster; where no hash has a majority, those that differ from
 * `own`, the leader's. Only hashes of the same compacted revision are compared: a member may be about to compact.
 * Sorted by id.
 */
export function corruptMembers(own: MemberHash, others: readonly MemberHash[], clusterSize: number): MemberId[] {
  const comparable = [own, ...others.filter(({ compactRevision }) => compactRevision === own.compactRevision)];
  const votes = new Map<number, number>();
  for (const { hash } of comparable) votes.set(hash, (votes.get(hash) ?? 0) + 1);
  const [majority = own.hash] = [...votes].filter(([, count]) => count * 2 > clusterSize).map(([hash]) => hash);
  return comparable
    .filter(({ hash }) => hash !== majority)
    .map(({ member }) => member)
    .sort((a, b) => (a < b ? -1 : 1));
}
