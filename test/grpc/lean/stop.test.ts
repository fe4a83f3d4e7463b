/** A server that stops, seen by a client that answers its ping: what runs comes to its end, and only then the connection. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { deferred } from '../../../src/base/deferred.ts';
import { silentLog } from '../../../src/base/log.ts';
import { FrameParser } from '../../../src/grpc/lean/core/frame-parser.ts';
import { encodeBlock } from '../../../src/grpc/lean/core/hpack-encoder.ts';
import { Flag, FrameType, PREFACE } from '../../../src/grpc/lean/core/protocol.ts';
import { LeanServer } from '../../../src/grpc/lean/lean-server.ts';
import * as etcd from '../../../src/proto/etcd.ts';
import { bind } from '../../../src/proto/rpc.ts';
import { data, frame, headers } from './wire-peer.ts';

const REQUEST = encodeBlock([
  { name: ':method', value: 'POST' },
  { name: ':scheme', value: 'http' },
  { name: ':path', value: etcd.KV.methods.range.path },
  { name: 'content-type', value: 'application/grpc' },
]);

test('a call is answered after the last stream was named, and then the connection ends', async () => {
  const [arrived, answer] = [deferred<void>(), deferred<{ count: number }>()];
  const range = () => (arrived.resolve(), answer.promise);
  const server = new LeanServer({ log: silentLog, services: [bind(etcd.KV, { range })] });
  const [port] = await server.listen(['127.0.0.1:0']);
  const socket = connect(port!, '127.0.0.1');
  const lasts: number[] = [];
  const hasNamedLast = deferred<void>();
  let hasEnded = false;
  const parser = new FrameParser({ hasPreface: false, frameBytesMax: 2 ** 24 });
  socket.on('data', (chunk) =>
    parser.push(chunk, {
      onFrame: (type, flags, id, bytes, start, end) => {
        if (type === FrameType.PING) socket.write(frame(FrameType.PING, Flag.ACK, 0, Buffer.from(bytes.subarray(start, end))));
        if (type === FrameType.GOAWAY && lasts.push(bytes.readUInt32BE(start)) === 2) hasNamedLast.resolve();
        if (type === FrameType.HEADERS && id === 1 && (flags & Flag.END_STREAM) !== 0) hasEnded = true;
      },
    }),
  );
  socket.write(Buffer.concat([PREFACE, frame(FrameType.SETTINGS, 0, 0), headers(1, Flag.END_HEADERS, REQUEST), data(1, '0000000000', Flag.END_STREAM)]));
  await arrived.promise;
  const stopped = server.stop(10_000);
  await hasNamedLast.promise;
  expect(lasts).toEqual([2 ** 31 - 1, 1]);
  const closed = once(socket, 'close');
  answer.resolve({ count: 4 });
  await Promise.all([closed, stopped]);
  expect(hasEnded).toBe(true);
});
