import { expect, test } from 'vitest';
import { DrivenClock } from '../../../src/base/driven-clock.ts';
import { silentLog } from '../../../src/base/log.ts';
import { MemoryDisk } from '../../../src/base/memory-disk.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { Wal, type WalBatch } from '../../../src/store/disk/wal.ts';
import type { Entry } from '../../../src/store/raft/core/types.ts';

const identity = { clusterId: 7n, memberId: 1n };
const confState = { voters: [1n], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
const start = { hardState: { term: 0, votedFor: 0n, commit: 0 }, snapshot: { index: 0, term: 0, confState } };
const entry = (index: number, size = 20): Entry => ({ index, term: 1, kind: 'normal', data: Buffer.alloc(size, 120) });
const batch = (p: Partial<WalBatch>): WalBatch => ({
  entries: [],
  hardState: undefined,
  snapshot: undefined,
  mustSync: true,
  ...p,
});
function world(seed: number) {
  const clock = new DrivenClock();
  const disk = new MemoryDisk({ clock, random: seededRandom(seed) });
  const options = () => ({
    disk: disk.incarnation(),
    dir: 'wal',
    identity,
    log: silentLog,
    firstSegmentBytes: 2048,
    segmentBytes: 4096,
  });
  return { clock, disk, options };
}
const slow = { latencyMs: { min: 1, max: 1 } };

test('what open() answers survives a power cut right after', async () => {
  let bad = 0;
  let met = 0;
  for (let seed = 0; seed < 60; seed++) {
    const { clock, disk, options } = world(seed);
    const wal = await Wal.create({ ...options(), ...start });
    disk.faults = slow;
    void wal.append(batch({ entries: [entry(1)], hardState: { term: 5, votedFor: 2n, commit: 0 } }));
    await clock.advance(1.5); // written, sync under way
    disk.processCrash();
    disk.faults = {};
    const first = (await Wal.open(options()))!.restored;
    if (first.entries.length === 0) continue;
    met++;
    disk.powerCut();
    const second = (await Wal.open(options()))!.restored;
    if (second.entries.length < first.entries.length || second.hardState.term !== 5) bad++;
  }
  expect({ met, bad }).toEqual({ met: 60, bad: 0 });
});

test('a power cut during release() leaves a log that opens', async () => {
  const errors = new Map<string, number>();
  let met = 0;
  for (let seed = 0; seed < 100; seed++) {
    const { clock, disk, options } = world(seed);
    const wal = await Wal.create({ ...options(), ...start });
    for (let i = 1; i <= 40; i++) await wal.append(batch({ entries: [entry(i, 500)] }));
    await wal.append(batch({ snapshot: { index: 30, term: 1, confState } }));
    disk.faults = slow;
    void wal.release(30);
    await clock.advance(1 + (seed % 4) + 0.5);
    met++;
    disk.powerCut();
    disk.faults = {};
    try {
      const { restored } = (await Wal.open(options()))!;
      expect(restored.entries.length).toBe(10);
    } catch (e) {
      const m = String((e as Error).message).slice(0, 110);
      errors.set(m, (errors.get(m) ?? 0) + 1);
    }
  }
  expect([...errors]).toEqual([]);
});

test('a power cut while a segment is begun keeps header and entries consistent', async () => {
  const errors = new Map<string, number>();
  let met = 0;
  for (let seed = 0; seed < 200; seed++) {
    const { clock, disk, options } = world(seed);
    const wal = await Wal.create({ ...options(), ...start });
    disk.faults = slow;
    void (async () => {
      for (let i = 1; i <= 12; i++)
        await wal.append(batch({ entries: [entry(i, 500)], hardState: { term: 1, votedFor: 1n, commit: i } }));
    })();
    await clock.advance(2 + seed * 0.5);
    disk.powerCut();
    disk.faults = {};
    met++;
    try {
      const { restored } = (await Wal.open(options()))!;
      const last = restored.entries.at(-1)?.index ?? restored.snapshot.index;
      if (restored.hardState.commit > last) errors.set('commit beyond log', (errors.get('commit beyond log') ?? 0) + 1);
    } catch (e) {
      const m = String((e as Error).message).slice(0, 110);
      errors.set(m, (errors.get(m) ?? 0) + 1);
    }
  }
  expect([...errors]).toEqual([]);
});
