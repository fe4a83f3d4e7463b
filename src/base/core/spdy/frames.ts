/**
 * Frames of SPDY/3.1, as far as a server for kubectl needs them. Pure: bytes in, frames out, in whatever pieces they come.
 * What a frame of data holds is handed out as it comes; of all others the whole is awaited, and they are bounded.
 */
import { concatBytes, fromUtf8, toUtf8 } from '../../bytes.ts';
import { SPDY_DICTIONARY } from './dictionary.ts';
import { InflateError, Inflater } from './inflate.ts';

/** A block of headers, packed and unpacked: Kubernetes' have three short ones. */
export const HEADER_BYTES_MAX = 16 * 1024;
const HEADERS_MAX = 100;
const VERSION = 3;
const HEAD_BYTES = 8;
export const FLAG_FIN = 1;

const Type = { SYN_STREAM: 1, SYN_REPLY: 2, RST_STREAM: 3, SETTINGS: 4, PING: 6, GOAWAY: 7, HEADERS: 8, WINDOW_UPDATE: 9 } as const;

export type SpdyFrame =
  | { readonly kind: 'open'; readonly streamId: number; readonly headers: ReadonlyMap<string, string>; readonly isLast: boolean }
  /** A piece of one; `isLast` with the last piece of a stream's last. A view that is not to be kept. */
  | { readonly kind: 'data'; readonly streamId: number; readonly bytes: Uint8Array; readonly isLast: boolean }
  | { readonly kind: 'reset'; readonly streamId: number }
  | { readonly kind: 'ping'; readonly id: number }
  | { readonly kind: 'go-away' };

/** What came is no SPDY; there is no way to go on. */
export class SpdyError extends Error {
  override readonly name = 'SpdyError';
}

export class SpdyParser {
  readonly #inflater = new Inflater({ dictionary: SPDY_DICTIONARY, bytesMax: HEADER_BYTES_MAX });
  /** Of a frame that is not whole yet. */
  #rest: Uint8Array = new Uint8Array(0);
  #data: { readonly streamId: number; readonly isLast: boolean; left: number } | undefined;

  /** Throws {@link SpdyError}. */
  push(bytes: Uint8Array, onFrame: (frame: SpdyFrame) => void): void {
    const all = this.#rest.length === 0 ? bytes : concatBytes([this.#rest, bytes]);
    let at = 0;
    while (at < all.length) {
      if (this.#data !== undefined) {
        at += this.#dataPiece(all.subarray(at), onFrame);
        continue;
      }
      if (all.length - at < HEAD_BYTES) break;
      const head = new DataView(all.buffer, all.byteOffset + at, HEAD_BYTES);
      const flags = head.getUint8(4);
      const length = head.getUint32(4) & 0xffffff;
      const word = head.getUint32(0);
      if (word < 0x80000000) {
        this.#beginData({ streamId: word, isLast: (flags & FLAG_FIN) !== 0, left: length }, onFrame);
        at += HEAD_BYTES;
        continue;
      }
      const version = (word >>> 16) & 0x7fff;
      if (version !== VERSION) throw new SpdyError(`SPDY of version ${version}`);
      if (length > HEADER_BYTES_MAX) throw new SpdyError('a frame that is too large');
      if (all.length - at < HEAD_BYTES + length) break;
      const payload = all.subarray(at + HEAD_BYTES, at + HEAD_BYTES + length);
      at += HEAD_BYTES + length;
      const frame = this.#control({ type: word & 0xffff, flags, payload });
      if (frame !== undefined) onFrame(frame);
    }
    // A copy: a view would keep all that came with it.
    this.#rest = all.slice(at);
  }

