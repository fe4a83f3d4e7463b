/**
 * The files of an image archive, by name: of a directory, or of a tar whose files are laid down in the store's tmp/ under numbers,
 * so that no name of the archive is ever a path of this machine. While they are laid down their digests are taken.
 */
import { createHash, type Hash } from 'node:crypto';
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { systemErrorCode, UserError } from '../base/errors.ts';
import { hashFile, type BlobInfo } from './blobs.ts';
import { digestOfHex } from './core/digest.ts';
import { partsBelowRoot } from './core/layer-entry.ts';
import { TarError, type TarEntry } from './core/tar-header.ts';
import { TarReader } from './core/tar-reader.ts';
import { openUnpacked } from './decompress.ts';

export interface ArchiveFile extends BlobInfo {
  readonly path: string;
  /** It may be moved from where it is, and is durable. */
  readonly isOurs: boolean;
}

export interface ArchiveFiles {
  /** Undefined: there is none of this name. */
  find(name: string): Promise<ArchiveFile | undefined>;
}

const FILES_MAX = 100_000;
const LINKS_MAX = 10;

/** `temporary`: an empty directory, the caller's to remove. */
export async function openArchive(path: string, temporary: string): Promise<ArchiveFiles> {
  const stats = await stat(path).catch((cause: unknown) => {
    throw new UserError(`${path} cannot be read`, { cause });
  });
  return stats.isDirectory() ? new FolderFiles(path) : TarFiles.open(path, temporary);
}

/** Standard input, laid down first: what it is packed with is seen in a file. */
export async function keepStream(input: Readable, path: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    for await (const bytes of input) await file.writeFile(bytes as Buffer); // no encoding was asked for
  } finally {
    await file.close();
  }
}

/** A person's own directory: what is in it is copied, and its links are followed. */
class FolderFiles implements ArchiveFiles {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async find(name: string): Promise<ArchiveFile | undefined> {
    const parts = partsBelowRoot(name);
    if (parts === undefined) return undefined;
    const path = join(this.#folder, ...parts);
    const stats = await stat(path).catch((error: unknown) => {
      if (systemErrorCode(error) === 'ENOENT') return undefined;
      throw error;
    });
    if (stats?.isFile() !== true) return undefined;
    return { path, size: stats.size, digest: digestOfHex((await hashFile(path)).digest('hex')), isOurs: false };
  }
}

class TarFiles implements ArchiveFiles {
  readonly #temporary: string;
  readonly #files = new Map<string, ArchiveFile>();
  readonly #links = new Map<string, string>();

  private constructor(temporary: string) {
    this.#temporary = temporary;
  }

  static async open(path: string, temporary: string): Promise<TarFiles> {
    const files = new TarFiles(temporary);
    await files.#read(path);
    return files;
  }

  async #read(path: string): Promise<void> {
    let count = 0;
    let writing: { name: string; path: string; descriptor: number; hash: Hash; size: number } | undefined;
    const entry = (found: TarEntry) => {
      const name = partsBelowRoot(found.path)?.join('/');
      if (name === undefined) throw new TarError(`${found.path} climbs out of the archive`);
      this.#links.delete(name);
      if (found.type === 'symlink' || found.type === 'hard-link') this.#links.set(name, linkTarget(name, found));
      if (found.type !== 'file') return;
      // A name may come twice; the last one counts.
      if (++count > FILES_MAX) throw new TarError(`the archive has more than ${FILES_MAX} files`);
      const target = join(this.#temporary, String(count));
      writing = { name, path: target, descriptor: openSync(target, 'wx', 0o600), hash: createHash('sha256'), size: 0 };
      this.#files.set(name, { path: target, size: 0, digest: '', isOurs: true });
    };
    const data = (bytes: Buffer) => {
      if (writing === undefined) return;
      for (let at = 0; at < bytes.length;) at += writeSync(writing.descriptor, bytes, at, bytes.length - at);
      writing.hash.update(bytes);
      writing.size += bytes.length;
    };
    const end = () => {
      if (writing === undefined) return;
      fdatasyncSync(writing.descriptor);
      closeSync(writing.descriptor);
      this.#files.set(writing.name, {
        path: writing.path,
        size: writing.size,
        digest: digestOfHex(writing.hash.digest('hex')),
        isOurs: true,
      });
      writing = undefined;
    };
    const reader = new TarReader({ entry, data, end });
    try {
      for await (const chunk of await openUnpacked(path)) reader.push(chunk as Buffer); // no encoding was asked for
      reader.finish();
    } finally {
      if (writing !== undefined) closeSync(writing.descriptor);
    }
  }

  async find(name: string): Promise<ArchiveFile | undefined> {
    let at = partsBelowRoot(name)?.join('/') ?? '';
    for (let links = 0; links < LINKS_MAX; links++) {
      const target = this.#links.get(at);
      if (target === undefined) return this.#files.get(at);
      at = target;
    }
    return undefined;
  }
}

/** Old docker archives link a layer that two images have in common. */
function linkTarget(name: string, { type, linkTarget: target }: TarEntry): string {
  const from = type === 'hard-link' ? [] : name.split('/').slice(0, -1);
  return partsBelowRoot([...from, target].join('/'))?.join('/') ?? '';
}
