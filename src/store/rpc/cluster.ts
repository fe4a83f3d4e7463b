/** etcdserverpb.Cluster: who the members are, and changing them. The leader decides; whoever is asked passes it on. */
import { Cluster } from '../../proto/etcd.ts';
import { MemberChange_Kind, type MemberChange } from '../../proto/raft.ts';
import { bind, type BoundService } from '../../proto/rpc.ts';
import type { Member } from '../member.ts';
import type { MemberInfo } from '../membership/core/members.ts';
import { memberIdOf, peerUrlsOf } from '../membership/identity.ts';
import type { Peers } from '../peers.ts';
import { mapStoreError, StoreError } from './errors.ts';

export function clusterService(member: Member, peers: Peers): BoundService {
  const change = (kind: number, one: Partial<MemberInfo> & { readonly id: bigint }) =>
    peers.changeMember(member, changeOf(kind, one));
  // As etcd has it: what does not touch keys says no revision.
  const header = () => ({ ...member.header(), revision: 0 });
  return bind(
    Cluster,
    {
      memberAdd: async ({ peerUrls: asked, isLearner }) => {
        const peerUrls = validUrls(asked);
        const id = memberIdOf(peerUrls, { addedAt: member.wallMs() });
        const { changed, members } = await change(MemberChange_Kind.ADD, { id, peerUrls, isLearner });
        return { header: header(), member: changed, members };
      },
      memberRemove: async ({ id }) => {
        const { members } = await change(MemberChange_Kind.REMOVE, { id });
        return { header: header(), members };
      },
      memberUpdate: async ({ id, peerUrls }) => {
        const { members } = await change(MemberChange_Kind.UPDATE, { id, peerUrls: validUrls(peerUrls) });
        return { header: header(), members };
      },
      memberPromote: async ({ id }) => {
        const { members } = await change(MemberChange_Kind.PROMOTE, { id });
        return { header: header(), members };
      },
      memberList: async ({ linearizable }) => {
        if (linearizable) await member.linearizable();
        return { header: header(), members: member.machine.members.list() };
      },
    },
    mapStoreError,
  );
}

function changeOf(kind: number, member: Partial<MemberInfo> & { readonly id: bigint }): MemberChange {
  return { kind, member: { name: '', peerUrls: [], clientUrls: [], isLearner: false, ...member }, proposal: 0n };
}

function validUrls(urls: readonly string[]): string[] {
  const valid = peerUrlsOf(urls);
  if (valid === undefined) throw new StoreError('member-bad-urls');
  return valid;
}
