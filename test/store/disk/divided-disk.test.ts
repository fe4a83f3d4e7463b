import { expect, test } from 'vitest';
import { DrivenClock } from '../../../src/base/driven-clock.ts';
import { MemoryDisk } from '../../../src/base/memory-disk.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { DividedDisk } from '../../../src/store/disk/divided-disk.ts';

const LOG = '0000000000000001.log';

function divided() {
  const world = { clock: new DrivenClock(), random: seededRandom(1) };
  const main = new MemoryDisk(world).incarnation();
  const other = new MemoryDisk(world).incarnation();
  return { main, other, disk: new DividedDisk(main, 'member/wal', other) };
}

test('DividedDisk keeps the folder on the other disk, and the rest on its own', async () => {
  const { main, other, disk } = divided();
  await disk.makeDir('member');
  await disk.makeDir('member/wal');
  await (await disk.open(`member/wal/${LOG}`, { create: true })).close();
  await (await disk.open('member/current', { create: true })).close();
  expect([await other.list(''), await main.list('member')]).toEqual([[LOG], ['current']]);
  expect(await disk.list('member/wal')).toEqual([LOG]);
  expect(await disk.exists(`member/wal/${LOG}`)).toBe(true);
  await disk.syncDir('member/wal');
  await disk.syncDir('member');
  await expect(disk.rename(`member/wal/${LOG}`, 'member/x')).rejects.toThrow(/on another disk/);
});

test('DividedDisk removes the log’s files from the folder, and nothing else of a mount point', async () => {
  const { other, disk } = divided();
  await disk.makeDir('member/wal');
  for (const name of [LOG, 'prepared', 'lost+found']) {
    await (await disk.open(`member/wal/${name}`, { create: true })).close();
  }
  expect(await disk.list('member/wal')).toEqual([LOG, 'prepared']);
  await disk.remove('member/wal');
  expect(await other.list('')).toEqual(['lost+found']);
});
