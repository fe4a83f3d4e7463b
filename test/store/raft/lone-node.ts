/** A `RaftNode` of member 1 of three, whose peers, log and state the test plays; nobody lacks anything, so there are no snapshots. */
import type { Clock } from '../../../src/base/clock.ts';
import { silentLog } from '../../../src/base/log.ts';
import { Raft, type RaftOptions } from '../../../src/store/raft/core/raft.ts';
import type { Entry, MemberId, Message } from '../../../src/store/raft/core/types.ts';
import { RaftNode, type NodeWal } from '../../../src/store/raft/node.ts';
import { bootstrap, confOf, NO_HARD_STATE, optionsOf } from './harness.ts';

export const VOTERS: readonly MemberId[] = [1n, 2n, 3n];

export interface LoneNodeOptions {
  readonly clock: Clock;
  readonly wal: NodeWal;
  readonly send: (messages: readonly Message[]) => void;
  readonly apply: (entry: Entry) => void;
  readonly raft?: Partial<RaftOptions>;
}

/** Of a peer that grants every vote and takes every entry. */
export function answerTo(message: Message): Message | undefined {
  const envelope = { from: message.to, to: message.from, term: message.term };
  switch (message.type) {
    case 'request-vote':
      return { ...envelope, type: 'vote', preVote: message.preVote, granted: true };
    case 'append': {
      const index = message.prevIndex + message.entries.length;
      return message.unanswered === true ? undefined : { ...envelope, type: 'append-answer', accepted: true, index, hintIndex: 0, hintTerm: 0 };
    }
    case 'heartbeat':
      return { ...envelope, type: 'heartbeat-answer', round: message.round };
    default:
      return undefined;
  }
}

export function loneNode({ clock, wal, send, apply, raft = {} }: LoneNodeOptions): RaftNode {
  return new RaftNode({
    clock,
    log: silentLog,
    raft: new Raft(optionsOf(1n, raft), { hardState: NO_HARD_STATE, snapshot: bootstrap(VOTERS), entries: [] }),
    wal,
    transport: {
      setPeers: () => undefined,
      start: async () => undefined,
      send,
      sendSnapshot: () => Promise.reject(new Error('nobody lacks anything')),
      close: async () => undefined,
    },
    stateMachine: {
      apply,
      skip: () => undefined,
      changeConf: () => confOf(VOTERS),
      applied: () => undefined,
      room: () => undefined,
      durableIndex: () => 0,
      snapshot: () => Promise.reject(new Error('nobody lacks anything')),
      prepare: () => Promise.reject(new Error('nobody sends any')),
    },
    confState: confOf(VOTERS),
    firstReadRequest: 1n,
    tickMs: 10,
    snapshotEntries: 1000,
    catchUpEntries: 100,
    onSoftState: () => undefined,
    onRemoved: () => undefined,
    onFatal: (error) => {
      throw error;
    },
  });
}
