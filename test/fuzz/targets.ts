/**
 * What parses bytes from outside, each with valid inputs to damage and with what it may do to a damaged one: read it, or
 * refuse it with the error that its caller expects. Anything else (a TypeError, a failed assertion) is a bug.
 */
import { crc32 } from 'node:zlib';
import { assert } from '../../src/base/assert.ts';
import { asBuffer, equalBytes, fromUtf8 } from '../../src/base/bytes.ts';
import { DrivenClock } from '../../src/base/driven-clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { MemoryDisk } from '../../src/base/memory-disk.ts';
import { seededRandom } from '../../src/base/random.ts';
import * as apiMessages from '../../src/proto/api.ts';
import * as etcdMessages from '../../src/proto/etcd.ts';
import * as nodeMessages from '../../src/proto/node.ts';
import * as raftMessages from '../../src/proto/raft.ts';
import { WireError, type MessageCodec } from '../../src/proto/wire.ts';
import { Wal, type WalOptions } from '../../src/store/disk/wal.ts';
import { WalError } from '../../src/store/disk/wal-error.ts';
import { encodeFrame, FRAME_HEADER_BYTES } from '../../src/store/disk/wal-record.ts';
import type { Backend } from '../../src/store/mvcc/backend.ts';
import { decodeProposal, encodeProposal } from '../../src/store/mvcc/command.ts';
import { memoryBackends } from '../../src/store/mvcc/memory-backend.ts';
import { openSnapshot, restoreSnapshot } from '../../src/store/mvcc/snapshot.ts';
import type { Entry, Message } from '../../src/store/raft/core/types.ts';
import { decodeConfChange, encodeConfChange } from '../../src/store/raft/core/confchange.ts';
import { messageFromWire, messageToWire } from '../../src/store/raft/message-codec.ts';
import { StateMachine } from '../../src/store/state-machine.ts';
import { API_TARGETS } from './api-targets.ts';
import { DNS_TARGETS } from './dns-targets.ts';
import { GRPC_TARGETS } from './grpc-targets.ts';
import { IMAGE_TARGETS } from './image-targets.ts';
import { STREAM_TARGETS } from './stream-targets.ts';
import { OBJECT_TARGETS } from './object-targets.ts';
import { refuses, type FuzzTarget } from './target.ts';

const confState = { voters: [1n, 2n, 3n], votersOutgoing: [], learners: [4n], learnersNext: [], autoLeave: false };

// ── Protobuf messages ────────────────────────────────────────────────────────────────────────────────────────────────

/** Every message of our services, named by the first two bytes of an input. */
const CODECS: ReadonlyArray<MessageCodec<unknown>> = [etcdMessages, raftMessages, apiMessages, nodeMessages].flatMap(
  (module) =>
    Object.values(module).filter((value): value is MessageCodec<unknown> => 'typeName' in value && 'decode' in value),
);

/** What was read is written and read again: the second writing must equal the first. */
function readsAsWritten<T>(codec: MessageCodec<T>, bytes: Uint8Array): boolean {
  let message: T;
  try {
    message = codec.decode(bytes);
  } catch (error) {
    return refuses(error, WireError);
  }
  const written = codec.encode(message as never); // a whole message is an Init of itself
  const again = codec.encode(codec.decode(written) as never);
  assert(equalBytes(written, again), `${codec.typeName} is written as it was read`);
  return true;
}

const proto: FuzzTarget = {
  name: 'proto',
  async seeds() {
    const { PutRequest, RangeRequest, TxnRequest, WatchRequest, LeaseGrantRequest, RangeResponse } = etcdMessages;
    const key = fromUtf8('key');
    const put = { request: { case: 'requestPut' as const, value: { key, value: fromUtf8('v'), lease: -5n, prevKv: true } } };
    const nested = { request: { case: 'requestTxn' as const, value: { success: [put], failure: [] } } };
    const samples: ReadonlyArray<readonly [MessageCodec<unknown>, Uint8Array]> = [
      [PutRequest, PutRequest.encode({ key, value: fromUtf8('value'), lease: 77n })],
      [RangeRequest, RangeRequest.encode({ key, rangeEnd: fromUtf8('kez'), limit: 3, revision: 1000 })],
      [TxnRequest, TxnRequest.encode({ success: [put, nested], failure: [put], compare: [{ key }] })],
      [WatchRequest, WatchRequest.encode({ requestUnion: { case: 'createRequest', value: { key, startRevision: 7 } } })],
      [LeaseGrantRequest, LeaseGrantRequest.encode({ id: 1n, ttl: 10 })],
      [RangeResponse, RangeResponse.encode({ kvs: [{ key, value: key, modRevision: 7, version: 2 }], count: 1 })],
    ];
    const named = samples.map(([codec, bytes]) => withType(CODECS.indexOf(codec), bytes));
    return [...named, ...CODECS.map((codec, at) => withType(at, codec.encode({} as never)))];
  },
  run(bytes) {
    if (bytes.length < 2) return false;
    const codec = CODECS[asBuffer(bytes).readUInt16BE(0) % CODECS.length]!;
    return readsAsWritten(codec, bytes.subarray(2));
  },
};

