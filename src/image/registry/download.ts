/**
 * A blob from a registry into the store. What has come stays in partial/ when the connection breaks, the process dies, or the
 * person gives up, and whoever wants the blob next goes on from there. Only one downloads a blob at a time, on this machine.
 *
 *    partial/<hex> ──append──► whole? ──digest──► blobs/sha256/<hex>
 *          ▲                            │ another: thrown away, once more from the start, then the next server
 *          └──── Range: bytes=N- ───────┘
 */
import { createHash, type Hash } from 'node:crypto';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { sleep, type Clock, type Millis } from '../../base/clock.ts';
import { describeError, isNoSpace } from '../../base/errors.ts';
import { Blobs, DigestError, hashFile, requireSame, sizeOf, type BlobInfo } from '../blobs.ts';
import { digestOfHex, hexOf, shortDigest } from '../core/digest.ts';
import type { Locks } from '../locks.ts';
import type { StoreLayout } from '../store-layout.ts';
import { asUnavailable, isPassing, retryDelay, type RegistryClient, type RetryLimits } from './registry-client.ts';
import { asTransportError } from './transport.ts';

export interface DownloadOptions {
  readonly layout: StoreLayout;
  readonly blobs: Blobs;
  readonly locks: Locks;
  readonly clock: Clock;
  readonly retry: RetryLimits;
}

export interface DownloadRequest {
  readonly blob: BlobInfo;
  /** To be asked in this order. */
  readonly sources: readonly RegistryClient[];
  readonly onProgress?: (done: number) => void;
  readonly onRetry?: (what: string, why: string, delayMs: Millis) => void;
  readonly signal?: AbortSignal | undefined;
}

/** A server that cuts every connection after a few bytes gets somewhere each time, and must end some day. */
const CUTS_MAX = 100;

export class Downloads {
  readonly #options: DownloadOptions;

  constructor(options: DownloadOptions) {
    this.#options = options;
  }

  /** Resolves when the blob is in the store. */
  async fetch(request: DownloadRequest): Promise<void> {
    const { blobs, locks } = this.#options;
    if (await blobs.has(request.blob)) return;
    await locks.exclusively(`blob-${hexOf(request.blob.digest)}`, () => this.#fetch(request), request.signal);
  }

  async #fetch(request: DownloadRequest): Promise<void> {
    const { blobs, layout } = this.#options;
    const { blob, sources } = request;
    if (await blobs.has(blob)) return;
    const part = await Part.open(layout.partial(blob.digest), blob);
    try {
      let failure: unknown;
      for (const source of sources) {
        try {
          await this.#fetchFrom(source, part, request);
          await part.seal();
          return await blobs.adopt(layout.partial(blob.digest), blob.digest);
        } catch (error) {
          if (request.signal?.aborted === true || isNoSpace(error)) throw error;
          failure ??= asUnavailable(error);
        }
      }
      throw failure;
    } catch (error) {
      // Room is worth more than what has come.
      if (isNoSpace(error)) await rm(layout.partial(blob.digest), { force: true });
      throw error;
    } finally {
      await part.close();
    }
  }

  /** Until the part is whole and right. */
  async #fetchFrom(source: RegistryClient, part: Part, request: DownloadRequest): Promise<void> {
    const { clock, retry } = this.#options;
    let wasWrong = false;
    for (let attempt = 1, cuts = 0; ; attempt++) {
      const before = part.size;
      try {
        if (!part.isWhole) await receive(source, part, request);
        return part.check();
      } catch (error) {
        if (error instanceof DigestError) {
          await part.restart();
          // A part that was left behind by others may have been wrong; the same answer twice is the server's.
          if (wasWrong) throw error;
          wasWrong = true;
          continue;
        }
        if (part.size > before && ++cuts < CUTS_MAX) attempt = 1;
        if (!isPassing(error) || attempt >= retry.attempts) throw error;
        const delayMs = retryDelay(error, attempt, retry);
        request.onRetry?.(`layer ${shortDigest(request.blob.digest)}`, describeError(error), delayMs);
        await sleep(clock, delayMs, request.signal);
      }
    }
  }
}

async function receive(
  source: RegistryClient,
  part: Part,
  { blob, onProgress, signal }: DownloadRequest,
): Promise<void> {
  const { body, offset, url } = await source.blob(blob.digest, part.size, signal);
  try {
    // A server that does not know ranges begins anew; one that begins earlier repeats what is there.
    if (offset < part.size) await part.restart();
    if (offset > part.size)
      throw new DigestError(`${url.host} sent the bytes from ${offset} on, which are not asked for any more`);
    for await (const bytes of body) {
      await part.append(bytes as Buffer); // no encoding was asked for
      onProgress?.(part.size);
    }
  } catch (error) {
    throw error instanceof DigestError || isNoSpace(error) ? error : asTransportError(url, error);
  } finally {
    body.destroy();
  }
  if (!part.isWhole)
    throw asTransportError(url, new Error(`the connection ended after ${part.size} of ${blob.size} bytes`));
}

/** What has come of a blob, and its hash so far. */
class Part {
  readonly #file: FileHandle;
  readonly #blob: BlobInfo;
  #hash: Hash;
  #size: number;

  private constructor(file: FileHandle, blob: BlobInfo, hash: Hash, size: number) {
    this.#file = file;
    this.#blob = blob;
    this.#hash = hash;
    this.#size = size;
  }

  static async open(path: string, blob: BlobInfo): Promise<Part> {
    const before = (await sizeOf(path)) ?? 0;
    const isUsable = before > 0 && before <= blob.size;
    const hash = createHash('sha256');
    if (isUsable) await hashFile(path, hash);
    const file = await open(path, 'a', 0o600);
    if (!isUsable && before > 0) await file.truncate(0);
    return new Part(file, blob, hash, isUsable ? before : 0);
  }

  get size(): number {
    return this.#size;
  }

  get isWhole(): boolean {
    return this.#size === this.#blob.size;
  }

  async append(bytes: Buffer): Promise<void> {
    if (this.#size + bytes.length > this.#blob.size)
      throw new DigestError(
        `${shortDigest(this.#blob.digest)} has more than the ${this.#blob.size} bytes that were announced`,
      );
    await this.#file.writeFile(bytes);
    this.#hash.update(bytes);
    this.#size += bytes.length;
  }

  async restart(): Promise<void> {
    await this.#file.truncate(0);
    this.#hash = createHash('sha256');
    this.#size = 0;
  }

  check(): void {
    const digest = digestOfHex(this.#hash.copy().digest('hex'));
    requireSame({ digest, size: this.#size }, this.#blob);
  }

  async seal(): Promise<void> {
    await this.#file.datasync();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
