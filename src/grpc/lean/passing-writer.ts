/** Where messages are written that leave at once, one after the other in the same place. */
import { Writer } from '../../proto/wire.ts';

/** Below it they are copied to what leaves anyway; others are made to be kept. */
const KEPT_BYTES_MIN = 1024;

export class PassingWriter extends Writer {
  /**
   * What was written, in its first `length` bytes. What is longer than that is a place that the next message is written to:
   * who has to keep it copies it. What is no longer is the message's own.
   */
  get message(): Uint8Array {
    return this.length < KEPT_BYTES_MIN && this.length < this.memory.length ? this.memory : this.finish();
  }
}
