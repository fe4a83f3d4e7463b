/** RFC 9113 at a session: what breaks its rules ends a stream or the connection with the right code, and costs little. */
import { describe, expect, test } from 'vitest';
import { encodeBlock } from '../../../src/grpc/lean/core/hpack-encoder.ts';
import { ErrorCode, Flag, FrameType, PREFACE } from '../../../src/grpc/lean/core/protocol.ts';
import { Incoming } from '../../../src/grpc/lean/incoming.ts';
import { RpcCode } from '../../../src/proto/rpc.ts';
import type { Stream } from '../../../src/grpc/lean/core/stream.ts';
import { data, frame, headers, REQUEST, rst, WirePeer, windowUpdate } from './wire-peer.ts';

const { END_STREAM, END_HEADERS } = Flag;
const block = (...fields: readonly (readonly [string, string])[]) =>
  encodeBlock(fields.map(([name, value]) => ({ name, value })));
const METHOD = [[':method', 'POST'], [':scheme', 'http'], [':path', '/a/b']] as const;

describe('the connection ends', () => {
  test.each<[string, number, Buffer]>([
    ['DATA of no stream', 1, data(0, '00')],
    ['DATA of an idle stream', 1, data(1, '00')],
    ['HEADERS of no stream', 1, headers(0)],
    ['HEADERS of an even stream', 1, headers(2)],
    ['a stream that goes back', 1, Buffer.concat([headers(5), headers(3)])],
    ['HEADERS of a stream that was reset', 5, Buffer.concat([headers(1), rst(1), headers(1)])],
    ['RST_STREAM of an idle stream', 1, rst(1)],
    ['RST_STREAM of no stream', 1, rst(0)],
    ['RST_STREAM of three bytes', 6, Buffer.concat([headers(1), frame(FrameType.RST_STREAM, 0, 1, '000000')])],
    ['WINDOW_UPDATE of an idle stream', 1, windowUpdate(1, 1)],
    ['WINDOW_UPDATE by nothing', 1, windowUpdate(0, 0)],
    ['WINDOW_UPDATE past 2^31', 3, windowUpdate(0, 2 ** 31 - 1)],
    ['WINDOW_UPDATE of three bytes', 6, frame(FrameType.WINDOW_UPDATE, 0, 0, '000000')],
    ['SETTINGS of a stream', 1, frame(FrameType.SETTINGS, 0, 1)],
    ['SETTINGS of five bytes', 6, frame(FrameType.SETTINGS, 0, 0, '0000000000')],
    ['an acknowledgement with settings', 6, frame(FrameType.SETTINGS, 1, 0, '000300000001')],
    ['ENABLE_PUSH of 2', 1, frame(FrameType.SETTINGS, 0, 0, '000200000002')],
    ['INITIAL_WINDOW_SIZE of 2^31', 3, frame(FrameType.SETTINGS, 0, 0, '000480000000')],
    ['MAX_FRAME_SIZE of 16,383', 1, frame(FrameType.SETTINGS, 0, 0, '000500003fff')],
    ['a window that settings make too large', 3, Buffer.concat([headers(1), windowUpdate(1, 2 ** 31 - 1 - 65_535), frame(FrameType.SETTINGS, 0, 0, '000400010000')])],
    ['PING of a stream', 1, frame(FrameType.PING, 0, 1, '0000000000000000')],
    ['PING of six bytes', 6, frame(FrameType.PING, 0, 0, '000000000000')],
    ['PUSH_PROMISE', 1, frame(FrameType.PUSH_PROMISE, END_HEADERS, 1, '0000000282')],
    ['CONTINUATION without HEADERS', 1, frame(FrameType.CONTINUATION, END_HEADERS, 1, '82')],
    ['a PING amid a block', 1, Buffer.concat([headers(1, 0), frame(FrameType.PING, 0, 0, '0000000000000000')])],
    ['a block that is none', 9, headers(1, END_HEADERS, Buffer.alloc(8, 0xff))],
    ['more padding than frame', 1, Buffer.concat([headers(1), data(1, '05000000', Flag.PADDED)])],
    ['PRIORITY of no stream', 1, frame(FrameType.PRIORITY, 0, 0, '0000000000')],
    ['GOAWAY of a stream', 1, frame(FrameType.GOAWAY, 0, 1, '0000000000000000')],
  ])('%s: %i', (_, code, bytes) => {
    const peer = new WirePeer().say(bytes);
    expect(peer.errors().at(-1)).toBe(`goaway ${code}`);
    expect(peer.session.isClosed).toBe(true);
    expect(peer.session.openStreams).toBe(0);
  });

  test('without SETTINGS to begin with', () => {
    const peer = new WirePeer({}, { greets: false }).say(PREFACE, headers(1));
    expect(peer.errors()).toEqual(['goaway 1']);
  });
});

