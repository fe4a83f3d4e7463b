/**
 * Who the members are, as the log says: a machine that every member steps alike. It decides whether a change may be made;
 * what a change does to Raft's configuration, `confChangeOf` says. Removed ids are kept for ever: a removed member that
 * comes back must be told so, not be taken for a new one.
 *
 *   row c m <id>   a member                      (podium.raft.v1.Member)
 *   row c r <id>   a member that was removed     (empty)
 *   row c i        what the log began with       (podium.raft.v1.MemberRows)
 */
import { asBuffer, fromLatin1 } from '../../../base/bytes.ts';
import { MemberChange_Kind, type Member, type MemberChange } from '../../../proto/raft.ts';
import type { ConfChange, MemberId } from '../../raft/core/types.ts';

export type MemberInfo = Member;

export type MemberRefusalCode =
  | 'member-exists'
  | 'peer-url-exists'
  | 'member-not-found'
  | 'member-not-learner'
  | 'too-many-learners';

export interface MemberRefusal {
  readonly ok: false;
  readonly code: MemberRefusalCode;
}

/** etcd's default of `--max-learners`: a learner is caught up from the leader, and more of them at once would slow it. */
export const LEARNERS_MAX = 1;

export const MEMBER_ROWS = { from: 'c', to: 'd' } as const;
export const INITIAL_ROW = 'ci';

export class Members {
  readonly #members = new Map<MemberId, MemberInfo>();
  readonly #removed = new Set<MemberId>();

  load(member: MemberInfo): void {
    this.#members.set(member.id, member);
  }

  remove(id: MemberId): void {
    this.#members.delete(id);
    this.#removed.add(id);
  }

  clear(): void {
    this.#members.clear();
    this.#removed.clear();
  }

  /** By id. */
  list(): readonly MemberInfo[] {
    return [...this.#members.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  get(id: MemberId): MemberInfo | undefined {
    return this.#members.get(id);
  }

  isRemoved(id: MemberId): boolean {
    return this.#removed.has(id);
  }

  /** Sorted. */
  removed(): readonly MemberId[] {
    return [...this.#removed].sort((a, b) => (a < b ? -1 : 1));
  }

  /**
   * Why a change is refused; undefined: it may be made. `learnersMax` is the leader's to know, whose one change at a time
   * it is: members whose flags differ must not decide differently where a change is applied.
   */
  check({ kind, member }: MemberChange, learnersMax = Infinity): MemberRefusalCode | undefined {
    if (member === undefined) return 'member-not-found';
    // etcd's answer also to an id that comes back, which one that is derived from addresses and the second can.
    if (this.#removed.has(member.id)) return 'member-not-found';
    const known = this.#members.get(member.id);
    switch (kind) {
      case MemberChange_Kind.ADD:
        if (known !== undefined) return 'member-exists';
        if (this.#isUsedBeside(member)) return 'peer-url-exists';
        if (member.isLearner && this.list().filter((other) => other.isLearner).length >= learnersMax)
          return 'too-many-learners';
        return undefined;
      case MemberChange_Kind.PROMOTE:
        if (known === undefined) return 'member-not-found';
        return known.isLearner ? undefined : 'member-not-learner';
      case MemberChange_Kind.UPDATE:
        if (known === undefined) return 'member-not-found';
        return this.#isUsedBeside(member) ? 'peer-url-exists' : undefined;
      default:
        return known === undefined ? 'member-not-found' : undefined;
    }
  }

  /** Makes a change that `check` lets pass; answers the member as it is now, or was. */
  apply({ kind, member }: MemberChange): MemberInfo {
    const { id } = member!; // Without one `check` refuses.
    const known = this.#members.get(id);
    const next = changed(kind, member!, known);
    if (next === undefined) this.remove(id);
    else this.#members.set(id, next);
    return next ?? known!;
  }

  #isUsedBeside({ id, peerUrls }: MemberInfo): boolean {
    return this.list().some((other) => other.id !== id && other.peerUrls.some((url) => peerUrls.includes(url)));
  }
}

function changed(kind: number, member: MemberInfo, known: MemberInfo | undefined): MemberInfo | undefined {
  switch (kind) {
    case MemberChange_Kind.ADD:
      return member;
    case MemberChange_Kind.PROMOTE:
      return { ...known!, isLearner: false };
    case MemberChange_Kind.UPDATE:
      return { ...known!, peerUrls: member.peerUrls };
    case MemberChange_Kind.PUBLISH:
      return { ...known!, name: member.name, clientUrls: member.clientUrls };
    default:
      return undefined;
  }
}

/** What a change does to who is counted; undefined where it is of attributes alone. */
export function confChangeOf({ kind, member }: MemberChange): Pick<ConfChange, 'changes' | 'joint'> | undefined {
  const of = (what: ConfChange['changes'][number]['kind']) => ({ changes: [{ kind: what, member: member!.id }], joint: false });
  switch (kind) {
    case MemberChange_Kind.ADD:
      return of(member!.isLearner ? 'add-learner' : 'add-voter');
    case MemberChange_Kind.PROMOTE:
      return of('add-voter');
    case MemberChange_Kind.REMOVE:
      return of('remove');
    default:
      return undefined;
  }
}

export function memberRowKey(id: MemberId): string {
  return 'cm' + idText(id);
}

export function removedRowKey(id: MemberId): string {
  return 'cr' + idText(id);
}

export function idOfRow(key: string): MemberId {
  return asBuffer(fromLatin1(key)).readBigUInt64BE(2);
}

function idText(id: MemberId): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(id);
  return bytes.toString('latin1');
}
