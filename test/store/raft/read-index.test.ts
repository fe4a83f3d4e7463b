import { describe, expect, test } from 'vitest';
import { ReadIndexRounds } from '../../../src/store/raft/core/read-index.ts';
import type { Message } from '../../../src/store/raft/core/types.ts';
import { Cluster, Member, type MessageOf, bootstrap, optionsOf } from './harness.ts';

const TRIO = [1n, 2n, 3n];
const VOTERS = { voters: TRIO, votersOutgoing: [] };
const heartbeats = (messages: readonly Message[]) =>
  messages.filter((message): message is MessageOf<'heartbeat'> => message.type === 'heartbeat');
const answer = (round: number, from = 2n): Message => ({ type: 'heartbeat-answer', from, to: 1n, term: 1, round });

/** A leader of three, its own entry committed, nothing under way. */
function leader(): Member {
  const cluster = new Cluster(TRIO);
  const member = cluster.elect(1n);
  expect(member.raft.status()).toMatchObject({ role: 'leader', term: 1, commit: 1 });
  return member;
}

describe('ReadIndexRounds', () => {
  test('a read joins the round that begins after it, never one that has begun', () => {
    const rounds = new ReadIndexRounds();
    rounds.add({ request: 1n, from: 1n });
    const first = rounds.begin(5);
    rounds.add({ request: 2n, from: 1n });
    rounds.answered(2n, first);
    expect(rounds.takeConfirmed(VOTERS, 1n)).toMatchObject([{ index: 5, reads: [{ request: 1n }] }]);
    expect(rounds.takeConfirmed(VOTERS, 1n)).toEqual([]);
    const second = rounds.begin(6);
    rounds.answered(3n, first);
    expect(rounds.takeConfirmed(VOTERS, 1n)).toEqual([]);
    rounds.answered(3n, second);
    expect(rounds.takeConfirmed(VOTERS, 1n)).toMatchObject([{ index: 6, reads: [{ request: 2n }] }]);
  });

  test('a number is never used again: not on a retry, not after a drop', () => {
    const rounds = new ReadIndexRounds();
    const used = new Set<number>();
    for (let i = 0; i < 50; i++) {
      rounds.add({ request: BigInt(i), from: 1n });
      for (const number of [rounds.begin(1), rounds.retry(), rounds.retry()]) {
        if (number === 0) continue;
        expect(used.has(number)).toBe(false);
        used.add(number);
      }
      if (i % 10 === 9) rounds.drop();
    }
    expect(used.size).toBeGreaterThan(100);
  });

  test('an answer to a number that was not given is ignored', () => {
    const rounds = new ReadIndexRounds();
    rounds.add({ request: 1n, from: 1n });
    rounds.begin(1);
    rounds.answered(2n, 1_000);
    expect(rounds.takeConfirmed(VOTERS, 1n)).toEqual([]);
  });
});

