/**
 * The volumes of a node's pods on its disk. What they hold is planned in core; when, is pod-volumes.ts' business.
 *
 *   ROOT/UID/NAME               a volume; a hostPath has none, nor has an emptyDir in memory, which is only mounted there
 *   ROOT/UID/.parts/CONTAINER/  parts of volumes of files, as they were when the container started
 */
import { chmod, lstat, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describeError, systemErrorCode } from '../base/errors.ts';
import { setUpFailed, type VolumeContent } from './core/volume-files.ts';
import { prepareHostPath } from './volumes/host-path.ts';
import { giver, hasPayload, writePayload, type Giver } from './volumes/payload.ts';
import { freeze, resolveSubPath } from './volumes/sub-path.ts';
import { VolumeError } from './volumes/volume-error.ts';

export interface PartOfVolume {
  readonly uid: string;
  readonly container: string;
  /** Which of the container's mounts. */
  readonly index: number;
  /** Where the volume lies. */
  readonly path: string;
  /** Goes before the path, for this process: the volume is in memory, mounted elsewhere. */
  readonly outside: string;
  readonly subPath: string;
  /** It holds files that change under their readers: whoever mounts a part has it as it is now. */
  readonly isFrozen: boolean;
}

export interface VolumeStore {
  /** Files are kept; else nobody looks at what would be in them. */
  readonly isReal: boolean;
  pathOf(uid: string, name: string): string;
  /** Makes it, or brings it up to date. Answers where it is. Rejects with `VolumeError`. */
  put(uid: string, volume: VolumeContent): Promise<string>;
  /** It has been made before, whole. */
  has(uid: string, volume: Pick<VolumeContent, 'name' | 'kind'>): Promise<boolean>;
  /** Where a part of it is. Rejects with `VolumeError`. */
  part(part: PartOfVolume): Promise<string>;
  /** Bytes on disk; it is not counted much further than `most`. */
  usage(uid: string, name: string, most: number): Promise<number>;
  /** Idempotent. */
  remove(uid: string): Promise<void>;
  /** Pods that have volumes here. */
  list(): Promise<readonly string[]>;
}

/** For runtimes without files: every volume is somewhere. */
export const noVolumes: VolumeStore = {
  isReal: false,
  pathOf: (uid, name) => `/volumes/${uid}/${name}`,
  put: (uid, { name }) => Promise.resolve(`/volumes/${uid}/${name}`),
  has: () => Promise.resolve(true),
  part: ({ path, subPath }) => Promise.resolve(`${path}/${subPath}`),
  usage: () => Promise.resolve(0),
  remove: () => Promise.resolve(),
  list: () => Promise.resolve([]),
};

const PARTS = '.parts';
/** Programs of any user of the container may use it; nobody else of the machine gets so far. */
const EMPTY_MODE = 0o777;
const EMPTY_MODE_OF_GROUP = 0o2777;
const FILES_MODE = 0o755;
const BLOCK_BYTES = 512;

export interface FileVolumesOptions {
  /** The user of this agent cannot give files away: volumes keep their owner and group. */
  readonly onNotGiven?: () => void;
}

export class FileVolumes implements VolumeStore {
  readonly isReal = true;
  readonly #root: string;
  readonly #give: Giver;

  constructor(root: string, { onNotGiven }: FileVolumesOptions = {}) {
    this.#root = resolve(root);
    let isSaid = false;
    this.#give = giver(() => {
      if (!isSaid) onNotGiven?.();
      isSaid = true;
    });
  }

  pathOf(uid: string, name: string): string {
    return join(this.#root, uid, name);
  }

  async put(uid: string, volume: VolumeContent): Promise<string> {
    try {
      return await this.#make(uid, volume);
    } catch (error) {
      const why = error instanceof VolumeError ? error.message : describeError(error);
      throw new VolumeError(setUpFailed(volume.name, why), { cause: error });
    }
  }

  async #make(uid: string, volume: VolumeContent): Promise<string> {
    if (volume.kind === 'host') return prepareHostPath(volume.path, volume.type);
    const directory = this.pathOf(uid, volume.name);
    const { kind, group } = volume;
    const isThere = await exists(directory);
    if (!isThere && kind === 'files') await this.#makeDirectory(uid, volume, { mode: FILES_MODE });
    if (!isThere && kind === 'empty') await this.#makeDirectory(uid, volume, { mode: group === undefined ? EMPTY_MODE : EMPTY_MODE_OF_GROUP, group });
    if (kind === 'files') await writePayload({ directory, files: volume.files, group, give: this.#give });
    return directory;
  }

  /** By its name it is whole: whose it is and what others may do there is what the pod says, also after a crash. */
  async #makeDirectory(uid: string, { name }: VolumeContent, { mode, group }: { readonly mode: number; readonly group?: number | undefined }): Promise<void> {
    const made = join(this.#root, uid, `.new-${name}`);
    await mkdir(join(this.#root, uid), { recursive: true, mode: 0o700 });
    await rm(made, { recursive: true, force: true });
    await mkdir(made);
    await this.#give(made, { group });
    await chmod(made, mode);
    await rename(made, this.pathOf(uid, name));
  }

  has(uid: string, { name, kind }: Pick<VolumeContent, 'name' | 'kind'>): Promise<boolean> {
    if (kind === 'host') return Promise.resolve(true);
    const directory = this.pathOf(uid, name);
    return kind === 'files' ? hasPayload(directory) : exists(directory);
  }

  part({ uid, container, index, path, outside, subPath, isFrozen }: PartOfVolume): Promise<string> {
    return isFrozen ? freeze(path, subPath, join(this.#root, uid, PARTS, container, String(index))) : resolveSubPath({ path, outside }, subPath);
  }

  usage(uid: string, name: string, most: number): Promise<number> {
    return bytesBelow(this.pathOf(uid, name), most, new Set());
  }

  async remove(uid: string): Promise<void> {
    const directory = join(this.#root, uid);
    const clear = () => rm(directory, { recursive: true, force: true, maxRetries: 3 });
    try {
      await clear();
    } catch (error) {
      if (systemErrorCode(error) !== 'EACCES') throw error;
      // A program has taken away its own right to a directory.
      await makeWritable(directory);
      await clear();
    }
  }

  async list(): Promise<readonly string[]> {
    return readdir(this.#root).then(
      (names) => names.sort(),
      () => [], // no volume was ever made
    );
  }
}

function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

/** A file that has several names counts once, as its blocks are there once. What goes meanwhile is not counted. */
async function bytesBelow(path: string, most: number, seen: Set<number>): Promise<number> {
  const found = await lstat(path).catch(() => undefined); // gone meanwhile
  if (found === undefined || seen.has(found.ino)) return 0;
  if (found.nlink > 1) seen.add(found.ino);
  let bytes = found.blocks * BLOCK_BYTES;
  if (!found.isDirectory()) return bytes;
  for (const name of await readdir(path).catch(() => [])) {
    if (bytes > most) return bytes;
    bytes += await bytesBelow(join(path, name), most - bytes, seen);
  }
  return bytes;
}

async function makeWritable(directory: string): Promise<void> {
  await chmod(directory, 0o700);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) await makeWritable(join(directory, entry.name));
  }
}
