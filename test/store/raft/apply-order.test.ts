/**
 * When a `RaftNode` applies: what came with entries that must be written, once those are on their way to the disk, for a
 * leader waits for them; all else at once, and everything in the order of the log.
 */
import { afterEach, expect, test } from 'vitest';
import { DrivenClock, settle } from '../../../src/base/driven-clock.ts';
import { deferred, type Deferred } from '../../../src/base/deferred.ts';
import type { LogIndex } from '../../../src/store/raft/core/types.ts';
import type { RaftNode } from '../../../src/store/raft/node.ts';
import { bootstrap } from './harness.ts';
import { loneNode, VOTERS } from './lone-node.ts';

/** Member 1, a follower of 2; its log says when it is written to, and waits. */
class Follower {
  readonly done: string[] = [];
  readonly writes: { readonly begun: Deferred<void>; readonly synced: Deferred<void> }[] = [];
  readonly node: RaftNode;

  constructor() {
    this.node = loneNode({
      clock: new DrivenClock(),
      wal: {
        append: ({ entries, mustSync }) => {
          this.done.push(mustSync ? `append ${entries.map(({ index }) => index).join()}` : 'hint');
          const write = { begun: deferred<void>(), synced: deferred<void>() };
          this.writes.push(write);
          return mustSync ? write.synced.promise : Promise.resolve();
        },
        hint: () => void this.done.push('hint'),
        begun: () => this.writes.at(-1)!.begun.promise,
        release: async () => undefined,
      },
      send: (messages) => {
        for (const message of messages) if (message.type === 'append-answer') this.done.push(`answer ${message.index}`);
      },
      apply: ({ index }) => void this.done.push(`apply ${index}`),
    });
  }

  /** What the log held before, the leader's entries behind it, and what they say is committed. */
  async hear({ behind, entries, commit }: { behind: LogIndex; entries: readonly LogIndex[]; commit: LogIndex }): Promise<string[]> {
    const envelope = { from: 2n, to: 1n, term: 1 };
    const all = entries.map((index) => ({ term: 1, index, kind: 'normal' as const, data: Buffer.from(`${index}`) }));
    this.node.receive({ ...envelope, type: 'append', prevIndex: behind, prevTerm: behind === FIRST ? 0 : 1, commit, entries: all });
    return this.settled();
  }

  async settled(): Promise<string[]> {
    await settle();
    return this.done.splice(0);
  }
}

/** What a bootstrapped log begins behind. */
const FIRST = bootstrap(VOTERS).index;
const [A, B, C] = [FIRST + 1, FIRST + 2, FIRST + 3];

let follower: Follower;
afterEach(async () => {
  for (const { begun, synced } of follower.writes) {
    begun.resolve();
    synced.resolve();
  }
  await follower.node.stop();
});

async function followerWithOne(): Promise<void> {
  follower = new Follower();
  await follower.node.start();
  expect(await follower.hear({ behind: FIRST, entries: [A], commit: FIRST })).toEqual([`append ${A}`]);
  follower.writes[0]!.synced.resolve();
  expect(await follower.settled()).toEqual([`answer ${A}`]);
}

test('what came with entries is applied behind their write', async () => {
  await followerWithOne();
  expect(await follower.hear({ behind: A, entries: [B], commit: A })).toEqual([`append ${B}`]);
  follower.writes[1]!.synced.resolve();
  expect(await follower.settled(), 'the disk was quick: it answers first').toEqual([`answer ${B}`]);
  follower.writes[1]!.begun.resolve();
  expect(await follower.settled()).toEqual([`apply ${A}`]);
});

test('a slow disk does not keep it', async () => {
  await followerWithOne();
  await follower.hear({ behind: A, entries: [B], commit: A });
  follower.writes[1]!.begun.resolve();
  expect(await follower.settled()).toEqual([`apply ${A}`]);
});

test('what is committed later is applied later', async () => {
  await followerWithOne();
  await follower.hear({ behind: A, entries: [B], commit: A });
  expect(await follower.hear({ behind: B, entries: [C], commit: B }), 'B is not durable here').toEqual([`apply ${A}`, `append ${C}`]);
  follower.writes[1]!.synced.resolve();
  expect(await follower.settled()).toEqual([`answer ${B}`, `apply ${B}`, 'hint']);
});

test('news of what is committed alone has nothing to wait for', async () => {
  await followerWithOne();
  expect(await follower.hear({ behind: A, entries: [], commit: A })).toEqual([`apply ${A}`, 'hint', `answer ${A}`]);
});
