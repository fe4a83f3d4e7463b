import { expect, test } from 'vitest';
import { DrivenClock } from '../../../src/base/driven-clock.ts';
import { silentLog } from '../../../src/base/log.ts';
import { MemoryDisk } from '../../../src/base/memory-disk.ts';
import { seededRandom, type Random } from '../../../src/base/random.ts';
import { Wal, type WalBatch } from '../../../src/store/disk/wal.ts';
import { decodeFrame, encodeFrame, encodeRecord, FrameWriter, type Frame, type NoFrame, type WalRecord } from '../../../src/store/disk/wal-record.ts';
import type { RestoredWal } from '../../../src/store/disk/wal-replay.ts';
import type { Entry, HardState, SnapshotMeta } from '../../../src/store/raft/core/types.ts';

const identity = { clusterId: 7n, memberId: 1n };
const confState = { voters: [1n, 2n, 3n], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
const start = { hardState: { term: 0, votedFor: 0n, commit: 0 }, snapshot: { index: 0, term: 0, confState } };
const active = 'wal/0000000000000001.log';

function world(seed: number | string = 1) {
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
  return {
    clock,
    disk,
    options,
    open: () => Wal.open(options()),
    create: () => Wal.create({ ...options(), ...start }),
  };
}

function entry(index: number, term = 1, text = `entry ${index}`): Entry {
  return { index, term, kind: 'normal', data: Buffer.from(text) };
}

function batch(parts: Partial<WalBatch>): WalBatch {
  return { entries: [], hardState: undefined, snapshot: undefined, mustSync: true, ...parts };
}

const texts = (restored: RestoredWal) =>
  restored.entries.map(({ term, data }) => `${term}:${Buffer.from(data).toString()}`);

async function reopened(open: ReturnType<typeof world>['open']) {
  const opened = await open();
  if (opened === undefined) throw new Error('there is no log');
  return opened;
}

test('open() finds no log where none was made', async () => {
  expect(await world().open()).toBeUndefined();
});

test('open() restores what was appended, over many segments', async () => {
  const { create, open, disk } = world();
  const wal = await create();
  for (let index = 1; index <= 200; index++) {
    await wal.append(batch({ entries: [entry(index)], hardState: { term: 1, votedFor: 2n, commit: index - 1 } }));
  }
  expect((await disk.incarnation().list('wal')).filter((name) => name.endsWith('.log')).length).toBeGreaterThan(3);
  disk.powerCut();
  const { restored } = await reopened(open);
  expect(restored.hardState).toEqual({ term: 1, votedFor: 2n, commit: 199 });
  expect(restored.snapshot).toEqual(start.snapshot);
  expect(texts(restored)).toEqual(Array.from({ length: 200 }, (_, i) => `1:entry ${i + 1}`));
});

test('a later entry of the same index replaces the old one and all behind it', async () => {
  const { create, open } = world();
  const wal = await create();
  await wal.append(batch({ entries: [entry(1), entry(2), entry(3)] }));
  await wal.append(batch({ entries: [entry(2, 2, 'new')] }));
  await wal.close();
  expect(texts((await reopened(open)).restored)).toEqual(['1:entry 1', '2:new']);
});

test('a snapshot that the log contains keeps what is behind it; one that it does not replaces all', async () => {
  const { create, open } = world();
  let wal = await create();
  await wal.append(batch({ entries: [entry(1), entry(2), entry(3)] }));
  await wal.append(batch({ snapshot: { index: 2, term: 1, confState } }));
  await wal.close();
  const kept = await reopened(open);
  expect([kept.restored.snapshot.index, ...texts(kept.restored)]).toEqual([2, '1:entry 3']);
  wal = kept.wal;
  await wal.append(batch({ snapshot: { index: 9, term: 4, confState } }));
  await wal.append(batch({ entries: [entry(10, 4)] }));
  await wal.close();
  const replaced = await reopened(open);
  expect([replaced.restored.snapshot.index, ...texts(replaced.restored)]).toEqual([9, '4:entry 10']);
});

test('release() removes whole segments, and a restart does not miss them', async () => {
  const { create, open, options } = world();
  const wal = await create();
  for (let index = 1; index <= 200; index++) await wal.append(batch({ entries: [entry(index)] }));
  const before = (await options().disk.list('wal')).length;
  await wal.append(batch({ snapshot: { index: 150, term: 1, confState } }));
  await wal.release(150);
  expect((await options().disk.list('wal')).length).toBeLessThan(before);
  await wal.close();
  const { restored } = await reopened(open);
  expect(restored.snapshot.index).toBe(150);
  expect(restored.entries.map(({ index }) => index)).toEqual(Array.from({ length: 50 }, (_, i) => 151 + i));
});

test('appends of one turn share a sync, and those that arrive during it the next one', async () => {
  const { create, disk, clock } = world();
  const wal = await create();
  disk.faults = { syncLatencyMs: { min: 5, max: 5 } };
  const append = (count: number) => Promise.all(Array.from({ length: count }, (_, i) => wal.append(batch({ entries: [entry(i + 1)] }))));
  const together = append(5);
  await new Promise(setImmediate);
  const during = append(10);
  expect(wal.syncs).toBe(0);
  await clock.advance(5);
  await together;
  expect(wal.syncs).toBe(1);
  await clock.advance(5);
  await during;
  expect(wal.syncs).toBe(2);
});

test('append() resolves in order, and a commit hint waits for company', async () => {
  const { create } = world();
  const wal = await create();
  const order: number[] = [];
  const hint: HardState = { term: 0, votedFor: 0n, commit: 1 };
  await Promise.all([
    wal.append(batch({ entries: [entry(1)] })).then(() => order.push(1)),
    wal.append(batch({ hardState: hint, mustSync: false })).then(() => order.push(2)),
    wal.append(batch({ entries: [entry(2)] })).then(() => order.push(3)),
  ]);
  expect(order).toEqual([1, 2, 3]);
  const syncs = wal.syncs;
  await wal.append(batch({ hardState: { ...hint, commit: 2 }, mustSync: false }));
  expect(wal.syncs).toBe(syncs);
});

test('hint(): a hard state that writes nothing by itself, and is durable with the next batch', async () => {
  const { create, open, disk } = world();
  const wal = await create();
  await wal.append(batch({ entries: [entry(1)], hardState: { term: 1, votedFor: 2n, commit: 0 } }));
  const syncs = wal.syncs;
  wal.hint({ term: 1, votedFor: 2n, commit: 1 });
  expect(wal.syncs).toBe(syncs);
  await wal.append(batch({ entries: [entry(2)] }));
  disk.powerCut();
  expect((await reopened(open)).restored.hardState).toEqual({ term: 1, votedFor: 2n, commit: 1 });
});

test('the last batch may be torn at any byte: it is cut, and writing goes on', async () => {
  const { create, options } = world();
  const wal = await create();
  await wal.append(batch({ entries: [entry(1), entry(2)] }));
  await wal.append(batch({ entries: [entry(3, 1, 'the last')] }));
  await wal.close();
  const disk = options().disk;
  const file = await disk.open(active);
  const whole = Buffer.from(await file.read(0, await file.size()));
  const end = whole.findLastIndex((byte) => byte !== 0) + 1;
  const begin = whole.indexOf('entry 2') + 'entry 2'.length;
  for (let cut = begin; cut < end; cut++) {
    await file.writeAt(0, [Buffer.concat([whole.subarray(0, cut), Buffer.alloc(whole.length - cut)])]);
    const opened = await Wal.open({ ...options(), disk });
    expect(texts(opened!.restored), `cut at ${cut}`).toEqual(['1:entry 1', '1:entry 2']);
    await opened!.wal.append(batch({ entries: [entry(3, 2, 'again')] }));
    await opened!.wal.close();
    const again = await Wal.open({ ...options(), disk });
    expect(texts(again!.restored)).toEqual(['1:entry 1', '1:entry 2', '2:again']);
    await again!.wal.close();
  }
});

test('a flipped bit before the last batch is damage, named with its place and the remedy', async () => {
  const { create, disk, open } = world();
  const wal = await create();
  for (let index = 1; index <= 3; index++) await wal.append(batch({ entries: [entry(index)] }));
  await wal.close();
  const at = Buffer.from(disk.contents(active)).indexOf('entry 2');
  disk.flipBits(active, at, 0x10);
  await expect(open()).rejects.toThrow(
    /0000000000000001\.log is damaged at byte \d+ \(batch 3\).*"etcdctl member remove 1".*empty data directory/,
  );
});

test('two damaged batches in a row are damage too, with a good one behind them', async () => {
  const { create, disk, open } = world();
  const wal = await create();
  for (let index = 1; index <= 4; index++) await wal.append(batch({ entries: [entry(index)] }));
  await wal.close();
  for (const text of ['entry 2', 'entry 3'])
    disk.flipBits(active, Buffer.from(disk.contents(active)).indexOf(text), 0x10);
  await expect(open()).rejects.toThrow(/batch 3/);
});

test('damage in an older segment is damage, not a tear', async () => {
  const { create, disk, open } = world();
  const wal = await create();
  for (let index = 1; index <= 100; index++) await wal.append(batch({ entries: [entry(index)] }));
  await wal.close();
  const bytes = Buffer.from(disk.contents(active));
  disk.flipBits(
    active,
    bytes.findLastIndex((byte) => byte !== 0),
    0x01,
  );
  await expect(open()).rejects.toThrow(/damaged/);
});

test('another member’s log is refused, naming both', async () => {
  const { create, options } = world();
  await (await create()).close();
  const stranger = { ...options(), identity: { clusterId: 7n, memberId: 0xabcn } };
  await expect(Wal.open(stranger)).rejects.toThrow(/belongs to member 1 of cluster 7, this is member abc of cluster 7/);
});

test('after a failed sync nothing is promised any more', async () => {
  const clock = new DrivenClock();
  const faults = { syncFailure: 0 };
  const disk = new MemoryDisk({ clock, random: seededRandom(1), faults });
  const wal = await Wal.create({ disk: disk.incarnation(), dir: 'wal', identity, log: silentLog, ...start });
  faults.syncFailure = 1;
  await expect(wal.append(batch({ entries: [entry(1)] }))).rejects.toThrow('could not be written');
  faults.syncFailure = 0;
  await expect(wal.append(batch({ entries: [entry(2)] }))).rejects.toThrow('could not be written');
});

/** What a log must say after `batches`. */
function model(batches: readonly WalBatch[]): { entries: string[]; snapshot: number; hardState: HardState } {
  let entries: Entry[] = [];
  let snapshot: SnapshotMeta = start.snapshot;
  let hardState: HardState = start.hardState;
  for (const next of batches) {
    if (next.snapshot !== undefined) {
      entries = entries.filter(({ index }) => index > next.snapshot!.index);
      snapshot = next.snapshot;
    }
    const first = next.entries[0];
    if (first !== undefined) entries = [...entries.filter(({ index }) => index < first.index), ...next.entries];
    if (next.hardState !== undefined) hardState = next.hardState;
  }
  return {
    entries: entries.map(({ term, data }) => `${term}:${Buffer.from(data).toString()}`),
    snapshot: snapshot.index,
    hardState,
  };
}

function anyBatch(random: Random, last: number, number: number, compacted: number): WalBatch {
  const from = Math.max(compacted + 1, last + 1 - (random.chance(0.2) ? random.below(3) : 0));
  const entries = Array.from({ length: random.between(1, 3) }, (_, i) =>
    entry(from + i, number, 'x'.repeat(random.below(400))),
  );
  const hardState = { term: number, votedFor: BigInt(random.below(3)), commit: compacted };
  return batch({ entries, hardState });
}

test('a power cut at any time loses nothing whose append resolved, and invents nothing', async () => {
  let lost = 0;
  for (let seed = 0; seed < 150; seed++) {
    const random = seededRandom(`cut ${seed}`);
    const { clock, disk, create, open } = (() => {
      const made = world(seed);
      return { ...made, disk: made.disk };
    })();
    let wal = await create();
    const durable: WalBatch[] = [];
    let compacted = 0;
    for (let round = 0; round < 4; round++) {
      const pending: WalBatch[] = [];
      let resolved = 0;
      const steps = random.between(1, 8);
      for (let step = 0; step < steps; step++) {
        const last = model([...durable, ...pending]);
        const next = anyBatch(
          random,
          last.snapshot + last.entries.length,
          durable.length + pending.length + 1,
          compacted,
        );
        pending.push(next);
        const append = wal.append(next).then(
          () => resolved++,
          () => {},
        );
        if (random.chance(0.6)) await append;
      }
      disk.powerCut();
      const opened = await reopened(open);
      await clock.advance(0);
      wal = opened.wal;
      const { restored } = opened;
      const said = { entries: texts(restored), snapshot: restored.snapshot.index, hardState: restored.hardState };
      // Some prefix of what was asked for, and at least what was promised.
      const prefixes = pending
        .map((_, count) => count + 1)
        .concat(0)
        .sort((a, b) => a - b);
      const kept = prefixes.findLast(
        (count) => JSON.stringify(view(said)) === JSON.stringify(view(model([...durable, ...pending.slice(0, count)]))),
      );
      expect(kept, `seed ${seed} round ${round}: ${JSON.stringify(view(said))}`).toBeDefined();
      expect(kept, `seed ${seed} round ${round}`).toBeGreaterThanOrEqual(resolved);
      lost += pending.length - kept!;
      durable.push(...pending.slice(0, kept));
      if (random.chance(0.3) && said.entries.length > 2) {
        compacted = said.snapshot + 1;
        const cut = batch({ snapshot: { index: compacted, term: restored.entries[0]!.term, confState } });
        await wal.append(cut);
        await wal.release(compacted);
        durable.push(cut);
      }
    }
  }
  expect(lost).toBeGreaterThan(20);
});

const view = ({ entries, snapshot, hardState }: ReturnType<typeof model>) => [
  snapshot,
  entries,
  hardState.term,
  String(hardState.votedFor),
];

test('open() refuses a last batch that is whole but not of this version: it is no tear, and is not cut', async () => {
  const { create, open, disk, options } = world();
  await (await create()).append(batch({ entries: [entry(1)] }));
  const bytes = disk.contents(active);
  let last = decodeFrame(bytes, 0) as Frame; // whole: it was just written
  for (let next: Frame | NoFrame = last; typeof next === 'object'; next = decodeFrame(bytes, last.end)) last = next;
  // A kind of record that is not known, and a known one whose bytes do not parse.
  for (const record of [Uint8Array.of(9, 0, 0, 0, 0), Uint8Array.of(4, 0, 0, 0, 1, 0xff)]) {
    const { parts } = encodeFrame({ sequence: last.sequence + 1, previousCrc: last.crc, records: [record] });
    await (await options().disk.open(active)).writeAt(last.end, parts);
    await expect(open()).rejects.toThrow(/damaged at byte \d+ \(batch 3\): its checksum fits, but/);
  }
});

test('FrameWriter makes the same frame in one piece, one after the other, and again under another number', () => {
  const writer = new FrameWriter();
  const batches: WalRecord[][] = [
    [{ type: 'entry', entry: entry(1) }, { type: 'hard-state', hardState: { term: 3, votedFor: 2n ** 63n + 5n, commit: 1 } }],
    [{ type: 'snapshot', snapshot: { index: 7, term: 2, confState } }, { type: 'entry', entry: { ...entry(8), data: new Uint8Array(300_000) } }],
    [{ type: 'entry', entry: entry(9) }],
  ];
  for (const records of batches) {
    for (const record of records) writer.add(record);
    for (const sequence of [5, 2 ** 40]) {
      const { parts, crc } = encodeFrame({ sequence, previousCrc: 0xfedc_ba98, records: records.map(encodeRecord) });
      const sealed = writer.seal({ sequence, previousCrc: 0xfedc_ba98 });
      expect(Buffer.concat(parts).equals(sealed.bytes)).toBe(true);
      expect(sealed.crc).toBe(crc);
    }
    writer.clear();
  }
});

/** A log of one segment, whose batches have numbers far above what a search from the first one would reach. */
async function longLog() {
  const subject = world();
  const wal = await subject.create();
  for (let index = 1; index <= 5000; index++) await wal.append(batch({ entries: [entry(index)] }));
  await wal.append(batch({ snapshot: { index: 4990, term: 1, confState } }));
  await wal.release(4990);
  await wal.close();
  const names = subject.disk.names('wal').filter((name) => name.endsWith('.log'));
  return { ...subject, path: `wal/${names[0]!}`, names };
}

test('the oldest segment is never taken for one just begun, however high its numbers are', async () => {
  const { disk, open, path, names } = await longLog();
  expect(names).toHaveLength(1);
  expect(parseInt(names[0]!, 16)).toBeGreaterThan(1);
  disk.flipBits(path, 25, 1);
  await expect(open()).rejects.toThrow(/\.log is damaged at byte 0 .*header is not readable.*etcdctl member remove 1/);
  // Nor does a member that would ask others who it is take it for a directory without a log.
  await expect(Wal.requireNone(disk.incarnation(), 'wal')).rejects.toThrow(/header is not readable.*etcdctl member remove <its id>/);
  expect(disk.names('wal')).toContain(names[0]);
});

test('the first segment without a readable header: with a batch in it damage, blank it was just begun', async () => {
  const { disk, open, create } = world();
  const wal = await create();
  await wal.append(batch({ entries: [entry(1)] }));
  await wal.close();
  disk.flipBits(active, 3, 1);
  await expect(open()).rejects.toThrow(/damaged at byte 0/);
  const fresh = world();
  await (await fresh.create()).close();
  fresh.disk.flipBits(active, 30, 1);
  expect(await fresh.open()).toBeUndefined();
});

test('where the disk is full, room is asked for, and the batch is written then; without any, it is the last', async () => {
  const asked: unknown[] = [];
  let isFull = false;
  const { disk, options } = world();
  const makeRoom = async (cause: unknown) => {
    asked.push(cause);
    isFull = true;
    if (asked.length >= 3) return false;
    disk.faults = { capacityBytes: disk.usedBytes + 3000 };
    return true;
  };
  const wal = await Wal.create({ ...options(), ...start, makeRoom, isFull: () => isFull });
  disk.faults = { capacityBytes: disk.usedBytes };
  let index = 0;
  let failure: unknown;
  while (failure === undefined && index < 200) await wal.append(batch({ entries: [entry(++index, 1, 'x'.repeat(200))] })).catch((error: unknown) => (failure = error));
  expect(asked.length).toBeGreaterThan(2);
  expect(String((failure as Error).cause)).toContain('the reserve for this is used up');
  await expect(wal.append(batch({}))).rejects.toBe(failure);
  disk.faults = {};
  disk.powerCut();
  const { restored } = await reopened(() => Wal.open(options()));
  expect(restored.entries).toHaveLength(index - 1);
});