function withType(at: number, bytes: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(at >> 8, at & 0xff), bytes]);
}

// ── What members tell each other, and what goes through the log ──────────────────────────────────────────────────────

const entries: readonly Entry[] = [
  { index: 11, term: 3, kind: 'normal', data: fromUtf8('some data') },
  { index: 12, term: 3, kind: 'conf-change', data: encodeConfChange({ joint: true, changes: [{ kind: 'remove', member: 9n }] }) },
];

const MESSAGES: readonly Message[] = (
  [
    { type: 'request-vote', preVote: true, lastIndex: 4, lastTerm: 2, transfer: false, commit: 3, commitTerm: 2 },
    { type: 'vote', preVote: false, granted: true, commit: 3, commitTerm: 2 },
    { type: 'append', prevIndex: 10, prevTerm: 2, commit: 9, entries },
    { type: 'append-answer', accepted: false, index: 12, hintIndex: 7, hintTerm: 2 },
    { type: 'heartbeat', commit: 9, round: 17 },
    { type: 'heartbeat-answer', round: 17 },
    { type: 'install-snapshot', snapshot: { index: 9, term: 2, confState } },
    { type: 'timeout-now' },
    { type: 'propose', data: [fromUtf8('one'), fromUtf8('two')] },
    { type: 'read-index', request: 5n },
    { type: 'read-index-answer', request: 5n, index: 12 },
  ] as const
).map((body) => ({ from: 1n, to: 2n, term: 3, ...body }) as unknown as Message); // one of each kind

const message: FuzzTarget = {
  name: 'message',
  async seeds() {
    return MESSAGES.map((each) => raftMessages.Envelope.encode(messageToWire(each)));
  },
  run(bytes) {
    let read: Message;
    try {
      read = messageFromWire(raftMessages.Envelope.decode(bytes));
    } catch (error) {
      return refuses(error, WireError);
    }
    const written = raftMessages.Envelope.encode(messageToWire(read));
    const again = messageFromWire(raftMessages.Envelope.decode(written));
    assert(equalBytes(written, raftMessages.Envelope.encode(messageToWire(again))), 'a message is written as it was read');
    return true;
  },
};

const proposal: FuzzTarget = {
  name: 'proposal',
  async seeds() {
    const { PutRequest, DeleteRangeRequest, CompactionRequest, LeaseGrantRequest } = etcdMessages;
    const key = fromUtf8('key');
    return [
      encodeProposal({ id: 1n, command: { kind: 'put', request: PutRequest.create({ key, value: key }) } }),
      encodeProposal({ id: 2n, command: { kind: 'delete-range', request: DeleteRangeRequest.create({ key }) } }),
      encodeProposal({ id: 3n, command: { kind: 'compaction', request: CompactionRequest.create({ revision: 5 }) } }),
      encodeProposal({ id: 4n, command: { kind: 'lease-grant', request: LeaseGrantRequest.create({ id: 7n, ttl: 9 }) } }),
    ];
  },
  run(bytes) {
    try {
      const read = decodeProposal(bytes);
      const written = encodeProposal(read);
      assert(equalBytes(written, encodeProposal(decodeProposal(written))), 'a proposal is written as it was read');
      return true;
    } catch (error) {
      return refuses(error, WireError);
    }
  },
};

const confChange: FuzzTarget = {
  name: 'conf-change',
  async seeds() {
    return [entries[1]!.data, encodeConfChange({ joint: false, changes: [{ kind: 'add-learner', member: 4n }] })];
  },
  run(bytes) {
    const change = decodeConfChange(bytes);
    if (change === undefined) return false;
    encodeConfChange(change);
    return true;
  },
};

// ── Files ────────────────────────────────────────────────────────────────────────────────────────────────────────────

const WAL_FILE = 'wal/0000000000000001.log';

function walWorld(): { readonly disk: MemoryDisk; readonly options: WalOptions } {
  const disk = new MemoryDisk({ clock: new DrivenClock(), random: seededRandom(1) });
  const identity = { clusterId: 7n, memberId: 1n };
  const sizes = { firstSegmentBytes: 1024, segmentBytes: 1024 };
  return { disk, options: { disk: disk.incarnation(), dir: 'wal', identity, log: silentLog, ...sizes } };
}

