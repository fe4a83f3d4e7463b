/**
 * Clients that open watches and never read them: one by HTTP/2's flow control, one that does not even read its socket.
 * They cost bounded memory and nobody else anything. Who reads at last gets every event, from history; who asks for what
 * was compacted meanwhile is told so.
 */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { Duplex } from 'node:stream';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { Watch, WatchRequest, WatchResponse } from '../../src/proto/etcd.ts';
import { pssOf } from '../bench/memory.ts';
import { startStoreCluster, type StoreCluster } from '../processes.ts';
import { grpcFrame } from './hostile.ts';

const STREAMS = 200;
const PUTS = 250;
const VALUE_BYTES = 32 * 1024;
/** The events are 8 MiB: 1.6 GiB if each of 200 streams kept its own. Log, database and cache grow besides. */
const GROWTH_MIB_MAX = 400;
/** Who answers no ping for so long is gone. */
const KEEPALIVE = ['--grpc-keepalive-interval', '2s', '--grpc-keepalive-timeout', '2s'];
const HANG_UP_WITHIN_MS = 20_000;
const PUT_WITHIN_MS = 2000;

/** RFC 9113 §6.7, with eight bytes of nothing. */
const PING = Buffer.from([0, 0, 8, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

const prefix = { key: Buffer.from('unread/'), rangeEnd: Buffer.from('unread0') };
let cluster: StoreCluster;
let session: ClientHttp2Session;

beforeAll(async () => {
  cluster = await startStoreCluster({ members: 3, args: KEEPALIVE });
  session = connect(`http://${cluster.members[await cluster.leader()]!.clientAddress}`);
});
afterAll(async () => {
  session.destroy();
  await cluster.stop();
});

/** Open, its request sent, and nothing of it read. */
function openUnread(over = session): ClientHttp2Stream {
  const headers = { [constants.HTTP2_HEADER_METHOD]: 'POST', [constants.HTTP2_HEADER_PATH]: Watch.methods.watch.path };
  const stream = over.request({ ...headers, 'content-type': 'application/grpc', te: 'trailers' });
  stream.on('error', () => undefined);
  const request = WatchRequest.encode({ requestUnion: { case: 'createRequest', value: prefix } });
  stream.write(grpcFrame(request));
  return stream;
}

/** A socket of which nothing is read any more once it is deaf, not even a ping. */
class DeafSocket extends Duplex {
  readonly #socket: Socket;
  isHungUpOn = false;

  constructor(address: string) {
    super();
    const [host, port] = address.split(':');
    this.#socket = connectTcp({ host: host!, port: Number(port) });
    this.#socket.on('data', (bytes) => this.push(bytes));
    this.#socket.on('error', () => undefined);
    this.#socket.once('close', () => {
      this.isHungUpOn = true;
      this.push(null);
    });
  }

  becomeDeaf(): void {
    this.#socket.pause();
  }

  /** A ping of its own: the library sends no more than ten that wait for an answer. */
  poke(): void {
    if (!this.isHungUpOn) this.#socket.write(PING);
  }

  override _read(): void {}

  override _write(bytes: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(bytes, () => done());
  }
}

/** The messages of a stream that is read at last. */
async function* read(stream: ClientHttp2Stream): AsyncGenerator<WatchResponse> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of stream) {
    bytes = Buffer.concat([bytes, chunk as Buffer]);
    while (bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt32BE(1)) {
      const end = 5 + bytes.readUInt32BE(1);
      yield WatchResponse.decode(bytes.subarray(5, end));
      bytes = bytes.subarray(end);
    }
  }
}

async function putAll(from: number): Promise<number[]> {
  const client = cluster.clientOf(await cluster.leader());
  const revisions: number[] = [];
  for (let number = from; number < from + PUTS; number++) {
    const { header } = await client.put({ key: Buffer.from(`unread/${number % 10}`), value: Buffer.alloc(VALUE_BYTES, number) }, { timeoutMs: PUT_WITHIN_MS });
    revisions.push(header!.revision);
  }
  return revisions;
}

async function revisionsOf(responses: AsyncIterable<WatchResponse>, count: number): Promise<number[]> {
  const revisions: number[] = [];
  for await (const { events, canceled } of responses) {
    expect(canceled).toBe(false);
    for (const { kv } of events) revisions.push(kv!.modRevision);
    if (revisions.length >= count) break;
  }
  return revisions;
}

test('200 watches that nobody reads: bounded memory, others unhurt, history afterwards', async () => {
  const at = await cluster.leader();
  const { pid } = cluster.members[at]!;
  const streams = Array.from({ length: STREAMS }, () => openUnread());
  const created = await read(openUnread()).next();
  expect(created.value).toMatchObject({ created: true });
  const healthy = cluster.clientOf(at).watch(prefix);
  const heard = revisionsOf(healthy, PUTS);
  const before = pssOf(pid!);
  const revisions = await putAll(0);
  expect(await heard).toEqual(revisions);
  expect(pssOf(pid!) - before).toBeLessThan(GROWTH_MIB_MAX);
  // Two that read at last: everything, in order, once.
  for (const stream of streams.slice(0, 2)) expect(await revisionsOf(read(stream), PUTS)).toEqual(revisions);
  for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL);
});

test('a watch that nobody read while its history was compacted is cancelled with the compacted revision', async () => {
  const client = cluster.clientOf(await cluster.leader());
  const unread = openUnread();
  const created = new Promise((resolve) => unread.once('response', resolve));
  await created;
  const revisions = await putAll(PUTS);
  const compactRevision = revisions.at(-1)!;
  await client.compact({ revision: compactRevision });
  const heard: number[] = [];
  let end: WatchResponse | undefined;
  for await (const response of read(unread)) {
    for (const { kv } of response.events) heard.push(kv!.modRevision);
    if (!response.canceled) continue;
    end = response;
    break;
  }
  expect(end).toMatchObject({ canceled: true, compactRevision });
  // What was on its way is a beginning without gaps.
  expect(heard.length).toBeGreaterThan(0);
  expect(heard.length).toBeLessThan(PUTS);
  expect(heard).toEqual(revisions.slice(0, heard.length));
});

test('a client that does not read its socket does not hold up the member, and is hung up on', async () => {
  const at = await cluster.leader();
  const { clientAddress, pid } = cluster.members[at]!;
  const socket = new DeafSocket(clientAddress);
  const deaf = connect(`http://${clientAddress}`, { createConnection: () => socket, settings: { initialWindowSize: 2 ** 30 } });
  deaf.on('error', () => undefined);
  const stream = openUnread(deaf);
  await new Promise((resolve) => stream.once('response', resolve));
  socket.becomeDeaf();
  const before = pssOf(pid!);
  await putAll(2 * PUTS);
  expect(pssOf(pid!) - before).toBeLessThan(GROWTH_MIB_MAX);
  // Only who writes hears that nobody is there any more.
  const isHungUpOn = () => {
    socket.poke();
    expect(socket.isHungUpOn).toBe(true);
  };
  await vi.waitFor(isHungUpOn, { timeout: HANG_UP_WITHIN_MS, interval: 200 });
  deaf.destroy();
});
