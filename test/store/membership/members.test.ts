import { describe, expect, test } from 'vitest';
import { MemberChange, MemberChange_Kind } from '../../../src/proto/raft.ts';
import { confChangeOf, type MemberInfo } from '../../../src/store/membership/core/members.ts';
import { checkReconfiguration, isLearnerReady } from '../../../src/store/membership/core/reconfigure.ts';
import { memberIdOf, peerUrlsOf } from '../../../src/store/membership/identity.ts';
import { applyConfChange, decodeConfChange, encodeConfChange } from '../../../src/store/raft/core/confchange.ts';
import type { ConfState } from '../../../src/store/raft/core/types.ts';
import { StateMachine } from '../../../src/store/state-machine.ts';
import { PlainBackend } from '../mvcc/plain-backend.ts';

const infoOf = (id: bigint, rest: Partial<MemberInfo> = {}): MemberInfo => ({
  ...{ id, name: `m${id}`, peerUrls: [`http://m${id}:1`], clientUrls: [], isLearner: false },
  ...rest,
});
const CONF: ConfState = { voters: [1n, 2n], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };

/** A state machine with members 1 and 2, and how an entry of the log changes it. */
async function machine(backend = new PlainBackend()) {
  const state = await StateMachine.open(backend);
  state.bootstrap(CONF, { initial: [infoOf(1n), infoOf(2n)], members: [] });
  const change = (kind: number, member: MemberInfo) => {
    const request: MemberChange = { kind, member, proposal: 7n };
    const bytes = encodeConfChange({ ...confChangeOf(request)!, context: MemberChange.encode(request) });
    const entry = { index: state.applied.index + 1, term: 1, data: bytes };
    return state.applyConfChange(entry, decodeConfChange(bytes)!, () => {
      const outcome = applyConfChange(state.applied.confState, decodeConfChange(bytes)!);
      if (!outcome.ok) throw new Error(outcome.code);
      return outcome.confState;
    });
  };
  return { state, change };
}

describe('applyConfChange()', () => {
  test('one that is in the log twice is refused the second time, answered, and leaves the configuration as it is', async () => {
    const { state, change } = await machine();
    const added = infoOf(3n, { isLearner: true });
    expect(change(MemberChange_Kind.ADD, added)).toMatchObject({ id: 7n, outcome: { ok: true, result: { member: added } } });
    const { confState } = state.applied;
    expect(confState.learners).toEqual([3n]);
    expect(change(MemberChange_Kind.ADD, added)).toEqual({ id: 7n, outcome: { ok: false, code: 'member-exists' }, confState });
    expect(change(MemberChange_Kind.PROMOTE, infoOf(3n))).toMatchObject({ confState: { voters: [1n, 2n, 3n], learners: [] } });
    expect(change(MemberChange_Kind.PROMOTE, infoOf(3n))).toMatchObject({ outcome: { code: 'member-not-learner' } });
    expect(change(MemberChange_Kind.REMOVE, infoOf(3n))).toMatchObject({ confState: { voters: [1n, 2n] } });
    expect(change(MemberChange_Kind.REMOVE, infoOf(3n))).toMatchObject({ outcome: { code: 'member-not-found' } });
    expect(change(MemberChange_Kind.ADD, added)).toMatchObject({ outcome: { code: 'member-not-found' } });
    expect(state.applied.confState).toEqual(CONF);
  });

  test('members and removed ones are there after a restart, and in the hash of everything', async () => {
    const backend = new PlainBackend();
    const { state, change } = await machine(backend);
    change(MemberChange_Kind.ADD, infoOf(3n));
    const before = state.hashAll();
    change(MemberChange_Kind.REMOVE, infoOf(2n));
    expect(state.hashAll()).not.toBe(before);
    await backend.batch(state.takeBatch().ops);
    const again = await StateMachine.open(backend);
    expect(again.members.list()).toEqual([infoOf(1n), infoOf(3n)]);
    expect(again.members.removed()).toEqual([2n]);
    expect(again.bootstrapRows.initial).toEqual([infoOf(1n), infoOf(2n)]);
    expect(again.hashAll()).toBe(state.hashAll());
  });
});

