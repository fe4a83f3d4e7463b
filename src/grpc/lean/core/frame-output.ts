/**
 * Frames to bytes (RFC 9113 §4.1, §6): all that is said within one turn is written one after the other into few buffers,
 * so that it leaves in one system call. A payload that is large is not copied but kept as a piece of its own.
 *
 * A buffer that was taken is never written to again before its last byte: what follows goes behind it.
 */
import { FrameType, Flag, FRAME_HEADER_BYTES, type ErrorCode } from './protocol.ts';

/** From here on a payload costs less as a piece of its own than copied. */
const COPIED_BYTES_MAX = 1024;
const BUFFER_BYTES_MIN = 1024;
/** So much is rather moved to a larger buffer than left in two pieces: a system call of two costs more than the copy. */
const MOVED_BYTES_MAX = 16 * 1024;
const BUFFER_BYTES_MAX = 64 * 1024;

export class FrameOutput {
  #buffer: Buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES_MIN);
  /** What is written and not yet taken lies between them, behind the pieces. */
  #start = 0;
  #end = 0;
  #pieces: Uint8Array[] = [];
  #piecesLength = 0;

  /** Bytes that wait. */
  get length(): number {
    return this.#piecesLength + this.#end - this.#start;
  }

  /** All that waits, in order; at least one piece where there is any. */
  take(): Uint8Array[] {
    this.#cut();
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#piecesLength = 0;
    return pieces;
  }

  header(length: number, type: number, flags: number, streamId: number): void {
    const at = this.#reserve(FRAME_HEADER_BYTES);
    const buffer = this.#buffer;
    buffer[at] = length >>> 16;
    buffer[at + 1] = length >>> 8;
    buffer[at + 2] = length;
    buffer[at + 3] = type;
    buffer[at + 4] = flags;
    buffer[at + 5] = streamId >>> 24;
    buffer[at + 6] = streamId >>> 16;
    buffer[at + 7] = streamId >>> 8;
    buffer[at + 8] = streamId;
  }

  /** Part of a payload. A large one must not change until it is sent. */
  bytes(bytes: Uint8Array, start = 0, end = bytes.length): void {
    const length = end - start;
    if (length > COPIED_BYTES_MAX) {
      this.#cut();
      this.#pieces.push(bytes.subarray(start, end));
      this.#piecesLength += length;
      return;
    }
    const at = this.#reserve(length);
    if (length > 48) this.#buffer.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), at);
    else for (let i = 0; i < length; i++) this.#buffer[at + i] = bytes[start + i]!;
  }

  /** gRPC's prefix and a message in two parts, copied however long: it is one of many that have the second. */
  message(head: Uint8Array, tail: Uint8Array): void {
    const length = head.length + tail.length;
    let at = this.#reserve(5 + length);
    const buffer = this.#buffer;
    buffer[at++] = 0;
    buffer[at++] = length >>> 24;
    buffer[at++] = length >>> 16;
    buffer[at++] = length >>> 8;
    buffer[at++] = length;
    for (let i = 0; i < head.length; i++) buffer[at++] = head[i]!;
    buffer.set(tail, at);
  }

  uint32(value: number): void {
    const at = this.#reserve(4);
    this.#buffer[at] = value >>> 24;
    this.#buffer[at + 1] = value >>> 16;
    this.#buffer[at + 2] = value >>> 8;
    this.#buffer[at + 3] = value;
  }

  byte(value: number): void {
    // In two steps: `#reserve` may put another buffer in place of the one that would be looked up before it.
    const at = this.#reserve(1);
    this.#buffer[at] = value;
  }

  /** HEADERS, and CONTINUATION where the block is longer than a frame may be (§6.10). */
  headers(streamId: number, block: Uint8Array, { endStream, frameBytesMax }: HeadersOptions): void {
    const flags = endStream ? Flag.END_STREAM : 0;
    const first = Math.min(block.length, frameBytesMax);
    this.header(first, FrameType.HEADERS, flags | (first === block.length ? Flag.END_HEADERS : 0), streamId);
    this.bytes(block, 0, first);
    for (let at = first; at < block.length; at += frameBytesMax) {
      const end = Math.min(block.length, at + frameBytesMax);
      this.header(end - at, FrameType.CONTINUATION, end === block.length ? Flag.END_HEADERS : 0, streamId);
      this.bytes(block, at, end);
    }
  }

  settings(settings: readonly (readonly [id: number, value: number])[]): void {
    this.header(settings.length * 6, FrameType.SETTINGS, 0, 0);
    for (const [id, value] of settings) {
      this.byte(id >>> 8);
      this.byte(id);
      this.uint32(value);
    }
  }

  settingsAck(): void {
    this.header(0, FrameType.SETTINGS, Flag.ACK, 0);
  }

  ping(data: Uint8Array, isAck: boolean): void {
    this.header(8, FrameType.PING, isAck ? Flag.ACK : 0, 0);
    this.bytes(data);
  }

  rstStream(streamId: number, code: ErrorCode): void {
    this.header(4, FrameType.RST_STREAM, 0, streamId);
    this.uint32(code);
  }

  windowUpdate(streamId: number, increment: number): void {
    this.header(4, FrameType.WINDOW_UPDATE, 0, streamId);
    this.uint32(increment);
  }

  goAway(lastStreamId: number, code: ErrorCode, debug: string): void {
    const data = Buffer.from(debug, 'utf8');
    this.header(8 + data.length, FrameType.GOAWAY, 0, 0);
    this.uint32(lastStreamId);
    this.uint32(code);
    this.bytes(data);
  }

  #reserve(count: number): number {
    if (this.#end + count > this.#buffer.length) {
      const waiting = this.#end - this.#start;
      // As much again as this turn has needed so far: a quiet connection keeps little, a busy one has few pieces.
      const size = Math.max(BUFFER_BYTES_MIN, count, Math.min(BUFFER_BYTES_MAX, 2 * this.length));
      if (waiting > 0 && waiting <= MOVED_BYTES_MAX) {
        const grown = Buffer.allocUnsafeSlow(size + waiting);
        this.#buffer.copy(grown, 0, this.#start, this.#end);
        this.#buffer = grown;
        this.#start = 0;
        this.#end = waiting;
      } else {
        this.#cut();
        this.#buffer = Buffer.allocUnsafeSlow(size);
        this.#start = this.#end = 0;
      }
    }
    const at = this.#end;
    this.#end += count;
    return at;
  }

  #cut(): void {
    if (this.#end === this.#start) return;
    this.#pieces.push(this.#buffer.subarray(this.#start, this.#end));
    this.#piecesLength += this.#end - this.#start;
    this.#start = this.#end;
  }
}

export interface HeadersOptions {
  readonly endStream: boolean;
  /** The other end's SETTINGS_MAX_FRAME_SIZE. */
  readonly frameBytesMax: number;
}
