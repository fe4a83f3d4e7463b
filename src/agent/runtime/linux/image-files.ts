/**
 * What is read of an image's root, and made of it, before a container has it as its own. A path in it counts as it does in the
 * container: a link that is absolute, or leads above the root, begins at the root again. Nobody writes to it meanwhile.
 */
import { execFile } from 'node:child_process';
import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { systemErrorCode } from '../../../base/errors.ts';
import { RuntimeError, type Mount } from '../runtime.ts';
import type { Accounts } from './core/accounts.ts';
import { relative } from './core/root-layout.ts';

/** As the kernel. */
const LINKS_MAX = 40;
/** Who has more users than fit in here has something else in mind. */
const ACCOUNTS_BYTES_MAX = 1024 * 1024;
const ACCOUNTS = ['etc/passwd', 'etc/group'] as const;

/** Where a path really is, without a slash before it; what is not there is taken as it is written. */
export function resolveIn(root: string, path: string): string {
  const ahead = relative(path).split('/').reverse();
  const at: string[] = [];
  let links = 0;
  for (let part = ahead.pop(); part !== undefined; part = ahead.pop()) {
    if (part === '' || part === '.') continue;
    if (part === '..') {
      at.pop();
      continue;
    }
    const next = join(root, ...at, part);
    if (lstat(next)?.isSymbolicLink() !== true) {
      at.push(part);
      continue;
    }
    if (++links > LINKS_MAX) throw new RuntimeError('cannot-start', `${path} of the image lies behind more than ${LINKS_MAX} links`);
    const target = readlinkSync(next);
    if (target.startsWith('/')) at.length = 0;
    ahead.push(...target.split('/').reverse());
  }
  return at.join('/');
}

/** Of the topmost that has it. */
export function resolveInImage(lowerDirs: readonly string[], path: string): string {
  const [root] = lowerDirs;
  return root === undefined ? relative(path) : resolveIn(root, path);
}

/** Undefined: the image has none, and the machine's own programs are given what they need. */
export function readAccounts(lowerDirs: readonly string[]): Partial<Accounts> {
  const [root] = lowerDirs;
  if (root === undefined) return {};
  const [passwd, group] = ACCOUNTS.map((path) => {
    const place = join(root, resolveIn(root, path));
    const stat = lstat(place);
    if (stat?.isFile() !== true) return undefined;
    if (stat.size > ACCOUNTS_BYTES_MAX) throw new RuntimeError('cannot-start', `/${path} of the image is larger than ${ACCOUNTS_BYTES_MAX} bytes`);
    return readFileSync(place, 'utf8');
  });
  return { ...(passwd === undefined ? {} : { passwd }), ...(group === undefined ? {} : { group }) };
}

const run = promisify(execFile);

/** A fresh directory for each volume of an image, with what the image has there: it is the container's own, and goes with it. */
export async function makeImageVolumes(directory: string, volumes: readonly string[], lowerDirs: readonly string[]): Promise<Mount[]> {
  const mounts: Mount[] = [];
  for (const [index, containerPath] of volumes.entries()) {
    const hostPath = join(directory, 'volumes', String(index));
    mkdirSync(hostPath, { recursive: true, mode: 0o755 });
    const [root] = lowerDirs;
    const source = root === undefined ? undefined : join(root, resolveIn(root, containerPath));
    const stat = source === undefined ? undefined : lstat(source);
    if (source !== undefined && stat?.isDirectory() === true) {
      // It keeps owners, times and links, which Node.js' own copy does not.
      await run('cp', ['-a', '--', `${source}/.`, hostPath]).catch((cause: unknown) => {
        throw new RuntimeError('cannot-start', `the volume ${containerPath} of the image cannot be made`, { cause });
      });
      if (process.getuid?.() === 0) chownSync(hostPath, stat.uid, stat.gid);
      chmodSync(hostPath, stat.mode & 0o7777);
    }
    mounts.push({ containerPath, hostPath, readOnly: false });
  }
  return mounts;
}

function lstat(path: string) {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (systemErrorCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}
