import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/base/system-clock.ts';
import { StoreMetrics } from '../../../src/store/http/metrics.ts';
import { levelBackends } from '../../../src/store/mvcc/level-backend.ts';

test('compact() gives back the space of deleted rows, while reads and writes go on', async () => {
  const root = mkdtempSync(join(tmpdir(), 'podium-level-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  // As a process has it, whose metrics stand in between.
  const backend = await new StoreMetrics(systemClock).timedBackends(levelBackends(root)).open('db');
  onTestFinished(() => backend.close());
  const keys = Array.from({ length: 2000 }, (_, at) => `v${String(at).padStart(6, '0')}`);
  // Not compressible, or nothing would be on disk to give back.
  let state = 1;
  const noise = () => Uint8Array.from({ length: 5000 }, () => (state = (state * 48271) % 2147483647) & 255);
  await backend.batch(keys.map((key) => ({ type: 'put', key, value: noise() })));
  await backend.batch(keys.slice(1).map((key) => ({ type: 'delete', key })));
  // A log that becomes a table just then is seen as neither: LevelDB tells of its tables and of its files one after the other.
  let before = -1;
  for (let now = 0; now !== before; now = await backend.sizeBytes()) before = await backend.sizeBytes();
  const compacting = backend.compact!();
  await backend.batch([{ type: 'put', key: 'w', value: Uint8Array.of(1) }]);
  expect([...backend.get('w')!]).toEqual([1]);
  await compacting;
  expect(await backend.sizeBytes()).toBeLessThan(before / 2);
  expect(backend.get(keys[0]!)?.length).toBe(5000);
  expect(backend.get(keys[1]!)).toBeUndefined();
});

test('batch() of many rows gives others their turn, and lands whole or not at all', async () => {
  const root = mkdtempSync(join(tmpdir(), 'podium-level-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const backends = levelBackends(root);
  const first = await backends.open('db');
  const keys = Array.from({ length: 10_000 }, (_, at) => `v${String(at).padStart(6, '0')}`);
  const batch = first.batch(keys.map((key) => ({ type: 'put', key, value: Uint8Array.of(1) })));
  const outcome = batch.then(() => 'landed', () => 'refused');
  await first.close();
  expect(await outcome).toBe('refused');
  const second = await backends.open('db');
  onTestFinished(() => second.close());
  expect(keys.filter((key) => second.get(key) !== undefined)).toEqual([]);
  await second.batch(keys.map((key) => ({ type: 'put', key, value: Uint8Array.of(1) })));
  expect(keys.filter((key) => second.get(key) === undefined)).toEqual([]);
});

test('sizeBytes() while tables are merged counts what it holds once, though old and new ones lie there', async () => {
  const root = mkdtempSync(join(tmpdir(), 'podium-level-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const backend = await levelBackends(root).open('db');
  onTestFinished(() => backend.close());
  const value = randomBytes(5000);
  // Each time over the same range, so that every table lies across all others.
  for (let round = 0; round < 4; round++) {
    const keys = Array.from({ length: 1000 }, (_, at) => `v${String(at * 4 + round).padStart(6, '0')}`);
    await backend.batch(keys.map((key) => ({ type: 'put', key, value: Buffer.concat([value.subarray(round * 7 + 1), randomBytes(2500)]) })));
  }
  // A log that becomes a table just then is seen as neither: LevelDB tells of its tables and of its files one after the other.
  let before = -1;
  for (let now = 0; now !== before; now = await backend.sizeBytes()) before = await backend.sizeBytes();
  let isOver = false;
  const compacting = backend.compact!().finally(() => (isOver = true));
  let largest = 0;
  let inFolder = 0;
  while (!isOver) {
    largest = Math.max(largest, await backend.sizeBytes());
    inFolder = Math.max(inFolder, bytesIn(join(root, 'db')));
  }
  await compacting;
  expect(largest).toBeLessThan(before * 1.1);
  // Else the folder was never seen in the middle of it.
  expect(inFolder).toBeGreaterThan(before * 1.2);
});

function bytesIn(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0), 0);
}
