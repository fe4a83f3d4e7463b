/**
 * What a port may hear from somebody who means harm, or has the wrong address: bytes that are no TLS, no HTTP/2, no gRPC,
 * no protobuf, and far too many of them. Every function answers what the port said, so that a test can hold it to it.
 */
import { connect as connectHttp2, constants, type ClientHttp2Session } from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { seededRandom } from '../../src/base/random.ts';

export interface Target {
  readonly host: string;
  readonly port: number;
  /** undefined: the port speaks plain text. */
  readonly tls?: { readonly ca: Buffer; readonly cert?: Buffer; readonly key?: Buffer } | undefined;
}

/** However it goes, no port keeps a caller longer than this. */
const PATIENCE_MS = 15_000;

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const Frame = { DATA: 0, HEADERS: 1, RST_STREAM: 3, SETTINGS: 4, PING: 6, GOAWAY: 7, CONTINUATION: 9 } as const;

/** An HTTP/2 frame, its length as claimed, which need not be true. */
function frame(type: number, flags: number, stream: number, body: Uint8Array, claimed = body.length): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(claimed, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, body]);
}

const settings = frame(Frame.SETTINGS, 0, 0, Buffer.alloc(0));

/**
 * Connections that break HTTP/2's rules, each in its own way, and the code of the GOAWAY that Node.js ends them with:
 * 1 protocol error, 2 internal error, 6 frame size, 9 compression.
 */
export const BROKEN_HTTP2: ReadonlyArray<readonly [what: string, code: number | undefined, bytes: Buffer]> = [
  ['a preface that is none', 2, Buffer.from('PRI * HTTP/3.0\r\n\r\nXX\r\n\r\n')],
  ['random bytes behind the preface', 2, Buffer.concat([PREFACE, randomBytes('preface', 4096)])],
  ['DATA on stream 0', 1, Buffer.concat([PREFACE, settings, frame(Frame.DATA, 1, 0, Buffer.from('x'))])],
  ['a frame of 16 MiB', 6, Buffer.concat([PREFACE, settings, frame(Frame.HEADERS, 4, 1, randomBytes('large', 1024), 0xff_ff_ff)])],
  ['SETTINGS of five bytes', 6, Buffer.concat([PREFACE, frame(Frame.SETTINGS, 0, 0, Buffer.alloc(5))])],
  ['headers that HPACK cannot read', 9, Buffer.concat([PREFACE, settings, frame(Frame.HEADERS, 5, 1, Buffer.alloc(64, 0xff))])],
  ['CONTINUATION without HEADERS', 1, Buffer.concat([PREFACE, settings, frame(Frame.CONTINUATION, 4, 1, Buffer.alloc(8))])],
  ['HEADERS on an even stream', 2, Buffer.concat([PREFACE, settings, frame(Frame.HEADERS, 5, 2, Buffer.from([0x82]))])],
  ['RST_STREAM of an idle stream', 2, Buffer.concat([PREFACE, settings, frame(Frame.RST_STREAM, 0, 7, Buffer.alloc(4))])],
  // Not against the rules: it is waited for until the caller hangs up.
  ['half a frame', undefined, Buffer.concat([PREFACE, settings, frame(Frame.HEADERS, 4, 1, Buffer.from([0x83]), 100)])],
];

/** Of RFC 9113, where Node.js says internal error for what the other end did. */
export function rfcCode(what: string, code: number | undefined): number | undefined {
  if (code !== 2) return code;
  return what.startsWith('random bytes') ? 6 : 1;
}

/** Of Node.js' own HTTP/2, which from version 22 on says a protocol error, where it said an internal one, of what comes behind a preface. */
export function nodeCode(code: number | undefined, bytes: Buffer): number | undefined {
  const isBehindPreface = bytes.subarray(0, PREFACE.length).equals(PREFACE);
  return code === 2 && isBehindPreface && Number.parseInt(process.versions.node, 10) >= 22 ? 1 : code;
}

/** No port takes a message of this size. */
export const HUGE_BYTES = 64 * 1024 * 1024 + 1;

/** More than a port need answer. */
export const PING_FLOOD = Buffer.concat([PREFACE, settings, ...Array<Buffer>(10_000).fill(frame(Frame.PING, 0, 0, Buffer.alloc(8)))]);