describe('one stream ends', () => {
  test.each<[string, number, Buffer]>([
    ['DATA behind its end', 5, Buffer.concat([headers(1, END_STREAM | END_HEADERS), data(1, '00')])],
    ['DATA behind the end of both', 5, Buffer.concat([headers(1), rst(1), data(1, '00')])],
    ['HEADERS behind its end', 5, Buffer.concat([headers(1, END_STREAM | END_HEADERS), headers(1)])],
    ['WINDOW_UPDATE by nothing', 1, Buffer.concat([headers(1), windowUpdate(1, 0)])],
    ['WINDOW_UPDATE past 2^31', 3, Buffer.concat([headers(1), windowUpdate(1, 2 ** 31 - 1)])],
    ['PRIORITY of itself', 1, frame(FrameType.PRIORITY, 0, 1, '0000000110')],
    ['PRIORITY of four bytes', 6, frame(FrameType.PRIORITY, 0, 1, '00000000')],
    ['trailers that do not end it', 1, Buffer.concat([headers(1), headers(1, END_HEADERS, block(['a', 'b']))])],
    ['a pseudo-header in trailers', 1, Buffer.concat([headers(1), headers(1, END_STREAM | END_HEADERS, block([':path', '/']))])],
    ['an upper-case name', 1, headers(1, END_HEADERS, block(...METHOD, ['Upper', 'x']))],
    ['connection', 1, headers(1, END_HEADERS, block(...METHOD, ['connection', 'close']))],
    ['te: gzip', 1, headers(1, END_HEADERS, block(...METHOD, ['te', 'gzip']))],
    ['an unknown pseudo-header', 1, headers(1, END_HEADERS, block(...METHOD, [':x', 'y']))],
    ['a pseudo-header behind a field', 1, headers(1, END_HEADERS, block(['a', 'b'], ...METHOD))],
    [':path twice', 1, headers(1, END_HEADERS, block(...METHOD, [':path', '/']))],
    ['no :path', 1, headers(1, END_HEADERS, block([':method', 'POST'], [':scheme', 'http']))],
    ['an empty :path', 1, headers(1, END_HEADERS, block([':method', 'POST'], [':scheme', 'http'], [':path', '']))],
    ['less than its content-length', 1, Buffer.concat([headers(1, END_HEADERS, block(...METHOD, ['content-length', '3'])), data(1, '0000', END_STREAM)])],
    ['more than its content-length', 1, Buffer.concat([headers(1, END_HEADERS, block(...METHOD, ['content-length', '1'])), data(1, '0000')])],
    ['a list of fields that is too long', 11, headers(1, END_HEADERS, block(...METHOD, ['x', 'y'.repeat(16_250)]))],
  ])('%s: %i', (_, code, bytes) => {
    const peer = new WirePeer().say(bytes);
    expect(peer.errors()).toEqual([`rst 1: ${code}`]);
    expect(peer.session.openStreams).toBe(0);
    // The others go on, with the same table.
    peer.say(headers(9));
    expect(peer.session.openStreams).toBe(1);
  });

  test('what was on its way when we ended a stream is ignored, and given back', () => {
    const peer = new WirePeer({ connectionWindowBytes: 65_535 }).say(headers(1));
    peer.streams[0]!.reset(ErrorCode.CANCEL);
    expect(peer.errors()).toEqual(['rst 1: 8']);
    for (let i = 0; i < 10; i++) peer.say(data(1, Buffer.alloc(16_000)));
    expect(peer.errors()).toEqual([]);
  });

  test('more DATA than was offered, of a stream', () => {
    const peer = new WirePeer({ streamWindowBytes: 1_000 });
    peer.consumes = false;
    peer.say(headers(1), headers(3), data(1, Buffer.alloc(1_000)));
    expect(peer.errors()).toEqual([]);
    expect(peer.say(data(1, '00')).errors()).toEqual(['rst 1: 3']);
    expect(peer.session.openStreams).toBe(1);
  });

  test('one too many is refused, and so is one while handlers of reset ones still run', () => {
    const peer = new WirePeer({ streamsMax: 2 });
    peer.say(headers(1), headers(3), headers(5));
    expect(peer.errors()).toEqual([`rst 5: ${ErrorCode.REFUSED_STREAM}`]);
    peer.say(rst(1));
    peer.session.orphaned(1);
    expect(peer.say(headers(7)).errors()).toEqual([`rst 7: ${ErrorCode.REFUSED_STREAM}`]);
    peer.session.orphaned(-1);
    expect(peer.say(headers(9)).errors()).toEqual([]);
  });
});

