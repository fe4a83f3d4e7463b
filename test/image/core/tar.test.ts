/** The reader against archives of GNU tar in each of its formats, against our own writer, and cut anywhere. */
import { execFileSync } from 'node:child_process';
import { chmodSync, linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { fc } from '../../base/property.ts';
import { printable, TarError, type TarEntry } from '../../../src/image/core/tar-header.ts';
import { TarReader } from '../../../src/image/core/tar-reader.ts';
import { TAR_END, tarHeader, tarPadding, type NewTarEntry } from '../../../src/image/core/tar-writer.ts';
import { file, folder, hardLink, symlink, tarOf } from '../images.ts';

const directory = mkdtempSync(join(tmpdir(), 'podium-tar-'));
afterAll(() => rmSync(directory, { recursive: true }));

interface Read extends TarEntry {
  readonly data: Buffer;
}

function read(bytes: Buffer, pieces: readonly number[] = []): Read[] {
  const entries: Read[] = [];
  let data: Buffer[] = [];
  let entry: TarEntry | undefined;
  const reader = new TarReader({
    entry: (found) => ((entry = found), (data = [])),
    data: (piece) => data.push(Buffer.from(piece)),
    end: () => entries.push({ ...entry!, data: Buffer.concat(data) }),
  });
  let at = 0;
  for (const length of pieces) {
    reader.push(bytes.subarray(at, at + length));
    at += length;
  }
  if (at < bytes.length) reader.push(bytes.subarray(at));
  reader.finish();
  return entries;
}

const refusal = (bytes: Buffer) => {
  try {
    read(bytes);
    return 'read';
  } catch (error) {
    if (!(error instanceof TarError)) throw error;
    return error.message;
  }
};

/** The header's checksum made to fit again. */
function patched(bytes: Buffer, at: number, text: string | Buffer): Buffer {
  const copy = Buffer.from(bytes);
  Buffer.from(text as string, 'latin1').copy(copy, at);
  copy.write('        ', 148, 'latin1');
  copy.write(
    `${copy
      .subarray(0, 512)
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
    'latin1',
  );
  return copy;
}

describe('TarReader', () => {
  const long = `${'d'.repeat(90)}/${'e'.repeat(90)}/${'f'.repeat(90)}`;

  test.each(['gnu', 'pax', 'ustar', 'v7', 'oldgnu'])('reads what GNU tar writes as %s', (format) => {
    const root = mkdtempSync(join(directory, 'in-'));
    const hasLong = format !== 'ustar' && format !== 'v7';
    mkdirSync(join(root, 'folder'), { mode: 0o750 });
    writeFileSync(join(root, 'folder/text'), 'some text');
    chmodSync(join(root, 'folder/text'), 0o4755);
    linkSync(join(root, 'folder/text'), join(root, 'hard'));
    symlinkSync('/absolute/../x', join(root, 'soft'));
    writeFileSync(join(root, 'bytes'), Buffer.alloc(70_000, 7));
    utimesSync(join(root, 'bytes'), 1_000_000, 1_000_000);
    if (hasLong) {
      mkdirSync(join(root, long), { recursive: true });
      writeFileSync(join(root, long, 'deep'), 'deep');
      symlinkSync(`${long}/${long}`, join(root, 'longlink'));
    }
    const archive = execFileSync(
      'tar',
      ['-C', root, `--format=${format}`, '--owner=12:34', '--numeric-owner', '--sort=name', '-c', '.'],
      { maxBuffer: 1e8 },
    );
    const byPath = new Map(read(archive).map((entry) => [entry.path.replace(/^\.\//, ''), entry]));
    expect(byPath.get('folder')).toMatchObject({ type: 'directory', mode: 0o750, size: 0 });
    expect(byPath.get('folder/text')).toMatchObject({ type: 'file', mode: 0o4755, data: Buffer.from('some text') });
    expect(byPath.get('hard')).toMatchObject({ type: 'hard-link', linkTarget: './folder/text' });
    expect(byPath.get('soft')).toMatchObject({ type: 'symlink', linkTarget: '/absolute/../x' });
    expect(byPath.get('bytes')).toMatchObject({
      type: 'file',
      size: 70_000,
      mtime: 1_000_000,
      data: Buffer.alloc(70_000, 7),
    });
    if (hasLong) {
      expect(byPath.get(`${long}/deep`)?.data.toString()).toBe('deep');
      expect(byPath.get('longlink')?.linkTarget).toBe(`${long}/${long}`);
    }
  });

  test('owners past octal, times with a fraction, names that are no UTF-8', () => {
    const name = Buffer.from([0x66, 0xff, 0xfe]).toString('latin1');
    const entry: NewTarEntry = { path: name, type: 'file', uid: 3_000_000_000, gid: 2_097_152, mtime: -1.5, size: 0 };
    expect(read(Buffer.concat([tarHeader(entry), TAR_END]))).toMatchObject([
      { path: name, uid: 3_000_000_000, gid: 2_097_152, mtime: -1.5 },
    ]);
    expect(printable(name)).toBe('f\uFFFD\uFFFD');
    expect(printable('a\nb\x1b[2J')).toBe('a\\x0ab\\x1b[2J');
  });

  test('what comes after the end counts for nothing; an end that lacks its zeros is one', () => {
    const whole = tarOf([file('a', 'x')]);
    expect(read(Buffer.concat([whole, Buffer.from('rubbish')]))).toHaveLength(1);
    expect(read(whole.subarray(0, 1_024))).toHaveLength(1);
    expect(read(Buffer.alloc(0))).toEqual([]);
  });

  const plain = tarHeader({ path: 'name', type: 'file', size: 5 });
  const pax = (records: string) =>
    Buffer.concat([
      patched(tarHeader({ path: 'x', type: 'file', size: records.length }), 156, 'x'),
      Buffer.from(records),
      tarPadding(records.length),
      plain,
      Buffer.alloc(512),
      TAR_END,
    ]);
  test.each<[string, Buffer, RegExp]>([
    ['a checksum that does not fit', Buffer.concat([plain.subarray(0, 0), Buffer.from(plain).fill(1, 0, 1)]), /no tar/],
    ['text', Buffer.from('x'.repeat(600)), /no tar/],
    ['a size that is no number', patched(plain, 124, '0000000008\0\0'), /octal/],
    ['a size below zero', patched(plain, 124, Buffer.alloc(12, 0xff)), /name: its size/],
    ['a size without end', patched(plain, 124, Buffer.concat([Buffer.of(0x80), Buffer.alloc(11, 0xff)])), /too large/],
    [
      'an owner that is none',
      patched(plain, 108, Buffer.from([0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff])),
      /owner 4294967295/,
    ],
    ['a sparse file', patched(plain, 156, 'S'), /name: sparse/],
    ['a pax sparse file', pax('22 GNU.sparse.major=1\n'), /sparse/],
    ['a name that is empty', patched(plain, 0, Buffer.alloc(100)), /empty/],
    ['a name with a NUL', pax('12 path=a\0b\n'), /NUL/],
    ['a pax record of another length', pax('99 path=a\n'), /damaged/],
    ['a pax record without a length', pax('path=a\n'), /damaged/],
    ['a pax record of length 0', pax('0 path=a\n'), /damaged/],
    ['a pax size that is none', pax('11 size=x1\n'), /size is no number/],
    ['an extension without end', patched(patched(plain, 156, 'x'), 124, '77777777777\0'), /8589934591 bytes, more/],
    ['an archive cut within a file', tarOf([file('a', 'x'.repeat(600))]).subarray(0, 700), /a: the archive is cut off/],
    ['an archive cut within a header', tarOf([file('a', 'x')]).subarray(0, 100), /cut off/],
    ['an archive that ends with an extension', pax('8 a=bcd\n').subarray(0, 1_024), /cut off/],
  ])('refuses %s', (_, bytes, expected) => expect(refusal(bytes)).toMatch(expected));

  test('reads the same however it is cut, and what the writer writes', () => {
    const name = fc
      .string({
        unit: fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code)),
        minLength: 1,
        maxLength: 150,
      })
      .filter((text) => /^[^/\s]/.test(text) && !text.endsWith('/'));
    const entry = fc.record({
      path: name,
      data: fc.string({ maxLength: 1_200 }),
      mode: fc.integer({ min: 0, max: 0o7777 }),
      uid: fc.nat(2 ** 32 - 2),
      mtime: fc.integer({ min: -1e9, max: 1e12 }),
    });
    fc.assert(
      fc.property(
        fc.array(entry, { maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 900 }), { maxLength: 30 }),
        (entries, pieces) => {
          const archive = tarOf(entries.map(({ data, ...rest }) => file(rest.path, data, rest)));
          const whole = read(archive);
          expect(
            whole.map(({ path, mode, uid, mtime, data }) => ({ path, data: data.toString(), mode, uid, mtime })),
          ).toEqual(entries);
          expect(read(archive, pieces)).toEqual(whole);
        },
      ),
      { numRuns: 150 },
    );
  });
});

test('GNU tar reads what tarHeader() writes', () => {
  const long = 'n'.repeat(120);
  const archive = tarOf([
    folder('d'),
    file(`d/${long}`, 'hello', { mode: 0o755 }),
    symlink('d/s', `/${long}`),
    hardLink('d/h', `d/${long}`),
    file('big-owner', '', { uid: 3_000_000 }),
  ]);
  const listing = execFileSync('tar', ['-tv', '--numeric-owner', '--utc'], { input: archive }).toString();
  expect(listing.split('\n').map((line) => line.replace(/ +/g, ' '))).toEqual([
    'drwxr-xr-x 0/0 0 1970-01-01 00:00 d/',
    `-rwxr-xr-x 0/0 5 1970-01-01 00:00 d/${long}`,
    `lrwxrwxrwx 0/0 0 1970-01-01 00:00 d/s -> /${long}`,
    `hrw-r--r-- 0/0 0 1970-01-01 00:00 d/h link to d/${long}`,
    '-rw-r--r-- 3000000/0 0 1970-01-01 00:00 big-owner',
    '',
  ]);
});
