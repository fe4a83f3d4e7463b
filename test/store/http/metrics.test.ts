import { expect, test } from 'vitest';
import type { Clock } from '../../../src/base/clock.ts';
import { DrivenClock } from '../../../src/base/driven-clock.ts';
import type { Disk, DiskFile } from '../../../src/base/disk.ts';
import { StoreMetrics } from '../../../src/store/http/metrics.ts';

/** Moved by hand, as if the loop were held up. */
function heldUpClock(): { readonly clock: Clock; pass(ms: number): void } {
  let nowMs = 0;
  const driven = new DrivenClock();
  return { clock: { monotonic: () => nowMs, wall: () => driven.wall(), setTimer: (ms, run) => driven.setTimer(ms, run) }, pass: (ms) => (nowMs += ms) };
}

test('the time of a sync is measured, also of one that holds up the loop; one that fails counts as none', async () => {
  const { clock, pass } = heldUpClock();
  const metrics = new StoreMetrics(clock);
  let failure: Error | undefined;
  const file: Partial<DiskFile> = {
    datasync: () => {
      pass(250);
      return failure === undefined ? Promise.resolve() : Promise.reject(failure);
    },
  };
  const disk: Partial<Disk> = { open: () => Promise.resolve(file as DiskFile) }; // of both no more is used here
  const timed = await metrics.timedDisk(disk as Disk).open('log');
  await timed.datasync();
  failure = new Error('the disk is gone');
  await expect(timed.datasync()).rejects.toThrow('the disk is gone');
  const text = await metrics.registry.text();
  expect(text).toContain('etcd_disk_wal_fsync_duration_seconds_sum 0.25\n');
  expect(text).toContain('etcd_disk_wal_fsync_duration_seconds_count 1\n');
});
