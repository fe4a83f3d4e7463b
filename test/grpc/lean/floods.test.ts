/**
 * Clients over real sockets that break the rules or wear the server out: each connection ends with the right code, little
 * is kept for it, and a client beside it is served meanwhile.
 */
import { once } from 'node:events';
import { connect as connectSocket, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { silentLog } from '../../../src/base/log.ts';
import { Connection } from '../../../src/grpc/lean/connection.ts';
import { encodeBlock } from '../../../src/grpc/lean/core/hpack-encoder.ts';
import { ErrorCode, Flag, FrameType, PREFACE } from '../../../src/grpc/lean/core/protocol.ts';
import { SessionSettings } from '../../../src/grpc/lean/core/settings.ts';
import { connectLean } from '../../../src/grpc/lean/lean-channel.ts';
import { LeanServer } from '../../../src/grpc/lean/lean-server.ts';
import { readsAccepted } from '../../../src/grpc/lean/reading.ts';
import * as etcd from '../../../src/proto/etcd.ts';
import { bind, CALL_OVER, type CallContext } from '../../../src/proto/rpc.ts';
import { data, frame, headers, rst, windowUpdate } from './wire-peer.ts';

const { compact, range } = etcd.KV.methods;
const GREETING = Buffer.concat([PREFACE, frame(FrameType.SETTINGS, 0, 0)]);
const head = (path: string) =>
  encodeBlock([
    { name: ':method', value: 'POST' },
    { name: ':scheme', value: 'http' },
    { name: ':path', value: path },
    { name: 'content-type', value: 'application/grpc' },
  ]);
const ask = (id: number, path: string) =>
  Buffer.concat([headers(id, Flag.END_HEADERS, head(path)), data(id, '0000000000', Flag.END_STREAM)]);

/** Much more than a connection should need, much less than what a flood would take if it were let. */
const KEPT_BYTES_MAX = 48 * 1024 * 1024;
/** For a call beside the flood: whole seconds only where nothing is served any more. */
const CALL_MS_MAX = 5_000;
const FLOOD_MS_MAX = 25_000;
const TURN_BYTES = 64 * 1024;
/** Until it is hung up on: of what is sent some megabytes lie in the system's buffers. */
const FLOOD_BYTES_MAX = 16 * 1024 * 1024;

let server: LeanServer;
let port: number;
/** Handlers of `range` that run; they never answer. */
let running = 0;
let runningMax = 0;

beforeEach(async () => {
  running = runningMax = 0;
  const forever = (_: unknown, { signal }: CallContext) => {
    runningMax = Math.max(runningMax, ++running);
    return new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => {
        running--;
        reject(CALL_OVER);
      });
    });
  };
  const services = [bind(etcd.KV, { range: forever, compact: () => ({ header: { revision: 7 } }) })];
  server = new LeanServer({ log: silentLog, services, streamsPerConnectionMax: 1_000 });
  [port] = (await server.listen(['127.0.0.1:0'])) as [number];
});
afterEach(() => server.stop(0));

