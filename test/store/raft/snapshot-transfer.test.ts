/** A state on its way to a peer, over connections that break: its sender goes on where it was cut off. */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import type { Clock } from '../../../src/base/clock.ts';
import { DrivenClock, settle } from '../../../src/base/driven-clock.ts';
import { silentLog } from '../../../src/base/log.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { directChannel } from '../../../src/proto/direct-channel.ts';
import { Raft as RaftService, SnapshotMeta, type SnapshotChunk } from '../../../src/proto/raft.ts';
import { RpcCode, RpcError, type BoundService, type CallOptions, type Channel } from '../../../src/proto/rpc.ts';
import type { Init, MethodDescriptor } from '../../../src/proto/wire.ts';
import { openSnapshot, restoreSnapshot } from '../../../src/store/mvcc/snapshot.ts';
import { ChannelTransport } from '../../../src/store/raft/channel-transport.ts';
import type { Message } from '../../../src/store/raft/core/types.ts';
import { SNAPSHOT_STALE_MS, SnapshotInbox, SnapshotPartError, type SnapshotPart } from '../../../src/store/raft/snapshot-inbox.ts';
import { sendToItsEnd } from '../../../src/store/raft/snapshot-sending.ts';
import { SnapshotRefusedError, type RaftReceiver, type SnapshotSource } from '../../../src/store/raft/transport.ts';
import { encodeState, STATE_ROW } from '../../../src/store/mvcc/state-row.ts';
import { PlainBackend } from '../mvcc/plain-backend.ts';

const CLUSTER = 9n;
const confState = { voters: [1n, 2n], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
const snapshot = { index: 7, term: 3, confState };
const install = { type: 'install-snapshot', from: 1n, to: 2n, term: 3, snapshot } as const satisfies Message;

/** Some dozen chunks, of rows small and large. */
async function state(): Promise<PlainBackend> {
  const backend = new PlainBackend();
  const random = seededRandom('rows');
  const rows = Array.from({ length: 60 }, (_, at) => {
    const value = Buffer.alloc(at % 10 === 0 ? 90_000 : random.below(20_000), at + 1);
    return { type: 'put' as const, key: `v${String(at).padStart(4, '0')}`, value };
  });
  await backend.batch([{ type: 'put', key: STATE_ROW, value: encodeState({ applied: snapshot, revision: 1, compactRevision: 0 }) }, ...rows]);
  return backend;
}

/** Writes what comes to a backend of its own, once a snapshot. */
class Receiver implements RaftReceiver {
  readonly begun: PlainBackend[] = [];
  readonly outcomes: string[] = [];
  /** It reads nothing before. */
  gate: Promise<void> | undefined;

  receive(): void {}
  opened(): void {}
  closed(): void {}

  async receiveSnapshot(_from: bigint, _meta: unknown, _message: Message, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const backend = new PlainBackend();
    this.begun.push(backend);
    try {
      await this.gate;
      await restoreSnapshot(backend, chunks);
      this.outcomes.push('installed');
    } catch (error) {
      this.outcomes.push(error instanceof Error ? error.message : String(error));
      throw error;
    }
  }
}

/** Breaks each stream behind so many of its messages; header and data alike. */
class CutChannel implements Channel {
  readonly #inner: Channel;
  readonly #cuts: number[];
  streams = 0;

  constructor(inner: Channel, cuts: readonly number[]) {
    this.#inner = inner;
    this.#cuts = [...cuts];
  }

  unary<Q, S>(method: MethodDescriptor<Q, S>, init: Init<Q>, options?: CallOptions): Promise<S> {
    return this.#inner.unary(method, init, options);
  }

  clientStream<Q, S>(method: MethodDescriptor<Q, S>, requests: AsyncIterable<Init<Q>>, options?: CallOptions): Promise<S> {
    this.streams++;
    const cut = this.#cuts.shift() ?? Infinity;
    const broken = async function* () {
      let count = 0;
      for await (const request of requests) {
        yield request;
        // What is on its way arrives.
        await settle();
        if (++count >= cut) throw new RpcError(RpcCode.UNAVAILABLE, 'the connection broke');
      }
    };
    return this.#inner.clientStream(method, broken(), options);
  }

  serverStream: Channel['serverStream'] = (method, init, options) => this.#inner.serverStream(method, init, options);
  bidi: Channel['bidi'] = (method, options) => this.#inner.bidi(method, options);
  close(): void {
    this.#inner.close();
  }
}

function transportOf(clock: Clock, self: bigint, dial: () => Channel): ChannelTransport {
  const transport = new ChannelTransport({ clock, random: seededRandom(1), log: silentLog, clusterId: CLUSTER, self, dial });
  return transport;
}

async function pair(cuts: readonly number[], change: (service: BoundService) => BoundService = (service) => service) {
  const clock = new DrivenClock();
  const receiver = new Receiver();
  const two = transportOf(clock, 2n, () => {
    throw new Error('it dials nobody');
  });
  await two.start(receiver);
  const channel = new CutChannel(directChannel({ services: [change(two.service)], clock, log: silentLog }), cuts);
  const one = transportOf(clock, 1n, () => channel);
  one.setPeers({ peers: [{ id: 2n, peerUrls: [] }], isRemoved: () => false });
  return { clock, receiver, one, two, channel };
}

/** Notes from where it was read. */
function noted(read: SnapshotSource['read'], id = 5n) {
  const reads: number[] = [];
  let chunks = 0;
  const source: SnapshotSource = {
    id,
    read: async function* (from) {
      reads.push(from);
      for await (const chunk of read(from)) {
        chunks++;
        yield chunk;
      }
    },
  };
  return { source, reads, sent: () => chunks };
}

async function deliver(world: Awaited<ReturnType<typeof pair>>, source: SnapshotSource): Promise<void> {
  const { clock, one } = world;
  const signal = new AbortController().signal;
  let isOver = false;
  const sending = sendToItsEnd({ clock, transport: one, message: install, source, signal, isOfUse: () => true });
  sending.then(
    () => (isOver = true),
    () => (isOver = true),
  );
  for (let steps = 0; !isOver && steps < 10_000; steps++) await clock.advance(50);
  return sending;
}

function digestOf({ rows }: PlainBackend): string {
  const hash = createHash('sha256');
  for (const [key, value] of [...rows].sort(([a], [b]) => (a < b ? -1 : 1))) hash.update(`${key} ${value.length} `).update(value);
  return hash.digest('hex');
}

async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}

