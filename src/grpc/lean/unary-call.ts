/** A call with one request and one answer. Where both fit into a frame, nothing is made but this object and the messages. */
import { Later, type LaterListener } from '../../base/later.ts';
import { RpcCode, RpcError } from '../../proto/rpc.ts';
import { decodeRequest, encodeAnswer, writeAnswer } from '../dispatch.ts';
import type { Head } from './core/head.ts';
import { PREFIX_BYTES } from './core/message-reader.ts';
import { Incoming } from './incoming.ts';
import { PassingWriter } from './passing-writer.ts';
import { ServerCall } from './server-call.ts';

const passing = new PassingWriter();

export class UnaryCall extends ServerCall implements LaterListener<unknown> {
  readonly isStream = false;
  #incoming: Incoming | undefined;
  /** A copy, where the end of the stream comes behind it. */
  #request: Buffer | undefined;
  #isRunning = false;
  #isOrphan = false;

  onData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    const length = end - start;
    if (this.isOver) return this.stream.consumed(length);
    const isWhole =
      endStream && this.#incoming === undefined && length >= PREFIX_BYTES && bytes[start] === 0 &&
      bytes.readUInt32BE(start + 1) === length - PREFIX_BYTES && length - PREFIX_BYTES <= this.origin.requestBytesMax;
    if (!isWhole) return this.#receive().push(bytes, start, end, endStream);
    this.stream.consumed(length);
    // Not a Buffer, of which the decoder would make another view.
    this.#run(new Uint8Array(bytes.buffer, bytes.byteOffset + start + PREFIX_BYTES, length - PREFIX_BYTES));
  }

  onHead(_: Head, endStream: boolean): void {
    if (endStream) this.#receive().end();
  }

  onDrained(): void {}

  /** Without a request. */
  onEmpty(): void {
    this.#receive().end();
  }

  protected onGone(): void {
    this.#incoming?.stop();
    if (!this.#isRunning) return;
    this.#isOrphan = true;
    this.origin.orphaned(1);
  }

  #receive(): Incoming {
    this.#incoming ??= new Incoming({
      stream: this.stream,
      messageBytesMax: this.origin.requestBytesMax,
      onMessage: (message, isCompressed) => {
        if (this.#request !== undefined) throw new RpcError(RpcCode.UNIMPLEMENTED, 'a call of one request with several');
        this.#request = Buffer.from(this.unpack(message, isCompressed));
        return true;
      },
      onEnd: (isCut) => {
        if (this.isOver) return;
        if (this.#request === undefined || isCut) this.fail(new RpcError(RpcCode.UNIMPLEMENTED, 'a call without a request'));
        else this.#run(this.#request);
      },
      onError: (error) => this.fail(error),
    });
    return this.#incoming;
  }

  #run(bytes: Uint8Array): void {
    let result: unknown;
    try {
      result = this.served.call(decodeRequest(this.served, bytes), this);
    } catch (error) {
      return this.fail(error);
    }
    if (result instanceof Later) {
      this.#isRunning = true;
      result.listen(this);
    } else if (result instanceof Promise) {
      this.#isRunning = true;
      result.then(
        (answer: unknown) => this.onValue(answer),
        (error: unknown) => this.onError(error),
      );
    } else this.#answer(result);
  }

  /** Of the handler's answer, where it came later. */
  onValue(answer: unknown): void {
    this.#settled();
    this.#answer(answer);
  }

  onError(error: unknown): void {
    this.#settled();
    this.fail(error);
  }

  #settled(): void {
    this.#isRunning = false;
    if (this.#isOrphan) this.origin.orphaned(-1);
  }

  #answer(answer: unknown): void {
    if (this.isOver) return;
    let bytes: Uint8Array;
    let length: number;
    try {
      if (answer instanceof Uint8Array) {
        bytes = encodeAnswer(this.served, answer);
        length = bytes.length;
      } else {
        passing.reset();
        writeAnswer(this.served, answer, passing);
        length = passing.length;
        bytes = passing.message;
      }
    } catch (error) {
      return this.fail(error);
    }
    this.endDeadline();
    this.send(bytes, length);
    this.succeed();
  }
}
