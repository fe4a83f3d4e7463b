/** HTTP/1.1, which Node.js speaks: its requests and responses as the handlers want them. */
import { ServerResponse, type IncomingHttpHeaders, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import type { BodySink, HttpRequest, HttpResponse, ResponseEvents, Upgrade } from './http.ts';

export class Http1Request implements HttpRequest {
  readonly #message: IncomingMessage;
  readonly remoteAddress: string;
  readonly upgrade: Upgrade | undefined;

  constructor(message: IncomingMessage, upgrade?: Upgrade) {
    this.#message = message;
    this.upgrade = upgrade;
    this.remoteAddress = message.socket.remoteAddress ?? '';
    // A client that leaves is no error of ours.
    message.on('error', () => {});
  }

  get method(): string {
    return this.#message.method ?? '';
  }

  get url(): string {
    return this.#message.url ?? '';
  }

  get headers(): IncomingHttpHeaders {
    return this.#message.headers;
  }

  receive(sink: BodySink): void {
    this.#message.on('data', (chunk: Buffer) => sink.onData(chunk));
    this.#message.on('end', () => sink.onEnd());
    this.#message.on('close', () => sink.onLost());
    this.#message.on('error', () => sink.onLost());
  }

  /** It is let pass; the connection closes with the answer. */
  ignore(): void {
    this.#message.removeAllListeners('data');
    this.#message.resume();
  }
}

export class Http1Response implements HttpResponse {
  readonly #response: ServerResponse;
  events: ResponseEvents | undefined;

  constructor(response: ServerResponse) {
    this.#response = response;
    response.on('close', () => this.events?.onClose());
    response.on('error', () => this.events?.onClose());
    response.on('drain', () => this.events?.onDrain());
  }

  head(code: number, headers: OutgoingHttpHeaders): void {
    this.#response.writeHead(code, headers);
  }

  flush(): void {
    this.#response.flushHeaders();
  }

  write(bytes: Uint8Array): boolean {
    return this.#response.write(bytes);
  }

  end(bytes?: Uint8Array): void {
    this.#response.end(bytes);
  }

  destroy(): void {
    this.#response.destroy();
  }
}

/**
 * The answer to a request that would have its connection speak something else. It is refused like any other, and the
 * connection then closed; or the connection is taken, and this says nothing any more.
 */
export class UpgradeResponse implements HttpResponse {
  readonly upgrade: Upgrade;
  readonly #response: ServerResponse;
  readonly #socket: Socket;
  events: ResponseEvents | undefined;
  #isTaken = false;

  constructor(message: IncomingMessage, socket: Socket, head: Buffer) {
    this.#socket = socket;
    this.#response = new ServerResponse(message);
    this.#response.shouldKeepAlive = false;
    this.#response.assignSocket(socket);
    this.#response.on('error', () => socket.destroy());
    this.#response.on('finish', () => socket.end());
    this.#response.on('drain', () => this.events?.onDrain());
    socket.on('close', () => this.events?.onClose());
    const take = () => {
      this.#isTaken = true;
      this.#response.detachSocket(socket);
      return { message, socket, head };
    };
    this.upgrade = { protocol: (message.headers.upgrade ?? '').toLowerCase(), take };
  }

  head(code: number, headers: OutgoingHttpHeaders): void {
    if (!this.#isTaken) this.#response.writeHead(code, headers);
  }

  flush(): void {
    if (!this.#isTaken) this.#response.flushHeaders();
  }

  write(bytes: Uint8Array): boolean {
    return this.#isTaken || this.#response.write(bytes);
  }

  end(bytes?: Uint8Array): void {
    if (!this.#isTaken) this.#response.end(bytes);
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
