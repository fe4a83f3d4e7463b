import { expect, test } from 'vitest';
import { equalBytes } from '../../../src/base/bytes.ts';
import type { BackendBatch, BackendKey } from '../../../src/store/mvcc/backend.ts';
import { Block, BLOCK_ROWS, BLOCK_WRITES_MAX, blockRowKey } from '../../../src/store/mvcc/core/block.ts';
import { NO_LEASE, NOT_CACHED, type Write } from '../../../src/store/mvcc/core/revision.ts';
import { Overlay } from '../../../src/store/mvcc/overlay.ts';
import { STATE_ROW } from '../../../src/store/mvcc/state-row.ts';
import { fc } from '../../base/property.ts';
import { bytes, text } from './requests.ts';

const writeOf = (main: number, key = 'k', sub = 0): Write => ({ key, main, sub, create: 1, version: main, lease: NO_LEASE, cachedAt: NOT_CACHED });
const state = bytes('state');

/** What lies below, and the batches that came to it. */
class World {
  readonly below: Map<BackendKey, Uint8Array>;
  overlay: Overlay;
  inFlight: BackendBatch | undefined;

  constructor(below = new Map<BackendKey, Uint8Array>()) {
    this.below = below;
    this.overlay = new Overlay({ get: (key) => this.below.get(key) });
    for (const { key, block } of this.blocks()) this.overlay.loadBlock(key, block);
  }

  blocks(): { key: BackendKey; block: Block }[] {
    const keys = [...this.below.keys()].filter((key) => key >= BLOCK_ROWS.from && key < BLOCK_ROWS.to).sort();
    return keys.map((key) => ({ key, block: new Block(key, this.below.get(key)!) }));
  }

  take(): void {
    this.inFlight ??= this.overlay.take(state);
  }

  land(): void {
    if (this.inFlight === undefined) return;
    const ops = [...this.inFlight];
    expect(this.inFlight.length).toBe(ops.length);
    for (const op of ops) {
      if (op.type === 'put') this.below.set(op.key, op.value);
      else this.below.delete(op.key);
    }
    this.inFlight = undefined;
    this.overlay.landed();
  }

  flush(): void {
    this.take();
    this.land();
  }

  /** What the rows hold. */
  writes(): Write[] {
    return this.blocks().flatMap(({ block }) => Array.from({ length: block.count }, (_, at) => block.write(at)));
  }
}

test('the writes of a batch share a row, which says what the batch amounts to', () => {
  const world = new World();
  world.overlay.putWrite(writeOf(2), bytes('two'));
  world.overlay.putWrite(writeOf(3), bytes(''));
  world.overlay.put('m', bytes('other'));
  expect(world.overlay.pending).toBe(3);
  world.flush();
  expect([...world.below.keys()].sort()).toEqual(['m', blockRowKey({ main: 2, sub: 0 })]);
  expect(text(world.blocks()[0]!.block.state!)).toBe('state');
  expect(world.writes()).toEqual([writeOf(2), writeOf(3)]);
});

test('a batch without writes says in a row of its own what it amounts to', () => {
  const world = new World();
  world.overlay.put('m', bytes('other'));
  world.flush();
  expect([...world.below]).toEqual([['m', bytes('other')], [STATE_ROW, state]]);
});

test('blocks of which all is dropped are not read any more, others once, and small neighbours become one', () => {
  const world = new World();
  const writes = Array.from({ length: 4 * BLOCK_WRITES_MAX }, (_, at) => writeOf(at + 2, `k${at}`));
  for (const write of writes) world.overlay.putWrite(write, bytes(String(write.main)));
  world.flush();
  expect(world.blocks().length).toBe(4);
  // Of the first block nothing stays, of the others a tenth.
  for (const [at, write] of writes.entries()) if (at < BLOCK_WRITES_MAX || at % 10 > 0) world.overlay.dropWrite(write);
  const read: BackendKey[] = [];
  const get = world.below.get.bind(world.below);
  world.below.get = (key) => (read.push(key), get(key));
  while (world.overlay.reclaim());
  expect(read).toEqual([...read].sort());
  expect(read.length).toBe(3);
  world.flush();
  world.below.get = get;
  expect(world.writes()).toEqual(writes.filter((_, at) => at >= BLOCK_WRITES_MAX && at % 10 === 0));
  expect(world.blocks().length).toBe(1);
  for (const write of world.writes()) expect(text(world.overlay.valueOf(write)!)).toBe(String(write.main));
});

