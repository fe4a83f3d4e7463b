/** Puts a pod's volumes on disk: one directory a volume, below the pods' volume root. What they hold is planned in core. */
import { lstat, mkdir, readdir, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { VolumeContent, VolumeFile } from './core/volume-files.ts';

export interface VolumeStore {
  /** Makes what is not there yet, replaces files whose content changed; answers where each volume is. */
  materialize(uid: string, volumes: readonly VolumeContent[]): Promise<ReadonlyMap<string, string>>;
  /** Idempotent. */
  remove(uid: string): Promise<void>;
  /** Pods that have volumes here. */
  list(): Promise<readonly string[]>;
}

/** For runtimes without files: every volume is somewhere. */
export const noVolumes: VolumeStore = {
  materialize: (uid, volumes) => Promise.resolve(new Map(volumes.map(({ name }) => [name, `/volumes/${uid}/${name}`]))),
  remove: () => Promise.resolve(),
  list: () => Promise.resolve([]),
};

export class VolumeError extends Error {
  override readonly name = 'VolumeError';
}

export class FileVolumes implements VolumeStore {
  readonly #root: string;

  constructor(root: string) {
    this.#root = resolve(root);
  }

  async materialize(uid: string, volumes: readonly VolumeContent[]): Promise<ReadonlyMap<string, string>> {
    const paths = new Map<string, string>();
    for (const volume of volumes) paths.set(volume.name, await this.#make(join(this.#root, uid, volume.name), volume));
    return paths;
  }

  async #make(directory: string, volume: VolumeContent): Promise<string> {
    if (volume.kind === 'host') return prepareHostPath(volume.path, volume.type);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    if (volume.kind === 'files') await writeFiles(directory, volume.files);
    return directory;
  }

  async remove(uid: string): Promise<void> {
    await rm(join(this.#root, uid), { recursive: true, force: true, maxRetries: 3 });
  }

  async list(): Promise<readonly string[]> {
    return readdir(this.#root).then(
      (names) => names.sort(),
      () => [], // no volume was ever made
    );
  }
}

/**
 * All files change at once, as in Kubernetes: they lie in a directory of their own, `..data` names the current one, and
 * each path is a link through it. A program that reads two files sees both old or both new, if it holds on to `..data`.
 */
async function writeFiles(directory: string, files: readonly VolumeFile[]): Promise<void> {
  const current = join(directory, '..data');
  const number = (await readdir(directory)).filter((name) => /^\.\.\d+$/.test(name)).map((name) => Number(name.slice(2)));
  const last = number.length === 0 ? 0 : Math.max(...number);
  const made = `..${last + 1}`;
  for (const { path, content, mode } of files) {
    const target = join(directory, made, path);
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    await writeFile(target, content, { mode });
  }
  await mkdir(join(directory, made), { recursive: true, mode: 0o700 });
  await rm(`${current}.tmp`, { force: true });
  await symlink(made, `${current}.tmp`);
  await rename(`${current}.tmp`, current);
  const tops = new Set(files.map(({ path }) => path.split('/')[0]!));
  for (const name of await readdir(directory)) {
    const isOld = /^\.\.\d+$/.test(name) ? name !== made : !name.startsWith('..') && !tops.has(name);
    if (isOld) await rm(join(directory, name), { recursive: true, force: true });
  }
  for (const top of tops) {
    const link = join(directory, top);
    if (await lstat(link).then(() => true, () => false)) continue;
    await symlink(join('..data', top), link);
  }
}

async function prepareHostPath(path: string, type: string): Promise<string> {
  if (type === 'DirectoryOrCreate') await mkdir(path, { recursive: true, mode: 0o755 });
  if (type === 'FileOrCreate') await writeFile(path, '', { flag: 'a', mode: 0o644 });
  const found = await stat(path).catch(() => undefined); // said below
  if (type === '' && found === undefined) return path;
  if (found === undefined) throw new VolumeError(`hostPath type check failed: ${path} does not exist`);
  if (type.startsWith('Directory') && !found.isDirectory()) throw new VolumeError(`hostPath type check failed: ${path} is not a directory`);
  if (type.startsWith('File') && !found.isFile()) throw new VolumeError(`hostPath type check failed: ${path} is not a file`);
  return path;
}
