/** Clients over real sockets that do not read, do not answer or ask for too much: bounded, and the others unhurt. */
import { once } from 'node:events';
import { connect as connectSocket, type Socket } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { deferred } from '../../../src/base/deferred.ts';
import { silentLog } from '../../../src/base/log.ts';
import { connectLean } from '../../../src/grpc/lean/lean-channel.ts';
import { LeanServer } from '../../../src/grpc/lean/lean-server.ts';
import { encodeBlock } from '../../../src/grpc/lean/core/hpack-encoder.ts';
import { Flag, FrameType, PREFACE } from '../../../src/grpc/lean/core/protocol.ts';
import type { GrpcServerOptions } from '../../../src/grpc/server-options.ts';
import * as etcd from '../../../src/proto/etcd.ts';
import { bind, type BoundService } from '../../../src/proto/rpc.ts';
import type { Writer } from '../../../src/proto/wire.ts';
import { data, frame, headers, windowUpdate } from './wire-peer.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

async function serve(services: readonly BoundService[], options: Partial<GrpcServerOptions> = {}): Promise<number> {
  const server = new LeanServer({ log: silentLog, services, ...options });
  const [port] = await server.listen(['127.0.0.1:0']);
  cleanups.push(() => server.stop(0));
  return port!;
}

const GREETING = Buffer.concat([PREFACE, frame(FrameType.SETTINGS, 0, 0)]);

async function raw(port: number): Promise<Socket> {
  const socket = connectSocket(port, '127.0.0.1');
  socket.on('error', () => undefined);
  cleanups.push(() => socket.destroy());
  await once(socket, 'connect');
  socket.write(GREETING);
  return socket;
}

const head = (path: string) =>
  encodeBlock([
    { name: ':method', value: 'POST' },
    { name: ':scheme', value: 'http' },
    { name: ':path', value: path },
    { name: 'content-type', value: 'application/grpc' },
  ]);
const EMPTY_MESSAGE = '0000000000';
const call = (id: number, path: string) =>
  Buffer.concat([headers(id, Flag.END_HEADERS, head(path)), data(id, EMPTY_MESSAGE, Flag.END_STREAM)]);

async function expectServing(port: number): Promise<void> {
  const channel = connectLean({ addresses: [`127.0.0.1:${port}`] });
  expect((await channel.unary(etcd.KV.methods.compact, {}, { timeoutMs: 5_000 })).header?.revision).toBe(7);
  channel.close();
}
const compact = () => ({ header: { revision: 7 } });

