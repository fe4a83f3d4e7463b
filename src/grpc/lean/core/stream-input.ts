/**
 * What comes on streams: requests or responses, their DATA and their trailers, each checked against the state of its
 * stream and against the windows that were offered (RFC 9113 §5.1, §5.2, §8.1).
 */
import type { Head } from './head.ts';
import type { HeaderBlock } from './header-blocks.ts';
import { ConnectionError, ErrorCode, Flag, StreamError, WINDOW_DEFAULT } from './protocol.ts';
import type { SessionContext } from './session-context.ts';
import type { StreamTable } from './stream-table.ts';
import type { Stream } from './stream.ts';
import { ReceiveWindow } from './windows.ts';

/** In frames that say nothing: a list of fields that is too long is followed to its end, as the next ones build on it. */
const TOO_LARGE_COST = 20;

export class StreamInput {
  readonly #context: SessionContext;
  readonly #table: StreamTable;
  /** All streams' together. */
  readonly #window: ReceiveWindow;

  constructor(context: SessionContext, table: StreamTable) {
    this.#context = context;
    this.#table = table;
    this.#window = new ReceiveWindow(context.settings.connectionWindowBytes, WINDOW_DEFAULT);
  }

  /** By how much the connection's window is larger than a client takes it for. */
  open(): number {
    return this.#window.open();
  }

  data(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    const length = end - start;
    if (streamId === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'DATA of no stream');
    if (!this.#window.take(length)) {
      throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, 'more DATA than the connection’s window');
    }
    const endStream = (flags & Flag.END_STREAM) !== 0;
    const stream = this.#table.get(streamId);
    if (stream === undefined || stream.isRemoteClosed) return this.#strayData(streamId, stream, length);
    if (!stream.receiveWindow.take(length)) {
      this.#giveBack(length);
      throw new StreamError(streamId, ErrorCode.FLOW_CONTROL_ERROR, 'more DATA than the stream’s window');
    }
    let from = start;
    let to = end;
    if ((flags & Flag.PADDED) !== 0) {
      const padding = length === 0 ? 0 : bytes[start]! + 1;
      if (padding > length || length === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'more padding than frame');
      from = start + 1;
      to = end - padding + 1;
      stream.consumed(padding);
    }
    if (from === to && !endStream) this.#context.patience.spend();
    else this.#context.patience.restore();
    this.#checkLength(stream, to - from, endStream);
    if (endStream) stream.isRemoteClosed = true;
    stream.events?.onData(bytes, from, to, endStream);
    if (endStream) this.#table.closeIfDone(stream);
  }

  /** A request's, a response's, or trailers. */
  head(streamId: number, { meaning: head, endStream, dependsOnItself }: HeaderBlock<Head>): void {
    const { isServer, patience } = this.#context;
    const stream = this.#table.get(streamId);
    if (stream === undefined) {
      if (isServer) this.#request(streamId, head, { endStream, dependsOnItself });
      else this.#table.checkNotIdle(streamId);
      return;
    }
    if (dependsOnItself) throw new StreamError(streamId, ErrorCode.PROTOCOL_ERROR, 'a stream that depends on itself');
    if (stream.isRemoteClosed) throw new StreamError(streamId, ErrorCode.STREAM_CLOSED, 'HEADERS behind the end');
    const isOutOfPlace = isServer ? head.kind !== 'trailers' : head.kind === 'request';
    if (head.kind === 'malformed' || isOutOfPlace || (head.kind === 'trailers' && !endStream)) {
      throw new StreamError(streamId, ErrorCode.PROTOCOL_ERROR, 'HEADERS that are malformed');
    }
    patience.restore();
    if (endStream) {
      this.#checkLength(stream, 0, true);
      stream.isRemoteClosed = true;
    }
    stream.events?.onHead(head, endStream);
    if (endStream) this.#table.closeIfDone(stream);
  }

  /** So much of what was received needs no room any more. */
  consumed(stream: Stream, count: number): void {
    if (count === 0) return;
    const { isServer, output, events } = this.#context;
    // A server that has answered wants no more of it.
    const isWanted = !stream.isRemoteClosed && !stream.isClosed && !(isServer && stream.isLocalClosed);
    const increment = isWanted ? stream.receiveWindow.giveBack(count) : 0;
    if (increment > 0) {
      output.windowUpdate(stream.id, increment);
      events.onOutput();
    }
    this.#giveBack(count);
  }

  #request(streamId: number, head: Head, { endStream, dependsOnItself }: Omit<HeaderBlock<Head>, 'meaning'>): void {
    const table = this.#table;
    if (!table.accepts(streamId)) return;
    if (head.kind === 'too-large') {
      this.#context.patience.spend(TOO_LARGE_COST);
      return table.refuse(streamId, ErrorCode.ENHANCE_YOUR_CALM);
    }
    if (head.kind !== 'request' || dependsOnItself) return table.refuse(streamId, ErrorCode.PROTOCOL_ERROR);
    if (table.isFull) return table.refuse(streamId, ErrorCode.REFUSED_STREAM);
    this.#context.patience.restore();
    const stream = table.add(streamId);
    stream.isRemoteClosed = endStream;
    if (head.contentLength !== undefined) stream.bytesAwaited = head.contentLength;
    if (endStream && stream.bytesAwaited > 0) return table.refuse(streamId, ErrorCode.PROTOCOL_ERROR);
    this.#context.events.onRequest(stream, head, endStream);
    if (endStream) table.closeIfDone(stream);
  }

  #strayData(streamId: number, stream: Stream | undefined, length: number): void {
    this.#giveBack(length);
    this.#table.checkNotIdle(streamId);
    if (length === 0) this.#context.patience.spend();
    if (stream === undefined && this.#table.isExcused(streamId)) return;
    throw new StreamError(streamId, ErrorCode.STREAM_CLOSED, 'DATA behind the end');
  }

  #checkLength(stream: Stream, length: number, endStream: boolean): void {
    if (stream.bytesAwaited < 0) return;
    stream.bytesAwaited -= length;
    if (stream.bytesAwaited >= 0 && (!endStream || stream.bytesAwaited === 0)) return;
    this.#giveBack(length);
    throw new StreamError(stream.id, ErrorCode.PROTOCOL_ERROR, 'not as long as its content-length');
  }

  #giveBack(count: number): void {
    const increment = this.#window.giveBack(count);
    if (increment === 0) return;
    this.#context.output.windowUpdate(0, increment);
    this.#context.events.onOutput();
  }
}
