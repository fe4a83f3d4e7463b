/**
 * HTTP/2 of our own under this face (src/grpc/lean/core/session.ts has the frames): a connection, and one exchange a
 * stream. Why not Node.js': its streams and their compatibility layer took a third of what a create costs, and a write a
 * watcher; here all that is said on a connection within a turn leaves in one.
 */
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { Connection, type ConnectionEvents } from '../../grpc/lean/connection.ts';
import { readsAsStream } from '../../grpc/lean/reading.ts';
import { encodeBlock } from '../../grpc/lean/core/hpack-encoder.ts';
import type { Head, RequestHead } from '../../grpc/lean/core/head.ts';
import { ErrorCode } from '../../grpc/lean/core/protocol.ts';
import type { SessionSettings } from '../../grpc/lean/core/settings.ts';
import type { Stream, StreamEvents } from '../../grpc/lean/core/stream.ts';
import type { CertificateSubject } from '../access/authenticator.ts';
import type { BodySink, HttpRequest, HttpResponse, ResponseEvents } from './http.ts';

export interface Http2Options {
  readonly settings: SessionSettings;
  readonly subject: CertificateSubject | undefined;
  /** The `date` of answers. */
  readonly date: () => string;
  readonly onExchange: (exchange: Http2Exchange, subject: CertificateSubject | undefined) => void;
  readonly onClose: (connection: Http2Connection) => void;
}

export class Http2Connection implements ConnectionEvents {
  readonly #options: Http2Options;
  readonly #connection: Connection;
  readonly remoteAddress: string;
  /** Looks at it, one after the other, that found nothing at work and nothing since the last. */
  #idleLooks = 0;
  #hasBeenUsed = true;

  constructor(socket: TLSSocket, options: Http2Options) {
    this.#options = options;
    this.remoteAddress = socket.remoteAddress ?? '';
    // Clients ask whether the server lives; a quiet client costs nothing.
    const keepalive = { keepaliveTimeMs: Infinity, keepaliveTimeoutMs: Infinity };
    this.#connection = new Connection((onChunk) => readsAsStream(socket, onChunk), { role: 'server', settings: options.settings, ...keepalive }, this);
  }

  get date(): string {
    return this.#options.date();
  }

  /** From time to time. A watch may be silent for longer: only what has nothing at work is idle. */
  look(nowMs: number, idleLooksMax: number): void {
    this.#connection.look(nowMs);
    const isIdle = this.#connection.session.openStreams === 0 && !this.#hasBeenUsed;
    this.#hasBeenUsed = false;
    this.#idleLooks = isIdle ? this.#idleLooks + 1 : 0;
    if (this.#idleLooks > idleLooksMax) this.#connection.sayLast();
  }

  /** Clients go on with another connection, and what runs on this one ends first. */
  stop(): void {
    this.#connection.finish();
  }

  destroy(): void {
    this.#connection.destroy();
  }

  onRequest(stream: Stream, head: RequestHead, endStream: boolean): void {
    this.#hasBeenUsed = true;
    const exchange = new Http2Exchange(stream, head, this, endStream);
    stream.events = exchange;
    this.#options.onExchange(exchange, this.#options.subject);
  }

  onReady(): void {}

  onGoAway(): void {}

  onStreamClosed(): void {}

  onClose(): void {
    this.#options.onClose(this);
  }
}

/** One stream: a request and the answer to it. */
export class Http2Exchange implements StreamEvents, HttpRequest, HttpResponse {
  readonly #stream: Stream;
  readonly #head: RequestHead;
  readonly #connection: Http2Connection;
  events: ResponseEvents | undefined;
  /** Of the body what has come and nobody has received. It is not given back to the client's window until then. */
  #chunks: Buffer[] = [];
  #owed = 0;
  #sink: BodySink | undefined;
  #isWhole: boolean;
  #isIgnored = false;
  #isLost = false;
  #hasHead = false;

  constructor(stream: Stream, head: RequestHead, connection: Http2Connection, endStream: boolean) {
    this.#stream = stream;
    this.#head = head;
    this.#connection = connection;
    this.#isWhole = endStream;
  }

  // --- the request

  get method(): string {
    return this.#head.method;
  }

  get url(): string {
    return this.#head.path;
  }