describe('windows', () => {
  test('what is not consumed is not given back: a stream is bounded by its window, a connection by its own', () => {
    const peer = new WirePeer({ streamWindowBytes: 65_535, connectionWindowBytes: 100_000 });
    peer.consumes = false;
    peer.say(headers(1), headers(3));
    for (let i = 0; i < 6; i++) peer.say(data(i < 3 ? 1 : 3, Buffer.alloc(16_000)));
    expect(peer.answers().filter(({ type }) => type === FrameType.WINDOW_UPDATE)).toEqual([]);
    expect(peer.say(data(3, Buffer.alloc(16_000))).errors()).toEqual(['goaway 3']);
  });

  test('what is consumed is given back in few frames', () => {
    const peer = new WirePeer({ streamWindowBytes: 100_000, connectionWindowBytes: 200_000 });
    peer.say(headers(1));
    for (let i = 0; i < 100; i++) peer.say(data(1, Buffer.alloc(10_000)));
    const updates = peer.answers().filter(({ type }) => type === FrameType.WINDOW_UPDATE);
    expect(updates.filter(({ id }) => id === 1).length).toBe(20);
    expect(updates.filter(({ id }) => id === 0).length).toBe(10);
  });

  test('an answer waits for both windows, one stream does not hold up another, trailers come last', () => {
    const peer = new WirePeer();
    peer.say(headers(1, END_STREAM | END_HEADERS), headers(3, END_STREAM | END_HEADERS));
    const [first, second] = peer.streams;
    first!.sendHead(REQUEST);
    expect(first!.sendMessage(Buffer.alloc(100_000))).toBe(false);
    first!.end(block(['grpc-status', '0']));
    const sent = peer.answers().filter(({ type }) => type === FrameType.DATA);
    expect(sent.reduce((sum, { body }) => sum + body.length, 0)).toBe(65_535);
    peer.say(windowUpdate(0, 1_000_000));
    expect(peer.answers()).toEqual([]);
    expect(second!.sendMessage(Buffer.alloc(10))).toBe(true);
    peer.say(windowUpdate(1, 1_000_000));
    const rest = peer.answers().filter(({ id }) => id === 1);
    expect(rest.map(({ type }) => type)).toEqual([FrameType.DATA, FrameType.DATA, FrameType.DATA, FrameType.HEADERS]);
    expect(rest.at(-1)!.flags & END_STREAM).toBe(END_STREAM);
    expect(rest.reduce((sum, { type, body }) => sum + (type === FrameType.DATA ? body.length : 0), 65_535)).toBe(100_005);
  });

  test('messages that share their end fill frames, and stop where a window does', () => {
    const peer = new WirePeer();
    peer.say(headers(1, END_STREAM | END_HEADERS));
    const [stream] = peer.streams;
    const heads = Array.from({ length: 1000 }, (_, at) => Buffer.of(at >> 8, at & 255));
    const tail = Buffer.alloc(93, 7);
    const frames = () => peer.answers().filter(({ type }) => type === FrameType.DATA).map(({ body }) => body);
    // 163 messages of 100 bytes fit into a frame, 655 into the window; of one more a part leaves.
    expect(stream!.sendShared({ heads, tail }, 0)).toBe(656);
    const sent = frames();
    expect(sent.map(({ length }) => length)).toEqual([16_300, 16_300, 16_300, 16_300, 300, 35]);
    peer.say(windowUpdate(0, 1_000_000), windowUpdate(1, 1_000_000));
    sent.push(...frames());
    expect(stream!.sendShared({ heads, tail }, 656)).toBe(1000);
    sent.push(...frames());
    const expected = heads.map((head) => Buffer.concat([Buffer.of(0, 0, 0, 0, 95), head, tail]));
    expect(Buffer.concat(sent).equals(Buffer.concat(expected))).toBe(true);
    // One that is longer than a frame is cut.
    expect(stream!.sendShared({ heads: heads.slice(0, 2), tail: Buffer.alloc(20_000) }, 0)).toBe(2);
    expect(frames().map(({ length }) => length)).toEqual([16_384, 3623, 16_384, 3623]);
  });

  test('a message that is the beginning of its array may be written over, whether it waits or not', () => {
    const peer = new WirePeer();
    peer.say(headers(1, END_STREAM | END_HEADERS), headers(3, END_STREAM | END_HEADERS));
    const [first, second] = peer.streams;
    const passing = new Uint8Array(1024).fill(7);
    expect(first!.sendMessage(passing, 3)).toBe(true);
    expect(first!.sendMessage(passing, 300)).toBe(true);
    peer.say(frame(FrameType.SETTINGS, 0, 0, '000400000000'));
    expect(second!.sendMessage(passing, 4)).toBe(false);
    passing.fill(9);
    peer.say(windowUpdate(3, 9));
    const sent = peer.answers().filter(({ type }) => type === FrameType.DATA);
    const bodies = sent.map(({ body }) => body.toString('hex'));
    expect(bodies).toEqual(['0000000003' + '07'.repeat(3), '000000012c' + '07'.repeat(300), '0000000004' + '07'.repeat(4)]);
  });

  test('a window made negative by settings must be filled first', () => {
    const peer = new WirePeer();
    peer.say(headers(1, END_STREAM | END_HEADERS));
    const [stream] = peer.streams;
    stream!.sendMessage(Buffer.alloc(60_000));
    peer.say(frame(FrameType.SETTINGS, 0, 0, '000400000000'), windowUpdate(1, 60_004));
    peer.answers();
    expect(stream!.sendMessage(Buffer.alloc(10))).toBe(false);
    expect(peer.answers()).toEqual([]);
    peer.say(windowUpdate(1, 16));
    expect(peer.answers().map(({ type, body }) => [type, body.length])).toEqual([[FrameType.DATA, 15]]);
  });
});

