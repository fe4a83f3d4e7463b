/**
 * A request and its answer as the handlers of this face see them, whichever version of HTTP carries them: http1.ts over
 * Node.js, http2.ts over frames of our own. Neither throws for what a client does.
 */
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';

export interface HttpRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  /** By names in small letters; what came several times is joined. Connections may share one object: not to be changed. */
  readonly headers: Readonly<IncomingHttpHeaders>;
  readonly remoteAddress: string;
  /** The client wants to speak another protocol on this connection; of HTTP/1.1 alone. */
  readonly upgrade?: Upgrade | undefined;
  /** Tells of the body, of what is there already at once. To be called once. */
  receive(sink: BodySink): void;
  /** What still comes of the body is for nobody. */
  ignore(): void;
}

export interface Upgrade {
  /** In small letters: `websocket`, `spdy/3.1`. */
  readonly protocol: string;
  /** Once: the connection is then the caller's, from the 101 on, and the response nobody's. */
  take(): { readonly message: IncomingMessage; readonly socket: Duplex; readonly head: Buffer };
}

export interface BodySink {
  /** To be kept. */
  onData(chunk: Buffer): void;
  onEnd(): void;
  /** The client has gone before the end. */
  onLost(): void;
}

export interface HttpResponse {
  /** Who is told; set before anything is sent. */
  events: ResponseEvents | undefined;
  /** Once, and before all else. */
  head(code: number, headers: OutgoingHttpHeaders): void;
  /** Sends the head at once: what follows may be long in coming. */
  flush(): void;
  /** False: the client is behind; `onDrain` tells when it is no more. */
  write(bytes: Uint8Array): boolean;
  end(bytes?: Uint8Array): void;
  /** Lets go of a client that is not to be told the rest. */
  destroy(): void;
}

export interface ResponseEvents {
  onDrain(): void;
  /** The client has gone; perhaps more than once. */
  onClose(): void;
}
