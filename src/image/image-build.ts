/**
 * A small image from a folder and a few settings. The same folder gives the same digest, on any machine: names are sorted by
 * their bytes, all files are root's, times are 0, of permissions only "may be run" counts, and the layer is not packed, for
 * packers differ.
 */
import { createReadStream, type Stats } from 'node:fs';
import { lstat, readdir, readlink, stat } from 'node:fs/promises';
import { UserError } from '../base/errors.ts';
import { BASE_LABEL, EMPTY_RUN_CONFIG, formatImageConfig, type ImageRunConfig } from './core/image-config.ts';
import { formatManifest, MEDIA, type Descriptor } from './core/manifest.ts';
import type { Platform } from './core/platform.ts';
import { HOST_IMAGE } from './core/reference.ts';
import { printable } from './core/tar-header.ts';
import { TAR_END, tarHeader, tarPadding, type NewTarEntry } from './core/tar-writer.ts';
import { fullName, unpackHere } from './archive-load.ts';
import { HOST_RUN_CONFIG } from './host-image.ts';
import type { ImageStore, StoredImage } from './image-store.ts';

export interface BuildOptions {
  readonly store: ImageStore;
  readonly folder: string;
  /** A directory that is left out of it: that of the cluster's data, which has keys in it, and this very store. */
  readonly without?: string;
  /** Where in the image its content lies: `/`, or such as `/app`. */
  readonly to: string;
  readonly name: string;
  readonly platform: Platform;
  /** What it lies on: an image of the store, the machine's own programs, or nothing. */
  readonly base: StoredImage | 'host' | undefined;
  /** What is given here counts, the rest is the base's. */
  readonly run: Partial<ImageRunConfig>;
}

const EPOCH = '1970-01-01T00:00:00Z';

export async function buildImage({
  store,
  folder,
  without,
  to,
  name,
  platform,
  base,
  run,
}: BuildOptions): Promise<StoredImage> {
  const full = fullName(name);
  const isLeftOut = await sameAs(without);
  if (isLeftOut(await lstat(folder)))
    throw new UserError(`${folder} is the data directory: an image of it would hold its keys`);
  return store.working(async () => {
    const layer = await store.blobs.add(folderLayer(folder, to, isLeftOut));
    const below = base === undefined || base === 'host' ? undefined : base;
    const config = await store.blobs.addText(
      formatImageConfig({
        platform: below?.config.platform ?? platform,
        created: EPOCH,
        diffIds: [...(below?.config.diffIds ?? []), layer.digest],
        run: mergedRun(base, run),
      }),
    );
    const layers: Array<Pick<Descriptor, 'mediaType' | 'digest' | 'size'>> = [
      ...(below?.manifest.layers ?? []),
      { mediaType: MEDIA.layer, ...layer },
    ];
    const manifest = await store.blobs.addText(formatManifest({ mediaType: MEDIA.config, ...config }, layers));
    const image = await store.image(manifest.digest);
    if (image === undefined) throw new UserError(`the settings make no image: ${full}`);
    await unpackHere(store, image);
    await store.name(image, { name: full, target: manifest.digest, source: 'build' });
    return image;
  });
}

/** As a Dockerfile's: a new entrypoint takes the base's command away, for that was meant for another program. */
function mergedRun(base: BuildOptions['base'], run: Partial<ImageRunConfig>): ImageRunConfig {
  const below = base === undefined ? EMPTY_RUN_CONFIG : base === 'host' ? HOST_RUN_CONFIG : base.config.run;
  const names = new Set((run.env ?? []).map(nameOf));
  const labels = { ...below.labels, ...run.labels, ...(base === 'host' ? { [BASE_LABEL]: HOST_IMAGE } : {}) };
  return {
    ...below,
    ...(run.entrypoint === undefined ? {} : { cmd: [] }),
    ...run,
    env: [...below.env.filter((entry) => !names.has(nameOf(entry))), ...(run.env ?? [])],
    exposedPorts: [...new Set([...below.exposedPorts, ...(run.exposedPorts ?? [])])].sort(),
    volumes: [...new Set([...below.volumes, ...(run.volumes ?? [])])].sort(),
    labels,
  };
}

const nameOf = (entry: string) => entry.split('=')[0]!;

type IsLeftOut = (stats: Stats) => boolean;

/** By device and inode, so that no spelling of the path gets around it. */
async function sameAs(path: string | undefined): Promise<IsLeftOut> {
  const own = path === undefined ? undefined : await stat(path);
  return (stats) => own !== undefined && stats.ino === own.ino && stats.dev === own.dev;
}

async function* folderLayer(folder: string, to: string, isLeftOut: IsLeftOut): AsyncGenerator<Buffer> {
  const root = Buffer.from(folder).toString('latin1');
  const prefix = Buffer.from(to)
    .toString('latin1')
    .split('/')
    .filter((part) => part !== '' && part !== '.');
  if (prefix.includes('..')) throw new UserError(`--to ${to} climbs out of the root`);
  for (const at of prefix.keys()) yield tarHeader({ path: prefix.slice(0, at + 1).join('/'), type: 'directory' });
  yield* folderEntries(root, prefix, isLeftOut);
  yield TAR_END;
}

async function* folderEntries(folder: string, prefix: readonly string[], isLeftOut: IsLeftOut): AsyncGenerator<Buffer> {
  const names = (await readdir(Buffer.from(folder, 'latin1'), { encoding: 'buffer' })).sort(Buffer.compare);
  for (const bytes of names) {
    const name = bytes.toString('latin1');
    const path = [...prefix, name].join('/');
    const source = Buffer.from(`${folder}/${name}`, 'latin1');
    const stats = await lstat(source);
    if (isLeftOut(stats)) continue;
    if (name.startsWith('.wh.'))
      throw new UserError(`${printable(path)} would be taken for a whiteout: its name begins with .wh.`);
    if (stats.isDirectory()) {
      yield tarHeader({ path, type: 'directory' });
      yield* folderEntries(`${folder}/${name}`, [...prefix, name], isLeftOut);
    } else if (stats.isSymbolicLink()) {
      yield tarHeader({
        path,
        type: 'symlink',
        mode: 0o777,
        linkTarget: (await readlink(source, { encoding: 'buffer' })).toString('latin1'),
      });
    } else if (stats.isFile()) {
      yield* fileEntry(source, {
        path,
        type: 'file',
        mode: (stats.mode & 0o111) === 0 ? 0o644 : 0o755,
        size: stats.size,
      });
    } else {
      throw new UserError(`${printable(path)} is neither a file nor a directory nor a link: an image cannot hold it`);
    }
  }
}

async function* fileEntry(source: Buffer, entry: NewTarEntry & { readonly size: number }): AsyncGenerator<Buffer> {
  yield tarHeader(entry);
  let sent = 0;
  for await (const bytes of createReadStream(source, { highWaterMark: 512 * 1024 })) {
    const piece = bytes as Buffer; // no encoding was asked for
    sent += piece.length;
    if (sent > entry.size) break;
    yield piece;
  }
  if (sent !== entry.size) throw new UserError(`${printable(entry.path)} changed while it was read: build again`);
  yield tarPadding(entry.size);
}
