/** What members ask each other beside the log: who they are, and how long a lease still lives, which the leader knows. */
import { Peer } from '../proto/raft.ts';
import { bind, RpcCode, RpcError, type BoundService, type Channel } from '../proto/rpc.ts';
import type { KvHash } from './maintenance/hash-kv.ts';
import type { Revision } from './mvcc/core/revision.ts';
import { NO_MEMBER, type MemberId } from './raft/core/types.ts';
import { mapStoreError, StoreError } from './rpc/errors.ts';
import type { MemberInfo } from './rpc/cluster.ts';

/** What this member answers its peers, and asks them where it does not lead. */
export interface LeaseClock {
  readonly isLeader: boolean;
  readonly leader: MemberId;
  /** Proves that this member leads, or fails. */
  linearizable(): Promise<void>;
  /** Seconds that the lease now has; undefined if there is none. */
  renewHere(lease: bigint): number | undefined;
  remainingHere(lease: bigint): number | undefined;
}

/** What {@link Peers.service} answers from. */
export interface AnsweringMember extends LeaseClock {
  readonly machine: { readonly revision: Revision };
  hashKv(revision: Revision): Promise<KvHash>;
}

const ASK_TIMEOUT_MS = 2_000;
const DESCRIBE_TIMEOUT_MS = 500;
/** A peer reads its whole state for it, in slices. */
const HASH_TIMEOUT_MS = 60_000;

export interface PeersOptions {
  readonly self: MemberInfo;
  /** As the command line names them; their client URLs are asked for. */
  readonly others: readonly MemberInfo[];
  readonly channels: ReadonlyMap<MemberId, Channel>;
}

export class Peers {
  readonly #options: PeersOptions;
  readonly #clientUrls = new Map<MemberId, readonly string[]>();

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  service(leases: AnsweringMember): BoundService {
    const { self } = this.#options;
    const answer = (ttl: number | undefined) => ({ found: ttl !== undefined, ttl: ttl ?? 0 });
    const asLeader = async () => {
      if (!leases.isLeader) throw new StoreError('not-leader');
      await leases.linearizable();
      if (!leases.isLeader) throw new StoreError('not-leader');
    };
    return bind(
      Peer,
      {
        describe: () => ({ member: self.id, name: self.name, clientUrls: self.clientUrls }),
        renewLease: async ({ lease }) => {
          await asLeader();
          return answer(leases.renewHere(lease));
        },
        leaseRemaining: async ({ lease }) => {
          await asLeader();
          return answer(leases.remainingHere(lease));
        },
        hashKv: async ({ revision }) => {
          if (revision <= leases.machine.revision) return leases.hashKv(revision);
          if (leases.leader === NO_MEMBER) throw new StoreError('future-revision');
          // A follower hears what is committed with the next append or heartbeat, and would be behind each time.
          await leases.linearizable();
          // One that has applied everything and is not there yet is another state, which the asker sees by the revision.
          return leases.hashKv(Math.min(revision, leases.machine.revision));
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

  get otherIds(): readonly MemberId[] {
    return this.#options.others.map(({ id }) => id);
  }

  /** Fails with an `RpcError`, also where there is no way to the peer. */
  hashKv(peer: MemberId, revision: Revision): Promise<KvHash> {
    const channel = this.#options.channels.get(peer);
    if (channel === undefined) return Promise.reject(new RpcError(RpcCode.UNAVAILABLE, 'no channel to this peer'));
    return channel.unary(Peer.methods.hashKv, { revision }, { timeoutMs: HASH_TIMEOUT_MS });
  }

  /** All members, those that do not answer without client URLs. */
  async members(): Promise<MemberInfo[]> {
    const { self, others } = this.#options;
    await Promise.all(others.map((other) => this.#describe(other)));
    const all = [self, ...others.map((other) => ({ ...other, clientUrls: this.#clientUrls.get(other.id) ?? [] }))];
    return all.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  async #describe({ id }: MemberInfo): Promise<void> {
    if (this.#clientUrls.has(id)) return;
    const channel = this.#options.channels.get(id);
    if (channel === undefined) return;
    try {
      const { clientUrls } = await channel.unary(Peer.methods.describe, {}, { timeoutMs: DESCRIBE_TIMEOUT_MS });
      this.#clientUrls.set(id, clientUrls);
    } catch (error) {
      if (!(error instanceof RpcError)) throw error; // It is away: asked again the next time.
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
    const channel = this.#options.channels.get(leases.leader);
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
