/**
 * The files of a ConfigMap, a Secret and the like on disk. All of them change at once, as in Kubernetes:
 *
 *   VOLUME/..2/ca.crt  ..2/token     the files, in a directory that is never changed once it is named
 *   VOLUME/..data -> ..2             replaced by rename
 *   VOLUME/ca.crt -> ..data/ca.crt
 *
 * A program that reads two files sees both old or both new, if it holds on to `..data`. What cannot be written whole (the
 * disk is full) is never named, and goes.
 */
import { lstat, mkdir, readdir, readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { equalBytes } from '../../base/bytes.ts';
import type { VolumeFile } from '../core/volume-files.ts';

/** Whose a file is to be, and what others may do with it. */
export interface Owned {
  readonly path: string;
  readonly user?: number | undefined;
  readonly group?: number | undefined;
  readonly mode: number;
}

/** Gives files to users and groups, where that is possible, and then sets their modes. */
export type Giver = (files: readonly Owned[]) => Promise<void>;

export interface PayloadOptions {
  readonly directory: string;
  readonly files: readonly VolumeFile[];
  readonly group: number | undefined;
  readonly give: Giver;
}

const DIRECTORY_MODE = 0o755;
/** What a pod's fsGroup may do with files that nobody writes, and with their directories. */
const GROUP_READS = 0o440;
const GROUP_ENTERS = 0o2110;
const NUMBERED = /^\.\.\d+$/;

/** Answers whether anything was changed. */
export async function writePayload(options: PayloadOptions): Promise<boolean> {
  const { directory } = options;
  const names = await readdir(directory);
  const isCurrent = await holds(options);
  if (!isCurrent) {
    const last = Math.max(0, ...names.filter((name) => NUMBERED.test(name)).map((name) => Number(name.slice(2))));
    await writeVersion(options, `..${last + 1}`);
  }
  await tidyLinks(options);
  return !isCurrent;
}

/** Has a whole set of files ever been written here? */
export function hasPayload(directory: string): Promise<boolean> {
  return lstat(join(directory, '..data')).then(
    () => true,
    () => false,
  );
}

async function writeVersion(options: PayloadOptions, name: string): Promise<void> {
  const { directory, files, group, give } = options;
  const made = join(directory, name);
  const current = join(directory, '..data');
  try {
    const owned: Owned[] = [];
    await makeDirectory(made, group, owned);
    for (const { path, content, mode, user } of files) {
      const target = join(made, path);
      await makeParents(made, path, { group, owned });
      await writeFile(target, content, { mode: 0o600, flag: 'wx' });
      owned.push({ path: target, user, group, mode: modeOf(mode, group) });
    }
    await give(owned);
    await rm(`${current}.tmp`, { force: true });
    await symlink(name, `${current}.tmp`);
    await rename(`${current}.tmp`, current);
  } catch (error) {
    await rm(made, { recursive: true, force: true });
    await rm(`${current}.tmp`, { force: true });
    throw error;
  }
}

function modeOf(mode: number, group: number | undefined): number {
  return group === undefined ? mode : mode | GROUP_READS;
}

async function makeDirectory(path: string, group: number | undefined, owned: Owned[]): Promise<void> {
  await mkdir(path);
  owned.push({ path, group, mode: group === undefined ? DIRECTORY_MODE : DIRECTORY_MODE | GROUP_READS | GROUP_ENTERS });
}

async function makeParents(root: string, path: string, { group, owned }: { readonly group: number | undefined; readonly owned: Owned[] }): Promise<void> {
  const parent = dirname(path);
  if (parent === '.' || (await exists(join(root, parent)))) return;
  await makeParents(root, parent, { group, owned });
  await makeDirectory(join(root, parent), group, owned);
}

/** The links that name the files, and nothing of earlier versions. */
async function tidyLinks({ directory, files }: PayloadOptions): Promise<void> {
  const current = await readlink(join(directory, '..data'));
  const tops = new Set(files.map(({ path }) => path.split('/')[0]!));
  for (const name of await readdir(directory)) {
    const isOld = NUMBERED.test(name) ? name !== current : !name.startsWith('..') && !tops.has(name);
    if (isOld) await rm(join(directory, name), { recursive: true, force: true });
  }
  for (const top of tops) {
    const link = join(directory, top);
    if (!(await exists(link))) await symlink(join('..data', top), link);
  }
}

/** The current version is just these files. */
async function holds({ directory, files, group }: PayloadOptions): Promise<boolean> {
  const current = join(directory, '..data');
  if (!(await hasPayload(directory))) return false;
  const there = await filesBelow(current, '');
  if (there === undefined || there.length !== files.length) return false;
  for (const { path, content, mode } of files) {
    if (!there.includes(path)) return false;
    const at = join(current, path);
    if (((await lstat(at)).mode & 0o777) !== (modeOf(mode, group) & 0o777) || !(await contains(at, content))) return false;
  }
  return true;
}

/** What was given to somebody else cannot be read any more by who is not root, and is written anew. */
async function contains(path: string, content: Uint8Array): Promise<boolean> {
  const found = await readFile(path).catch(() => undefined);
  return found !== undefined && equalBytes(found, content);
}

/** Undefined: a version that somebody has damaged. */
async function filesBelow(root: string, path: string): Promise<string[] | undefined> {
  const entries = await readdir(join(root, path), { withFileTypes: true }).catch(() => undefined); // said by the type
  if (entries === undefined) return undefined;
  const found: string[] = [];
  for (const entry of entries) {
    const inner = path === '' ? entry.name : `${path}/${entry.name}`;
    const below = entry.isDirectory() ? await filesBelow(root, inner) : [inner];
    if (below === undefined) return undefined;
    found.push(...below);
  }
  return found;
}

function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

