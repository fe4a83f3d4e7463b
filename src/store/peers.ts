/**
 * What members ask each other beside the log: how long a lease still lives, which the leader knows; a change of members,
 * which the leader decides; and, of a member that joins, which cluster this is.
 */
import { MemberChange_Kind, Peer, type HashKvRequest, type MemberChange } from '../proto/raft.ts';
import { bind, RpcCode, RpcError, type BoundService, type Channel } from '../proto/rpc.ts';
import type { KvHash } from './maintenance/hash-kv.ts';
import type { Member } from './member.ts';
import type { MemberInfo } from './membership/core/members.ts';
import type { Revision } from './mvcc/core/revision.ts';
import { NO_MEMBER, type MemberId } from './raft/core/types.ts';
import { mapStoreError, StoreError, storeErrorCodeOf } from './rpc/errors.ts';

/** What this member answers its peers, and asks them where it does not lead. */
export interface LeaseClock {
  readonly isLeader: boolean;
  readonly leader: MemberId;
  /** Proves that this member leads, or fails. */
  linearizable(): Promise<void>;
  /** Seconds that the lease now has; undefined if there is none. */
  renewHere(lease: bigint): Promise<number | undefined>;
  remainingHere(lease: bigint): number | undefined;
}

const ASK_TIMEOUT_MS = 2_000;
/** Of a majority, that what a member that joins is told is the newest. Less than that one waits for an answer. */
const CONFIRM_TIMEOUT_MS = 2_000;
/** Leaders that are asked for one change, while each says that it leads no more. */
const CHANGE_ATTEMPTS_MAX = 5;
/** A peer reads its whole state for it, in slices. */
const HASH_TIMEOUT_MS = 60_000;

export interface PeersOptions {
  /** To a member of now. */
  readonly channel: (id: MemberId) => Channel | undefined;
}

export interface ChangedMember {
  readonly changed: MemberInfo | undefined;
  /** All, afterwards. */
  readonly members: readonly MemberInfo[];
}

export class Peers {
  readonly #options: PeersOptions;

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  service(member: Member): BoundService {
    const leases: LeaseClock = member;
    const answer = (ttl: number | undefined) => ({ found: ttl !== undefined, ttl: ttl ?? 0 });
    const asLeader = async () => {
      if (!leases.isLeader) throw new StoreError('not-leader');
      await leases.linearizable();
      if (!leases.isLeader) throw new StoreError('not-leader');
    };
    return bind(
      Peer,
      {
        cluster: async () => {
          // The caller may be who makes the quorum: without one it is told what is known here, and that.
          const confirmed = await member.isCurrent(CONFIRM_TIMEOUT_MS);
          if (member.isStopped) throw new StoreError('stopped');
          const { clusterId: cluster, machine } = member;
          return { cluster, confirmed, applied: machine.applied.index, rows: rowsOf(member) };
        },
        changeMember: async (request) => {
          const changed = await member.membership.change(request);
          return { member: changed, members: member.machine.members.list() };
        },
        renewLease: async ({ lease }) => {
          await asLeader();
          return answer(await leases.renewHere(lease));
        },
        leaseRemaining: async ({ lease }) => {
          await asLeader();
          return answer(leases.remainingHere(lease));
        },
        hashKv: async ({ revision, compacted }) => {
          if (compacted) return member.compactionHashes.at(revision);
          if (revision <= member.machine.revision) return member.hashKv(revision);
          if (leases.leader === NO_MEMBER) throw new StoreError('future-revision');
          // A follower hears what is committed with the next append or heartbeat, and would be behind each time.
          await leases.linearizable();
          // One that has applied everything and is not there yet is another state, which the asker sees by the revision.
          return member.hashKv(Math.min(revision, member.machine.revision));
        },
      },
      mapStoreError,
    );
  }

  /** Seconds that the lease now has, by the leader's clock; undefined if there is no such lease. */
  renewLease(leases: LeaseClock, lease: bigint): Promise<number | undefined> {
    return this.#askLeader(leases, lease, 'renewLease');
  }

  leaseRemaining(leases: LeaseClock, lease: bigint): Promise<number | undefined> {
    return this.#askLeader(leases, lease, 'leaseRemaining');
  }