test('what ended a key is written until the rows of its past are gone, though that were in flight when both were dropped', () => {
  const world = new World();
  const [past, end] = [writeOf(2), writeOf(3)];
  world.overlay.putWrite(past, bytes('x'));
  world.take();
  world.overlay.putWrite(end, bytes(''));
  for (const write of [past, end]) world.overlay.dropWrite(write);
  for (let slice = 0; slice < 5; slice++) expect(world.overlay.reclaim()).toBe(true);
  world.land();
  world.flush();
  expect(world.writes()).toEqual([past, end]);
  while (world.overlay.reclaim());
  world.flush();
  expect(world.writes()).toEqual([]);
});

const KEYS = ['a', 'b', 'c'];

test('a write is seen until it is dropped, wherever it lies, and a crash at any time leaves of each key the end of its past', () => {
  const step = fc.record({
    what: fc.constantFrom('put', 'put', 'put', 'drop', 'drop', 'take', 'land', 'reclaim', 'reclaim', 'crash'),
    key: fc.constantFrom(...KEYS),
    subs: fc.constantFrom(1, 1, 3),
    size: fc.constantFrom(0, 1, 50, 9000, 30_000),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: 'max' }), (steps) => {
      let world = new World();
      const histories = new Map<string, Write[]>(KEYS.map((key) => [key, []]));
      const values = new Map<string, Uint8Array>();
      const nameOf = ({ main, sub }: Write) => `${main}.${sub}`;
      let main = 1;
      // Of each key all that was written, dropped or not, since the last crash; and up to which batches have landed.
      let written: Write[] = [];
      let [taken, landed] = [0, 0];
      for (const { what, key, subs, size } of steps) {
        if (what === 'put') {
          main++;
          for (let sub = 0; sub < subs; sub++) {
            const write = writeOf(main, KEYS[(KEYS.indexOf(key) + sub) % KEYS.length]!, sub);
            values.set(nameOf(write), new Uint8Array(size).fill(main + sub));
            histories.get(write.key)!.push(write);
            written.push(write);
            world.overlay.putWrite(write, values.get(nameOf(write))!);
          }
        } else if (what === 'drop') {
          const oldest = histories.get(key)!.shift();
          if (oldest !== undefined) world.overlay.dropWrite(oldest);
        } else if (what === 'take') {
          if (world.inFlight === undefined) taken = main;
          world.take();
        } else if (what === 'land') {
          if (world.inFlight !== undefined) landed = taken;
          world.land();
        } else if (what === 'reclaim') world.overlay.reclaim();
        else {
          // What had landed comes back, what was dropped with it.
          world = new World(world.below);
          written = world.writes();
          for (const name of KEYS) histories.set(name, written.filter((write) => write.key === name));
        }
        for (const name of KEYS) {
          const below = world.writes().filter((write) => write.key === name);
          const past = written.filter((write) => write.key === name && write.main <= landed);
          expect(below).toEqual(past.slice(past.length - below.length));
          const lasting = histories.get(name)!.filter((write) => write.main <= landed);
          expect(below.length).toBeGreaterThanOrEqual(lasting.length);
        }
        for (const write of [...histories.values()].flat()) expect(equalBytes(world.overlay.valueOf(write)!, values.get(nameOf(write))!)).toBe(true);
      }
      world.land();
      while (world.overlay.reclaim());
      world.flush();
      const living = [...histories.values()].flat().sort((a, b) => a.main - b.main || a.sub - b.sub);
      expect(world.writes()).toEqual(living);
    }),
    { numRuns: 100 },
  );
});
