/** The other end of a session, in frames: what it says, and what the session answers. */
import { FrameOutput } from '../../../src/grpc/lean/core/frame-output.ts';
import { FrameParser } from '../../../src/grpc/lean/core/frame-parser.ts';
import { encodeBlock } from '../../../src/grpc/lean/core/hpack-encoder.ts';
import { Flag, FrameType, PREFACE } from '../../../src/grpc/lean/core/protocol.ts';
import { Session } from '../../../src/grpc/lean/core/session.ts';
import type { SessionEvents } from '../../../src/grpc/lean/core/session-context.ts';
import { SessionSettings } from '../../../src/grpc/lean/core/settings.ts';
import type { Stream } from '../../../src/grpc/lean/core/stream.ts';

export const REQUEST = encodeBlock([
  { name: ':method', value: 'POST' },
  { name: ':scheme', value: 'http' },
  { name: ':path', value: '/a/b' },
  { name: 'te', value: 'trailers' },
  { name: 'content-type', value: 'application/grpc' },
]);

export interface Answered {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly body: Buffer;
}

/** A server's session; its streams are kept, and consume what they get unless told otherwise. */
export class WirePeer {
  readonly session: Session;
  readonly streams: Stream[] = [];
  readonly resets: number[] = [];
  received = 0;
  consumes = true;
  nowMs = 0;

  constructor(settings: Partial<SessionSettings> = {}, { greets = true } = {}) {
    const events: SessionEvents = {
      onRequest: (stream) => {
        this.streams.push(stream);
        stream.events = {
          onHead: () => undefined,
          onData: (_, start, end) => {
            this.received += end - start;
            if (this.consumes) stream.consumed(end - start);
          },
          onReset: (code) => this.resets.push(code),
          onDrained: () => undefined,
        };
      },
      onOutput: () => undefined,
      onReady: () => undefined,
      onPong: () => undefined,
      onGoAway: () => undefined,
      onStreamClosed: () => undefined,
    };
    this.session = new Session('server', new SessionSettings(settings), events);
    if (!greets) return;
    this.say(Buffer.concat([PREFACE, Buffer.from('000000040000000000', 'hex')]));
    this.answers();
  }

  say(...frames: readonly Uint8Array[]): this {
    this.session.receive(Buffer.concat(frames), this.nowMs);
    return this;
  }

  /** What was said since it was last asked. */
  answers(): Answered[] {
    const all: Answered[] = [];
    new FrameParser({ hasPreface: false, frameBytesMax: 2 ** 24 }).push(Buffer.concat(this.session.output.take()), {
      onFrame: (type, flags, id, bytes, start, end) => all.push({ type, flags, id, body: Buffer.from(bytes.subarray(start, end)) }),
    });
    return all;
  }

  /** "goaway 1", "rst 3: 5", or nothing of the kind. */
  errors(): string[] {
    return this.answers().flatMap(({ type, id, body }) => {
      if (type === FrameType.GOAWAY) return [`goaway ${body.readUInt32BE(4)}`];
      return type === FrameType.RST_STREAM ? [`rst ${id}: ${body.readUInt32BE(0)}`] : [];
    });
  }
}

export function frame(type: number, flags: number, id: number, body: Uint8Array | string = ''): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body, 'hex') : body;
  const output = new FrameOutput();
  output.header(bytes.length, type, flags, id);
  output.bytes(bytes);
  return Buffer.concat(output.take());
}

export const headers = (id: number, flags: number = Flag.END_HEADERS, block: Uint8Array = REQUEST) =>
  frame(FrameType.HEADERS, flags, id, block);
export const data = (id: number, body: Uint8Array | string, flags = 0) => frame(FrameType.DATA, flags, id, body);
export const rst = (id: number) => frame(FrameType.RST_STREAM, 0, id, '00000008');
export const windowUpdate = (id: number, increment: number) => {
  const body = Buffer.alloc(4);
  body.writeUInt32BE(increment);
  return frame(FrameType.WINDOW_UPDATE, 0, id, body);
};
