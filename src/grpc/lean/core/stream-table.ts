/**
 * The streams of a session: their numbers (RFC 9113 §5.1.1), how many there may be (§5.1.2), and how each of them ends.
 * What they carry is the business of stream-input.ts and stream-output.ts.
 */
import { ConnectionError, ErrorCode, STREAM_ID_MAX } from './protocol.ts';
import { RecentStreams } from './recent-streams.ts';
import type { SessionContext } from './session-context.ts';
import { Stream, type StreamOwner } from './stream.ts';

export class StreamTable {
  readonly #context: SessionContext;
  readonly #owner: StreamOwner;
  readonly #streams = new Map<number, Stream>();
  readonly #recent = new RecentStreams();
  /** Streams of a server that are answered before they were asked to the end. */
  #answered: Stream[] = [];
  /** The highest id that the other end has opened. */
  #lastRemoteId = 0;
  /** A client's own. */
  #nextId = 1;
  /** Streams past it are not taken any more. */
  #acceptedIdMax = STREAM_ID_MAX;
  /** Streams with something that could be sent, were there room in the socket or in the connection's window. */
  readonly sendable = new Set<Stream>();
  /** Of all streams. */
  #heldBytes = 0;
  /** Handlers that still run for streams that were reset: they count as streams, or a reset would make room for more work. */
  orphans = 0;

  constructor(context: SessionContext, owner: StreamOwner) {
    this.#context = context;
    this.#owner = owner;
  }

  get size(): number {
    return this.#streams.size;
  }

  /** As they are now, whatever becomes of them meanwhile. */
  get all(): readonly Stream[] {
    return [...this.#streams.values()];
  }

  get lastRemoteId(): number {
    return this.#lastRemoteId;
  }

  get acceptedIdMax(): number {
    return this.#acceptedIdMax;
  }

  /** Whether a client has numbers left. */
  get canNumber(): boolean {
    return this.#nextId <= STREAM_ID_MAX;
  }

  get isFull(): boolean {
    const { streamsMax, heldBytesMax } = this.#context.settings;
    return this.#streams.size + this.orphans >= streamsMax || this.#heldBytes > heldBytesMax;
  }

  get(streamId: number): Stream | undefined {
    return this.#streams.get(streamId);
  }

  // ── How they begin ───────────────────────────────────────────────────────────

  /** A client's next. */
  open(): Stream {
    const stream = this.add(this.#nextId);
    this.#nextId += 2;
    return stream;
  }

  add(streamId: number): Stream {
    const { settings, remote } = this.#context;
    const stream = new Stream(streamId, this.#owner, { receive: settings.streamWindowBytes, send: remote.windowBytes });
    this.#streams.set(streamId, stream);
    return stream;
  }

  /** Whether a server takes a new stream of this number. Throws `ConnectionError`. */
  accepts(streamId: number): boolean {
    if (streamId % 2 === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a stream with an even number');
    if (streamId <= this.#lastRemoteId) {
      if (!this.#recent.has(streamId)) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a stream that goes back');
      throw new ConnectionError(ErrorCode.STREAM_CLOSED, 'HEADERS of a stream that has ended');
    }
    if (streamId > this.#acceptedIdMax) return false; // §6.8: it is told that it was not taken
    this.#lastRemoteId = streamId;
    return true;
  }

  /** §6.8: those that are there go on, the next ones are not taken. */
  acceptNoMore(): void {
    this.#acceptedIdMax = Math.min(this.#acceptedIdMax, this.#lastRemoteId);
  }

  /** Throws `ConnectionError` where a frame speaks of a stream that nobody has opened. */
  checkNotIdle(streamId: number): void {
    const { isServer } = this.#context;
    const isOurs = streamId % 2 === (isServer ? 0 : 1);
    const isIdle = isOurs ? isServer || streamId >= this.#nextId : streamId > this.#lastRemoteId;
    // Past what we said was the last, the other end may have opened streams that were not taken.
    if (!isIdle || streamId > this.#acceptedIdMax) return;
    throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a frame of a stream that is idle');
  }

  /** Ended by us a moment ago. */
  isExcused(streamId: number): boolean {
    return this.#recent.isExcused(streamId);
  }

  // ── What they cost ───────────────────────────────────────────────────────────

  waits(stream: Stream, change: number): void {
    stream.waitingBytes += change;
    this.#heldBytes += change;
  }

  holds(stream: Stream, partialBytes: number): boolean {
    const change = partialBytes - stream.partialBytes;
    stream.partialBytes = partialBytes;
    this.#heldBytes += change;
    return change <= 0 || this.#heldBytes <= this.#context.settings.heldBytesMax;
  }

  // ── How they end ─────────────────────────────────────────────────────────────

  /** We have said all. */
  closeLocal(stream: Stream): void {
    stream.isLocalClosed = true;
    this.closeIfDone(stream);
    if (this.#context.isServer && !stream.isClosed) this.#answered.push(stream);
  }

  closeIfDone(stream: Stream): void {
    if (!stream.isLocalClosed || !stream.isRemoteClosed || stream.isClosed) return;
    this.#context.patience.wasDone();
    this.#forget(stream);
    this.#context.events.onStreamClosed();
  }

  /** Its owner hears of it, the other end does not. */
  drop(stream: Stream, code: ErrorCode): void {
    this.#forget(stream);
    stream.events?.onReset(code);
    this.#context.events.onStreamClosed();
  }

  /** The other end hears of it, its owner does not. */
  reset(stream: Stream, code: ErrorCode): void {
    const { output, events } = this.#context;
    this.#forget(stream);
    output.rstStream(stream.id, code);
    events.onOutput();
    events.onStreamClosed();
  }

  /** What the other end did with it was wrong, or there is no room for it: both hear of it. */
  refuse(streamId: number, code: ErrorCode): void {
    const { output, events, patience, isServer } = this.#context;
    patience.spend();
    const stream = this.#streams.get(streamId);
    if (stream === undefined) this.#recent.add(streamId, false);
    else this.drop(stream, code);
    // Its handler may have begun: to break a rule must not be cheaper than to reset the stream.
    if (isServer) patience.wasReset();
    output.rstStream(streamId, code);
    patience.owe(output.length);
    events.onOutput();
  }

  get hasAnswered(): boolean {
    return this.#answered.length > 0;
  }

  /** Those that were answered before they were asked to the end, and still are not. */
  takeAnswered(): Stream[] {
    const answered = this.#answered.filter((stream) => !stream.isClosed);
    this.#answered = [];
    return answered;
  }

  #forget(stream: Stream): void {
    stream.isClosed = true;
    stream.waiting = undefined;
    this.#streams.delete(stream.id);
    this.sendable.delete(stream);
    this.#heldBytes -= stream.waitingBytes + stream.partialBytes;
    stream.waitingBytes = stream.partialBytes = 0;
    this.#recent.add(stream.id, stream.isRemoteClosed);
  }
}