describe('what is kept for the other end', () => {
  const ask = (id: number) => headers(id, END_STREAM | END_HEADERS);

  test('answers that it does not take: past so many bytes no more requests are begun', () => {
    const peer = new WirePeer({ heldBytesMax: 100_000 }).say(frame(FrameType.SETTINGS, 0, 0, '000400000000'));
    for (const id of [1, 3, 5]) {
      peer.say(ask(id));
      peer.streams.at(-1)?.sendMessage(Buffer.alloc(40_000));
    }
    expect(peer.errors()).toEqual([]);
    expect(peer.say(ask(7)).errors()).toEqual([`rst 7: ${ErrorCode.REFUSED_STREAM}`]);
    peer.say(windowUpdate(1, 40_005));
    expect(peer.answers().reduce((sum, { body }) => sum + body.length, 0)).toBe(40_005);
    expect(peer.say(ask(9)).errors()).toEqual([]);
    // What is reset needs no room any more.
    peer.streams.at(-1)!.sendMessage(Buffer.alloc(40_000));
    expect(peer.say(ask(11)).errors()).toEqual([`rst 11: ${ErrorCode.REFUSED_STREAM}`]);
    expect(peer.say(rst(3), ask(13)).errors()).toEqual([]);
  });

  test('messages of which only a part comes', () => {
    const peer = new WirePeer({ heldBytesMax: 100_000 }).say(headers(1), headers(3), headers(5));
    const failed: unknown[] = [];
    const newIncoming = (stream: Stream) =>
      new Incoming({
        stream,
        messageBytesMax: 1_000_000,
        onMessage: () => true,
        onEnd: () => undefined,
        onError: (error) => failed.push(stream.id, error),
      });
    const incoming = peer.streams.map(newIncoming);
    const part = Buffer.concat([Buffer.of(0, 0, 1, 0, 0), Buffer.alloc(45_000)]);
    for (const each of incoming.slice(0, 2)) each.push(part, 0, part.length, false);
    expect(failed).toEqual([]);
    incoming[2]!.push(part, 0, part.length, false);
    expect(failed).toEqual([5, expect.objectContaining({ code: RpcCode.RESOURCE_EXHAUSTED })]);
    // The rest of another comes: there is room again.
    incoming[0]!.push(Buffer.alloc(20_536), 0, 20_536, false);
    peer.say(headers(7));
    newIncoming(peer.streams.at(-1)!).push(part, 0, part.length, false);
    expect(failed.length).toBe(2);
  });

  test('a connection’s window that grows byte by byte costs no look at streams whose own is used up', () => {
    const peer = new WirePeer().say(frame(FrameType.SETTINGS, 0, 0, '000400000001'));
    for (let id = 1; id < 2 * 9_000; id += 2) {
      peer.say(ask(id), windowUpdate(0, 1));
      peer.streams.at(-1)!.sendMessage(Buffer.alloc(100));
    }
    peer.say(ask(20_001), windowUpdate(20_001, 1_000_000));
    peer.streams.at(-1)!.sendMessage(Buffer.alloc(200_000));
    peer.answers();
    const before = process.cpuUsage();
    for (let i = 0; i < 20_000; i++) peer.say(windowUpdate(0, 1));
    const { user, system } = process.cpuUsage(before);
    expect(peer.answers().filter(({ id, body }) => id === 20_001 && body.length === 1).length).toBe(20_000);
    expect((user + system) / 1_000).toBeLessThan(1_000);
  });
});

