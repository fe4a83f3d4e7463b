/** HTTP/1.1, which Node.js speaks: its requests and responses as the handlers want them. */
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { BodySink, HttpRequest, HttpResponse, ResponseEvents } from './http.ts';

export class Http1Request implements HttpRequest {
  readonly #message: IncomingMessage;
  readonly remoteAddress: string;

  constructor(message: IncomingMessage) {
    this.#message = message;
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
