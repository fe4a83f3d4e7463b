/** HEADERS and the CONTINUATIONs behind it to one block (RFC 9113 §4.3, §6.2, §6.10), decoded when it is whole. */
import { HpackDecoder, type Interpret } from './hpack-decoder.ts';
import { ConnectionError, ErrorCode, Flag, FrameType, StreamError } from './protocol.ts';

export interface HeaderBlock<T> {
  readonly meaning: T;
  readonly endStream: boolean;
  /** §5.3.1 */
  readonly dependsOnItself: boolean;
}

interface Partial {
  readonly streamId: number;
  readonly endStream: boolean;
  readonly dependsOnItself: boolean;
  readonly parts: Buffer[];
  length: number;
}

/** A block may be compressed badly, but not so badly. */
const BLOCK_TO_LIST_RATIO_MAX = 2;
/** Frames that one block may be cut into. */
const CONTINUATIONS_MAX = 32;
const PRIORITY_BYTES = 5;

export class HeaderBlocks<T> {
  readonly #decoder: HpackDecoder<T>;
  readonly #blockBytesMax: number;
  #partial: Partial | undefined;

  constructor(interpret: Interpret<T>, listBytesMax: number) {
    this.#decoder = new HpackDecoder(interpret, { listBytesMax });
    this.#blockBytesMax = BLOCK_TO_LIST_RATIO_MAX * listBytesMax;
  }

  /** Nothing may come between the frames of a block. */
  expect(type: number, streamId: number): void {
    const isContinuation = type === FrameType.CONTINUATION;
    if (this.#partial === undefined ? !isContinuation : isContinuation && streamId === this.#partial.streamId) return;
    throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a frame amid a block of headers');
  }

  /** Undefined: more follows. */
  take(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): HeaderBlock<T> | undefined {
    if (type === FrameType.CONTINUATION) return this.#continue(flags, bytes, start, end);
    let from = start;
    let to = end;
    let dependsOnItself = false;
    if ((flags & Flag.PADDED) !== 0) {
      to = end - (from < end ? bytes[from]! : 0);
      from++;
    }
    if ((flags & Flag.PRIORITY) !== 0) {
      if (from + PRIORITY_BYTES > to) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'no room for a priority');
      dependsOnItself = (bytes.readUInt32BE(from) & 0x7fffffff) === streamId;
      from += PRIORITY_BYTES;
    }
    if (from > to) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'more padding than frame');
    const endStream = (flags & Flag.END_STREAM) !== 0;
    if ((flags & Flag.END_HEADERS) !== 0) {
      return { meaning: this.#decoder.decode(bytes, from, to), endStream, dependsOnItself };
    }
    const part = Buffer.from(bytes.subarray(from, to));
    this.#partial = { streamId, endStream, dependsOnItself, parts: [part], length: part.length };
    return undefined;
  }

  #continue(flags: number, bytes: Buffer, start: number, end: number): HeaderBlock<T> | undefined {
    const partial = this.#partial!; // `expect` has seen to it
    partial.parts.push(Buffer.from(bytes.subarray(start, end)));
    partial.length += end - start;
    // Refused whole: what was not decoded would be missing in the table.
    if (partial.length > this.#blockBytesMax || partial.parts.length > CONTINUATIONS_MAX) {
      throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, 'a block of headers that is too long');
    }
    if ((flags & Flag.END_HEADERS) === 0) return undefined;
    this.#partial = undefined;
    const { endStream, dependsOnItself } = partial;
    return { meaning: this.#decoder.decode(Buffer.concat(partial.parts), 0, partial.length), endStream, dependsOnItself };
  }
}

/** §5.3.2: what PRIORITY says is checked and not used. */
export function checkPriority(streamId: number, payload: Buffer): void {
  if (streamId === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'PRIORITY of no stream');
  if (payload.length !== PRIORITY_BYTES) {
    throw new StreamError(streamId, ErrorCode.FRAME_SIZE_ERROR, 'PRIORITY of another length');
  }
  if ((payload.readUInt32BE(0) & 0x7fffffff) === streamId) {
    throw new StreamError(streamId, ErrorCode.PROTOCOL_ERROR, 'a stream that depends on itself');
  }
}
