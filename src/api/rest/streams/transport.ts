/** A connection that a request was upgraded to: messages of a WebSocket, or the bytes of a socket. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { RawData, WebSocket, WebSocketServer } from 'ws';
import type { Upgrade } from '../http.ts';

export interface TransportEvents {
  /** May be a view that is not to be kept. */
  onBytes(bytes: Uint8Array): void;
  /** Once: the client has gone, or was let go. */
  onClose(): void;
}

export interface Transport {
  /** What comes before is kept. */
  listen(events: TransportEvents): void;
  /** False: the client is behind; {@link drained} resolves once it wants more, or has gone. */
  write(bytes: Uint8Array): boolean;
  drained(): Promise<void>;
  pause(): void;
  resume(): void;
  /** Says that it was the end, behind all that was written. */
  end(): void;
  destroy(): void;
}

/** Of one message; clients send pieces of 32 KiB and less. */
const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;
/** A client that is gone without a word is found out by its kernel. */
const KEEPALIVE_MS = 30_000;
const NORMAL_CLOSURE = 1000;

let webSockets: Promise<WebSocketServer> | undefined;
/** The library refuses a subprotocol with a slash, which Kubernetes' have: it is not shown any, and the answer is added. */
const chosen = new WeakMap<IncomingMessage, string>();

/** Loaded for the first who wants it: the library is a quarter of what a server takes to load. */
async function loadWebSockets(): Promise<WebSocketServer> {
  const { WebSocketServer: Server } = await import('ws');
  const server = new Server({ noServer: true, clientTracking: false, perMessageDeflate: false, maxPayload: MESSAGE_BYTES_MAX });
  server.on('headers', (headers, message) => {
    const protocol = chosen.get(message);
    if (protocol !== undefined) headers.push(`Sec-WebSocket-Protocol: ${protocol}`);
  });
  return server;
}

/** Answers 101 with this one subprotocol; what the client got wrong in its handshake is answered, and undefined. */
export async function acceptWebSocket(upgrade: Upgrade, protocol: string): Promise<Transport | undefined> {
  webSockets ??= loadWebSockets();
  const server = await webSockets;
  const { message, socket, head } = upgrade.take();
  if (socket.destroyed) return undefined;
  delete message.headers['sec-websocket-protocol'];
  chosen.set(message, protocol);
  return new Promise((resolve) => {
    const onClose = () => resolve(undefined);
    socket.once('close', onClose);
    server.handleUpgrade(message, socket, head, (webSocket: WebSocket) => {
      socket.off('close', onClose);
      resolve(new WebSocketTransport(webSocket, socket));
    });
  });
}

/** Answers 101; the socket is then the protocol's. */
export function acceptRaw(upgrade: Upgrade, headers: Readonly<Record<string, string>>): Transport {
  const { message, socket, head } = upgrade.take();
  const lines = Object.entries({ Connection: 'Upgrade', Upgrade: upgradeOf(message), ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}\r\n`);
  if (head.length > 0) socket.unshift(head);
  return new SocketTransport(socket);
}

function upgradeOf(message: IncomingMessage): string {
  return (message.headers.upgrade ?? '').replace(/[^\x21-\x7e]/g, '');
}

/** Whether a socket takes more; who waits for it. */
class Room {
  readonly #socket: Duplex;
  #waiting: (() => void)[] = [];

  constructor(socket: Duplex) {
    this.#socket = socket;
    const release = () => {
      for (const goOn of this.#waiting.splice(0)) goOn();
    };
    socket.on('drain', release);
    socket.on('close', release);
    socket.on('error', release);
  }

  get isFull(): boolean {
    return this.#socket.writableNeedDrain && !this.#socket.destroyed;
  }

  wait(): Promise<void> {
    return this.isFull ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve();
  }
}

class WebSocketTransport implements Transport {
  readonly #webSocket: WebSocket;
  readonly #room: Room;

  constructor(webSocket: WebSocket, socket: Duplex) {
    this.#webSocket = webSocket;
    this.#room = new Room(socket);
    keepAlive(socket);
    webSocket.on('error', () => webSocket.terminate());
    webSocket.pause();
  }

  listen(events: TransportEvents): void {
    this.#webSocket.on('message', (data: RawData) => events.onBytes(bytesOf(data)));
    if (this.#webSocket.readyState === this.#webSocket.CLOSED) return events.onClose();
    this.#webSocket.once('close', () => events.onClose());
    this.#webSocket.resume();
  }

  write(bytes: Uint8Array): boolean {
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return true;
    this.#webSocket.send(bytes, { binary: true });
    return !this.#room.isFull;
  }

  drained(): Promise<void> {
    return this.#room.wait();
  }

  pause(): void {
    this.#webSocket.pause();
  }

  resume(): void {
    this.#webSocket.resume();
  }

  end(): void {
    this.#webSocket.resume();
    this.#webSocket.close(NORMAL_CLOSURE);
  }

  destroy(): void {
    this.#webSocket.terminate();
  }
}

function bytesOf(data: RawData): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}

class SocketTransport implements Transport {
  readonly #socket: Duplex;
  readonly #room: Room;

  constructor(socket: Duplex) {
    this.#socket = socket;
    this.#room = new Room(socket);
    keepAlive(socket);
    socket.on('error', () => socket.destroy());
    socket.pause();
  }

  listen(events: TransportEvents): void {
    if (this.#socket.destroyed) return events.onClose();
    this.#socket.on('data', (bytes: Buffer) => events.onBytes(bytes));
    // Neither protocol has a use for half a connection.
    this.#socket.once('end', () => this.#socket.end());
    this.#socket.once('close', () => events.onClose());
    this.#socket.resume();
  }

  write(bytes: Uint8Array): boolean {
    if (this.#socket.writableEnded || this.#socket.destroyed) return true;
    return this.#socket.write(bytes);
  }

  drained(): Promise<void> {
    return this.#room.wait();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.resume();
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

function keepAlive(socket: Duplex): void {
  if ('setKeepAlive' in socket && typeof socket.setKeepAlive === 'function') socket.setKeepAlive(true, KEEPALIVE_MS);
}
