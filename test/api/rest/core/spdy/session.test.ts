import { inflateSync, constants } from 'node:zlib';
import { expect, test } from 'vitest';
import { fc } from '../../../../base/property.ts';
import { concatBytes } from '../../../../../src/base/bytes.ts';
import { HEADER_BYTES_MAX, SpdyError } from '../../../../../src/base/core/spdy/frames.ts';
import { SpdySession, STREAMS_MAX } from '../../../../../src/api/rest/core/spdy/session.ts';
import { control, data, Packer, uint32 } from '../../../../base/core/spdy/packer.ts';

function open() {
  const said: string[] = [];
  const sent: Buffer[] = [];
  const session = new SpdySession({
    onOpen: (id, headers) =>
      said.push(`open ${id} ${[...headers].map(([name, value]) => `${name}=${value}`).join(' ')}`),
    onData: (id, bytes) => said.push(`data ${id} ${Buffer.from(bytes).toString('latin1')}`),
    onEnd: (id) => said.push(`end ${id}`),
    onReset: (id) => said.push(`reset ${id}`),
    onGoAway: () => said.push('go away'),
    send: (bytes) => sent.push(Buffer.from(bytes)),
  });
  return { session, said, sent };
}

/** Pieces of one frame's data count as one. */
function joined(said: readonly string[]): string[] {
  const out: string[] = [];
  for (const line of said) {
    const head = /^data \d+ /.exec(line)?.[0];
    if (head !== undefined && out.at(-1)?.startsWith(head)) out[out.length - 1] += line.slice(head.length);
    else out.push(line);
  }
  return out;
}

async function conversation(): Promise<Uint8Array> {
  const packer = new Packer();
  return concatBytes([
    await packer.open(1, { streamtype: 'error', port: '8080', requestid: '0' }, true),
    await packer.open(3, { StreamType: 'data', port: '8080', requestid: '0' }),
    data(3, 'GET / HTTP/1.1\r\n\r\n'),
    control(6, 1),
    data(3, ''),
    data(3, 'more', true),
    control(4, 0),
    control(9, 3, 100),
    control(7, 0, 0),
  ]);
}

const EXPECTED = [
  'open 1 streamtype=error port=8080 requestid=0',
  'end 1',
  'open 3 streamtype=data port=8080 requestid=0',
  'data 3 GET / HTTP/1.1\r\n\r\nmore',
  'end 3',
  'go away',
];

test('SpdySession.receive() tells of streams, data and ends, and answers pings and streams', async () => {
  const { session, said, sent } = open();
  session.receive(await conversation());
  expect(joined(said)).toEqual(EXPECTED);
  expect(sent.map((frame) => frame.subarray(0, 4).toString('hex'))).toEqual(['80030002', '80030002', '80030006']);
  expect(sent[2]?.readUInt32BE(8)).toBe(1);
});

test('however the bytes are cut, it comes to the same', async () => {
  const bytes = await conversation();
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (sizes) => {
      const { session, said } = open();
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const next = at + sizes[i % sizes.length]!;
        session.receive(bytes.subarray(at, next));
        at = next;
      }
      expect(joined(said)).toEqual(EXPECTED);
    }),
  );
});

test('a reply is what zlib reads, each flushed: Go reads no other', async () => {
  const { session, sent } = open();
  const packer = new Packer();
  session.receive(await packer.open(1, { streamtype: 'error' }));
  session.receive(await packer.open(3, { streamtype: 'data' }));
  const blocks = sent.map((frame) => frame.subarray(12));
  for (const each of blocks) expect(each.subarray(-4).toString('hex')).toBe('0000ffff');
  expect(inflateSync(Buffer.concat(blocks), { finishFlush: constants.Z_SYNC_FLUSH }).toString('hex')).toBe(
    '0000000000000000',
  );
});

test('a stream is forgotten when both have ended it, and only then', async () => {
  const { session, said } = open();
  session.receive(await new Packer().open(1, { streamtype: 'data' }));
  expect(session.send(1, Buffer.from('x'))).toBe(true);
  expect(session.send(1, Buffer.from(''), true)).toBe(true);
  expect(session.send(1, Buffer.from('late'))).toBe(false);
  session.receive(data(1, 'still heard', true));
  expect(said.slice(1)).toEqual(['data 1 still heard', 'end 1']);
  expect(session.openStreams).toBe(0);
  session.receive(data(1, 'nobody'));
  expect(said).toHaveLength(3);
});

test('after a reset nothing of a stream is told', async () => {
  const { session, said, sent } = open();
  const packer = new Packer();
  session.receive(await packer.open(1, {}));
  session.receive(await packer.open(3, {}));
  session.reset(1);
  session.receive(data(1, 'x'));
  session.receive(control(3, 3, 5));
  session.receive(data(3, 'y', true));
  expect(said).toEqual(['open 1 ', 'open 3 ', 'reset 3']);
  expect(sent.at(-1)?.subarray(0, 4).toString('hex')).toBe('80030003');
  expect(session.openStreams).toBe(0);
});

test('more streams than may be are refused one by one, and the others go on', async () => {
  const { session, sent } = open();
  const packer = new Packer();
  for (let i = 0; i <= STREAMS_MAX; i++) session.receive(await packer.open(2 * i + 1, {}));
  expect(session.openStreams).toBe(STREAMS_MAX);
  expect(sent.at(-1)?.toString('hex')).toBe(
    `8003000300000008${uint32(2 * STREAMS_MAX + 1).reduce((hex, byte) => hex + byte.toString(16).padStart(2, '0'), '')}00000003`,
  );
});

test.each([
  ['another version', Buffer.from('800200060000000400000001', 'hex')],
  ['a frame that is too large', Buffer.concat([uint32(0x80030001), uint32(HEADER_BYTES_MAX + 1)])],
  ['a frame that is too short', control(6)],
  [
    'headers that are none',
    Buffer.concat([uint32(0x80030001), uint32(14), uint32(1), uint32(0), Buffer.from('0000ffffffff', 'hex')]),
  ],
])('%s ends the connection', (_, bytes) => {
  expect(() => open().session.receive(bytes)).toThrow(SpdyError);
});

test('a number of a stream that is even, or was there, ends the connection', async () => {
  const { session } = open();
  session.receive(await new Packer().open(3, {}));
  await expect(new Packer().open(2, {}).then((bytes) => open().session.receive(bytes))).rejects.toThrow('the number 2');
  const again = new Packer();
  await again.open(1, {});
  const second = open();
  const packer = new Packer();
  second.session.receive(await packer.open(3, {}));
  const back = await packer.open(1, {});
  expect(() => second.session.receive(back)).toThrow('the number 1');
});
