/**
 * A second tree of the same files: directories anew, all else by hard links, which cost no room and no copying. Neither tree is
 * ever written into, only replaced in (unpack.ts), so that what one image does is not seen by the other. Where a file system
 * takes no more links to a file (ext4: 65,000), it is copied.
 */
import * as fs from 'node:fs';
import { sleep, type Clock } from '../base/clock.ts';
import { systemErrorCode } from '../base/errors.ts';

/** Then the loop turns once. */
const ENTRIES_PER_TURN = 500;

export async function cloneTree(
  from: string,
  to: string,
  { clock, keepsOwners }: { readonly clock: Clock; readonly keepsOwners: boolean },
): Promise<void> {
  let entries = 0;
  // A name need not be UTF-8: paths are latin1 strings of their bytes.
  const folders: Array<readonly [from: string, to: string]> = [[asLatin1(from), asLatin1(to)]];
  const made: Array<readonly [path: string, stats: fs.Stats]> = [];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const [source, target] = folder;
    made.push([target, cloneFolder(source, target, keepsOwners)]);
    for (const entry of fs.readdirSync(bytes(source), { withFileTypes: true, encoding: 'buffer' })) {
      const name = entry.name.toString('latin1');
      if (entry.isDirectory()) folders.push([`${source}/${name}`, `${target}/${name}`]);
      else linkOrCopy(`${source}/${name}`, `${target}/${name}`, keepsOwners);
      if (++entries % ENTRIES_PER_TURN === 0) await sleep(clock, 0);
    }
  }
  // What was put into them changed their times.
  for (const [path, { atime, mtime }] of made) fs.utimesSync(bytes(path), atime, mtime);
}

function cloneFolder(source: string, target: string, keepsOwners: boolean): fs.Stats {
  const stats = fs.lstatSync(bytes(source));
  fs.mkdirSync(bytes(target), { mode: 0o700 });
  if (keepsOwners) fs.chownSync(bytes(target), stats.uid, stats.gid);
  fs.chmodSync(bytes(target), stats.mode & 0o7777);
  return stats;
}

function linkOrCopy(source: string, target: string, keepsOwners: boolean): void {
  try {
    fs.linkSync(bytes(source), bytes(target));
  } catch (error) {
    const code = systemErrorCode(error);
    if (code !== 'EMLINK' && code !== 'EPERM' && code !== 'EXDEV') throw error;
    copy(source, target, keepsOwners);
  }
}

function copy(source: string, target: string, keepsOwners: boolean): void {
  const stats = fs.lstatSync(bytes(source));
  const { uid, gid, mode, atime, mtime } = stats;
  if (stats.isSymbolicLink()) {
    fs.symlinkSync(fs.readlinkSync(bytes(source), { encoding: 'buffer' }), bytes(target));
    if (keepsOwners) fs.lchownSync(bytes(target), uid, gid);
    return;
  }
  fs.copyFileSync(bytes(source), bytes(target));
  if (keepsOwners) fs.chownSync(bytes(target), uid, gid);
  fs.chmodSync(bytes(target), mode & 0o7777);
  fs.utimesSync(bytes(target), atime, mtime);
}

const asLatin1 = (path: string) => Buffer.from(path).toString('latin1');
const bytes = (path: string) => Buffer.from(path, 'latin1');
