/** What a `MemoryDisk` keeps and what it may lose. */
import { describe, expect, test } from 'vitest';
import { fromUtf8, toUtf8 } from '../../src/base/bytes.ts';
import { readWhole, type Disk, type DiskFile } from '../../src/base/disk.ts';
import { DrivenClock } from '../../src/base/driven-clock.ts';
import { MemoryDisk, type MemoryDiskFaults } from '../../src/base/memory-disk.ts';
import { seededRandom } from '../../src/base/random.ts';
import { fc } from './property.ts';

function newDisk(seed = 1, faults: MemoryDiskFaults = {}) {
  const clock = new DrivenClock();
  return { clock, memory: new MemoryDisk({ clock, random: seededRandom(seed), faults }) };
}

/** A file of which name and bytes are durable. */
async function durableFile(disk: Disk, path: string, text: string): Promise<DiskFile> {
  const file = await disk.open(path, { create: true });
  await file.writeAt(0, [fromUtf8(text)]);
  await file.datasync();
  await disk.syncDir('');
  return file;
}

describe('latency', () => {
  test('an operation takes its time on the clock', async () => {
    const { clock, memory } = newDisk(1, { latencyMs: { min: 5, max: 10 } });
    let file: DiskFile | undefined;
    void memory
      .incarnation()
      .open('log', { create: true })
      .then((opened) => (file = opened));
    await clock.advance(4.9);
    expect(file).toBeUndefined();
    await clock.advance(5.2);
    expect(file).toBeDefined();
  });
});

describe('faults', () => {
  test('a full disk refuses what would grow a file, and takes the rest', async () => {
    const { memory } = newDisk();
    const disk = memory.incarnation();
    const file = await durableFile(disk, 'log', 'abc');
    memory.faults = { isFull: true };
    await expect(file.writeAt(2, [fromUtf8('xy')])).rejects.toMatchObject({ code: 'ENOSPC' });
    await expect(file.truncate(4)).rejects.toMatchObject({ code: 'ENOSPC' });
    await expect(disk.open('other', { create: true })).rejects.toMatchObject({ code: 'ENOSPC' });
    await file.writeAt(0, [fromUtf8('xyz')]);
    await file.truncate(2);
    await disk.remove('other');
    memory.faults = {};
    await file.writeAt(2, [fromUtf8('!')]);
    expect(toUtf8(memory.contents('log'))).toBe('xy!');
  });

  test('a failed write has done a part of its work', async () => {
    const lengths = new Set<number>();
    for (let seed = 0; seed < 50; seed++) {
      const { memory } = newDisk(seed);
      const file = await memory.incarnation().open('log', { create: true });
      memory.faults = { writeFailure: 1 };
      await expect(file.writeAt(0, [fromUtf8('abc')])).rejects.toMatchObject({ code: 'EIO' });
      const text = toUtf8(memory.contents('log'));
      expect('abc'.startsWith(text)).toBe(true);
      lengths.add(text.length);
    }
    expect([...lengths].sort()).toEqual([0, 1, 2, 3]);
  });

  test('a failed sync has made nothing durable', async () => {
    let losses = 0;
    for (let seed = 0; seed < 50; seed++) {
      const { memory } = newDisk(seed);
      const file = await durableFile(memory.incarnation(), 'log', '');
      await file.writeAt(0, [fromUtf8('a')]);
      memory.faults = { syncFailure: 1 };
      await expect(file.datasync()).rejects.toMatchObject({ code: 'EIO' });
      memory.powerCut();
      if (memory.contents('log').length === 0) losses++;
    }
    expect(losses).toBeGreaterThan(0);
  });

  test('flipBits() damages for good', async () => {
    const { memory } = newDisk();
    await durableFile(memory.incarnation(), 'log', 'abc');
    memory.flipBits('log', 1, 0x20);
    expect(toUtf8(memory.contents('log'))).toBe('aBc');
    memory.powerCut();
    expect(toUtf8(memory.contents('log'))).toBe('aBc');
  });
});