async function lengthsOf(read: SnapshotSource['read']): Promise<number[]> {
  const lengths: number[] = [];
  for await (const chunk of read(0)) lengths.push(chunk.length);
  return lengths;
}

test('a transfer that is cut behind any of its chunks goes on there: nothing is sent or written twice', async () => {
  const from = await state();
  const chunks = (await lengthsOf((await openSnapshot(from))!.read)).length;
  expect(chunks).toBeGreaterThan(10);
  for (let cut = 1; cut <= chunks + 1; cut++) {
    const world = await pair([cut]);
    const { source, reads, sent } = noted((await openSnapshot(from))!.read);
    await deliver(world, source);
    expect(world.receiver.outcomes, `cut ${cut}`).toEqual(['installed']);
    expect(world.receiver.begun).toHaveLength(1);
    expect(digestOf(world.receiver.begun[0]!)).toBe(digestOf(from));
    expect(world.channel.streams).toBe(2);
    // At most the chunk that was in the sender's hand when the connection broke.
    expect(sent(), `cut ${cut}, read from ${reads.join()}`).toBeLessThanOrEqual(chunks + 1);
    expect(reads[1]! > 0, `cut ${cut}`).toBe(cut > 1);
  }
});

test('one chunk a connection is progress', async () => {
  const from = await state();
  const { source, reads } = noted((await openSnapshot(from))!.read);
  const world = await pair(Array<number>(100).fill(2));
  await deliver(world, source);
  expect(world.receiver.outcomes).toEqual(['installed']);
  expect(digestOf(world.receiver.begun[0]!)).toBe(digestOf(from));
  expect(reads).toEqual([...new Set(reads)].sort((a, b) => a - b));
});

