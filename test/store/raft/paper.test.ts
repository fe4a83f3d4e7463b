/** The Raft paper's rules (Ongaro and Ousterhout, extended version) and the thesis', each by its section. */
import { describe, expect, test } from 'vitest';
import type { Entry, Message } from '../../../src/store/raft/core/types.ts';
import { Cluster, Member, type MessageOf, bootstrap, entriesOf, optionsOf } from './harness.ts';

const TRIO = [1n, 2n, 3n];
const plain = { preVote: false, checkQuorum: false };
const bytes = (text: string) => Buffer.from(text);

function memberAt(terms: readonly number[], term: number, options = {}): Member {
  return new Member(optionsOf(1n, { ...plain, ...options }), {
    snapshot: bootstrap(TRIO),
    entries: entriesOf(terms),
    hardState: { term, votedFor: 0n, commit: 0 },
  });
}

function append(fields: Partial<MessageOf<'append'>>): Message {
  return { type: 'append', from: 2n, to: 1n, term: 1, prevIndex: 0, prevTerm: 0, entries: [], commit: 0, ...fields };
}

function askVote(fields: Partial<MessageOf<'request-vote'>>): Message {
  const base = { from: 2n, to: 1n, term: 1, preVote: false, lastIndex: 0, lastTerm: 0, transfer: false } as const;
  return { type: 'request-vote', ...base, ...fields };
}

/** Makes a member with that log the leader of the next term by the vote of member 2. */
function leaderAt(terms: readonly number[], term: number): { member: Member; sent: Message[] } {
  const member = memberAt(terms, term);
  member.raft.campaign();
  member.settle();
  member.raft.step({ type: 'vote', from: 2n, to: 1n, term: term + 1, preVote: false, granted: true });
  const sent = member.take();
  expect(member.role).toBe('leader');
  return { member, sent };
}

const only = <T extends Message['type']>(messages: readonly Message[], type: T) =>
  messages.filter((message): message is MessageOf<T> => message.type === type);

describe('§5.1 terms', () => {
  test.each([
    ['follower', (): Member => memberAt([], 1)],
    ['leader', (): Member => leaderAt([], 0).member],
  ])('a %s that sees a later term takes it and follows', (_, make) => {
    const member = make();
    member.raft.step(append({ term: 5 }));
    expect(member.raft.status()).toMatchObject({ role: 'follower', term: 5, leader: 2n });
  });

  test('a message of an earlier term changes nothing, and its leader is told', () => {
    const member = memberAt([1, 3], 3, { preVote: true });
    member.raft.step(append({ term: 2, entries: entriesOf([2, 2]) }));
    expect(member.raft.status()).toMatchObject({ term: 3, leader: 0n, lastTerm: 3 });
    expect(only(member.settle(), 'append-answer')).toMatchObject([{ accepted: false, term: 3 }]);
  });
});

