/**
 * The files of the content store, below one directory that all nodes of a data directory share:
 *
 *   blobs/sha256/<hex>          manifests, configs and layers as they came; whole and verified, or not there
 *   partial/<hex>               what has come of a download that broke off; gone on with by whoever wants it next
 *   references/<hash>.json      one a name: { name, manifest, target, … }; written last, so that what it leads to is there
 *   snapshots/<chain hex>/      root/ and snapshot.json: layers unpacked one over the other
 *   consumers/<name>            who mounts which image; outlives the agent
 *   used/<hex>                  its time says when the image was last used
 *   locks/<name>                held by flock while somebody works (locks.ts)
 *   tmp/                        what is in the making, and what is being removed; nothing in it counts
 *
 * Everything appears by rename from tmp/ and goes by rename to tmp/. So a crash leaves what was before or what is after, and
 * rubbish in tmp/, which the next to find nobody at work removes.
 */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, open, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { systemErrorCode } from '../base/errors.ts';
import { hexOf } from './core/digest.ts';

export const sha256Of = (bytes: string | Uint8Array): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

const FOLDERS = ['blobs/sha256', 'partial', 'references', 'snapshots', 'consumers', 'used', 'locks', 'tmp'] as const;

export class StoreLayout {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  /** 0700: what images hold setuid is nobody's on this machine, and what they hold secret neither. */
  async make(): Promise<void> {
    await mkdir(this.root, { recursive: true, mode: 0o700 });
    for (const folder of FOLDERS) await mkdir(join(this.root, folder), { recursive: true, mode: 0o700 });
  }

  folder(name: (typeof FOLDERS)[number]): string {
    return join(this.root, name);
  }

  blob(digest: string): string {
    return join(this.root, 'blobs/sha256', hexOf(digest));
  }

  partial(digest: string): string {
    return join(this.root, 'partial', hexOf(digest));
  }

  reference(name: string): string {
    return join(this.root, 'references', `${hexOf(sha256Of(name))}.json`);
  }

  snapshot(chainId: string): string {
    return join(this.root, 'snapshots', hexOf(chainId));
  }

  used(id: string): string {
    return join(this.root, 'used', hexOf(id));
  }

  /** A fresh directory that counts for nothing. */
  makeTemporary(label: string): Promise<string> {
    return mkdtemp(join(this.root, 'tmp', `${label}-`));
  }

  /** A file appears whole or not at all, and stays over a power cut. */
  async writeWhole(path: string, text: string): Promise<void> {
    const temporary = await this.makeTemporary('file');
    try {
      const file = await open(join(temporary, 'file'), 'wx', 0o600);
      try {
        await writeFile(file, text);
        await file.datasync();
      } finally {
        await file.close();
      }
      await rename(join(temporary, 'file'), path);
      await syncFolder(dirname(path));
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  }

  /** Takes a file or directory away at once; false: it was not there. What is in it is removed at leisure. */
  async discard(path: string): Promise<boolean> {
    const temporary = await this.makeTemporary('removed');
    try {
      await rename(path, join(temporary, 'removed'));
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT') throw error;
      await rm(temporary, { recursive: true, force: true });
      return false;
    }
    await rm(temporary, { recursive: true, force: true });
    return true;
  }
}

export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
