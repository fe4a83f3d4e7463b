import { afterEach, describe, expect, test } from 'vitest';
import { DrivenClock, settle } from '../../../src/base/driven-clock.ts';
import { silentLog } from '../../../src/base/log.ts';
import { Pipe } from '../../../src/base/pipe.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { directChannel } from '../../../src/proto/direct-channel.ts';
import { bind, RpcCode, RpcError, type AnyHandler, type BoundService, type Channel } from '../../../src/proto/rpc.ts';
import { ChannelTransport } from '../../../src/store/raft/channel-transport.ts';
import type { Message } from '../../../src/store/raft/core/types.ts';
import type { RaftReceiver } from '../../../src/store/raft/transport.ts';
import { fc } from '../../base/property.ts';
import { messageFromWire, messageToWire } from '../../../src/store/raft/message-codec.ts';
import { Envelope, Raft as RaftService } from '../../../src/proto/raft.ts';

/** Records what arrives, in words. */
class Recorder implements RaftReceiver {
  readonly seen: string[] = [];
  readonly chunks: string[] = [];
  refuse = false;

  receive(message: Message): void {
    this.seen.push(`${message.type} ${message.from}->${message.to}`);
  }
  closed(peer: bigint, connection: number): void {
    this.seen.push(`closed ${peer} #${connection}`);
  }
  opened(peer: bigint, connection: number): void {
    this.seen.push(`opened ${peer} #${connection}`);
  }
  async receiveSnapshot(
    _from: bigint,
    _meta: unknown,
    _message: Message,
    chunks: AsyncIterable<Uint8Array>,
  ): Promise<void> {
    for await (const chunk of chunks) this.chunks.push(Buffer.from(chunk).toString());
    if (this.refuse) throw new Error('the disk is full');
  }
}

const open: ChannelTransport[] = [];
afterEach(async () => {
  for (const transport of open.splice(0)) await transport.close();
});

/** Two members joined by direct channels. */
function pair(clock: DrivenClock, clusterIds: readonly [bigint, bigint] = [9n, 9n]) {
  const services: [BoundService[], BoundService[]] = [[], []];
  const make = (self: 0 | 1) => {
    const other = self === 0 ? 1 : 0;
    return {
      dial: () => directChannel({ services: services[other], clock, log: silentLog }),
      self: BigInt(self + 1),
      clusterId: clusterIds[self],
    };
  };
  // The channel looks services up when it is made, so the list is filled by a forwarding service first.
  const transports: ChannelTransport[] = [];
  const forward = (at: 0 | 1): BoundService => {
    const forwardTo =
      (name: string): AnyHandler =>
      (requests, context) =>
        transports[at]!.service.handlers[name]!(requests, context);
    return {
      ...new ChannelTransport({
        clock,
        random: seededRandom(0),
        log: silentLog,
        clusterId: 0n,
        self: 0n,
        dial: () => {
          throw new Error('it dials nobody');
        },
      }).service,
      handlers: {
        stream: forwardTo('stream'),
        snapshot: forwardTo('snapshot'),
        snapshotProgress: forwardTo('snapshotProgress'),
      },
    };
  };
  services[0].push(forward(0));
  services[1].push(forward(1));
  for (const at of [0, 1] as const) {
    const transport = new ChannelTransport({ clock, random: seededRandom(at), log: silentLog, ...make(at) });
    transport.setPeers(peersOf(at === 0 ? 2n : 1n));
    transports.push(transport);
  }
  open.push(...transports);
  return transports as [ChannelTransport, ChannelTransport];
}

function peersOf(id: bigint, removed: readonly bigint[] = []) {
  return { peers: [{ id, peerUrls: [`test://${id}`] }], isRemoved: (other: bigint) => removed.includes(other) };
}

const heartbeat: Message = { type: 'heartbeat', from: 1n, to: 2n, term: 3, commit: 4, round: 5 };
const snapshot = {
  index: 7,
  term: 3,
  confState: { voters: [1n, 2n], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false },
};
const install: Message = { type: 'install-snapshot', from: 1n, to: 2n, term: 3, snapshot };

