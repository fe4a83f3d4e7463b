/**
 * One connection of HTTP/2 (RFC 9113), either end of it, as a machine: bytes in, events out; frames to send gather in
 * `output`, which the shell (connection.ts) empties. It knows streams, windows, settings and how much nonsense it takes
 * from the other end; what calls are, it does not.
 *
 *   bytes ─► FrameParser ─► Session ─┬─ HEADERS, DATA ─────► StreamInput ──► Stream.events     StreamTable: which streams
 *                                    ├─ WINDOW_UPDATE ─────► StreamOutput ◄── Stream.send…       there are, how they end
 *                                    └─ the rest is its own       └─► FrameOutput               Patience: floods
 */
import { FrameOutput } from './frame-output.ts';
import { FrameParser, type FrameSink } from './frame-parser.ts';
import { readHead, type Head } from './head.ts';
import { checkPriority, HeaderBlocks } from './header-blocks.ts';
import { Patience } from './patience.ts';
import { ConnectionError, ErrorCode, Flag, FrameType, PREFACE, StreamError, STREAM_ID_MAX } from './protocol.ts';
import type { SessionContext, SessionEvents } from './session-context.ts';
import { RemoteSettings, type SessionSettings } from './settings.ts';
import { StreamInput } from './stream-input.ts';
import { StreamOutput } from './stream-output.ts';
import { StreamTable } from './stream-table.ts';
import type { SharedMessages, Stream, StreamOwner } from './stream.ts';

export class Session implements FrameSink, StreamOwner {
  readonly output = new FrameOutput();
  readonly #context: SessionContext;
  readonly #events: SessionEvents;
  readonly #remote = new RemoteSettings();
  readonly #parser: FrameParser;
  readonly #blocks: HeaderBlocks<Head>;
  readonly #patience: Patience;
  readonly #table: StreamTable;
  readonly #input: StreamInput;
  readonly #outgoing: StreamOutput;
  #isReady = false;
  #isClosed = false;
  #remoteGoesAway = false;

  constructor(role: 'client' | 'server', settings: SessionSettings, events: SessionEvents) {
    const isServer = role === 'server';
    this.#events = events;
    this.#parser = new FrameParser({ hasPreface: isServer });
    this.#blocks = new HeaderBlocks(readHead, settings.headerListBytesMax);
    this.#patience = new Patience(settings);
    this.#context = { isServer, settings, remote: this.#remote, output: this.output, patience: this.#patience, events };
    this.#table = new StreamTable(this.#context, this);
    this.#input = new StreamInput(this.#context, this.#table);
    this.#outgoing = new StreamOutput(this.#context, this.#table);
    this.#greet();
  }

  get openStreams(): number {
    return this.#table.size;
  }

