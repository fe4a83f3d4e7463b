/** Where messages are written that leave at once, one after the other in the same place. */
import { Writer } from '../../proto/wire.ts';

/** Up to here they are copied to what leaves anyway; others are made to be kept. */
const PASSING_BYTES_MAX = 1024;

export class PassingWriter extends Writer {
  /** What was written, in its first `length` bytes; of a small message until the next one is written. */
  get message(): Uint8Array {
    return this.length > PASSING_BYTES_MAX ? this.finish() : this.memory;
  }
}