async function connected(): Promise<Socket> {
  const socket = connectSocket({ port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => undefined); // it is hung up on
  await once(socket, 'connect');
  return socket;
}

/** What a server said last, in the words of {@link ErrorCode}. */
function lastWords(received: Buffer): string {
  let words = 'nothing';
  for (let at = 0; at + 9 <= received.length; at += 9 + received.readUIntBE(at, 3)) {
    const code = (offset: number) => Object.entries(ErrorCode).find(([, value]) => value === received.readUInt32BE(at + 9 + offset))?.[0];
    if (received[at + 3] === FrameType.GOAWAY && at + 17 <= received.length) words = `goaway ${code(4)}`;
    if (received[at + 3] === FrameType.RST_STREAM && words === 'nothing') words = `rst ${code(0)}`;
  }
  return words;
}

/** Calls one after the other, until told to stop; answers how long the slowest took. */
function callBeside(): () => Promise<number> {
  const channel = connectLean({ addresses: [`127.0.0.1:${port}`] });
  let isOver = false;
  const calls = (async () => {
    let slowestMs = 0;
    for (let count = 0; !isOver || count === 0; count++) {
      const startedAt = performance.now();
      const { header } = await channel.unary(compact, {}, { timeoutMs: 10_000 });
      expect(header?.revision).toBe(7);
      slowestMs = Math.max(slowestMs, performance.now() - startedAt);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return slowestMs;
  })();
  calls.catch(() => undefined); // told to who stops them
  return () => {
    isOver = true;
    return calls.finally(() => channel.close());
  };
}

/** Sends until it is hung up on. */
async function flood(socket: Socket, next: () => Buffer): Promise<string> {
  const received: Buffer[] = [];
  let isClosed = false;
  socket.on('data', (chunk: Buffer) => received.push(chunk));
  socket.on('close', () => (isClosed = true));
  const startedAt = performance.now();
  while (!isClosed) {
    if (performance.now() - startedAt > FLOOD_MS_MAX) throw new Error(`not hung up on: ${lastWords(Buffer.concat(received))}`);
    const turn: Buffer[] = [];
    for (let bytes = 0; bytes < TURN_BYTES; bytes += turn.at(-1)!.length) turn.push(next());
    if (!socket.destroyed && !socket.write(Buffer.concat(turn))) await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return lastWords(Buffer.concat(received));
}

/** The same frames over and over, behind some that come once. */
const repeated = (bytes: Buffer, first: Buffer = Buffer.alloc(0)) => {
  const many = Buffer.concat(Array<Buffer>(Math.ceil(TURN_BYTES / bytes.length)).fill(bytes));
  let isFirst = true;
  return () => {
    if (!isFirst) return many;
    isFirst = false;
    return Buffer.concat([first, many]);
  };
};
/** The frames of stream 1 for one stream after the other: copied and renumbered, as the flood should cost the server and not us. */
const eachStream = (frames: Buffer) => {
  const offsets: number[] = [];
  for (let at = 0; at < frames.length; at += 9 + frames.readUIntBE(at, 3)) if (frames.readUInt32BE(at + 5) === 1) offsets.push(at + 5);
  let id = -1;
  return () => {
    const renumbered = Buffer.from(frames);
    id += 2;
    for (const offset of offsets) renumbered.writeUInt32BE(id, offset);
    return renumbered;
  };
};
const open = headers(1, Flag.END_HEADERS, head(range.path));
const BOMB = Buffer.concat([head(range.path), Buffer.from('4001617fa11e', 'hex'), Buffer.alloc(4_000, 0x61), Buffer.alloc(12_000, 0xbe)]).subarray(0, 16_384);

describe('floods', () => {
  test.each<[string, string, () => Buffer]>([
    ['rapid reset', 'goaway ENHANCE_YOUR_CALM', eachStream(Buffer.concat([ask(1, range.path), rst(1)]))],
    ['streams that we must reset', 'goaway ENHANCE_YOUR_CALM', eachStream(Buffer.concat([ask(1, range.path), windowUpdate(1, 0)]))],
    ['more streams than allowed', 'goaway ENHANCE_YOUR_CALM', eachStream(ask(1, range.path))],
    ['CONTINUATION, empty', 'goaway ENHANCE_YOUR_CALM', repeated(frame(FrameType.CONTINUATION, 0, 1), headers(1, 0, head(range.path)))],
    ['CONTINUATION, full', 'goaway ENHANCE_YOUR_CALM', repeated(frame(FrameType.CONTINUATION, 0, 1, Buffer.alloc(16_000)), headers(1, 0, head(range.path)))],
    ['SETTINGS', 'goaway ENHANCE_YOUR_CALM', repeated(frame(FrameType.SETTINGS, 0, 0))],
    ['SETTINGS and DATA in turn', 'goaway ENHANCE_YOUR_CALM', repeated(Buffer.concat([frame(FrameType.SETTINGS, 0, 0, '000400000007'), data(1, '00')]), Buffer.concat([open, data(1, '0000100000')]))],
    ['PING', 'goaway ENHANCE_YOUR_CALM', repeated(frame(FrameType.PING, 0, 0, '0000000000000000'))],
    ['DATA, empty', 'goaway ENHANCE_YOUR_CALM', repeated(data(1, ''), open)],
    ['DATA, padding only', 'goaway ENHANCE_YOUR_CALM', repeated(data(1, '00', Flag.PADDED), open)],
    ['PRIORITY', 'goaway ENHANCE_YOUR_CALM', repeated(frame(FrameType.PRIORITY, 0, 3, '0000000010'))],
    ['bombs of HPACK', 'goaway ENHANCE_YOUR_CALM', eachStream(headers(1, Flag.END_HEADERS, BOMB))],
    ['a window past 2^31', 'goaway FLOW_CONTROL_ERROR', repeated(windowUpdate(0, 2 ** 31 - 1))],
    ['a window that grows by nothing', 'goaway PROTOCOL_ERROR', repeated(windowUpdate(0, 0))],
    ['a frame of 16 MiB', 'goaway FRAME_SIZE_ERROR', repeated(Buffer.from('ffffff000100000001', 'hex'), open)],
    ['noise', 'goaway FRAME_SIZE_ERROR', repeated(Buffer.from('this is no frame of any kind'))],
  ])('%s: %s', async (_, code, next) => {
    const stop = callBeside();
    const { heapUsed, external } = process.memoryUsage();
    const socket = await connected();
    socket.write(GREETING);
    expect(await flood(socket, next)).toBe(code);
    expect(socket.bytesWritten).toBeLessThan(FLOOD_BYTES_MAX);
    const now = process.memoryUsage();
    expect(now.heapUsed + now.external - heapUsed - external).toBeLessThan(KEPT_BYTES_MAX);
    expect(await stop()).toBeLessThan(CALL_MS_MAX);
    expect(runningMax).toBeLessThanOrEqual(1_000);
    await vi.waitFor(() => expect(running).toBe(0), { timeout: 5_000 });
  }, 40_000);
});

describe('half of everything', () => {
  test('a call that is cut at every byte is answered', async () => {
    const whole = Buffer.concat([GREETING, ask(1, compact.path)]);
    for (let at = 1; at < whole.length; at++) {
      const socket = await connected();
      let received = Buffer.alloc(0);
      socket.on('data', (chunk: Buffer) => (received = Buffer.concat([received, chunk])));
      socket.write(whole.subarray(0, at));
      // Until the server has read it, or has answered what it makes of it.
      await new Promise((resolve) => setTimeout(resolve, 1));
      socket.write(whole.subarray(at));
      await vi.waitFor(() => expect(received.includes('grpc-status'), `cut at ${at}`).toBe(true), { timeout: 5_000, interval: 1 });
      socket.destroy();
    }
  }, 30_000);

  test('a client that vanishes at any byte leaves nothing behind', async () => {
    const whole = Buffer.concat([GREETING, ask(1, range.path), ask(3, compact.path)]);
    const vanish = async (at: number) => {
      const socket = await connected();
      socket.resume().write(whole.subarray(0, at));
      if (at % 2 === 0) socket.end();
      else setTimeout(() => socket.destroy(), 1);
      await once(socket, 'close');
    };
    await Promise.all(Array.from({ length: whole.length }, (_, at) => vanish(at)));
    await vi.waitFor(() => expect(running).toBe(0), { timeout: 5_000 });
    // Nobody is waited for.
    const startedAt = performance.now();
    await server.stop(20_000);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  }, 30_000);

  test.each([
    ['says nothing', Buffer.alloc(0)],
    ['stops in its preface', PREFACE.subarray(0, 10)],
    ['sends no SETTINGS', PREFACE],
  ])('one that %s is hung up on after ten seconds', async (_, bytes) => {
    const accepted = createServer();
    await new Promise<void>((resolve) => accepted.listen(0, '127.0.0.1', resolve));
    const address = accepted.address();
    const bound = typeof address === 'object' && address !== null ? address.port : 0;
    const client = connectSocket(bound, '127.0.0.1');
    const [socket] = (await once(accepted, 'connection')) as [Socket];
    let why: Error | undefined;
    const events = { onRequest() {}, onReady() {}, onGoAway() {}, onStreamClosed() {}, onClose: (error: Error | undefined) => void (why = error) };
    const options = { role: 'server' as const, settings: new SessionSettings(), keepaliveTimeMs: 10_000, keepaliveTimeoutMs: 10_000 };
    const connection = new Connection((onChunk) => readsAccepted(socket, onChunk), options, events);
    client.resume().write(bytes);
    connection.look(performance.now() + 9_000);
    expect(connection.isClosed).toBe(false);
    connection.look(performance.now() + 11_000);
    await vi.waitFor(() => expect(why?.message).toBe('it does not speak HTTP/2'), { timeout: 5_000 });
    client.destroy();
    accepted.close();
  });
});
