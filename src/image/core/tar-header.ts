/**
 * A tar header block of 512 bytes: ustar (POSIX), GNU's and the old one without a name. Names are bytes and travel as their latin1
 * string, since a file's name need not be UTF-8.
 *
 *      0 name 100 │ 100 mode 8 │ 108 uid 8 │ 116 gid 8 │ 124 size 12 │ 136 mtime 12 │ 148 checksum 8 │ 156 type 1
 *    157 link target 100 │ 257 magic 6 + version 2 │ 265 uname 32 │ 297 gname 32 │ 329 major 8 │ 337 minor 8 │ 345 prefix 155
 */
import { assert } from '../../base/assert.ts';

export const BLOCK_BYTES = 512;

export type TarEntryType =
  'file' | 'hard-link' | 'symlink' | 'char-device' | 'block-device' | 'directory' | 'fifo' | 'unknown';

export interface TarEntry {
  /** As it stands there, latin1; a directory's slash at the end is cut. */
  readonly path: string;
  readonly type: TarEntryType;
  /** Of links, latin1. */
  readonly linkTarget: string;
  /** Permissions with setuid, setgid and sticky: 12 bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Of the data that follows; 0 for all but files. */
  readonly size: number;
  /** Seconds since 1970; may have a fraction, or be negative. */
  readonly mtime: number;
}

/** What the archive's maker got wrong; says which entry. */
export class TarError extends Error {
  override readonly name = 'TarError';
}

export interface RawHeader extends TarEntry {
  /** The type's letter: some are entries, some say something about the next one. */
  readonly flag: string;
}

const TYPES: Readonly<Record<string, TarEntryType>> = {
  '0': 'file',
  '7': 'file',
  '1': 'hard-link',
  '2': 'symlink',
  '3': 'char-device',
  '4': 'block-device',
  '5': 'directory',
  '6': 'fifo',
};
/** GNU's sparse files: their data is not what the file holds. */
const SPARSE_FLAG = 'S';

/** Undefined: a block of zeros, of which two end the archive. */
export function readHeader(block: Buffer): RawHeader | undefined {
  assert(block.length === BLOCK_BYTES, 'a header is one block');
  if (isZero(block)) return undefined;
  checkSum(block);
  const isUstar = block.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isUstar ? text(block, 345, 155) : '';
  const name = text(block, 0, 100);
  const path = prefix === '' ? name : `${prefix}/${name}`;
  const flag = block[156] === 0 ? '0' : String.fromCharCode(block[156]!);
  if (flag === SPARSE_FLAG) throw new TarError(`${printable(path)}: sparse files are not supported`);
  // Old archives have no type for directories.
  const type = flag === '0' && path.endsWith('/') ? 'directory' : (TYPES[flag] ?? 'unknown');
  const size = number(block, 124, 12, 'size');
  if (size < 0 || !Number.isSafeInteger(size)) throw new TarError(`${printable(path)}: its size is no size`);
  return {
    flag,
    path: path.replace(/\/+$/, '') || (path === '' ? '' : '/'),
    type,
    linkTarget: text(block, 157, 100),
    mode: number(block, 100, 8, 'mode') & 0o7777,
    uid: number(block, 108, 8, 'uid'),
    gid: number(block, 116, 8, 'gid'),
    size,
    mtime: number(block, 136, 12, 'mtime'),
  };
}

function isZero(block: Buffer): boolean {
  for (let at = 0; at < BLOCK_BYTES; at++) if (block[at] !== 0) return false;
  return true;
}

/** The sum of all bytes, its own field counted as spaces; old programs summed signed ones. */
function checkSum(block: Buffer): void {
  let unsigned = 0;
  let signed = 0;
  for (let at = 0; at < BLOCK_BYTES; at++) {
    const byte = at >= 148 && at < 156 ? 32 : block[at]!;
    unsigned += byte;
    signed += byte < 128 ? byte : byte - 256;
  }
  const wanted = octal(block, 148, 8);
  if (wanted !== unsigned && wanted !== signed)
    throw new TarError('this is no tar: the checksum of a header does not fit');
}

function text(block: Buffer, at: number, length: number): string {
  const end = block.indexOf(0, at);
  return block.toString('latin1', at, end < 0 || end > at + length ? at + length : end);
}

/** Octal digits, or with the first bit set a binary number, big end first (GNU), negative with the second one. */
function number(block: Buffer, at: number, length: number, what: string): number {
  if ((block[at]! & 0x80) !== 0) return binaryNumber(block.subarray(at, at + length), what);
  const value = octal(block, at, length);
  if (value === undefined)
    throw new TarError(`a header's ${what} is no octal number: ${printable(text(block, at, length))}`);
  return value;
}

/** An empty field is 0. */
function octal(block: Buffer, at: number, length: number): number | undefined {
  const digits = text(block, at, length).trim();
  return /^[0-7]*$/.test(digits) ? parseInt(digits || '0', 8) : undefined;
}

function binaryNumber(bytes: Buffer, what: string): number {
  const isNegative = (bytes[0]! & 0x40) !== 0;
  let value = BigInt(isNegative ? (bytes[0]! & 0x7f) - 0x80 : bytes[0]! & 0x7f);
  for (const byte of bytes.subarray(1)) value = value * 256n + BigInt(byte);
  const result = Number(value);
  if (!Number.isSafeInteger(result)) throw new TarError(`a header's ${what} is too large`);
  return result;
}

/** A latin1 name as a person reads it: UTF-8 where it is that, and no control characters. */
export function printable(latin1: string): string {
  const utf8 = Buffer.from(latin1, 'latin1').toString('utf8');
  return utf8
    .replace(/[\0-\x1f\x7f]/g, (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`)
    .slice(0, 300);
}
