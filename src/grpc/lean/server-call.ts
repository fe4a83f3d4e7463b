/** What every call of the lean server has: its context for the handler, its deadline, and one outcome. */
import { RpcCode, RpcError, type CallContext } from '../../proto/rpc.ts';
import type { SharedAnswers } from '../../proto/shared-answers.ts';
import { CallSignal } from '../call-signal.ts';
import type { ServedMethod } from '../dispatch.ts';
import { failureBlock, metadataField, OK_HEAD, OK_TRAILERS } from './answers.ts';
import { decompress } from './compression.ts';
import type { Head, RequestHead } from './core/head.ts';
import { encodeBlock } from './core/hpack-encoder.ts';
import type { Field } from './core/hpack-table.ts';
import type { ErrorCode } from './core/protocol.ts';
import { parseTimeoutMs } from './core/status.ts';
import type { Stream, StreamEvents } from './core/stream.ts';
import type { Deadlines } from './deadlines.ts';

/** What a call knows of the connection that it came by. */
export interface CallOrigin {
  readonly peer: string;
  readonly identity: string | undefined;
  readonly organizations: readonly string[];
  readonly requestBytesMax: number;
  readonly deadlines: Deadlines;
  /** A handler goes on for a stream that was reset; and has ended. */
  orphaned(change: 1 | -1): void;
}

/**
 * It is the handler's context itself, and makes what a handler asks for when it asks: most never look at the signal, and
 * the metadata of a call is the block it came with.
 */
export abstract class ServerCall extends CallSignal implements CallContext, StreamEvents {
  protected readonly stream: Stream;
  protected readonly origin: CallOrigin;
  protected readonly served: ServedMethod;
  readonly metadata: RequestHead;
  readonly deadlineMs: number | undefined;
  /** Answered, failed or gone; the first outcome counts. */
  protected isOver = false;
  readonly #started: number;
  #hasHead = false;
  /** Of the handler's own: most say nothing, and answer with blocks that were made once. */
  #header: Field[] | undefined;
  #trailer: Field[] | undefined;

  constructor(stream: Stream, head: RequestHead, served: ServedMethod, origin: CallOrigin) {
    super();
    this.stream = stream;
    this.metadata = head;
    this.served = served;
    this.origin = origin;
    this.#started = served.observer.started();
    this.deadlineMs = head.timeout === undefined ? undefined : parseTimeoutMs(head.timeout);
    if (this.deadlineMs !== undefined) origin.deadlines.add(this, this.deadlineMs);
  }

  get peer(): string {
    return this.origin.peer;
  }

  get identity(): string | undefined {
    return this.origin.identity;
  }

  get organizations(): readonly string[] {
    return this.origin.organizations;
  }

  setHeader(name: string, value: string): void {
    (this.#header ??= []).push(metadataField(name, value));
  }

  setTrailer(name: string, value: string): void {
    (this.#trailer ??= []).push(metadataField(name, value));
  }

  abstract onData(bytes: Buffer, start: number, end: number, endStream: boolean): void;
  abstract onHead(head: Head, endStream: boolean): void;
  abstract onDrained(): void;
  /** The server stops: streams end at once, others once their time is over. */
  abstract readonly isStream: boolean;
  /** The caller has gone, or need not be told any more. */
  protected abstract onGone(): void;

  onReset(_: ErrorCode): void {
    if (this.isOver) return;
    this.isOver = true;
    this.served.observer.ended(RpcCode.CANCELLED, this.#started);
    this.onGone();
    this.release();
  }

  onDeadline(): void {
    this.fail(new RpcError(RpcCode.DEADLINE_EXCEEDED, 'Deadline exceeded'));
  }

  /** The caller is told; what the handler still does is for nobody. */
  fail(error: unknown): void {
    if (this.isOver) return;
    this.isOver = true;
    const known = this.served.failure(error);
    this.served.observer.ended(known.code, this.#started);
    this.stream.end(failureBlock(known, !this.#hasHead, this.#trailer));
    this.release();
  }

  protected succeed(): void {
    this.isOver = true;
    this.served.observer.ended(RpcCode.OK, this.#started);
    this.#sendHead();
    this.stream.end(withFields(OK_TRAILERS, this.#trailer));
  }

  /** See {@link Stream.sendMessage}. */
  protected send(message: Uint8Array, length = message.length): boolean {
    this.#sendHead();
    return this.stream.sendMessage(message, length);
  }

  /** Answers how many of all have been, the last perhaps in part. */
  protected sendAll(answers: SharedAnswers, from: number): number {
    this.#sendHead();
    return this.stream.sendShared(answers, from);
  }

  #sendHead(): void {
    if (this.#hasHead) return;
    this.#hasHead = true;
    this.stream.sendHead(withFields(OK_HEAD, this.#header));
  }

  protected unpack(message: Buffer, isCompressed: boolean): Buffer {
    return isCompressed ? decompress(message, this.metadata.encoding, this.origin.requestBytesMax) : message;
  }

  /** The signal fires, the deadline does not. */
  protected release(): void {
    this.endDeadline();
    this.abort();
  }

  protected endDeadline(): void {
    if (this.deadlineMs !== undefined) this.origin.deadlines.delete(this);
  }
}

function withFields(block: Buffer, fields: readonly Field[] | undefined): Buffer {
  return fields === undefined ? block : Buffer.concat([block, encodeBlock(fields)]);
}
