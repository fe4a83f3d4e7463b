/**
 * One connection of HTTP/2 (RFC 9113), either end of it, as a machine: bytes in, events out; frames to send gather in
 * `output`, which the shell (connection.ts) empties. It knows streams, windows, settings and how much nonsense it takes
 * from the other end; what calls are, it does not.
 */
import { FrameOutput } from './frame-output.ts';
import { FrameParser, type FrameSink } from './frame-parser.ts';
import { readHead, type Head, type RequestHead } from './head.ts';
import { HeaderBlocks } from './header-blocks.ts';
import { Patience } from './patience.ts';
import { PREFIX_BYTES } from './message-reader.ts';
import {
  ConnectionError,
  ErrorCode,
  Flag,
  FrameType,
  PREFACE,
  StreamError,
  STREAM_ID_MAX,
  WINDOW_DEFAULT,
  WINDOW_MAX,
} from './protocol.ts';
import { RemoteSettings, type SessionSettings } from './settings.ts';
import { Stream, type StreamOwner } from './stream.ts';
import { ReceiveWindow, SendWindow } from './windows.ts';

export interface SessionEvents {
  /** A stream that the other end has opened: `stream.events` is to be set. */
  onRequest(stream: Stream, head: RequestHead, endStream: boolean): void;
  /** There is something in `output` that was not there before. */
  onOutput(): void;
  /** The other end's first settings are here: it speaks HTTP/2. */
  onReady(): void;
  onPong(): void;
  /** The other end takes no more streams, and none past `lastStreamId`; those are reset as refused before this is called. */
  onGoAway(code: number, debug: string): void;
  onStreamClosed(): void;
}

/** Answers that wait to be written, over all streams: past it they wait in their streams. */
const OUTPUT_BYTES_MAX = 256 * 1024;
/** Streams that ended lately. */
const RECENT_MAX = 256;

export class Session implements FrameSink, StreamOwner {
  readonly output = new FrameOutput();
  readonly remote = new RemoteSettings();
  readonly #events: SessionEvents;
  readonly #settings: SessionSettings;
  readonly #isServer: boolean;
  readonly #parser: FrameParser;
  readonly #blocks: HeaderBlocks<Head>;
  readonly #patience: Patience;
  readonly #streams = new Map<number, Stream>();
  /** Streams with something that waits. */
  readonly #waiting = new Set<Stream>();
  /** Streams of a server that are answered before they were asked to the end. */
  readonly #answered: Stream[] = [];
  readonly #sendWindow = new SendWindow(WINDOW_DEFAULT);
  readonly #receiveWindow: ReceiveWindow;
  /** Negative: the other end knows that it has ended, and has no reason to go on with it. */
  readonly #recent = new Int32Array(RECENT_MAX);
  #recentAt = 0;
  /** The highest id that either end has opened; of the other end, and of ours. */
  #lastRemoteId = 0;
  #nextId: number;
  #isReady = false;
  #isClosed = false;
  /** The socket does not keep up: DATA waits. */
  #isHeldBack = false;
  /** Streams past it are not taken any more. */
  #acceptedIdMax = STREAM_ID_MAX;
  #remoteGoesAway = false;
  /** Handlers that still run for streams that were reset: they count as streams, or a reset would make room for more work. */
  orphans = 0;

  constructor(role: 'client' | 'server', settings: SessionSettings, events: SessionEvents) {
    this.#events = events;
    this.#settings = settings;
    this.#isServer = role === 'server';
    this.#nextId = 1;
    this.#parser = new FrameParser({ hasPreface: this.#isServer });
    this.#blocks = new HeaderBlocks(readHead, settings.headerListBytesMax);
    this.#patience = new Patience(settings);
    this.#receiveWindow = new ReceiveWindow(settings.connectionWindowBytes, WINDOW_DEFAULT);
    this.#greet();
  }

  get openStreams(): number {
    return this.#streams.size;
  }