test('a smaller table of HPACK is told to be empty, once, before the next block', () => {
  const peer = new WirePeer().say(headers(1), headers(3), headers(5));
  const size = (bytes: string) => frame(FrameType.SETTINGS, 0, 0, `0001${bytes}`);
  const answer = (stream: number) => {
    peer.streams[stream]!.sendHead(REQUEST);
    return peer.answers().at(-1)!.body.toString('hex');
  };
  peer.say(size('00001000'));
  expect(answer(0)).toBe(REQUEST.toString('hex'));
  peer.say(size('00000fff'));
  expect(answer(1)).toBe(`20${REQUEST.toString('hex')}`);
  peer.say(size('00000000'), size('00002000'), size('00000100'));
  expect(answer(2)).toBe(REQUEST.toString('hex'));
});

describe('floods are ended with ENHANCE_YOUR_CALM', () => {
  const repeated = (bytes: Buffer, times: number) => Buffer.concat(Array<Buffer>(times).fill(bytes));

  test.each<[string, Buffer]>([
    ['PING', frame(FrameType.PING, 0, 0, '0000000000000000')],
    ['PRIORITY', frame(FrameType.PRIORITY, 0, 3, '0000000010')],
    ['WINDOW_UPDATE', windowUpdate(0, 1)],
    ['empty DATA', data(1, '')],
    ['unknown frames', frame(0xee, 0, 0, '00')],
    ['RST_STREAM of what is gone', rst(3)],
  ])('%s', (_, bytes) => {
    const peer = new WirePeer().say(headers(1), headers(3), rst(3));
    expect(peer.say(repeated(bytes, 1_000)).errors()).toEqual([]);
    expect(peer.say(repeated(bytes, 1_500)).errors()).toEqual(['goaway 11']);
  });

  test('SETTINGS, also among other frames', () => {
    const settings = frame(FrameType.SETTINGS, 0, 0, '000400000001');
    const peer = new WirePeer().say(headers(1));
    for (let i = 0; i < 150; i++) peer.say(settings, data(1, '00'));
    expect(peer.errors()).toEqual([]);
    for (let i = 0; i < 100; i++) peer.say(settings, data(1, '00'));
    expect(peer.errors()).toEqual(['goaway 11']);
  });

  test('but not what goes with requests and answers', () => {
    const peer = new WirePeer();
    for (let id = 1; id < 20_000; id += 2) {
      peer.say(frame(FrameType.PING, 0, 0, '0000000000000000'), headers(id, END_STREAM | END_HEADERS));
      peer.streams.pop()!.end(block(['grpc-status', '0']));
    }
    expect(peer.errors()).toEqual([]);
  });

  test('nor a ping every ten seconds for a week', () => {
    const peer = new WirePeer();
    for (let i = 0; i < 6 * 60 * 24 * 7; i++) {
      peer.nowMs += 10_000;
      peer.say(frame(FrameType.PING, 0, 0, '0000000000000000'));
      if (i % 1_000 === 0) expect(peer.errors()).toEqual([]);
    }
    expect(peer.session.isClosed).toBe(false);
  });

  test('CONTINUATION without end: by its length, and by the number of its frames', () => {
    const peer = new WirePeer().say(headers(1, 0));
    peer.say(repeated(frame(FrameType.CONTINUATION, 0, 1, ''), 40));
    expect(peer.errors()).toEqual(['goaway 11']);
    const other = new WirePeer().say(headers(1, 0));
    other.say(repeated(frame(FrameType.CONTINUATION, 0, 1, Buffer.alloc(16_000)), 3));
    expect(other.errors()).toEqual(['goaway 11']);
  });

  test('a bomb of HPACK: a large entry, and thousands of references to it', () => {
    const peer = new WirePeer();
    const bomb = Buffer.concat([REQUEST, Buffer.from('4001617fa11e', 'hex'), Buffer.alloc(4_000, 0x61), Buffer.alloc(12_000, 0xbe)]);
    const startedAt = performance.now();
    for (let id = 1; id < 400; id += 2) peer.say(headers(id, END_HEADERS, bomb.subarray(0, 16_384)));
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    expect(peer.streams).toEqual([]);
    const errors = peer.errors();
    expect(errors.slice(0, 90)).toEqual(Array.from({ length: 90 }, (_, at) => `rst ${2 * at + 1}: 11`));
    expect(errors.at(-1)).toBe('goaway 11');
    expect(errors.length).toBeLessThan(100);
  });

  test('streams that are opened to be reset', () => {
    const peer = new WirePeer();
    let id = 1;
    const some = (count: number) => {
      for (const last = id + 2 * count; id < last; id += 2) peer.say(headers(id), rst(id));
      peer.streams.length = 0;
      return peer.errors();
    };
    expect(some(19_000)).toEqual([]);
    expect(some(2_000)).toEqual(['goaway 11']);
    // A second later some of it is forgotten.
    const patient = new WirePeer();
    for (let round = 0, stream = 1; round < 40; round++) {
      patient.nowMs += 1_000;
      for (let i = 0; i < 900; i++, stream += 2) patient.say(headers(stream), rst(stream));
      patient.streams.length = 0;
    }
    expect(patient.errors()).toEqual([]);
  });

  test('answers that nobody reads, whatever else is said meanwhile', () => {
    const peer = new WirePeer().say(headers(1));
    const pings = repeated(Buffer.concat([frame(FrameType.PING, 0, 0, '0000000000000000'), data(1, '00')]), 100);
    for (let asked = 0; !peer.session.isClosed; asked += 100) {
      expect(asked).toBeLessThan(100_000);
      peer.say(pings);
    }
    expect(peer.session.output.length).toBeLessThan(1.1 * 2 ** 20);
    expect(peer.errors()).toEqual(['goaway 11']);
  });

  test('streams that are opened for us to reset them', () => {
    const peer = new WirePeer();
    for (let id = 1; id < 2 * 21_000; id += 2) peer.say(headers(id), windowUpdate(id, 0));
    const errors = peer.errors();
    expect(errors.at(-1)).toBe('goaway 11');
    expect(errors.length).toBeGreaterThan(19_000);
    expect(peer.session.openStreams).toBe(0);
  });

  test('pings faster than allowed, where that is said', () => {
    const ping = frame(FrameType.PING, 0, 0, '0000000000000000');
    const peer = new WirePeer({ pingIntervalMinMs: 5_000 });
    for (let i = 0; i < 10; i++) {
      peer.nowMs += 5_000;
      peer.say(ping);
    }
    expect(peer.errors()).toEqual([]);
    peer.say(ping).say(ping).say(ping);
    expect(peer.errors()).toEqual(['goaway 11']);
  });
});
