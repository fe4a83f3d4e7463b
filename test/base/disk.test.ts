/** What every `Disk` promises while nothing crashes. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fromUtf8, toUtf8 } from '../../src/base/bytes.ts';
import { readWhole, type Disk } from '../../src/base/disk.ts';
import { DrivenClock } from '../../src/base/driven-clock.ts';
import { FileDisk } from '../../src/base/file-disk.ts';
import { MemoryDisk } from '../../src/base/memory-disk.ts';
import { seededRandom } from '../../src/base/random.ts';

interface Subject {
  readonly disk: Disk;
  end(): Promise<void>;
}

async function write(disk: Disk, path: string, text: string): Promise<void> {
  const file = await disk.open(path, { create: true });
  await file.writeAt(0, [fromUtf8(text)]);
  await file.close();
}

async function textOf(disk: Disk, path: string): Promise<string> {
  return toUtf8(await readWhole(disk, path));
}

function describeDisk(name: string, start: () => Promise<Subject>): void {
  describe(name, () => {
    let subject: Subject;
    let disk: Disk;

    beforeEach(async () => {
      subject = await start();
      disk = subject.disk;
    });

    afterEach(() => subject.end());

    test('open() of a missing file is ENOENT, unless it is to be created', async () => {
      await expect(disk.open('log')).rejects.toMatchObject({ code: 'ENOENT' });
      await expect(disk.open('missing/log', { create: true })).rejects.toMatchObject({ code: 'ENOENT' });
      const file = await disk.open('log', { create: true });
      expect(file.path).toBe('log');
      expect(await file.size()).toBe(0);
      await file.close();
      expect(await disk.exists('log')).toBe(true);
      expect(await disk.exists('missing/log')).toBe(false);
    });

    test('open() leaves what is there, and refuses a directory', async () => {
      await write(disk, 'log', 'one');
      const file = await disk.open('log', { create: true });
      expect(await file.size()).toBe(3);
      await file.close();
      await disk.makeDir('dir');
      await expect(disk.open('dir')).rejects.toMatchObject({ code: 'EISDIR' });
    });

    test('a path stays below the root', async () => {
      await expect(disk.open('../log', { create: true })).rejects.toThrow('below its root');
      await expect(disk.remove('a/../../b')).rejects.toThrow('below its root');
    });

    test('writeAt() writes its parts one behind the other, wherever told', async () => {
      const file = await disk.open('log', { create: true });
      await file.writeAt(0, [fromUtf8('ab'), new Uint8Array(0), fromUtf8('cde')]);
      await file.writeAt(1, [fromUtf8('XY')]);
      await file.writeAt(2, []);
      expect(toUtf8(await file.read(0, 100))).toBe('aXYde');
      await file.writeAt(7, [fromUtf8('!')]);
      expect(toUtf8(await file.read(0, 100))).toBe('aXYde\0\0!');
      await file.datasync();
      await file.close();
    });

    test('writeAt() takes more parts than one system call does', async () => {
      const file = await disk.open('log', { create: true });
      const parts = Array.from({ length: 3000 }, (_, i) => Uint8Array.of(i & 255, i >> 8));
      await file.writeAt(5, parts);
      expect(await file.size()).toBe(6005);
      expect(Buffer.compare(await file.read(5, 6000), Buffer.concat(parts))).toBe(0);
      await file.close();
    });

    test('writeAt() is done with the bytes when it resolves', async () => {
      const file = await disk.open('log', { create: true });
      const bytes = Uint8Array.of(1, 2);
      await file.writeAt(0, [bytes]);
      bytes[0] = 9;
      const read = await file.read(0, 2);
      expect([...read]).toEqual([1, 2]);
      read[1] = 9;
      expect([...(await file.read(0, 2))]).toEqual([1, 2]);
      await file.close();
    });

    test('read() stops at the end of the file', async () => {
      await write(disk, 'log', 'abcdef');
      const file = await disk.open('log');
      expect(toUtf8(await file.read(2, 3))).toBe('cde');
      expect(toUtf8(await file.read(4, 10))).toBe('ef');
      expect((await file.read(6, 10)).length).toBe(0);
      expect((await file.read(60, 10)).length).toBe(0);
      expect((await file.read(0, 0)).length).toBe(0);
      await file.close();
    });

    test('truncate() cuts, or fills with zeros', async () => {
      const file = await disk.open('log', { create: true });
      await file.writeAt(0, [fromUtf8('abcdef')]);
      await file.truncate(2);
      await file.truncate(4);
      expect(toUtf8(await file.read(0, 100))).toBe('ab\0\0');
      expect(await file.size()).toBe(4);
      await file.close();
    });

    test('two openings of a file are one file', async () => {
      const first = await disk.open('log', { create: true });
      const second = await disk.open('log');
      await first.writeAt(0, [fromUtf8('ab')]);
      expect(toUtf8(await second.read(0, 9))).toBe('ab');
      await first.close();
      await second.writeAt(2, [fromUtf8('c')]);
      await second.close();
      expect(await textOf(disk, 'log')).toBe('abc');
    });

    test('rename() replaces, also from one directory to another', async () => {
      await disk.makeDir('dir');
      await write(disk, 'old', 'old');
      await write(disk, 'new', 'new');
      await disk.rename('new', 'old');
      expect(await disk.exists('new')).toBe(false);
      expect(await textOf(disk, 'old')).toBe('new');
      await disk.rename('old', 'dir/file');
      expect(await disk.list('')).toEqual(['dir']);
      await disk.rename('dir', 'other');
      expect(await textOf(disk, 'other/file')).toBe('new');
      await expect(disk.rename('missing', 'x')).rejects.toMatchObject({ code: 'ENOENT' });
    });

    test('an open file outlives its name', async () => {
      await write(disk, 'log', 'abc');
      const file = await disk.open('log');
      await disk.rename('log', 'renamed');
      await file.writeAt(3, [fromUtf8('d')]);
      expect(await textOf(disk, 'renamed')).toBe('abcd');
      await disk.remove('renamed');
      await file.writeAt(4, [fromUtf8('e')]);
      expect(toUtf8(await file.read(0, 9))).toBe('abcde');
      expect(await disk.exists('renamed')).toBe(false);
      await file.close();
    });

    test('remove() takes a file, a directory with all in it, or nothing', async () => {
      await disk.makeDir('a/b/c');
      await write(disk, 'a/b/file', 'x');
      await write(disk, 'file', 'x');
      await disk.remove('a');
      await disk.remove('a');
      await disk.remove('missing/file');
      expect(await disk.list('')).toEqual(['file']);
      await disk.remove('file');
      expect(await disk.list('')).toEqual([]);
    });

    test('makeDir() makes the parents, and minds no directory that is there', async () => {
      await disk.makeDir('a/b');
      await write(disk, 'a/b/file', 'x');
      await disk.makeDir('a/b/c');
      await disk.makeDir('a/b');
      expect(await disk.list('a/b')).toEqual(['c', 'file']);
      expect(await disk.exists('a/b/c')).toBe(true);
    });

    test('list() is sorted, and empty for what is missing', async () => {
      for (const name of ['10', '9', 'b', 'B', 'a', '1']) await write(disk, name, '');
      expect(await disk.list('')).toEqual(['1', '10', '9', 'B', 'a', 'b']);
      expect(await disk.list('missing')).toEqual([]);
      expect(await disk.list('missing/deeper')).toEqual([]);
    });

    test('syncDir() takes a directory that is there', async () => {
      await disk.makeDir('a');
      await disk.syncDir('a');
      await disk.syncDir('');
      await expect(disk.syncDir('missing')).rejects.toMatchObject({ code: 'ENOENT' });
    });
  });
}

describeDisk('FileDisk', async () => {
  const root = await mkdtemp(join(tmpdir(), 'podium-disk-'));
  return { disk: new FileDisk(root), end: () => rm(root, { recursive: true }) };
});

test.each([true, false])('FileDisk: datasync() tells of a sync that fails, done by the loop: %s', async (mayHoldUp) => {
  const root = await mkdtemp(join(tmpdir(), 'podium-disk-'));
  const took: number[] = [];
  const disk = new FileDisk(root, { pace: { mayHoldUp, took: (ms) => took.push(ms) } });
  const file = await disk.open('log', { create: true });
  await file.writeAt(0, [fromUtf8('x')]);
  await file.datasync();
  await file.writeAt(0, [new Uint8Array(1024 * 1024)]);
  await file.datasync();
  expect(took.length, 'syncs that tell of the pace: small ones').toBe(1);
  await file.close();
  await expect(file.datasync()).rejects.toThrow();
  await rm(root, { recursive: true });
});

test('FileDisk: turnEnd() comes after everything that promises and ticks of this turn still do', async () => {
  const heard: string[] = [];
  const end = new FileDisk(tmpdir()).turnEnd()?.then(() => heard.push('end'));
  queueMicrotask(() => process.nextTick(() => queueMicrotask(() => process.nextTick(() => heard.push('written')))));
  await end;
  expect(heard).toEqual(['written', 'end']);
});

test('FileDisk: where turns of the loop had one caller each, the next is not kept for others', () => {
  let turn: number | undefined = 0;
  const disk = new FileDisk(tmpdir(), { loopTurn: () => turn });
  /** Of a turn with so many callers: which are kept for its end. */
  const kept = (callers: number) => {
    if (turn !== undefined) turn++;
    return Array.from({ length: callers }, () => disk.turnEnd() !== undefined);
  };
  for (let turns = 0; turns < 8; turns++) expect(kept(1), `turn ${turns}`).toEqual([true]);
  expect(kept(1)).toEqual([false]);
  expect(kept(3)).toEqual([false, true, true]);
  expect(kept(2)).toEqual([true, true]);
  for (let turns = 0; turns < 9; turns++) expect(kept(1), `turn ${turns}`).toEqual([true]);
  expect(kept(1)).toEqual([false]);
  turn = undefined;
  for (let turns = 0; turns < 20; turns++) expect(kept(1)).toEqual([true]);
});

test('FileDisk: what others wait for leaves before a turn with one caller may be held up', async () => {
  const heard: string[] = [];
  const disk = new FileDisk(tmpdir(), { beforeHoldUp: () => heard.push('left') });
  let turns = 0;
  for (; disk.turnEnd() !== undefined; turns++) await new Promise((resolve) => setImmediate(resolve));
  expect(turns).toBe(8);
  expect(heard).toEqual(['left']);
});

test('FileDisk: turnWritten() comes behind what waits for turnEnd(), with one caller a turn or many', async () => {
  const disk = new FileDisk(tmpdir());
  for (let turn = 0; turn < 12; turn++) {
    const heard: string[] = [];
    const write = async () => {
      await disk.turnEnd();
      heard.push('written');
    };
    const written = write();
    const behind = disk.turnWritten().then(() => heard.push('behind'));
    await Promise.all([written, behind]);
    expect(heard, `turn ${turn}`).toEqual(['written', 'behind']);
  }
});

describeDisk('MemoryDisk', async () => {
  const memory = new MemoryDisk({ clock: new DrivenClock(), random: seededRandom(1) });
  return { disk: memory.incarnation(), end: async () => {} };
});
