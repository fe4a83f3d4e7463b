/** A path of the machine as a volume: is it what the pod says, and may it be made? In the kubelet's words. */
import { open, mkdir, stat } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { VolumeError } from './volume-error.ts';

interface Check {
  readonly is: (found: Stats) => boolean;
  readonly what: string;
}

const CHECKS: Readonly<Record<string, Check>> = {
  Directory: { is: (found) => found.isDirectory(), what: 'a directory' },
  DirectoryOrCreate: { is: (found) => found.isDirectory(), what: 'a directory' },
  File: { is: (found) => found.isFile(), what: 'a file' },
  FileOrCreate: { is: (found) => found.isFile(), what: 'a file' },
  Socket: { is: (found) => found.isSocket(), what: 'a socket file' },
  CharDevice: { is: (found) => found.isCharacterDevice(), what: 'a character device' },
  BlockDevice: { is: (found) => found.isBlockDevice(), what: 'a block device' },
};

const DIRECTORY_MODE = 0o755;
const FILE_MODE = 0o644;

/** `type` as in the pod; empty: whatever is there, and a directory if nothing is, as container runtimes do. */
export async function prepareHostPath(path: string, type: string): Promise<string> {
  const known = await find(path);
  if (known === undefined && (type === '' || type === 'DirectoryOrCreate')) await mkdir(path, { recursive: true, mode: DIRECTORY_MODE });
  if (known === undefined && type === 'FileOrCreate') await (await open(path, 'a', FILE_MODE)).close();
  if (type === '') return path;
  const check = CHECKS[type];
  if (check === undefined) throw new VolumeError(`hostPath type check failed: there is no type ${type}`);
  const found = known ?? (await find(path));
  if (found === undefined || !check.is(found)) throw new VolumeError(`hostPath type check failed: ${path} is not ${check.what}`);
  return path;
}

function find(path: string): Promise<Stats | undefined> {
  return stat(path).catch(() => undefined); // what is not there is none of the kinds
}