describe('readIndex()', () => {
  test('reads that arrive together share a round; it is served by a majority', () => {
    const member = leader();
    member.raft.readIndex(1n);
    member.raft.readIndex(2n);
    const sent = heartbeats(member.take());
    expect(sent.map(({ to }) => to)).toEqual([2n, 3n]);
    expect(new Set(sent.map(({ round }) => round)).size).toBe(1);
    expect(member.reads).toEqual([]);
    member.raft.step(answer(sent[0]!.round));
    member.take();
    expect(member.reads).toEqual([{ request: 1n, index: 1 }, { request: 2n, index: 1 }]);
  });

  test('no round is served by the answer to an earlier one, however late it comes (etcd issue 20418)', () => {
    const member = leader();
    member.raft.readIndex(1n);
    const [first] = heartbeats(member.take());
    member.raft.step(answer(first!.round));
    member.raft.readIndex(2n);
    const [second] = heartbeats(member.take());
    expect(second!.round).toBeGreaterThan(first!.round);
    member.raft.step(answer(first!.round, 3n));
    member.raft.step(answer(first!.round, 2n));
    member.take();
    expect(member.reads.map(({ request }) => request)).toEqual([1n]);
  });

  test('a retry has a number of its own', () => {
    const member = leader();
    member.raft.readIndex(1n);
    const numbers = new Set(heartbeats(member.take()).map(({ round }) => round));
    for (let tick = 0; tick < 6; tick++) {
      member.raft.tick();
      for (const { round, to } of heartbeats(member.take())) if (to === 2n) numbers.add(round);
    }
    expect(numbers.size).toBe(4); // The round, and three heartbeats on its behalf.
    member.raft.step(answer(Math.max(...numbers)));
    member.take();
    expect(member.reads).toEqual([{ request: 1n, index: 1 }]);
  });

  test('none is served before an entry of the leader’s own term is committed (thesis §6.4)', () => {
    const cluster = new Cluster(TRIO);
    cluster.delivers = ({ type }) => type !== 'append';
    const member = cluster.elect(1n);
    expect(member.role).toBe('leader');
    member.raft.readIndex(1n);
    for (let tick = 0; tick < 8; tick++) cluster.tick();
    expect(member.reads).toEqual([]);
    expect(cluster.delivered.every((message) => message.type !== 'heartbeat' || message.round === 0)).toBe(true);
    cluster.delivers = () => true;
    cluster.tick(4);
    expect(member.reads).toEqual([{ request: 1n, index: 1 }]);
  });

  test('a change of term drops every pending read', () => {
    const member = leader();
    member.raft.readIndex(1n);
    const [sent] = heartbeats(member.take());
    member.raft.readIndex(2n);
    member.raft.step({ type: 'append-answer', from: 2n, to: 1n, term: 2, accepted: false, index: 0, hintIndex: 0, hintTerm: 0 });
    expect(member.role).toBe('follower');
    member.raft.step(answer(sent!.round));
    // The same member leads again, later.
    member.raft.campaign();
    member.settle();
    member.raft.step({ type: 'vote', from: 2n, to: 1n, term: 3, preVote: true, granted: true });
    member.settle();
    member.raft.step({ type: 'vote', from: 2n, to: 1n, term: 3, preVote: false, granted: true });
    member.settle();
    expect(member.raft.status()).toMatchObject({ role: 'leader', term: 3 });
    member.raft.step({ ...answer(sent!.round), term: 3 });
    member.take();
    expect(member.reads).toEqual([]);
  });

  test('a deposed leader that does not know it serves nothing', () => {
    const cluster = new Cluster(TRIO, { checkQuorum: false, preVote: false });
    const old = cluster.elect(1n);
    cluster.delivers = ({ from, to }) => from !== 1n && to !== 1n;
    cluster.elect(2n).raft.propose([Buffer.from('new')]);
    cluster.run();
    expect(old.role).toBe('leader');
    old.raft.readIndex(1n);
    cluster.tick(5);
    cluster.delivers = () => true;
    cluster.tick(5);
    expect(old.role).toBe('follower');
    expect(old.reads).toEqual([]);
  });

  test('a follower asks the leader, and waits for what it says', () => {
    const cluster = new Cluster(TRIO);
    cluster.elect(1n).raft.propose([Buffer.from('a')]);
    cluster.run();
    expect(cluster.at(2n).raft.readIndex(7n)).toEqual({ ok: true });
    cluster.run();
    expect(cluster.at(2n).reads).toEqual([{ request: 7n, index: 2 }]);
  });

  test('without a leader it is refused; a single voter answers itself', () => {
    expect(new Cluster(TRIO).at(1n).raft.readIndex(1n)).toEqual({ ok: false, code: 'no-leader' });
    const single = new Member(optionsOf(1n), { snapshot: bootstrap([1n]) });
    single.raft.campaign();
    single.settle();
    single.raft.readIndex(1n);
    single.take();
    expect(single.reads).toEqual([{ request: 1n, index: 1 }]);
  });
});