describe('§5.2 elections', () => {
  test('a follower that hears of no leader campaigns, between one and two timeouts', () => {
    for (let seed = 0; seed < 20; seed++) {
      const member = memberAt([1], 1);
      let ticks = 0;
      for (; member.role === 'follower'; ticks++) member.raft.tick();
      expect(ticks).toBeGreaterThanOrEqual(10);
      expect(ticks).toBeLessThan(20);
    }
  });

  test('a heartbeat keeps it a follower', () => {
    const member = memberAt([1], 1);
    for (let i = 0; i < 100; i++) {
      member.raft.tick();
      if (i % 5 === 0) member.raft.step({ type: 'heartbeat', from: 2n, to: 1n, term: 1, commit: 0, round: 0 });
    }
    expect(member.role).toBe('follower');
  });

  test('one vote a term, first come, first served, and again to the same', () => {
    const member = memberAt([], 0);
    member.raft.step(askVote({ from: 2n }));
    member.raft.step(askVote({ from: 3n }));
    member.raft.step(askVote({ from: 2n }));
    expect(only(member.settle(), 'vote').map(({ to, granted }) => [to, granted])).toEqual([[2n, true], [3n, false], [2n, true]]);
  });

  test('a vote is durable before it is answered, and holds after a crash (thesis §3.8)', () => {
    const member = memberAt([], 0);
    member.raft.step(askVote({ from: 2n, term: 4 }));
    const ready = member.raft.ready()!;
    expect(ready).toMatchObject({ messages: [], mustSync: true, hardState: { term: 4, votedFor: 2n } });
    expect(ready.messagesAfterSync).toMatchObject([{ type: 'vote', to: 2n, granted: true }]);
    member.disk.hardState = ready.hardState!;
    member.restart();
    member.raft.step(askVote({ from: 3n, term: 4 }));
    expect(only(member.settle(), 'vote')).toMatchObject([{ to: 3n, granted: false }]);
  });

  test('a candidate asks, and counts its own vote, only after the sync', () => {
    const single = new Member(optionsOf(1n), { snapshot: bootstrap([1n]) });
    single.raft.campaign();
    single.take();
    expect(single.role).toBe('candidate');
    expect(single.unsynced.at(-1)!.hardState).toMatchObject({ term: 1, votedFor: 1n });
    single.sync();
    expect(single.role).toBe('leader');

    const member = memberAt([], 0);
    member.raft.campaign();
    expect(member.take()).toEqual([]);
    expect(only(member.sync(), 'request-vote').map(({ to }) => to)).toEqual([2n, 3n]);
  });

  test.each([
    [[true], 'leader'],
    [[false], 'candidate'],
    [[false, false], 'follower'],
    [[false, true], 'leader'],
  ])('answers %j make a candidate of three a %s', (answers, role) => {
    const member = memberAt([], 0);
    member.raft.campaign();
    member.settle();
    answers.forEach((granted, i) => {
      member.raft.step({ type: 'vote', from: BigInt(i + 2), to: 1n, term: 1, preVote: false, granted });
      member.raft.step({ type: 'vote', from: BigInt(i + 2), to: 1n, term: 1, preVote: false, granted }); // Doubled.
    });
    expect(member.role).toBe(role);
  });

  test('a candidate that hears of a leader of its term follows it', () => {
    const member = memberAt([], 0);
    member.raft.campaign();
    member.raft.step(append({ term: 1 }));
    expect(member.raft.status()).toMatchObject({ role: 'follower', leader: 2n, term: 1 });
  });

  test('two leaders of one term are our own mistake', () => {
    const { member } = leaderAt([], 0);
    expect(() => member.raft.step(append({ term: 1 }))).toThrow('one leader a term');
  });
});

