/**
 * Who takes part, before and after a change (Raft paper §6, in etcd's form: a change takes effect when it is applied,
 * one at a time). A single change of voters keeps majorities overlapping and is made at once; more than one goes through
 * a joint configuration that needs both majorities. Pure; also the bytes of a change in the log.
 */
import { assert } from '../../../base/assert.ts';
import type { ConfChange, ConfChangeKind, ConfState, MemberId } from './types.ts';

export type ConfChangeResult =
  | { readonly ok: true; readonly confState: ConfState }
  | { readonly ok: false; readonly code: ConfChangeErrorCode };

export type ConfChangeErrorCode = 'already-joint' | 'not-joint' | 'no-voters' | 'bad-member';

export const EMPTY_CONF_STATE: ConfState = {
  voters: [],
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};

/** Every member that is replicated to, sorted. */
export function membersOf(conf: ConfState): MemberId[] {
  return sorted(new Set([...conf.voters, ...conf.votersOutgoing, ...conf.learners, ...conf.learnersNext]));
}

/** True for a member that counts in one of the majorities, and so may lead. */
export function isVoter(conf: ConfState, member: MemberId): boolean {
  return conf.voters.includes(member) || conf.votersOutgoing.includes(member);
}

export function isJoint(conf: ConfState): boolean {
  return conf.votersOutgoing.length > 0;
}

/** The configuration after `change`. The same on every member, for all apply the same changes to the same start. */
export function applyConfChange(conf: ConfState, change: ConfChange): ConfChangeResult {
  if (change.changes.some(({ member }) => member === 0n)) return { ok: false, code: 'bad-member' };
  if (change.changes.length === 0 && !change.joint) return leaveJoint(conf);
  if (isJoint(conf)) return { ok: false, code: 'already-joint' };
  return needsJoint(change) ? enterJoint(conf, change) : changeSimply(conf, change);
}

function needsJoint(change: ConfChange): boolean {
  return change.joint || change.changes.length > 1;
}

function changeSimply(conf: ConfState, change: ConfChange): ConfChangeResult {
  const next = changed(conf, change, new Set());
  if (next.voters.length === 0) return { ok: false, code: 'no-voters' };
  return valid({ ...next, votersOutgoing: [], learnersNext: [], autoLeave: false });
}

function enterJoint(conf: ConfState, change: ConfChange): ConfChangeResult {
  // From no voters to some there is nothing to overlap with: the first configuration is made simply.
  if (conf.voters.length === 0) return { ok: false, code: 'no-voters' };
  const next = changed(conf, change, new Set(conf.voters));
  if (next.voters.length === 0) return { ok: false, code: 'no-voters' };
  return valid({ ...next, votersOutgoing: [...conf.voters], autoLeave: true });
}

function leaveJoint(conf: ConfState): ConfChangeResult {
  if (!isJoint(conf)) return { ok: false, code: 'not-joint' };
  return valid({
    voters: [...conf.voters],
    votersOutgoing: [],
    learners: sorted([...conf.learners, ...conf.learnersNext]),
    learnersNext: [],
    autoLeave: false,
  });
}

/** Voters and learners after the changes; a demoted voter of `outgoing` waits in `learnersNext`. */
function changed(
  conf: ConfState,
  { changes }: ConfChange,
  outgoing: ReadonlySet<MemberId>,
): Pick<ConfState, 'voters' | 'learners' | 'learnersNext'> {
  const voters = new Set(conf.voters);
  const learners = new Set(conf.learners);
  const learnersNext = new Set(conf.learnersNext);
  for (const { kind, member } of changes) {
    voters.delete(member);
    learners.delete(member);
    learnersNext.delete(member);
    if (kind === 'add-voter') voters.add(member);
    if (kind === 'add-learner') (outgoing.has(member) ? learnersNext : learners).add(member);
  }
  return { voters: sorted(voters), learners: sorted(learners), learnersNext: sorted(learnersNext) };
}

function valid(confState: ConfState): ConfChangeResult {
  for (const learner of confState.learners) {
    assert(!isVoter(confState, learner), 'a learner is no voter of either half');
  }
  for (const next of confState.learnersNext) {
    assert(confState.votersOutgoing.includes(next), 'a learner-to-be is an outgoing voter');
  }
  return { ok: true, confState };
}

function sorted(members: Iterable<MemberId>): MemberId[] {
  return [...members].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

const KINDS: readonly ConfChangeKind[] = ['add-voter', 'add-learner', 'remove'];
const CHANGE_BYTES = 9;

const JOINT = 1;
const CONTEXT = 2;

/**
 * One byte of flags; where there is a context, one of the number of changes; per change one byte of kind and the member
 * in eight, big-endian; the context.
 */
export function encodeConfChange({ changes, joint, context }: ConfChange): Uint8Array {
  const begin = context === undefined ? 1 : 2;
  const end = begin + changes.length * CHANGE_BYTES;
  const bytes = new Uint8Array(end + (context?.length ?? 0));
  const view = new DataView(bytes.buffer);
  view.setUint8(0, (joint ? JOINT : 0) | (context === undefined ? 0 : CONTEXT));
  if (context !== undefined) {
    assert(changes.length < 256, 'a change of configuration names a few members');
    view.setUint8(1, changes.length);
    bytes.set(context, end);
  }
  changes.forEach(({ kind, member }, i) => {
    view.setUint8(begin + i * CHANGE_BYTES, KINDS.indexOf(kind));
    view.setBigUint64(begin + i * CHANGE_BYTES + 1, member);
  });
  return bytes;
}

/** The change in a `conf-change` entry; undefined for bytes that are none (the log is read from disk and wire). */
export function decodeConfChange(bytes: Uint8Array): ConfChange | undefined {
  if (bytes.length === 0 || bytes[0]! > (JOINT | CONTEXT)) return undefined;
  const joint = (bytes[0]! & JOINT) !== 0;
  if ((bytes[0]! & CONTEXT) === 0) {
    const changes = decodeChanges(bytes.subarray(1));
    return changes === undefined ? undefined : { changes, joint };
  }
  const end = 2 + (bytes[1] ?? 0) * CHANGE_BYTES;
  // Absent rather than empty: a change has one form.
  if (bytes.length <= end) return undefined;
  const changes = decodeChanges(bytes.subarray(2, end));
  return changes === undefined ? undefined : { changes, joint, context: bytes.slice(end) };
}

function decodeChanges(bytes: Uint8Array): ConfChange['changes'] | undefined {
  if (bytes.length % CHANGE_BYTES !== 0) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const changes: { kind: ConfChangeKind; member: MemberId }[] = [];
  for (let at = 0; at < bytes.length; at += CHANGE_BYTES) {
    const kind = KINDS[view.getUint8(at)];
    if (kind === undefined) return undefined;
    changes.push({ kind, member: view.getBigUint64(at + 1) });
  }
  return changes;
}
