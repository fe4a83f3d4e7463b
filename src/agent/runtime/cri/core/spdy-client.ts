/**
 * The client's side of one SPDY/3.1 connection, as runtimes' streaming servers speak it (k8s.io/kubelet, pkg/cri/streaming):
 * streams that the client opens, data both ways, no windows. Pure. WebSockets are spoken there too, but before their fifth
 * protocol nobody can say by them that nothing more will be written, and commands that read to the end would wait for ever.
 */
import { SpdyEncoder, SpdyParser, type SpdyFrame } from '../../../../base/core/spdy/frames.ts';

export interface SpdyClientEvents {
  /** A view that is not to be kept. */
  onData(streamId: number, bytes: Uint8Array): void;
  /** Nothing more will come on it. */
  onEnd(streamId: number): void;
  send(bytes: Uint8Array): void;
}

export class SpdyClient {
  readonly #parser = new SpdyParser();
  readonly #encoder = new SpdyEncoder();
  readonly #events: SpdyClientEvents;
  /** Those on which something may still come. */
  readonly #open = new Set<number>();
  #nextId = 1;

  constructor(events: SpdyClientEvents) {
    this.#events = events;
  }

  /** Throws a `SpdyError`: the connection is to be closed. */
  receive(bytes: Uint8Array): void {
    this.#parser.push(bytes, (frame) => this.#onFrame(frame));
  }

  /** `isLast`: nothing will be sent on it. */
  open(headers: Readonly<Record<string, string>>, isLast = false): number {
    const id = this.#nextId;
    this.#nextId += 2;
    this.#open.add(id);
    this.#events.send(this.#encoder.open(id, headers, isLast));
    return id;
  }

  send(streamId: number, bytes: Uint8Array, isLast = false): void {
    this.#events.send(this.#encoder.data(streamId, bytes, isLast));
  }

  #onFrame(frame: SpdyFrame): void {
    switch (frame.kind) {
      case 'data':
        if (!this.#open.has(frame.streamId)) return;
        if (frame.bytes.length > 0) this.#events.onData(frame.streamId, frame.bytes);
        if (frame.isLast) this.#end(frame.streamId);
        return;
      case 'reset':
        return this.#end(frame.streamId);
      case 'ping':
        // The server's are even; an odd one answers one of ours, and we send none.
        if (frame.id % 2 === 0) this.#events.send(this.#encoder.ping(frame.id));
        return;
      case 'open':
        // No server opens streams; it is told so.
        return this.#events.send(this.#encoder.reset(frame.streamId, 3));
      case 'go-away':
        return; // it closes the connection
    }
  }

  #end(streamId: number): void {
    if (this.#open.delete(streamId)) this.#events.onEnd(streamId);
  }
}
