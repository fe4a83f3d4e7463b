/**
 * The volumes of a node's pods on its disk. What they hold is planned in core; when, is pod-volumes.ts' business.
 *
 *   ROOT/UID/NAME               a volume; a hostPath has none, nor has an emptyDir in memory, which is only mounted there
 *   ROOT/UID/.parts/CONTAINER/  parts of volumes of files, as they were when the container started
 *
 * Where the runtime has a place in memory, files that must not reach a disk lie there, the same way.
 */
import { lstat, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describeError } from '../base/errors.ts';
import { removeTree } from '../base/remove-tree.ts';
import { setUpFailed, type VolumeContent, type VolumePlan } from './core/volume-files.ts';
import type { MemoryPlace } from './runtime/runtime.ts';
import { prepareHostPath } from './volumes/host-path.ts';
import { giver, type GiverOptions } from './volumes/owners.ts';
import { hasPayload, writePayload, type Giver } from './volumes/payload.ts';
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
  pathOf(uid: string, volume: VolumePlan): string;
  /** Makes it, or brings it up to date. Answers where it is. Rejects with `VolumeError`. */
  put(uid: string, volume: VolumeContent): Promise<string>;
  /** It has been made before, whole. */
  has(uid: string, volume: VolumePlan): Promise<boolean>;
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
  pathOf: (uid, { name }) => `/volumes/${uid}/${name}`,
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

export interface FileVolumesOptions extends Pick<GiverOptions, 'asRootOfPods'> {
  /** The user of this agent cannot give files away: volumes keep their owner and group. */
  readonly onNotGiven?: () => void;
  /** For what must not reach a disk; absent, or answering nothing: it lies with the others. */
  readonly memory?: () => MemoryPlace | undefined;
}

export class FileVolumes implements VolumeStore {
  readonly isReal = true;
  readonly #root: string;
  readonly #give: Giver;
  readonly #memory: () => MemoryPlace | undefined;

  constructor(root: string, { onNotGiven, memory = () => undefined, asRootOfPods }: FileVolumesOptions = {}) {
    this.#root = resolve(root);
    this.#memory = memory;
    let isSaid = false;
    const refused = () => {
      if (!isSaid) onNotGiven?.();
      isSaid = true;
    };
    this.#give = giver({ refused, asRootOfPods });
  }

  pathOf(uid: string, volume: VolumePlan): string {
    return join(this.#placeOf(volume).path, uid, volume.name);
  }

  #placeOf({ isSecret = false }: VolumePlan): MemoryPlace {
    return (isSecret ? this.#memory() : undefined) ?? this.#disk;
  }

  get #disk(): MemoryPlace {
    return { path: this.#root, outside: '' };
  }

  /** Where volumes may be, as this process sees it. */
  get #roots(): readonly string[] {
    const memory = this.#memory();
    return [this.#root, ...(memory === undefined ? [] : [memory.outside + memory.path])];
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
    const { path, outside } = this.#placeOf(volume);
    const below = join(outside + path, uid);
    const directory = join(below, volume.name);
    const { kind, group } = volume;
    const isThere = await exists(directory);
    if (!isThere && kind === 'files') await this.#makeDirectory(below, volume, { mode: FILES_MODE });
    if (!isThere && kind === 'empty') await this.#makeDirectory(below, volume, { mode: group === undefined ? EMPTY_MODE : EMPTY_MODE_OF_GROUP, group });
    if (kind === 'files') await writePayload({ directory, files: volume.files, group, give: this.#give });
    return this.pathOf(uid, volume);
  }

  /** By its name it is whole: whose it is and what others may do there is what the pod says, also after a crash. */
  async #makeDirectory(below: string, { name }: VolumeContent, { mode, group }: { readonly mode: number; readonly group?: number | undefined }): Promise<void> {
    const made = join(below, `.new-${name}`);
    await mkdir(below, { recursive: true, mode: 0o700 });
    await rm(made, { recursive: true, force: true });
    await mkdir(made);
    await this.#give([{ path: made, group, mode }]);
    await rename(made, join(below, name));
  }

  has(uid: string, volume: VolumePlan): Promise<boolean> {
    if (volume.kind === 'host') return Promise.resolve(true);
    const directory = this.#placeOf(volume).outside + this.pathOf(uid, volume);
    return volume.kind === 'files' ? hasPayload(directory) : exists(directory);
  }

  async part({ uid, container, index, path, outside, subPath, isFrozen }: PartOfVolume): Promise<string> {
    if (!isFrozen) return resolveSubPath({ path, outside }, subPath);
    const memory = this.#memory();
    const place = memory !== undefined && path.startsWith(`${memory.path}/`) ? memory : this.#disk;
    const target = join(place.path, uid, PARTS, container, String(index));
    await freeze({ path, outside: place.outside }, subPath, place.outside + target);
    return target;
  }

  usage(uid: string, name: string, most: number): Promise<number> {
    return bytesBelow(join(this.#root, uid, name), most, new Set());
  }

  async remove(uid: string): Promise<void> {
    for (const root of this.#roots) await removeTree(join(root, uid));
  }

  async list(): Promise<readonly string[]> {
    // No volume was ever made there.
    const names = await Promise.all(this.#roots.map((root) => readdir(root).catch(() => [])));
    // What begins with a dot is the runtime's.
    return [...new Set(names.flat())].filter((name) => !name.startsWith('.')).sort();
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