test('messages arrive over a stream that is dialled by itself; without one they are dropped', async () => {
  const clock = new DrivenClock();
  const [one, two] = pair(clock);
  const [first, second] = [new Recorder(), new Recorder()];
  await one.start(first);
  one.send([heartbeat]);
  await clock.advance(1000);
  await two.start(second);
  await clock.advance(3000);
  one.send([heartbeat]);
  await clock.advance(1);
  expect(second.seen.filter((line) => line.startsWith('heartbeat'))).toEqual(['heartbeat 1->2']);
  expect(first.seen).toEqual([expect.stringMatching(/^opened 2 #\d+$/)]);
});

test('what goes to a peer and what comes is counted there, and what finds no connection', async () => {
  const clock = new DrivenClock();
  const [one, two] = pair(clock);
  await one.start(new Recorder());
  await clock.advance(100);
  one.send([heartbeat, heartbeat]);
  await two.start(new Recorder());
  await clock.advance(3000);
  const bytes = Envelope.encode(messageToWire(heartbeat)).length;
  one.send([heartbeat]);
  await clock.advance(1);
  expect(one.traffic.peers.get(2n)).toEqual({ sentBytes: bytes, receivedBytes: 0, sentFailures: 2 });
  // As the server reads what comes for this service; the channels of this file read by another's.
  for (const from of [1n, 7n]) two.service.service.methods['stream']!.request.decode(Envelope.encode(messageToWire({ ...heartbeat, from })));
  expect([...two.traffic.peers]).toEqual([[1n, { sentBytes: 0, receivedBytes: bytes, sentFailures: 0 }]]);
  await one.sendSnapshot(install, { id: 5n, read: async function* () { yield Buffer.from('abc'); } });
  expect(one.traffic.peers.get(2n)?.sentBytes).toBe(bytes + 3);
  expect(two.traffic.peers.get(1n)?.receivedBytes).toBe(bytes + 3);
  const roundTrip = one.roundTrip(2n);
  await clock.advance(1);
  expect(await roundTrip).toBeLessThanOrEqual(1);
  one.setPeers({ peers: [], isRemoved: () => false });
  expect(one.traffic.peers.size).toBe(0);
  await expect(one.roundTrip(2n)).rejects.toMatchObject({ code: RpcCode.NOT_FOUND });
});

test('the end of a connection is told with its number, and it is dialled again', async () => {
  const clock = new DrivenClock();
  const ends: Array<() => void> = [];
  const service = bind(RaftService, {
    async *stream() {
      yield {};
      await new Promise<void>((resolve) => ends.push(resolve));
      throw new RpcError(RpcCode.UNAVAILABLE, 'killed');
    },
  });
  const channel = directChannel({ services: [service], clock, log: silentLog });
  const dial = () => channel;
  const one = new ChannelTransport({ clock, random: seededRandom(1), log: silentLog, clusterId: 9n, self: 1n, dial });
  one.setPeers(peersOf(2n));
  open.push(one);
  const first = new Recorder();
  await one.start(first);
  await clock.advance(10);
  ends[0]!();
  await clock.advance(100);
  expect(first.seen).toEqual(['opened 2 #1', 'closed 2 #1', 'opened 2 #2']);
});

test('a snapshot arrives in order, and a refusal reaches the sender with its reason', async () => {
  const clock = new DrivenClock();
  const [one, two] = pair(clock);
  const second = new Recorder();
  await one.start(new Recorder());
  await two.start(second);
  const read = async function* () {
    for (const text of ['a', 'b', 'c']) yield Buffer.from(text);
  };
  await one.sendSnapshot(install, { id: 1n, read });
  expect(second.chunks).toEqual(['a', 'b', 'c']);
  second.refuse = true;
  await expect(one.sendSnapshot(install, { id: 2n, read })).rejects.toThrow(
    'did not install the snapshot: the snapshot was not installed: the disk is full',
  );
});

test('a member that is removed while its stream stands is told, though it sends nothing', async () => {
  const clock = new DrivenClock();
  const [one, two] = pair(clock);
  const told: string[] = [];
  const first = Object.assign(new Recorder(), { removed: () => told.push('removed') });
  await two.start(new Recorder());
  await one.start(first);
  await clock.advance(3000);
  expect([first.seen.at(-1), told]).toEqual([expect.stringMatching(/^opened 2 #\d+$/), []]);
  two.setPeers({ peers: [], isRemoved: (id) => id === 1n });
  await clock.advance(1);
  expect(told).toEqual(['removed']);
});

describe('a caller that the log does not know', () => {
  const ownUrls = ['http://one:1'];
  const answer: Message = { type: 'heartbeat', from: 2n, to: 1n, term: 3, commit: 4, round: 5 };

  /** One calls two, which knows nobody. */
  async function called(from = ownUrls) {
    const clock = new DrivenClock();
    const [one, two] = pair(clock);
    const first = new Recorder();
    one.setPeers({ ...peersOf(2n), ownUrls: from });
    two.setPeers({ peers: [], isRemoved: () => false });
    await two.start(new Recorder());
    await one.start(first);
    await clock.advance(3000);
    return { clock, one, two, first };
  }

  test('is answered where it says it is reached, for as long as it is there', async () => {
    const { clock, one, two, first } = await called();
    two.send([answer]);
    await clock.advance(1);
    expect(first.seen.at(-1)).toBe('heartbeat 2->1');
    // Other news of the members do not end that.
    two.setPeers({ peers: [], isRemoved: (id) => id === 9n });
    expect(two.channel(1n)).toBeDefined();
    await one.close();
    await clock.advance(1);
    expect(two.channel(1n)).toBeUndefined();
  });

  test('is a member when the log says so, and not answered any more when it was removed', async () => {
    const { clock, one, two } = await called();
    two.setPeers({ peers: [{ id: 1n, peerUrls: ownUrls }], isRemoved: () => false });
    await one.close();
    await clock.advance(1);
    expect(two.channel(1n)).toBeDefined();
    const removed = await called();
    removed.two.setPeers({ peers: [], isRemoved: (id) => id === 1n });
    expect(removed.two.channel(1n)).toBeUndefined();
  });

  test('is heard and not answered where it says nothing of use', async () => {
    for (const urls of [[], ['nonsense']]) expect((await called(urls)).two.channel(1n)).toBeUndefined();
  });
});

test('a member of another cluster is refused', async () => {
  const clock = new DrivenClock();
  const [one, two] = pair(clock, [9n, 10n]);
  const [first, second] = [new Recorder(), new Recorder()];
  await two.start(second);
  await one.start(first);
  await clock.advance(5000);
  expect([...first.seen, ...second.seen]).toEqual([]);
  await expect(one.sendSnapshot(install, { id: 1n, read: async function* () {} })).rejects.toThrow('cluster ID mismatch');
});

test('every kind of message survives the wire', () => {
  const id = fc.bigInt({ min: 1n, max: 2n ** 64n - 1n });
  const number = fc.nat();
  const envelope = { from: id, to: id, term: number };
  const entries = fc.tuple(number, fc.array(fc.record({ term: number, data: fc.uint8Array() })));
  const message = fc.oneof(
    fc.record({
      ...envelope,
      type: fc.constant('request-vote' as const),
      preVote: fc.boolean(),
      lastIndex: number,
      lastTerm: number,
      transfer: fc.boolean(),
      commit: number,
      commitTerm: number,
    }),
    fc.record({
      ...envelope,
      type: fc.constant('vote' as const),
      preVote: fc.boolean(),
      granted: fc.boolean(),
      commit: number,
      commitTerm: number,
    }),
    fc.tuple(fc.record(envelope), entries, number).map(([from, [prevIndex, list], commit]) => ({
      ...from,
      type: 'append' as const,
      prevIndex,
      prevTerm: 1,
      commit,
      entries: list.map((entry, at) => ({ ...entry, index: prevIndex + 1 + at, kind: 'normal' as const })),
    })),
    fc.record({
      ...envelope,
      type: fc.constant('append-answer' as const),
      accepted: fc.boolean(),
      index: number,
      hintIndex: number,
      hintTerm: number,
    }),
    fc.record({ ...envelope, type: fc.constant('heartbeat' as const), commit: number, round: number }),
    fc.record({ ...envelope, type: fc.constant('heartbeat-answer' as const), round: number }),
    fc.record({ ...envelope, type: fc.constant('timeout-now' as const) }),
    fc.record({ ...envelope, type: fc.constant('propose' as const), data: fc.array(fc.uint8Array()) }),
    fc.record({ ...envelope, type: fc.constant('read-index' as const), request: id }),
    fc.record({ ...envelope, type: fc.constant('read-index-answer' as const), request: id, index: number }),
  );
  fc.assert(
    fc.property(message, (sent) => {
      const received = messageFromWire(Envelope.decode(Envelope.encode(messageToWire(sent))));
      expect(received).toEqual(sent);
    }),
  );
});

test('messageFromWire() refuses what no member could have sent', () => {
  expect(() => messageFromWire(Envelope.create({ from: 1n, to: 2n }))).toThrow('without a message');
  expect(() => messageFromWire(Envelope.create({ to: 2n, message: { case: 'timeoutNow', value: {} } }))).toThrow(
    'sender',
  );
  const gap = { prevIndex: 5, prevTerm: 1, commit: 0, entries: [{ term: 1, index: 7 }] };
  expect(() => messageFromWire(Envelope.create({ from: 1n, to: 2n, message: { case: 'append', value: gap } }))).toThrow(
    'follow',
  );
});

test('a message is on its way before the next peer’s is written', async () => {
  const clock = new DrivenClock();
  const did: string[] = [];
  const unused = () => {
    throw new Error('not in this test');
  };
  const dial = ({ id }: { readonly id: bigint }): Channel => {
    const responses = new Pipe<never>(9);
    const end = () => responses.end();
    const bidi: Channel['bidi'] = () => {
      responses.push({} as never); // it is there; no more is looked at
      return { send: () => did.push(`written to ${id}`) > 0, drained: () => Promise.resolve(), flush: () => did.push(`left for ${id}`), end, responses, cancel: end };
    };
    return { unary: unused, serverStream: unused, clientStream: unused, bidi, close: end };
  };
  const transport = new ChannelTransport({ clock, random: seededRandom(1), log: silentLog, clusterId: 9n, self: 1n, dial });
  open.push(transport);
  transport.setPeers({ peers: [2n, 3n].map((id) => ({ id, peerUrls: [] })), isRemoved: () => false });
  const receiver = new Recorder();
  await transport.start(receiver);
  await settle();
  expect(receiver.seen).toEqual(['opened 2 #1', 'opened 3 #1']);
  const heartbeat = (to: bigint): Message => ({ type: 'heartbeat', from: 1n, to, term: 1, commit: 0, round: 0 });
  transport.send([heartbeat(2n), heartbeat(2n), heartbeat(3n)]);
  expect(did).toEqual(['written to 2', 'written to 2', 'left for 2', 'written to 3', 'left for 3']);
});
