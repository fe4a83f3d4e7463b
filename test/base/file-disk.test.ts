import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fromUtf8, toUtf8 } from '../../src/base/bytes.ts';
import { readWhole } from '../../src/base/disk.ts';
import { FileDisk } from '../../src/base/file-disk.ts';

let root: string;
let disk: FileDisk;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'podium-disk-'));
  disk = new FileDisk(root);
});
afterEach(() => rm(root, { recursive: true, force: true }));

test('writeAt() puts all parts one behind the other, more than one call of the system takes', async () => {
  const file = await disk.open('f', { create: true });
  const parts = Array.from({ length: 2500 }, (_, i) => fromUtf8(`${i},`));
  await file.writeAt(3, [new Uint8Array(0), ...parts]);
  await file.datasync();
  await file.close();
  const bytes = await readFile(join(root, 'f'));
  expect(bytes.subarray(0, 3)).toEqual(Buffer.alloc(3));
  expect(bytes.subarray(3).toString()).toBe(parts.map(toUtf8).join(''));
});

test('read() ends at the end of the file; truncate() cuts and extends with zeros', async () => {
  const file = await disk.open('f', { create: true });
  await file.writeAt(0, [fromUtf8('abcdef')]);
  expect(toUtf8(await file.read(4, 100))).toBe('ef');
  expect(await file.read(6, 1)).toHaveLength(0);
  await file.truncate(2);
  await file.truncate(4);
  expect(await file.size()).toBe(4);
  expect([...(await file.read(0, 9))]).toEqual([97, 98, 0, 0]);
  await file.close();
});

test('open() of a missing file is ENOENT without create, and keeps what is there with it', async () => {
  await expect(disk.open('f')).rejects.toMatchObject({ code: 'ENOENT' });
  for (const text of ['abc', 'X']) {
    const file = await disk.open('f', { create: true });
    await file.writeAt(0, [fromUtf8(text)]);
    await file.close();
  }
  expect(toUtf8(await readWhole(disk, 'f'))).toBe('Xbc');
});

test('names: makeDir, list, rename, remove, syncDir', async () => {
  expect(await disk.list('a/b')).toEqual([]);
  await disk.makeDir('a/b');
  for (const name of ['z', 'y']) await (await disk.open(`a/b/${name}`, { create: true })).close();
  await disk.rename('a/b/z', 'a/b/x');
  await disk.syncDir('a/b');
  await disk.syncDir('');
  expect(await disk.list('a/b')).toEqual(['x', 'y']);
  expect(await disk.exists('a/b/z')).toBe(false);
  await disk.remove('a');
  await disk.remove('a');
  expect(await disk.exists('a')).toBe(false);
});

test('a path does not leave the root', async () => {
  await expect(disk.open('../f', { create: true })).rejects.toThrow('below its root');
});