describe('§5.3 replication', () => {
  test('a leader sends at once, and commits by a majority that has it durable', () => {
    const { member } = leaderAt([], 0);
    member.raft.propose([bytes('a')]);
    expect(only(member.take(), 'append').map(({ to }) => to)).toEqual([]); // One probe at a time until they answer.
    member.raft.step({ ...ANSWER, from: 2n, index: 1 });
    const sent = only(member.take(), 'append');
    expect(sent.map(({ to, prevIndex, entries }) => [to, prevIndex, entries.length])).toEqual([[2n, 1, 1]]);
    member.raft.step({ ...ANSWER, from: 2n, index: 2 });
    expect(member.raft.status().commit).toBe(0); // Its own disk has nothing yet.
    member.settle();
    expect(member.raft.status().commit).toBe(2);
    expect(member.applied.map(({ data }) => Buffer.from(data).toString())).toEqual(['', 'a']);
  });

  test('the leader counts itself only when its disk has the entry (thesis §10.2.1)', () => {
    const { member } = leaderAt([], 0);
    member.raft.step({ ...ANSWER, from: 2n, index: 1 });
    member.raft.step({ ...ANSWER, from: 3n, index: 1 });
    expect(member.raft.status().commit).toBe(1); // Two followers are a majority without it,
    member.take();
    expect(member.applied).toEqual([]); // but it applies only what its own log would still have after a crash.
    member.settle();
    expect(member.applied).toHaveLength(1);
  });

  test('an append is answered only when it is durable', () => {
    const member = memberAt([], 1);
    member.raft.step(append({ entries: entriesOf([1, 1]), commit: 2 }));
    const ready = member.raft.ready()!;
    expect(ready.messages).toEqual([]);
    expect(ready.committed).toEqual([]);
    expect(ready.messagesAfterSync).toMatchObject([{ type: 'append-answer', accepted: true, index: 2 }]);
    member.raft.persisted(ready.number);
    expect(member.raft.ready()!.committed).toHaveLength(2);
  });

  test.each<[number[], number, number, number[], number[]]>([
    [[1, 2], 2, 2, [3], [1, 2, 3]],
    [[1, 2], 1, 1, [3, 4], [1, 3, 4]],
    [[1, 2], 0, 0, [1], [1, 2]],
    [[1, 2], 0, 0, [3], [3]],
    [[1, 2, 2], 1, 1, [2], [1, 2, 2]],
  ])('a log %j with an append after %i/%i of %j becomes %j', (own, prevIndex, prevTerm, more, expected) => {
    const member = memberAt(own, 4);
    member.raft.step(append({ term: 4, prevIndex, prevTerm, entries: entriesOf(more, prevIndex + 1) }));
    member.settle();
    expect(expected.map((_, i) => member.raft.termAt(i + 1))).toEqual(expected);
    expect(member.raft.status().lastIndex).toBe(expected.length);
    expect(member.disk.entries.map(({ term }) => term)).toEqual(expected);
  });

  test.each<[number[], number[]]>([
    [[1, 1, 1, 4, 4, 5, 5, 6, 6], []],
    [[1, 1, 1, 4], []],
    [[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6], [6]],
    [[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7], [7, 7]],
    [[1, 1, 1, 4, 4, 4, 4], [4, 4]],
    [[1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3], [2, 2, 2, 3, 3, 3, 3, 3]],
  ])('figure 7: a follower with %j is brought to the leader’s log', (own) => {
    const leaderLog = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
    const cluster = new Cluster([1n, 2n, 3n], { ...plain });
    const hardState = { term: 7, votedFor: 0n, commit: 0 };
    for (const [id, terms] of [[1n, leaderLog], [2n, own], [3n, []]] as const) {
      const disk = { snapshot: bootstrap(TRIO), entries: entriesOf(terms), hardState };
      cluster.members.set(id, new Member(optionsOf(id, plain), disk));
    }
    cluster.elect(1n);
    if (cluster.at(1n).role !== 'leader') cluster.elect(1n);
    cluster.tick(4);
    for (const id of TRIO) {
      const { raft } = cluster.at(id);
      expect([...leaderLog, 8].map((_, i) => raft.termAt(i + 1)), `member ${id}`).toEqual([...leaderLog, cluster.at(1n).term]);
      expect(raft.status().commit).toBe(11);
    }
  });

  test('late and doubled answers move nothing back', () => {
    const { member } = leaderAt([], 0);
    member.raft.step({ ...ANSWER, index: 1 });
    member.raft.propose([bytes('a'), bytes('b')]);
    member.settle();
    member.raft.step({ ...ANSWER, index: 3 });
    const before = member.raft.status();
    member.raft.step({ ...ANSWER, index: 1 });
    member.raft.step({ ...ANSWER, accepted: false, index: 2, hintIndex: 0 });
    member.raft.step({ ...ANSWER, index: 99 });
    expect(member.raft.status()).toEqual(before);
  });

  test('a late append does not cut what came after it', () => {
    const member = memberAt([], 1);
    member.raft.step(append({ entries: entriesOf([1, 1, 1]), commit: 3 }));
    member.settle();
    member.raft.step(append({ entries: entriesOf([1]), commit: 1 }));
    expect(only(member.settle(), 'append-answer')).toMatchObject([{ accepted: true, index: 3 }]);
    expect(member.raft.status()).toMatchObject({ lastIndex: 3, commit: 3 });
  });

  test('a committed entry is never overwritten', () => {
    const member = memberAt([], 1);
    member.raft.step(append({ entries: entriesOf([1, 1]), commit: 2 }));
    member.settle();
    const other: Entry[] = entriesOf([2], 3);
    expect(() => member.raft.step(append({ term: 2, prevIndex: 2, prevTerm: 1, entries: other, commit: 9 }))).not.toThrow();
    expect(member.raft.status().commit).toBe(3); // No further than what it has of the leader's log.
  });

  test('the window bounds what is under way', () => {
    const { member } = leaderAt([], 0);
    member.raft.step({ ...ANSWER, index: 1 });
    member.settle();
    let messages = 0;
    for (let i = 0; i < 10; i++) {
      member.raft.propose([bytes(`${i}`)]);
      messages += only(member.take(), 'append').filter(({ to, entries }) => to === 2n && entries.length > 0).length;
    }
    expect(messages).toBe(4);
    member.raft.step({ ...ANSWER, index: 3 });
    expect(only(member.take(), 'append').filter(({ to }) => to === 2n)).toMatchObject([{ prevIndex: 5 }]);
  });

  test('too much uncommitted is refused, but something is always let through', () => {
    const { member } = leaderAt([], 0);
    const big = new Uint8Array(2 << 20);
    expect(member.raft.propose([big])).toEqual({ ok: true });
    expect(member.raft.propose([bytes('a')])).toEqual({ ok: false, code: 'too-much-uncommitted' });
  });
});