const wal: FuzzTarget = {
  name: 'wal',
  async seeds() {
    const files: Uint8Array[] = [];
    for (const count of [0, 1, 4]) {
      const { disk, options } = walWorld();
      const hardState = { term: 2, votedFor: 1n, commit: 9 };
      const log = await Wal.create({ ...options, hardState, snapshot: { index: 10, term: 2, confState } });
      for (let index = 11; index < 11 + count; index++) {
        const batch = { entries: [{ ...entries[0]!, index }], hardState, snapshot: undefined, mustSync: true };
        await log.append(batch);
      }
      files.push(disk.contents(WAL_FILE));
    }
    return files;
  },
  repair: (bytes, random) => (random.chance(0.7) ? repairedWal(bytes) : bytes),
  async run(bytes) {
    const { options } = walWorld();
    await options.disk.makeDir('wal');
    await (await options.disk.open(WAL_FILE, { create: true })).writeAt(0, [bytes]);
    try {
      const opened = await Wal.open(options);
      if (opened === undefined) return false;
      const { restored } = opened;
      const gapless = restored.entries.every(({ index }, at) => index === restored.snapshot.index + 1 + at);
      assert(gapless, 'what a log restores has no gap');
      return true;
    } catch (error) {
      return refuses(error, WalError);
    }
  },
};

/** Frame by frame, as their lengths say: every checksum and every link of the chain fits. */
function repairedWal(bytes: Uint8Array): Uint8Array {
  const input = asBuffer(bytes);
  const output: Uint8Array[] = [];
  let previousCrc = 0;
  let at = 0;
  for (let sequence = 1; at + FRAME_HEADER_BYTES <= input.length; sequence++) {
    const length = input.readUInt32BE(at);
    const end = at + FRAME_HEADER_BYTES + length;
    if (length === 0 || end > input.length) break;
    const { parts, crc } = encodeFrame({ sequence, previousCrc, records: [input.subarray(at + FRAME_HEADER_BYTES, end)] });
    output.push(...parts);
    previousCrc = crc;
    at = end;
  }
  return Buffer.concat([...output, input.subarray(at)]);
}

const snapshot: FuzzTarget = {
  name: 'snapshot',
  async seeds() {
    const backend = await openBackend();
    const machine = await StateMachine.open(backend);
    const { PutRequest, LeaseGrantRequest } = etcdMessages;
    const key = fromUtf8('key');
    const commands = [
      { kind: 'lease-grant' as const, request: LeaseGrantRequest.create({ id: 7n, ttl: 60 }) },
      { kind: 'put' as const, request: PutRequest.create({ key, value: fromUtf8('one') }) },
      { kind: 'put' as const, request: PutRequest.create({ key, value: fromUtf8('two'), lease: 7n }) },
    ];
    machine.bootstrap(confState, { initial: [], members: [] });
    machine.applyEmpty(1, 1);
    commands.forEach((command, at) => {
      const data = encodeProposal({ id: BigInt(at), command });
      machine.apply({ index: at + 2, term: 1, data }, undefined);
    });
    await backend.batch(machine.takeBatch().ops);
    machine.batchLanded();
    const open = await openSnapshot(backend);
    assert(open !== undefined, 'what was flushed is there');
    const chunks: Uint8Array[] = [];
    for await (const chunk of open.chunks) chunks.push(chunk);
    return [Buffer.concat(chunks)];
  },
  repair: (bytes, random) => (random.chance(0.7) ? repairedSnapshot(bytes) : bytes),
  async run(bytes) {
    try {
      await restoreSnapshot(await openBackend(), halves(bytes));
      return true;
    } catch (error) {
      // Its own refusals are plain errors; a TypeError, a RangeError and a failed assertion are not.
      if (error instanceof Error && error.constructor === Error) return false;
      return refuses(error, WireError);
    }
  },
};

async function* halves(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  const half = bytes.length >> 1;
  yield bytes.subarray(0, half);
  yield bytes.subarray(half);
}

/** Ends the rows as far as they can be read with a count and a checksum that fit. */
function repairedSnapshot(bytes: Uint8Array): Uint8Array {
  const input = asBuffer(bytes);
  let at = 0;
  let count = 0;
  while (at + 8 <= input.length) {
    const keyLength = input.readUInt32BE(at);
    const end = at + 8 + keyLength + input.readUInt32BE(at + 4);
    if (keyLength === 0 || end > input.length) break;
    at = end;
    count++;
  }
  const end = Buffer.alloc(12);
  end.writeUInt32BE(count, 4);
  end.writeUInt32BE(crc32(input.subarray(0, at)), 8);
  return Buffer.concat([input.subarray(0, at), end]);
}

function openBackend(): Promise<Backend> {
  return memoryBackends().open('fuzz');
}

export const TARGETS: readonly FuzzTarget[] = [proto, message, proposal, confChange, wal, snapshot, ...API_TARGETS, ...OBJECT_TARGETS, ...GRPC_TARGETS, ...DNS_TARGETS, ...IMAGE_TARGETS, ...STREAM_TARGETS];
