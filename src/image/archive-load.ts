/**
 * Images out of an archive into the store: an OCI layout (a directory, or a tar of one), or what `docker save` writes. Nothing in
 * it is believed: blobs are compared with the digests that lead to them, layers with those of the config.
 */
import { createReadStream } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { describeError, UserError } from '../base/errors.ts';
import { openArchive, type ArchiveFile, type ArchiveFiles } from './archive-files.ts';
import { DigestError, requireSame, type BlobInfo } from './blobs.ts';
import { layoutEntries, parseDockerArchive, type DockerArchiveImage } from './core/archive-index.ts';
import { hexOf } from './core/digest.ts';
import { CONFIG_BYTES_MAX } from './core/image-config.ts';
import {
  formatManifest,
  MANIFEST_BYTES_MAX,
  MEDIA,
  parseManifest,
  type Descriptor,
  type ImageManifest,
} from './core/manifest.ts';
import type { Platform } from './core/platform.ts';
import { formatReference, parseReference } from './core/reference.ts';
import { TarError } from './core/tar-header.ts';
import { packingOf, PackingError } from './decompress.ts';
import type { ImageStore, StoredImage } from './image-store.ts';
import { chooseManifest, readConfig, readManifest, UnfitImageError } from './registry/puller.ts';
import { LayerError } from './unpacking.ts';

export interface LoadOptions {
  readonly store: ImageStore;
  readonly platform: Platform;
  /** A file or a directory. */
  readonly path: string;
  /** In place of the name that the archive has, which then must have one image. */
  readonly name?: string | undefined;
  readonly onWarning?: (message: string) => void;
}

export interface LoadedImage {
  readonly name: string;
  readonly id: string;
}

export async function loadArchive(options: LoadOptions): Promise<LoadedImage[]> {
  const { store, path } = options;
  try {
    return await store.working(async () => {
      const temporary = await store.layout.makeTemporary('archive');
      try {
        return await new ArchiveLoader(await openArchive(path, temporary), options).load();
      } finally {
        await rm(temporary, { recursive: true, force: true });
      }
    });
  } catch (cause) {
    const isExpected = [TarError, PackingError, LayerError, DigestError, UnfitImageError].some(
      (kind) => cause instanceof kind,
    );
    const isZlib = cause instanceof Error && 'code' in cause && String(cause.code).startsWith('Z_');
    // The message has all that its causes say.
    if (isExpected || isZlib) throw new UserError(`${path} cannot be loaded: ${describeError(cause)}`);
    throw cause;
  }
}

class ArchiveLoader {
  readonly #archive: ArchiveFiles;
  readonly #options: LoadOptions;

  constructor(archive: ArchiveFiles, options: LoadOptions) {
    this.#archive = archive;
    this.#options = options;
  }

  /** An archive that is both (`docker save` of today) is read as the layout: its digests are those of the registry. */
  async load(): Promise<LoadedImage[]> {
    const index = await this.#archive.find('index.json');
    if (index !== undefined) return this.#loadLayout(await this.#readText(index, MANIFEST_BYTES_MAX));
    const docker = await this.#archive.find('manifest.json');
    if (docker !== undefined) return this.#loadDocker(await this.#readText(docker, MANIFEST_BYTES_MAX));
    throw new UserError(
      `${this.#options.path} is no archive of images: it has neither an index.json nor a manifest.json`,
    );
  }

  async #loadLayout(text: string): Promise<LoadedImage[]> {
    const read = parseManifest(text, MEDIA.index);
    if (!read.ok || read.value.kind !== 'index')
      throw new UnfitImageError(`index.json cannot be read: ${read.ok ? 'it is no index' : read.why}`);
    const entries = layoutEntries(read.value.manifests);
    if (entries.length === 0) throw new UserError(`${this.#options.path} holds no image: its index is empty`);
    const loaded: LoadedImage[] = [];
    for (const { name, descriptors } of entries) {
      const names = this.#names(name === undefined ? [] : [name], entries.length);
      const top = descriptors.length === 1 ? descriptors[0]! : chooseManifest(descriptors, this.#options.platform);
      loaded.push(...(await this.#keep(await this.#manifestOf(top), names)));
    }
    return loaded;
  }

  async #manifestOf(top: Descriptor): Promise<{ manifest: ImageManifest; digest: string; target: string }> {
    const read = await this.#readManifest(top);
    if (read.kind === 'image') return { manifest: read, digest: top.digest, target: top.digest };
    const inner = chooseManifest(read.manifests, this.#options.platform);
    const manifest = await this.#readManifest(inner);
    if (manifest.kind !== 'image') throw new UnfitImageError('its index names another index for this platform');
    return { manifest, digest: inner.digest, target: top.digest };
  }

  async #readManifest(descriptor: Descriptor) {
    await this.#takeBlob(descriptor);
    const text = await this.#options.store.blobs.readText(descriptor.digest, MANIFEST_BYTES_MAX);
    return readManifest({ text: text ?? '', mediaType: descriptor.mediaType, digest: descriptor.digest });
  }

  async #keep(
    image: { manifest: ImageManifest; digest: string; target: string },
    names: readonly string[],
  ): Promise<LoadedImage[]> {
    for (const blob of [image.manifest.config, ...image.manifest.layers]) await this.#takeBlob(blob);
    return this.#finish(image.digest, image.target, names);
  }