describe('crashes', () => {
  test('end the incarnation: nothing of it settles or takes effect any more', async () => {
    for (const crash of ['processCrash', 'powerCut'] as const) {
      const { clock, memory } = newDisk(1, { latencyMs: { min: 1, max: 5 } });
      const disk = memory.incarnation();
      const opening = durableFile(disk, 'log', 'abc');
      await clock.advance(100);
      const file = await opening;
      let settled = 0;
      const count = () => settled++;
      disk.rename('log', 'early').then(count, count);
      file.read(0, 1).then(count, count);
      memory[crash]();
      file.writeAt(0, [fromUtf8('xyz')]).then(count, count);
      file.truncate(0).then(count, count);
      file.datasync().then(count, count);
      file.close().then(count, count);
      disk.open('new', { create: true }).then(count, count);
      disk.remove('log').then(count, count);
      disk.list('').then(count, count);
      await clock.advance(100);
      expect(settled).toBe(0);
      expect(toUtf8(memory.contents('log'))).toBe('abc');

      const listing = memory.incarnation().list('');
      await clock.advance(100);
      expect(await listing).toEqual(['log']);
    }
  });

  test('processCrash() keeps every answered operation, synced or not', async () => {
    for (let seed = 0; seed < 50; seed++) {
      const { memory } = newDisk(seed);
      const disk = memory.incarnation();
      await disk.makeDir('a/b');
      const file = await disk.open('a/b/log', { create: true });
      await file.writeAt(0, [fromUtf8('abcdef')]);
      await file.truncate(4);
      await disk.rename('a/b/log', 'a/log');
      memory.processCrash();
      const next = memory.incarnation();
      expect(await next.list('a')).toEqual(['b', 'log']);
      expect(await next.list('a/b')).toEqual([]);
      expect(toUtf8(await readWhole(next, 'a/log'))).toBe('abcd');
    }
  });

  test('a write in flight is kept, torn or lost by either crash', async () => {
    for (const crash of ['processCrash', 'powerCut'] as const) {
      const outcomes = new Set<string>();
      let tornTails = 0;
      for (let seed = 0; seed < 200; seed++) {
        const { clock, memory } = newDisk(seed);
        const file = await durableFile(memory.incarnation(), 'log', '____');
        memory.faults = { latencyMs: { min: 1, max: 2 } };
        void file.writeAt(1, [fromUtf8('ab')]);
        await clock.advance(0.5);
        memory[crash]();
        outcomes.add(toUtf8(memory.contents('log')));
        tornTails += memory.counters.tornTails;
      }
      expect([...outcomes].sort()).toEqual(['____', '__b_', '_a__', '_ab_']);
      expect(tornTails).toBeGreaterThan(20);
    }
  });
});

describe('powerCut(), bytes', () => {
  const anyText = fc.uint8Array({ minLength: 1, maxLength: 12 });
  const anyChange = fc.oneof(
    fc.record({ kind: fc.constant('write' as const), offset: fc.nat(24), bytes: anyText }),
    fc.record({ kind: fc.constant('truncate' as const), size: fc.nat(24) }),
  );
  const anyStep = fc.oneof({ weight: 4, arbitrary: anyChange }, { weight: 1, arbitrary: fc.constant('sync' as const) });

  test('keeps what was synced, and invents nothing', async () => {
    let changed = 0;
    let cuts = 0;
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.array(anyStep, { maxLength: 12 }), async (seed, steps) => {
        const { memory } = newDisk(seed);
        const file = await durableFile(memory.incarnation(), 'log', '');
        let synced = memory.contents('log');
        let unsynced: Array<Exclude<(typeof steps)[number], 'sync'>> = [];
        for (const step of steps) {
          if (step === 'sync') {
            await file.datasync();
            synced = memory.contents('log');
            unsynced = [];
          } else {
            if (step.kind === 'write') await file.writeAt(step.offset, [step.bytes]);
            else await file.truncate(step.size);
            unsynced.push(step);
          }
        }
        const before = memory.contents('log');
        memory.powerCut();
        const after = memory.contents('log');
        cuts++;
        if (Buffer.compare(before, after) !== 0) changed++;
        if (unsynced.length === 0) expect(after).toEqual(synced);

        const hasTruncate = unsynced.some(({ kind }) => kind === 'truncate');
        if (!hasTruncate) expect(after.length).toBeGreaterThanOrEqual(synced.length);
        for (const [at, byte] of after.entries()) {
          const possible = new Set<number>();
          if (at < synced.length) possible.add(synced[at]!);
          // Past the old end there may be a hole; a cut may have made one before it.
          if (at >= synced.length || hasTruncate) possible.add(0);
          for (const change of unsynced) {
            if (change.kind !== 'write') continue;
            const own = change.bytes[at - change.offset];
            if (own !== undefined) possible.add(own);
          }
          expect(possible, `the byte at ${at}`).toContain(byte);
        }
        // What a power cut has left is durable.
        memory.powerCut();
        expect(memory.contents('log')).toEqual(after);
      }),
    );
    expect(changed).toBeGreaterThan(cuts / 10);
  });

  test('an append log keeps its synced head, and its tail is anything', async () => {
    const tails = new Set<string>();
    let unsyncedLosses = 0;
    for (let seed = 0; seed < 300; seed++) {
      const { memory } = newDisk(seed);
      const file = await durableFile(memory.incarnation(), 'log', 'HEAD');
      await file.writeAt(4, [fromUtf8('aa')]);
      await file.writeAt(6, [fromUtf8('bb')]);
      memory.powerCut();
      const text = toUtf8(memory.contents('log'));
      expect(text.slice(0, 4)).toBe('HEAD');
      tails.add(text.slice(4));
      unsyncedLosses += memory.counters.unsyncedLosses;
    }
    // Kept, lost, torn, and the later of two kept while the earlier was lost.
    for (const tail of ['', 'aa', 'aabb', 'a', 'aab', '\0\0bb']) expect(tails).toContain(tail);
    expect(unsyncedLosses).toBeGreaterThan(50);
  });

  test('a sync covers what was answered before it, not what it overlaps with', async () => {
    const outcomes = new Set<string>();
    for (let seed = 0; seed < 100; seed++) {
      const { clock, memory } = newDisk(seed);
      const file = await durableFile(memory.incarnation(), 'log', '__');
      await file.writeAt(0, [fromUtf8('a')]);
      memory.faults = { latencyMs: { min: 1, max: 2 } };
      void file.writeAt(1, [fromUtf8('b')]);
      const syncing = file.datasync();
      await clock.advance(5);
      await syncing;
      memory.powerCut();
      outcomes.add(toUtf8(memory.contents('log')));
    }
    expect([...outcomes].sort()).toEqual(['a_', 'ab']);
  });
});

