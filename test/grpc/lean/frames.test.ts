/** Frames cut anywhere are the same frames; what is no frame is refused with its code. */
import { expect, test } from 'vitest';
import { FrameOutput } from '../../../src/grpc/lean/core/frame-output.ts';
import { FrameParser } from '../../../src/grpc/lean/core/frame-parser.ts';
import { MessageReader } from '../../../src/grpc/lean/core/message-reader.ts';
import { ErrorCode, FrameType, PREFACE } from '../../../src/grpc/lean/core/protocol.ts';
import { RpcError } from '../../../src/proto/rpc.ts';

function written(write: (output: FrameOutput) => void): Buffer {
  const output = new FrameOutput();
  write(output);
  const { length } = output;
  const bytes = Buffer.concat(output.take());
  expect(bytes.length).toBe(length);
  return bytes;
}

const SOME = written((output) => {
  output.settings([[4, 1024], [3, 100]]);
  output.headers(1, Buffer.alloc(40_000, 7), { endStream: true, frameBytesMax: 16_384 });
  output.ping(Buffer.from('12345678'), true);
  output.header(12_000, FrameType.DATA, 1, 3);
  output.bytes(Buffer.alloc(12_000, 9));
  output.settingsAck();
  output.rstStream(2 ** 31 - 1, ErrorCode.CANCEL);
  output.windowUpdate(0, 2 ** 31 - 1);
  output.goAway(7, ErrorCode.ENHANCE_YOUR_CALM, 'too_many_pings');
});

function parsed(chunks: readonly Buffer[], hasPreface = false): string[] {
  const frames: string[] = [];
  const parser = new FrameParser({ hasPreface });
  const sink = {
    onFrame: (type: number, flags: number, id: number, bytes: Buffer, start: number, end: number) => {
      const body = bytes.subarray(start, end);
      frames.push(`${type} ${flags} ${id} ${body.length > 32 ? `${body[0]} x ${body.length}` : body.toString('hex')}`);
    },
  };
  for (const chunk of chunks) parser.push(chunk, sink);
  return frames;
}

test('what FrameOutput writes, FrameParser reads', () => {
  expect(parsed([SOME])).toEqual([
    '4 0 0 000400000400000300000064',
    '1 1 1 7 x 16384',
    '9 0 1 7 x 16384',
    '9 4 1 7 x 7232',
    '6 1 0 3132333435363738',
    '0 1 3 9 x 12000',
    '4 1 0 ',
    '3 0 2147483647 00000008',
    '8 0 0 7fffffff',
    '7 0 0 000000070000000b746f6f5f6d616e795f70696e6773',
  ]);
});

test('cut at every byte, and into single bytes', () => {
  const whole = parsed([SOME]);
  const all = Buffer.concat([PREFACE, SOME]);
  for (let at = 0; at <= all.length; at += at < 200 || at > all.length - 200 ? 1 : 97) {
    expect(parsed([all.subarray(0, at), all.subarray(at)], true), `cut at ${at}`).toEqual(whole);
  }
  expect(parsed(Array.from(all, (byte) => Buffer.of(byte)), true)).toEqual(whole);
});

test('a frame that is too long is refused before it has come', () => {
  const header = Buffer.from('004001000000000001', 'hex');
  expect(() => parsed([header])).toThrow(expect.objectContaining({ code: ErrorCode.FRAME_SIZE_ERROR }));
  expect(() => parsed([header.subarray(0, 4), header.subarray(4)])).toThrow(
    expect.objectContaining({ code: ErrorCode.FRAME_SIZE_ERROR }),
  );
});

test('no preface', () => {
  expect(() => parsed([Buffer.from('PRI * HTTP/1')], true)).toThrow(
    expect.objectContaining({ code: ErrorCode.PROTOCOL_ERROR }),
  );
});

test('FrameOutput: what was taken is never written over', () => {
  const output = new FrameOutput();
  const taken: Buffer[] = [];
  const copies: string[] = [];
  for (let i = 0; i < 2_000; i++) {
    output.ping(Buffer.from(String(i).padStart(8, '0')), false);
    if (i % 3 !== 0) continue;
    const pieces = output.take().map((piece) => Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength));
    taken.push(...pieces);
    copies.push(...pieces.map((piece) => piece.toString('hex')));
  }
  expect(taken.map((piece) => piece.toString('hex'))).toEqual(copies);
});

test('FrameOutput: every byte is where it belongs, also where a buffer ends', () => {
  const output = new FrameOutput();
  const expected: Buffer[] = [];
  const said: Buffer[] = [];
  for (let i = 0; i < 200_000; i++) {
    const payload = Buffer.alloc(i % 100 === 0 ? (i * 7919) % 257 : 0, i);
    output.byte(i & 0xff);
    output.uint32(i * 99_991);
    output.bytes(payload);
    const numbers = Buffer.alloc(5);
    numbers.writeUInt8(i & 0xff);
    numbers.writeUInt32BE((i * 99_991) % 2 ** 32, 1);
    expected.push(numbers, payload);
    if (i % 97 === 0) said.push(...output.take().map((piece) => Buffer.from(piece)));
  }
  said.push(...output.take().map((piece) => Buffer.from(piece)));
  expect(Buffer.concat(said).equals(Buffer.concat(expected))).toBe(true);
});

function messagesOf(bytes: Buffer, step: number, takes: (count: number) => boolean = () => true): string[] {
  const messages: string[] = [];
  const reader = new MessageReader(100, {
    onMessage: (message, isCompressed) => takes(messages.push(`${message.toString()}${isCompressed ? '!' : ''}`)),
  });
  for (let at = 0; at < bytes.length; at += step) {
    reader.push(bytes, at, Math.min(bytes.length, at + step));
  }
  while (reader.isPaused) reader.resume();
  expect(reader.hasRest).toBe(false);
  return messages;
}

const MESSAGES = Buffer.concat(
  ['a', '', 'bc', 'd'.repeat(100)].map((text, at) => Buffer.concat([Buffer.of(at % 2, 0, 0, 0, text.length), Buffer.from(text)])),
);

test('MessageReader: messages cut anywhere, taken at once or one by one', () => {
  const expected = ['a', '!', 'bc', `${'d'.repeat(100)}!`];
  for (let step = 1; step <= MESSAGES.length; step++) {
    expect(messagesOf(MESSAGES, step)).toEqual(expected);
    expect(messagesOf(MESSAGES, step, () => false)).toEqual(expected);
  }
});

test('MessageReader: what is too large or has no flag is refused at its prefix', () => {
  expect(() => messagesOf(Buffer.of(0, 0, 0, 0, 101), 5)).toThrow('Received message larger than max (101 vs 100)');
  expect(() => messagesOf(Buffer.of(0, 255, 255, 255, 255), 1)).toThrow('Received message larger than max (4294967295 vs 100)');
  expect(() => messagesOf(Buffer.of(2, 0, 0, 0, 0), 5)).toThrow(RpcError);
});