  get streams(): readonly Stream[] {
    return this.#table.all;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** A client's: whether it may open a stream now. */
  get canOpen(): 'yes' | 'later' | 'never' {
    if (this.#isClosed || this.#remoteGoesAway || !this.#table.canNumber) return 'never';
    return this.#isReady && this.#table.size < this.#remote.streamsMax ? 'yes' : 'later';
  }

  /** False: the connection is over, and what is in `output` says why. Never throws for what came. */
  receive(chunk: Buffer, nowMs: number): boolean {
    if (this.#isClosed) return false;
    this.#patience.now(nowMs);
    try {
      this.#parser.push(chunk, this);
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      this.close(error.code, error.message);
    }
    return !this.#isClosed;
  }

  // ── What the owner does ────────────────────────────────────────────────────────

  /** A client's next stream; only where {@link canOpen} says yes. */
  open(): Stream {
    return this.#table.open();
  }

  /** §6.8: first says that it will end, and with `final` which stream was the last; streams that run go on. */
  goAway(isFinal: boolean): void {
    if (this.#isClosed) return;
    if (isFinal) this.#table.acceptNoMore();
    this.output.goAway(isFinal ? this.#table.acceptedIdMax : STREAM_ID_MAX, ErrorCode.NO_ERROR, '');
    this.#events.onOutput();
  }

  ping(data: Uint8Array): void {
    if (this.#isClosed) return;
    this.output.ping(data, false);
    this.#events.onOutput();
  }

  /** Ends the connection and all of its streams. */
  close(code: ErrorCode, why: string): void {
    if (this.#isClosed) return;
    this.output.goAway(this.#table.lastRemoteId, code, why);
    this.abandon(code);
    this.#events.onOutput();
  }

  /** The same without a word, where nobody hears it. */
  abandon(code: ErrorCode = ErrorCode.CANCEL): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const stream of this.#table.all) this.#table.drop(stream, code);
  }

  /** A handler goes on for a stream that was reset; and has ended. */
  orphaned(change: 1 | -1): void {
    this.#table.orphans += change;
  }

  /** Whether {@link resetAnswered} has something to do, once what is in `output` has left. */
  get hasAnswered(): boolean {
    return this.#table.hasAnswered;
  }

  /**
   * §8.1: where the answer is complete, what is still to come of the request is for nobody. Said a while after the answer,
   * as Node.js drops one that a reset follows in the same packet; and not as NO_ERROR, on which it waits for room to go on.
   */
  resetAnswered(): void {
    for (const stream of this.#table.takeAnswered()) this.reset(stream, ErrorCode.CANCEL);
  }

  /** How it is with the socket. What waited goes on once it takes more. */
  holdBack(isHeldBack: boolean): void {
    this.#outgoing.holdBack(isHeldBack);
  }

  // ── What its streams do ──────────────────────────────────────────────────────

  sendHead(stream: Stream, block: Uint8Array, endStream: boolean): void {
    this.#outgoing.head(stream, block, endStream);
  }

  sendMessage(stream: Stream, message: Uint8Array, length: number): boolean {
    return this.#outgoing.message(stream, message, length);
  }

  sendShared(stream: Stream, messages: SharedMessages, from: number): number {
    return this.#outgoing.shared(stream, messages, from);
  }

  sendBytes(stream: Stream, bytes: Uint8Array): boolean {
    return this.#outgoing.bytes(stream, bytes);
  }

  sendEnd(stream: Stream, trailers: Uint8Array | undefined): void {
    this.#outgoing.end(stream, trailers);
  }

  consumed(stream: Stream, count: number): void {
    this.#input.consumed(stream, count);
  }

  holds(stream: Stream, partialBytes: number): boolean {
    return this.#table.holds(stream, partialBytes);
  }

  reset(stream: Stream, code: ErrorCode): void {
    this.#table.reset(stream, code);
  }

  // ── Frames that come ───────────────────────────────────────────────────────────────────────────────────────────────

  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    if (this.#isClosed) return;
    if (!this.#isReady && (type !== FrameType.SETTINGS || (flags & Flag.ACK) !== 0)) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'no SETTINGS to begin with');
    }
    try {
      this.#blocks.expect(type, streamId);
      this.#dispatch(type, flags, streamId, bytes, start, end);
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      this.#table.refuse(error.streamId, error.code);
    }
  }

  #dispatch(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    switch (type) {
      case FrameType.DATA:
        return this.#input.data(flags, streamId, bytes, start, end);
      case FrameType.HEADERS:
      case FrameType.CONTINUATION: {
        if (streamId === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'HEADERS of no stream');
        const block = this.#blocks.take(type, flags, streamId, bytes, start, end);
        if (block !== undefined) this.#input.head(streamId, block);
        return;
      }
      case FrameType.SETTINGS:
        return this.#onSettings(flags, streamId, bytes.subarray(start, end));
      case FrameType.WINDOW_UPDATE:
        return this.#onWindowUpdate(streamId, bytes.subarray(start, end));
      case FrameType.RST_STREAM:
        return this.#onReset(streamId, bytes.subarray(start, end));
      case FrameType.PING:
        return this.#onPing(flags, streamId, bytes.subarray(start, end));
      case FrameType.GOAWAY:
        return this.#onGoAway(streamId, bytes.subarray(start, end));
      case FrameType.PRIORITY:
        this.#patience.spend();
        return checkPriority(streamId, bytes.subarray(start, end));
      case FrameType.PUSH_PROMISE:
        throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'PUSH_PROMISE was not allowed');
      default:
        this.#patience.spend(); // §5.5: ignored
    }
  }

  #onSettings(flags: number, streamId: number, payload: Buffer): void {
    if (streamId !== 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'SETTINGS of a stream');
    if ((flags & Flag.ACK) !== 0) {
      if (payload.length > 0) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'an acknowledgement with settings');
      return this.#patience.spend();
    }
    this.#patience.settled();
    const change = this.#remote.apply(payload);
    if (change !== 0) this.#outgoing.changeAll(change);
    this.output.settingsAck();
    this.#patience.owe(this.output.length);
    this.#events.onOutput();
    if (!this.#isReady) {
      this.#isReady = true;
      this.#events.onReady();
    }
    if (change > 0) this.#outgoing.sendWaiting();
  }

  #onWindowUpdate(streamId: number, payload: Buffer): void {
    if (payload.length !== 4) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'WINDOW_UPDATE of another length');
    const increment = payload.readUInt32BE(0) & 0x7fffffff;
    this.#patience.spend();
    if (streamId === 0) {
      if (increment === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a window that grows by nothing');
      return this.#outgoing.growConnection(increment);
    }
    const stream = this.#table.get(streamId);
    if (stream === undefined) return this.#table.checkNotIdle(streamId);
    if (increment === 0) throw new StreamError(streamId, ErrorCode.PROTOCOL_ERROR, 'a window that grows by nothing');
    this.#outgoing.growStream(stream, increment);
  }

  #onReset(streamId: number, payload: Buffer): void {
    if (payload.length !== 4) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'RST_STREAM of another length');
    if (streamId === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'RST_STREAM of no stream');
    this.#table.checkNotIdle(streamId);
    const stream = this.#table.get(streamId);
    if (stream === undefined) return this.#patience.spend();
    if (this.#context.isServer) this.#patience.wasReset();
    stream.isRemoteClosed = true;
    this.#table.drop(stream, payload.readUInt32BE(0) as ErrorCode); // others are taken for one that is none of ours
  }

  #onPing(flags: number, streamId: number, payload: Buffer): void {
    if (streamId !== 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'PING of a stream');
    if (payload.length !== 8) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'PING of another length');
    if ((flags & Flag.ACK) !== 0) {
      this.#patience.spend();
      return this.#events.onPong();
    }
    this.#patience.pinged();
    this.output.ping(payload, true);
    this.#patience.owe(this.output.length);
    this.#events.onOutput();
  }

  #onGoAway(streamId: number, payload: Buffer): void {
    if (streamId !== 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'GOAWAY of a stream');
    if (payload.length < 8) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'GOAWAY of another length');
    this.#patience.spend();
    this.#remoteGoesAway = true;
    const last = payload.readUInt32BE(0) & 0x7fffffff;
    if (!this.#context.isServer) {
      for (const stream of this.#table.all) if (stream.id > last) this.#table.drop(stream, ErrorCode.REFUSED_STREAM);
    }
    this.#events.onGoAway(payload.readUInt32BE(4), payload.toString('utf8', 8));
  }

  #greet(): void {
    const { isServer, settings } = this.#context;
    if (!isServer) this.output.bytes(PREFACE);
    this.output.settings(settings.announced(isServer));
    const increment = this.#input.open();
    if (increment > 0) this.output.windowUpdate(0, increment);
    this.#events.onOutput();
  }
}