  get headers(): Readonly<IncomingHttpHeaders> {
    return headersOf(this.#head);
  }

  get remoteAddress(): string {
    return this.#connection.remoteAddress;
  }

  receive(sink: BodySink): void {
    if (this.#isLost) return sink.onLost();
    if (!this.#isWhole && !this.#hasHead && this.#head.raw('expect') === '100-continue') this.#stream.sendHead(CONTINUE);
    this.#sink = sink;
    for (const chunk of this.#chunks.splice(0)) sink.onData(chunk);
    this.#giveBack();
    if (this.#isWhole) sink.onEnd();
  }

  ignore(): void {
    this.#isIgnored = true;
    this.#sink = undefined;
    this.#giveBack();
  }

  // --- the answer

  head(code: number, headers: OutgoingHttpHeaders): void {
    this.#hasHead = true;
    const hasNoBody = this.method === 'HEAD' || code === 204 || code === 304;
    this.#stream.sendHead(headBlock(code, headers, this.#connection.date), hasNoBody);
    if (hasNoBody) this.ignore();
  }

  flush(): void {}

  write(bytes: Uint8Array): boolean {
    return this.#stream.sendBytes(bytes);
  }

  end(bytes?: Uint8Array): void {
    if (bytes !== undefined) this.#stream.sendBytes(bytes);
    this.#stream.end();
    this.ignore();
  }

  destroy(): void {
    this.#stream.reset(ErrorCode.INTERNAL_ERROR);
    this.ignore();
  }

  // --- from the session

  onHead(_: Head, endStream: boolean): void {
    if (endStream) this.#end();
  }

  onData(bytes: Buffer, start: number, end: number, endStream: boolean): void {
    this.#owed += end - start;
    if (!this.#isIgnored && end > start) {
      // A view would keep all that came with it.
      const chunk = Buffer.from(bytes.subarray(start, end));
      if (this.#sink === undefined) this.#chunks.push(chunk);
      else this.#sink.onData(chunk);
    }
    if (this.#isIgnored || this.#sink !== undefined) this.#giveBack();
    if (endStream) this.#end();
  }

  onReset(): void {
    this.#isLost = true;
    const sink = this.#sink;
    this.ignore();
    sink?.onLost();
    this.events?.onClose();
  }

  onDrained(): void {
    this.events?.onDrain();
  }

  #end(): void {
    this.#isWhole = true;
    this.#sink?.onEnd();
  }

  #giveBack(): void {
    const owed = this.#owed;
    this.#owed = 0;
    if (this.#isIgnored) this.#chunks = [];
    if (owed > 0) this.#stream.consumed(owed);
  }
}

// --- headers

/** A client says the same of most of its requests, and the session then hands out the same head. */
const known = new WeakMap<RequestHead, IncomingHttpHeaders>();
/** Of these the first counts, as Node.js has it; of others all do. */
const SINGLE: ReadonlySet<string> = new Set([
  'authorization', 'content-length', 'content-type', 'expires', 'from', 'host', 'if-modified-since', 'if-unmodified-since', 'location', 'max-forwards', 'referer', 'user-agent',
]);

function headersOf(head: RequestHead): IncomingHttpHeaders {
  let headers = known.get(head);
  if (headers !== undefined) return headers;
  // Names are the client's: one that is called `__proto__` is a name like others.
  headers = Object.create(null) as IncomingHttpHeaders;
  for (const { name, value } of head.all) {
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else if (!SINGLE.has(name)) headers[name] = `${before.toString()}${name === 'cookie' ? '; ' : ', '}${value}`;
  }
  known.set(head, headers);
  return headers;
}

const CONTINUE = encodeBlock([{ name: ':status', value: '100' }]);
/** Differ in every answer. */
const UNLIKE: ReadonlySet<string> = new Set(['audit-id', 'content-length', 'warning']);
/** Fields as they are written; past it all are forgotten. */
const FIELDS_MAX = 1_000;
const fields = new Map<string, Buffer>();

function headBlock(code: number, headers: OutgoingHttpHeaders, date: string): Buffer {
  const parts = [encoded(':status', String(code)), encoded('date', date)];
  for (const [name, value] of Object.entries(headers)) {
    if (Array.isArray(value)) parts.push(...value.map((each) => encoded(name, each)));
    else if (value !== undefined) parts.push(encoded(name, String(value)));
  }
  return Buffer.concat(parts);
}

function encoded(called: string, value: string): Buffer {
  const name = called.toLowerCase();
  if (UNLIKE.has(name)) return encodeBlock([{ name, value }]);
  const key = `${name}\n${value}`;
  let bytes = fields.get(key);
  if (bytes === undefined) {
    bytes = encodeBlock([{ name, value }]);
    if (fields.size >= FIELDS_MAX) fields.clear();
    fields.set(key, bytes);
  }
  return bytes;
}