const ANSWER: MessageOf<'append-answer'> = {
  type: 'append-answer', from: 2n, to: 1n, term: 1, accepted: true, index: 0, hintIndex: 0, hintTerm: 0,
};

describe('§5.4.1 election restriction', () => {
  test.each([
    [[1], 1, 1, true],
    [[1], 2, 1, true],
    [[1, 1], 1, 1, false],
    [[1], 1, 2, true],
    [[1, 1], 1, 2, true],
    [[2], 1, 1, false],
    [[2], 5, 1, false],
  ])('a voter with %j asked by one with last %i/%i answers %s', (own, lastIndex, lastTerm, granted) => {
    const member = memberAt(own, 2);
    member.raft.step(askVote({ term: 3, lastIndex, lastTerm }));
    expect(only(member.settle(), 'vote')).toMatchObject([{ granted }]);
  });
});

describe('§5.4.2 entries of earlier terms', () => {
  test.each([
    [1, 0],
    [2, 0],
    [3, 3],
  ])('a majority that has entry %i commits up to %i: none by counting alone', (index, commit) => {
    const { member } = leaderAt([1, 2], 2);
    member.settle();
    member.raft.step({ ...ANSWER, term: 3, index });
    expect(member.raft.status().commit).toBe(commit);
  });

  test('figure 8: an entry of an earlier term that a majority has can still be lost, so it is not committed', () => {
    const five = [1n, 2n, 3n, 4n, 5n];
    const cluster = new Cluster(five, plain);
    // (a), (b): S1 led term 2 and reached S2; S5 led term 3 and reached nobody.
    const logs: [bigint, number[]][] = [[1n, [1, 2]], [2n, [1, 2]], [3n, [1]], [4n, [1]], [5n, [1, 3]]];
    for (const [id, terms] of logs) {
      const disk = { snapshot: bootstrap(five), entries: entriesOf(terms), hardState: { term: 3, votedFor: 0n, commit: 1 } };
      cluster.members.set(id, new Member(optionsOf(id, plain), disk));
    }
    // (c): S1 leads term 4 and brings its entry of term 2 to S3, a majority; its own entry of term 4 reaches nobody.
    cluster.delivers = (message) =>
      message.from !== 5n && message.to !== 5n && !(message.type === 'append' && message.to === 4n) &&
      !(message.type === 'append' && message.entries.some(({ term }) => term === 4));
    const first = cluster.at(1n);
    first.raft.campaign();
    cluster.run();
    expect(first.raft.status()).toMatchObject({ role: 'leader', term: 4 });
    for (const id of [2n, 3n]) {
      const entries = entriesOf([1, 2]).slice(1);
      cluster.at(id).raft.step(append({ from: 1n, to: id, term: 4, prevIndex: 1, prevTerm: 1, entries, commit: 1 }));
    }
    cluster.run();
    expect(first.raft.status().peers.filter(({ match }) => match >= 2)).toHaveLength(3);
    expect(first.raft.status().commit).toBe(1);
    // (d): S5 may be elected by S3 and S4 still? S3 now ends in term 2, S5 in term 3: yes, and it replaces the entry.
    cluster.delivers = (message) => message.from !== 1n && message.to !== 1n;
    cluster.elect(5n);
    if (cluster.at(5n).role !== 'leader') cluster.elect(5n);
    cluster.tick(6);
    expect(cluster.at(5n).role).toBe('leader');
    for (const id of [2n, 3n, 4n, 5n]) expect(cluster.at(id).raft.termAt(2)).toBe(3);
    // Healed, S1 gives way: had it committed its entry, this would be the loss of a committed entry.
    cluster.delivers = () => true;
    cluster.tick(6);
    expect(first.raft.termAt(2)).toBe(3);
  });
});

