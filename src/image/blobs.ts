/** Blobs: content by its digest. A blob that is there was verified before it appeared, and is durable. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { systemErrorCode } from '../base/errors.ts';
import { digestOfHex, shortDigest } from './core/digest.ts';
import { sha256Of, syncFolder, type StoreLayout } from './store-layout.ts';

export interface BlobInfo {
  readonly digest: string;
  readonly size: number;
}

/** What came is not what was announced. */
export class DigestError extends Error {
  override readonly name = 'DigestError';
}

export class Blobs {
  readonly #layout: StoreLayout;

  constructor(layout: StoreLayout) {
    this.#layout = layout;
  }

  path(digest: string): string {
    return this.#layout.blob(digest);
  }

  async has({ digest, size }: BlobInfo): Promise<boolean> {
    return (await sizeOf(this.path(digest))) === size;
  }

  /** A manifest or a config; undefined: not there, or not any more what it was. */
  async readText(digest: string, bytesMax: number): Promise<string | undefined> {
    const size = await sizeOf(this.path(digest));
    if (size === undefined || size > bytesMax) return undefined;
    const bytes = await readFile(this.path(digest));
    return sha256Of(bytes) === digest ? bytes.toString('utf8') : undefined;
  }

  async addText(text: string): Promise<BlobInfo> {
    return this.add([Buffer.from(text)]);
  }

  /** Takes bytes in; with `expected` they must be those. */
  async add(content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, expected?: BlobInfo): Promise<BlobInfo> {
    const temporary = await this.#layout.makeTemporary('blob');
    try {
      const path = join(temporary, 'blob');
      const file = await open(path, 'wx', 0o600);
      const hash = createHash('sha256');
      let size = 0;
      try {
        for await (const bytes of content) {
          hash.update(bytes);
          size += bytes.length;
          await file.writeFile(bytes);
        }
        await file.datasync();
      } finally {
        await file.close();
      }
      const digest = digestOfHex(hash.digest('hex'));
      if (expected !== undefined) requireSame({ digest, size }, expected);
      await this.#publish(path, digest);
      return { digest, size };
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  }

  /** Takes a file of the same file system whose digest was just computed, and which is durable. */
  async adopt(path: string, digest: string): Promise<void> {
    await this.#publish(path, digest);
  }

  async #publish(path: string, digest: string): Promise<void> {
    await rename(path, this.path(digest));
    await syncFolder(dirname(this.path(digest)));
  }

  async list(): Promise<string[]> {
    return (await readdir(this.#layout.folder('blobs/sha256'))).map(digestOfHex);
  }

  async discard(digest: string): Promise<number> {
    const size = (await sizeOf(this.path(digest))) ?? 0;
    await this.#layout.discard(this.path(digest));
    return size;
  }
}

export function requireSame(got: BlobInfo, expected: BlobInfo): void {
  if (got.size !== expected.size)
    throw new DigestError(
      `${shortDigest(expected.digest)} has ${got.size} bytes, not the ${expected.size} that were announced`,
    );
  if (got.digest !== expected.digest)
    throw new DigestError(`${expected.digest} was announced, ${got.digest} is what came`);
}

/** The digest of what a file holds, added to `hash`. */
export async function hashFile(path: string, hash = createHash('sha256')): Promise<typeof hash> {
  for await (const bytes of createReadStream(path, { highWaterMark: 1024 * 1024 })) hash.update(bytes as Buffer); // no encoding was asked for
  return hash;
}

export async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
