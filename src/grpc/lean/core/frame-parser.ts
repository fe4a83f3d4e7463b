/**
 * Bytes of a connection to frames (RFC 9113 §4.1), cut wherever the network cut them. A frame that lies in one chunk is
 * handed on where it lies; only one that is cut is put together in a buffer of its own, which is never larger than a
 * frame may be. What a frame means is the session's to say.
 */
import { ConnectionError, ErrorCode, FRAME_BYTES_DEFAULT, FRAME_HEADER_BYTES, PREFACE } from './protocol.ts';

export interface FrameSink {
  /** The payload is `bytes` from `start` to `end`, and not to be kept: who needs it later copies it. */
  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void;
}

export interface FrameParserOptions {
  /** Of the serving side: the client's preface comes first (§3.4). */
  readonly hasPreface: boolean;
  /** What our SETTINGS_MAX_FRAME_SIZE allows. */
  readonly frameBytesMax?: number;
}

export class FrameParser {
  readonly #frameBytesMax: number;
  #prefaceLeft: number;
  /** The beginning of a frame whose end has not come: its header alone, or all of it that is there. */
  readonly #header = Buffer.allocUnsafeSlow(FRAME_HEADER_BYTES);
  #headerLength = 0;
  #body: Buffer | undefined;
  #bodyLength = 0;

  constructor({ hasPreface, frameBytesMax = FRAME_BYTES_DEFAULT }: FrameParserOptions) {
    this.#prefaceLeft = hasPreface ? PREFACE.length : 0;
    this.#frameBytesMax = frameBytesMax;
  }

  /** Throws `ConnectionError`, after which no more may be pushed, and whatever the sink throws. */
  push(chunk: Buffer, sink: FrameSink): void {
    let at = this.#prefaceLeft > 0 ? this.#takePreface(chunk) : 0;
    if (this.#headerLength > 0) at = this.#finishCut(chunk, at, sink);
    const end = chunk.length;
    while (end - at >= FRAME_HEADER_BYTES) {
      const length = lengthAt(chunk, at);
      this.#check(length);
      const next = at + FRAME_HEADER_BYTES + length;
      if (next > end) break;
      sink.onFrame(chunk[at + 3]!, chunk[at + 4]!, streamAt(chunk, at), chunk, at + FRAME_HEADER_BYTES, next);
      at = next;
    }
    if (at < end) this.#keep(chunk, at);
  }

  #takePreface(chunk: Buffer): number {
    const count = Math.min(this.#prefaceLeft, chunk.length);
    const from = PREFACE.length - this.#prefaceLeft;
    if (chunk.compare(PREFACE, from, from + count, 0, count) !== 0) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'no preface of HTTP/2');
    }
    this.#prefaceLeft -= count;
    return count;
  }

  /** Goes on with what was kept, which is at most one frame; answers where the next begins. */
  #finishCut(chunk: Buffer, from: number, sink: FrameSink): number {
    let at = from;
    if (this.#headerLength < FRAME_HEADER_BYTES) {
      const count = Math.min(FRAME_HEADER_BYTES - this.#headerLength, chunk.length - at);
      chunk.copy(this.#header, this.#headerLength, at, at + count);
      this.#headerLength += count;
      at += count;
      if (this.#headerLength < FRAME_HEADER_BYTES) return at;
    }
    const length = lengthAt(this.#header, 0);
    this.#check(length);
    this.#body ??= Buffer.allocUnsafeSlow(length);
    const count = Math.min(length - this.#bodyLength, chunk.length - at);
    chunk.copy(this.#body, this.#bodyLength, at, at + count);
    this.#bodyLength += count;
    at += count;
    if (this.#bodyLength < length) return at;
    const body = this.#body;
    this.#body = undefined;
    this.#headerLength = this.#bodyLength = 0;
    sink.onFrame(this.#header[3]!, this.#header[4]!, streamAt(this.#header, 0), body, 0, length);
    return at;
  }

  #keep(chunk: Buffer, from: number): void {
    const count = Math.min(FRAME_HEADER_BYTES - this.#headerLength, chunk.length - from);
    if (count === 0 || this.#body !== undefined) return;
    chunk.copy(this.#header, this.#headerLength, from, from + count);
    this.#headerLength += count;
    if (this.#headerLength < FRAME_HEADER_BYTES) return;
    const length = lengthAt(this.#header, 0);
    this.#body = Buffer.allocUnsafeSlow(length);
    this.#bodyLength = chunk.copy(this.#body, 0, from + count);
  }

  #check(length: number): void {
    // §4.2; of every frame, as one that is too long could not even be skipped within bounds.
    if (length > this.#frameBytesMax) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'a frame that is too long');
  }
}

function lengthAt(bytes: Buffer, at: number): number {
  return (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
}

/** The reserved bit is ignored (§4.1). */
function streamAt(bytes: Buffer, at: number): number {
  return ((bytes[at + 5]! & 0x7f) << 24) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 8) | bytes[at + 8]!;
}
