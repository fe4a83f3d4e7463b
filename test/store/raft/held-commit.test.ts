import { describe, expect, test } from 'vitest';
import type { Message } from '../../../src/store/raft/core/types.ts';
import { Cluster, type MessageOf } from './harness.ts';

const TRIO = [1n, 2n, 3n];
const DATA = [new Uint8Array([1])];

const appends = (messages: readonly Message[]) =>
  messages.filter((message): message is MessageOf<'append'> => message.type === 'append');

/** A leader of three that holds commits back; all know that its first entry is committed, nothing is under way. */
function start() {
  const cluster = new Cluster(TRIO, { holdsCommits: true });
  const leader = cluster.elect(1n);
  leader.raft.tellCommits();
  cluster.run();
  cluster.delivered.length = 0;
  const commits = () => TRIO.map((id) => cluster.at(id).raft.status().commit);
  expect(commits()).toEqual([1, 1, 1]);
  expect(leader.raft.holdsCommit).toBe(false);
  return { cluster, leader, commits };
}

describe('a commit index that nobody waits for', () => {
  test('is held back, and leaves with the next entries', () => {
    const { cluster, leader, commits } = start();
    leader.raft.propose(DATA);
    cluster.run();
    expect(commits()).toEqual([2, 1, 1]);
    expect(leader.raft.holdsCommit).toBe(true);
    expect(appends(cluster.delivered)).toHaveLength(2);
    leader.raft.propose(DATA);
    cluster.run();
    expect(commits()).toEqual([3, 2, 2]);
    expect(appends(cluster.delivered)).toHaveLength(4);
  });

  test('is told when the shell says so, once, and is not answered', () => {
    const { cluster, leader, commits } = start();
    leader.raft.propose(DATA);
    cluster.run();
    cluster.delivered.length = 0;
    leader.raft.tellCommits();
    cluster.run();
    expect(commits()).toEqual([2, 2, 2]);
    expect(cluster.delivered).toMatchObject([
      { type: 'append', to: 2n, entries: [], commit: 2, unanswered: true },
      { type: 'append', to: 3n, entries: [], commit: 2, unanswered: true },
    ]);
    expect(leader.raft.holdsCommit).toBe(false);
    leader.raft.tellCommits();
    cluster.run();
    expect(cluster.delivered).toHaveLength(2);
  });

  test('is refused all the same where the logs do not meet', () => {
    const { cluster, leader } = start();
    cluster.delivers = ({ to, type }) => to !== 3n || type !== 'append';
    leader.raft.propose(DATA);
    cluster.run();
    cluster.delivers = () => true;
    leader.raft.tellCommits();
    cluster.run();
    expect(cluster.at(3n).raft.status().commit).toBe(2);
  });
});

describe('a commit index is told at once', () => {
  test('to the follower that proposed, and to no other', () => {
    const { cluster, commits } = start();
    cluster.at(2n).raft.propose(DATA);
    cluster.run();
    expect(commits()).toEqual([2, 2, 1]);
  });

  test('to a follower that reads, where a heartbeat cannot tell it yet', () => {
    const { cluster, leader } = start();
    cluster.delivers = ({ from, type }) => from !== 3n || type !== 'append-answer';
    leader.raft.propose(DATA);
    cluster.run();
    cluster.at(3n).raft.readIndex(7n);
    cluster.run();
    expect(cluster.at(3n).reads).toMatchObject([{ request: 7n, index: 2 }]);
    expect(cluster.at(3n).raft.status().commit).toBe(2);
  });

  test('to all where it changes the configuration, also to whom it removes', () => {
    const { cluster, leader, commits } = start();
    leader.raft.proposeConfChange({ changes: [{ kind: 'remove', member: 3n }], joint: false });
    cluster.run();
    expect(commits()).toEqual([2, 2, 2]);
  });
});
