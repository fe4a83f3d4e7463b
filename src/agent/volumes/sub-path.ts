/**
 * A path inside a volume, as a container mounts it. Programs of the pod may have put links into the volume: none may lead
 * out of it. It is looked at when a container starts; a program that changes a link in the instant between that and the
 * mount is not seen (the kubelet closes the gap by mounts of its own, which an ordinary user cannot make in the machine).
 */
import { chmod, chown, copyFile, link, lstat, mkdir, readdir, readlink, realpath, rm, symlink } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { dirname, join } from 'node:path';
import { systemErrorCode } from '../../base/errors.ts';
import { VolumeError } from './volume-error.ts';

export interface VolumePlace {
  readonly path: string;
  /** Goes before the path, for who looks from outside of the mounts in which it is; else empty. */
  readonly outside: string;
}

/** As many as the kernel follows. */
const LINKS_MAX = 40;

/** What is missing on the way is made, as a directory with the rights of the volume's own. Answers the path without links. */
export async function resolveSubPath(place: VolumePlace, subPath: string): Promise<string> {
  const { mode, gid } = await lstat(`${place.outside}${await rootOf(place)}`);
  return walk(place, subPath, (at) => makeDirectory(at, { mode, gid }));
}

/** From outside no call may resolve the whole of it: it would leave the mounts by the link that leads into them. */
function rootOf({ path, outside }: VolumePlace): Promise<string> {
  return outside === '' ? realpath(path) : Promise.resolve(path);
}

async function walk(place: VolumePlace, subPath: string, onMissing: (at: string) => Promise<void>): Promise<string> {
  const { outside } = place;
  const root = await rootOf(place);
  const todo = stepsOf(subPath);
  const done: string[] = [];
  for (let links = 0; todo.length > 0; ) {
    const step = todo.shift()!;
    if (step === '..' && done.pop() === undefined) throw new VolumeError(`${subPath} leads out of the volume`);
    if (step === '..') continue;
    const at = join(outside, root, ...done, step);
    const found = await find(at);
    if (found === undefined) await onMissing(at);
    if (found?.isSymbolicLink() !== true) {
      done.push(step);
      continue;
    }
    const target = await readlink(at);
    const isAbsolute = target.startsWith('/');
    if ((isAbsolute && !target.startsWith(`${root}/`)) || ++links > LINKS_MAX) throw new VolumeError(`${subPath} leads out of the volume`);
    if (isAbsolute) done.length = 0;
    todo.unshift(...stepsOf(isAbsolute ? target.slice(root.length) : target));
  }
  return join(root, ...done);
}

function stepsOf(path: string): string[] {
  return path.split('/').filter((step) => step !== '' && step !== '.');
}

async function makeDirectory(path: string, { mode, gid }: Pick<Stats, 'mode' | 'gid'>): Promise<void> {
  await mkdir(path, { recursive: true });
  await chmod(path, mode & 0o7777);
  await chown(path, -1, gid).catch(() => undefined); // its group follows from the directory's set-group-id bit, or is ours anyway
}

/**
 * A part of a volume of files as it is now: who mounts a part does not follow its changes, as in Kubernetes. The files are
 * the same ones, so that nothing is copied where links are possible; a part that is not there is an empty directory.
 */
export async function freeze(volume: VolumePlace, subPath: string, target: string): Promise<void> {
  await rm(target, { recursive: true, force: true });
  await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  let isThere = true;
  const source = volume.outside + (await walk(volume, subPath, async () => void (isThere = false)));
  if (isThere) await linkTree(source, target);
  else await makeDirectory(target, await lstat(volume.outside + (await rootOf(volume))));
}

async function linkTree(source: string, target: string): Promise<void> {
  const found = await lstat(source);
  if (found.isSymbolicLink()) return symlink(await readlink(source), target);
  if (!found.isDirectory()) return linkFile(source, target);
  await makeDirectory(target, found);
  for (const name of await readdir(source)) await linkTree(join(source, name), join(target, name));
}

async function linkFile(source: string, target: string): Promise<void> {
  try {
    await link(source, target);
  } catch (error) {
    if (!['EPERM', 'EMLINK', 'ENOTSUP', 'EXDEV'].includes(systemErrorCode(error) ?? '')) throw error;
    await copyFile(source, target);
  }
}

function find(path: string): Promise<Stats | undefined> {
  return lstat(path).catch((error: unknown) => {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  });
}
