/** A call with a stream of requests, of answers, or both. */
import { Pipe } from '../../base/pipe.ts';
import { RpcCode, RpcError } from '../../proto/rpc.ts';
import type { SharedAnswers } from '../../proto/shared-answers.ts';
import { decodeRequest, encodeAnswer, REQUESTS_AHEAD_MAX } from '../dispatch.ts';
import { pump, type AnswerSink } from '../pump.ts';
import type { Head } from './core/head.ts';
import { Incoming, weightOf } from './incoming.ts';
import { ServerCall } from './server-call.ts';

/** What a handler hears that still reads when its call is over. Made once: every call ends, and a stack each time is most of that. */
const GONE = new RpcError(RpcCode.CANCELLED, 'the call was cancelled');

export class StreamCall extends ServerCall implements AnswerSink {
  readonly isStream = true;
  readonly #requests = new Pipe<unknown>(REQUESTS_AHEAD_MAX, { drain: () => this.#incoming.resume() });
  readonly #incoming = new Incoming({
    stream: this.stream,
    messageBytesMax: this.origin.requestBytesMax,
    onMessage: (message, isCompressed) => this.#onMessage(message, isCompressed),
    onEnd: (isCut) => this.#onEnd(isCut),
    onError: (error) => this.fail(error),
  });
  /** Of a call with one request: it is waited for. */
  #single: { readonly request: unknown } | undefined;
  #hasStarted = false;
  #stopAnswers: (() => void) | undefined;
  #goOn: (() => void) | undefined;
  /** Of which not all have been sent. */
  #shared: { readonly answers: SharedAnswers; at: number } | undefined;
  #isSending = false;

  /** Once it is known to the stream. */
  start(): void {
    if (this.served.method.requestStream) this.#run(this.#requests);
  }

  onData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    this.#incoming.push(bytes, start, end, endStream);
  }

  onHead(_: Head, endStream: boolean): void {
    if (endStream) this.#incoming.end();
  }

  onEmpty(): void {
    this.#incoming.end();
  }

  onDrained(): void {
    if (this.#isSending || !this.#sendShared()) return;
    const goOn = this.#goOn;
    this.#goOn = undefined;
    goOn?.();
  }

  write(answer: unknown): boolean {
    return this.send(encodeAnswer(this.served, answer));
  }

  writeShared(answers: SharedAnswers): boolean {
    const { heads, tail } = answers;
    for (const head of heads) this.served.observer.bytes.sent += head.length + tail.length;
    this.#shared = { answers, at: 0 };
    return this.#sendShared();
  }

  /** As many as the other end takes now; true: none is left, and nothing waits. */
  #sendShared(): boolean {
    const shared = this.#shared;
    if (shared === undefined) return true;
    this.#isSending = true;
    shared.at = this.sendAll(shared.answers, shared.at);
    this.#isSending = false;
    if (shared.at === shared.answers.heads.length) this.#shared = undefined;
    return this.stream.waiting === undefined;
  }

  drained(goOn: () => void): void {
    this.#goOn = goOn;
  }

  /** The handler has nothing more to say. */
  end(): void {
    if (this.isOver) return;
    this.succeed();
    this.release();
  }

  protected onGone(): void {}

  protected override release(): void {
    super.release();
    this.#incoming.stop();
    this.#stopAnswers?.();
    this.#shared = undefined;
    this.#requests.end(GONE);
  }

  #onMessage(message: Buffer, isCompressed: boolean): boolean {
    const request = decodeRequest(this.served, this.unpack(message, isCompressed));
    if (this.served.method.requestStream) return this.#requests.push(request, weightOf(message.length));
    if (this.#single !== undefined) throw new RpcError(RpcCode.UNIMPLEMENTED, 'a call of one request with several');
    this.#single = { request };
    return true;
  }

  #onEnd(isCut: boolean): void {
    if (this.served.method.requestStream) return this.#requests.end(isCut ? cutOff() : undefined);
    if (isCut || this.#single === undefined) return this.fail(new RpcError(RpcCode.UNIMPLEMENTED, 'a call without a request'));
    this.#run(this.#single.request);
  }

  #run(input: unknown): void {
    if (this.#hasStarted || this.isOver) return;
    this.#hasStarted = true;
    if (this.served.method.responseStream) {
      this.#stopAnswers = pump(() => this.served.call(input, this) as AsyncIterable<unknown>, this); // by its descriptor
      if (this.isOver) this.#stopAnswers();
      return;
    }
    const answer = async () => this.served.call(input, this);
    answer().then(
      (value) => {
        if (this.isOver) return;
        this.write(value);
        this.end();
      },
      (error: unknown) => this.fail(error),
    );
  }
}

function cutOff(): RpcError {
  return new RpcError(RpcCode.INTERNAL, 'a stream that ends in a message');
}
