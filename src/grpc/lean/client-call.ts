/** One call of the lean channel: from its head to its status, of which there is one. Which shape it has, its owner knows. */
import { RpcCode, RpcError, type CallOptions } from '../../proto/rpc.ts';
import { decompress } from './compression.ts';
import { decodeBinary, type Fields, type Head } from './core/head.ts';
import { ErrorCode } from './core/protocol.ts';
import { codeOfHttpStatus, codeOfReset, decodeGrpcMessage } from './core/status.ts';
import type { Stream, StreamEvents } from './core/stream.ts';
import { Incoming } from './incoming.ts';

export interface ClientCallOptions {
  readonly responseBytesMax: number;
  readonly call: CallOptions;
  readonly head: Uint8Array;
  /** False: no more for now; {@link ClientCall.resume} asks for more. */
  readonly onMessage: (message: Buffer) => boolean;
  /** Once. */
  readonly onEnd: (error: RpcError | undefined) => void;
  readonly onDrained: () => void;
}

/** The connection that it came to. */
export interface CallCarrier {
  readonly isLost: boolean;
  /** What was said leaves now, not at the end of this turn of the loop. */
  flush(): void;
}

/** Requests that wait for a connection before `send` answers false. */
const UNSENT_MAX = 64;

export class ClientCall implements StreamEvents {
  readonly #options: ClientCallOptions;
  #stream: Stream | undefined;
  #carrier: CallCarrier | undefined;
  #incoming: Incoming | undefined;
  #encoding = 'identity';
  #status: RpcError | 'ok' | undefined;
  #unsent: Uint8Array[] = [];
  #hasEnded = false;
  #onAbort: (() => void) | undefined;
  isOver = false;
  /** What the channel does when it is over. */
  onOver: (() => void) | undefined;

  constructor(options: ClientCallOptions) {
    this.#options = options;
    const { signal } = options.call;
    if (signal === undefined) return;
    this.#onAbort = () => this.cancel();
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** It has a stream now; what was said before goes on it. */
  begin(stream: Stream, carrier: CallCarrier): void {
    this.#stream = stream;
    this.#carrier = carrier;
    stream.events = this;
    this.#incoming = new Incoming({
      stream,
      messageBytesMax: this.#options.responseBytesMax,
      onMessage: (message, isCompressed) => this.#onMessage(message, isCompressed),
      onEnd: (isCut) => this.#onEnd(isCut),
      onError: (error) => this.#giveUp(error instanceof RpcError ? error : unreadable(error)),
    });
    stream.sendHead(this.#options.head);
    let isKeepingUp = true;
    for (const message of this.#unsent.splice(0)) isKeepingUp = stream.sendMessage(message);
    if (this.#hasEnded) stream.end();
    else if (isKeepingUp) this.#options.onDrained();
  }

  /** The first `length` bytes, which are copied where they have to wait. */
  send(message: Uint8Array, length = message.length): boolean {
    if (this.isOver) return true; // how it ended is told elsewhere
    if (this.#stream !== undefined) return this.#stream.sendMessage(message, length);
    return this.#unsent.push(message.slice(0, length)) < UNSENT_MAX;
  }

  flush(): void {
    this.#carrier?.flush();
  }

  end(): void {
    this.#hasEnded = true;
    this.#stream?.end();
  }

  resume(): void {
    this.#incoming?.resume();
  }

  cancel(): void {
    this.#giveUp(new RpcError(RpcCode.CANCELLED, 'the call was cancelled', { notSent: this.#stream === undefined }));
  }

  onDeadline(): void {
    this.#giveUp(new RpcError(RpcCode.DEADLINE_EXCEEDED, 'Deadline exceeded', { notSent: this.#stream === undefined }));
  }

  fail(error: RpcError): void {
    if (this.isOver) return;
    this.isOver = true;
    if (this.#onAbort !== undefined) this.#options.call.signal?.removeEventListener('abort', this.#onAbort);
    this.#incoming?.stop();
    this.onOver?.();
    this.#options.onEnd(error);
  }

  onHead(head: Head, endStream: boolean): void {
    if (this.isOver) return;
    if (head.kind === 'response') {
      if (head.status < 200 && !endStream) return;
      if (head.status !== 200) {
        return this.#giveUp(new RpcError(codeOfHttpStatus(head.status), `Received HTTP status code ${head.status}`));
      }
      this.#encoding = head.encoding;
    } else if (head.kind !== 'trailers') {
      return this.#giveUp(new RpcError(RpcCode.INTERNAL, 'an answer whose headers cannot be read'));
    }
    if (!endStream) return;
    this.#status = statusOf(head);
    this.#incoming?.end();
  }

  onData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    this.#incoming?.push(bytes, start, end, endStream);
  }

  onReset(code: ErrorCode): void {
    // The answer is whole, and here; what is reset is what was still to be said (RFC 9113, 8.1).
    if (this.#status !== undefined) return;
    if (this.#carrier?.isLost === true) return this.fail(new RpcError(RpcCode.UNAVAILABLE, 'the connection was lost'));
    const notSent = code === ErrorCode.REFUSED_STREAM;
    this.fail(new RpcError(codeOfReset(code), `the stream was reset by the server with code ${code}`, { notSent }));
  }

  onDrained(): void {
    this.#options.onDrained();
  }

  #onMessage(message: Buffer, isCompressed: boolean): boolean {
    if (!isCompressed) return this.#options.onMessage(message);
    return this.#options.onMessage(decompress(message, this.#encoding, this.#options.responseBytesMax));
  }

  #onEnd(isCut: boolean): void {
    // Whatever the caller would still say is for nobody.
    this.#stream?.reset(ErrorCode.NO_ERROR);
    if (isCut) return this.fail(new RpcError(RpcCode.INTERNAL, 'an answer that ends in a message'));
    if (this.#status === undefined) return this.fail(new RpcError(RpcCode.INTERNAL, 'an answer without a status'));
    if (this.#status !== 'ok') return this.fail(this.#status);
    if (this.isOver) return;
    this.isOver = true;
    if (this.#onAbort !== undefined) this.#options.call.signal?.removeEventListener('abort', this.#onAbort);
    this.onOver?.();
    this.#options.onEnd(undefined);
  }

  #giveUp(error: RpcError): void {
    if (this.isOver) return;
    this.#stream?.reset(ErrorCode.CANCEL);
    this.fail(error);
  }
}

function statusOf(fields: Fields): RpcError | 'ok' {
  const text = fields.raw('grpc-status');
  if (text === '0') return 'ok';
  if (text === undefined) return new RpcError(RpcCode.UNKNOWN, 'an answer without a status');
  const code = /^(?:[1-9]|1[0-6])$/.test(text) ? Number(text) : RpcCode.UNKNOWN;
  const details = fields.raw('grpc-status-details-bin');
  return new RpcError(code as RpcCode, decodeGrpcMessage(fields.raw('grpc-message') ?? ''), {
    ...(details === undefined ? {} : { details: new Uint8Array(decodeBinary(details)) }),
  });
}

function unreadable(cause: unknown): RpcError {
  return new RpcError(RpcCode.INTERNAL, 'an answer that is not its type', { cause });
}
