/**
 * As much of an HTTP/2 client as a load needs: GETs over TLS whose answers are looked at as bytes. Node's own client costs
 * as much as the server that is measured; this one looks at frame headers only. Windows are opened once, to their most.
 */
import { connect, type TLSSocket } from 'node:tls';
import { TOKEN } from './subjects.ts';

const FRAME_HEADER_BYTES = 9;
const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
const PING = 6;
const GOAWAY = 7;
const WINDOW_UPDATE = 8;
const END_STREAM = 1;
const ACK = 1;
const WINDOW_MAX = 2 ** 31 - 1;
const FIRST_WINDOW = 65_535;

export interface StreamHandler {
  readonly onHeaders?: () => void;
  /** The bytes are the connection's: to be copied by who keeps them. */
  readonly onData: (bytes: Buffer) => void;
  readonly onEnd: (error?: Error) => void;
}

export class RawHttp2 {
  readonly #socket: TLSSocket;
  readonly #port: number;
  readonly #streams = new Map<number, StreamHandler>();
  #rest: Buffer = Buffer.alloc(0);
  #nextStream = 1;

  private constructor(socket: TLSSocket, port: number) {
    this.#socket = socket;
    this.#port = port;
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
    socket.on('error', () => {});
    socket.on('close', () => this.#end(new Error('the connection is closed')));
    const window = Buffer.alloc(6);
    window.writeUInt16BE(4, 0); // SETTINGS_INITIAL_WINDOW_SIZE
    window.writeUInt32BE(WINDOW_MAX, 2);
    const more = Buffer.alloc(4);
    more.writeUInt32BE(WINDOW_MAX - FIRST_WINDOW);
    socket.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(SETTINGS, 0, 0, window), frame(WINDOW_UPDATE, 0, 0, more)]));
  }

  static connect(port: number): Promise<RawHttp2> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, ALPNProtocols: ['h2'], rejectUnauthorized: false });
      socket.once('error', reject);
      socket.once('secureConnect', () => {
        socket.setNoDelay(true);
        resolve(new RawHttp2(socket, port));
      });
    });
  }

  get(path: string, handler: StreamHandler, headers: Readonly<Record<string, string>> = {}): void {
    const id = this.#nextStream;
    this.#nextStream += 2;
    this.#streams.set(id, handler);
    const all = { ':method': 'GET', ':scheme': 'https', ':path': path, ':authority': `127.0.0.1:${this.#port}`, authorization: `Bearer ${TOKEN}`, accept: 'application/json', ...headers };
    const block = Buffer.concat(Object.entries(all).map(([name, value]) => Buffer.concat([Buffer.of(0), text(name), text(value)])));
    this.#socket.write(frame(HEADERS, 4 | END_STREAM, id, block));
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(bytes: Buffer): void {
    let input = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    while (input.length >= FRAME_HEADER_BYTES) {
      const end = FRAME_HEADER_BYTES + input.readUIntBE(0, 3);
      if (input.length < end) break;
      this.#frame(input[3]!, input[4]!, input.readUInt32BE(5), input.subarray(FRAME_HEADER_BYTES, end));
      input = input.subarray(end);
    }
    this.#rest = input;
  }

  #frame(type: number, flags: number, id: number, payload: Buffer): void {
    if (type === SETTINGS && (flags & ACK) === 0) this.#socket.write(frame(SETTINGS, ACK, 0, Buffer.alloc(0)));
    else if (type === PING && (flags & ACK) === 0) this.#socket.write(frame(PING, ACK, 0, payload));
    else if (type === GOAWAY) this.#end(new Error(`the server goes away: ${payload.toString('latin1')}`));
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    if (type === HEADERS) stream.onHeaders?.();
    else if (type === DATA) stream.onData(payload);
    else if (type !== RST_STREAM) return;
    if (type !== RST_STREAM && (flags & END_STREAM) === 0) return;
    this.#streams.delete(id);
    stream.onEnd(type === RST_STREAM ? new Error(`the stream was reset: ${payload.readUInt32BE(0)}`) : undefined);
  }

  #end(error: Error): void {
    const open = [...this.#streams.values()];
    this.#streams.clear();
    for (const stream of open) stream.onEnd(error);
  }
}

function frame(type: number, flags: number, id: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(FRAME_HEADER_BYTES);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, payload]);
}

/** Of HPACK: a length of seven bits, and what does not fit in them after it; no Huffman code. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  const length: number[] = [];
  if (bytes.length < 127) length.push(bytes.length);
  else {
    length.push(127);
    let left = bytes.length - 127;
    for (; left >= 128; left >>>= 7) length.push((left & 127) | 128);
    length.push(left);
  }
  return Buffer.concat([Buffer.from(length), bytes]);
}
