/** Images made by tests: tars of entries, and what leads to them. */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { tarHeader, tarPadding, TAR_END, type NewTarEntry } from '../../src/image/core/tar-writer.ts';
import { MEDIA } from '../../src/image/core/manifest.ts';

/** In memory where there is such a file system: a store syncs much, and the disk of a machine that tests is busy. */
export const makeTestFolder = (label: string) =>
  mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), `podium-${label}-`));

export interface TestEntry extends Omit<NewTarEntry, 'size'> {
  readonly data?: string | Buffer;
}

export const file = (path: string, data: string | Buffer = '', more: Partial<TestEntry> = {}): TestEntry => ({
  path,
  type: 'file',
  data,
  ...more,
});
export const folder = (path: string, more: Partial<TestEntry> = {}): TestEntry => ({
  path,
  type: 'directory',
  ...more,
});
export const symlink = (path: string, linkTarget: string): TestEntry => ({
  path,
  type: 'symlink',
  mode: 0o777,
  linkTarget,
});
export const hardLink = (path: string, linkTarget: string): TestEntry => ({ path, type: 'hard-link', linkTarget });

export function tarOf(entries: readonly TestEntry[]): Buffer {
  const parts = entries.map(({ data = '', ...entry }) => {
    const bytes = Buffer.from(data as string); // a Buffer is copied alike
    return Buffer.concat([tarHeader({ ...entry, size: bytes.length }), bytes, tarPadding(bytes.length)]);
  });
  return Buffer.concat([...parts, TAR_END]);
}

export const digestOf = (bytes: string | Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

export interface TestImage {
  /** All of it by digest. */
  readonly blobs: ReadonlyMap<string, Buffer>;
  readonly manifest: Buffer;
  readonly manifestDigest: string;
  readonly id: string;
  readonly layers: readonly string[];
}

export interface TestImageOptions {
  readonly pack?: (tar: Buffer) => Buffer;
  readonly config?: object;
  readonly architecture?: string;
  /** In place of the right ones. */
  readonly diffIds?: readonly string[];
}

export function imageOf(
  layers: ReadonlyArray<readonly TestEntry[] | Buffer>,
  { pack = gzipSync, config = {}, architecture = 'amd64', diffIds }: TestImageOptions = {},
): TestImage {
  const tars = layers.map((layer) => (Buffer.isBuffer(layer) ? layer : tarOf(layer)));
  const packed = tars.map(pack);
  const configBytes = Buffer.from(
    JSON.stringify({
      architecture,
      os: 'linux',
      config,
      rootfs: { type: 'layers', diff_ids: diffIds ?? tars.map(digestOf) },
    }),
  );
  const descriptor = (mediaType: string, bytes: Buffer) => ({ mediaType, digest: digestOf(bytes), size: bytes.length });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA.manifest,
      config: descriptor(MEDIA.config, configBytes),
      layers: packed.map((bytes) => descriptor(MEDIA.layerGzip, bytes)),
    }),
  );
  const blobs = new Map([manifest, configBytes, ...packed].map((bytes) => [digestOf(bytes), bytes]));
  return {
    blobs,
    manifest,
    manifestDigest: digestOf(manifest),
    id: digestOf(configBytes),
    layers: packed.map(digestOf),
  };
}

export function indexOf(
  images: ReadonlyArray<readonly [platform: { os: string; architecture: string; variant?: string }, image: TestImage]>,
): Buffer {
  const manifests = images.map(([platform, { manifest, manifestDigest }]) => ({
    mediaType: MEDIA.manifest,
    digest: manifestDigest,
    size: manifest.length,
    platform,
  }));
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.index, manifests }));
}
