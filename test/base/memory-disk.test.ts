import { expect, test } from 'vitest';
import { fromUtf8, toUtf8 } from '../../src/base/bytes.ts';
import { readWhole, type Disk } from '../../src/base/disk.ts';
import { DrivenClock, settle } from '../../src/base/driven-clock.ts';
import { MemoryDisk, type MemoryDiskFaults } from '../../src/base/memory-disk.ts';
import { seededRandom } from '../../src/base/random.ts';

const SEEDS = Array.from({ length: 60 }, (_, seed) => seed);

function machine(seed: number, faults: MemoryDiskFaults = {}) {
  const clock = new DrivenClock();
  return { clock, disk: new MemoryDisk({ clock, random: seededRandom(seed), faults }) };
}

/** A file whose name and bytes are durable. */
async function durableFile(disk: Disk, path: string, text: string) {
  const file = await disk.open(path, { create: true });
  await file.writeAt(0, [fromUtf8(text)]);
  await file.datasync();
  await disk.syncDir('');
  return file;
}

test('powerCut() keeps what was synced, and keeps, loses or tears what was not', async () => {
  const met = { kept: 0, lost: 0, torn: 0 };
  for (const seed of SEEDS) {
    const { disk } = machine(seed);
    const file = await durableFile(disk.incarnation(), 'f', 'aaaa');
    await file.writeAt(4, [fromUtf8('bbbb')]);
    disk.powerCut();
    const text = toUtf8(await readWhole(disk.incarnation(), 'f'));
    expect(text, `seed ${seed}`).toMatch(/^aaaa\0*b*$/);
    expect(text.length).toBeLessThanOrEqual(8);
    if (text === 'aaaabbbb') met.kept++;
    else if (text === 'aaaa') met.lost++;
    else met.torn++;
    // What a cut left is what the next one finds.
    disk.powerCut();
    expect(toUtf8(await readWhole(disk.incarnation(), 'f'))).toBe(text);
  }
  expect(Math.min(met.kept, met.lost, met.torn)).toBeGreaterThan(0);
});

test('powerCut() may lose an earlier unsynced write and keep a later one', async () => {
  const seen = new Set<string>();
  for (const seed of SEEDS) {
    const { disk } = machine(seed);
    const file = await durableFile(disk.incarnation(), 'f', '....');
    await file.writeAt(0, [fromUtf8('1')]);
    await file.writeAt(3, [fromUtf8('2')]);
    disk.powerCut();
    seen.add(toUtf8(await readWhole(disk.incarnation(), 'f')));
  }
  expect([...seen].sort()).toEqual(['...2', '....', '1...', '1..2'].sort());
});

test('powerCut() may undo a creation, a rename and a removal until syncDir()', async () => {
  const seen = new Set<string>();
  for (const seed of SEEDS) {
    const { disk } = machine(seed);
    const view = disk.incarnation();
    await durableFile(view, 'old', 'o');
    await durableFile(view, 'gone', 'g');
    await view.rename('old', 'new');
    await view.remove('gone');
    disk.powerCut();
    const names = await disk.incarnation().list('');
    seen.add(names.join());
  }
  expect([...seen].sort()).toEqual(['gone,new', 'gone,old', 'new', 'old']);

  for (const seed of SEEDS) {
    const { disk } = machine(seed);
    const view = disk.incarnation();
    await durableFile(view, 'old', 'o');
    await view.rename('old', 'new');
    await view.syncDir('');
    disk.powerCut();
    expect(await disk.incarnation().list('')).toEqual(['new']);
  }
});

test('processCrash() keeps what was written, synced or not', async () => {
  for (const seed of SEEDS) {
    const { disk } = machine(seed);
    const file = await disk.incarnation().open('f', { create: true });
    await file.writeAt(0, [fromUtf8('abc')]);
    disk.processCrash();
    expect(toUtf8(await readWhole(disk.incarnation(), 'f'))).toBe('abc');
  }
});

test('processCrash() may tear the write that was under way', async () => {
  const lengths = new Set<number>();
  for (const seed of SEEDS) {
    const { clock, disk } = machine(seed);
    const opened = disk.incarnation().open('f', { create: true });
    const file = await opened;
    disk.faults = { latencyMs: { min: 1, max: 2 } };
    void file.writeAt(0, [fromUtf8('abcdef')]);
    disk.processCrash();
    disk.faults = {};
    await clock.advance(10);
    lengths.add((await readWhole(disk.incarnation(), 'f')).length);
  }
  expect(lengths.has(0) && lengths.has(6)).toBe(true);
  expect(lengths.size).toBeGreaterThan(2);
});

test('after a crash nothing of the old incarnation settles or has an effect', async () => {
  const { clock, disk } = machine(1, { latencyMs: { min: 1, max: 5 } });
  const view = disk.incarnation();
  let settled = 0;
  const note = () => settled++;
  void view.open('f', { create: true }).then(note, note);
  disk.processCrash();
  void view.makeDir('d').then(note, note);
  await clock.advance(100);
  expect(settled).toBe(0);
  disk.faults = {};
  expect(await disk.incarnation().list('')).toEqual([]);
});

test('datasync() does not promise a write that was still under way when it was called', async () => {
  let lost = 0;
  for (const seed of SEEDS) {
    const { clock, disk } = machine(seed);
    const file = await durableFile(disk.incarnation(), 'f', '');
    disk.faults = { latencyMs: { min: 1, max: 1 } };
    void file.writeAt(0, [fromUtf8('abc')]);
    void file.datasync();
    await clock.advance(2);
    disk.faults = {};
    disk.powerCut();
    if (toUtf8(await readWhole(disk.incarnation(), 'f')) !== 'abc') lost++;
  }
  expect(lost).toBeGreaterThan(0);
});

test('latency is of the clock, and failures say their code', async () => {
  const { clock, disk } = machine(1, { latencyMs: { min: 5, max: 5 } });
  let isOpen = false;
  void disk.incarnation().open('f', { create: true }).then(() => (isOpen = true));
  await clock.advance(4);
  expect(isOpen).toBe(false);
  await clock.advance(1);
  await settle();
  expect(isOpen).toBe(true);

  disk.faults = {};
  const file = await disk.incarnation().open('f');
  disk.faults = { isFull: true };
  await expect(file.writeAt(0, [fromUtf8('a')])).rejects.toMatchObject({ code: 'ENOSPC' });
  disk.faults = { syncFailure: 1 };
  await expect(file.datasync()).rejects.toMatchObject({ code: 'EIO' });
  disk.faults = { writeFailure: 1 };
  await expect(file.writeAt(0, [fromUtf8('a')])).rejects.toMatchObject({ code: 'EIO' });
  disk.faults = {};
  await expect(disk.incarnation().open('missing')).rejects.toMatchObject({ code: 'ENOENT' });
});

test('the same seed loses the same', async () => {
  const run = async (seed: number) => {
    const { disk } = machine(seed);
    const view = disk.incarnation();
    for (const name of ['b', 'a', 'c']) {
      const file = await durableFile(view, name, name);
      for (let i = 0; i < 5; i++) await file.writeAt(i * 3, [fromUtf8('xyz')]);
    }
    disk.powerCut();
    return { texts: ['a', 'b', 'c'].map((name) => toUtf8(disk.contents(name))), counters: { ...disk.counters } };
  };
  for (const seed of [1, 2, 3]) expect(await run(seed)).toEqual(await run(seed));
});
