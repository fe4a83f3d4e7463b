/**
 * Who this member is: by its log, if it has one; else by the flags that a cluster begins with; else by the cluster that
 * it joins, which it asks over the peer URLs of --initial-cluster.
 */
import { describeError, UserError } from '../base/errors.ts';
import type { Disk } from '../base/disk.ts';
import { Peer, type ClusterResponse } from '../proto/raft.ts';
import type { Channel } from '../proto/rpc.ts';
import { Wal } from './disk/wal.ts';
import type { InitialMember, StoreFlags } from './flags.ts';
import { WAL_DIR, type MemberConfig } from './member-config.ts';
import type { MemberInfo } from './membership/core/members.ts';

const ASK_TIMEOUT_MS = 5_000;

export type Identity = Pick<MemberConfig, 'clusterId' | 'id' | 'initialMembers' | 'joined'>;

type IdentityFlags = Pick<StoreFlags, 'clusterId' | 'id' | 'members' | 'name' | 'advertisedPeers' | 'initialClusterState'>;

export async function identify(
  flags: IdentityFlags,
  world: { readonly disk: Disk; readonly dial: (member: InitialMember) => Channel },
): Promise<Identity> {
  const initialMembers = flags.members.map(asMember);
  const found = await Wal.identityOf(world.disk, WAL_DIR);
  if (flags.initialClusterState === 'new') {
    if (found === undefined) requireOneOfThisName(flags);
    // Its own log, though the flags may name others by now: they said who begins, and members have come and gone since.
    const clusterId = found?.memberId === flags.id ? found.clusterId : flags.clusterId;
    return { clusterId, id: flags.id, initialMembers };
  }
  if (found !== undefined) return { clusterId: found.clusterId, id: found.memberId, initialMembers: [] };
  await Wal.requireNone(world.disk, WAL_DIR);
  return askCluster(flags, world.dial);
}

/** Two members of one name would be taken for one that is found in two places. */
function requireOneOfThisName({ name, members, advertisedPeers }: IdentityFlags): void {
  const listed = members.find((member) => member.name === name)?.peerUrls ?? [];
  if (listed.length <= advertisedPeers.length) return;
  throw new UserError(
    `--initial-cluster names ${name} with ${listed.join(', ')}, and --initial-advertise-peer-urls has ${advertisedPeers.join(', ')}: ` +
      'give each member a name of its own, or this one all of its URLs',
  );
}

/** As a cluster begins: where clients find it, it tells itself. */
export function asMember({ id, name, peerUrls }: InitialMember): MemberInfo {
  return { id, name, peerUrls: [...peerUrls], clientUrls: [], isLearner: false };
}

/**
 * All are asked at once. The first answer that a majority has confirmed counts: by another, of a member that is behind,
 * this one might take the id of one that was removed and whose address it has (simulator, seed 20379). Without a majority,
 * which may be for want of this member, it is what the furthest one knows; then only who has never run may begin.
 */
async function askCluster(flags: IdentityFlags, dial: (member: InitialMember) => Channel): Promise<Identity> {
  const asked = flags.members.filter(({ name }) => name !== flags.name).map((member) => ask(member, dial));
  const confirmed = await Promise.any(asked.map(async (answering) => requireConfirmed(await answering))).catch(() => undefined);
  if (confirmed !== undefined) return identityIn(flags, confirmed);
  const outcomes = await Promise.allSettled(asked);
  const answers = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  const [furthest] = answers.sort((one, other) => other.applied - one.applied);
  if (furthest !== undefined) return unconfirmedIn(flags, furthest);
  const why = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [describeError(outcome.reason)] : []));
  throw new UserError(
    `--initial-cluster-state "existing": no member of --initial-cluster tells which cluster it is (${why.join('; ') || 'it names no other'}): ` +
      'name members that run',
  );
}

async function ask(member: InitialMember, dial: (member: InitialMember) => Channel): Promise<ClusterResponse> {
  const channel = dial(member);
  try {
    return await channel.unary(Peer.methods.cluster, {}, { timeoutMs: ASK_TIMEOUT_MS });
  } catch (error) {
    throw new Error(`${member.name}: ${describeError(error)}`, { cause: error });
  } finally {
    channel.close();
  }
}

function requireConfirmed(answer: ClusterResponse): ClusterResponse {
  if (!answer.confirmed) throw new Error('not confirmed');
  return answer;
}

/**
 * One that has run may have been removed since by those that do not answer, and would come back without its votes: a
 * second vote of it could undo what was acknowledged. Who has run has told its name.
 */
function unconfirmedIn(flags: IdentityFlags, answer: ClusterResponse): Identity {
  const identity = identityIn(flags, answer);
  const name = identity.joined?.find(({ id }) => id === identity.id)?.name ?? '';
  if (name === '') return identity;
  throw new UserError(
    `--initial-cluster-state "existing": ${name} has run before, its data is not here, and no majority of the cluster confirms ` +
      'that it is still a member: start the other members first, then remove this one and add it again',
  );
}

function identityIn(flags: IdentityFlags, { cluster, rows }: ClusterResponse): Identity {
  const members = rows?.members ?? [];
  return { clusterId: cluster, id: ownId(flags, members), initialMembers: rows?.initial ?? [], joined: members };
}

/** Both lists must agree, as etcd has it: with another cluster's list this member would be a stranger, or another. */
function ownId({ members: listed, name }: IdentityFlags, members: readonly MemberInfo[]): bigint {
  const textOf = (urls: readonly string[]) => [...urls].sort().join(',');
  const self = listed.find((member) => member.name === name)!; // The flags are refused without it.
  const own = members.find((member) => textOf(member.peerUrls) === textOf(self.peerUrls));
  if (own === undefined) {
    throw new UserError(
      `this member is not one of the cluster: no member there has the peer URLs ${textOf(self.peerUrls)}: add it first ` +
        `(etcdctl member add ${name} --peer-urls=${textOf(self.peerUrls)})`,
    );
  }
  const strangers = listed.filter((one) => !members.some((member) => textOf(member.peerUrls) === textOf(one.peerUrls)));
  const isComplete = strangers.length === 0 && listed.length === members.length;
  if (isComplete) return own.id;
  const there = members.map((member) => `${member.name || '(not started)'}=${textOf(member.peerUrls)}`).join(' ');
  throw new UserError(`--initial-cluster and the cluster do not agree on its members: it has ${there}: name exactly these`);
}
