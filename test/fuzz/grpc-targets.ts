/** What the lean gRPC transport parses: whole connections, and blocks of headers one after the other. */
import { assert } from '../../src/base/assert.ts';
import { HpackDecoder } from '../../src/grpc/lean/core/hpack-decoder.ts';
import { readHead } from '../../src/grpc/lean/core/head.ts';
import { ConnectionError, Flag, PREFACE } from '../../src/grpc/lean/core/protocol.ts';
import { data, frame, headers, rst, WirePeer, windowUpdate } from '../grpc/lean/wire-peer.ts';
import { refuses, type FuzzTarget } from './target.ts';

const GREETING = Buffer.concat([PREFACE, Buffer.from('00000c04000000000000040000ffff000500004000', 'hex')]);

/** A server's session: it may hang up with a code, and must do the same however the bytes were cut. */
const http2: FuzzTarget = {
  name: 'http2',
  async seeds() {
    const call = [headers(1), data(1, '0000000001ff', Flag.END_STREAM)];
    return [
      [...call, headers(3, Flag.END_HEADERS | Flag.END_STREAM), windowUpdate(0, 5), windowUpdate(3, 7)],
      [headers(1, 0).subarray(0), frame(9, Flag.END_HEADERS, 1, ''), data(1, '02000000', Flag.PADDED), rst(1)],
      [frame(6, 0, 0, '0011223344556677'), frame(2, 0, 5, '0000000010'), frame(7, 0, 0, '0000000000000000'), ...call],
      [headers(1), data(1, '00'), data(1, '0000'), headers(1, Flag.END_HEADERS | Flag.END_STREAM, Buffer.from('0001610162', 'hex'))],
    ].map((frames) => Buffer.concat([GREETING, ...frames]));
  },
  run(bytes) {
    const whole = outcomeOf([Buffer.from(bytes)]);
    const at = bytes.length === 0 ? 0 : (bytes[0]! * 7 + bytes.length * 13) % bytes.length;
    const cut = outcomeOf([Buffer.from(bytes.subarray(0, at)), Buffer.from(bytes.subarray(at))]);
    assert(whole.text === cut.text, `cut at ${at} it comes to the same`);
    return !whole.isClosed;
  },
};

function outcomeOf(chunks: readonly Buffer[]): { readonly text: string; readonly isClosed: boolean } {
  const peer = new WirePeer({}, { greets: false });
  for (const chunk of chunks) peer.session.receive(chunk, 0);
  for (const stream of peer.streams) {
    stream.sendMessage(Buffer.alloc(3));
    stream.end();
  }
  assert(peer.session.output.length < 64 * 1024, 'few bytes in, few bytes out');
  const said = peer.answers().map(({ type, flags, id, body }) => `${type} ${flags} ${id} ${body.toString('hex')}`);
  return { text: said.join('\n'), isClosed: peer.session.isClosed };
}

/** Blocks, each behind its length; a decoder that remembers must read what one that does not remember reads. */
const hpack: FuzzTarget = {
  name: 'hpack',
  async seeds() {
    const blocks = [
      ['828684418cf1e3c2e5f23a6ba0ab90f4ff', '828684be5886a8eb10649cbf', '828684be', '828684be'],
      ['400a637573746f6d2d6b65790d637573746f6d2d686561646572', 'be', 'be', '3fe10f82', 'be'],
      ['20', '3f01', '040c2f73616d706c652f70617468', '82', '82'],
    ];
    return blocks.map((each) =>
      Buffer.concat(each.map((hex) => Buffer.concat([Buffer.of(hex.length / 2), Buffer.from(hex, 'hex')]))),
    );
  },
  run(bytes) {
    const all = Buffer.from(bytes);
    const remembers = new HpackDecoder((fields) => ({ fields, head: readHead(fields) }), { listBytesMax: 4_096 });
    const plain = new HpackDecoder((fields) => ({ fields, head: readHead(fields) }), { listBytesMax: 4_096 });
    try {
      for (let at = 0; at < all.length; ) {
        const end = Math.min(all.length, at + 1 + all[at]!);
        plain.forget();
        const again = plain.decode(all, at + 1, end);
        const first = remembers.decode(all, at + 1, end);
        assert(JSON.stringify(first.fields) === JSON.stringify(again.fields), 'what is remembered is what is read');
        at = end;
      }
    } catch (error) {
      return refuses(error, ConnectionError);
    }
    return true;
  },
};

export const GRPC_TARGETS: readonly FuzzTarget[] = [http2, hpack];