  /** Fails with an `RpcError`, also where there is no way to the peer. */
  hashKv(peer: MemberId, revision: Revision): Promise<KvHash> {
    return this.#askHash(peer, { revision, compacted: false });
  }

  /** Of what a compaction at that revision left; fails likewise. */
  compactionHash(peer: MemberId, revision: Revision): Promise<KvHash> {
    return this.#askHash(peer, { revision, compacted: true });
  }

  #askHash(peer: MemberId, request: HashKvRequest): Promise<KvHash> {
    const channel = this.#options.channel(peer);
    if (channel === undefined) return Promise.reject(new RpcError(RpcCode.UNAVAILABLE, 'no channel to this peer'));
    return channel.unary(Peer.methods.hashKv, request, { timeoutMs: HASH_TIMEOUT_MS });
  }

  /**
   * On the leader, wherever it is; what it refuses is the caller's to hear. One that did not lead any more has done
   * nothing, so the next is asked. Where the answer was lost nobody is: it may have happened, and the list will tell.
   * What could not be anyway, this member refuses without a leader.
   */
  async changeMember(member: Member, request: MemberChange): Promise<ChangedMember> {
    const refusal = member.membership.refusalHere(request);
    if (refusal !== undefined) throw new StoreError(refusal);
    const deadlineMs = member.monotonicMs() + member.requestTimeoutMs;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#changeAtLeader(member, request);
      } catch (error) {
        if (storeErrorCodeOf(error) !== 'not-leader') throw error;
        if (attempt === CHANGE_ATTEMPTS_MAX) throw new StoreError('leader-changed', { cause: error });
        if (member.monotonicMs() >= deadlineMs) throw new StoreError('no-leader', { cause: error });
      }
      // Until somebody leads; fails in time where nobody does.
      await member.linearizable();
    }
  }

  async #changeAtLeader(member: Member, request: MemberChange): Promise<ChangedMember> {
    if (member.isLeader) {
      const changed = await member.membership.change(request);
      return { changed, members: member.machine.members.list() };
    }
    const channel = this.#options.channel(member.leader);
    if (channel === undefined) throw new StoreError('not-leader');
    const timeoutMs = member.requestTimeoutMs;
    try {
      const { member: changed, members } = await channel.unary(Peer.methods.changeMember, request, { timeoutMs });
      return { changed, members };
    } catch (error) {
      if (storeErrorCodeOf(error) !== undefined) throw error;
      // A leader that was asked to go: whoever has learnt that it is gone hangs up on it, maybe before its answer is here.
      if (isRemoved(member, request)) return { changed: undefined, members: member.machine.members.list() };
      throw failedOnTheWay(error);
    }
  }

  async #askLeader(
    leases: LeaseClock,
    lease: bigint,
    method: 'renewLease' | 'leaseRemaining',
  ): Promise<number | undefined> {
    if (leases.isLeader) {
      await leases.linearizable();
      if (leases.isLeader) return method === 'renewLease' ? leases.renewHere(lease) : leases.remainingHere(lease);
    }
    const channel = this.#options.channel(leases.leader);
    if (channel === undefined) throw new StoreError('no-leader');
    try {
      const { found, ttl } = await channel.unary(Peer.methods[method], { lease }, { timeoutMs: ASK_TIMEOUT_MS });
      return found ? ttl : undefined;
    } catch (error) {
      if (error instanceof RpcError && error.code === RpcCode.FAILED_PRECONDITION)
        throw new StoreError('leader-changed', { cause: error });
      throw new StoreError('timeout', { cause: error });
    }
  }
}

function isRemoved({ machine }: Member, { kind, member }: MemberChange): boolean {
  return kind === MemberChange_Kind.REMOVE && member !== undefined && machine.members.isRemoved(member.id);
}

function failedOnTheWay(error: unknown): unknown {
  if (!(error instanceof RpcError)) return error;
  if (error.code === RpcCode.DEADLINE_EXCEEDED) return new StoreError('timeout', { cause: error });
  if (error.code === RpcCode.CANCELLED) return new StoreError('timeout-connection-lost', { cause: error });
  if (error.code !== RpcCode.UNAVAILABLE) return error;
  return new StoreError(error.notSent ? 'not-leader' : 'timeout-connection-lost', { cause: error });
}

function rowsOf({ machine }: Member) {
  return { initial: machine.bootstrapRows.initial, members: [...machine.members.list()] };
}