/** Requests that are no gRPC, of a unary method that is sent `path`, and what they are answered. */
export const BROKEN_REQUESTS: ReadonlyArray<readonly [what: string, request: (path: string) => RawRequest, answer: Partial<GrpcAnswer>]> = [
  ['a message cut short', (path) => ({ path, body: grpcFrame(Buffer.alloc(10), { claimed: 100 }) }), noMessage()],
  ['half of a length', (path) => ({ path, body: Buffer.from([0, 0]) }), noMessage()],
  ['no message', (path) => ({ path, body: Buffer.alloc(0) }), noMessage()],
  ['two messages', (path) => ({ path, body: Buffer.alloc(10) }), { status: 12 }],
  [
    'bytes that are no protobuf',
    (path) => ({ path, body: grpcFrame(Buffer.alloc(4, 0xff)) }),
    { status: 13, message: 'error unmarshalling request: ends in the middle of a number' },
  ],
  [
    'gzip that is none',
    (path) => ({ path, headers: { 'grpc-encoding': 'gzip' }, body: grpcFrame(Buffer.from('xx'), { compressed: true }) }),
    { status: 13, message: 'Failed to decompress message' },
  ],
  [
    'an unknown compression',
    (path) => ({ path, headers: { 'grpc-encoding': 'brotli' }, body: grpcFrame(Buffer.from('xx'), { compressed: true }) }),
    { status: 12, message: 'Received message compressed with unsupported encoding "brotli"' },
  ],
  ['4 GiB announced', (path) => ({ path, body: grpcFrame(Buffer.alloc(10), { claimed: 2 ** 32 - 1 }) }), { status: 8 }],
  [
    'a deadline that is none',
    (path) => ({ path, headers: { 'grpc-timeout': 'soon' }, body: grpcFrame(Buffer.alloc(0)) }),
    { status: 13, message: 'Invalid grpc-timeout value "soon"' },
  ],
  [
    'a method that is none',
    () => ({ path: '/podium.Nothing/Nothing', body: grpcFrame(Buffer.alloc(0)) }),
    { status: 12, message: 'The server does not implement the method /podium.Nothing/Nothing' },
  ],
  ['JSON', (path) => ({ path, contentType: 'application/json', body: Buffer.from('{}') }), { http: 415 }],
  [
    'headers of 200 kB',
    (path) => ({ path, headers: { 'x-large': 'x'.repeat(200_000) }, body: grpcFrame(Buffer.alloc(0)) }),
    { status: undefined, error: 'ERR_HTTP2_STREAM_ERROR' },
  ],
];

/** grpc-js drops what is not whole, and says what is left: nothing. */
function noMessage(): Partial<GrpcAnswer> {
  return { status: 12 };
}

export function randomBytes(label: string, count: number): Buffer {
  const random = seededRandom(label);
  return Buffer.from(Array.from({ length: count }, () => random.below(256)));
}

/** Plain TCP: sends the bytes and its own end, and answers what came back until the port ended it, or after a while. */
export function overTcp(target: Target, bytes: Uint8Array): Promise<Buffer> {
  return exchange(connectTcp({ host: target.host, port: target.port }), 'connect', bytes);
}

/** TLS as the target wants it, then the bytes. */
export function overTls(target: Target, bytes: Uint8Array, alpn = 'h2'): Promise<Buffer> {
  const { host, port, tls } = target;
  if (tls === undefined) return overTcp(target, bytes);
  return exchange(connectTls({ host, port, ...tls, ALPNProtocols: [alpn] }), 'secureConnect', bytes);
}

/** What the port says to a handshake: "welcome", the alert, or nothing before it hangs up. */
export async function handshake({ host, port, tls }: Target): Promise<string> {
  const socket = connectTls({ host, port, ...tls, ALPNProtocols: ['h2'] });
  return new Promise((resolve) => {
    const timer = setTimeout(() => socket.destroy(new Error('no answer')), PATIENCE_MS);
    // In TLS 1.3 the client is done before the server has looked at its certificate: only bytes prove the welcome.
    let said = 'nothing';
    socket.once('data', () => {
      said = 'welcome';
      socket.destroy();
    });
    socket.once('secureConnect', () => socket.write(Buffer.concat([PREFACE, settings])));
    socket.on('error', (error: Error & { reason?: string; code?: string }) => (said = error.reason ?? error.code ?? error.message));
    socket.once('close', () => {
      clearTimeout(timer);
      resolve(said);
    });
  });
}

