/**
 * The answer to one request, over HTTP/1.1 and HTTP/2 alike: whole, in pieces as fast as the client takes them, or open
 * for as long as a watch lasts. It counts what it sent; after its end everything is ignored, so that a handler that is
 * late cannot spoil it.
 */
import type { OutgoingHttpHeaders } from 'node:http';
import { promisify } from 'node:util';
import { constants, createGzip, gzip, type Gzip } from 'node:zlib';
import { deferred, type Deferred } from '../../base/deferred.ts';
import { fromUtf8 } from '../../base/bytes.ts';
import type { Format } from './core/negotiation.ts';
import type { HttpResponse } from './http.ts';

/** A smaller answer is sent sooner as it is. As kube-apiserver. */
export const GZIP_BYTES_MIN = 128 * 1024;
/** Speed before size: most clients are near. */
const GZIP_OPTIONS = { level: constants.Z_BEST_SPEED } as const;
const compress = promisify(gzip);

export interface ReplyOptions {
  readonly auditId: string;
  readonly acceptsGzip: boolean;
  readonly isPretty: boolean;
}

export class Reply {
  readonly warnings: string[] = [];
  readonly isPretty: boolean;
  readonly auditId: string;
  /** 0: nothing has been sent. */
  code = 0;
  bytes = 0;
  readonly #response: HttpResponse;
  readonly #acceptsGzip: boolean;
  readonly #closed: Deferred<void> = deferred();
  #controller: AbortController | undefined;
  #isOver = false;
  #drain: Deferred<void> | undefined;

  constructor(response: HttpResponse, { auditId, acceptsGzip, isPretty }: ReplyOptions) {
    this.#response = response;
    this.auditId = auditId;
    this.#acceptsGzip = acceptsGzip;
    this.isPretty = isPretty;
    response.events = { onClose: () => this.#close(), onDrain: () => this.#onDrain() };
  }

  /** Fires when the client has gone, or the answer is at its end. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#isOver) this.#controller.abort();
    return this.#controller.signal;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Resolves with the connection or stream, however it ended. */
  closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** A document, whole. */
  async send(code: number, value: object, format: Format, headers: OutgoingHttpHeaders = {}): Promise<void> {
    const text = format === 'yaml' ? await yamlText(value) : jsonText(value, this.isPretty);
    const type = format === 'yaml' ? 'application/yaml' : 'application/json';
    await this.sendBytes(code, fromUtf8(text), { 'Content-Type': type, ...headers });
  }

  async sendBytes(code: number, bytes: Uint8Array, headers: OutgoingHttpHeaders): Promise<void> {
    if (this.#isOver || this.code !== 0) return;
    if (this.#acceptsGzip && bytes.length >= GZIP_BYTES_MIN) {
      const packed = await compress(bytes, GZIP_OPTIONS);
      this.#head(code, { ...headers, 'Content-Encoding': 'gzip', Vary: 'Accept-Encoding', 'Content-Length': packed.length });
      return this.#finish(packed);
    }
    this.#head(code, { ...headers, 'Content-Length': bytes.length });
    this.#finish(bytes);
  }

  /** An answer that is never in memory as a whole, unless it is small. */
  async sendChunks(code: number, chunks: Iterable<Uint8Array>, contentType: string): Promise<void> {
    if (this.#isOver || this.code !== 0) return;
    const first: Uint8Array[] = [];
    let size = 0;
    const iterator = chunks[Symbol.iterator]();
    let next = iterator.next();
    for (; next.done !== true && size < GZIP_BYTES_MIN; next = iterator.next()) {
      first.push(next.value);
      size += next.value.length;
    }
    const headers = { 'Content-Type': contentType };
    if (next.done === true) return this.sendBytes(code, first.length === 1 ? first[0]! : Buffer.concat(first), headers);
    const packer = this.#acceptsGzip ? createGzip(GZIP_OPTIONS) : undefined;
    const packed = packer === undefined ? {} : { 'Content-Encoding': 'gzip', Vary: 'Accept-Encoding' };
    this.#head(code, { ...headers, ...packed });
    const write = packer === undefined ? (chunk: Uint8Array) => this.write(chunk) : this.#packing(packer);
    for (const chunk of first) await write(chunk);
    for (; next.done !== true && !this.#isOver; next = iterator.next()) await write(next.value);
    if (packer !== undefined) await this.#unpacked(packer);
    this.end();
  }

  /** Sends the head at once: what follows may be long in coming. */
  open(code: number, headers: OutgoingHttpHeaders): void {
    if (this.#isOver || this.code !== 0) return;
    this.#head(code, headers);
    this.#response.flush();
  }

  /** The connection speaks another protocol now, and there is nothing more to answer. */
  switched(): void {
    this.code = 101;
  }

  /** Resolves once the client wants more, or has gone. */
  write(chunk: Uint8Array): Promise<void> {
    return this.push(chunk) ? Promise.resolve() : this.drained();
  }

  /** False: the client is behind; {@link drained} resolves once it wants more, or has gone. */
  push(chunk: Uint8Array): boolean {
    if (this.#isOver || chunk.length === 0) return true;
    this.bytes += chunk.length;
    if (this.#response.write(chunk)) return true;
    this.#drain ??= deferred();
    return false;
  }

  drained(): Promise<void> {
    return this.#drain?.promise ?? Promise.resolve();
  }

  end(): void {
    this.#finish(undefined);
  }

  /** Lets go of a client that takes nothing. */
  destroy(): void {
    this.#response.destroy();
    this.#close();
  }

  #head(code: number, headers: OutgoingHttpHeaders): void {
    this.code = code;
    const warnings = this.warnings.map((text) => `299 - "${text.replace(/[\\"]/g, '\\$&').replace(/[^\x20-\x7e]/g, '?')}"`);
    this.#response.head(code, {
      'Audit-Id': this.auditId,
      'Cache-Control': 'no-cache, private',
      ...(warnings.length === 0 ? {} : { Warning: warnings }),
      ...headers,
    });
  }

  #finish(bytes: Uint8Array | undefined): void {
    if (this.#isOver) return;
    if (bytes === undefined) this.#response.end();
    else {
      this.bytes += bytes.length;
      this.#response.end(bytes);
    }
    this.#isOver = true;
    this.#onDrain();
    this.#controller?.abort();
  }

  #packing(packer: Gzip): (chunk: Uint8Array) => Promise<void> {
    packer.on('data', (packed: Buffer) => {
      if (this.#isOver) return;
      this.bytes += packed.length;
      if (!this.#response.write(packed)) this.#drain ??= deferred();
    });
    return async (chunk) => {
      if (!packer.write(chunk)) await Promise.race([new Promise<void>((resolve) => packer.once('drain', resolve)), this.closed()]);
      await this.#drain?.promise;
    };
  }

  async #unpacked(packer: Gzip): Promise<void> {
    packer.end();
    await Promise.race([new Promise<void>((resolve) => packer.once('end', resolve)), this.closed()]);
  }

  #onDrain(): void {
    this.#drain?.resolve();
    this.#drain = undefined;
  }

  #close(): void {
    this.#isOver = true;
    this.#closed.resolve();
    this.#onDrain();
    this.#controller?.abort();
  }
}

export function jsonText(value: unknown, isPretty: boolean): string {
  return isPretty ? `${JSON.stringify(value, undefined, 2)}\n` : `${JSON.stringify(value)}\n`;
}

/** Few ask for it: the library is loaded by the first. */
async function yamlText(value: object): Promise<string> {
  const { stringify } = await import('yaml');
  return stringify(value, { aliasDuplicateObjects: false, lineWidth: 0 });
}
