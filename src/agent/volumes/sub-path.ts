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

/** What is missing on the way is made, as a directory with the rights of the volume's own. Answers the path without links. */
export async function resolveSubPath(volume: string, subPath: string): Promise<string> {
  const root = await realpath(volume);
  const { mode, gid } = await lstat(root);
  let at = root;
  for (const step of subPath.split('/').filter((one) => one !== '' && one !== '.')) {
    const next = join(at, step);
    const found = await find(next);
    if (found === undefined) {
      await makeDirectory(next, { mode, gid });
      at = next;
    } else {
      at = found.isSymbolicLink() ? await follow(next, subPath) : next;
    }
    if (at !== root && !at.startsWith(`${root}/`)) throw new VolumeError(`${subPath} leads out of the volume`);
  }
  return at;
}

async function follow(path: string, subPath: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (cause) {
    throw new VolumeError(`${subPath} is a link that leads nowhere`, { cause });
  }
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
export async function freeze(volume: string, subPath: string, target: string): Promise<string> {
  await rm(target, { recursive: true, force: true });
  await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  const root = await realpath(volume);
  const source = await realpath(join(root, subPath)).catch(() => undefined); // a key that is not there
  if (source === undefined) await makeDirectory(target, await lstat(root));
  else if (source !== root && !source.startsWith(`${root}/`)) throw new VolumeError(`${subPath} leads out of the volume`);
  else await linkTree(source, target);
  return target;
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
