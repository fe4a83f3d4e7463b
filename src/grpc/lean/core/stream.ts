/**
 * One stream of a session (RFC 9113 §5.1): which half is closed, its windows, and what waits for them.
 *
 *   idle ──HEADERS──► open ──END_STREAM, one way──► half-closed ──the other way──► closed      RST_STREAM: closed at once
 */
import type { Head } from './head.ts';
import { ReceiveWindow } from './windows.ts';
import type { ErrorCode } from './protocol.ts';

/** Who has the stream: a call. None of it may throw. */
export interface StreamEvents {
  /** A response's head or trailers; of a request, trailers only. */
  onHead(head: Head, endStream: boolean): void;
  /** To be consumed ({@link Stream.consumed}), at once or later; not to be kept. */
  onData(bytes: Buffer, start: number, end: number, endStream: boolean): void;
  /** The other end, or the connection, has ended it before its time. Nothing follows. */
  onReset(code: ErrorCode): void;
  /** All that waited is on its way, after a `send` that answered false. */
  onDrained(): void;
}

/** Messages that differ in their first bytes only: each is one of the heads and the tail. */
export interface SharedMessages {
  readonly heads: readonly Uint8Array[];
  readonly tail: Uint8Array;
}

/** What the session does for its streams. */
export interface StreamOwner {
  sendHead(stream: Stream, block: Uint8Array, endStream: boolean): void;
  sendMessage(stream: Stream, message: Uint8Array, length: number): boolean;
  sendShared(stream: Stream, messages: SharedMessages, from: number): number;
  sendBytes(stream: Stream, bytes: Uint8Array): boolean;
  sendEnd(stream: Stream, trailers: Uint8Array | undefined): void;
  consumed(stream: Stream, count: number): void;
  /** False: too much is kept on this connection. */
  holds(stream: Stream, partialBytes: number): boolean;
  reset(stream: Stream, code: ErrorCode): void;
}

export class Stream {
  readonly id: number;
  readonly owner: StreamOwner;
  events: StreamEvents | undefined;
  readonly receiveWindow: ReceiveWindow;
  /** What the other end still takes; negative after its settings have changed. */
  sendWindow: number;
  /** A request's or response's content-length that is not there yet; -1: it does not say. */
  bytesAwaited = -1;
  isRemoteClosed = false;
  isLocalClosed = false;
  /** Removed: nothing is sent or heard any more. */
  isClosed = false;
  /** What waits for a window or for the socket, in order; of the first, what `waitingFrom` leaves. */
  waiting: Uint8Array[] | undefined;
  waitingFrom = 0;
  /** What we keep for it: of what waits to be sent, and of a message whose end has not come. */
  waitingBytes = 0;
  partialBytes = 0;
  /** The end waits, too; with trailers or without. */
  endWaits = false;
  trailersWait: Uint8Array | undefined;

  constructor(id: number, owner: StreamOwner, windows: { readonly receive: number; readonly send: number }) {
    this.id = id;
    this.owner = owner;
    this.receiveWindow = new ReceiveWindow(windows.receive);
    this.sendWindow = windows.send;
  }

  sendHead(block: Uint8Array, endStream = false): void {
    if (!this.isClosed && !this.isLocalClosed) this.owner.sendHead(this, block, endStream);
  }

  /**
   * With gRPC's prefix. False: it waits; `onDrained` tells when it does no more. A message that is only the beginning of
   * its array, and no longer than some hundreds of bytes, may be written over afterwards.
   */
  sendMessage(message: Uint8Array, length = message.length): boolean {
    return this.isClosed || this.isLocalClosed || this.owner.sendMessage(this, message, length);
  }

  /** With prefixes, from the one of that number on. Answers where it stopped: the one before waits. */
  sendShared(messages: SharedMessages, from: number): number {
    return this.isClosed || this.isLocalClosed ? messages.heads.length : this.owner.sendShared(this, messages, from);
  }

  /** As it is. */
  sendBytes(bytes: Uint8Array): boolean {
    return this.isClosed || this.isLocalClosed || this.owner.sendBytes(this, bytes);
  }

  /** After all that waits. */
  end(trailers?: Uint8Array): void {
    if (!this.isClosed && !this.isLocalClosed && !this.endWaits) this.owner.sendEnd(this, trailers);
  }

  /** So much of what was received needs no room any more. */
  consumed(count: number): void {
    this.owner.consumed(this, count);
  }

  /** So much is kept of a message that is not whole yet. False: it is too much, with all that is kept for others. */
  holds(partialBytes: number): boolean {
    return this.isClosed || this.partialBytes === partialBytes || this.owner.holds(this, partialBytes);
  }

  reset(code: ErrorCode): void {
    if (!this.isClosed) this.owner.reset(this, code);
  }
}