  #beginData(data: { readonly streamId: number; readonly isLast: boolean; left: number }, onFrame: (frame: SpdyFrame) => void): void {
    const { streamId, isLast, left } = data;
    if (left > 0) this.#data = data;
    else if (isLast) onFrame({ kind: 'data', streamId, bytes: new Uint8Array(0), isLast });
  }

  #dataPiece(bytes: Uint8Array, onFrame: (frame: SpdyFrame) => void): number {
    const data = this.#data!;
    const piece = bytes.subarray(0, data.left);
    data.left -= piece.length;
    if (data.left === 0) this.#data = undefined;
    onFrame({ kind: 'data', streamId: data.streamId, bytes: piece, isLast: data.isLast && data.left === 0 });
    return piece.length;
  }

  /** undefined: nothing that is acted on. */
  #control({ type, flags, payload }: { readonly type: number; readonly flags: number; readonly payload: Uint8Array }): SpdyFrame | undefined {
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    const need = (length: number) => {
      if (payload.length < length) throw new SpdyError('a frame that is too short');
    };
    switch (type) {
      case Type.SYN_STREAM: {
        need(10);
        const headers = this.#headers(payload.subarray(10));
        return { kind: 'open', streamId: view.getUint32(0) & 0x7fffffff, headers, isLast: (flags & FLAG_FIN) !== 0 };
      }
      case Type.SYN_REPLY:
      case Type.HEADERS:
        need(4);
        // Nothing in them is asked for, but what follows is packed by what they hold.
        this.#headers(payload.subarray(4));
        return undefined;
      case Type.RST_STREAM:
        need(8);
        return { kind: 'reset', streamId: view.getUint32(0) & 0x7fffffff };
      case Type.PING:
        need(4);
        return { kind: 'ping', id: view.getUint32(0) };
      case Type.GOAWAY:
        return { kind: 'go-away' };
      default:
        return undefined; // SETTINGS, WINDOW_UPDATE, and what later drafts have: kubectl knows no windows
    }
  }

  #headers(packed: Uint8Array): ReadonlyMap<string, string> {
    let block: Uint8Array;
    try {
      block = this.#inflater.inflate(packed);
    } catch (cause) {
      if (cause instanceof InflateError) throw new SpdyError(`headers that cannot be read: ${cause.message}`, { cause });
      throw cause;
    }
    return parseHeaders(block);
  }
}

function parseHeaders(block: Uint8Array): ReadonlyMap<string, string> {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  let at = 0;
  const number = () => {
    if (at + 4 > block.length) throw new SpdyError('headers that are cut off');
    at += 4;
    return view.getUint32(at - 4);
  };
  const text = () => {
    const length = number();
    if (length > block.length - at) throw new SpdyError('headers that are cut off');
    at += length;
    return toUtf8(block.subarray(at - length, at));
  };
  const count = number();
  if (count > HEADERS_MAX) throw new SpdyError('too many headers');
  const headers = new Map<string, string>();
  for (let i = 0; i < count; i++) {
    const name = text().toLowerCase();
    headers.set(name, text());
  }
  return headers;
}

/** An empty stored block, by which whoever unpacks knows that it has everything so far. */
const FLUSH = Uint8Array.of(0, 0, 0, 255, 255);

/**
 * What a server says. Its blocks of headers are one stream of zlib as well; they are stored, not packed: there is next
 * to nothing in them.
 */
export class SpdyEncoder {
  #hasHead = false;

  reply(streamId: number, headers: Readonly<Record<string, string>> = {}): Uint8Array {
    return control(Type.SYN_REPLY, [uint32(streamId), this.#block(headers)]);
  }

  /** For tests, which play the client. */
  open(streamId: number, headers: Readonly<Record<string, string>>, isLast = false): Uint8Array {
    return control(Type.SYN_STREAM, [uint32(streamId), uint32(0), Uint8Array.of(0, 0), this.#block(headers)], isLast ? FLAG_FIN : 0);
  }

  data(streamId: number, bytes: Uint8Array, isLast: boolean): Uint8Array {
    return concatBytes([uint32(streamId), uint32((isLast ? FLAG_FIN << 24 : 0) + bytes.length), bytes]);
  }

  reset(streamId: number, status: number): Uint8Array {
    return control(Type.RST_STREAM, [uint32(streamId), uint32(status)]);
  }

  ping(id: number): Uint8Array {
    return control(Type.PING, [uint32(id)]);
  }

  goAway(lastStreamId: number): Uint8Array {
    return control(Type.GOAWAY, [uint32(lastStreamId), uint32(0)]);
  }

  #block(headers: Readonly<Record<string, string>>): Uint8Array {
    const entries = Object.entries(headers);
    const block = concatBytes([uint32(entries.length), ...entries.flatMap(([name, value]) => [name, value]).flatMap((text) => [uint32(fromUtf8(text).length), fromUtf8(text)])]);
    const head = this.#hasHead ? new Uint8Array(0) : Uint8Array.of(0x78, 0x01);
    this.#hasHead = true;
    const { length } = block;
    const lengths = Uint8Array.of(0, length & 255, length >> 8, ~length & 255, (~length >> 8) & 255);
    return concatBytes([head, lengths, block, FLUSH]);
  }
}

function control(type: number, parts: readonly Uint8Array[], flags = 0): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return concatBytes([uint32((0x80000000 | (VERSION << 16) | type) >>> 0), uint32(((flags << 24) | length) >>> 0), ...parts]);
}

function uint32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
}
