/**
 * gRPC's messages out of the DATA of a stream (PROTOCOL-HTTP2.md, "Length-Prefixed-Message"): a flag, four bytes of
 * length, the message. One that lies in one frame is handed on where it lies; of one that is cut, no more is kept than has
 * come, whatever length it announces.
 */
import { RpcCode, RpcError } from '../../../proto/rpc.ts';

export const PREFIX_BYTES = 5;
const KEPT_BYTES_MIN = 256;

export interface MessageSink {
  /** Not to be kept: a view of what was received. False: no more for now; call {@link MessageReader.resume}. */
  onMessage(message: Buffer, isCompressed: boolean): boolean;
}

export class MessageReader {
  readonly #messageBytesMax: number;
  readonly #sink: MessageSink;
  #kept: Buffer | undefined;
  #keptLength = 0;
  #isPaused = false;

  constructor(messageBytesMax: number, sink: MessageSink) {
    this.#messageBytesMax = messageBytesMax;
    this.#sink = sink;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** What is kept of messages that are not whole, or that nobody has taken. */
  get keptLength(): number {
    return this.#keptLength;
  }

  /** In the middle of a message, or with messages that nobody has taken. */
  get hasRest(): boolean {
    return this.#keptLength > 0;
  }

  /** Throws `RpcError` for a message that is too large or is none. */
  push(bytes: Buffer, start: number, end: number): void {
    if (this.#keptLength > 0 || this.#isPaused) {
      this.#keep(bytes, start, end);
      if (!this.#isPaused) this.#readKept();
      return;
    }
    const at = this.#read(bytes, start, end);
    if (at < end) this.#keep(bytes, at, end);
  }

  /** Goes on with what has come meanwhile. */
  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    if (this.#keptLength > 0) this.#readKept();
  }

  #readKept(): void {
    // Taken out while it is read: a sink that comes back here finds nothing half done.
    const kept = this.#kept!;
    const length = this.#keptLength;
    this.#kept = undefined;
    this.#keptLength = 0;
    const at = this.#read(kept, 0, length);
    if (at === 0) {
      this.#kept = kept;
      this.#keptLength = length;
    } else if (at < length) this.#keep(kept, at, length);
  }

  /** Answers where the first message begins that was not handed on. */
  #read(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (end - at >= PREFIX_BYTES && !this.#isPaused) {
      const flag = bytes[at]!;
      const length = bytes[at + 1]! * 2 ** 24 + ((bytes[at + 2]! << 16) | (bytes[at + 3]! << 8) | bytes[at + 4]!);
      if (flag > 1) throw new RpcError(RpcCode.INTERNAL, `a message with the flag ${flag}`);
      if (length > this.#messageBytesMax) throw tooLarge(length, this.#messageBytesMax);
      const next = at + PREFIX_BYTES + length;
      if (next > end) break;
      if (!this.#sink.onMessage(bytes.subarray(at + PREFIX_BYTES, next), flag === 1)) this.#isPaused = true;
      at = next;
    }
    return at;
  }

  /** Doubles, so that each byte is copied a bounded number of times however small the frames are. */
  #keep(bytes: Buffer, start: number, end: number): void {
    const length = this.#keptLength + end - start;
    if (this.#kept === undefined || this.#kept.length < length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(KEPT_BYTES_MIN, 2 * this.#keptLength, length));
      this.#kept?.copy(grown, 0, 0, this.#keptLength);
      this.#kept = grown;
    }
    bytes.copy(this.#kept, this.#keptLength, start, end);
    this.#keptLength = length;
  }
}

/** In the words of grpc-js, which clients may have seen before. */
export function tooLarge(length: number, max: number): RpcError {
  return new RpcError(RpcCode.RESOURCE_EXHAUSTED, `Received message larger than max (${length} vs ${max})`);
}
