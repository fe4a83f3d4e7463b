/** What clients send on connections into pods: SPDY, with its packed headers, and messages of channels. */
import { assert } from '../../src/base/assert.ts';
import { concatBytes } from '../../src/base/bytes.ts';
import { readCommandMessage } from '../../src/api/rest/core/command-channels.ts';
import { SPDY_DICTIONARY } from '../../src/base/core/spdy/dictionary.ts';
import { SpdyError } from '../../src/base/core/spdy/frames.ts';
import { InflateError, Inflater } from '../../src/base/core/spdy/inflate.ts';
import { SpdySession, STREAMS_MAX } from '../../src/api/rest/core/spdy/session.ts';
import { control, data, Packer } from '../base/core/spdy/packer.ts';
import { refuses, type FuzzTarget } from './target.ts';

/** A server's session, which must come to the same however the bytes were cut. */
const spdy: FuzzTarget = {
  name: 'spdy',
  async seeds() {
    const packer = new Packer();
    const second = new Packer(0);
    return [
      concatBytes([
        await packer.open(1, { streamtype: 'error', port: '80', requestid: '0' }, true),
        await packer.open(3, { streamtype: 'data', port: '80', requestid: '0' }),
        data(3, 'GET / HTTP/1.1\r\n\r\n'),
        control(6, 1),
        await packer.open(5, { streamtype: 'stdin' }),
        control(3, 5, 5),
        data(3, '', true),
      ]),
      concatBytes([await second.open(1, { streamtype: 'resize' }), data(1, '{"Width":80,"Height":24}'), control(4, 0), control(9, 1, 65_536), control(7, 0, 0)]),
    ];
  },
  run(bytes) {
    const whole = outcomeOf([bytes]);
    const at = bytes.length === 0 ? 0 : (bytes[0]! * 7 + bytes.length * 13) % bytes.length;
    const cut = outcomeOf([bytes.subarray(0, at), bytes.subarray(at)]);
    assert(whole.text === cut.text, `cut at ${at} it comes to the same`);
    return whole.isRead;
  },
};

function outcomeOf(chunks: readonly Uint8Array[]): { readonly text: string; readonly isRead: boolean } {
  const said: string[] = [];
  const lengths = new Map<number, number>();
  let sent = 0;
  const session = new SpdySession({
    onOpen: (id, headers) => said.push(`open ${id} ${JSON.stringify([...headers])}`),
    onData: (id, bytes) => void lengths.set(id, (lengths.get(id) ?? 0) + bytes.length),
    onEnd: (id) => said.push(`end ${id}`),
    onReset: (id) => said.push(`reset ${id}`),
    onGoAway: () => said.push('go away'),
    send: (bytes) => (sent += bytes.length),
  });
  let isRead = true;
  try {
    for (const chunk of chunks) session.receive(chunk);
  } catch (error) {
    isRead = refuses(error, SpdyError);
    said.push('refused');
  }
  assert(session.openStreams <= STREAMS_MAX, 'no more streams than may be');
  const all = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  assert(sent <= 4 * all + 64, 'few bytes in, few bytes out');
  return { text: `${said.join('\n')}\n${JSON.stringify([...lengths])}\n${sent}`, isRead };
}

const inflate: FuzzTarget = {
  name: 'inflate',
  async seeds() {
    const texts = [Buffer.from('streamtype error port 8080 '.repeat(30)), Buffer.from(SPDY_DICTIONARY), Buffer.from(Array.from({ length: 2_000 }, (_, i) => (i * i) & 255))];
    return Promise.all(texts.flatMap((text) => [0, 1, 9].map((level) => new Packer(level).pack(text))));
  },
  run(bytes) {
    try {
      const out = new Inflater({ dictionary: SPDY_DICTIONARY, bytesMax: 16 * 1024 }).inflate(bytes);
      assert(out.length <= 16 * 1024, 'no more than may be');
    } catch (error) {
      return refuses(error, InflateError);
    }
    return true;
  },
};

const channels: FuzzTarget = {
  name: 'command-channels',
  async seeds() {
    return ['\0typed', '\x04{"Width":80,"Height":24}', '\xff\0'].map((text) => Buffer.from(text, 'latin1'));
  },
  run(bytes) {
    return readCommandMessage(bytes, 'v5.channel.k8s.io').kind !== 'none';
  },
};

export const STREAM_TARGETS: readonly FuzzTarget[] = [spdy, inflate, channels];
