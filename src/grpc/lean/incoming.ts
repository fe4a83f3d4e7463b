/** The messages of a stream for who may be slow to take them: what was not taken is not given back to the other end. */
import { RpcCode, RpcError } from '../../proto/rpc.ts';
import type { Stream } from './core/stream.ts';
import { MessageReader } from './core/message-reader.ts';

export interface IncomingOptions {
  readonly stream: Stream;
  readonly messageBytesMax: number;
  /** A view that is not to be kept; false: no more for now. Throws `RpcError` for what is no message. */
  readonly onMessage: (message: Buffer, isCompressed: boolean) => boolean;
  /** After the last message; `isCut`: in the middle of one. */
  readonly onEnd: (isCut: boolean) => void;
  readonly onError: (error: unknown) => void;
}

function tooMuchKept(): RpcError {
  return new RpcError(RpcCode.RESOURCE_EXHAUSTED, 'too many messages at once of which only a part has come');
}

/** Messages that wait count as so many more: 64 of them are held, or a megabyte. */
export function weightOf(bytes: number): number {
  return 1 + (bytes >> 14);
}

export class Incoming {
  readonly #options: IncomingOptions;
  readonly #reader: MessageReader;
  /** Of what was received and not given back. */
  #owed = 0;
  #isEnded = false;
  #isOver = false;

  constructor(options: IncomingOptions) {
    this.#options = options;
    this.#reader = new MessageReader(options.messageBytesMax, { onMessage: options.onMessage });
  }

  push(bytes: Buffer, start: number, end: number, isLast: boolean): void {
    if (this.#isOver) return this.#options.stream.consumed(end - start);
    this.#isEnded ||= isLast;
    this.#owed += end - start;
    this.#read(() => this.#reader.push(bytes, start, end));
  }

  /** No more will come. */
  end(): void {
    this.#isEnded = true;
    this.#read(() => undefined);
  }

  resume(): void {
    if (this.#reader.isPaused && !this.#isOver) this.#read(() => this.#reader.resume());
  }

  /** Whatever comes now is for nobody. */
  stop(): void {
    this.#isOver = true;
    this.#options.stream.holds(0);
    this.#giveBack();
  }

  #read(step: () => void): void {
    try {
      step();
      if (!this.#options.stream.holds(this.#reader.keptLength)) throw tooMuchKept();
    } catch (error) {
      this.stop();
      return this.#options.onError(error);
    }
    if (this.#reader.isPaused || this.#isOver) return;
    this.#giveBack();
    if (!this.#isEnded) return;
    this.#isOver = true;
    this.#options.onEnd(this.#reader.hasRest);
  }

  #giveBack(): void {
    const owed = this.#owed;
    this.#owed = 0;
    this.#options.stream.consumed(owed);
  }
}