describe('§6 and thesis §4: membership', () => {
  test('a learner gets the log and has no vote', () => {
    const cluster = new Cluster([1n, 2n, 3n, 4n]);
    for (const [id, member] of cluster.members) {
      cluster.members.set(id, new Member(member.options, { snapshot: bootstrap([1n, 2n, 3n], [4n]) }));
    }
    cluster.elect(1n).raft.propose([bytes('a')]);
    cluster.run();
    expect(cluster.at(4n).applied.map(({ data }) => Buffer.from(data).toString())).toEqual(['', 'a']);
    cluster.at(4n).raft.campaign();
    expect(cluster.at(4n).role).toBe('follower');
    cluster.delivers = ({ from }) => from === 1n || from === 4n;
    cluster.at(1n).raft.propose([bytes('b')]);
    cluster.run();
    expect(cluster.at(1n).raft.status().commit).toBe(2);
  });

  test('two changes go through a joint configuration and leave it by themselves', () => {
    const cluster = new Cluster([1n, 2n, 3n, 4n]);
    const leader = cluster.elect(1n);
    const change = {
      changes: [{ kind: 'remove', member: 4n }, { kind: 'add-learner', member: 3n }],
      joint: false,
    } as const;
    expect(leader.raft.proposeConfChange(change)).toEqual({ ok: true });
    expect(leader.raft.proposeConfChange(change)).toEqual({ ok: false, code: 'conf-change-pending' });
    cluster.run();
    expect(leader.raft.status().confState).toMatchObject({ voters: [1n, 2n], learners: [3n], votersOutgoing: [] });
    expect(cluster.at(2n).conf).toEqual(leader.conf);
  });

  test('a leader that is removed steps down once that is committed (thesis §4.2.2)', () => {
    const cluster = new Cluster(TRIO);
    const leader = cluster.elect(1n);
    leader.raft.proposeConfChange({ changes: [{ kind: 'remove', member: 1n }], joint: false });
    cluster.run();
    expect(leader.role).toBe('follower');
    leader.raft.campaign();
    expect(leader.role).toBe('follower');
    for (let i = 0; i < 60; i++) cluster.tick();
    expect([cluster.at(2n).role, cluster.at(3n).role].sort()).toEqual(['follower', 'leader']);
  });

  test('a member that was cut off disturbs nobody (thesis §9.6)', () => {
    const cluster = new Cluster(TRIO);
    const leader = cluster.elect(1n);
    cluster.delivers = ({ from, to }) => from !== 3n && to !== 3n;
    cluster.tick(50);
    expect(cluster.at(3n).role).toBe('pre-candidate');
    cluster.delivers = () => true;
    cluster.tick(30);
    expect(leader.raft.status()).toMatchObject({ role: 'leader', term: 1 });
    expect(cluster.at(3n).raft.status()).toMatchObject({ role: 'follower', term: 1, leader: 1n });
  });

  test('a leader that hears of no majority steps down (thesis §6.2)', () => {
    const cluster = new Cluster(TRIO);
    const leader = cluster.elect(1n);
    cluster.delivers = () => false;
    cluster.tick(21);
    expect(leader.role).not.toBe('leader');
  });

  test('leadership is handed to a member that has the whole log (thesis §3.10)', () => {
    const cluster = new Cluster(TRIO);
    const leader = cluster.elect(1n);
    leader.raft.propose([bytes('a')]);
    expect(leader.raft.transferLeader(3n)).toEqual({ ok: true });
    expect(leader.raft.propose([bytes('b')])).toEqual({ ok: false, code: 'no-leader' });
    cluster.run();
    expect(cluster.at(3n).raft.status()).toMatchObject({ role: 'leader', term: 2 });
    expect(leader.raft.status()).toMatchObject({ role: 'follower', leader: 3n });
  });
});

describe('§7 compaction', () => {
  test('a follower that is too far behind gets the state machine, then the log', () => {
    const cluster = new Cluster(TRIO);
    const leader = cluster.elect(1n);
    cluster.delivers = ({ to }) => to !== 3n;
    for (let i = 0; i < 5; i++) {
      leader.raft.propose([bytes(`${i}`)]);
      cluster.run();
    }
    leader.compact(5);
    leader.raft.propose([bytes('last')]);
    cluster.run();
    cluster.delivers = () => true;
    cluster.tick(4);
    expect(only(cluster.delivered, 'install-snapshot')).toMatchObject([{ to: 3n, snapshot: { index: 5, term: 1 } }]);
    expect(cluster.at(3n).raft.status()).toMatchObject({ firstIndex: 6, lastIndex: 7, commit: 7, applied: 7 });
    expect(cluster.at(3n).disk.snapshot?.index).toBe(5);
  });

  test('a member restarts from its snapshot and the log above it', () => {
    const single = new Member(optionsOf(1n), { snapshot: bootstrap([1n]) });
    single.raft.campaign();
    single.settle();
    single.raft.propose([bytes('a'), bytes('b')]);
    single.settle();
    single.compact(2);
    single.restart();
    expect(single.raft.status()).toMatchObject({ firstIndex: 3, lastIndex: 3, applied: 3, term: 1 });
    single.raft.campaign();
    single.settle();
    expect(single.raft.status()).toMatchObject({ role: 'leader', term: 2, commit: 4 });
  });
});
