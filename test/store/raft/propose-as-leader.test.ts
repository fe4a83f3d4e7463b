/**
 * `RaftNode.proposeAsLeader`: what a leader decided by its clock (that a lease has ended, how long it still lives) goes into
 * the log by its own leadership or not at all. A node whose disk hangs has not heard yet that it leads no more, as far as
 * its `SoftState` tells; forwarded to the new leader, such a proposal would end a lease that this one has prolonged.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { DrivenClock, settle } from '../../../src/base/driven-clock.ts';
import { deferred, type Deferred } from '../../../src/base/deferred.ts';
import type { Message } from '../../../src/store/raft/core/types.ts';
import type { RaftNode } from '../../../src/store/raft/node.ts';
import { answerTo, loneNode } from './lone-node.ts';

const DATA = Buffer.from('by its clock');

/** Member 1 of three, the two others played by the test: they grant every vote and take every entry. */
class Subject {
  readonly clock = new DrivenClock();
  readonly sent: Message[] = [];
  readonly applied: string[] = [];
  /** While there is one, the log waits for it. */
  hang: Deferred<void> | undefined;
  readonly node: RaftNode;
  #answers = true;

  constructor() {
    this.node = loneNode({
      clock: this.clock,
      wal: { append: async () => this.hang?.promise, hint() {}, begun: async () => undefined, release: async () => undefined },
      send: (messages) => this.#send(messages),
      apply: ({ data }) => void this.applied.push(Buffer.from(data).toString()),
    });
  }

  async lead(): Promise<void> {
    await this.node.start();
    for (let step = 0; step < 100 && this.node.softState.role !== 'leader'; step++) await this.clock.advance(10);
    await this.clock.advance(10);
    expect(this.node.softState).toEqual({ role: 'leader', leader: 1n });
  }

  async fallSilentWithHungDisk(): Promise<void> {
    this.#answers = false;
    this.hang = deferred<void>();
    // As many batches as may be on their way to the disk: nothing more of what Raft decides goes out.
    for (const text of ['a', 'b', 'c']) {
      this.node.propose(Buffer.from(text));
      await settle();
    }
  }

  /** Member 2 leads in a later term; this one hears of it while its disk hangs. */
  async loseLeadWithHungDisk(): Promise<void> {
    await this.fallSilentWithHungDisk();
    const { term } = this.node.status();
    this.node.receive({ type: 'heartbeat', from: 2n, to: 1n, term: term + 1, commit: 0, round: 0 });
    await settle();
    this.sent.length = 0;
  }

  #send(messages: readonly Message[]): void {
    this.sent.push(...messages);
    if (!this.#answers) return;
    for (const message of messages) {
      const answer = answerTo(message);
      if (answer !== undefined) void Promise.resolve().then(() => this.node.receive(answer));
    }
  }
}

let subject: Subject;
afterEach(async () => {
  subject.hang?.resolve();
  await subject.node.stop();
});

const leaderChanged = expect.objectContaining({ code: 'leader-changed' }) as Error;
const proposals = () => subject.sent.filter(({ type }) => type === 'propose');

describe('proposeAsLeader()', () => {
  test('of a leader goes into its log', async () => {
    subject = new Subject();
    await subject.lead();
    subject.node.proposeAsLeader(DATA);
    await subject.clock.advance(50);
    expect(subject.applied).toEqual(['by its clock']);
    expect(proposals()).toEqual([]);
  });

  test('of one that leads no more, and was not told of it yet, is refused and never leaves', async () => {
    subject = new Subject();
    await subject.lead();
    await subject.loseLeadWithHungDisk();
    // It still believes that it leads.
    expect(subject.node.softState).toEqual({ role: 'leader', leader: 1n });
    expect(() => subject.node.proposeAsLeader(DATA)).toThrow(leaderChanged);
    // What is no matter of its clock is forwarded, once the disk lets it out: that is what the former must not.
    subject.node.propose(Buffer.from('of a client'));
    subject.hang?.resolve();
    subject.hang = undefined;
    await subject.clock.advance(50);
    expect(subject.node.softState).toEqual({ role: 'follower', leader: 2n });
    expect(proposals()).toMatchObject([{ to: 2n, data: [Buffer.from('of a client')] }]);
  });

  test('of one that has not led at all is refused, though it knows whom to ask', async () => {
    subject = new Subject();
    await subject.node.start();
    subject.node.receive({ type: 'heartbeat', from: 3n, to: 1n, term: 1, commit: 0, round: 0 });
    await settle();
    expect(subject.node.softState.leader).toBe(3n);
    expect(() => subject.node.proposeAsLeader(DATA)).toThrow(leaderChanged);
    await subject.clock.advance(20);
    expect(proposals()).toEqual([]);
  });

  test('of one whose others are silent for an election timeout is refused', async () => {
    subject = new Subject();
    await subject.lead();
    await subject.fallSilentWithHungDisk();
    await subject.clock.advance(1_000);
    expect(subject.node.softState.role).toBe('leader');
    expect(() => subject.node.proposeAsLeader(DATA)).toThrow(leaderChanged);
  });
});
