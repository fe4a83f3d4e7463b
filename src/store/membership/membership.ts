/**
 * What a member does about the members: the leader checks and proposes changes, one at a time; every member follows with
 * its connections what the log says, tells the others through the log what it is called and where clients find it, and
 * ends when it is removed.
 *
 *   Cluster service ─► Peers ─► (leader) change() ─► log ─► Members ─► follow() ─► transport.setPeers()
 */
import type { Clock, Millis, Timer } from '../../base/clock.ts';
import { describeError, UserError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { MemberChange_Kind, type MemberChange, type MemberRows } from '../../proto/raft.ts';
import type { RaftStatus } from '../raft/core/raft.ts';
import type { MemberId } from '../raft/core/types.ts';
import type { RaftTransport } from '../raft/transport.ts';
import { StoreError } from '../rpc/errors.ts';
import type { CommandOutcome } from '../state-machine.ts';
import type { MemberInfo, Members } from './core/members.ts';
import { checkReconfiguration, isLearnerReady, type ReconfigureRefusal } from './core/reconfigure.ts';

/** etcd's health interval: who was connected without a break for so long counts. */
const STEADY_MS = 5_000;
/** A member that removed itself stays so long: the others may have to ask what is committed (Raft thesis §4.2.2). */
const LEAVE_MS = 1_000;
const PUBLISH_RETRY_MS = 500;
/** What is proposed while connections come up may be lost; said twice it is the same. */
const PUBLISH_PATIENCE_MS = 1_000;

export interface MembershipOptions {
  readonly self: MemberId;
  readonly clock: Clock;
  readonly log: Log;
  readonly transport: RaftTransport;
  readonly strictReconfigCheck: boolean;
  readonly learnersMax: number;
  readonly members: () => Members;
  readonly bootstrapRows: () => MemberRows;
  readonly status: () => RaftStatus;
  readonly connectedForMs: () => ReadonlyMap<MemberId, Millis>;
  /** Once through the log, like every proposal; `timeoutMs` if not that of a request. */
  readonly propose: (change: MemberChange, timeoutMs?: Millis) => Promise<CommandOutcome>;
  readonly linearizable: () => Promise<void>;
  readonly onRemoved: (error: Error) => void;
}

/** What is known of a member that has started; published if it is news. */
export interface Publication {
  readonly name: string;
  readonly clientUrls: readonly string[];
}

export class MemberRemovedError extends UserError {
  constructor(self: MemberId) {
    super(
      `member ${self.toString(16)} has been permanently removed from the cluster: delete its data directory; to have it ` +
        'back, add it as a new member (etcdctl member add) and start it with --initial-cluster-state=existing',
    );
  }
}

export class Membership {
  readonly #options: MembershipOptions;
  /** Changes on this leader, in a row: Raft lets one at a time be on its way. */
  #changes: Promise<unknown> = Promise.resolve();
  #publication: Publication | undefined;
  #isPublishing = false;
  #timer: Timer | undefined;
  #leaveTimer: Timer | undefined;
  #isStopped = false;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  get isLearner(): boolean {
    const { members, self } = this.#options;
    return members().get(self)?.isLearner ?? false;
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#leaveTimer?.cancel();
  }

  /** Brings connections in line with the members: at start, and whenever they may have changed. */
  follow(): void {
    const { self, transport, members, bootstrapRows } = this.#options;
    const now = members();
    // A member that has joined and whose log does not know it yet finds the others by what it was told.
    const known = now.get(self) === undefined && !now.isRemoved(self) ? bootstrapRows().members : [];
    const more = known.filter(({ id }) => now.get(id) === undefined && !now.isRemoved(id));
    const peers = [...now.list(), ...more].filter(({ id }) => id !== self);
    const ownUrls = (now.get(self) ?? known.find(({ id }) => id === self))?.peerUrls ?? [];
    transport.setPeers({ peers, ownUrls, isRemoved: (id) => now.isRemoved(id) });
    if (now.isRemoved(self)) this.removed();
  }

  /** By the log, or by a peer's word where the log does not reach this member any more. */
  removed(): void {
    const { clock, log, self, onRemoved } = this.#options;
    if (this.#leaveTimer !== undefined || this.#isStopped) return;
    log.warn({ member: self.toString(16) }, 'store: this member was removed from the cluster, and ends');
    this.#leaveTimer = clock.setTimer(LEAVE_MS, () => onRemoved(new MemberRemovedError(self)));
  }

  /**
   * Whoever is asked for a change decides by its own connections whether it may be, before the leader is asked: as in
   * etcd, a member without a quorum says so at once, in place of waiting for a leader that cannot be. Not of a promotion:
   * of that only the leader knows enough.
   */
  refusalHere(request: MemberChange): ReconfigureRefusal | undefined {
    return request.kind === MemberChange_Kind.PROMOTE ? undefined : this.#checkStrictly(request);
  }

  /**
   * On the leader: checks, proposes, and answers the member as it then is. It checks again, by the members of now and by
   * its own connections: what is asked at two members at once must be right one after the other.
   */
  change(request: MemberChange): Promise<MemberInfo> {
    const result = this.#changes.then(() => this.#change(request));
    this.#changes = result.catch(() => undefined);
    return result;
  }

  async #change(request: MemberChange): Promise<MemberInfo> {
    const { members, propose, learnersMax } = this.#options;
    this.#requireLeader();
    // Also: everything of earlier terms is applied, and no change among it is pending.
    await this.#linearizable();
    this.#requireLeader();
    const refusal = this.#checkReadiness(request) ?? this.#checkStrictly(request) ?? members().check(request, learnersMax);
    if (refusal !== undefined) throw new StoreError(refusal);
    const outcome = await propose(request);
    if (!outcome.ok) throw new StoreError(outcome.code);
    if (outcome.result.kind !== 'member-change') throw new Error(`a change of members answered as a ${outcome.result.kind}`);
    return outcome.result.member;
  }

  /** One that leads no more has done nothing yet, and says that rather than how it failed. */
  async #linearizable(): Promise<void> {
    await this.#options.linearizable().catch((error: unknown) => {
      this.#requireLeader();
      throw error;
    });
  }

  #requireLeader(): void {
    if (this.#options.status().role !== 'leader') throw new StoreError('not-leader');
  }

  #checkReadiness({ kind, member }: MemberChange) {
    const { status, members } = this.#options;
    if (kind !== MemberChange_Kind.PROMOTE) return undefined;
    const known = members().get(member!.id);
    if (known === undefined) return 'member-not-found' as const;
    if (!known.isLearner) return undefined;
    const { peers, id } = status();
    const matchOf = (of: MemberId) => peers.find((peer) => peer.member === of)?.match;
    return isLearnerReady(matchOf(member!.id), matchOf(id) ?? 0) ? undefined : ('learner-not-ready' as const);
  }

  #checkStrictly(request: MemberChange): ReconfigureRefusal | undefined {
    const { strictReconfigCheck, self, members, connectedForMs } = this.#options;
    if (!strictReconfigCheck) return undefined;
    const all = connectedForMs();
    const steady = new Set([...all].flatMap(([id, ms]) => (ms >= STEADY_MS ? [id] : [])));
    return checkReconfiguration(request, { self, members: members().list(), steady, connected: new Set(all.keys()) });
  }

  /** Until the log says so; tried again for as long as it takes. */
  publish(publication: Publication): void {
    this.#publication = publication;
    this.#publishIfDue();
  }

  /** A leader is known, or another: what waited for one goes. */
  onLeader(): void {
    if (!this.#isPublishing) this.#publishIfDue();
  }

  #publishIfDue(): void {
    const { self, members, clock, status, log } = this.#options;
    const publication = this.#publication;
    if (publication === undefined || this.#isPublishing || this.#isStopped) return;
    const row = members().get(self);
    const { name, clientUrls } = publication;
    if (row?.name === name && row.clientUrls.join() === clientUrls.join()) return;
    this.#timer?.cancel();
    const again = () => {
      this.#isPublishing = false;
      this.#timer?.cancel();
      this.#timer = clock.setTimer(PUBLISH_RETRY_MS, () => this.#publishIfDue());
    };
    // One that the log does not know yet has to wait until it does.
    if (row === undefined || status().leader === 0n) return again();
    this.#isPublishing = true;
    const member = { id: self, name, clientUrls: [...clientUrls], peerUrls: [], isLearner: false };
    const change = { kind: MemberChange_Kind.PUBLISH, member, proposal: 0n };
    this.#options.propose(change, PUBLISH_PATIENCE_MS).then(again, (error: unknown) => {
      log.debug({ error: describeError(error) }, 'store: not published yet');
      again();
    });
  }
}