test('read() gives the same bytes from any of them', async () => {
  const from = await state();
  const whole = await bytesOf((await openSnapshot(from))!.read(0));
  const { read } = (await openSnapshot(from))!;
  for (const at of [0, 1, 65_537, 300_000, 12, whole.length - 12, whole.length - 1, whole.length]) {
    expect((await bytesOf(read(at))).equals(whole.subarray(at)), `from ${at}`).toBe(true);
  }
});

test('the sender waits for a receiver that does not read', async () => {
  const world = await pair([]);
  let open!: () => void;
  world.receiver.gate = new Promise((resolve) => (open = resolve));
  let taken = 0;
  const total = 1000;
  const read = async function* (at: number) {
    for (let chunk = at / 1000; chunk < total; chunk++) {
      taken++;
      yield Buffer.alloc(1000, 1);
    }
  };
  const sending = world.one.sendSnapshot(install, { id: 3n, read }).catch((error: unknown) => error);
  await settle();
  await settle();
  // A direct channel holds 64 messages, and the inbox a few.
  expect(taken).toBeLessThan(80);
  open();
  // These bytes are no state.
  expect(await sending).toBeInstanceOf(SnapshotRefusedError);
});

test('a whole that does not have its checksum is refused, and then taken when it is sent anew', async () => {
  const from = await state();
  const world = await pair([]);
  const { read } = (await openSnapshot(from))!;
  const damaged = async function* (at: number) {
    let offset = at;
    for await (const chunk of read(at)) {
      const copy = Uint8Array.from(chunk);
      if (offset > 400_000 && offset < 500_000) copy[copy.length - 5]! ^= 1;
      offset += chunk.length;
      yield copy;
    }
  };
  const refused = deliver(world, { id: 5n, read: damaged });
  await expect(refused).rejects.toBeInstanceOf(SnapshotRefusedError);
  await expect(refused).rejects.toThrow('its checksum does not fit');
  const { source, reads } = noted((await openSnapshot(from))!.read, 6n);
  await deliver(world, source);
  expect(reads).toEqual([0]);
  expect(world.receiver.outcomes).toEqual([expect.stringContaining('checksum'), 'installed']);
  expect(digestOf(world.receiver.begun[1]!)).toBe(digestOf(from));
});

test('an older member on either side: all of it at once, as before', async () => {
  const from = await state();
  const withoutProgress = (service: BoundService): BoundService => {
    const { snapshotProgress: _, ...handlers } = service.handlers;
    return { ...service, handlers };
  };
  const world = await pair([], withoutProgress);
  await deliver(world, { id: 5n, read: (await openSnapshot(from))!.read });
  expect(world.receiver.outcomes).toEqual(['installed']);
  const { two, clock, receiver } = world;
  const channel = directChannel({ services: [two.service], clock, log: silentLog });
  const { read } = (await openSnapshot(from))!;
  const { type: _, from: sender, to, term, ...value } = install;
  const old = async function* (): AsyncGenerator<Init<SnapshotChunk>> {
    yield { chunk: { case: 'header', value: { from: sender, to, term, message: { case: 'installSnapshot', value } } } };
    for await (const data of read(0)) yield { chunk: { case: 'data', value: data } };
  };
  const metadata = { 'podium-cluster-id': CLUSTER.toString(16), 'podium-member-id': '1' };
  expect(await channel.clientStream(RaftService.methods.snapshot, old(), { metadata })).toMatchObject({ installed: true });
  expect(digestOf(receiver.begun[1]!)).toBe(digestOf(from));
});

// ── The inbox by itself ────────────────────────────────────────────────────────────────────────────────────────────────

async function partsFrom(read: SnapshotSource['read'], at = 0): Promise<SnapshotPart[]> {
  const parts: SnapshotPart[] = [];
  let offset = at;
  for await (const data of read(at)) {
    parts.push({ offset, checksum: crc32(data), data });
    offset += data.length;
  }
  return parts;
}

async function* broken(parts: readonly SnapshotPart[]): AsyncGenerator<SnapshotPart> {
  yield* parts;
  throw new Error('the connection broke');
}

