import { expect, test } from 'vitest';
import { equalBytes } from '../../../../src/base/bytes.ts';
import { Block, BLOCK_BYTES_MAX, BLOCK_WRITES_MAX, blockRowKey, cutBlocks, encodeBlock, positionOfRow } from '../../../../src/store/mvcc/core/block.ts';
import { BlockDirectory, type BlockEntry } from '../../../../src/store/mvcc/core/block-directory.ts';
import { NOT_CACHED, type Write } from '../../../../src/store/mvcc/core/revision.ts';
import { fc } from '../../../base/property.ts';

const revision = fc.oneof(fc.nat(300), fc.nat(2 ** 31), fc.constantFrom(2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 52));
const write = fc.record({
  step: fc.oneof(fc.constant(0), fc.nat(3), fc.constantFrom(2 ** 32 - 1, 2 ** 32)),
  create: revision,
  version: revision,
  lease: fc.oneof(fc.constant(0n), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
  key: fc.oneof(fc.string({ maxLength: 60 }).map((text) => text.replace(/[^\0-\xff]/g, '\xff')), fc.constant('k'.repeat(30_000))),
  value: fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.nat(2 * BLOCK_BYTES_MAX).map((size) => new Uint8Array(size).fill(size))),
});

const run = fc.tuple(revision, fc.array(write, { minLength: 1, maxLength: 40 })).map(([start, parts]) => {
  const writes: Write[] = [];
  for (const { step, create, version, lease, key } of parts) {
    const last = writes.at(-1) ?? { main: start, sub: -1 };
    writes.push({ main: last.main + step, sub: step === 0 ? last.sub + 1 : 0, create, version, lease, key, cachedAt: NOT_CACHED });
  }
  return { writes, values: parts.map(({ value }) => value) };
});

test('writes come out of their blocks as they went in, and are found there by their positions alone', () => {
  fc.assert(
    fc.property(run, fc.option(fc.uint8Array({ minLength: 1 }), { nil: undefined }), (all, state) => {
      const cuts = cutBlocks(all);
      expect(cuts.flatMap(({ from, to }) => all.writes.slice(from, to)).every((one, at) => one === all.writes[at])).toBe(true);
      expect(cuts.at(-1)!.to).toBe(all.writes.length);
      for (const { from, to, bytes } of cuts) {
        const row = encodeBlock(all, from, to, state);
        expect(bytes).toBe(row.length - (state?.length ?? 0));
        if (to - from > 1) expect(row.length - (state?.length ?? 0)).toBeLessThanOrEqual(BLOCK_BYTES_MAX);
        const key = blockRowKey(all.writes[from]!);
        expect(positionOfRow(key)).toEqual({ main: all.writes[from]!.main, sub: all.writes[from]!.sub });
        const block = new Block(key, row);
        expect(block.state === undefined ? undefined : new Uint8Array(block.state)).toEqual(state);
        expect(block.count).toBe(to - from);
        for (let at = 0; at < block.count; at++) {
          const one = all.writes[from + at]!;
          const { key: name, ...facts } = block.write(at);
          expect(facts).toEqual({ main: one.main, sub: one.sub, create: one.create, version: one.version, lease: one.lease, cachedAt: NOT_CACHED });
          expect(name === one.key).toBe(true);
          expect(equalBytes(block.value(at), all.values[from + at]!)).toBe(true);
          expect(block.find(one)).toBe(at);
          expect(block.find({ main: one.main, sub: one.sub + 1000 })).toBe(-1);
        }
      }
    }),
  );
});

test('cutBlocks() ends a block by writes where they are small', () => {
  const writes = Array.from({ length: 3 * BLOCK_WRITES_MAX + 10 }, (_, at): Write => ({ key: 'k', main: at, sub: 0, create: 1, version: 1, lease: 0n, cachedAt: NOT_CACHED }));
  const counts = cutBlocks({ writes, values: writes.map(() => new Uint8Array(1)) }).map(({ from, to }) => to - from);
  expect(counts).toEqual([BLOCK_WRITES_MAX, BLOCK_WRITES_MAX, BLOCK_WRITES_MAX, 10]);
});

test('a damaged block is refused or read, and never anything else', () => {
  fc.assert(
    fc.property(run, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), fc.nat(), ({ writes, values }, flips, cut) => {
      const run = { writes: writes.slice(0, 3), values: values.slice(0, 3).map((value) => value.subarray(0, 20)) };
      const row = encodeBlock(run, 0, cutBlocks(run)[0]!.to);
      for (const [at, byte] of flips) row[at % Math.min(row.length, 90)] = byte;
      try {
        const block = new Block('w'.padEnd(13, '\0'), cut % 3 === 0 ? row.subarray(0, cut % row.length) : row);
        for (let at = 0; at < block.count; at++) {
          expect(block.value(at).length).toBeLessThanOrEqual(row.length);
          expect(block.write(at).key.length).toBeLessThanOrEqual(row.length);
        }
      } catch (error) {
        expect(String(error)).toMatch(/damaged row [0-9a-f]+ of writes/);
      }
    }),
  );
});

test('BlockDirectory finds blocks as a plain list does, whatever was exchanged, and names the oldest touched one first', () => {
  const step = fc.record({ what: fc.constantFrom('push', 'push', 'drop', 'drop', 'run'), at: fc.nat(400), count: fc.integer({ min: 1, max: 3 }), size: fc.constantFrom(100, 9000) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (steps) => {
      const directory = new BlockDirectory(4);
      let twin: BlockEntry[] = [];
      let next = 0;
      const entryOf = (main: number, count: number, sizeBytes: number): BlockEntry => ({ position: { main, sub: 0 }, count, sizeBytes, dropped: [] });
      for (const { what, at, count, size } of steps) {
        if (what === 'push') {
          next += 3;
          twin.push(entryOf(next, count, size));
          directory.push(twin.at(-1)!);
        } else if (what === 'drop') {
          const entry = twin[at % Math.max(1, twin.length)];
          if (entry === undefined || entry.dropped.length === entry.count) continue;
          directory.drop({ key: 'k', main: entry.position.main + entry.dropped.length, sub: 0, create: 1, version: 1, lease: 0n, cachedAt: NOT_CACHED });
        } else {
          const found = directory.nextRun();
          const oldest = twin.find(({ dropped }) => dropped.length > 0);
          expect(found?.[0]).toBe(oldest);
          if (found === undefined) continue;
          const start = twin.indexOf(found[0]!);
          expect(twin.slice(start, start + found.length)).toEqual(found);
          const left = found.flatMap((entry) => (entry.dropped.length === entry.count ? [] : [entryOf(entry.position.main, entry.count - entry.dropped.length, size)]));
          const by = left.slice(0, count);
          directory.replace(found, by);
          twin = [...twin.slice(0, start), ...by, ...twin.slice(start + found.length)];
        }
        expect(directory.touched).toBe(twin.filter(({ dropped }) => dropped.length > 0).length);
        for (const main of [0, at, next]) expect(directory.find({ main, sub: 7 })).toBe(twin.findLast(({ position }) => position.main <= main));
      }
    }),
    { numRuns: 40 },
  );
});
