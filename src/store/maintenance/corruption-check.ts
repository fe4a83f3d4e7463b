/**
 * Compares a member's state with its peers', by HashKV at a common revision: by the clock, where this member leads, and
 * once before it serves; besides, where that is asked for, by what each compaction left, which costs a hash a compaction
 * rather than one of the whole state each time. A member that differs gets a CORRUPT alarm, under which every write is refused until a person
 * has replaced it and disarmed the alarm; one that differs at its start does not start.
 */
import type { Clock, Millis, Timer } from '../../base/clock.ts';
import { describeError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import type { Credentials } from '../../proto/auth.ts';
import { AlarmAction, AlarmType } from '../../proto/etcd.ts';
import { RpcError } from '../../proto/rpc.ts';
import type { Revision } from '../mvcc/core/revision.ts';
import type { MemberId } from '../raft/core/types.ts';
import { StoreError } from '../rpc/errors.ts';
import type { StateMachine } from '../state-machine.ts';
import { AS_STORE, type Command } from '../mvcc/command.ts';
import { corruptMembers, stateOf, type MemberHash } from './core/corruption.ts';
import type { KvHash } from './hash-kv.ts';

export interface CheckedMember {
  readonly id: MemberId;
  readonly isLeader: boolean;
  readonly machine: StateMachine;
  linearizable(): Promise<void>;
  hashKv(revision: Revision): Promise<KvHash>;
  /** What the last compactions left, newest first. */
  readonly compactionHashes: { list(): readonly KvHash[] };
  propose(command: Command, credentials: Credentials): Promise<unknown>;
}

export interface HashedPeers {
  hashKv(peer: MemberId, revision: Revision): Promise<KvHash>;
  compactionHash(peer: MemberId, revision: Revision): Promise<KvHash>;
}

export interface CorruptionCheckOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly member: CheckedMember;
  readonly peers: HashedPeers;
  /** 0: never by the clock. */
  readonly intervalMs: Millis;
  /** The same for what compactions left. */
  readonly compactionIntervalMs?: Millis;
}

export class CorruptionCheck {
  readonly #options: CorruptionCheckOptions;
  readonly #timers = new Map<string, Timer>();
  /** Up to here all members were found to be alike. */
  #checkedCompaction: Revision = 0;
  #isStopped = false;

  constructor(options: CorruptionCheckOptions) {
    this.#options = options;
  }

  start(): void {
    const { intervalMs, compactionIntervalMs = 0 } = this.#options;
    this.#every(intervalMs, 'state', () => this.check());
    this.#every(compactionIntervalMs, 'compactions', () => this.checkCompactions());
  }

  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#timers.values()) timer.cancel();
  }

  #every(intervalMs: Millis, what: string, check: () => Promise<unknown>): void {
    const { clock, log } = this.#options;
    if (intervalMs <= 0 || this.#isStopped) return;
    const timer = clock.setTimer(intervalMs, () => {
      check()
        .catch((error: unknown) => log.warn({ error: describeError(error), kind: what }, 'store: corruption check not done'))
        // The next one begins when this one has ended: a slow check must not meet itself.
        .finally(() => this.#every(intervalMs, what, check));
    });
    this.#timers.set(what, timer);
  }

  /** Of the leader; answers the members that an alarm was raised for. */
  async check(): Promise<readonly MemberId[]> {
    const { member } = this.#options;
    if (!member.isLeader) return [];
    await member.linearizable();
    const { own, others } = await this.#hashes();
    const corrupt = corruptMembers(own, others, member.machine.members.list().length);
    for (const id of corrupt) await this.#raise(id);
    return corrupt;
  }

  /**
   * Of the leader, by the newest compaction that it finds all members to have made, and by newer ones as far as they
   * have; answers the members that an alarm was raised for.
   */
  async checkCompactions(): Promise<readonly MemberId[]> {
    const { member } = this.#options;
    if (!member.isLeader) return [];
    const found = new Set<MemberId>();
    for (const hash of member.compactionHashes.list()) {
      if (hash.hashRevision <= this.#checkedCompaction) break;
      const peers = this.#otherIds();
      const asked = await Promise.all(peers.map((id) => this.#askCompaction(id, hash.hashRevision)));
      const others = asked.filter((answer) => answer !== undefined);
      for (const id of corruptMembers({ member: member.id, ...hash }, others, peers.length + 1)) found.add(id);
      if (others.length < peers.length) continue;
      this.#checkedCompaction = hash.hashRevision;
      break;
    }
    for (const id of found) await this.#raise(id);
    return [...found];
  }

  /** Before the member takes part: throws where a peer of the same revision has another state. */
  async checkAtStart(): Promise<void> {
    const { own, others } = await this.#hashes();
    const differing = others.filter((other) => {
      return other.compactRevision === own.compactRevision && stateOf(other) !== stateOf(own);
    });
    if (differing.length === 0) return;
    const names = differing.map(({ member }) => member.toString(16)).join(', ');
    throw new Error(
      `this member's state differs from that of ${names}: replace it (remove it from the cluster, delete its data directory, add it again)`,
    );
  }

  async #hashes(): Promise<{ readonly own: MemberHash; readonly others: readonly MemberHash[] }> {
    const { member } = this.#options;
    const own = { member: member.id, ...(await member.hashKv(0)) };
    const asked = await Promise.all(this.#otherIds().map((id) => this.#ask(id, own.hashRevision)));
    return { own, others: asked.filter((answer) => answer !== undefined) };
  }

  #otherIds(): MemberId[] {
    const { member } = this.#options;
    return member.machine.members.list().flatMap(({ id }) => (id === member.id ? [] : [id]));
  }

  #ask(peer: MemberId, revision: Revision): Promise<MemberHash | undefined> {
    return this.#answerOf(peer, this.#options.peers.hashKv(peer, revision));
  }

  #askCompaction(peer: MemberId, revision: Revision): Promise<MemberHash | undefined> {
    return this.#answerOf(peer, this.#options.peers.compactionHash(peer, revision));
  }

  /** Undefined for a peer that is away, is behind, or has compacted the revision: it is compared the next time. */
  async #answerOf(peer: MemberId, asking: Promise<KvHash>): Promise<MemberHash | undefined> {
    try {
      return { member: peer, ...(await asking) };
    } catch (error) {
      if (!(error instanceof RpcError || error instanceof StoreError)) throw error;
      this.#options.log.debug({ peer: peer.toString(16), error: error.message }, 'store: peer not hashed');
      return undefined;
    }
  }

  async #raise(memberId: MemberId): Promise<void> {
    const { member, log } = this.#options;
    if (member.machine.alarms.has(AlarmType.CORRUPT, memberId)) return;
    log.error({ member: memberId.toString(16) }, 'store: its state differs from the others: replace it, then disarm the alarm');
    await member.propose({ kind: 'alarm', request: { action: AlarmAction.ACTIVATE, memberId, alarm: AlarmType.CORRUPT } }, AS_STORE);
  }
}
