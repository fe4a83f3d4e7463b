/**
 * Very many clients that do nothing: each has said HTTP/2's preface and answers what every client answers, settings and
 * pings, so that the port has no reason to hang up on it. Plain sockets, since ten thousand real clients would be what is measured.
 */
import { connect, type Socket } from 'node:net';

const FRAME_HEAD_BYTES = 9;
const Frame = { SETTINGS: 4, PING: 6 } as const;
const ACK = 1;
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const EMPTY_SETTINGS = Buffer.from([0, 0, 0, Frame.SETTINGS, 0, 0, 0, 0, 0]);
/** At a time; the backlog of a listening socket holds no more than some hundreds. */
const WAVE = 200;
const PATIENCE_MS = 20_000;
/** Of each of them fewer than the machine has ports, whatever ran before. */
const SOURCES = ['127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.5'];

export class Crowd {
  readonly #port: number;
  readonly #sockets = new Set<Socket>();
  /** Connections that were made and then ended by the port. */
  ended = 0;

  constructor(address: string) {
    this.#port = Number(address.split(':')[1]);
  }

  get size(): number {
    return this.#sockets.size;
  }

  /** So many more; resolves when the port has answered each, or hung up on it. */
  async grow(count: number): Promise<void> {
    for (let left = count; left > 0; left -= WAVE) {
      await Promise.all(Array.from({ length: Math.min(WAVE, left) }, (_, at) => this.#connect(SOURCES[at % SOURCES.length]!)));
    }
  }

  /** By resets, so that no port of this machine is kept waiting. */
  leave(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
    this.#sockets.clear();
  }

  #connect(localAddress: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port: this.#port, localAddress });
      const timer = setTimeout(() => reject(new Error(`no answer to connection ${this.#sockets.size}`)), PATIENCE_MS);
      const settle = () => {
        clearTimeout(timer);
        resolve();
      };
      socket.once('connect', () => {
        this.#sockets.add(socket);
        socket.write(Buffer.concat([PREFACE, EMPTY_SETTINGS]));
      });
      socket.on('data', (bytes: Buffer) => {
        settle();
        answer(socket, bytes);
      });
      socket.on('error', settle);
      socket.once('close', () => {
        settle();
        if (this.#sockets.delete(socket)) this.ended++;
      });
    });
  }
}

/** What a port says to a client without calls is so short that its frames arrive whole. */
function answer(socket: Socket, bytes: Buffer): void {
  for (let at = 0; at + FRAME_HEAD_BYTES <= bytes.length; ) {
    const end = at + FRAME_HEAD_BYTES + bytes.readUIntBE(at, 3);
    const type = bytes[at + 3];
    if ((type === Frame.SETTINGS || type === Frame.PING) && (bytes[at + 4]! & ACK) === 0) {
      const reply = type === Frame.PING ? Buffer.from(bytes.subarray(at, end)) : Buffer.from(EMPTY_SETTINGS);
      reply[4] = ACK;
      socket.write(reply);
    }
    at = end;
  }
}
