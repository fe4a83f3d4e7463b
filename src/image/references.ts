/**
 * Names of images, and who mounts which. A name is a file of its own: written by rename after all that it leads to, so that a name
 * that is there means an image that is whole.
 *
 * Who mounts and who removes settle it without a lock: the one notes its consumer, *then* looks whether the name still stands; the
 * other takes the name away, *then* looks for consumers, and puts it back if there is one. One of the two sees the other.
 */
import { link, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Millis } from '../base/clock.ts';
import { systemErrorCode } from '../base/errors.ts';
import type { StoreLayout } from './store-layout.ts';

export type ReferenceSource = 'pull' | 'load' | 'build';

export interface StoredReference {
  /** Normalised, with a tag or a digest. */
  readonly name: string;
  /** Digest of the manifest of this machine's platform. */
  readonly manifest: string;
  /** Digest that the name leads to: of an index, or the same. */
  readonly target: string;
  readonly source: ReferenceSource;
}

export interface Consumer {
  readonly name: string;
  readonly manifest: string;
}

const CONSUMER_CHARACTERS_MAX = 240;

export class References {
  readonly #layout: StoreLayout;

  constructor(layout: StoreLayout) {
    this.#layout = layout;
  }

  async get(name: string): Promise<StoredReference | undefined> {
    return readJson<StoredReference>(this.#layout.reference(name));
  }

  async list(): Promise<StoredReference[]> {
    const folder = this.#layout.folder('references');
    const all = await Promise.all((await readdir(folder)).map((file) => readJson<StoredReference>(join(folder, file))));
    return all.filter((one) => one !== undefined).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async put(reference: StoredReference): Promise<void> {
    await this.#layout.writeWhole(this.#layout.reference(reference.name), JSON.stringify(reference));
  }

  /** By one at a time (image-store.ts). Whether the names went: not, when `isUsed` says so of an image that they led to once they were gone. */
  async removeUnless(references: readonly StoredReference[], isUsed: () => Promise<boolean>): Promise<boolean> {
    const temporary = await this.#layout.makeTemporary('names');
    try {
      // A second name of the same file is kept, for the way back.
      const kept = references.map(({ name }, at) => ({
        path: this.#layout.reference(name),
        copy: join(temporary, String(at)),
      }));
      for (const { path, copy } of kept) await link(path, copy).catch(ignoreMissing);
      for (const { path } of kept) await rm(path, { force: true });
      if (!(await isUsed())) return true;
      // A name that was given anew meanwhile stays so.
      for (const { path, copy } of kept) await link(copy, path).catch(ignoreExisting);
      return false;
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  }

  // ── Consumers ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async addConsumer(name: string, manifest: string): Promise<void> {
    if ((await this.getConsumer(name))?.manifest === manifest) return;
    // In place, and on no disk for good: half a note counts as none, as its maker has mounted nothing yet, and after a power cut
    // nobody mounts anything.
    await writeFile(this.#consumerPath(name), JSON.stringify({ name, manifest }), { mode: 0o600 });
  }

  async removeConsumer(name: string): Promise<void> {
    await rm(this.#consumerPath(name), { force: true });
  }

  async getConsumer(name: string): Promise<Consumer | undefined> {
    return readJson<Consumer>(this.#consumerPath(name));
  }

  async consumers(): Promise<Consumer[]> {
    const folder = this.#layout.folder('consumers');
    const all = await Promise.all((await readdir(folder)).map((file) => readJson<Consumer>(join(folder, file))));
    return all.filter((one) => one !== undefined).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  #consumerPath(name: string): string {
    const file = `c-${encodeURIComponent(name)}`;
    if (file.length > CONSUMER_CHARACTERS_MAX) throw new RangeError(`the name of a consumer is too long: ${name}`);
    return join(this.#layout.folder('consumers'), file);
  }

  // ── Last use ───────────────────────────────────────────────────────────────────────────────────────────────────────

  async touch(id: string, nowMs: Millis): Promise<void> {
    const path = this.#layout.used(id);
    const seconds = nowMs / 1_000;
    try {
      await utimes(path, seconds, seconds);
    } catch (error) {
      ignoreMissing(error);
      await writeFile(path, '', { mode: 0o600 });
      await utimes(path, seconds, seconds);
    }
  }

  async lastUsed(id: string): Promise<Millis> {
    return stat(this.#layout.used(id)).then(
      ({ mtimeMs }) => mtimeMs,
      (error: unknown) => (ignoreMissing(error), 0),
    );
  }
}

function ignoreMissing(error: unknown): void {
  if (systemErrorCode(error) !== 'ENOENT') throw error;
}

function ignoreExisting(error: unknown): void {
  const code = systemErrorCode(error);
  if (code !== 'EEXIST' && code !== 'ENOENT') throw error;
}

/** Undefined: not there, or not readable any more, which a torn disk may do: then it counts as not there. */
async function readJson<T>(path: string): Promise<T | undefined> {
  try {
    // Written by this module alone, whole or not at all.
    return JSON.parse(await readFile(path, 'utf8')) as T;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
