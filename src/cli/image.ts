/** `podium image`: what the nodes of a data directory run. It needs no cluster: nodes that run see what it does. */
import { createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { UserError } from '../base/errors.ts';
import { systemClock } from '../base/system-clock.ts';
import { keepStream } from '../image/archive-files.ts';
import { fullName, loadArchive } from '../image/archive-load.ts';
import { saveArchive, type SavedImage } from '../image/archive-save.ts';
import type { ImageRunConfig } from '../image/core/image-config.ts';
import { parsePlatform, type Platform } from '../image/core/platform.ts';
import { HOST_IMAGE } from '../image/core/reference.ts';
import { buildImage, type BuildOptions } from '../image/image-build.ts';
import { ImageError, ImageInUseError, type ImageStatus } from '../image/image-service.ts';
import { openImages, type OpenedImages } from '../image/open-images.ts';
import { EXIT_FAILED, EXIT_OK } from './context.ts';
import { imageRows, shortId } from './core/image-table.ts';
import { renderRows } from './core/table.ts';
import { progressLines } from './image-progress.ts';
import { readAuthFile } from './image-auth.ts';

interface ImageFlags {
  readonly dataDir: string;
  readonly output?: string;
}

async function withImages<T>(
  flags: ImageFlags,
  run: (opened: OpenedImages) => Promise<T>,
  more: { registries?: string | undefined; platform?: string | undefined } = {},
): Promise<T> {
  const platform = more.platform === undefined ? undefined : readPlatformFlag(more.platform);
  const opened = await openImages({
    dataDir: flags.dataDir,
    clock: systemClock,
    registriesFile: more.registries,
    platform,
  });
  try {
    return await run(opened);
  } catch (error) {
    // Made for a person: the reason is for containers' statuses.
    if (error instanceof ImageError || error instanceof ImageInUseError) throw new UserError(`error: ${error.message}`);
    throw error;
  } finally {
    await opened.images.close();
  }
}

function readPlatformFlag(text: string): Platform {
  const platform = parsePlatform(text);
  if (platform === undefined)
    throw new UserError(`error: --platform ${JSON.stringify(text)} is none: such as linux/amd64 or linux/arm64`);
  return platform;
}

export async function imageList(flags: ImageFlags & { readonly quiet?: boolean }): Promise<number> {
  const asJson = isJson(flags);
  return withImages(flags, async ({ images }) => {
    const all = await images.list();
    if (asJson) write(`${JSON.stringify(all, null, 4)}\n`);
    else if (flags.quiet === true) write(all.map(({ id }) => `${id}\n`).join(''));
    else write(renderRows(imageRows(all, systemClock.wall())));
    return EXIT_OK;
  });
}

export async function imagePull(
  flags: ImageFlags & { readonly registries?: string; readonly authfile?: string; readonly platform?: string },
  names: readonly string[],
): Promise<number> {
  const asJson = isJson(flags);
  const docker = join(process.env['DOCKER_CONFIG'] ?? join(homedir(), '.docker'), 'config.json');
  const credentials = await readAuthFile(flags.authfile ?? docker, flags.authfile === undefined);
  const pullAll = async ({ images }: OpenedImages) => {
    const pulled: ImageStatus[] = [];
    for (const image of names) {
      const progress = progressLines(image, process.stderr);
      const { image: status, wasPulled } = await images
        .ensure({ image, policy: 'Always', credentials, onProgress: progress.tell })
        .finally(progress.end);
      pulled.push(status);
      if (!asJson) write(`${fullName(image)}: ${wasPulled ? 'pulled' : 'up to date'}, ${shortId(status.id)}\n`);
    }
    if (asJson) write(`${JSON.stringify(pulled, null, 4)}\n`);
    return EXIT_OK;
  };
  return withImages(flags, pullAll, flags);
}

export async function imageLoad(
  flags: ImageFlags & { readonly tag?: string; readonly platform?: string },
  [path = '']: readonly string[],
): Promise<number> {
  const asJson = isJson(flags);
  const load = async ({ store, platform }: OpenedImages) => {
    const warn = (message: string) => void process.stderr.write(`warning: ${message}\n`);
    const common = { store, platform, name: flags.tag, onWarning: warn };
    const loaded = await (path === '-'
      ? fromStdin(store.layout, (file) => loadArchive({ ...common, path: file }))
      : loadArchive({ ...common, path }));
    if (asJson) write(`${JSON.stringify(loaded, null, 4)}\n`);
    else for (const { name, id } of loaded) write(`${name}: loaded, ${shortId(id)}\n`);
    return EXIT_OK;
  };
  return withImages(flags, load, flags);
}

async function fromStdin<T>(layout: OpenedImages['store']['layout'], run: (file: string) => Promise<T>): Promise<T> {
  if (process.stdin.isTTY === true)
    throw new UserError(
      'error: nothing comes on standard input: podium image load app.tar, or … | podium image load -',
    );
  const folder = await layout.makeTemporary('stdin');
  try {
    const file = join(folder, 'archive');
    await keepStream(process.stdin, file);
    return await run(file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export async function imageSave(flags: ImageFlags, names: readonly string[]): Promise<number> {
  const { output = '-' } = flags;
  if (output === '-' && process.stdout.isTTY === true)
    throw new UserError('error: a tar is nothing for a terminal: name a file with -o');
  return withImages(flags, async ({ images, store }) => {
    const saved: SavedImage[] = [];
    for (const name of names) saved.push(await savedImage(name, { images, store }));
    const bytes = Readable.from(saveArchive(store, saved));
    if (output === '-') await pipeline(bytes, process.stdout, { end: false });
    else await writeFileWhole(output, bytes);
    return EXIT_OK;
  });
}

async function savedImage(
  name: string,
  { images, store }: Pick<OpenedImages, 'images' | 'store'>,
): Promise<SavedImage> {
  const status = await findImage(name, images);
  if (status.id === HOST_IMAGE) throw new UserError(`error: ${HOST_IMAGE} is built in, and has nothing to save`);
  const image = (await store.images()).find(({ id }) => id === status.id);
  if (image === undefined) throw new UserError(`error: image ${JSON.stringify(name)} was removed meanwhile`);
  const full = status.id.includes(name) ? undefined : fullName(name);
  // By a tag that one alone; by an id or a digest all of its tags.
  return { image, names: full !== undefined && status.repoTags.includes(full) ? [full] : status.repoTags };
}

async function writeFileWhole(path: string, bytes: Readable): Promise<void> {
  const part = `${path}.part`;
  try {
    await pipeline(bytes, createWriteStream(part));
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

export async function imageRemove(flags: ImageFlags, names: readonly string[]): Promise<number> {
  return withImages(flags, async ({ images }) => {
    let exitCode = EXIT_OK;
    for (const name of names) {
      try {
        const { id, repoTags } = await findImage(name, images);
        const report = await images.remove(isTagOf(name, repoTags) ? name : id);
        for (const untagged of report?.untagged ?? []) write(`untagged ${untagged}\n`);
        for (const removed of report?.removed ?? []) write(`removed ${shortId(removed)}\n`);
      } catch (error) {
        if (!(error instanceof UserError || error instanceof ImageInUseError)) throw error;
        process.stderr.write(`${error instanceof UserError ? '' : 'error: '}${error.message}\n`);
        exitCode = EXIT_FAILED;
      }
    }
    return exitCode;
  });
}

function isTagOf(name: string, repoTags: readonly string[]): boolean {
  try {
    return name.includes('@') || repoTags.includes(fullName(name));
  } catch {
    return false; // an id
  }
}

/** By name, or by the first digits of its id. */
async function findImage(name: string, images: OpenedImages['images']): Promise<ImageStatus> {
  const byName = await images.status(name);
  if (byName !== undefined) return byName;
  const digits = name.replace(/^sha256:/, '');
  const byId = /^[0-9a-f]{4,64}$/.test(digits)
    ? (await images.list()).filter(({ id }) => id.startsWith(`sha256:${digits}`))
    : [];
  if (byId.length > 1) throw new UserError(`error: ${byId.length} images have ids that begin with ${digits}`);
  const [image] = byId;
  if (image === undefined)
    throw new UserError(`error: no image ${JSON.stringify(name)}: podium image ls shows those that are here`);
  return image;
}

export interface BuildFlags extends ImageFlags {
  readonly tag?: string;
  readonly from?: string;
  readonly to: string;
  readonly entrypoint?: string;
  readonly cmd?: string;
  readonly env?: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly port?: readonly string[];
  readonly platform?: string;
}

export async function imageBuild(flags: BuildFlags, [folder = '']: readonly string[]): Promise<number> {
  const asJson = isJson(flags);
  const { tag, dataDir } = flags;
  if (tag === undefined)
    throw new UserError('error: --tag is missing: what the image is to be called, such as --tag app:1');
  const stats = await stat(folder).catch((cause: unknown) => {
    throw new UserError(`error: ${folder} cannot be read`, { cause });
  });
  if (!stats.isDirectory()) throw new UserError(`error: ${folder} is no directory: its content becomes the image's`);
  const run = runSettings(flags);
  const build = async (opened: OpenedImages) => {
    const base = await baseOf(flags.from, opened);
    const { store, platform } = opened;
    const image = await buildImage({ store, folder, without: dataDir, to: flags.to, name: tag, platform, base, run });
    if (asJson)
      write(`${JSON.stringify({ name: fullName(tag), id: image.id, digest: image.manifestDigest }, null, 4)}\n`);
    else write(`${fullName(tag)}: built, ${shortId(image.id)}\n`);
    return EXIT_OK;
  };
  return withImages(flags, build, flags);
}

async function baseOf(from: string | undefined, { images, store }: OpenedImages): Promise<BuildOptions['base']> {
  if (from === undefined) return undefined;
  const { image: status } = await images.ensure({ image: from, policy: 'IfNotPresent' });
  if (status.id === HOST_IMAGE) return 'host';
  const image = (await store.images()).find(({ id }) => id === status.id);
  if (image === undefined) throw new UserError(`error: image ${JSON.stringify(from)} was removed meanwhile`);
  return image;
}

function runSettings({ entrypoint, cmd, env, workdir, user, port }: BuildFlags): Partial<ImageRunConfig> {
  for (const entry of env ?? [])
    if (!/^[^=]+=/.test(entry)) throw new UserError(`error: --env ${JSON.stringify(entry)} is not NAME=value`);
  if (workdir !== undefined && !workdir.startsWith('/'))
    throw new UserError(`error: --workdir ${JSON.stringify(workdir)} does not begin with /`);
  return {
    ...(entrypoint === undefined ? {} : { entrypoint: commandLine('--entrypoint', entrypoint) }),
    ...(cmd === undefined ? {} : { cmd: commandLine('--cmd', cmd) }),
    ...(env === undefined ? {} : { env }),
    ...(workdir === undefined ? {} : { workingDir: workdir }),
    ...(user === undefined ? {} : { user }),
    ...(port === undefined ? {} : { exposedPorts: port.map(portOf) }),
  };
}

/** A JSON list as it is; else words between spaces, for a program is not a shell. */
function commandLine(flag: string, text: string): string[] {
  if (!text.trimStart().startsWith('[')) return text.split(/\s+/).filter((word) => word !== '');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (Array.isArray(value) && value.every((word) => typeof word === 'string')) return value;
  throw new UserError(`error: ${flag} ${text} is no JSON list of strings`);
}

function portOf(text: string): string {
  const [, port, protocol = 'tcp'] = /^(\d{1,5})(?:\/(tcp|udp|sctp))?$/.exec(text) ?? [];
  if (port === undefined || Number(port) < 1 || Number(port) > 65_535)
    throw new UserError(`error: --port ${text} is none: such as 8080 or 53/udp`);
  return `${port}/${protocol}`;
}

function isJson({ output }: ImageFlags): boolean {
  if (output !== undefined && output !== 'json')
    throw new UserError(
      `error: unable to match a printer suitable for the output format ${JSON.stringify(output)}, allowed formats are: json`,
    );
  return output === 'json';
}

function write(text: string): void {
  process.stdout.write(text);
}
