/**
 * What is sent on streams: heads, messages, ends, in the order in which each stream said them. What a window (RFC 9113
 * §5.2) or the socket does not take waits in its stream. A stream whose own window is used up is not looked at until that
 * grows: else each byte that the connection's window grows by would cost a look at all streams.
 */
import { EMPTY_TABLE } from './hpack-encoder.ts';
import { PREFIX_BYTES } from './message-reader.ts';
import { ConnectionError, ErrorCode, Flag, FrameType, StreamError, WINDOW_DEFAULT, WINDOW_MAX } from './protocol.ts';
import type { SessionContext } from './session-context.ts';
import type { StreamTable } from './stream-table.ts';
import type { SharedMessages, Stream } from './stream.ts';
import { SendWindow } from './windows.ts';

/** Answers that wait to be written, over all streams: past it they wait in their streams. */
const OUTPUT_BYTES_MAX = 256 * 1024;

interface FramePart {
  readonly at: number;
  readonly end: number;
  readonly length: number;
}

export class StreamOutput {
  readonly #context: SessionContext;
  readonly #table: StreamTable;
  readonly #window = new SendWindow(WINDOW_DEFAULT);
  /** The socket does not keep up: DATA waits. */
  #isHeldBack = false;

  constructor(context: SessionContext, table: StreamTable) {
    this.#context = context;
    this.#table = table;
  }

  head(stream: Stream, block: Uint8Array, endStream: boolean): void {
    const { output, remote, patience, events } = this.#context;
    const first = remote.awaitsTableSize ? Buffer.concat([EMPTY_TABLE, block]) : block;
    remote.awaitsTableSize = false;
    output.headers(stream.id, first, { endStream, frameBytesMax: remote.frameBytesMax });
    patience.restore();
    if (endStream) this.#table.closeLocal(stream);
    events.onOutput();
  }

  /** With gRPC's prefix. False: it waits. */
  message(stream: Stream, message: Uint8Array, messageLength: number): boolean {
    const length = PREFIX_BYTES + messageLength;
    if (stream.waiting === undefined && this.#roomFor(stream) >= length) {
      const { output } = this.#context;
      output.header(length, FrameType.DATA, 0, stream.id);
      output.byte(0);
      output.uint32(messageLength);
      output.bytes(message, 0, messageLength);
      this.#spend(stream, length);
      return true;
    }
    const prefix = Buffer.alloc(PREFIX_BYTES);
    prefix.writeUInt32BE(messageLength, 1);
    if (messageLength === 0) return this.#wait(stream, [prefix], length);
    return this.#wait(stream, [prefix, messageLength === message.length ? message : message.slice(0, messageLength)], length);
  }

  /** As many in a frame as it takes: a frame each would cost more than what is in it. Answers how many have left or wait. */
  shared(stream: Stream, messages: SharedMessages, from: number): number {
    const { heads, tail } = messages;
    let at = from;
    while (at < heads.length && stream.waiting === undefined) {
      const room = this.#roomFor(stream);
      let end = at;
      let length = 0;
      for (; end < heads.length; end++) {
        const more = PREFIX_BYTES + heads[end]!.length + tail.length;
        if (length + more > room) break;
        length += more;
      }
      if (end > at) this.#frameOf(stream, messages, { at, end, length });
      else {
        const head = heads[at]!;
        const prefix = Buffer.alloc(PREFIX_BYTES);
        prefix.writeUInt32BE(head.length + tail.length, 1);
        this.#wait(stream, [prefix, head, tail], PREFIX_BYTES + head.length + tail.length);
        end = at + 1;
      }
      at = end;
    }
    return at;
  }