function exchange(socket: Socket, ready: string, bytes: Uint8Array): Promise<Buffer> {
  const heard: Buffer[] = [];
  return new Promise((resolve) => {
    const timer = setTimeout(() => socket.destroy(), PATIENCE_MS);
    socket.once(ready, () => socket.end(bytes));
    socket.on('data', (chunk: Buffer) => {
      heard.push(chunk);
      // Said and done: the port itself hangs up when its next keepalive goes unanswered, within 20 s.
      if (goawayCode(Buffer.concat(heard)) !== undefined) socket.destroy();
    });
    socket.on('error', () => {});
    socket.once('close', () => {
      clearTimeout(timer);
      resolve(Buffer.concat(heard));
    });
  });
}

/** The error code of the GOAWAY frame among what a port said; undefined: it said none. */
export function goawayCode(said: Buffer): number | undefined {
  for (let at = 0; at + 9 <= said.length; at += 9 + said.readUIntBE(at, 3)) {
    if (said[at + 3] === Frame.GOAWAY && at + 17 <= said.length) return said.readUInt32BE(at + 13);
  }
  return undefined;
}

export interface GrpcAnswer {
  readonly http: number | undefined;
  /** `grpc-status`, of headers or trailers. */
  readonly status: number | undefined;
  readonly message: string;
  /** Of the stream or the connection, where it was reset. */
  readonly error: string | undefined;
}

export interface RawRequest {
  readonly path: string;
  readonly body: Uint8Array;
  readonly method?: string;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A request that no gRPC library would send. */
export async function rawGrpc({ host, port, tls }: Target, request: RawRequest): Promise<GrpcAnswer> {
  const session = connectHttp2(`${tls === undefined ? 'http' : 'https'}://${host}:${port}`, { ...tls });
  try {
    return await ask(session, request);
  } finally {
    session.destroy();
  }
}

async function ask(session: ClientHttp2Session, request: RawRequest): Promise<GrpcAnswer> {
  const answer: { http?: number; status?: number; message: string; error?: string } = { message: '' };
  session.on('error', (error: Error & { code?: string }) => (answer.error ??= error.code ?? error.message));
  const hasBody = request.body.length > 0;
  const stream = session.request(
    {
      [constants.HTTP2_HEADER_METHOD]: request.method ?? 'POST',
      [constants.HTTP2_HEADER_PATH]: request.path,
      'content-type': request.contentType ?? 'application/grpc',
      te: 'trailers',
      ...request.headers,
    },
    { endStream: !hasBody },
  );
  const closed = new Promise((resolve) => stream.once('close', resolve));
  const timer = setTimeout(() => stream.destroy(new Error('no answer')), PATIENCE_MS);
  const note = (headers: Readonly<Record<string, unknown>>) => {
    if (headers[':status'] !== undefined) answer.http = Number(headers[':status']);
    if (headers['grpc-status'] !== undefined) answer.status = Number(headers['grpc-status']);
    if (headers['grpc-message'] !== undefined) answer.message = decodeURIComponent(String(headers['grpc-message']));
  };
  stream.on('response', note);
  stream.on('trailers', note);
  stream.on('error', (error: Error & { code?: string }) => (answer.error ??= error.code ?? error.message));
  stream.resume();
  if (hasBody) stream.end(request.body);
  await closed;
  clearTimeout(timer);
  return { http: answer.http, status: answer.status, message: answer.message, error: answer.error };
}

/** A gRPC message's five bytes before its own, the length as claimed. */
export function grpcFrame(message: Uint8Array, options: { claimed?: number; compressed?: boolean } = {}): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(options.compressed === true ? 1 : 0, 0);
  head.writeUInt32BE(options.claimed ?? message.length, 1);
  return Buffer.concat([head, message]);
}
