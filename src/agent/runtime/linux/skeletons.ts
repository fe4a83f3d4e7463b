/**
 * What containers find in their roots before anything is mounted there (core/root-layout.ts): some forty directories, files
 * and links, the same for all containers of a kind. They are made once, as a layer that nobody writes to, and each
 * container has an overlay on it; to make them for each takes longer than all else on a disk that is busy.
 *
 *   ROOT/roots/KEY                                   the layer, by what is in it
 *   ROOT/pods/UID/containers/NAME/ATTEMPT/skeleton   a link to it, by which it is known to be in use
 *
 * Where the kernel, or the file system, has no overlays, each container's directory is filled by itself.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Clock } from '../../../base/clock.ts';
import { systemErrorCode } from '../../../base/errors.ts';
import { removeTreeSync } from '../../../base/remove-tree.ts';
import { runCommand } from '../run-command.ts';
import { listDirectory } from '../state-files.ts';
import { makeEntries } from './container-root.ts';
import { overlayOptions } from './core/init-script.ts';
import type { PlannedRoot } from './core/root-layout.ts';
import type { Machine } from './machine.ts';
import type { NodeSpace } from './node-space.ts';

export interface SkeletonsOptions {
  /** Of the node, absolute. */
  readonly root: string;
  readonly machine: Machine;
  readonly space: NodeSpace;
  readonly clock: Clock;
}

export class Skeletons {
  readonly #options: SkeletonsOptions;
  readonly #directory: string;
  readonly #known = new Set<string>();
  #hasOverlays = false;

  constructor(options: SkeletonsOptions) {
    this.#options = options;
    this.#directory = join(options.root, 'roots');
  }

  /** Finds out whether there are overlays here, and removes layers that none of the containers is on. */
  async open(containerDirectories: readonly string[]): Promise<void> {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    const used = new Set(containerDirectories.map(linkedFrom).map((path) => (path === undefined ? '' : basename(path))));
    for (const name of listDirectory(this.#directory)) {
      if (!used.has(name)) rmSync(join(this.#directory, name), { recursive: true, force: true });
      else this.#known.add(name);
    }
    this.#hasOverlays = await this.#tryOverlay();
  }

  async #tryOverlay(): Promise<boolean> {
    const { machine, space, clock } = this.#options;
    const { unshare, mount } = machine.tools;
    const directory = join(this.#directory, 'trial');
    for (const name of ['lower', 'upper', 'work', 'root']) mkdirSync(join(directory, name), { recursive: true });
    const options = overlayOptions(directory, { lowerDirs: [join(directory, 'lower')] }, machine.inUserNamespace);
    const command = [unshare, '--mount', '--propagation', 'private', mount, '-t', 'overlay', 'overlay', '-o', options.join(','), join(directory, 'root')];
    const { exitCode } = await runCommand(space.inside(command), { clock, env: space.environment });
    removeTreeSync(directory);
    return exitCode === 0;
  }

  /** The root as its container mounts it. What is in no layer is still to be made, by `makeEntries`. */
  place(containerDirectory: string, planned: PlannedRoot): PlannedRoot {
    if (!this.#hasOverlays) return planned;
    const known = linkedFrom(containerDirectory);
    if (known !== undefined) return on(known, planned);
    const { entries, lowerDirs } = planned;
    const key = createHash('sha256').update(JSON.stringify({ entries, lowerDirs })).digest('hex').slice(0, 16);
    const path = join(this.#directory, key);
    if (!this.#known.has(key)) this.#make(path, planned);
    this.#known.add(key);
    symlinkSync(path, join(containerDirectory, 'skeleton'));
    return on(path, planned);
  }

  /** Whole or not at all, as a crash in between would leave containers with half a root. */
  #make(path: string, planned: PlannedRoot): void {
    const half = `${path}.half`;
    rmSync(half, { recursive: true, force: true });
    mkdirSync(half, { recursive: true });
    makeEntries(half, planned, this.#options.machine.inUserNamespace);
    renameSync(half, path);
  }
}

function on(skeleton: string, { lowerDirs, mounts }: PlannedRoot): PlannedRoot {
  return { lowerDirs: [skeleton, ...lowerDirs], entries: [], mounts };
}

function linkedFrom(containerDirectory: string): string | undefined {
  try {
    return readlinkSync(join(containerDirectory, 'skeleton'));
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
