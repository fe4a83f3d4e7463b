/**
 * The server's side of one SPDY/3.1 connection: which streams there are, and which of their directions are at their end.
 * Pure: `receive` tells its events of what came, and they are given what is to be sent. kubectl neither keeps nor announces
 * windows (its library takes a WINDOW_UPDATE for a frame that it does not know), so there are none here either: whoever
 * owns this stops reading where nobody takes what came.
 */
import { SpdyEncoder, SpdyError, SpdyParser, type SpdyFrame } from '../../../../base/core/spdy/frames.ts';

export interface SpdyEvents {
  onOpen(streamId: number, headers: ReadonlyMap<string, string>): void;
  /** A view that is not to be kept. */
  onData(streamId: number, bytes: Uint8Array): void;
  /** The client says nothing more on it. */
  onEnd(streamId: number): void;
  onReset(streamId: number): void;
  onGoAway(): void;
  send(bytes: Uint8Array): void;
}

/** A connection that is forwarded takes two. */
export const STREAMS_MAX = 2_000;
const STATUS = { REFUSED_STREAM: 3, CANCEL: 5 } as const;

interface Stream {
  isRemoteDone: boolean;
  isLocalDone: boolean;
}

export class SpdySession {
  readonly #parser = new SpdyParser();
  readonly #encoder = new SpdyEncoder();
  readonly #events: SpdyEvents;
  readonly #streams = new Map<number, Stream>();
  #lastId = 0;

  constructor(events: SpdyEvents) {
    this.#events = events;
  }

  get openStreams(): number {
    return this.#streams.size;
  }

  /** Throws {@link SpdyError}: the connection is to be closed. */
  receive(bytes: Uint8Array): void {
    this.#parser.push(bytes, (frame) => this.#onFrame(frame));
  }

  /** False: there is no such stream any more. */
  send(streamId: number, bytes: Uint8Array, isLast = false): boolean {
    const stream = this.#streams.get(streamId);
    if (stream === undefined || stream.isLocalDone) return false;
    this.#events.send(this.#encoder.data(streamId, bytes, isLast));
    if (isLast) {
      stream.isLocalDone = true;
      this.#forget(streamId, stream);
    }
    return true;
  }

  reset(streamId: number): void {
    if (this.#streams.delete(streamId)) this.#events.send(this.#encoder.reset(streamId, STATUS.CANCEL));
  }

  goAway(): void {
    this.#events.send(this.#encoder.goAway(this.#lastId));
  }

  #onFrame(frame: SpdyFrame): void {
    switch (frame.kind) {
      case 'open':
        return this.#open(frame.streamId, frame.headers, frame.isLast);
      case 'data': {
        const stream = this.#streams.get(frame.streamId);
        // Of one that we have reset, or that has ended, the rest may be on its way.
        if (stream === undefined || stream.isRemoteDone) return;
        if (frame.bytes.length > 0) this.#events.onData(frame.streamId, frame.bytes);
        if (frame.isLast) this.#endRemote(frame.streamId, stream);
        return;
      }
      case 'reset':
        if (this.#streams.delete(frame.streamId)) this.#events.onReset(frame.streamId);
        return;
      case 'ping':
        // Its own are odd; an even one would answer one of ours, and we send none.
        if (frame.id % 2 === 1) this.#events.send(this.#encoder.ping(frame.id));
        return;
      case 'go-away':
        return this.#events.onGoAway();
    }
  }

  #open(streamId: number, headers: ReadonlyMap<string, string>, isLast: boolean): void {
    if (streamId % 2 === 0 || streamId <= this.#lastId) throw new SpdyError(`a stream with the number ${streamId}`);
    this.#lastId = streamId;
    if (this.#streams.size >= STREAMS_MAX) return this.#events.send(this.#encoder.reset(streamId, STATUS.REFUSED_STREAM));
    const stream: Stream = { isRemoteDone: false, isLocalDone: false };
    this.#streams.set(streamId, stream);
    this.#events.send(this.#encoder.reply(streamId));
    this.#events.onOpen(streamId, headers);
    if (isLast) this.#endRemote(streamId, stream);
  }

  #endRemote(streamId: number, stream: Stream): void {
    stream.isRemoteDone = true;
    this.#forget(streamId, stream);
    this.#events.onEnd(streamId);
  }

  #forget(streamId: number, { isRemoteDone, isLocalDone }: Stream): void {
    if (isRemoteDone && isLocalDone) this.#streams.delete(streamId);
  }
}