describe('checkReconfiguration()', () => {
  const all = new Set([2n, 3n]);
  const healthy = { self: 1n, members: [infoOf(1n), infoOf(2n), infoOf(3n)], steady: all, connected: all };
  const change = (kind: number, member: MemberInfo): MemberChange => ({ kind, member, proposal: 0n });
  const add = change(MemberChange_Kind.ADD, infoOf(4n, { name: '' }));
  const remove = (id: bigint) => change(MemberChange_Kind.REMOVE, infoOf(id));

  test('lets pass what leaves a quorum', () => {
    expect(checkReconfiguration(add, healthy)).toBeUndefined();
    expect(checkReconfiguration(remove(3n), healthy)).toBeUndefined();
    // Away, so no part of the quorum that is there.
    const down = { ...healthy, steady: new Set([2n]), connected: new Set([2n]) };
    expect(checkReconfiguration(remove(3n), down)).toBeUndefined();
  });

  test('refuses what does not', () => {
    const down = { ...healthy, steady: new Set([2n]), connected: new Set([2n]) };
    expect(checkReconfiguration(add, down)).toBe('unhealthy');
    expect(checkReconfiguration(remove(2n), down)).toBe('unhealthy');
    const unstarted = { ...healthy, members: [infoOf(1n), infoOf(2n, { name: '' }), infoOf(3n, { name: '' })] };
    expect(checkReconfiguration(add, unstarted)).toBe('not-enough-started-members');
    expect(checkReconfiguration(remove(1n), unstarted)).toBe('not-enough-started-members');
    const one = { ...healthy, members: [infoOf(1n)] };
    expect(checkReconfiguration(remove(1n), one)).toBe('not-enough-started-members');
  });

  test('counts whoever is promoted as a voter that has started', () => {
    const promote = change(MemberChange_Kind.PROMOTE, infoOf(4n));
    const learner = infoOf(4n, { isLearner: true });
    const of = (...names: readonly string[]) => ({ ...healthy, members: [...names.map((name, at) => infoOf(BigInt(at + 1), { name })), learner] });
    expect(checkReconfiguration(promote, of('a', 'b', ''))).toBeUndefined();
    expect(checkReconfiguration(promote, of('a', '', ''))).toBe('not-enough-started-members');
    expect(checkReconfiguration(promote, of('a', ''))).toBeUndefined();
  });

  test('lets a single member take in one, and no other before that one has started', () => {
    const alone = { ...healthy, steady: new Set<bigint>(), connected: new Set<bigint>() };
    expect(checkReconfiguration(add, { ...alone, members: [infoOf(1n)] })).toBeUndefined();
    expect(checkReconfiguration(add, { ...alone, members: [infoOf(1n), infoOf(2n, { name: '' })] })).toBe('not-enough-started-members');
  });
});

test('isLearnerReady() from nine tenths of the leader’s log on', () => {
  expect([isLearnerReady(89, 100), isLearnerReady(90, 100), isLearnerReady(undefined, 0)]).toEqual([false, true, false]);
});

test('memberIdOf() differs by the second that a member is added, not by the order of its addresses', () => {
  const [a, b] = ['http://a:1', 'http://b:1'];
  expect(memberIdOf([a!, b!], { addedAt: 1_000 })).toBe(memberIdOf([b!, a!], { addedAt: 1_999 }));
  expect(memberIdOf([a!], { addedAt: 1_000 })).not.toBe(memberIdOf([a!], { addedAt: 2_000 }));
});

test('peerUrlsOf() takes schemes, hosts and ports alone', () => {
  expect(peerUrlsOf(['https://b:2/', 'http://a:1'])).toEqual(['http://a:1', 'https://b:2']);
  for (const bad of [[], ['ftp://a:1'], ['http://a'], ['http://a:1/x'], ['a:1']]) expect(peerUrlsOf(bad)).toBeUndefined();
});
