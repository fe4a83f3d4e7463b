/** When a leader tells a commit index that nobody waits for: with entries, or by itself once none leave. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DrivenClock } from '../../../src/base/driven-clock.ts';
import type { Message } from '../../../src/store/raft/core/types.ts';
import type { RaftNode } from '../../../src/store/raft/node.ts';
import { answerTo, loneNode } from './lone-node.ts';

let clock: DrivenClock;
let node: RaftNode;
let sent: Message[];

beforeEach(async () => {
  clock = new DrivenClock();
  sent = [];
  node = loneNode({
    clock,
    wal: { append: async () => undefined, hint() {}, begun: async () => undefined, release: async () => undefined },
    send: (messages) => {
      sent.push(...messages);
      for (const message of messages) {
        const answer = answerTo(message);
        if (answer !== undefined) void Promise.resolve().then(() => node.receive(answer));
      }
    },
    apply: () => undefined,
    // Its heartbeats tell of it too, and stay out of the way here.
    raft: { holdsCommits: true, heartbeatTicks: 50, electionTicks: 500 },
  });
  await node.start();
  for (let step = 0; step < 2000 && node.softState.role !== 'leader'; step++) await clock.advance(10);
  await clock.advance(10);
  expect(node.softState.role).toBe('leader');
  sent.length = 0;
});

afterEach(() => node.stop());

const appends = () => sent.filter((message) => message.type === 'append');
const commits = () => appends().filter(({ entries }) => entries.length === 0).map(({ to, commit }) => `${to}:${commit}`);

test('alone within four milliseconds, to each follower once', async () => {
  node.propose(Buffer.from('a'));
  await clock.advance(1);
  expect(commits()).toEqual([]);
  await clock.advance(3);
  expect(commits()).toEqual(['2:2', '3:2']);
  await clock.advance(100);
  expect(commits()).toHaveLength(2);
});

test('never alone while entries leave; the last one is told', async () => {
  for (let at = 0; at < 50; at++) {
    node.propose(Buffer.from(`${at}`));
    await clock.advance(1);
  }
  expect(commits()).toEqual([]);
  expect(appends()).toHaveLength(100);
  await clock.advance(4);
  expect(commits()).toEqual(['2:51', '3:51']);
});