  #frameOf(stream: Stream, { heads, tail }: SharedMessages, { at, end, length }: FramePart): void {
    const { output } = this.#context;
    output.header(length, FrameType.DATA, 0, stream.id);
    for (let one = at; one < end; one++) output.message(heads[one]!, tail);
    this.#spend(stream, length);
  }

  /** As it is. */
  bytes(stream: Stream, bytes: Uint8Array): boolean {
    return bytes.length === 0 || this.#wait(stream, [bytes], bytes.length);
  }

  end(stream: Stream, trailers: Uint8Array | undefined): void {
    if (stream.waiting !== undefined) {
      stream.endWaits = true;
      stream.trailersWait = trailers;
      return;
    }
    if (trailers !== undefined) return this.head(stream, trailers, true);
    this.#context.output.header(0, FrameType.DATA, Flag.END_STREAM, stream.id);
    this.#table.closeLocal(stream);
    this.#context.events.onOutput();
  }

  // ── What makes room ──────────────────────────────────────────────────────────

  holdBack(isHeldBack: boolean): void {
    this.#isHeldBack = isHeldBack;
    if (!isHeldBack) this.sendWaiting();
  }

  /** The connection's window. Throws `ConnectionError`. */
  growConnection(increment: number): void {
    const wasEmpty = this.#window.available <= 0;
    if (!this.#window.grow(increment)) {
      throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, 'a window that is too large');
    }
    if (wasEmpty) this.sendWaiting();
  }

  /** Throws `StreamError`. */
  growStream(stream: Stream, increment: number): void {
    stream.sendWindow += increment;
    if (stream.sendWindow > WINDOW_MAX) {
      throw new StreamError(stream.id, ErrorCode.FLOW_CONTROL_ERROR, 'a window that is too large');
    }
    if (stream.waiting !== undefined) this.#sendAllOf(stream);
  }

  /** §6.9.2: settings change the window of every stream, also to less than nothing. Throws `ConnectionError`. */
  changeAll(change: number): void {
    for (const stream of this.#table.all) {
      stream.sendWindow += change;
      if (stream.sendWindow > WINDOW_MAX) {
        throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, 'a window that is too large');
      }
      if (stream.waiting !== undefined) this.#table.sendable.add(stream);
    }
  }

  /** A frame of each in turn, so that none holds up the others. */
  sendWaiting(): void {
    const { sendable } = this.#table;
    let isProgress = sendable.size > 0;
    while (isProgress) {
      isProgress = false;
      for (const stream of sendable) {
        if (this.#isFull || this.#window.available <= 0) return;
        if (this.#sendFrameOf(stream)) isProgress = true;
      }
    }
  }

  // ── Helpers ──────────────────────────────────────────────────────────────────

  get #isFull(): boolean {
    return this.#isHeldBack || this.#context.output.length > OUTPUT_BYTES_MAX;
  }

  /** So much of it may be sent now. */
  #roomFor(stream: Stream): number {
    if (this.#isFull) return -1;
    return Math.min(stream.sendWindow, this.#window.available, this.#context.remote.frameBytesMax);
  }

  #spend(stream: Stream, length: number): void {
    stream.sendWindow -= length;
    this.#window.available -= length;
    this.#context.patience.restore();
    this.#context.events.onOutput();
  }

  /** None of the pieces is empty. */
  #wait(stream: Stream, pieces: Uint8Array[], length: number): boolean {
    if (stream.waiting === undefined) stream.waiting = pieces;
    else stream.waiting.push(...pieces);
    this.#table.waits(stream, length);
    this.#sendAllOf(stream);
    return stream.waiting === undefined;
  }

  #sendAllOf(stream: Stream): void {
    this.#table.sendable.add(stream);
    while (stream.waiting !== undefined && this.#sendFrameOf(stream));
  }

  #sendFrameOf(stream: Stream): boolean {
    const { waiting } = stream;
    if (waiting === undefined) return false;
    if (stream.sendWindow <= 0) {
      this.#table.sendable.delete(stream);
      return false;
    }
    const length = Math.min(stream.waitingBytes, this.#roomFor(stream));
    if (length <= 0) return false;
    this.#table.waits(stream, -length);
    this.#context.output.header(length, FrameType.DATA, 0, stream.id);
    this.#move(stream, waiting, length);
    this.#spend(stream, length);
    if (waiting.length === 0) this.#nothingWaits(stream);
    return true;
  }

  /** The payload of one frame, out of as many pieces as it takes. */
  #move(stream: Stream, waiting: Uint8Array[], length: number): void {
    let taken = 0;
    for (let left = length; left > 0; ) {
      const bytes = waiting[taken]!;
      const end = Math.min(bytes.length, stream.waitingFrom + left);
      this.#context.output.bytes(bytes, stream.waitingFrom, end);
      left -= end - stream.waitingFrom;
      stream.waitingFrom = end === bytes.length ? 0 : end;
      if (end === bytes.length) taken++;
    }
    waiting.splice(0, taken);
  }

  #nothingWaits(stream: Stream): void {
    stream.waiting = undefined;
    this.#table.sendable.delete(stream);
    if (stream.endWaits) {
      stream.endWaits = false;
      this.end(stream, stream.trailersWait);
    } else stream.events?.onDrained();
  }
}
