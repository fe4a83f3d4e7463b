/** SETTINGS (RFC 9113 §6.5): what we announce, and what the other end has. */
import {
  ConnectionError,
  ErrorCode,
  FRAME_BYTES_DEFAULT,
  FRAME_BYTES_MAX,
  Setting,
  TABLE_BYTES_DEFAULT,
  WINDOW_DEFAULT,
  WINDOW_MAX,
} from './protocol.ts';

export class SessionSettings {
  /** Streams that the other end may have open at a time. */
  readonly streamsMax: number;
  readonly headerListBytesMax: number;
  /** A stream's that nobody consumes. */
  readonly streamWindowBytes: number;
  /** All streams' together. */
  readonly connectionWindowBytes: number;
  /** What waits on a connection: answers that are not taken, requests of which a part has come. Past it no more is begun. */
  readonly heldBytesMax: number;
  /** Pings that come faster while nothing else is said are too many; 0: as fast as they like. */
  readonly pingIntervalMinMs: number;

  constructor(options: Partial<Omit<SessionSettings, 'announced'>> = {}) {
    this.streamsMax = options.streamsMax ?? 10_000;
    this.headerListBytesMax = options.headerListBytesMax ?? 16 * 1024;
    this.streamWindowBytes = options.streamWindowBytes ?? 1024 * 1024;
    this.connectionWindowBytes = options.connectionWindowBytes ?? 8 * 1024 * 1024;
    this.heldBytesMax = options.heldBytesMax ?? 256 * 1024 * 1024;
    this.pingIntervalMinMs = options.pingIntervalMinMs ?? 0;
  }

  announced(isServer: boolean): (readonly [number, number])[] {
    return [
      isServer ? [Setting.MAX_CONCURRENT_STREAMS, this.streamsMax] : [Setting.ENABLE_PUSH, 0],
      [Setting.INITIAL_WINDOW_SIZE, this.streamWindowBytes],
      [Setting.MAX_HEADER_LIST_SIZE, this.headerListBytesMax],
    ];
  }
}

/** Each until it says otherwise as the RFC has it. */
export class RemoteSettings {
  streamsMax = Infinity;
  windowBytes = WINDOW_DEFAULT;
  frameBytesMax = FRAME_BYTES_DEFAULT;
  /** Its decoder waits for a word on the new size of our table (RFC 7541 §4.2), which is empty. */
  awaitsTableSize = false;
  #tableBytes = TABLE_BYTES_DEFAULT;

  /** Answers by how much the windows of streams change. Throws `ConnectionError`. */
  apply(payload: Buffer): number {
    if (payload.length % 6 !== 0) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, 'SETTINGS of another length');
    const before = this.windowBytes;
    for (let at = 0; at < payload.length; at += 6) this.#set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
    return this.windowBytes - before;
  }

  #set(id: number, value: number): void {
    switch (id) {
      case Setting.HEADER_TABLE_SIZE:
        // Only of a smaller one; and once we have said that ours is empty, none is smaller.
        if (value >= this.#tableBytes) return;
        this.awaitsTableSize = true;
        this.#tableBytes = 0;
        return;
      case Setting.ENABLE_PUSH:
        if (value > 1) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'a push that is neither on nor off');
        return;
      case Setting.MAX_CONCURRENT_STREAMS:
        this.streamsMax = value;
        return;
      case Setting.INITIAL_WINDOW_SIZE:
        if (value > WINDOW_MAX) throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, 'a window that is too large');
        this.windowBytes = value;
        return;
      case Setting.MAX_FRAME_SIZE:
        if (value < FRAME_BYTES_DEFAULT || value > FRAME_BYTES_MAX) {
          throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'no size of a frame');
        }
        this.frameBytesMax = value;
        return;
      default: // unknown ones are ignored (§6.5.2)
    }
  }
}