describe('powerCut(), names', () => {
  async function namesAfter(seed: number, run: (disk: Disk) => Promise<void>) {
    const { memory } = newDisk(seed);
    const disk = memory.incarnation();
    const kept = await durableFile(disk, 'kept', 'kept');
    await kept.close();
    await run(disk);
    memory.powerCut();
    const next = memory.incarnation();
    expect(toUtf8(await readWhole(next, 'kept').catch(() => fromUtf8('')))).toMatch(/^(kept)?$/);
    return { next, names: (await next.list('')).join() };
  }

  async function outcomesOf(run: (disk: Disk) => Promise<void>): Promise<string[]> {
    const outcomes = new Set<string>();
    for (let seed = 0; seed < 60; seed++) outcomes.add((await namesAfter(seed, run)).names);
    return [...outcomes].sort();
  }

  const create = async (disk: Disk) => void (await disk.open('made', { create: true }));

  test('undoes a creation, a rename or a removal that was not synced', async () => {
    expect(await outcomesOf(create)).toEqual(['kept', 'kept,made']);
    expect(await outcomesOf((disk) => disk.rename('kept', 'moved'))).toEqual(['kept', 'moved']);
    expect(await outcomesOf((disk) => disk.remove('kept'))).toEqual(['', 'kept']);
    expect(await outcomesOf((disk) => disk.makeDir('dir'))).toEqual(['dir,kept', 'kept']);
  });

  test('keeps them after syncDir()', async () => {
    const synced = (run: (disk: Disk) => Promise<void>) => async (disk: Disk) => {
      await run(disk);
      await disk.syncDir('');
    };
    expect(await outcomesOf(synced(create))).toEqual(['kept,made']);
    expect(await outcomesOf(synced((disk) => disk.rename('kept', 'moved')))).toEqual(['moved']);
    expect(await outcomesOf(synced((disk) => disk.remove('kept')))).toEqual(['']);
    expect(await outcomesOf(synced((disk) => disk.makeDir('dir')))).toEqual(['dir,kept']);
  });

  test('datasync() keeps the bytes and not the name', async () => {
    expect(
      await outcomesOf(async (disk) => {
        const file = await disk.open('made', { create: true });
        await file.writeAt(0, [fromUtf8('x')]);
        await file.datasync();
      }),
    ).toEqual(['kept', 'kept,made']);
  });

  test('syncDir() is about one directory: a file is lost with a parent that was not synced', async () => {
    expect(
      await outcomesOf(async (disk) => {
        await disk.makeDir('dir');
        await disk.open('dir/file', { create: true });
        await disk.syncDir('dir');
      }),
    ).toEqual(['dir,kept', 'kept']);
  });

  test('a file replaced by write, sync, rename is the old or the new one, whole', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.integer({ min: 1, max: 5 }), fc.boolean(), async (seed, rounds, syncsLast) => {
        const { memory } = newDisk(seed);
        const disk = memory.incarnation();
        await durableFile(disk, 'CURRENT', 'round 0');
        for (let round = 1; round <= rounds; round++) {
          const file = await disk.open('CURRENT.new', { create: true });
          await file.writeAt(0, [fromUtf8(`round ${round}`)]);
          await file.datasync();
          await file.close();
          await disk.rename('CURRENT.new', 'CURRENT');
          if (round < rounds || syncsLast) await disk.syncDir('');
        }
        memory.powerCut();
        const found = toUtf8(await readWhole(memory.incarnation(), 'CURRENT'));
        expect(syncsLast ? [`round ${rounds}`] : [`round ${rounds - 1}`, `round ${rounds}`]).toContain(found);
      }),
    );
  });

  test('the same seed loses the same', async () => {
    const run = async (seed: number) => {
      const { memory } = newDisk(seed);
      const trace: string[] = [];
      for (let round = 0; round < 10; round++) {
        const disk = memory.incarnation();
        for (let i = 0; i < 5; i++) {
          const file = await disk.open(`f${i}`, { create: true });
          await file.writeAt(round, [fromUtf8(String(round + i))]);
        }
        await disk.rename('f1', 'f2');
        memory.powerCut();
        for (const name of await memory.incarnation().list('')) trace.push(`${name}=${toUtf8(memory.contents(name))}`);
      }
      return { trace, counters: { ...memory.counters } };
    };
    const first = await run(5);
    expect(await run(5)).toEqual(first);
    expect(await run(6)).not.toEqual(first);
    expect(first.counters.powerCuts).toBe(10);
    expect(first.counters.nameLosses).toBeGreaterThan(0);
  });
});
