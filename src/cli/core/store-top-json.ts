/** `podium store top -o json`: one shape whatever a member tells; what it does not tell is null. */
import type { Quantile } from './prometheus.ts';
import type { FollowerProgress, MemberNames, MemberView } from './store-top.ts';

export function topJson(members: readonly MemberView[], names: MemberNames): string {
  return JSON.stringify({ members: members.map((member) => memberJson(member, names)) }, nullForMissing, 2);
}

function memberJson(member: MemberView, names: MemberNames): object {
  if (!member.isUp) return { name: names.byEndpoint(member.endpoint), ...member };
  const { id, syncP50, syncP99, progress, ...rest } = member;
  return {
    name: names.byId(id),
    id: id.toString(16),
    ...rest,
    syncP50Ms: milliseconds(syncP50),
    syncP99Ms: milliseconds(syncP99),
    progress: progress.map((follower) => followerJson(follower, names)),
  };
}

function followerJson({ id, ...rest }: FollowerProgress, names: MemberNames): object {
  return { id: id.toString(16), name: names.byId(id), ...rest };
}

function milliseconds(quantile: Quantile | undefined): number | undefined {
  return quantile === undefined ? undefined : Number((quantile.value * 1000).toFixed(3));
}

function nullForMissing(_key: string, value: unknown): unknown {
  return value === undefined ? null : value;
}