test('a client that stops reading holds up its own stream, and its pings are not answered for ever', async () => {
  let produced = 0;
  const rangeStream = async function* () {
    for (; produced < 100_000; produced++) yield { rangeResponse: { kvs: [{ value: new Uint8Array(10_000) }] } };
  };
  const port = await serve([bind(etcd.KV, { rangeStream, compact })]);
  const socket = await raw(port);
  socket.pause();
  socket.write(Buffer.concat([frame(FrameType.SETTINGS, 0, 0, '00047fffffff'), windowUpdate(0, 2 ** 31 - 1 - 65_535)]));
  socket.write(call(1, etcd.KV.methods.rangeStream.path));
  // Whatever buffers there are fill up, and then nothing moves any more.
  let before = -1;
  while (before !== produced) {
    before = produced;
    for (let turn = 0; turn < 300; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
  expect(produced).toBeGreaterThan(0);
  expect(produced).toBeLessThan(3_000);
  await expectServing(port);
  const closed = once(socket, 'close');
  socket.write(Buffer.concat(Array<Buffer>(5_000).fill(frame(FrameType.PING, 0, 0, EMPTY_MESSAGE + '000000'))));
  socket.resume();
  await closed;
  await expectServing(port);
}, 30_000);

test('a handler that is slow slows its client down, and not the others on the connection', async () => {
  const goOn = deferred<void>();
  let taken = 0;
  const leaseKeepAlive = async function* (requests: AsyncIterable<unknown>) {
    await goOn.promise;
    for await (const _ of requests) taken++;
    yield { id: 1n };
  };
  const port = await serve([bind(etcd.Lease, { leaseKeepAlive }), bind(etcd.KV, { compact })]);
  const channel = connectLean({ addresses: [`127.0.0.1:${port}`] });
  cleanups.push(() => channel.close());
  const { leaseKeepAlive: method } = etcd.Lease.methods;
  const padded = { ...method, request: { ...method.request, write: (writer: Writer) => writer.raw(Buffer.concat([Buffer.from('8a06', 'hex'), Buffer.from([0xa0, 0x9c, 0x01]), Buffer.alloc(20_000)])) } };
  const stream = channel.bidi(padded);
  let sent = 0;
  while (sent < 5_000) {
    sent++;
    if (stream.send({})) continue;
    const goesOn = stream.drained().then(() => true);
    const quiet = (async () => {
      for (let turn = 0; turn < 500; turn++) await new Promise((resolve) => setImmediate(resolve));
      return false;
    })();
    if (!(await Promise.race([goesOn, quiet]))) break;
  }
  // A window of a megabyte for what waits unread, and as much again for what was read ahead and is on its way.
  expect(sent).toBeLessThan(500);
  expect((await channel.unary(etcd.KV.methods.compact, {}, { timeoutMs: 5_000 })).header?.revision).toBe(7);
  goOn.resolve();
  await stream.drained();
  stream.end();
  const answers: unknown[] = [];
  for await (const answer of stream.responses) answers.push(answer);
  expect([answers.length, taken]).toEqual([1, sent]);
}, 30_000);

test('one that answers no ping is hung up on, and its handlers hear of it', async () => {
  const gone = deferred<void>();
  const range = (_: unknown, { signal }: { signal: AbortSignal }) =>
    new Promise<never>(() => signal.addEventListener('abort', () => gone.resolve()));
  const port = await serve([bind(etcd.KV, { range, compact })], { keepaliveTimeMs: 50, keepaliveTimeoutMs: 50 });
  const socket = await raw(port);
  socket.write(call(1, etcd.KV.methods.range.path));
  socket.resume();
  await once(socket, 'close');
  await gone.promise;
  await expectServing(port);
});

test('one that answers pings stays', async () => {
  const port = await serve([bind(etcd.KV, { compact })], { keepaliveTimeMs: 50, keepaliveTimeoutMs: 2_000 });
  const socket = await raw(port);
  let pings = 0;
  socket.on('data', (chunk: Buffer) => {
    for (let at = 0; at + 9 <= chunk.length; at += 9 + chunk.readUIntBE(at, 3)) {
      if (chunk[at + 3] !== FrameType.PING || chunk[at + 4] !== 0) continue;
      pings++;
      socket.write(frame(FrameType.PING, Flag.ACK, 0, chunk.subarray(at + 9, at + 17)));
    }
  });
  await vi.waitFor(() => expect(pings).toBeGreaterThan(5), { timeout: 10_000 });
  expect(socket.destroyed).toBe(false);
});

test('more streams than allowed are refused one by one, the connection goes on', async () => {
  const range = () => new Promise<never>(() => undefined);
  const port = await serve([bind(etcd.KV, { range, compact })], { streamsPerConnectionMax: 10 });
  const socket = await raw(port);
  const refused: number[] = [];
  socket.on('data', (chunk: Buffer) => {
    for (let at = 0; at + 9 <= chunk.length; at += 9 + chunk.readUIntBE(at, 3)) {
      if (chunk[at + 3] === FrameType.RST_STREAM) refused.push(chunk.readUInt32BE(at + 5));
    }
  });
  for (let id = 1; id < 31; id += 2) socket.write(call(id, etcd.KV.methods.range.path));
  await vi.waitFor(() => expect(refused).toEqual([21, 23, 25, 27, 29]), { timeout: 10_000 });
  await expectServing(port);
});