  get streams(): readonly Stream[] {
    return [...this.#streams.values()];
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** A client's: whether it may open a stream now. */
  get canOpen(): 'yes' | 'later' | 'never' {
    if (this.#isClosed || this.#remoteGoesAway || this.#nextId > STREAM_ID_MAX) return 'never';
    return this.#isReady && this.#streams.size < this.remote.streamsMax ? 'yes' : 'later';
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

  // ── What the owner does ────────────────────────────────────────────────────────────────────────────────────────────

  /** A client's next stream; only where {@link canOpen} says yes. */
  open(): Stream {
    const stream = this.#newStream(this.#nextId);
    this.#nextId += 2;
    return stream;
  }

  /** §6.8: first says that it will end, and with `final` which stream was the last; streams that run go on. */
  goAway(isFinal: boolean): void {
    if (this.#isClosed) return;
    if (isFinal) this.#acceptedIdMax = Math.min(this.#acceptedIdMax, this.#lastRemoteId);
    this.output.goAway(isFinal ? this.#acceptedIdMax : STREAM_ID_MAX, ErrorCode.NO_ERROR, '');
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
    this.output.goAway(this.#lastRemoteId, code, why);
    this.abandon(code);
    this.#events.onOutput();
  }

  /** The same without a word, where nobody hears it. */
  abandon(code: ErrorCode = ErrorCode.CANCEL): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const stream of [...this.#streams.values()]) this.#drop(stream, code);
  }

  /** Whether {@link resetAnswered} has something to do, once what is in `output` has left. */
  get hasAnswered(): boolean {
    return this.#answered.length > 0;
  }

  /**
   * §8.1: where the answer is complete, what is still to come of the request is for nobody. Said a while after the
   * answer, as Node.js drops one that a reset follows in the same packet; and not as NO_ERROR, on which it goes on waiting for
   * room to send the rest.
   */
  resetAnswered(): void {
    for (const stream of this.#answered.splice(0)) if (!stream.isClosed) this.reset(stream, ErrorCode.CANCEL);
  }

  /** How it is with the socket. What waited goes on once it takes more. */
  holdBack(isHeldBack: boolean): void {
    this.#isHeldBack = isHeldBack;
    if (!isHeldBack) this.#sendWaiting();
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
      this.#refuse(error.streamId, error.code);
    }
  }

  #dispatch(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    switch (type) {
      case FrameType.DATA:
        return this.#onData(flags, streamId, bytes, start, end);
      case FrameType.HEADERS:
      case FrameType.CONTINUATION: {
        if (streamId === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'HEADERS of no stream');
        const block = this.#blocks.take(type, flags, streamId, bytes, start, end);
        if (block !== undefined) this.#onHead(streamId, block.meaning, block.endStream, block.dependsOnItself);
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
        return this.#onPriority(streamId, bytes.subarray(start, end));
      case FrameType.PUSH_PROMISE:
        throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'PUSH_PROMISE was not allowed');
      default:
        this.#patience.spend(); // §5.5: ignored
    }
  }

  #onData(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    const length = end - start;
    if (streamId === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'DATA of no stream');
    if (!this.#receiveWindow.take(length)) {
      throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, 'more DATA than the connection’s window');
    }
    const endStream = (flags & Flag.END_STREAM) !== 0;
    if (length === 0 && !endStream) this.#patience.spend();
    else this.#patience.restore();
    const stream = this.#streams.get(streamId);
    if (stream === undefined || stream.isRemoteClosed) {
      this.#giveBack(length);
      this.#checkNotIdle(streamId);
      // Ended by us: what was on its way meanwhile is nobody's fault.
      if (stream === undefined && this.#recent.includes(streamId)) return this.#patience.spend();
      throw new StreamError(streamId, ErrorCode.STREAM_CLOSED, 'DATA behind the end');
    }
    if (!stream.receiveWindow.take(length)) {
      this.#giveBack(length);
      throw new StreamError(streamId, ErrorCode.FLOW_CONTROL_ERROR, 'more DATA than the stream’s window');
    }
    let from = start;
    let to = end;
    if ((flags & Flag.PADDED) !== 0) {
      const padding = length === 0 ? 0 : bytes[start]! + 1;
      if (padding > length || length === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'more padding than frame');
      from = start + 1;
      to = end - padding + 1;
      stream.consumed(padding);
    }
    this.#checkLength(stream, to - from, endStream);
    if (endStream) stream.isRemoteClosed = true;
    stream.events?.onData(bytes, from, to, endStream);
    if (endStream) this.#closeIfDone(stream);
  }

  #checkLength(stream: Stream, length: number, endStream: boolean): void {
    if (stream.bytesAwaited < 0) return;
    stream.bytesAwaited -= length;
    if (stream.bytesAwaited >= 0 && (!endStream || stream.bytesAwaited === 0)) return;
    this.#giveBack(length);
    throw new StreamError(stream.id, ErrorCode.PROTOCOL_ERROR, 'not as long as its content-length');
  }

  #onHead(streamId: number, head: Head, endStream: boolean, dependsOnItself: boolean): void {
    const stream = this.#streams.get(streamId);
    if (stream === undefined) {
      if (this.#isServer) this.#onRequest(streamId, head, endStream, dependsOnItself);
      else this.#checkNotIdle(streamId);
      return;
    }
    if (dependsOnItself) throw new StreamError(streamId, ErrorCode.PROTOCOL_ERROR, 'a stream that depends on itself');
    if (stream.isRemoteClosed) throw new StreamError(streamId, ErrorCode.STREAM_CLOSED, 'HEADERS behind the end');
    const isOutOfPlace = this.#isServer ? head.kind !== 'trailers' : head.kind === 'request';
    if (head.kind === 'malformed' || isOutOfPlace || (head.kind === 'trailers' && !endStream)) {
      throw new StreamError(streamId, ErrorCode.PROTOCOL_ERROR, 'HEADERS that are malformed');
    }
    this.#patience.restore();
    if (endStream) {
      this.#checkLength(stream, 0, true);
      stream.isRemoteClosed = true;
    }
    stream.events?.onHead(head, endStream);
    if (endStream) this.#closeIfDone(stream);
  }

  #onRequest(streamId: number, head: Head, endStream: boolean, dependsOnItself: boolean): void {
    if (streamId % 2 === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a stream with an even number');
    if (streamId <= this.#lastRemoteId) {
      if (!this.#isRecent(streamId)) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a stream that goes back');
      throw new ConnectionError(ErrorCode.STREAM_CLOSED, 'HEADERS of a stream that has ended');
    }
    if (streamId > this.#acceptedIdMax) return; // §6.8: it is told that it was not taken
    this.#lastRemoteId = streamId;
    if (head.kind === 'too-large') return this.#refuse(streamId, ErrorCode.ENHANCE_YOUR_CALM);
    if (head.kind !== 'request' || dependsOnItself) return this.#refuse(streamId, ErrorCode.PROTOCOL_ERROR);
    if (this.#streams.size + this.orphans >= this.#settings.streamsMax) {
      return this.#refuse(streamId, ErrorCode.REFUSED_STREAM);
    }
    this.#patience.restore();
    const stream = this.#newStream(streamId);
    stream.isRemoteClosed = endStream;
    if (head.contentLength !== undefined) stream.bytesAwaited = head.contentLength;
    if (endStream && stream.bytesAwaited > 0) return this.#refuse(streamId, ErrorCode.PROTOCOL_ERROR);
    this.#events.onRequest(stream, head, endStream);
    if (endStream) this.#closeIfDone(stream);
  }

  #onSettings(flags: number, streamId: number, payload: Buffer): void {
    if (streamId !== 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'SETTINGS of a stream');
    if ((flags & Flag.ACK) !== 0) {
      if (payload.length > 0) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'an acknowledgement with settings');
      return this.#patience.spend();
    }
    this.#patience.spend();
    const change = this.remote.apply(payload);
    if (change !== 0) {
      for (const stream of this.#streams.values()) {
        stream.sendWindow += change;
        if (stream.sendWindow > WINDOW_MAX) throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, 'a window that is too large');
      }
    }
    this.output.settingsAck();
    this.#patience.owe(this.output.length);
    this.#events.onOutput();
    if (!this.#isReady) {
      this.#isReady = true;
      this.#events.onReady();
    }
    if (change > 0) this.#sendWaiting();
  }

  #onWindowUpdate(streamId: number, payload: Buffer): void {
    if (payload.length !== 4) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'WINDOW_UPDATE of another length');
    const increment = payload.readUInt32BE(0) & 0x7fffffff;
    this.#patience.spend();
    if (streamId === 0) {
      if (increment === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a window that grows by nothing');
      if (!this.#sendWindow.grow(increment)) throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, 'a window that is too large');
      return this.#sendWaiting();
    }
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return this.#checkNotIdle(streamId);
    if (increment === 0) throw new StreamError(streamId, ErrorCode.PROTOCOL_ERROR, 'a window that grows by nothing');
    stream.sendWindow += increment;
    if (stream.sendWindow > WINDOW_MAX) throw new StreamError(streamId, ErrorCode.FLOW_CONTROL_ERROR, 'a window that is too large');
    if (this.#waiting.has(stream)) this.#sendWaiting();
  }

  #onReset(streamId: number, payload: Buffer): void {
    if (payload.length !== 4) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'RST_STREAM of another length');
    if (streamId === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'RST_STREAM of no stream');
    this.#checkNotIdle(streamId);
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return this.#patience.spend();
    if (this.#isServer) this.#patience.wasReset();
    stream.isRemoteClosed = true;
    this.#drop(stream, payload.readUInt32BE(0) as ErrorCode); // others are taken for one that is none of ours
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
    if (!this.#isServer) {
      for (const stream of [...this.#streams.values()]) if (stream.id > last) this.#drop(stream, ErrorCode.REFUSED_STREAM);
    }
    this.#events.onGoAway(payload.readUInt32BE(4), payload.toString('utf8', 8));
  }

  /** §5.3.2: checked and not used. */
  #onPriority(streamId: number, payload: Buffer): void {
    if (streamId === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'PRIORITY of no stream');
    this.#patience.spend();
    if (payload.length !== 5) throw new StreamError(streamId, ErrorCode.FRAME_SIZE_ERROR, 'PRIORITY of another length');
    if ((payload.readUInt32BE(0) & 0x7fffffff) === streamId) {
      throw new StreamError(streamId, ErrorCode.PROTOCOL_ERROR, 'a stream that depends on itself');
    }
  }

  // ── What is sent: Stream's side of it ──────────────────────────────────────────────────────────────────────────────

  sendHead(stream: Stream, block: Uint8Array, endStream: boolean): void {
    this.output.headers(stream.id, block, { endStream, frameBytesMax: this.remote.frameBytesMax });
    this.#patience.restore();
    if (endStream) this.#closeLocal(stream);
    this.#events.onOutput();
  }

  sendMessage(stream: Stream, message: Uint8Array): boolean {
    const length = PREFIX_BYTES + message.length;
    if (this.#roomFor(stream) >= length) {
      this.output.header(length, FrameType.DATA, 0, stream.id);
      this.output.byte(0);
      this.output.uint32(message.length);
      this.output.bytes(message);
      this.#spendWindows(stream, length);
      return true;
    }
    const prefix = Buffer.alloc(PREFIX_BYTES);
    prefix.writeUInt32BE(message.length, 1);
    this.#wait(stream, prefix);
    return message.length === 0 ? stream.waiting === undefined : this.#wait(stream, message);
  }

  sendBytes(stream: Stream, bytes: Uint8Array): boolean {
    return bytes.length === 0 || this.#wait(stream, bytes);
  }

  sendEnd(stream: Stream, trailers: Uint8Array | undefined): void {
    if (stream.waiting !== undefined) {
      stream.endWaits = true;
      stream.trailersWait = trailers;
      return;
    }
    if (trailers !== undefined) return this.sendHead(stream, trailers, true);
    this.output.header(0, FrameType.DATA, Flag.END_STREAM, stream.id);
    this.#closeLocal(stream);
    this.#events.onOutput();
  }

  consumed(stream: Stream, count: number): void {
    if (count === 0) return;
    // A server that has answered wants no more of it.
    const isWanted = !stream.isRemoteClosed && !stream.isClosed && !(this.#isServer && stream.isLocalClosed);
    if (isWanted) {
      const increment = stream.receiveWindow.giveBack(count);
      if (increment > 0) {
        this.output.windowUpdate(stream.id, increment);
        this.#events.onOutput();
      }
    }
    this.#giveBack(count);
  }

  reset(stream: Stream, code: ErrorCode): void {
    this.#forget(stream);
    this.output.rstStream(stream.id, code);
    this.#events.onOutput();
    this.#events.onStreamClosed();
  }

  // ── Helpers ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #greet(): void {
    if (!this.#isServer) this.output.bytes(PREFACE);
    this.output.settings(this.#settings.announced(this.#isServer));
    const increment = this.#receiveWindow.open();
    if (increment > 0) this.output.windowUpdate(0, increment);
    this.#events.onOutput();
  }

  #newStream(id: number): Stream {
    const windows = { receive: this.#settings.streamWindowBytes, send: this.remote.windowBytes };
    const stream = new Stream(id, this, windows);
    this.#streams.set(id, stream);
    return stream;
  }

  /** So much may be sent of this stream now. */
  #roomFor(stream: Stream): number {
    if (stream.waiting !== undefined || this.#isHeldBack || this.output.length > OUTPUT_BYTES_MAX) return -1;
    return Math.min(stream.sendWindow, this.#sendWindow.available, this.remote.frameBytesMax);
  }

  #spendWindows(stream: Stream, length: number): void {
    stream.sendWindow -= length;
    this.#sendWindow.available -= length;
    this.#patience.restore();
    this.#events.onOutput();
  }

  #wait(stream: Stream, bytes: Uint8Array): boolean {
    (stream.waiting ??= []).push(bytes);
    this.#waiting.add(stream);
    this.#sendWaitingOf(stream);
    return stream.waiting === undefined;
  }

  /** A frame of each in turn, so that none holds up the others. */
  #sendWaiting(): void {
    let isProgress = this.#waiting.size > 0;
    while (isProgress) {
      isProgress = false;
      for (const stream of this.#waiting) {
        if (this.#isHeldBack || this.output.length > OUTPUT_BYTES_MAX || this.#sendWindow.available <= 0) return;
        if (this.#sendFrameOf(stream)) isProgress = true;
      }
    }
  }

  #sendWaitingOf(stream: Stream): void {
    while (stream.waiting !== undefined && this.#sendFrameOf(stream));
  }

  #sendFrameOf(stream: Stream): boolean {
    const { waiting } = stream;
    if (waiting === undefined || this.#isHeldBack || this.output.length > OUTPUT_BYTES_MAX) return false;
    const room = Math.min(stream.sendWindow, this.#sendWindow.available, this.remote.frameBytesMax);
    if (room <= 0) return false;
    let length = 0;
    for (let at = 0; at < waiting.length && length < room; at++) length += waiting[at]!.length - (at === 0 ? stream.waitingFrom : 0);
    length = Math.min(length, room);
    this.output.header(length, FrameType.DATA, 0, stream.id);
    let taken = 0;
    for (let left = length; left > 0; ) {
      const bytes = waiting[taken]!;
      const end = Math.min(bytes.length, stream.waitingFrom + left);
      this.output.bytes(bytes, stream.waitingFrom, end);
      left -= end - stream.waitingFrom;
      stream.waitingFrom = end === bytes.length ? 0 : end;
      if (end === bytes.length) taken++;
    }
    waiting.splice(0, taken);
    this.#spendWindows(stream, length);
    if (waiting.length === 0) this.#nothingWaits(stream);
    return true;
  }

  #nothingWaits(stream: Stream): void {
    stream.waiting = undefined;
    this.#waiting.delete(stream);
    if (stream.endWaits) {
      stream.endWaits = false;
      this.sendEnd(stream, stream.trailersWait);
    } else stream.events?.onDrained();
  }

  #giveBack(count: number): void {
    const increment = this.#receiveWindow.giveBack(count);
    if (increment === 0) return;
    this.output.windowUpdate(0, increment);
    this.#events.onOutput();
  }

  #refuse(streamId: number, code: ErrorCode): void {
    this.#patience.spend();
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) this.#drop(stream, code);
    else this.#remember(streamId);
    this.output.rstStream(streamId, code);
    this.#patience.owe(this.output.length);
    this.#events.onOutput();
  }

  #closeLocal(stream: Stream): void {
    stream.isLocalClosed = true;
    this.#closeIfDone(stream);
    if (this.#isServer && !stream.isClosed) this.#answered.push(stream);
  }

  #closeIfDone(stream: Stream): void {
    if (!stream.isLocalClosed || !stream.isRemoteClosed || stream.isClosed) return;
    this.#patience.wasDone();
    this.#forget(stream);
    this.#events.onStreamClosed();
  }

  #drop(stream: Stream, code: ErrorCode): void {
    this.#forget(stream);
    stream.events?.onReset(code);
    this.#events.onStreamClosed();
  }

  #forget(stream: Stream): void {
    stream.isClosed = true;
    stream.waiting = undefined;
    this.#streams.delete(stream.id);
    this.#waiting.delete(stream);
    this.#remember(stream.isRemoteClosed ? -stream.id : stream.id);
  }

  #remember(streamId: number): void {
    this.#recent[this.#recentAt] = streamId;
    this.#recentAt = (this.#recentAt + 1) % RECENT_MAX;
  }

  #isRecent(streamId: number): boolean {
    return this.#recent.includes(streamId) || this.#recent.includes(-streamId);
  }

  #checkNotIdle(streamId: number): void {
    const isOurs = streamId % 2 === (this.#isServer ? 0 : 1);
    const isIdle = isOurs ? this.#isServer || streamId >= this.#nextId : streamId > this.#lastRemoteId;
    // Past what we said was the last, the other end may have opened streams that were not taken.
    if (isIdle && streamId <= this.#acceptedIdMax) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a frame of a stream that is idle');
  }
}
