/** DESIGN, "Failover is quick without short timeouts": the closed connection of a killed leader starts the election. */
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import type { Message } from '../../../src/store/raft/core/types.ts';
import { Cluster } from './harness.ts';

const TRIO = [1n, 2n, 3n];
/** As the shell configures it: a tick of 10 ms. */
const ticks = { electionTicks: 100, heartbeatTicks: 10 };

function clusterWithLeader(seed: number): Cluster {
  const cluster = new Cluster(TRIO, ticks);
  for (const member of cluster.members.values()) member.restart({ random: seededRandom(`${seed} ${member.id}`) });
  cluster.elect(1n);
  expect(cluster.at(1n).role).toBe('leader');
  return cluster;
}

const ticksUntil = (cluster: Cluster, isDone: () => boolean): number => {
  for (let tick = 1; tick <= 1000; tick++) {
    cluster.tick();
    if (isDone()) return tick;
  }
  throw new Error('never');
};

const hasNewLeader = (cluster: Cluster) => () => [2n, 3n].some((id) => cluster.at(id).role === 'leader');

describe('connectionClosed()', () => {
  test('of the leader: another leads within tens of ticks, not after the election timeout', () => {
    const took: number[] = [];
    for (let seed = 0; seed < 50; seed++) {
      const cluster = clusterWithLeader(seed);
      cluster.delivers = ({ from, to }) => from !== 1n && to !== 1n;
      for (const id of [2n, 3n]) cluster.at(id).raft.connectionClosed(1n);
      took.push(ticksUntil(cluster, hasNewLeader(cluster)));
    }
    took.sort((a, b) => a - b);
    expect(took[25]).toBeLessThanOrEqual(6);
    expect(took.at(-1)).toBeLessThanOrEqual(30);
  });

  test('of another peer changes nothing', () => {
    const cluster = clusterWithLeader(1);
    cluster.at(2n).raft.connectionClosed(3n);
    cluster.tick(5);
    expect(cluster.at(2n).raft.status()).toMatchObject({ role: 'follower', leader: 1n });
  });

  test('of a leader that lives deposes nobody: who still hears it refuses, and the follower returns to it', () => {
    const cluster = clusterWithLeader(2);
    cluster.at(2n).raft.connectionClosed(1n);
    cluster.tick(12);
    expect(cluster.at(1n).raft.status()).toMatchObject({ role: 'leader', term: 1 });
    expect(cluster.at(2n).raft.status()).toMatchObject({ role: 'follower', leader: 1n, term: 1 });
  });

  test('tries four rounds, then waits for the election timeout', () => {
    const cluster = clusterWithLeader(3);
    const rounds = new Set<number>();
    let tick = 0;
    cluster.delivers = (message: Message) => {
      if (message.type === 'request-vote') rounds.add(tick);
      return false;
    };
    cluster.at(2n).raft.connectionClosed(1n);
    for (; tick < 90; tick++) {
      cluster.at(2n).raft.tick();
      cluster.run();
    }
    expect(rounds.size).toBe(4);
    expect(Math.max(...rounds)).toBeLessThanOrEqual(3 + 3 * 6);
  });

  test('is ignored where quick failover is off', () => {
    const cluster = new Cluster(TRIO, { ...ticks, quickFailover: false });
    cluster.elect(1n);
    cluster.at(2n).raft.connectionClosed(1n);
    expect(cluster.at(2n).raft.status().leader).toBe(1n);
  });
});

describe('forgetLeader()', () => {
  test('lets a follower grant pre-votes; its vote stays given', () => {
    const cluster = clusterWithLeader(4);
    const ask: Message = {
      type: 'request-vote', from: 3n, to: 2n, term: 2, preVote: true, lastIndex: 9, lastTerm: 1, transfer: false,
    };
    const { raft } = cluster.at(2n);
    raft.step(ask);
    expect(cluster.at(2n).settle()).toEqual([]);
    raft.forgetLeader();
    raft.step(ask);
    expect(cluster.at(2n).settle()).toMatchObject([{ type: 'vote', to: 3n, granted: true, preVote: true }]);
    expect(raft.status()).toMatchObject({ term: 1, votedFor: 1n });
  });
});

describe('start', () => {
  test('members that see each other elect at once, without an election timeout', () => {
    for (let seed = 0; seed < 20; seed++) {
      const cluster = new Cluster(TRIO, ticks);
      for (const member of cluster.members.values()) member.restart({ random: seededRandom(`start ${seed} ${member.id}`) });
      for (const id of TRIO) for (const peer of TRIO) if (id !== peer) cluster.at(id).raft.connectionOpened(peer);
      expect(ticksUntil(cluster, () => TRIO.some((id) => cluster.at(id).role === 'leader'))).toBeLessThanOrEqual(30);
    }
  });

  test('a fresh member waits one timeout at most', () => {
    for (let seed = 0; seed < 20; seed++) {
      const cluster = new Cluster([1n], ticks);
      cluster.at(1n).restart({ random: seededRandom(seed) });
      expect(ticksUntil(cluster, () => cluster.at(1n).role === 'leader')).toBeLessThanOrEqual(100);
    }
  });
});
