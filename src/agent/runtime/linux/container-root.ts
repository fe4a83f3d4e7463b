/** Makes on disk what core/root-layout.ts has planned for a container's root, before anything is mounted on it. */
import { chmodSync, chownSync, lstatSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { systemErrorCode } from '../../../base/errors.ts';
import { RuntimeError, type ContainerConfig } from '../runtime.ts';
import { relative, type PlannedRoot } from './core/root-layout.ts';
import { kindOf } from './machine.ts';

/** The directories of one container's root, and in them what is in no layer yet. */
export function makeRoot(directory: string, planned: PlannedRoot, inUserNamespace: boolean): void {
  const isOverlay = planned.lowerDirs.length > 0;
  const root = join(directory, isOverlay ? 'upper' : 'root');
  if (isOverlay) for (const path of [root, join(directory, 'work')]) mkdirSync(path, { mode: 0o700 });
  makeEntries(root, planned, inUserNamespace);
}

export function makeEntries(root: string, { entries, lowerDirs }: PlannedRoot, inUserNamespace: boolean): void {
  // Programs of any user of the container pass through it; nobody else reaches it.
  chmodSync(root, 0o755);
  for (const entry of entries) {
    const path = join(root, entry.path);
    if (entry.kind === 'directory') mkdirSync(path);
    if (entry.kind === 'directory') chmodSync(path, entry.mode);
    if (entry.kind === 'directory' && lowerDirs.length > 0) copyOwner(path, lowerDirs.map((lower) => join(lower, entry.path)), inUserNamespace);
    if (entry.kind === 'file') writeFileSync(path, entry.content, { mode: 0o644 });
    if (entry.kind === 'link') symlinkSync(entry.target, path);
  }
}

/** A directory of an upper layer hides the owner and the mode of the one below. */
function copyOwner(path: string, below: readonly string[], inUserNamespace: boolean): void {
  const stat = below.map((lower) => lstatSync(lower, { throwIfNoEntry: false })).find((one) => one !== undefined);
  if (stat?.isDirectory() !== true) return;
  if (!inUserNamespace) chownSync(path, stat.uid, stat.gid);
  chmodSync(path, stat.mode & 0o7777);
}

/** A volume within another one: its place is made in that other, if that may be written. */
export function makeInnerPlace(containerPath: string, mounts: ContainerConfig['mounts']): void {
  const inside = relative(containerPath);
  const outer = mounts
    .filter((mount) => mount.containerPath !== containerPath && inside.startsWith(`${relative(mount.containerPath)}/`))
    .sort((a, b) => b.containerPath.length - a.containerPath.length)[0];
  const own = mounts.find((mount) => mount.containerPath === containerPath);
  if (outer === undefined || own === undefined || outer.readOnly) return;
  const place = join(outer.hostPath, inside.slice(relative(outer.containerPath).length + 1));
  try {
    mkdirSync(kindOf(own.hostPath) === 'directory' ? place : dirname(place), { recursive: true });
    if (kindOf(own.hostPath) === 'file') writeFileSync(place, '', { flag: 'a' });
  } catch (error) {
    throw new RuntimeError('cannot-start', `there is no place for a volume at ${containerPath} (${systemErrorCode(error) ?? 'unknown'})`, { cause: error });
  }
}
