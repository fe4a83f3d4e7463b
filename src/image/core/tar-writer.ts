/**
 * Writes tar headers: ustar, with a pax header before it where a name, a number or a time does not fit. The same entry always
 * gives the same bytes.
 */
import { assert } from '../../base/assert.ts';
import { formatPax } from './pax.ts';
import { BLOCK_BYTES, type TarEntry, type TarEntryType } from './tar-header.ts';

export interface NewTarEntry {
  /** latin1. */
  readonly path: string;
  readonly type: Extract<TarEntryType, 'file' | 'directory' | 'symlink' | 'hard-link'>;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly size?: number;
  readonly mtime?: number;
  readonly linkTarget?: string;
}

const FLAGS = { file: '0', 'hard-link': '1', symlink: '2', directory: '5' } as const;
const NAME_BYTES = 100;
const SIZE_MAX = 8 ** 11 - 1;
const ID_MAX = 8 ** 7 - 1;

export const TAR_END: Buffer = Buffer.alloc(2 * BLOCK_BYTES);

/** The header, or headers; the data follows, then `tarPadding`. */
export function tarHeader(entry: NewTarEntry): Buffer {
  const full: Omit<TarEntry, 'type'> = {
    linkTarget: '',
    size: 0,
    mtime: 0,
    uid: 0,
    gid: 0,
    mode: entry.type === 'directory' ? 0o755 : 0o644,
    ...entry,
  };
  assert(entry.path !== '' && !entry.path.includes('\0'), 'an entry has a name');
  assert(entry.type === 'file' || full.size === 0, 'only files have data');
  const path = entry.type === 'directory' && !entry.path.endsWith('/') ? `${entry.path}/` : entry.path;
  const pax = paxOf(path, full);
  if (pax.length === 0) return block(FLAGS[entry.type], path, full);
  const content = formatPax(pax);
  const before = block('x', 'PaxHeaders/entry', {
    ...full,
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: 0,
    linkTarget: '',
    size: content.length,
  });
  return Buffer.concat([before, content, tarPadding(content.length), block(FLAGS[entry.type], path, full)]);
}

export function tarPadding(size: number): Buffer {
  return Buffer.alloc((BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES);
}

function paxOf(
  path: string,
  { linkTarget, size, uid, gid, mtime }: Omit<TarEntry, 'type'>,
): Array<readonly [string, Buffer]> {
  const records: Array<readonly [string, Buffer]> = [];
  if (path.length > NAME_BYTES) records.push(['path', Buffer.from(path, 'latin1')]);
  if (linkTarget.length > NAME_BYTES) records.push(['linkpath', Buffer.from(linkTarget, 'latin1')]);
  if (size > SIZE_MAX) records.push(['size', Buffer.from(String(size))]);
  if (uid > ID_MAX) records.push(['uid', Buffer.from(String(uid))]);
  if (gid > ID_MAX) records.push(['gid', Buffer.from(String(gid))]);
  if (mtime < 0 || !Number.isInteger(mtime) || mtime > SIZE_MAX) records.push(['mtime', Buffer.from(String(mtime))]);
  return records;
}

/** What does not fit is cut, or 0: the pax header before it says it right. */
function block(
  flag: string,
  path: string,
  { mode, uid, gid, size, mtime, linkTarget }: Omit<TarEntry, 'type'>,
): Buffer {
  const bytes = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, at: number, length: number) => {
    const digits = value.toString(8).padStart(length - 1, '0');
    bytes.write(digits.length < length ? digits : '0'.repeat(length - 1), at, 'latin1');
  };
  bytes.write(path.slice(0, NAME_BYTES), 0, 'latin1');
  octal(mode & 0o7777, 100, 8);
  octal(uid, 108, 8);
  octal(gid, 116, 8);
  octal(size, 124, 12);
  octal(mtime < 0 ? 0 : Math.floor(mtime), 136, 12);
  bytes.write('        ', 148, 'latin1');
  bytes.write(flag, 156, 'latin1');
  bytes.write(linkTarget.slice(0, NAME_BYTES), 157, 'latin1');
  bytes.write('ustar\x0000', 257, 'latin1');
  let sum = 0;
  for (const byte of bytes) sum += byte;
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return bytes;
}
