/** A connection to a port of a pod as a stream of Node.js, so that its HTTP client can speak over it. */
import { Duplex } from 'node:stream';
import type { PortOutput } from '../../../proto/streams.ts';
import type { PortCall } from '../../pod-streams.ts';

export class PortDuplex extends Duplex {
  readonly #call: PortCall;
  readonly #outputs: AsyncIterator<PortOutput>;
  #isReading = false;

  constructor(call: PortCall) {
    super({ allowHalfOpen: true });
    this.#call = call;
    this.#outputs = call.responses[Symbol.asyncIterator]();
  }

  override _read(): void {
    if (!this.#isReading) void this.#readOn();
  }

  /** Until the reader has enough. */
  async #readOn(): Promise<void> {
    this.#isReading = true;
    try {
      for (let wantsMore = true; wantsMore; ) {
        const next = await this.#outputs.next();
        const output = next.done === true ? undefined : next.value.output;
        if (next.done === true) wantsMore = this.push(null);
        else if (output?.case === 'data') wantsMore = this.push(output.value);
      }
    } catch (error) {
      this.destroy(error instanceof Error ? error : new Error('the connection failed', { cause: error }));
    } finally {
      this.#isReading = false;
    }
  }

  override _write(bytes: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    const hasRoom = this.#call.send({ input: { case: 'data', value: bytes } });
    if (hasRoom) return done();
    this.#call.drained().then(() => done(), done);
  }

  override _final(done: () => void): void {
    this.#call.send({ input: { case: 'end', value: {} } });
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#call.cancel();
    done(error);
  }
}