async function* whole(parts: readonly SnapshotPart[]): AsyncGenerator<SnapshotPart> {
  yield* parts;
}

test('SnapshotInbox keeps what came before a wrong part, and says where it goes on', async () => {
  const receiver = new Receiver();
  const inbox = new SnapshotInbox(receiver, new DrivenClock());
  const parts = await partsFrom((await openSnapshot(await state()))!.read);
  const wrong = { ...parts[2]!, checksum: parts[2]!.checksum ^ 1 };
  await expect(inbox.take({ message: install, id: 5n, offset: 0 }, whole([parts[0]!, parts[1]!, wrong]))).rejects.toThrow('checksum');
  const { offset } = inbox.progress(1n, 5n);
  expect(offset).toBe(parts[2]!.offset);
  expect(inbox.progress(1n, 6n)).toEqual({ offset: 0, installed: false });
  const elsewhere = inbox.take({ message: install, id: 5n, offset: 0 }, whole(parts));
  await expect(elsewhere).rejects.toBeInstanceOf(SnapshotPartError);
  const skipped = inbox.take({ message: install, id: 5n, offset }, whole(parts.slice(3)));
  await expect(skipped).rejects.toBeInstanceOf(SnapshotPartError);
  await inbox.take({ message: install, id: 5n, offset }, whole(parts.slice(2)));
  expect(receiver.outcomes).toEqual(['installed']);
  // Its answer may be lost: who asks again hears it.
  expect(inbox.progress(1n, 5n)).toEqual({ offset: 0, installed: true });
});

test('SnapshotInbox throws away what nobody goes on with, and what another snapshot takes the place of', async () => {
  const clock = new DrivenClock();
  const receiver = new Receiver();
  const inbox = new SnapshotInbox(receiver, clock);
  const parts = await partsFrom((await openSnapshot(await state()))!.read);
  await expect(inbox.take({ message: install, id: 5n, offset: 0 }, broken(parts.slice(0, 3)))).rejects.toThrow('broke');
  await clock.advance(SNAPSHOT_STALE_MS - 1);
  expect(inbox.progress(1n, 5n).offset).toBe(parts[3]!.offset);
  await clock.advance(1);
  expect(inbox.progress(1n, 5n).offset).toBe(0);
  expect(receiver.outcomes).toEqual([expect.stringContaining('its sender did not come back')]);
  const late = inbox.take({ message: install, id: 5n, offset: parts[3]!.offset }, whole(parts.slice(3)));
  await expect(late).rejects.toBeInstanceOf(SnapshotPartError);
  await expect(inbox.take({ message: install, id: 6n, offset: 0 }, broken(parts.slice(0, 3)))).rejects.toThrow('broke');
  await inbox.take({ message: install, id: 7n, offset: 0 }, whole(parts));
  expect(receiver.outcomes.slice(1)).toEqual([expect.stringContaining('another snapshot has come'), 'installed']);
  expect(inbox.progress(1n, 6n).offset).toBe(0);
});

test('SnapshotInbox takes nothing more from a connection that another one has gone on from', async () => {
  const receiver = new Receiver();
  const inbox = new SnapshotInbox(receiver, new DrivenClock());
  const parts = await partsFrom((await openSnapshot(await state()))!.read);
  let goOn!: () => void;
  const gate = new Promise<void>((resolve) => (goOn = resolve));
  const slow = async function* () {
    yield parts[0]!;
    await gate;
    yield parts[1]!;
  };
  const first = inbox.take({ message: install, id: 5n, offset: 0 }, slow()).catch((error: unknown) => error);
  await settle();
  await expect(inbox.take({ message: install, id: 5n, offset: parts[1]!.offset }, broken([parts[1]!]))).rejects.toThrow('broke');
  goOn();
  expect(String(await first)).toContain('SnapshotPartError: another connection goes on with this snapshot');
  await inbox.take({ message: install, id: 5n, offset: parts[2]!.offset }, whole(parts.slice(2)));
  expect(receiver.outcomes).toEqual(['installed']);
});
