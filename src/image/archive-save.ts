/**
 * Images of the store as one tar that is both an OCI layout and what `docker load` reads. The same images give the same bytes.
 */
import { createReadStream } from 'node:fs';
import { hexOf, shortDigest } from './core/digest.ts';
import { MEDIA } from './core/manifest.ts';
import { TAR_END, tarHeader, tarPadding } from './core/tar-writer.ts';
import type { BlobInfo } from './blobs.ts';
import type { ImageStore, StoredImage } from './image-store.ts';

export interface SavedImage {
  readonly image: StoredImage;
  /** Normalised, with a tag. */
  readonly names: readonly string[];
}

export async function* saveArchive(store: ImageStore, images: readonly SavedImage[]): AsyncGenerator<Buffer> {
  yield* file('oci-layout', JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  yield* file('index.json', JSON.stringify(await indexOf(store, images)));
  yield* file('manifest.json', JSON.stringify(images.map(dockerEntry)));
  yield tarHeader({ path: 'blobs', type: 'directory' });
  yield tarHeader({ path: 'blobs/sha256', type: 'directory' });
  const blobs = new Map<string, BlobInfo>();
  for (const { image } of images) for (const blob of await blobsOf(store, image)) blobs.set(blob.digest, blob);
  for (const digest of [...blobs.keys()].sort()) yield* blob(store, blobs.get(digest)!);
  yield TAR_END;
}

async function indexOf(store: ImageStore, images: readonly SavedImage[]): Promise<object> {
  const manifests = [];
  for (const { image, names } of images) {
    const [manifest] = await blobsOf(store, image);
    const { architecture, os, variant } = image.config.platform;
    const platform = { architecture, os, ...(variant === '' ? {} : { variant }) };
    const descriptor = { mediaType: image.manifest.mediaType, ...manifest, platform };
    if (names.length === 0) manifests.push(descriptor);
    for (const name of names) {
      const tag = name.slice(name.lastIndexOf(':') + 1);
      manifests.push({
        ...descriptor,
        annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': tag },
      });
    }
  }
  return { schemaVersion: 2, mediaType: MEDIA.index, manifests };
}

function dockerEntry({ image, names }: SavedImage): object {
  const path = (digest: string) => `blobs/sha256/${hexOf(digest)}`;
  return { Config: path(image.id), RepoTags: names, Layers: image.manifest.layers.map(({ digest }) => path(digest)) };
}

/** The manifest first. */
async function blobsOf(store: ImageStore, { manifestDigest, manifest }: StoredImage): Promise<BlobInfo[]> {
  const text = await store.blobs.readText(manifestDigest, Infinity);
  const size = Buffer.byteLength(text ?? '');
  return [
    { digest: manifestDigest, size },
    ...[manifest.config, ...manifest.layers].map(({ digest, size: bytes }) => ({ digest, size: bytes })),
  ];
}

function* file(path: string, text: string): Generator<Buffer> {
  const bytes = Buffer.from(text);
  yield Buffer.concat([tarHeader({ path, type: 'file', size: bytes.length }), bytes, tarPadding(bytes.length)]);
}

async function* blob(store: ImageStore, { digest, size }: BlobInfo): AsyncGenerator<Buffer> {
  yield tarHeader({ path: `blobs/sha256/${hexOf(digest)}`, type: 'file', size });
  let sent = 0;
  for await (const bytes of createReadStream(store.blobs.path(digest), { highWaterMark: 512 * 1024 })) {
    const piece = bytes as Buffer; // no encoding was asked for
    sent += piece.length;
    yield piece;
  }
  if (sent !== size) throw new Error(`blob ${shortDigest(digest)} has ${sent} bytes, not ${size}`);
  yield tarPadding(size);
}