  /** A blob that is here already need not be in the archive. */
  async #takeBlob(blob: BlobInfo): Promise<void> {
    const { blobs } = this.#options.store;
    if (await blobs.has(blob)) return;
    const file = await this.#archive.find(`blobs/sha256/${hexOf(blob.digest)}`);
    if (file === undefined) throw new UnfitImageError(`the archive lacks the blob ${blob.digest}`);
    requireSame(file, blob);
    await this.#takeFile(file);
  }

  async #takeFile(file: ArchiveFile): Promise<void> {
    const { blobs } = this.#options.store;
    if (await blobs.has(file)) return;
    if (file.isOurs) await blobs.adopt(file.path, file.digest);
    else await blobs.add(createReadStream(file.path), file);
  }

  async #loadDocker(text: string): Promise<LoadedImage[]> {
    const read = parseDockerArchive(text);
    if (!read.ok) throw new UnfitImageError(`manifest.json cannot be read: ${read.why}`);
    const loaded: LoadedImage[] = [];
    for (const image of read.value) {
      const names = this.#names(image.repoTags, read.value.length);
      const digest = await this.#dockerManifest(image);
      loaded.push(...(await this.#finish(digest, digest, names)));
    }
    return loaded;
  }

  /** The archive has no manifest in today's sense: it is made, the same each time. */
  async #dockerManifest({ config, layers }: DockerArchiveImage): Promise<string> {
    const { store, platform } = this.#options;
    const configFile = await this.#need(config);
    readConfig(await this.#readText(configFile, CONFIG_BYTES_MAX), { layers: layers.length, platform });
    const files = [];
    for (const name of layers) {
      const file = await this.#need(name);
      const packing = await packingOf(await this.#pathOf(file));
      files.push({
        mediaType: packing === 'none' ? MEDIA.layer : packing === 'gzip' ? MEDIA.layerGzip : MEDIA.layerZstd,
        digest: file.digest,
        size: file.size,
      });
      await this.#takeFile(file);
    }
    await this.#takeFile(configFile);
    return (
      await store.blobs.addText(
        formatManifest({ mediaType: MEDIA.config, digest: configFile.digest, size: configFile.size }, files),
      )
    ).digest;
  }

  /** A file that was taken into the store has moved; another name of the archive may mean the same. */
  async #pathOf(file: ArchiveFile): Promise<string> {
    const { blobs } = this.#options.store;
    return (await blobs.has(file)) ? blobs.path(file.digest) : file.path;
  }

  async #readText(file: ArchiveFile, bytesMax: number): Promise<string> {
    if (file.size > bytesMax) throw new TarError(`a file of the archive that should be small has ${file.size} bytes`);
    return readFile(await this.#pathOf(file), 'utf8');
  }

  async #need(name: string): Promise<ArchiveFile> {
    const file = await this.#archive.find(name);
    if (file === undefined) throw new UnfitImageError(`the archive lacks ${name}`);
    return file;
  }

  async #finish(manifestDigest: string, target: string, names: readonly string[]): Promise<LoadedImage[]> {
    const { store, platform } = this.#options;
    const image = await store.image(manifestDigest);
    if (image === undefined) throw new UnfitImageError(`the config of ${manifestDigest} is no image's`);
    readConfig((await store.blobs.readText(image.id, CONFIG_BYTES_MAX)) ?? '', {
      layers: image.manifest.layers.length,
      platform,
    });
    await unpackHere(store, image, this.#options.onWarning);
    for (const name of names) await store.name(image, { name, target, source: 'load' });
    return names.map((name) => ({ name, id: image.id }));
  }

  #names(own: readonly string[], images: number): string[] {
    const { name, path } = this.#options;
    if (name !== undefined && images > 1)
      throw new UserError(`${path} holds ${images} images: --tag is for an archive of one`);
    const names = name === undefined ? own : [name];
    if (names.length === 0) throw new UserError(`${path} does not say what the image is called: name it with --tag`);
    return names.map(fullName);
  }
}

/** Of a name that a person or an archive gives. */
export function fullName(name: string): string {
  const parsed = parseReference(name);
  if (!parsed.ok) throw new UserError(`${JSON.stringify(name)} is no name of an image: ${parsed.why}`);
  return formatReference(parsed.value);
}

export async function unpackHere(
  store: ImageStore,
  image: StoredImage,
  onWarning?: (message: string) => void,
): Promise<void> {
  const { layers } = image.manifest;
  await store.unpack(image, {
    layerAt: async (number) => store.blobs.path(layers[number]!.digest),
    ...(onWarning === undefined ? {} : { onWarning }),
  });
}
