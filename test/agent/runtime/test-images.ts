/** Images for runtimes that have some: a root with busybox in it, made where it is needed. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findTool } from '../../../src/cluster/isolation.ts';
import type { ImageRunConfig } from '../../../src/image/core/image-config.ts';
import { buildImage, type BuildOptions } from '../../../src/image/image-build.ts';
import type { StoredImage } from '../../../src/image/image-store.ts';
import type { OpenedImages } from '../../../src/image/open-images.ts';

const APPLETS = ['sh', 'cat', 'cp', 'echo', 'env', 'false', 'head', 'id', 'kill', 'ls', 'mkdir', 'mount', 'pwd', 'readlink', 'sleep', 'stat', 'touch', 'true', 'wc'];

/** Undefined: there is one; a busybox that needs libraries is of no use in a root of its own. */
export function whyNoBusybox(): string | undefined {
  const path = findTool('busybox');
  if (path === undefined) return 'busybox is missing';
  const { stdout } = spawnSync('head', ['-c', '4096', path], { encoding: 'latin1' });
  return stdout.includes('ld-linux') ? 'this busybox needs libraries (busybox-static does not)' : undefined;
}

/** By path: what a file holds, or `-> target` for a link, or a directory where it ends with a slash. */
export type ImageFiles = Readonly<Record<string, string>>;

export function makeFolder(folder: string, files: ImageFiles, { withBusybox = true } = {}): string {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'bin'), { recursive: true });
  if (withBusybox) copyFileSync(findTool('busybox') ?? '', join(folder, 'bin/busybox'));
  for (const name of withBusybox ? APPLETS : []) symlinkSync('busybox', join(folder, 'bin', name));
  for (const [path, content] of Object.entries(files)) {
    const place = join(folder, path);
    mkdirSync(dirname(place), { recursive: true });
    if (path.endsWith('/')) mkdirSync(place, { recursive: true });
    else if (content.startsWith('-> ')) symlinkSync(content.slice(3), place);
    else writeFileSync(place, content);
  }
  return folder;
}

export interface TestBuild {
  readonly name: string;
  readonly folder: string;
  readonly files?: ImageFiles;
  readonly run?: Partial<ImageRunConfig>;
  readonly base?: BuildOptions['base'];
}

export function buildTestImage({ store, platform }: OpenedImages, { name, folder, files = {}, run = {}, base }: TestBuild): Promise<StoredImage> {
  makeFolder(folder, files, { withBusybox: base === undefined });
  return buildImage({ store, folder, to: '/', name, platform, base, run });
}
