/** etcdserverpb.Cluster: who the members are. Changing them comes with membership changes; those calls are unimplemented. */
import { Cluster } from '../../proto/etcd.ts';
import { bind, type BoundService } from '../../proto/rpc.ts';
import type { Member } from '../member.ts';
import { mapStoreError } from './errors.ts';

export interface MemberInfo {
  readonly id: bigint;
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
}

/** `members` is asked on each call: what other members serve is learnt from them. */
export function clusterService(member: Member, members: () => Promise<readonly MemberInfo[]>): BoundService {
  return bind(
    Cluster,
    {
      memberList: async ({ linearizable }) => {
        if (linearizable) await member.linearizable();
        return { header: member.header(), members: (await members()).map((info) => ({ ...info, isLearner: false })) };
      },
    },
    mapStoreError,
  );
}
